/* SPDX-License-Identifier: MIT */
/* A buffer for a command stream of a context (SUBMIT_3D). Needs nothing of the guest, so
 * that the encoders are tested on the host. */
#ifndef S2VMM_GUEST_STREAM_H
#define S2VMM_GUEST_STREAM_H

#include "guest/string.h"
#include "vmm/types.h"

/* Room for the longest stream that the encoders make: a device and its memory. */
#define STREAM_SIZE_MAX 512u

struct stream {
    uint32_t size; /* bytes */
    uint8_t bytes[STREAM_SIZE_MAX];
};

/* Both leave the stream alone when it is full: no caller of ours comes near. */
static inline void stream_put32(struct stream *stream, uint32_t value)
{
    if (stream->size > STREAM_SIZE_MAX - sizeof value)
        return;
    memcpy(stream->bytes + stream->size, &value, sizeof value);
    stream->size += (uint32_t)sizeof value;
}

static inline void stream_put64(struct stream *stream, uint64_t value)
{
    stream_put32(stream, (uint32_t)value);
    stream_put32(stream, (uint32_t)(value >> 32));
}

#endif
