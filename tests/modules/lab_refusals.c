/* SPDX-License-Identifier: MIT */
/* See lab_cases.h: what must be refused, and what the kernel said. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/modules/buffers.h"
#include "tests/modules/lab_cases.h"

static void expect_refusal(struct checks *checks, const struct lab *lab, const char *what,
                           struct dmabuf_lab_create request, int expected)
{
    int fd = lab_create(lab, request);
    int error = fd < 0 ? errno : 0;
    check(checks, error == expected, "CREATE with %s: error %d, not %d", what, error,
          expected);
    if (fd >= 0)
        close(fd);
}

static void refuse_values(struct checks *checks, const struct lab *lab)
{
    const struct dmabuf_lab_create good =
        lab_request(lab, DMABUF_LAB_PAGES, DMABUF_LAB_FAULT, DMABUF_LAB_WB, 0);
    struct dmabuf_lab_create bad = good;
    bad.size = 0;
    expect_refusal(checks, lab, "size 0", bad, EINVAL);
    bad.size = LAB_SIZE + 1;
    expect_refusal(checks, lab, "half a page", bad, EINVAL);
    bad.size = (1ull << 30) + LAB_PAGE;
    expect_refusal(checks, lab, "more than 1 GiB", bad, EINVAL);
    bad.size = 1ull << 63;
    expect_refusal(checks, lab, "size 2^63", bad, EINVAL);
    bad = good;
    bad.backing = DMABUF_LAB_BACKING_COUNT;
    expect_refusal(checks, lab, "an unknown backing", bad, EINVAL);
    bad = good;
    bad.vma = DMABUF_LAB_VMA_COUNT;
    expect_refusal(checks, lab, "an unknown mapping", bad, EINVAL);
    bad = good;
    bad.attribute = DMABUF_LAB_ATTRIBUTE_COUNT;
    expect_refusal(checks, lab, "an unknown attribute", bad, EINVAL);
    bad = good;
    bad.flags = DMABUF_LAB_ANY_UNCACHED << 1;
    expect_refusal(checks, lab, "an unknown flag", bad, EINVAL);
    bad = good;
    bad.fd_flags = O_RDWR | O_APPEND;
    expect_refusal(checks, lab, "O_APPEND", bad, EINVAL);
    bad.fd_flags = O_WRONLY;
    expect_refusal(checks, lab, "O_WRONLY", bad, EINVAL);
    bad = good;
    bad.bar = 1;
    expect_refusal(checks, lab, "pages of a BAR", bad, EINVAL);
}

/* A device that has a driver: the one of the console that this is printed to. */
static bool find_driven(struct dmabuf_lab_create *request)
{
    DIR *folder = opendir("/sys/bus/pci/devices");
    const struct dirent *entry;
    bool found = false;
    while (folder && !found && (entry = readdir(folder)) != NULL) {
        unsigned domain, bus, slot, function;
        char path[300];
        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.200s/driver", entry->d_name);
        if (access(path, F_OK) != 0 ||
            sscanf(entry->d_name, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
            continue;
        found = true;
        request->pci_address = domain << 16 | bus << 8 | slot << 3 | function;
    }
    if (folder)
        closedir(folder);
    return found;
}

static void refuse_bars(struct checks *checks, const struct lab *lab)
{
    const struct dmabuf_lab_create good =
        lab_request(lab, DMABUF_LAB_BAR, DMABUF_LAB_FAULT, DMABUF_LAB_WC, 0);
    struct dmabuf_lab_create bad = good;
    bad.bar = 6;
    expect_refusal(checks, lab, "BAR 6", bad, EINVAL);
    bad.bar = 4;
    expect_refusal(checks, lab, "a BAR that the device has not", bad, ENXIO);
    bad = good;
    bad.pci_address = 0xffffffff;
    expect_refusal(checks, lab, "a device that is not there", bad, ENODEV);
    bad = good;
    bad.size = 1ull << 30;
    expect_refusal(checks, lab, "more than the BAR", bad, ENXIO);
    bad = good;
    if (check(checks, find_driven(&bad), "no PCI device has a driver"))
        expect_refusal(checks, lab, "a device that has a driver", bad, EBUSY);
    int fd = lab_create(lab, good);
    if (check(checks, fd >= 0, "the BAR: %s", strerror(errno))) {
        expect_refusal(checks, lab, "a BAR that is in use", good, EBUSY);
        close(fd);
    }
}

static void refuse_descriptors(struct checks *checks, const struct lab *lab)
{
    int foreign = buffer_udmabuf(LAB_SIZE);
    struct dmabuf_lab_import import;
    int error = lab_move(lab, -1);
    check(checks, error == EBADF, "MOVE of fd -1: error %d", error);
    error = lab_move(lab, lab->device);
    check(checks, error == EINVAL, "MOVE of no dma-buf: error %d", error);
    if (!check(checks, foreign >= 0, "udmabuf: %s", strerror(errno)))
        return;
    error = lab_move(lab, foreign);
    check(checks, error == EINVAL, "MOVE of another exporter's: error %d", error);
    error = lab_set_attribute(lab, foreign, DMABUF_LAB_WC);
    check(checks, error == EINVAL, "SET_ATTRIBUTE of another exporter's: error %d",
          error);
    error = lab_import(lab, foreign, &import);
    check(checks, error == 0 && import.entries > 0, "IMPORT of udmabuf: error %d", error);
    close(foreign);
}

static void refuse_requests(struct checks *checks, const struct lab *lab)
{
    struct dmabuf_lab_create request =
        lab_request(lab, DMABUF_LAB_PAGES, DMABUF_LAB_FAULT, DMABUF_LAB_WB, 0);
    check(checks,
          ioctl(lab->device, DMABUF_LAB_IOCTL_CREATE, NULL) != 0 && errno == EFAULT,
          "CREATE without a structure: no EFAULT");
    check(checks,
          ioctl(lab->device, _IOW('L', 63, int), &request) != 0 && errno == ENOTTY,
          "an unknown request: no ENOTTY");
    /* the fd cannot be told: the structure is read-only */
    struct dmabuf_lab_create *page =
        mmap(NULL, LAB_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (check(checks, page != MAP_FAILED, "mmap: %s", strerror(errno))) {
        *page = request;
        mprotect(page, LAB_PAGE, PROT_READ);
        int next = dup(lab->device);
        close(next);
        check(checks,
              ioctl(lab->device, DMABUF_LAB_IOCTL_CREATE, page) != 0 && errno == EFAULT,
              "CREATE in read-only memory: no EFAULT");
        int same = dup(lab->device);
        check(checks, same == next, "CREATE in read-only memory: leaves an fd behind");
        close(same);
        munmap(page, LAB_PAGE);
    }
    int fd = lab_create(lab, request);
    if (!check(checks, fd >= 0, "CREATE: %s", strerror(errno)))
        return;
    int error = lab_set_attribute(lab, fd, DMABUF_LAB_ATTRIBUTE_COUNT);
    check(checks, error == EINVAL, "SET_ATTRIBUTE to an unknown one: error %d", error);
    check(checks,
          mmap(NULL, LAB_SIZE, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED &&
              errno == EINVAL,
          "a private mapping: no EINVAL");
    close(fd);
    request.fd_flags = O_RDONLY;
    fd = lab_create(lab, request);
    check(checks,
          mmap(NULL, LAB_SIZE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED &&
              errno == EACCES,
          "a writable mapping of a read-only buffer: no EACCES");
    close(fd);
}

void cases_refusals(struct checks *checks, const struct lab *lab)
{
    refuse_values(checks, lab);
    refuse_bars(checks, lab);
    refuse_descriptors(checks, lab);
    refuse_requests(checks, lab);
}

int cases_log_begin(void)
{
    int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (log >= 0)
        lseek(log, 0, SEEK_END);
    return log;
}

void cases_log_end(struct checks *checks, int log)
{
    static const char *const bad[] = {"WARNING", "BUG:",   "Oops",
                                      "KASAN",   "INFO: ", "Bad page"};
    char line[8192];
    ssize_t length;
    while ((length = read(log, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
        line[length > 0 ? length : 0] = '\0';
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
            check(checks, !strstr(line, bad[i]), "the kernel says: %.120s", line);
        errno = 0;
    }
    close(log);
}
