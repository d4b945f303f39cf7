/* SPDX-License-Identifier: MIT */
/*
 * The regions of guest/mmu.h in 4-level page tables. The firmware's top table gets one
 * entry more; what it maps below 512 GiB (the first 4 GiB, one to one) stays as it is.
 *
 *   top[1] -> regions[type] -> directories[type][n] = 2 MiB page n of the region
 *             512 GiB + type * 1 GiB
 */
#include "guest/mmu.h"

#include "guest/arch/x86/cpu.h"
#include "guest/arch/x86/smp.h"
#include "guest/heap.h"
#include "vmm/types.h"

/* Entries of the page tables: Intel SDM vol. 3, tables 4-15 to 4-18. */
#define ENTRY_PRESENT   (1u << 0)
#define ENTRY_WRITE     (1u << 1)
#define ENTRY_PWT       (1u << 3)
#define ENTRY_PCD       (1u << 4)
#define ENTRY_LARGE     (1u << 7)
#define ENTRY_LARGE_PAT (1u << 12) /* bit 7 of a 4 KiB page's entry */
#define ENTRY_ADDRESS   0x000ffffffffff000u

#define TABLE_SIZE   4096u
#define PAGE_SIZE    (2 * MIB)
#define REGION_SIZE  GIB
#define REGIONS_SLOT 1u /* entry of the top table, 512 GiB each */
#define REGIONS_BASE ((uint64_t)REGIONS_SLOT << 39)

/* The PAT. Entry n is chosen by PAT:PCD:PWT = n. Entries 0 to 3 are those after reset, so
 * that the firmware's mappings keep their type; 4 and 5 add the two that reset leaves
 * out. */
#define PAT_UC       0x00u
#define PAT_WC       0x01u
#define PAT_WT       0x04u
#define PAT_WP       0x05u
#define PAT_WB       0x06u
#define PAT_UC_MINUS 0x07u
#define PAT_VALUE                                                                        \
    ((uint64_t)PAT_WB | (uint64_t)PAT_WT << 8 | (uint64_t)PAT_UC_MINUS << 16 |           \
     (uint64_t)PAT_UC << 24 | (uint64_t)PAT_WP << 32 | (uint64_t)PAT_WC << 40 |          \
     (uint64_t)PAT_UC_MINUS << 48 | (uint64_t)PAT_UC << 56)

/* The types of x86 are the first ones. */
#define X86_TYPES (MEMATTR_UC + 1)

static const uint32_t attribute_bits[X86_TYPES] = {
    [MEMATTR_WB] = 0,
    [MEMATTR_WT] = ENTRY_PWT,
    [MEMATTR_UC_MINUS] = ENTRY_PCD,
    [MEMATTR_UC] = ENTRY_PCD | ENTRY_PWT,
    [MEMATTR_WP] = ENTRY_LARGE_PAT,
    [MEMATTR_WC] = ENTRY_LARGE_PAT | ENTRY_PWT,
};

struct mmu {
    uint64_t *directories[X86_TYPES];
};

void smp_init_pat(void)
{
    cpu_write_msr(MSR_IA32_PAT, PAT_VALUE);
}

struct mmu *mmu_create(struct heap *heap)
{
    struct mmu *mmu = heap_allocate(heap, sizeof *mmu);
    uint64_t *top = (uint64_t *)(uintptr_t)(cpu_read_cr3() & ENTRY_ADDRESS);
    uint64_t *regions = heap_allocate_aligned(heap, TABLE_SIZE, TABLE_SIZE);

    for (unsigned type = 0; type < X86_TYPES; type++) {
        mmu->directories[type] = heap_allocate_aligned(heap, TABLE_SIZE, TABLE_SIZE);
        regions[type] = (uintptr_t)mmu->directories[type] | ENTRY_WRITE | ENTRY_PRESENT;
    }
    top[REGIONS_SLOT] = (uintptr_t)regions | ENTRY_WRITE | ENTRY_PRESENT;
    smp_init_pat();
    return mmu;
}

bool mmu_has(enum memattr_type type)
{
    return type < X86_TYPES;
}

static uint64_t region_base(enum memattr_type type)
{
    return REGIONS_BASE + (uint64_t)type * REGION_SIZE;
}

volatile void *mmu_map(struct mmu *mmu, uint64_t physical, uint64_t size,
                       enum memattr_type type)
{
    uint64_t start = physical % REGION_SIZE;
    if (!mmu_has(type) || size == 0 || size > REGION_SIZE - start)
        return NULL;
    uint64_t region_physical = physical - start;
    for (uint64_t page = start / PAGE_SIZE; page <= (start + size - 1) / PAGE_SIZE;
         page++)
        mmu->directories[type][page] = (region_physical + page * PAGE_SIZE) |
                                       attribute_bits[type] | ENTRY_LARGE | ENTRY_WRITE |
                                       ENTRY_PRESENT;
    return (volatile void *)(uintptr_t)(region_base(type) + start);
}

void mmu_unmap(struct mmu *mmu, uint64_t physical, uint64_t size, enum memattr_type type)
{
    uint64_t start = physical % REGION_SIZE;
    for (uint64_t page = start / PAGE_SIZE; page <= (start + size - 1) / PAGE_SIZE;
         page++) {
        mmu->directories[type][page] = 0;
        cpu_invalidate_page(region_base(type) + page * PAGE_SIZE);
    }
}
