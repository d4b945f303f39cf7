/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_btf.h"

#include <check.h>
#include <linux/btf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

char fake_btf_path[32];
static int file;
static uint32_t words[512];
static unsigned word_count;
static char strings[512];
static unsigned strings_size;

static void put(uint32_t word)
{
    words[word_count++] = word;
}

/* The name's place in the strings; "" is 0. */
static uint32_t name(const char *text)
{
    if (!text[0])
        return 0;
    unsigned at = strings_size;
    strings_size += (unsigned)snprintf(strings + at, sizeof strings - at, "%s", text) + 1;
    return at;
}

static void type(const char *type_name, uint32_t kind, uint32_t count, uint32_t size)
{
    put(name(type_name));
    put(kind << 24 | count);
    put(size);
}

static void member(const char *member_name, uint32_t type_number, uint32_t bits)
{
    put(name(member_name));
    put(type_number);
    put(bits);
}

static void put_types(void)
{
    static const struct {
        uint32_t kind, words;
    } others[] = {
        {BTF_KIND_PTR, 0},        {BTF_KIND_ARRAY, 3},    {BTF_KIND_ENUM, 2},
        {BTF_KIND_FWD, 0},        {BTF_KIND_TYPEDEF, 0},  {BTF_KIND_VOLATILE, 0},
        {BTF_KIND_CONST, 0},      {BTF_KIND_RESTRICT, 0}, {BTF_KIND_FUNC, 0},
        {BTF_KIND_FUNC_PROTO, 2}, {BTF_KIND_VAR, 1},      {BTF_KIND_DATASEC, 3},
        {BTF_KIND_FLOAT, 0},      {BTF_KIND_DECL_TAG, 1}, {BTF_KIND_TYPE_TAG, 0},
        {BTF_KIND_ENUM64, 3},
    };
    type("u32", BTF_KIND_INT, 0, 4); /* 1 */
    put(32);
    type("", BTF_KIND_STRUCT, 2, 24); /* 2: an anonymous struct */
    member("ia_bits", 1, 0);
    member("pgd", 1, 64);
    type("", BTF_KIND_UNION, 2, 24); /* 3: an anonymous union */
    member("pkvm_mappings", 1, 0);
    member("", 2, 0);
    type("kvm_pgtable", BTF_KIND_STRUCT, 3, 48); /* 4 */
    member("", 3, 0);
    member("start_level", 1, 32);
    member("mmu", 1, 320);
    type("kvm_s2_mmu", BTF_KIND_STRUCT, 2, 128); /* 5 */
    member("vtcr", 1, 24 * 8);
    member("arch", 1, 88 * 8);
    type("kvm", BTF_KIND_STRUCT, 2, 4096); /* 6 */
    member("mm", 1, 56 * 8);
    member("arch", 1, 2480 * 8);
    type("", BTF_KIND_STRUCT, 1, 1024); /* 7 */
    member("pgd", 1, 40 * 8);
    type("mm_struct", BTF_KIND_STRUCT, 2, 1088); /* 8 */
    member("count", 1, 0);
    member("", 7, 64 * 8);
    type("flags", BTF_KIND_STRUCT, 2, 4); /* 9: with bit fields */
    words[word_count - 2] |= 1u << 31;
    member("low", 1, 24u << 24);
    member("high", 1, 8u << 24 | 24);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        type("other", others[i].kind, 1, 1);
        for (unsigned j = 0; j < others[i].words; j++)
            put(0);
    }
    type("", BTF_KIND_STRUCT, 1, 0); /* one that contains itself */
    member("", 9 + sizeof others / sizeof others[0] + 1, 8);
}

void fake_btf_make(void)
{
    word_count = 0;
    strings[0] = '\0';
    strings_size = 1;
    put_types();
    const struct btf_header header = {
        .magic = BTF_MAGIC,
        .version = BTF_VERSION,
        .hdr_len = sizeof header,
        .type_len = word_count * 4,
        .str_off = word_count * 4,
        .str_len = strings_size,
    };
    file = memfd_create("btf", MFD_CLOEXEC);
    snprintf(fake_btf_path, sizeof fake_btf_path, "/proc/self/fd/%d", file);
    ck_assert_int_eq(write(file, &header, sizeof header), sizeof header);
    ck_assert_int_eq(write(file, words, word_count * 4), word_count * 4);
    ck_assert_int_eq(write(file, strings, strings_size), strings_size);
}

void fake_btf_remove(void)
{
    close(file);
}

unsigned fake_btf_size(void)
{
    return (unsigned)sizeof(struct btf_header) + word_count * 4 + strings_size;
}

unsigned fake_btf_last_count(void)
{
    return (unsigned)sizeof(struct btf_header) + (word_count - 5) * 4;
}

void fake_btf_flip(unsigned offset)
{
    uint8_t byte;
    ck_assert_int_eq(pread(file, &byte, 1, offset), 1);
    byte = (uint8_t)~byte;
    ck_assert_int_eq(pwrite(file, &byte, 1, offset), 1);
}

void fake_btf_cut(unsigned size)
{
    ck_assert_int_eq(ftruncate(file, size), 0);
}
