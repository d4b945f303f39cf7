/* SPDX-License-Identifier: MIT */
/*
 * The host-visible window: a range of guest physical addresses (shared memory region 1)
 * in which the guest places its blobs, at offsets of its choice.
 *
 *   window  |--hole--|== blob 3 ==|--hole--|== blob 7 ==|------hole------|
 *                     memslot               memslot
 *
 * Strategy "slot": one memslot for each mapped blob. A hole has no memslot; a guest
 * access to it is an MMIO exit that reads all ones and writes nothing. On arm64 the mapping is
 * moved in the VMM's address space where KVM needs that: vmm/placement.h says when and why.
 */
#ifndef S2VMM_GPU_HOSTMEM_H
#define S2VMM_GPU_HOSTMEM_H

#include "devices/gpu/backing.h"
#include "vmm/memslot.h"

struct hostmem {
    struct memslot_table *memslots;
    struct gpa_range window; /* changes when the guest moves the PCI BAR: window.h */
    bool hidden;             /* the BAR is switched off: there is no window */
    int watch_fd;            /* the timer of watch.h */
    unsigned retries_left;   /* see gpu_page_lost() */
};

/* How a backing has to be placed. */
struct hostmem_placement {
    bool late;         /* behind a memslot that is there already */
    bool avoid_blocks; /* where KVM cannot map a whole block */
};

struct hostmem_mapping {
    bool mapped;
    bool hidden; /* with the window: it has no slot */
    uint32_t slot;
    uint64_t offset; /* in the window, bytes */
    gpa_t address;
    struct hostmem_placement placement;
};

/* Maps the whole backing at `offset` bytes into the window; its host address changes when the
 * placement asks for it. ERROR_GUEST_PARAMETER when the offset is not page-aligned, the blob
 * does not fit in the window there, or it overlaps another one (both are named);
 * ERROR_GUEST_STATE while the window is hidden; ERROR_GUEST_LIMIT when KVM has no slot left; ERROR_REFUSED when the renderer owns a mapping
 * that would have to be moved; ERROR_HOST_MEMORY. */
bool hostmem_map(struct hostmem *hostmem, struct backing *backing,
                 struct hostmem_placement placement, uint32_t resource_id,
                 uint64_t offset, struct hostmem_mapping *mapping, struct error *error);

/* Takes the memslot away until hostmem_show(). ERROR_HOST_KVM. */
bool hostmem_hide(struct hostmem *hostmem, struct hostmem_mapping *mapping,
                  struct error *error);

/* Puts a hidden mapping back, at its offset of the window where that is now. Errors as of
 * hostmem_map(); then it is not mapped any more. */
bool hostmem_show(struct hostmem *hostmem, struct backing *backing, uint32_t resource_id,
                  struct hostmem_mapping *mapping, struct error *error);

/* When it returns, no vCPU can reach the memory. */
bool hostmem_unmap(struct hostmem *hostmem, struct hostmem_mapping *mapping,
                   struct error *error);

#endif
