/* SPDX-License-Identifier: MIT */
/*
 * The launcher, with scripts for servers. What the library makes of it is tested end to end
 * (tests/e2e/cases_server.c).
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "devices/gpu/render_server.h"
#include "tests/unit/fake_gpu.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/suites.h"

#define PATIENCE 40 /* seconds */

/* A server says its pid, and lives until its socket is closed. */
#define SAY  "echo $$ >&$2; "
#define LIVE "cat <&$2 >/dev/null"
#define WORK "sleep 1000 & echo $! >&$2; " /* a worker, which says its pid */

static char folder[] = "/tmp/s2vmm-server-XXXXXX";
static char path[64];
static struct render_server server;
static struct fake_output output;
static struct trace trace;
static unsigned fds_before;

static void write_script(const char *commands)
{
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "#!/bin/bash\n%s\n", commands);
    fclose(file);
    ck_assert_int_eq(chmod(path, 0700), 0);
}

static void set_up(void)
{
    struct error error;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/server", folder);
    setenv("RENDER_SERVER_EXEC_PATH", path, 1);
    fds_before = fake_kernel_open_fds();
    output.stream = open_memstream(&output.text, &output.size);
    trace_init(&trace, output.stream, false);
    ck_assert_msg(render_server_init(&server, NULL, &trace, &error), "%s", error.text);
}

static void tear_down(void)
{
    render_server_finish(&server);
    render_server_finish(&server); /* a zeroed object */
    fclose(output.stream);
    free(output.text);
    ck_assert_uint_eq(fake_kernel_open_fds(), fds_before);
    unlink(path);
    rmdir(folder);
}

static int start(void)
{
    struct error error;
    int socket;
    ck_assert_msg(render_server_start(&server, &socket, &error), "%s", error.text);
    return socket;
}

/* A pid that the server says. */
static pid_t hear_pid(int socket)
{
    char text[32] = "";
    struct pollfd fd = {socket, POLLIN, 0};
    ck_assert_int_eq(poll(&fd, 1, PATIENCE * 1000), 1);
    ck_assert_int_gt(recv(socket, text, sizeof text - 1, 0), 0);
    return (pid_t)strtol(text, NULL, 10);
}

/* A zombie is gone, too: whoever inherits it may not wait for it. */
static bool is_gone(pid_t pid)
{
    char name[32];
    char line[256] = "";
    snprintf(name, sizeof name, "/proc/%d/stat", pid);
    FILE *file = fopen(name, "re");
    if (!file)
        return true;
    size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[length] = '\0';
    const char *end = strrchr(line, ')');
    return !end || end[2] == 'Z' || end[2] == 'X';
}

static void wait_until_gone(pid_t pid)
{
    time_t start = time(NULL);
    while (!is_gone(pid)) {
        ck_assert_int_lt(time(NULL) - start, PATIENCE);
        usleep(1000);
    }
}

static void wait_for_news(const char *text)
{
    struct pollfd fd = {server.control, POLLIN, 0};
    ck_assert_int_eq(poll(&fd, 1, PATIENCE * 1000), 1);
    render_server_hear(&server);
    ck_assert_msg(strstr(fake_output_text(&output), text) != NULL, "no \"%s\" in \"%s\"",
                  text, fake_output_text(&output));
}

static void expect_silence(void)
{
    render_server_hear(&server);
    ck_assert_str_eq(fake_output_text(&output), "");
}

START_TEST(a_server_gets_the_other_end)
{
    int type;
    socklen_t size = sizeof type;
    write_script(SAY LIVE);
    ck_assert(render_server_has_died(&server)); /* there is none */
    int socket = start();
    pid_t pid = hear_pid(socket);
    ck_assert_int_eq(getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size), 0);
    ck_assert_int_eq(type, SOCK_SEQPACKET);
    ck_assert_int_eq(getpgid(pid), pid);
    ck_assert(!render_server_has_died(&server));
    expect_silence();
    close(socket);
    render_server_finish(&server);
    ck_assert(is_gone(pid));
}
END_TEST

