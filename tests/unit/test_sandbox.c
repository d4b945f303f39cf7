/* SPDX-License-Identifier: MIT */
/* The sandbox beside its lists: its modes, privileges, roles one after the other, and threads. */
#include <time.h>

#include "tests/unit/sandbox_fixture.h"
#include "tests/unit/skip.h"
#include "tests/unit/suites.h"
#include "vmm/thread.h"

/* Beside the list all is done, and logged. */
START_TEST(a_log_refuses_nothing)
{
    sandbox.mode = SANDBOX_LOG;
    for (unsigned role = 0; role < SANDBOX_ROLE_COUNT; role++) {
        ck_assert_int_eq(end_of((enum sandbox_role)role, try_tcp), DONE);
        ck_assert_int_eq(end_of((enum sandbox_role)role, try_write_file), DONE);
        ck_assert_int_eq(end_of((enum sandbox_role)role, try_fork), DONE);
    }
}
END_TEST

START_TEST(off_is_off)
{
    struct error error;
    sandbox.mode = SANDBOX_OFF;
    ck_assert_int_eq(end_of(SANDBOX_VCPU, try_tcp), DONE);
    ck_assert_int_eq(end_of(SANDBOX_VCPU, try_write_file), DONE);
    ck_assert(sandbox_enter(NULL, SANDBOX_VCPU, &error));
    ck_assert_int_eq(try_tcp(), DONE);
}
END_TEST

/* /proc/PID/status of a child that is in the role. */
static void read_status(enum sandbox_role role, char *text, size_t size)
{
    char path[32];
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct error error;
        bool good =
            sandbox_init(&sandbox, &error) && sandbox_enter(&sandbox, role, &error);
        while (good) {
            /* until it is killed */
        }
        _exit(1);
    }
    snprintf(path, sizeof path, "/proc/%d/status", child);
    time_t end = time(NULL) + 30;
    do {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(waitpid(child, NULL, WNOHANG), 0);
        ssize_t count = read(fd, text, size - 1);
        text[count > 0 ? count : 0] = '\0';
        close(fd);
    } while (!strstr(text, "Seccomp:\t2") && time(NULL) < end);
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

START_TEST(no_privilege_is_left)
{
    static const char *const lines[] = {
        "CapEff:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapInh:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
        "CapBnd:\t0000000000000000",
    };
    char text[8192];
    read_status((enum sandbox_role)_i, text, sizeof text);
    /* Whoever may not empty the bounding set, the last line, has nothing to lose. */
    for (size_t i = 0; i < ARRAY_SIZE(lines) - (geteuid() != 0); i++)
        ck_assert_msg(strstr(text, lines[i]) != NULL, "%s: no %s in\n%s",
                      sandbox_role_name((enum sandbox_role)_i), lines[i], text);
}
END_TEST

/* A screenshot is made beside the others of its folder, and nowhere else. */
static char elsewhere[] = "/tmp/s2vmm-elsewhere-XXXXXX";

static int try_screenshot(void)
{
    char part[80];
    char other[80];
    snprintf(part, sizeof part, "%s/shot.png.part", folder);
    snprintf(other, sizeof other, "%s/shot.png", elsewhere);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1)
        return errno;
    if (rename(part, file) != 0)
        return errno;
    if (open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0)
        return 98;
    return errno == EACCES ? DONE : errno;
}

START_TEST(a_screenshot_can_be_written)
{
    if (sandbox_landlock_version() == 0) {
        test_skip("sandbox: a_screenshot_can_be_written", "a kernel without Landlock");
        return;
    }
    ck_assert_ptr_nonnull(mkdtemp(elsewhere));
    sandbox.screenshot = file;
    ck_assert_int_eq(end_of(SANDBOX_GPU, try_screenshot), DONE);
    ck_assert_int_eq(end_of(SANDBOX_GPU_VENUS, try_screenshot), DONE);
    ck_assert_int_eq(end_of(SANDBOX_GPU_VIRGL, try_screenshot), DONE);
    ck_assert_int_eq(end_of(SANDBOX_MAIN, try_screenshot), EACCES);
    rmdir(elsewhere);
}
END_TEST

