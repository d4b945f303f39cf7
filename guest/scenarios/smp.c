/* SPDX-License-Identifier: MIT */
/* Every vCPU starts, and runs at the same time as the others. */
#include "guest/arch.h"
#include "guest/check.h"
#include "guest/scenarios.h"

#define CPUS_MAX       16u
#define COUNT_TO_REACH 1000u
#define TIMEOUT        10u /* seconds */

struct counters {
    volatile bool stop;
    volatile uint64_t values[CPUS_MAX];
};

static void count(void *argument, uint32_t index)
{
    struct counters *counters = argument;
    while (!counters->stop) {
        counters->values[index]++;
        arch_pause();
    }
}

bool scenario_smp(struct guest *guest)
{
    struct counters counters = {.stop = false};
    uint32_t cpu_count = guest->boot.cpu_count;
    CHECK(cpu_count <= CPUS_MAX);
    CHECK(arch_start_cpus(guest, count, &counters));
    uint64_t start = arch_ticks();
    for (uint32_t cpu = 1; cpu < cpu_count; cpu++) {
        while (counters.values[cpu] < COUNT_TO_REACH)
            CHECK(arch_ticks() - start < TIMEOUT * arch_ticks_per_second());
    }
    counters.stop = true;
    console_printf(&guest->console, "%u of %u vCPUs count\n", cpu_count - 1,
                   cpu_count - 1);
    return true;
}
