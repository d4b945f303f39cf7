/* SPDX-License-Identifier: MIT */
/*
 * A process of the renderer has died: when the device starts it anew, with a renderer that does
 * what a test says; and what becomes of libvirglrenderer then, with a library that does so.
 */
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/gpu/renderer_virgl_library.h"
#include "tests/unit/gpu_driver.h"
#include "tests/unit/suites.h"

/* --- device --- */

static struct fake_renderer *fake(void)
{
    return &driver.fake.renderer;
}

static void reset(void)
{
    driver.ops->reset(&driver.fake.gpu);
    driver.ops->start(&driver.fake.gpu, driver.device->features);
}

static bool create_context(uint32_t id, struct error *error)
{
    return gpu_context_create(&driver.fake.gpu, id, VIRTIO_GPU_CAPSET_VENUS, "", error);
}

static void destroy_context(uint32_t id)
{
    struct error error;
    ck_assert(gpu_context_destroy(&driver.fake.gpu, id, &error));
}

static void expect_trace(const char *text)
{
    ck_assert_ptr_nonnull(strstr(fake_output_text(&driver.fake.trace_output), text));
}

START_TEST(a_reset_restarts_what_has_died_once)
{
    struct error error;
    fake_gpu_map_blob(&driver.fake, 2, PAGE_SIZE_4K, 0);
    reset();
    ck_assert_uint_eq(fake()->restarts, 0); /* it lives */
    fake()->has_died = true;
    reset();
    ck_assert_uint_eq(fake()->restarts, 1);
    expect_trace("the renderer was restarted");
    reset();
    ck_assert(create_context(1, &error));
    ck_assert_uint_eq(fake()->restarts, 1);
}
END_TEST

START_TEST(a_restart_that_fails_is_survived_and_tried_again)
{
    struct error error;
    fake()->has_died = true;
    fake()->restart_fails = ERROR_HOST_RENDERER;
    reset();
    ck_assert_uint_eq(fake()->restarts, 1);
    expect_trace("the renderer could not be restarted: restart fails");
    fake()->context_create_fails = ERROR_HOST_RENDERER;
    ck_assert(!create_context(1, &error));
    ck_assert_uint_eq(fake()->restarts, 2);
    fake()->restart_fails = fake()->context_create_fails = ERROR_NONE;
    ck_assert(create_context(1, &error));
    ck_assert_uint_eq(fake()->restarts, 3);
}
END_TEST

START_TEST(a_context_restarts_it_when_nothing_else_is_there)
{
    struct error error;
    fake_gpu_create_blob(&driver.fake, 2, PAGE_SIZE_4K);
    fake()->has_died = true;
    ck_assert(create_context(7, &error)); /* as far as the device can see */
    destroy_context(7);
    ck_assert_uint_eq(fake()->restarts, 0); /* FAKE_CONTEXT */
    destroy_context(FAKE_CONTEXT);
    ck_assert(create_context(7, &error));
    destroy_context(7);
    ck_assert_uint_eq(fake()->restarts, 0); /* the blob */
    ck_assert(blob_destroy(&driver.fake.gpu, 2, &error));
    ck_assert(create_context(7, &error));
    ck_assert_uint_eq(fake()->restarts, 1);
}
END_TEST

/* Linux always has one on its console. */
START_TEST(what_the_renderer_does_not_know_may_stay)
{
    struct error error;
    struct resource_table *table = &driver.fake.gpu.resources;
    struct resource *resource = resource_add(table, 3, &error);
    ck_assert(resource_make_image(table, resource, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 8, 8,
                                  &error));
    destroy_context(FAKE_CONTEXT);
    fake()->has_died = true;
    ck_assert(create_context(7, &error));
    ck_assert_uint_eq(fake()->restarts, 1);
}
END_TEST

