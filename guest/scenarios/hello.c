/* SPDX-License-Identifier: MIT */
/* The smallest scenarios: one for each way in which a run can end. */
#include "guest/arch.h"
#include "guest/check.h"
#include "guest/scenarios.h"

#define UNMAPPED_ADDRESS 0x7f00000000u

bool scenario_hello(struct guest *guest)
{
    console_printf(&guest->console, "hello from the guest: %u CPUs, %lu MiB of low RAM\n",
                   guest->boot.cpu_count, guest->boot.low_ram_size / MIB);
    return true;
}

bool scenario_fail(struct guest *guest)
{
    CHECK_EQUAL(1 + 1, 3);
    return true;
}

bool scenario_crash(struct guest *guest)
{
    (void)guest;
    arch_crash();
}

bool scenario_spin(struct guest *guest)
{
    (void)guest;
    for (;;)
        arch_pause();
}

/* Ends with EXIT_VERDICT_CRASH where exceptions can be delivered. */
bool scenario_exception(struct guest *guest)
{
    volatile uint32_t *nothing = (volatile uint32_t *)(uintptr_t)UNMAPPED_ADDRESS;
    CHECK_EQUAL(*nothing, 0);
    return true;
}
