/* SPDX-License-Identifier: MIT */
/* Imports a dma-buf into the DRM driver DRIVER, which attaches its device to the buffer for as long as the returned node is
 * open; -1 and errno. */
#ifndef TESTS_SERIES_IMPORT_H
#define TESTS_SERIES_IMPORT_H

int import_into(const char *driver, int fd);

#endif
