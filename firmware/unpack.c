/* SPDX-License-Identifier: MIT */
#include "firmware/unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "firmware/file.h"

#define CHUNK (64 * KIB)

/* Where bytes come from and go to. */
struct stream {
    int from;
    uint64_t offset; /* of what is read next */
    uint64_t left;   /* to be read */
    int to;
    uint64_t limit; /* of what may still be written */
    size_t in_length;
    uint8_t in[CHUNK];
    uint8_t out[CHUNK];
};

enum step { STEP_MORE, STEP_END, STEP_BROKEN };

static bool refill(struct stream *stream, struct error *error)
{
    stream->in_length = stream->left < CHUNK ? stream->left : CHUNK;
    if (stream->in_length == 0)
        return error_set(error, ERROR_CONFIG_FILE,
                         "is cut off: its packed contents have no end");
    if (!file_read(stream->from, stream->offset, stream->in, stream->in_length, error))
        return false;
    stream->offset += stream->in_length;
    stream->left -= stream->in_length;
    return true;
}

static bool drain(struct stream *stream, size_t length, struct error *error)
{
    if (length > stream->limit)
        return error_set(
            error, ERROR_CONFIG_FILE,
            "does not fit into memory when it is unpacked: give the guest more "
            "--memory, if this is a kernel");
    stream->limit -= length;
    for (size_t done = 0; done < length;) {
        ssize_t count = write(stream->to, stream->out + done, length - done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return error_set(error, ERROR_HOST_MEMORY, "cannot be unpacked: %s",
                             strerror(errno));
        done += (size_t)count;
    }
    return true;
}

static bool broken(struct error *error, const char *format)
{
    return error_set(error, ERROR_CONFIG_FILE,
                     "is broken: what it has packed inside is not what %s makes", format);
}

/* --- gzip --- */

static bool inflate_all(struct stream *stream, z_stream *z, struct error *error)
{
    int status = Z_OK;
    while (status != Z_STREAM_END) {
        if (z->avail_in == 0) {
            if (!refill(stream, error))
                return false;
            z->next_in = stream->in;
            z->avail_in = (uInt)stream->in_length;
        }
        z->next_out = stream->out;
        z->avail_out = CHUNK;
        status = inflate(z, Z_NO_FLUSH);
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
            return broken(error, "gzip");
        if (!drain(stream, CHUNK - z->avail_out, error))
            return false;
    }
    return true;
}

static bool unpack_gzip(struct stream *stream, struct error *error)
{
    enum { WINDOW_BITS = 15, WITH_GZIP_HEADER = 16 };
    z_stream z = {0};
    if (inflateInit2(&z, WINDOW_BITS + WITH_GZIP_HEADER) != Z_OK)
        return error_set(error, ERROR_HOST_MEMORY, "no memory to unpack it");
    bool done = inflate_all(stream, &z, error);
    inflateEnd(&z);
    return done;
}

/* --- zstd --- */

static bool decompress_all(struct stream *stream, ZSTD_DStream *z, struct error *error)
{
    ZSTD_inBuffer in = {.src = stream->in};
    size_t hint = 1; /* 0: the frame has ended */
    while (hint != 0) {
        if (in.pos == in.size) {
            if (!refill(stream, error))
                return false;
            in = (ZSTD_inBuffer){.src = stream->in, .size = stream->in_length};
        }
        ZSTD_outBuffer out = {.dst = stream->out, .size = CHUNK};
        do {
            out.pos = 0;
            hint = ZSTD_decompressStream(z, &out, &in);
            if (ZSTD_isError(hint))
                return broken(error, "zstd");
            if (!drain(stream, out.pos, error))
                return false;
        } while (hint != 0 && out.pos == out.size);
    }
    return true;
}

static bool unpack_zstd(struct stream *stream, struct error *error)
{
    ZSTD_DStream *z = ZSTD_createDStream();
    if (!z)
        return error_set(error, ERROR_HOST_MEMORY, "no memory to unpack it");
    bool done = decompress_all(stream, z, error);
    ZSTD_freeDStream(z);
    return done;
}

/* --- all of it --- */

static bool unpack_stream(struct stream *stream, struct error *error)
{
    static const uint8_t gzip[] = {0x1f, 0x8b};
    static const uint8_t zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    uint8_t magic[4] = {0};
    if (!file_read(stream->from, stream->offset, magic,
                   stream->left < sizeof magic ? stream->left : sizeof magic, error))
        return false;
    if (memcmp(magic, gzip, sizeof gzip) == 0)
        return unpack_gzip(stream, error);
    if (memcmp(magic, zstd, sizeof zstd) == 0)
        return unpack_zstd(stream, error);
    return error_set(
        error, ERROR_CONFIG_FILE,
        "is packed by something else than gzip and zstd (it begins with %02x "
        "%02x %02x %02x): unpack it, or build the kernel with one of them",
        magic[0], magic[1], magic[2], magic[3]);
}

bool unpack(int fd, uint64_t offset, uint64_t length, uint64_t limit, int *unpacked,
            struct error *error)
{
    int to = memfd_create("s2vmm-unpacked", MFD_CLOEXEC);
    if (to < 0)
        return error_set(error, ERROR_HOST_MEMORY, "memfd_create: %s", strerror(errno));
    struct stream stream = {
        .from = fd, .offset = offset, .left = length, .to = to, .limit = limit};
    if (!unpack_stream(&stream, error)) {
        close(to);
        return false;
    }
    *unpacked = to;
    return true;
}
