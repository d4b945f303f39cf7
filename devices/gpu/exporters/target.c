/* SPDX-License-Identifier: MIT */
#include "devices/gpu/exporters/target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vmm/touch.h"

#define SCATTER_SIZE (4 * TARGET_SIZE)

bool target_open_file(const char *path, int *fd, struct error *error)
{
    *fd = open(path, O_RDWR | O_CLOEXEC);
    return *fd >= 0 ||
           error_set(error, ERROR_CONFIG_HOST, "%s: %s", path, strerror(errno));
}

void target_keep(struct target *target, int fd)
{
    for (size_t i = 0; i < ARRAY_SIZE(target->helpers); i++) {
        if (target->helpers[i] == 0) {
            target->helpers[i] = fd;
            return;
        }
    }
    BUG_ON(true);
}

/* Memory of a kernel that has just booted is in one piece, and a wrong page of it could be the
 * right one by chance. So every second page of an area is given back, and the others are held:
 * what is allocated next gets those single pages first (mm/page_alloc.c, __rmqueue_smallest).
 * If it cannot be had, the buffer is as it is. */
static void *scatter_memory(void)
{
    const size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *area = mmap(NULL, SCATTER_SIZE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
        return NULL;
    madvise(area, SCATTER_SIZE, MADV_NOHUGEPAGE);
    for (size_t offset = 0; offset < SCATTER_SIZE; offset += page_size)
        *(volatile uint8_t *)(area + offset) = 1;
    for (size_t offset = 0; offset < SCATTER_SIZE; offset += 2 * page_size)
        madvise(area + offset, page_size, MADV_DONTNEED);
    return area;
}

static void *map_again(const struct target *target)
{
    const struct backing *backing = &target->backing;
    return mmap(NULL, backing->size, PROT_READ | PROT_WRITE, MAP_SHARED, backing->fd,
                (off_t)target->file_offset);
}

bool target_map(struct target *target, struct error *error)
{
    void *host = map_again(target);
    if (host == MAP_FAILED)
        return error_set(error, ERROR_CONFIG_HOST, "mmap of 0x%llx bytes: %s",
                         (unsigned long long)target->backing.size, strerror(errno));
    target->backing.host = host;
    return true;
}

static enum memattr_type host_type(enum memattr_model model,
                                   enum target_protection protection)
{
    bool is_arm64 = model == MEMATTR_ARM64 || model == MEMATTR_ARM64_FWB;
    switch (protection) {
    case TARGET_CACHED:
        return memattr_s1_of_map_info(model, MEMATTR_MAP_CACHED);
    case TARGET_WRITECOMBINE:
        return memattr_s1_of_map_info(model, MEMATTR_MAP_WC);
    case TARGET_DEVICE: /* arm64 allows early acknowledgement; x86 has no difference
                           (pgtable.h of both) */
        if (is_arm64)
            return MEMATTR_DEVICE_nGnRE;
        break;
    case TARGET_NONCACHED:
    case TARGET_SAID:
        break;
    }
    return memattr_s1_of_map_info(model, MEMATTR_MAP_UNCACHED);
}

static uint64_t minor_faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (uint64_t)usage.ru_minflt;
}

/* Whether a page that was read takes another fault to be written: then the first one mapped it
 * read-only. In a mapping of its own, so that the target's pages stay as they are. */
static bool clean_is_readonly(const struct target *target)
{
    uint8_t *view = map_again(target);
    struct error ignored;
    if (view == MAP_FAILED)
        return false;
    uint8_t *page = view + target->backing.size / 2 / (uint64_t)sysconf(_SC_PAGESIZE) *
                               (uint64_t)sysconf(_SC_PAGESIZE);
    (void)*(volatile uint8_t *)page;
    uint64_t before = minor_faults();
    touch_pages(page, 1, &ignored);
    bool faulted = minor_faults() > before;
    munmap(view, target->backing.size);
    return faulted;
}

/* The facts that KVM looks at are read from the kernel, and not assumed. A BAR's pages are
 * always there, and an atomic access might be an error of the bus. */
static bool examine(struct target *target, struct error *error)
{
    FILE *smaps = fopen("/proc/self/smaps", "re");
    bool found = smaps && vma_find_flags(smaps, target->backing.host, target->vma_flags,
                                         sizeof target->vma_flags);
    if (smaps)
        fclose(smaps);
    if (!found)
        return error_set(error, ERROR_CONFIG_HOST,
                         "/proc/self/smaps does not show the mapping");
    /* Special entries of VM_MIXEDMAP: the kernel only shows that they may be there. */
    bool is_mixed = target->buffer.vma == MEMATTR_VMA_MIXED &&
                    vma_has_flag(target->vma_flags, "mm") &&
                    !vma_has_flag(target->vma_flags, "pf") &&
                    !vma_has_flag(target->vma_flags, "io");
    if (!is_mixed)
        target->buffer.vma = vma_kind(target->vma_flags);
    if (target->buffer.page == MEMATTR_PAGE_RAM && target->backing.fd >= 0)
        target->clean_is_readonly = clean_is_readonly(target);
    return true;
}

/* None of these exporters hides its attribute from the mapping, as TTM does. */
static void describe(struct target *target, const struct exporter *exporter)
{
    target->buffer.page = exporter->page;
    target->buffer.host = host_type(target->model, exporter->protection);
    target->buffer.vma_is_uncacheable = exporter->protection != TARGET_CACHED;
}

bool target_open(struct target *target, const struct exporter *exporter, uint64_t size,
                 enum memattr_model model, struct error *error)
{
    *target = (struct target){.backing = {.kind = BACKING_SHM, .fd = -1, .size = size},
                              .model = model};
    bool named = true;
    bool says_itself = exporter->protection == TARGET_SAID;
    if (!says_itself)
        target->scatter = scatter_memory();
    if (!exporter->open(target, exporter->argument, error)) {
        target_close(target);
        return false;
    }
    if (!says_itself)
        describe(target, exporter);
    if (target->backing.fd >= 0 && backing_is_dmabuf(target->backing.fd)) {
        target->backing.kind = BACKING_DMABUF;
        named = backing_read_exporter(target->backing.fd, target->backing.exporter,
                                      sizeof target->backing.exporter, error);
    }
    if (named && examine(target, error))
        return true;
    target_close(target);
    return false;
}

static void disable(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    /* Who had it enabled keeps it: the kernel counts. */
    ssize_t ignored = write(fd, "0", 1);
    (void)ignored;
    close(fd);
}

void target_close(struct target *target)
{
    if (target->backing.host)
        munmap(target->backing.host, target->backing.size);
    if (target->scatter)
        munmap(target->scatter, SCATTER_SIZE);
    if (target->backing.fd > 0)
        close(target->backing.fd);
    for (size_t i = 0; i < ARRAY_SIZE(target->helpers); i++) {
        if (target->helpers[i] > 0)
            close(target->helpers[i]);
    }
    if (target->enabled[0])
        disable(target->enabled);
    *target = (struct target){0};
}
