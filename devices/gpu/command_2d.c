/* SPDX-License-Identifier: MIT */
/*
 * The commands that show something.
 */
#include <string.h>

#include "devices/gpu/command.h"

static bool get_display_info(struct gpu *gpu, struct call *call, struct error *error)
{
    (void)gpu;
    (void)error;
    /* No scanout is enabled: this device renders and shares, it does not show. */
    memset(&call->response->display_info, 0, sizeof call->response->display_info);
    call->response->header.type = VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
    call->response->size = sizeof call->response->display_info;
    return true;
}

static const struct command commands[] = {
    COMMAND(GET_DISPLAY_INFO, ctrl_hdr, resp_display_info, get_display_info),
};

const struct command_table gpu_commands_2d = {commands, ARRAY_SIZE(commands)};
