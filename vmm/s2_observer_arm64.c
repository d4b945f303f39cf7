/* SPDX-License-Identifier: MIT */
/*
 * arm64: KVM's stage 2 table and our own stage 1 table, walked through /proc/kcore. Where they
 * are, a kprobe tells at the first fault of the guest (vmm/s2_probe_arm64.h); then it is
 * switched off. KVM makes its table with the VM and frees it with the VM, the kernel ours with
 * the process: the roots stay.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/btf.h"
#include "vmm/s2_observer.h"
#include "vmm/s2_probe_arm64.h"

/* VTCR_EL2 (DDI 0487, D24.2.224): DS, where FEAT_LPA2 is in use, and SH0. Where DS is set, a
 * descriptor's bits 9:8 are not its shareability, and SH0 is (D8.6.7, R_HTSGQ). */
#define VTCR_DS(vtcr)  ((vtcr) >> 32 & 1)
#define VTCR_SH0(vtcr) ((unsigned)((vtcr) >> 12 & 3))

/* Fields of a leaf: D8.3.1.2, tables D8-52 (stage 1) and D8-53 (stage 2). */
#define STAGE2_MEMATTR(raw) ((unsigned)((raw) >> 2 & 15))
#define LEAF_SH(raw)        ((unsigned)((raw) >> 8 & 3))
#define STAGE1_INDEX(raw)   ((raw) >> 2 & 7)

static unsigned page_shift(void)
{
    return (unsigned)__builtin_ctzl((unsigned long)sysconf(_SC_PAGESIZE));
}

/* Bits of a user address. Linux gives addresses above 48 bits only to who asks for one, where
 * stage 1 has 52 bits (Documentation/arch/arm64/memory.rst); else the stack is at the end. */
static unsigned user_address_bits(void)
{
    void *hint = (void *)(uintptr_t)((uint64_t)1 << 51);
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *there = mmap(hint, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (there != MAP_FAILED)
        munmap(there, size);
    if (there == hint)
        return 52;
    uint64_t stack = (uintptr_t)__builtin_frame_address(0);
    return 64 - (unsigned)__builtin_clzll(stack);
}

/* --- the operations --- */

static bool init(struct s2_observer *observer, struct error *error)
{
    unsigned shift = page_shift();
    unsigned bits = user_address_bits();
    observer->stage2 = (struct page_table){.page_shift = shift};
    /* 52 bits need FEAT_LPA2 in stage 1 (TCR_EL1.DS), but for 64 KiB pages. */
    observer->stage1 = (struct page_table){
        .page_shift = shift,
        .address_bits = bits,
        .start_level = page_walk_start_level(shift, bits),
        .has_ds = bits == 52 && shift != 16,
    };
    return kcore_open(&observer->kcore, observer->paths.kcore, error);
}

static void finish(struct s2_observer *observer)
{
    kcore_close(&observer->kcore);
}

static bool start(struct s2_observer *observer, struct gpa_range range,
                  struct error *error)
{
    (void)range; /* any fault of the guest will do */
    char arguments[512];
    struct btf btf;
    if (!btf_open(&btf, observer->paths.btf, error))
        return false;
    bool described = s2_probe_describe(&btf, arguments, sizeof arguments, error);
    btf_close(&btf);
    return described &&
           tracefs_add_probe(&observer->tracefs, S2_PROBE_FUNCTION, arguments, error) &&
           tracefs_enable(&observer->tracefs, observer->tracefs.probe, NULL, error);
}

/* Our own root stays, KVM's is another: the probe tells again. */
static bool restart(struct s2_observer *observer, struct gpa_range range,
                    struct error *error)
{
    (void)range;
    observer->roots_known = false;
    return !observer->tracefs.probe[0] ||
           tracefs_enable(&observer->tracefs, observer->tracefs.probe, NULL, error);
}

static void take_in(struct s2_observer *observer, const char *line)
{
    struct s2_roots roots;
    if (observer->roots_known || !s2_probe_parse(line, &roots))
        return;
    observer->roots_known = true;
    observer->vtcr = roots.vtcr;
    observer->stage2.root = roots.stage2;
    observer->stage2.address_bits = roots.address_bits;
    observer->stage2.start_level = roots.start_level;
    observer->stage2.has_ds = VTCR_DS(roots.vtcr);
    observer->stage1.root = roots.stage1;
    tracefs_disable_probe(&observer->tracefs);
}

static bool find(struct s2_observer *observer, gpa_t address, struct s2_leaf *leaf)
{
    struct page_leaf found;
    if (!observer->roots_known) {
        snprintf(observer->reason, sizeof observer->reason,
                 "no call of " S2_PROBE_FUNCTION
                 " was seen: no fault of the guest yet, or a KVM "
                 "in protected mode (pKVM)");
        return false;
    }
    observer->reason[0] = '\0';
    if (!page_walk(&observer->stage2, &observer->kcore, address.value, &found))
        return false;
    *leaf = (struct s2_leaf){
        .raw = found.raw,
        .level = 4 - (unsigned)found.level,
        .hpa = found.physical >> observer->stage2.page_shift
                                     << observer->stage2.page_shift,
    };
    unsigned sh = observer->stage2.has_ds ? VTCR_SH0(observer->vtcr) : LEAF_SH(found.raw);
    return memattr_arm64_leaf(observer->model, STAGE2_MEMATTR(found.raw), sh,
                              &leaf->attributes);
}

/* The walk finds what is there now: nothing is remembered that would have to be forgotten. */
static void forget(struct s2_observer *observer, struct gpa_range range)
{
    (void)observer;
    (void)range;
}

/* MAIR_EL1's entries are fixed in Linux: MT_* in arch/arm64/include/asm/memory.h, MAIR_EL1_SET
 * in arch/arm64/mm/proc.S; the same in 6.1 and 7.3. The second one is Normal, tagged. */
static bool host_type(struct s2_observer *observer, const void *host, uint64_t hpa,
                      enum memattr_type *type)
{
    static const enum memattr_type types[] = {
        MEMATTR_WB, MEMATTR_WB, MEMATTR_NC, MEMATTR_DEVICE_nGnRnE, MEMATTR_DEVICE_nGnRE,
    };
    const struct page_table *table = &observer->stage1;
    struct page_leaf found;
    if (!observer->roots_known ||
        !page_walk(table, &observer->kcore, (uintptr_t)host, &found) ||
        found.physical >> table->page_shift != hpa >> table->page_shift ||
        STAGE1_INDEX(found.raw) >= ARRAY_SIZE(types))
        return false;
    *type = types[STAGE1_INDEX(found.raw)];
    return true;
}

static bool same_page(struct s2_observer *observer, const void *host, uint64_t hpa,
                      bool *same)
{
    const struct page_table *table = &observer->stage1;
    struct page_leaf found;
    if (!observer->roots_known ||
        !page_walk(table, &observer->kcore, (uintptr_t)host, &found))
        return false;
    *same = found.physical >> table->page_shift == hpa >> table->page_shift;
    return true;
}

const struct s2_observer_ops s2_observer_arm64 = {
    .init = init,
    .finish = finish,
    .start = start,
    .restart = restart,
    .take_in = take_in,
    .find = find,
    .forget = forget,
    .host_type = host_type,
    .same_page = same_page,
};
