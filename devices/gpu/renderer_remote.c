/* SPDX-License-Identifier: MIT */
/* The process, and the messages to and from it; what they are about is in renderer_remote_ops.c. */
#include "devices/gpu/renderer_remote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Messages that are taken before the device's other events get their turn. */
#define MESSAGES_AT_ONCE 256u
#define NEWS_PATIENCE    3000 /* milliseconds: a driver's threads end, under emulation */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* --- fences --- */

static bool same(struct renderer_timeline a, struct renderer_timeline b)
{
    return a.context_id == b.context_id && a.ring == b.ring;
}

static bool note_fence(struct renderer_remote *remote, struct renderer_timeline timeline,
                       uint32_t number, struct error *error)
{
    for (unsigned i = 0; i < remote->open_count; i++)
        if (same(remote->open[i].timeline, timeline)) {
            remote->open[i].last = number;
            return true;
        }
    if (remote->open_count == remote->open_room) {
        unsigned room = remote->open_room == 0 ? 16 : 2 * remote->open_room;
        void *more = realloc(remote->open, room * sizeof *remote->open);
        if (!more)
            return error_set(error, ERROR_HOST_MEMORY, "no memory for a fence");
        remote->open = more;
        remote->open_room = room;
    }
    remote->open[remote->open_count++] = (struct renderer_open_fence){timeline, number};
    return true;
}

/* The queue of fences (fence.h) knows who waits for it, if anybody does. */
static void fence_done(struct renderer_remote *remote, struct renderer_timeline timeline,
                       uint32_t number)
{
    for (unsigned i = 0; i < remote->open_count; i++)
        if (same(remote->open[i].timeline, timeline) && remote->open[i].last == number) {
            remote->open[i] = remote->open[--remote->open_count];
            break;
        }
    remote->fence(remote->fence_context, timeline, number);
}

void renderer_remote_forget_fences(struct renderer_remote *remote, uint32_t context_id)
{
    unsigned i = 0;
    while (i < remote->open_count)
        if (remote->open[i].timeline.context_id == context_id)
            remote->open[i] = remote->open[--remote->open_count];
        else
            i++;
}

/* --- its end --- */

/* Nobody waits for a process that is gone. */
static void forget_process(struct renderer_remote *remote)
{
    if (remote->socket >= 0)
        (void)epoll_ctl(remote->poll_fd, EPOLL_CTL_DEL, remote->socket, NULL);
    close_fd(&remote->socket);
    while (remote->open_count > 0) {
        const struct renderer_open_fence last = remote->open[--remote->open_count];
        remote->fence(remote->fence_context, last.timeline, last.last);
    }
}

/* It has closed its end: how it ended its launcher says, in a moment, and not any more when another
 * one was asked for. */
static void lose(struct renderer_remote *remote)
{
    struct pollfd news = {remote->launcher.control, POLLIN, 0};
    forget_process(remote);
    if (news.fd >= 0 && !remote->launcher.end_told)
        (void)poll(&news, 1, NEWS_PATIENCE);
    render_server_hear(&remote->launcher);
}

/* It breaks the rules. */
static void end(struct renderer_remote *remote, const char *why)
{
    trace_warning(remote->trace, "gpu", "the renderer process is ended: %s; %s", why,
                  remote->child.outlook);
    render_server_end(&remote->launcher);
    forget_process(remote);
}

/* --- messages --- */

static bool is_there(const struct renderer_remote *remote, struct error *error)
{
    return remote->socket >= 0 || error_set(error, ERROR_HOST_RENDERER,
                                            "the renderer process has ended, and was "
                                            "not started again yet");
}

/* With events(poll): there, or the time is over. */
static bool wait_for(const struct renderer_remote *remote, short events,
                     uint64_t deadline)
{
    uint64_t time = now();
    struct pollfd fd = {remote->socket, events, 0};
    int left = time < deadline ? (int)(deadline - time) : 0;
    return poll(&fd, 1, left) != 0; /* EINTR: the caller tries again */
}

/* Takes one message, if there is one: true when it is an answer. Without a process afterwards it
 * was the last one. */
