/* SPDX-License-Identifier: MIT */
#include "tests/e2e/update.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/update_wire.h"

#define OPTION "--update-socket="
#define LIMIT  60000 /* ms */

const char *update_socket_option(void)
{
    static char option[64];
    snprintf(option, sizeof option, OPTION "/tmp/s2vmm-e2e-%d.sock", getpid());
    return option;
}

/* --- the client --- */

void update_watch_init(struct update_watch *watch, const struct e2e_case *test)
{
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    *watch = (struct update_watch){
        .test = test,
        .socket = update_socket_option() + strlen(OPTION),
        .output = dup(fileno(file)),
    };
    fclose(file);
}

static _Noreturn void become_client(const struct update_watch *watch)
{
    const struct e2e_case *test = watch->test;
    char program[512];
    char binary[600] = "";
    char count[32];
    snprintf(program, sizeof program, "%s/s2vmm", getenv("S2VMM_BUILD"));
    snprintf(count, sizeof count, "--count=%u", test->updates);
    if (test->update_binary) /* of the build, or anywhere */
        snprintf(binary, sizeof binary, "--binary=%s%s%s",
                 test->update_binary[0] == '/' ? "" : getenv("S2VMM_BUILD"),
                 test->update_binary[0] == '/' ? "" : "/", test->update_binary);
    dup2(watch->output, STDOUT_FILENO);
    dup2(watch->output, STDERR_FILENO);
    execl(program, program, "update", watch->socket, count,
          test->update_binary ? binary : NULL, NULL);
    _exit(127);
}

void update_watch_look(void *context, pid_t pid, int in, const char *out)
{
    struct update_watch *watch = context;
    if (watch->client == 0 && strstr(out, watch->test->update_when)) {
        watch->client = fork();
        ck_assert_int_ge(watch->client, 0);
        if (watch->client == 0)
            become_client(watch);
    }
    if (watch->client > 0 && waitpid(watch->client, &watch->status, WNOHANG) > 0) {
        const char *input = watch->test->input;
        watch->client = -1;
        if (input)
            ck_assert_int_eq(write(in, input, strlen(input)), (ssize_t)strlen(input));
    }
    /* A look is every 50 ms. */
    if (watch->client < 0 && watch->test->update_signal && watch->looks_since++ == 40)
        kill(pid, watch->test->update_signal);
}

void update_watch_check(struct update_watch *watch)
{
    const struct e2e_case *test = watch->test;
    char said[65536];
    if (watch->client > 0)
        waitpid(watch->client, &watch->status, 0);
    ssize_t length = pread(watch->output, said, sizeof said - 1, 0);
    said[length > 0 ? length : 0] = '\0';
    close(watch->output);
    ck_assert_msg(watch->client != 0, "%s: \"%s\" did not come", test->name,
                  test->update_when);
    ck_assert_msg(
        WIFEXITED(watch->status) && WEXITSTATUS(watch->status) == test->update_status,
        "%s: the client's status is 0x%x: %s", test->name, (unsigned)watch->status, said);
    ck_assert_msg(strstr(said, test->update_says) != NULL, "%s: \"%s\" is not in: %s",
                  test->name, test->update_says, said);
    const char *last = strstr(said, " updates: "); /* for who reads the log */
    if (last)
        printf("%s: %u%s", test->name, test->updates, last);
}

/* --- the impostor --- */

static _Noreturn void stay(void)
{
    for (;;)
        pause();
}

static _Noreturn void play(const char *part, int takeover)
{
    struct state_reader reader;
    struct error error;
    bool good = update_receive_state(takeover, UPDATE_HELLO, &reader, LIMIT, &error);
    if (strcmp(part, "hangs") == 0)
        stay();
    if (strcmp(part, "lies") == 0)
        good = send(takeover, "hello", 5, 0) == 5;
    good = good && update_send(takeover, UPDATE_READY, LIMIT, &error) &&
           update_receive_state(takeover, UPDATE_STATE, &reader, LIMIT, &error);
    if (strcmp(part, "hangs-with-it") == 0)
        stay();
    if (strcmp(part, "refuses") == 0) {
        update_send_failed(takeover, "no, thank you");
        _exit(3);
    }
    good = good && update_send(takeover, UPDATE_LOADED, LIMIT, &error);
    if (strcmp(part, "dies") == 0)
        _exit(0);
    good = good && update_expect_word(takeover, UPDATE_GO, LIMIT, &error);
    if (strcmp(part, "dies-late") == 0)
        kill(getpid(), SIGKILL);
    _exit(good ? 0 : 1);
}

void update_impostor(int argc, char **argv)
{
    const char *part = getenv("S2VMM_IMPOSTOR");
    const char *last = argv[argc - 1];
    const char *comma = strchr(last, ',');
    if (part && comma && strncmp(last, "--take-over=", strlen("--take-over=")) == 0)
        play(part, (int)strtol(comma + 1, NULL, 10));
}
