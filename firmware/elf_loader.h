/* SPDX-License-Identifier: MIT */
/*
 * Loads a static ELF64 executable into guest memory, by its physical addresses.
 *
 * The file is not trusted: every field is checked before the first byte of guest memory
 * is written.
 */
#ifndef S2VMM_FIRMWARE_ELF_LOADER_H
#define S2VMM_FIRMWARE_ELF_LOADER_H

#include "vmm/guest_memory.h"

/* machine: the e_machine that the file must have. *entry is the first instruction; it
 * lies in a segment. All errors are ERROR_CONFIG_FILE and begin with the path: missing,
 * not an ELF file, wrong class, machine or type, cut off, or segments that are not in RAM
 * at or above LAYOUT_IMAGE_START or that overlap. */
bool elf_load(const char *path, const struct guest_memory *memory, uint16_t machine,
              gpa_t *entry, struct error *error);

/* The same from an open file; its name is for messages. */
bool elf_load_fd(int fd, const char *name, const struct guest_memory *memory,
                 uint16_t machine, gpa_t *entry, struct error *error);

#endif
