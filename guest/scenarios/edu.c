/* SPDX-License-Identifier: MIT */
/*
 * A device of the host at work (guest/edu.h): registers, a computation, DMA from RAM and to it, with
 * an interrupt after each. `irq=pin` needs the pin to be let go, and to come again.
 */
#include "guest/edu.h"

#include "guest/arch.h"
#include "guest/check.h"
#include "guest/scenarios.h"
#include "guest/string.h"
#include "vmm/types.h"

#define WORDS (EDU_BUFFER_SIZE / sizeof(uint32_t))

static bool check_registers(struct guest *guest, const struct edu *edu)
{
    static const uint32_t words[] = {0, 1, 0x12345678, 0xdeadbeef, UINT32_MAX};
    CHECK_EQUAL(edu_read(edu, EDU_ID), EDU_IDENTIFICATION);
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        edu_write(edu, EDU_LIVENESS, words[i]);
        CHECK_EQUAL(edu_read(edu, EDU_LIVENESS), ~words[i]);
    }
    return true;
}

static bool check_factorial(struct guest *guest, struct edu *edu)
{
    edu_write(edu, EDU_STATUS, EDU_STATUS_IRQ);
    edu_write(edu, EDU_FACTORIAL, 10);
    REQUIRE(edu_wait(guest, edu, EDU_IRQ_FACTORIAL));
    CHECK_EQUAL(edu_read(edu, EDU_STATUS) & EDU_STATUS_COMPUTING, 0);
    CHECK_EQUAL(edu_read(edu, EDU_FACTORIAL), 3628800);
    return true;
}

/* One page of RAM into the device, and from there into two others: the first, and the last. */
static bool check_dma(struct guest *guest, struct edu *edu)
{
    uint32_t *source = heap_allocate_aligned(&guest->heap, EDU_BUFFER_SIZE, 4096);
    uint32_t *target = heap_allocate_aligned(&guest->heap, EDU_BUFFER_SIZE, 4096);
    volatile uint32_t *seen = target;
    for (uint32_t i = 0; i < WORDS; i++)
        source[i] = 0x9e3779b9u * (i + 1);
    REQUIRE(edu_dma(guest, edu, (uintptr_t)source, 0, EDU_BUFFER_SIZE, false));
    REQUIRE(edu_dma(guest, edu, (uintptr_t)target, 0, EDU_BUFFER_SIZE, true));
    for (uint32_t i = 0; i < WORDS; i++)
        CHECK_EQUAL(seen[i], 0x9e3779b9u * (i + 1));

    /* Only what was asked for. */
    seen[8] = 0;
    seen[9] = 0;
    REQUIRE(edu_dma(guest, edu, (uintptr_t)(target + 9), 9 * 4, 4, true));
    CHECK_EQUAL(seen[8], 0);
    CHECK_EQUAL(seen[9], 0x9e3779b9u * 10);
    return true;
}

/* Nothing of its BAR is left where decoding is off, or where it was. */
static bool check_moves(struct guest *guest, struct edu *edu)
{
    uint64_t before = edu->registers;
    pci_decode(edu->pci, false);
    CHECK_EQUAL(edu_read(edu, EDU_ID), UINT32_MAX);
    pci_decode(edu->pci, true);
    REQUIRE(check_registers(guest, edu));
    pci_set_bar(edu->pci, 0, before + 4 * MIB);
    CHECK_EQUAL(edu_read(edu, EDU_ID), UINT32_MAX);
    edu->registers = before + 4 * MIB;
    REQUIRE(check_registers(guest, edu));
    pci_set_bar(edu->pci, 0, before);
    edu->registers = before;
    return check_registers(guest, edu);
}

bool scenario_edu(struct guest *guest)
{
    const char *irq = options_text(&guest->options, "irq", "none");
    struct edu edu;
    REQUIRE(edu_find(guest, &edu));
    REQUIRE(check_registers(guest, &edu));
    REQUIRE(check_moves(guest, &edu));
    REQUIRE(edu_start(guest, &edu,
                      string_equal(irq, "msi")   ? EDU_MSI
                      : string_equal(irq, "pin") ? EDU_PIN
                                                 : EDU_NO_IRQ));
    REQUIRE(check_factorial(guest, &edu));
    REQUIRE(check_dma(guest, &edu));
    REQUIRE(check_factorial(guest, &edu));
    console_printf(&guest->console, "edu: %u interrupts or polls, irq=%s\n",
                   edu.interrupts, irq);
    return true;
}
