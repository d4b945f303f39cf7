/* SPDX-License-Identifier: MIT */
/* The real libvirglrenderer, on OpenGL in software: what the device asks for comes out. */
#include <check.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "devices/gpu/protocol.h"
#include "devices/gpu/renderer_virgl.h"
#include "tests/unit/skip.h"
#include "tests/unit/suites.h"

#define CONTEXT   1u
#define TEXTURE   10u
#define BUFFER    11u
#define SIDE      64u
#define PIXEL     0xff4080bfu /* 0.25, 0.5, 0.75, 1 as B8G8R8A8 */
#define WAIT_MS   20000       /* for a fence; the machine may be slow */
#define BIND_RT   2u
#define BIND_VIEW 8u

static struct renderer_virgl *virgl;
static struct renderer renderer;
static atomic_uint fence_done_number;
static atomic_uint fence_done_ring;
static uint32_t pixels[SIDE * SIDE];

static void fence_done(void *context, struct renderer_timeline timeline, uint32_t fence)
{
    (void)context;
    atomic_store(&fence_done_ring, timeline.ring);
    atomic_store(&fence_done_number, fence);
}

/* Mesa's drivers leave memory behind when they are unloaded: leaks of these tests, which nearly
 * all allocations of are theirs, are not looked for. The fake renderer's tests look for ours. */
static void ignore_leaks(void)
{
#ifdef __SANITIZE_ADDRESS__
    __lsan_disable();
#endif
}

/* False: this host has no library, or no EGL; that was said. */
static bool start(const char *test)
{
    const struct renderer_virgl_config config = {.virgl = true, .fence = fence_done};
    struct error error;
    ignore_leaks();
    setenv("EGL_PLATFORM", "surfaceless", 1);
    virgl = renderer_virgl_create(&config, &error);
    if (!virgl) {
        ck_assert_msg(error.code == ERROR_CONFIG_HOST ||
                          error.code == ERROR_HOST_RENDERER,
                      "%s", error.text);
        test_skip(test, error.text);
        return false;
    }
    renderer = renderer_virgl_interface(virgl);
    ck_assert_msg(renderer.ops->context_create(renderer.context, CONTEXT,
                                               VIRTIO_GPU_CAPSET_VIRGL2, "test", &error),
                  "%s", error.text);
    return true;
}

static void create_texture(void)
{
    const struct renderer_resource texture = {
        .resource_id = TEXTURE,
        .target = RENDERER_TARGET_TEXTURE_2D,
        .format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM,
        .bind = BIND_RT | BIND_VIEW,
        .width = SIDE,
        .height = SIDE,
        .depth = 1,
        .array_size = 1,
    };
    struct error error;
    ck_assert_msg(renderer.ops->resource_create(renderer.context, &texture, &error), "%s",
                  error.text);
    renderer.ops->attach(renderer.context, CONTEXT, TEXTURE);
}

#define COMMAND(code, object, length) ((code) | (object) << 8 | (length) << 16)

/* virgl_protocol.h: CREATE_SUB_CTX, SET_SUB_CTX, CREATE_OBJECT of a surface,
 * SET_FRAMEBUFFER_STATE, CLEAR of colour buffer 0. */
static void clear(void)
{
    uint32_t commands[] = {
        COMMAND(29u, 0u, 1u),
        1,
        COMMAND(28u, 0u, 1u),
        1,
        COMMAND(1u, 8u, 5u),
        100,
        TEXTURE,
        1,
        0,
        0,
        COMMAND(5u, 0u, 3u),
        1,
        0,
        100,
        COMMAND(7u, 0u, 8u),
        4,
        0x3e800000,
        0x3f000000,
        0x3f400000,
        0x3f800000,
        0,
        0x3ff00000,
        0,
    };
    struct error error;
    ck_assert_msg(renderer.ops->submit(renderer.context, CONTEXT, commands,
                                       sizeof commands, &error),
                  "%s", error.text);
}

static void wait_for_fence(struct renderer_timeline timeline, uint32_t number)
{
    struct error error;
    ck_assert_msg(renderer.ops->fence(renderer.context, timeline, number, &error), "%s",
                  error.text);
    struct pollfd fd = {renderer.ops->poll_fd(renderer.context), POLLIN, 0};
    for (int i = 0; i < WAIT_MS && atomic_load(&fence_done_number) != number; i++) {
        if (poll(&fd, 1, 1) > 0)
            renderer.ops->poll(renderer.context);
    }
    ck_assert_uint_eq(atomic_load(&fence_done_number), number);
    ck_assert_uint_eq(atomic_load(&fence_done_ring), timeline.ring);
}

/* `pages`: none: into what is attached. */
static struct renderer_transfer whole(enum renderer_direction direction, uint32_t context,
                                      struct renderer_pages pages)
{
    return (struct renderer_transfer){
        .direction = direction,
        .resource_id = TEXTURE,
        .context_id = context,
        .width = SIDE,
        .height = SIDE,
        .depth = 1,
        .pages = pages,
    };
}

static void expect_all(uint32_t want)
{
    for (unsigned i = 0; i < SIDE * SIDE; i++)
        ck_assert_uint_eq(pixels[i], want);
}

static void finish(void)
{
    renderer.ops->resource_destroy(renderer.context, TEXTURE);
    renderer.ops->context_destroy(renderer.context, CONTEXT);
    renderer_virgl_destroy(virgl);
}

