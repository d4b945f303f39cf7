/* SPDX-License-Identifier: MIT */
/*
 * Any sequence of commands for the GPU device, on both queues, in chains of any shape, with what
 * else can happen between two of them: a reset, a move of the window, an access to a page that
 * is lost or of other memory, a write to the configuration, a screenshot. The renderer is the unit
 * tests' fake, which does what the input says: it gives files of other kinds and sizes than it
 * claims, fails, or is late with a fence; the kernel's answers are the input's, too. In the end
 * nothing may be left over: fake_gpu_finish() counts slots, mappings, files, blobs and contexts.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "devices/gpu/lost.h"
#include "devices/gpu/watch.h"
#include "devices/gpu/window.h"
#include "devices/gpu/witness.h"
#include "devices/gpu/witness_abi.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/gpu_input.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/gpu_driver.h"

#define OPERATIONS_MAX 48u           /* the fake renderer keeps 64 blobs */
#define LARGE_SIZE     (3 * MIB / 2) /* three of them are more than the device takes */

/* --- what happens --- */

/* One chain, and what must come back for it. */
static void send(const struct operation *operation, unsigned number, const void *request,
                 uint32_t size)
{
    struct error error;
    uint32_t written;
    struct virtqueue_mock *mock = &driver.mocks[operation->queue];
    uint32_t room = operation->room * 8u;
    uint32_t split = operation->split * 32u < size ? operation->split * 32u : size;
    uint64_t from = REQUESTS + number * 0x1000u;
    uint64_t to = RESPONSES + number * 0x1000u;
    FUZZ_CHECK(guest_memory_write(&driver.fake.memory, gpa(from), request, size, &error));
    uint32_t first = room < HEADER ? room : HEADER;
    const uint32_t more = operation->is_long ? LARGE_SIZE : 0;
    const struct virtqueue_mock_segment segments[] = {
        {gpa(from), split, false},
        {gpa(from + split), size - split, false},
        {gpa(LARGE), more, false},
        {gpa(LARGE), more, false},
        {gpa(LARGE), more, false},
        {gpa(to), first, true},
        {gpa(to + first), room - first, true}};
    uint16_t head = virtqueue_mock_add(mock, segments, ARRAY_SIZE(segments));
    virtqueue_mock_publish(mock);
    while (driver.ops->queue_kicked(&driver.fake.gpu, operation->queue))
        ;
    while (virtqueue_mock_take_used(mock, &head, &written))
        FUZZ_CHECK(written <= UINT8_MAX * 8);
}

/* As a vCPU does it: where the guest has memory. */
static void store(uint64_t offset, uint8_t byte)
{
    struct memslot slot;
    const uint64_t address = driver.fake.gpu.hostmem.window.start.value + offset;
    if (!memslot_find(&driver.fake.memslots, gpa(address), &slot))
        return;
    uint8_t *host = (uint8_t *)slot.host + (address - slot.range.start.value);
    const struct iovec to = {host, 1}; /* or a hole is there */
    process_vm_writev(getpid(), &(struct iovec){&byte, 1}, 1, &to, 1, 0);
}

/* As a transport does it. Nothing of it is the driver's. */
static void write_config(struct gpu *gpu, unsigned offset, uint8_t value)
{
    ((uint8_t *)&gpu->registers)[offset] = value;
    gpu_config_written(gpu, offset, 1);
    FUZZ_CHECK(memcmp(&gpu->registers, &gpu->offered, sizeof gpu->registers) == 0);
}

/* The exporter takes a buffer's pages away. */
static void take_pages_away(struct gpu *gpu, uint32_t id)
{
    struct error error;
    const struct resource *resource = resource_find(&gpu->resources, id, &error);
    if (resource && resource->mapping.mapped &&
        resource->backing.kind == BACKING_DMABUF &&
        resource->decision.report.buffer.page == MEMATTR_PAGE_RAM)
        FUZZ_CHECK(ftruncate(resource->backing.fd, 0) == 0);
}

