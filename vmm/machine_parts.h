/* SPDX-License-Identifier: MIT */
/* What the files of the machine share: machine*.c, and nobody else. */
#ifndef S2VMM_MACHINE_PARTS_H
#define S2VMM_MACHINE_PARTS_H

#include "vmm/machine.h"

/* Tells firmware, and the tiny guest, of a device. */
void machine_announce(struct machine *machine, enum boot_device_kind kind, uint32_t irq,
                      uint64_t base, uint64_t size);

/* Which transport the virtio devices are on; makes the PCI bridge if it is that. */
bool machine_choose_transport(struct machine *machine, struct error *error);

/* The GPU, disks, console and entropy that the command line asks for. */
bool machine_add_devices(struct machine *machine, struct error *error);

/* machine_vfio.c: the devices of the host that the command line names; and their end. */
bool machine_add_vfio(struct machine *machine, struct error *error);
void machine_finish_vfio(struct machine *machine);

/* Who takes messages of PCI functions; NULL: nobody, as on arm64 without an ITS. */
struct irq_routes *machine_routes(struct machine *machine);

/* Ends all virtio devices, then takes their transport away. */
void machine_finish_virtio(struct machine *machine);

/* Puts a virtio device where the guest finds it; the role is that of its thread. */
bool machine_add_virtio(struct machine *machine, struct virtio_device *device,
                        enum sandbox_role role, struct error *error);

/* machine_gpu.c: the GPU with its witness, and starts it. */
bool machine_add_gpu(struct machine *machine, struct error *error);

/* --json and --records; says what of them was lost. */
void machine_close_records(struct machine *machine);

/* With --json the GPU's statistics, and --screenshot; why there is none goes to stderr. */
void machine_report(struct machine *machine);

/* SIGUSR1: machine_report(); SIGUSR2: each display gets the next of its sizes. The context is the
 * machine; on the signals' thread. */
void machine_take_user_signal(void *context, int number);

#endif
