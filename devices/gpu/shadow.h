/* SPDX-License-Identifier: MIT */
/*
 * A synchronised copy of a buffer that needs DMA_BUF_IOCTL_SYNC.
 *
 * CPU accesses to such a buffer are only coherent between SYNC's START and END. A guest has no
 * way to say when it accesses, so it cannot have the buffer; with --needs-sync=copy it gets
 * ordinary memory, and changes are carried over at the points where virtio-gpu says that
 * somebody else's turn begins or ends:
 *
 *   MAP_BLOB, before SUBMIT_3D, when a fence completes, UNMAP_BLOB
 *
 * by a three-way merge of bytes:
 *
 *   last common state   guest's copy   buffer       becomes, on both sides
 *   a                   a              a            a
 *   a                   b              a            b
 *   a                   a              c            c
 *   a                   b              c            b, and a conflict is counted
 *
 * Between two points guest and host may see different content: a copy is no shared memory,
 * and the records say that it is one.
 */
#ifndef S2VMM_GPU_SHADOW_H
#define S2VMM_GPU_SHADOW_H

#include "devices/gpu/backing.h"

struct shadow {
    struct backing copy; /* for the guest: a memfd; host NULL: there is no shadow */
    uint8_t *last;       /* the last common state, copy.size bytes */
    int piece_fd;        /* a memfd through which the kernel moves bytes of the buffer */
    uint8_t *piece;
    uint64_t conflicts; /* bytes that both sides had changed */
};

/* Makes a copy of the whole buffer. ERROR_HOST_MEMORY, and those of shadow_sync(). */
bool shadow_open(struct shadow *shadow, const struct backing *buffer,
                 struct error *error);

/* Carries the changes of both sides over. vCPUs may go on writing: what they write meanwhile
 * is carried over now or at the next call. ERROR_HOST_BUFFER when the buffer refuses SYNC or
 * its pages are gone. */
bool shadow_sync(struct shadow *shadow, const struct backing *buffer,
                 struct error *error);

/* A zeroed object is fine. */
void shadow_close(struct shadow *shadow);

#endif
