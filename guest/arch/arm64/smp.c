/* SPDX-License-Identifier: MIT */
#include "guest/arch/arm64/smp.h"

#include "guest/arch.h"
#include "guest/arch/arm64/cpu.h"
#include "guest/arch/arm64/exception.h"
#include "guest/arch/arm64/psci.h"
#include "guest/guest.h"

#define STACK_SIZE 4096u

_Noreturn void smp_cpu_main(struct smp_cpu *cpu);

/* Called by start.S. */
_Noreturn void smp_cpu_main(struct smp_cpu *cpu)
{
    exception_init(cpu->guest);
    cpu->started = 1;
    cpu->function(cpu->argument, cpu->index);
    arch_stop();
}

/* The MPIDR_EL1 that KVM gives to a vCPU: 16 in each group of the lowest affinity, for
 * GICv3's sake (arch/arm64/kvm/sys_regs.c, reset_mpidr). */
static uint64_t mpidr_of(uint32_t index)
{
    return (index & 0xf) | (uint64_t)(index >> 4 & 0xff) << 8 |
           (uint64_t)(index >> 12 & 0xff) << 16;
}

static bool wait_for(const struct smp_cpu *cpu, uint64_t since)
{
    while (!cpu->started) {
        if (arch_ticks() - since > arch_ticks_per_second())
            return false;
        arch_pause();
    }
    return true;
}

bool arch_start_cpus(struct guest *guest,
                     void (*function)(void *argument, uint32_t index), void *argument)
{
    uint32_t others = guest->boot.cpu_count - 1;
    struct smp_cpu *cpus = heap_allocate(&guest->heap, others * sizeof *cpus);
    for (uint32_t i = 0; i < others; i++) {
        char *stack = heap_allocate(&guest->heap, STACK_SIZE);
        cpus[i] = (struct smp_cpu){
            .stack_top = (uintptr_t)(stack + STACK_SIZE),
            .guest = guest,
            .function = function,
            .argument = argument,
            .index = i + 1,
        };
        arch_barrier();
        if (cpu_call_hypervisor(PSCI_CPU_ON, mpidr_of(i + 1), (uintptr_t)smp_start,
                                (uintptr_t)&cpus[i]) != PSCI_SUCCESS)
            return false;
    }
    uint64_t since = arch_ticks();
    for (uint32_t i = 0; i < others; i++) {
        if (!wait_for(&cpus[i], since))
            return false;
    }
    return true;
}
