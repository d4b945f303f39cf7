/* SPDX-License-Identifier: MIT */
/*
 * KVM's shadow page table entries (SPTEs) on x86, as the events of arch/x86/kvm/mmu/mmutrace.h
 * print them; the formats are the same in 6.1, 6.12 and 7.2:
 *
 *     ...: kvm_mmu_set_spte: gfn 100000 spte 60000000051a2e67 (rwxu) level 1 at 5188000
 *     ...: kvm_tdp_mmu_spte_changed: as id 0 gfn 100000 level 1 old_spte 0 new_spte 51a2e67
 *     CPU:0 [LOST 12 EVENTS]
 *
 *       63      52 51                 12 11   7 6  5 4 3 2 1 0
 *      +----------+---------------------+--+-+-+---+-----+-----+
 *      | software | address             |11| |L|I|  MT   | XWR |   EPT: MT type, I IPAT
 *      |          |                     |11| |L|A D PCD PWT UWP|   NPT, shadow: + PAT (7, 12)
 *      +----------+---------------------+--+-+-+---------------+
 *
 * Bit 11 is KVM's own "present" (SPTE_MMU_PRESENT_MASK, spte.h); L, bit 7, makes an entry of
 * level 2 or 3 a leaf.
 */
#include "vmm/s2_trace.h"

#include <stdlib.h>
#include <string.h>

#define SPTE_PRESENT ((uint64_t)1 << 11)
#define SPTE_LARGE   ((uint64_t)1 << 7)
#define SPTE_ADDRESS ((((uint64_t)1 << 52) - 1) & ~(uint64_t)0xfff)

/* SDM 3, 29.3.2, table 29-7. */
#define EPT_TYPE(raw) ((raw) >> 3 & 7)
#define EPT_IPAT      ((uint64_t)1 << 6)

const char *const s2_trace_events[S2_TRACE_EVENTS_MAX] = {
    "kvmmmu/kvm_mmu_set_spte",
    "kvmmmu/kvm_tdp_mmu_spte_changed",
};

/* Reads `label` and the number behind it; *at moves on. */
static bool scan(const char **at, const char *label, int base, uint64_t *value)
{
    size_t length = strlen(label);
    if (strncmp(*at, label, length) != 0)
        return false;
    const char *digits = *at + length;
    char *end;
    *value = strtoull(digits, &end, base);
    *at = end;
    return end != digits;
}

/* What comes behind ": <name>: ", or NULL. */
static const char *event_text(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    return at ? at + strlen(name) : NULL;
}

static bool is_leaf(uint64_t raw, uint64_t level)
{
    return (raw & SPTE_PRESENT) != 0 && (level == 1 || (raw & SPTE_LARGE) != 0);
}

/* A place at a level that has leaves, with its new entry. */
static struct s2_event event_of(uint64_t gfn, uint64_t level, uint64_t raw)
{
    if (level < 1 || level > 3)
        return (struct s2_event){.kind = S2_EVENT_OTHER};
    return (struct s2_event){
        .kind = is_leaf(raw, level) ? S2_EVENT_SET : S2_EVENT_CLEARED,
        .gfn = gfn,
        .level = (unsigned)level,
        .raw = raw,
    };
}

struct s2_event s2_trace_parse(const char *line)
{
    uint64_t gfn;
    uint64_t level;
    uint64_t raw;
    uint64_t other;

    const char *at = event_text(line, ": kvm_mmu_set_spte: ");
    if (at && scan(&at, "gfn ", 16, &gfn) && scan(&at, " spte ", 16, &raw)) {
        at = strstr(at, " level ");
        if (at && scan(&at, " level ", 10, &level))
            return event_of(gfn, level, raw);
    }
    /* Address space 1 is that of system management mode. */
    at = event_text(line, ": kvm_tdp_mmu_spte_changed: ");
    if (at && scan(&at, "as id ", 10, &other) && other == 0 &&
        scan(&at, " gfn ", 16, &gfn) && scan(&at, " level ", 10, &level) &&
        scan(&at, " old_spte ", 16, &other) && scan(&at, " new_spte ", 16, &raw))
        return event_of(gfn, level, raw);

    /* kernel/trace/trace.c, print_trace_line(). */
    if (strncmp(line, "CPU:", 4) == 0 && (at = strstr(line, " [LOST ")) != NULL) {
        uint64_t lost = 0;
        scan(&at, " [LOST ", 10, &lost);
        return (struct s2_event){.kind = S2_EVENT_LOST, .lost = lost};
    }
    return (struct s2_event){.kind = S2_EVENT_OTHER};
}

uint64_t s2_trace_address(uint64_t raw, unsigned level)
{
    uint64_t size = (uint64_t)1 << (12 + 9 * (level - 1));
    return raw & SPTE_ADDRESS & ~(size - 1);
}

/* SDM 3, 29.3.7.2; 2, 3 and 7 are reserved: a leaf with one is a misconfiguration. */
static struct memattr_leaf ept_attributes(uint64_t raw)
{
    static const enum memattr_type types[8] = {
        MEMATTR_UC, MEMATTR_WC, MEMATTR_UC, MEMATTR_UC,
        MEMATTR_WT, MEMATTR_WP, MEMATTR_WB, MEMATTR_UC,
    };
    return (struct memattr_leaf){.type = types[EPT_TYPE(raw)],
                                 .ignores_s1 = (raw & EPT_IPAT) != 0};
}

/* PWT, PCD and PAT select an entry of the host's PAT, which is Linux' (pat_init(),
 * arch/x86/mm/pat/memtype.c). In a large leaf PAT is bit 12. */
static enum memattr_type pat_type(uint64_t raw, unsigned level)
{
    static const enum memattr_type pat[8] = {
        MEMATTR_WB, MEMATTR_WC, MEMATTR_UC_MINUS, MEMATTR_UC,
        MEMATTR_WB, MEMATTR_WP, MEMATTR_UC_MINUS, MEMATTR_WT,
    };
    uint64_t high = raw >> (level == 1 ? 7 : 12) & 1;
    return pat[high << 2 | (raw >> 3 & 3)];
}

struct memattr_leaf s2_trace_attributes(enum memattr_model model, uint64_t raw,
                                        unsigned level)
{
    if (model == MEMATTR_EPT)
        return ept_attributes(raw);
    return (struct memattr_leaf){.type = pat_type(raw, level),
                                 .ignores_s1 = model == MEMATTR_SHADOW};
}

/* x86 keeps the type of a page of RAM in two page flags (_PGMT_* in memtype.c): PG_arch_1,
 * which is KPF_ARCH (38), and PG_uncached up to 6.1, KPF_UNCACHED (39), then PG_arch_2,
 * KPF_ARCH_2 (41). Read in 6.1.176, 6.12.107 and 7.2.11, with fs/proc/page.c. */
bool s2_trace_host_type(uint64_t page_flags, enum memattr_type *type)
{
    const uint64_t no_page = (uint64_t)1 << 20;
    const uint64_t reserved = (uint64_t)1 << 32;
    const uint64_t first = (uint64_t)1 << 38;
    const uint64_t second = (uint64_t)1 << 39 | (uint64_t)1 << 41;

    if ((page_flags & (no_page | reserved)) != 0)
        return false;
    if ((page_flags & second) == 0)
        *type = (page_flags & first) == 0 ? MEMATTR_WB : MEMATTR_WC;
    else
        *type = (page_flags & first) == 0 ? MEMATTR_UC_MINUS : MEMATTR_WT;
    return true;
}
