/* SPDX-License-Identifier: MIT */
/*
 * Writes a picture as PNG (W3C Portable Network Graphics Specification, 2nd edition): three
 * chunks, with all rows unfiltered in one stream of zlib.
 *
 *   signature | IHDR size, 8 bits, RGBA | IDAT rows | IEND
 *   chunk: length, type, data, CRC of type and data; all numbers big-endian
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ZLIB_CONST /* input is const */
#include <zlib.h>

#include "devices/gpu/picture.h"

#define ROW_FILTER_NONE 0

static void put_big_endian(uint8_t *bytes, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* A failure to write shows when the file is closed. */
static void write_chunk(FILE *file, const char *type, const uint8_t *data, uint32_t size)
{
    uint8_t number[4];
    put_big_endian(number, size);
    fwrite(number, 1, sizeof number, file);
    fwrite(type, 1, 4, file);
    if (size > 0)
        fwrite(data, 1, size, file);
    uLong crc = crc32(0, (const uint8_t *)type, 4);
    if (size > 0)
        crc = crc32(crc, data, size);
    put_big_endian(number, (uint32_t)crc);
    fwrite(number, 1, sizeof number, file);
}

/* Compresses all rows, each with its filter in front. NULL: no memory. */
static uint8_t *compress_rows(const struct picture *picture, size_t *size)
{
    static const uint8_t filter = ROW_FILTER_NONE;
    const size_t row = (size_t)4 * picture->width;
    z_stream stream = {0};
    if (deflateInit(&stream, Z_BEST_SPEED) != Z_OK)
        return NULL;
    size_t room = deflateBound(&stream, (uLong)((row + 1) * picture->height));
    uint8_t *data = malloc(room);
    stream.next_out = data;
    stream.avail_out = (uInt)room;
    /* The room is enough for all of it, and everything fits into 32 bits: below 2 GiB. */
    for (uint32_t y = 0; data && y < picture->height; y++) {
        stream.next_in = &filter;
        stream.avail_in = 1;
        BUG_ON(deflate(&stream, Z_NO_FLUSH) != Z_OK);
        stream.next_in = picture->pixels + y * row;
        stream.avail_in = (uInt)row;
        BUG_ON(deflate(&stream, Z_NO_FLUSH) != Z_OK);
    }
    if (data)
        BUG_ON(deflate(&stream, Z_FINISH) != Z_STREAM_END);
    *size = stream.total_out;
    deflateEnd(&stream);
    return data;
}

static void write_file(FILE *file, const struct picture *picture, const uint8_t *data,
                       size_t size)
{
    static const uint8_t signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    uint8_t header[13] = {[8] = 8, [9] = 6}; /* 8 bits; RGB and alpha */
    put_big_endian(header, picture->width);
    put_big_endian(header + 4, picture->height);
    fwrite(signature, 1, sizeof signature, file);
    write_chunk(file, "IHDR", header, sizeof header);
    write_chunk(file, "IDAT", data, (uint32_t)size);
    write_chunk(file, "IEND", NULL, 0);
}

static bool save(const struct picture *picture, const char *part, const char *path,
                 const uint8_t *data, size_t size, struct error *error)
{
    FILE *file = fopen(part, "wbe");
    if (!file)
        return error_set(error, ERROR_CONFIG_FILE, "%s: %s", part, strerror(errno));
    errno = 0;
    write_file(file, picture, data, size);
    bool good = !ferror(file);
    good = fclose(file) == 0 && good;
    if (good && rename(part, path) == 0)
        return true;
    error_set(error, ERROR_CONFIG_FILE, "%s: %s", path,
              errno ? strerror(errno) : "it could not be written in full");
    unlink(part);
    return false;
}

bool picture_write_png(const struct picture *picture, const char *path,
                       struct error *error)
{
    char *part;
    size_t size;
    uint8_t *data = compress_rows(picture, &size);
    if (!data || asprintf(&part, "%s.part", path) < 0) {
        free(data);
        return error_set(error, ERROR_HOST_MEMORY,
                         "%s: no memory for a picture of %u x %u pixels", path,
                         picture->width, picture->height);
    }
    bool good = save(picture, part, path, data, size, error);
    free(part);
    free(data);
    return good;
}
