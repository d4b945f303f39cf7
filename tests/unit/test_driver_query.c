/* SPDX-License-Identifier: MIT */
/*
 * Exchanges with each DRM driver, as its source and its uapi header in Linux 7.3 say that
 * they go; none was recorded on the hardware. A request that is not the expected one, with
 * its bytes, ends the test. The request numbers are those of the kernel's own headers.
 */
#include <check.h>
#include <drm.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "devices/gpu/driver_query.h"
#include "tests/unit/suites.h"
#include "vmm/error.h"

#define HANDLE 7u
#define FD     33

#define MSM_INFO         0xc0186443u
#define PANFROST_INFO    0xc010644du
#define PANFROST_PARAM   0xc0106444u
#define PANTHOR_INFO     0xc0106450u
#define PANTHOR_DEV      0xc0106440u
#define MAP_DUMB         0xc01064b3u
#define VIRTIO_GPU_MAP   0xc0106441u
#define VIRTIO_GPU_INFO  0xc0106445u
#define AMDGPU_MMAP      0xc0086441u
#define AMDGPU_OP        0xc0106450u
#define I915_CACHING     0xc0086470u
#define I915_MMAP_OFFSET 0xc0206464u

/* One ioctl, in words of 32 bits. */
struct step {
    uint32_t request;
    int error;          /* or 0 */
    uint32_t in[8];     /* but for the words of a pointer */
    uint32_t out[8];    /* all 0: as in */
    unsigned pointer;   /* the word where a pointer is, 0 for none */
    uint32_t there[18]; /* what the driver writes where it points */
};

/* What the answer has to be. */
enum { FOREIGN, OWN_UNKNOWN, OWN_MOVES, WC, WC_TTM, WB, WB_SYNC, WB_MAYBE_SYNC };

struct exchange {
    const char *driver;
    const char *exporter;
    int import_error;
    bool is_pfnmap;
    bool can_read;
    struct step steps[3];
    int want;
    const char *detail;
};

// clang-format off
#define MSM(error_, flags)    {MSM_INFO, error_, {HANDLE, 5}, {HANDLE, 5, flags}, 0, {0}}
#define PF(error_, extra, flags) \
    {PANFROST_INFO, error_, {HANDLE}, {HANDLE, extra, flags}, 0, {0}}
#define PF_COHERENCY(error_, value) {PANFROST_PARAM, error_, {44}, {44, 0, value}, 0, {0}}
#define PT(error_, extra, flags) \
    {PANTHOR_INFO, error_, {HANDLE}, {HANDLE, extra, flags}, 0, {0}}
#define PT_COHERENCY(error_, value) \
    {PANTHOR_DEV, error_, {0, 72}, {0}, 2, {[17] = value}}
#define DUMB(error_)          {MAP_DUMB, error_, {HANDLE}, {HANDLE, 0, 0x1000}, 0, {0}}
#define VIRTIO_MAP(error_, offset) \
    {VIRTIO_GPU_MAP, error_, {0, 0, HANDLE}, {0, offset, HANDLE}, 0, {0}}
#define VIRTIO_INFO(error_, memory) \
    {VIRTIO_GPU_INFO, error_, {HANDLE}, {HANDLE, 3, 0x10000, memory}, 0, {0}}
#define AMD_MMAP(error_)      {AMDGPU_MMAP, error_, {HANDLE}, {0x5000}, 0, {0}}
#define AMD_OP(error_, domains, flags) \
    {AMDGPU_OP, error_, {HANDLE}, {0}, 2, {4096, 0, 4096, 0, domains, 0, flags}}
#define CACHING(error_, value) {I915_CACHING, error_, {HANDLE}, {HANDLE, value}, 0, {0}}
#define OFFSET(error_)         {I915_MMAP_OFFSET, error_, {HANDLE, 0, 0, 0, 2}, {0}, 0, {0}}

