/* SPDX-License-Identifier: MIT */
/*
 * Any sequence of the commands and events of the model (tests/unit/lifetime_model.h), against
 * the GPU device: each response, and all that is alive after it, is what the model says. The
 * unit test "lifetime" has the same with random numbers; here coverage leads.
 */
#include <linux/virtio_gpu.h>
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/gpu_driver.h"
#include "tests/unit/lifetime_driver.h"

#define STEPS_MAX 100u

/* One step in the input. */
struct operation {
    uint8_t operation;
    uint8_t resource : 4, context : 4;
    uint8_t memory : 2, mappable : 1, pages : 2, entries : 2, entry_pages : 1;
    uint8_t offset : 4, buffer : 4;
    uint8_t slot_fails : 1, removal_fails : 1, renderer_fails : 1, at_end : 1, unused : 4;
};

/* The numbers that the model knows (struct model_step). */
static struct model_step step_from(const struct operation *from)
{
    struct model_step step = {
        .operation = (enum model_operation)(from->operation % MODEL_OPERATIONS),
        .resource = from->resource % MODEL_IDS,
        .context = from->context % MODEL_CONTEXTS,
        .memory = from->memory == 0 ? VIRTIO_GPU_BLOB_MEM_HOST3D : from->memory,
        .mappable = from->mappable,
        .pages = from->pages + 1u,
        .entries = from->entries,
        .entry_pages = from->entry_pages + 1u,
        .offset =
            from->at_end ? FAKE_WINDOW - MODEL_PAGE : (uint64_t)from->offset * MODEL_PAGE,
        .buffer = (enum model_buffer)(from->buffer % MODEL_BUFFERS),
        .slot_fails = from->slot_fails,
        .removal_fails = from->removal_fails,
        .renderer_fails = from->renderer_fails,
    };
    /* A slot that stays after these is not the guest's any more. */
    if (step.operation >= MODEL_COMMANDS && step.operation != MODEL_DROP)
        step.removal_fails = false;
    return step;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    lifetime_set_up(fuzz_take8(&input) & 1 ? HOSTMEM_WINDOW : HOSTMEM_SLOT);
    for (unsigned i = 0; i < STEPS_MAX && input.left > 0; i++) {
        char name[32];
        struct operation operation;
        fuzz_take(&input, &operation, sizeof operation);
        const struct model_step step = step_from(&operation);
        snprintf(name, sizeof name, "step %u", i);
        lifetime_step(&step, name);
    }
    gpu_driver_tear_down();
    return 0;
}

/* --- seeds --- */

#define SEED_STEPS 11u

struct seed {
    uint8_t strategy;
    struct operation operations[SEED_STEPS];
};

static void seed(const char *name, struct seed seed)
{
    char with_window[64];
    fuzz_seed(name, &seed, sizeof seed);
    seed.strategy = 1;
    snprintf(with_window, sizeof with_window, "%s-window", name);
    fuzz_seed(with_window, &seed, sizeof seed);
}

#define BLOB(buffer_)                                                                    \
    {                                                                                    \
        .operation = MODEL_CREATE_BLOB, .resource = 1, .context = FAKE_CONTEXT,          \
        .mappable = 1, .buffer = (buffer_)                                               \
    }
#define STEP(what)                                                                       \
    {                                                                                    \
        .operation = MODEL_##what, .resource = 1, .context = 2                           \
    }

void fuzz_seeds(void)
{
    static const char *const buffers[MODEL_BUFFERS] = {
        [MODEL_SHM] = "shm",           [MODEL_DMABUF] = "dmabuf",
        [MODEL_COPIED] = "copied",     [MODEL_POINTER] = "pointer",
        [MODEL_UNSEALED] = "unsealed", [MODEL_SHORT] = "short",
        [MODEL_LIAR] = "liar",
    };
    for (uint8_t i = 0; i < MODEL_BUFFERS; i++)
        seed(buffers[i],
             (struct seed){.operations = {BLOB(i), STEP(MAP), STEP(UNMAP), STEP(MAP),
                                          STEP(UNREF), STEP(RESET)}});
    seed("events",
         (struct seed){.operations = {BLOB(MODEL_SHM), STEP(MAP), STEP(WINDOW_OFF),
                                      STEP(WINDOW_MOVE), STEP(DROP), STEP(DEATH)}});
    seed("contexts",
         (struct seed){.operations = {STEP(CONTEXT_CREATE), STEP(CREATE_3D),
                                      STEP(CONTEXT_ATTACH), STEP(SUBMIT),
                                      STEP(CONTEXT_DETACH), STEP(CONTEXT_DESTROY)}});
    struct seed guest_memory = {.operations = {STEP(CREATE_2D), STEP(ATTACH),
                                               STEP(SCANOUT), STEP(DETACH),
                                               BLOB(MODEL_SHM), STEP(ATTACH)}};
    guest_memory.operations[1].entries = 2;
    guest_memory.operations[4].resource = 2;
    guest_memory.operations[4].memory = VIRTIO_GPU_BLOB_MEM_GUEST;
    guest_memory.operations[4].entries = 3;
    seed("guest-memory", guest_memory);
    /* As many descriptors as the quota has, before there are as many contexts. */
    struct seed quota = {
        .operations = {[9] = STEP(CONTEXT_CREATE), [10] = STEP(CONTEXT_CREATE)}};
    for (uint8_t i = 0; i < 9; i++)
        quota.operations[i] = (struct operation){.operation = MODEL_CREATE_BLOB,
                                                 .resource = (uint8_t)(i + 1) & 15,
                                                 .context = FAKE_CONTEXT};
    quota.operations[10].context = 3;
    seed("quota", quota);
}
