/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/gpu/backing.h"
#include "devices/gpu/protocol.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/fake_renderer.h"
#include "tests/unit/skip.h"
#include "tests/unit/suites.h"

#define ID   3u
#define SIZE ((uint64_t)16 * 4096)

static struct fake_renderer fake;
static struct renderer renderer;
static unsigned fds_before;

static void set_up(void)
{
    fds_before = fake_kernel_open_fds();
    fake_renderer_init(&fake);
    renderer = fake_renderer_interface(&fake);
}

static void check_nothing_left(void)
{
    ck_assert_uint_eq(fake_kernel_open_fds(), fds_before);
    ck_assert_uint_eq(fake_kernel_mappings("memfd:fake-blob"), 0);
    ck_assert_uint_eq(fake_kernel_mappings("memfd:dma-buf"), 0);
    ck_assert_uint_eq(fake.mapping_count, 0);
}

static void create_blob(struct fake_blob_plan plan)
{
    struct error error;
    const struct renderer_blob blob = {.resource_id = ID, .context_id = 1, .size = SIZE};
    fake.contexts = 2;
    fake.plan = plan;
    ck_assert(renderer.ops->blob_create(renderer.context, &blob, &error));
}

#define UNKNOWN_TYPE ((enum renderer_fd_type)99)

// clang-format off
static const struct {
    enum renderer_fd_type claimed;
    enum fake_fd fd;
    enum fake_pointer pointer;
    enum backing_kind kind;
    const char *exporter;
} good[] = {
    {RENDERER_FD_SHM,    FAKE_FD_SEALED,   FAKE_POINTER_FAILS, BACKING_SHM,     "shmem"},
    {RENDERER_FD_DMABUF, FAKE_FD_DMABUF,   FAKE_POINTER_FAILS, BACKING_DMABUF,  "unknown"},
    {RENDERER_FD_OPAQUE, FAKE_FD_SEALED,   FAKE_POINTER_GOOD,  BACKING_POINTER, "renderer"},
    {RENDERER_FD_OPAQUE, FAKE_FD_DMABUF,   FAKE_POINTER_GOOD,  BACKING_POINTER, "renderer"},
    {RENDERER_FD_OPAQUE, FAKE_FD_NONE,     FAKE_POINTER_GOOD,  BACKING_POINTER, "renderer"},
    {RENDERER_FD_SHM,    FAKE_FD_FAILS,    FAKE_POINTER_GOOD,  BACKING_POINTER, "renderer"},
};