/* The launcher's child enters the server's role, which is to see as many files. */
static int try_server_role(void)
{
    char *const arguments[] = {"/usr/bin/true", NULL};
    struct error error;
    if (!sandbox_enter(&sandbox, SANDBOX_RENDER_SERVER, &error))
        return 97;
    return result_of(execve(arguments[0], arguments, arguments + 1));
}

START_TEST(a_launcher_executes_a_server)
{
    ck_assert_int_eq(end_of(SANDBOX_RENDER_LAUNCHER, try_server_role), DONE);
}
END_TEST

/* The renderer is started in one role, and the thread goes on in a closer one. */
static int try_second_role(void)
{
    struct error error;
    if (!sandbox_enter(&sandbox, SANDBOX_GPU_VENUS, &error))
        return 97;
    return try_local_socket() == EPERM && try_message() == DONE ? try_thread() : 96;
}

START_TEST(a_second_role_takes_away)
{
    ck_assert_int_eq(end_of(SANDBOX_RENDERER_START, try_second_role), DONE);
}
END_TEST

/* A thread of a role starts in it, and so does one that it starts itself; others are free. */
static void *note_ends(void *context)
{
    int *ends = context;
    ends[0] = try_tcp();
    return NULL;
}

static int try_thread_plan(void)
{
    int end = -1;
    pthread_t thread;
    struct error error;
    const struct thread_plan plan = {
        .name = "test",
        .run = note_ends,
        .context = &end,
        .sandbox = &sandbox,
        .role = SANDBOX_DISK,
    };
    if (!sandbox_init(&sandbox, &error) || !thread_start(&thread, &plan, &error))
        return 97;
    pthread_join(thread, NULL);
    return end == EPERM ? try_tcp() : 96;
}

START_TEST(a_thread_starts_in_its_role)
{
    pid_t child = fork();
    int status;
    if (child == 0)
        leave(try_thread_plan());
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(no_call_is_listed_twice_for_a_role)
{
    bool has;
    bool other_has;
    for (unsigned role = 0; role < SANDBOX_ROLE_COUNT; role++) {
        unsigned count = 0;
        int number;
        for (unsigned i = 0;
             (number = sandbox_listed_call(i, (enum sandbox_role)role, &has)) != -1;
             i++) {
            count += has;
            for (unsigned j = 0; has && j < i; j++)
                ck_assert(sandbox_listed_call(j, (enum sandbox_role)role, &other_has) !=
                              number ||
                          !other_has);
        }
        ck_assert_uint_eq(count > 0, role != SANDBOX_RENDERER_START &&
                                         role != SANDBOX_RENDER_LAUNCHER &&
                                         role != SANDBOX_RENDER_SERVER);
    }
}
END_TEST

Suite *sandbox_suite(void)
{
    Suite *suite = suite_create("sandbox");
    TCase *test_case = tcase_create("sandbox");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_set_timeout(test_case, 60);
    tcase_add_test(test_case, off_is_off);
    tcase_add_test(test_case, no_call_is_listed_twice_for_a_role);
    if (sandbox_default_mode() == SANDBOX_OFF) {
        test_skip("sandbox", "a sanitizer needs calls that no role has");
    } else {
        tcase_add_test(test_case, a_log_refuses_nothing);
        tcase_add_loop_test(test_case, no_privilege_is_left, 0, SANDBOX_ROLE_COUNT);
        tcase_add_test(test_case, a_screenshot_can_be_written);
        tcase_add_test(test_case, a_launcher_executes_a_server);
        tcase_add_test(test_case, a_second_role_takes_away);
        tcase_add_test(test_case, a_thread_starts_in_its_role);
    }
    suite_add_tcase(suite, test_case);
    return suite;
}
