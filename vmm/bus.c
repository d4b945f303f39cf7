/* SPDX-License-Identifier: MIT */
#include "vmm/bus.h"

#include <inttypes.h>

bool bus_add(struct bus *bus, struct bus_entry entry, struct error *error)
{
    struct gpa_range range = {gpa(entry.start), entry.size};
    BUG_ON(!gpa_range_is_valid(range));

    if (bus->count == BUS_DEVICES_MAX)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "device \"%s\": the bus is full, it has room for %d devices",
                         entry.name, BUS_DEVICES_MAX);
    for (unsigned i = 0; i < bus->count; i++) {
        const struct bus_entry *other = &bus->entries[i];
        if (gpa_range_overlaps(range, (struct gpa_range){gpa(other->start), other->size}))
            return error_set(error, ERROR_CONFIG_USAGE,
                             "device \"%s\" [0x%" PRIx64 ", 0x%" PRIx64
                             ") overlaps \"%s\" "
                             "[0x%" PRIx64 ", 0x%" PRIx64 ")",
                             entry.name, entry.start, entry.start + entry.size,
                             other->name, other->start, other->start + other->size);
    }
    bus->entries[bus->count++] = entry;
    return true;
}

/* The device that owns all of [address, address + size). KVM splits an access at page
 * boundaries, so a size can also be 3 or 7 (arch/x86/kvm/x86.c, emulator_read_write):
 * devices need not know about those. */
static const struct bus_entry *find(const struct bus *bus, uint64_t address,
                                    unsigned size)
{
    if (size != 1 && size != 2 && size != 4 && size != 8)
        return NULL;
    for (unsigned i = 0; i < bus->count; i++) {
        const struct bus_entry *entry = &bus->entries[i];
        struct gpa_range range = {gpa(entry->start), entry->size};
        if (gpa_range_contains(range, gpa(address), size))
            return entry;
    }
    return NULL;
}

bool bus_read(const struct bus *bus, uint64_t address, unsigned size, uint64_t *value)
{
    const struct bus_entry *entry = find(bus, address, size);
    if (entry == NULL) {
        *value = UINT64_MAX;
        return false;
    }
    *value = entry->ops->read(entry->device, address - entry->start, size);
    return true;
}

bool bus_write(const struct bus *bus, uint64_t address, unsigned size, uint64_t value)
{
    const struct bus_entry *entry = find(bus, address, size);
    if (entry == NULL)
        return false;
    entry->ops->write(entry->device, address - entry->start, size, value);
    return true;
}
