/* SPDX-License-Identifier: MIT */
/*
 * Device registers: one access of exactly this width each, at an address that is mapped
 * one to one. The address is hidden from the compiler, so that it cannot combine the
 * access with the step to the next address: KVM cannot tell what such an instruction of
 * arm64 does (DDI 0487, ESR_EL2, ISS encoding for a Data Abort, ISV).
 */
#ifndef S2VMM_GUEST_MMIO_H
#define S2VMM_GUEST_MMIO_H

#include <stdint.h>

#define MMIO_HIDE(address) __asm__("" : "+r"(address))

static inline uint8_t mmio_read8(uint64_t address)
{
    MMIO_HIDE(address);
    return *(const volatile uint8_t *)(uintptr_t)address;
}

static inline void mmio_write8(uint64_t address, uint8_t value)
{
    MMIO_HIDE(address);
    *(volatile uint8_t *)(uintptr_t)address = value;
}

static inline uint16_t mmio_read16(uint64_t address)
{
    MMIO_HIDE(address);
    return *(const volatile uint16_t *)(uintptr_t)address;
}

static inline void mmio_write16(uint64_t address, uint16_t value)
{
    MMIO_HIDE(address);
    *(volatile uint16_t *)(uintptr_t)address = value;
}

static inline uint32_t mmio_read32(uint64_t address)
{
    MMIO_HIDE(address);
    return *(const volatile uint32_t *)(uintptr_t)address;
}

static inline void mmio_write32(uint64_t address, uint32_t value)
{
    MMIO_HIDE(address);
    *(volatile uint32_t *)(uintptr_t)address = value;
}

static inline uint64_t mmio_read64(uint64_t address)
{
    MMIO_HIDE(address);
    return *(const volatile uint64_t *)(uintptr_t)address;
}

static inline void mmio_write64(uint64_t address, uint64_t value)
{
    MMIO_HIDE(address);
    *(volatile uint64_t *)(uintptr_t)address = value;
}

/* 1, 2, 4 or 8 bytes; 8: the value twice. */
static inline void mmio_write(uint64_t address, unsigned size, uint32_t value)
{
    switch (size) {
    case 1:
        mmio_write8(address, (uint8_t)value);
        break;
    case 2:
        mmio_write16(address, (uint16_t)value);
        break;
    case 4:
        mmio_write32(address, value);
        break;
    default:
        mmio_write64(address, (uint64_t)value << 32 | value);
    }
}

#endif
