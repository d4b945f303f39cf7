/* SPDX-License-Identifier: MIT */
/* Whether the terminal waits for room is not saved: the new one tries by itself. */
#include <string.h>
#include <sys/eventfd.h>

#include "devices/pl011.h"
#include "vmm/event_state.h"

#define VERSION 1u

/* The registers, in this order, with the bits that each can have (pl011.c). */
enum {
    INTEGER_BAUD_RATE,
    FRACTIONAL_BAUD_RATE,
    LINE_CONTROL,
    CONTROL,
    FIFO_LEVELS,
    INTERRUPT_MASK,
    INTERRUPTS_RAISED,
    LISTENS,
    REGISTER_COUNT,
};
static const uint32_t bits[REGISTER_COUNT] = {
    [INTEGER_BAUD_RATE] = 0xffff, [FRACTIONAL_BAUD_RATE] = 0x3f,
    [LINE_CONTROL] = 0xff,        [CONTROL] = 0xff87,
    [FIFO_LEVELS] = 0x3f,         [INTERRUPT_MASK] = 0x7ff,
    [INTERRUPTS_RAISED] = 0x7ff,  [LISTENS] = 1,
};

void pl011_save(const struct pl011 *pl011, struct state_writer *writer, uint32_t instance)
{
    const uint32_t registers[REGISTER_COUNT] = {
        [INTEGER_BAUD_RATE] = pl011->integer_baud_rate,
        [FRACTIONAL_BAUD_RATE] = pl011->fractional_baud_rate,
        [LINE_CONTROL] = pl011->line_control,
        [CONTROL] = pl011->control,
        [FIFO_LEVELS] = pl011->fifo_levels,
        [INTERRUPT_MASK] = pl011->interrupt_mask,
        [INTERRUPTS_RAISED] = pl011->interrupts_raised,
        [LISTENS] = pl011->listens,
    };
    state_begin(writer, "PUAR", instance, VERSION);
    for (unsigned i = 0; i < REGISTER_COUNT; i++)
        state_put32(writer, registers[i]);
    state_put32(writer, pl011->received_count);
    state_put_bytes(writer, pl011->received, pl011->received_count);
    event_save(pl011->interrupt_fd, writer);
    state_end(writer);
}

static void apply(struct pl011 *pl011, const uint32_t *registers)
{
    pl011->integer_baud_rate = registers[INTEGER_BAUD_RATE];
    pl011->fractional_baud_rate = registers[FRACTIONAL_BAUD_RATE];
    pl011->line_control = registers[LINE_CONTROL];
    pl011->control = registers[CONTROL];
    pl011->fifo_levels = registers[FIFO_LEVELS];
    pl011->interrupt_mask = registers[INTERRUPT_MASK];
    pl011->interrupts_raised = registers[INTERRUPTS_RAISED];
    pl011->listens = registers[LISTENS] != 0;
}

bool pl011_load(struct pl011 *pl011, struct state_reader *reader, uint32_t instance,
                struct error *error)
{
    struct state_section *section;
    uint32_t registers[REGISTER_COUNT];
    bool is_raised;
    if (!state_open(reader, "PUAR", instance, VERSION, &section, error))
        return false;
    for (unsigned i = 0; i < REGISTER_COUNT; i++) {
        registers[i] = state_get32(section);
        if ((registers[i] & ~bits[i]) != 0)
            return state_refuse(section, error, "register number %u is 0x%x", i,
                                registers[i]);
    }
    uint32_t received_count = state_get32(section);
    if (received_count > PL011_FIFO_SIZE)
        return state_refuse(section, error, "%u bytes received in a FIFO of %u",
                            received_count, PL011_FIFO_SIZE);
    const void *received = state_get_bytes(section, received_count);
    if (!event_load(section, &is_raised, error) || !state_close(section, error))
        return false;
    apply(pl011, registers);
    pl011->received_count = received_count;
    memcpy(pl011->received, received, received_count);
    if (is_raised)
        eventfd_write(pl011->interrupt_fd, 1);
    return true;
}
