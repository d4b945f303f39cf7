/* SPDX-License-Identifier: MIT */
/* The tables of docs/refusals.md: every code of enum memattr_refusal, with what a person reads.
 * A code without a row ends the program, and with it `make lint`. */
#include <stdlib.h>

#include "tests/golden/tables.h"
#include "vmm/types.h"

struct row {
    const char *when;
    const char *why;
    const char *way_out;
    const char *policy; /* an option of s2vmm; NULL: there is none */
    const char *tests;
};

// clang-format off
static const struct row rows[MEMATTR_REFUSAL_COUNT] = {
    [MEMATTR_REFUSED_NEEDS_SYNC] = {
        "the kernel says NEEDS_SYNC (`DMA_BUF_INFO_CPU_ACCESS`)",
        "the device does not snoop the CPU's caches, and the guest has no command to bracket its accesses",
        "a buffer of a coherent device, or the policy",
        "`--needs-sync=copy`: the guest gets a copy in host memory, which s2vmm synchronises",
        "`refuse-needs-sync`, `copy-needs-sync`; unit: `decision`, `memattr`",
    },
    [MEMATTR_REFUSED_MAY_CHANGE] = {
        "the kernel says MAY_CHANGE (`DMA_BUF_INFO_STABILITY`)",
        "the exporter may move the buffer or change its attribute; the guest keeps the one map_info that it got",
        "a pinned buffer, or the policy",
        "`--may-change=follow`: it is watched, and the mapping is dropped when the attribute changes",
        "`refuse-may-change`, `follow-may-change`; unit: `decision`, `memattr`",
    },
    [MEMATTR_REFUSED_NO_MATCH] = {
        "no map_info gives the guest the host's type on this platform",
        "one page would be live with two memory types",
        "another exporter or another host: the line says which",
        NULL,
        "`refuse-no-match`, `shadow-paging-refuses-wc-blob`; unit: `decision`, `memattr`, `memattr_arm64_advice`",
    },
    [MEMATTR_REFUSED_BY_KVM] = {
        "KVM cannot take the host's pages into the guest: arm64, a cacheable BAR; anywhere, entries without a struct page in a "
        "VM_MIXEDMAP mapping",
        "KVM_RUN would end with EFAULT at the guest's first access, and the VM with it",
        "a buffer in system memory, or an exporter that maps it in another way",
        NULL,
        "`refuse-kvm-faults`; unit: `decision`, `memattr`, `memattr_arm64_advice`",
    },
    [MEMATTR_REFUSED_PLACEMENT_UNKNOWN] = {
        "the driver says that the attribute depends on where the buffer is, and no source says where",
        "the host attribute is not known",
        "a kernel that answers `DMA_BUF_IOCTL_INFO`: the module dmabuf-info",
        NULL,
        "unit: `decision`, `memattr`",
    },
    [MEMATTR_REFUSED_GUEST_PAT] = {
        "Intel EPT; RAM that the host maps other than WB; KVM's quirk is in force and cannot be lifted, or may not",
        "every EPT leaf of RAM has IPAT: the guest's accesses are WB whatever it asks for",
        "Linux 6.16 (or 6.12.78) and a CPU with self-snoop",
        "`--honor-guest-pat=auto` (the default) lifts the quirk for the first buffer that needs it, `on` at the start of the VM, `off` "
        "never",
        "unit: `decision`, `memattr`",
    },
    [MEMATTR_REFUSED_GUEST_MTRR] = {
        "x86 where the guest's attribute counts; the host maps WB; at the moment of the map the guest's MTRRs are not WB over the whole "
        "window, on all vCPUs",
        "the guest's Linux makes UC- of the CACHED mapping, without an error",
        "firmware of the guest that leaves the window WB",
        NULL,
        "`refuse-guest-mtrr`; unit: `decision`, `memattr`, `mtrr`",
    },
    [MEMATTR_REFUSED_HOST_UNKNOWN] = {
        "no trusted source answers",
        "without the host attribute nothing is known about a match",
        "a kernel that answers `DMA_BUF_IOCTL_INFO`: the module dmabuf-info",
        "`--cache-mode-policy=permissive`: the renderer is believed",
        "`refuse-host-unknown`; unit: `decision`, `blob`, `cache_mode`",
    },
    [MEMATTR_REFUSED_CONTRADICTION] = {
        "the source that decides says one type, and the page table of the host's mapping has another",
        "one of them is wrong, and it is not known which will be true later",
        "an exporter that says what it does: report it",
        "`--cache-mode-policy=permissive`: the page table is believed",
        "`refuse-contradiction`; unit: `decision`",
    },
};
// clang-format on

