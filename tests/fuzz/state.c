/* SPDX-License-Identifier: MIT */
/*
 * A saved state whose every byte somebody chose. The input is either the file as it is, or the
 * sections of one, behind a header that is right. Who reads asks for the sections that a VM has, in
 * any order, and takes fields of any size from them.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "vmm/state.h"

#define FIELDS_MAX 64u

static const char *const names[] = {"SHAP", "REGS", "MSRS", "GITS"};

/* A complete state with these sections. */
static size_t add_header(const struct fuzz_input *input, uint8_t *bytes, size_t room)
{
    struct state_writer writer;
    struct error error;
    size_t size =
        input->left < room - STATE_HEADER_SIZE ? input->left : room - STATE_HEADER_SIZE;
    state_writer_init(&writer);
    state_put_bytes(&writer, input->bytes, size);
    FUZZ_CHECK(state_complete(&writer, &error));
    memcpy(bytes, writer.bytes, writer.size);
    size = writer.size;
    state_writer_finish(&writer);
    return size;
}

/* Every field is inside of the section, and is taken once. */
static void take_fields(struct state_section *section, uint32_t sizes)
{
    struct error error;
    for (unsigned i = 0; i < FIELDS_MAX && !section->too_short; i++) {
        size_t before = state_left(section);
        size_t wanted = sizes >> (i % 8 * 4) & 15;
        const uint8_t *bytes = section->payload + section->taken;
        if (wanted == 4) {
            uint32_t value = state_get32(section);
            FUZZ_CHECK(section->too_short || memcmp(&value, bytes, sizeof value) == 0);
        } else if (wanted == 8) {
            uint64_t value = state_get64(section);
            FUZZ_CHECK(section->too_short || memcmp(&value, bytes, sizeof value) == 0);
        } else {
            const void *taken = state_get_bytes(section, wanted);
            FUZZ_CHECK(taken == (section->too_short ? NULL : bytes));
        }
        FUZZ_CHECK(section->too_short == (wanted > before));
        FUZZ_CHECK(state_left(section) == before - (section->too_short ? 0 : wanted));
    }
    bool all = !section->too_short && state_left(section) == 0;
    FUZZ_CHECK(state_close(section, &error) == all);
}

static void read_all(struct state_reader *reader, uint32_t choice, uint32_t sizes)
{
    struct error error;
    unsigned opened = 0;
    for (uint32_t i = 0; i < 16; i++) {
        uint32_t number = i ^ (choice & 15); /* each of them, in some order */
        struct state_section *section;
        if (!state_open(reader, names[number % 4], number / 4, 1 + (choice >> 4 & 1),
                        &section, &error)) {
            FUZZ_CHECK(error.code == ERROR_CONFIG_FILE);
            continue;
        }
        FUZZ_CHECK(section->version == 1 || section->version == 2);
        FUZZ_CHECK(section->payload >= reader->bytes &&
                   section->length <=
                       (size_t)(reader->bytes + reader->size - section->payload));
        opened++;
        take_fields(section, sizes);
    }
    FUZZ_CHECK(state_reader_check(reader, &error) == (opened == reader->count));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[64 * KIB];
    struct fuzz_input input = {data, size};
    struct state_reader reader;
    struct error error;
    uint32_t choice = fuzz_take32(&input);
    uint32_t sizes = fuzz_take32(&input);
    size_t length = input.left < sizeof bytes ? input.left : sizeof bytes;
    if ((choice >> 8 & 1) != 0)
        length = add_header(&input, bytes, sizeof bytes);
    else if (length > 0)
        memcpy(bytes, input.bytes, length);
    if (!state_reader_init(&reader, bytes, length, &error)) {
        FUZZ_CHECK(error.code == ERROR_CONFIG_FILE);
        FUZZ_CHECK(reader.bytes == NULL && reader.sections == NULL);
        return 0;
    }
    read_all(&reader, choice, sizes);
    state_reader_finish(&reader);
    return 0;
}

/* --- seeds --- */

void fuzz_seeds(void)
{
    struct {
        uint32_t choice, sizes;
        uint8_t bytes[1024];
    } seed = {.choice = 0, .sizes = 0x48484848};
    struct state_writer writer;
    struct error error;
    state_writer_init(&writer);
    for (uint32_t i = 0; i < 8; i++) {
        state_begin(&writer, names[i % 4], i / 4, 1 + i / 4);
        for (uint32_t j = 0; j < i; j++)
            state_put64(&writer, j);
        state_end(&writer);
    }
    FUZZ_CHECK(state_complete(&writer, &error) && writer.size <= sizeof seed.bytes);
    memcpy(seed.bytes, writer.bytes, writer.size);
    fuzz_seed("whole", &seed, 8 + writer.size);
    fuzz_seed("cut", &seed, 8 + writer.size - 5);
    seed.choice = 0x115; /* the header is made, version 2 is known */
    memcpy(seed.bytes, writer.bytes + STATE_HEADER_SIZE, writer.size - STATE_HEADER_SIZE);
    fuzz_seed("sections", &seed, 8 + writer.size - STATE_HEADER_SIZE);
    state_writer_finish(&writer);
}
