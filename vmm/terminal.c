/* SPDX-License-Identifier: MIT */
#include "vmm/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/thread.h"
#include "vmm/types.h"

#define ESCAPE 0x01u /* Ctrl-A */

const char terminal_help[] =
    "s2vmm: Ctrl-A x       ends the run\n"
    "s2vmm: Ctrl-A Ctrl-A  sends Ctrl-A to the guest\n"
    "s2vmm: Ctrl-A ?       these lines (also Ctrl-A h)\n";

/* --- modes --- */

/* Every byte as it comes, nothing is echoed, no key is a signal. Output: see the header. */
static struct termios make_raw(const struct termios *original)
{
    struct termios raw = *original;
    raw.c_iflag &=
        ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    return raw;
}

static bool modes_are_equal(const struct termios *a, const struct termios *b)
{
    return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag &&
           a->c_cflag == b->c_cflag && a->c_lflag == b->c_lflag &&
           a->c_cc[VMIN] == b->c_cc[VMIN] && a->c_cc[VTIME] == b->c_cc[VTIME];
}

/* A background job leaves the terminal to the others: it must not read it either. A terminal that
 * is not our session's has no jobs. */
static bool is_in_background(const struct terminal *terminal)
{
    pid_t foreground = terminal->is_tty ? tcgetpgrp(terminal->input) : -1;
    return foreground >= 0 && foreground != getpgrp();
}

static void set_raw(const struct terminal *terminal)
{
    if (terminal->is_tty && tcgetpgrp(terminal->input) == getpgrp())
        tcsetattr(terminal->input, TCSANOW, &terminal->raw);
}