/* Where the model gives the refusal: a platform and a buffer that have it. */
static const struct {
    enum memattr_refusal refusal;
    struct memattr_platform platform;
    struct memattr_buffer buffer;
} examples[] = {
    {MEMATTR_REFUSED_NEEDS_SYNC, {.model = MEMATTR_NPT}, {.needs_sync = true}},
    {MEMATTR_REFUSED_MAY_CHANGE, {.model = MEMATTR_NPT}, {.may_change = true}},
    {MEMATTR_REFUSED_NO_MATCH, {.model = MEMATTR_SHADOW}, {.host = MEMATTR_WC}},
    {MEMATTR_REFUSED_NO_MATCH, {.model = MEMATTR_NPT}, {.host = MEMATTR_WT}},
    {MEMATTR_REFUSED_NO_MATCH, {.model = MEMATTR_ARM64_FWB}, {.host = MEMATTR_NC}},
    {MEMATTR_REFUSED_BY_KVM,
     {.model = MEMATTR_ARM64, .rules = MEMATTR_RULES_6_17},
     {.page = MEMATTR_PAGE_MMIO, .vma = MEMATTR_VMA_PFNMAP}},
    {MEMATTR_REFUSED_BY_KVM, {.model = MEMATTR_NPT}, {.vma = MEMATTR_VMA_MIXED}},
    {MEMATTR_REFUSED_PLACEMENT_UNKNOWN,
     {.model = MEMATTR_NPT},
     {.placement_is_unknown = true}},
    {MEMATTR_REFUSED_GUEST_PAT,
     {.model = MEMATTR_EPT, .ignores_guest_pat = true, .guest_mtrr_is_wb = true},
     {.host = MEMATTR_WC}},
    {MEMATTR_REFUSED_GUEST_MTRR, {.model = MEMATTR_NPT}, {.host = MEMATTR_WB}},
};

static void print_rows(FILE *out)
{
    fputs(
        "| code | when | why | what to do | policy | seen by "
        "|\n|---|---|---|---|---|---|\n",
        out);
    for (unsigned code = MEMATTR_ACCEPTED + 1; code < MEMATTR_REFUSAL_COUNT; code++) {
        const struct row *row = &rows[code];
        if (!row->when) {
            fprintf(stderr, "print-memattr: tests/golden/refusals.c lacks a row for %s\n",
                    memattr_refusal_name((enum memattr_refusal)code));
            exit(1);
        }
        fprintf(out, "| %s | %s | %s | %s | %s | %s |\n",
                memattr_refusal_name((enum memattr_refusal)code), row->when, row->why,
                row->way_out, row->policy ? row->policy : "-", row->tests);
    }
}

static void print_lines(FILE *out)
{
    fputs(
        "\nThe line that a person sees, where the attribute model gives it (s2vmm adds "
        "the "
        "policy):\n\n",
        out);
    for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
        const struct memattr_advice advice =
            memattr_advise(&examples[i].platform, &examples[i].buffer);
        if (advice.refusal != examples[i].refusal) {
            fprintf(stderr, "print-memattr: example %zu of refusals.c is %s\n", i,
                    memattr_refusal_name(advice.refusal));
            exit(1);
        }
        fprintf(out, "* %s (%s): %s\n", memattr_refusal_name(advice.refusal),
                memattr_model_name(examples[i].platform.model), advice.reason);
    }
    fputs("\n", out);
}

void tables_print_refusals(FILE *out)
{
    print_rows(out);
    print_lines(out);
}
