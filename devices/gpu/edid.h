/* SPDX-License-Identifier: MIT */
/*
 * The EDID of a scanout: what a monitor of this size would say about itself (VESA E-EDID 1.4).
 * The timing is that of CVT 1.1 with reduced blanking, at 60 Hz.
 *
 *   block 0   EDID 1.4: the size as the preferred mode
 *   block 1   DisplayID 1.3, only when block 0 cannot say the size: there a side has 12 bits,
 *             and the pixel clock 655.35 MHz at most. Linux takes it (measured: linux-edid-large,
 *             7680x4320)
 */
#ifndef S2VMM_GPU_EDID_H
#define S2VMM_GPU_EDID_H

#include <stdint.h>

#define EDID_BLOCK    128u /* bytes */
#define EDID_SIZE_MAX (2 * EDID_BLOCK)

/* Fills in the EDID of scanout `index` (0 .. 99), whose size is in pixels (1 .. 16384). Returns
 * its bytes, one or two blocks. */
uint32_t edid_make(uint8_t *edid, uint32_t width, uint32_t height, uint32_t index);

#endif
