/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_renderer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/gpu/protocol.h"
#include "tests/unit/fake_kernel.h"

#define PAGE 4096u

static int make_memfd(const char *name, unsigned flags, uint64_t size, int seals)
{
    int fd = memfd_create(name, MFD_CLOEXEC | flags);
    BUG_ON(fd < 0 || ftruncate(fd, (off_t)size) != 0);
    BUG_ON(seals && fcntl(fd, F_ADD_SEALS, seals) != 0);
    return fd;
}

int fake_fd_open(enum fake_fd kind, uint64_t size)
{
    const unsigned sealing = MFD_ALLOW_SEALING;
    int ends[2];
    switch (kind) {
    case FAKE_FD_SEALED:
        return make_memfd("fake-blob", sealing, size, F_SEAL_SHRINK);
    case FAKE_FD_UNSEALED:
        return make_memfd("fake-blob", sealing, size, 0);
    case FAKE_FD_READ_ONLY:
        return make_memfd("fake-blob", sealing, size, F_SEAL_SHRINK | F_SEAL_WRITE);
    case FAKE_FD_SHORT:
        return make_memfd("fake-blob", sealing, size - PAGE, F_SEAL_SHRINK);
    case FAKE_FD_HUGE:
        return make_memfd("fake-blob", sealing | MFD_HUGETLB, 64 * MIB, F_SEAL_SHRINK);
    case FAKE_FD_PIPE:
        BUG_ON(pipe2(ends, O_CLOEXEC) != 0);
        close(ends[0]);
        return ends[1];
    case FAKE_FD_DMABUF:
        return fake_kernel_dma_buf(size);
    case FAKE_FD_DMABUF_SHORT:
        return fake_kernel_dma_buf(size - PAGE);
    case FAKE_FD_DMABUF_LIAR:
        return make_memfd("dma-buf-liar", 0, size - PAGE, 0);
    case FAKE_FD_NONE:
    case FAKE_FD_FAILS:
    case FAKE_FD_COUNT:
        break;
    }
    return -1;
}

struct fake_blob *fake_renderer_blob(struct fake_renderer *fake, uint32_t resource_id)
{
    for (unsigned i = 0; i < FAKE_BLOBS_MAX; i++) {
        struct fake_blob *blob = &fake->blobs[i];
        if (blob->alive && blob->arguments.resource_id == resource_id)
            return blob;
    }
    return NULL;
}

static struct fake_blob *known_blob(struct fake_renderer *fake, uint32_t resource_id)
{
    struct fake_blob *blob = fake_renderer_blob(fake, resource_id);
    BUG_ON(!blob);
    return blob;
}

static void check_context(const struct fake_renderer *fake, uint32_t id)
{
    BUG_ON(id >= 64 || !(fake->contexts >> id & 1));
}

static bool capset(void *renderer, unsigned index, struct renderer_capset *capset)
{
    const struct fake_renderer *fake = renderer;
    if (index >= fake->capset_count)
        return false;
    *capset = fake->capsets[index];
    return true;
}

static void capset_fill(void *renderer, const struct renderer_capset *capset,
                        uint32_t version, void *buffer)
{
    const struct fake_renderer *fake = renderer;
    BUG_ON(version > capset->version);
    memset(buffer, fake->capset_byte, capset->size);
}

static bool context_create(void *renderer, uint32_t context_id, uint32_t capset_id,
                           const char *name, struct error *error)
{
    struct fake_renderer *fake = renderer;
    if (fake->context_create_fails)
        return error_set(error, fake->context_create_fails, "context_create fails");
    BUG_ON(context_id == 0 || context_id >= 64 || fake->contexts >> context_id & 1);
    fake->contexts |= UINT64_C(1) << context_id;
    fake->context_count++;
    fake->context_capset = capset_id;
    snprintf(fake->context_name, sizeof fake->context_name, "%s", name);
    return true;
}

static void context_destroy(void *renderer, uint32_t context_id)
{
    struct fake_renderer *fake = renderer;
    check_context(fake, context_id);
    fake->contexts &= ~(UINT64_C(1) << context_id);
    fake->context_count--;
}

static void attach(void *renderer, uint32_t context_id, uint32_t resource_id)
{
    struct fake_renderer *fake = renderer;
    check_context(fake, context_id);
    known_blob(fake, resource_id)->attached++;
}

static void detach(void *renderer, uint32_t context_id, uint32_t resource_id)
{
    struct fake_renderer *fake = renderer;
    check_context(fake, context_id);
    known_blob(fake, resource_id)->attached--;
}

