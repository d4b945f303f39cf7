/* SPDX-License-Identifier: MIT */
/* What the tests of the renderer process start from: RAM of two regions, and this side of the process.
 * Each file that includes this has its own. */
#ifndef S2VMM_TESTS_UNIT_REMOTE_FIXTURE_H
#define S2VMM_TESTS_UNIT_REMOTE_FIXTURE_H

#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/unit/fake_gpu.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/remote_process.h"

#define PATIENCE 20000 /* milliseconds, of the tests */
#define CONTEXT  3u
#define SECOND   (16 * MIB) /* where the second region of RAM is */

static struct renderer_remote remote;
static struct renderer renderer;
static struct guest_memory memory;
static struct fake_output output;
static struct trace trace;
static unsigned fds_before;

static struct renderer_timeline done_timeline;
static uint32_t done_fence;
static unsigned done_count;

static inline void fence_done(void *context, struct renderer_timeline timeline,
                              uint32_t fence)
{
    ck_assert_ptr_eq(context, &remote);
    done_timeline = timeline;
    done_fence = fence;
    done_count++;
}

static inline void set_up(void)
{
    static const struct gpa_range ranges[] = {{{0}, MIB}, {{SECOND}, MIB}};
    struct error error;
    fds_before = fake_kernel_open_fds();
    output.stream = open_memstream(&output.text, &output.size);
    trace_init(&trace, output.stream, false);
    remote_process = mmap(NULL, sizeof *remote_process, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(remote_process != MAP_FAILED);
    ck_assert(guest_memory_init(&memory, ranges, 2, &error));
    done_count = 0;
}

static inline void init(enum lie what)
{
    struct error error;
    remote_process->lie = what;
    ck_assert_msg(renderer_remote_init_child(&remote, remote_process_become, NULL, NULL,
                                             &trace, &error),
                  "%s", error.text);
    renderer = renderer_remote_interface(&remote);
}

static inline bool start(struct error *error)
{
    return renderer_remote_start(&remote, &memory, fence_done, &remote, error);
}

static inline void start_with(enum lie what)
{
    struct error error;
    init(what);
    ck_assert_msg(start(&error), "%s", error.text);
}

static inline void start_well(void)
{
    start_with(HONEST);
}

static inline void tear_down(void)
{
    renderer_remote_stop(&remote);
    renderer_remote_finish(&remote);
    renderer_remote_stop(&remote); /* a zeroed object */
    renderer_remote_finish(&remote);
    guest_memory_finish(&memory);
    munmap(remote_process, sizeof *remote_process);
    fclose(output.stream);
    free(output.text);
    ck_assert_uint_eq(fake_kernel_open_fds(), fds_before);
}

static inline void wait_and_poll(void)
{
    struct pollfd fd = {renderer.ops->poll_fd(renderer.context), POLLIN, 0};
    ck_assert_int_eq(poll(&fd, 1, PATIENCE), 1);
    renderer.ops->poll(renderer.context);
}

static inline void expect_warning(const char *text)
{
    ck_assert_msg(strstr(fake_output_text(&output), text) != NULL, "no \"%s\" in \"%s\"",
                  text, fake_output_text(&output));
}

static inline void create_context(void)
{
    struct error error;
    ck_assert_msg(
        renderer.ops->context_create(renderer.context, CONTEXT, 4, "a name", &error),
        "%s", error.text);
}

static inline void ask_fence(uint32_t ring, uint32_t number)
{
    const struct renderer_timeline timeline = {CONTEXT, ring};
    struct error error;
    ck_assert_msg(renderer.ops->fence(renderer.context, timeline, number, &error), "%s",
                  error.text);
}

#endif
