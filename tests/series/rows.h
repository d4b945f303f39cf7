/* SPDX-License-Identifier: MIT */
/* A row of the table for each buffer: one of each of the kernel's exporters, and of each kind that dmabuf-lab makes. */
#ifndef TESTS_SERIES_ROWS_H
#define TESTS_SERIES_ROWS_H

#include "tests/modules/checks.h"
#include "tests/series/look.h"

enum { ROWS_MAX = 100 };

struct row {
    char name[64];
    int fd;
    int importer;                /* a descriptor that keeps it attached, or -1 */
    bool needs_sync, may_change; /* expected */
    bool lies; /* dmabuf-lab's "naive": mmap_info answers what was wished for */

    struct look
        kernel; /* the kernel alone; of dmabuf-lab with dmabuf-info loaded, which it needs */
    struct look page_table; /* dmabuf-info, asking no exporter */
    bool is_equal;          /* the words of both for VM_PROT */
    bool both_agree;        /* dmabuf-info gives the kernel's answer on */
    bool is_pfnmap;
    int map_error;      /* of mmap() */
    int required_error; /* of mmap() with dma_buf.require_pfnmap */
};

/* Makes the buffers, loads the modules, asks, and unloads them. Returns how many rows there are. */
unsigned rows_collect(struct checks *checks, struct row *rows, const char *folder);

#endif
