/* SPDX-License-Identifier: MIT */
#include "vmm/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE      1u
#define ARCHITECTURE_NAME "x86-64"
#else
#define ARCHITECTURE      2u
#define ARCHITECTURE_NAME "arm64"
#endif

#define TRY_SAME "it is not a state of this s2vmm, or was damaged: save it again"
#define TRY_NEWER                                                                        \
    "take over with the s2vmm that wrote it, or a newer one, and leave the old one "     \
    "running"

/* --- writing --- */

static bool make_room(struct state_writer *writer, size_t size)
{
    if (writer->failed || size > STATE_SIZE_MAX - writer->size) {
        writer->failed = true;
        return false;
    }
    if (writer->size + size <= writer->capacity)
        return true;
    size_t capacity = 2 * (writer->size + size);
    uint8_t *bytes = realloc(writer->bytes, capacity);
    writer->failed = bytes == NULL;
    if (bytes != NULL) {
        writer->bytes = bytes;
        writer->capacity = capacity;
    }
    return bytes != NULL;
}

void state_put_bytes(struct state_writer *writer, const void *bytes, size_t size)
{
    if (size == 0 || !make_room(writer, size))
        return;
    memcpy(writer->bytes + writer->size, bytes, size);
    writer->size += size;
}

/* types.h: every host is little-endian. */
void state_put32(struct state_writer *writer, uint32_t value)
{
    state_put_bytes(writer, &value, sizeof value);
}

void state_put64(struct state_writer *writer, uint64_t value)
{
    state_put_bytes(writer, &value, sizeof value);
}

/* Overwrites a length that was not known when its place was written. */
static void set64(struct state_writer *writer, size_t offset, uint64_t value)
{
    if (!writer->failed)
        memcpy(writer->bytes + offset, &value, sizeof value);
}

void state_writer_init(struct state_writer *writer)
{
    *writer = (struct state_writer){0};
    state_put_bytes(writer, STATE_MAGIC, strlen(STATE_MAGIC));
    state_put32(writer, STATE_FORMAT_VERSION);
    state_put32(writer, ARCHITECTURE);
    state_put64(writer, 0);
}

void state_writer_finish(struct state_writer *writer)
{
    free(writer->bytes);
    free(writer->fds);
    *writer = (struct state_writer){0};
}

void state_begin(struct state_writer *writer, const char *name, uint32_t instance,
                 uint32_t version)
{
    BUG_ON(writer->section != 0 || strlen(name) != 4 || version == 0);
    state_put_bytes(writer, name, 4);
    state_put32(writer, instance);
    state_put32(writer, version);
    state_put64(writer, 0);
    writer->section = writer->size;
}

void state_end(struct state_writer *writer)
{
    BUG_ON(writer->section == 0);
    set64(writer, writer->section - sizeof(uint64_t), writer->size - writer->section);
    writer->section = 0;
}

bool state_complete(struct state_writer *writer, struct error *error)
{
    BUG_ON(writer->section != 0);
    set64(writer, STATE_HEADER_SIZE - sizeof(uint64_t), writer->size);
    return !writer->failed ||
           error_set(error, ERROR_HOST_MEMORY,
                     "no memory for the state of the VM, or more than %llu MiB of it",
                     (unsigned long long)(STATE_SIZE_MAX / MIB));
}

