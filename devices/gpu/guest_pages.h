/* SPDX-License-Identifier: MIT */
/*
 * Guest memory that belongs to a resource: what RESOURCE_ATTACH_BACKING attached, or what a
 * GUEST or HOST3D_GUEST blob consists of (virtio 1.2, 5.7.6.8).
 *
 *   entry 0  [address, length)    \
 *   entry 1  [address, length)     > one run of bytes, in this order
 *   ...                           /
 *
 * Guest RAM stays where it is for as long as the VM lives, so the host addresses stay valid.
 * The guest may write the bytes at any moment: copy once, and use the copy.
 *
 * For resources use resource_attach_pages() (resource.h), which also keeps the guest's quota.
 */
#ifndef S2VMM_GPU_GUEST_PAGES_H
#define S2VMM_GPU_GUEST_PAGES_H

#include <sys/uio.h>

#include "devices/gpu/protocol.h"
#include "vmm/guest_memory.h"

#define GUEST_PAGES_ENTRIES_MAX 131072u /* 512 MiB in single pages */

struct guest_pages {
    unsigned count; /* 0: there are none */
    uint64_t size;  /* bytes, of all entries */
    struct gpa_range *ranges;
    struct iovec *vectors; /* the same in this process; for the renderer */
    uint64_t *starts;      /* the byte of the run that each begins with */
};

/* Takes the entries of a command. `available`: bytes behind `entries`, which must hold all
 * `count`. ERROR_GUEST_PARAMETER when there are none, too many, more than came with the
 * command, or one is empty; ERROR_GUEST_ADDRESS when one is not RAM; ERROR_HOST_MEMORY. */
bool guest_pages_init(struct guest_pages *pages, const struct guest_memory *memory,
                      const struct virtio_gpu_mem_entry *entries, uint32_t count,
                      uint64_t available, struct error *error);

/* A zeroed object is fine. */
void guest_pages_finish(struct guest_pages *pages);

/* Copies `length` bytes from or to byte `offset` of the run. ERROR_GUEST_PARAMETER when the
 * run is shorter; then nothing is copied. */
bool guest_pages_read(const struct guest_pages *pages, uint64_t offset, void *buffer,
                      uint64_t length, struct error *error);
bool guest_pages_write(const struct guest_pages *pages, uint64_t offset,
                       const void *buffer, uint64_t length, struct error *error);

#endif
