/* SPDX-License-Identifier: MIT */
#include "guest/linux/virgl_clear.h"

#define COMMAND(command, object, length)                                                 \
    ((command) | (uint32_t)(object) << 8 | (uint32_t)(length) << 16)

#define CREATE_OBJECT   1u
#define SET_FRAMEBUFFER 5u
#define CLEAR           7u
#define OBJECT_SURFACE  8u
#define CLEAR_COLOUR_0  (1u << 2) /* PIPE_CLEAR_COLOR0 */

static void put_float(struct stream *stream, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    stream_put32(stream, bits);
}

void virgl_encode_clear(struct stream *stream, uint32_t surface, uint32_t resource_id,
                        uint32_t colour)
{
    stream_put32(stream, COMMAND(CREATE_OBJECT, OBJECT_SURFACE, 5));
    stream_put32(stream, surface);
    stream_put32(stream, resource_id);
    stream_put32(stream, VIRGL_FORMAT_B8G8R8X8);
    stream_put32(stream, 0); /* level */
    stream_put32(stream, 0); /* layers */

    stream_put32(stream, COMMAND(SET_FRAMEBUFFER, 0, 3));
    stream_put32(stream, 1); /* colour buffers */
    stream_put32(stream, 0); /* no depth */
    stream_put32(stream, surface);

    stream_put32(stream, COMMAND(CLEAR, 0, 8));
    stream_put32(stream, CLEAR_COLOUR_0);
    put_float(stream, (float)(colour >> 16 & 0xff) / 255.0f);
    put_float(stream, (float)(colour >> 8 & 0xff) / 255.0f);
    put_float(stream, (float)(colour & 0xff) / 255.0f);
    put_float(stream, 1.0f);
    stream_put64(stream, 0); /* depth */
    stream_put32(stream, 0); /* stencil */
}
