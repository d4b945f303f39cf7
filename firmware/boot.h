/* SPDX-License-Identifier: MIT */
/*
 * What firmware would have left in memory for the guest; firmware/<arch>/boot.c says what that
 * is, and in what state the guest is entered.
 *
 *   boot_load() the guest's file -> boot_prepare() what it finds -> vm_run() at the entry
 */
#ifndef S2VMM_FIRMWARE_BOOT_H
#define S2VMM_FIRMWARE_BOOT_H

#include "firmware/boot_abi.h"
#include "firmware/bzimage_loader.h"
#include "vmm/guest_memory.h"
#include "vmm/vm.h"

/* The guest in memory. */
struct boot_image {
    gpa_t start;                  /* its first instruction */
    bool is_linux;                /* or the tiny guest */
    enum vm_entry_mode mode;      /* x86: how it is entered */
    struct gpa_range initrd;      /* size 0: none */
    struct bzimage_header header; /* x86, a bzImage: for boot_params */
};

/* The PCI host bridge: one bus, all of whose functions have MSI-X. */
struct boot_pci {
    struct gpa_range ecam;     /* of bus 0: 1 MiB; size 0: there is no PCI */
    struct gpa_range memory32; /* where BARs may be, below 4 GiB */
    struct gpa_range memory64; /* the same above, prefetchable; size 0: none */
    uint32_t intx_irq;         /* INTA to INTD of all slots share it; 0: none */
};

struct boot_config {
    unsigned cpu_count;
    const char *command_line;
    unsigned device_count; /* at most BOOT_DEVICES_MAX */
    const struct boot_device *devices;
    struct boot_pci pci;
    unsigned gic_version; /* arm64: of struct vm */
    bool has_its;         /* arm64: of struct vm */
};

/* Loads the guest, an ELF or a Linux kernel (x86: bzImage or vmlinux; arm64: Image, also packed
 * by gzip or for UEFI), with its initial RAM disk, NULL: none. What it is its first bytes say.
 * ERROR_CONFIG_FILE; ERROR_CONFIG_USAGE when this guest takes no initrd. */
bool boot_load(const struct guest_memory *memory, const char *path, const char *initrd,
               struct boot_image *image, struct error *error);

/* Writes everything that the guest finds in memory. *entry is for vm_run().
 * ERROR_CONFIG_USAGE when the command line is too long. */
bool boot_prepare(const struct guest_memory *memory, const struct boot_config *config,
                  const struct boot_image *image, struct vm_entry *entry,
                  struct error *error);

/* The same on every architecture, a part of boot_prepare(): struct boot_info and the command
 * line of the tiny guest. */
bool boot_write_info(const struct guest_memory *memory, const struct boot_config *config,
                     struct error *error);

#endif
