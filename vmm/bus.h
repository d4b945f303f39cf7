/* SPDX-License-Identifier: MIT */
/*
 * A bus: from an address to the device that answers there. One instance for MMIO, one for
 * port I/O. Built before the vCPUs start and constant afterwards, so that look-ups need no
 * lock; a device locks its own state.
 */
#ifndef S2VMM_BUS_H
#define S2VMM_BUS_H

#include "vmm/error.h"
#include "vmm/types.h"

#define BUS_DEVICES_MAX 32

/* offset: bytes from the start of the device's range; size: 1, 2, 4 or 8 bytes, and
 * offset + size lies inside the range. Both run on a vCPU's thread and must not block. */
struct bus_ops {
    uint64_t (*read)(void *device, uint64_t offset, unsigned size);
    void (*write)(void *device, uint64_t offset, unsigned size, uint64_t value);
};

struct bus_entry {
    const char *name;
    uint64_t start;
    uint64_t size;
    const struct bus_ops *ops;
    void *device;
};

struct bus {
    unsigned count;
    struct bus_entry entries[BUS_DEVICES_MAX];
};

/* Puts a device on the bus; the name is kept, not copied. Fails (ERROR_CONFIG_USAGE) when
 * the range overlaps another device, naming both, or when the bus is full. */
bool bus_add(struct bus *bus, struct bus_entry entry, struct error *error);

/* An access of a vCPU. False when no device owns all of it; then *value is all ones and the
 * write goes nowhere, as on hardware. */
bool bus_read(const struct bus *bus, uint64_t address, unsigned size, uint64_t *value);
bool bus_write(const struct bus *bus, uint64_t address, unsigned size, uint64_t value);

#endif
