/* SPDX-License-Identifier: MIT */
/* What the files of the machine share: machine*.c, and nobody else. */
#ifndef S2VMM_MACHINE_PARTS_H
#define S2VMM_MACHINE_PARTS_H

#include "vmm/machine.h"

/* Tells firmware, and the tiny guest, of a device. */
void machine_announce(struct machine *machine, enum boot_device_kind kind, uint32_t irq,
                      uint64_t base, uint64_t size);

/* Puts a virtio device where the guest finds it. */
bool machine_add_virtio(struct machine *machine, struct virtio_device *device,
                        struct error *error);

/* machine_gpu.c: the GPU with its witness, and starts it. */
bool machine_add_gpu(struct machine *machine, struct error *error);

#endif
