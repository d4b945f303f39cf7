/* SPDX-License-Identifier: MIT */
/*
 * Loads a Linux kernel for arm64, the file that its build calls Image (Documentation/arch/
 * arm64/booting.rst in Linux).
 *
 *   base, 2 MiB aligned
 *   |<- text_offset ->|<----------------- image_size ---------------->|
 *   |                 | the file            | the kernel's BSS, stack |   2 MiB | initrd
 *                     ^ entry                                           aligned |
 *
 * It may be packed: by gzip as a whole (Image.gz), or by gzip or zstd inside of a program for
 * UEFI, "zboot" (drivers/firmware/efi/libstub/zboot-header.S):
 *
 *   0   "MZ"       4   "zimg"     8   offset of the packed Image    12   its size
 *
 * As with the ELF loader the files are not trusted: all is checked before the first byte of
 * guest memory is written.
 */
#ifndef S2VMM_FIRMWARE_IMAGE_LOADER_H
#define S2VMM_FIRMWARE_IMAGE_LOADER_H

#include "vmm/guest_memory.h"

#define IMAGE_ALIGNMENT (2 * MIB) /* of the base */

/* What a file is, by its first bytes. */
enum image_kind {
    IMAGE_UNKNOWN,
    IMAGE_ELF,
    IMAGE_LINUX,        /* "ARM\x64" at byte 56 */
    IMAGE_LINUX_GZIP,   /* Image.gz, or anything else that gzip made */
    IMAGE_LINUX_ZBOOT,  /* vmlinuz.efi: a program for UEFI that unpacks the kernel */
    IMAGE_LINUX_BZIMAGE /* for x86 */
};

/* ERROR_CONFIG_FILE when it cannot be read. */
bool image_identify(int fd, enum image_kind *kind, struct error *error);

/* What the kernel takes; its first byte is its first instruction. */
struct linux_image {
    struct gpa_range range;
};

/* Loads an IMAGE_LINUX, or one that is packed (_GZIP, _ZBOOT), behind `base`; its name is for
 * messages. ERROR_CONFIG_FILE, beginning with the name: not such an image, older than Linux 3.17,
 * broken, or larger than RAM behind base. */
bool image_load(int fd, const char *name, const struct guest_memory *memory, gpa_t base,
                struct linux_image *image, struct error *error);

#endif
