/* SPDX-License-Identifier: MIT */
/* The instructions that C has no words for. */
#ifndef S2VMM_GUEST_ARM64_CPU_H
#define S2VMM_GUEST_ARM64_CPU_H

#include <stdint.h>

/* System registers: cpu_read_NAME(), cpu_write_NAME(). A write takes effect after the
 * next cpu_synchronize(). */
#define CPU_READABLE(name)                                                               \
    static inline uint64_t cpu_read_##name(void)                                         \
    {                                                                                    \
        uint64_t value;                                                                  \
        __asm__ volatile("mrs %0, " #name : "=r"(value) : : "memory");                   \
        return value;                                                                    \
    }
#define CPU_WRITABLE(name)                                                               \
    static inline void cpu_write_##name(uint64_t value)                                  \
    {                                                                                    \
        __asm__ volatile("msr " #name ", %0" : : "r"(value) : "memory");                 \
    }

CPU_READABLE(cntfrq_el0)
CPU_READABLE(cntvct_el0)
CPU_READABLE(ctr_el0)
CPU_READABLE(esr_el1)
CPU_READABLE(far_el1)
CPU_READABLE(id_aa64pfr0_el1)
CPU_READABLE(isr_el1)
CPU_READABLE(mpidr_el1)
CPU_READABLE(par_el1)
CPU_READABLE(tpidr_el1)
CPU_READABLE(ttbr0_el1)
CPU_READABLE(icc_hppir1_el1)
CPU_READABLE(icc_iar1_el1)
CPU_WRITABLE(icc_eoir1_el1)
CPU_WRITABLE(icc_igrpen1_el1)
CPU_WRITABLE(icc_pmr_el1)
CPU_WRITABLE(icc_sre_el1)
CPU_WRITABLE(tpidr_el1)
CPU_WRITABLE(vbar_el1)

#undef CPU_READABLE
#undef CPU_WRITABLE

static inline void cpu_synchronize(void)
{
    __asm__ volatile("isb" : : : "memory");
}

/* All earlier accesses are done, for every observer in the system. */
static inline void cpu_wait_for_memory(void)
{
    __asm__ volatile("dsb sy" : : : "memory");
}

/* A call of the hypervisor by the SMC calling convention (DEN 0028, 2.6: x4 to x17 may
 * change). */
static inline int64_t cpu_call_hypervisor(uint32_t function, uint64_t first,
                                          uint64_t second, uint64_t third)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = first;
    register uint64_t x2 __asm__("x2") = second;
    register uint64_t x3 __asm__("x3") = third;
    __asm__ volatile("hvc #0"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
                     :
                     : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
                       "x14", "x15", "x16", "x17", "memory");
    return (int64_t)x0;
}

#endif
