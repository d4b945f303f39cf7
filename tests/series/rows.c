/* SPDX-License-Identifier: MIT */
/* See rows.h. */
#include "tests/series/rows.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "tests/modules/buffers.h"
#include "tests/modules/lab_buffer.h"
#include "tests/series/heap.h"
#include "tests/series/import.h"

enum { SIZE = 16 * 4096 };

static struct row *add(struct checks *checks, struct row *rows, unsigned *count,
                       const char *name, int fd)
{
    struct row *row = &rows[*count];

    if (!check(checks, *count < ROWS_MAX && fd >= 0, "%s: no buffer: %s", name,
               strerror(errno)))
        return NULL;
    *row = (struct row){.fd = fd, .importer = -1};
    snprintf(row->name, sizeof(row->name), "%s", name);
    (*count)++;
    return row;
}

/* How the kernel's ioctl fails; the module's own errors are the same but for pad. */
static void check_errors(struct checks *checks, int fd)
{
    static const uint32_t unknown[] = {0, 2, 0x100, 0x103, UINT32_MAX};
    struct dma_buf_info info;

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        info = (struct dma_buf_info){.param = unknown[i]};
        check(checks, look_ioctl(fd, &info) == EINVAL, "parameter %#x: no EINVAL",
              unknown[i]);
    }
    info = (struct dma_buf_info){.param = DMA_BUF_INFO_VM_PROT, .pad = 1};
    check(checks, look_ioctl(fd, &info) == EINVAL, "pad: no EINVAL");
    check(checks, look_ioctl(fd, NULL) == EFAULT, "null pointer: no EFAULT");
    check(checks, look_ioctl_read_only(fd, DMA_BUF_INFO_VM_PROT) == EFAULT,
          "read-only memory: no EFAULT");
    check(checks, look_ioctl_read_only(fd, 0) == EINVAL,
          "unknown parameter in read-only memory: no EINVAL");
}

/* vgem's device does no DMA, and is what it is by default: coherent on x86 only. The kernel knows no better. */
static void add_imported(struct checks *checks, struct row *rows, unsigned *count)
{
    struct row *row =
        add(checks, rows, count, "udmabuf, imported by vgem", buffer_udmabuf(SIZE));
    if (!row)
        return;
    row->importer = import_into("vgem", row->fd);
    check(checks, row->importer >= 0, "%s: no importer: %s", row->name, strerror(errno));
#ifdef __aarch64__
    row->needs_sync = true;
#endif
}

/* The kernel's exporters. */
static void add_kernel(struct checks *checks, struct row *rows, unsigned *count)
{
    add(checks, rows, count, "udmabuf", buffer_udmabuf(SIZE));
    add(checks, rows, count, "system heap", heap_buffer("/dev/dma_heap/system", SIZE));
    add(checks, rows, count, "CMA heap",
        heap_buffer("/dev/dma_heap/default_cma_region", SIZE));
    add(checks, rows, count, "vgem", buffer_drm("vgem", SIZE, 1));
    add(checks, rows, count, "vkms", buffer_drm("vkms", SIZE, 1));
    add(checks, rows, count, "virtio-gpu, dumb", buffer_drm("virtio_gpu", SIZE, 1));
    add_imported(checks, rows, count);
}

static bool load(struct checks *checks, const char *folder, const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s.ko", folder, name);
    int error = module_load(path);
    return check(checks, error == 0, "%s: %s", path, strerror(error));
}

static bool same(struct answer one, struct answer other)
{
    return one.error == other.error && one.value == other.value;
}

static void close_row(struct row *row)
{
    close(row->fd);
    if (row->importer >= 0)
        close(row->importer);
}

/* With the modules: what the page table has, and whether dmabuf-info lets the kernel answer. */
static void look_behind(struct checks *checks, struct row *row)
{
    struct look both = look_at(row->fd);
    row->both_agree = same(both.vm_prot, row->kernel.vm_prot) &&
                      same(both.cpu_access, row->kernel.cpu_access) &&
                      same(both.stability, row->kernel.stability) &&
                      both.source.error == 0 &&
                      both.source.value == DMA_BUF_SOURCE_EXPORTER;
    check(checks, look_set("dmabuf_info", "only_page_table", "1"), "only_page_table: %s",
          strerror(errno));
    row->page_table = look_at(row->fd);
    check(checks, look_set("dmabuf_info", "only_page_table", "0"), "only_page_table: %s",
          strerror(errno));
    row->is_equal = row->kernel.vm_prot.error == 0 &&
                    same(row->kernel.vm_prot, row->page_table.vm_prot);

    row->map_error = look_map(row->fd, &row->is_pfnmap);
    bool ignored;
    check(checks, look_set("dma_buf", "require_pfnmap", "1"), "require_pfnmap: %s",
          strerror(errno));
    row->required_error = look_map(row->fd, &ignored);
    check(checks, look_set("dma_buf", "require_pfnmap", "0"), "require_pfnmap: %s",
          strerror(errno));
}

