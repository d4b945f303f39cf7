/* SPDX-License-Identifier: MIT */
/*
 * The terminal, played with a pseudo-terminal: the test is the user and holds the master; a shell
 * is the session's leader and holds the terminal; its job, the owner, runs vmm/terminal.c. What
 * the owner's sink got is in memory that all share.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/suites.h"
#include "tests/unit/toy_device.h"
#include "vmm/terminal.h"

struct shared {
    atomic_int owner; /* its pid, once it runs */
    atomic_int watcher;
    atomic_bool ended; /* the owner; then: */
    atomic_int status; /* as waitpid() has it */
    atomic_bool finish;
    atomic_int move;     /* for the shell: the owner is to be in the ... */
    atomic_bool refuse;  /* the sink takes nothing */
    atomic_uint at_once; /* bytes that it takes at once */
    atomic_uint size;    /* columns << 16 | rows */
    atomic_size_t received;
    char bytes[65536];
};

enum { MOVE_NOWHERE, MOVE_FOREGROUND, MOVE_BACKGROUND };

static struct shared *shared;
static int room_fd;
static int master;
static int slave; /* not our controlling terminal */
static pid_t shell;
static struct termios original;

static size_t receive(void *context, const uint8_t *bytes, size_t count)
{
    BUG_ON(context != shared);
    size_t at = atomic_load(&shared->received);
    size_t taken = atomic_load(&shared->at_once);
    if (taken > count)
        taken = count;
    if (atomic_load(&shared->refuse))
        taken = 0;
    BUG_ON(at + taken > sizeof shared->bytes);
    memcpy(shared->bytes + at, bytes, taken);
    atomic_store(&shared->received, at + taken);
    return taken;
}

static void resized(void *context, uint16_t columns, uint16_t rows)
{
    BUG_ON(context != shared);
    atomic_store(&shared->size, (unsigned)columns << 16 | rows);
}

static struct terminal_sink sink(void)
{
    return (struct terminal_sink){
        .receive = receive, .room_fd = room_fd, .resized = resized, .context = shared};
}

static void set_up(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
    atomic_store(&shared->at_once, sizeof shared->bytes);
    room_fd = eventfd(0, EFD_NONBLOCK);
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(master, 0);
    ck_assert_int_eq(grantpt(master), 0);
    ck_assert_int_eq(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(slave, 0);
    ck_assert_int_eq(tcgetattr(slave, &original), 0);
}

static void tear_down(void)
{
    if (shell > 0) {
        kill(shell, SIGKILL);
        waitpid(shell, NULL, 0);
    }
    close(slave);
    close(master);
    close(room_fd);
    munmap(shared, sizeof *shared);
}

/* --- the other two processes --- */

static _Noreturn void run_owner(void)
{
    static struct terminal terminal;
    const struct rlimit no_core = {0, 0};
    const struct terminal_sink to = sink();
    struct error error;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGINT, SIG_DFL); /* not Check's handlers */
    signal(SIGTERM, SIG_DFL);
    BUG_ON(!terminal_init(&terminal, 0, stderr, &error));
    BUG_ON(!terminal_start(&terminal, &to, &error));
    atomic_store(&shared->watcher, terminal.watcher);
    atomic_store(&shared->owner, getpid());
    while (!atomic_load(&shared->finish))
        usleep(1000);
    terminal_finish(&terminal);
    _exit(0);
}

static _Noreturn void run_shell(bool foreground)
{
    int status;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* after a test that failed */
    setsid();
    int tty = open(ptsname(master), O_RDWR); /* the session's from now on */
    BUG_ON(tty < 0 || dup2(tty, 0) < 0);
    signal(SIGTTOU, SIG_IGN);
    pid_t owner = fork();
    if (owner == 0) {
        setpgid(0, 0);
        if (foreground)
            tcsetpgrp(0, getpid());
        signal(SIGTTOU, SIG_DFL);
        run_owner();
    }
    while (waitpid(owner, &status, WNOHANG) != owner) {
        int move = atomic_load(&shared->move);
        if (move == MOVE_BACKGROUND)
            tcsetattr(0, TCSANOW, &original);
        if (move != MOVE_NOWHERE) {
            tcsetpgrp(0, move == MOVE_FOREGROUND ? owner : getpid());
            atomic_store(&shared->move, MOVE_NOWHERE); /* done */
        }
        usleep(1000);
    }
    atomic_store(&shared->status, status);
    atomic_store(&shared->ended, true);
    for (;;)
        pause(); /* or the terminal would hang up */
}

