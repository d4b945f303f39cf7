/* SPDX-License-Identifier: MIT */
/*
 * The identification registers at the end of a PrimeCell's 4 KiB: four bytes of the device,
 * then four that are the same in all. Linux' AMBA bus finds the driver by them
 * (drivers/amba/bus.c, amba_read_periphid).
 */
#ifndef S2VMM_DEVICES_PRIMECELL_H
#define S2VMM_DEVICES_PRIMECELL_H

#include <stdbool.h>
#include <stdint.h>

#define PRIMECELL_SIZE 0x1000u /* bytes of address space */
#define PRIMECELL_ID   0xfe0u  /* PeriphID0 to 3, PCellID0 to 3, a word each */

/* The register at `offset`, a multiple of 4 from PRIMECELL_ID on. peripheral_id: its four
 * bytes as one number, PeriphID0 the lowest. */
static inline uint32_t primecell_id(uint32_t peripheral_id, uint64_t offset)
{
    static const uint32_t cell_id = 0xb105f00d;
    unsigned index = (unsigned)(offset - PRIMECELL_ID) / 4;
    return (index < 4 ? peripheral_id : cell_id) >> 8 * (index % 4) & 0xff;
}

#endif
