/* SPDX-License-Identifier: MIT */
/*
 * Reads words of the kernel's memory through /proc/kcore, an ELF core file of the running
 * kernel: each PT_LOAD header says which kernel virtual addresses lie where in the file, and
 * for RAM also which physical addresses they are (fs/proc/kcore.c; others have p_paddr -1).
 *
 *     virtual --+
 *               +--> a header that covers it --> offset in the file --> word
 *     physical -+
 *
 * It needs root, CONFIG_PROC_KCORE, and a kernel that is not locked down; STRICT_DEVMEM does
 * not matter. Nothing is ever written. What is read may change, or be freed, at any time:
 * the reader has to take any value.
 */
#ifndef S2VMM_KCORE_H
#define S2VMM_KCORE_H

#include <stdint.h>

#include "vmm/error.h"

#define KCORE_PATH       "/proc/kcore"
#define KCORE_RANGES_MAX 128

struct kcore_range {
    uint64_t virtual_start;
    uint64_t physical_start; /* KCORE_NO_PHYSICAL: not RAM */
    uint64_t size;
    uint64_t offset; /* in the file */
};

#define KCORE_NO_PHYSICAL UINT64_MAX

struct kcore {
    bool is_open;
    int fd;
    unsigned range_count;
    struct kcore_range ranges[KCORE_RANGES_MAX];
};

/* Reads the headers. ERROR_CONFIG_HOST, with what to do, when it cannot be read or is no ELF
 * core file. */
bool kcore_open(struct kcore *kcore, const char *path, struct error *error);

/* A zeroed object is fine. */
void kcore_close(struct kcore *kcore);

/* The word of 8 bytes at this kernel virtual address; false when no header covers it, or the
 * kernel does not let us read it. */
bool kcore_read(const struct kcore *kcore, uint64_t address, uint64_t *word);

/* The kernel virtual address of a physical one; false when it is not RAM. */
bool kcore_virtual(const struct kcore *kcore, uint64_t physical, uint64_t *address);

#endif
