/* SPDX-License-Identifier: MIT */
#include "tests/e2e/run.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/e2e/cases.h"

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
}

/* --- image --- */

struct image {
    char path[32];
    int fd; /* -1: none */
};

/* A file without a name on a file system of `space` bytes, which goes with the file. */
static int open_in_little_space(unsigned space)
{
    char folder[] = "/tmp/s2vmm-e2e-XXXXXX";
    char options[32];
    snprintf(options, sizeof options, "size=%u", space);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(mount("s2vmm-e2e", folder, "tmpfs", 0, options), 0);
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    umount2(folder, MNT_DETACH);
    rmdir(folder);
    return fd;
}

/* In memory: gone with this process. */
static struct image make_image(const struct run_plan *plan)
{
    struct image image = {.fd = -1};
    const struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (plan->image_size == 0)
        return image;
    image.fd = plan->image_space > 0 ? open_in_little_space(plan->image_space)
                                     : memfd_create("image", MFD_CLOEXEC);
    ck_assert_int_ge(image.fd, 0);
    ck_assert_int_eq(ftruncate(image.fd, plan->image_size), 0);
    snprintf(image.path, sizeof image.path, "/proc/%d/fd/%d", getpid(), image.fd);
    if (plan->image_is_used)
        ck_assert_int_eq(fcntl(image.fd, F_OFD_SETLK, &lock), 0);
    return image;
}

/* On the heap. */
static char *make_argument(const char *argument, const struct image *image)
{
    char text[2048];
    const char *place = strstr(argument, CASE_IMAGE);
    if (!place)
        return strdup(argument);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(place - argument), argument,
             image->path, place + strlen(CASE_IMAGE));
    return strdup(text);
}

/* --- who reads --- */

#define STALLED 2000 /* ms without a byte more; longer than OUTPUT_PATIENCE */

/* Until whoever writes must be waiting: there is something, and no more of it comes. */
static void wait_for_stall(int pipe)
{
    struct pollfd end = {.fd = pipe}; /* POLLHUP */
    int before;
    int now = 0;
    do {
        before = now;
        if (poll(&end, 1, STALLED) != 0)
            return;
        ioctl(pipe, FIONREAD, &now);
    } while (now != before || now < getpagesize() / 2);
}

/* Where s2vmm writes to, and the process that brings it from there to `out`; 0: none. */
static int open_stdout(enum case_reader reader, int out, pid_t *process)
{
    int ends[2];
    char bytes[512];
    *process = 0;
    if (reader == READER_GOOD)
        return fcntl(out, F_DUPFD_CLOEXEC, 0);
    if (reader == READER_FULL)
        return open("/dev/full", O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_ge(fcntl(ends[1], F_SETPIPE_SZ, getpagesize()), 0);
    if (reader == READER_SLOW)
        *process = fork();
    ck_assert_int_ge(*process, 0);
    if (reader == READER_GONE || *process > 0) {
        close(ends[0]);
        return ends[1];
    }
    close(ends[1]);
    wait_for_stall(ends[0]);
    ssize_t count;
    while ((count = read(ends[0], bytes, sizeof bytes)) > 0 &&
           write(out, bytes, (size_t)count) == count)
        continue;
    _exit(0);
}

/* --- run --- */

static _Noreturn void become_s2vmm(char **argv, const char *environment, int in, int out,
                                   int err)
{
    char *assignment = environment ? strdup(environment) : NULL;
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    if (assignment)
        putenv(assignment);
    execv(argv[0], argv);
    perror(argv[0]);
    _exit(127);
}

/* Does what the plan has for the moment when its text is there, then waits for the end. Check
 * limits the time. */
static int wait_for_end(const struct run_plan *plan, const struct image *image, pid_t pid,
                        int in, int out, char *text)
{
    int status;
    bool waits = plan->when != NULL;
    while (plan->look) {
        read_back(out, text);
        plan->look(plan->look_context, pid, in, text);
        if (waitpid(pid, &status, WNOHANG) != 0)
            return status;
        usleep(50000);
    }
    while (waits && waitpid(pid, &status, WNOHANG) == 0) {
        read_back(out, text);
        waits = strstr(text, plan->when) == NULL;
        usleep(50000);
    }
    if (waits)
        return status;
    if (plan->image_cut)
        ck_assert_int_eq(ftruncate(image->fd, plan->image_cut), 0);
    if (plan->input)
        ck_assert_int_eq(write(in, plan->input, strlen(plan->input)),
                         (ssize_t)strlen(plan->input));
    if (plan->signal)
        ck_assert_int_eq(kill(pid, plan->signal), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

void run_s2vmm(const struct run_plan *plan, struct run_result *result)
{
    char path[512];
    char *argv[RUN_ARGUMENTS_MAX + 2] = {path};
    struct image image = make_image(plan);
    snprintf(path, sizeof path, "%s/s2vmm", build_folder());
    for (size_t i = 0; plan->arguments[i]; i++) {
        ck_assert_uint_lt(i, RUN_ARGUMENTS_MAX);
        argv[i + 1] = make_argument(plan->arguments[i], &image);
    }

    int in[2];
    int out = output_file();
    int err = output_file();
    pid_t reader;
    int to = open_stdout(plan->reader, out, &reader);
    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        become_s2vmm(argv, plan->environment, in[0], to, err);
    close(to);
    int status = wait_for_end(plan, &image, pid, in[1], out, result->out);
    if (reader > 0)
        waitpid(reader, NULL, 0);
    result->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    read_back(out, result->out);
    read_back(err, result->err);
    const int fds[] = {in[0], in[1], out, err};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        close(fds[i]);
    if (image.fd >= 0)
        close(image.fd);
    for (size_t i = 1; argv[i]; i++)
        free(argv[i]);
}