static bool take_message(struct renderer_remote *remote, struct wire_answer *answer,
                         int *fds, enum wire_received *received)
{
    *received = wire_receive(remote->socket, answer, sizeof *answer, fds, MSG_DONTWAIT);
    switch (*received) {
    case WIRE_NOTHING:
        return false;
    case WIRE_END:
        lose(remote);
        return false;
    case WIRE_BROKEN:
        end(remote, "it says what is no message");
        return false;
    case WIRE_MESSAGE:
        break;
    }
    if (answer->header.kind != WIRE_FENCE_DONE)
        return true;
    if (fds[0] >= 0) {
        wire_close_fds(fds);
        end(remote, "it sends a descriptor that nobody has asked for");
        return false;
    }
    fence_done(remote, answer->fence.timeline, answer->fence.number);
    return false;
}

void renderer_remote_poll(void *context)
{
    struct renderer_remote *remote = context;
    struct wire_answer answer;
    int fds[WIRE_FDS_MAX];
    enum wire_received received = WIRE_MESSAGE;
    render_server_hear(&remote->launcher);
    for (unsigned i = 0;
         i < MESSAGES_AT_ONCE && remote->socket >= 0 && received != WIRE_NOTHING; i++) {
        if (take_message(remote, &answer, fds, &received)) {
            wire_close_fds(fds);
            end(remote, "it answers what nobody has asked");
        }
    }
}

/* It may have no room because the process waits for room itself: so its messages are taken
 * meanwhile. */
static bool send_request(struct renderer_remote *remote,
                         const struct wire_request *request, const int *fds,
                         unsigned fd_count, struct error *error)
{
    const uint64_t deadline = now() + remote->patience;
    while (is_there(remote, error)) {
        if (wire_send(remote->socket, request, sizeof *request, fds, fd_count,
                      MSG_DONTWAIT))
            return true;
        if (errno != EAGAIN)
            lose(remote);
        else if (now() >= deadline)
            end(remote, "it does not read");
        else if (wait_for(remote, POLLIN | POLLOUT, deadline))
            renderer_remote_poll(remote);
    }
    return false;
}

/* Without a process: there is none. */
static bool receive_answer(struct renderer_remote *remote,
                           const struct wire_request *request, struct wire_answer *answer,
                           int *fds)
{
    const uint64_t deadline = now() + remote->patience;
    enum wire_received received;
    while (remote->socket >= 0) {
        if (now() >= deadline) {
            end(remote, "it does not answer");
        } else if (wait_for(remote, POLLIN, deadline) &&
                   take_message(remote, answer, fds, &received)) {
            if (answer->header.kind == request->header.kind &&
                answer->header.serial == request->header.serial &&
                answer->header.area_used <= WIRE_AREA_SIZE)
                return true;
            wire_close_fds(fds);
            end(remote, "it answers another question");
        }
    }
    return false;
}

/* A text for a person, from somebody who may want to fool their terminal. */
static void take_text(char *text, size_t room, const uint8_t *from, size_t length)
{
    size_t size = length < room ? length : room - 1;
    memcpy(text, from, size);
    for (size_t i = 0; i < size; i++)
        if (text[i] < ' ' || text[i] > '~')
            text[i] = '?';
    text[size] = '\0';
}

/* Whose fault it is decides the end of a run: not the guest's, as what the guest said was checked
 * before. */
static bool take_error(const struct renderer_remote *remote,
                       const struct wire_answer *answer, struct error *error)
{
    char text[sizeof error->text];
    enum error_code code = (enum error_code)answer->code;
    bool known =
        answer->code < ERROR_CODE_COUNT &&
        (error_code_group(code) == ERROR_GROUP_HOST || code == ERROR_CONFIG_HOST);
    take_text(text, sizeof text, remote->area, answer->header.area_used);
    return error_set(error, known ? code : ERROR_HOST_RENDERER, "%s",
                     text[0] ? text : "the renderer process does not say why");
}

