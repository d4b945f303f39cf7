/* SPDX-License-Identifier: MIT */
/* Experiments on what attribute a mapping has, and who overrides whom. */
#include "vmm/experiments/gallery.h"

#include <string.h>

#define SIZE (256 * KIB)

static bool is_arm64(const struct experiment_host *host)
{
    enum memattr_model model = host->platform->memattr.model;
    return model == MEMATTR_ARM64 || model == MEMATTR_ARM64_FWB;
}

/* --- wish-is-not-truth --- */

/* What a driver that wished for write-combining, and for no more, really gets. */
struct wish {
    const char *exporter;
    const char *how;
    bool
        followed_on_x86; /* vm_page_prot is used as it is: vm_insert_page(), or a fault handler
                             that returns a struct page (kernel-doc of vm_insert_page) */
    bool naive;          /* the exporter answers its wish */
};

static const struct wish wishes[] = {
    {"dmabuf-lab:pages,pfnmap,wc-wished", "all at mmap()", false, false},
    {"dmabuf-lab:pages,fault,wc-wished", "page by page", false, false},
    {"dmabuf-lab:pages,struct-pages,wc-wished", "struct pages", true, false},
    {"dmabuf-lab:pages,fault,wc", "and page type set", true, false},
    {"dmabuf-lab:pages,fault,wc-wished,naive", "naive driver", false, true},
};

static void make_a_wish(const struct experiment_host *host, const struct wish *wish,
                        struct experiment_log *log)
{
    enum memattr_model model = host->platform->memattr.model;
    struct look look;
    struct kernel_info info;
    char what[48];
    if (!look_open(&look, host, wish->exporter, SIZE, log) ||
        !look_ask(&look, &info, log)) {
        look_close(&look);
        return;
    }
    bool followed = is_arm64(host) || wish->followed_on_x86;
    enum memattr_map_info truth = followed ? MEMATTR_MAP_WC : MEMATTR_MAP_CACHED;
    snprintf(what, sizeof what, "page table, %s", wish->how);
    experiment_expect(log, what, memattr_type_name(memattr_s1_of_map_info(model, truth)),
                      memattr_type_name(info.type));
    snprintf(what, sizeof what, "kernel's answer, %s", wish->how);
    experiment_expect(log, what,
                      memattr_map_info_name(wish->naive ? MEMATTR_MAP_WC : truth),
                      memattr_map_info_name(info.prot));
    look_close(&look);
}

void experiment_wish_is_not_truth(const struct experiment_host *host,
                                  struct experiment_log *log)
{
    for (size_t i = 0; i < ARRAY_SIZE(wishes) && !log->impossible[0]; i++)
        make_a_wish(host, &wishes[i], log);
}

/* --- a write-combining buffer behind one S1 attribute --- */

/* The guest's word for what Linux' WC is in its page tables. */
static const char *s1_words(const struct experiment_host *host)
{
    return is_arm64(host) ? "scenario=attributes s1=nc unaligned=no"
                          : "scenario=attributes s1=wc unaligned=no";
}

/* Rows about the first thing that the guest saw. */
static void compare_sight(const struct look *look,
                          const struct memattr_platform *platform,
                          const struct memattr_buffer *buffer, const char *suffix,
                          struct experiment_log *log)
{
    const struct matrix_sight *sight = &look->sights[0];
    struct memattr_leaf leaf = memattr_leaf_of(platform, buffer);
    struct memattr_judgement expected =
        memattr_judge(platform, buffer, leaf, sight->guest.s1);
    char what[48];
    char expected_word[MATRIX_WORD];
    char seen_word[MATRIX_WORD];
    matrix_leaf_word(leaf, expected_word);
    snprintf(what, sizeof what, "S2 leaf%s", suffix);
    if (!sight->leaf_known) {
        experiment_cannot(log, "the S2 leaf is not observed: %s", sight->reason);
        return;
    }
    matrix_leaf_word(sight->leaf.attributes, seen_word);
    experiment_expect(log, what, expected_word, seen_word);
    snprintf(what, sizeof what, "S2 leaf, raw%s", suffix);
    experiment_fact(log, what, "%#llx", (unsigned long long)sight->leaf.raw);
    struct memattr_judgement seen =
        memattr_judge(platform, buffer, sight->leaf.attributes, sight->guest.s1);
    snprintf(what, sizeof what, "guest asks for%s", suffix);
    experiment_fact(log, what, "%s", memattr_type_name(sight->guest.s1));
    snprintf(what, sizeof what, "guest gets%s", suffix);
    experiment_expect(log, what, memattr_type_name(expected.guest.type),
                      memattr_type_name(seen.guest.type));
    snprintf(what, sizeof what, "guest against host%s", suffix);
    experiment_expect(log, what, memattr_verdict_name(expected.verdict),
                      memattr_verdict_name(seen.verdict));
}

static void write_combining(const struct experiment_host *host, const char *suffix,
                            struct experiment_log *log)
{
    struct look look;
    struct kernel_info info;
    char word[48];
    if (look_open(&look, host, "dmabuf-lab:pages,fault,wc", SIZE, log) &&
        look_ask(&look, &info, log) &&
        look_run(&look, MATRIX_SLOT_OVER, s1_words(host), log)) {
        const struct memattr_buffer buffer = look_buffer(&look, &info);
        const struct memattr_platform *platform = &host->platform->memattr;
        char what[48];
        snprintf(what, sizeof what, "guest%s", suffix);
        experiment_expect(log, what, "works", look_end_word(&look));
        snprintf(what, sizeof what, "host's page table%s", suffix);
        experiment_expect(log, what, is_arm64(host) ? "NC" : "WC",
                          memattr_type_name(info.type));
        if (look.count > 0)
            compare_sight(&look, platform, &buffer, suffix, log);
        struct memattr_advice advice = memattr_advise(platform, &buffer);
        snprintf(what, sizeof what, "s2vmm's decision%s", suffix);
        experiment_fact(log, what, "%s", look_advice_word(&advice, word, sizeof word));
    }
    look_close(&look);
}

void experiment_fwb_overrides(const struct experiment_host *host,
                              struct experiment_log *log)
{
    if (!is_arm64(host)) {
        experiment_cannot(log, "FEAT_S2FWB is a thing of arm64");
        return;
    }
    experiment_fact(log, "this host", "%s",
                    memattr_model_name(host->platform->memattr.model));
    write_combining(host, "", log);
}

void experiment_ipat_hides(const struct experiment_host *host, struct experiment_log *log)
{
    if (host->platform->memattr.model != MEMATTR_EPT) {
        experiment_cannot(log, "IPAT is a bit of Intel's EPT, and this host has %s",
                          memattr_model_name(host->platform->memattr.model));
        return;
    }
    write_combining(host, ", quirk in force", log);
    if (log->impossible[0])
        return;
    if (!host->platform->guest_pat_liftable) {
        experiment_fact(log, "KVM_X86_QUIRK_IGNORE_GUEST_PAT", "cannot be lifted here");
        return;
    }
    struct platform lifted = *host->platform;
    struct experiment_host again = *host;
    lifted.memattr.ignores_guest_pat = false;
    again.platform = &lifted;
    again.machine.honour_guest_pat = true;
    write_combining(&again, ", quirk lifted", log);
}
