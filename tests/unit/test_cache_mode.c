/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "devices/gpu/cache_mode.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/fake_renderer.h"
#include "tests/unit/suites.h"

#define ID 3u

/* What each source says. */
enum kernel_says { K_NONE, K_WC, K_CACHED, K_BAD_VALUE, K_BROKEN };
enum driver_says { D_NO_NODE, D_NOT_DRM, D_FOREIGN, D_CANNOT_IMPORT, D_VGEM, D_OTHER };
enum renderer_says { R_NONE = -1 }; /* or the number that it gives */

#define K CACHE_MODE_KERNEL
#define D CACHE_MODE_DRIVER
#define E CACHE_MODE_EXPORTER
#define M CACHE_MODE_MAPPING
#define R CACHE_MODE_RENDERER

#define NOBODY (-1)
#define ANY    MEMATTR_WB /* when nobody decides */

// clang-format off
static const struct {
    enum backing_kind kind;
    enum kernel_says kernel;
    enum driver_says driver;
    const char *exporter;
    int renderer;
    bool permissive;
    int decider;
    enum memattr_type host;
    bool disagreement;
} rows[] = {
    /* One source at a time. */
    {BACKING_DMABUF, K_WC,     D_NO_NODE, "drm",     R_NONE, false, K, MEMATTR_WC, false},
    {BACKING_DMABUF, K_CACHED, D_NO_NODE, "drm",     R_NONE, false, K, MEMATTR_WB, false},
    {BACKING_DMABUF, K_NONE,   D_VGEM,    "drm",     R_NONE, false, D, MEMATTR_WC, false},
    {BACKING_DMABUF, K_NONE,   D_NO_NODE, "udmabuf", R_NONE, false, E, MEMATTR_WB, false},
    {BACKING_DMABUF, K_NONE,   D_NO_NODE, "system",  R_NONE, false, E, MEMATTR_WB, false},
    {BACKING_SHM,    K_NONE,   D_NO_NODE, "shmem",   R_NONE, false, E, MEMATTR_WB, false},
    {BACKING_DMABUF, K_NONE,   D_NO_NODE, "drm",     1,      true,  R, MEMATTR_WB, false},
    {BACKING_DMABUF, K_NONE,   D_NO_NODE, "drm",     2,      true,  R, MEMATTR_UC_MINUS, false},
    {BACKING_DMABUF, K_NONE,   D_NO_NODE, "drm",     3,      true,  R, MEMATTR_WC, false},

    /* A source that is not sure is not believed, but for the permissive. A pointer is one into
     * the program file here. */
    {BACKING_DMABUF,  K_NONE, D_NO_NODE, "drm",      1,      false, NOBODY, ANY, false},
    {BACKING_POINTER, K_NONE, D_NO_NODE, "renderer", 1,      false, NOBODY, ANY, false},
    {BACKING_POINTER, K_NONE, D_NO_NODE, "renderer", 1,      true,  R, MEMATTR_WB, false},
    {BACKING_DMABUF,  K_NONE, D_NO_NODE, "drm",      R_NONE, true,  NOBODY, ANY, false},
    {BACKING_DMABUF,  K_NONE, D_NO_NODE, "drm",      0,      true,  NOBODY, ANY, false},
    {BACKING_DMABUF,  K_NONE, D_NO_NODE, "drm",      4,      true,  NOBODY, ANY, false},
    {BACKING_DMABUF,  K_NONE, D_NO_NODE, "drm",      0x7fffffff, true, NOBODY, ANY, false},

    /* The order, strict and permissive alike. */
    {BACKING_DMABUF, K_WC,     D_NO_NODE, "udmabuf", 1,      false, K, MEMATTR_WC, true},
    {BACKING_DMABUF, K_CACHED, D_VGEM,    "drm",     3,      true,  K, MEMATTR_WB, true},
    {BACKING_DMABUF, K_NONE,   D_VGEM,    "drm",     1,      false, D, MEMATTR_WC, true},
    {BACKING_DMABUF, K_NONE,   D_NO_NODE, "udmabuf", 3,      false, E, MEMATTR_WB, true},
    {BACKING_DMABUF, K_NONE,   D_NO_NODE, "udmabuf", 3,      true,  E, MEMATTR_WB, true},
    {BACKING_DMABUF, K_NONE,   D_NO_NODE, "udmabuf", 1,      false, E, MEMATTR_WB, false},
    {BACKING_DMABUF, K_WC,     D_VGEM,    "drm",     3,      false, K, MEMATTR_WC, false},
    {BACKING_DMABUF, K_WC,     D_VGEM,    "drm",     1,      false, K, MEMATTR_WC, true},

    /* Answers that are none. */
    {BACKING_DMABUF, K_BAD_VALUE, D_NO_NODE, "udmabuf", R_NONE, false, E, MEMATTR_WB, false},
    {BACKING_DMABUF, K_BROKEN,    D_NO_NODE, "drm",     R_NONE, false, NOBODY, ANY, false},
    {BACKING_DMABUF, K_NONE, D_NOT_DRM,       "drm", R_NONE, false, NOBODY, ANY, false},
    {BACKING_DMABUF, K_NONE, D_FOREIGN,       "drm", R_NONE, false, NOBODY, ANY, false},
    {BACKING_DMABUF, K_NONE, D_CANNOT_IMPORT, "drm", R_NONE, false, NOBODY, ANY, false},
    {BACKING_DMABUF, K_NONE, D_OTHER,         "drm", R_NONE, false, NOBODY, ANY, false},
    /* Kernel and driver are about dma-bufs only. */
    {BACKING_SHM,     K_WC, D_VGEM, "shmem",    R_NONE, false, E, MEMATTR_WB, false},
    {BACKING_POINTER, K_WC, D_VGEM, "renderer", R_NONE, true,  NOBODY, ANY, false},
    /* A name has to be the whole name. */
    {BACKING_DMABUF, K_NONE, D_NO_NODE, "system-uncached", R_NONE, false, NOBODY, ANY, false},
    {BACKING_DMABUF, K_NONE, D_NO_NODE, "",                R_NONE, false, NOBODY, ANY, false},
};
// clang-format on

