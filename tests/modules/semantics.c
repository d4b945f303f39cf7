/* SPDX-License-Identifier: MIT */
/*
 * What DMA_BUF_IOCTL_INFO answers about the kernel's own exporters, and how it fails. The
 * expected values are those of the exporters' sources: drivers/dma-buf/udmabuf.c maps cached
 * RAM by pfn and has begin_cpu_access; vgem's are shmem GEM objects that are mapped
 * write-combined (drivers/gpu/drm/drm_gem_shmem_helper.c), and have none.
 */
#include "tests/modules/semantics.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "tests/modules/buffers.h"
#include "tests/modules/checks.h"

enum { SIZE = 16 * 4096 };

/* PAT's encodings and MAIR's bytes of write-back and write-combining; where the physical
 * address is in an entry of 4 KiB. On arm64 bits 9:8 are address bits only with FEAT_LPA2. */
#ifdef __x86_64__
enum { TYPE_WB = 6, TYPE_WC = 1 };
#define ENTRY_ADDRESS UINT64_C(0x000ffffffffff000)
#else
enum { TYPE_WB = 0xff, TYPE_WC = 0x44 };
#define ENTRY_ADDRESS UINT64_C(0x0003fffffffff000)
#endif

enum { NOBODY_KNOWS = -1 };

struct expected {
    const char *name;
    int vm_prot, cpu_access, type;
};

static const struct expected udmabuf = {"udmabuf", DMA_BUF_VM_PROT_CACHED, NOBODY_KNOWS,
                                        TYPE_WB};
static const struct expected vgem = {"vgem", DMA_BUF_VM_PROT_WC,
                                     DMA_BUF_CPU_ACCESS_COHERENT, TYPE_WC};

static void expect(struct checks *checks, int fd, const struct expected *buffer,
                   const char *param_name, uint32_t param, int expected)
{
    uint64_t value = UINT64_MAX;
    int error = info_query(fd, param, &value);

    if (expected == NOBODY_KNOWS)
        check(checks, error == ENOSYS, "%s: %s: error %d, not ENOSYS", buffer->name,
              param_name, error);
    else if (check(checks, error == 0, "%s: %s: error %d", buffer->name, param_name,
                   error))
        check(checks, value == (uint64_t)expected, "%s: %s: %#llx, not %#x", buffer->name,
              param_name, (unsigned long long)value, (unsigned)expected);
}

static void expect_errors(struct checks *checks, int fd, const char *name)
{
    static const uint32_t unknown[] = {0, 2, 0xff, 0x107, UINT32_MAX};
    uint64_t value;

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        int error = info_query(fd, unknown[i], &value);
        check(checks, error == EINVAL, "%s: parameter %#x: error %d, not EINVAL", name,
              unknown[i], error);
    }
    check(checks, ioctl(fd, DMA_BUF_IOCTL_INFO, NULL) != 0 && errno == EFAULT,
          "%s: null pointer: no EFAULT", name);

    /* read-only: what comes back cannot be written, and that is found last */
    struct dma_buf_info *info =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!check(checks, info != MAP_FAILED, "mmap: %s", strerror(errno)))
        return;
    info->param = DMA_BUF_INFO_VM_PROT;
    mprotect(info, 4096, PROT_READ);
    check(checks, ioctl(fd, DMA_BUF_IOCTL_INFO, info) != 0 && errno == EFAULT,
          "%s: read-only memory: no EFAULT", name);
    mprotect(info, 4096, PROT_READ | PROT_WRITE);
    info->param = 0;
    mprotect(info, 4096, PROT_READ);
    check(checks, ioctl(fd, DMA_BUF_IOCTL_INFO, info) != 0 && errno == EINVAL,
          "%s: unknown parameter in read-only memory: no EINVAL", name);
    munmap(info, 4096);
}

