/* SPDX-License-Identifier: MIT */
/*
 * module-lab-check: what dmabuf-lab promises, on a kernel where it is loaded and the
 * device ivshmem has no driver. Every combination of backing, kind of mapping and
 * attribute: what DMA_BUF_IOCTL_INFO says, what the page table has, what the memory does.
 *
 * usage: module-lab-check [--dmabuf-debug]    the kernel has CONFIG_DMABUF_DEBUG
 */
#include <errno.h>
#include <linux/dma-buf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "tests/modules/checks.h"
#include "tests/modules/lab_buffer.h"
#include "tests/modules/lab_cases.h"
#include "tests/modules/lab_memory.h"

struct context {
    struct checks checks;
    struct lab lab;
    bool dmabuf_debug;
};

static void expect(struct context *context, const char *name, int fd, const char *what,
                   uint32_t param, uint64_t expected)
{
    uint64_t value = UINT64_MAX;
    int error = info_query(fd, param, &value);
    if (check(&context->checks, error == 0, "%s: %s: error %d", name, what, error))
        check(&context->checks, value == expected, "%s: %s: %#llx, not %#llx", name, what,
              (unsigned long long)value, (unsigned long long)expected);
}

/* All answers about a buffer that has not changed. */
static void expect_answers(struct context *context, const char *name, int fd,
                           const struct dmabuf_lab_create *request)
{
    uint64_t type = lab_host_type(request);
    expect(context, name, fd, "VM_PROT", DMA_BUF_INFO_VM_PROT,
           (request->flags & DMABUF_LAB_NAIVE) ? lab_wish(request) : lab_vm_prot(type));
    expect(context, name, fd, "SOURCE", DMA_BUF_INFO_SOURCE, DMA_BUF_SOURCE_EXPORTER);
    expect(context, name, fd, "CPU_ACCESS", DMA_BUF_INFO_CPU_ACCESS,
           (request->flags & DMABUF_LAB_NEEDS_SYNC) ? DMA_BUF_CPU_ACCESS_NEEDS_SYNC
                                                    : DMA_BUF_CPU_ACCESS_COHERENT);
    expect(context, name, fd, "STABILITY", DMA_BUF_INFO_STABILITY,
           (request->flags & DMABUF_LAB_MAY_CHANGE) ? DMA_BUF_STABILITY_MAY_CHANGE
                                                    : DMA_BUF_STABILITY_FIXED);
    expect(context, name, fd, "PAGE_KIND", DMA_BUF_INFO_PAGE_KIND,
           request->backing == DMABUF_LAB_BAR ? DMA_BUF_PAGE_KIND_MMIO
                                              : DMA_BUF_PAGE_KIND_RAM);
    expect(context, name, fd, "HOST_TYPE", DMA_BUF_INFO_HOST_TYPE, type);
    expect(context, name, fd, "VMA", DMA_BUF_INFO_VMA,
           lab_vma_flags(request) | lab_prot_type(request) << 8);
}

/* Reads, writes, and the counters of a buffer that was never mapped. */
static void check_memory(struct context *context, const char *name, int fd,
                         const struct dmabuf_lab_create *request)
{
    struct checks *checks = &context->checks;
    volatile uint64_t *memory = memory_map(fd);
    if (!check(checks, memory != MAP_FAILED, "%s: mmap: %s", name, strerror(errno)))
        return;
    struct dmabuf_lab_counters counters = lab_counters(&context->lab, fd);
    bool at_once = request->vma == DMABUF_LAB_PFNMAP;
    check(checks, counters.maps == 1 && counters.faults == (at_once ? LAB_PAGES : 0),
          "%s: after mmap(): %u mappings, %llu faults", name, counters.maps,
          (unsigned long long)counters.faults);
    if (request->backing != DMABUF_LAB_BAR)
        check(checks, memory_is_zero(memory), "%s: new memory is not zero", name);
    memory_fill(memory, 1000);
    check(checks, memory_has(memory, 1000), "%s: does not keep what is written", name);
    counters = lab_counters(&context->lab, fd);
    check(checks, counters.faults == LAB_PAGES, "%s: %llu pages were given, not %d", name,
          (unsigned long long)counters.faults, LAB_PAGES);
    memory_unmap(memory);
}

