/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/state_edits.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/fake_kernel.h"

#define SECTIONS_MAX 64u
#define FDS_MAX      64u
#define PAGE         4096

/* A section, with a payload of its own. */
struct part {
    char name[5];
    uint32_t instance;
    uint32_t version;
    uint8_t *payload;
    size_t length;
};

struct parts {
    struct part all[SECTIONS_MAX];
    unsigned count;
    int fds[FDS_MAX];
    unsigned fd_count;
    bool descriptors; /* as they were */
};

static void set_payload(struct part *part, const uint8_t *bytes, size_t length)
{
    uint8_t *payload = malloc(length + 1);
    FUZZ_CHECK(payload != NULL);
    if (length > 0)
        memcpy(payload, bytes, length);
    free(part->payload);
    part->payload = payload;
    part->length = length;
}

static int copy_of(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    FUZZ_CHECK(copy >= 0);
    return copy;
}

static void take_apart(const struct state_writer *good, struct parts *parts)
{
    struct state_reader reader;
    struct error error;
    FUZZ_CHECK(state_reader_init(&reader, good->bytes, good->size, &error));
    FUZZ_CHECK(reader.count < SECTIONS_MAX && good->fd_count <= FDS_MAX);
    *parts = (struct parts){.count = reader.count, .descriptors = true};
    for (unsigned i = 0; i < reader.count; i++) {
        const struct state_section *section = &reader.sections[i];
        struct part *part = &parts->all[i];
        memcpy(part->name, section->name, sizeof part->name);
        part->instance = section->instance;
        part->version = section->version;
        set_payload(part, section->payload, section->length);
    }
    for (unsigned i = 0; i < good->fd_count; i++)
        parts->fds[parts->fd_count++] = copy_of(good->fds[i]);
    state_reader_finish(&reader);
}

static int replacement(const struct parts *parts, int fd, const struct edit *edit)
{
    char path[32];
    int pipes[2];
    int other;
    switch ((enum edit_fd)(edit->value % EDIT_FD_KINDS)) {
    case EDIT_FD_OTHER:
        return copy_of(parts->fds[edit->shift % parts->fd_count]);
    case EDIT_FD_PIPE:
        FUZZ_CHECK(pipe2(pipes, O_CLOEXEC) == 0);
        close(pipes[1]);
        return pipes[0];
    case EDIT_FD_FOLDER:
        return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    case EDIT_FD_EVENT:
        return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    case EDIT_FD_FILE:
        other = memfd_create("fake-blob", MFD_CLOEXEC);
        FUZZ_CHECK(ftruncate(other, (off_t)PAGE * edit->shift) == 0);
        return other;
    case EDIT_FD_DMABUF:
        return fake_kernel_dma_buf((uint64_t)PAGE * edit->shift);
    case EDIT_FD_READ:
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        other = open(path, O_RDONLY | O_CLOEXEC);
        return other >= 0 ? other : copy_of(fd);
    case EDIT_FD_KINDS:
        break;
    }
    return copy_of(fd);
}

static void edit_fds(struct parts *parts, const struct edit *edit)
{
    if (parts->fd_count == 0)
        return;
    parts->descriptors = false;
    if (edit->kind % EDIT_KINDS == EDIT_FD) {
        int *fd = &parts->fds[edit->section % parts->fd_count];
        int other = replacement(parts, *fd, edit);
        FUZZ_CHECK(other >= 0);
        close(*fd);
        *fd = other;
        return;
    }
    while (parts->fd_count > edit->section)
        close(parts->fds[--parts->fd_count]);
}

/* Bytes from `offset` are there `times` times. */
static void repeat(struct part *part, size_t offset, size_t count, unsigned times)
{
    if (offset > part->length || count > part->length - offset)
        return;
    size_t length = part->length + count * times - count;
    uint8_t *payload = malloc(length + 1);
    FUZZ_CHECK(payload != NULL);
    memcpy(payload, part->payload, offset);
    for (unsigned i = 0; i < times; i++)
        memcpy(payload + offset + i * count, part->payload + offset, count);
    memcpy(payload + offset + count * times, part->payload + offset + count,
           part->length - offset - count);
    free(part->payload);
    part->payload = payload;
    part->length = length;
}

