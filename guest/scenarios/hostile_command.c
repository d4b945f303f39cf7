/* SPDX-License-Identifier: MIT */
/* Commands for the scenario "hostile": any, of which most could be a driver's. */
#include <linux/virtio_gpu.h>

#include "guest/blob.h"
#include "guest/gpu.h"
#include "guest/scenarios/hostile.h"
#include "guest/string.h"

#define PAGE          UINT64_C(4096)
#define ENTRIES_MAX   4u
#define RESOURCES     6u /* ids 0 to 5 */
#define CONTEXTS      3u
#define REQUEST_WORDS (HOSTILE_REQUEST / sizeof(uint32_t))

uint32_t hostile_below(struct hostile_random *random, uint32_t limit)
{
    random->state ^= random->state << 13; /* Marsaglia's xorshift32 */
    random->state ^= random->state >> 17;
    random->state ^= random->state << 5;
    return random->state % limit;
}

uint32_t hostile_word(struct hostile_random *random)
{
    switch (hostile_below(random, 5)) {
    case 0:
    case 1:
        return hostile_below(random, 16);
    case 2:
        return 1u << hostile_below(random, 32);
    case 3:
        return UINT32_MAX - hostile_below(random, 16);
    default:
        return hostile_below(random, UINT32_MAX);
    }
}

uint64_t hostile_address(struct hostile_random *random,
                         const struct hostile_memory *memory)
{
    switch (hostile_below(random, 16)) {
    case 0:
        return HOSTILE_NOT_RAM + hostile_below(random, (uint32_t)PAGE);
    case 1:
        return UINT64_MAX - hostile_below(random, (uint32_t)PAGE);
    case 2:
        return (uintptr_t)memory->data + hostile_below(random, HOSTILE_DATA);
    default:
        return (uintptr_t)memory->data +
               hostile_below(random, HOSTILE_DATA / PAGE) * PAGE;
    }
}

union command {
    uint32_t words[REQUEST_WORDS];
    struct virtio_gpu_ctrl_hdr header;
    struct virtio_gpu_resource_unref unref;
    struct virtio_gpu_resource_create_2d create_2d;
    struct virtio_gpu_resource_create_3d create_3d;
    struct virtio_gpu_transfer_to_host_2d transfer;
    struct virtio_gpu_set_scanout scanout;
    struct virtio_gpu_ctx_create context;
    struct virtio_gpu_cmd_submit submit;
    struct virtio_gpu_resource_map_blob map;
    struct {
        struct virtio_gpu_resource_attach_backing head;
        struct virtio_gpu_mem_entry entries[ENTRIES_MAX];
    } attach;
    struct {
        struct virtio_gpu_resource_create_blob head;
        struct virtio_gpu_mem_entry entries[ENTRIES_MAX];
    } blob;
};

#define SIZE_OF(kind) (uint32_t)sizeof(struct virtio_gpu_##kind)

/* What makes something is there more than once. */
static const struct {
    uint32_t type;
    uint32_t size;
} kinds[] = {
    {VIRTIO_GPU_CMD_CTX_CREATE, SIZE_OF(ctx_create)},
    {VIRTIO_GPU_CMD_CTX_CREATE, SIZE_OF(ctx_create)},
    {VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, SIZE_OF(resource_create_blob)},
    {VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, SIZE_OF(resource_create_blob)},
    {VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, SIZE_OF(resource_create_blob)},
    {VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, SIZE_OF(resource_map_blob)},
    {VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, SIZE_OF(resource_map_blob)},
    {VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, SIZE_OF(resource_map_blob)},
    {VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, SIZE_OF(resource_unmap_blob)},
    {VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, SIZE_OF(resource_create_2d)},
    {VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, SIZE_OF(resource_create_3d)},
    {VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, SIZE_OF(resource_attach_backing)},
    {VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, SIZE_OF(resource_detach_backing)},
    {VIRTIO_GPU_CMD_RESOURCE_UNREF, SIZE_OF(resource_unref)},
    {VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, SIZE_OF(transfer_to_host_2d)},
    {VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, SIZE_OF(transfer_host_3d)},
    {VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, SIZE_OF(transfer_host_3d)},
    {VIRTIO_GPU_CMD_SET_SCANOUT, SIZE_OF(set_scanout)},
    {VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, SIZE_OF(set_scanout_blob)},
    {VIRTIO_GPU_CMD_RESOURCE_FLUSH, SIZE_OF(resource_flush)},
    {VIRTIO_GPU_CMD_GET_DISPLAY_INFO, SIZE_OF(ctrl_hdr)},
    {VIRTIO_GPU_CMD_GET_EDID, SIZE_OF(cmd_get_edid)},
    {VIRTIO_GPU_CMD_GET_CAPSET_INFO, SIZE_OF(get_capset_info)},
    {VIRTIO_GPU_CMD_GET_CAPSET, SIZE_OF(get_capset)},
    {VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID, SIZE_OF(resource_assign_uuid)},
    {VIRTIO_GPU_CMD_CTX_DESTROY, SIZE_OF(ctx_destroy)},
    {VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, SIZE_OF(ctx_resource)},
    {VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, SIZE_OF(ctx_resource)},
    {VIRTIO_GPU_CMD_SUBMIT_3D, SIZE_OF(cmd_submit)},
    {VIRTIO_GPU_CMD_UPDATE_CURSOR, SIZE_OF(update_cursor)},
};
#define KINDS (uint32_t)(sizeof kinds / sizeof kinds[0])