static const struct {
    enum renderer_fd_type claimed;
    enum fake_fd fd;
    enum fake_pointer pointer;
    enum error_code code;
    const char *text;
} bad[] = {
    /* virglrenderer 0.10.4 with Mesa 22.3 */
    {RENDERER_FD_DMABUF, FAKE_FD_SEALED,       FAKE_POINTER_GOOD, ERROR_HOST_BUFFER, "is not one (a memfd)"},
    {RENDERER_FD_DMABUF, FAKE_FD_PIPE,         FAKE_POINTER_GOOD, ERROR_HOST_BUFFER, "is not one (a different file)"},
    {RENDERER_FD_DMABUF, FAKE_FD_NONE,         FAKE_POINTER_GOOD, ERROR_HOST_BUFFER, "fd -1"},
    {RENDERER_FD_DMABUF, FAKE_FD_DMABUF_SHORT, FAKE_POINTER_GOOD, ERROR_HOST_BUFFER, "61440 bytes, the blob claims 65536"},
    {RENDERER_FD_DMABUF, FAKE_FD_DMABUF_LIAR,  FAKE_POINTER_GOOD, ERROR_HOST_BUFFER, "DMABUF (unknown): page at offset 0xf000"},

    {RENDERER_FD_SHM, FAKE_FD_UNSEALED,  FAKE_POINTER_GOOD, ERROR_HOST_BUFFER, "not sealed against shrinking"},
    {RENDERER_FD_SHM, FAKE_FD_READ_ONLY, FAKE_POINTER_GOOD, ERROR_HOST_BUFFER, "sealed against writing"},
    {RENDERER_FD_SHM, FAKE_FD_SHORT,     FAKE_POINTER_GOOD, ERROR_HOST_BUFFER, "61440 bytes, the blob claims 65536"},
    {RENDERER_FD_SHM, FAKE_FD_PIPE,      FAKE_POINTER_GOOD, ERROR_HOST_BUFFER, "is shared memory, and it is not"},
    {RENDERER_FD_SHM, FAKE_FD_DMABUF,    FAKE_POINTER_GOOD, ERROR_HOST_BUFFER, "is shared memory, and it is not"},
    {RENDERER_FD_SHM, FAKE_FD_HUGE,      FAKE_POINTER_GOOD, ERROR_HOST_BUFFER, "is shared memory, and it is not"},
    {RENDERER_FD_SHM, FAKE_FD_NONE,      FAKE_POINTER_GOOD, ERROR_HOST_BUFFER, "fd -1"},

    {UNKNOWN_TYPE,           FAKE_FD_SEALED, FAKE_POINTER_GOOD, ERROR_HOST_BUFFER, "type 99"},
    {(enum renderer_fd_type)0, FAKE_FD_SEALED, FAKE_POINTER_GOOD, ERROR_HOST_BUFFER, "type 0"},

    {RENDERER_FD_OPAQUE, FAKE_FD_SEALED, FAKE_POINTER_FAILS,     ERROR_HOST_RENDERER, "map fails"},
    {RENDERER_FD_OPAQUE, FAKE_FD_SEALED, FAKE_POINTER_UNALIGNED, ERROR_HOST_BUFFER, "does not start at a page"},
    {RENDERER_FD_OPAQUE, FAKE_FD_SEALED, FAKE_POINTER_SHORT,     ERROR_HOST_BUFFER, "has 100 bytes, the blob claims 65536"},
    {RENDERER_FD_OPAQUE, FAKE_FD_SEALED, FAKE_POINTER_READ_ONLY, ERROR_HOST_BUFFER, "page at offset 0 of 0x10000"},
    {RENDERER_FD_OPAQUE, FAKE_FD_SEALED, FAKE_POINTER_NULL,      ERROR_HOST_BUFFER, "and not where"},
    {RENDERER_FD_SHM,    FAKE_FD_FAILS,  FAKE_POINTER_FAILS,     ERROR_HOST_RENDERER, "export fails; then: map fails"},
    {RENDERER_FD_SHM,    FAKE_FD_FAILS,  FAKE_POINTER_SHORT,     ERROR_HOST_BUFFER, "has 100 bytes, the blob claims 65536"},
    {RENDERER_FD_SHM,    FAKE_FD_FAILS,  FAKE_POINTER_UNALIGNED, ERROR_HOST_BUFFER, "does not start at a page"},
};
// clang-format on

START_TEST(what_is_as_it_was_said_is_mapped_whole)
{
    struct error error;
    struct backing backing;
    create_blob((struct fake_blob_plan){
        .claimed = good[_i].claimed, .fd = good[_i].fd, .pointer = good[_i].pointer});
    ck_assert_msg(backing_open(&backing, &renderer, ID, SIZE, &error), "%s", error.text);
    ck_assert_int_eq(backing.kind, good[_i].kind);
    ck_assert_uint_eq(backing.size, SIZE);
    ck_assert_str_eq(backing.exporter, good[_i].exporter);
    ck_assert_uint_eq((uintptr_t)backing.host % 4096, 0);
    memset(backing.host, 0x5a, SIZE);
    ck_assert_uint_eq(backing.fd >= 0, good[_i].kind != BACKING_POINTER);
    /* An OPAQUE fd is not kept, and never mapped by hand. */
    ck_assert_uint_eq(fake_kernel_open_fds(),
                      fds_before + (good[_i].kind != BACKING_POINTER));
    ck_assert_uint_eq(fake.mapping_count, good[_i].kind == BACKING_POINTER);

    backing_close(&backing, &renderer, ID);
    ck_assert_ptr_null(backing.host);
    check_nothing_left();
    backing_close(&backing, &renderer, ID); /* once more is nothing */
    check_nothing_left();
}
END_TEST