static void start(bool foreground)
{
    shell = fork();
    ck_assert_int_ge(shell, 0);
    if (shell == 0)
        run_shell(foreground);
    eventually(atomic_load(&shared->owner) != 0);
}

static pid_t owner(void)
{
    return atomic_load(&shared->owner);
}

/* --- the user --- */

static void type(const char *bytes, size_t count)
{
    ck_assert_int_eq(write(master, bytes, count), (ssize_t)count);
}

static void expect_received(const char *bytes, size_t count)
{
    eventually(atomic_load(&shared->received) >= count);
    usleep(20000);
    ck_assert_uint_eq(atomic_load(&shared->received), count);
    ck_assert_mem_eq(shared->bytes, bytes, count);
}

static bool has_modes(const struct termios *want)
{
    struct termios now;
    ck_assert_int_eq(tcgetattr(slave, &now), 0);
    return now.c_iflag == want->c_iflag && now.c_oflag == want->c_oflag &&
           now.c_cflag == want->c_cflag && now.c_lflag == want->c_lflag &&
           memcmp(now.c_cc, want->c_cc, sizeof now.c_cc) == 0;
}

static bool is_raw(void)
{
    struct termios now;
    ck_assert_int_eq(tcgetattr(slave, &now), 0);
    return (now.c_lflag & (tcflag_t)(ICANON | ECHO | ISIG | IEXTEN)) == 0 &&
           (now.c_iflag & (tcflag_t)(ICRNL | IXON)) == 0 &&
           now.c_oflag == original.c_oflag;
}

START_TEST(raw_while_it_runs)
{
    ck_assert(!is_raw());
    start(true);
    ck_assert(is_raw());
    type("\x03\x1a\r\x11\xff", 5); /* ^C, ^Z, return, ^Q: the guest's */
    expect_received("\x03\x1a\r\x11\xff", 5);
    atomic_store(&shared->finish, true);
    eventually(atomic_load(&shared->ended));
    ck_assert_int_eq(atomic_load(&shared->status), 0);
    ck_assert(has_modes(&original));
}
END_TEST

static const int deaths[] = {SIGKILL, SIGTERM, SIGHUP, SIGINT, SIGABRT, SIGSEGV, SIGPIPE};

START_TEST(restored_after_every_death)
{
    signal(deaths[_i], SIG_DFL); /* the tests may run under nohup */
    start(true);
    kill(owner(), deaths[_i]);
    eventually(has_modes(&original));
    eventually(atomic_load(&shared->ended));
}
END_TEST

/* As a shell's `kill -9 %1` does. */
START_TEST(the_watcher_survives_its_job)
{
    start(true);
    kill(-owner(), SIGKILL);
    eventually(has_modes(&original));
}
END_TEST

/* As a session's end, or one who ends all that has our name. */
START_TEST(the_watcher_minds_no_signal)
{
    start(true);
    for (size_t i = 1; i < ARRAY_SIZE(deaths); i++)
        ck_assert_int_eq(kill(atomic_load(&shared->watcher), deaths[i]), 0);
    kill(owner(), SIGKILL);
    eventually(has_modes(&original));
}
END_TEST

/* The shell was faster, and reads a line in modes of its own. */
START_TEST(modes_of_others_are_left_alone)
{
    struct termios other = original;
    start(true);
    other.c_lflag &= ~(tcflag_t)ECHO;
    ck_assert_int_eq(tcsetattr(slave, TCSANOW, &other), 0);
    kill(owner(), SIGKILL);
    eventually(atomic_load(&shared->ended));
    usleep(100000);
    ck_assert(has_modes(&other));
}
END_TEST