/* Nothing of ours but its socket: 0, 1, 2, that; and bash's own for the script and the folder. */
START_TEST(a_server_inherits_nothing_else)
{
    int leak = dup(0); /* not close-on-exec */
    write_script("set -- $1 $2 /proc/$$/fd/*; echo $(($# - 2)) >&$2; " LIVE);
    int socket = start();
    ck_assert_int_eq(hear_pid(socket), 6);
    close(socket);
    close(leak);
}
END_TEST

static const struct {
    const char *commands;
    const char *text;
} ends[] = {
    {"exit 3", "ended with status 3"},
    {"kill -KILL $$", "was killed by signal 9 (Killed)"},
    {"kill -SEGV $$", "was killed by signal 11"},
};

START_TEST(an_end_is_told_and_another_one_started)
{
    write_script(ends[_i].commands);
    int socket = start();
    wait_for_news(ends[_i].text);
    ck_assert(render_server_has_died(&server));
    close(socket);

    fake_output_clear(&output);
    trace.out = output.stream;
    write_script(SAY LIVE);
    socket = start();
    hear_pid(socket);
    ck_assert(!render_server_has_died(&server));
    expect_silence();
    close(socket);
}
END_TEST

/* The end that nobody has read yet is told before the next start. */
START_TEST(an_end_is_told_by_the_next_start)
{
    write_script(SAY LIVE);
    int socket = start();
    pid_t pid = hear_pid(socket);
    close(socket);
    kill(pid, SIGKILL);
    wait_until_gone(pid);
    socket = start();
    ck_assert_ptr_nonnull(strstr(fake_output_text(&output), "was killed by signal 9"));
    close(socket);
}
END_TEST

START_TEST(one_that_lives_is_replaced_without_a_word)
{
    write_script(SAY LIVE);
    int socket = start();
    pid_t first = hear_pid(socket);
    close(socket);
    socket = start();
    pid_t second = hear_pid(socket);
    ck_assert_int_ne(first, second);
    ck_assert(is_gone(first));
    expect_silence();
    close(socket);
}
END_TEST

/* A server that dies leaves them; another one does not. */
START_TEST(workers_end_with_the_next_server)
{
    write_script(SAY WORK LIVE);
    int socket = start();
    pid_t pid = hear_pid(socket);
    pid_t worker = hear_pid(socket);
    kill(pid, SIGKILL);
    wait_for_news("was killed");
    ck_assert(!is_gone(worker));
    close(socket);
    socket = start();
    ck_assert(is_gone(worker));
    hear_pid(socket);
    worker = hear_pid(socket);
    close(socket);
    render_server_finish(&server);
    ck_assert(is_gone(worker));
}
END_TEST

START_TEST(a_file_that_cannot_be_executed_is_an_error)
{
    struct error error;
    int socket;
    for (unsigned i = 0; i < 2; i++) {
        error_set(&error, ERROR_NONE, "not set");
        ck_assert(!render_server_start(&server, &socket, &error));
        ck_assert_int_eq(socket, -1);
        ck_assert_int_eq(error.code, ERROR_HOST_RENDERER);
        ck_assert_ptr_nonnull(strstr(error.text, path));
        ck_assert_msg(strstr(error.text, strerror(i == 0 ? ENOENT : EACCES)) != NULL,
                      "%s", error.text);
        ck_assert(render_server_has_died(&server));
        write_script(SAY LIVE);
        chmod(path, 0600);
    }
    expect_silence();
    chmod(path, 0700);
    close(start());
}
END_TEST

START_TEST(without_a_launcher_the_server_goes_on)
{
    struct error error;
    int other;
    write_script(SAY LIVE);
    int socket = start();
    pid_t pid = hear_pid(socket);
    kill(server.launcher, SIGKILL);
    wait_for_news("is gone: should the render server die, there will be no other");
    ck_assert(!render_server_has_died(&server));
    ck_assert(!is_gone(pid));
    ck_assert(!render_server_start(&server, &other, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "the process that starts it is gone"));
    close(socket); /* start() has closed the other one */
    wait_until_gone(pid);
}
END_TEST