static struct fake_renderer fake;
static struct renderer renderer;
static struct backing backing;
static const struct memattr_platform platform = {.model = MEMATTR_NPT};

static void set_up(void)
{
    struct error error;
    fake_renderer_init(&fake);
    renderer = fake_renderer_interface(&fake);
    fake.contexts = 2;
    const struct renderer_blob blob = {.resource_id = ID, .context_id = 1, .size = 4096};
    ck_assert(renderer.ops->blob_create(renderer.context, &blob, &error));
    backing = (struct backing){.fd = fake_kernel_dma_buf(4096), .size = 4096};
    void *host = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, backing.fd, 0);
    ck_assert_ptr_ne(host, MAP_FAILED);
    backing.host = host;
    *backing.host = 1;
}

static void set_kernel(enum kernel_says says)
{
    fake_kernel.info_error = says == K_NONE ? ENOTTY : says == K_BROKEN ? EIO : 0;
    fake_kernel.info_value = says == K_WC       ? DMA_BUF_VM_PROT_WC
                             : says == K_CACHED ? DMA_BUF_VM_PROT_CACHED
                                                : 77;
}

static const char *set_driver(enum driver_says says)
{
    fake_kernel.drm_driver = says == D_NO_NODE || says == D_NOT_DRM ? NULL
                             : says == D_OTHER                      ? "other"
                                                                    : "vgem";
    fake_kernel.drm_imports = says != D_CANNOT_IMPORT;
    fake_kernel.drm_owns = says == D_VGEM || says == D_OTHER;
    return says == D_NO_NODE ? NULL : "/dev/null";
}

static void set_renderer(int says)
{
    struct fake_blob *blob = fake_renderer_blob(&fake, ID);
    blob->plan.has_map_info = says != R_NONE;
    blob->plan.map_info = (uint32_t)says;
}

static uint8_t *program_file(void)
{
    return (uint8_t *)(uintptr_t)program_file;
}

