/* SPDX-License-Identifier: MIT */
/* See lab_buffer.h. */
#include "tests/modules/lab_buffer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"

#define PCI "/sys/bus/pci/devices"

/* PAT's encodings (SDM 3, 12.12.2), MAIR's bytes (DDI 0487, D24.2.127) */
#ifdef __x86_64__
enum { TYPE_WB = 6, TYPE_WC = 1, TYPE_UC = 7, TYPE_DEVICE = 7, IS_X86 = 1 };
#else
enum { TYPE_WB = 0xff, TYPE_WC = 0x44, TYPE_UC = 0x00, TYPE_DEVICE = 0x04, IS_X86 = 0 };
#endif

/* --- the BAR --- */

static bool file_says(const char *device, const char *file, const char *text)
{
    char path[300], line[64] = "";
    snprintf(path, sizeof(path), PCI "/%.200s/%s", device, file);
    FILE *in = fopen(path, "re");
    if (!in)
        return false;
    bool same = fgets(line, sizeof(line), in) && strncmp(line, text, strlen(text)) == 0;
    fclose(in);
    return same;
}

/* QEMU's ivshmem: plain memory in BAR 2, and nothing happens when it is written. */
static bool is_ivshmem(const char *device)
{
    char path[300];
    snprintf(path, sizeof(path), PCI "/%.200s/driver", device);
    return file_says(device, "vendor", "0x1af4\n") &&
           file_says(device, "device", "0x1110\n") && access(path, F_OK) != 0;
}

