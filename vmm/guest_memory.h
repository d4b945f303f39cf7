/* SPDX-License-Identifier: MIT */
/*
 * Guest RAM, and the one gate to it.
 *
 * RAM is one sealed memfd (it cannot shrink under us, and it can become a dma-buf through
 * udmabuf), mapped in up to GUEST_MEMORY_REGIONS_MAX regions. Where nobody wants a dma-buf
 * of it, it is anonymous memory instead, for the sake of huge pages: Linux gives them to a
 * memfd only if /sys/kernel/mm/transparent_hugepage/shmem_enabled says so
 * (Documentation/admin-guide/mm/transhuge.rst), and with Debian's kernels that is "never".
 * A third kind of RAM is KVM's own file: docs/guest-memory.md compares the three.
 *
 * Every access of the VMM to guest bytes goes through the functions here, which take (address,
 * length), check the range with overflow, and copy. The guest may write the same bytes at any
 * moment: copy once, check the copy, use the copy.
 */
#ifndef S2VMM_GUEST_MEMORY_H
#define S2VMM_GUEST_MEMORY_H

#include "vmm/error.h"
#include "vmm/types.h"

#define GUEST_MEMORY_REGIONS_MAX 4

struct guest_region {
    struct gpa_range range;
    uint8_t *host;        /* where the region is mapped in this process */
    uint64_t file_offset; /* where it starts in the memfd, if there is one */
};

struct guest_memory {
    int fd;              /* the sealed memfd; -1: anonymous memory */
    bool is_guest_memfd; /* the file is KVM's, and no memfd */
    unsigned region_count;
    struct guest_region regions[GUEST_MEMORY_REGIONS_MAX];
};

/* Makes RAM for the given ranges (page-aligned, not overlapping, at most
 * GUEST_MEMORY_REGIONS_MAX). Fails with ERROR_HOST_MEMORY or ERROR_HOST_SYSTEM. */
bool guest_memory_init(struct guest_memory *memory, const struct gpa_range *ranges,
                       unsigned range_count, struct error *error);

/* The same in anonymous memory: RAM that cannot become a dma-buf. */
bool guest_memory_init_private(struct guest_memory *memory,
                               const struct gpa_range *ranges, unsigned range_count,
                               struct error *error);

/* The same in KVM's guest_memfd of as many bytes (vmm/guest_memfd.h), which becomes the memory's,
 * also when this fails. It cannot become a dma-buf, nor be given to another VM. */
bool guest_memory_init_guest_memfd(struct guest_memory *memory,
                                   const struct gpa_range *ranges, unsigned range_count,
                                   int fd, struct error *error);

/* The same over the memfd of another RAM of the same ranges, which stays the caller's: both see the
 * same bytes. ERROR_HOST_BUFFER if it is no such file. */
bool guest_memory_init_over(struct guest_memory *memory, const struct gpa_range *ranges,
                            unsigned range_count, int fd, struct error *error);

/* Unmaps RAM and closes the memfd, if there is one; a zeroed object is fine. */
void guest_memory_finish(struct guest_memory *memory);

/* Host address of [address, address + length), which lies in one region. For loaders, and
 * for KVM; devices use the functions below. ERROR_GUEST_ADDRESS if it is not RAM. */
bool guest_memory_view(const struct guest_memory *memory, gpa_t address, uint64_t length,
                       void **host, struct error *error);

/* Copies guest bytes out or in. ERROR_GUEST_ADDRESS if the range is not RAM. */
bool guest_memory_read(const struct guest_memory *memory, gpa_t address, void *buffer,
                       uint64_t length, struct error *error);
bool guest_memory_write(const struct guest_memory *memory, gpa_t address,
                        const void *buffer, uint64_t length, struct error *error);

/* Single 16-bit accesses with acquire and release order, for ring indices; the address must
 * be even. */
bool guest_memory_load16_acquire(const struct guest_memory *memory, gpa_t address,
                                 uint16_t *value, struct error *error);
bool guest_memory_store16_release(const struct guest_memory *memory, gpa_t address,
                                  uint16_t value, struct error *error);

#endif
