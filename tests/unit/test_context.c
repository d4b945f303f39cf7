/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "tests/unit/fake_gpu.h"
#include "tests/unit/suites.h"

#define VIRGL VIRTIO_GPU_CAPSET_VIRGL
#define VENUS VIRTIO_GPU_CAPSET_VENUS

static struct fake_gpu fake;

static void set_up(void)
{
    fake_gpu_init(&fake);
}

static void tear_down(void)
{
    fake_gpu_finish(&fake);
}

static void create(uint32_t id)
{
    struct error error;
    ck_assert_msg(gpu_context_create(&fake.gpu, id, VENUS, "", &error), "%s", error.text);
}

static void create_fails(uint32_t id, uint32_t capset, enum error_code code,
                         const char *text)
{
    struct error error;
    unsigned count = fake.gpu.context_count;
    ck_assert(!gpu_context_create(&fake.gpu, id, capset, "", &error));
    ck_assert_int_eq(error.code, code);
    ck_assert_msg(strstr(error.text, text) != NULL, "%s", error.text);
    ck_assert_uint_eq(fake.gpu.context_count, count);
    ck_assert_uint_eq(fake.renderer.context_count, count);
}

START_TEST(a_context_exists_from_create_to_destroy)
{
    struct error error;
    ck_assert(!gpu_context_check(&fake.gpu, 9, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_CONTEXT);
    ck_assert(gpu_context_create(&fake.gpu, 9, VENUS, "vkcube", &error));
    ck_assert_str_eq(fake.renderer.context_name, "vkcube");
    ck_assert_uint_eq(fake.renderer.context_capset, VENUS);
    ck_assert(gpu_context_check(&fake.gpu, 9, &error));
    ck_assert(gpu_context_destroy(&fake.gpu, 9, &error));
    ck_assert(!gpu_context_check(&fake.gpu, 9, &error));
    ck_assert(!gpu_context_destroy(&fake.gpu, 9, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_CONTEXT);
    create(9);
}
END_TEST

START_TEST(what_cannot_be_created_is_refused)
{
    create_fails(0, VENUS, ERROR_GUEST_CONTEXT, "id 0");
    create_fails(FAKE_CONTEXT, VENUS, ERROR_GUEST_CONTEXT, "exists already");
    create_fails(9, 2, ERROR_GUEST_PARAMETER, "capset 2 is not offered");
    fake.renderer.context_create_fails = ERROR_HOST_RENDERER;
    create_fails(9, VENUS, ERROR_HOST_RENDERER, "context_create fails");
    fake.renderer.context_create_fails = ERROR_NONE;
    create(9);
}
END_TEST

/* virtio 1.2, 5.7.6.9: the device determines the type. */
START_TEST(capset_0_is_what_there_is)
{
    struct error error;
    ck_assert(gpu_context_create(&fake.gpu, 9, 0, "", &error));
    ck_assert_uint_eq(fake.renderer.context_capset, VIRTIO_GPU_CAPSET_VIRGL);
    fake.renderer.capsets[fake.renderer.capset_count++].id = VIRTIO_GPU_CAPSET_VIRGL2;
    ck_assert(gpu_context_create(&fake.gpu, 10, 0, "", &error));
    ck_assert_uint_eq(fake.renderer.context_capset, VIRTIO_GPU_CAPSET_VIRGL2);
    fake.renderer.capset_count = 1;
    fake.renderer.capsets[0].id = VENUS;
    ck_assert(gpu_context_create(&fake.gpu, 11, 0, "", &error));
    ck_assert_uint_eq(fake.renderer.context_capset, VENUS);
    fake.renderer.capset_count = 0;
    ck_assert(gpu_context_create(&fake.gpu, 12, 0, "", &error));
    ck_assert_uint_eq(fake.renderer.context_capset, 0);
}
END_TEST

START_TEST(any_of_them_can_be_destroyed_first)
{
    struct error error;
    static const uint32_t order[] = {3, FAKE_CONTEXT, 5, 4, 2};
    for (uint32_t id = 2; id <= 5; id++)
        create(id);
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        ck_assert(gpu_context_destroy(&fake.gpu, order[i], &error));
        for (size_t j = 0; j < ARRAY_SIZE(order); j++)
            ck_assert_int_eq(gpu_context_check(&fake.gpu, order[j], &error), j > i);
    }
}
END_TEST

START_TEST(one_guest_gets_so_many)
{
    struct error error;
    struct quota *quota = &fake.gpu.quota;
    quota->limits.of[_i == 0 ? QUOTA_CONTEXTS : QUOTA_DESCRIPTORS] = _i == 0 ? 3 : 13;
    create(2);
    create(3);
    ck_assert(!gpu_context_create(&fake.gpu, 9, VENUS, "", &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_LIMIT);
    ck_assert_uint_eq(quota->use[QUOTA_CONTEXTS].now, 3);
    ck_assert(gpu_context_destroy(&fake.gpu, 2, &error));
    create(9);
}
END_TEST

/* The list is filled by hand: the fake renderer has ids below 64 only. */
START_TEST(no_quota_makes_the_list_longer)
{
    struct error error;
    for (uint32_t i = 1; i < GPU_CONTEXTS_MAX; i++)
        fake.gpu.contexts[i] = 100 + i;
    fake.gpu.context_count = GPU_CONTEXTS_MAX;
    ck_assert(!gpu_context_create(&fake.gpu, 9, VENUS, "", &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_LIMIT);
    fake.gpu.context_count = 1;
}
END_TEST

START_TEST(what_the_renderer_refuses_takes_nothing)
{
    struct error error;
    fake.renderer.context_create_fails = ERROR_HOST_RENDERER;
    ck_assert(!gpu_context_create(&fake.gpu, 9, VENUS, "", &error));
    ck_assert_uint_eq(fake.gpu.quota.use[QUOTA_CONTEXTS].now, 1);
}
END_TEST

START_TEST(its_fences_end_with_a_context)
{
    struct error error;
    uint32_t fence;
    uint16_t head;
    uint32_t written;
    create(9);
    fence_queue_add(&fake.gpu.fences, (struct renderer_timeline){9, 2}, 6, 24, &fence,
                    &error);
    fence_queue_add(&fake.gpu.fences, (struct renderer_timeline){FAKE_CONTEXT, 2}, 7, 24,
                    &fence, &error);
    ck_assert(gpu_context_destroy(&fake.gpu, 9, &error));
    ck_assert(fence_queue_take(&fake.gpu.fences, &head, &written));
    ck_assert_uint_eq(head, 6);
    ck_assert(!fence_queue_take(&fake.gpu.fences, &head, &written));
}
END_TEST

START_TEST(a_blob_outlives_its_context)
{
    struct error error;
    fake_gpu_map_blob(&fake, 3, 4 * PAGE_SIZE_4K, 0);
    ck_assert(gpu_context_destroy(&fake.gpu, FAKE_CONTEXT, &error));
    ck_assert_uint_eq(fake.slot_count, 1);
    ck_assert(blob_unmap(&fake.gpu, 3, &error));
    ck_assert(blob_destroy(&fake.gpu, 3, &error));
}
END_TEST

Suite *context_suite(void)
{
    Suite *suite = suite_create("context");
    TCase *test_case = tcase_create("context");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, a_context_exists_from_create_to_destroy);
    tcase_add_test(test_case, what_cannot_be_created_is_refused);
    tcase_add_test(test_case, capset_0_is_what_there_is);
    tcase_add_test(test_case, any_of_them_can_be_destroyed_first);
    tcase_add_loop_test(test_case, one_guest_gets_so_many, 0, 2);
    tcase_add_test(test_case, no_quota_makes_the_list_longer);
    tcase_add_test(test_case, what_the_renderer_refuses_takes_nothing);
    tcase_add_test(test_case, its_fences_end_with_a_context);
    tcase_add_test(test_case, a_blob_outlives_its_context);
    suite_add_tcase(suite, test_case);
    return suite;
}
