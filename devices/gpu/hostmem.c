/* SPDX-License-Identifier: MIT */
/* What both strategies have in common: the window's edges, and its moves. */
#include "devices/gpu/hostmem.h"

#include <unistd.h>

static const struct hostmem_ops *ops_of(const struct hostmem *hostmem)
{
    static const struct hostmem_ops *const ops[] = {
        [HOSTMEM_SLOT] = &hostmem_slot_ops,
        [HOSTMEM_WINDOW] = &hostmem_window_ops,
    };
    return ops[hostmem->strategy];
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

    struct hostmem_mapping made = {
        .mapped = true,
        .offset = offset,
        .address = gpa(hostmem->window.start.value + offset),
        .placement = placement,
        .backing = backing,
    };
    if (!ops_of(hostmem)->map(hostmem, &made, resource_id, error))
        return false;
    *mapping = made;
    return true;
}

bool hostmem_unmap(struct hostmem *hostmem, struct hostmem_mapping *mapping,
                   struct error *error)
{
    BUG_ON(!mapping->mapped);
    if (!ops_of(hostmem)->unmap(hostmem, mapping, error))
        return false;
    *mapping = (struct hostmem_mapping){0};
    return true;
}

bool hostmem_hide(struct hostmem *hostmem, struct hostmem_mapping *mapping,
                  struct error *error)
{
    BUG_ON(!mapping->mapped);
    if (!mapping->hidden && !ops_of(hostmem)->hide(hostmem, mapping, error))
        return false;
    mapping->hidden = true;
    return true;
}

bool hostmem_show(struct hostmem *hostmem, uint32_t resource_id,
                  struct hostmem_mapping *mapping, struct error *error)
{
    const struct hostmem_mapping hidden = *mapping;
    BUG_ON(!hidden.hidden);
    *mapping = (struct hostmem_mapping){0};
    return hostmem_map(hostmem, hidden.backing, hidden.placement, resource_id,
                       hidden.offset, mapping, error);
}

bool hostmem_move(struct hostmem *hostmem, const struct gpa_range *range,
                  struct error *error)
{
    BUG_ON(range && range->size != hostmem->window.size);
    if (!ops_of(hostmem)->move(hostmem, error))
        return false;
    hostmem->hidden = range == NULL;
    if (range)
        hostmem->window = *range;
    return true;
}
