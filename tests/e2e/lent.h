/* SPDX-License-Identifier: MIT */
/*
 * Somebody who has the guest's memory, and writes to it, for the scenario of guest/scenarios/lent.c:
 * when the console says "lent", the dma-buf is taken out of s2vmm (pidfd_getfd(), for which root
 * or a child's parent is needed), mapped, and written to at each look; at "let go" it is unmapped.
 * Or a device has it: it is written to once, and then dmabuf-lab has it attached, and no process.
 */
#ifndef S2VMM_TESTS_E2E_LENT_H
#define S2VMM_TESTS_E2E_LENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct lent_watch {
    uint8_t *view; /* NULL: not taken, or let go */
    size_t size;
    bool by_device;
    int holder; /* of dmabuf-lab; -1: none */
    unsigned taken;
    unsigned let_go;
};

void lent_watch_init(struct lent_watch *watch, bool by_device);

/* One look: for struct run_plan. The context is the watch; `out` is what stdout has. */
void lent_watch_look(void *context, pid_t pid, int in, const char *out);

/* Fails the test when there was nothing to hold. */
void lent_watch_check(const struct lent_watch *watch);

#endif