static void check_move(struct context *context, const char *name, int fd,
                       const struct dmabuf_lab_create *request, volatile uint64_t *memory)
{
    struct checks *checks = &context->checks;
    struct dmabuf_lab_counters before = lab_counters(&context->lab, fd);
    bool is_bar = request->backing == DMABUF_LAB_BAR;
    int error = lab_move(&context->lab, fd);
    struct dmabuf_lab_counters after = lab_counters(&context->lab, fd);
    check(checks, error == (is_bar ? EOPNOTSUPP : 0), "%s: MOVE: error %d", name, error);
    check(checks, after.zaps == before.zaps + !is_bar && after.moves == !is_bar,
          "%s: MOVE: %llu zaps, %llu moves", name,
          (unsigned long long)(after.zaps - before.zaps),
          (unsigned long long)after.moves);
    check(checks, memory_has(memory, 1000), "%s: MOVE lost the content", name);
    memory_fill(memory, 2000);
    check(checks, memory_has(memory, 2000), "%s: no good after MOVE", name);
    after = lab_counters(&context->lab, fd);
    check(checks, is_bar || after.faults >= before.faults + LAB_PAGES,
          "%s: the mapping was not emptied by MOVE", name);
}

static void check_attributes(struct context *context, const char *name, int fd,
                             struct dmabuf_lab_create request, volatile uint64_t *memory)
{
    char text[80];
    for (uint32_t i = 0; i < DMABUF_LAB_ATTRIBUTE_COUNT; i++) {
        request.attribute = i;
        struct dmabuf_lab_counters before = lab_counters(&context->lab, fd);
        int error = lab_set_attribute(&context->lab, fd, i);
        snprintf(text, sizeof(text), "%s, now attribute %u", name, i);
        check(&context->checks, error == 0, "%s: error %d", text, error);
        expect_answers(context, text, fd, &request);
        check(&context->checks, memory_has(memory, 2000), "%s: lost the content", text);
        struct dmabuf_lab_counters after = lab_counters(&context->lab, fd);
        check(&context->checks,
              after.zaps == before.zaps + 1 && after.faults >= before.faults + LAB_PAGES,
              "%s: the mapping was not emptied", text);
    }
}

static void check_import(struct context *context, const char *name, int fd,
                         const struct dmabuf_lab_create *request)
{
    struct checks *checks = &context->checks;
    struct dmabuf_lab_import import;
    int error = lab_import(&context->lab, fd, &import);
    if (request->backing == DMABUF_LAB_BAR) {
        check(checks, error == EOPNOTSUPP, "%s: IMPORT: error %d", name, error);
        return;
    }
    check(checks, error == 0 && import.entries > 0 && import.entries <= LAB_PAGES,
          "%s: IMPORT: error %d, %u entries", name, error, import.entries);
    check(checks, import.page_is_valid == !context->dmabuf_debug,
          "%s: IMPORT: page_link %#llx is %s page", name,
          (unsigned long long)import.first_page_link, import.page_is_valid ? "a" : "no");
}

static void check_revoke(struct context *context, const char *name, int fd,
                         const volatile uint64_t *memory)
{
    struct checks *checks = &context->checks;
    struct dmabuf_lab_import import;
    uint64_t value;
    check(checks, lab_revoke(&context->lab, fd) == 0, "%s: REVOKE: %s", name,
          strerror(errno));
    check(checks, !memory_read(memory, &value), "%s: revoked, and no SIGBUS", name);
    volatile uint64_t *other = memory_map(fd);
    if (check(checks, other != MAP_FAILED, "%s: revoked: mmap: %s", name,
              strerror(errno))) {
        check(checks, !memory_read(other, &value), "%s: a new mapping: no SIGBUS", name);
        memory_unmap(other);
    }
    int error = info_query(fd, DMA_BUF_INFO_VM_PROT, &value);
    check(checks, error == EIO, "%s: revoked: VM_PROT: error %d", name, error);
    error = info_query(fd, DMA_BUF_INFO_HOST_TYPE, &value);
    check(checks, error == EIO, "%s: revoked: HOST_TYPE: error %d", name, error);
    error = lab_set_attribute(&context->lab, fd, DMABUF_LAB_WB);
    check(checks, error == ENODEV, "%s: revoked: SET_ATTRIBUTE: error %d", name, error);
    error = lab_import(&context->lab, fd, &import);
    check(checks, error == ENODEV || error == EOPNOTSUPP, "%s: revoked: IMPORT: error %d",
          name, error);
    check(checks, lab_revoke(&context->lab, fd) == 0, "%s: a second REVOKE: %s", name,
          strerror(errno));
}

