/* SPDX-License-Identifier: MIT */
#include "vmm/event_state.h"

#include <poll.h>

void event_save(int fd, struct state_writer *writer)
{
    struct pollfd event = {.fd = fd, .events = POLLIN};
    state_put32(writer, poll(&event, 1, 0) == 1);
}

bool event_load(struct state_section *section, bool *is_raised, struct error *error)
{
    uint32_t value = state_get32(section);
    *is_raised = value == 1;
    return value <= 1 ||
           state_refuse(section, error, "%u for whether an interrupt is raised", value);
}
