/* SPDX-License-Identifier: MIT */
#include "vmm/experiments/command.h"

#include <string.h>

#include "vmm/experiments/experiment.h"
#include "vmm/experiments/gallery.h"
#include "vmm/kernel_version.h"
#include "vmm/types.h"

#define VM_TIMEOUT 60 /* seconds */

// clang-format off
const struct experiment experiments[] = {
    {"wish-is-not-truth", "does a mapping have the attribute that its driver wished for?",
     "ask for the page table's entry, not for the driver's flag: x86 replaces the cache bits of a VM_PFNMAP mapping of RAM by the "
     "type on record for the page (arch/x86/mm/pat/memtype.c, pfnmap_setup_cachemode_pfn or track_pfn_insert)",
     experiment_wish_is_not_truth},
    {"fwb-overrides", "can a guest have a non-cacheable mapping of RAM where stage 2 forces write-back?",
     "with FEAT_S2FWB a buffer that the host maps Normal-NC has no right map_info: refuse it (DDI 0487, D8.6.6; "
     "arch/arm64/kvm/hyp/pgtable.c, stage2_set_prot_attr)",
     experiment_fwb_overrides},
    {"ipat-hides", "does the guest's write-combining mapping reach EPT?",
     "lift KVM_X86_QUIRK_IGNORE_GUEST_PAT before a WC buffer is mapped, or refuse it (arch/x86/kvm/vmx/vmx.c, vmx_get_mt_mask; "
     "SDM 3, 29.3.7.2)",
     experiment_ipat_hides},
    {"moving-buffer", "does a guest read stale data when the exporter moves the pages under it?",
     "a move is harmless while the attribute stays: unmap_mapping_range() takes KVM's leaves away before the old pages are reused "
     "(virt/kvm/kvm_main.c, kvm_mmu_notifier_invalidate_range_start)",
     experiment_moving_buffer},
    {"attribute-change", "who notices when the exporter changes the attribute of a mapped buffer?",
     "nobody tells the VMM, and KVM refaults without a word: refuse what may change, or watch the page table's entry and drop the "
     "mapping (virt/kvm/kvm_main.c, hva_to_pfn_remapped: the new page, the new leaf, no event)",
     experiment_attribute_change},
    {"needs-sync", "what does a guest get from a buffer that needs DMA_BUF_IOCTL_SYNC?",
     "a guest cannot bracket its accesses: refuse, or give it a copy that the VMM synchronises (drivers/dma-buf/dma-buf.c, "
     "dma_buf_begin_cpu_access)",
     experiment_needs_sync},
    {"revoked", "what does a guest's access get when the exporter has taken the buffer back?",
     "KVM_RUN ends with EFAULT for the whole VM: drop the memslot and let the vCPU try again, so that the guest reads all ones "
     "(virt/kvm/kvm_main.c, hva_to_pfn: KVM_PFN_ERR_FAULT)",
     experiment_revoked},
    {"held-by-a-device", "what may the owner do with a buffer that a guest and a device have?",
     "a guest's mapping is taken away at any moment; a device has to be told: a static or pinned importer forbids a move, and one "
     "that cannot be told reads on after a revoke (drivers/dma-buf/dma-buf.c, dma_buf_invalidate_mappings, dma_buf_pin_on_map)",
     experiment_held_by_a_device},
    {"pfn-zero-refcount", "can a guest use pages that have no reference count of their own?",
     "nothing is refused before the first touch: before Linux 6.13 KVM_RUN ends with EFAULT at pages behind the first of a "
     "block (virt/kvm/kvm_main.c, hva_to_pfn_remapped, kvm_try_get_pfn)",
     experiment_pfn_zero_refcount},
    {"read-then-write", "can a guest be the first to write a page that the host only read, or never touched?",
     "write-touch every page before the guest runs on it: where a driver has pfn_mkwrite, KVM on arm64 cannot make the "
     "read-only entry writable (virt/kvm/kvm_main.c, hva_to_pfn_remapped: KVM_PFN_ERR_RO_FAULT)",
     experiment_read_then_write},
    {"debug-mangled", "does mapping a buffer for a guest need anything that CONFIG_DMABUF_DEBUG takes from importers?",
     "mmap() of the fd is the exporter's own mapping and stays right; only importers that look at struct pages break "
     "(drivers/dma-buf/dma-buf.c)",
     experiment_debug_mangled},
};
// clang-format on

const unsigned experiment_count = ARRAY_SIZE(experiments);

static void list(const struct options *options)
{
    for (unsigned i = 0; i < experiment_count; i++) {
        if (options->json)
            printf("{\"experiment\":\"%s\",\"question\":\"%s\"}\n", experiments[i].name,
                   experiments[i].question);
        else
            printf("%-18s  %s\n", experiments[i].name, experiments[i].question);
    }
}

static enum experiment_end worse(enum experiment_end a, enum experiment_end b)
{
    if (a == EXPERIMENT_SURPRISE || b == EXPERIMENT_SURPRISE)
        return EXPERIMENT_SURPRISE;
    /* Of all, some are for another architecture: they do not count, unless alone. */
    return a == EXPERIMENT_AS_EXPECTED || b == EXPERIMENT_AS_EXPECTED
               ? EXPERIMENT_AS_EXPECTED
               : EXPERIMENT_NOT_POSSIBLE;
}

static enum experiment_end run(const struct experiment *experiment,
                               const struct experiment_host *host,
                               const struct options *options)
{
    struct experiment_log log = {.experiment = experiment};
    experiment->run(host, &log);
    (options->json ? experiment_print_json : experiment_print_text)(stdout, &log);
    fflush(stdout);
    return experiment_end_of(&log);
}

static bool unknown(const char *name, struct error *error)
{
    char all[320] = "";
    for (unsigned i = 0; i < experiment_count; i++) {
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "",
                 experiments[i].name);
    }
    return error_set(error, ERROR_CONFIG_USAGE,
                     "experiment \"%s\": expected all, or one of %s", name, all);
}

bool experiment_command(const struct options *options, const struct platform *host,
                        enum experiment_end *end, struct error *error)
{
    struct trace trace;
    const struct experiment_host at_hand = {
        .platform = host,
        .kernel = kernel_version(),
        .machine =
            {
                .guest = options->guest,
                .memory_size = options->memory_size,
                .timeout = options->timeout ? options->timeout : VM_TIMEOUT,
                .observe_s2 = options->observe_s2,
                .console = options->trace ? stderr : NULL,
                .trace = &trace,
            },
    };
    *end = EXPERIMENT_NOT_POSSIBLE;
    if (!options->experiment) {
        list(options);
        *end = EXPERIMENT_AS_EXPECTED;
        return true;
    }
    bool all = strcmp(options->experiment, "all") == 0;
    bool found = false;
    trace_init(&trace, stderr, options->trace);
    for (unsigned i = 0; i < experiment_count; i++) {
        if (!all && strcmp(options->experiment, experiments[i].name) != 0)
            continue;
        found = true;
        *end = worse(*end, run(&experiments[i], &at_hand, options));
    }
    trace_finish(&trace);
    return found || unknown(options->experiment, error);
}
