/* SPDX-License-Identifier: MIT */
#include "vmm/update.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/json.h"
#include "vmm/update_wire.h"

#define OWN_FILE     "/proc/self/exe"
#define SEND_LIMIT   1000  /* ms */
#define ANSWER_LIMIT 60000 /* longer than all limits of those who are asked */

static bool connect_to(const char *path, int *fd, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "update %s: %zu bytes at most are possible", path,
                         sizeof address.sun_path - 1);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    *fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return error_set(error, ERROR_HOST_SYSTEM, "update: socket: %s", strerror(errno));
    if (connect(*fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return true;
    error_set(error, ERROR_CONFIG_FILE,
              "update %s: %s; is it the --update-socket of a run?", path,
              strerror(errno));
    close(*fd);
    return false;
}

/* The file may be replaced at any moment: it is what it is when it is opened. */
static bool ask(const struct options *options, int socket, struct update_times *times,
                struct error *error)
{
    const char *path = options->binary != NULL ? options->binary : OWN_FILE;
    struct update_message message = {0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_set(error, ERROR_CONFIG_FILE, "--binary %s: %s", path,
                         strerror(errno));
    bool good = update_send_fd(socket, UPDATE_START, file, SEND_LIMIT, error) &&
                update_expect(socket, UPDATE_DONE, &message, ANSWER_LIMIT, error) &&
                (update_get_times(&message, times) ||
                 error_set(error, ERROR_HOST_SYSTEM, "update: an answer without times"));
    close(file);
    update_message_finish(&message);
    return good;
}

static bool update_once(const struct options *options, struct update_times *times,
                        struct error *error)
{
    int socket = -1;
    if (!connect_to(options->update_socket, &socket, error))
        return false;
    bool good = ask(options, socket, times, error);
    close(socket);
    return good;
}

/* --- what is printed --- */

static uint64_t pause_of(const struct update_times *times)
{
    return times->stop + times->save + times->load + times->start;
}

static double milliseconds(uint64_t nanoseconds)
{
    return (double)nanoseconds / 1e6;
}

static void print_one(const struct options *options, const struct update_times *times)
{
    struct json json;
    if (!options->json && pause_of(times) == 0) {
        puts("updated: the old s2vmm died before it could say how long the pause was");
        return;
    }
    if (!options->json) {
        printf("updated: pause %.1f ms (stop %.1f, save %.1f, load %.1f, start %.1f)\n",
               milliseconds(pause_of(times)), milliseconds(times->stop),
               milliseconds(times->save), milliseconds(times->load),
               milliseconds(times->start));
        fflush(stdout);
        return;
    }
    json_begin(&json, stdout);
    json_string(&json, "event", "update");
    json_number(&json, "pause_ns", pause_of(times));
    json_number(&json, "stop_ns", times->stop);
    json_number(&json, "save_ns", times->save);
    json_number(&json, "load_ns", times->load);
    json_number(&json, "start_ns", times->start);
    json_end(&json);
}

static int compare(const void *a, const void *b)
{
    const uint64_t *one = a;
    const uint64_t *two = b;
    return *one < *two ? -1 : *one > *two;
}

static void print_all(const struct options *options, uint64_t *pauses, unsigned count)
{
    struct json json;
    qsort(pauses, count, sizeof *pauses, compare);
    if (!options->json) {
        printf("%u updates: pause median %.1f ms, worst %.1f ms\n", count,
               milliseconds(pauses[count / 2]), milliseconds(pauses[count - 1]));
        return;
    }
    json_begin(&json, stdout);
    json_string(&json, "event", "updates");
    json_number(&json, "count", count);
    json_number(&json, "median_ns", pauses[count / 2]);
    json_number(&json, "worst_ns", pauses[count - 1]);
    json_end(&json);
}

bool update_command(const struct options *options, struct error *error)
{
    unsigned count = options->update_count > 0 ? options->update_count : 1;
    uint64_t *pauses = calloc(count, sizeof *pauses);
    if (pauses == NULL)
        return error_set(error, ERROR_HOST_MEMORY, "no memory for %u updates", count);
    bool good = true;
    for (unsigned i = 0; i < count && good; i++) {
        struct update_times times = {0};
        good = update_once(options, &times, error);
        if (good) {
            pauses[i] = pause_of(&times);
            print_one(options, &times);
        } else if (count > 1) {
            error_wrap(error, "update %u of %u", i + 1, count);
        }
    }
    if (good && count > 1)
        print_all(options, pauses, count);
    free(pauses);
    return good;
}
