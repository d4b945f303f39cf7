/* SPDX-License-Identifier: MIT */
/*
 * Loads a Linux kernel for x86, the file that its build calls bzImage, for the 64-bit boot
 * protocol (Documentation/arch/x86/boot.rst in Linux).
 *
 *   the file                        guest memory
 *   0x000  boot sector, setup       -         only its header is used: to boot_params
 *   0x1f1  the setup header
 *   (setup_sects + 1) * 512:        pref_address                         pref_address
 *          the rest, syssize * 16   | the rest | room to unpack itself   | + init_size
 *                                   + 0x200: entry
 *
 * As with the ELF loader the file is not trusted: all is checked before the first byte of
 * guest memory is written.
 */
#ifndef S2VMM_FIRMWARE_BZIMAGE_LOADER_H
#define S2VMM_FIRMWARE_BZIMAGE_LOADER_H

#include "vmm/guest_memory.h"

/* boot.rst, "Details of Header Fields"; from offset 0x1f1 of the file and of boot_params. */
struct bzimage_header {
    uint8_t setup_sects;
    uint16_t root_flags;
    uint32_t syssize; /* of the part that is loaded, in 16 bytes */
    uint16_t ram_size;
    uint16_t vid_mode;
    uint16_t root_dev;
    uint16_t boot_flag;
    uint16_t jump;
    uint32_t header; /* "HdrS" */
    uint16_t version;
    uint32_t realmode_swtch;
    uint16_t start_sys_seg;
    uint16_t kernel_version;
    uint8_t type_of_loader;
    uint8_t loadflags;
    uint16_t setup_move_size;
    uint32_t code32_start;
    uint32_t ramdisk_image;
    uint32_t ramdisk_size;
    uint32_t bootsect_kludge;
    uint16_t heap_end_ptr;
    uint8_t ext_loader_ver;
    uint8_t ext_loader_type;
    uint32_t cmd_line_ptr;
    uint32_t initrd_addr_max; /* of the initrd's last byte */
    uint32_t kernel_alignment;
    uint8_t relocatable_kernel;
    uint8_t min_alignment;
    uint16_t xloadflags;
    uint32_t cmdline_size; /* without the NUL */
    uint32_t hardware_subarch;
    uint64_t hardware_subarch_data;
    uint32_t payload_offset;
    uint32_t payload_length;
    uint64_t setup_data;
    uint64_t pref_address;
    uint32_t init_size; /* what the kernel needs from pref_address on */
    uint32_t handover_offset;
    uint32_t kernel_info_offset;
} __attribute__((packed));
_Static_assert(sizeof(struct bzimage_header) == 0x26c - 0x1f1, "file format");

struct bzimage {
    gpa_t entry;            /* of the 64-bit boot protocol */
    struct gpa_range range; /* what the kernel takes until it is unpacked */
    uint64_t initrd_limit;  /* first address that an initrd cannot have */
    struct bzimage_header
        header; /* for boot_params: fields that its version lacks are 0 */
};

/* The name is for messages. ERROR_CONFIG_FILE, beginning with the name: not such an image, too
 * old (before Linux 3.8), for 32 bits only, cut off, or larger than RAM. */
bool bzimage_load_fd(int fd, const char *name, const struct guest_memory *memory,
                     struct bzimage *image, struct error *error);

#endif
