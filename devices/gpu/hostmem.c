/* SPDX-License-Identifier: MIT */
#include "devices/gpu/hostmem.h"

#include <stdio.h>
#include <unistd.h>

bool hostmem_map(struct hostmem *hostmem, const struct backing *backing,
                 uint32_t resource_id, uint64_t offset, struct hostmem_mapping *mapping,
                 struct error *error)
{
    const uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t end;
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

    char name[24];
    snprintf(name, sizeof name, "blob %u", resource_id);
    gpa_t address = gpa(hostmem->window.start.value + offset);
    uint32_t slot;
    if (!memslot_add(hostmem->memslots, name, address, backing->size, backing->host,
                     &slot, error)) {
        /* Nothing but blobs lies in the window, so an overlap is the guest's doing. */
        if (error->code == ERROR_CONFIG_USAGE)
            error->code = ERROR_GUEST_PARAMETER;
        return false;
    }
    *mapping = (struct hostmem_mapping){.mapped = true, .slot = slot, .address = address};
    return true;
}

bool hostmem_unmap(struct hostmem *hostmem, struct hostmem_mapping *mapping,
                   struct error *error)
{
    BUG_ON(!mapping->mapped);
    if (!memslot_remove(hostmem->memslots, mapping->slot, error))
        return false;
    *mapping = (struct hostmem_mapping){0};
    return true;
}
