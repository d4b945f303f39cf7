/* SPDX-License-Identifier: MIT */
#include "guest/linux/pagemap.h"

#include <fcntl.h>
#include <unistd.h>

/* Documentation/admin-guide/mm/pagemap.rst of Linux */
#define PAGE          4096u
#define PAGE_PRESENT  ((uint64_t)1 << 63)
#define PAGE_FRAME(x) ((x) & (((uint64_t)1 << 55) - 1))

int pagemap_open(void)
{
    return open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

uint64_t pagemap_physical(int pagemap, const void *address)
{
    uint64_t entry;
    uintptr_t page = (uintptr_t)address / PAGE;
    if (pread(pagemap, &entry, sizeof entry, (off_t)(page * sizeof entry)) !=
            (ssize_t)sizeof entry ||
        !(entry & PAGE_PRESENT))
        return 0;
    return PAGE_FRAME(entry) * PAGE + (uintptr_t)address % PAGE;
}
