/* SPDX-License-Identifier: MIT */
/*
 * The host-visible window: a range of guest physical addresses (shared memory region 1)
 * in which the guest places its blobs, at offsets of its choice. Two strategies:
 *
 *   slot     one memslot for each mapped blob (hostmem_slot.c)
 *
 *     guest   |--hole--|== blob 3 ==|--hole--|== blob 7 ==|------hole------|
 *                       memslot               memslot
 *
 *   window   one memslot over the whole, from the first blob on; behind it, address space that
 *            the VMM has reserved, with the buffers mapped over parts of it (hostmem_window.c)
 *
 *     guest   |----------------------------- memslot ----------------------|
 *     host    |PROT_NONE|== blob 3 ==|PROT_NONE|== blob 7 ==|--PROT_NONE---|
 *
 * Holes. slot: an access is an MMIO exit; it reads all ones and writes nothing. window: until
 * the first blob is mapped the same. From then on, the first access to a hole ends KVM_RUN with
 * EFAULT, and KVM does not say where: all holes are laid out with one small piece of scratch memory
 * then, again and again (hostmem_fill_holes()). Reads give all ones until the guest itself
 * writes, to any hole; nobody else's bytes are ever there. How long a hole keeps a write is not
 * promised. See docs/performance.md.
 *
 * The mapping of the buffer itself is made by hostmem_map(), where KVM needs it; that of a
 * buffer which is mapped already is used (slot), or is left alone (window).
 */
#ifndef S2VMM_GPU_HOSTMEM_H
#define S2VMM_GPU_HOSTMEM_H

#include "devices/gpu/backing.h"
#include "vmm/memslot.h"

enum hostmem_strategy {
    HOSTMEM_SLOT,
    HOSTMEM_WINDOW,
};

/* Strategy "window": what is behind the memslot. Made with the first mapping. */
struct hostmem_area {
    uint8_t *reserved; /* address space; NULL: none yet */
    uint64_t reserved_size;
    uint8_t *base; /* of the window, in it */
    bool has_slot;
    uint32_t slot;
    void *blobs;        /* what is mapped: a tree of tsearch() */
    int sink_fd;        /* the scratch memory for holes, ... */
    uint64_t sink_size; /* ... bytes; 0: there is none yet, holes are PROT_NONE */
};

struct hostmem {
    struct memslot_table *memslots;
    enum hostmem_strategy strategy;
    bool avoid_blocks; /* window: nowhere may KVM map a whole block (vmm/placement.h) */
    struct gpa_range window; /* changes when the guest moves the PCI BAR: window.h */
    bool hidden;             /* the BAR is switched off: there is no window */
    struct hostmem_area area;
    int watch_fd;          /* the timer of watch.h */
    unsigned retries_left; /* see gpu_page_lost() */
};

/* How a backing has to be placed. The strategy "window" places all of them so. */
struct hostmem_placement {
    bool late;         /* behind a memslot that is there already */
    bool avoid_blocks; /* where KVM cannot map a whole block */
};

struct hostmem_mapping {
    bool mapped;
    bool hidden;     /* with the window: the guest does not see it */
    uint32_t slot;   /* strategy "slot" */
    uint64_t offset; /* in the window, bytes */
    gpa_t address;
    struct hostmem_placement placement;
    struct backing *backing; /* stays where it is while mapped */
};

/* Maps the whole backing at `offset` bytes into the window. ERROR_GUEST_PARAMETER when the
 * offset is not page-aligned, the blob does not fit in the window there, or it overlaps
 * another one (both are named); ERROR_GUEST_STATE while the window is hidden;
 * ERROR_GUEST_LIMIT when KVM has no slot left; ERROR_REFUSED when the renderer owns a mapping
 * that would have to be somewhere else; ERROR_HOST_BUFFER, ERROR_HOST_MEMORY. */
bool hostmem_map(struct hostmem *hostmem, struct backing *backing,
                 struct hostmem_placement placement, uint32_t resource_id,
                 uint64_t offset, struct hostmem_mapping *mapping, struct error *error);

/* The mapping is going to move with the window, or to be without one, until hostmem_show().
 * ERROR_HOST_KVM. */
bool hostmem_hide(struct hostmem *hostmem, struct hostmem_mapping *mapping,
                  struct error *error);

/* Puts a hidden mapping back, at its offset of the window where that is now. Errors as of
 * hostmem_map(); then it is not mapped any more. */
bool hostmem_show(struct hostmem *hostmem, uint32_t resource_id,
                  struct hostmem_mapping *mapping, struct error *error);

/* The window is at another place, or (NULL) nowhere; between hostmem_hide() of all mappings
 * and their hostmem_show(). ERROR_HOST_KVM: it stays where it is. */
bool hostmem_move(struct hostmem *hostmem, const struct gpa_range *range,
                  struct error *error);

/* When it returns, no vCPU can reach the memory. A mapping that hostmem_map() made is gone, and
 * backing->host NULL, with the strategy "window". */
bool hostmem_unmap(struct hostmem *hostmem, struct hostmem_mapping *mapping,
                   struct error *error);

/* Strategy "window": an access to a hole ends KVM_RUN with EFAULT. */
bool hostmem_holes_are_bare(const struct hostmem *hostmem);

/* Lays out bare holes with scratch memory, now and from now on. ERROR_HOST_MEMORY. */
bool hostmem_fill_holes(struct hostmem *hostmem, struct error *error);

/* Nothing is mapped; a zeroed object is fine. */
void hostmem_finish(struct hostmem *hostmem);

/* --- the strategies: for hostmem.c --- */

struct hostmem_ops {
    /* The mapping has all but its slot. */
    bool (*map)(struct hostmem *hostmem, struct hostmem_mapping *mapping,
                uint32_t resource_id, struct error *error);
    bool (*unmap)(struct hostmem *hostmem, const struct hostmem_mapping *mapping,
                  struct error *error);
    bool (*hide)(struct hostmem *hostmem, const struct hostmem_mapping *mapping,
                 struct error *error);
    bool (*move)(struct hostmem *hostmem, struct error *error);
};

extern const struct hostmem_ops hostmem_slot_ops;
extern const struct hostmem_ops hostmem_window_ops;

#endif
