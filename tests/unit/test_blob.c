/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "devices/gpu/guest_blob.h"
#include "tests/unit/fake_gpu.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/json_reader.h"
#include "tests/unit/suites.h"

#define ID   2u
#define SIZE (4 * PAGE_SIZE_4K)

static struct fake_gpu fake;

static void set_up_slot(void)
{
    fake_gpu_init_strategy(&fake, HOSTMEM_SLOT);
}

static void set_up_window(void)
{
    fake_gpu_init_strategy(&fake, HOSTMEM_WINDOW);
}

static void tear_down(void)
{
    fake_gpu_finish(&fake);
}

static void map_works(uint64_t offset, enum memattr_map_info want)
{
    struct error error;
    enum memattr_map_info map_info = MEMATTR_MAP_NONE;
    ck_assert_msg(blob_map(&fake.gpu, ID, offset, &map_info, &error), "%s", error.text);
    ck_assert_int_eq(map_info, want);
    ck_assert_uint_eq(fake.slot_count, 1);
    const struct resource *resource = resource_find(&fake.gpu.resources, ID, &error);
    ck_assert_uint_eq(resource->mapping.address.value, FAKE_WINDOW_BASE + offset);
}

/* It fails, and nothing of the attempt is left. */
static void map_fails(uint64_t offset, enum error_code code, const char *text)
{
    struct error error;
    enum memattr_map_info map_info = MEMATTR_MAP_NONE;
    unsigned fds = fake_kernel_open_fds();
    error_set(&error, ERROR_NONE, "not set");
    ck_assert(!blob_map(&fake.gpu, ID, offset, &map_info, &error));
    ck_assert_int_eq(error.code, code);
    ck_assert_msg(strstr(error.text, text) != NULL, "%s", error.text);
    ck_assert_int_eq(map_info, MEMATTR_MAP_NONE);
    ck_assert_uint_eq(fake_kernel_open_fds(), fds);
    fake_gpu_check_nothing_mapped(&fake);
}

static void unmap_works(void)
{
    struct error error;
    ck_assert_msg(blob_unmap(&fake.gpu, ID, &error), "%s", error.text);
    fake_gpu_check_nothing_mapped(&fake);
}

/* --- the states --- */

