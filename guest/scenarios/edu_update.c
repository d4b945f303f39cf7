/* SPDX-License-Identifier: MIT */
/*
 * A device of the host that is at work while the VMM is replaced: computations, and DMA of another
 * pattern in each round, with an interrupt after each. irq=pin, msi or none; seconds=N: for how long;
 * rounds=N: as many in that time, 0: all that it can.
 */
#include "guest/arch.h"
#include "guest/check.h"
#include "guest/edu.h"
#include "guest/scenarios.h"
#include "guest/string.h"

#define WORDS (EDU_BUFFER_SIZE / sizeof(uint32_t))

static uint32_t pattern(uint32_t round, uint32_t word)
{
    return (word + 1) * 0x9e3779b9u + round * 0x85ebca6bu;
}

static bool compute(struct guest *guest, struct edu *edu)
{
    edu_write(edu, EDU_STATUS, EDU_STATUS_IRQ);
    edu_write(edu, EDU_FACTORIAL, 10);
    REQUIRE(edu_wait(guest, edu, EDU_IRQ_FACTORIAL));
    CHECK_EQUAL(edu_read(edu, EDU_FACTORIAL), 3628800);
    return true;
}

/* There and back. */
static bool copy(struct guest *guest, struct edu *edu, volatile uint32_t *source,
                 volatile uint32_t *target, uint32_t round)
{
    for (uint32_t i = 0; i < WORDS; i++)
        source[i] = pattern(round, i);
    REQUIRE(edu_dma(guest, edu, (uintptr_t)source, 0, EDU_BUFFER_SIZE, false));
    REQUIRE(edu_dma(guest, edu, (uintptr_t)target, 0, EDU_BUFFER_SIZE, true));
    for (uint32_t i = 0; i < WORDS; i++)
        CHECK_EQUAL(target[i], pattern(round, i));
    return true;
}

bool scenario_edu_update(struct guest *guest)
{
    const char *irq = options_text(&guest->options, "irq", "none");
    uint64_t seconds;
    uint64_t rounds;
    struct edu edu;
    REQUIRE(check_option(guest, "seconds", 10, &seconds));
    REQUIRE(check_option(guest, "rounds", 0, &rounds));
    REQUIRE(edu_find(guest, &edu));
    REQUIRE(edu_start(guest, &edu,
                      string_equal(irq, "msi")   ? EDU_MSI
                      : string_equal(irq, "pin") ? EDU_PIN
                                                 : EDU_NO_IRQ));
    volatile uint32_t *source =
        heap_allocate_aligned(&guest->heap, EDU_BUFFER_SIZE, 4096);
    volatile uint32_t *target =
        heap_allocate_aligned(&guest->heap, EDU_BUFFER_SIZE, 4096);
    uint64_t second = arch_measure_ticks_per_second();
    uint64_t start = arch_ticks();
    uint32_t round = 0;
    for (; arch_ticks() - start < seconds * second; round++) {
        console_printf(&guest->console, "round %u\n", round);
        REQUIRE(compute(guest, &edu));
        REQUIRE(copy(guest, &edu, source, target, round));
        while (rounds > 0 &&
               arch_ticks() - start < (round + 1) * seconds * second / rounds)
            arch_pause();
    }
    console_printf(&guest->console, "edu: %u rounds, %u interrupts or polls, irq=%s\n",
                   round, edu.interrupts, irq);
    CHECK_EQUAL(edu.interrupts, 3 * round);
    return true;
}
