/* SPDX-License-Identifier: MIT */
#include "firmware/aml.h"

#include <string.h>

#include "vmm/error.h"

/* ACPI 6.5, 20.2 and table 20.2 (encodings). */
enum {
    OP_ZERO = 0x00,
    OP_ONE = 0x01,
    OP_NAME = 0x08,
    OP_BYTE = 0x0a,
    OP_WORD = 0x0b,
    OP_DWORD = 0x0c,
    OP_STRING = 0x0d,
    OP_QWORD = 0x0e,
    OP_SCOPE = 0x10,
    OP_BUFFER = 0x11,
    OP_PACKAGE = 0x12,
    OP_EXTENDED = 0x5b,
    OP_EXTENDED_DEVICE = 0x82,
};

/* --- bytes --- */

void aml_put(struct aml_writer *writer, const void *bytes, size_t length)
{
    if (length > writer->capacity - writer->length) {
        writer->full = true;
        return;
    }
    memcpy(writer->bytes + writer->length, bytes, length);
    writer->length += length;
}

void aml_put_number(struct aml_writer *writer, uint64_t value, size_t size)
{
    BUG_ON(size > sizeof value);
    aml_put(writer, &value, size);
}

static void put_byte(struct aml_writer *writer, unsigned value)
{
    aml_put_number(writer, value, 1);
}

static void put_name(struct aml_writer *writer, const char *name)
{
    BUG_ON(strlen(name) != 4);
    aml_put(writer, name, 4);
}

/* --- what has a length --- */

/* PkgLength (20.2.4) counts itself: one byte up to 63, else two to four, the first of which has
 * the number of those that follow in bits 7:6 and the low four bits of the length. */
static size_t encode_length(uint64_t content, uint8_t *bytes)
{
    if (content + 1 < 64) {
        bytes[0] = (uint8_t)(content + 1);
        return 1;
    }
    size_t size = 2;
    while (content + size >= (uint64_t)1 << (4 + 8 * (size - 1)))
        size++;
    BUG_ON(size > 4);
    uint64_t length = content + size;
    bytes[0] = (uint8_t)((size - 1) << 6 | (length & 0xf));
    for (size_t i = 1; i < size; i++)
        bytes[i] = (uint8_t)(length >> (4 + 8 * (i - 1)));
    return size;
}

/* Moves what was written since `begin` and puts the length in front of it. */
void aml_end(struct aml_writer *writer, size_t begin)
{
    uint8_t encoded[4];
    size_t content = writer->length - begin;
    size_t size = encode_length(content, encoded);
    aml_put(writer, encoded, size); /* makes room, or says that there is none */
    if (writer->full)
        return;
    memmove(writer->bytes + begin + size, writer->bytes + begin, content);
    memcpy(writer->bytes + begin, encoded, size);
}

size_t aml_scope_begin(struct aml_writer *writer, const char *name)
{
    put_byte(writer, OP_SCOPE);
    size_t begin = writer->length;
    put_byte(writer, '\\');
    put_name(writer, name);
    return begin;
}

size_t aml_device_begin(struct aml_writer *writer, const char *name)
{
    put_byte(writer, OP_EXTENDED);
    put_byte(writer, OP_EXTENDED_DEVICE);
    size_t begin = writer->length;
    put_name(writer, name);
    return begin;
}

size_t aml_package_begin(struct aml_writer *writer, const char *name, unsigned count)
{
    BUG_ON(count > 255);
    if (name) {
        put_byte(writer, OP_NAME);
        put_name(writer, name);
    }
    put_byte(writer, OP_PACKAGE);
    size_t begin = writer->length;
    put_byte(writer, count);
    return begin;
}

size_t aml_resources_begin(struct aml_writer *writer, const char *name)
{
    put_byte(writer, OP_NAME);
    put_name(writer, name);
    put_byte(writer, OP_BUFFER);
    return writer->length;
}

/* The end tag (6.4.2.9), whose checksum may be 0; then the size of the buffer in front, as it
 * is known only now. */
void aml_resources_end(struct aml_writer *writer, size_t begin)
{
    aml_put_number(writer, 0x0079, 2);
    uint64_t size = writer->length - begin;
    const uint8_t word[] = {OP_WORD, (uint8_t)size, (uint8_t)(size >> 8)};
    BUG_ON(size > UINT16_MAX);
    aml_put(writer, word, sizeof word);
    if (writer->full)
        return;
    memmove(writer->bytes + begin + sizeof word, writer->bytes + begin, size);
    memcpy(writer->bytes + begin, word, sizeof word);
    aml_end(writer, begin);
}

/* --- values --- */

