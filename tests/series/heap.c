/* SPDX-License-Identifier: MIT */
/* See heap.h. */
#include "tests/series/heap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <sys/ioctl.h>
#include <unistd.h>

int heap_buffer(const char *path, size_t size)
{
    struct dma_heap_allocation_data allocation = {.len = size,
                                                  .fd_flags = O_RDWR | O_CLOEXEC};
    int heap = open(path, O_RDWR | O_CLOEXEC);

    if (heap < 0)
        return -1;
    int made = ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &allocation);
    int error = errno;
    close(heap);
    errno = error;
    return made == 0 ? (int)allocation.fd : -1;
}
