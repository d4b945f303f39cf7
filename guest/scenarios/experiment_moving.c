/* SPDX-License-Identifier: MIT */
/*
 * The guest's half of the experiment "moving-buffer" (vmm/experiments/changes.c): pass after
 * pass, each page's first word must hold what the last pass wrote there, and its second one,
 * which the host counts up, must never go back. Page 0's third word ends it. Between two passes
 * the guest lets go of the CPU, by an access that leaves it: a host that has only this one runs
 * its side then.
 */
#include "guest/check.h"
#include "guest/mmio.h"
#include "guest/mmu.h"
#include "guest/scenarios.h"
#include "guest/witness.h"

#define PAGE       4096u
#define PAGES_MAX  64u
#define PASSES_MAX 100000000u

enum word {
    WORD_GUEST,
    WORD_HOST,
    WORD_STOP,
};

bool scenario_experiment_moving(struct guest *guest)
{
    const struct boot_device *target = guest_device(guest, BOOT_DEVICE_TARGET);
    const struct boot_device *witness = guest_device(guest, BOOT_DEVICE_WITNESS);
    uint64_t host[PAGES_MAX] = {0};
    CHECK(target != NULL && witness != NULL);
    const uint64_t pages = target->size / PAGE;
    CHECK(pages <= PAGES_MAX);
    volatile uint8_t *memory =
        mmu_map(guest->mmu, target->base, target->size, MEMATTR_WB);
    CHECK(memory != NULL);
    uint64_t pass = 0;
    bool stop = false;
    while (!stop && pass < PASSES_MAX) {
        for (uint64_t page = 0; page < pages; page++) {
            volatile uint64_t *words =
                (volatile uint64_t *)(volatile void *)(memory + page * PAGE);
            uint64_t hosts = words[WORD_HOST];
            CHECK_EQUAL(words[WORD_GUEST], pass);
            CHECK(hosts >= host[page] && hosts <= PASSES_MAX);
            host[page] = hosts;
            words[WORD_GUEST] = pass + 1;
        }
        pass++;
        CHECK_EQUAL(mmio_read32(witness->base + WITNESS_REGISTER_MAGIC), WITNESS_MAGIC);
        stop = *((volatile uint64_t *)(volatile void *)memory + WORD_STOP) != 0;
    }
    mmu_unmap(guest->mmu, target->base, target->size, MEMATTR_WB);
    console_printf(&guest->console, "%lu passes over %lu pages\n", pass, pages);
    CHECK(stop);
    return true;
}