void aml_integer(struct aml_writer *writer, uint64_t value)
{
    if (value <= 1) {
        put_byte(writer, value == 0 ? OP_ZERO : OP_ONE);
    } else if (value <= UINT8_MAX) {
        put_byte(writer, OP_BYTE);
        aml_put_number(writer, value, 1);
    } else if (value <= UINT16_MAX) {
        put_byte(writer, OP_WORD);
        aml_put_number(writer, value, 2);
    } else if (value <= UINT32_MAX) {
        put_byte(writer, OP_DWORD);
        aml_put_number(writer, value, 4);
    } else {
        put_byte(writer, OP_QWORD);
        aml_put_number(writer, value, 8);
    }
}

void aml_name_integer(struct aml_writer *writer, const char *name, uint64_t value)
{
    put_byte(writer, OP_NAME);
    put_name(writer, name);
    aml_integer(writer, value);
}

void aml_name_string(struct aml_writer *writer, const char *name, const char *value)
{
    put_byte(writer, OP_NAME);
    put_name(writer, name);
    put_byte(writer, OP_STRING);
    aml_put(writer, value, strlen(value) + 1);
}

static unsigned hexadecimal(char digit)
{
    return digit <= '9' ? (unsigned)(digit - '0') : (unsigned)(digit - 'A') + 10;
}

/* Three letters of five bits, four hexadecimal digits; the high byte first (19.6.37). */
void aml_name_eisa_id(struct aml_writer *writer, const char *name, const char *id)
{
    BUG_ON(strlen(id) != 7);
    uint32_t value = 0;
    for (unsigned i = 0; i < 3; i++)
        value = value << 5 | ((unsigned)(id[i] - 'A' + 1) & 0x1f);
    for (unsigned i = 3; i < 7; i++)
        value = value << 4 | hexadecimal(id[i]);
    put_byte(writer, OP_NAME);
    put_name(writer, name);
    put_byte(writer, OP_DWORD);
    aml_put_number(writer, __builtin_bswap32(value), 4);
}

/* --- resource descriptors --- */

/* 6.4.2.5: decodes 16 bits; the lowest and the highest possible port are the same. */
void aml_io(struct aml_writer *writer, uint16_t port, uint8_t count)
{
    put_byte(writer, 0x47);
    put_byte(writer, 1);
    aml_put_number(writer, port, 2);
    aml_put_number(writer, port, 2);
    put_byte(writer, 1); /* alignment */
    put_byte(writer, count);
}

/* 6.4.3.4. */
void aml_memory32(struct aml_writer *writer, uint32_t start, uint32_t size)
{
    put_byte(writer, 0x86);
    aml_put_number(writer, 9, 2);
    put_byte(writer, 1); /* writable */
    aml_put_number(writer, start, 4);
    aml_put_number(writer, size, 4);
}

/* 6.4.3.6. */
void aml_interrupt(struct aml_writer *writer, uint32_t number)
{
    enum { CONSUMER = 1, EDGE = 2 };
    put_byte(writer, 0x89);
    aml_put_number(writer, 6, 2);
    put_byte(writer, CONSUMER | EDGE);
    put_byte(writer, 1); /* number of interrupts */
    aml_put_number(writer, number, 4);
}

/* An address space descriptor (6.4.3.5) of a producer that decodes positively, with both ends
 * fixed; its numbers have `size` bytes. */
static void window(struct aml_writer *writer, unsigned tag, size_t size, unsigned type,
                   unsigned type_flags, uint64_t first, uint64_t last)
{
    enum { ENDS_FIXED = 0x0c };
    put_byte(writer, tag);
    aml_put_number(writer, 3 + 5 * size, 2);
    put_byte(writer, type);
    put_byte(writer, ENDS_FIXED);
    put_byte(writer, type_flags);
    aml_put_number(writer, 0, size); /* granularity */
    aml_put_number(writer, first, size);
    aml_put_number(writer, last, size);
    aml_put_number(writer, 0, size); /* translation */
    aml_put_number(writer, last - first + 1, size);
}

enum { TYPE_MEMORY = 0, TYPE_BUS = 2 };
enum { MEMORY_WRITABLE = 1, MEMORY_PREFETCHABLE = 3 << 1 }; /* 6.4.3.5.5 */

void aml_window_buses(struct aml_writer *writer, uint16_t first, uint16_t last)
{
    window(writer, 0x88, 2, TYPE_BUS, 0, first, last);
}

void aml_window_memory32(struct aml_writer *writer, struct gpa_range range)
{
    window(writer, 0x87, 4, TYPE_MEMORY, MEMORY_WRITABLE, range.start.value,
           range.start.value + range.size - 1);
}

void aml_window_memory64(struct aml_writer *writer, struct gpa_range range)
{
    window(writer, 0x8a, 8, TYPE_MEMORY, MEMORY_WRITABLE | MEMORY_PREFETCHABLE,
           range.start.value, range.start.value + range.size - 1);
}
