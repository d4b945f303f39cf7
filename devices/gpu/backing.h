/* SPDX-License-Identifier: MIT */
/*
 * The host memory behind a blob: what the renderer handed out, checked, and mapped.
 *
 *   renderer says            we check                              becomes
 *   DMABUF fd                lives on the kernel's dma-buf file    BACKING_DMABUF
 *                            system; lseek(END) >= blob
 *   SHM fd                   tmpfs; sealed against shrinking;      BACKING_SHM
 *                            size >= blob
 *   OPAQUE fd, or no fd      the renderer maps it: page-aligned,   BACKING_POINTER
 *                            mapped size >= blob
 *
 * Then the whole length is mapped and, unless `lazy`, every page write-touched: by
 * hostmem_map(), at the place where the guest sees it. The memslot, the cache-mode answer and the witness all start
 * from the same struct backing: they cannot disagree about which buffer they mean.
 */
#ifndef S2VMM_GPU_BACKING_H
#define S2VMM_GPU_BACKING_H

#include "devices/gpu/renderer.h"
#include "vmm/error.h"
#include "vmm/types.h"

enum backing_kind {
    BACKING_DMABUF,
    BACKING_SHM,
    BACKING_POINTER,
};

struct backing {
    enum backing_kind kind;
    int fd;         /* -1 for a pointer */
    uint8_t *host;  /* NULL: not mapped */
    uint64_t size;  /* bytes: the blob's size; 0: no backing */
    bool is_pfnmap; /* what its mappings are: placement_is_pfnmap() */
    bool lazy;      /* its pages are left to who accesses them first */
    char
        exporter[32]; /* who made the dma-buf (fdinfo exp_name), or "shmem", "renderer" */
};

/* Gets and checks the memory of a blob of `size` bytes (a multiple of the page size); only a
 * pointer is mapped by that. ERROR_HOST_BUFFER when it is not what it was said to be,
 * ERROR_HOST_RENDERER when the renderer gives nothing that can be mapped, ERROR_HOST_SYSTEM when
 * it cannot be looked at. */
bool backing_get(struct backing *backing, const struct renderer *renderer,
                 uint32_t resource_id, uint64_t size, struct error *error);

/* Checks an fd of the given kind, which is taken over, also on failure. */
bool backing_get_fd(struct backing *backing, enum renderer_fd_type type, int fd,
                    uint64_t size, struct error *error);

/* Maps what has an fd, and unless `lazy` write-touches it: anywhere (NULL), or at a page-aligned place in
 * address space that the caller has reserved. After a failure (ERROR_HOST_BUFFER) `host` is
 * NULL, and the caller has to reserve the place anew. */
bool backing_map(struct backing *backing, void *place, struct error *error);

/* backing_get(), and backing_map() anywhere. */
bool backing_open(struct backing *backing, const struct renderer *renderer,
                  uint32_t resource_id, uint64_t size, struct error *error);

/* backing_get_fd(), and backing_map() anywhere. */
bool backing_open_fd(struct backing *backing, enum renderer_fd_type type, int fd,
                     uint64_t size, struct error *error);

/* Unmaps and closes; a zeroed object is fine. */
void backing_close(struct backing *backing, const struct renderer *renderer,
                   uint32_t resource_id);

/* "DMABUF", "SHM", "POINTER". */
const char *backing_kind_name(enum backing_kind kind);

/* The exporter of a dma-buf: exp_name, a line of the kernel in /proc/self/fdinfo; "unknown" where
 * there is no such line, or no such file to be had. ERROR_HOST_SYSTEM when it cannot be read now: no
 * descriptor or no memory is left. */
bool backing_read_exporter(int fd, char *name, size_t size, struct error *error);

/* True if the fd is a dma-buf; the kernel says so, not the renderer. */
bool backing_is_dmabuf(int fd);

#endif