START_TEST(a_lie_is_found_and_nothing_is_left)
{
    struct error error;
    struct backing backing;
    /* An error that the code forgets to set must not look like one. */
    error_set(&error, ERROR_REFUSED, "not set");
    create_blob((struct fake_blob_plan){
        .claimed = bad[_i].claimed, .fd = bad[_i].fd, .pointer = bad[_i].pointer});
    ck_assert(!backing_open(&backing, &renderer, ID, SIZE, &error));
    ck_assert_msg(strstr(error.text, bad[_i].text) != NULL, "%s", error.text);
    ck_assert_int_eq(error.code, bad[_i].code);
    ck_assert_ptr_null(backing.host);
    check_nothing_left();
    backing_close(&backing, &renderer, ID);
    check_nothing_left();
}
END_TEST

START_TEST(two_backings_of_one_file_see_each_other)
{
    struct error error;
    struct backing first;
    struct backing second;
    int fd = fake_fd_open(FAKE_FD_SEALED, SIZE);
    int same = dup(fd);
    ck_assert(backing_open_fd(&first, RENDERER_FD_SHM, fd, SIZE, &error));
    ck_assert(backing_open_fd(&second, RENDERER_FD_SHM, same, SIZE, &error));
    first.host[SIZE - 1] = 0x77;
    ck_assert_uint_eq(second.host[SIZE - 1], 0x77);
    backing_close(&first, &renderer, ID);
    backing_close(&second, &renderer, ID);
    check_nothing_left();
}
END_TEST

START_TEST(a_larger_file_than_the_blob_is_fine)
{
    struct error error;
    struct backing backing;
    ck_assert(backing_open_fd(&backing, RENDERER_FD_SHM,
                              fake_fd_open(FAKE_FD_SEALED, 2 * SIZE), SIZE, &error));
    ck_assert_uint_eq(backing.size, SIZE);
    backing_close(&backing, &renderer, ID);
    check_nothing_left();
}
END_TEST

START_TEST(an_opaque_fd_given_by_hand_is_refused_and_closed)
{
    struct error error;
    struct backing backing;
    ck_assert(!backing_open_fd(&backing, RENDERER_FD_OPAQUE,
                               fake_fd_open(FAKE_FD_SEALED, SIZE), SIZE, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_BUFFER);
    check_nothing_left();
}
END_TEST

START_TEST(names_and_a_zeroed_object)
{
    struct backing backing = {0};
    backing_close(&backing, &renderer, ID);
    ck_assert_str_eq(backing_kind_name(BACKING_DMABUF), "DMABUF");
    ck_assert_str_eq(backing_kind_name(BACKING_SHM), "SHM");
    ck_assert_str_eq(backing_kind_name(BACKING_POINTER), "POINTER");
    ck_assert(!backing_is_dmabuf(-1));
    ck_assert(!backing_is_dmabuf(0));
}
END_TEST

/* Its owner, another process, keeps the file. What is mapped stays whole. */
START_TEST(the_owner_cannot_truncate_it)
{
    struct error error;
    struct backing backing;
    int fd = fake_fd_open(FAKE_FD_SEALED, SIZE);
    int owner = dup(fd);
    ck_assert(backing_open_fd(&backing, RENDERER_FD_SHM, fd, SIZE, &error));
    ck_assert_int_eq(ftruncate(owner, 0), -1);
    ck_assert_int_eq(errno, EPERM);
    backing.host[SIZE - 1] = 0x5a;
    backing_close(&backing, &renderer, ID);
    close(owner);
    check_nothing_left();
}
END_TEST

START_TEST(a_hole_that_the_owner_punches_is_zero_memory)
{
    struct error error;
    struct backing backing;
    int fd = fake_fd_open(FAKE_FD_SEALED, SIZE);
    int owner = dup(fd);
    ck_assert(backing_open_fd(&backing, RENDERER_FD_SHM, fd, SIZE, &error));
    memset(backing.host, 0x5a, SIZE);
    ck_assert_int_eq(
        fallocate(owner, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE), 0);
    for (size_t i = 0; i < SIZE; i += 4096) {
        ck_assert_uint_eq(backing.host[i], 0);
        backing.host[i] = 1;
    }
    backing_close(&backing, &renderer, ID);
    close(owner);
    check_nothing_left();
}
END_TEST

/* Not by a lie about its kind: by what else an fd can be. _i: which. */
static int open_strange(int which)
{
    static const int seals[] = {F_SEAL_SHRINK | F_SEAL_WRITE,
                                F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE};
    int fd = memfd_create("strange", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_eq(ftruncate(fd, SIZE), 0);
    if (which < 2) {
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals[which]), 0);
        return fd;
    }
    /* It only names the file (open(2), O_PATH); or it is sealed, but may not be written. */
    char path[32];
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int other = open(path, (which == 2 ? O_PATH : O_RDONLY) | O_CLOEXEC);
    close(fd);
    return other;
}

