/* SPDX-License-Identifier: MIT */
#include "tests/unit/lifetime_driver.h"

#include <check.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "devices/gpu/lost.h"
#include "devices/gpu/window.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/gpu_driver.h"

#define WINDOW_MOVE (2 * FAKE_WINDOW) /* from one place to the other */
#define GUEST_PAGES 0x200000u         /* RAM that the rings leave */

struct model lifetime_model;
static unsigned descriptors_before;
static unsigned mappings_before;
static unsigned slots_before;
static const char *where; /* for messages */

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
    bool fails = step->renderer_fails || lifetime_model.dead;
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
    enum model_buffer buffer = step->resource < MODEL_IDS
                                   ? lifetime_model.resources[step->resource].buffer
                                   : MODEL_SHM;
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
                  "%s, operation %d on resource %u: %s: %llu (%#llx), the model says "
                  "%llu (%#llx)\n%s",
                  where, (int)step->operation, step->resource, what,
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
              expected_state(&lifetime_model.resources[id]));
    }
}

static bool is_mapped_at(uint64_t offset)
{
    bool mapped = false;
    for (uint32_t id = 1; id < MODEL_IDS && !lifetime_model.window_off; id++) {
        const struct model_resource *resource = &lifetime_model.resources[id];
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
    model_count(&lifetime_model, &want);
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

uint32_t lifetime_step(const struct model_step *step, const char *step_name)
{
    uint32_t got = 0;
    where = step_name;
    set_faults(step);
    if (step->operation < MODEL_COMMANDS)
        got = run_command(step);
    else
        run_event(step);
    agree(step, "response", got, model_step(&lifetime_model, step));
    compare(step);
    return got;
}

/* --- setting up --- */

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
                [QUOTA_LENT] = UINT64_C(2) * MODEL_PAGE,
            },
        .command_milliseconds = 60000,
    };
    driver.fake.gpu.quota.limits = limits;
    lifetime_model = (struct model){
        .limits = limits,
        .window = FAKE_WINDOW,
        .resource_size = sizeof(struct resource),
        .has_udmabuf = access("/dev/udmabuf", R_OK | W_OK) == 0,
    };
    lifetime_model.contexts[FAKE_CONTEXT] = true;
    lifetime_model.one_slot = driver.fake.gpu.hostmem.strategy == HOSTMEM_WINDOW;
}

void lifetime_set_up(enum hostmem_strategy strategy)
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
