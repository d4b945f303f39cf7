/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/golden/tables.h"
#include "vmm/platform_names.h"
#include "vmm/types.h"

static const enum memattr_type types[] = {
    MEMATTR_WB,
    MEMATTR_WT,
    MEMATTR_NC,
    MEMATTR_ONC_IWT,
    MEMATTR_ONC_IWB,
    MEMATTR_OWT_INC,
    MEMATTR_OWT_IWB,
    MEMATTR_OWB_INC,
    MEMATTR_OWB_IWT,
    MEMATTR_DEVICE_GRE,
    MEMATTR_DEVICE_nGRE,
    MEMATTR_DEVICE_nGnRE,
    MEMATTR_DEVICE_nGnRnE,
};

/* In tables Device types go without that word: "nGnRE". */
static const char *short_name(enum memattr_type type)
{
    static const char device[] = "Device-";
    const char *name = memattr_type_name(type);
    return strncmp(name, device, strlen(device)) == 0 ? name + strlen(device) : name;
}

static void print_rule(FILE *out, size_t columns)
{
    fputs("|", out);
    for (size_t i = 0; i < columns; i++)
        fputs("---|", out);
    fputs("\n", out);
}

/* --- What KVM does with a page --- */

static const struct {
    const char *name;
    struct memattr_buffer buffer;
} mappings[] = {
    {"RAM, struct pages", {.page = MEMATTR_PAGE_RAM}},
    {"RAM, PFNMAP, cacheable", {.page = MEMATTR_PAGE_RAM, .vma = MEMATTR_VMA_PFNMAP}},
    {"RAM, PFNMAP, not cacheable",
     {.page = MEMATTR_PAGE_RAM, .vma = MEMATTR_VMA_PFNMAP, .vma_is_uncacheable = true}},
    {"MMIO, struct pages", {.page = MEMATTR_PAGE_MMIO}},
    {"MMIO, PFNMAP, cacheable", {.page = MEMATTR_PAGE_MMIO, .vma = MEMATTR_VMA_PFNMAP}},
    {"MMIO, PFNMAP, not cacheable",
     {.page = MEMATTR_PAGE_MMIO, .vma = MEMATTR_VMA_PFNMAP, .vma_is_uncacheable = true}},
    {"MMIO, vfio, cacheable", {.page = MEMATTR_PAGE_MMIO, .vma = MEMATTR_VMA_VFIO}},
    {"MMIO, vfio, not cacheable",
     {.page = MEMATTR_PAGE_MMIO, .vma = MEMATTR_VMA_VFIO, .vma_is_uncacheable = true}},
};

static void print_leaves(FILE *out)
{
    static const struct memattr_platform platforms[] = {
        {.model = MEMATTR_ARM64, .rules = MEMATTR_RULES_FIRST},
        {.model = MEMATTR_ARM64, .rules = MEMATTR_RULES_6_9},
        {.model = MEMATTR_ARM64, .rules = MEMATTR_RULES_6_17},
        {.model = MEMATTR_ARM64_FWB,
         .rules = MEMATTR_RULES_6_17,
         .cacheable_pfnmap = true},
    };
    struct notes notes = {0};
    fputs(
        "### arm64: what KVM does with a page\n\n"
        "The leaf, and where a new memslot or the guest's access is refused. Rows: the "
        "page, "
        "the VMA, and whether its vm_page_prot is cacheable. WB is MemAttr 0b1111, or "
        "with "
        "FEAT_S2FWB 0b0110, which forces write-back; NC is 0b0101, nGnRE 0b0001.\n\n"
        "| page and VMA |",
        out);
    for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
        fprintf(out, " Linux %s%s |", memattr_rules_name(platforms[i].rules),
                platforms[i].rules != MEMATTR_RULES_6_17 ? ""
                : platforms[i].cacheable_pfnmap          ? ", FWB and DIC"
                                                         : ", else");
    fputs("\n", out);
    print_rule(out, 1 + ARRAY_SIZE(platforms));
    for (size_t row = 0; row < ARRAY_SIZE(mappings); row++) {
        fprintf(out, "| %s |", mappings[row].name);
        for (size_t i = 0; i < ARRAY_SIZE(platforms); i++) {
            const struct memattr_expected_leaf *leaf =
                memattr_expected_leaf(&platforms[i], &mappings[row].buffer);
            const struct memattr_expected_slot *slot =
                memattr_expected_slot(&platforms[i], &mappings[row].buffer);
            fprintf(out, " %s (%u)",
                    leaf->access == MEMATTR_ACCESS_FAILS ? "access: EFAULT"
                                                         : short_name(leaf->leaf.type),
                    notes_add_source(&notes, leaf->basis, leaf->source));
            if (slot->refused)
                fprintf(out, ", slot: EINVAL (%u)",
                        notes_add_source(&notes, slot->basis, slot->source));
            fputs(" |", out);
        }
        fputs("\n", out);
    }
    notes_print(out, &notes);
}

