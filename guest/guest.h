/* SPDX-License-Identifier: MIT */
/*
 * The tiny guest: a bare-metal program that is one experiment on the VMM.
 *
 *   arch/: start -> guest_main() -> the command line's "scenario=NAME key=value ..."
 *                                 -> scenario_NAME(guest) -> exit device: verdict
 *
 * It polls, takes no interrupts and uses general registers only, so that it runs wherever
 * KVM runs, also where KVM has to emulate it. All of its state hangs off struct guest.
 */
#ifndef S2VMM_GUEST_H
#define S2VMM_GUEST_H

#include <stdbool.h>

#include "firmware/boot_abi.h"
#include "guest/console.h"
#include "guest/gpu.h"
#include "guest/heap.h"
#include "guest/mmu.h"
#include "guest/options.h"

struct guest {
    struct boot_info boot; /* a copy: what the firmware left may be overwritten */
    struct console console;
    struct heap heap;
    struct options options;
    struct mmu *mmu;
    struct gpu gpu;
    const char *scenario; /* its name, for messages */
};

/* Where the architecture's start code goes. */
_Noreturn void guest_main(const struct boot_info *boot);

/* Gives the verdict (EXIT_VERDICT_*) and ends the VM. */
_Noreturn void guest_exit(struct guest *guest, uint32_t verdict);

/* The first device of the kind, or NULL. */
const struct boot_device *guest_device(const struct guest *guest,
                                       enum boot_device_kind kind);

#endif