/* A launcher that says nothing any more: the start notices. */
START_TEST(a_start_notices_that_the_launcher_has_gone)
{
    struct error error;
    int socket;
    write_script(SAY LIVE);
    kill(server.launcher, SIGKILL);
    wait_until_gone(server.launcher);
    ck_assert(!render_server_start(&server, &socket, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "does not answer"));
    ck_assert_ptr_nonnull(strstr(fake_output_text(&output), "is gone"));
}
END_TEST

/* We die: here a child of the test is us. */
START_TEST(all_end_when_the_vmm_is_killed)
{
    int ends_of_pipe[2];
    pid_t pids[4]; /* launcher, server, worker; us */
    ck_assert_int_eq(pipe2(ends_of_pipe, O_CLOEXEC), 0);
    write_script(SAY WORK LIVE);
    pids[3] = fork();
    if (pids[3] == 0) {
        struct render_server own;
        struct error error;
        int socket;
        BUG_ON(!render_server_init(&own, NULL, &trace, &error) ||
               !render_server_start(&own, &socket, &error));
        pids[0] = own.launcher;
        pids[1] = hear_pid(socket);
        pids[2] = hear_pid(socket);
        BUG_ON(write(ends_of_pipe[1], pids, sizeof pids) != sizeof pids);
        pause();
        _exit(1);
    }
    pid_t us = pids[3];
    ck_assert_int_eq(read(ends_of_pipe[0], pids, sizeof pids), sizeof pids);
    for (unsigned i = 0; i < 3; i++)
        ck_assert(!is_gone(pids[i]));
    kill(us, SIGKILL);
    ck_assert_int_eq(waitpid(us, NULL, 0), us);
    for (unsigned i = 0; i < 3; i++)
        wait_until_gone(pids[i]);
    close(ends_of_pipe[0]);
    close(ends_of_pipe[1]);
}
END_TEST

/* In the sandbox the same, and two filters: the launcher's, and the server's (test_sandbox.c). */
START_TEST(a_server_is_in_its_role)
{
    struct sandbox sandbox = {.mode = sandbox_default_mode()};
    struct error error;
    int status;
    pid_t child = fork(); /* the whole process gets no new privileges */
    if (child == 0) {
        struct render_server own;
        int socket;
        /* First: the launcher's role opens the file, if it is there. */
        write_script("grep -c 'Seccomp_filters:.2' /proc/$$/status >&$2; " LIVE);
        BUG_ON(!sandbox_init(&sandbox, &error) ||
               !render_server_init(&own, &sandbox, &trace, &error));
        if (!render_server_start(&own, &socket, &error)) {
            fprintf(stderr, "%s\n", error.text);
            _exit(2);
        }
        pid_t filters = hear_pid(socket);
        render_server_finish(&own);
        _exit(filters == (sandbox.mode == SANDBOX_ON) ? 0 : 3);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

Suite *render_server_suite(void)
{
    Suite *suite = suite_create("render_server");
    TCase *test_case = tcase_create("render_server");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_set_timeout(test_case, 60);
    tcase_add_test(test_case, a_server_gets_the_other_end);
    tcase_add_test(test_case, a_server_inherits_nothing_else);
    tcase_add_loop_test(test_case, an_end_is_told_and_another_one_started, 0,
                        (int)ARRAY_SIZE(ends));
    tcase_add_test(test_case, an_end_is_told_by_the_next_start);
    tcase_add_test(test_case, one_that_lives_is_replaced_without_a_word);
    tcase_add_test(test_case, workers_end_with_the_next_server);
    tcase_add_test(test_case, a_file_that_cannot_be_executed_is_an_error);
    tcase_add_test(test_case, without_a_launcher_the_server_goes_on);
    tcase_add_test(test_case, a_start_notices_that_the_launcher_has_gone);
    tcase_add_test(test_case, all_end_when_the_vmm_is_killed);
    tcase_add_test(test_case, a_server_is_in_its_role);
    suite_add_tcase(suite, test_case);
    return suite;
}
