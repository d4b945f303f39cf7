/* SPDX-License-Identifier: MIT */
#include "devices/legacy_ports.h"

static uint64_t empty_read(void *device, uint64_t offset, unsigned size)
{
    (void)device;
    (void)offset;
    (void)size;
    return UINT64_MAX;
}

static void empty_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)device;
    (void)offset;
    (void)size;
    (void)value;
}

static const struct bus_ops empty_ops = {.read = empty_read, .write = empty_write};

bool legacy_ports_add(struct bus *ports, struct error *error)
{
    static const struct {
        uint16_t start;
        uint16_t size;
    } ranges[] = {
        {0x2e, 2},  {0x4e, 2},  {0x60, 1},  {0x70, 2},
        {0x80, 16}, {0x2e8, 8}, {0x2f8, 8}, {0x3e8, 8},
    };
    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
        const struct bus_entry entry = {
            .name = "legacy ports",
            .start = ranges[i].start,
            .size = ranges[i].size,
            .ops = &empty_ops,
        };
        if (!bus_add(ports, entry, error))
            return false;
    }
    return true;
}