/* The host's half of the guest's experiments; its request is next in the input. */
static void ask_witness(struct fuzz_input *input)
{
    struct error error;
    struct witness_request request;
    struct fake_gpu *fake = &driver.fake;
    struct witness witness = {&witness_gpu_ops, &fake->gpu, MEMATTR_NPT, &fake->memory,
                              &fake->trace};
    fuzz_take(input, &request, sizeof request);
    request.operation %= 4;
    request.resource_id %= 4;
    FUZZ_CHECK(guest_memory_write(&fake->memory, gpa(REQUESTS), &request, sizeof request,
                                  &error));
    witness_bus_ops.write(&witness, WITNESS_REGISTER_REQUEST, 8, REQUESTS);
}

static void happen(const struct operation *operation, struct fuzz_input *input)
{
    struct gpu *gpu = &driver.fake.gpu;
    struct error error;
    struct picture picture;
    const uint8_t argument = operation->split;
    const gpa_t place = gpa(FAKE_WINDOW_BASE + argument % 2u * (2 * FAKE_WINDOW));
    switch ((enum event)operation->type) {
    case EVENT_RESET:
        driver.ops->reset(gpu);
        driver.ops->start(gpu, gpu->virtio.driver_features);
        start_queue(GPU_QUEUE_CONTROL);
        start_queue(GPU_QUEUE_CURSOR);
        break;
    case EVENT_WINDOW_OFF:
        gpu_window_moved(gpu, VIRTIO_GPU_SHM_ID_HOST_VISIBLE, NULL);
        break;
    case EVENT_WINDOW_MOVE:
        gpu_window_moved(gpu, VIRTIO_GPU_SHM_ID_HOST_VISIBLE,
                         &(const struct gpa_range){place, FAKE_WINDOW});
        break;
    case EVENT_STORE:
        store((uint64_t)argument * PAGE_SIZE_4K, operation->room);
        break;
    case EVENT_REVOKE:
        take_pages_away(gpu, argument % 4u);
        break;
    case EVENT_PAGE_LOST:
        gpu_page_lost(gpu);
        break;
    case EVENT_CONFIG:
        write_config(gpu, argument % sizeof gpu->registers, operation->room);
        break;
    case EVENT_RESIZE:
        gpu_display_resize(gpu, argument % 3u, operation->room % 129u * 64, 768, &error);
        break;
    case EVENT_WATCH:
        watch_look(gpu);
        break;
    case EVENT_SCREENSHOT:
        if (scanout_read(gpu, argument % VIRTIO_GPU_MAX_SCANOUTS, &picture, &error))
            picture_finish(&picture);
        break;
    case EVENT_WITNESS:
        ask_witness(input);
        break;
    }
}

/* --- the host --- */

static void plan_renderer(const struct operation *operation)
{
    struct fake_renderer *renderer = &driver.fake.renderer;
    enum error_code code = operation->renderer_fails ? ERROR_HOST_RENDERER : ERROR_NONE;
    uint8_t file = operation->file % FAKE_FD_COUNT;
    renderer->context_create_fails = renderer->resource_create_fails = code;
    renderer->blob_create_fails = renderer->import_fails = code;
    renderer->pages_attach_fails = renderer->transfer_fails = code;
    renderer->submit_fails = renderer->restart_fails = code;
    renderer->has_died |= operation->renderer_dies;
    renderer->plan = (struct fake_blob_plan){
        .claimed = operation->claimed,
        .fd = file == FAKE_FD_HUGE ? FAKE_FD_PIPE : file, /* not to be had everywhere */
        .has_map_info = operation->plan_map_info,
        .map_info = operation->claimed,
        .pointer = operation->pointer % (FAKE_POINTER_NULL + 1),
    };
    renderer->fence = operation->fence % (FAKE_FENCE_FAILS + 1);
}

/* What it says of any dma-buf. */
static void plan_kernel(const struct operation *operation)
{
    /* DMA_BUF_VM_PROT_*, as the page table has them: DMA_BUF_INFO_HOST_TYPE. */
    static const uint8_t pat[4] = {1, 6, 0, 7};
    static const uint8_t mair[4] = {0x44, 0xff, 0x00, 0x0c};
    const bool is_x86 = driver.fake.gpu.config.platform.model <= MEMATTR_SHADOW;
    fake_kernel.info_error = operation->asked_fails ? EIO : 0;
    fake_kernel.info_value = operation->attribute;
    fake_kernel.info_known = 0x5f;
    fake_kernel.info_further[1] = operation->needs_sync;
    fake_kernel.info_further[2] = operation->may_change;
    fake_kernel.info_further[3] = operation->page;
    fake_kernel.info_further[4] = (is_x86 ? pat : mair)[operation->attribute];
    fake_kernel.info_further[6] = operation->is_pfnmap ? DMA_BUF_VMA_PFNMAP : 0;
    fake_kernel.sync_count = 0;
}

