/* SPDX-License-Identifier: MIT */
#include "tests/golden/tables.h"
#include "vmm/types.h"

/* The types of x86 are the first ones. */
#define X86_TYPES (MEMATTR_UC + 1)

static const struct {
    const char *name;
    struct memattr_platform platform;
} hosts[] = {
    {"Intel EPT, IPAT (KVM's default)",
     {.model = MEMATTR_EPT, .ignores_guest_pat = true, .guest_mtrr_is_wb = true}},
    {"Intel EPT, guest PAT honoured", {.model = MEMATTR_EPT, .guest_mtrr_is_wb = true}},
    {"AMD NPT", {.model = MEMATTR_NPT, .guest_mtrr_is_wb = true}},
    {"shadow paging", {.model = MEMATTR_SHADOW, .guest_mtrr_is_wb = true}},
};

static void print_type_columns(FILE *out, const char *first)
{
    fprintf(out, "| %s |", first);
    for (enum memattr_type type = MEMATTR_WB; type < X86_TYPES; type++)
        fprintf(out, " %s |", memattr_type_name(type));
    fputs("\n|---|---|---|---|---|---|---|\n", out);
}

static void print_leaves(FILE *out)
{
    struct notes notes = {0};
    fputs(
        "### x86: the leaf that KVM installs\n\n"
        "| host | page | leaf | S1 | note |\n|---|---|---|---|---|\n",
        out);
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
        for (enum memattr_page page = MEMATTR_PAGE_RAM; page < MEMATTR_PAGE_COUNT;
             page++) {
            const struct memattr_buffer buffer = {.page = page};
            const struct memattr_expected_leaf *expected =
                memattr_expected_leaf(&hosts[i].platform, &buffer);
            fprintf(out, "| %s | %s | %s | %s | %u |\n", hosts[i].name,
                    memattr_page_name(page), memattr_type_name(expected->leaf.type),
                    expected->leaf.ignores_s1 ? "ignored" : "counts",
                    notes_add_source(&notes, expected->basis, expected->source));
        }
    notes_print(out, &notes);
}

static void print_effective_row(FILE *out, struct notes *notes,
                                const struct memattr_platform *platform,
                                enum memattr_page page, struct memattr_leaf leaf)
{
    for (enum memattr_type s1 = MEMATTR_WB; s1 < X86_TYPES; s1++) {
        struct memattr_effective effective = memattr_combine(platform, page, leaf, s1);
        fprintf(out, " %s (%u) |", memattr_type_name(effective.type),
                notes_add_source(notes, effective.basis, effective.source));
    }
    fputs("\n", out);
}

static void print_effective(FILE *out)
{
    struct notes notes = {0};
    fputs(
        "### x86: the effective type of the guest's access\n\n"
        "With the leaf above; columns: the guest's attribute (S1).\n\n",
        out);
    print_type_columns(out, "host, page, leaf");
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
        for (enum memattr_page page = MEMATTR_PAGE_RAM; page < MEMATTR_PAGE_COUNT;
             page++) {
            const struct memattr_buffer buffer = {.page = page};
            struct memattr_leaf leaf = memattr_leaf_of(&hosts[i].platform, &buffer);
            fprintf(out, "| %s, %s, leaf %s |", hosts[i].name, memattr_page_name(page),
                    memattr_type_name(leaf.type));
            print_effective_row(out, &notes, &hosts[i].platform, page, leaf);
        }
    notes_print(out, &notes);
}

static void print_ept_combinations(FILE *out)
{
    struct notes notes = {0};
    fputs(
        "### Intel EPT: any leaf without IPAT\n\n"
        "For a leaf that was read from KVM; columns: the guest's attribute (S1).\n\n",
        out);
    print_type_columns(out, "leaf");
    static const struct memattr_platform platform = {.model = MEMATTR_EPT,
                                                     .guest_mtrr_is_wb = true};
    for (enum memattr_type type = MEMATTR_WB; type < X86_TYPES; type++) {
        fprintf(out, "| %s |", memattr_type_name(type));
        struct memattr_leaf leaf = {.type = type};
        print_effective_row(out, &notes, &platform, MEMATTR_PAGE_RAM, leaf);
    }
    notes_print(out, &notes);
}

static void print_advice(FILE *out)
{
    struct notes notes = {0};
    fputs(
        "### x86: the map_info that is handed out\n\n"
        "Columns: the host attribute. A dash is a refusal.\n\n",
        out);
    print_type_columns(out, "host, page");
    for (unsigned mtrr = 0; mtrr < 2; mtrr++)
        for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
            for (struct memattr_buffer buffer = {0}; buffer.page < MEMATTR_PAGE_COUNT;
                 buffer.page++) {
                struct memattr_platform platform = hosts[i].platform;
                platform.guest_mtrr_is_wb = mtrr == 0;
                fprintf(out, "| %s, %s%s |", hosts[i].name,
                        memattr_page_name(buffer.page),
                        platform.guest_mtrr_is_wb ? "" : ", guest's MTRR not WB");
                for (buffer.host = MEMATTR_WB; buffer.host < X86_TYPES; buffer.host++) {
                    struct memattr_advice advice = memattr_advise(&platform, &buffer);
                    if (advice.refusal == MEMATTR_ACCEPTED)
                        fprintf(out, " %s |", memattr_map_info_name(advice.map_info));
                    else
                        fprintf(out, " - (%u) |", notes_add(&notes, advice.reason));
                }
                fputs("\n", out);
            }
    fputs("\nAlso refused, on every host:\n\n", out);
    for (unsigned sync = 0; sync < 2; sync++) {
        struct memattr_buffer buffer = {.needs_sync = sync == 0, .may_change = sync == 1};
        struct memattr_advice advice = memattr_advise(&hosts[0].platform, &buffer);
        fprintf(out, "* %s: %s\n", memattr_refusal_name(advice.refusal), advice.reason);
    }
    fputs("\nNotes:\n", out);
    notes_print(out, &notes);
}

/* The platform that lets each S1 through shows every pair of effective types. */
static void print_mismatches(FILE *out)
{
    static const enum memattr_type types[] = {MEMATTR_WB, MEMATTR_WC, MEMATTR_UC};
    static const struct memattr_platform platform = {.model = MEMATTR_EPT,
                                                     .guest_mtrr_is_wb = true};
    static const struct memattr_leaf leaf = {.type = MEMATTR_WB};
    fputs(
        "### x86: what a mismatch costs\n\n"
        "| page | guest | host | what happens |\n|---|---|---|---|\n",
        out);
    for (struct memattr_buffer buffer = {0}; buffer.page < MEMATTR_PAGE_COUNT;
         buffer.page++)
        for (size_t guest = 0; guest < ARRAY_SIZE(types); guest++)
            for (size_t host = 0; host < ARRAY_SIZE(types); host++) {
                buffer.host = types[host];
                struct memattr_judgement judgement =
                    memattr_judge(&platform, &buffer, leaf, types[guest]);
                if (judgement.verdict == MEMATTR_MISMATCH &&
                    judgement.host == types[host])
                    fprintf(out, "| %s | %s | %s | %s |\n",
                            memattr_page_name(buffer.page),
                            memattr_type_name(judgement.guest.type),
                            memattr_type_name(judgement.host), judgement.reason);
            }
    fputs("\n", out);
}

void tables_print_x86(FILE *out)
{
    print_leaves(out);
    print_effective(out);
    print_ept_combinations(out);
    print_advice(out);
    print_mismatches(out);
}
