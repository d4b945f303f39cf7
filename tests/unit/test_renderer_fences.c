/* SPDX-License-Identifier: MIT */
/* The fences of contexts, against a library that does what a test says. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "devices/gpu/renderer_virgl_library.h"
#include "tests/unit/suites.h"

#define CONTEXT 5u
#define NUMBER  0xfffffff0u

/* What the library was asked for, and what it answers on ring 0 and on the others. */
static struct {
    unsigned calls;
    uint32_t rings[4];
    uint64_t fences[4];
    int on_ring_0;
    int on_others;
} library;

/* What the renderer said is done. */
static struct {
    unsigned count;
    struct renderer_timeline timeline;
    uint32_t number;
} done;

static struct renderer_virgl virgl;

static int create_fence(uint32_t context_id, uint32_t flags, uint32_t ring,
                        uint64_t fence)
{
    ck_assert_uint_eq(context_id, CONTEXT);
    ck_assert_uint_eq(flags, 0); /* each one is signalled */
    ck_assert_uint_lt(library.calls, 4);
    library.rings[library.calls] = ring;
    library.fences[library.calls++] = fence;
    return ring == 0 ? library.on_ring_0 : library.on_others;
}

static void fence_done(void *context, struct renderer_timeline timeline, uint32_t number)
{
    (void)context;
    done.count++;
    done.timeline = timeline;
    done.number = number;
}

static void set_up(void)
{
    memset(&library, 0, sizeof library);
    memset(&done, 0, sizeof done);
    virgl = (struct renderer_virgl){
        .config = {.virgl = true, .fence = fence_done},
        .calls = {.context_create_fence = create_fence},
        .library_name = "fake",
        .timer_fd = -1,
    };
}

static bool ask(uint32_t ring, struct error *error)
{
    return renderer_virgl_ops.fence(&virgl, (struct renderer_timeline){CONTEXT, ring},
                                    NUMBER, error);
}

/* The library calls back for the ring that it knows. */
static void is_done_for(uint32_t ring)
{
    unsigned last = library.calls - 1;
    ck_assert_uint_eq(atomic_load(&virgl.fences_open), 1);
    ck_assert_uint_eq(done.count, 0);
    renderer_virgl_context_fence_done(&virgl, CONTEXT, library.rings[last],
                                      library.fences[last]);
    ck_assert_uint_eq(done.count, 1);
    ck_assert_uint_eq(done.timeline.context_id, CONTEXT);
    ck_assert_uint_eq(done.timeline.ring, ring);
    ck_assert_uint_eq(done.number, NUMBER);
    ck_assert_uint_eq(atomic_load(&virgl.fences_open), 0);
}

START_TEST(a_ring_of_vulkan_is_its_own)
{
    struct error error;
    uint32_t ring = (uint32_t)_i;
    ck_assert(ask(ring, &error));
    ck_assert_uint_eq(library.calls, 1);
    ck_assert_uint_eq(library.rings[0], ring);
    is_done_for(ring);
}
END_TEST

START_TEST(a_context_of_opengl_has_one_ring)
{
    struct error error;
    library.on_others = -EINVAL;
    ck_assert(ask(63, &error));
    ck_assert_uint_eq(library.calls, 2);
    ck_assert_uint_eq(library.rings[1], 0);
    is_done_for(63);
}
END_TEST

static const struct {
    uint32_t ring;
    int on_ring_0;
    int on_others;
    unsigned calls;
    const char *text;
} failures[] = {
    {0, -EINVAL, 0, 1, "context_create_fence(4294967280) failed with -22"},
    {3, -EINVAL, -EINVAL, 2, "failed with -22"},
    {3, 0, -ENOMEM, 1, "failed with -12"},
    {3, 0, EINVAL, 1, "failed with 22"},
    {3, ENOMEM, -EINVAL, 2, "failed with 12"},
};

START_TEST(what_the_library_refuses_is_an_error)
{
    struct error error;
    library.on_ring_0 = failures[_i].on_ring_0;
    library.on_others = failures[_i].on_others;
    ck_assert(!ask(failures[_i].ring, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_RENDERER);
    ck_assert_ptr_nonnull(strstr(error.text, failures[_i].text));
    ck_assert_uint_eq(library.calls, failures[_i].calls);
    ck_assert_uint_eq(done.count, 0);
    ck_assert_uint_eq(atomic_load(&virgl.fences_open), 0);
}
END_TEST

Suite *renderer_fences_suite(void)
{
    Suite *suite = suite_create("renderer_fences");
    TCase *test_case = tcase_create("renderer_fences");
    tcase_add_checked_fixture(test_case, set_up, NULL);
    tcase_add_loop_test(test_case, a_ring_of_vulkan_is_its_own, 0, 64);
    tcase_add_test(test_case, a_context_of_opengl_has_one_ring);
    tcase_add_loop_test(test_case, what_the_library_refuses_is_an_error, 0,
                        (int)ARRAY_SIZE(failures));
    suite_add_tcase(suite, test_case);
    return suite;
}
