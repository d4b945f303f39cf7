/* SPDX-License-Identifier: MIT */
/*
 * The machine that `s2vmm run` runs, put together from the command line. A composition root: it
 * sees everything.
 *
 *   machine_init()   host, VM, the guest's files
 *   machine_run()    devices on their transport, firmware, vCPUs ... until the run ends
 */
#ifndef S2VMM_MACHINE_H
#define S2VMM_MACHINE_H

#include "devices/gpu/gpu.h"
#include "devices/gpu/render_server.h"
#include "devices/gpu/renderer_remote.h"
#include "devices/gpu/witness.h"
#include "devices/pl011.h"
#include "devices/pl031.h"
#include "devices/serial.h"
#include "devices/vfio_pci.h"
#include "devices/virtio_blk.h"
#include "devices/virtio_console.h"
#include "devices/virtio_rng.h"
#include "firmware/boot.h"
#include "virtio/mmio.h"
#include "virtio/pci.h"
#include "vmm/machine_update.h"
#include "vmm/options.h"
#include "vmm/output.h"
#include "vmm/platform.h"
#include "vmm/s2_observer.h"
#include "vmm/stop_signals.h"
#include "vmm/terminal.h"

#define MACHINE_VIRTIO_MAX 7u /* GPU, disks, console, entropy */

struct machine {
    const struct options *options;
    struct trace trace;
    struct sandbox sandbox;
    struct render_server server;   /* with venus */
    struct renderer_remote remote; /* --renderer=process: and without the server */
    struct platform platform;
    struct vm vm;
    struct boot_image image;
    struct terminal terminal;
    struct output console_output;
    struct output record_output;
    struct output record_file_output;
    struct serial serial; /* or the PL011 */
    struct pl011 pl011;
    struct pl031 rtc;
    struct gpu gpu;
    struct witness witness;
    struct s2_observer observer;
    struct recorder recorder;
    struct stop_signals signals;
    struct machine_update update;
    unsigned display_turn; /* how often the displays' sizes were changed */

    bool uses_pci;
    struct gpa_range window; /* of the GPU, at the start */
    struct boot_pci pci;
    struct kvm_events events;
    struct irq_routes routes;
    struct pci_host bridge;
    unsigned virtio_count;
    struct virtio_device *virtio[MACHINE_VIRTIO_MAX]; /* in the order of the next two */
    struct virtio_mmio mmio[MACHINE_VIRTIO_MAX];
    struct virtio_pci functions[MACHINE_VIRTIO_MAX];
    struct virtio_blk disks[OPTIONS_DISKS_MAX];
    struct virtio_console console;
    struct virtio_rng rng;
    struct vfio_irqfds irqfds;
    struct vfio_container container;
    struct vfio_pci vfio[OPTIONS_VFIO_MAX];

    unsigned boot_device_count;
    struct boot_device boot_devices[BOOT_DEVICES_MAX];
};

/* Makes it, from the command line, which stays in use. The objects are freed by
 * machine_finish(), also after this failed. */
bool machine_init(struct machine *machine, const struct options *options,
                  struct error *error);

/* Runs the guest. False when it could not be started. */
bool machine_run(struct machine *machine, struct vm_outcome *outcome,
                 struct error *error);

/* A zeroed object is fine. */
void machine_finish(struct machine *machine);

/* Instead of it, when the guest belongs to another s2vmm: leaves everything that this may use. The
 * process has to end then. */
void machine_leave(struct machine *machine);

/* Whether to lift KVM's quirk that ignores the guest's PAT when a VM is made, and what that
 * makes of the platform. With "auto" it is lifted by the first blob that needs it; in the VMs
 * of the matrix, which have no such moment, at once. ERROR_CONFIG_HOST. */
bool machine_decide_guest_pat(struct platform *platform, const struct options *options,
                              bool auto_is_on, bool *honour, struct error *error);

#endif
