/* SPDX-License-Identifier: MIT */
#include "tests/e2e/run.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *build_folder(void)
{
    const char *folder = getenv("S2VMM_BUILD");
    ck_assert_msg(folder != NULL,
                  "S2VMM_BUILD is not set; run the tests with `make check`");
    return folder;
}

const char *run_guest_path(void)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/guest.elf", build_folder());
    return path;
}

/* The output goes to files, so that neither of the two can block on a full pipe. */
static int output_file(void)
{
    char path[] = "/tmp/s2vmm-e2e-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    unlink(path);
    return fd;
}

static void read_back(int fd, char *text)
{
    ssize_t length = pread(fd, text, RUN_OUTPUT_MAX - 1, 0);
    ck_assert_int_ge(length, 0);
    text[length] = '\0';
    close(fd);
}

void run_s2vmm(const char *const *arguments, const char *environment,
               struct run_result *result)
{
    char path[512];
    char *argv[RUN_ARGUMENTS_MAX + 2] = {path};
    snprintf(path, sizeof path, "%s/s2vmm", build_folder());
    for (size_t i = 0; arguments[i]; i++) {
        ck_assert_uint_lt(i, RUN_ARGUMENTS_MAX);
        argv[i + 1] = strdup(arguments[i]);
    }

    int out = output_file();
    int err = output_file();
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        char *assignment = environment ? strdup(environment) : NULL;
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        if (assignment)
            putenv(assignment);
        execv(path, argv);
        perror(path);
        _exit(127);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    result->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    read_back(out, result->out);
    read_back(err, result->err);
    for (size_t i = 1; argv[i]; i++)
        free(argv[i]);
}
