/* SPDX-License-Identifier: MIT */
/*
 * Asks for everything, until it is refused: contexts, blobs, places in the window, pictures. The
 * refusal has to be OUT_OF_MEMORY, what was given back has to be there again, as much of it as
 * before, and in the end an ordinary blob has to work. Options:
 *
 *   size=BYTES   of a blob
 *   rounds=N     of asking for everything
 */
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"

#define COUNT_MAX     20000u
#define FIRST_CONTEXT 2u
#define FIRST_BLOB    1u
#define FIRST_IMAGE   (FIRST_BLOB + COUNT_MAX)
#define IMAGE_SIDE    512u /* pixels: 1 MiB */

/* How many of each it got. */
struct booty {
    uint32_t contexts;
    uint32_t blobs;
    uint32_t mapped;
    uint32_t images;
};

static uint32_t create_image(struct gpu *gpu, uint32_t id)
{
    struct virtio_gpu_ctrl_hdr response;
    const struct virtio_gpu_resource_create_2d create = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
        .resource_id = id,
        .format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM,
        .width = IMAGE_SIDE,
        .height = IMAGE_SIDE,
    };
    return gpu_command(gpu, &create, sizeof create, NULL, 0, &response, sizeof response);
}

static bool take_contexts(struct guest *guest, uint32_t *count)
{
    uint32_t answer = VIRTIO_GPU_RESP_OK_NODATA;
    for (*count = 0; *count < COUNT_MAX; (*count)++) {
        answer =
            gpu_context_create(&guest->gpu, FIRST_CONTEXT + *count, GPU_CAPSET_VENUS);
        if (answer != VIRTIO_GPU_RESP_OK_NODATA)
            break;
    }
    CHECK_RESPONSE(answer, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    return true;
}

/* Shared memory of a venus context: the render server makes it. */
static bool take_blobs(struct guest *guest, uint64_t size, uint32_t *count)
{
    uint32_t answer = VIRTIO_GPU_RESP_OK_NODATA;
    for (*count = 0; *count < COUNT_MAX; (*count)++) {
        answer = gpu_blob_create(&guest->gpu, BLOB_CONTEXT, FIRST_BLOB + *count,
                                 VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE, 0, size);
        if (answer != VIRTIO_GPU_RESP_OK_NODATA)
            break;
    }
    CHECK_RESPONSE(answer, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    return true;
}

/* Mapping makes every page of it exist. */
static bool take_places(struct guest *guest, uint64_t size, uint32_t blobs,
                        uint32_t *count)
{
    uint32_t answer = VIRTIO_GPU_RESP_OK_MAP_INFO;
    uint32_t map_info;
    for (*count = 0; *count < blobs; (*count)++) {
        answer = gpu_blob_map(&guest->gpu, FIRST_BLOB + *count, *count * size, &map_info);
        if (answer != VIRTIO_GPU_RESP_OK_MAP_INFO)
            break;
    }
    if (answer != VIRTIO_GPU_RESP_OK_MAP_INFO)
        CHECK_RESPONSE(answer, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    return true;
}

static bool take_images(struct guest *guest, uint32_t *count)
{
    uint32_t answer = VIRTIO_GPU_RESP_OK_NODATA;
    for (*count = 0; *count < COUNT_MAX; (*count)++) {
        answer = create_image(&guest->gpu, FIRST_IMAGE + *count);
        if (answer != VIRTIO_GPU_RESP_OK_NODATA)
            break;
    }
    CHECK_RESPONSE(answer, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    return true;
}

static bool give_back(struct guest *guest, const struct booty *booty)
{
    struct gpu *gpu = &guest->gpu;
    for (uint32_t i = 0; i < booty->mapped; i++)
        CHECK_RESPONSE(gpu_blob_unmap(gpu, FIRST_BLOB + i), VIRTIO_GPU_RESP_OK_NODATA);
    for (uint32_t i = 0; i < booty->blobs; i++)
        CHECK_RESPONSE(gpu_resource_unref(gpu, FIRST_BLOB + i),
                       VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

/* Contexts and blobs have descriptors in common, blobs and images memory: one after the other. */
static bool take_everything(struct guest *guest, uint64_t size, struct booty *booty)
{
    struct gpu *gpu = &guest->gpu;
    REQUIRE(take_contexts(guest, &booty->contexts));
    for (uint32_t i = 0; i < booty->contexts; i++)
        CHECK_RESPONSE(gpu_context_destroy(gpu, FIRST_CONTEXT + i),
                       VIRTIO_GPU_RESP_OK_NODATA);
    REQUIRE(take_blobs(guest, size, &booty->blobs));
    REQUIRE(take_places(guest, size, booty->blobs, &booty->mapped));
    REQUIRE(give_back(guest, booty));
    REQUIRE(take_images(guest, &booty->images));
    for (uint32_t i = 0; i < booty->images; i++)
        CHECK_RESPONSE(gpu_resource_unref(gpu, FIRST_IMAGE + i),
                       VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

bool scenario_greedy(struct guest *guest)
{
    struct booty first;
    uint64_t size;
    uint64_t rounds;
    REQUIRE(check_option(guest, "size", MIB, &size));
    REQUIRE(check_option(guest, "rounds", 3, &rounds));
    REQUIRE(gpu_start(guest, 0));
    REQUIRE(blob_context(guest, BLOB_SHM));
    REQUIRE(take_everything(guest, size, &first));
    for (uint64_t round = 1; round < rounds; round++) {
        struct booty booty;
        REQUIRE(take_everything(guest, size, &booty));
        CHECK_EQUAL(booty.contexts, first.contexts);
        CHECK_EQUAL(booty.blobs, first.blobs);
        CHECK_EQUAL(booty.mapped, first.mapped);
        CHECK_EQUAL(booty.images, first.images);
    }
    struct blob blob;
    REQUIRE(blob_create_mapped(guest, &blob, FIRST_BLOB, size, 0));
    REQUIRE(blob_experiment(guest, &blob, blob_s1(&blob)));
    console_printf(&guest->console,
                   "it got %u contexts, %u blobs, %u places, %u images\n", first.contexts,
                   first.blobs, first.mapped, first.images);
    return true;
}
