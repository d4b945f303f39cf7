/* SPDX-License-Identifier: MIT */
/* A VM that is stopped, saved and closed, and goes on as another one over the same RAM. */
#ifndef S2VMM_TESTS_UNIT_STATE_MACHINE_H
#define S2VMM_TESTS_UNIT_STATE_MACHINE_H

#include "tests/unit/vm_machine.h"
#include "vmm/vm_state.h"

/* What guest and test tell each other, in a page at state_words. */
struct state_words {
    uint64_t count;    /* the guest's turns */
    uint64_t ticks;    /* its interrupts */
    uint64_t stop;     /* the test: end with STATE_GOOD */
    uint64_t armed;    /* an interrupt is to come */
    uint64_t features; /* the test: what the guest uses, STATE_USES_* */
};

#define STATE_USES_SIMD    1u
#define STATE_USES_TIMER   2u
#define STATE_USES_ONESHOT 4u /* x86: the timer counts down, and may come twice */
#define STATE_USES_GIC_V2  8u /* arm64 */
#define STATE_SENDS_NOTHING                                                              \
    16u                     /* `sends_itself` waits for an interrupt of somebody else */
#define STATE_GOOD       7u /* a verdict; below: what was lost or doubled */
#define STATE_STOPS_HERE 1u /* the verdict of `sends_itself` before it goes on */

/* --- tests/unit/<arch>/state_code.c --- */

GUEST_CODE_SYMBOLS(keeps_count); /* in memory, registers and MSRs, and checks them */
GUEST_CODE_SYMBOLS(
    sends_itself); /* an interrupt, which it takes only after STATE_STOPS_HERE */
GUEST_CODE_SYMBOLS(
    state_vector); /* where interrupts go to, if that is a place of its own */
extern const uint64_t state_words_address;
extern const uint64_t state_vector_address; /* 0: nowhere */

/* An interrupt that `sends_itself` takes, as a message or by a pin, is set up; then it is made
 * pending, while no vCPU runs. False if there are no messages here. */
bool state_prepare(struct machine *machine, bool as_message);
void state_send(struct machine *machine, bool as_message);

/* --- the machine --- */

/* Sets up a machine with this code and what it uses of what this host can; false (and SKIP)
 * without KVM, or where `wanted` is more than this host has. */
bool state_machine_init(struct machine *machine, const char *test,
                        struct vm_config config, const uint8_t *code, const uint8_t *end,
                        uint64_t wanted);
volatile struct state_words *state_machine_words(const struct machine *machine);

/* Runs the vCPUs: from their entry, which is set before, or from where they are. */
void state_machine_set_entry(struct machine *machine);
void state_machine_go_on(struct machine *machine);
/* Waits until they have counted so many turns and interrupts more; the verdict, if there is one,
 * has to be STATE_GOOD or STATE_STOPS_HERE. */
void state_machine_wait(struct machine *machine, uint64_t counts, uint64_t ticks);
/* Ends what `keeps_count` does, which has to be content. */
void state_machine_end(struct machine *machine);
void state_machine_wait_verdict(struct machine *machine, uint32_t verdict);
/* Stops the vCPUs, and saves. */
void state_machine_save(struct machine *machine, struct state_writer *writer);

/* Makes the same machine over RAM that exists already, a file descriptor that stays the
 * caller's. */
void state_machine_init_over(struct machine *machine, struct vm_config config,
                             int memory);
void state_machine_load(struct machine *machine, const void *state, size_t size);

/* Saves, closes, makes a new one, and loads. */
void state_machine_replace(struct machine *machine);

/* `keeps_count` is replaced STATE_ROUNDS times at any moment; nothing that it counts may be lost or
 * doubled. */
#define STATE_ROUNDS 50
void state_machine_replace_again_and_again(const char *test, uint64_t uses);

#endif