/* --- The architecture's tables --- */

static void print_leaf(FILE *out, enum memattr_model model, unsigned memattr)
{
    struct memattr_leaf leaf;
    if (!memattr_arm64_leaf(model, memattr, MEMATTR_INNER_SHAREABLE, &leaf))
        fputs(" reserved |", out);
    else if (leaf.ignores_s1)
        fprintf(out, " %s, whatever S1 says |", memattr_type_name(leaf.type));
    else if (leaf.yields_to_s1)
        fputs(" what S1 says |", out);
    else
        fprintf(out, " %s |", memattr_type_name(leaf.type));
}

static void print_encodings(FILE *out)
{
    fputs(
        "### arm64: MemAttr of a stage 2 descriptor\n\n"
        "Arm ARM, tables D8-96, D8-100 and D8-101, without FEAT_MTE_PERM's rows.\n\n"
        "| MemAttr | without FWB | with FWB |\n",
        out);
    print_rule(out, 3);
    for (unsigned memattr = 0; memattr < 16; memattr++) {
        fprintf(out, "| 0b%u%u%u%u |", memattr >> 3, memattr >> 2 & 1, memattr >> 1 & 1,
                memattr & 1);
        print_leaf(out, MEMATTR_ARM64, memattr);
        print_leaf(out, MEMATTR_ARM64_FWB, memattr);
        fputs("\n", out);
    }
    fputs("\n", out);
}

static void print_combinations(FILE *out, enum memattr_model model, unsigned memattr_mask)
{
    const struct memattr_platform platform = {.model = model};
    struct memattr_leaf leaves[16];
    size_t count = 0;
    struct notes notes = {0};
    fputs("| S1 |", out);
    for (unsigned memattr = 0; memattr < 16; memattr++) {
        struct memattr_leaf *leaf = &leaves[count];
        if (!(memattr_mask & 1u << memattr) ||
            !memattr_arm64_leaf(model, memattr, MEMATTR_INNER_SHAREABLE, leaf))
            continue;
        count++;
        fprintf(out, " %s |",
                leaf->ignores_s1     ? "forced WB"
                : leaf->yields_to_s1 ? "S1's"
                                     : short_name(leaf->type));
    }
    fputs("\n", out);
    print_rule(out, 1 + count);
    for (size_t s1 = 0; s1 < ARRAY_SIZE(types); s1++) {
        fprintf(out, "| %s |", short_name(types[s1]));
        for (size_t i = 0; i < count; i++) {
            struct memattr_effective effective =
                memattr_combine(&platform, MEMATTR_PAGE_RAM, leaves[i], types[s1]);
            fprintf(out, " %s%s (%u) |", short_name(effective.type),
                    effective.is_implementation_defined ? "*" : "",
                    notes_add_source(&notes, effective.basis, effective.source));
        }
        fputs("\n", out);
    }
    notes_print(out, &notes);
}