START_TEST(raw_again_after_a_stop)
{
    start(true);
    kill(owner(), SIGSTOP);
    ck_assert_int_eq(tcsetattr(slave, TCSANOW, &original), 0);
    kill(owner(), SIGCONT);
    eventually(is_raw());
    type("x", 1);
    expect_received("x", 1);
    kill(owner(), SIGKILL);
    eventually(has_modes(&original));
}
END_TEST

/* A job in the background does not touch the terminal, and is not stopped for trying. */
START_TEST(a_background_job_leaves_the_terminal_alone)
{
    int status;
    start(false);
    ck_assert(has_modes(&original));
    type("echo\n", 5);
    usleep(50000);
    ck_assert_uint_eq(atomic_load(&shared->received), 0);
    ck_assert(has_modes(&original));
    ck_assert_int_eq(waitpid(shell, &status, WNOHANG), 0);
    atomic_store(&shared->finish, true);
    eventually(atomic_load(&shared->ended));
    ck_assert_int_eq(atomic_load(&shared->status), 0);
}
END_TEST

/* As a shell does with a job that runs: no signal is sent. */
static void move(int where)
{
    atomic_store(&shared->move, where);
    eventually(atomic_load(&shared->move) == MOVE_NOWHERE);
}

START_TEST(background_and_foreground)
{
    start(false);
    type("a\n", 2);
    usleep(50000);
    ck_assert_uint_eq(atomic_load(&shared->received), 0);
    move(MOVE_FOREGROUND);
    eventually(is_raw());
    expect_received("a\n", 2);
    move(MOVE_BACKGROUND);
    type("b\n", 2);
    usleep(50000);
    expect_received("a\n", 2);
    ck_assert(has_modes(&original));
    move(MOVE_FOREGROUND);
    eventually(is_raw());
    type("\r", 1);
    expect_received("a\nb\n\r", 5);
}
END_TEST

START_TEST(the_escape_key)
{
    start(true);
    type(
        "a\x01\x01"
        "b\x01q\x01h\x01?c",
        11);
    expect_received(
        "a\x01"
        "bc",
        4);
    /* Split over two reads. */
    type("\x01", 1);
    usleep(50000);
    type("\x01", 1);
    expect_received(
        "a\x01"
        "bc\x01",
        5);
    type("\x01", 1);
    usleep(50000);
    ck_assert(!atomic_load(&shared->ended));
    type("x", 1);
    eventually(atomic_load(&shared->ended));
    ck_assert_int_eq(atomic_load(&shared->status), SIGINT);
    eventually(has_modes(&original));
}
END_TEST

/* A guest that hangs and takes nothing can still be ended. */
START_TEST(the_escape_key_works_while_the_guest_takes_nothing)
{
    start(true);
    atomic_store(&shared->refuse, true);
    type("abc\x01x", 5);
    eventually(atomic_load(&shared->ended));
    ck_assert_int_eq(atomic_load(&shared->status), SIGINT);
}
END_TEST

START_TEST(the_size_is_told)
{
    struct winsize size = {.ws_col = 100, .ws_row = 30};
    ck_assert_int_eq(ioctl(master, TIOCSWINSZ, &size), 0);
    start(true);
    eventually(atomic_load(&shared->size) == (100u << 16 | 30));
    size.ws_col = 80;
    ck_assert_int_eq(ioctl(master, TIOCSWINSZ, &size), 0);
    eventually(atomic_load(&shared->size) == (80u << 16 | 30));
}
END_TEST

/* --- without a terminal: in this process, through pipes --- */

static struct terminal terminal;
static int input[2];

static void start_with_pipe(FILE *output)
{
    const struct terminal_sink to = sink();
    struct error error;
    ck_assert_int_eq(pipe(input), 0);
    ck_assert(terminal_init(&terminal, input[0], output, &error));
    ck_assert(terminal_start(&terminal, &to, &error));
}

static int unread(void)
{
    int count;
    ck_assert_int_eq(ioctl(input[0], FIONREAD, &count), 0);
    return count;
}