static const struct exchange exchanges[] = {
    {"msm", "drm", 0, true, false, {MSM(0, 0x20001)}, WC, "MSM_BO_WC"},
    {"msm", "drm", 0, true, false, {MSM(0, 0x40000)}, WC, "MSM_BO_WC"},
    {"msm", "drm", 0, true, false, {MSM(0, 0x80000)}, WB, "MSM_BO_CACHED_COHERENT"},
    {"msm", "drm", 0, true, false, {MSM(0, 0x10000)}, WB_SYNC, "does not snoop"},
    {"msm", "drm", 0, true, false, {MSM(0, 0x30000)}, OWN_UNKNOWN, "0x30000"},
    {"msm", "drm", 0, true, false, {MSM(0, 0)}, OWN_UNKNOWN, "name no caching"},
    {"msm", "drm", 0, true, false, {MSM(EINVAL, 0)}, FOREIGN, "Invalid argument"},

    {"panfrost", "drm", 0, true, false, {PF(0, 0, 4), PF_COHERENCY(0, 0)}, WB, "snoops"},
    {"panfrost", "panfrost", 0, true, false, {PF(0, 0, 5), PF_COHERENCY(0, 1)}, WB, "snoops"},
    {"panfrost", "drm", 0, true, false, {PF(0, 0, 4), PF_COHERENCY(0, 31)}, WB_SYNC,
     "does not snoop; never run on its hardware"},
    {"panfrost", "drm", 0, true, false, {PF(0, 0, 4), PF_COHERENCY(EINVAL, 0)}, WB_MAYBE_SYNC,
     "may not snoop"},
    {"panfrost", "drm", 0, true, false, {PF(0, 0, 1), PF_COHERENCY(0, 31)}, WC, "write-combine"},
    {"panfrost", "drm", 0, true, false, {PF(0, 1, 4)}, FOREIGN, "imported there"},
    {"panfrost", "drm", 0, true, false, {PF(EINVAL, 0, 0)}, FOREIGN, "does not have it"},

    {"panthor", "drm", 0, true, false, {PT(0, 0, 0), PT_COHERENCY(0, 31)}, WC, "write-combine"},
    {"panthor", "drm", 0, true, false, {PT(0, 0, 0), PT_COHERENCY(0, 0)}, WB, "snoops"},
    {"panthor", "panthor", 0, true, false, {PT(0, 0, 2), PT_COHERENCY(0, 1)}, WB, "snoops"},
    {"panthor", "drm", 0, true, false, {PT(0, 0, 2), PT_COHERENCY(0, 31)}, WB_SYNC,
     "does not snoop"},
    {"panthor", "drm", 0, true, false, {PT(0, 0, 2), PT_COHERENCY(EINVAL, 0)}, WB_MAYBE_SYNC,
     "may not snoop"},
    {"panthor", "drm", 0, true, false, {PT(0, 0, 0), PT_COHERENCY(EINVAL, 0)}, OWN_UNKNOWN,
     "depends on the coherency"},
    {"panthor", "drm", 0, true, false, {PT(0, 0, 1)}, OWN_UNKNOWN, "NO_MMAP"},
    {"panthor", "drm", 0, true, false, {PT(0, 1, 0)}, FOREIGN, "imported there"},
    {"panthor", "drm", 0, true, false, {PT(EINVAL, 0, 0)}, FOREIGN, "does not have it"},

    {"vgem", "drm", 0, true, false, {DUMB(0)}, WC, "map_wc"},
    {"vgem", "drm", 0, true, false, {DUMB(EINVAL)}, FOREIGN, "not a buffer of vgem"},
    {"vgem", "drm", 0, true, false, {DUMB(EACCES)}, FOREIGN, "ask a card node"},

    {"virtio_gpu", "virtio_gpu", 0, true, false, {VIRTIO_MAP(0, 1), VIRTIO_INFO(0, 0)}, WB, "no map_wc"},
    {"virtio_gpu", "virtio_gpu", 0, true, false, {VIRTIO_MAP(0, 1), VIRTIO_INFO(0, 1)}, WB, "no map_wc"},
    {"virtio_gpu", "virtio_gpu", 0, true, false, {VIRTIO_MAP(0, 1), VIRTIO_INFO(0, 3)}, WB, "no map_wc"},
    {"virtio_gpu", "virtio_gpu", 0, true, false, {VIRTIO_MAP(0, 1), VIRTIO_INFO(0, 2)}, OWN_UNKNOWN,
     "memory type 2"},
    {"virtio_gpu", "virtio_gpu", 0, true, false, {VIRTIO_MAP(0, 1), VIRTIO_INFO(0, 4)}, OWN_UNKNOWN,
     "memory type 4"},
    {"virtio_gpu", "virtio_gpu", 0, true, false, {VIRTIO_MAP(0, 1), VIRTIO_INFO(EPERM, 0)}, OWN_UNKNOWN,
     "RESOURCE_INFO: Operation not permitted"},
    {"virtio_gpu", "virtio_gpu", 0, true, false, {VIRTIO_MAP(EINVAL, 0)}, FOREIGN, "Invalid argument"},
    {"virtio_gpu", "drm", 0, true, false, {VIRTIO_MAP(0, 0)}, FOREIGN, "no offset"},
    {"virtio_gpu", "virtio_gpu", ENODEV, true, false, {{0}}, FOREIGN, "cannot be imported"},

    {"amdgpu", "drm", 0, true, true, {AMD_MMAP(0), AMD_OP(0, 2, 0)}, WB, "GTT, cached"},
    {"amdgpu", "drm", 0, true, true, {AMD_MMAP(0), AMD_OP(0, 2, 5)}, WC_TTM, "GTT, USWC"},
    {"amdgpu", "drm", 0, true, true, {AMD_MMAP(0), AMD_OP(0, 4, 1)}, OWN_MOVES, "domains 0x4"},
    {"amdgpu", "drm", 0, true, true, {AMD_MMAP(0), AMD_OP(0, 6, 0)}, OWN_MOVES, "domains 0x6"},
    {"amdgpu", "drm", 0, true, true, {AMD_MMAP(0), AMD_OP(EINVAL, 0, 0)}, OWN_UNKNOWN,
     "Invalid argument"},
    {"amdgpu", "drm", 0, true, false, {AMD_MMAP(0)}, FOREIGN, "no page behind"},
    {"amdgpu", "drm", 0, true, true, {AMD_MMAP(EPERM)}, FOREIGN, "cannot be mapped"},

    {"i915", "i915", 0, false, false, {CACHING(0, 1), OFFSET(0)}, WB, "snoops"},
    {"i915", "i915", 0, false, false, {CACHING(0, 2), OFFSET(0)}, WB, "snoops"},
    {"i915", "i915", 0, false, false, {CACHING(0, 0), OFFSET(0)}, WB_SYNC, "CACHING_NONE"},
    {"i915", "i915", 0, false, false, {CACHING(EOPNOTSUPP, 0), OFFSET(0)}, WB_MAYBE_SYNC,
     "may not snoop"},
    {"i915", "i915", 0, true, false, {CACHING(ENODEV, 0)}, FOREIGN, "discrete"},
    {"i915", "i915", 0, false, false, {CACHING(0, 1), OFFSET(ENODEV)}, FOREIGN, "No such device"},
    {"i915", "i915", 0, true, false, {CACHING(0, 1), OFFSET(0)}, FOREIGN, "not mapped by shmem"},

    /* Only those are asked who can have made it. */
    {"vgem", "udmabuf", 0, true, true, {{0}}, FOREIGN, "udmabuf exported it"},
    {"msm", "i915", 0, true, true, {{0}}, FOREIGN, "i915 exported it"},
    {"vgem", "drm", EINVAL, true, true, {{0}}, FOREIGN, "cannot be imported"},
    {"xe", "drm", 0, true, true, {{0}}, FOREIGN, "no query that we know"},
    {"", "drm", 0, true, true, {{0}}, FOREIGN, "not a DRM node"},
};
// clang-format on

