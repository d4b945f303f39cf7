/* SPDX-License-Identifier: MIT */
/*
 * What an input of the fuzz target "gpu" is made of: a struct setup, then for each step a struct
 * operation, and behind it, if it is a command, its bytes.
 */
#ifndef S2VMM_TESTS_FUZZ_GPU_INPUT_H
#define S2VMM_TESTS_FUZZ_GPU_INPUT_H

#include <stdint.h>

/* The first byte of the input, and the features that the driver does not take. */
struct setup {
    uint8_t window : 1, permissive : 1, copies : 1, follows : 1, has_no_renderer : 1,
        has_small_quotas : 1, model : 2;
    uint8_t refused_features : 6, avoids_blocks : 1, prefaults : 1;
};

/* Before each request. */
struct operation {
    uint8_t queue : 1, serves_fences : 1, plan_map_info : 1, renderer_fails : 1,
        slot_fails : 1, is_long : 1, small_ids : 1, renderer_dies : 1;
    uint8_t type;  /* type_of(), or one of the values below */
    uint8_t split; /* where the request goes on in another segment, in 32 bytes */
    uint8_t room;  /* for the response, in 8 bytes; another segment for all behind 24 */
    uint8_t file : 4, pointer : 4;
    uint8_t claimed;
    uint8_t fence;
    uint8_t attribute : 2, needs_sync : 1, may_change : 1, page : 1, asked_fails : 1,
        is_pfnmap : 1, unused_too : 1;
    uint8_t size; /* of the request, 4 bytes */
};

/* Types that are no commands. Their arguments are `split` and `room`. */
enum event {
    EVENT_RESET = 0xf0,
    EVENT_WINDOW_OFF,
    EVENT_WINDOW_MOVE,
    EVENT_STORE,     /* of a vCPU, into the window */
    EVENT_REVOKE,    /* the pages of a dma-buf */
    EVENT_PAGE_LOST, /* KVM_RUN says EFAULT */
    EVENT_CONFIG,    /* a byte of the configuration space is written */
    EVENT_RESIZE,    /* a display's window */
    EVENT_WATCH,     /* for attributes that changed: the timer */
    EVENT_SCREENSHOT,
    EVENT_WITNESS, /* what the guest asks the host to look at */
};
#define TYPE_AS_IT_IS 0xffu /* the type is in the request */

/* Commands are 0x010N (2D), 0x020N (3D) and 0x030N (cursor): linux/virtio_gpu.h. */
static inline uint32_t type_of(uint8_t byte)
{
    return ((byte >> 4) % 3u + 1) << 8 | (byte & 0xf);
}

#endif
