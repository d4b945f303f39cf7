/* SPDX-License-Identifier: MIT */
/* What the kernel counts as users of a dma-buf. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xf86drm.h>

#include "devices/gpu/guest_blob.h"
#include "tests/unit/skip.h"
#include "tests/unit/suites.h"

#define SIZE 0x4000u

static struct guest_memory memory;

/* Of guest memory. */
static int make_dmabuf(void)
{
    struct gpa_range range = {gpa(0), SIZE};
    const struct guest_pages pages = {.count = 1, .size = SIZE, .ranges = &range};
    struct error error;
    int fd;
    ck_assert(guest_memory_init(&memory, &range, 1, &error));
    ck_assert_msg(guest_blob_make_dmabuf(&memory, &pages, SIZE, &fd, &error), "%s",
                  error.text);
    return fd;
}

static void expect_users(int fd, uint64_t want)
{
    uint64_t others;
    ck_assert_int_eq(lent_users_count(fd, &others), LENT_USERS_COUNTED);
    ck_assert_uint_eq(others, want);
}

static void send_descriptor(int socket, int fd)
{
    char byte = 0;
    char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    ck_assert_int_eq(sendmsg(socket, &message, 0), 1);
}

static void expect_text(int fd, const char *want)
{
    char text[512];
    uint64_t others;
    lent_users_count(fd, &others);
    lent_users_name(fd, others, text, sizeof text);
    ck_assert_msg(strstr(text, want) != NULL, "\"%s\" is not in \"%s\"", want, text);
}

static void expect_process(int fd, pid_t process)
{
    char want[64];
    snprintf(want, sizeof want, "process %ld (", (long)process);
    expect_text(fd, want);
}

static void kernel_counts_imports(int fd)
{
    uint32_t handle;
    int node = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
    if (node < 0 || drmPrimeFDToHandle(node, fd, &handle) != 0) {
        test_skip("lent_users: the_kernel_counts_imports", "no DRM driver that imports");
        if (node >= 0)
            close(node);
        return;
    }
    /* drivers/gpu/drm/drm_prime.c has three references for one import. */
    expect_users(fd, 3);
    expect_text(fd, "3 held by no process: a driver imported it");
    drmCloseBufferHandle(node, handle);
    expect_users(fd, 0);
    close(node);
}

START_TEST(the_kernel_counts_all_users)
{
    int sockets[2];
    if (access("/dev/udmabuf", R_OK | W_OK) != 0) {
        test_skip("lent_users: the_kernel_counts_all_users", "no /dev/udmabuf");
        return;
    }
    int fd = make_dmabuf();
    expect_users(fd, 0);
    int copy = dup(fd);
    expect_users(fd, 1);
    expect_process(fd, getpid());
    expect_text(fd, "this one): 1 descriptor, 0 mappings");
    void *view = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(view, MAP_FAILED);
    close(copy);
    expect_users(fd, 1);
    expect_text(fd, "0 descriptors, 1 mapping");
    munmap(view, SIZE);
    expect_users(fd, 0);

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    send_descriptor(sockets[0], fd);
    expect_users(fd, 1);
    close(sockets[0]);
    close(sockets[1]);
    expect_users(fd, 0);

    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pause();
        _exit(0);
    }
    expect_users(fd, 1);
    expect_process(fd, child);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    expect_users(fd, 0);
    kernel_counts_imports(fd);
    close(fd);
    guest_memory_finish(&memory);
}
END_TEST

START_TEST(a_file_that_is_no_dmabuf_has_no_count)
{
    uint64_t others;
    int fd = memfd_create("lent", MFD_CLOEXEC);
    ck_assert_int_eq(lent_users_count(fd, &others), LENT_USERS_UNKNOWN);
    close(fd);
    ck_assert_int_eq(lent_users_count(fd, &others), LENT_USERS_UNKNOWN);
}
END_TEST

START_TEST(without_descriptors_it_is_asked_again)
{
    uint64_t others;
    struct rlimit limit;
    int fd = memfd_create("lent", MFD_CLOEXEC);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = (rlim_t)fd + 1;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(lent_users_count(fd, &others), LENT_USERS_NOT_NOW);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    close(fd);
}
END_TEST

Suite *lent_users_suite(void)
{
    Suite *suite = suite_create("lent_users");
    TCase *test_case = tcase_create("lent_users");
    tcase_add_test(test_case, the_kernel_counts_all_users);
    tcase_add_test(test_case, a_file_that_is_no_dmabuf_has_no_count);
    tcase_add_test(test_case, without_descriptors_it_is_asked_again);
    suite_add_tcase(suite, test_case);
    return suite;
}
