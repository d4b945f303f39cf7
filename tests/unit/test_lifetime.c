/* SPDX-License-Identifier: MIT */
/*
 * Random sequences of commands and events against a model of the device (lifetime_model.h):
 * after each of them the response, the descriptors of this process, its mappings, the memslots,
 * what the renderer has alive, and the quotas are what the model says. A command's traces are
 * gone when its response is there, so nothing is left to look at later.
 *
 * S2VMM_LIFETIME_STEPS  steps of each sequence; 5000
 * S2VMM_LIFETIME_SEED   of the first of them; 1. A failure names seed and step.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/gpu_driver.h"
#include "tests/unit/lifetime_driver.h"
#include "tests/unit/suites.h"

#define SEQUENCES 2 /* of each map strategy */
#define STEPS     5000u

static uint32_t seed;
static unsigned step_number;

static unsigned random_below(unsigned limit)
{
    static uint32_t state;
    if (step_number == 0 && state == 0)
        state = seed * 2654435761u + 1;
    state ^= state << 13; /* Marsaglia's xorshift32 */
    state ^= state >> 17;
    state ^= state << 5;
    return state % limit;
}

static bool one_in(unsigned n)
{
    return random_below(n) == 0;
}

/* --- sequences --- */

/* Any command, but what ends something less often. */
static enum model_operation choose_command(void)
{
    enum model_operation operation = (enum model_operation)random_below(MODEL_COMMANDS);
    bool ends = operation == MODEL_UNREF || operation == MODEL_CONTEXT_DESTROY;
    return ends && !one_in(3) ? MODEL_CREATE_BLOB : operation;
}

/* Commands far more often than what ends everything, and nothing stays off or dead for long. */
static enum model_operation choose_operation(void)
{
    if (lifetime_model.dead && one_in(20))
        return MODEL_RESET;
    if (lifetime_model.window_off && one_in(10))
        return MODEL_WINDOW_MOVE;
    if (one_in(4))
        return one_in(2) ? MODEL_CREATE_BLOB : MODEL_MAP;
    if (!one_in(12))
        return choose_command();
    if (one_in(8))
        return one_in(2) ? MODEL_RESET : MODEL_DEATH;
    if (one_in(3))
        return MODEL_DROP;
    return one_in(2) ? MODEL_WINDOW_MOVE : MODEL_WINDOW_OFF;
}

/* Whether the operation has something to do there. */
static bool suits(enum model_operation operation, const struct model_resource *resource)
{
    if (operation <= MODEL_CREATE_3D)
        return resource->kind == MODEL_NONE;
    if (operation == MODEL_MAP)
        return resource->memory == VIRTIO_GPU_BLOB_MEM_HOST3D && resource->mappable;
    if (operation == MODEL_UNMAP || operation == MODEL_DROP)
        return resource->place != MODEL_UNMAPPED;
    return resource->kind != MODEL_NONE;
}

/* Any, but mostly one that suits. */
static uint32_t choose_resource(enum model_operation operation)
{
    uint32_t id = random_below(MODEL_IDS);
    for (unsigned i = 0; i < 8 && !suits(operation, &lifetime_model.resources[id]); i++)
        id = random_below(MODEL_IDS);
    return one_in(8) ? random_below(MODEL_IDS) : id;
}

static uint32_t choose_context(enum model_operation operation)
{
    uint32_t id = random_below(MODEL_CONTEXTS);
    for (unsigned i = 0;
         i < 8 && lifetime_model.contexts[id] != (operation != MODEL_CONTEXT_CREATE); i++)
        id = random_below(MODEL_CONTEXTS);
    return one_in(8) ? random_below(MODEL_CONTEXTS) : id;
}