struct driver {
    const struct exchange *exchange;
    unsigned next;    /* step */
    unsigned handles; /* imported and not closed */
};

static int fail_with(int number)
{
    errno = number;
    return -1;
}

static int answer_version(const struct driver *driver, struct drm_version *version)
{
    const char *name = driver->exchange->driver;
    if (!name[0])
        return fail_with(ENOTTY);
    size_t length = strlen(name);
    memcpy(version->name, name, length < version->name_len ? length : version->name_len);
    version->name_len = length;
    return 0;
}

static int replay(struct driver *driver, unsigned long request, uint32_t *words)
{
    ck_assert_uint_lt(driver->next, ARRAY_SIZE(driver->exchange->steps));
    const struct step *step = &driver->exchange->steps[driver->next++];
    ck_assert_uint_eq(request, step->request);
    const unsigned count = _IOC_SIZE(request) / 4;
    for (unsigned i = 0; i < count; i++) {
        if (!step->pointer || (i != step->pointer && i != step->pointer + 1))
            ck_assert_uint_eq(words[i], step->in[i]);
    }
    if (step->error)
        return fail_with(step->error);
    if (step->pointer) {
        uint64_t address;
        memcpy(&address, &words[step->pointer], sizeof address);
        size_t size = request == PANTHOR_DEV ? words[1] : 32;
        memcpy((void *)(uintptr_t)address, step->there, size);
    } else {
        memcpy(words, step->out, count * 4);
    }
    return 0;
}

static int fake_ioctl(void *context, int node, unsigned long request, void *argument)
{
    struct driver *driver = context;
    ck_assert_int_eq(node, 12);
    if (request == DRM_IOCTL_VERSION)
        return answer_version(driver, argument);
    if (request == DRM_IOCTL_PRIME_FD_TO_HANDLE) {
        struct drm_prime_handle *prime = argument;
        ck_assert_int_eq(prime->fd, FD);
        if (driver->exchange->import_error)
            return fail_with(driver->exchange->import_error);
        prime->handle = HANDLE;
        driver->handles++;
        return 0;
    }
    if (request == DRM_IOCTL_GEM_CLOSE) {
        const struct drm_gem_close *gem = argument;
        ck_assert_uint_eq(gem->handle, HANDLE);
        driver->handles--;
        return 0;
    }
    return replay(driver, request, argument);
}