static void put(struct part *part, const struct edit *edit, const void *value,
                size_t size)
{
    if (edit->offset <= part->length && size <= part->length - edit->offset)
        memcpy(part->payload + edit->offset, value, size);
}

static void add(struct part *part, const struct edit *edit)
{
    uint32_t value;
    if (edit->offset > part->length || sizeof value > part->length - edit->offset)
        return;
    memcpy(&value, part->payload + edit->offset, sizeof value);
    value += edit->value;
    put(part, edit, &value, sizeof value);
}

/* What the number counts. */
static void grow(struct part *part, const struct edit *edit)
{
    uint32_t count;
    const uint32_t more = edit->value & 63;
    if (edit->offset > part->length || sizeof count > part->length - edit->offset)
        return;
    memcpy(&count, part->payload + edit->offset, sizeof count);
    count += more;
    put(part, edit, &count, sizeof count);
    const size_t from = edit->offset + sizeof count;
    const size_t bytes = (size_t)more * edit->shift;
    uint8_t *payload = calloc(1, part->length + bytes + 1);
    FUZZ_CHECK(payload != NULL);
    memcpy(payload, part->payload, from);
    memcpy(payload + from + bytes, part->payload + from, part->length - from);
    free(part->payload);
    part->payload = payload;
    part->length += bytes;
}

static void append(struct part *part, size_t count)
{
    uint8_t bytes[256] = {0};
    size_t length = part->length;
    part->payload = realloc(part->payload, length + sizeof bytes);
    FUZZ_CHECK(part->payload != NULL);
    memcpy(part->payload + length, bytes, count);
    part->length += count;
}

static void drop(struct parts *parts, unsigned index)
{
    free(parts->all[index].payload);
    parts->count--;
    for (unsigned i = index; i < parts->count; i++)
        parts->all[i] = parts->all[i + 1];
    parts->all[parts->count] = (struct part){0};
}

static void copy_section(struct parts *parts, const struct part *part, uint32_t instance)
{
    if (parts->count == SECTIONS_MAX)
        return;
    struct part *copy = &parts->all[parts->count++];
    *copy = *part;
    copy->payload = NULL;
    copy->instance = instance;
    set_payload(copy, part->payload, part->length);
}

static void change(struct parts *parts, const struct edit *edit)
{
    unsigned index = edit->section % parts->count;
    unsigned other = edit->value % parts->count;
    struct part *part = &parts->all[index];
    const struct part before = *part;
    const uint64_t wide = (uint64_t)edit->value << (edit->shift & 63);
    const uint8_t bits = (uint8_t)edit->value;
    switch ((enum edit_kind)(edit->kind % EDIT_KINDS)) {
    case EDIT_XOR:
        if (edit->offset < part->length)
            part->payload[edit->offset] ^= bits;
        break;
    case EDIT_PUT32:
        put(part, edit, &edit->value, sizeof edit->value);
        break;
    case EDIT_PUT64:
        put(part, edit, &wide, sizeof wide);
        break;
    case EDIT_ADD32:
        add(part, edit);
        break;
    case EDIT_CUT:
        part->length -= edit->value % (part->length + 1);
        break;
    case EDIT_DELETE:
        repeat(part, edit->offset, edit->value & 0xff, 0);
        break;
    case EDIT_REPEAT:
        repeat(part, edit->offset, edit->value & 0xff, 1 + (edit->shift & 7u));
        break;
    case EDIT_APPEND:
        append(part, edit->shift);
        break;
    case EDIT_GROW:
        grow(part, edit);
        break;
    case EDIT_DROP:
        drop(parts, index);
        break;
    case EDIT_TWICE:
        copy_section(parts, part, edit->value);
        break;
    case EDIT_SWAP:
        *part = parts->all[other];
        parts->all[other] = before;
        break;
    case EDIT_VERSION:
        part->version = edit->value;
        break;
    case EDIT_FD:
    case EDIT_FDS:
        edit_fds(parts, edit);
        break;
    case EDIT_KINDS:
        break;
    }
}

