/* SPDX-License-Identifier: MIT */
/* What the files of the machine share: machine*.c, and nobody else. */
#ifndef S2VMM_MACHINE_PARTS_H
#define S2VMM_MACHINE_PARTS_H

#include "vmm/machine.h"
#include "vmm/vm_state.h"

/* Tells firmware, and the tiny guest, of a device. */
void machine_announce(struct machine *machine, enum boot_device_kind kind, uint32_t irq,
                      uint64_t base, uint64_t size);

/* Which transport the virtio devices are on; makes the PCI bridge if it is that. */
bool machine_choose_transport(struct machine *machine, struct error *error);

/* The GPU, disks, console and entropy that the command line asks for. */
bool machine_add_devices(struct machine *machine, struct error *error);

/* machine_vfio.c: the devices of the host that the command line names; and their end. */
/* With a reader: those that another s2vmm had. */
bool machine_add_vfio(struct machine *machine, struct state_reader *reader,
                      struct error *error);
/* Their interrupts wait, and RAM can go to another process; after an error, too, take_back is
 * needed. */
bool machine_pause_vfio(struct machine *machine, struct error *error);
/* The other process is dead. ERROR_HOST_SYSTEM, ERROR_HOST_KVM. */
bool machine_take_back_vfio(struct machine *machine, struct error *error);
/* Interrupts reach the guest again. */
bool machine_resume_vfio(struct machine *machine, struct error *error);
void machine_save_vfio(const struct machine *machine, struct state_writer *writer);
void machine_finish_vfio(struct machine *machine);

/* Their threads, when all devices are there; of a guest that is taken over: paused. */
bool machine_start_devices(struct machine *machine, struct error *error);

/* Who takes messages of PCI functions; NULL: nobody, as on arm64 without an ITS. */
struct irq_routes *machine_routes(struct machine *machine);

/* Ends all virtio devices, then takes their transport away. */
void machine_finish_virtio(struct machine *machine);

/* Puts a virtio device where the guest finds it; the role is that of its thread. */
bool machine_add_virtio(struct machine *machine, struct virtio_device *device,
                        enum sandbox_role role, struct error *error);

/* machine_gpu.c: the GPU with its witness. */
bool machine_add_gpu(struct machine *machine, struct error *error);

/* --- machine_state.c: a live update --- */

/* Stops the devices; the vCPUs have stopped. False: they run again. ERROR_HOST_SYSTEM. */
bool machine_pause(struct machine *machine, unsigned milliseconds, struct error *error);

/* The opposite; a process that was to take over is dead. ERROR_HOST_KVM: some have no interrupts
 * any more; ERROR_HOST_SYSTEM: some have no memory. */
bool machine_resume(struct machine *machine, struct error *error);

/* The threads of devices and of the terminal go on: a part of machine_resume(), and all that one
 * that has been loaded needs, beside machine_resume_vfio(). */
void machine_resume_threads(struct machine *machine);

/* Sections of all devices, after those of the VM. ERROR_CONFIG_USAGE: what cannot be saved. */
bool machine_save(struct machine *machine, struct state_writer *writer,
                  struct error *error);
bool machine_load(struct machine *machine, struct state_reader *reader,
                  struct error *error);

/* --- end of a live update --- */

/* --json and --records; says what of them was lost. */
void machine_close_records(struct machine *machine);

/* With --json the GPU's statistics, and --screenshot; why there is none goes to stderr. */
void machine_report(struct machine *machine);

/* SIGUSR1: machine_report(); SIGUSR2: each display gets the next of its sizes. The context is the
 * machine; on the signals' thread. */
void machine_take_user_signal(void *context, int number);

#endif
