/* SPDX-License-Identifier: MIT */
/*
 * Scanouts in a state. What they show is set by the functions of SET_SCANOUT, which check it.
 * The EDID is made of the display's size.
 */
#include <string.h>

#include "devices/gpu/gpu_state.h"

#define SECTION      "GPUS"
#define VERSION      1u
#define CURSOR_BYTES ((size_t)4 * GPU_CURSOR_SIZE * GPU_CURSOR_SIZE)

/* --- saving --- */

static void save_cursor(const struct cursor *cursor, struct state_writer *writer)
{
    state_put32(writer, cursor->visible);
    state_put32(writer, (uint32_t)cursor->x);
    state_put32(writer, (uint32_t)cursor->y);
    if (cursor->visible)
        state_put_bytes(writer, cursor->picture.pixels, CURSOR_BYTES);
}

static void save_view(const struct resource_view *view, struct state_writer *writer)
{
    state_put32(writer, view->format);
    state_put64(writer, view->offset);
    state_put32(writer, view->stride);
    state_put32(writer, view->x);
    state_put32(writer, view->y);
    state_put32(writer, view->width);
    state_put32(writer, view->height);
}

void gpu_save_scanouts(struct gpu *gpu, struct state_writer *writer)
{
    state_begin(writer, SECTION, 0, VERSION);
    state_put32(writer, gpu->config.display_count);
    for (unsigned i = 0; i < gpu->config.display_count; i++) {
        state_put32(writer, gpu->displays[i].width);
        state_put32(writer, gpu->displays[i].height);
    }
    for (unsigned i = 0; i < gpu->offered.num_scanouts; i++) {
        const struct resource *resource = scanout_resource(gpu, i);
        state_put32(writer, resource ? resource->id : 0);
        if (resource)
            save_view(&gpu->scanouts[i].view, writer);
        save_cursor(&gpu->scanouts[i].cursor, writer);
    }
    state_end(writer);
}

/* --- loading --- */

static bool load_displays(struct gpu *gpu, struct state_section *section,
                          struct error *error)
{
    uint32_t count = state_get32(section);
    if (count != gpu->config.display_count)
        return state_refuse(section, error,
                            "%u displays, the new VM has %u: give it the same --display",
                            count, gpu->config.display_count);
    for (unsigned i = 0; i < count; i++) {
        struct gpu_display display;
        display.width = state_get32(section);
        display.height = state_get32(section);
        if (display.width < GPU_DISPLAY_SIZE_MIN ||
            display.width > GPU_DISPLAY_SIZE_MAX ||
            display.height < GPU_DISPLAY_SIZE_MIN ||
            display.height > GPU_DISPLAY_SIZE_MAX)
            return state_refuse(section, error,
                                "display %u: %u x %u pixels: each is %u to %u", i,
                                display.width, display.height, GPU_DISPLAY_SIZE_MIN,
                                GPU_DISPLAY_SIZE_MAX);
        gpu->displays[i] = display;
    }
    return true;
}

static bool load_cursor(struct cursor *cursor, struct state_section *section,
                        struct error *error)
{
    uint32_t visible = state_get32(section);
    cursor->x = (int32_t)state_get32(section);
    cursor->y = (int32_t)state_get32(section);
    if (visible > 1)
        return state_refuse(section, error, "%u is no yes and no no", visible);
    const void *pixels = visible ? state_get_bytes(section, CURSOR_BYTES) : NULL;
    if (!pixels)
        return true; /* too short: state_close() */
    if (!picture_init(&cursor->picture, GPU_CURSOR_SIZE, GPU_CURSOR_SIZE, error))
        return false;
    memcpy(cursor->picture.pixels, pixels, CURSOR_BYTES);
    cursor->visible = true;
    return true;
}

/* The picture of a blob begins at the view's plane, and ends with the rectangle at the least:
 * that the rectangle lies in it is what is checked. */
static bool show(struct gpu *gpu, unsigned index, const struct resource *resource,
                 const struct resource_view *view, struct error *error)
{
    const struct virtio_gpu_rect rect = {
        .x = view->x, .y = view->y, .width = view->width, .height = view->height};
    if (resource->kind != RESOURCE_BLOB)
        return scanout_set(gpu, index, resource->id, &rect, error);
    const struct virtio_gpu_set_scanout_blob command = {
        .r = rect,
        .scanout_id = index,
        .resource_id = resource->id,
        .width = view->x + view->width,
        .height = view->y + view->height,
        .format = view->format,
        .strides = {view->stride},
        .offsets = {(uint32_t)view->offset},
    };
    return scanout_set_blob(gpu, &command, error);
}

static bool load_view(struct gpu *gpu, unsigned index, uint32_t resource_id,
                      struct state_section *section, struct error *error)
{
    struct resource_view view;
    view.format = state_get32(section);
    view.offset = state_get64(section);
    view.stride = state_get32(section);
    view.x = state_get32(section);
    view.y = state_get32(section);
    view.width = state_get32(section);
    view.height = state_get32(section);
    const struct resource *resource = resource_find(&gpu->resources, resource_id, error);
    if (!resource || !show(gpu, index, resource, &view, error))
        return error_wrap(error, "state of scanout %u", index);
    const struct resource_view *now = &gpu->scanouts[index].view;
    return (now->format == view.format && now->offset == view.offset &&
            now->stride == view.stride) ||
           state_refuse(section, error, "scanout %u has another layout than resource %u",
                        index, resource_id);
}

bool gpu_load_scanouts(struct gpu *gpu, struct state_reader *reader, struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, SECTION, 0, VERSION, &section, error) ||
        !load_displays(gpu, section, error))
        return false;
    for (unsigned i = 0; i < gpu->offered.num_scanouts; i++) {
        uint32_t resource_id = state_get32(section);
        if (resource_id != 0 && !load_view(gpu, i, resource_id, section, error))
            return false;
        if (!load_cursor(&gpu->scanouts[i].cursor, section, error))
            return false;
    }
    return state_close(section, error);
}
