/* SPDX-License-Identifier: MIT */
/* The screenshot of a case, compared with what it must show. */
#ifndef S2VMM_TESTS_E2E_PICTURE_H
#define S2VMM_TESTS_E2E_PICTURE_H

#include <stddef.h>

#include "tests/e2e/cases.h"

#define PICTURE_PATH_MAX 64u

/* Where this process' screenshot goes; a file of that name is removed. */
void picture_path(char path[PICTURE_PATH_MAX]);

/* Compares all pixels, and removes the file. Ends the test when one is wrong, or the file is no
 * PNG as s2vmm writes them. */
void picture_check(const char *path, enum case_picture expected);

#endif