static void check_combination(struct context *context,
                              const struct dmabuf_lab_create *request)
{
    char name[60];
    int fd = lab_create(&context->lab, *request);
    lab_name(request, name, sizeof(name));
    if (!lab_is_possible(request)) {
        check(&context->checks, fd < 0 && errno == EINVAL, "%s: no EINVAL", name);
        return;
    }
    if (!check(&context->checks, fd >= 0, "%s: %s", name, strerror(errno)))
        return;
    check_memory(context, name, fd, request);
    expect_answers(context, name, fd, request);
    volatile uint64_t *memory = memory_map(fd);
    if (check(&context->checks, memory != MAP_FAILED, "%s: mmap: %s", name,
              strerror(errno))) {
        check_move(context, name, fd, request, memory);
        check_attributes(context, name, fd, *request, memory);
        check_import(context, name, fd, request);
        check_revoke(context, name, fd, memory);
        memory_unmap(memory);
    }
    close(fd);
}

/* What the flags say and do. */
static void check_flags(struct context *context)
{
    struct checks *checks = &context->checks;
    for (uint32_t flag = 1; flag <= DMABUF_LAB_ANY_UNCACHED; flag <<= 1) {
        struct dmabuf_lab_create request =
            lab_request(&context->lab, DMABUF_LAB_PAGES, DMABUF_LAB_FAULT,
                        DMABUF_LAB_WC_WISHED, flag);
        struct dma_buf_sync sync = {.flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW};
        char name[40];
        int fd = lab_create(&context->lab, request);
        snprintf(name, sizeof(name), "flag %u", flag);
        if (!check(checks, fd >= 0, "%s: %s", name, strerror(errno)))
            continue;
        expect_answers(context, name, fd, &request);
        check(checks, ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) == 0, "%s: SYNC", name);
        check(checks, ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) == 0, "%s: SYNC", name);
        sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
        check(checks, ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) == 0, "%s: SYNC", name);
        struct dmabuf_lab_counters counters = lab_counters(&context->lab, fd);
        unsigned factor = flag == DMABUF_LAB_NEEDS_SYNC;
        check(checks,
              counters.syncs_begun == 2 * factor && counters.syncs_ended == factor,
              "%s: %llu and %llu calls of SYNC", name,
              (unsigned long long)counters.syncs_begun,
              (unsigned long long)counters.syncs_ended);
        close(fd);
    }
}

int main(int count, char **arguments)
{
    struct context context = {
        .dmabuf_debug = count > 1 && strcmp(arguments[1], "--dmabuf-debug") == 0};
    int log = cases_log_begin();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!lab_open(&context.lab) || !context.lab.has_bar || log < 0) {
        check(&context.checks, false, "%s",
              context.lab.device < 0 ? "/dev/dmabuf-lab: is the module loaded?"
              : !context.lab.has_bar ? "no PCI device 1af4:1110 without a driver"
                                     : "/dev/kmsg");
        return checks_finish(&context.checks);
    }
    memory_catch_sigbus();
    for (uint32_t backing = 0; backing < DMABUF_LAB_BACKING_COUNT; backing++) {
        for (uint32_t vma = 0; vma < DMABUF_LAB_VMA_COUNT; vma++) {
            for (uint32_t i = 0; i < DMABUF_LAB_ATTRIBUTE_COUNT; i++) {
                struct dmabuf_lab_create request =
                    lab_request(&context.lab, backing, vma, i, 0);
                check_combination(&context, &request);
            }
        }
    }
    check_flags(&context);
    cases_refusals(&context.checks, &context.lab);
    cases_races(&context.checks, &context.lab);
    cases_holders(&context.checks, &context.lab);
    cases_log_end(&context.checks, log);
    return checks_finish(&context.checks);
}
