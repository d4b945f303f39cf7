/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/unit/remote_process.h"
#include "vmm/error.h"

struct remote_process *remote_process;

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
    while (remote_process->complete && remote_process->fake.fence_count > 0)
        fake_renderer_complete(context, 0);
}

static bool start_fake(struct renderer_process *process, struct error *error)
{
    static struct renderer_ops ops;
    (void)error;
    fake_renderer_init(&remote_process->fake);
    remote_process->fake.fence_done = renderer_process_fence_done;
    remote_process->fake.fence_context = process;
    process->renderer = fake_renderer_interface(&remote_process->fake);
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
    answer->hello.version = remote_process->lie == LIE_HELLO_VERSION ? 99 : WIRE_VERSION;
    answer->hello.capset_count =
        remote_process->lie == LIE_HELLO_CAPSETS ? WIRE_CAPSETS_MAX + 1 : 1;
    answer->hello.capsets[0].size =
        remote_process->lie == LIE_HELLO_CAPSET_SIZE ? WIRE_AREA_SIZE + 1 : 8;
    memset(answer->hello.library, 'x', WIRE_NAME_SIZE); /* without an end */
    if (remote_process->lie != LIE_HELLO_SILENCE)
        send_answer(socket, answer, sizeof *answer, 0);
}

static void lie(int socket, struct wire_answer *answer, uint8_t *area)
{
    static const char text[] = "\033[2Jbad\n";
    struct wire_answer long_answer[2] = {*answer};
    BUG_ON(!area);
    switch (remote_process->lie) {
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

void remote_process_become(const struct launcher_child *child, int socket,
                           const struct sandbox *sandbox, const sigset_t *signals,
                           struct error *error)
{
    struct renderer_process process = {.socket = 3, .start = start_fake};
    (void)child;
    (void)sandbox;
    (void)error;
    BUG_ON(dup2(socket, 3) != 3);
    close_range(4, ~0u, 0);
    remote_process->pid = getpid();
    sigprocmask(SIG_SETMASK, signals, NULL);
    if (remote_process->lie != HONEST)
        serve_lies(3);
    renderer_process_serve(&process);
    _exit(0);
}
