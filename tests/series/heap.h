/* SPDX-License-Identifier: MIT */
/* A dma-buf of SIZE bytes from the DMA-BUF heap PATH, or -1 and errno. */
#ifndef TESTS_SERIES_HEAP_H
#define TESTS_SERIES_HEAP_H

#include <stddef.h>

int heap_buffer(const char *path, size_t size);

#endif
