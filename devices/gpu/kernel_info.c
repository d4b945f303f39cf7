/* SPDX-License-Identifier: MIT */
#include "devices/gpu/kernel_info.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "vmm/types.h"

/* 0 or the errno. */
static int ask(int fd, uint32_t param, uint64_t *value)
{
    struct dma_buf_info info = {.param = param};
    if (ioctl(fd, DMA_BUF_IOCTL_INFO, &info) != 0)
        return errno;
    *value = info.value;
    return 0;
}

/* x86's encoding is that of the PAT MSR; 2 and 3 are reserved (SDM 3, 12.12.2). */
static bool decode_type(enum memattr_model model, uint64_t value, enum memattr_type *type)
{
    static const enum memattr_type pat[] = {
        [0] = MEMATTR_UC, [1] = MEMATTR_WC, [4] = MEMATTR_WT,
        [5] = MEMATTR_WP, [6] = MEMATTR_WB, [7] = MEMATTR_UC_MINUS,
    };
    if (value > UINT8_MAX)
        return false;
    if (model == MEMATTR_ARM64 || model == MEMATTR_ARM64_FWB)
        return memattr_arm64_of_mair((uint8_t)value, type);
    if (value >= ARRAY_SIZE(pat) || value == 2 || value == 3)
        return false;
    *type = pat[value];
    return true;
}

static bool decode_prot(uint64_t value, enum memattr_map_info *prot)
{
    switch (value) {
    case DMA_BUF_VM_PROT_WC:
        *prot = MEMATTR_MAP_WC;
        return true;
    case DMA_BUF_VM_PROT_CACHED:
        *prot = MEMATTR_MAP_CACHED;
        return true;
    case DMA_BUF_VM_PROT_UNCACHED:
        *prot = MEMATTR_MAP_UNCACHED;
        return true;
    default:
        return false;
    }
}

/* An entry that stands for no struct page: _PAGE_BIT_SPECIAL of x86 (pgtable_types.h), PTE_SPECIAL
 * of arm64 (pgtable-prot.h). */
static bool is_special(enum memattr_model model, uint64_t pte)
{
    bool is_arm64 = model == MEMATTR_ARM64 || model == MEMATTR_ARM64_FWB;
    return (pte >> (is_arm64 ? 56 : 9) & 1) != 0;
}

/* get_user_pages() takes no special entry, and KVM asks no further where the mapping is neither
 * VM_PFNMAP nor VM_IO (virt/kvm/kvm_main.c, hva_to_pfn). */
static enum memattr_vma vma_of(enum memattr_model model, uint64_t value, uint64_t pte)
{
    if (value & DMA_BUF_VMA_PFNMAP)
        return value & DMA_BUF_VMA_ALLOW_ANY_UNCACHED ? MEMATTR_VMA_VFIO
                                                      : MEMATTR_VMA_PFNMAP;
    return (value & DMA_BUF_VMA_MIXEDMAP) && !(value & DMA_BUF_VMA_IO) &&
                   is_special(model, pte)
               ? MEMATTR_VMA_MIXED
               : MEMATTR_VMA_PLAIN;
}

/* What KVM on arm64 takes the mapping for: it looks at VM_PFNMAP and VM_ALLOW_ANY_UNCACHED,
 * and counts write-through as cacheable (arch/arm64/kvm/mmu.c, kvm_vma_is_cacheable). */
static bool decode_vma(enum memattr_model model, uint64_t value, struct kernel_info *info)
{
    const uint64_t defined = DMA_BUF_VMA_PFNMAP | DMA_BUF_VMA_MIXEDMAP | DMA_BUF_VMA_IO |
                             DMA_BUF_VMA_ALLOW_ANY_UNCACHED | 0xff00;
    enum memattr_type type;
    if ((value & ~defined) != 0 ||
        !decode_type(model, DMA_BUF_VMA_PAGE_PROT_TYPE(value), &type))
        return false;
    info->vma = vma_of(model, value, info->pte);
    info->vma_is_uncacheable = type != MEMATTR_WB && type != MEMATTR_WT;
    return true;
}

void kernel_info_ask(int fd, enum memattr_model model, struct kernel_info *info)
{
    uint64_t value = 0;
    *info = (struct kernel_info){0};
    info->error = ask(fd, DMA_BUF_INFO_VM_PROT, &value);
    if (info->error == ENOTTY)
        return;
    info->vm_prot = value;
    info->knows_prot = info->error == 0 && decode_prot(value, &info->prot);
    /* A kernel with the ioctl and without the module (docs/series.md) has no such parameter:
     * only exporters answer there. */
    bool has_sources = ask(fd, DMA_BUF_INFO_SOURCE, &value) == 0;
    info->from_exporter =
        has_sources ? value == DMA_BUF_SOURCE_EXPORTER : info->error == 0;

    info->knows_type = ask(fd, DMA_BUF_INFO_HOST_TYPE, &value) == 0 &&
                       decode_type(model, value, &info->type);
    if (ask(fd, DMA_BUF_INFO_HOST_PTE, &value) == 0)
        info->pte = value;

    if (ask(fd, DMA_BUF_INFO_PAGE_KIND, &value) == 0 && value <= DMA_BUF_PAGE_KIND_MMIO) {
        info->knows_page = true;
        info->page =
            value == DMA_BUF_PAGE_KIND_RAM ? MEMATTR_PAGE_RAM : MEMATTR_PAGE_MMIO;
    }
    info->knows_vma =
        ask(fd, DMA_BUF_INFO_VMA, &value) == 0 && decode_vma(model, value, info);
    if (ask(fd, DMA_BUF_INFO_CPU_ACCESS, &value) == 0 &&
        value <= DMA_BUF_CPU_ACCESS_NEEDS_SYNC) {
        info->knows_sync = true;
        info->needs_sync = value == DMA_BUF_CPU_ACCESS_NEEDS_SYNC;
    }
    if (ask(fd, DMA_BUF_INFO_STABILITY, &value) == 0 &&
        value <= DMA_BUF_STABILITY_MAY_CHANGE) {
        info->knows_stability = true;
        info->may_change = value == DMA_BUF_STABILITY_MAY_CHANGE;
    }
}