static struct model_step choose_step(void)
{
    const enum model_operation operation = choose_operation();
    struct model_step step = {
        .operation = operation,
        .resource = choose_resource(operation),
        .context = choose_context(operation),
        .memory = one_in(3) ? 1 + random_below(3) : VIRTIO_GPU_BLOB_MEM_HOST3D,
        .mappable = !one_in(8),
        .pages = 1 + random_below(4),
        .entries = one_in(3) ? 1 + random_below(3) : 0,
        .entry_pages = 1 + random_below(2),
        .offset = (uint64_t)random_below(12) * MODEL_PAGE,
        .buffer =
            (enum model_buffer)random_below(one_in(4) ? MODEL_BUFFERS : MODEL_UNSEALED),
        .slot_fails = one_in(16),
        .removal_fails = one_in(16),
        .renderer_fails = one_in(16),
    };
    if (step.operation == MODEL_ATTACH)
        step.entries = random_below(4);
    if (step.memory == VIRTIO_GPU_BLOB_MEM_HOST3D && !one_in(10))
        step.entries = step.operation == MODEL_ATTACH ? step.entries : 0;
    if (one_in(12))
        step.offset = FAKE_WINDOW - MODEL_PAGE;
    /* A slot that stays after these is not the guest's any more: test_blob.c has that. */
    if (step.operation == MODEL_RESET || step.operation == MODEL_WINDOW_OFF ||
        step.operation == MODEL_WINDOW_MOVE)
        step.removal_fails = false;
    return step;
}

static uint32_t number_from(const char *name, uint32_t fallback)
{
    const char *text = getenv(name);
    return text ? (uint32_t)strtoul(text, NULL, 10) : fallback;
}

/* What a sequence has been through: one that never gets anywhere proves nothing. */
static struct {
    unsigned good[MODEL_COMMANDS];
    unsigned refused[MODEL_COMMANDS];
    unsigned mapped[MODEL_BUFFERS];
    unsigned lost;
    unsigned died;
} reached;

static void note(const struct model_step *step, uint32_t answer)
{
    const struct model_resource *resource = &lifetime_model.resources[step->resource];
    reached.died += step->operation == MODEL_DEATH;
    reached.lost += resource->place == MODEL_LOST;
    if (step->operation >= MODEL_COMMANDS)
        return;
    if (answer < VIRTIO_GPU_RESP_ERR_UNSPEC)
        reached.good[step->operation]++;
    else
        reached.refused[step->operation]++;
    if (answer == VIRTIO_GPU_RESP_OK_MAP_INFO)
        reached.mapped[resource->buffer]++;
}

static void check_reached(void)
{
    for (unsigned i = 0; i < MODEL_COMMANDS; i++) {
        ck_assert_msg(reached.good[i] > 0, "operation %u never works", i);
        ck_assert_msg(reached.refused[i] > 0, "operation %u is never refused", i);
    }
    for (unsigned i = 0; i < MODEL_BUFFERS; i++)
        ck_assert_int_eq(reached.mapped[i] > 0,
                         i < MODEL_UNSEALED &&
                             (i != MODEL_POINTER || !lifetime_model.one_slot));
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++)
        ck_assert_msg(driver.fake.gpu.quota.use[i].refused > 0 ||
                          (i == QUOTA_MEMSLOTS && lifetime_model.one_slot) ||
                          (i == QUOTA_LENT && !lifetime_model.has_udmabuf),
                      "%s: never refused", quota_name((enum quota_kind)i));
    ck_assert_uint_gt(reached.lost, 0);
    ck_assert_uint_gt(reached.died, 0);
}

static void set_up_slot(void)
{
    lifetime_set_up(HOSTMEM_SLOT);
}

static void set_up_window(void)
{
    lifetime_set_up(HOSTMEM_WINDOW);
}

START_TEST(the_device_does_what_the_model_does)
{
    const uint32_t steps = number_from("S2VMM_LIFETIME_STEPS", STEPS);
    memset(&reached, 0, sizeof reached);
    seed = number_from("S2VMM_LIFETIME_SEED", 1) + (uint32_t)_i;
    for (step_number = 0; step_number < steps; step_number++) {
        const struct model_step step = choose_step();
        char name[64];
        snprintf(name, sizeof name, "seed %u, step %u", seed, step_number);
        note(&step, lifetime_step(&step, name));
    }
    if (steps >= STEPS)
        check_reached();
}
END_TEST

Suite *lifetime_suite(void)
{
    Suite *suite = suite_create("lifetime");
    TCase *slot = tcase_create("slot");
    TCase *window = tcase_create("window");
    tcase_add_checked_fixture(slot, set_up_slot, gpu_driver_tear_down);
    tcase_add_checked_fixture(window, set_up_window, gpu_driver_tear_down);
    tcase_set_timeout(slot, 120);
    tcase_set_timeout(window, 120);
    tcase_add_loop_test(slot, the_device_does_what_the_model_does, 0, SEQUENCES);
    tcase_add_loop_test(window, the_device_does_what_the_model_does, 0, SEQUENCES);
    suite_add_tcase(suite, slot);
    suite_add_tcase(suite, window);
    return suite;
}
