/* SPDX-License-Identifier: MIT */
/*
 * The device tree of an arm64 machine: what a Linux guest knows of it.
 *
 *   /chosen               command line, console, initial RAM disk, seeds
 *   /memory@              RAM; the window of the GPU is not RAM
 *   /cpus/cpu@            started by PSCI
 *   /psci                 by HVC, which KVM answers
 *   /timer                the architected timer
 *   /interrupt-controller@[/msi-controller@]   GICv3 with an ITS, or GICv2
 *   /clock                what the PrimeCells below ask for; nothing depends on it
 *   /serial@ /rtc@        PL011, PL031
 *   /virtio@              one for each virtio-mmio device, dma-coherent
 *   /pcie@                the PCI host bridge, if there is one: ECAM, windows, the ITS for
 *                         MSIs, one interrupt for all pins
 *
 * The exit and witness devices are not in it: no binding describes them, and no driver of Linux
 * is for them. A pure function of its argument, so that it needs no arm64 to be tested.
 * (Devicetree Specification 0.4; bindings in Linux, Documentation/devicetree/bindings/.)
 */
#ifndef S2VMM_FIRMWARE_DEVICE_TREE_H
#define S2VMM_FIRMWARE_DEVICE_TREE_H

#include "firmware/boot.h"
#include "vmm/error.h"
#include "vmm/types.h"

/* Random bits from the host, each for one use. The kernel's parameter "nokaslr" wins over the
 * first one. */
struct device_tree_seeds {
    uint64_t kaslr; /* where the kernel puts itself in its address space */
    uint8_t
        rng[32]; /* for the random number generator, which is ready from the start then */
};

struct device_tree_config {
    struct gpa_range ram;
    struct gpa_range initrd; /* size 0: none */
    const char *command_line;
    const struct device_tree_seeds *seeds;

    unsigned cpu_count;
    const uint64_t *mpidrs; /* of each vCPU; bits that are not affinity are ignored */

    unsigned gic_version; /* 3 or 2 */
    bool has_its;         /* with GICv3 */
    struct gpa_range gic_distributor;
    struct gpa_range gic_redistributors; /* GICv3: of all vCPUs */
    struct gpa_range gic_its;
    struct gpa_range gic_cpu_interface; /* GICv2 */

    struct boot_pci pci;
    struct gpa_range rtc;
    unsigned device_count;
    const struct boot_device *devices; /* irq: SPI, from 0; an edge, as irqfds are */
};

/* Writes the tree into the buffer, which is all that the guest needs of it.
 * ERROR_CONFIG_USAGE when it does not fit: only the command line is that long. */
bool device_tree_build(const struct device_tree_config *config, void *buffer,
                       size_t capacity, struct error *error);

#endif
