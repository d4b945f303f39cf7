/* SPDX-License-Identifier: MIT */
/*
 * The renderer process, with a fake renderer in it, which a shared page shows to the tests; and
 * with a liar in its place. What libvirglrenderer makes of it is tested end to end.
 */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/gpu/renderer_remote.h"
#include "tests/unit/fake_gpu.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/suites.h"
#include "vmm/state.h"

#define PATIENCE 20000 /* milliseconds, of the tests */
#define CONTEXT  3u
#define SECOND   (16 * MIB) /* where the second region of RAM is */
#define PAGE     ((size_t)4096)

/* What the liar does with the first request after HELLO. */
enum lie {
    HONEST, /* no liar, but the fake */
    LIE_SILENCE,
    LIE_END,
    LIE_KIND,
    LIE_SERIAL,
    LIE_AREA,
    LIE_MAGIC,
    LIE_SHORT,
    LIE_LONG,
    LIE_FD,
    LIE_FD_OF_ERROR,
    LIE_TWO_FDS,
    LIE_MANY_FDS,
    LIE_FD_OF_FENCE,
    LIE_FLOOD,
    LIE_ERROR_TEXT, /* no reason to end it */
    LIE_TWICE,
    /* in the answer to HELLO */
    LIE_HELLO_VERSION,
    LIE_HELLO_CAPSETS,
    LIE_HELLO_CAPSET_SIZE,
    LIE_HELLO_SILENCE,
};

/* The process and the test have it. */
struct shared {
    enum lie lie;
    pid_t pid;
    atomic_bool complete; /* all fences that are open are done, soon */
    struct fake_renderer fake;
};

static struct shared *shared;
static struct renderer_remote remote;
static struct renderer renderer;
static struct guest_memory memory;
static struct fake_output output;
static struct trace trace;
static unsigned fds_before;

/* --- the process --- */

/* Descriptors cannot come from the test: the launcher has closed them. */
static int ticks(void *context)
{
    static const struct itimerspec period = {{0, 1000000}, {0, 1000000}};
    static int fd = -1;
    (void)context;
    if (fd < 0) {
        fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
        BUG_ON(timerfd_settime(fd, 0, &period, NULL) != 0);
    }
    return fd;
}

static void complete(void *context)
{
    uint64_t count;
    BUG_ON(read(ticks(context), &count, sizeof count) != sizeof count);
    while (shared->complete && shared->fake.fence_count > 0)
        fake_renderer_complete(context, 0);
}

static bool start_fake(struct renderer_process *process, struct error *error)
{
    static struct renderer_ops ops;
    (void)error;
    fake_renderer_init(&shared->fake);
    shared->fake.fence_done = renderer_process_fence_done;
    shared->fake.fence_context = process;
    process->renderer = fake_renderer_interface(&shared->fake);
    ops = *process->renderer.ops;
    ops.poll_fd = ticks;
    ops.poll = complete;
    process->renderer.ops = &ops;
    snprintf(process->library, sizeof process->library, "libfake.so");
    return true;
}

static void send_answer(int socket, const struct wire_answer *answer, size_t size,
                        unsigned fd_count)
{
    const int fds[] = {0, 0};
    BUG_ON(!wire_send(socket, answer, size, fds, fd_count, 0));
}

/* More than wire_send() sends. */
static void send_many_fds(int socket, const struct wire_answer *answer)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(5 * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec vector = {(void *)(uintptr_t)answer, sizeof *answer};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    *rights = (struct cmsghdr){.cmsg_len = CMSG_LEN(5 * sizeof(int)),
                               .cmsg_level = SOL_SOCKET,
                               .cmsg_type = SCM_RIGHTS};
    memset(CMSG_DATA(rights), 0, 5 * sizeof(int)); /* stdin */
    BUG_ON(sendmsg(socket, &message, 0) < 0);
}

static void answer_hello(int socket, struct wire_answer *answer)
{
    answer->hello.version = shared->lie == LIE_HELLO_VERSION ? 99 : WIRE_VERSION;
    answer->hello.capset_count =
        shared->lie == LIE_HELLO_CAPSETS ? WIRE_CAPSETS_MAX + 1 : 1;
    answer->hello.capsets[0].size =
        shared->lie == LIE_HELLO_CAPSET_SIZE ? WIRE_AREA_SIZE + 1 : 8;
    memset(answer->hello.library, 'x', WIRE_NAME_SIZE); /* without an end */
    if (shared->lie != LIE_HELLO_SILENCE)
        send_answer(socket, answer, sizeof *answer, 0);
}

