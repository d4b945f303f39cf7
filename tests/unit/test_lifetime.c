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
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "devices/gpu/lost.h"
#include "devices/gpu/window.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/gpu_driver.h"
#include "tests/unit/lifetime_model.h"
#include "tests/unit/suites.h"

#define SEQUENCES   2 /* of each map strategy */
#define STEPS       5000u
#define WINDOW_MOVE (2 * FAKE_WINDOW) /* from one place to the other */
#define GUEST_PAGES 0x200000u         /* RAM that the rings leave */

static struct model model;
static unsigned descriptors_before;
static unsigned mappings_before;
static unsigned slots_before;
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

/* --- the device's side --- */

static const struct fake_blob_plan plans[MODEL_BUFFERS] = {
    [MODEL_SHM] = {.claimed = RENDERER_FD_SHM, .fd = FAKE_FD_SEALED},
    [MODEL_DMABUF] = {.claimed = RENDERER_FD_DMABUF, .fd = FAKE_FD_DMABUF},
    [MODEL_COPIED] = {.claimed = RENDERER_FD_DMABUF, .fd = FAKE_FD_DMABUF},
    [MODEL_POINTER] = {.fd = FAKE_FD_FAILS,
                       .pointer = FAKE_POINTER_GOOD,
                       .has_map_info = true,
                       .map_info = MEMATTR_MAP_CACHED},
    [MODEL_UNSEALED] = {.claimed = RENDERER_FD_SHM, .fd = FAKE_FD_UNSEALED},
    [MODEL_SHORT] = {.claimed = RENDERER_FD_DMABUF, .fd = FAKE_FD_DMABUF_SHORT},
    [MODEL_LIAR] = {.claimed = RENDERER_FD_DMABUF, .fd = FAKE_FD_DMABUF_LIAR},
};

static void set_faults(const struct model_step *step)
{
    struct fake_renderer *renderer = &driver.fake.renderer;
    bool fails = step->renderer_fails || model.dead;
    enum error_code code = fails ? ERROR_HOST_RENDERER : ERROR_NONE;
    renderer->context_create_fails = code;
    renderer->submit_fails = code;
    renderer->blob_create_fails = code;
    renderer->import_fails = code;
    renderer->resource_create_fails = code;
    renderer->pages_attach_fails = code;
    renderer->plan = plans[step->buffer];
    driver.fake.slots_fail = step->slot_fails;
    driver.fake.removal_fails = step->removal_fails;
    /* Every dma-buf needs SYNC, or none: what counts is the one that is mapped now. */
    enum model_buffer buffer =
        step->resource < MODEL_IDS ? model.resources[step->resource].buffer : MODEL_SHM;
    fake_kernel.info_further[1] = buffer == MODEL_COPIED ? DMA_BUF_CPU_ACCESS_NEEDS_SYNC
                                                         : DMA_BUF_CPU_ACCESS_COHERENT;
    fake_kernel.sync_count = 0;
}

union command {
    struct virtio_gpu_ctrl_hdr header;
    struct {
        struct virtio_gpu_resource_create_blob head;
        struct virtio_gpu_mem_entry entries[3];
    } create_blob;
    struct virtio_gpu_resource_create_2d create_2d;
    struct virtio_gpu_resource_create_3d create_3d;
    struct {
        struct virtio_gpu_resource_attach_backing head;
        struct virtio_gpu_mem_entry entries[3];
    } attach;
    struct virtio_gpu_resource_detach_backing detach;
    struct virtio_gpu_resource_map_blob map;
    struct virtio_gpu_resource_unmap_blob unmap;
    struct virtio_gpu_resource_unref unref;
    struct virtio_gpu_ctx_create context_create;
    struct virtio_gpu_ctx_resource pair;
    struct {
        struct virtio_gpu_cmd_submit head;
        uint32_t stream;
    } submit;
    struct virtio_gpu_set_scanout scanout;
};

