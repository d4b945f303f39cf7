/* SPDX-License-Identifier: MIT */
/* What the kernel's numbers mean; test_cache_mode.c has what follows from them. */
#include <check.h>
#include <errno.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "devices/gpu/kernel_info.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/suites.h"
#include "vmm/types.h"

#define ALL         0x7fu
#define INDEX(name) (DMA_BUF_INFO_##name - DMA_BUF_INFO_SOURCE)

static struct kernel_info ask(enum memattr_model model)
{
    struct kernel_info info;
    kernel_info_ask(fake_kernel_dma_buf(4096), model, &info);
    return info;
}

static const struct {
    enum memattr_model model;
    uint64_t value;
    bool known;
    enum memattr_type type;
} types[] = {
    {MEMATTR_NPT, 0, true, MEMATTR_UC},
    {MEMATTR_NPT, 1, true, MEMATTR_WC},
    {MEMATTR_NPT, 2, false, MEMATTR_WB},
    {MEMATTR_NPT, 3, false, MEMATTR_WB},
    {MEMATTR_NPT, 4, true, MEMATTR_WT},
    {MEMATTR_EPT, 5, true, MEMATTR_WP},
    {MEMATTR_EPT, 6, true, MEMATTR_WB},
    {MEMATTR_SHADOW, 7, true, MEMATTR_UC_MINUS},
    {MEMATTR_NPT, 8, false, MEMATTR_WB},
    {MEMATTR_NPT, 0x106, false, MEMATTR_WB},
    {MEMATTR_ARM64, 0xff, true, MEMATTR_WB},
    {MEMATTR_ARM64, 0x44, true, MEMATTR_NC},
    {MEMATTR_ARM64_FWB, 0x00, true, MEMATTR_DEVICE_nGnRnE},
    {MEMATTR_ARM64_FWB, 0x04, true, MEMATTR_DEVICE_nGnRE},
    {MEMATTR_ARM64, 0xbb, true, MEMATTR_WT},
    {MEMATTR_ARM64, 0x1ff, false, MEMATTR_WB},
    {MEMATTR_ARM64, UINT64_MAX, false, MEMATTR_WB},
};

START_TEST(the_type_is_that_of_the_architecture)
{
    fake_kernel.info_error = 0;
    fake_kernel.info_known = 1u << INDEX(HOST_TYPE);
    fake_kernel.info_further[INDEX(HOST_TYPE)] = types[_i].value;
    struct kernel_info info = ask(types[_i].model);
    ck_assert_int_eq(info.knows_type, types[_i].known);
    if (types[_i].known)
        ck_assert_int_eq(info.type, types[_i].type);
    ck_assert(!info.knows_page);
    ck_assert(!info.knows_vma);
    ck_assert(!info.knows_sync);
    ck_assert(!info.knows_stability);
}
END_TEST

START_TEST(a_stock_kernel_is_asked_once)
{
    fake_kernel.info_error = ENOTTY;
    fake_kernel.info_known = ALL;
    struct kernel_info info = ask(MEMATTR_NPT);
    ck_assert_int_eq(info.error, ENOTTY);
    ck_assert(!info.knows_prot);
    ck_assert(!info.knows_type);
    ck_assert(!info.knows_page);
}
END_TEST

START_TEST(who_answered_and_the_entry)
{
    fake_kernel.info_error = 0;
    fake_kernel.info_value = DMA_BUF_VM_PROT_UNCACHED;
    fake_kernel.info_known = 1u << INDEX(SOURCE) | 1u << INDEX(HOST_PTE);
    fake_kernel.info_further[INDEX(SOURCE)] = DMA_BUF_SOURCE_EXPORTER;
    fake_kernel.info_further[INDEX(HOST_PTE)] = 0x8000000000000277;
    struct kernel_info info = ask(MEMATTR_NPT);
    ck_assert(info.knows_prot);
    ck_assert_int_eq(info.prot, MEMATTR_MAP_UNCACHED);
    ck_assert(info.from_exporter);
    ck_assert_uint_eq(info.pte, 0x8000000000000277);

    fake_kernel.info_further[INDEX(SOURCE)] = DMA_BUF_SOURCE_PAGE_TABLE;
    ck_assert(!ask(MEMATTR_NPT).from_exporter);
    fake_kernel.info_value = 3;
    info = ask(MEMATTR_NPT);
    ck_assert(!info.knows_prot);
    ck_assert_uint_eq(info.vm_prot, 3);
}
END_TEST