static struct cache_mode_report ask(int row)
{
    struct cache_mode_report report;
    backing.kind = rows[row].kind;
    if (backing.kind == BACKING_POINTER)
        backing.host = program_file();
    snprintf(backing.exporter, sizeof backing.exporter, "%s", rows[row].exporter);
    set_kernel(rows[row].kernel);
    set_renderer(rows[row].renderer);
    const struct cache_mode_question question = {
        .platform = &platform,
        .backing = &backing,
        .renderer = &renderer,
        .resource_id = ID,
        .drm_node = set_driver(rows[row].driver),
        .permissive = rows[row].permissive,
    };
    memset(&report, 0xaa, sizeof report);
    cache_mode_query(&question, &report);
    return report;
}

START_TEST(the_first_trusted_source_decides)
{
    unsigned fds = fake_kernel_open_fds();
    struct cache_mode_report report = ask(_i);
    ck_assert_int_eq(report.decided, rows[_i].decider != NOBODY);
    if (report.decided) {
        ck_assert_int_eq((int)report.decider, rows[_i].decider);
        ck_assert_int_eq(report.buffer.host, rows[_i].host);
        ck_assert(report.answers[report.decider].known);
        ck_assert_int_eq(report.answers[report.decider].trusted, rows[_i].decider != R);
    }
    ck_assert_int_eq(report.disagreement, rows[_i].disagreement);
    ck_assert_int_eq(report.buffer.page, MEMATTR_PAGE_RAM);
    ck_assert(!report.buffer.may_change);
    ck_assert(!report.buffer.needs_sync);
    for (unsigned i = 0; i < CACHE_MODE_SOURCE_COUNT; i++) {
        ck_assert_uint_gt(strlen(report.answers[i].detail), 0);
        ck_assert_uint_lt(strlen(report.answers[i].detail),
                          sizeof report.answers[i].detail);
    }
    /* The node and the imported buffer are given back. */
    ck_assert_uint_eq(fake_kernel_open_fds(), fds);
    ck_assert_uint_eq(fake_kernel.drm_handles, 0);
}
END_TEST

/* Which row shows it, which source, and a part of its detail. */
// clang-format off
static const struct {
    int row;
    enum cache_mode_source source;
    const char *text;
} details[] = {
    {0,  K, "DMA_BUF_IOCTL_INFO: the exporter's mmap_info"},
    {2,  K, "ENOTTY, not in this kernel"},
    {2,  D, "vgem: vgem_drv.c"},
    {3,  E, "udmabuf: drivers/dma-buf/udmabuf.c"},
    {5,  K, "SHM: not a dma-buf"},
    {7,  R, "get_map_info UNCACHED, a guess"},
    {8,  E, "the name \"drm\" does not settle it"},
    {12, R, "the renderer has no opinion"},
    {13, R, "a value that is not defined"},
    {15, R, "a value that is not defined"},
    {24, K, "value 77 is not defined"},
    {25, K, "DMA_BUF_IOCTL_INFO: Input/output error"},
    {25, D, "no DRM node in use"},
    {25, M, "DMABUF: only asked of a pointer"},
    {26, D, "not a DRM node"},
    {27, D, "not a buffer of vgem: MODE_MAP_DUMB"},
    {28, D, "not a buffer of vgem: it cannot be imported"},
    {29, D, "driver other has no query that we know"},
};
// clang-format on

START_TEST(each_answer_says_where_it_comes_from)
{
    struct cache_mode_report report = ask(details[_i].row);
    const struct cache_mode_answer *answer = &report.answers[details[_i].source];
    ck_assert_msg(strstr(answer->detail, details[_i].text) != NULL, "%s", answer->detail);
}
END_TEST

enum pointer { ORDINARY, UNREADABLE, TOO_LONG, PROGRAM_FILE };

static const struct {
    enum pointer pointer;
    int renderer;
    int decider;
    bool disagreement;
    const char *text; /* of the mapping's detail */
} pointers[] = {
    {ORDINARY, R_NONE, M, false, "/proc/self/maps: /memfd:dma-buf (deleted)"},
    {ORDINARY, 1, M, false, "/memfd:"},
    {ORDINARY, 3, M, true, "/memfd:"},
    {UNREADABLE, 1, NOBODY, false, "a page of it cannot be read"},
    {TOO_LONG, 1, NOBODY, false, "no range of addresses"},
    {PROGRAM_FILE, 1, NOBODY, false, "/proc/self/maps: not ordinary memory: /"},
};

