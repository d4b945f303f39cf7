/* SPDX-License-Identifier: MIT */
/*
 * Reading what a scanout shows.
 *
 *   3D resource        the renderer's transfer, from level 0
 *   GUEST blob         its guest memory; what a GPU wrote through its dma-buf is the same
 *                      pages, once DMA_BUF_IOCTL_SYNC said so
 *   HOST3D(_GUEST)     the host's memory: as it is mapped for the guest, or mapped for the
 *                      moment, and copied by the kernel (vmm/bounce.h)
 */
#include <errno.h>
#include <linux/dma-buf.h>
#include <string.h>
#include <sys/ioctl.h>

#include "devices/gpu/guest_blob.h"
#include "devices/gpu/resource_view.h"
#include "vmm/bounce.h"

#define PIXEL_SIZE 4u /* bytes; resource_view.h */

/* Linux: linux/dma-buf.h tells to try again after EINTR and EAGAIN. */
static bool synchronise(int fd, uint64_t edge, struct error *error)
{
    const struct dma_buf_sync sync = {.flags = edge | DMA_BUF_SYNC_READ};
    int result;
    do
        result = ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
    while (result != 0 && (errno == EINTR || errno == EAGAIN));
    return result == 0 ||
           error_set(error, ERROR_HOST_BUFFER, "DMA_BUF_IOCTL_SYNC, %s of a read: %s",
                     edge == DMA_BUF_SYNC_START ? "START" : "END", strerror(errno));
}

/* Where a row of the view begins in the blob. view_fits() was asked: nothing overflows. */
static uint64_t row_offset(const struct resource_view *view, uint32_t row)
{
    return view->offset + (uint64_t)view->stride * ((uint64_t)view->y + row) +
           UINT64_C(4) * view->x;
}

/* Of a blob: from its first byte to the last one of the last row. */
static bool view_fits(const struct resource *resource, const struct resource_view *view,
                      struct error *error)
{
    uint64_t row_bytes = (uint64_t)PIXEL_SIZE * view->width;
    uint64_t last_row = (uint64_t)view->y + view->height - 1;
    uint64_t end = 0;
    bool fits = view->width > 0 && view->height > 0 &&
                PIXEL_SIZE * ((uint64_t)view->x + view->width) <= view->stride &&
                u64_add(view->offset, (uint64_t)view->stride * last_row, &end) &&
                u64_add(end, (uint64_t)PIXEL_SIZE * view->x + row_bytes, &end) &&
                end <= resource->size;
    return fits || error_set(error, ERROR_GUEST_PARAMETER,
                             "blob %u of %llu bytes: %u x %u pixels at %u, %u with %u "
                             "bytes for a row, from byte %llu, are not all in it",
                             resource->id, (unsigned long long)resource->size,
                             view->width, view->height, view->x, view->y, view->stride,
                             (unsigned long long)view->offset);
}

static bool read_guest_memory(const struct resource *resource,
                              const struct resource_view *view, uint8_t *rows,
                              struct error *error)
{
    if (resource->pages.count == 0)
        return error_set(error, ERROR_GUEST_STATE,
                         "blob %u has no guest memory: attach some first", resource->id);
    int fd = resource->guest_dmabuf_made ? resource->guest_dmabuf : -1;
    if (fd >= 0 && !synchronise(fd, DMA_BUF_SYNC_START, error))
        return false;
    uint64_t row_bytes = (uint64_t)PIXEL_SIZE * view->width;
    bool good = true;
    for (uint32_t row = 0; good && row < view->height; row++)
        good = guest_pages_read(&resource->pages, row_offset(view, row),
                                rows + row * row_bytes, row_bytes, error);
    if (fd >= 0 && !synchronise(fd, DMA_BUF_SYNC_END, error))
        return false;
    return good;
}

