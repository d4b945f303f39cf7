/* SPDX-License-Identifier: MIT */
#include "guest/arch/x86/smp.h"

#include "guest/arch.h"
#include "guest/arch/x86/cpu.h"
#include "guest/arch/x86/lapic.h"
#include "guest/guest.h"
#include "guest/mmio.h"
#include "guest/string.h"

#define SIPI_DELAY_PART                                                                  \
    100u /* of a second: 10 ms after INIT (Intel SDM vol. 3, 9.4.4.1) */

struct smp_start {
    void (*function)(void *argument, uint32_t index);
    void *argument;
};

/* Called by smp_trampoline.S on each of the other CPUs. */
void smp_cpu_main(uint32_t index, const struct smp_start *start);

void smp_cpu_main(uint32_t index, const struct smp_start *start)
{
    smp_init_pat();
    start->function(start->argument, index);
}

static void send_to_all_others(uint32_t command)
{
    mmio_write32(LAPIC_BASE + LAPIC_COMMAND_HIGH, 0);
    mmio_write32(LAPIC_BASE + LAPIC_COMMAND, LAPIC_COMMAND_OTHERS | command);
}

static void wait(uint64_t ticks)
{
    uint64_t start = arch_ticks();
    while (arch_ticks() - start < ticks)
        arch_pause();
}

bool arch_start_cpus(struct guest *guest,
                     void (*function)(void *argument, uint32_t index), void *argument)
{
    uint32_t others = guest->boot.cpu_count - 1;
    size_t parameters_offset = (size_t)(smp_parameters - smp_trampoline);
    struct smp_start *start = heap_allocate(&guest->heap, sizeof *start);
    *start = (struct smp_start){.function = function, .argument = argument};

    void *trampoline = (void *)(uintptr_t)SMP_TRAMPOLINE;
    memcpy(trampoline, smp_trampoline, (size_t)(smp_trampoline_end - smp_trampoline));
    struct smp_parameters *parameters =
        (struct smp_parameters *)(void *)((char *)trampoline + parameters_offset);
    *parameters = (struct smp_parameters){
        .page_table = cpu_read_cr3(),
        .stacks =
            (uintptr_t)heap_allocate(&guest->heap, (uint64_t)others * SMP_STACK_SIZE),
        .start = (uintptr_t)start,
    };
    arch_barrier();

    mmio_write32(LAPIC_BASE + LAPIC_SPURIOUS, LAPIC_SPURIOUS_ON | LAPIC_VECTOR_NOTHING);
    send_to_all_others(LAPIC_COMMAND_INIT);
    wait(arch_ticks_per_second() / SIPI_DELAY_PART);
    send_to_all_others(LAPIC_COMMAND_STARTUP | SMP_VECTOR);

    uint64_t since = arch_ticks();
    while (*(volatile uint32_t *)&parameters->started < others) {
        if (arch_ticks() - since > arch_ticks_per_second())
            return false;
        arch_pause();
    }
    return true;
}
