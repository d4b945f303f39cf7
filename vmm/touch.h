/* SPDX-License-Identifier: MIT */
/*
 * Touching pages of a mapping that may not be what it seems.
 *
 * Before a guest may use a driver's mapping, every page of it is faulted in for writing: on
 * kernels where a driver installs clean pages read-only first, KVM cannot upgrade them
 * and KVM_RUN fails with EFAULT (docs/memory-attributes.md), and a mapping that cannot be
 * populated to its end is found here and not under a running guest. Sealed shared memory has
 * neither fault, and is touched only if the user wants it (docs/performance.md, "Prefault").
 *
 * A store would do, but on a bad page it is a SIGBUS, and it could undo what a GPU writes
 * to the same word. MADV_POPULATE_WRITE faults all pages in at once, but not those of a
 * VM_PFNMAP mapping, which most dma-bufs are. There, FUTEX_WAKE_OP makes the kernel do an
 * atomic `word |= 0` for us, page by page: it changes nothing, loses nothing, faults the page
 * in for writing, and says EFAULT when it cannot.
 */
#ifndef S2VMM_TOUCH_H
#define S2VMM_TOUCH_H

#include "vmm/error.h"
#include "vmm/types.h"

/* Write-faults every page of [start, start + size); start is page-aligned.
 * ERROR_HOST_BUFFER with the offset of the first page that cannot be written. */
bool touch_pages(void *start, uint64_t size, struct error *error);

#endif