START_TEST(a_strange_fd_is_refused)
{
    struct error error;
    struct backing backing;
    int fd = open_strange(_i);
    ck_assert_int_ge(fd, 0);
    ck_assert(!backing_open_fd(&backing, RENDERER_FD_SHM, fd, SIZE, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_BUFFER);
    ck_assert_ptr_null(backing.host);
    ck_assert_uint_eq(fake_kernel_mappings("memfd:strange"), 0);
    check_nothing_left();
}
END_TEST

/* A file that only lies on a tmpfs can be cut by everybody who may write it. */
START_TEST(a_file_of_tmpfs_is_refused)
{
    struct error error;
    struct backing backing;
    int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        test_skip("backing: a_file_of_tmpfs_is_refused", "no tmpfs at /dev/shm");
        return;
    }
    ck_assert_int_eq(ftruncate(fd, SIZE), 0);
    ck_assert(!backing_open_fd(&backing, RENDERER_FD_SHM, fd, SIZE, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_BUFFER);
    check_nothing_left();
}
END_TEST

/* The kernel's own dma-buf, where it makes one. */
START_TEST(a_real_dma_buf_is_one)
{
    struct error error;
    struct backing backing;
    int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
    if (device < 0) {
        test_skip("backing: a_real_dma_buf_is_one", "no /dev/udmabuf");
        return;
    }
    int memory = fake_fd_open(FAKE_FD_SEALED, SIZE);
    const struct udmabuf_create create = {
        .memfd = (uint32_t)memory, .flags = UDMABUF_FLAGS_CLOEXEC, .size = SIZE};
    int fd = ioctl(device, UDMABUF_CREATE, &create);
    ck_assert_msg(fd >= 0, "UDMABUF_CREATE: %s", strerror(errno));
    int claimed_shm = dup(fd);
    int too_short = dup(fd);

    ck_assert(backing_is_dmabuf(fd));
    ck_assert(!backing_open_fd(&backing, RENDERER_FD_SHM, claimed_shm, SIZE, &error));
    ck_assert(
        !backing_open_fd(&backing, RENDERER_FD_DMABUF, too_short, SIZE + 4096, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "65536 bytes"));
    ck_assert_msg(backing_open_fd(&backing, RENDERER_FD_DMABUF, fd, SIZE, &error), "%s",
                  error.text);
    ck_assert_str_eq(backing.exporter, "udmabuf");
    uint8_t *other = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, memory, 0);
    backing.host[SIZE - 1] = 0x66;
    ck_assert_uint_eq(other[SIZE - 1], 0x66);
    munmap(other, SIZE);
    backing_close(&backing, &renderer, ID);
    close(memory);
    close(device);
    check_nothing_left();
}
END_TEST

Suite *backing_suite(void)
{
    Suite *suite = suite_create("backing");
    TCase *test_case = tcase_create("backing");
    tcase_add_checked_fixture(test_case, set_up, NULL);
    tcase_add_loop_test(test_case, what_is_as_it_was_said_is_mapped_whole, 0,
                        (int)ARRAY_SIZE(good));
    tcase_add_loop_test(test_case, a_lie_is_found_and_nothing_is_left, 0,
                        (int)ARRAY_SIZE(bad));
    tcase_add_test(test_case, two_backings_of_one_file_see_each_other);
    tcase_add_test(test_case, a_larger_file_than_the_blob_is_fine);
    tcase_add_test(test_case, an_opaque_fd_given_by_hand_is_refused_and_closed);
    tcase_add_test(test_case, names_and_a_zeroed_object);
    tcase_add_test(test_case, the_owner_cannot_truncate_it);
    tcase_add_test(test_case, a_hole_that_the_owner_punches_is_zero_memory);
    tcase_add_loop_test(test_case, a_strange_fd_is_refused, 0, 4);
    tcase_add_test(test_case, a_file_of_tmpfs_is_refused);
    tcase_add_test(test_case, a_real_dma_buf_is_one);
    suite_add_tcase(suite, test_case);
    return suite;
}
