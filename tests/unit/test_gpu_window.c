/* SPDX-License-Identifier: MIT */
/* The window of the GPU when the guest moves its BAR, or switches it off. */
#include <check.h>
#include <string.h>

#include "devices/gpu/window.h"
#include "tests/unit/fake_gpu.h"
#include "tests/unit/suites.h"

#define SIZE   ((uint64_t)4 * PAGE_SIZE_4K)
#define OFFSET (64 * KIB)
#define NEW    (FAKE_WINDOW_BASE + 64 * GIB)

static struct fake_gpu fake;
static struct error error;

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

static void move_to(uint64_t address)
{
    const struct gpa_range range = {gpa(address), FAKE_WINDOW};
    gpu_window_moved(&fake.gpu, VIRTIO_GPU_SHM_ID_HOST_VISIBLE, &range);
}

static void switch_off(void)
{
    gpu_window_moved(&fake.gpu, VIRTIO_GPU_SHM_ID_HOST_VISIBLE, NULL);
}

static void check_guest_finds(uint64_t address, uint8_t want)
{
    uint8_t byte = 0;
    ck_assert(fake_gpu_read(&fake, address, &byte));
    ck_assert_uint_eq(byte, want);
}

static void check_guest_finds_nothing(uint64_t address)
{
    uint8_t byte;
    ck_assert(!fake_gpu_read(&fake, address, &byte));
}

START_TEST(blobs_go_with_the_window)
{
    struct resource *resource = fake_gpu_map_blob(&fake, 2, SIZE, OFFSET);
    fake_gpu_map_blob(&fake, 3, SIZE, 2 * OFFSET);
    void *host = resource->backing.host;
    resource->backing.host[SIZE - 1] = 7;
    check_guest_finds(FAKE_WINDOW_BASE + OFFSET + SIZE - 1, 7);
    move_to(NEW);
    check_guest_finds(NEW + OFFSET + SIZE - 1, 7);
    check_guest_finds(NEW + 2 * OFFSET, 0);
    check_guest_finds_nothing(NEW + OFFSET + SIZE);
    check_guest_finds_nothing(FAKE_WINDOW_BASE + OFFSET);
    ck_assert_uint_eq(resource->mapping.address.value, NEW + OFFSET);
    ck_assert(!resource->mapping.hidden);
    ck_assert_ptr_eq(resource->backing.host, host);
    /* The next one is mapped there, too. */
    fake_gpu_map_blob(&fake, 4, SIZE, 0)->backing.host[0] = 9;
    check_guest_finds(NEW, 9);
    ck_assert_uint_eq(fake.gpu.config.window.start.value, NEW);
}
END_TEST

START_TEST(without_a_window_blobs_are_nowhere)
{
    struct resource *resource = fake_gpu_map_blob(&fake, 2, SIZE, OFFSET);
    switch_off();
    ck_assert_uint_eq(fake.slot_count, 0);
    ck_assert(resource->mapping.mapped);
    switch_off();
    resource->backing.host[0] = 7; /* the VMM still has it */
    move_to(FAKE_WINDOW_BASE);
    ck_assert_uint_eq(fake.slot_count, 1);
    check_guest_finds(FAKE_WINDOW_BASE + OFFSET, 7);
    ck_assert(!resource->mapping.hidden);
}
END_TEST

START_TEST(nothing_can_be_mapped_meanwhile)
{
    enum memattr_map_info map_info;
    fake_gpu_create_blob(&fake, 2, SIZE);
    switch_off();
    ck_assert(!blob_map(&fake.gpu, 2, 0, &map_info, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_STATE);
    ck_assert_ptr_nonnull(strstr(error.text, "there is no window"));
    move_to(NEW);
    ck_assert(blob_map(&fake.gpu, 2, 0, &map_info, &error));
}
END_TEST

START_TEST(a_hidden_blob_can_be_unmapped)
{
    fake_gpu_map_blob(&fake, 2, SIZE, OFFSET);
    switch_off();
    ck_assert(blob_unmap(&fake.gpu, 2, &error));
    move_to(FAKE_WINDOW_BASE);
    fake_gpu_check_nothing_mapped(&fake);
}
END_TEST

START_TEST(a_hidden_blob_can_be_destroyed)
{
    fake_gpu_map_blob(&fake, 2, SIZE, OFFSET);
    switch_off();
    ck_assert(blob_destroy(&fake.gpu, 2, &error));
    move_to(FAKE_WINDOW_BASE);
    fake_gpu_check_nothing_mapped(&fake);
}
END_TEST

START_TEST(a_blob_that_cannot_follow_is_lost)
{
    struct resource *resource = fake_gpu_map_blob(&fake, 2, SIZE, OFFSET);
    fake.slots_fail = true;
    move_to(NEW);
    fake.slots_fail = false;
    ck_assert(resource->lost);
    ck_assert(!resource->mapping.mapped);
    ck_assert_ptr_nonnull(
        strstr(fake_output_text(&fake.trace_output), "it cannot follow"));
    ck_assert_ptr_nonnull(
        strstr(fake_output_text(&fake.json), "\"verdict\":\"dropped\""));
    ck_assert(blob_unmap(&fake.gpu, 2, &error));
}
END_TEST

START_TEST(a_slot_that_kvm_keeps_stays_where_it_is)
{
    struct resource *resource = fake_gpu_map_blob(&fake, 2, SIZE, OFFSET);
    fake.removal_fails = true;
    move_to(NEW);
    fake.removal_fails = false;
    ck_assert_uint_eq(resource->mapping.address.value, FAKE_WINDOW_BASE + OFFSET);
    ck_assert_ptr_nonnull(strstr(fake_output_text(&fake.trace_output), "does not move"));
    move_to(NEW);
    ck_assert_uint_eq(resource->mapping.address.value, NEW + OFFSET);
}
END_TEST

static TCase *make_case(const char *name, SFun set_up)
{
    TCase *test_case = tcase_create(name);
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, blobs_go_with_the_window);
    tcase_add_test(test_case, without_a_window_blobs_are_nowhere);
    tcase_add_test(test_case, nothing_can_be_mapped_meanwhile);
    tcase_add_test(test_case, a_hidden_blob_can_be_unmapped);
    tcase_add_test(test_case, a_hidden_blob_can_be_destroyed);
    tcase_add_test(test_case, a_blob_that_cannot_follow_is_lost);
    tcase_add_test(test_case, a_slot_that_kvm_keeps_stays_where_it_is);
    return test_case;
}

Suite *gpu_window_suite(void)
{
    Suite *suite = suite_create("gpu_window");
    suite_add_tcase(suite, make_case("slot", set_up_slot));
    suite_add_tcase(suite, make_case("window", set_up_window));
    return suite;
}