static const uint32_t types[MODEL_COMMANDS] = {
    [MODEL_CREATE_BLOB] = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
    [MODEL_CREATE_2D] = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
    [MODEL_CREATE_3D] = VIRTIO_GPU_CMD_RESOURCE_CREATE_3D,
    [MODEL_ATTACH] = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
    [MODEL_DETACH] = VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING,
    [MODEL_MAP] = VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB,
    [MODEL_UNMAP] = VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB,
    [MODEL_UNREF] = VIRTIO_GPU_CMD_RESOURCE_UNREF,
    [MODEL_CONTEXT_CREATE] = VIRTIO_GPU_CMD_CTX_CREATE,
    [MODEL_CONTEXT_DESTROY] = VIRTIO_GPU_CMD_CTX_DESTROY,
    [MODEL_CONTEXT_ATTACH] = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE,
    [MODEL_CONTEXT_DETACH] = VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE,
    [MODEL_SUBMIT] = VIRTIO_GPU_CMD_SUBMIT_3D,
    [MODEL_SCANOUT] = VIRTIO_GPU_CMD_SET_SCANOUT,
};

static void fill_entries(struct virtio_gpu_mem_entry *entries,
                         const struct model_step *step)
{
    uint32_t size = step->entry_pages * MODEL_PAGE;
    for (unsigned i = 0; i < step->entries; i++) /* a gap between them */
        entries[i] = (struct virtio_gpu_mem_entry){
            .addr = GUEST_PAGES + i * (size + MODEL_PAGE), .length = size};
}

static void fill_blob(union command *command, const struct model_step *step)
{
    struct virtio_gpu_resource_create_blob *blob = &command->create_blob.head;
    blob->blob_mem = step->memory;
    blob->blob_flags = step->mappable ? VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE : 0;
    blob->size = (uint64_t)step->pages * MODEL_PAGE;
    blob->nr_entries = step->entries;
    fill_entries(command->create_blob.entries, step);
}

/* A row of a picture is a page long. */
static void fill_2d(union command *command, const struct model_step *step)
{
    command->create_2d.format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM;
    command->create_2d.width = MODEL_PAGE / 4;
    command->create_2d.height = step->pages;
}

static void fill_buffer(union command *command, const struct model_step *step)
{
    struct virtio_gpu_resource_create_3d *buffer = &command->create_3d;
    buffer->format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM;
    buffer->width = step->pages * MODEL_PAGE;
    buffer->height = buffer->depth = buffer->array_size = 1;
}

static void fill_command(union command *command, const struct model_step *step)
{
    memset(command, 0, sizeof *command);
    /* The resource id is the first word behind the header, but for the last three. */
    command->unref.resource_id = step->resource;
    if (step->operation == MODEL_CREATE_BLOB) {
        fill_blob(command, step);
    } else if (step->operation == MODEL_CREATE_2D) {
        fill_2d(command, step);
    } else if (step->operation == MODEL_CREATE_3D) {
        fill_buffer(command, step);
    } else if (step->operation == MODEL_ATTACH) {
        command->attach.head.nr_entries = step->entries;
        fill_entries(command->attach.entries, step);
    } else if (step->operation == MODEL_MAP) {
        command->map.offset = step->offset;
    } else if (step->operation == MODEL_SCANOUT) {
        command->scanout.r = (struct virtio_gpu_rect){.width = 16, .height = 1};
        command->scanout.resource_id = step->resource;
    } else if (step->operation == MODEL_SUBMIT) {
        command->submit.head.size = 4;
    } else if (step->operation == MODEL_CONTEXT_CREATE) {
        command->context_create.nlen = 0;
    }
    command->header.type = types[step->operation];
    command->header.ctx_id = step->context;
}

/* Through the queue, as a driver would. */
static uint32_t run_command(const struct model_step *step)
{
    union command command;
    fill_command(&command, step);
    uint16_t head = add_bytes(0, &command, sizeof command, ROOM);
    kick();
    uint32_t type = response(0).type;
    expect_used(head, type == VIRTIO_GPU_RESP_OK_MAP_INFO
                          ? (uint32_t)sizeof(struct virtio_gpu_resp_map_info)
                          : HEADER);
    return type;
}

static void drop(uint32_t id)
{
    struct error error;
    struct resource *resource = resource_find(&driver.fake.gpu.resources, id, &error);
    if (resource && resource->mapping.mapped)
        drop_mapping(&driver.fake.gpu, resource, "the test says so");
}

static void move_window(void)
{
    static unsigned moves;
    const struct gpa_range range = {gpa(FAKE_WINDOW_BASE + ++moves % 2 * WINDOW_MOVE),
                                    FAKE_WINDOW};
    gpu_window_moved(&driver.fake.gpu, VIRTIO_GPU_SHM_ID_HOST_VISIBLE, &range);
}