/* A version of 0 is a mistake of who writes. */
static void write_section(struct state_writer *writer, const struct part *part)
{
    state_begin(writer, part->name, part->instance, part->version ? part->version : 1);
    state_put_bytes(writer, part->payload, part->length);
    state_end(writer);
    if (part->version == 0)
        memset(writer->bytes + writer->size - part->length - 12, 0, sizeof(uint32_t));
}

static bool put_together(struct parts *parts, struct state_reader *reader)
{
    struct state_writer writer;
    struct error error;
    state_writer_init(&writer);
    for (unsigned i = 0; i < parts->count; i++)
        write_section(&writer, &parts->all[i]);
    FUZZ_CHECK(state_complete(&writer, &error));
    bool good = state_reader_init(reader, writer.bytes, writer.size, &error);
    if (good)
        FUZZ_CHECK(state_reader_add_fds(reader, parts->fds, parts->fd_count, &error));
    for (unsigned i = 0; !good && i < parts->fd_count; i++)
        close(parts->fds[i]);
    while (parts->count > 0)
        drop(parts, parts->count - 1);
    state_writer_finish(&writer);
    return good;
}

bool state_edits_read(const struct state_writer *good, struct fuzz_input *input,
                      struct state_reader *reader, bool *descriptors)
{
    struct parts parts;
    take_apart(good, &parts);
    for (unsigned i = 0; i < EDITS_MAX && input->left > 0 && parts.count > 0; i++) {
        struct edit edit;
        fuzz_take(input, &edit, sizeof edit);
        change(&parts, &edit);
    }
    *descriptors = parts.descriptors;
    return put_together(&parts, reader);
}

void state_edits_read_good(const struct state_writer *good, struct state_reader *reader)
{
    struct fuzz_input none = {0};
    bool descriptors;
    FUZZ_CHECK(state_edits_read(good, &none, reader, &descriptors));
}

static const struct state_section *find(const struct state_reader *reader,
                                        const struct state_section *like)
{
    for (unsigned i = 0; i < reader->count; i++)
        if (strcmp(reader->sections[i].name, like->name) == 0 &&
            reader->sections[i].instance == like->instance)
            return &reader->sections[i];
    return NULL;
}

void state_edits_check_same(const struct state_reader *reader, struct state_writer *again,
                            state_edits_forgive *forgive)
{
    struct state_reader saved;
    struct error error;
    FUZZ_CHECK(state_complete(again, &error));
    FUZZ_CHECK(state_reader_init(&saved, again->bytes, again->size, &error));
    for (unsigned i = 0; i < saved.count; i++) {
        const struct state_section *now = &saved.sections[i];
        const struct state_section *was = find(reader, now);
        FUZZ_CHECK(was != NULL && was->length == now->length);
        struct part parts[2] = {{.payload = NULL}, {.payload = NULL}};
        set_payload(&parts[0], was->payload, was->length);
        set_payload(&parts[1], now->payload, now->length);
        for (unsigned side = 0; forgive != NULL && side < 2; side++)
            forgive(now->name, parts[side].payload, now->length);
        for (size_t at = 0; at < now->length; at++)
            if (parts[0].payload[at] != parts[1].payload[at]) {
                fprintf(stderr, "%s %u: byte %zu was 0x%02x, is 0x%02x\n", now->name,
                        now->instance, at, parts[0].payload[at], parts[1].payload[at]);
                fuzz_failed(__FILE__, __LINE__, "what is saved again is the same");
            }
        free(parts[0].payload);
        free(parts[1].payload);
    }
    state_reader_finish(&saved);
}