/* The memory may be the old renderer's, and the guest can still reach it. */
START_TEST(a_slot_that_stays_keeps_the_old_one)
{
    fake_gpu_map_blob(&driver.fake, 2, PAGE_SIZE_4K, 0);
    driver.fake.removal_fails = true;
    ck_assert(!driver.fake.gpu.left_mapped);
    reset();
    ck_assert(driver.fake.gpu.left_mapped);
    fake()->has_died = true;
    reset();
    ck_assert_uint_eq(fake()->restarts, 0);
    _exit(EXIT_SUCCESS); /* fake_gpu_finish() would find the slot */
}
END_TEST

/* --- library --- */

static struct {
    unsigned inits;
    unsigned cleanups;
    unsigned polls;
    int init_fails;
    int socket; /* that it got; -1: none */
    int poll_fd;
} library;

static char folder[] = "/tmp/s2vmm-restart-XXXXXX";
static char path[64];
static struct render_server server;
static struct trace trace;
static struct renderer_virgl virgl;

static int library_init(void *cookie, int flags,
                        struct virgl_renderer_callbacks *callbacks)
{
    (void)flags;
    ck_assert_int_ge(callbacks->version, 3);
    library.inits++;
    if (library.init_fails)
        return library.init_fails;
    library.poll_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    library.socket = callbacks->get_server_fd(cookie, 0);
    ck_assert_int_eq(callbacks->get_server_fd(cookie, 0), -1); /* it has it now */
    return 0;
}

static void library_cleanup(void *cookie)
{
    (void)cookie;
    library.cleanups++;
    close(library.poll_fd);
    close(library.socket);
    library.socket = -1;
}

static int library_poll_fd(void)
{
    return library.poll_fd;
}

static void library_poll(void)
{
    eventfd_t count;
    eventfd_read(library.poll_fd, &count);
    library.polls++;
}

static void no_fence(void *context, struct renderer_timeline timeline, uint32_t fence)
{
    (void)timeline;
    *(unsigned *)context += fence;
}

static unsigned fences;

static void write_server(const char *commands)
{
    FILE *file = fopen(path, "we");
    fprintf(file, "#!/bin/bash\n%s\n", commands);
    fclose(file);
    ck_assert_int_eq(chmod(path, 0700), 0);
}

static void start_library(void)
{
    struct error error;
    memset(&library, 0, sizeof library);
    fences = 0;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/server", folder);
    setenv("RENDER_SERVER_EXEC_PATH", path, 1);
    write_server("exit 0");
    trace_init(&trace, stderr, false);
    ck_assert(render_server_init(&server, NULL, &trace, &error));
    virgl = (struct renderer_virgl){
        .config = {.virgl = true,
                   .venus = true,
                   .server = &server,
                   .fence = no_fence,
                   .fence_context = &fences},
        .calls = {.init = library_init,
                  .cleanup = library_cleanup,
                  .get_poll_fd = library_poll_fd,
                  .poll = library_poll},
        .library_name = "fake",
        .server_socket = -1,
        .poll_fd = epoll_create1(EPOLL_CLOEXEC),
        .timer_fd = -1,
    };
    struct epoll_event event = {.events = EPOLLIN};
    ck_assert_int_eq(epoll_ctl(virgl.poll_fd, EPOLL_CTL_ADD, server.control, &event), 0);
    ck_assert_msg(renderer_virgl_restart(&virgl, &error), "%s", error.text);
    ck_assert_uint_eq(library.inits, 1);
    ck_assert_uint_eq(library.cleanups, 0); /* there was nothing to clean up */
}

static void end_library(void)
{
    if (virgl.initialised)
        library_cleanup(NULL);
    close(virgl.poll_fd);
    render_server_finish(&server);
    trace_finish(&trace);
    unlink(path);
    rmdir(folder);
}

static bool is_readable(void)
{
    struct pollfd fd = {renderer_virgl_ops.poll_fd(&virgl), POLLIN, 0};
    return poll(&fd, 1, 0) == 1;
}

static void wait_for_death(void)
{
    while (!renderer_virgl_ops.has_died(&virgl))
        usleep(1000);
}

