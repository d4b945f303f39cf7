/* SPDX-License-Identifier: MIT */
/*
 * Any sequence of commands for the GPU device, on both queues, in chains of any shape; the
 * renderer is the unit tests' fake, which does what the input says: it gives files of other
 * kinds and sizes than it claims, fails, or is late with a fence. In the end nothing may be left
 * over: fake_gpu_finish() counts slots, mappings, files, blobs and contexts.
 */
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/gpu_driver.h"

#define OPERATIONS_MAX 48u /* the fake renderer keeps 64 blobs */
#define REQUEST_MAX    0x400u
#define TYPE_AS_IT_IS  0xffu
#define TYPE_RESET     0xfeu

/* Before each request. */
struct operation {
    uint8_t queue : 1, serves_fences : 1, plan_map_info : 1, unused : 5;
    uint8_t type; /* an index into types, or one of the two above */
    uint8_t
        split;    /* where the request goes on in another segment, 32 bytes; 0: nowhere */
    uint8_t room; /* for the response, 8 bytes; another segment for all behind 24 */
    uint8_t file;
    uint8_t claimed;
    uint8_t fence;
    uint8_t size; /* of the request, 4 bytes */
};

static const uint16_t types[] = {
    VIRTIO_GPU_CMD_GET_DISPLAY_INFO,
    VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
    VIRTIO_GPU_CMD_RESOURCE_UNREF,
    VIRTIO_GPU_CMD_SET_SCANOUT,
    VIRTIO_GPU_CMD_RESOURCE_FLUSH,
    VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
    VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
    VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING,
    VIRTIO_GPU_CMD_GET_CAPSET_INFO,
    VIRTIO_GPU_CMD_GET_CAPSET,
    VIRTIO_GPU_CMD_GET_EDID,
    VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID,
    VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
    VIRTIO_GPU_CMD_SET_SCANOUT_BLOB,
    VIRTIO_GPU_CMD_CTX_CREATE,
    VIRTIO_GPU_CMD_CTX_DESTROY,
    VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE,
    VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE,
    VIRTIO_GPU_CMD_RESOURCE_CREATE_3D,
    VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D,
    VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D,
    VIRTIO_GPU_CMD_SUBMIT_3D,
    VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB,
    VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB,
    VIRTIO_GPU_CMD_UPDATE_CURSOR,
    VIRTIO_GPU_CMD_MOVE_CURSOR,
};

/* One chain, and what must come back for it. */
static void send(const struct operation *operation, unsigned number, const void *request,
                 uint32_t size)
{
    struct error error;
    struct virtqueue_mock *mock = &driver.mocks[operation->queue];
    uint32_t room = operation->room * 8u;
    uint32_t split = operation->split * 32u;
    uint64_t from = REQUESTS + number * 0x1000u;
    uint64_t to = RESPONSES + number * 0x1000u;
    FUZZ_CHECK(guest_memory_write(&driver.fake.memory, gpa(from), request, size, &error));
    if (split > size)
        split = size;
    uint32_t first = room < HEADER ? room : HEADER;
    const struct virtqueue_mock_segment segments[] = {
        {gpa(from), split, false},
        {gpa(from + split), size - split, false},
        {gpa(to), first, true},
        {gpa(to + first), room - first, true},
    };
    uint16_t head = virtqueue_mock_add(mock, segments, ARRAY_SIZE(segments));
    virtqueue_mock_publish(mock);
    while (driver.ops->queue_kicked(&driver.fake.gpu, operation->queue))
        ;
    uint32_t written;
    while (virtqueue_mock_take_used(mock, &head, &written))
        FUZZ_CHECK(written <= UINT8_MAX * 8);
}

static void reset(void)
{
    driver.ops->reset(&driver.fake.gpu);
    for (unsigned i = 0; i < GPU_QUEUE_COUNT; i++)
        start_queue(i);
}

static void operate(struct fuzz_input *input, unsigned number)
{
    struct operation operation;
    _Alignas(8) uint8_t request[REQUEST_MAX];
    fuzz_take(input, &operation, sizeof operation);
    uint32_t size = operation.size * 4u;
    fuzz_take(input, request, size);
    struct virtio_gpu_ctrl_hdr *header = (void *)request;
    if (operation.type == TYPE_RESET) {
        reset();
        return;
    }
    if (operation.type != TYPE_AS_IT_IS)
        header->type = types[operation.type % ARRAY_SIZE(types)];
    if (header->type == VIRTIO_GPU_CMD_CTX_CREATE)
        header->ctx_id %= 64; /* as many as the fake renderer keeps */
    driver.fake.renderer.plan = (struct fake_blob_plan){
        .claimed = operation.claimed,
        /* Huge pages are not to be had everywhere. */
        .fd = operation.file % FAKE_FD_COUNT == FAKE_FD_HUGE
                  ? FAKE_FD_PIPE
                  : operation.file % FAKE_FD_COUNT,
        .has_map_info = operation.plan_map_info,
        .map_info = operation.claimed,
        .pointer = FAKE_POINTER_FAILS,
    };
    driver.fake.renderer.fence = operation.fence % (FAKE_FENCE_FAILS + 1);
    send(&operation, number, request, size);
    while (driver.fake.renderer.fence_count > 0 && operation.fence & 0x80)
        fake_renderer_complete(&driver.fake.renderer, 0);
    if (operation.serves_fences)
        serve_fences();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    gpu_driver_set_up();
    driver.fake.trace.details = false;
    for (unsigned i = 0; i < OPERATIONS_MAX && input.left > 0; i++)
        operate(&input, i);
    gpu_driver_tear_down();
    return 0;
}

/* --- seeds --- */

#define SEED_MAX 4096u

