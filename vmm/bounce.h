/* SPDX-License-Identifier: MIT */
/*
 * Copying from and to memory whose pages may go at any time: a file that its owner cuts, a
 * buffer that its exporter takes back. A load or a store of ours would be a SIGBUS then, however
 * shortly before it the page was touched. The kernel's own access is an EFAULT at worst, so it
 * moves the bytes, through a memfd:
 *
 *     from --pwrite()--> memfd --pread()--> to
 *
 * Either side may be such memory. process_vm_readv() would copy once, and is EFAULT for all
 * VM_PFNMAP mappings (vmm/placement.h), which most dma-bufs are.
 */
#ifndef S2VMM_BOUNCE_H
#define S2VMM_BOUNCE_H

#include "vmm/error.h"
#include "vmm/types.h"

struct bounce {
    int fd;
};

/* ERROR_HOST_SYSTEM. */
bool bounce_open(struct bounce *bounce, struct error *error);

/* Copies `size` bytes. ERROR_HOST_BUFFER with the offset near which one of the two has no memory
 * any more; what is before it may have been copied. */
bool bounce_copy(const struct bounce *bounce, void *to, const void *from, uint64_t size,
                 struct error *error);

void bounce_close(struct bounce *bounce);

#endif
