/* SPDX-License-Identifier: MIT */
#include "guest/linux/blob.h"

#include <errno.h>
#include <sys/mman.h>

#include "devices/gpu/witness_abi.h"
#include "guest/venus.h"
#include "guest/virgl.h"

#define TEXTURE_WIDTH  64u
#define TEXTURE_STRIDE ((uint64_t)TEXTURE_WIDTH * 4) /* bytes */

uint32_t blob_default_flags(enum blob_kind kind)
{
    return kind == BLOB_VIRGL ? VIRTGPU_USE_MAPPABLE | VIRTGPU_USE_SHAREABLE
                              : VIRTGPU_USE_MAPPABLE;
}

uint64_t blob_default_size(enum blob_kind kind)
{
    return kind == BLOB_VIRGL ? 16 * KIB : 64 * KIB;
}

bool blob_context(struct test *test, const struct gpu *gpu, enum blob_kind kind)
{
    struct stream stream = {.size = 0};
    switch (kind) {
    case BLOB_SHM:
        CHECK_DONE(gpu_context(gpu, GPU_CAPSET_VENUS, 1));
        return true;
    case BLOB_VENUS:
    case BLOB_HOST3D_GUEST:
        CHECK_DONE(gpu_context(gpu, GPU_CAPSET_VENUS, 1));
        venus_encode_device(&stream);
        CHECK_DONE(gpu_submit(gpu, &stream, 0, NULL, 0, NULL));
        return true;
    case BLOB_VIRGL:
        CHECK_DONE(gpu_context(gpu, GPU_CAPSET_VIRGL2, 0));
        return true;
    case BLOB_GUEST: /* any context, or none */
        return true;
    }
    return false;
}

/* The commands that make what is behind the blob, and its blob_id. */
static void encode_object(const struct blob *blob, struct stream *stream,
                          uint64_t *blob_id)
{
    stream->size = 0;
    *blob_id = 0;
    switch (blob->kind) {
    case BLOB_VENUS:
    case BLOB_HOST3D_GUEST:
        *blob_id = VENUS_MEMORY + blob->object;
        venus_encode_allocate_memory(stream, VENUS_DEVICE, *blob_id, blob->size,
                                     blob->flags & VIRTGPU_USE_CROSS_DEVICE
                                         ? VENUS_EXPORT_DMA_BUF
                                         : VENUS_EXPORT_NONE);
        break;
    case BLOB_VIRGL:
        *blob_id = blob->object;
        virgl_encode_create_texture(stream, (uint32_t)blob->object, TEXTURE_WIDTH,
                                    (uint32_t)(blob->size / TEXTURE_STRIDE));
        break;
    case BLOB_SHM:
    case BLOB_GUEST:
        break;
    }
}

static uint32_t memory_of(enum blob_kind kind)
{
    switch (kind) {
    case BLOB_GUEST:
        return VIRTGPU_MEMORY_GUEST;
    case BLOB_HOST3D_GUEST:
        return VIRTGPU_MEMORY_HOST3D_GUEST;
    case BLOB_SHM:
    case BLOB_VENUS:
    case BLOB_VIRGL:
        break;
    }
    return VIRTGPU_MEMORY_HOST3D;
}

int blob_create(const struct gpu *gpu, struct blob *blob)
{
    struct stream stream;
    struct virtgpu_create_blob create = {
        .memory = memory_of(blob->kind),
        .flags = blob->flags,
        .size = blob->size,
    };
    encode_object(blob, &stream, &create.blob_id);
    create.command_size = stream.size;
    create.command = stream.size > 0 ? (uint64_t)(uintptr_t)stream.bytes : 0;
    int error = gpu_create_blob(gpu, &create);
    blob->handle = error ? 0 : create.handle;
    blob->resource_id = create.resource_id;
    return error;
}

int blob_map(const struct gpu *gpu, struct blob *blob)
{
    return gpu_map(gpu, blob->handle, blob->size, &blob->address);
}

int blob_unmap(struct blob *blob)
{
    if (blob->address && munmap(blob->address, blob->size) < 0)
        return errno;
    blob->address = NULL;
    return 0;
}

int blob_destroy(const struct gpu *gpu, struct blob *blob)
{
    int error = blob_unmap(blob);
    int closed = blob->handle ? gpu_close_handle(gpu, blob->handle) : 0;
    blob->handle = 0;
    return error ? error : closed;
}

void blob_fill(const struct blob *blob, uint64_t seed)
{
    volatile uint64_t *words = blob->address;
    for (uint64_t i = 0; i < blob->size / sizeof *words; i++)
        words[i] = witness_pattern(seed, i);
}

bool blob_holds(const struct blob *blob, uint64_t seed)
{
    const volatile uint64_t *words = blob->address;
    for (uint64_t i = 0; i < blob->size / sizeof *words; i++) {
        if (words[i] != witness_pattern(seed, i))
            return false;
    }
    return true;
}