bool state_make_file(const struct state_writer *writer, int *fd, struct error *error)
{
    *fd = memfd_create("s2vmm-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0)
        return error_set(error, ERROR_HOST_SYSTEM, "memfd_create for a state: %s",
                         strerror(errno));
    size_t done = 0;
    while (done < writer->size) {
        ssize_t count = write(*fd, writer->bytes + done, writer->size - done);
        if (count <= 0)
            break;
        done += (size_t)count;
    }
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    if (done == writer->size && fcntl(*fd, F_ADD_SEALS, seals) == 0)
        return true;
    error_set(error, ERROR_HOST_SYSTEM,
              "a memfd for a state of %zu bytes, %zu of them written: %s", writer->size,
              done, strerror(errno));
    close(*fd);
    *fd = -1;
    return false;
}

/* --- reading --- */

static bool damaged(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool damaged(struct error *error, const char *format, ...)
{
    char what[240];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return error_set(error, ERROR_CONFIG_FILE, "state of %s", what);
}

bool state_refuse(const struct state_section *section, struct error *error,
                  const char *format, ...)
{
    char what[240];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return error_set(error, ERROR_CONFIG_FILE, "state, section \"%s\" %u, version %u: %s",
                     section->name, section->instance, section->version, what);
}

static uint32_t read32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static uint64_t read64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static bool check_header(const struct state_reader *reader, struct error *error)
{
    const uint8_t *bytes = reader->bytes;
    size_t size = reader->size;
    if (size < STATE_HEADER_SIZE)
        return damaged(error, "%zu bytes, its header alone has %u: " TRY_SAME, size,
                       STATE_HEADER_SIZE);
    if (memcmp(bytes, STATE_MAGIC, strlen(STATE_MAGIC)) != 0)
        return damaged(error, "%zu bytes does not begin with " STATE_MAGIC ": " TRY_SAME,
                       size);
    uint32_t version = read32(bytes + 8);
    if (version != STATE_FORMAT_VERSION)
        return damaged(error, "format version %u, this s2vmm reads %u: " TRY_NEWER,
                       version, STATE_FORMAT_VERSION);
    uint32_t architecture = read32(bytes + 12);
    if (architecture != ARCHITECTURE)
        return damaged(error,
                       "architecture %u, this s2vmm is for %u, " ARCHITECTURE_NAME
                       ": use it where it was saved",
                       architecture, ARCHITECTURE);
    uint64_t total = read64(bytes + 16);
    if (total != size)
        return damaged(error, "%zu bytes, its header says %" PRIu64 ": " TRY_SAME, size,
                       total);
    return true;
}

static bool is_same(const struct state_section *section, const char *name,
                    uint32_t instance)
{
    return section->instance == instance && memcmp(section->name, name, 4) == 0;
}

static bool add_section(struct state_reader *reader, size_t *offset, struct error *error)
{
    const uint8_t *header = reader->bytes + *offset;
    size_t left = reader->size - *offset;
    if (reader->count == STATE_SECTIONS_MAX)
        return damaged(error, "more than %u sections: " TRY_SAME, STATE_SECTIONS_MAX);
    if (left < STATE_SECTION_SIZE)
        return damaged(error,
                       "%zu bytes: the %zu behind section number %u are no section's "
                       "header: " TRY_SAME,
                       reader->size, left, reader->count);
    struct state_section *section = &reader->sections[reader->count];
    *section = (struct state_section){
        .instance = read32(header + 4),
        .version = read32(header + 8),
        .payload = header + STATE_SECTION_SIZE,
    };
    memcpy(section->name, header, 4);
    for (char *letter = section->name; letter < section->name + 4; letter++)
        if (*letter < ' ' || *letter > '~') /* it is printed */
            *letter = '?';
    uint64_t length = read64(header + 12);
    if (length > left - STATE_SECTION_SIZE)
        return state_refuse(section, error,
                            "it has %" PRIu64
                            " bytes, and only %zu are left of the state: " TRY_SAME,
                            length, left - STATE_SECTION_SIZE);
    for (unsigned i = 0; i < reader->count; i++)
        if (is_same(&reader->sections[i], section->name, section->instance))
            return state_refuse(section, error, "it is there twice: " TRY_SAME);
    section->length = (size_t)length;
    reader->count++;
    *offset += STATE_SECTION_SIZE + section->length;
    return true;
}

/* Takes the bytes over. */
static bool check(struct state_reader *reader, uint8_t *bytes, size_t size,
                  struct error *error)
{
    *reader = (struct state_reader){.bytes = bytes, .size = size};
    reader->sections = calloc(STATE_SECTIONS_MAX, sizeof *reader->sections);
    bool good = reader->sections != NULL ||
                error_set(error, ERROR_HOST_MEMORY, "no memory to read a state");
    good = good && check_header(reader, error);
    for (size_t offset = STATE_HEADER_SIZE; good && offset < size;)
        good = add_section(reader, &offset, error);
    if (!good)
        state_reader_finish(reader);
    return good;
}

static uint8_t *make_copy(uint64_t size, struct error *error)
{
    uint8_t *copy = size <= STATE_SIZE_MAX ? malloc(size + 1) : NULL;
    if (copy == NULL)
        error_set(error, ERROR_HOST_MEMORY,
                  "no memory for a state of %" PRIu64 " bytes, or more than %llu MiB",
                  size, (unsigned long long)(STATE_SIZE_MAX / MIB));
    return copy;
}

bool state_reader_init(struct state_reader *reader, const void *bytes, size_t size,
                       struct error *error)
{
    *reader = (struct state_reader){0};
    uint8_t *copy = make_copy(size, error);
    if (copy == NULL)
        return false;
    if (size > 0)
        memcpy(copy, bytes, size);
    return check(reader, copy, size, error);
}

bool state_reader_init_file(struct state_reader *reader, int fd, struct error *error)
{
    *reader = (struct state_reader){0};
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_set(error, ERROR_HOST_SYSTEM, "fstat of a state: %s",
                         strerror(errno));
    size_t size = status.st_size > 0 ? (size_t)status.st_size : 0;
    uint8_t *copy = make_copy(size, error);
    if (copy == NULL)
        return false;
    size_t done = 0;
    while (done < size) {
        ssize_t count = pread(fd, copy + done, size - done, (off_t)done);
        if (count <= 0)
            break;
        done += (size_t)count;
    }
    if (done < size) {
        free(copy);
        return error_set(error, ERROR_HOST_SYSTEM,
                         "a state of %zu bytes, %zu of them read: %s", size, done,
                         strerror(errno));
    }
    return check(reader, copy, size, error);
}

void state_reader_finish(struct state_reader *reader)
{
    for (unsigned i = 0; i < reader->fd_count; i++)
        if (reader->fds[i] >= 0)
            close(reader->fds[i]);
    free(reader->fds);
    free(reader->sections);
    free(reader->bytes);
    *reader = (struct state_reader){0};
}

bool state_open(struct state_reader *reader, const char *name, uint32_t instance,
                uint32_t newest, struct state_section **section, struct error *error)
{
    struct state_section *found = NULL;
    for (unsigned i = 0; i < reader->count && found == NULL; i++)
        if (is_same(&reader->sections[i], name, instance))
            found = &reader->sections[i];
    if (found == NULL)
        return damaged(error,
                       "%zu bytes has no section \"%s\" %u: it was saved with another "
                       "configuration, or by another s2vmm: " TRY_NEWER,
                       reader->size, name, instance);
    BUG_ON(found->opened);
    if (found->version == 0 || found->version > newest)
        return state_refuse(found, error, "this s2vmm reads versions 1 to %u: " TRY_NEWER,
                            newest);
    found->opened = true;
    *section = found;
    return true;
}

const void *state_get_bytes(struct state_section *section, size_t size)
{
    if (section->too_short || size > state_left(section)) {
        section->too_short = true;
        return NULL;
    }
    const uint8_t *bytes = section->payload + section->taken;
    section->taken += size;
    return bytes;
}

uint32_t state_get32(struct state_section *section)
{
    const uint8_t *bytes = state_get_bytes(section, sizeof(uint32_t));
    return bytes != NULL ? read32(bytes) : 0;
}

uint64_t state_get64(struct state_section *section)
{
    const uint8_t *bytes = state_get_bytes(section, sizeof(uint64_t));
    return bytes != NULL ? read64(bytes) : 0;
}

size_t state_left(const struct state_section *section)
{
    return section->length - section->taken;
}

bool state_close(const struct state_section *section, struct error *error)
{
    if (section->too_short)
        return state_refuse(section, error,
                            "its %zu bytes are too few, from byte %zu on: " TRY_SAME,
                            section->length, section->taken);
    if (state_left(section) > 0)
        return state_refuse(section, error,
                            "%zu of its %zu bytes are too many: " TRY_SAME,
                            state_left(section), section->length);
    return true;
}

bool state_reader_check(const struct state_reader *reader, struct error *error)
{
    for (unsigned i = 0; i < reader->count; i++)
        if (!reader->sections[i].opened)
            return state_refuse(&reader->sections[i], error,
                                "this s2vmm does not know it: " TRY_NEWER);
    return true;
}
