/* SPDX-License-Identifier: MIT */
/*
 * In a state: whether an eventfd that leads to the guest was written, and KVM has not taken it, as
 * while its irqfd is away. One bit, as an interrupt is: how often it was written does not matter.
 * The eventfd itself stays where it is, with its count, in case the old VM goes on.
 */
#ifndef S2VMM_EVENT_STATE_H
#define S2VMM_EVENT_STATE_H

#include "vmm/state.h"

void event_save(int fd, struct state_writer *writer);
/* ERROR_CONFIG_FILE. Who loads writes its own eventfd. */
bool event_load(struct state_section *section, bool *is_raised, struct error *error);

#endif