START_TEST(a_restart_is_a_whole_one)
{
    struct error error;
    atomic_store(&virgl.fences_open, 3);
    wait_for_death();
    write_server("cat <&$2 >/dev/null");
    ck_assert(renderer_virgl_ops.restart(&virgl, &error));
    ck_assert_uint_eq(library.inits, 2);
    ck_assert_uint_eq(library.cleanups, 1);
    ck_assert_int_ge(library.socket, 0);
    ck_assert(!renderer_virgl_ops.has_died(&virgl));
    ck_assert_uint_eq(atomic_load(&virgl.fences_open), 0);
    /* Under the same descriptor the new one is heard. */
    renderer_virgl_ops.poll(&virgl);
    ck_assert(!is_readable());
    eventfd_write(library.poll_fd, 1);
    ck_assert(is_readable());
    renderer_virgl_ops.poll(&virgl);
    ck_assert(!is_readable());
}
END_TEST

START_TEST(a_launcher_that_is_gone_is_not_heard_for_ever)
{
    wait_for_death();
    kill(server.launcher, SIGKILL);
    while (!is_readable())
        usleep(1000);
    while (server.control >= 0)
        renderer_virgl_ops.poll(&virgl);
    ck_assert(!is_readable());
}
END_TEST

/* _i: the server cannot be started, or the library says no. */
START_TEST(without_a_library_everything_is_an_error)
{
    struct error error;
    struct renderer_capset capset;
    const struct renderer_blob blob = {.resource_id = 5};
    const struct renderer_resource resource = {.resource_id = 5};
    const struct renderer_timeline global = {0, 0};
    wait_for_death();
    if (_i)
        library.init_fails = -22;
    else
        unlink(path);
    ck_assert(!renderer_virgl_ops.restart(&virgl, &error));
    ck_assert_ptr_nonnull(strstr(error.text, _i ? "failed with -22" : path));
    ck_assert_uint_eq(library.cleanups, 1);
    ck_assert_int_eq(virgl.server_socket, -1);
    ck_assert(renderer_virgl_ops.has_died(&virgl));

    ck_assert(!renderer_virgl_ops.capset(&virgl, 0, &capset));
    ck_assert(!renderer_virgl_ops.context_create(&virgl, 1, 4, "", &error));
    ck_assert_ptr_nonnull(strstr(error.text, "could not be started again"));
    ck_assert(!renderer_virgl_ops.blob_create(&virgl, &blob, &error));
    ck_assert(!renderer_virgl_ops.blob_import(&virgl, &blob, 0, &error));
    ck_assert(!renderer_virgl_ops.resource_create(&virgl, &resource, &error));
    ck_assert(renderer_virgl_ops.fence(&virgl, global, 9, &error));
    ck_assert_uint_eq(fences, 9); /* at once */
    renderer_virgl_ops.poll(&virgl);
    ck_assert_uint_eq(library.polls, 0);

    library.init_fails = 0;
    write_server("cat <&$2 >/dev/null");
    ck_assert(renderer_virgl_ops.restart(&virgl, &error));
    ck_assert(!renderer_virgl_ops.has_died(&virgl));
}
END_TEST

Suite *restart_suite(void)
{
    Suite *suite = suite_create("restart");
    TCase *device = tcase_create("device");
    tcase_add_checked_fixture(device, gpu_driver_set_up, gpu_driver_tear_down);
    tcase_add_test(device, a_reset_restarts_what_has_died_once);
    tcase_add_test(device, a_restart_that_fails_is_survived_and_tried_again);
    tcase_add_test(device, a_context_restarts_it_when_nothing_else_is_there);
    tcase_add_test(device, what_the_renderer_does_not_know_may_stay);
    tcase_add_exit_test(device, a_slot_that_stays_keeps_the_old_one, EXIT_SUCCESS);
    suite_add_tcase(suite, device);
    TCase *of_library = tcase_create("library");
    tcase_add_checked_fixture(of_library, start_library, end_library);
    tcase_set_timeout(of_library, 30);
    tcase_add_test(of_library, a_restart_is_a_whole_one);
    tcase_add_test(of_library, a_launcher_that_is_gone_is_not_heard_for_ever);
    tcase_add_loop_test(of_library, without_a_library_everything_is_an_error, 0, 2);
    suite_add_tcase(suite, of_library);
    return suite;
}