static bool ask_with(struct renderer_remote *remote, struct wire_request *request,
                     const int *fds, unsigned fd_count, struct wire_answer *answer,
                     int *got_fd, struct error *error)
{
    int got[WIRE_FDS_MAX];
    request->header.magic = WIRE_MAGIC;
    request->header.serial = ++remote->serial;
    if (!send_request(remote, request, fds, fd_count, error))
        return false;
    if (!receive_answer(remote, request, answer, got))
        return error_set(error, ERROR_HOST_RENDERER,
                         "the renderer process has ended before its answer");
    if (got[1] >= 0 || (got[0] >= 0 && (!got_fd || answer->code != ERROR_NONE))) {
        wire_close_fds(got);
        end(remote, "it sends a descriptor that nobody has asked for");
        return error_set(error, ERROR_HOST_RENDERER, "the renderer process was ended");
    }
    if (answer->code != ERROR_NONE)
        return take_error(remote, answer, error);
    if (got_fd)
        *got_fd = got[0];
    return true;
}

bool renderer_remote_ask(struct renderer_remote *remote, struct wire_request *request,
                         int fd, struct wire_answer *answer, int *got_fd,
                         struct error *error)
{
    return ask_with(remote, request, &fd, fd >= 0 ? 1 : 0, answer, got_fd, error);
}

bool renderer_remote_ask_fence(struct renderer_remote *remote,
                               struct renderer_timeline timeline, uint32_t number,
                               struct error *error)
{
    const struct wire_request request = {
        .header = {.magic = WIRE_MAGIC, .kind = WIRE_FENCE},
        .fence = {timeline, number},
    };
    return is_there(remote, error) && note_fence(remote, timeline, number, error) &&
           send_request(remote, &request, NULL, 0, error);
}

/* --- start --- */

static bool take_description(struct renderer_remote *remote,
                             const struct wire_answer *answer, struct error *error)
{
    if (answer->hello.version != WIRE_VERSION)
        return error_set(error, ERROR_HOST_RENDERER,
                         "the renderer process speaks version %u, s2vmm %u",
                         answer->hello.version, WIRE_VERSION);
    bool good = answer->hello.capset_count <= WIRE_CAPSETS_MAX;
    for (unsigned i = 0; good && i < answer->hello.capset_count; i++) {
        remote->capsets[i] = answer->hello.capsets[i];
        good = remote->capsets[i].size <= WIRE_AREA_SIZE;
    }
    if (!good)
        return error_set(error, ERROR_HOST_RENDERER,
                         "the renderer process says impossible capsets");
    remote->capset_count = answer->hello.capset_count;
    take_text(remote->library, sizeof remote->library,
              (const uint8_t *)answer->hello.library,
              strnlen(answer->hello.library, sizeof answer->hello.library));
    return true;
}

