/* SPDX-License-Identifier: MIT */
/*
 * A blob's mapping as the buffer of a disk (docs/foreign-buffers.md): what needs the pages
 * themselves is EFAULT in this kernel, before any device hears of it, as the driver maps the window
 * with VM_IO and VM_PFNMAP (virtio_gpu_vram_mmap()); what is copied by the CPU works.
 *
 *   disk=PATH    a disk of 64 KiB at least (/dev/vda), which is written
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "guest/linux/blob.h"
#include "guest/linux/scenarios.h"
#include "vmm/types.h"

#define SIZE (64 * KIB)
#define SEED 0x33

static int result(ssize_t done)
{
    return done == (ssize_t)SIZE ? 0 : done >= 0 ? EIO : errno;
}

static bool check_direct(struct test *test, const char *disk, const struct blob *blob)
{
    int fd = open(disk, O_RDWR | O_DIRECT | O_CLOEXEC);
    CHECK(fd >= 0);
    void *pages = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    CHECK(pages != MAP_FAILED);
    CHECK_DONE(result(pread(fd, pages, SIZE, 0))); /* it can be done at all */
    CHECK_ERROR(result(pread(fd, blob->address, SIZE, 0)), EFAULT);
    CHECK_ERROR(result(pwrite(fd, blob->address, SIZE, 0)), EFAULT);
    munmap(pages, SIZE);
    close(fd);
    CHECK(blob_holds(blob, SEED));
    test_say(test, "O_DIRECT is EFAULT");
    return true;
}

static bool check_copied(struct test *test, const char *disk, const struct blob *blob)
{
    int fd = open(disk, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_DONE(result(pwrite(fd, blob->address, SIZE, 0)));
    CHECK(fsync(fd) == 0);
    memset(blob->address, 0, SIZE);
    CHECK_DONE(result(pread(fd, blob->address, SIZE, 0)));
    close(fd);
    CHECK(blob_holds(blob, SEED));
    test_say(test, "read() and write() are right");
    return true;
}

static bool check_references(struct test *test, const struct blob *blob)
{
    char bytes[16];
    struct iovec local = {bytes, sizeof bytes};
    struct iovec remote = {blob->address, sizeof bytes};
    int ends[2];
    CHECK(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) < 0 && errno == EFAULT);
    CHECK(pipe(ends) == 0);
    CHECK(vmsplice(ends[1], &remote, 1, 0) < 0 && errno == EFAULT);
    close(ends[0]);
    close(ends[1]);
    test_say(test, "process_vm_readv() and vmsplice() are EFAULT");
    return true;
}

bool scenario_foreign(struct test *test)
{
    const char *disk = options_text(&test->options, "disk", "/dev/vda");
    struct gpu gpu;
    struct blob blob = {
        .kind = BLOB_SHM,
        .flags = VIRTGPU_USE_MAPPABLE,
        .size = SIZE,
        .object = 1,
    };
    CHECK_DONE(gpu_open_render(&gpu));
    REQUIRE(blob_context(test, &gpu, BLOB_SHM));
    CHECK_DONE(blob_create(&gpu, &blob));
    CHECK_DONE(blob_map(&gpu, &blob));
    blob_fill(&blob, SEED);
    REQUIRE(check_direct(test, disk, &blob));
    REQUIRE(check_copied(test, disk, &blob));
    REQUIRE(check_references(test, &blob));
    CHECK_DONE(blob_destroy(&gpu, &blob));
    gpu_close(&gpu);
    return true;
}
