/* SPDX-License-Identifier: MIT */
/* The commands of a virgl context that clear a texture (virglrenderer's src/virgl_protocol.h,
 * virgl_hw.h). */
#ifndef S2VMM_GUEST_LINUX_VIRGL_CLEAR_H
#define S2VMM_GUEST_LINUX_VIRGL_CLEAR_H

#include "guest/stream.h"

/* For RESOURCE_CREATE: a texture of XRGB8888 pixels that can be rendered to and shown. */
#define VIRGL_TARGET_2D       2u
#define VIRGL_FORMAT_B8G8R8X8 2u
#define VIRGL_BIND_TARGET     (1u << 1)
#define VIRGL_BIND_SCANOUT    (1u << 18)

/* Makes resource `resource_id` the context's framebuffer, under object id `surface`, and fills
 * it with 0xRRGGBB. */
void virgl_encode_clear(struct stream *stream, uint32_t surface, uint32_t resource_id,
                        uint32_t colour);

#endif
