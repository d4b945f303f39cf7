/* SPDX-License-Identifier: MIT */
/*
 * Loads a static ELF64 executable into guest memory, by its physical addresses.
 *
 * The file is not trusted: every field is checked before the first byte of guest memory
 * is written.
 *
 * A note of the owner "Xen" with the type XEN_ELFNOTE_PHYS32_ENTRY (18) says where a kernel is
 * entered by the PVH protocol (Xen, docs/misc/pvh.pandoc; Linux, arch/x86/platform/pvh/head.S).
 */
#ifndef S2VMM_FIRMWARE_ELF_LOADER_H
#define S2VMM_FIRMWARE_ELF_LOADER_H

#include "vmm/guest_memory.h"

/* The executable in memory. */
struct elf_image {
    gpa_t entry;     /* the first instruction; lies in a segment */
    bool has_pvh;    /* it is a Linux kernel that can be started the PVH way */
    gpa_t pvh_entry; /* first instruction then, in 32-bit mode; lies in a segment */
    struct gpa_range
        range; /* from the first byte of the lowest segment to the last one */
};

/* machine: the e_machine that the file must have; the name is for messages. All errors are
 * ERROR_CONFIG_FILE and begin with the name: not an ELF file, wrong class, machine or type, cut
 * off, or segments that are not in RAM at or above LAYOUT_IMAGE_START or that overlap. */
bool elf_load_fd(int fd, const char *name, const struct guest_memory *memory,
                 uint16_t machine, struct elf_image *image, struct error *error);

#endif
