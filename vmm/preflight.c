/* SPDX-License-Identifier: MIT */
#include "vmm/preflight.h"

#include <stdio.h>

#include "vmm/types.h"

struct row {
    struct memattr_buffer buffer;
    const char *kind; /* behind the name */
};

// clang-format off
/* x86 does not look at the VMA. */
static const struct row x86_rows[] = {
    {{.page = MEMATTR_PAGE_RAM,  .host = MEMATTR_WB}, ""},
    {{.page = MEMATTR_PAGE_RAM,  .host = MEMATTR_WC}, ""},
    {{.page = MEMATTR_PAGE_RAM,  .host = MEMATTR_UC}, ""},
    {{.page = MEMATTR_PAGE_MMIO, .host = MEMATTR_WB}, ""},
    {{.page = MEMATTR_PAGE_MMIO, .host = MEMATTR_WC}, ""},
    {{.page = MEMATTR_PAGE_MMIO, .host = MEMATTR_UC}, ""},
};

/* What exporters make: memfd; udmabuf and cached GEM; write-combining and uncached GEM; BARs in
 * sysfs and of drivers; a BAR of a TTM driver; vfio-pci. */
static const struct row arm64_rows[] = {
    {{.page = MEMATTR_PAGE_RAM,  .vma = MEMATTR_VMA_PLAIN,  .host = MEMATTR_WB}, ""},
    {{.page = MEMATTR_PAGE_RAM,  .vma = MEMATTR_VMA_PFNMAP, .host = MEMATTR_WB}, ", PFNMAP"},
    {{.page = MEMATTR_PAGE_RAM,  .vma = MEMATTR_VMA_PFNMAP, .host = MEMATTR_NC, .vma_is_uncacheable = true}, ", PFNMAP"},
    {{.page = MEMATTR_PAGE_RAM,  .vma = MEMATTR_VMA_PFNMAP, .host = MEMATTR_DEVICE_nGnRnE, .vma_is_uncacheable = true}, ", PFNMAP"},
    {{.page = MEMATTR_PAGE_MMIO, .vma = MEMATTR_VMA_PFNMAP, .host = MEMATTR_WB}, ", PFNMAP"},
    {{.page = MEMATTR_PAGE_MMIO, .vma = MEMATTR_VMA_PFNMAP, .host = MEMATTR_NC}, ", TTM"},
    {{.page = MEMATTR_PAGE_MMIO, .vma = MEMATTR_VMA_PFNMAP, .host = MEMATTR_NC, .vma_is_uncacheable = true}, ", PFNMAP"},
    {{.page = MEMATTR_PAGE_MMIO, .vma = MEMATTR_VMA_PFNMAP, .host = MEMATTR_DEVICE_nGnRE, .vma_is_uncacheable = true}, ", PFNMAP"},
    {{.page = MEMATTR_PAGE_MMIO, .vma = MEMATTR_VMA_VFIO,   .host = MEMATTR_NC, .vma_is_uncacheable = true}, ", vfio"},
    {{.page = MEMATTR_PAGE_MMIO, .vma = MEMATTR_VMA_VFIO,   .host = MEMATTR_DEVICE_nGnRnE, .vma_is_uncacheable = true}, ", vfio"},
};
// clang-format on

static void add_row(struct platform *platform, const struct row *row)
{
    const struct memattr_platform *memattr = &platform->memattr;
    struct memattr_advice advice = memattr_advise(memattr, &row->buffer);
    struct memattr_leaf leaf = memattr_leaf_of(memattr, &row->buffer);
    char name[sizeof platform->facts[0].name];
    char value[sizeof platform->facts[0].value];
    snprintf(name, sizeof name, "%s mapped %s%s", memattr_page_name(row->buffer.page),
             memattr_type_name(row->buffer.host), row->kind);
    if (advice.refusal == MEMATTR_ACCEPTED)
        snprintf(value, sizeof value, "map_info %s%s",
                 memattr_map_info_name(advice.map_info),
                 advice.needs_late_mapping
                     ? ", into a memslot that is there already: KVM refuses a new one"
                     : "");
    else if (advice.refusal == MEMATTR_REFUSED_BY_KVM)
        snprintf(value, sizeof value, "refused: KVM_RUN would end with EFAULT");
    else
        snprintf(value, sizeof value, "refused: the guest would get %s%s",
                 memattr_type_name(advice.judgement.guest.type),
                 leaf.ignores_s1 ? ", whatever it asks for" : "");
    platform_add_fact(platform, name, value, "the attribute model");
}

void preflight_add(struct platform *platform)
{
    bool is_arm64 = memattr_model_has(platform->memattr.model, MEMATTR_NC);
    const struct row *rows = is_arm64 ? arm64_rows : x86_rows;
    size_t count = is_arm64 ? ARRAY_SIZE(arm64_rows) : ARRAY_SIZE(x86_rows);
    for (size_t i = 0; i < count; i++)
        add_row(platform, &rows[i]);
}
