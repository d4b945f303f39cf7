/* SPDX-License-Identifier: MIT */
/*
 * The terminal in a live update: two of them, as if in two processes, with a pseudo-terminal. The test
 * runs in a session of its own, whose terminal it is.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/suites.h"
#include "vmm/terminal.h"
#include "vmm/types.h"

#define LIMIT 30000 /* ms */

/* In the other process. */
#define must(condition) BUG_ON(!(condition))

struct guest {
    atomic_bool refuses;
    atomic_size_t received;
    char bytes[64];
};

static int master;
static int room_fd;
static struct termios original;
static struct terminal old, new;
static struct guest old_guest, new_guest;
static struct state_writer writer;
static struct state_reader reader;

static size_t receive(void *context, const uint8_t *bytes, size_t count)
{
    struct guest *guest = context;
    size_t at = atomic_load(&guest->received);
    if (atomic_load(&guest->refuses))
        return 0;
    BUG_ON(at + count > sizeof guest->bytes);
    memcpy(guest->bytes + at, bytes, count);
    atomic_store(&guest->received, at + count);
    return count;
}

static struct terminal_sink sink_of(struct guest *guest)
{
    return (struct terminal_sink){
        .receive = receive, .room_fd = room_fd, .context = guest};
}

static void set_up(void)
{
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    must(master >= 0);
    must(unlockpt(master) == 0);
    setsid();
    int tty = open(ptsname(master), O_RDWR);
    must(tty >= 0);
    must(dup2(tty, 0) == 0);
    close(tty);
    must(tcgetattr(0, &original) == 0);
    room_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    atomic_store(&old_guest.refuses, true);
}

static bool is_raw(void)
{
    struct termios now;
    must(tcgetattr(0, &now) == 0);
    return (now.c_lflag & ICANON) == 0;
}

static void type(const char *text)
{
    must(write(master, text, strlen(text)) == (ssize_t)strlen(text));
}

static void wait_for_bytes(const struct guest *guest, size_t count)
{
    for (unsigned i = 0; i < LIMIT && atomic_load(&guest->received) < count; i++)
        usleep(1000);
    must(atomic_load(&guest->received) == count);
}

/* The old one has the terminal, and three bytes that its guest does not take. */
static void start_old(void)
{
    struct terminal_sink sink = sink_of(&old_guest);
    struct error error;
    must(terminal_init(&old, 0, stderr, &error));
    must(terminal_start(&old, &sink, &error));
    type("abc");
    must(terminal_pause(&old, LIMIT, &error));
    for (unsigned i = 0; i < LIMIT && old.buffered < 3;
         i++) { /* it may be read in pieces */
        terminal_resume(&old);
        usleep(1000);
        must(terminal_pause(&old, LIMIT, &error));
    }
    must(old.buffered == 3);
}

/* Both have the same; SCM_RIGHTS would make a new descriptor, too. */
static void make_new(void)
{
    struct terminal_sink sink = sink_of(&new_guest);
    struct error error;
    state_writer_init(&writer);
    terminal_save_modes(&old, &writer);
    terminal_save(&old, &writer);
    must(state_complete(&writer, &error));
    must(state_reader_init(&reader, writer.bytes, writer.size, &error));
    must(writer.fd_count == 1);
    int copy = fcntl(writer.fds[0], F_DUPFD_CLOEXEC, 3);
    must(state_reader_add_fds(&reader, &copy, 1, &error));
    must(terminal_init_over(&new, 0, stderr, &reader, &error));
    must(terminal_load(&new, &reader, &error));
    must(terminal_start(&new, &sink, &error));
    state_reader_finish(&reader);
    state_writer_finish(&writer);
}

static void the_new_one_goes_on(void)
{
    start_old();
    make_new();
    type("d");
    usleep(50000);
    must(atomic_load(&new_guest.received) == 0); /* it is paused */
    terminal_resume(&new);
    wait_for_bytes(&new_guest, 4);
    must(memcmp(new_guest.bytes, "abcd", 4) == 0);

    /* The old one's process ends, without a word. */
    pid_t watcher = old.watcher;
    close(old.watcher_pipe);
    usleep(100000);
    must(is_raw());
    must(waitpid(watcher, NULL, WNOHANG) == 0);
    terminal_finish(&new);
    must(!is_raw());
    must(waitpid(watcher, NULL, 0) == watcher);
}

static void the_old_one_goes_on(void)
{
    start_old();
    make_new();
    /* The new one's process ends, before it got anything. */
    close(new.watcher_pipe);
    usleep(100000);
    must(is_raw());
    must(waitpid(old.watcher, NULL, WNOHANG) == 0);
    atomic_store(&old_guest.refuses, false);
    terminal_resume(&old);
    eventfd_write(room_fd, 1);
    type("e");
    wait_for_bytes(&old_guest, 4);
    must(memcmp(old_guest.bytes, "abce", 4) == 0);
    terminal_finish(&old);
    must(!is_raw());
}

/* Both end: the watcher restores the terminal. */
static void nobody_goes_on(void)
{
    start_old();
    make_new();
    close(old.watcher_pipe);
    close(new.watcher_pipe);
    must(waitpid(old.watcher, NULL, 0) == old.watcher);
    must(!is_raw());
}

/* _i: which one. In a process that is no leader of a group, so that it can have a session. */
START_TEST(in_a_session)
{
    static void (*const bodies[])(void) = {the_new_one_goes_on, the_old_one_goes_on,
                                           nobody_goes_on};
    int status;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        set_up();
        bodies[_i]();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(too_many_bytes_are_refused)
{
    struct error error;
    state_writer_init(&writer);
    state_begin(&writer, "TYPE", 0, 1);
    state_put32(&writer, 0);
    state_put32(&writer, 0);
    state_put32(&writer, TERMINAL_BUFFER_SIZE + 1);
    for (unsigned i = 0; i < TERMINAL_BUFFER_SIZE + 1; i++)
        state_put_bytes(&writer, "x", 1);
    state_end(&writer);
    ck_assert(state_complete(&writer, &error));
    ck_assert(state_reader_init(&reader, writer.bytes, writer.size, &error));
    ck_assert(!terminal_load(&new, &reader, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "4097 bytes typed"));
    state_reader_finish(&reader);
    state_writer_finish(&writer);
}
END_TEST

Suite *terminal_state_suite(void)
{
    Suite *suite = suite_create("terminal_state");
    TCase *test_case = tcase_create("two terminals");
    tcase_set_timeout(test_case, 30);
    tcase_add_loop_test(test_case, in_a_session, 0, 3);
    tcase_add_test(test_case, too_many_bytes_are_refused);
    suite_add_tcase(suite, test_case);
    return suite;
}