START_TEST(a_pointer_is_what_is_mapped_there)
{
    struct cache_mode_report report;
    void *memory = backing.host;
    backing.kind = BACKING_POINTER;
    snprintf(backing.exporter, sizeof backing.exporter, "renderer");
    if (pointers[_i].pointer == UNREADABLE)
        ck_assert_int_eq(mprotect(memory, 4096, PROT_NONE), 0);
    if (pointers[_i].pointer == TOO_LONG)
        backing.size = UINT64_MAX;
    if (pointers[_i].pointer == PROGRAM_FILE)
        backing.host = program_file();
    set_renderer(pointers[_i].renderer);
    const struct cache_mode_question question = {.platform = &platform,
                                                 .backing = &backing,
                                                 .renderer = &renderer,
                                                 .resource_id = ID};
    cache_mode_query(&question, &report);
    ck_assert_msg(strstr(report.answers[M].detail, pointers[_i].text) != NULL, "%s",
                  report.answers[M].detail);
    ck_assert_int_eq(report.decided, pointers[_i].decider != NOBODY);
    ck_assert_int_eq(report.answers[M].known, pointers[_i].decider == M);
    ck_assert_int_eq(report.disagreement, pointers[_i].disagreement);
    if (!report.decided)
        return;
    ck_assert_int_eq((int)report.decider, pointers[_i].decider);
    ck_assert(report.answers[M].trusted);
    ck_assert_int_eq(report.buffer.host, MEMATTR_WB);
    ck_assert_int_eq(report.buffer.page, MEMATTR_PAGE_RAM);
    ck_assert_int_eq(report.buffer.vma, MEMATTR_VMA_PLAIN);
    ck_assert(!report.buffer.vma_is_uncacheable);
}
END_TEST

START_TEST(a_node_that_cannot_be_opened_is_an_answer)
{
    struct cache_mode_report report;
    const struct cache_mode_question question = {
        .platform = &platform,
        .backing = &backing,
        .renderer = &renderer,
        .resource_id = ID,
        .drm_node = "/nowhere/card9",
    };
    cache_mode_query(&question, &report);
    ck_assert(!report.decided);
    ck_assert_str_eq(report.answers[D].detail,
                     "/nowhere/card9 cannot be asked: No such file or directory");
}
END_TEST

/* --- the kernel's further parameters --- */

#define BIT(param)        (1u << ((param)-DMA_BUF_INFO_SOURCE))
#define ALL               0x7fu
#define ANSWER(param)     [(param)-DMA_BUF_INFO_SOURCE]
#define VMA_OF(type)      ((uint64_t)(type) << 8)
#define PAT_WB            6u
#define PAT_WC            1u
#define PAT_UC            0u
#define PAT_UC_MINUS      7u
#define PAT_RESERVED      2u
#define MAIR_DEVICE_nGnRE 0x04u
#define MAIR_NC           0x44u

