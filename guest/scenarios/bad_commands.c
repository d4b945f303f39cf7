/* SPDX-License-Identifier: MIT */
/*
 * Commands that must be refused, each with the response that it must get, while context
 * BLOB_CONTEXT exists, resource MAPPED is mapped at offset 0 and resource CREATED is not
 * mapped. None of them may change anything: at the end the device still does its work.
 */
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"
#include "guest/window.h"

#define BLOB_SIZE  (64 * KIB)
#define PAGE       (4 * KIB)
#define MAPPED     1u
#define CREATED    2u
#define NEW        3u
#define NOBODY     77u /* neither a context nor a resource has this id */
#define FAR_BEYOND ((uint64_t)1 << 46)

#define MAPPABLE VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE

#define UNSPEC    VIRTIO_GPU_RESP_ERR_UNSPEC
#define RESOURCE  VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define CONTEXT   VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID
#define PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER

union request {
    struct virtio_gpu_ctrl_hdr hdr;
    struct virtio_gpu_resource_unref unref;
    struct virtio_gpu_ctx_create context_create;
    struct virtio_gpu_ctx_resource context_resource;
    struct virtio_gpu_cmd_submit submit;
    struct virtio_gpu_get_capset_info capset_info;
    struct virtio_gpu_get_capset capset;
    struct virtio_gpu_resource_create_blob create_blob;
    struct virtio_gpu_resource_map_blob map;
    struct virtio_gpu_resource_unmap_blob unmap;
};

struct bad_command {
    const char *name;
    uint32_t want;    /* the response */
    uint32_t size;    /* bytes of the request */
    uint32_t payload; /* bytes behind it */
    uint32_t room;    /* bytes for the response; 0 = enough */
    union request request;
};

#define HEADER     sizeof(struct virtio_gpu_ctrl_hdr)
#define SIZE(part) (uint32_t)sizeof(((union request *)NULL)->part)

// clang-format off
#define ONLY_HEADER(...) {.hdr = {__VA_ARGS__}}
#define UNREF(id)        {.unref = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF, .resource_id = (id)}}
#define MAP(id, place)   {.map = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, \
                                  .resource_id = (id), .offset = (place)}}
#define UNMAP(id)        {.unmap = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, .resource_id = (id)}}
#define ATTACH(context, id) \
    {.context_resource = {.hdr = {.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, .ctx_id = (context)}, \
                          .resource_id = (id)}}
#define DETACH(context, id) \
    {.context_resource = {.hdr = {.type = VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, .ctx_id = (context)}, \
                          .resource_id = (id)}}
#define SUBMIT(context, bytes) \
    {.submit = {.hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = (context)}, .size = (bytes)}}
#define CONTEXT_CREATE(context, name_length, capset_id) \
    {.context_create = {.hdr = {.type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = (context)}, \
                        .nlen = (name_length), .context_init = (capset_id)}}
#define CREATE_BLOB(context, id, memory, flags, entries, bytes) \
    {.create_blob = {.hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, .ctx_id = (context)}, \
                     .resource_id = (id), .blob_mem = (memory), .blob_flags = (flags), \
                     .nr_entries = (entries), .size = (bytes)}}
#define HOST3D VIRTIO_GPU_BLOB_MEM_HOST3D

