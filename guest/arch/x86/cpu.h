/* SPDX-License-Identifier: MIT */
/* The instructions that C has no words for. */
#ifndef S2VMM_GUEST_X86_CPU_H
#define S2VMM_GUEST_X86_CPU_H

#include <stdint.h>

/* Model-specific registers: Intel SDM vol. 4, table 2-2. */
#define MSR_IA32_MTRR_PHYSBASE0 0x200u
#define MSR_IA32_MTRR_PHYSMASK0 0x201u
#define MSR_IA32_PAT            0x277u
#define MSR_IA32_GS_BASE        0xc0000101u

static inline uint64_t cpu_read_msr(uint32_t index)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return (uint64_t)high << 32 | low;
}

static inline void cpu_write_msr(uint32_t index, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline uint64_t cpu_read_cr2(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}

static inline uint64_t cpu_read_cr3(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}

static inline void cpu_invalidate_page(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

/* The operand of LIDT. */
struct cpu_table {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static inline void cpu_load_idt(const struct cpu_table *table)
{
    __asm__ volatile("lidt %0" : : "m"(*table));
}

#endif
