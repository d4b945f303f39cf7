/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/gpu/exporters/target.h"
#include "tests/unit/suites.h"

/* --- smaps --- */

static char smaps[] =
    "7f0000000000-7f0000002000 rw-s 00000000 00:0e 5      /dmabuf:\n"
    "Size:                  8 kB\n"
    "VmFlags: rd wr sh mr mw me ms pf de dd \n"
    "7f0000003000-7f0000004000 rw-s 00000000 00:15 6 /sys/a b-c d\n"
    "Name-with: dash\n"
    "VmFlags: rd wr pf io ?? sd\n"
    "7f0000004000-7f0000005000 rw-p 00000000 00:00 0 \n"
    "VmFlags: rd wr ac \n";

static const struct {
    uint64_t address;
    const char *flags; /* NULL: not found */
} smaps_rows[] = {
    {0x7f0000000000, "rd wr sh mr mw me ms pf de dd"},
    {0x7f0000001fff, "rd wr sh mr mw me ms pf de dd"},
    {0x7f0000002000, NULL},
    {0x7f0000003000, "rd wr pf io ?? sd"},
    {0x7f0000004fff, "rd wr ac"},
    {0x7f0000005000, NULL},
    {0, NULL},
};

START_TEST(the_flags_of_the_mapping_are_found)
{
    char flags[80] = "";
    FILE *in = fmemopen(smaps, sizeof smaps - 1, "r");
    bool found = vma_find_flags(in, (const void *)(uintptr_t)smaps_rows[_i].address,
                                flags, sizeof flags);
    fclose(in);
    ck_assert_int_eq(found, smaps_rows[_i].flags != NULL);
    if (found)
        ck_assert_str_eq(flags, smaps_rows[_i].flags);
}
END_TEST

static const struct {
    const char *flags;
    enum memattr_vma vma;
} kinds[] = {
    {"rd wr mr mw me ac", MEMATTR_VMA_PLAIN},
    {"rd wr pf de dd", MEMATTR_VMA_PFNMAP},
    {"pf", MEMATTR_VMA_PFNMAP},
    {"rd wr pf io ??", MEMATTR_VMA_VFIO},
    {"?? pf", MEMATTR_VMA_VFIO},
    {"rd wr ?? ac", MEMATTR_VMA_PLAIN}, /* something else without letters */
    {"rd wr pfx xpf", MEMATTR_VMA_PLAIN},
    {"", MEMATTR_VMA_PLAIN},
};

START_TEST(kinds_of_mappings)
{
    ck_assert_int_eq(vma_kind(kinds[_i].flags), kinds[_i].vma);
}
END_TEST

/* --- targets --- */

static const struct exporter *exporter(const char *name)
{
    for (unsigned i = 0; i < exporter_count; i++) {
        if (strcmp(exporters[i].name, name) == 0)
            return &exporters[i];
    }
    ck_abort_msg("no exporter %s", name);
}

START_TEST(ordinary_memory_can_be_had_everywhere)
{
    static const char *const names[] = {"anonymous", "memfd"};
    struct target target;
    struct error error;
    ck_assert_msg(
        target_open(&target, exporter(names[_i]), TARGET_SIZE, MEMATTR_ARM64, &error),
        "%s", error.text);
    ck_assert_uint_eq(target.backing.size, TARGET_SIZE);
    ck_assert_int_eq(target.buffer.vma, MEMATTR_VMA_PLAIN);
    ck_assert_int_eq(target.buffer.host, MEMATTR_WB);
    ck_assert(!target.buffer.vma_is_uncacheable);
    ck_assert_ptr_nonnull(strstr(target.vma_flags, "rd wr"));
    memset(target.backing.host, 1, TARGET_SIZE);
    target_close(&target);
    target_close(&target); /* a zeroed one is fine */
}
END_TEST

