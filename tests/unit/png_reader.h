/* SPDX-License-Identifier: MIT */
/* Reads back the PNG files that the VMM writes: 8 bits RGBA, any rows without a filter. */
#ifndef S2VMM_TESTS_UNIT_PNG_READER_H
#define S2VMM_TESTS_UNIT_PNG_READER_H

#include "devices/gpu/picture.h"

/* Ends the test when the file is anything else, or a checksum is wrong. picture_finish() is the
 * caller's. */
void png_read(const char *path, struct picture *picture);

#endif
