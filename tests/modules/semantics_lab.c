/* SPDX-License-Identifier: MIT */
/*
 * dmabuf-lab registers as a provider, and makes buffers that differ in what they say. Whether
 * each of its attributes is the page table's is the matrix of experiments; here it is who
 * answers which parameter, and that the truth is there beside the answer.
 */
#include "tests/modules/semantics_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "devices/dmabuf-lab/dmabuf_lab.h"
#include "tests/modules/checks.h"

enum { SIZE = 16 * 4096 };

#ifdef __x86_64__
enum { TYPE_WB = 6, TYPE_WC = 1, TYPE_WC_WISHED = TYPE_WB };
#else
enum { TYPE_WB = 0xff, TYPE_WC = 0x44, TYPE_WC_WISHED = TYPE_WC };
#endif

static int make(struct checks *checks, int lab, unsigned attribute, unsigned flags)
{
    struct dmabuf_lab_create create = {
        .size = SIZE,
        .backing = DMABUF_LAB_PAGES,
        .vma = DMABUF_LAB_FAULT,
        .attribute = attribute,
        .flags = flags,
        .fd_flags = O_RDWR | O_CLOEXEC,
        .fd = -1,
    };
    int error = ioctl(lab, DMABUF_LAB_IOCTL_CREATE, &create) == 0 ? 0 : errno;

    check(checks, error == 0, "dmabuf-lab: attribute %u, flags %u: %s", attribute, flags,
          strerror(error));
    return create.fd;
}

static void expect(struct checks *checks, int fd, const char *what, uint32_t param,
                   uint64_t expected)
{
    uint64_t value = UINT64_MAX;
    int error = info_query(fd, param, &value);

    check(checks, error == 0 && value == expected,
          "%s: parameter %#x: error %d, %#llx, not %#llx", what, param, error,
          (unsigned long long)value, (unsigned long long)expected);
}

static void expect_error(struct checks *checks, int fd, const char *what, uint32_t param,
                         int expected)
{
    uint64_t value;
    int error = info_query(fd, param, &value);

    check(checks, error == expected, "%s: parameter %#x: error %d, not %d", what, param,
          error, expected);
}

static void plain(struct checks *checks, int lab)
{
    int fd = make(checks, lab, DMABUF_LAB_WB, 0);

    expect(checks, fd, "plain", DMA_BUF_INFO_VM_PROT, DMA_BUF_VM_PROT_CACHED);
    expect(checks, fd, "plain", DMA_BUF_INFO_SOURCE, DMA_BUF_SOURCE_EXPORTER);
    expect(checks, fd, "plain", DMA_BUF_INFO_CPU_ACCESS, DMA_BUF_CPU_ACCESS_COHERENT);
    expect(checks, fd, "plain", DMA_BUF_INFO_STABILITY, DMA_BUF_STABILITY_FIXED);
    expect(checks, fd, "plain", DMA_BUF_INFO_PAGE_KIND, DMA_BUF_PAGE_KIND_RAM);
    expect(checks, fd, "plain", DMA_BUF_INFO_HOST_TYPE, TYPE_WB);
    expect_error(checks, fd, "plain", 0x107, EINVAL);
    close(fd);
}

static void honest_flags(struct checks *checks, int lab)
{
    int fd =
        make(checks, lab, DMABUF_LAB_WC, DMABUF_LAB_NEEDS_SYNC | DMABUF_LAB_MAY_CHANGE);
    struct dmabuf_lab_set_attribute change = {.fd = fd, .attribute = DMABUF_LAB_WB};

    expect(checks, fd, "WC", DMA_BUF_INFO_VM_PROT, DMA_BUF_VM_PROT_WC);
    expect(checks, fd, "WC", DMA_BUF_INFO_HOST_TYPE, TYPE_WC);
    expect(checks, fd, "WC", DMA_BUF_INFO_CPU_ACCESS, DMA_BUF_CPU_ACCESS_NEEDS_SYNC);
    expect(checks, fd, "WC", DMA_BUF_INFO_STABILITY, DMA_BUF_STABILITY_MAY_CHANGE);
    check(checks, ioctl(lab, DMABUF_LAB_IOCTL_SET_ATTRIBUTE, &change) == 0,
          "set attribute: %s", strerror(errno));
    expect(checks, fd, "WB after WC", DMA_BUF_INFO_VM_PROT, DMA_BUF_VM_PROT_CACHED);
    expect(checks, fd, "WB after WC", DMA_BUF_INFO_HOST_TYPE, TYPE_WB);
    close(fd);
}

/* The wish is not the truth, and both can be asked for. */
static void naive(struct checks *checks, int lab)
{
    int fd = make(checks, lab, DMABUF_LAB_WC_WISHED, DMABUF_LAB_NAIVE);

    expect(checks, fd, "naive", DMA_BUF_INFO_VM_PROT, DMA_BUF_VM_PROT_WC);
    expect(checks, fd, "naive", DMA_BUF_INFO_HOST_TYPE, TYPE_WC_WISHED);
    close(fd);
}

static void revoked(struct checks *checks, int lab)
{
    int fd = make(checks, lab, DMABUF_LAB_WB, 0);

    check(checks, ioctl(lab, DMABUF_LAB_IOCTL_REVOKE, &fd) == 0, "revoke: %s",
          strerror(errno));
    expect_error(checks, fd, "revoked", DMA_BUF_INFO_HOST_TYPE, EIO);
    expect_error(checks, fd, "revoked", DMA_BUF_INFO_PAGE_KIND, EIO);
    expect(checks, fd, "revoked", DMA_BUF_INFO_SOURCE, DMA_BUF_SOURCE_EXPORTER);
    close(fd);
}

void semantics_lab(struct checks *checks, const char *path)
{
    int error = module_load(path);

    if (!check(checks, error == 0, "%s: %s", path, strerror(error)))
        return;
    int lab = open("/dev/dmabuf-lab", O_RDWR | O_CLOEXEC);
    if (check(checks, lab >= 0, "/dev/dmabuf-lab: %s", strerror(errno))) {
        plain(checks, lab);
        honest_flags(checks, lab);
        naive(checks, lab);
        revoked(checks, lab);
        close(lab);
    }
    error = module_unload("dmabuf_info");
    check(checks, error == EWOULDBLOCK,
          "unload under a provider: error %d, not EWOULDBLOCK", error);
    error = module_unload("dmabuf_lab");
    check(checks, error == 0, "unload dmabuf_lab: %s", strerror(error));
}