/* Guest memory comes in pieces. */
START_TEST(a_cleared_texture_comes_back)
{
    const struct iovec vectors[] = {{pixels, 4096},
                                    {pixels + 1024, sizeof pixels - 4096}};
    struct error error;
    if (!start("renderer_virgl: a_cleared_texture_comes_back"))
        return;
    create_texture();
    clear();
    wait_for_fence((struct renderer_timeline){CONTEXT, 0}, 5);
    wait_for_fence((struct renderer_timeline){0, 0}, 6);
    wait_for_fence((struct renderer_timeline){CONTEXT, 63}, 7);
    ck_assert(renderer.ops->pages_attach(renderer.context, TEXTURE,
                                         (struct renderer_pages){vectors, 2}, &error));
    struct renderer_transfer transfer =
        whole(RENDERER_FROM_HOST, CONTEXT, (struct renderer_pages){0});
    ck_assert_msg(renderer.ops->transfer(renderer.context, &transfer, &error), "%s",
                  error.text);
    expect_all(PIXEL);

    /* And there again, and back without a context, as a screenshot is made. */
    for (unsigned i = 0; i < SIDE * SIDE; i++)
        pixels[i] = 0x01020304;
    transfer.direction = RENDERER_TO_HOST;
    ck_assert(renderer.ops->transfer(renderer.context, &transfer, &error));
    renderer.ops->pages_detach(renderer.context, TEXTURE);
    memset(pixels, 0, sizeof pixels);
    const struct iovec one = {pixels, sizeof pixels};
    transfer = whole(RENDERER_FROM_HOST, 0, (struct renderer_pages){&one, 1});
    transfer.stride = 4 * SIDE;
    ck_assert_msg(renderer.ops->transfer(renderer.context, &transfer, &error), "%s",
                  error.text);
    expect_all(0x01020304);
    finish();
}
END_TEST

/* Without THREAD_SYNC (virglrenderer's VIRGL_DISABLE_MT) nobody but poll() looks at fences. */
START_TEST(fences_are_done_without_the_librarys_thread)
{
    setenv("VIRGL_DISABLE_MT", "1", 1);
    if (!start("renderer_virgl: fences_are_done_without_the_librarys_thread"))
        return;
    ck_assert_int_ge(renderer.ops->poll_fd(renderer.context), 0);
    create_texture();
    for (uint32_t fence = 1; fence <= 3; fence++) {
        clear();
        wait_for_fence((struct renderer_timeline){CONTEXT, 0}, 10 * fence);
        wait_for_fence((struct renderer_timeline){0, 0}, 10 * fence + 1);
        wait_for_fence((struct renderer_timeline){CONTEXT, fence}, 10 * fence + 2);
    }
    finish();
}
END_TEST

/* What the renderer refuses is an error, and the renderer lives on. */
START_TEST(wrong_numbers_are_refused)
{
    struct error error;
    if (!start("renderer_virgl: wrong_numbers_are_refused"))
        return;
    create_texture();
    const struct renderer_resource bad[] = {
        {.resource_id = BUFFER,
         .target = 99,
         .format = 1,
         .width = 4,
         .height = 4,
         .depth = 1,
         .array_size = 1},
        {.resource_id = BUFFER,
         .target = 2,
         .format = 100000,
         .bind = BIND_VIEW,
         .width = 4,
         .height = 4,
         .depth = 1,
         .array_size = 1},
        {.resource_id = BUFFER,
         .target = 2,
         .format = 1,
         .bind = BIND_VIEW,
         .width = 4,
         .height = 4,
         .depth = 9,
         .array_size = 1},
        {.resource_id = BUFFER,
         .target = 0,
         .format = 1,
         .width = 4,
         .height = 4,
         .depth = 1,
         .array_size = 1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        ck_assert_msg(!renderer.ops->resource_create(renderer.context, &bad[i], &error),
                      "%zu", i);
    const struct iovec small = {pixels, 16};
    struct renderer_transfer transfer =
        whole(RENDERER_FROM_HOST, 0, (struct renderer_pages){&small, 1});
    ck_assert(!renderer.ops->transfer(renderer.context, &transfer, &error));
    const struct iovec all = {pixels, sizeof pixels};
    transfer = whole(RENDERER_TO_HOST, 0, (struct renderer_pages){&all, 1});
    transfer.x = UINT32_MAX - 1;
    ck_assert(!renderer.ops->transfer(renderer.context, &transfer, &error));
    transfer = whole(RENDERER_TO_HOST, CONTEXT, (struct renderer_pages){0});
    ck_assert(!renderer.ops->transfer(renderer.context, &transfer, &error));
    transfer.level = 40;
    ck_assert(!renderer.ops->transfer(renderer.context, &transfer, &error));
    finish();
}
END_TEST

Suite *renderer_virgl_suite(void)
{
    Suite *suite = suite_create("renderer_virgl");
    TCase *test_case = tcase_create("renderer_virgl");
    tcase_set_timeout(test_case, 120);
    tcase_add_test(test_case, a_cleared_texture_comes_back);
    tcase_add_test(test_case, fences_are_done_without_the_librarys_thread);
    tcase_add_test(test_case, wrong_numbers_are_refused);
    suite_add_tcase(suite, test_case);
    return suite;
}