START_TEST(a_blob_goes_around_its_states)
{
    struct error error;
    fake_gpu_create_blob(&fake, ID, SIZE);
    ck_assert_uint_eq(fake.renderer.blob_count, 1);
    for (unsigned i = 0; i < 3; i++) {
        map_works(i * SIZE, MEMATTR_MAP_CACHED);
        unmap_works();
    }
    ck_assert(blob_destroy(&fake.gpu, ID, &error));
    ck_assert_uint_eq(fake.renderer.blob_count, 0);
    ck_assert(!blob_destroy(&fake.gpu, ID, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_RESOURCE);
    fake_gpu_create_blob(&fake, ID, SIZE); /* the id is free again */
}
END_TEST

START_TEST(what_is_mapped_is_the_buffer)
{
    struct resource *resource = fake_gpu_map_blob(&fake, ID, SIZE, SIZE);
    ck_assert_ptr_eq(fake.slot_host, resource->backing.host);
    ck_assert_uint_eq(resource->backing.size, SIZE);
    ck_assert_uint_eq(resource->mapping.address.value, FAKE_WINDOW_BASE + SIZE);
    ck_assert_uint_eq(fake.memslots.slots[0].range.size, SIZE);
    ck_assert_str_eq(fake.memslots.slots[0].name, "blob 2");
}
END_TEST

START_TEST(mapped_twice)
{
    struct error error;
    enum memattr_map_info map_info;
    fake_gpu_map_blob(&fake, ID, SIZE, 0);
    ck_assert(!blob_map(&fake.gpu, ID, SIZE, &map_info, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_STATE);
    ck_assert_ptr_nonnull(strstr(error.text, "0x100000000"));
    ck_assert_uint_eq(fake.slot_count, 1);
    ck_assert_uint_eq(fake_renderer_blob(&fake.renderer, ID)->exports, 1);
    unmap_works();
}
END_TEST

START_TEST(unmapped_twice)
{
    struct error error;
    fake_gpu_map_blob(&fake, ID, SIZE, 0);
    unmap_works();
    ck_assert(!blob_unmap(&fake.gpu, ID, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_STATE);
    ck_assert(!blob_unmap(&fake.gpu, 99, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_RESOURCE);
}
END_TEST

START_TEST(unreferenced_while_mapped)
{
    struct error error;
    fake_gpu_map_blob(&fake, ID, SIZE, 0);
    ck_assert(blob_destroy(&fake.gpu, ID, &error));
    fake_gpu_check_nothing_mapped(&fake);
    ck_assert_uint_eq(fake.renderer.blob_count, 0);
    ck_assert_ptr_nonnull(strstr(fake_output_text(&fake.trace_output),
                                 "blob 2 is unreferenced while it is mapped"));
}
END_TEST

START_TEST(mapped_without_being_mappable)
{
    struct error error;
    fake_gpu_create_blob(&fake, ID, SIZE);
    resource_find(&fake.gpu.resources, ID, &error)->flags =
        VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE | VIRTIO_GPU_BLOB_FLAG_USE_CROSS_DEVICE;
    map_fails(0, ERROR_GUEST_STATE, "USE_MAPPABLE");
    ck_assert_uint_eq(fake_renderer_blob(&fake.renderer, ID)->exports, 0);
}
END_TEST

START_TEST(a_reset_takes_everything)
{
    struct error error;
    for (uint32_t id = 10; id < 20; id++) {
        fake.renderer.plan.fd = id % 2 ? FAKE_FD_SEALED : FAKE_FD_FAILS;
        fake.renderer.plan.pointer = FAKE_POINTER_GOOD;
        fake_gpu_force_map_info(&fake, MEMATTR_MAP_CACHED);
        fake_gpu_map_blob(&fake, id, SIZE, (id - 10) * SIZE);
    }
    fake_gpu_create_blob(&fake, 20, SIZE);
    ck_assert(gpu_context_create(&fake.gpu, 7, VIRTIO_GPU_CAPSET_VENUS, "", &error));
    ck_assert_uint_eq(fake.slot_count, 10);
    gpu_reset_state(&fake.gpu);
    fake_gpu_check_nothing_mapped(&fake);
    ck_assert_uint_eq(fake.renderer.blob_count, 0);
    ck_assert_uint_eq(fake.renderer.context_count, 0);
    gpu_reset_state(&fake.gpu); /* of nothing */
}
END_TEST

/* --- what the guest is told --- */

#define EPT_IPAT                                                                         \
    {                                                                                    \
        .model = MEMATTR_EPT, .ignores_guest_pat = true, .guest_mtrr_is_wb = true        \
    }
#define EPT                                                                              \
    {                                                                                    \
        .model = MEMATTR_EPT, .guest_mtrr_is_wb = true                                   \
    }
#define NPT                                                                              \
    {                                                                                    \
        .model = MEMATTR_NPT, .guest_mtrr_is_wb = true                                   \
    }
#define SHADOW                                                                           \
    {                                                                                    \
        .model = MEMATTR_SHADOW, .guest_mtrr_is_wb = true                                \
    }

#define NOBODY 0
#define CACHED MEMATTR_MAP_CACHED
#define UC     MEMATTR_MAP_UNCACHED
#define WC     MEMATTR_MAP_WC
#define NONE   MEMATTR_MAP_NONE

// clang-format off
static const struct {
    struct memattr_platform platform;
    enum fake_fd fd; /* SHM: everybody knows; DMABUF: nobody, but the renderer */
    uint32_t renderer;
    bool permissive;
    enum memattr_map_info force;
    enum memattr_map_info want; /* NONE: refused */
    const char *text;           /* of the refusal */
} decisions[] = {
    {NPT,      FAKE_FD_SEALED, NOBODY, false, NONE, CACHED, NULL},
    {EPT_IPAT, FAKE_FD_SEALED, NOBODY, false, NONE, CACHED, NULL},
    {SHADOW,   FAKE_FD_SEALED, NOBODY, false, NONE, CACHED, NULL},
    /* The kernel's answer is worth more than the renderer's guess. */
    {NPT,      FAKE_FD_SEALED, WC,     true,  NONE, CACHED, NULL},

    {NPT,      FAKE_FD_DMABUF, CACHED, false, NONE, NONE, "no trusted source"},
    {NPT,      FAKE_FD_DMABUF, WC,     false, NONE, NONE, "--cache-mode-policy=permissive"},
    {NPT,      FAKE_FD_DMABUF, NOBODY, false, NONE, NONE, "the renderer has no opinion"},
    {NPT,      FAKE_FD_DMABUF, NOBODY, true,  NONE, NONE, "no trusted source"},
    {NPT,      FAKE_FD_DMABUF, 4,      true,  NONE, NONE, "not defined"},
    {NPT,      FAKE_FD_DMABUF, CACHED, true,  NONE, CACHED, NULL},
    {NPT,      FAKE_FD_DMABUF, WC,     true,  NONE, WC, NULL},
    {NPT,      FAKE_FD_DMABUF, UC,     true,  NONE, UC, NULL},
    {EPT,      FAKE_FD_DMABUF, WC,     true,  NONE, WC, NULL},
    {EPT_IPAT, FAKE_FD_DMABUF, CACHED, true,  NONE, CACHED, NULL},
    {EPT_IPAT, FAKE_FD_DMABUF, WC,     true,  NONE, NONE, "IPAT"},
    {EPT_IPAT, FAKE_FD_DMABUF, UC,     true,  NONE, NONE, "IPAT"},
    {SHADOW,   FAKE_FD_DMABUF, WC,     true,  NONE, NONE, "shadow paging"},

    /* Forced: whatever anybody knows. */
    {NPT,      FAKE_FD_SEALED, NOBODY, false, CACHED, CACHED, NULL},
    {NPT,      FAKE_FD_SEALED, NOBODY, false, WC,     WC, NULL},
    {NPT,      FAKE_FD_SEALED, NOBODY, false, UC,     UC, NULL},
    {NPT,      FAKE_FD_DMABUF, NOBODY, false, WC,     WC, NULL},
    {EPT_IPAT, FAKE_FD_DMABUF, WC,     true,  CACHED, CACHED, NULL},
    {EPT_IPAT, FAKE_FD_DMABUF, WC,     true,  UC,     UC, NULL},
};
// clang-format on

START_TEST(map_info_is_decided_or_refused)
{
    fake.gpu.config.platform = decisions[_i].platform;
    fake.gpu.config.permissive = decisions[_i].permissive;
    if (decisions[_i].force != MEMATTR_MAP_NONE)
        fake_gpu_force_map_info(&fake, decisions[_i].force);
    fake.renderer.plan = (struct fake_blob_plan){
        .claimed =
            decisions[_i].fd == FAKE_FD_DMABUF ? RENDERER_FD_DMABUF : RENDERER_FD_SHM,
        .fd = decisions[_i].fd,
        .has_map_info = decisions[_i].renderer != NOBODY,
        .map_info = decisions[_i].renderer,
    };
    fake_gpu_create_blob(&fake, ID, SIZE);

    struct error error;
    struct json_reader record;
    if (decisions[_i].want == NONE) {
        map_fails(0, ERROR_REFUSED, decisions[_i].text);
        const char *json = fake_output_text(&fake.json);
        ck_assert(json_reader_object(&record, &json));
        ck_assert_str_eq(json, "");
        ck_assert_str_eq(json_reader_value(&record, "verdict"), "refused");
        ck_assert_ptr_nonnull(
            strstr(json_reader_value(&record, "reason"), decisions[_i].text));
        ck_assert_str_eq(json_reader_value(&record, "map_info"), "null");
        ck_assert_ptr_nonnull(strstr(fake_output_text(&fake.text), "  refused: "));
    } else {
        map_works(0, decisions[_i].want);
        const struct blob_decision *decision =
            &resource_find(&fake.gpu.resources, ID, &error)->decision;
        ck_assert_int_eq(decision->forced, decisions[_i].force != NONE);
        ck_assert_int_eq(decision->map_info, decisions[_i].want);
        ck_assert_str_eq(fake_output_text(&fake.json), "");
        unmap_works();
    }
}
END_TEST

START_TEST(a_disagreement_is_told)
{
    fake.renderer.plan.has_map_info = true;
    fake.renderer.plan.map_info = WC;
    fake_gpu_map_blob(&fake, ID, SIZE, 0);
    ck_assert_ptr_nonnull(strstr(fake_output_text(&fake.trace_output),
                                 "the sources disagree, exporter decides"));
}
END_TEST

/* --- failures at each step --- */

START_TEST(the_renderer_does_not_create_it)
{
    struct error error;
    const struct renderer_blob blob = {
        .resource_id = ID,
        .context_id = FAKE_CONTEXT,
        .memory = VIRTIO_GPU_BLOB_MEM_HOST3D,
        .flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
        .size = SIZE,
    };
    fake.renderer.blob_create_fails = ERROR_HOST_RENDERER;
    const struct blob_entries none = {0};
    ck_assert(!blob_create(&fake.gpu, &blob, &none, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_RENDERER);
    ck_assert_uint_eq(fake.gpu.resources.count, 0);
    fake.renderer.blob_create_fails = ERROR_NONE;
    ck_assert(blob_create(&fake.gpu, &blob, &none, &error));
}
END_TEST

START_TEST(the_largest_blob_fills_the_window)
{
    fake_gpu_create_blob(&fake, ID, FAKE_WINDOW);
    map_works(0, CACHED);
    unmap_works();
    map_fails(PAGE_SIZE_4K, ERROR_GUEST_PARAMETER, "beyond the window");
}
END_TEST

START_TEST(its_memory_is_not_what_it_was_said_to_be)
{
    fake.renderer.plan.fd = (enum fake_fd)_i;
    fake.renderer.plan.claimed = RENDERER_FD_DMABUF;
    fake_gpu_force_map_info(&fake, CACHED);
    fake_gpu_create_blob(&fake, ID, SIZE);
    if (_i == FAKE_FD_DMABUF) {
        map_works(0, CACHED);
        unmap_works();
    } else {
        map_fails(0, _i == FAKE_FD_FAILS ? ERROR_HOST_RENDERER : ERROR_HOST_BUFFER, "");
    }
    /* A refusal is about a buffer; there is none. */
    ck_assert_str_eq(fake_output_text(&fake.json), "");
}
END_TEST

START_TEST(kvm_does_not_make_the_slot)
{
    fake_gpu_create_blob(&fake, ID, SIZE);
    fake.slots_fail = true;
    map_fails(0, ERROR_HOST_KVM, "the slot fails");
    fake.slots_fail = false;
    map_fails(FAKE_WINDOW, ERROR_GUEST_PARAMETER, "beyond the window");
    map_fails(1, ERROR_GUEST_PARAMETER, "not a multiple");
    map_works(0, CACHED);
    unmap_works();
}
END_TEST

START_TEST(kvm_does_not_remove_the_slot)
{
    struct error error;
    fake_gpu_map_blob(&fake, ID, SIZE, 0);
    fake.removal_fails = true;
    ck_assert(!blob_unmap(&fake.gpu, ID, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_KVM);
    ck_assert(!blob_destroy(&fake.gpu, ID, &error));
    /* The guest still reaches the memory, so it must not go. */
    ck_assert_uint_eq(fake.slot_count, 1);
    ck_assert_uint_eq(fake_kernel_mappings("memfd:fake-blob"), 1);
    ck_assert_uint_eq(fake.renderer.blob_count, 1);
    fake.removal_fails = false;
    unmap_works();
}
END_TEST

START_TEST(kvm_does_not_remove_the_slot_in_a_reset)
{
    struct error error;
    if (_i == 1) {
        fake.renderer.plan.fd = FAKE_FD_FAILS;
        fake.renderer.plan.pointer = FAKE_POINTER_GOOD;
        fake.gpu.config.force_map_info = true;
        fake.gpu.config.forced_map_info = CACHED;
    }
    struct resource *resource = fake_gpu_map_blob(&fake, ID, SIZE, 0);
    const struct backing backing = resource->backing;
    uint32_t slot = resource->mapping.slot;
    fake.removal_fails = true;
    gpu_reset_state(&fake.gpu);
    /* The device forgets it; the memory stays where the guest can reach it. */
    ck_assert_uint_eq(fake.gpu.resources.count, 0);
    ck_assert_uint_eq(fake_kernel_mappings("memfd:fake-blob"), _i == 0);
    ck_assert_uint_eq(fake.renderer.mapping_count, _i == 1);
    ck_assert_ptr_nonnull(
        strstr(fake_output_text(&fake.trace_output), "blob 2 stays mapped"));
    /* And it counts. */
    ck_assert_uint_eq(fake.gpu.quota.use[QUOTA_WINDOW].now, SIZE);
    ck_assert_uint_ge(fake.gpu.quota.use[QUOTA_HOST_MEMORY].now, SIZE);

    fake.removal_fails = false;
    ck_assert(memslot_remove(&fake.memslots, slot, &error));
    struct backing left = backing;
    backing_close(&left, &fake.gpu.renderer, ID);
    fake.gpu.renderer.ops->resource_destroy(&fake.renderer, ID);
    memset(fake.gpu.quota.use, 0, sizeof fake.gpu.quota.use);
}
END_TEST

/* vma_info.h: a private mapping of a file can be written, too. */
START_TEST(a_pointer_is_to_ordinary_memory_or_refused)
{
    fake.renderer.plan.fd = FAKE_FD_FAILS;
    fake.renderer.plan.pointer = FAKE_POINTER_FILE;
    fake_gpu_create_blob(&fake, ID, SIZE);
    map_fails(0, ERROR_REFUSED,
              "no trusted source knows the host attribute of this POINTER");
    ck_assert_uint_eq(fake.renderer.mapping_count, 0);
    fake_renderer_blob(&fake.renderer, ID)->plan.pointer = FAKE_POINTER_GOOD;
    map_works(0, CACHED);
    unmap_works();
}
END_TEST

/* Only `count` more can be opened; 0 or 1. */
static void leave_descriptors(unsigned count, struct rlimit *before)
{
    int lowest = dup(STDERR_FILENO);
    close(lowest);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, before), 0);
    const struct rlimit few = {(rlim_t)lowest + count, before->rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
}

static const struct {
    struct fake_blob_plan plan;
    unsigned descriptors;
    const char *text;
} shortages[] = {
    {{.fd = FAKE_FD_FAILS, .pointer = FAKE_POINTER_GOOD},
     0,
     "POINTER buffer (exporter renderer) cannot be found out now: mapping: "
     "/proc/self/maps: "
     "it does not open: Too many open files"},
    {{.fd = FAKE_FD_FAILS, .pointer = FAKE_POINTER_GOOD},
     1,
     "mapping: /proc/self/maps: a memfd to compare with: Too many open files"},
    {{.claimed = RENDERER_FD_DMABUF, .fd = FAKE_FD_DMABUF},
     1,
     "the exporter's name, in /proc/self/fdinfo/"},
};

/* It is the host that lacks something: not the buffer that nobody knows. */
START_TEST(no_descriptor_is_left_to_look_at_it)
{
    struct rlimit before;
    struct error error;
    enum memattr_map_info map_info;
    fake.renderer.plan = shortages[_i].plan;
    fake_gpu_create_blob(&fake, ID, SIZE);
    leave_descriptors(shortages[_i].descriptors, &before);
    bool mapped = blob_map(&fake.gpu, ID, 0, &map_info, &error);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert(!mapped);
    ck_assert_int_eq(error.code, ERROR_HOST_SYSTEM);
    ck_assert_msg(strstr(error.text, shortages[_i].text) != NULL, "%s", error.text);
    ck_assert_ptr_nonnull(strstr(error.text, "Too many open files"));
    fake_gpu_check_nothing_mapped(&fake);
}
END_TEST

START_TEST(memory_that_the_renderer_maps_goes_after_the_slot)
{
    fake.renderer.plan.fd = FAKE_FD_FAILS;
    fake.renderer.plan.pointer = FAKE_POINTER_GOOD;
    struct resource *resource = fake_gpu_map_blob(&fake, ID, SIZE, 0);
    ck_assert_int_eq(resource->backing.kind, BACKING_POINTER);
    ck_assert_uint_eq(fake.renderer.mapping_count, 1);
    unmap_works();
}
END_TEST

static TCase *make_case(const char *name, SFun set_up)
{
    TCase *test_case = tcase_create(name);
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, a_blob_goes_around_its_states);
    tcase_add_test(test_case, mapped_twice);
    tcase_add_test(test_case, unmapped_twice);
    tcase_add_test(test_case, unreferenced_while_mapped);
    tcase_add_test(test_case, mapped_without_being_mappable);
    tcase_add_loop_test(test_case, map_info_is_decided_or_refused, 0,
                        (int)ARRAY_SIZE(decisions));
    tcase_add_test(test_case, a_disagreement_is_told);
    tcase_add_test(test_case, the_renderer_does_not_create_it);
    tcase_add_test(test_case, the_largest_blob_fills_the_window);
    tcase_add_loop_test(test_case, its_memory_is_not_what_it_was_said_to_be, 0,
                        FAKE_FD_COUNT);
    tcase_add_test(test_case, kvm_does_not_make_the_slot);
    return test_case;
}

Suite *blob_suite(void)
{
    Suite *suite = suite_create("blob");
    TCase *slots = make_case("slot", set_up_slot);
    tcase_add_test(slots, what_is_mapped_is_the_buffer);
    tcase_add_test(slots, a_reset_takes_everything);
    tcase_add_test(slots, kvm_does_not_remove_the_slot);
    tcase_add_loop_test(slots, kvm_does_not_remove_the_slot_in_a_reset, 0, 2);
    tcase_add_test(slots, a_pointer_is_to_ordinary_memory_or_refused);
    tcase_add_loop_test(slots, no_descriptor_is_left_to_look_at_it, 0,
                        (int)ARRAY_SIZE(shortages));
    tcase_add_test(slots, memory_that_the_renderer_maps_goes_after_the_slot);
    suite_add_tcase(suite, slots);
    suite_add_tcase(suite, make_case("window", set_up_window));
    return suite;
}