/* What a flag of the buffer is for. */
static const char *flag_name(uint32_t flags)
{
    if (flags & DMABUF_LAB_NEEDS_SYNC)
        return " needs-sync";
    if (flags & DMABUF_LAB_MAY_CHANGE)
        return " may-change";
    return flags & DMABUF_LAB_NAIVE ? " naive" : "";
}

/* A buffer of dmabuf-lab is looked at, and gone: a BAR is in one buffer at a time. */
static void add_lab_buffer(struct checks *checks, const struct lab *lab, struct row *rows,
                           unsigned *count, struct dmabuf_lab_create request)
{
    char name[64];
    char text[48];

    if (!lab_is_possible(&request))
        return;
    snprintf(name, sizeof(name), "dmabuf-lab, %s%s",
             lab_name(&request, text, sizeof(text)), flag_name(request.flags));
    struct row *row = add(checks, rows, count, name, lab_create(lab, request));
    if (!row)
        return;
    row->needs_sync = request.flags & DMABUF_LAB_NEEDS_SYNC;
    row->may_change = request.flags & DMABUF_LAB_MAY_CHANGE;
    row->lies = request.flags & DMABUF_LAB_NAIVE &&
                lab_wish(&request) != lab_vm_prot(lab_host_type(&request));
    row->kernel = look_at(row->fd);
    look_behind(checks, row);
    close_row(row);
}

/* Every kind, of pages and, if there is one, of a BAR; blocks are mapped as pages are. */
static void add_lab(struct checks *checks, struct row *rows, unsigned *count)
{
    static const uint32_t flags[] = {DMABUF_LAB_NEEDS_SYNC, DMABUF_LAB_MAY_CHANGE,
                                     DMABUF_LAB_NAIVE};
    struct lab lab;

    if (!check(checks, lab_open(&lab), "/dev/dmabuf-lab: %s", strerror(errno)))
        return;
    for (uint32_t backing = 0; backing < DMABUF_LAB_BACKING_COUNT; backing++) {
        if (backing == DMABUF_LAB_BLOCKS || (backing == DMABUF_LAB_BAR && !lab.has_bar))
            continue;
        for (uint32_t vma = 0; vma < DMABUF_LAB_VMA_COUNT; vma++)
            for (uint32_t attribute = 0; attribute < DMABUF_LAB_ATTRIBUTE_COUNT;
                 attribute++)
                add_lab_buffer(checks, &lab, rows, count,
                               lab_request(&lab, backing, vma, attribute, 0));
    }
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        add_lab_buffer(checks, &lab, rows, count,
                       lab_request(&lab, DMABUF_LAB_PAGES, DMABUF_LAB_FAULT,
                                   DMABUF_LAB_WC_WISHED, flags[i]));
    close(lab.device);
}

static void unload(struct checks *checks, const char *name)
{
    int error = module_unload(name);
    check(checks, error == 0, "%s cannot be unloaded: %s", name, strerror(error));
}

unsigned rows_collect(struct checks *checks, struct row *rows, const char *folder)
{
    unsigned count = 0;

    add_kernel(checks, rows, &count);
    unsigned from_kernel = count;
    for (unsigned i = 0; i < from_kernel; i++)
        rows[i].kernel = look_at(rows[i].fd);
    if (count > 0)
        check_errors(checks, rows[0].fd);
    if (!load(checks, folder, "dmabuf_info") || !load(checks, folder, "dmabuf_lab"))
        return count;
    for (unsigned i = 0; i < from_kernel; i++) {
        look_behind(checks, &rows[i]);
        close_row(&rows[i]);
    }
    add_lab(checks, rows, &count);
    /* a refused mapping that was not undone would hold it */
    unload(checks, "dmabuf_lab");
    unload(checks, "dmabuf_info");
    return count;
}