/* Of a dead renderer nothing can be had any more; what we hold stays ours. */
static void kill_renderer(void)
{
    for (unsigned i = 0; i < FAKE_BLOBS_MAX; i++)
        driver.fake.renderer.blobs[i].plan =
            (struct fake_blob_plan){.fd = FAKE_FD_FAILS, .pointer = FAKE_POINTER_FAILS};
}

static void run_event(const struct model_step *step)
{
    struct gpu *gpu = &driver.fake.gpu;
    if (step->operation == MODEL_RESET)
        driver.ops->reset(gpu);
    else if (step->operation == MODEL_DROP)
        drop(step->resource);
    else if (step->operation == MODEL_WINDOW_OFF)
        gpu_window_moved(gpu, VIRTIO_GPU_SHM_ID_HOST_VISIBLE, NULL);
    else if (step->operation == MODEL_WINDOW_MOVE)
        move_window();
    else
        kill_renderer();
}

/* --- what is compared --- */

/* Its last lines: Check limits the length of a message. */
static const char *last_words(void)
{
    const size_t most = 1000;
    const char *text = fake_output_text(&driver.fake.trace_output);
    size_t length = strlen(text);
    return length > most ? text + length - most : text;
}

static void agree(const struct model_step *step, const char *what, uint64_t got,
                  uint64_t want)
{
    ck_assert_msg(got == want,
                  "seed %u, step %u, operation %d on resource %u: %s: %llu (%#llx), the "
                  "model says %llu (%#llx)\n%s",
                  seed, step_number, (int)step->operation, step->resource, what,
                  (unsigned long long)got, (unsigned long long)got,
                  (unsigned long long)want, (unsigned long long)want, last_words());
}

static enum resource_state expected_state(const struct model_resource *resource)
{
    if (resource->kind == MODEL_NONE)
        return RESOURCE_NONE;
    if (resource->place != MODEL_UNMAPPED)
        return resource->place == MODEL_MAPPED ? RESOURCE_MAPPED : RESOURCE_LOST;
    return resource->entries > 0 ? RESOURCE_ATTACHED : RESOURCE_CREATED;
}

static void compare_states(const struct model_step *step)
{
    struct error error;
    for (uint32_t id = 1; id < MODEL_IDS; id++) {
        const struct resource *resource =
            resource_find(&driver.fake.gpu.resources, id, &error);
        agree(step, "state", resource ? resource_state(resource) : RESOURCE_NONE,
              expected_state(&model.resources[id]));
    }
}

static bool is_mapped_at(uint64_t offset)
{
    bool mapped = false;
    for (uint32_t id = 1; id < MODEL_IDS && !model.window_off; id++) {
        const struct model_resource *resource = &model.resources[id];
        mapped |= resource->place == MODEL_MAPPED && offset >= resource->offset &&
                  offset - resource->offset < resource->size;
    }
    return mapped;
}

/* What a memslot covers is mapped or reserved: the next mmap() of anybody must not get it. */
static bool is_ours(uint64_t address)
{
    struct memslot slot;
    if (!memslot_find(&driver.fake.memslots, gpa(address), &slot))
        return true;
    uint8_t *host = (uint8_t *)slot.host + (address - slot.range.start.value);
    return msync(host, MODEL_PAGE, MS_ASYNC) == 0; /* ENOMEM: nothing is there */
}

/* What the guest finds in the part of the window that the steps use. */
static void compare_window(const struct model_step *step)
{
    const uint64_t window = driver.fake.gpu.hostmem.window.start.value;
    uint8_t byte;
    for (uint64_t offset = 0; offset < 16 * MODEL_PAGE; offset += MODEL_PAGE) {
        agree(step, "memory behind the window",
              fake_gpu_read(&driver.fake, window + offset, &byte), is_mapped_at(offset));
        agree(step, "a gap behind the window", !is_ours(window + offset), false);
    }
}