static void print_all_combinations(FILE *out)
{
    fputs(
        "### arm64: the effective type of the guest's access\n\n"
        "Columns: the leaf; rows: the guest's attribute (S1). ONC-IWT is outer "
        "non-cacheable, "
        "inner write-through, and so on; Device types go without that word.\n\n"
        "Without FEAT_S2FWB:\n\n",
        out);
    print_combinations(out, MEMATTR_ARM64, 0xffff);
    fputs(
        "With FEAT_S2FWB; with a star: shareability, alignment, atomics and exclusives "
        "may "
        "follow S1 (R_NSCNC, R_RMTWN):\n\n",
        out);
    print_combinations(out, MEMATTR_ARM64_FWB, 0xff);
}

static void print_shareability(FILE *out)
{
    static const enum memattr_shareability domains[] = {
        MEMATTR_NON_SHAREABLE, MEMATTR_INNER_SHAREABLE, MEMATTR_OUTER_SHAREABLE};
    fputs(
        "### arm64: the shareability of the guest's access\n\n"
        "For an effective type that is cacheable in either way; all others are outer "
        "shareable. Arm ARM, table D8-103; measured: tests/oracle (SH of PAR_EL1). KVM's "
        "leaves "
        "and Linux' own mappings are inner shareable.\n\n"
        "| S1 |",
        out);
    for (size_t i = 0; i < ARRAY_SIZE(domains); i++)
        fprintf(out, " leaf %s |", memattr_shareability_name(domains[i]));
    fputs("\n", out);
    print_rule(out, 1 + ARRAY_SIZE(domains));
    for (size_t s1 = 0; s1 < ARRAY_SIZE(domains); s1++) {
        fprintf(out, "| %s |", memattr_shareability_name(domains[s1]));
        for (size_t s2 = 0; s2 < ARRAY_SIZE(domains); s2++)
            fprintf(out, " %s |",
                    memattr_shareability_name(memattr_arm64_shareability(
                        domains[s1], domains[s2], MEMATTR_WB)));
        fputs("\n", out);
    }
    fputs("\n", out);
}

/* --- Decisions --- */

static const enum memattr_type hosts[] = {MEMATTR_WB,           MEMATTR_WT,
                                          MEMATTR_NC,           MEMATTR_DEVICE_GRE,
                                          MEMATTR_DEVICE_nGnRE, MEMATTR_DEVICE_nGnRnE};

/* Buffers as exporters make them: the VMA says what the page table has, but for TTM's. */
static const struct {
    const char *name;
    enum memattr_page page;
    enum memattr_vma vma;
    bool vma_tells;
} buffers[] = {
    {"RAM", MEMATTR_PAGE_RAM, MEMATTR_VMA_PFNMAP, true},
    {"BAR", MEMATTR_PAGE_MMIO, MEMATTR_VMA_PFNMAP, true},
    {"BAR, TTM", MEMATTR_PAGE_MMIO, MEMATTR_VMA_PFNMAP, false},
    {"BAR, vfio", MEMATTR_PAGE_MMIO, MEMATTR_VMA_VFIO, true},
};

static void print_advice_row(FILE *out, struct notes *notes,
                             const struct platform_name *platform, size_t row)
{
    fprintf(out, "| %s, %s |", platform->name, buffers[row].name);
    for (size_t host = 0; host < ARRAY_SIZE(hosts); host++) {
        const struct memattr_buffer buffer = {
            .page = buffers[row].page,
            .host = hosts[host],
            .vma = buffers[row].vma,
            .vma_is_uncacheable = buffers[row].vma_tells && hosts[host] != MEMATTR_WB &&
                                  hosts[host] != MEMATTR_WT,
        };
        struct memattr_advice advice = memattr_advise(&platform->memattr, &buffer);
        if (advice.refusal == MEMATTR_ACCEPTED)
            fprintf(out, " %s%s |", memattr_map_info_name(advice.map_info),
                    advice.needs_late_mapping ? ", late" : "");
        else
            fprintf(out, " - (%u) |", notes_add(notes, advice.reason));
    }
    fputs("\n", out);
}

