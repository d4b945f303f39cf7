/* SPDX-License-Identifier: MIT */
#include "devices/gpu/hostmem.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/placement.h"

static bool add_slot(struct hostmem *hostmem, uint32_t resource_id, gpa_t address,
                     uint64_t size, void *host, uint32_t *slot, struct error *error)
{
    char name[24];
    snprintf(name, sizeof name, "blob %u", resource_id);
    if (memslot_add(hostmem->memslots, name, address, size, host, slot, error))
        return true;
    /* Nothing but blobs lies in the window, so an overlap is the guest's doing. */
    if (error->code == ERROR_CONFIG_USAGE)
        error->code = ERROR_GUEST_PARAMETER;
    return false;
}

static bool move(struct backing *backing, void *place, struct error *error)
{
    if (!placement_move(backing->host, backing->size, place, error))
        return false;
    backing->host = place;
    return true;
}

/* Moves the backing and makes its memslot, in the order that the placement needs. */
static bool place(struct hostmem *hostmem, struct backing *backing,
                  struct hostmem_placement placement, uint32_t resource_id, gpa_t address,
                  uint32_t *slot, struct error *error)
{
    void *reserved;
    struct error ignored;
    if (backing->kind == BACKING_POINTER)
        return error_set(error, ERROR_REFUSED,
                         "KVM on this host needs the mapping of the buffer at another "
                         "address (%s), and the renderer owns it: use a renderer that "
                         "exports dma-bufs",
                         placement.late ? "it refuses a memslot over it"
                                        : "it would map blocks of unrelated memory");
    if (!placement_reserve(backing->size, address, placement.avoid_blocks, &reserved,
                           error))
        return false;
    if (!placement.late)
        return move(backing, reserved, error) &&
               add_slot(hostmem, resource_id, address, backing->size, backing->host, slot,
                        error);
    if (!add_slot(hostmem, resource_id, address, backing->size, reserved, slot, error)) {
        munmap(reserved, backing->size);
        return false;
    }
    if (move(backing, reserved, error))
        return true;
    memslot_remove(hostmem->memslots, *slot, &ignored);
    return false;
}

bool hostmem_map(struct hostmem *hostmem, struct backing *backing,
                 struct hostmem_placement placement, uint32_t resource_id,
                 uint64_t offset, struct hostmem_mapping *mapping, struct error *error)
{
    const uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t end;
    if (hostmem->hidden)
        return error_set(
            error, ERROR_GUEST_STATE,
            "there is no window: the guest switched its PCI BAR off, or put it "
            "where the host bridge does not decode it");
    if (!is_aligned(offset, page_size))
        return error_set(
            error, ERROR_GUEST_PARAMETER,
            "window offset %#llx is not a multiple of the host's page size %#llx",
            (unsigned long long)offset, (unsigned long long)page_size);
    if (!u64_add(offset, backing->size, &end) || end > hostmem->window.size)
        return error_set(
            error, ERROR_GUEST_PARAMETER,
            "%llu bytes at window offset %#llx end beyond the window of %llu bytes; "
            "--window makes it larger",
            (unsigned long long)backing->size, (unsigned long long)offset,
            (unsigned long long)hostmem->window.size);

    gpa_t address = gpa(hostmem->window.start.value + offset);
    uint32_t slot;
    bool done =
        placement.late || placement.avoid_blocks
            ? place(hostmem, backing, placement, resource_id, address, &slot, error)
            : add_slot(hostmem, resource_id, address, backing->size, backing->host, &slot,
                       error);
    if (!done)
        return false;
    *mapping = (struct hostmem_mapping){.mapped = true,
                                        .slot = slot,
                                        .offset = offset,
                                        .address = address,
                                        .placement = placement};
    return true;
}

bool hostmem_hide(struct hostmem *hostmem, struct hostmem_mapping *mapping,
                  struct error *error)
{
    BUG_ON(!mapping->mapped);
    if (!mapping->hidden && !memslot_remove(hostmem->memslots, mapping->slot, error))
        return false;
    mapping->hidden = true;
    return true;
}

bool hostmem_show(struct hostmem *hostmem, struct backing *backing, uint32_t resource_id,
                  struct hostmem_mapping *mapping, struct error *error)
{
    const struct hostmem_mapping hidden = *mapping;
    BUG_ON(!hidden.hidden);
    *mapping = (struct hostmem_mapping){0};
    return hostmem_map(hostmem, backing, hidden.placement, resource_id, hidden.offset,
                       mapping, error);
}

bool hostmem_unmap(struct hostmem *hostmem, struct hostmem_mapping *mapping,
                   struct error *error)
{
    BUG_ON(!mapping->mapped);
    if (!mapping->hidden && !memslot_remove(hostmem->memslots, mapping->slot, error))
        return false;
    *mapping = (struct hostmem_mapping){0};
    return true;
}