static bool watch(const struct renderer_remote *remote, int fd, struct error *error)
{
    struct epoll_event event = {.events = EPOLLIN};
    return fd < 0 || epoll_ctl(remote->poll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ||
           error_set(error, ERROR_HOST_SYSTEM, "epoll_ctl for the renderer process: %s",
                     strerror(errno));
}

/* The launcher ends the old process, if there is one, before that could see that it is not needed
 * any more. */
static bool start_process(struct renderer_remote *remote, struct error *error)
{
    struct wire_request hello = {.header.kind = WIRE_HELLO, .version = WIRE_VERSION};
    struct wire_answer answer = {.code = ERROR_NONE};
    const int fds[] = {remote->memory->fd, remote->area_fd};
    int socket;
    bool started = render_server_start(&remote->launcher, &socket, error);
    forget_process(remote);
    if (!started)
        return false;
    remote->socket = socket;
    close_fd(&remote->launcher.connection); /* the process shall see when we close it */
    if (watch(remote, remote->socket, error) &&
        ask_with(remote, &hello, fds, 2, &answer, NULL, error) &&
        take_description(remote, &answer, error))
        return true;
    forget_process(remote);
    return false;
}

static bool make_area(struct renderer_remote *remote, struct error *error)
{
    remote->area_fd = memfd_create("s2vmm-renderer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return (remote->area_fd >= 0 && ftruncate(remote->area_fd, WIRE_AREA_SIZE) == 0 &&
            fcntl(remote->area_fd, F_ADD_SEALS,
                  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) ||
           error_set(error, ERROR_HOST_SYSTEM, "memfd for the renderer process: %s",
                     strerror(errno));
}

bool renderer_remote_open(struct renderer_remote *remote, struct error *error)
{
    void *area = mmap(NULL, WIRE_AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                      remote->area_fd, 0);
    if (area == MAP_FAILED)
        return error_set(error, ERROR_HOST_MEMORY,
                         "mmap of the renderer process' area: %s", strerror(errno));
    remote->area = area;
    return watch(remote, remote->launcher.control, error) &&
           watch(remote, remote->socket, error);
}

static bool start_polling(struct renderer_remote *remote, struct error *error)
{
    remote->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    return remote->poll_fd >= 0 ||
           error_set(error, ERROR_HOST_SYSTEM, "epoll for the renderer process: %s",
                     strerror(errno));
}

bool renderer_remote_start(struct renderer_remote *remote,
                           const struct guest_memory *memory,
                           renderer_fence_function *fence, void *fence_context,
                           struct error *error)
{
    BUG_ON(memory->fd < 0);
    remote->started = true;
    remote->memory = memory;
    remote->fence = fence;
    remote->fence_context = fence_context;
    return start_polling(remote, error) &&
           (remote->awaits ||
            (make_area(remote, error) && renderer_remote_open(remote, error) &&
             start_process(remote, error)));
}

/* The request is part of the answer to has_died(): the library's own processes die, too. */
bool renderer_remote_has_died(const void *context)
{
    struct renderer_remote *remote = (struct renderer_remote *)(uintptr_t)context;
    struct wire_request request = {.header.kind = WIRE_HAS_DIED};
    struct wire_answer answer;
    struct error error;
    return !renderer_remote_ask(remote, &request, -1, &answer, NULL, &error) ||
           answer.has_died != 0;
}

bool renderer_remote_restart(void *context, struct error *error)
{
    return start_process(context, error);
}

/* --- life --- */

static void clear(struct renderer_remote *remote, struct trace *trace)
{
    *remote = (struct renderer_remote){
        .trace = trace,
        .child =
            {
                .name = "renderer process",
                .outlook = "commands that need it fail until another one is started, by "
                           "a reset of the device or when nothing of a context is left",
            },
        .patience = RENDERER_REMOTE_PATIENCE,
        .socket = -1,
        .poll_fd = -1,
        .area_fd = -1,
    };
}

bool renderer_remote_init_child(struct renderer_remote *remote,
                                launcher_become_function *become, const void *context,
                                const struct sandbox *sandbox, struct trace *trace,
                                struct error *error)
{
    clear(remote, trace);
    remote->child.become = become;
    remote->child.context = context;
    remote->initialised = render_server_init_child(&remote->launcher, &remote->child,
                                                   sandbox, trace, error);
    return remote->initialised;
}

bool renderer_remote_init(struct renderer_remote *remote,
                          const struct renderer_process_config *config,
                          const struct sandbox *sandbox, struct trace *trace,
                          struct error *error)
{
    return renderer_remote_init_child(remote, renderer_process_become, config, sandbox,
                                      trace, error);
}

void renderer_remote_await(struct renderer_remote *remote, struct trace *trace)
{
    clear(remote, trace);
    remote->initialised = true;
    remote->awaits = true;
    remote->launcher = (struct render_server){
        .initialised = true,
        .child = &remote->child,
        .trace = trace,
        .control = -1,
        .connection = -1,
    };
}

const char *renderer_remote_library(const struct renderer_remote *remote)
{
    return remote->library;
}

struct renderer renderer_remote_interface(struct renderer_remote *remote)
{
    return (struct renderer){.ops = &renderer_remote_ops, .context = remote};
}

void renderer_remote_stop(struct renderer_remote *remote)
{
    if (!remote->started)
        return;
    forget_process(remote);
    if (remote->area)
        munmap(remote->area, WIRE_AREA_SIZE);
    close_fd(&remote->area_fd);
    close_fd(&remote->poll_fd);
    free(remote->open);
    remote->open = NULL;
    remote->open_room = 0;
    remote->area = NULL;
    remote->started = false;
}

void renderer_remote_finish(struct renderer_remote *remote)
{
    if (!remote->initialised)
        return;
    renderer_remote_stop(remote); /* a start that failed */
    render_server_finish(&remote->launcher);
    *remote = (struct renderer_remote){0};
}
