/* SPDX-License-Identifier: MIT */
/*
 * A GPU device without a thread, a VM and a GPU: the real struct gpu over a fake renderer
 * and fake memslots, with what it says kept in memory.
 *
 * fake_gpu_finish() ends the test if anything is left over: a slot, an fd, a mapping, a
 * blob or a context.
 */
#ifndef S2VMM_TESTS_UNIT_FAKE_GPU_H
#define S2VMM_TESTS_UNIT_FAKE_GPU_H

#include <stdio.h>

#include "devices/gpu/gpu.h"
#include "tests/unit/fake_renderer.h"

#define FAKE_WINDOW      (16 * MIB)
#define FAKE_WINDOW_BASE (4 * GIB)
#define FAKE_RAM         (4 * MIB)
#define FAKE_CONTEXT     1u /* exists from the start */
#define PAGE_SIZE_4K     4096u

/* Text that was written to a stream. */
struct fake_output {
    FILE *stream;
    char *text;
    size_t size;
};

struct fake_gpu {
    struct fake_renderer renderer;
    struct memslot_table memslots;
    unsigned slot_count;
    uint64_t slot_address; /* of the last slot that was made */
    void *slot_host;
    bool slots_fail; /* making one */
    bool removal_fails;
    struct guest_memory memory;
    struct trace trace;
    struct recorder recorder;
    struct fake_output trace_output;
    struct fake_output json;
    struct fake_output text;
    struct gpu gpu;
    unsigned fds_before;
};

/* Virgl and venus, strict, AMD NPT, two displays, and context FAKE_CONTEXT; strategy "slot";
 * 512 MiB of host memory. */
void fake_gpu_init(struct fake_gpu *fake);
void fake_gpu_init_strategy(struct fake_gpu *fake, enum hostmem_strategy strategy);
void fake_gpu_finish(struct fake_gpu *fake);

/* What was written so far. */
const char *fake_output_text(struct fake_output *output);
/* Forgets it. */
void fake_output_clear(struct fake_output *output);

/* Creates a mappable blob by the renderer's plan. */
void fake_gpu_create_blob(struct fake_gpu *fake, uint32_t resource_id, uint64_t size);
/* The same, mapped at `offset` into the window. */
struct resource *fake_gpu_map_blob(struct fake_gpu *fake, uint32_t resource_id,
                                   uint64_t size, uint64_t offset);

/* What the guest reads at this address; false: nothing is there, or nothing that it can read. */
bool fake_gpu_read(struct fake_gpu *fake, uint64_t address, uint8_t *byte);

/* As --force-map-info does. */
void fake_gpu_force_map_info(struct fake_gpu *fake, uint32_t map_info);

/* Nothing but blobs that are not mapped and contexts is alive. */
void fake_gpu_check_nothing_mapped(struct fake_gpu *fake);

#endif