// clang-format off
static const struct {
    enum memattr_model model;
    uint64_t vm_prot;
    uint32_t known;      /* the other parameters that are answered */
    uint64_t type;
    uint64_t page;
    uint64_t vma;
    uint64_t sync;
    uint64_t stability;
    struct memattr_buffer buffer;
    bool contradicted;
} kernels[] = {
    /* Only the seed's parameter. */
    {MEMATTR_NPT, 0, 0, 0, 0, 0, 0, 0,
     {.host = MEMATTR_WC, .vma_is_uncacheable = true}, false},
    {MEMATTR_NPT, 2, 0, 0, 0, 0, 0, 0,
     {.host = MEMATTR_UC_MINUS, .vma_is_uncacheable = true}, false},
    {MEMATTR_ARM64, 2, 0, 0, 0, 0, 0, 0,
     {.host = MEMATTR_DEVICE_nGnRnE, .vma_is_uncacheable = true}, false},
    /* The page table is more exact than the word. */
    {MEMATTR_ARM64, 2, BIT(DMA_BUF_INFO_HOST_TYPE), MAIR_DEVICE_nGnRE, 0, 0, 0, 0,
     {.host = MEMATTR_DEVICE_nGnRE, .vma_is_uncacheable = true}, false},
    {MEMATTR_NPT, 2, BIT(DMA_BUF_INFO_HOST_TYPE), PAT_UC, 0, 0, 0, 0,
     {.host = MEMATTR_UC, .vma_is_uncacheable = true}, false},
    {MEMATTR_ARM64, 0, BIT(DMA_BUF_INFO_HOST_TYPE), MAIR_NC, 0, 0, 0, 0,
     {.host = MEMATTR_NC, .vma_is_uncacheable = true}, false},
    /* A wish is not the truth. */
    {MEMATTR_NPT, 0, BIT(DMA_BUF_INFO_HOST_TYPE), PAT_WB, 0, 0, 0, 0,
     {.host = MEMATTR_WC, .vma_is_uncacheable = true}, true},
    {MEMATTR_NPT, 1, BIT(DMA_BUF_INFO_HOST_TYPE), PAT_UC_MINUS, 0, 0, 0, 0,
     {.host = MEMATTR_WB}, true},
    {MEMATTR_ARM64, 1, BIT(DMA_BUF_INFO_HOST_TYPE), MAIR_NC, 0, 0, 0, 0,
     {.host = MEMATTR_WB}, true},
    /* On a BAR of x86, WB is UC: no contradiction. */
    {MEMATTR_NPT, 2, BIT(DMA_BUF_INFO_HOST_TYPE) | BIT(DMA_BUF_INFO_PAGE_KIND), PAT_WB, 1, 0,
     0, 0, {.page = MEMATTR_PAGE_MMIO, .host = MEMATTR_UC_MINUS, .vma_is_uncacheable = true},
     false},
    /* Everything else. */
    {MEMATTR_ARM64, 0, ALL, MAIR_NC, 1,
     VMA_OF(MAIR_NC) | DMA_BUF_VMA_PFNMAP | DMA_BUF_VMA_ALLOW_ANY_UNCACHED, 1, 1,
     {.page = MEMATTR_PAGE_MMIO, .host = MEMATTR_NC, .vma = MEMATTR_VMA_VFIO,
      .vma_is_uncacheable = true, .may_change = true, .needs_sync = true}, false},
    /* TTM: the VMA is cacheable, the page table is not. */
    {MEMATTR_ARM64, 0, ALL, MAIR_NC, 0, VMA_OF(0xff) | DMA_BUF_VMA_PFNMAP, 0, 0,
     {.host = MEMATTR_NC, .vma = MEMATTR_VMA_PFNMAP}, false},
    /* Values that are not defined count as not known. */
    {MEMATTR_NPT, 1, ALL, PAT_RESERVED, 2, VMA_OF(PAT_WC) | 0x10000 | DMA_BUF_VMA_PFNMAP, 2, 2,
     {.host = MEMATTR_WB}, false},
    {MEMATTR_NPT, 1, ALL, 8, 7, VMA_OF(PAT_RESERVED) | DMA_BUF_VMA_PFNMAP, 7, 7,
     {.host = MEMATTR_WB}, false},
    {MEMATTR_NPT, 1, ALL, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
     {.host = MEMATTR_WB}, false},
};
// clang-format on