static bool submit(void *renderer, uint32_t context_id, void *commands, uint32_t size,
                   struct error *error)
{
    struct fake_renderer *fake = renderer;
    check_context(fake, context_id);
    if (fake->submit_fails)
        return error_set(error, fake->submit_fails, "submit fails");
    BUG_ON(size == 0 || size % 4 != 0);
    fake->submit_count++;
    fake->submitted_size = size;
    memcpy(&fake->submitted_word, commands, 4);
    memset(commands, 0xee, size); /* it may */
    return true;
}

static bool fence(void *renderer, struct renderer_timeline timeline, uint32_t number,
                  struct error *error)
{
    struct fake_renderer *fake = renderer;
    if (timeline.context_id != 0)
        check_context(fake, timeline.context_id);
    switch (fake->fence) {
    case FAKE_FENCE_AT_ONCE:
        fake->fence_done(fake->fence_context, timeline, number);
        break;
    case FAKE_FENCE_LATER:
        BUG_ON(fake->fence_count == FAKE_FENCES_MAX);
        fake->fences[fake->fence_count++] = (struct fake_fence){timeline, number};
        break;
    case FAKE_FENCE_NEVER:
        break;
    case FAKE_FENCE_FAILS:
        return error_set(error, ERROR_HOST_RENDERER, "fence fails");
    }
    return true;
}

void fake_renderer_complete(struct fake_renderer *fake, unsigned index)
{
    BUG_ON(index >= fake->fence_count);
    struct fake_fence done = fake->fences[index];
    fake->fence_count--;
    memmove(&fake->fences[index], &fake->fences[index + 1],
            (fake->fence_count - index) * sizeof done);
    fake->fence_done(fake->fence_context, done.timeline, done.number);
}

/* A free place for `resource_id`. */
static struct fake_blob *new_blob(struct fake_renderer *fake, uint32_t resource_id)
{
    BUG_ON(fake_renderer_blob(fake, resource_id));
    BUG_ON(fake->blob_count == FAKE_BLOBS_MAX);
    struct fake_blob *blob = fake->blobs;
    while (blob->alive)
        blob++;
    *blob = (struct fake_blob){
        .alive = true, .arguments.resource_id = resource_id, .plan = fake->plan};
    fake->blob_count++;
    return blob;
}

static bool blob_create(void *renderer, const struct renderer_blob *arguments,
                        struct error *error)
{
    struct fake_renderer *fake = renderer;
    if (arguments->memory != VIRTIO_GPU_BLOB_MEM_GUEST)
        check_context(fake, arguments->context_id);
    if (fake->blob_create_fails)
        return error_set(error, fake->blob_create_fails, "blob_create fails");
    struct fake_blob *blob = new_blob(fake, arguments->resource_id);
    blob->arguments = *arguments;
    blob->pages = arguments->pages;
    return true;
}

static bool blob_import(void *renderer, const struct renderer_blob *arguments, int fd,
                        struct error *error)
{
    struct fake_renderer *fake = renderer;
    BUG_ON(fcntl(fd, F_GETFD) < 0);
    if (fake->import_fails)
        return error_set(error, fake->import_fails, "import fails");
    struct fake_blob *blob = new_blob(fake, arguments->resource_id);
    blob->arguments = *arguments;
    blob->imported = true;
    return true;
}

static bool resource_create(void *renderer, const struct renderer_resource *resource,
                            struct error *error)
{
    struct fake_renderer *fake = renderer;
    if (fake->resource_create_fails)
        return error_set(error, fake->resource_create_fails, "resource_create fails");
    struct fake_blob *blob = new_blob(fake, resource->resource_id);
    blob->is_3d = true;
    blob->resource = *resource;
    return true;
}

static bool pages_attach(void *renderer, uint32_t resource_id,
                         struct renderer_pages pages, struct error *error)
{
    struct fake_renderer *fake = renderer;
    struct fake_blob *blob = known_blob(fake, resource_id);
    BUG_ON(blob->pages.count > 0 || pages.count == 0);
    if (fake->pages_attach_fails)
        return error_set(error, fake->pages_attach_fails, "pages_attach fails");
    blob->pages = pages;
    return true;
}

static void pages_detach(void *renderer, uint32_t resource_id)
{
    struct fake_blob *blob = known_blob(renderer, resource_id);
    BUG_ON(blob->pages.count == 0);
    blob->pages = (struct renderer_pages){0};
}

static bool transfer(void *renderer, const struct renderer_transfer *transfer,
                     struct error *error)
{
    struct fake_renderer *fake = renderer;
    const struct fake_blob *blob = known_blob(fake, transfer->resource_id);
    if (transfer->context_id != 0)
        check_context(fake, transfer->context_id);
    BUG_ON(transfer->pages.count == 0 && blob->pages.count == 0);
    if (fake->transfer_fails)
        return error_set(error, fake->transfer_fails, "transfer fails");
    fake->transfer_count++;
    fake->transfer = *transfer;
    if (transfer->direction == RENDERER_FROM_HOST && transfer->pages.count > 0)
        memset(transfer->pages.vectors->iov_base, 0x3d, transfer->pages.vectors->iov_len);
    return true;
}

