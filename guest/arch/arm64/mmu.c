/* SPDX-License-Identifier: MIT */
/*
 * The regions of guest/mmu.h, and the rest of RAM, in the tables that start.S began
 * (tables.h has the picture). Only RAM is mapped: through a write-back mapping that went
 * on behind it, the CPU could speculate into the window, which is no more allowed than
 * an access. Table entries only ever go from invalid to valid or back, never from one
 * valid value to another ("break before make": DDI 0487, D8.17.1).
 */
#include "guest/mmu.h"

#include "guest/arch/arm64/cpu.h"
#include "guest/arch/arm64/tables.h"
#include "guest/heap.h"
#include "vmm/layout.h"
#include "vmm/types.h"

_Static_assert(BOOT_RAM_START == LAYOUT_LOW_RAM_START, "start.S maps RAM");
_Static_assert((uint64_t)BOOT_RAM_PAGES *PAGE_SIZE <= LAYOUT_RAM_SIZE_MIN,
               "start.S maps nothing but RAM");
_Static_assert(LAYOUT_LOW_RAM_START + LAYOUT_RAM_SIZE_MAX <=
                   (uint64_t)REGIONS_SLOT * REGION_SIZE,
               "the regions are behind RAM");

/* In the order of MAIR's bytes. */
static const enum memattr_type mair_types[MAIR_COUNT] = {
    [MAIR_DEVICE_nGnRnE] = MEMATTR_DEVICE_nGnRnE,
    [MAIR_DEVICE_nGnRE] = MEMATTR_DEVICE_nGnRE,
    [MAIR_DEVICE_nGRE] = MEMATTR_DEVICE_nGRE,
    [MAIR_DEVICE_GRE] = MEMATTR_DEVICE_GRE,
    [MAIR_NC] = MEMATTR_NC,
    [MAIR_WT] = MEMATTR_WT,
    [MAIR_WB] = MEMATTR_WB,
    [MAIR_ONC_IWB] = MEMATTR_ONC_IWB,
};

struct mmu {
    uint64_t *directories[MAIR_COUNT];
};

/* Index in MAIR; MAIR_COUNT when it has no such attribute. */
static unsigned mair_index(enum memattr_type type)
{
    unsigned index = 0;
    while (index < MAIR_COUNT && mair_types[index] != type)
        index++;
    return index;
}

bool mmu_has(enum memattr_type type)
{
    return mair_index(type) < MAIR_COUNT;
}

/* New entries are visible to the table walks of all CPUs. */
static void publish_entries(void)
{
    __asm__ volatile("dsb ishst\n\tisb" : : : "memory");
}

/* The level 2 table of an entry of level 1, which gets one if it has none. */
static uint64_t *directory_of(struct heap *heap, uint64_t *entry)
{
    if (*entry == 0)
        *entry =
            (uintptr_t)heap_allocate_aligned(heap, TABLE_SIZE, TABLE_SIZE) | ENTRY_TABLE;
    return (uint64_t *)(uintptr_t)(*entry & ENTRY_ADDRESS);
}

/* Maps RAM from what start.S has mapped to `end`. */
static void map_ram(struct heap *heap, uint64_t *level1, uint64_t end)
{
    uint64_t address = BOOT_RAM_START + (uint64_t)BOOT_RAM_PAGES * PAGE_SIZE;
    while (address < end) {
        uint64_t *entry = &level1[address / REGION_SIZE];
        if (is_aligned(address, REGION_SIZE) && end - address >= REGION_SIZE) {
            *entry = address | ENTRY_RAM;
            address += REGION_SIZE;
        } else {
            directory_of(heap, entry)[address % REGION_SIZE / PAGE_SIZE] =
                address | ENTRY_RAM;
            address += PAGE_SIZE;
        }
    }
}

struct mmu *mmu_create(struct heap *heap)
{
    struct mmu *mmu = heap_allocate(heap, sizeof *mmu);
    uint64_t *level1 = (uint64_t *)(uintptr_t)(cpu_read_ttbr0_el1() & ENTRY_ADDRESS);
    map_ram(heap, level1, heap->end);
    for (unsigned index = 0; index < MAIR_COUNT; index++)
        mmu->directories[index] = directory_of(heap, &level1[REGIONS_SLOT + index]);
    publish_entries();
    return mmu;
}

static uint64_t region_base(unsigned index)
{
    return (uint64_t)(REGIONS_SLOT + index) * REGION_SIZE;
}

volatile void *mmu_map(struct mmu *mmu, uint64_t physical, uint64_t size,
                       enum memattr_type type)
{
    unsigned index = mair_index(type);
    uint64_t start = physical % REGION_SIZE;
    if (index == MAIR_COUNT || size == 0 || size > REGION_SIZE - start)
        return NULL;
    uint64_t region_physical = physical - start;
    for (uint64_t page = start / PAGE_SIZE; page <= (start + size - 1) / PAGE_SIZE;
         page++)
        mmu->directories[index][page] =
            (region_physical + page * PAGE_SIZE) | ENTRY_EXECUTE_NOT | ENTRY_ACCESSED |
            ENTRY_SH_INNER | index << ENTRY_ATTRIBUTE | ENTRY_BLOCK;
    publish_entries();
    return (volatile void *)(uintptr_t)(region_base(index) + start);
}

void mmu_unmap(struct mmu *mmu, uint64_t physical, uint64_t size, enum memattr_type type)
{
    unsigned index = mair_index(type);
    uint64_t start = physical % REGION_SIZE;
    uint64_t first = start / PAGE_SIZE, last = (start + size - 1) / PAGE_SIZE;
    for (uint64_t page = first; page <= last; page++)
        mmu->directories[index][page] = 0;
    __asm__ volatile("dsb ishst" : : : "memory");
    for (uint64_t page = first; page <= last; page++)
        __asm__ volatile("tlbi vaae1is, %0"
                         :
                         : "r"((region_base(index) + page * PAGE_SIZE) >> 12)
                         : "memory");
    __asm__ volatile("dsb ish\n\tisb" : : : "memory");
}