/* 40000 bytes for a guest that takes seven at a time, and now and then none. */
START_TEST(nothing_is_lost_while_the_guest_is_slow)
{
    enum { BYTES = 40000 };
    static char bytes[BYTES];
    for (unsigned i = 0; i < BYTES; i++)
        bytes[i] = (char)(i * 7 + i / 256);
    atomic_store(&shared->at_once, 7);
    atomic_store(&shared->refuse, true);
    start_with_pipe(stdout);
    ck_assert_int_eq(write(input[1], bytes, BYTES), BYTES);
    eventually(unread() <= BYTES - TERMINAL_BUFFER_SIZE);
    usleep(50000);
    ck_assert_uint_eq(atomic_load(&shared->received), 0);
    ck_assert_int_eq(unread(), BYTES - TERMINAL_BUFFER_SIZE); /* it stopped to read */
    for (unsigned i = 0; atomic_load(&shared->received) < BYTES; i++) {
        ck_assert_uint_lt(i, TOY_PATIENCE);
        atomic_store(&shared->refuse, i % 2 != 0);
        eventfd_write(room_fd, 1);
        usleep(1000);
    }
    ck_assert_mem_eq(shared->bytes, bytes, BYTES);
    terminal_finish(&terminal);
}
END_TEST

START_TEST(the_end_of_input_is_harmless)
{
    start_with_pipe(stdout);
    ck_assert_int_eq(write(input[1], "a\x01xb", 4), 4); /* no escape key here */
    close(input[1]);
    expect_received("a\x01xb", 4);
    terminal_finish(&terminal);
    ck_assert_uint_eq(atomic_load(&shared->received), 4);
}
END_TEST

START_TEST(output_does_not_wait_for_the_end_of_a_line)
{
    int output[2];
    char bytes[16] = "";
    ck_assert_int_eq(pipe(output), 0);
    FILE *stream = fdopen(output[1], "w");
    start_with_pipe(stream);
    for (const char *text = "login: "; *text != '\0'; text++)
        terminal_output(&terminal, (uint8_t)*text);
    struct pollfd fd = {output[0], POLLIN, 0};
    ck_assert_int_eq(poll(&fd, 1, TOY_PATIENCE), 1);
    ssize_t count = read(output[0], bytes, sizeof bytes - 1);
    ck_assert_int_gt(count, 0);
    ck_assert_mem_eq(bytes, "login: ", (size_t)count);
    terminal_output(&terminal, '\n');
    terminal_output(&terminal, '$');
    ck_assert_int_eq(poll(&fd, 1, TOY_PATIENCE), 1);
    terminal_finish(&terminal);
    fclose(stream);
}
END_TEST

START_TEST(finish_takes_a_zeroed_object)
{
    static struct terminal zeroed;
    terminal_finish(&zeroed);
}
END_TEST

Suite *terminal_suite(void)
{
    Suite *suite = suite_create("terminal");
    TCase *test_case = tcase_create("terminal");
    tcase_set_timeout(test_case, 20);
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, raw_while_it_runs);
    tcase_add_loop_test(test_case, restored_after_every_death, 0,
                        (int)ARRAY_SIZE(deaths));
    tcase_add_test(test_case, the_watcher_survives_its_job);
    tcase_add_test(test_case, the_watcher_minds_no_signal);
    tcase_add_test(test_case, modes_of_others_are_left_alone);
    tcase_add_test(test_case, raw_again_after_a_stop);
    tcase_add_test(test_case, a_background_job_leaves_the_terminal_alone);
    tcase_add_test(test_case, background_and_foreground);
    tcase_add_test(test_case, the_escape_key);
    tcase_add_test(test_case, the_escape_key_works_while_the_guest_takes_nothing);
    tcase_add_test(test_case, the_size_is_told);
    tcase_add_test(test_case, nothing_is_lost_while_the_guest_is_slow);
    tcase_add_test(test_case, the_end_of_input_is_harmless);
    tcase_add_test(test_case, output_does_not_wait_for_the_end_of_a_line);
    tcase_add_test(test_case, finish_takes_a_zeroed_object);
    suite_add_tcase(suite, test_case);
    return suite;
}