static void find_bar(struct lab *lab)
{
    DIR *folder = opendir(PCI);
    const struct dirent *entry;
    while (folder && !lab->has_bar && (entry = readdir(folder)) != NULL) {
        unsigned domain, bus, slot, function;
        if (!is_ivshmem(entry->d_name) ||
            sscanf(entry->d_name, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
            continue;
        lab->has_bar = true;
        lab->pci_address = domain << 16 | bus << 8 | slot << 3 | function;
        lab->bar = 2;
    }
    if (folder)
        closedir(folder);
}

/* --- requests --- */

bool lab_open(struct lab *lab)
{
    *lab = (struct lab){.device = open("/dev/dmabuf-lab", O_RDWR | O_CLOEXEC)};
    find_bar(lab);
    return lab->device >= 0;
}

struct dmabuf_lab_create lab_request(const struct lab *lab, uint32_t backing,
                                     uint32_t vma, uint32_t attribute, uint32_t flags)
{
    bool is_bar = backing == DMABUF_LAB_BAR;
    return (struct dmabuf_lab_create){
        .size = LAB_SIZE,
        .backing = backing,
        .vma = vma,
        .attribute = attribute,
        .flags = flags,
        .pci_address = is_bar ? lab->pci_address : 0,
        .bar = is_bar ? lab->bar : 0,
        .fd_flags = O_RDWR | O_CLOEXEC,
        .fd = -1,
    };
}

int lab_create(const struct lab *lab, struct dmabuf_lab_create request)
{
    return ioctl(lab->device, DMABUF_LAB_IOCTL_CREATE, &request) == 0 ? request.fd : -1;
}

int lab_move(const struct lab *lab, int fd)
{
    return ioctl(lab->device, DMABUF_LAB_IOCTL_MOVE, &fd) == 0 ? 0 : errno;
}

int lab_set_attribute(const struct lab *lab, int fd, uint32_t attribute)
{
    struct dmabuf_lab_set_attribute set = {.fd = fd, .attribute = attribute};
    return ioctl(lab->device, DMABUF_LAB_IOCTL_SET_ATTRIBUTE, &set) == 0 ? 0 : errno;
}

int lab_revoke(const struct lab *lab, int fd)
{
    return ioctl(lab->device, DMABUF_LAB_IOCTL_REVOKE, &fd) == 0 ? 0 : errno;
}

int lab_import(const struct lab *lab, int fd, struct dmabuf_lab_import *import)
{
    *import = (struct dmabuf_lab_import){.fd = fd};
    return ioctl(lab->device, DMABUF_LAB_IOCTL_IMPORT, import) == 0 ? 0 : errno;
}

int lab_hold(const struct lab *lab, int fd, uint32_t holding,
             struct dmabuf_lab_hold *hold)
{
    *hold = (struct dmabuf_lab_hold){.fd = fd, .holding = holding, .holder = -1};
    return ioctl(lab->device, DMABUF_LAB_IOCTL_HOLD, hold) == 0 ? 0 : errno;
}

struct dmabuf_lab_counters lab_counters(const struct lab *lab, int fd)
{
    struct dmabuf_lab_counters counters = {.fd = fd};
    if (ioctl(lab->device, DMABUF_LAB_IOCTL_COUNTERS, &counters) != 0)
        return (struct dmabuf_lab_counters){0};
    return counters;
}

/* --- what is expected --- */

const char *lab_name(const struct dmabuf_lab_create *request, char *text, size_t size)
{
    static const char *const backings[] = {"pages", "blocks", "bar"};
    static const char *const vmas[] = {"pfnmap", "fault", "mixed", "struct-pages", "ttm"};
    static const char *const attributes[] = {"wb", "wc", "wc-wished", "uc", "device"};
    snprintf(text, size, "%s %s %s", backings[request->backing], vmas[request->vma],
             attributes[request->attribute]);
    return text;
}

bool lab_is_possible(const struct dmabuf_lab_create *request)
{
    return request->vma != DMABUF_LAB_STRUCT_PAGES ||
           request->backing == DMABUF_LAB_PAGES;
}

static uint64_t wished_type(uint32_t attribute)
{
    switch ((enum dmabuf_lab_attribute)attribute) {
    case DMABUF_LAB_WB:
    case DMABUF_LAB_ATTRIBUTE_COUNT:
        break;
    case DMABUF_LAB_WC:
    case DMABUF_LAB_WC_WISHED:
        return TYPE_WC;
    case DMABUF_LAB_UC:
        return TYPE_UC;
    case DMABUF_LAB_DEVICE:
        return TYPE_DEVICE;
    }
    return TYPE_WB;
}

/*
 * x86: by pfn, RAM gets the type on record, which a wish does not change; a BAR is not WB
 * where the firmware's MTRRs are not (pat_x_mtrr_type(), arch/x86/mm/pat/memtype.c).
 * arm64: the wish.
 */
uint64_t lab_host_type(const struct dmabuf_lab_create *request)
{
    if (IS_X86 && request->backing == DMABUF_LAB_BAR &&
        request->attribute == DMABUF_LAB_WB)
        return TYPE_UC;
    if (IS_X86 && request->backing != DMABUF_LAB_BAR &&
        request->attribute == DMABUF_LAB_WC_WISHED &&
        request->vma != DMABUF_LAB_STRUCT_PAGES)
        return TYPE_WB;
    return wished_type(request->attribute);
}

uint64_t lab_prot_type(const struct dmabuf_lab_create *request)
{
    return request->vma == DMABUF_LAB_TTM ? TYPE_WB : wished_type(request->attribute);
}

uint64_t lab_vm_prot(uint64_t type)
{
    return type == TYPE_WB   ? DMA_BUF_VM_PROT_CACHED
           : type == TYPE_WC ? DMA_BUF_VM_PROT_WC
                             : DMA_BUF_VM_PROT_UNCACHED;
}

uint64_t lab_wish(const struct dmabuf_lab_create *request)
{
    return lab_vm_prot(wished_type(request->attribute));
}

uint64_t lab_vma_flags(const struct dmabuf_lab_create *request)
{
    uint64_t flags =
        (request->flags & DMABUF_LAB_ANY_UNCACHED) ? DMA_BUF_VMA_ALLOW_ANY_UNCACHED : 0;
    switch ((enum dmabuf_lab_vma)request->vma) {
    case DMABUF_LAB_PFNMAP:
    case DMABUF_LAB_TTM:
        return flags | DMA_BUF_VMA_PFNMAP | DMA_BUF_VMA_IO;
    case DMABUF_LAB_FAULT:
        return flags | DMA_BUF_VMA_PFNMAP |
               (request->backing == DMABUF_LAB_BAR ? DMA_BUF_VMA_IO : 0);
    case DMABUF_LAB_MIXED:
        return flags | DMA_BUF_VMA_MIXEDMAP;
    case DMABUF_LAB_STRUCT_PAGES:
    case DMABUF_LAB_VMA_COUNT:
        break;
    }
    return flags;
}