static void compare(const struct model_step *step)
{
    const struct fake_gpu *fake = &driver.fake;
    struct model_counts want;
    model_count(&model, &want);
    agree(step, "contexts", fake->gpu.context_count, want.contexts);
    agree(step, "the renderer's contexts", fake->renderer.context_count, want.contexts);
    agree(step, "resources", fake->gpu.resources.count, want.resources);
    agree(step, "the renderer's resources", fake->renderer.blob_count,
          want.renderer_resources);
    agree(step, "the renderer's mappings", fake->renderer.mapping_count,
          want.renderer_mappings);
    agree(step, "memslots", fake->slot_count, want.slots);
    agree(step, "memslots of the table", fake->memslots.count - slots_before, want.slots);
    agree(step, "descriptors", fake_kernel_open_fds() - descriptors_before,
          want.descriptors);
    agree(step, "mappings", fake_kernel_mappings("/memfd:") - mappings_before,
          want.mappings);
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++)
        agree(step, quota_name((enum quota_kind)i), fake->gpu.quota.use[i].now,
              want.of[i]);
    compare_states(step);
    compare_window(step);
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
    if (model.dead && one_in(20))
        return MODEL_RESET;
    if (model.window_off && one_in(10))
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
    for (unsigned i = 0; i < 8 && !suits(operation, &model.resources[id]); i++)
        id = random_below(MODEL_IDS);
    return one_in(8) ? random_below(MODEL_IDS) : id;
}

static uint32_t choose_context(enum model_operation operation)
{
    uint32_t id = random_below(MODEL_CONTEXTS);
    for (unsigned i = 0;
         i < 8 && model.contexts[id] != (operation != MODEL_CONTEXT_CREATE); i++)
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

/* Quotas that are met often. */
static void set_limits(void)
{
    const struct quota_limits limits = {
        .of =
            {
                [QUOTA_RESOURCES] = 9,
                [QUOTA_CONTEXTS] = 3,
                [QUOTA_HOST_MEMORY] =
                    9 * sizeof(struct resource) + UINT64_C(32) * MODEL_PAGE,
                [QUOTA_WINDOW] = UINT64_C(9) * MODEL_PAGE,
                [QUOTA_DESCRIPTORS] = 20,
                [QUOTA_MEMSLOTS] = 3,
            },
        .command_milliseconds = 60000,
    };
    driver.fake.gpu.quota.limits = limits;
    model = (struct model){
        .limits = limits,
        .window = FAKE_WINDOW,
        .resource_size = sizeof(struct resource),
        .has_udmabuf = access("/dev/udmabuf", R_OK | W_OK) == 0,
    };
    model.contexts[FAKE_CONTEXT] = true;
    model.one_slot = driver.fake.gpu.hostmem.strategy == HOSTMEM_WINDOW;
}

static void set_up(enum hostmem_strategy strategy)
{
    gpu_driver_set_up_strategy(strategy);
    trace_init(&driver.fake.trace, driver.fake.trace_output.stream, false);
    driver.fake.recorder.json = NULL;
    driver.fake.recorder.text = NULL;
    driver.fake.gpu.config.permissive = true;
    driver.fake.gpu.config.copy_unsynced = true;
    fake_kernel.info_error = 0;
    fake_kernel.info_value = DMA_BUF_VM_PROT_CACHED;
    fake_kernel.info_known = 1u << 1;
    descriptors_before = fake_kernel_open_fds();
    mappings_before = fake_kernel_mappings("/memfd:");
    slots_before = driver.fake.memslots.count;
    set_limits();
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
    const struct model_resource *resource = &model.resources[step->resource];
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
                         i < MODEL_UNSEALED && (i != MODEL_POINTER || !model.one_slot));
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++)
        ck_assert_msg(driver.fake.gpu.quota.use[i].refused > 0 ||
                          (i == QUOTA_MEMSLOTS && model.one_slot),
                      "%s: never refused", quota_name((enum quota_kind)i));
    ck_assert_uint_gt(reached.lost, 0);
    ck_assert_uint_gt(reached.died, 0);
}

static void set_up_slot(void)
{
    set_up(HOSTMEM_SLOT);
}

static void set_up_window(void)
{
    set_up(HOSTMEM_WINDOW);
}

START_TEST(the_device_does_what_the_model_does)
{
    const uint32_t steps = number_from("S2VMM_LIFETIME_STEPS", STEPS);
    seed = number_from("S2VMM_LIFETIME_SEED", 1) + (uint32_t)_i;
    for (step_number = 0; step_number < steps; step_number++) {
        const struct model_step step = choose_step();
        uint32_t got = 0;
        set_faults(&step);
        if (step.operation < MODEL_COMMANDS)
            got = run_command(&step);
        else
            run_event(&step);
        agree(&step, "response", got, model_step(&model, &step));
        compare(&step);
        note(&step, got);
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
