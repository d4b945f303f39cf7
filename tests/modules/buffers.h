/* SPDX-License-Identifier: MIT */
/* dma-bufs of the kernel's own exporters that need no hardware. */
#ifndef TESTS_MODULES_BUFFERS_H
#define TESTS_MODULES_BUFFERS_H

#include <stddef.h>

/* Each returns a dma-buf of SIZE bytes (whole pages), or -1 and errno. */

/* From /dev/udmabuf: ordinary memory, cached. */
int buffer_udmabuf(size_t size);

/* A dumb buffer of the DRM driver DRIVER, as PRIME gives it; read-only unless WRITABLE. */
int buffer_drm(const char *driver, size_t size, int writable);

#endif