static const struct bad_command rows[] = {
    {"unknown command", UNSPEC, HEADER, 0, 0, ONLY_HEADER(.type = 0x9999)},
    {"command 0", UNSPEC, HEADER, 0, 0, ONLY_HEADER(.type = 0)},
    {"a response as a command", UNSPEC, HEADER, 0, 0, ONLY_HEADER(.type = UNSPEC)},
    {"half a header", UNSPEC, 8, 0, 0, ONLY_HEADER(.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO)},
    {"UNREF without its id", UNSPEC, HEADER, 0, 0, UNREF(CREATED)},
    {"MAP_BLOB without its offset", UNSPEC, HEADER + 8, 0, 0, MAP(CREATED, BLOB_SIZE)},
    {"CREATE_BLOB without its size", UNSPEC, SIZE(create_blob) - 8, 0, 0,
     CREATE_BLOB(BLOB_CONTEXT, NEW, HOST3D, MAPPABLE, 0, BLOB_SIZE)},
    {"no room for map_info", UNSPEC, SIZE(map), 0, HEADER, MAP(CREATED, BLOB_SIZE)},
    {"no room for the displays", UNSPEC, HEADER, 0, HEADER,
     ONLY_HEADER(.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO)},

    {"UNREF of an unknown resource", RESOURCE, SIZE(unref), 0, 0, UNREF(NOBODY)},
    {"UNREF of resource 0", RESOURCE, SIZE(unref), 0, 0, UNREF(0)},
    {"MAP_BLOB of an unknown resource", RESOURCE, SIZE(map), 0, 0, MAP(NOBODY, BLOB_SIZE)},
    {"UNMAP_BLOB of an unknown resource", RESOURCE, SIZE(unmap), 0, 0, UNMAP(NOBODY)},
    {"attach of an unknown resource", RESOURCE, SIZE(context_resource), 0, 0,
     ATTACH(BLOB_CONTEXT, NOBODY)},
    {"detach of an unknown resource", RESOURCE, SIZE(context_resource), 0, 0,
     DETACH(BLOB_CONTEXT, NOBODY)},
    {"CREATE_BLOB of an existing resource", RESOURCE, SIZE(create_blob), 0, 0,
     CREATE_BLOB(BLOB_CONTEXT, MAPPED, HOST3D, MAPPABLE, 0, BLOB_SIZE)},
    {"CREATE_BLOB of resource 0", RESOURCE, SIZE(create_blob), 0, 0,
     CREATE_BLOB(BLOB_CONTEXT, 0, HOST3D, MAPPABLE, 0, BLOB_SIZE)},

    {"UNMAP_BLOB of what is not mapped", UNSPEC, SIZE(unmap), 0, 0, UNMAP(CREATED)},
    {"MAP_BLOB of what is mapped", UNSPEC, SIZE(map), 0, 0, MAP(MAPPED, BLOB_SIZE)},
    {"MAP_BLOB beyond the window", PARAMETER, SIZE(map), 0, 0, MAP(CREATED, FAR_BEYOND)},
    {"MAP_BLOB around the end of 64 bits", PARAMETER, SIZE(map), 0, 0, MAP(CREATED, -PAGE)},
    {"MAP_BLOB inside of a page", PARAMETER, SIZE(map), 0, 0, MAP(CREATED, BLOB_SIZE + 8)},
    {"MAP_BLOB over another one", PARAMETER, SIZE(map), 0, 0, MAP(CREATED, BLOB_SIZE - PAGE)},

    {"CREATE_BLOB of 0 bytes", PARAMETER, SIZE(create_blob), 0, 0,
     CREATE_BLOB(BLOB_CONTEXT, NEW, HOST3D, MAPPABLE, 0, 0)},
    {"CREATE_BLOB of half a page", PARAMETER, SIZE(create_blob), 0, 0,
     CREATE_BLOB(BLOB_CONTEXT, NEW, HOST3D, MAPPABLE, 0, PAGE / 2)},
    {"CREATE_BLOB larger than the window", PARAMETER, SIZE(create_blob), 0, 0,
     CREATE_BLOB(BLOB_CONTEXT, NEW, HOST3D, MAPPABLE, 0, FAR_BEYOND)},
    {"CREATE_BLOB of nearly 2^64 bytes", PARAMETER, SIZE(create_blob), 0, 0,
     CREATE_BLOB(BLOB_CONTEXT, NEW, HOST3D, MAPPABLE, 0, -PAGE)},
    {"CREATE_BLOB of memory 0", PARAMETER, SIZE(create_blob), 0, 0,
     CREATE_BLOB(BLOB_CONTEXT, NEW, 0, MAPPABLE, 0, BLOB_SIZE)},
    {"CREATE_BLOB with unknown flags", PARAMETER, SIZE(create_blob), 0, 0,
     CREATE_BLOB(BLOB_CONTEXT, NEW, HOST3D, 0x80000001, 0, BLOB_SIZE)},
    {"CREATE_BLOB of HOST3D with entries", PARAMETER, SIZE(create_blob), 16, 0,
     CREATE_BLOB(BLOB_CONTEXT, NEW, HOST3D, MAPPABLE, 1, BLOB_SIZE)},
    {"CREATE_BLOB in an unknown context", CONTEXT, SIZE(create_blob), 0, 0,
     CREATE_BLOB(NOBODY, NEW, HOST3D, MAPPABLE, 0, BLOB_SIZE)},
    {"CREATE_BLOB in no context", CONTEXT, SIZE(create_blob), 0, 0,
     CREATE_BLOB(0, NEW, HOST3D, MAPPABLE, 0, BLOB_SIZE)},

    {"CTX_CREATE of context 0", CONTEXT, SIZE(context_create), 0, 0,
     CONTEXT_CREATE(0, 0, GPU_CAPSET_VENUS)},
    {"CTX_CREATE of an existing context", CONTEXT, SIZE(context_create), 0, 0,
     CONTEXT_CREATE(BLOB_CONTEXT, 0, GPU_CAPSET_VENUS)},
    {"CTX_CREATE for an unknown capset", PARAMETER, SIZE(context_create), 0, 0,
     CONTEXT_CREATE(NOBODY, 0, 63)},
    {"CTX_CREATE with too long a name", PARAMETER, SIZE(context_create), 0, 0,
     CONTEXT_CREATE(NOBODY, 65, GPU_CAPSET_VENUS)},
    {"CTX_DESTROY of an unknown context", CONTEXT, HEADER, 0, 0,
     ONLY_HEADER(.type = VIRTIO_GPU_CMD_CTX_DESTROY, .ctx_id = NOBODY)},
    {"attach to an unknown context", CONTEXT, SIZE(context_resource), 0, 0,
     ATTACH(NOBODY, CREATED)},
    {"a ring of an unknown context", CONTEXT, HEADER, 0, 0,
     ONLY_HEADER(.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO,
                 .flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX,
                 .fence_id = 5, .ctx_id = NOBODY, .ring_idx = 1)},

    {"SUBMIT_3D in an unknown context", CONTEXT, SIZE(submit), 8, 0, SUBMIT(NOBODY, 8)},
    {"SUBMIT_3D of more than the chain has", PARAMETER, SIZE(submit), 8, 0,
     SUBMIT(BLOB_CONTEXT, 12)},
    {"SUBMIT_3D of nearly 4 GiB", PARAMETER, SIZE(submit), 8, 0,
     SUBMIT(BLOB_CONTEXT, UINT32_MAX - 3)},
    {"SUBMIT_3D of 6 bytes", PARAMETER, SIZE(submit), 8, 0, SUBMIT(BLOB_CONTEXT, 6)},

    {"GET_CAPSET_INFO beyond the last", PARAMETER, SIZE(capset_info), 0, 0,
     {.capset_info = {.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET_INFO, .capset_index = 1000}}},
    {"GET_CAPSET of an unknown one", PARAMETER, SIZE(capset), 0, 0,
     {.capset = {.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET, .capset_id = 63}}},
};
// clang-format on

