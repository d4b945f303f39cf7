/* SPDX-License-Identifier: MIT */
/* Strategy "slot": a memslot for each mapped blob. On arm64 the mapping is moved in the VMM's
 * address space where KVM needs that: vmm/placement.h says when and why. */
#include <stdio.h>
#include <sys/mman.h>

#include "devices/gpu/hostmem.h"
#include "vmm/placement.h"

static bool add_slot(struct hostmem *hostmem, struct hostmem_mapping *mapping,
                     uint32_t resource_id, void *host, struct error *error)
{
    char name[24];
    snprintf(name, sizeof name, "blob %u", resource_id);
    if (memslot_add(hostmem->memslots, name, mapping->address, mapping->backing->size,
                    host, &mapping->slot, error))
        return true;
    /* Nothing but blobs lies in the window, so an overlap is the guest's doing. */
    if (error->code == ERROR_CONFIG_USAGE)
        error->code = ERROR_GUEST_PARAMETER;
    return false;
}

static bool move_to(struct backing *backing, void *place, struct error *error)
{
    if (!placement_move(backing->host, backing->size, place, error))
        return false;
    backing->host = place;
    return true;
}

/* Moves the backing and makes its memslot, in the order that the placement needs. */
static bool place(struct hostmem *hostmem, struct hostmem_mapping *mapping,
                  uint32_t resource_id, struct error *error)
{
    const struct hostmem_placement placement = mapping->placement;
    struct backing *backing = mapping->backing;
    void *reserved;
    struct error ignored;
    if (backing->kind == BACKING_POINTER)
        return error_set(error, ERROR_REFUSED,
                         "KVM on this host needs the mapping of the buffer at another "
                         "address (%s), and the renderer owns it: use a renderer that "
                         "exports dma-bufs",
                         placement.late ? "it refuses a memslot over it"
                                        : "it would map blocks of unrelated memory");
    if (!placement_reserve(backing->size, mapping->address, placement.avoid_blocks,
                           &reserved, error))
        return false;
    if (!placement.late)
        return move_to(backing, reserved, error) &&
               add_slot(hostmem, mapping, resource_id, backing->host, error);
    if (!add_slot(hostmem, mapping, resource_id, reserved, error)) {
        munmap(reserved, backing->size);
        return false;
    }
    if (move_to(backing, reserved, error))
        return true;
    memslot_remove(hostmem->memslots, mapping->slot, &ignored);
    return false;
}

static bool slot_map(struct hostmem *hostmem, struct hostmem_mapping *mapping,
                     uint32_t resource_id, struct error *error)
{
    struct backing *backing = mapping->backing;
    const struct hostmem_placement placement = mapping->placement;
    if (!backing->host && !backing_map(backing, NULL, error))
        return false;
    return placement.late || placement.avoid_blocks
               ? place(hostmem, mapping, resource_id, error)
               : add_slot(hostmem, mapping, resource_id, backing->host, error);
}

static bool slot_remove(struct hostmem *hostmem, const struct hostmem_mapping *mapping,
                        struct error *error)
{
    return mapping->hidden || memslot_remove(hostmem->memslots, mapping->slot, error);
}

/* Each mapping has gone by itself. */
static bool slot_move(struct hostmem *hostmem, struct error *error)
{
    (void)hostmem;
    (void)error;
    return true;
}

const struct hostmem_ops hostmem_slot_ops = {
    .map = slot_map,
    .unmap = slot_remove,
    .hide = slot_remove,
    .move = slot_move,
};
