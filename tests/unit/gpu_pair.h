/* SPDX-License-Identifier: MIT */
/*
 * Two GPUs over the same guest memory, for tests of a live update: what one saves the other one
 * loads.
 *
 *   pair.one   a fake GPU whose renderer can hand over what it has
 *   pair.two   the same with nothing of a guest's
 */
#ifndef S2VMM_TESTS_UNIT_GPU_PAIR_H
#define S2VMM_TESTS_UNIT_GPU_PAIR_H

#include "devices/gpu/gpu_state.h"
#include "tests/unit/fake_gpu.h"

struct gpu_pair {
    struct fake_gpu one;
    struct fake_gpu two;
    struct state_writer writer; /* what one has saved */
    struct error error;         /* of the last call that failed */
    unsigned fds;               /* that both have open, and the test has not */
};
extern struct gpu_pair pair;

void gpu_pair_init(enum hostmem_strategy strategy);
/* Both are empty, and nothing is left over. */
void gpu_pair_finish(void);

/* The first one's state, into pair.writer. */
bool gpu_pair_save(void);

/* Such bytes, and the descriptors of pair.writer, are what the second one loads. If it fails, it
 * is empty again. */
bool gpu_pair_load(const uint8_t *bytes, size_t size);
/* The same of a reader, which the caller finishes. */
bool gpu_pair_load_from(struct state_reader *reader);

/* What the second one has loaded is saved; gpu_save_finish() of it, and the writer's end, follow. */
bool gpu_pair_save_again(struct state_writer *again);

/* Both of it, and the first one ends; they must work. */
void gpu_pair_hand_over(void);

/* The first one ends, as its process would: nothing of it is the guest's any more. */
void gpu_pair_leave(void);

/* Runs a command of the control queue; returns the type of the response. */
uint32_t gpu_pair_command(struct fake_gpu *fake, const void *request, uint32_t size,
                          struct gpu_response *response);

/* --- gpu_pair_guest.c: what a guest has of the first one --- */

#define GUEST     8u /* a blob of guest memory */
#define DMABUF    9u /* a blob that is mapped, a dma-buf, WC as its renderer says */
#define DMABUF_AT (64 * KIB)
#define BYTES     ((uint64_t)4 * PAGE_SIZE_4K) /* of a blob */

/* Two contexts, the resources of gpu_commands.h, GUEST, DMABUF; both displays show something,
 * and the size of one has changed. */
void gpu_pair_make_everything(void);

/* A cursor on the second display, which takes 16 KiB of a state. */
void gpu_pair_show_cursor(void);

/* A mapped dma-buf, about which the renderer is believed; map_info 0: it says nothing. */
struct resource *gpu_pair_map_dmabuf(uint32_t id, uint64_t offset, uint32_t map_info);

/* Runs a command that must work. */
void gpu_pair_run(struct fake_gpu *fake, const void *request, uint32_t size);

/* It must be there. */
struct resource *gpu_pair_find(struct gpu *gpu, uint32_t id);

#endif
