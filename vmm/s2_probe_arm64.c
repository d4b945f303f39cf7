/* SPDX-License-Identifier: MIT */
#include "vmm/s2_probe_arm64.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/btf.h"
#include "vmm/types.h"

bool s2_probe_describe(const struct btf *btf, char *text, size_t size,
                       struct error *error)
{
    unsigned pgd = 0;
    unsigned bits = 0;
    unsigned level = 0;
    unsigned mmu = 0;
    unsigned arch = 0;
    unsigned kvm_arch = 0;
    unsigned kvm_mm = 0;
    unsigned mm_pgd = 0;
    unsigned vtcr = 0;
    const struct {
        const char *structure;
        const char *member;
        unsigned *offset;
    } needed[] = {
        {"kvm_pgtable", "pgd", &pgd},
        {"kvm_pgtable", "ia_bits", &bits},
        {"kvm_pgtable", "start_level", &level},
        {"kvm_pgtable", "mmu", &mmu},
        {"kvm_s2_mmu", "arch", &arch},
        {"kvm", "arch", &kvm_arch},
        {"kvm", "mm", &kvm_mm},
        {"mm_struct", "pgd", &mm_pgd},
    };
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        if (!btf_offset(btf, needed[i].structure, needed[i].member, needed[i].offset))
            return error_set(error, ERROR_CONFIG_HOST,
                             "this kernel has no member `%s` in struct %s: it is of a "
                             "version that s2vmm does not know",
                             needed[i].member, needed[i].structure);
    }
    char vtcr_at[64];
    if (btf_offset(btf, "kvm_s2_mmu", "vtcr", &vtcr))
        snprintf(vtcr_at, sizeof vtcr_at, "+%u(+%u(%%x0))", vtcr, mmu);
    else if (btf_offset(btf, "kvm_arch", "vtcr", &vtcr))
        snprintf(vtcr_at, sizeof vtcr_at, "+%u(+%u(+%u(%%x0)))", vtcr, arch, mmu);
    else
        return error_set(
            error, ERROR_CONFIG_HOST,
            "this kernel has no member `vtcr` in struct kvm_s2_mmu: it is of "
            "a version that s2vmm does not know");
    snprintf(text, size,
             "pgd=+%u(%%x0):x64 bits=+%u(%%x0):u32 level=+%u(%%x0):s8 vtcr=%s:x64 "
             "host=+%u(%+d(+%u(+%u(%%x0)))):x64",
             pgd, bits, level, vtcr_at, mm_pgd, (int)kvm_mm - (int)kvm_arch, arch, mmu);
    return true;
}

/* Reads the number behind `label`. */
static bool scan(const char *line, const char *label, int base, long long *value)
{
    const char *at = strstr(line, label);
    if (!at)
        return false;
    at += strlen(label);
    char *end;
    *value = (long long)strtoull(at, &end, base); /* takes a minus, too */
    return end != at && (*end == ' ' || *end == '\0');
}

/* "...: kvm_pgtable_stage2_map: (kvm_pgtable_stage2_map+0x0/0x2c8) pgd=0x... bits=40 ..." */
bool s2_probe_parse(const char *line, struct s2_roots *roots)
{
    long long pgd;
    long long bits;
    long long level;
    long long vtcr;
    long long host;
    const char *at = strstr(line, ": " S2_PROBE_FUNCTION ": (");
    if (!at || !scan(at, " pgd=", 16, &pgd) || !scan(at, " bits=", 10, &bits) ||
        !scan(at, " level=", 10, &level) || !scan(at, " vtcr=", 16, &vtcr) ||
        !scan(at, " host=", 16, &host) || bits < 0 || bits > 52 || level < -1 ||
        level > 3)
        return false;
    *roots = (struct s2_roots){
        .stage2 = (uint64_t)pgd,
        .address_bits = (unsigned)bits,
        .start_level = (int)level,
        .vtcr = (uint64_t)vtcr,
        .stage1 = (uint64_t)host,
    };
    return true;
}
