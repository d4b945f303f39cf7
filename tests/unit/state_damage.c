/* SPDX-License-Identifier: MIT */
#include "tests/unit/state_damage.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void add_fds(const struct state_writer *writer, struct state_reader *reader)
{
    struct error error;
    for (unsigned i = 0; i < writer->fd_count; i++) {
        int fd = fcntl(writer->fds[i], F_DUPFD_CLOEXEC, 0);
        ck_assert_int_ge(fd, 0);
        ck_assert(state_reader_add_fds(reader, &fd, 1, &error));
    }
}

void state_damage_read(struct state_writer *writer, struct state_reader *reader)
{
    struct error error;
    ck_assert_msg(state_complete(writer, &error), "%s", error.text);
    ck_assert_msg(state_reader_init(reader, writer->bytes, writer->size, &error), "%s",
                  error.text);
    add_fds(writer, reader);
}

/* One section is another: as many bytes of its payload, and zeroes if they are more. */
struct change {
    unsigned section;
    size_t length;
    bool missing;
    unsigned newer;
    size_t offset; /* one byte */
    uint8_t bits;
};

static bool load_changed(const struct state_writer *good,
                         const struct state_reader *parts, const struct change *change,
                         state_damage_load *load, struct error *error)
{
    struct state_writer writer;
    struct state_reader reader;
    state_writer_init(&writer);
    for (unsigned i = 0; i < parts->count; i++) {
        const struct state_section *section = &parts->sections[i];
        bool is_it = i == change->section;
        if (is_it && change->missing)
            continue;
        size_t length =
            is_it && change->length < section->length ? change->length : section->length;
        state_begin(&writer, section->name, section->instance,
                    section->version + (is_it ? change->newer : 0));
        size_t start = writer.size;
        state_put_bytes(&writer, section->payload, length);
        if (is_it && change->length > section->length)
            state_put_bytes(&writer, "", 1);
        if (is_it && change->bits != 0)
            writer.bytes[start + change->offset] ^= change->bits;
        state_end(&writer);
    }
    struct error failed;
    ck_assert(state_complete(&writer, &failed));
    ck_assert(state_reader_init(&reader, writer.bytes, writer.size, &failed));
    add_fds(good, &reader);
    bool ok = load(&reader, error);
    state_reader_finish(&reader);
    state_writer_finish(&writer);
    return ok;
}

static void expect_refused(const struct state_writer *good,
                           const struct state_reader *parts, const struct change *change,
                           state_damage_load *load)
{
    struct error error = {0};
    char name[24];
    const struct state_section *section = &parts->sections[change->section];
    snprintf(name, sizeof name, "\"%s\" %u", section->name, section->instance);
    ck_assert_msg(!load_changed(good, parts, change, load, &error),
                  "%s: %zu of %zu bytes, missing %d, newer %u: loaded", name,
                  change->length, section->length, change->missing, change->newer);
    ck_assert_msg(error.code == ERROR_CONFIG_FILE && strstr(error.text, name) != NULL,
                  "%s: %s", name, error.text);
}

void state_damage_everything(struct state_writer *writer, state_damage_load *load)
{
    struct state_reader parts;
    struct error error;
    state_damage_read(writer, &parts);
    for (unsigned i = 0; i < parts.count; i++) {
        const size_t length = parts.sections[i].length;
        struct change change = {.section = i, .length = length + 1};
        expect_refused(writer, &parts, &change, load);
        for (change.length = 0; change.length < length; change.length++)
            expect_refused(writer, &parts, &change, load);
        change.newer = 1;
        expect_refused(writer, &parts, &change, load);
        change.missing = true;
        expect_refused(writer, &parts, &change, load);
        change = (struct change){.section = i, .length = length};
        for (change.offset = 0; change.offset < length; change.offset++)
            for (unsigned bit = 0; bit <= 8; bit++) {
                change.bits = (uint8_t)(bit < 8 ? 1u << bit : UINT8_MAX);
                if (!load_changed(writer, &parts, &change, load, &error))
                    ck_assert_msg(error.code == ERROR_CONFIG_FILE, "%s", error.text);
            }
    }
    state_reader_finish(&parts);
}

void state_damage_refused(struct state_writer *writer, state_damage_load *load,
                          const char *name, size_t offset, uint64_t value, size_t size,
                          const char *text)
{
    struct state_reader parts;
    struct state_reader reader;
    struct error error = {0};
    state_damage_read(writer, &parts);
    unsigned i = 0;
    while (i < parts.count && strcmp(parts.sections[i].name, name) != 0)
        i++;
    ck_assert_uint_lt(i, parts.count);
    ck_assert_uint_le(offset + size, parts.sections[i].length);
    uint8_t *bytes = parts.bytes + (parts.sections[i].payload - parts.bytes) + offset;
    memcpy(bytes, &value, size);
    ck_assert(state_reader_init(&reader, parts.bytes, parts.size, &error));
    add_fds(writer, &reader);
    ck_assert_msg(!load(&reader, &error), "%s, 0x%llx at %zu: loaded", name,
                  (unsigned long long)value, offset);
    ck_assert_msg(error.code == ERROR_CONFIG_FILE && strstr(error.text, text) != NULL,
                  "%s, 0x%llx at %zu: %s", name, (unsigned long long)value, offset,
                  error.text);
    state_reader_finish(&reader);
    state_reader_finish(&parts);
}