static void print_advice(FILE *out)
{
    struct notes notes = {0};
    fputs(
        "### arm64: the map_info that is handed out\n\n"
        "Columns: the host attribute. A dash is a refusal; \"late\": KVM refuses a new "
        "memslot "
        "over the mapping, but takes the pages when they are mapped into a memslot that "
        "is "
        "there already. BAR, TTM: the page table has the attribute, the VMA says "
        "cacheable.\n\n| host, buffer |",
        out);
    for (size_t host = 0; host < ARRAY_SIZE(hosts); host++)
        fprintf(out, " %s |", short_name(hosts[host]));
    fputs("\n", out);
    print_rule(out, 1 + ARRAY_SIZE(hosts));
    for (size_t i = 0; i < platform_name_count; i++)
        for (size_t row = 0; row < ARRAY_SIZE(buffers); row++)
            if (memattr_model_has(platform_names[i].memattr.model, MEMATTR_NC))
                print_advice_row(out, &notes, &platform_names[i], row);
    fputs("\nThe hosts:\n\n", out);
    for (size_t i = 0; i < platform_name_count; i++)
        if (memattr_model_has(platform_names[i].memattr.model, MEMATTR_NC))
            fprintf(out, "* %s: %s\n", platform_names[i].name, platform_names[i].text);
    fputs("\nNotes:\n", out);
    notes_print(out, &notes);
}

static void print_judgement(FILE *out, const struct memattr_platform *platform,
                            struct memattr_leaf leaf, enum memattr_type s1,
                            enum memattr_type host)
{
    const struct memattr_buffer buffer = {.host = host};
    struct memattr_judgement judgement = memattr_judge(platform, &buffer, leaf, s1);
    if (judgement.verdict == MEMATTR_MATCH)
        return;
    fprintf(out, "| %s, %s | %s | %s: %s |\n", short_name(judgement.guest.type),
            memattr_shareability_name(judgement.guest.shareability), short_name(host),
            memattr_verdict_name(judgement.verdict), judgement.reason);
}

static void print_mismatches(FILE *out)
{
    static const enum memattr_type pairs[] = {MEMATTR_WB, MEMATTR_WT, MEMATTR_NC,
                                              MEMATTR_DEVICE_nGnRE};
    static const struct memattr_platform no_fwb = {.model = MEMATTR_ARM64};
    static const struct memattr_platform fwb = {.model = MEMATTR_ARM64_FWB};
    struct memattr_leaf leaf = {.type = MEMATTR_WB,
                                .shareability = MEMATTR_INNER_SHAREABLE};
    fputs(
        "### arm64: what a mismatch costs\n\n"
        "| guest | host | what happens |\n",
        out);
    print_rule(out, 3);
    for (size_t guest = 0; guest < ARRAY_SIZE(pairs); guest++)
        for (size_t host = 0; host < ARRAY_SIZE(pairs); host++)
            print_judgement(out, &no_fwb, leaf, pairs[guest], pairs[host]);
    print_judgement(out, &no_fwb, leaf, MEMATTR_DEVICE_nGnRnE, MEMATTR_DEVICE_nGnRE);
    leaf.shareability = MEMATTR_OUTER_SHAREABLE;
    print_judgement(out, &no_fwb, leaf, MEMATTR_WB, MEMATTR_WB);
    leaf = (struct memattr_leaf){
        .type = MEMATTR_WB, .ignores_s1 = true, .shareability = MEMATTR_INNER_SHAREABLE};
    print_judgement(out, &fwb, leaf, MEMATTR_NC, MEMATTR_WB);
    fputs("\n", out);
}

void tables_print_arm64(FILE *out)
{
    print_leaves(out);
    print_encodings(out);
    print_all_combinations(out);
    print_shareability(out);
    print_advice(out);
    print_mismatches(out);
}
