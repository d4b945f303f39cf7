/* SPDX-License-Identifier: MIT */
#include "tests/unit/png_reader.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define FILE_MAX (1u << 20)

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
           bytes[3];
}

/* Checks the chunk at `bytes`, returns its data. */
static const uint8_t *chunk(const uint8_t *bytes, const uint8_t *end, const char *type,
                            uint32_t *size)
{
    ck_assert_int_ge(end - bytes, 12);
    *size = big_endian(bytes);
    ck_assert_uint_le(*size, (uint32_t)(end - bytes) - 12);
    ck_assert_mem_eq(bytes + 4, type, 4);
    ck_assert_uint_eq(big_endian(bytes + 8 + *size),
                      (uint32_t)crc32(0, bytes + 4, *size + 4));
    return bytes + 8;
}

static void read_rows(const uint8_t *data, uint32_t size, struct picture *picture)
{
    const size_t row = (size_t)4 * picture->width;
    uLongf length = (uLongf)((row + 1) * picture->height);
    uint8_t *rows = malloc(length);
    ck_assert_int_eq(uncompress(rows, &length, data, size), Z_OK);
    ck_assert_uint_eq(length, (row + 1) * picture->height);
    for (uint32_t y = 0; y < picture->height; y++) {
        ck_assert_uint_eq(rows[y * (row + 1)], 0);
        memcpy(picture->pixels + y * row, rows + y * (row + 1) + 1, row);
    }
    free(rows);
}

void png_read(const char *path, struct picture *picture)
{
    struct error error;
    uint32_t size;
    uint8_t *bytes = malloc(FILE_MAX);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s is not there", path);
    size_t length = fread(bytes, 1, FILE_MAX, file);
    fclose(file);
    const uint8_t *end = bytes + length;
    ck_assert_uint_lt(length, FILE_MAX);
    ck_assert_uint_ge(length, 8);
    ck_assert_mem_eq(bytes, "\x89PNG\r\n\x1a\n", 8);
    const uint8_t *header = chunk(bytes + 8, end, "IHDR", &size);
    ck_assert_uint_eq(size, 13);
    ck_assert_mem_eq(header + 8, "\x08\x06\0\0\0", 5);
    ck_assert(picture_init(picture, big_endian(header), big_endian(header + 4), &error));
    const uint8_t *data = chunk(header + 13 + 4, end, "IDAT", &size);
    read_rows(data, size, picture);
    const uint8_t *last = chunk(data + size + 4, end, "IEND", &size);
    ck_assert_uint_eq(size, 0);
    ck_assert_ptr_eq(last + 4, end);
    free(bytes);
}