static void resource_destroy(void *renderer, uint32_t resource_id)
{
    struct fake_renderer *fake = renderer;
    struct fake_blob *blob = known_blob(fake, resource_id);
    BUG_ON(blob->mapping);
    *blob = (struct fake_blob){0};
    fake->blob_count--;
}

static bool blob_export(void *renderer, uint32_t resource_id, enum renderer_fd_type *type,
                        int *fd, struct error *error)
{
    struct fake_blob *blob = known_blob(renderer, resource_id);
    if (blob->plan.fd == FAKE_FD_FAILS)
        return error_set(error, ERROR_HOST_RENDERER, "export fails");
    *type = blob->plan.claimed;
    *fd = fake_fd_open(blob->plan.fd, blob->arguments.size);
    blob->exports++;
    return true;
}

static bool blob_map(void *renderer, uint32_t resource_id, void **host, uint64_t *size,
                     struct error *error)
{
    struct fake_renderer *fake = renderer;
    struct fake_blob *blob = known_blob(fake, resource_id);
    BUG_ON(blob->mapping);
    if (blob->plan.pointer == FAKE_POINTER_FAILS)
        return error_set(error, ERROR_HOST_RENDERER, "map fails");
    int access =
        blob->plan.pointer == FAKE_POINTER_READ_ONLY ? PROT_READ : PROT_READ | PROT_WRITE;
    int file = -1;
    if (blob->plan.pointer == FAKE_POINTER_FILE)
        file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    *size = blob->arguments.size;
    blob->mapping =
        mmap(NULL, *size, access, MAP_PRIVATE | (file < 0 ? MAP_ANONYMOUS : 0), file, 0);
    if (file >= 0)
        close(file);
    BUG_ON(blob->mapping == MAP_FAILED);
    fake->mapping_count++;
    *host = blob->mapping;
    if (blob->plan.pointer == FAKE_POINTER_UNALIGNED)
        *host = (uint8_t *)blob->mapping + 64;
    if (blob->plan.pointer == FAKE_POINTER_SHORT)
        *size = 100;
    if (blob->plan.pointer == FAKE_POINTER_NULL)
        *host = NULL;
    return true;
}

static void blob_unmap(void *renderer, uint32_t resource_id)
{
    struct fake_renderer *fake = renderer;
    struct fake_blob *blob = known_blob(fake, resource_id);
    BUG_ON(!blob->mapping);
    munmap(blob->mapping, blob->arguments.size);
    blob->mapping = NULL;
    fake->mapping_count--;
}

static bool blob_map_info(void *renderer, uint32_t resource_id, uint32_t *map_info)
{
    const struct fake_blob *blob = known_blob(renderer, resource_id);
    if (blob->plan.has_map_info)
        *map_info = blob->plan.map_info;
    return blob->plan.has_map_info;
}

static bool has_died(const void *renderer)
{
    const struct fake_renderer *fake = renderer;
    return fake->has_died;
}

/* What is left would crash the real library later. */
static bool restart(void *renderer, struct error *error)
{
    struct fake_renderer *fake = renderer;
    BUG_ON(fake->context_count > 0 || fake->blob_count > 0 || fake->mapping_count > 0);
    fake->restarts++;
    if (fake->restart_fails != ERROR_NONE)
        return error_set(error, fake->restart_fails, "restart fails");
    fake->has_died = false;
    return true;
}

static const struct renderer_ops ops = {
    .capset = capset,
    .capset_fill = capset_fill,
    .context_create = context_create,
    .context_destroy = context_destroy,
    .attach = attach,
    .detach = detach,
    .submit = submit,
    .fence = fence,
    .blob_create = blob_create,
    .resource_destroy = resource_destroy,
    .blob_export = blob_export,
    .blob_map = blob_map,
    .blob_unmap = blob_unmap,
    .blob_map_info = blob_map_info,
    .blob_import = blob_import,
    .resource_create = resource_create,
    .pages_attach = pages_attach,
    .pages_detach = pages_detach,
    .transfer = transfer,
    .has_died = has_died,
    .restart = restart,
};

void fake_renderer_init(struct fake_renderer *fake)
{
    *fake = (struct fake_renderer){
        .capset_count = 2,
        .capsets = {{.id = VIRTIO_GPU_CAPSET_VIRGL, .version = 1, .size = 308},
                    {.id = VIRTIO_GPU_CAPSET_VENUS, .version = 0, .size = 160}},
        .capset_byte = 0xc5,
        .plan = {.claimed = RENDERER_FD_SHM},
    };
}

struct renderer fake_renderer_interface(struct fake_renderer *fake)
{
    return (struct renderer){.ops = &ops, .context = fake};
}