/* The other requests go through the hooked function as before; one has the number 2, too. */
static void expect_others(struct checks *checks, int fd, const char *name)
{
    struct dma_buf_sync sync = {.flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW};
    struct dma_buf_export_sync_file export = {.flags = DMA_BUF_SYNC_RW, .fd = -1};

    check(checks, _IOC_NR(DMA_BUF_IOCTL_INFO) == _IOC_NR(DMA_BUF_IOCTL_EXPORT_SYNC_FILE),
          "EXPORT_SYNC_FILE has another number than INFO: this test tests nothing");
    check(checks, ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) == 0, "%s: SYNC: %s", name,
          strerror(errno));
    sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
    check(checks, ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) == 0, "%s: SYNC: %s", name,
          strerror(errno));
    if (check(checks, ioctl(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export) == 0,
              "%s: EXPORT_SYNC_FILE: %s", name, strerror(errno)))
        check(checks, export.fd >= 0 && close(export.fd) == 0,
              "%s: EXPORT_SYNC_FILE: fd %d", name, export.fd);
    check(checks,
          ioctl(fd, _IOWR(DMA_BUF_BASE, 9, struct dma_buf_info), &export) != 0 &&
              errno == ENOTTY,
          "%s: an unknown request: no ENOTTY", name);
}

static unsigned count_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    unsigned count = 0;

    while (maps && fgets(line, sizeof(line), maps))
        count += strstr(line, "/dmabuf:") != NULL;
    if (maps)
        fclose(maps);
    return count;
}

static void one_buffer(struct checks *checks, int fd, const struct expected *buffer)
{
    uint64_t entry = 0, again = 0;

    if (!check(checks, fd >= 0, "%s: no buffer: %s", buffer->name, strerror(errno)))
        return;
    expect(checks, fd, buffer, "VM_PROT", DMA_BUF_INFO_VM_PROT, buffer->vm_prot);
    expect(checks, fd, buffer, "SOURCE", DMA_BUF_INFO_SOURCE, DMA_BUF_SOURCE_PAGE_TABLE);
    expect(checks, fd, buffer, "CPU_ACCESS", DMA_BUF_INFO_CPU_ACCESS, buffer->cpu_access);
    expect(checks, fd, buffer, "STABILITY", DMA_BUF_INFO_STABILITY, NOBODY_KNOWS);
    expect(checks, fd, buffer, "PAGE_KIND", DMA_BUF_INFO_PAGE_KIND,
           DMA_BUF_PAGE_KIND_RAM);
    expect(checks, fd, buffer, "HOST_TYPE", DMA_BUF_INFO_HOST_TYPE, buffer->type);
    int error = info_query(fd, DMA_BUF_INFO_HOST_PTE, &entry);
    check(checks, error == 0, "%s: HOST_PTE: error %d", buffer->name, error);
    check(checks, entry & 1, "%s: HOST_PTE %#llx is not present", buffer->name,
          (unsigned long long)entry);
    check(checks, (entry & ENTRY_ADDRESS) == 0, "%s: HOST_PTE %#llx has address bits",
          buffer->name, (unsigned long long)entry);
    error = info_query(fd, DMA_BUF_INFO_VMA, &again);
    check(checks,
          error == 0 && (again & 0xff) == DMA_BUF_VMA_PFNMAP &&
              DMA_BUF_VMA_PAGE_PROT_TYPE(again) == (uint64_t)buffer->type,
          "%s: VMA: error %d, value %#llx", buffer->name, error,
          (unsigned long long)again);
    printf("%s: HOST_PTE %#llx, VMA %#llx\n", buffer->name, (unsigned long long)entry,
           (unsigned long long)again);
    expect_errors(checks, fd, buffer->name);
    expect_others(checks, fd, buffer->name);
    check(checks, count_mappings() == 0, "%s: a query left a mapping", buffer->name);
    close(fd);
}

void semantics(struct checks *checks)
{
    one_buffer(checks, buffer_udmabuf(SIZE), &udmabuf);
    one_buffer(checks, buffer_udmabuf(4096), &udmabuf);
    one_buffer(checks, buffer_drm("vgem", SIZE, 1), &vgem);
    /* a descriptor that can only be read is mapped so */
    one_buffer(checks, buffer_drm("vgem", SIZE, 0), &vgem);
}

void semantics_not_loaded(struct checks *checks, const char *when)
{
    uint64_t value;
    int fd = buffer_udmabuf(SIZE);
    int error = info_query(fd, DMA_BUF_INFO_VM_PROT, &value);

    check(checks, error == ENOTTY, "%s: VM_PROT: error %d, not ENOTTY", when, error);
    close(fd);
}