static void fill_entries(struct hostile_random *random,
                         const struct hostile_memory *memory,
                         struct virtio_gpu_mem_entry *entries)
{
    for (unsigned i = 0; i < ENTRIES_MAX; i++)
        entries[i] = (struct virtio_gpu_mem_entry){
            .addr = hostile_address(random, memory),
            .length = hostile_below(random, 8) > 0
                          ? (uint32_t)PAGE * hostile_below(random, 4)
                          : hostile_word(random)};
}

/* Returns the number of its entries. */
static uint32_t make_blob(struct hostile_random *random,
                          struct virtio_gpu_resource_create_blob *blob)
{
    blob->blob_mem = hostile_below(random, 2) > 0 ? VIRTIO_GPU_BLOB_MEM_HOST3D
                                                  : hostile_below(random, 5);
    blob->blob_flags = hostile_below(random, 4) > 0 ? VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE
                                                    : hostile_below(random, 9);
    blob->nr_entries = blob->blob_mem == VIRTIO_GPU_BLOB_MEM_HOST3D
                           ? 0
                           : hostile_below(random, ENTRIES_MAX + 1);
    blob->blob_id = 0;
    blob->size = PAGE * hostile_below(random, 16);
    return blob->nr_entries;
}

static void make_rectangle(struct hostile_random *random, struct virtio_gpu_rect *area)
{
    *area = (struct virtio_gpu_rect){.x = hostile_below(random, 4),
                                     .y = hostile_below(random, 4),
                                     .width = 1 + hostile_below(random, 64),
                                     .height = 1 + hostile_below(random, 64)};
}

/* Makes most of a command sensible; returns the bytes that follow its structure. */
static uint32_t mend(struct hostile_random *random, union command *command)
{
    command->unref.resource_id = hostile_below(random, RESOURCES);
    switch (command->header.type) {
    case VIRTIO_GPU_CMD_CTX_CREATE:
        command->context.nlen = hostile_below(random, 8);
        command->context.context_init = GPU_CAPSET_VENUS;
        break;
    case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
        return make_blob(random, &command->blob.head) *
               (uint32_t)sizeof command->blob.entries[0];
    case VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB:
        command->map.offset = PAGE * hostile_below(random, 32);
        break;
    case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
        command->create_2d.format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM;
        command->create_2d.width = 1 + hostile_below(random, 64);
        command->create_2d.height = 1 + hostile_below(random, 64);
        break;
    case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
        command->attach.head.nr_entries = hostile_below(random, ENTRIES_MAX + 1);
        return command->attach.head.nr_entries *
               (uint32_t)sizeof command->attach.entries[0];
    case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
        make_rectangle(random, &command->transfer.r);
        command->transfer.offset = 0;
        command->transfer.resource_id = hostile_below(random, RESOURCES);
        break;
    case VIRTIO_GPU_CMD_SET_SCANOUT:
        make_rectangle(random, &command->scanout.r);
        command->scanout.scanout_id = hostile_below(random, 2);
        command->scanout.resource_id = hostile_below(random, RESOURCES);
        break;
    case VIRTIO_GPU_CMD_SUBMIT_3D:
        command->submit.size = 4 * hostile_below(random, 16);
        return command->submit.size;
    default:
        break;
    }
    return 0;
}

uint32_t hostile_command(struct hostile_random *random,
                         const struct hostile_memory *memory, void *request)
{
    union command command;
    uint32_t kind = hostile_below(random, KINDS);
    uint32_t size = kinds[kind].size;
    for (unsigned i = 0; i < REQUEST_WORDS; i++)
        command.words[i] = hostile_word(random);
    /* Whatever the number of entries says: what follows is addresses that are ours. */
    if (kinds[kind].type == VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING)
        fill_entries(random, memory, command.attach.entries);
    else if (kinds[kind].type == VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB)
        fill_entries(random, memory, command.blob.entries);
    command.header = (struct virtio_gpu_ctrl_hdr){
        .type = hostile_below(random, 32) > 0 ? kinds[kind].type : hostile_word(random),
        .flags = hostile_below(random, 4) > 0 ? 0 : hostile_below(random, 4),
        .fence_id = hostile_below(random, 256),
        .ctx_id =
            hostile_below(random, 8) > 0 ? BLOB_CONTEXT : hostile_below(random, CONTEXTS),
        .ring_idx = (uint8_t)hostile_below(random, 3),
    };
    if (hostile_below(random, 8) > 0)
        size += mend(random, &command);
    if (hostile_below(random, 16) == 0)
        size = hostile_below(random, HOSTILE_REQUEST);
    memcpy(request, &command, sizeof command);
    return size;
}

uint32_t hostile_first_command(unsigned number, void *request)
{
    const uint32_t blob = (number + 1) / 2;
    union command command = {.header.ctx_id = BLOB_CONTEXT};
    uint32_t size;
    if (number == 0) {
        command.header.type = VIRTIO_GPU_CMD_CTX_CREATE;
        command.context.context_init = GPU_CAPSET_VENUS;
        size = sizeof command.context;
    } else if (number % 2 == 1) {
        command.header.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB;
        command.blob.head.resource_id = blob;
        command.blob.head.blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D;
        command.blob.head.blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE;
        command.blob.head.size = PAGE;
        size = sizeof command.blob.head;
    } else {
        command.header.type = VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB;
        command.map.resource_id = blob;
        command.map.offset = PAGE * blob;
        size = sizeof command.map;
    }
    memcpy(request, &command, sizeof command);
    return size;
}
