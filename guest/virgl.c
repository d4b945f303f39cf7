/* SPDX-License-Identifier: MIT */
#include "guest/virgl.h"

#define CCMD_PIPE_RESOURCE_CREATE 48u
#define CREATE_LENGTH             11u /* dwords behind the header */

/* enum pipe_texture_target, enum virgl_formats. */
#define TARGET_BUFFER     0u
#define TARGET_TEXTURE_2D 2u
#define FORMAT_B8G8R8A8   1u
#define FORMAT_R8         64u

/* VIRGL_BIND_*. */
#define BIND_RENDER_TARGET (1u << 1)
#define BIND_VERTEX_BUFFER (1u << 4)
#define BIND_SCANOUT       (1u << 18)

/* VIRGL_RESOURCE_FLAG_MAP_*. */
#define FLAG_MAP_PERSISTENT (1u << 1)
#define FLAG_MAP_COHERENT   (1u << 2)

struct create {
    uint32_t target;
    uint32_t format;
    uint32_t bind;
    uint32_t width;
    uint32_t height;
    uint32_t flags;
    uint32_t blob_id;
};

static void put_create(struct stream *stream, const struct create *create)
{
    stream_put32(stream, CCMD_PIPE_RESOURCE_CREATE | CREATE_LENGTH << 16);
    stream_put32(stream, create->target);
    stream_put32(stream, create->format);
    stream_put32(stream, create->bind);
    stream_put32(stream, create->width);
    stream_put32(stream, create->height);
    stream_put32(stream, 1); /* depth */
    stream_put32(stream, 1); /* array_size */
    stream_put32(stream, 0); /* last_level */
    stream_put32(stream, 0); /* nr_samples */
    stream_put32(stream, create->flags);
    stream_put32(stream, create->blob_id);
}

void virgl_encode_create_texture(struct stream *stream, uint32_t blob_id, uint32_t width,
                                 uint32_t height)
{
    put_create(stream, &(struct create){
                           .target = TARGET_TEXTURE_2D,
                           .format = FORMAT_B8G8R8A8,
                           .bind = BIND_SCANOUT | BIND_RENDER_TARGET,
                           .width = width,
                           .height = height,
                           .blob_id = blob_id,
                       });
}

void virgl_encode_create_buffer(struct stream *stream, uint32_t blob_id, uint32_t size)
{
    put_create(stream, &(struct create){
                           .target = TARGET_BUFFER,
                           .format = FORMAT_R8,
                           .bind = BIND_VERTEX_BUFFER,
                           .width = size,
                           .height = 1,
                           .flags = FLAG_MAP_PERSISTENT | FLAG_MAP_COHERENT,
                           .blob_id = blob_id,
                       });
}