static bool fake_can_read(void *context, int node, uint64_t offset)
{
    const struct driver *driver = context;
    ck_assert_int_eq(node, 12);
    ck_assert_uint_eq(offset, 0x5000);
    return driver->exchange->can_read;
}

START_TEST(each_driver_answers)
{
    const struct exchange *exchange = &exchanges[_i];
    struct driver driver = {.exchange = exchange};
    const struct driver_system system = {
        .context = &driver, .ioctl = fake_ioctl, .can_read = fake_can_read};
    const struct driver_buffer buffer = {
        .fd = FD, .exporter = exchange->exporter, .is_pfnmap = exchange->is_pfnmap};
    struct driver_answer answer;
    memset(&answer, 0xaa, sizeof answer);
    driver_query(&system, 12, &buffer, &answer);

    const int want = exchange->want;
    const bool known = want >= WC;
    const bool may_need_sync = want == WB_SYNC || want == WB_MAYBE_SYNC;
    ck_assert_str_eq(answer.driver, exchange->driver);
    ck_assert_int_eq(answer.is_own, want != FOREIGN);
    ck_assert_int_eq(answer.known, known);
    if (known) {
        bool is_wc = want == WC || want == WC_TTM;
        ck_assert_int_eq(answer.prot, is_wc ? MEMATTR_MAP_WC : MEMATTR_MAP_CACHED);
        ck_assert_int_eq(answer.vma_is_uncacheable, want == WC);
        ck_assert_int_eq(answer.page, MEMATTR_PAGE_RAM);
    }
    ck_assert_int_eq(answer.needs_sync, may_need_sync);
    ck_assert_int_eq(answer.knows_sync, known && want != WB_MAYBE_SYNC);
    ck_assert_int_eq(answer.may_change, want == OWN_MOVES);
    ck_assert_int_eq(answer.placement_is_unknown, want == OWN_MOVES);
    ck_assert_msg(strstr(answer.detail, exchange->detail) != NULL, "%s", answer.detail);
    ck_assert_uint_lt(strlen(answer.detail), sizeof answer.detail - 1);
    if (known && strcmp(exchange->driver, "vgem") != 0 &&
        strcmp(exchange->driver, "virtio_gpu") != 0)
        ck_assert_ptr_nonnull(strstr(answer.detail, DRIVER_NOT_RUN));

    /* All was asked that was to be asked, and the handle given back. */
    if (driver.next < ARRAY_SIZE(exchange->steps))
        ck_assert_uint_eq(exchange->steps[driver.next].request, 0);
    ck_assert_uint_eq(driver.handles, 0);
}
END_TEST

START_TEST(a_name_that_does_not_fit_is_cut)
{
    const struct exchange exchange = {
        .driver = "a-driver-with-a-name-of-more-than-31-bytes", .exporter = "drm"};
    struct driver driver = {.exchange = &exchange};
    const struct driver_system system = {.context = &driver, .ioctl = fake_ioctl};
    const struct driver_buffer buffer = {.fd = FD, .exporter = "drm"};
    struct driver_answer answer;
    driver_query(&system, 12, &buffer, &answer);
    ck_assert_str_eq(answer.driver, "a-driver-with-a-name-of-more-th");
    ck_assert(!answer.is_own);
}
END_TEST

START_TEST(a_file_that_is_no_node_is_an_answer)
{
    const struct driver_buffer buffer = {.fd = FD, .exporter = "drm"};
    struct driver_answer answer;
    driver_query_path("/dev/null", &buffer, &answer);
    ck_assert_str_eq(answer.detail, "not a DRM node");
    driver_query_path("/nowhere/card9", &buffer, &answer);
    ck_assert_str_eq(answer.detail,
                     "/nowhere/card9 cannot be asked: No such file or directory");
}
END_TEST

Suite *driver_query_suite(void)
{
    Suite *suite = suite_create("driver_query");
    TCase *test_case = tcase_create("driver_query");
    tcase_add_loop_test(test_case, each_driver_answers, 0, (int)ARRAY_SIZE(exchanges));
    tcase_add_test(test_case, a_name_that_does_not_fit_is_cut);
    tcase_add_test(test_case, a_file_that_is_no_node_is_an_answer);
    suite_add_tcase(suite, test_case);
    return suite;
}