static void lie(int socket, struct wire_answer *answer, uint8_t *area)
{
    static const char text[] = "\033[2Jbad\n";
    struct wire_answer long_answer[2] = {*answer};
    BUG_ON(!area);
    switch (shared->lie) {
    case LIE_SILENCE: /* it does not hear that nobody is there any more, either */
        for (;;)
            pause();
    case LIE_END:
        _exit(7);
    case LIE_KIND:
        answer->header.kind++;
        break;
    case LIE_SERIAL:
        answer->header.serial++;
        break;
    case LIE_AREA:
        answer->header.area_used = WIRE_AREA_SIZE + 1;
        break;
    case LIE_MAGIC:
        answer->header.magic++;
        break;
    case LIE_SHORT:
        send_answer(socket, answer, sizeof *answer - 1, 0);
        return;
    case LIE_LONG:
        send_answer(socket, long_answer, sizeof long_answer, 0);
        return;
    case LIE_FD:
        send_answer(socket, answer, sizeof *answer, 1);
        return;
    case LIE_FD_OF_ERROR:
        answer->code = ERROR_HOST_RENDERER;
        send_answer(socket, answer, sizeof *answer, 1);
        return;
    case LIE_TWO_FDS:
        send_answer(socket, answer, sizeof *answer, 2);
        return;
    case LIE_MANY_FDS:
        send_many_fds(socket, answer);
        return;
    case LIE_FD_OF_FENCE:
        answer->header.kind = WIRE_FENCE_DONE;
        send_answer(socket, answer, sizeof *answer, 1);
        return;
    case LIE_FLOOD:
        answer->header.kind = WIRE_FENCE_DONE;
        while (wire_send(socket, answer, sizeof *answer, NULL, 0, 0)) {
        }
        _exit(0);
    case LIE_ERROR_TEXT:
        answer->code = ERROR_GUEST_LIMIT; /* whose fault it is it may not say */
        answer->header.area_used = sizeof text - 1;
        memcpy(area, text, sizeof text - 1);
        break;
    case LIE_TWICE:
        send_answer(socket, answer, sizeof *answer, 0);
        break;
    case HONEST:
    case LIE_HELLO_VERSION:
    case LIE_HELLO_CAPSETS:
    case LIE_HELLO_CAPSET_SIZE:
    case LIE_HELLO_SILENCE:
        break;
    }
    send_answer(socket, answer, sizeof *answer, 0);
}