/* Rows without gaps are one. */
static bool copy_rows(const struct bounce *bounce, const struct backing *backing,
                      const struct resource_view *view, uint8_t *rows,
                      struct error *error)
{
    uint64_t row_bytes = (uint64_t)PIXEL_SIZE * view->width;
    uint64_t count = view->stride == row_bytes ? 1 : view->height;
    uint64_t size = row_bytes * view->height / count;
    for (uint32_t row = 0; row < count; row++)
        if (!bounce_copy(bounce, rows + row * size, backing->host + row_offset(view, row),
                         size, error))
            return error_wrap(error, "row %u of %s (%s)", row,
                              backing_kind_name(backing->kind), backing->exporter);
    return true;
}

/* Its owner may cut the file behind a pointer, or take back the pages of a dma-buf, at any time:
 * it is never loaded from by us. */
static bool read_backing(const struct backing *backing, const struct resource_view *view,
                         uint8_t *rows, struct error *error)
{
    bool is_dmabuf = backing->kind == BACKING_DMABUF;
    struct error ignored;
    struct bounce bounce;
    if (!bounce_open(&bounce, error))
        return false;
    bool good = !is_dmabuf || synchronise(backing->fd, DMA_BUF_SYNC_START, error);
    if (good) {
        good = copy_rows(&bounce, backing, view, rows, error);
        if (is_dmabuf)
            good = synchronise(backing->fd, DMA_BUF_SYNC_END, good ? error : &ignored) &&
                   good;
    }
    bounce_close(&bounce);
    return good;
}

static bool read_host_memory(struct gpu *gpu, struct resource *resource,
                             const struct resource_view *view, uint8_t *rows,
                             struct error *error)
{
    if (resource->lost)
        return error_set(error, ERROR_GUEST_STATE, "blob %u was taken away by the host",
                         resource->id);
    if (resource->mapping.mapped)
        return read_backing(&resource->backing, view, rows, error);
    struct backing backing;
    if (!backing_open(&backing, &gpu->renderer, resource->id, resource->size, error))
        return error_wrap(error, "blob %u", resource->id);
    bool good = read_backing(&backing, view, rows, error);
    backing_close(&backing, &gpu->renderer, resource->id);
    return good;
}

static bool read_3d(struct gpu *gpu, const struct resource *resource,
                    const struct resource_view *view, uint8_t *rows, struct error *error)
{
    const struct resource_image *image = &resource->image;
    if (view->format != image->format || view->width == 0 || view->height == 0 ||
        view->x > image->width || view->width > image->width - view->x ||
        view->y > image->height || view->height > image->height - view->y)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "resource %u of %u x %u pixels, format %u: %u x %u at %u, %u of "
                         "format %u are not in it",
                         resource->id, image->width, image->height, image->format,
                         view->width, view->height, view->x, view->y, view->format);
    if (!gpu->renderer.ops->transfer)
        return error_set(error, ERROR_HOST_RENDERER, "resource %u cannot be read",
                         resource->id);
    const struct iovec vector = {rows, (size_t)PIXEL_SIZE * view->width * view->height};
    const struct renderer_transfer transfer = {
        .direction = RENDERER_FROM_HOST,
        .resource_id = resource->id,
        .stride = PIXEL_SIZE * view->width,
        .x = view->x,
        .y = view->y,
        .width = view->width,
        .height = view->height,
        .depth = 1,
        .pages = {&vector, 1},
    };
    return gpu->renderer.ops->transfer(gpu->renderer.context, &transfer, error);
}

bool gpu_resource_read(struct gpu *gpu, struct resource *resource,
                       const struct resource_view *view, uint8_t *rows,
                       struct error *error)
{
    switch (resource->kind) {
    case RESOURCE_2D:
        return error_set(error, ERROR_GUEST_RESOURCE,
                         "resource %u is a 2D one: its pixels are at hand", resource->id);
    case RESOURCE_3D:
        return read_3d(gpu, resource, view, rows, error);
    case RESOURCE_BLOB:
        break;
    }
    if (!view_fits(resource, view, error))
        return false;
    return resource->blob_memory == VIRTIO_GPU_BLOB_MEM_GUEST
               ? read_guest_memory(resource, view, rows, error)
               : read_host_memory(gpu, resource, view, rows, error);
}