static bool open_nothing(struct target *target, const char *argument, struct error *error)
{
    int fd = memfd_create("helper", 0);
    ck_assert_str_eq(argument, "word");
    ck_assert_int_ge(fd, 0);
    target_keep(target, fd);
    return error_set(error, ERROR_CONFIG_HOST, "nothing here %d", fd);
}

START_TEST(what_is_not_here_leaves_nothing_open)
{
    const struct exporter nothing = {"nothing",        open_nothing,  "word",
                                     MEMATTR_PAGE_RAM, TARGET_CACHED, ""};
    struct target target;
    struct error error;
    int fd;
    ck_assert(!target_open(&target, &nothing, TARGET_SIZE, MEMATTR_NPT, &error));
    ck_assert_int_eq(sscanf(error.text, "nothing here %d", &fd), 1);
    ck_assert_int_eq(close(fd), -1);
}
END_TEST

static bool open_memory(struct target *target, const char *unused, struct error *error)
{
    (void)unused;
    target->backing.fd = memfd_create("memory", 0);
    ck_assert_int_eq(ftruncate(target->backing.fd, TARGET_SIZE), 0);
    return target_map(target, error);
}

static const struct {
    enum memattr_model model;
    enum target_protection protection;
    enum memattr_type host;
} hosts[] = {
    {MEMATTR_NPT, TARGET_CACHED, MEMATTR_WB},
    {MEMATTR_NPT, TARGET_WRITECOMBINE, MEMATTR_WC},
    {MEMATTR_EPT, TARGET_DEVICE, MEMATTR_UC_MINUS},
    {MEMATTR_SHADOW, TARGET_NONCACHED, MEMATTR_UC_MINUS},
    {MEMATTR_ARM64, TARGET_CACHED, MEMATTR_WB},
    {MEMATTR_ARM64_FWB, TARGET_WRITECOMBINE, MEMATTR_NC},
    {MEMATTR_ARM64_FWB, TARGET_DEVICE, MEMATTR_DEVICE_nGnRE},
    {MEMATTR_ARM64, TARGET_NONCACHED, MEMATTR_DEVICE_nGnRnE},
};

START_TEST(the_host_attribute_is_linux_own)
{
    const struct exporter memory = {"memory",          open_memory,          NULL,
                                    MEMATTR_PAGE_MMIO, hosts[_i].protection, ""};
    struct target target;
    struct error error;
    ck_assert(target_open(&target, &memory, TARGET_SIZE, hosts[_i].model, &error));
    ck_assert_int_eq(target.buffer.host, hosts[_i].host);
    ck_assert_int_eq(target.buffer.page, MEMATTR_PAGE_MMIO);
    ck_assert_int_eq(target.buffer.vma_is_uncacheable,
                     hosts[_i].protection != TARGET_CACHED);
    target_close(&target);
}
END_TEST

START_TEST(exporters_have_all_they_need)
{
    for (unsigned i = 0; i < exporter_count; i++) {
        ck_assert_uint_lt(strlen(exporters[i].name), 32);
        ck_assert_ptr_nonnull(exporters[i].source);
        for (unsigned j = 0; j < i; j++)
            ck_assert_str_ne(exporters[i].name, exporters[j].name);
    }
}
END_TEST

Suite *matrix_target_suite(void)
{
    Suite *suite = suite_create("matrix target");
    TCase *vma = tcase_create("vma");
    tcase_add_loop_test(vma, the_flags_of_the_mapping_are_found, 0,
                        ARRAY_SIZE(smaps_rows));
    tcase_add_loop_test(vma, kinds_of_mappings, 0, ARRAY_SIZE(kinds));
    suite_add_tcase(suite, vma);
    TCase *target = tcase_create("target");
    tcase_add_loop_test(target, ordinary_memory_can_be_had_everywhere, 0, 2);
    tcase_add_test(target, what_is_not_here_leaves_nothing_open);
    tcase_add_loop_test(target, the_host_attribute_is_linux_own, 0, ARRAY_SIZE(hosts));
    tcase_add_test(target, exporters_have_all_they_need);
    suite_add_tcase(suite, target);
    return suite;
}
