/* SPDX-License-Identifier: MIT */
#include "vmm/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE 16384 /* a record fits, so that it is handed on as a whole */
#define LOOK        20    /* ms: is the run to end? */

/* Until the fd can be written; false: too long. */
static bool wait_for_reader(struct output *output)
{
    struct pollfd fd = {.fd = output->fd, .events = POLLOUT};
    int waited = 0;
    for (;;) {
        bool waits = output->patience == OUTPUT_FOREVER && !atomic_load(output->stop);
        int slice = output->stalled && !waits ? 0 : LOOK;
        if (poll(&fd, 1, slice) > 0) {
            output->stalled = false;
            return true;
        }
        waited += waits ? 0 : LOOK;
        if (!waits && (output->stalled || waited >= OUTPUT_PATIENCE)) {
            output->stalled = true;
            return false;
        }
    }
}

/* The bytes written, or -1. A pipe that poll() says can be written takes PIPE_BUF bytes. */
static ssize_t write_piece(struct output *output, const char *bytes, size_t count)
{
    if (count > PIPE_BUF)
        count = PIPE_BUF;
    bool waits = !output->never_blocks;
    for (;;) {
        if (waits && !wait_for_reader(output)) {
            errno = EAGAIN;
            return -1;
        }
        ssize_t done = write(output->fd, bytes, count);
        if (done >= 0)
            return done;
        waits = errno == EAGAIN;
        if (!waits && errno != EINTR)
            return -1;
    }
}

/* cookie_write_function_t: always all of it, so that the stream goes on. */
static ssize_t put(void *cookie, const char *bytes, size_t count)
{
    struct output *output = cookie;
    for (size_t done = 0; done < count;) {
        ssize_t more = write_piece(output, bytes + done, count - done);
        if (more < 0) {
            output->cause = errno;
            output->lost += count - done;
            break;
        }
        done += (size_t)more;
    }
    return (ssize_t)count;
}

/* One that does not block; else `fd` itself, for that a file's place is its own. */
static void choose_fd(struct output *output, int fd)
{
    struct stat status;
    char path[32];
    output->fd = fd;
    if (fstat(fd, &status) != 0)
        return;
    output->never_blocks = S_ISREG(status.st_mode);
    if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode))
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int ours = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (ours < 0)
        return;
    output->fd = ours;
    output->fd_is_ours = true;
    output->never_blocks = true;
}

bool output_open(struct output *output, int fd, int patience, const atomic_bool *stop,
                 struct error *error)
{
    static const cookie_io_functions_t functions = {.write = put};
    *output = (struct output){.patience = patience, .stop = stop};
    choose_fd(output, fd);
    output->stream = fopencookie(output, "w", functions);
    if (!output->stream) {
        if (output->fd_is_ours)
            close(output->fd);
        return error_set(error, ERROR_HOST_SYSTEM, "a stream for the output: %s",
                         strerror(errno));
    }
    setvbuf(output->stream, NULL, _IOFBF, BUFFER_SIZE);
    return true;
}

static bool open_file(struct output *output, const char *path, int flags, int patience,
                      const atomic_bool *stop, struct error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | flags, 0666);
    if (fd < 0)
        return error_set(error, ERROR_CONFIG_FILE, "%s: %s", path, strerror(errno));
    bool opened = output_open(output, fd, patience, stop, error);
    if (opened && output->fd == fd)
        output->fd_is_ours = true;
    else
        close(fd);
    return opened;
}

bool output_create(struct output *output, const char *path, int patience,
                   const atomic_bool *stop, struct error *error)
{
    return open_file(output, path, O_TRUNC, patience, stop, error);
}

bool output_append(struct output *output, const char *path, int patience,
                   const atomic_bool *stop, struct error *error)
{
    return open_file(output, path, O_APPEND, patience, stop, error);
}

void output_close(struct output *output, const char *name)
{
    if (!output->stream)
        return;
    fclose(output->stream);
    if (output->fd_is_ours)
        close(output->fd);
    if (output->lost > 0)
        fprintf(stderr, "s2vmm: %s: %" PRIu64 " bytes are lost: %s\n", name, output->lost,
                output->cause == EAGAIN ? "nobody reads" : strerror(output->cause));
    *output = (struct output){0};
}
