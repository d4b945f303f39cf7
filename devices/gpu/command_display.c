/* SPDX-License-Identifier: MIT */
/*
 * Displays and scanouts, and the cursor queue.
 */
#include <string.h>

#include "devices/gpu/command.h"
#include "devices/gpu/cursor.h"
#include "devices/gpu/edid.h"

/* The displays stand side by side. */
static bool get_display_info(struct gpu *gpu, struct call *call, struct error *error)
{
    struct virtio_gpu_resp_display_info *info = &call->response->display_info;
    uint32_t x = 0;
    (void)error;
    memset(info, 0, sizeof *info);
    info->hdr.type = VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
    for (unsigned i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; i++) {
        const struct gpu_display *display = &gpu->displays[i];
        if (display->width == 0)
            continue;
        info->pmodes[i].enabled = 1;
        info->pmodes[i].r = (struct virtio_gpu_rect){
            .x = x, .width = display->width, .height = display->height};
        x += display->width;
    }
    call->response->size = sizeof *info;
    return true;
}

/* A scanout that is not enabled has no monitor, so an EDID of 0 bytes. */
static bool get_edid(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_cmd_get_edid *get = call->request;
    struct virtio_gpu_resp_edid *edid = &call->response->edid;
    if (!scanout_check(gpu, get->scanout, error))
        return false;
    const struct gpu_display *display = &gpu->displays[get->scanout];
    memset(edid, 0, sizeof *edid);
    edid->hdr.type = VIRTIO_GPU_RESP_OK_EDID;
    if (display->width > 0)
        edid->size = edid_make(edid->edid, display->width, display->height, get->scanout);
    call->response->size = sizeof *edid;
    return true;
}

static bool set_scanout(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_set_scanout *set = call->request;
    return scanout_set(gpu, set->scanout_id, set->resource_id, &set->r, error);
}

static bool set_scanout_blob(struct gpu *gpu, struct call *call, struct error *error)
{
    return scanout_set_blob(gpu, call->request, error);
}

static bool update_cursor(struct gpu *gpu, struct call *call, struct error *error)
{
    return cursor_update(gpu, call->request, error);
}

static bool move_cursor(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_update_cursor *move = call->request;
    return cursor_move(gpu, &move->pos, error);
}

static const struct command display[] = {
    COMMAND(GET_DISPLAY_INFO, ctrl_hdr, resp_display_info, get_display_info),
    COMMAND_WITH(EDID, GET_EDID, cmd_get_edid, resp_edid, get_edid),
    COMMAND(SET_SCANOUT, set_scanout, ctrl_hdr, set_scanout),
    COMMAND_WITH(RESOURCE_BLOB, SET_SCANOUT_BLOB, set_scanout_blob, ctrl_hdr,
                 set_scanout_blob),
};

static const struct command cursor[] = {
    COMMAND(UPDATE_CURSOR, update_cursor, ctrl_hdr, update_cursor),
    COMMAND(MOVE_CURSOR, update_cursor, ctrl_hdr, move_cursor),
};

const struct command_table gpu_commands_display = {display, ARRAY_SIZE(display)};
const struct command_table gpu_commands_cursor = {cursor, ARRAY_SIZE(cursor)};