/* Also as a process in the background, which SIGTTOU would stop. */
static void restore(const struct terminal *terminal)
{
    struct termios now;
    sigset_t set;
    sigset_t before;
    if (tcgetattr(terminal->input, &now) != 0 || !modes_are_equal(&now, &terminal->raw))
        return;
    sigemptyset(&set);
    sigaddset(&set, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    tcsetattr(terminal->input, TCSANOW, &terminal->original);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* --- watcher --- */

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* Never returns. All signals are blocked, the terminal's too: only then a process in the
 * background may set its modes (tty_jobctrl.c of Linux, __tty_check_change()). */
static _Noreturn void watch(struct terminal *terminal, int pipe_end)
{
    setpgid(0, 0);
    prctl(PR_SET_NAME, "s2vmm-terminal");
    /* The terminal and the pipe, and nothing else of what we were started with: somebody may
     * wait for the end of our output. */
    pipe_end = fcntl(pipe_end, F_DUPFD, 3);
    terminal->input = dup2(terminal->input, 0);
    pipe_end = dup2(pipe_end, 1);
    close_range(2, ~0u, 0);
    struct error error;
    if (!sandbox_enter(terminal->sandbox, SANDBOX_TERMINAL_WATCHER, &error))
        _exit(1);

    char byte;
    ssize_t got;
    do {
        got = read(pipe_end, &byte, 1);
    } while (got < 0 && errno == EINTR);
    restore(terminal);
    _exit(0);
}

static bool start_watcher(struct terminal *terminal, struct error *error)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set(error, ERROR_HOST_SYSTEM,
                         "pipe for the terminal: %s; see "
                         "ulimit -n",
                         strerror(errno));
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all,
                    &before); /* the watcher's from its first moment on */
    terminal->watcher = fork();
    if (terminal->watcher == 0) {
        close(ends[1]);
        watch(terminal, ends[0]);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(ends[0]);
    if (terminal->watcher < 0) {
        close(ends[1]);
        return error_set(error, ERROR_HOST_SYSTEM,
                         "process that watches the terminal: %s; see ulimit -u, or use "
                         "</dev/null",
                         strerror(errno));
    }
    setpgid(terminal->watcher, terminal->watcher); /* whoever of us is first */
    terminal->watcher_pipe = ends[1];
    return true;
}

/* The terminal is restored: the watcher is not needed any more. */
static void stop_watcher(struct terminal *terminal)
{
    if (terminal->watcher > 0) {
        kill(terminal->watcher, SIGKILL); /* it blocks the others */
        while (waitpid(terminal->watcher, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    close_fd(terminal->watcher_pipe); /* another s2vmm's watcher ends with it */
}

/* --- output --- */

/* One timer at a time: while the guest prints, the thread wakes up a hundred times a second at
 * most, and never while it does not. */
static void flush_soon(struct terminal *terminal)
{
    static const struct itimerspec delay = {.it_value.tv_nsec =
                                                TERMINAL_FLUSH_MILLISECONDS * 1000000L};
    if (!atomic_exchange(&terminal->flush_is_due, true))
        timerfd_settime(terminal->flush_fd, 0, &delay, NULL);
}

void terminal_output(struct terminal *terminal, uint8_t byte)
{
    fputc(byte, terminal->output);
    if (byte == '\n')
        fflush(terminal->output);
    else
        flush_soon(terminal);
}

static void flush_now(struct terminal *terminal)
{
    uint64_t count;
    (void)!read(terminal->flush_fd, &count, sizeof count);
    atomic_store(&terminal->flush_is_due, false); /* a byte from now on sets the timer */
    fflush(terminal->output);
}

/* --- input --- */

/* What becomes of one byte: true if it is for the guest. */
static bool take_key(struct terminal *terminal, uint8_t byte)
{
    if (!terminal->is_tty)
        return true;
    if (!terminal->escaped) {
        terminal->escaped = byte == ESCAPE;
        return !terminal->escaped;
    }
    terminal->escaped = false;
    switch (byte) {
    case ESCAPE:
        return true;
    case 'x':
        kill(getpid(), SIGINT); /* as ^C ends a run that has no terminal */
        return false;
    case 'h':
    case '?':
        fputs(terminal_help, stderr);
        return false;
    default:
        return false;
    }
}

static void deliver(struct terminal *terminal)
{
    size_t taken = 0;
    while (taken < terminal->buffered) {
        size_t more = terminal->sink.receive(
            terminal->sink.context, terminal->buffer + taken, terminal->buffered - taken);
        if (more == 0)
            break;
        taken += more;
    }
    terminal->buffered -= taken;
    memmove(terminal->buffer, terminal->buffer + taken, terminal->buffered);
}

/* Also ends for a terminal that is gone. In the background a read fails with EIO, for this thread
 * blocks SIGTTIN (tty_jobctrl.c of Linux, __tty_check_change()). */
static void read_input(struct terminal *terminal)
{
    uint8_t bytes[TERMINAL_BUFFER_SIZE];
    ssize_t count =
        read(terminal->input, bytes, TERMINAL_BUFFER_SIZE - terminal->buffered);
    if (count < 0 && (errno == EINTR || errno == EAGAIN ||
                      (errno == EIO && is_in_background(terminal))))
        return;
    if (count <= 0)
        terminal->input_ended = true;
    for (ssize_t i = 0; i < count; i++)
        if (take_key(terminal, bytes[i]))
            terminal->buffer[terminal->buffered++] = bytes[i];
    deliver(terminal);
}

static void tell_size(const struct terminal *terminal)
{
    struct winsize size;
    if (terminal->sink.resized != NULL && terminal->is_tty &&
        ioctl(terminal->input, TIOCGWINSZ, &size) == 0)
        terminal->sink.resized(terminal->sink.context, size.ws_col, size.ws_row);
}

static void read_signal(struct terminal *terminal)
{
    struct signalfd_siginfo info;
    if (read(terminal->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo == SIGCONT)
        set_raw(terminal);
    tell_size(terminal);
}

/* Waits while it is paused. */
static void park(struct terminal *terminal)
{
    pthread_mutex_lock(&terminal->lock);
    terminal->parked = true;
    pthread_cond_broadcast(&terminal->changed);
    while (terminal->paused)
        pthread_cond_wait(&terminal->changed, &terminal->lock);
    terminal->parked = false;
    pthread_mutex_unlock(&terminal->lock);
}

enum { POLL_INPUT, POLL_ROOM, POLL_SIGNAL, POLL_FLUSH, POLL_QUIT, POLL_COUNT };

static void *run(void *context)
{
    struct terminal *terminal = context;
    struct pollfd fds[POLL_COUNT] = {
        [POLL_INPUT] = {.events = POLLIN},
        [POLL_ROOM] = {.fd = terminal->sink.room_fd, .events = POLLIN},
        [POLL_SIGNAL] = {.fd = terminal->signal_fd, .events = POLLIN},
        [POLL_FLUSH] = {.fd = terminal->flush_fd, .events = POLLIN},
        [POLL_QUIT] = {.fd = terminal->quit_fd, .events = POLLIN},
    };
    bool was_in_background = false;
    park(terminal);
    tell_size(terminal);
    deliver(terminal); /* what was loaded */
    while (!atomic_load(&terminal->quit)) {
        /* A shell's `fg` for a job that runs sends no signal: look now and then. */
        bool in_background = is_in_background(terminal);
        if (was_in_background && !in_background)
            set_raw(terminal);
        was_in_background = in_background;
        bool reads = !in_background && !terminal->input_ended &&
                     terminal->buffered < TERMINAL_BUFFER_SIZE;
        fds[POLL_INPUT].fd = reads ? terminal->input : -1; /* poll() skips -1 */
        if (poll(fds, POLL_COUNT, in_background ? TERMINAL_LOOK_MILLISECONDS : -1) < 0) {
            BUG_ON(errno != EINTR && errno != EAGAIN && errno != ENOMEM);
            continue;
        }
        if (fds[POLL_QUIT].revents != 0) {
            eventfd_t count;
            eventfd_read(terminal->quit_fd, &count);
            park(terminal);
            continue;
        }
        if (fds[POLL_SIGNAL].revents != 0)
            read_signal(terminal);
        if (fds[POLL_FLUSH].revents != 0)
            flush_now(terminal);
        if (fds[POLL_ROOM].revents != 0) {
            eventfd_t count;
            eventfd_read(terminal->sink.room_fd, &count);
            deliver(terminal);
        }
        if (reads && fds[POLL_INPUT].revents != 0)
            read_input(terminal);
    }
    return NULL;
}

/* --- life --- */

static bool open_fds(struct terminal *terminal, struct error *error)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&terminal->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&terminal->lock, NULL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCONT);
    sigaddset(&set, SIGWINCH);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    terminal->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    terminal->flush_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    terminal->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (terminal->signal_fd >= 0 && terminal->flush_fd >= 0 && terminal->quit_fd >= 0)
        return true;
    return error_set(error, ERROR_HOST_SYSTEM,
                     "signalfd, timerfd or eventfd for the terminal: %s; see ulimit -n",
                     strerror(errno));
}

static void clear(struct terminal *terminal, int input, FILE *output)
{
    *terminal = (struct terminal){
        .initialised = true,
        .sandbox = terminal->sandbox,
        .input = input,
        .output = output,
        .watcher_pipe = -1,
    };
}

bool terminal_init(struct terminal *terminal, int input, FILE *output,
                   struct error *error)
{
    clear(terminal, input, output);
    terminal->is_tty = tcgetattr(input, &terminal->original) == 0;
    terminal->raw = make_raw(&terminal->original);
    if (open_fds(terminal, error) &&
        (!terminal->is_tty || start_watcher(terminal, error)))
        return true;
    terminal_finish(terminal);
    return false;
}

bool terminal_init_over(struct terminal *terminal, int input, FILE *output,
                        struct state_reader *reader, struct error *error)
{
    clear(terminal, input, output);
    terminal->paused = true;
    if (open_fds(terminal, error) && terminal_load_modes(terminal, reader, error))
        return true;
    terminal->is_tty = false;
    terminal_finish(terminal);
    return false;
}

bool terminal_start(struct terminal *terminal, const struct terminal_sink *sink,
                    struct error *error)
{
    BUG_ON(terminal->thread_runs);
    terminal->sink = *sink;
    set_raw(terminal);
    const struct thread_plan plan = {
        .name = "terminal",
        .run = run,
        .context = terminal,
        .sandbox = terminal->sandbox,
        .role = SANDBOX_TERMINAL,
    };
    terminal->thread_runs = thread_start(&terminal->thread, &plan, error);
    return terminal->thread_runs;
}

void terminal_finish(struct terminal *terminal)
{
    if (!terminal->initialised)
        return;
    if (terminal->thread_runs) {
        atomic_store(&terminal->quit, true);
        terminal_resume(terminal);
        eventfd_write(terminal->quit_fd, 1);
        pthread_join(terminal->thread, NULL);
    }
    fflush(terminal->output);
    if (terminal->is_tty)
        restore(terminal);
    stop_watcher(terminal);
    close_fd(terminal->signal_fd);
    close_fd(terminal->flush_fd);
    close_fd(terminal->quit_fd);
    pthread_cond_destroy(&terminal->changed);
    pthread_mutex_destroy(&terminal->lock);
    *terminal = (struct terminal){0};
}
