/* SPDX-License-Identifier: MIT */
/*
 * What the kernel answers about a dma-buf: DMA_BUF_IOCTL_INFO with all its parameters
 * (devices/dmabuf-info/dma_buf_info.h), in the model's words. Stock kernels answer nothing;
 * the module dmabuf-info makes them.
 */
#ifndef S2VMM_GPU_KERNEL_INFO_H
#define S2VMM_GPU_KERNEL_INFO_H

#include "vmm/memattr.h"

struct kernel_info {
    int error; /* of the first question, VM_PROT: 0, ENOTTY (no such ioctl), ENOSYS, ... */
    bool knows_prot;
    enum memattr_map_info prot; /* CACHED, WC, UNCACHED */
    uint64_t vm_prot;           /* what it said, also when the value is not defined */
    bool from_exporter;         /* the exporter said so; else the page table did */

    bool knows_type;
    enum memattr_type type; /* of the page table's entry: the truth */
    uint64_t pte;           /* the entry, without its address */
    bool knows_page;
    enum memattr_page page;
    bool knows_vma;
    enum memattr_vma vma;
    bool vma_is_uncacheable;
    bool knows_sync;
    bool needs_sync;
    bool knows_stability;
    bool may_change;
};

/* Asks everything. A value that is not defined counts as not known. */
void kernel_info_ask(int fd, enum memattr_model model, struct kernel_info *info);

#endif