static bool check_row(struct guest *guest, const struct bad_command *row)
{
    /* Larger than any response that a row could get, so that a good answer shows. */
    struct virtio_gpu_resp_display_info response;
    uint8_t payload[16] = {0};
    uint32_t room = row->room != 0 ? row->room : (uint32_t)sizeof response;
    uint32_t got = gpu_command(&guest->gpu, &row->request, row->size, payload,
                               row->payload, &response.hdr, room);
    if (got != row->want)
        console_printf(&guest->console, "bad-commands: %s\n", row->name);
    CHECK_RESPONSE(got, row->want);
    return true;
}

bool scenario_bad_commands(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    struct blob mapped, created = {.resource_id = CREATED,
                                   .flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
                                   .size = BLOB_SIZE};
    REQUIRE(gpu_start(guest, 0));
    REQUIRE(blob_context(guest, BLOB_SHM));
    REQUIRE(blob_create_mapped(guest, &mapped, MAPPED, BLOB_SIZE, 0));
    REQUIRE(blob_create(guest, &created));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        REQUIRE(check_row(guest, &rows[i]));

    REQUIRE(blob_experiment(guest, &mapped, blob_s1(&mapped)));
    REQUIRE(window_check_hole(guest, BLOB_SIZE));
    /* Not an error by definition of this device: it unmaps first. */
    CHECK_RESPONSE(gpu_resource_unref(gpu, MAPPED), VIRTIO_GPU_RESP_OK_NODATA);
    REQUIRE(window_check_hole(guest, 0));
    CHECK_RESPONSE(gpu_blob_map(gpu, CREATED, 0, &created.map_info),
                   VIRTIO_GPU_RESP_OK_MAP_INFO);
    REQUIRE(blob_experiment(guest, &created, blob_s1(&created)));
    console_printf(&guest->console, "%u bad commands refused\n",
                   (unsigned)ARRAY_SIZE(rows));
    return true;
}