/* No blob reaches beyond it. */
static void check_window(void)
{
    struct memslot slot;
    const uint64_t start = driver.fake.gpu.hostmem.window.start.value;
    FUZZ_CHECK(!memslot_find(&driver.fake.memslots, gpa(start - 1), &slot) &&
               !memslot_find(&driver.fake.memslots, gpa(start + FAKE_WINDOW), &slot));
}

static void operate(struct fuzz_input *input, unsigned number)
{
    struct operation operation;
    _Alignas(8) uint8_t request[4 * UINT8_MAX] = {0};
    fuzz_take(input, &operation, sizeof operation);
    plan_renderer(&operation);
    plan_kernel(&operation);
    driver.fake.slots_fail = operation.slot_fails;
    if (operation.type >= EVENT_RESET && operation.type <= EVENT_WITNESS) {
        happen(&operation, input);
        return;
    }
    uint32_t size = operation.size * 4u;
    fuzz_take(input, request, size);
    struct virtio_gpu_ctrl_hdr *header = (void *)request;
    if (operation.type != TYPE_AS_IT_IS)
        header->type = type_of(operation.type);
    if (operation.small_ids) { /* the same ones again and again */
        header->ctx_id %= 4;
        *(uint32_t *)(void *)(request + sizeof *header) %= 4; /* a resource, mostly */
    }
    if (header->type == VIRTIO_GPU_CMD_CTX_CREATE)
        header->ctx_id %= 64; /* as many as the fake renderer keeps */
    send(&operation, number, request, size);
    while (driver.fake.renderer.fence_count > 0 && operation.fence & 0x80)
        fake_renderer_complete(&driver.fake.renderer, 0);
    if (operation.serves_fences)
        serve_fences();
    check_window();
}

