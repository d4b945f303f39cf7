/* SPDX-License-Identifier: MIT */
/* Device registers: one access of exactly this width each, at an address that the
 * firmware's page tables map one to one. */
#ifndef S2VMM_GUEST_MMIO_H
#define S2VMM_GUEST_MMIO_H

#include <stdint.h>

static inline uint32_t mmio_read32(uint64_t address)
{
    return *(const volatile uint32_t *)(uintptr_t)address;
}

static inline void mmio_write32(uint64_t address, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)address = value;
}

static inline void mmio_write64(uint64_t address, uint64_t value)
{
    *(volatile uint64_t *)(uintptr_t)address = value;
}

#endif
