/* SPDX-License-Identifier: MIT */
/* The clock is the host's, before and after: what the guest has set is a distance to it. */
#include "devices/pl031.h"

#define VERSION 1u

void pl031_save(const struct pl031 *pl031, struct state_writer *writer, uint32_t instance)
{
    state_begin(writer, "PRTC", instance, VERSION);
    state_put32(writer, pl031->offset);
    state_put32(writer, pl031->load);
    state_put32(writer, pl031->match);
    state_put64(writer, pl031->match_time);
    state_put32(writer, pl031->interrupt_mask);
    state_end(writer);
}

bool pl031_load(struct pl031 *pl031, struct state_reader *reader, uint32_t instance,
                struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, "PRTC", instance, VERSION, &section, error))
        return false;
    uint32_t offset = state_get32(section);
    uint32_t load = state_get32(section);
    uint32_t match = state_get32(section);
    uint64_t match_time = state_get64(section);
    uint32_t interrupt_mask = state_get32(section);
    if (!state_close(section, error))
        return false;
    if (interrupt_mask > 1)
        return state_refuse(section, error, "interrupt mask 0x%x", interrupt_mask);
    pl031->offset = offset;
    pl031->load = load;
    pl031->match = match;
    pl031->match_time = match_time;
    pl031->interrupt_mask = interrupt_mask;
    return true;
}