static void set_up(struct fuzz_input *input)
{
    static const enum memattr_model models[] = {MEMATTR_NPT, MEMATTR_EPT, MEMATTR_ARM64,
                                                MEMATTR_ARM64_FWB};
    struct setup setup;
    struct gpu *gpu = &driver.fake.gpu;
    fuzz_take(input, &setup, sizeof setup);
    gpu_driver_set_up_strategy(setup.window ? HOSTMEM_WINDOW : HOSTMEM_SLOT);
    driver.fake.trace.details = false;
    gpu->config.permissive = setup.permissive;
    gpu->config.copy_unsynced = setup.copies, gpu->config.follow_changes = setup.follows;
    gpu->config.prefault_shm = setup.prefaults;
    gpu->config.platform.model = models[setup.model];
    gpu->hostmem.avoid_blocks = gpu->config.pfnmap_block_hazard = setup.avoids_blocks;
    gpu->virtio.driver_features &= ~(uint64_t)setup.refused_features;
    if (setup.has_no_renderer) {
        gpu_reset_state(gpu); /* the context that was made with the other one */
        gpu->none = (struct renderer_none){driver.fake.renderer.fence_done, &driver.fake};
        gpu->renderer = renderer_none_interface(&gpu->none);
    }
    if (setup.has_small_quotas) {
        gpu->quota.limits.of[QUOTA_RESOURCES] = 4;
        gpu->quota.limits.of[QUOTA_HOST_MEMORY] = 256 * KIB;
        gpu->quota.limits.of[QUOTA_WINDOW] = 128 * KIB;
        gpu->quota.limits.of[QUOTA_DESCRIPTORS] = 12;
        gpu->quota.limits.of[QUOTA_MEMSLOTS] = 2;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    set_up(&input);
    for (unsigned i = 0; i < OPERATIONS_MAX && input.left > 0; i++)
        operate(&input, i);
    gpu_driver_tear_down();
    return 0;
}

/* --- seeds --- */

struct seed {
    struct operation host; /* what it does from now on */
    uint8_t bytes[4096];
    size_t size;
};

/* The host does as it should. */
static struct seed seed_of(struct setup setup)
{
    struct seed seed = {.size = sizeof setup};
    seed.host.serves_fences = 1;
    seed.host.room = 0xff;
    seed.host.claimed = RENDERER_FD_SHM;
    seed.host.fence = 0x80 | FAKE_FENCE_LATER;
    memcpy(seed.bytes, &setup, sizeof setup);
    return seed;
}

static void put(struct seed *seed, const void *bytes, size_t size)
{
    FUZZ_CHECK(seed->size + size <= sizeof seed->bytes);
    memcpy(seed->bytes + seed->size, bytes, size);
    seed->size += size;
}

static void add_event(struct seed *seed, enum event event, uint8_t argument)
{
    struct operation operation = seed->host;
    operation.type = (uint8_t)event;
    operation.split = argument;
    put(seed, &operation, sizeof operation);
}

/* One command on top of a seed; `size` is a multiple of 4. */
static void add(struct seed *seed, const void *request, size_t size)
{
    const struct virtio_gpu_ctrl_hdr *header = request;
    struct operation operation = seed->host;
    operation.queue = header->type >= VIRTIO_GPU_CMD_UPDATE_CURSOR;
    operation.type = (uint8_t)(((header->type >> 8) - 1) << 4 | (header->type & 0xf));
    operation.size = (uint8_t)(size / 4);
    put(seed, &operation, sizeof operation);
    put(seed, request, size);
}

#define ADD(seed, kind, ...)                                                             \
    add(seed, &(const struct virtio_gpu_##kind){__VA_ARGS__},                            \
        sizeof(struct virtio_gpu_##kind))
#define CMD(name) .hdr = {.type = VIRTIO_GPU_CMD_##name, .ctx_id = FAKE_CONTEXT}

/* RESOURCE_ATTACH_BACKING and RESOURCE_CREATE_BLOB with two pieces of guest memory. */
static const struct virtio_gpu_mem_entry entries[] = {{0x300000, 0x3000, 0},
                                                      {0x310000, 0x1000, 0}};

static void add_attach_backing(struct seed *seed, uint32_t resource)
{
    struct {
        struct virtio_gpu_resource_attach_backing head;
        struct virtio_gpu_mem_entry entries[ARRAY_SIZE(entries)];
    } request = {.head = {CMD(RESOURCE_ATTACH_BACKING), .resource_id = resource,
                          .nr_entries = ARRAY_SIZE(entries)}};
    memcpy(request.entries, entries, sizeof entries);
    add(seed, &request, sizeof request);
}

static void add_blob(struct seed *seed, uint32_t resource, uint32_t memory)
{
    struct {
        struct virtio_gpu_resource_create_blob head;
        struct virtio_gpu_mem_entry entries[ARRAY_SIZE(entries)];
    } request = {.head = {CMD(RESOURCE_CREATE_BLOB), .resource_id = resource,
                          .blob_mem = memory,
                          .blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE, .blob_id = 1,
                          .size = 0x4000}};
    memcpy(request.entries, entries, sizeof entries);
    bool has_pages = memory != VIRTIO_GPU_BLOB_MEM_HOST3D;
    request.head.nr_entries = has_pages ? ARRAY_SIZE(entries) : 0;
    add(seed, &request, has_pages ? sizeof request : sizeof request.head);
}

static void seed_2d(const char *name, struct setup setup)
{
    struct seed seed = seed_of(setup);
    const struct virtio_gpu_rect area = {.width = 64, .height = 64};
    ADD(&seed, ctrl_hdr, .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO);
    add_event(&seed, EVENT_RESIZE, 0);
    ADD(&seed, cmd_get_edid, CMD(GET_EDID));
    ADD(&seed, resource_create_2d, CMD(RESOURCE_CREATE_2D), .resource_id = 1,
        .format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, .width = 64, .height = 64);
    add_attach_backing(&seed, 1);
    ADD(&seed, transfer_to_host_2d, CMD(TRANSFER_TO_HOST_2D), .r = area,
        .resource_id = 1);
    ADD(&seed, set_scanout, CMD(SET_SCANOUT), .r = area, .resource_id = 1);
    ADD(&seed, resource_flush, CMD(RESOURCE_FLUSH), .r = area, .resource_id = 1);
    ADD(&seed, update_cursor, CMD(UPDATE_CURSOR), .resource_id = 1);
    ADD(&seed, update_cursor, CMD(MOVE_CURSOR), .pos = {.x = 5, .y = UINT32_MAX});
    add_event(&seed, EVENT_SCREENSHOT, 0);
    add_event(&seed, EVENT_CONFIG, 4); /* events_clear */
    ADD(&seed, resource_detach_backing, CMD(RESOURCE_DETACH_BACKING), .resource_id = 1);
    ADD(&seed, resource_unref, CMD(RESOURCE_UNREF), .resource_id = 1);
    seed.host.is_long = 1;
    ADD(&seed, ctrl_hdr, .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO);
    fuzz_seed(name, seed.bytes, seed.size);
}

static void seed_3d(void)
{
    struct seed seed = seed_of((struct setup){0});
    const struct virtio_gpu_rect area = {.width = 16, .height = 16};
    struct {
        struct virtio_gpu_cmd_submit head;
        uint32_t stream[2];
    } submit = {.head = {CMD(SUBMIT_3D), .size = 8}};
    ADD(&seed, get_capset, CMD(GET_CAPSET), .capset_id = VIRTIO_GPU_CAPSET_VENUS);
    ADD(&seed, ctx_create, .hdr = {.type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = 2},
        .nlen = 4, .debug_name = "fuzz", .context_init = VIRTIO_GPU_CAPSET_VENUS);
    ADD(&seed, resource_create_3d, CMD(RESOURCE_CREATE_3D), .resource_id = 1, .target = 2,
        .format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, .bind = 2, .width = 16, .height = 16,
        .depth = 1, .array_size = 1);
    add_attach_backing(&seed, 1);
    ADD(&seed, ctx_resource, CMD(CTX_ATTACH_RESOURCE), .resource_id = 1);
    add(&seed, &submit, sizeof submit);
    ADD(&seed, transfer_host_3d, CMD(TRANSFER_TO_HOST_3D), .resource_id = 1,
        .box = {.w = 16, .h = 16, .d = 1}, .stride = 64);
    ADD(&seed, set_scanout, CMD(SET_SCANOUT), .r = area, .resource_id = 1);
    add_event(&seed, EVENT_SCREENSHOT, 0);
    ADD(&seed, ctx_resource, CMD(CTX_DETACH_RESOURCE), .resource_id = 1);
    ADD(&seed, resource_detach_backing, CMD(RESOURCE_DETACH_BACKING), .resource_id = 1);
    ADD(&seed, ctx_destroy, .hdr = {.type = VIRTIO_GPU_CMD_CTX_DESTROY, .ctx_id = 2});
    ADD(&seed, ctx_destroy, CMD(CTX_DESTROY));
    seed.host.renderer_dies = 1; /* while the resource is there */
    ADD(&seed, ctx_create, CMD(CTX_CREATE));
    fuzz_seed("3d", seed.bytes, seed.size);
}

static void add_blob_cycle(struct seed *seed, uint32_t memory)
{
    add_blob(seed, 1, memory);
    ADD(seed, resource_map_blob, CMD(RESOURCE_MAP_BLOB), .resource_id = 1,
        .offset = 0x10000);
    ADD(seed, ctx_resource,
        .hdr = {.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE,
                .flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX,
                .fence_id = 7,
                .ctx_id = FAKE_CONTEXT,
                .ring_idx = 1},
        .resource_id = 1);
    ADD(seed, set_scanout_blob, CMD(SET_SCANOUT_BLOB), .r = {.width = 32, .height = 32},
        .resource_id = 1, .width = 32, .height = 32,
        .format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, .strides = {128});
    ADD(seed, update_cursor, CMD(UPDATE_CURSOR), .resource_id = 1);
    add_event(seed, EVENT_SCREENSHOT, 0);
    add_event(seed, EVENT_STORE, 16);
    add_event(seed, EVENT_PAGE_LOST, 0);
    add_event(seed, EVENT_WINDOW_OFF, 0);
    add_event(seed, EVENT_WINDOW_MOVE, 1);
    ADD(seed, resource_unmap_blob, CMD(RESOURCE_UNMAP_BLOB), .resource_id = 1);
    add_event(seed, EVENT_SCREENSHOT, 0);
    ADD(seed, resource_detach_backing, CMD(RESOURCE_DETACH_BACKING), .resource_id = 1);
    ADD(seed, resource_unref, CMD(RESOURCE_UNREF), .resource_id = 1);
}

/* `host`: what it hands out for a blob. */
static void seed_blob(const char *name, uint32_t memory, struct setup setup,
                      struct operation host)
{
    struct seed seed = seed_of(setup);
    struct witness_request look = {.resource_id = 2, .length = 64};
    host.room = seed.host.room;
    host.attribute = DMA_BUF_VM_PROT_CACHED;
    seed.host = host;
    add_blob_cycle(&seed, memory);
    add_blob(&seed, 2, VIRTIO_GPU_BLOB_MEM_HOST3D);
    ADD(&seed, resource_map_blob, CMD(RESOURCE_MAP_BLOB), .resource_id = 2);
    add_blob(&seed, 3, VIRTIO_GPU_BLOB_MEM_HOST3D); /* over the other one */
    ADD(&seed, resource_map_blob, CMD(RESOURCE_MAP_BLOB), .resource_id = 3);
    ADD(&seed, set_scanout_blob, CMD(SET_SCANOUT_BLOB), .r = {.width = 32, .height = 32},
        .resource_id = 2, .width = 32, .height = 32,
        .format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, .strides = {128});
    while (look.operation++ < WITNESS_OBSERVE) {
        add_event(&seed, EVENT_WITNESS, 0);
        put(&seed, &look, sizeof look);
    }
    seed.host.attribute = DMA_BUF_VM_PROT_WC;
    add_event(&seed, EVENT_WATCH, 0);
    add_event(&seed, EVENT_REVOKE, 2);
    add_event(&seed, EVENT_SCREENSHOT, 0);
    add_event(&seed, EVENT_PAGE_LOST, 0);
    add_event(&seed, EVENT_RESET, 0);
    fuzz_seed(name, seed.bytes, seed.size);
}

#define HOST3D VIRTIO_GPU_BLOB_MEM_HOST3D
#define SHM    .claimed = RENDERER_FD_SHM
#define DMABUF .claimed = RENDERER_FD_DMABUF, .file = FAKE_FD_DMABUF
#define HEAP   .file = FAKE_FD_FAILS, .pointer = FAKE_POINTER_GOOD, .plan_map_info = 1

void fuzz_seeds(void)
{
    const struct {
        const char *name;
        uint32_t memory;
        struct setup setup;
        struct operation host;
    } blobs[] = {
        {"guest", VIRTIO_GPU_BLOB_MEM_GUEST, {0}, {SHM}},
        {"both", VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST, {0}, {SHM}},
        {"shm", HOST3D, {.window = 1}, {SHM}},
        {"dmabuf", HOST3D, {0}, {DMABUF}},
        {"copied", HOST3D, {.copies = 1}, {DMABUF, .needs_sync = 1}},
        {"followed", HOST3D, {.follows = 1, .window = 1}, {DMABUF, .may_change = 1}},
        {"late", HOST3D, {.permissive = 1, .model = 2}, {DMABUF, .is_pfnmap = 1}},
        {"blocks", HOST3D, {.avoids_blocks = 1}, {DMABUF}},
        {"pointer", HOST3D, {.permissive = 1}, {HEAP}},
        {"nowhere", HOST3D, {0}, {.file = FAKE_FD_FAILS, .pointer = FAKE_POINTER_NULL}},
    };
    seed_2d("2d", (struct setup){0});
    seed_2d("2d-alone", (struct setup){.has_no_renderer = 1, .refused_features = 0x11});
    seed_3d();
    for (size_t i = 0; i < ARRAY_SIZE(blobs); i++)
        seed_blob(blobs[i].name, blobs[i].memory, blobs[i].setup, blobs[i].host);
}