START_TEST(the_kernel_describes_the_buffer)
{
    struct cache_mode_report report;
    const struct memattr_platform host = {.model = kernels[_i].model};
    fake_kernel.info_error = 0;
    fake_kernel.info_value = kernels[_i].vm_prot;
    fake_kernel.info_known = kernels[_i].known;
    const uint64_t further[7] = {
        ANSWER(DMA_BUF_INFO_CPU_ACCESS) = kernels[_i].sync,
        ANSWER(DMA_BUF_INFO_STABILITY) = kernels[_i].stability,
        ANSWER(DMA_BUF_INFO_PAGE_KIND) = kernels[_i].page,
        ANSWER(DMA_BUF_INFO_HOST_TYPE) = kernels[_i].type,
        ANSWER(DMA_BUF_INFO_VMA) = kernels[_i].vma,
    };
    memcpy(fake_kernel.info_further, further, sizeof further);
    const struct cache_mode_question question = {.platform = &host, .backing = &backing};
    cache_mode_query(&question, &report);
    const struct memattr_buffer *want = &kernels[_i].buffer;
    ck_assert(report.decided);
    ck_assert_int_eq(report.decider, K);
    ck_assert_int_eq(report.buffer.host, want->host);
    ck_assert_int_eq(report.buffer.page, want->page);
    ck_assert_int_eq(report.buffer.vma, want->vma);
    ck_assert_int_eq(report.buffer.vma_is_uncacheable, want->vma_is_uncacheable);
    ck_assert_int_eq(report.buffer.may_change, want->may_change);
    ck_assert_int_eq(report.buffer.needs_sync, want->needs_sync);
    ck_assert_int_eq(report.contradicted, kernels[_i].contradicted);
}
END_TEST

START_TEST(another_decider_can_be_contradicted_too)
{
    /* The kernel cannot name the attribute, but sees that the exporter's name lies. */
    fake_kernel.info_error = ENOSYS;
    fake_kernel.info_known = BIT(DMA_BUF_INFO_HOST_TYPE);
    fake_kernel.info_further[DMA_BUF_INFO_HOST_TYPE - DMA_BUF_INFO_SOURCE] = PAT_WC;
    snprintf(backing.exporter, sizeof backing.exporter, "udmabuf");
    struct cache_mode_report report;
    const struct cache_mode_question question = {.platform = &platform,
                                                 .backing = &backing};
    cache_mode_query(&question, &report);
    ck_assert(report.decided);
    ck_assert_int_eq(report.decider, E);
    ck_assert(report.contradicted);
    ck_assert_int_eq(report.buffer.host, MEMATTR_WB);
}
END_TEST

/* EXPORT_SYNC_FILE got the proposal's number 2; the sizes keep them apart. */
START_TEST(the_ioctl_is_not_another_one)
{
    ck_assert_uint_eq(_IOC_NR(DMA_BUF_IOCTL_INFO),
                      _IOC_NR(DMA_BUF_IOCTL_EXPORT_SYNC_FILE));
    ck_assert_uint_ne(DMA_BUF_IOCTL_INFO, DMA_BUF_IOCTL_EXPORT_SYNC_FILE);
    ck_assert_uint_eq(DMA_BUF_IOCTL_INFO, 0xc0106202u);
}
END_TEST

START_TEST(names)
{
    static const char *const want[] = {"kernel",  "driver",   "exporter",
                                       "mapping", "renderer", "measurement"};
    for (unsigned i = 0; i < CACHE_MODE_SOURCE_COUNT; i++)
        ck_assert_str_eq(cache_mode_source_name((enum cache_mode_source)i), want[i]);
}
END_TEST

Suite *cache_mode_suite(void)
{
    Suite *suite = suite_create("cache_mode");
    TCase *test_case = tcase_create("cache_mode");
    tcase_add_checked_fixture(test_case, set_up, NULL);
    tcase_add_loop_test(test_case, the_first_trusted_source_decides, 0,
                        (int)ARRAY_SIZE(rows));
    tcase_add_loop_test(test_case, each_answer_says_where_it_comes_from, 0,
                        (int)ARRAY_SIZE(details));
    tcase_add_loop_test(test_case, a_pointer_is_what_is_mapped_there, 0,
                        (int)ARRAY_SIZE(pointers));
    tcase_add_test(test_case, a_node_that_cannot_be_opened_is_an_answer);
    tcase_add_loop_test(test_case, the_kernel_describes_the_buffer, 0,
                        (int)ARRAY_SIZE(kernels));
    tcase_add_test(test_case, another_decider_can_be_contradicted_too);
    tcase_add_test(test_case, the_ioctl_is_not_another_one);
    tcase_add_test(test_case, names);
    suite_add_tcase(suite, test_case);
    return suite;
}