START_TEST(a_kernel_with_the_series_has_only_exporters)
{
    fake_kernel.info_error = 0;
    fake_kernel.info_value = DMA_BUF_VM_PROT_WC;
    fake_kernel.info_known = 1u << INDEX(CPU_ACCESS) | 1u << INDEX(STABILITY);
    struct kernel_info info = ask(MEMATTR_NPT);
    ck_assert_int_eq(info.prot, MEMATTR_MAP_WC);
    ck_assert(info.from_exporter);
    ck_assert(info.knows_sync && info.knows_stability);
    ck_assert(!info.knows_type && !info.knows_page && !info.knows_vma);
    fake_kernel.info_error = ENOSYS;
    ck_assert(!ask(MEMATTR_NPT).from_exporter);
}
END_TEST

#define SPECIAL_X86   ((uint64_t)1 << 9)
#define SPECIAL_ARM64 ((uint64_t)1 << 56)
static const struct {
    enum memattr_model model;
    uint64_t flags, pte;
    enum memattr_vma vma;
} vmas[] = {
    {MEMATTR_NPT, 0, SPECIAL_X86, MEMATTR_VMA_PLAIN},
    {MEMATTR_NPT, DMA_BUF_VMA_PFNMAP, SPECIAL_X86, MEMATTR_VMA_PFNMAP},
    {MEMATTR_NPT, DMA_BUF_VMA_PFNMAP | DMA_BUF_VMA_ALLOW_ANY_UNCACHED, 0,
     MEMATTR_VMA_VFIO},
    {MEMATTR_NPT, DMA_BUF_VMA_MIXEDMAP, SPECIAL_X86, MEMATTR_VMA_MIXED},
    {MEMATTR_NPT, DMA_BUF_VMA_MIXEDMAP, SPECIAL_ARM64, MEMATTR_VMA_PLAIN},
    {MEMATTR_NPT, DMA_BUF_VMA_MIXEDMAP, 0, MEMATTR_VMA_PLAIN}, /* vm_insert_page() */
    {MEMATTR_NPT, DMA_BUF_VMA_MIXEDMAP | DMA_BUF_VMA_IO, SPECIAL_X86, MEMATTR_VMA_PLAIN},
    {MEMATTR_ARM64, DMA_BUF_VMA_MIXEDMAP, SPECIAL_ARM64, MEMATTR_VMA_MIXED},
    {MEMATTR_ARM64_FWB, DMA_BUF_VMA_MIXEDMAP, SPECIAL_X86, MEMATTR_VMA_PLAIN},
    {MEMATTR_ARM64_FWB, DMA_BUF_VMA_MIXEDMAP | DMA_BUF_VMA_PFNMAP, SPECIAL_ARM64,
     MEMATTR_VMA_PFNMAP},
};

START_TEST(the_entry_tells_what_a_mixed_mapping_is)
{
    bool is_x86 = vmas[_i].model == MEMATTR_NPT;
    fake_kernel.info_error = 0;
    fake_kernel.info_known = 1u << INDEX(VMA) | 1u << INDEX(HOST_PTE);
    fake_kernel.info_further[INDEX(VMA)] =
        vmas[_i].flags | (is_x86 ? UINT64_C(0x600) : UINT64_C(0xff00));
    fake_kernel.info_further[INDEX(HOST_PTE)] = vmas[_i].pte;
    struct kernel_info info = ask(vmas[_i].model);
    ck_assert(info.knows_vma);
    ck_assert_int_eq(info.vma, vmas[_i].vma);
    ck_assert(!info.vma_is_uncacheable);
}
END_TEST

Suite *kernel_info_suite(void)
{
    Suite *suite = suite_create("kernel_info");
    TCase *test_case = tcase_create("kernel_info");
    tcase_add_loop_test(test_case, the_type_is_that_of_the_architecture, 0,
                        (int)ARRAY_SIZE(types));
    tcase_add_test(test_case, a_stock_kernel_is_asked_once);
    tcase_add_test(test_case, who_answered_and_the_entry);
    tcase_add_test(test_case, a_kernel_with_the_series_has_only_exporters);
    tcase_add_loop_test(test_case, the_entry_tells_what_a_mixed_mapping_is, 0,
                        (int)ARRAY_SIZE(vmas));
    suite_add_tcase(suite, test_case);
    return suite;
}