struct seed {
    uint8_t bytes[SEED_MAX];
    size_t size;
};

static uint8_t index_of(uint32_t type)
{
    uint8_t i = 0;
    while (types[i] != type) {
        i++;
        FUZZ_CHECK(i < ARRAY_SIZE(types));
    }
    return i;
}

/* One command on top of a seed; `size` is a multiple of 4. */
static void add(struct seed *seed, const void *request, size_t size)
{
    const struct virtio_gpu_ctrl_hdr *header = request;
    const struct operation operation = {
        .queue = header->type == VIRTIO_GPU_CMD_UPDATE_CURSOR ||
                 header->type == VIRTIO_GPU_CMD_MOVE_CURSOR,
        .serves_fences = header->flags != 0,
        .type = index_of(header->type),
        .room = 0xff,
        .claimed = RENDERER_FD_SHM,
        .fence = 0x80 | FAKE_FENCE_LATER,
        .size = (uint8_t)(size / 4),
    };
    FUZZ_CHECK(seed->size + sizeof operation + size <= SEED_MAX && size / 4 <= UINT8_MAX);
    memcpy(seed->bytes + seed->size, &operation, sizeof operation);
    seed->size += sizeof operation;
    memcpy(seed->bytes + seed->size, request, size);
    seed->size += size;
}

#define ADD(seed, kind, ...)                                                             \
    add(seed, &(const struct virtio_gpu_##kind){__VA_ARGS__},                            \
        sizeof(struct virtio_gpu_##kind))
#define CMD(name) .hdr = {.type = VIRTIO_GPU_CMD_##name, .ctx_id = FAKE_CONTEXT}

/* RESOURCE_ATTACH_BACKING and RESOURCE_CREATE_BLOB with two pieces of guest memory. */
static const struct virtio_gpu_mem_entry entries[] = {
    {.addr = 0x300000, .length = 0x3000},
    {.addr = 0x310000, .length = 0x1000},
};

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

static void seed_2d(void)
{
    struct seed seed = {.size = 0};
    const struct virtio_gpu_rect area = {.width = 64, .height = 64};
    ADD(&seed, ctrl_hdr, .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO);
    ADD(&seed, cmd_get_edid, CMD(GET_EDID));
    ADD(&seed, resource_create_2d, CMD(RESOURCE_CREATE_2D), .resource_id = 1,
        .format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, .width = 64, .height = 64);
    add_attach_backing(&seed, 1);
    ADD(&seed, transfer_to_host_2d, CMD(TRANSFER_TO_HOST_2D), .r = area,
        .resource_id = 1);
    ADD(&seed, set_scanout, CMD(SET_SCANOUT), .r = area, .resource_id = 1);
    ADD(&seed, resource_flush, CMD(RESOURCE_FLUSH), .r = area, .resource_id = 1);
    ADD(&seed, update_cursor, CMD(UPDATE_CURSOR), .resource_id = 1);
    ADD(&seed, update_cursor, CMD(MOVE_CURSOR), .pos.x = 5);
    ADD(&seed, resource_assign_uuid, CMD(RESOURCE_ASSIGN_UUID), .resource_id = 1);
    ADD(&seed, resource_detach_backing, CMD(RESOURCE_DETACH_BACKING), .resource_id = 1);
    ADD(&seed, resource_unref, CMD(RESOURCE_UNREF), .resource_id = 1);
    fuzz_seed("2d", seed.bytes, seed.size);
}

static void seed_3d(void)
{
    struct seed seed = {.size = 0};
    struct {
        struct virtio_gpu_cmd_submit head;
        uint32_t stream[2];
    } submit = {.head = {CMD(SUBMIT_3D), .size = 8}};
    ADD(&seed, get_capset_info, CMD(GET_CAPSET_INFO), .capset_index = 1);
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
    ADD(&seed, transfer_host_3d, CMD(TRANSFER_FROM_HOST_3D), .resource_id = 1,
        .box = {.w = 16, .h = 16, .d = 1}, .stride = 64);
    ADD(&seed, ctx_resource, CMD(CTX_DETACH_RESOURCE), .resource_id = 1);
    ADD(&seed, ctx_destroy, .hdr = {.type = VIRTIO_GPU_CMD_CTX_DESTROY, .ctx_id = 2});
    fuzz_seed("3d", seed.bytes, seed.size);
}

static void seed_blob(uint32_t memory)
{
    char name[16];
    struct seed seed = {.size = 0};
    add_blob(&seed, 1, memory);
    ADD(&seed, resource_map_blob, CMD(RESOURCE_MAP_BLOB), .resource_id = 1,
        .offset = 0x10000);
    ADD(&seed, ctx_resource,
        .hdr = {.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE,
                .flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX,
                .fence_id = 7,
                .ctx_id = FAKE_CONTEXT,
                .ring_idx = 1},
        .resource_id = 1);
    ADD(&seed, set_scanout_blob, CMD(SET_SCANOUT_BLOB), .r = {.width = 32, .height = 32},
        .resource_id = 1, .width = 32, .height = 32,
        .format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, .strides = {128});
    ADD(&seed, resource_unmap_blob, CMD(RESOURCE_UNMAP_BLOB), .resource_id = 1);
    ADD(&seed, resource_unref, CMD(RESOURCE_UNREF), .resource_id = 1);
    snprintf(name, sizeof name, "blob-%u", memory);
    fuzz_seed(name, seed.bytes, seed.size);
}

void fuzz_seeds(void)
{
    seed_2d();
    seed_3d();
    for (uint32_t memory = VIRTIO_GPU_BLOB_MEM_GUEST;
         memory <= VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST; memory++)
        seed_blob(memory);
}
