/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/gpu/exporters/lab.h"
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

/* --- by name --- */

START_TEST(an_exporter_has_a_name)
{
    struct exporter found;
    struct error error;
    ck_assert(exporter_find("vgem PRIME", &found, &error));
    ck_assert_str_eq(found.name, "vgem PRIME");
    ck_assert(exporter_find("dmabuf-lab:blocks,ttm,wc", &found, &error));
    ck_assert_str_eq(found.name, "dmabuf-lab:blocks,ttm,wc");
    ck_assert_str_eq(found.argument, "blocks,ttm,wc");
    ck_assert(!exporter_find("vgem", &found, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    ck_assert_ptr_nonnull(strstr(error.text, "no exporter \"vgem\""));
    ck_assert(!exporter_find("dmabuf-lab:blocks", &found, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
}
END_TEST

static const struct {
    const char *name;
    const char *words; /* NULL: it is not one */
} gbm_names[] = {
    {"gbm", ""},
    {"gbm:", ""},
    {"gbm:scanout", "scanout"},
    {"gbm:linear,scanout,/dev/dri/card7", "linear,scanout,/dev/dri/card7"},
    {"gbm:rendering", "rendering"},
    {"gbmx", NULL},
    {"gbm:scan", NULL},
    {"gbm:scanouts", NULL},
    {"gbm:scanout,,linear", NULL},
    {"gbm:/dev/dri/a-name-that-is-longer-than-any-node-of-the-kernel-could-have", NULL},
};

START_TEST(a_buffer_of_gbm_has_words)
{
    struct exporter found;
    struct error error;
    bool good = exporter_find(gbm_names[_i].name, &found, &error);
    ck_assert_int_eq(good, gbm_names[_i].words != NULL);
    if (good)
        ck_assert_str_eq(found.argument, gbm_names[_i].words);
    else
        ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
}
END_TEST

/* On a host without DRM nodes, and on one with them a node that is none. */
START_TEST(a_buffer_of_gbm_needs_a_node)
{
    struct exporter found;
    struct target target;
    struct error error;
    ck_assert(exporter_find("gbm:/dev/null", &found, &error));
    ck_assert(!target_open(&target, &found, MIB, MEMATTR_NPT, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_HOST);
}
END_TEST

/* --- dmabuf-lab --- */

static const struct {
    const char *words;
    struct dmabuf_lab_create create;
} good_words[] = {
    {"pages,pfnmap,wb", {0}},
    {"blocks,fault,wc",
     {.backing = DMABUF_LAB_BLOCKS, .vma = DMABUF_LAB_FAULT, .attribute = DMABUF_LAB_WC}},
    {"bar,mixed,wc-wished,any-uncached",
     {.backing = DMABUF_LAB_BAR,
      .vma = DMABUF_LAB_MIXED,
      .attribute = DMABUF_LAB_WC_WISHED,
      .flags = DMABUF_LAB_ANY_UNCACHED}},
    {"pages,struct-pages,uc,needs-sync,may-change,naive",
     {.vma = DMABUF_LAB_STRUCT_PAGES,
      .attribute = DMABUF_LAB_UC,
      .flags = DMABUF_LAB_NEEDS_SYNC | DMABUF_LAB_MAY_CHANGE | DMABUF_LAB_NAIVE}},
    {"pages,ttm,device", {.vma = DMABUF_LAB_TTM, .attribute = DMABUF_LAB_DEVICE}},
};

START_TEST(words_of_the_lab)
{
    struct dmabuf_lab_create create;
    struct error error;
    char words[80];
    ck_assert_msg(lab_parse(good_words[_i].words, &create, &error), "%s", error.text);
    ck_assert_mem_eq(&create, &good_words[_i].create, sizeof create);
    lab_words(&create, words, sizeof words);
    ck_assert_str_eq(words, good_words[_i].words);
}
END_TEST

static const struct {
    const char *words;
    const char *text;
} bad_words[] = {
    {"", "the backing \"\": expected one of pages, blocks, bar"},
    {"pages", "the kind of mapping \"\": expected one of pfnmap, fault,"},
    {"pages,pfnmap", "the attribute \"\": expected one of wb, wc, wc-wished, uc, device"},
    {"pages,pfnmap,", "the attribute \"\""},
    {"page,pfnmap,wb", "the backing \"page\""},
    {"pages,,wb", "the kind of mapping \"\""},
    {"pages,pfnmap,WB", "the attribute \"WB\""},
    {"pages,pfnmap,wb,sync", "the flag \"sync\""},
    {"pages,pfnmap,wb,,naive", "the flag \"\""},
    {"pages,pfnmap,wc-wished-by-somebody", "the attribute \"\""}, /* no room for it */
    {"blocks,struct-pages,wb", "only a buffer of `pages`"},
    {"bar,struct-pages,wb", "only a buffer of `pages`"},
};

START_TEST(words_that_are_none)
{
    struct dmabuf_lab_create create;
    struct error error;
    ck_assert(!lab_parse(bad_words[_i].words, &create, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    ck_assert_msg(strstr(error.text, bad_words[_i].text) != NULL, "%s", error.text);
}
END_TEST

#define RAM  MEMATTR_PAGE_RAM
#define MMIO MEMATTR_PAGE_MMIO
static const struct {
    const char *words;
    enum memattr_page page;
    enum memattr_vma vma;
    bool uncacheable;
    enum memattr_type x86, arm64;
    enum memattr_map_info says;
} facts[] = {
    {"pages,pfnmap,wb", RAM, MEMATTR_VMA_PFNMAP, false, MEMATTR_WB, MEMATTR_WB, 0},
    {"pages,fault,wc", RAM, MEMATTR_VMA_PFNMAP, true, MEMATTR_WC, MEMATTR_NC, 0},
    {"blocks,pfnmap,wc-wished", RAM, MEMATTR_VMA_PFNMAP, true, MEMATTR_WB, MEMATTR_NC, 0},
    {"pages,mixed,wc-wished", RAM, MEMATTR_VMA_MIXED, true, MEMATTR_WB, MEMATTR_NC, 0},
    {"pages,struct-pages,wc-wished", RAM, MEMATTR_VMA_PLAIN, true, MEMATTR_WC, MEMATTR_NC,
     0},
    {"pages,ttm,wc", RAM, MEMATTR_VMA_PFNMAP, false, MEMATTR_WC, MEMATTR_NC, 0},
    {"pages,fault,uc", RAM, MEMATTR_VMA_PFNMAP, true, MEMATTR_UC_MINUS,
     MEMATTR_DEVICE_nGnRnE, 0},
    {"pages,fault,device", RAM, MEMATTR_VMA_PFNMAP, true, MEMATTR_UC_MINUS,
     MEMATTR_DEVICE_nGnRE, 0},
    {"bar,pfnmap,wb", MMIO, MEMATTR_VMA_PFNMAP, false, MEMATTR_UC_MINUS, MEMATTR_WB, 0},
    {"bar,ttm,wc-wished", MMIO, MEMATTR_VMA_PFNMAP, false, MEMATTR_WC, MEMATTR_NC, 0},
    {"bar,fault,wc,any-uncached", MMIO, MEMATTR_VMA_VFIO, true, MEMATTR_WC, MEMATTR_NC,
     0},
    {"bar,mixed,wc,any-uncached", MMIO, MEMATTR_VMA_MIXED, true, MEMATTR_WC, MEMATTR_NC,
     0},
    {"pages,fault,wc-wished,naive", RAM, MEMATTR_VMA_PFNMAP, true, MEMATTR_WB, MEMATTR_NC,
     MEMATTR_MAP_WC},
    {"pages,fault,wb,naive", RAM, MEMATTR_VMA_PFNMAP, false, MEMATTR_WB, MEMATTR_WB,
     MEMATTR_MAP_CACHED},
    {"pages,fault,device,naive", RAM, MEMATTR_VMA_PFNMAP, true, MEMATTR_UC_MINUS,
     MEMATTR_DEVICE_nGnRE, MEMATTR_MAP_UNCACHED},
};

START_TEST(what_the_words_mean)
{
    static const enum memattr_model models[] = {MEMATTR_NPT, MEMATTR_EPT, MEMATTR_ARM64,
                                                MEMATTR_ARM64_FWB};
    struct dmabuf_lab_create create;
    struct error error;
    ck_assert(lab_parse(facts[_i].words, &create, &error));
    for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
        struct target target = {.says = MEMATTR_MAP_WC};
        lab_facts(&create, models[i], &target);
        ck_assert_int_eq(target.buffer.page, facts[_i].page);
        ck_assert_int_eq(target.buffer.vma, facts[_i].vma);
        ck_assert_int_eq(target.buffer.vma_is_uncacheable, facts[_i].uncacheable);
        ck_assert_int_eq(target.buffer.host, i < 2 ? facts[_i].x86 : facts[_i].arm64);
        ck_assert_int_eq(target.says, facts[_i].says);
        ck_assert_int_eq(target.is_unreferenced, create.backing == DMABUF_LAB_BLOCKS);
        ck_assert(!target.buffer.needs_sync && !target.buffer.may_change);
    }
}
END_TEST

START_TEST(flags_are_facts)
{
    const struct dmabuf_lab_create sync = {.flags = DMABUF_LAB_NEEDS_SYNC};
    const struct dmabuf_lab_create change = {.flags = DMABUF_LAB_MAY_CHANGE};
    struct target target = {0};
    lab_facts(&sync, MEMATTR_NPT, &target);
    ck_assert(target.buffer.needs_sync && !target.buffer.may_change);
    lab_facts(&change, MEMATTR_NPT, &target);
    ck_assert(!target.buffer.needs_sync && target.buffer.may_change);
}
END_TEST

/* An exporter that says itself what it made: a memfd, as something else. */
static bool open_special(struct target *target, const char *argument, struct error *error)
{
    (void)argument;
    target->buffer = (struct memattr_buffer){
        .page = MEMATTR_PAGE_MMIO, .host = MEMATTR_WC, .vma = MEMATTR_VMA_MIXED};
    return open_memory(target, NULL, error);
}

START_TEST(the_kernel_is_believed_about_the_mapping)
{
    const struct exporter special = {
        .name = "special", .open = open_special, .protection = TARGET_SAID, .source = ""};
    struct target target;
    struct error error;
    ck_assert(target_open(&target, &special, MIB, MEMATTR_NPT, &error));
    ck_assert_int_eq(target.buffer.page, MEMATTR_PAGE_MMIO);
    ck_assert_int_eq(target.buffer.host, MEMATTR_WC);
    ck_assert_int_eq(target.buffer.vma, MEMATTR_VMA_PLAIN); /* it has no VM_MIXEDMAP */
    ck_assert_uint_eq(target.backing.size, MIB);
    target_close(&target);
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
    tcase_add_test(target, an_exporter_has_a_name);
    tcase_add_loop_test(target, a_buffer_of_gbm_has_words, 0, ARRAY_SIZE(gbm_names));
    tcase_add_test(target, a_buffer_of_gbm_needs_a_node);
    tcase_add_test(target, the_kernel_is_believed_about_the_mapping);
    suite_add_tcase(suite, target);
    TCase *lab = tcase_create("dmabuf-lab");
    tcase_add_loop_test(lab, words_of_the_lab, 0, ARRAY_SIZE(good_words));
    tcase_add_loop_test(lab, words_that_are_none, 0, ARRAY_SIZE(bad_words));
    tcase_add_loop_test(lab, what_the_words_mean, 0, ARRAY_SIZE(facts));
    tcase_add_test(lab, flags_are_facts);
    suite_add_tcase(suite, lab);
    return suite;
}