static _Noreturn void serve_lies(int socket)
{
    struct wire_request request;
    uint8_t *area = NULL;
    int fds[WIRE_FDS_MAX];
    while (wire_receive(socket, &request, sizeof request, fds, 0) == WIRE_MESSAGE) {
        struct wire_answer answer = {.header = request.header};
        answer.header.area_used = 0;
        if (request.header.kind == WIRE_HELLO) {
            area =
                mmap(NULL, WIRE_AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
            answer_hello(socket, &answer);
        } else if (request.header.kind != WIRE_FENCE) {
            lie(socket, &answer, area);
        }
        wire_close_fds(fds);
    }
    _exit(0);
}

static void become(const struct launcher_child *child, int socket,
                   const struct sandbox *sandbox, const sigset_t *signals,
                   struct error *error)
{
    struct renderer_process process = {.socket = 3, .start = start_fake};
    (void)child;
    (void)sandbox;
    (void)error;
    BUG_ON(dup2(socket, 3) != 3);
    close_range(4, ~0u, 0);
    shared->pid = getpid();
    sigprocmask(SIG_SETMASK, signals, NULL);
    if (shared->lie != HONEST)
        serve_lies(3);
    renderer_process_serve(&process);
    _exit(0);
}

/* --- the test --- */

static struct renderer_timeline done_timeline;
static uint32_t done_fence;
static unsigned done_count;

static void fence_done(void *context, struct renderer_timeline timeline, uint32_t fence)
{
    ck_assert_ptr_eq(context, &remote);
    done_timeline = timeline;
    done_fence = fence;
    done_count++;
}

static void set_up(void)
{
    static const struct gpa_range ranges[] = {{{0}, MIB}, {{SECOND}, MIB}};
    struct error error;
    fds_before = fake_kernel_open_fds();
    output.stream = open_memstream(&output.text, &output.size);
    trace_init(&trace, output.stream, false);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(shared != MAP_FAILED);
    ck_assert(guest_memory_init(&memory, ranges, 2, &error));
    done_count = 0;
}

static void init(enum lie what)
{
    struct error error;
    shared->lie = what;
    ck_assert_msg(renderer_remote_init_child(&remote, become, NULL, NULL, &trace, &error),
                  "%s", error.text);
    renderer = renderer_remote_interface(&remote);
}

static bool start(struct error *error)
{
    return renderer_remote_start(&remote, &memory, fence_done, &remote, error);
}

static void start_with(enum lie what)
{
    struct error error;
    init(what);
    ck_assert_msg(start(&error), "%s", error.text);
}

static void start_well(void)
{
    start_with(HONEST);
}

static void tear_down(void)
{
    renderer_remote_stop(&remote);
    renderer_remote_finish(&remote);
    renderer_remote_stop(&remote); /* a zeroed object */
    renderer_remote_finish(&remote);
    guest_memory_finish(&memory);
    munmap(shared, sizeof *shared);
    fclose(output.stream);
    free(output.text);
    ck_assert_uint_eq(fake_kernel_open_fds(), fds_before);
}

static void wait_and_poll(void)
{
    struct pollfd fd = {renderer.ops->poll_fd(renderer.context), POLLIN, 0};
    ck_assert_int_eq(poll(&fd, 1, PATIENCE), 1);
    renderer.ops->poll(renderer.context);
}

static void expect_warning(const char *text)
{
    ck_assert_msg(strstr(fake_output_text(&output), text) != NULL, "no \"%s\" in \"%s\"",
                  text, fake_output_text(&output));
}

/* The launcher has waited for it. */
static void wait_until_gone(pid_t pid)
{
    for (unsigned i = 0; kill(pid, 0) == 0; i++) {
        ck_assert_uint_lt(i, PATIENCE);
        usleep(1000);
    }
}

static void create_context(void)
{
    struct error error;
    ck_assert_msg(
        renderer.ops->context_create(renderer.context, CONTEXT, 4, "a name", &error),
        "%s", error.text);
}

static void create_blob(uint32_t id, enum fake_fd fd)
{
    const struct renderer_blob blob = {
        .resource_id = id, .context_id = CONTEXT, .memory = 2, .size = 2 * PAGE};
    struct error error;
    shared->fake.plan = (struct fake_blob_plan){.claimed = RENDERER_FD_SHM, .fd = fd};
    ck_assert_msg(renderer.ops->blob_create(renderer.context, &blob, &error), "%s",
                  error.text);
}

START_TEST(contexts_and_capsets_are_the_renderers)
{
    struct renderer_capset capset;
    uint8_t data[308] = {0};
    start_well();
    ck_assert_str_eq(renderer_remote_library(&remote), "libfake.so");
    ck_assert(renderer.ops->capset(renderer.context, 1, &capset));
    ck_assert_uint_eq(capset.size, 160);
    ck_assert(!renderer.ops->capset(renderer.context, 2, &capset));
    ck_assert(renderer.ops->capset(renderer.context, 0, &capset));
    renderer.ops->capset_fill(renderer.context, &capset, 1, data);
    ck_assert_uint_eq(data[0], 0xc5);
    ck_assert_uint_eq(data[307], 0xc5);

    create_context();
    ck_assert_str_eq(shared->fake.context_name, "a name");
    ck_assert_uint_eq(shared->fake.context_capset, 4);
    create_blob(9, FAKE_FD_SEALED);
    renderer.ops->attach(renderer.context, CONTEXT, 9);
    ck_assert_uint_eq(fake_renderer_blob(&shared->fake, 9)->attached, 1);
    renderer.ops->detach(renderer.context, CONTEXT, 9);
    ck_assert_uint_eq(fake_renderer_blob(&shared->fake, 9)->attached, 0);
    renderer.ops->resource_destroy(renderer.context, 9);
    ck_assert_uint_eq(shared->fake.blob_count, 0);
    renderer.ops->context_destroy(renderer.context, CONTEXT);
    ck_assert_uint_eq(shared->fake.context_count, 0);
    ck_assert(!renderer.ops->has_died(renderer.context));
    ck_assert_str_eq(fake_output_text(&output), "");
}
END_TEST

START_TEST(a_stream_of_any_length_arrives)
{
    struct error error;
    uint32_t *commands = calloc(1, WIRE_AREA_SIZE);
    start_well();
    create_context();
    for (uint32_t size = 4; size <= WIRE_AREA_SIZE; size *= 4) {
        commands[0] = size + 1;
        ck_assert(
            renderer.ops->submit(renderer.context, CONTEXT, commands, size, &error));
        ck_assert_uint_eq(shared->fake.submitted_size, size);
        ck_assert_uint_eq(shared->fake.submitted_word, size + 1);
    }
    free(commands);
}
END_TEST

START_TEST(errors_come_back)
{
    uint32_t commands[1] = {0};
    struct error error;
    start_well();
    create_context();
    shared->fake.submit_fails = ERROR_HOST_MEMORY;
    ck_assert(!renderer.ops->submit(renderer.context, CONTEXT, commands, 4, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_MEMORY);
    ck_assert_str_eq(error.text, "submit fails");
}
END_TEST

/* Two entries, of both regions: from the host the fake writes to the first. */
START_TEST(pages_are_found_in_ram)
{
    uint8_t *first = memory.regions[0].host;
    uint8_t *second = memory.regions[1].host;
    const struct iovec vectors[] = {{second + 3 * PAGE, PAGE}, {first + PAGE, 2 * PAGE}};
    const struct renderer_pages pages = {vectors, 2};
    const struct renderer_resource resource = {.resource_id = 5, .width = 7};
    struct renderer_transfer transfer = {
        .direction = RENDERER_FROM_HOST, .resource_id = 5, .pages = pages};
    struct error error;
    start_well();
    ck_assert(renderer.ops->resource_create(renderer.context, &resource, &error));
    ck_assert_uint_eq(fake_renderer_blob(&shared->fake, 5)->resource.width, 7);
    ck_assert(renderer.ops->pages_attach(renderer.context, 5, pages, &error));
    ck_assert_uint_eq(fake_renderer_blob(&shared->fake, 5)->pages.count, 2);

    ck_assert(renderer.ops->transfer(renderer.context, &transfer, &error));
    ck_assert_uint_eq(second[3 * PAGE - 1], 0);
    ck_assert_uint_eq(second[3 * PAGE], 0x3d);
    ck_assert_uint_eq(second[4 * PAGE - 1], 0x3d);
    ck_assert_uint_eq(second[4 * PAGE], 0);
    ck_assert_uint_eq(first[PAGE], 0);

    transfer.pages = (struct renderer_pages){0};
    ck_assert(renderer.ops->transfer(renderer.context, &transfer, &error));
    ck_assert_uint_eq(shared->fake.transfer.pages.count, 0);
    renderer.ops->pages_detach(renderer.context, 5);
    ck_assert_uint_eq(fake_renderer_blob(&shared->fake, 5)->pages.count, 0);
    renderer.ops->resource_destroy(renderer.context, 5);
}
END_TEST

START_TEST(memory_of_our_own_is_copied)
{
    uint8_t rows[3 * PAGE] = {0};
    const struct iovec vector = {rows + 1, sizeof rows - 2};
    const struct renderer_resource resource = {.resource_id = 5};
    struct renderer_transfer transfer = {
        .direction = RENDERER_FROM_HOST, .resource_id = 5, .pages = {&vector, 1}};
    struct error error;
    start_well();
    ck_assert(renderer.ops->resource_create(renderer.context, &resource, &error));
    ck_assert_msg(renderer.ops->transfer(renderer.context, &transfer, &error), "%s",
                  error.text);
    ck_assert_uint_eq(rows[0], 0);
    ck_assert_uint_eq(rows[1], 0x3d);
    ck_assert_uint_eq(rows[sizeof rows - 2], 0x3d);
    ck_assert_uint_eq(rows[sizeof rows - 1], 0);
    transfer.direction = RENDERER_TO_HOST;
    ck_assert(renderer.ops->transfer(renderer.context, &transfer, &error));
    ck_assert_int_eq(shared->fake.transfer.direction, RENDERER_TO_HOST);
}
END_TEST

START_TEST(a_blob_of_guest_memory)
{
    const struct iovec vector = {memory.regions[0].host, PAGE};
    struct renderer_blob blob = {
        .resource_id = 6, .memory = 1, .size = PAGE, .pages = {&vector, 1}};
    struct error error;
    start_well();
    ck_assert(renderer.ops->blob_create(renderer.context, &blob, &error));
    ck_assert_uint_eq(fake_renderer_blob(&shared->fake, 6)->pages.count, 1);
    renderer.ops->resource_destroy(renderer.context, 6);
    ck_assert(renderer.ops->blob_import(renderer.context, &blob, memory.fd, &error));
    ck_assert(fake_renderer_blob(&shared->fake, 6)->imported);
    shared->fake.import_fails = ERROR_HOST_RENDERER;
    blob.resource_id = 7;
    ck_assert(!renderer.ops->blob_import(renderer.context, &blob, memory.fd, &error));
}
END_TEST

START_TEST(descriptors_are_passed)
{
    enum renderer_fd_type type;
    uint32_t map_info;
    uint64_t size;
    void *host;
    struct stat status;
    struct error error;
    int fd;
    start_well();
    create_context();
    create_blob(1, FAKE_FD_SEALED);
    ck_assert(renderer.ops->blob_export(renderer.context, 1, &type, &fd, &error));
    ck_assert_int_eq(type, RENDERER_FD_SHM);
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_int_eq(status.st_size, 2 * PAGE);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    ck_assert(!renderer.ops->blob_map_info(renderer.context, 1, &map_info));
    fake_renderer_blob(&shared->fake, 1)->plan.has_map_info = true;
    fake_renderer_blob(&shared->fake, 1)->plan.map_info = 77;
    ck_assert(renderer.ops->blob_map_info(renderer.context, 1, &map_info));
    ck_assert_uint_eq(map_info, 77);

    ck_assert(!renderer.ops->blob_map(renderer.context, 1, &host, &size, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "--renderer=inside"));
    renderer.ops->blob_unmap(renderer.context, 1);

    create_blob(2, FAKE_FD_FAILS);
    ck_assert(!renderer.ops->blob_export(renderer.context, 2, &type, &fd, &error));
    ck_assert_str_eq(error.text, "export fails");
    create_blob(3, FAKE_FD_NONE);
    ck_assert(!renderer.ops->blob_export(renderer.context, 3, &type, &fd, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "without an fd"));
    ck_assert_int_eq(fd, -1);
}
END_TEST

static void ask_fence(uint32_t ring, uint32_t number)
{
    const struct renderer_timeline timeline = {CONTEXT, ring};
    struct error error;
    ck_assert_msg(renderer.ops->fence(renderer.context, timeline, number, &error), "%s",
                  error.text);
}

START_TEST(fences_are_done_at_once_and_later)
{
    start_well();
    create_context();
    ask_fence(2, 41);
    wait_and_poll();
    ck_assert_uint_eq(done_count, 1);
    ck_assert_uint_eq(done_timeline.context_id, CONTEXT);
    ck_assert_uint_eq(done_timeline.ring, 2);
    ck_assert_uint_eq(done_fence, 41);

    shared->fake.fence = FAKE_FENCE_LATER;
    ask_fence(1, 42);
    ask_fence(1, 43);
    ck_assert(!renderer.ops->has_died(renderer.context)); /* they have arrived */
    ck_assert_uint_eq(done_count, 1);
    shared->complete = true;
    while (done_count < 3)
        wait_and_poll();
    ck_assert_uint_eq(done_fence, 43);

    shared->fake.fence = FAKE_FENCE_FAILS; /* done at once, as without a process */
    ask_fence(1, 44);
    wait_and_poll();
    ck_assert_uint_eq(done_fence, 44);
}
END_TEST

/* Both sides say more than a socket holds. */
START_TEST(no_number_of_fences_is_too_large)
{
    start_well();
    create_context();
    for (uint32_t i = 1; i <= 5000; i++)
        ask_fence(1, i);
    while (done_count < 5000)
        wait_and_poll();
    ck_assert_uint_eq(done_fence, 5000);
    ck_assert_uint_eq(remote.open_count, 0);
}
END_TEST

START_TEST(when_it_is_killed_another_one_is_started)
{
    uint32_t commands[1] = {0};
    struct renderer_capset capset;
    struct error error;
    start_well();
    int poll_fd = renderer.ops->poll_fd(renderer.context);
    create_context();
    shared->fake.fence = FAKE_FENCE_LATER;
    ask_fence(1, 5);
    ask_fence(1, 6);
    ask_fence(3, 7);
    ck_assert(!renderer.ops->has_died(renderer.context));
    kill(shared->pid, SIGKILL);
    while (remote.socket >= 0 || !strstr(fake_output_text(&output), "was killed"))
        wait_and_poll();
    expect_warning("the renderer process (process");
    expect_warning("was killed by signal 9");
    ck_assert_uint_eq(done_count, 2); /* of two timelines */
    ck_assert(renderer.ops->has_died(renderer.context));
    ck_assert(!renderer.ops->submit(renderer.context, CONTEXT, commands, 4, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "the renderer process has ended"));
    ck_assert(
        !renderer.ops->fence(renderer.context, (struct renderer_timeline){0}, 8, &error));
    ck_assert(renderer.ops->capset(renderer.context, 0, &capset)); /* as it was */
    renderer.ops->context_destroy(renderer.context, CONTEXT);

    ck_assert_msg(renderer.ops->restart(renderer.context, &error), "%s", error.text);
    ck_assert(!renderer.ops->has_died(renderer.context));
    ck_assert_int_eq(renderer.ops->poll_fd(renderer.context), poll_fd);
    create_context();
    ask_fence(1, 9);
    wait_and_poll();
    ck_assert_uint_eq(done_fence, 9);
}
END_TEST

/* The same, noticed by a request. */
START_TEST(a_request_notices_that_it_was_killed)
{
    uint32_t commands[1] = {0};
    struct error error;
    start_well();
    create_context();
    kill(shared->pid, SIGKILL);
    ck_assert(!renderer.ops->submit(renderer.context, CONTEXT, commands, 4, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_RENDERER);
    ck_assert_int_eq(remote.socket, -1);
}
END_TEST

/* What the library has lost, its own processes, a new process has. */
START_TEST(what_is_in_it_is_restarted)
{
    struct error error;
    start_well();
    pid_t pid = shared->pid;
    shared->fake.has_died = true;
    ck_assert(renderer.ops->has_died(renderer.context));
    ck_assert_msg(renderer.ops->restart(renderer.context, &error), "%s", error.text);
    ck_assert(!renderer.ops->has_died(renderer.context));
    ck_assert_uint_eq(remote.capset_count, 2);
    ck_assert_int_ne(shared->pid, pid);
    ck_assert_int_ne(kill(pid, 0), 0);
    ck_assert_str_eq(fake_output_text(&output), "");
}
END_TEST

static const struct {
    enum lie lie;
    const char *warning;
} lies[] = {
    {LIE_SILENCE, "it does not answer"},
    {LIE_END, "ended with status 7"},
    {LIE_KIND, "it answers another question"},
    {LIE_SERIAL, "it answers another question"},
    {LIE_AREA, "it answers another question"},
    {LIE_MAGIC, "it says what is no message"},
    {LIE_SHORT, "it says what is no message"},
    {LIE_LONG, "it says what is no message"},
    {LIE_FD, "it sends a descriptor that nobody has asked for"},
    {LIE_FD_OF_ERROR, "it sends a descriptor that nobody has asked for"},
    {LIE_TWO_FDS, "it sends a descriptor that nobody has asked for"},
    {LIE_MANY_FDS, "it says what is no message"},
    {LIE_FD_OF_FENCE, "it sends a descriptor that nobody has asked for"},
    {LIE_FLOOD, "it does not answer"},
};

/* An export for those that are about two descriptors, else what has none. */
static bool ask_the_liar(struct error *error)
{
    enum renderer_fd_type type;
    uint32_t commands[1] = {0};
    int fd;
    if (shared->lie == LIE_TWO_FDS || shared->lie == LIE_FD_OF_ERROR)
        return renderer.ops->blob_export(renderer.context, 1, &type, &fd, error);
    return renderer.ops->submit(renderer.context, 1, commands, 4, error);
}

/* Whose end the test is to see. Another one is heard, however long that takes on a busy machine. */
static unsigned patience_with(enum lie what)
{
    bool says_nothing =
        what == LIE_SILENCE || what == LIE_FLOOD || what == LIE_HELLO_SILENCE;
    return says_nothing ? 300 : PATIENCE;
}

START_TEST(a_lie_ends_it)
{
    struct error error;
    start_with(lies[_i].lie);
    ck_assert_uint_eq(strlen(renderer_remote_library(&remote)), WIRE_NAME_SIZE);
    remote.patience = patience_with(lies[_i].lie);
    pid_t pid = shared->pid;
    ask_fence(1, 1);
    ck_assert(!ask_the_liar(&error));
    ck_assert_int_eq(error.code, ERROR_HOST_RENDERER);
    ck_assert_int_eq(remote.socket, -1);
    ck_assert_uint_eq(remote.open_count, 0);
    ck_assert_uint_eq(done_fence, 1); /* of a flood the last one */
    while (!strstr(fake_output_text(&output), lies[_i].warning))
        wait_and_poll();
    wait_until_gone(pid);

    shared->lie = HONEST;
    remote.patience = PATIENCE;
    ck_assert_msg(renderer.ops->restart(renderer.context, &error), "%s", error.text);
    create_context();
}
END_TEST

START_TEST(an_answer_to_nothing_ends_it)
{
    uint32_t commands[1] = {0};
    struct error error;
    start_with(LIE_TWICE);
    ck_assert(renderer.ops->submit(renderer.context, 1, commands, 4, &error));
    while (remote.socket >= 0)
        wait_and_poll();
    expect_warning("it answers what nobody has asked");
}
END_TEST

START_TEST(an_error_says_only_what_can_be_read)
{
    uint32_t commands[1] = {0};
    struct error error;
    start_with(LIE_ERROR_TEXT);
    ck_assert(!renderer.ops->submit(renderer.context, 1, commands, 4, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_RENDERER);
    ck_assert_str_eq(error.text, "?[2Jbad?");
    ck_assert_int_ge(remote.socket, 0);
}
END_TEST

static const struct {
    enum lie lie;
    const char *text;
} hellos[] = {
    {LIE_HELLO_VERSION, "speaks version 99"},
    {LIE_HELLO_CAPSETS, "impossible capsets"},
    {LIE_HELLO_CAPSET_SIZE, "impossible capsets"},
    {LIE_HELLO_SILENCE, "has ended before its answer"},
};

START_TEST(a_lie_at_the_start_is_an_error)
{
    struct error error;
    init(hellos[_i].lie);
    remote.patience = patience_with(hellos[_i].lie);
    ck_assert(!start(&error));
    ck_assert_msg(strstr(error.text, hellos[_i].text) != NULL, "%s", error.text);
    ck_assert_int_eq(remote.socket, -1);
}
END_TEST

/* --- what the process does not take --- */

static void send_raw(struct wire_request request)
{
    request.header.magic = WIRE_MAGIC;
    ck_assert(wire_send(remote.socket, &request, sizeof request, NULL, 0, 0));
}

static const struct wire_request bad_requests[] = {
    {.header.kind = WIRE_FENCE_DONE},
    {.header.kind = 1000},
    {.header = {.kind = WIRE_SUBMIT, .area_used = WIRE_AREA_SIZE + 4}},
    {.header = {.kind = WIRE_SUBMIT, .area_used = 6}},
    {.header = {.kind = WIRE_SUBMIT}},
    {.header.kind = WIRE_CAPSET_FILL, .fill.capset.size = WIRE_AREA_SIZE + 1},
    {.header.kind = WIRE_CONTEXT_CREATE, .context.name[WIRE_NAME_SIZE] = 'x'},
    {.header.kind = WIRE_HELLO},
};

START_TEST(a_bad_request_ends_it)
{
    struct pollfd fd;
    start_well();
    fd = (struct pollfd){remote.socket, POLLRDHUP, 0};
    send_raw(bad_requests[_i]);
    ck_assert_int_eq(poll(&fd, 1, PATIENCE), 1);
    while (remote.socket >= 0 && !strstr(fake_output_text(&output), "renderer process"))
        wait_and_poll();
}
END_TEST

static const struct {
    struct wire_range range;
    uint32_t count;
} bad_ranges[] = {
    {{2 * MIB, 1}, 1},
    {{2 * MIB - 1, 2}, 1},
    {{0, 2 * MIB + 1}, 1},
    {{UINT64_MAX, 2}, 1},
    {{0, UINT64_MAX}, 1},
    {{0, 1}, 2},
    {{0, 1}, GUEST_PAGES_ENTRIES_MAX + 1},
};

START_TEST(ranges_outside_of_ram_are_refused)
{
    const struct renderer_resource resource = {.resource_id = 5};
    struct wire_request request = {
        .header = {.kind = WIRE_PAGES_ATTACH, .area_used = sizeof(struct wire_range)},
        .of_resource = {5, bad_ranges[_i].count},
    };
    struct wire_answer answer;
    struct error error;
    start_well();
    ck_assert(renderer.ops->resource_create(renderer.context, &resource, &error));
    memcpy(remote.area, &bad_ranges[_i].range, sizeof bad_ranges[_i].range);
    ck_assert(!renderer_remote_ask(&remote, &request, -1, &answer, NULL, &error));
    ck_assert_uint_eq(fake_renderer_blob(&shared->fake, 5)->pages.count, 0);
    ck_assert_int_ge(remote.socket, 0);
}
END_TEST

/* --- another s2vmm takes it over --- */

/* With another value in a field of the payload; AS_IT_IS: with none. */
#define AS_IT_IS UINT32_MAX
#define VERSION  0u
#define CAPSETS  (8 + WIRE_NAME_SIZE)
static void save(struct state_reader *reader, uint32_t field, uint32_t value)
{
    struct state_writer writer;
    struct error error;
    state_writer_init(&writer);
    ck_assert(renderer.ops->save(renderer.context, &writer, &error));
    ck_assert(state_complete(&writer, &error));
    if (field != AS_IT_IS)
        memcpy(writer.bytes + STATE_HEADER_SIZE + STATE_SECTION_SIZE + field, &value,
               sizeof value);
    ck_assert(state_reader_init(reader, writer.bytes, writer.size, &error));
    for (unsigned i = 0; i < writer.fd_count; i++) {
        int fd = fcntl(writer.fds[i], F_DUPFD_CLOEXEC, 0);
        ck_assert(state_reader_add_fds(reader, &fd, 1, &error));
    }
    state_writer_finish(&writer);
}

static void take_over(struct state_reader *reader)
{
    struct error error;
    renderer_remote_await(&remote, &trace);
    ck_assert_msg(start(&error), "%s", error.text);
    ck_assert_msg(renderer.ops->load(renderer.context, reader, &error), "%s", error.text);
}

/* Each of these states is refused. */
static void refuse(struct state_reader *reader, const char *text)
{
    static struct renderer_remote other;
    struct error error;
    renderer_remote_await(&other, &trace);
    ck_assert(renderer_remote_start(&other, &memory, fence_done, &other, &error));
    ck_assert(!renderer_remote_load(&other, reader, &error));
    ck_assert_msg(strstr(error.text, text) != NULL, "%s", error.text);
    renderer_remote_finish(&other);
    state_reader_finish(reader);
}

START_TEST(another_one_goes_on_with_it)
{
    uint32_t commands[1] = {0x1234};
    struct state_reader reader;
    struct error error;
    start_well();
    pid_t pid = shared->pid;
    create_context();
    save(&reader, AS_IT_IS, 0);
    /* The old one ends, and only closes. */
    pid_t launcher = remote.launcher.launcher;
    close(remote.launcher.control);
    remote.launcher.control = -1;
    close(remote.socket);
    remote.socket = -1;
    renderer_remote_stop(&remote);

    take_over(&reader);
    state_reader_finish(&reader);
    ck_assert(renderer.ops->knows_context(renderer.context, CONTEXT));
    ck_assert_str_eq(renderer_remote_library(&remote), "libfake.so");
    ck_assert_uint_eq(remote.capset_count, 2);
    ck_assert(renderer.ops->submit(renderer.context, CONTEXT, commands, 4, &error));
    ck_assert_uint_eq(shared->fake.submitted_word, 0x1234);
    ask_fence(1, 5);
    wait_and_poll();
    ck_assert_uint_eq(done_fence, 5);

    kill(pid, SIGKILL);
    while (!renderer.ops->has_died(renderer.context))
        wait_and_poll();
    ck_assert_msg(renderer.ops->restart(renderer.context, &error), "%s", error.text);
    create_context();
    remote.launcher.launcher = launcher; /* it is a child of this process all the same */
}
END_TEST

START_TEST(one_that_has_died_is_taken_over_too)
{
    struct renderer_remote old;
    struct state_reader reader;
    struct error error;
    start_well();
    kill(shared->pid, SIGKILL);
    while (!renderer.ops->has_died(renderer.context))
        wait_and_poll();
    save(&reader, AS_IT_IS, 0);
    old = remote;
    take_over(&reader);
    ck_assert(!renderer.ops->knows_resource(renderer.context, 1));
    ck_assert(renderer.ops->has_died(renderer.context));
    ck_assert_msg(renderer.ops->restart(renderer.context, &error), "%s", error.text);
    state_reader_finish(&reader);
    renderer_remote_stop(&remote);
    renderer_remote_finish(&remote);
    remote = old; /* which could have gone on */
}
END_TEST

START_TEST(a_state_that_cannot_be_is_refused)
{
    struct state_reader reader;
    start_well();
    save(&reader, VERSION, 99);
    refuse(&reader, "speaks version 99");
    save(&reader, CAPSETS, WIRE_CAPSETS_MAX + 1);
    refuse(&reader, "9 capsets");

    int area = remote.area_fd; /* RAM is no area */
    remote.area_fd = memory.fd;
    save(&reader, AS_IT_IS, 0);
    remote.area_fd = area;
    refuse(&reader, "no area");
    ck_assert(!renderer.ops->has_died(renderer.context));
}
END_TEST

Suite *renderer_remote_suite(void)
{
    Suite *suite = suite_create("renderer_remote");
    TCase *test_case = tcase_create("renderer_remote");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_set_timeout(test_case, 60);
    tcase_add_test(test_case, contexts_and_capsets_are_the_renderers);
    tcase_add_test(test_case, a_stream_of_any_length_arrives);
    tcase_add_test(test_case, errors_come_back);
    tcase_add_test(test_case, pages_are_found_in_ram);
    tcase_add_test(test_case, memory_of_our_own_is_copied);
    tcase_add_test(test_case, a_blob_of_guest_memory);
    tcase_add_test(test_case, descriptors_are_passed);
    tcase_add_test(test_case, fences_are_done_at_once_and_later);
    tcase_add_test(test_case, no_number_of_fences_is_too_large);
    tcase_add_test(test_case, when_it_is_killed_another_one_is_started);
    tcase_add_test(test_case, a_request_notices_that_it_was_killed);
    tcase_add_test(test_case, what_is_in_it_is_restarted);
    tcase_add_loop_test(test_case, a_lie_ends_it, 0, (int)ARRAY_SIZE(lies));
    tcase_add_test(test_case, an_answer_to_nothing_ends_it);
    tcase_add_test(test_case, an_error_says_only_what_can_be_read);
    tcase_add_loop_test(test_case, a_lie_at_the_start_is_an_error, 0,
                        (int)ARRAY_SIZE(hellos));
    tcase_add_loop_test(test_case, a_bad_request_ends_it, 0,
                        (int)ARRAY_SIZE(bad_requests));
    tcase_add_loop_test(test_case, ranges_outside_of_ram_are_refused, 0,
                        (int)ARRAY_SIZE(bad_ranges));
    tcase_add_test(test_case, another_one_goes_on_with_it);
    tcase_add_test(test_case, one_that_has_died_is_taken_over_too);
    tcase_add_test(test_case, a_state_that_cannot_be_is_refused);
    suite_add_tcase(suite, test_case);
    return suite;
}
