/* SPDX-License-Identifier: MIT */
#include "vmm/touch.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One call for all pages. Mappings that are VM_PFNMAP are EINVAL (measured with udmabuf, Linux
 * 6.12 and 7.2; check_vma_flags() in mm/gup.c), and so are all before Linux 5.14. Where it
 * fails for another reason, the long way finds out at which page. */
static bool populate(void *start, uint64_t size)
{
    return madvise(start, size, MADV_POPULATE_WRITE) == 0;
}

bool touch_pages(void *start, uint64_t size, struct error *error)
{
    /* `old = *word; *word = old | 0`, then wake nobody on either word: FUTEX_OP compares
     * `old == 0`, and even then there are no waiters on a private futex of ours. */
    static const int or_zero = (int)FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_EQ, 0);
    const uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
    uint32_t nobody = 0;

    if (populate(start, size))
        return true;
    for (uint64_t offset = 0; offset < size; offset += page_size) {
        uint32_t *word = (uint32_t *)((uint8_t *)start + offset);
        if (syscall(SYS_futex, &nobody, FUTEX_WAKE_OP_PRIVATE, 0, 0L, word, or_zero) < 0)
            return error_set(error, ERROR_HOST_BUFFER,
                             "page at offset %#llx of %#llx cannot be written: %s",
                             (unsigned long long)offset, (unsigned long long)size,
                             strerror(errno));
    }
    return true;
}
