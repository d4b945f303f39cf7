/* SPDX-License-Identifier: MIT */
/* Whether the terminal waits for room is not saved: the new one tries by itself. */
#include <string.h>
#include <sys/eventfd.h>

#include "devices/serial.h"
#include "vmm/event_state.h"

#define VERSION 1u

/* The registers, one byte each, and two truths. */
enum {
    INTERRUPT_ENABLE,
    FIFO_CONTROL,
    LINE_CONTROL,
    MODEM_CONTROL,
    SCRATCH,
    DIVISOR_LOW,
    DIVISOR_HIGH,
    TRANSMITTER_EMPTY,
    OVERRUN,
    REGISTER_COUNT,
};

void serial_save(const struct serial *serial, struct state_writer *writer,
                 uint32_t instance)
{
    const uint8_t registers[REGISTER_COUNT] = {
        [INTERRUPT_ENABLE] = serial->interrupt_enable,
        [FIFO_CONTROL] = serial->fifo_control,
        [LINE_CONTROL] = serial->line_control,
        [MODEM_CONTROL] = serial->modem_control,
        [SCRATCH] = serial->scratch,
        [DIVISOR_LOW] = serial->divisor[0],
        [DIVISOR_HIGH] = serial->divisor[1],
        [TRANSMITTER_EMPTY] = serial->transmitter_empty_pending,
        [OVERRUN] = serial->overrun,
    };
    state_begin(writer, "UART", instance, VERSION);
    state_put_bytes(writer, registers, sizeof registers);
    state_put32(writer, serial->received_count);
    state_put_bytes(writer, serial->received, serial->received_count);
    event_save(serial->interrupt_fd, writer);
    state_end(writer);
}

static void apply(struct serial *serial, const uint8_t *registers)
{
    serial->interrupt_enable = registers[INTERRUPT_ENABLE];
    serial->fifo_control = registers[FIFO_CONTROL];
    serial->line_control = registers[LINE_CONTROL];
    serial->modem_control = registers[MODEM_CONTROL];
    serial->scratch = registers[SCRATCH];
    serial->divisor[0] = registers[DIVISOR_LOW];
    serial->divisor[1] = registers[DIVISOR_HIGH];
    serial->transmitter_empty_pending = registers[TRANSMITTER_EMPTY] != 0;
    serial->overrun = registers[OVERRUN] != 0;
}

bool serial_load(struct serial *serial, struct state_reader *reader, uint32_t instance,
                 struct error *error)
{
    struct state_section *section;
    bool is_raised;
    if (!state_open(reader, "UART", instance, VERSION, &section, error))
        return false;
    const uint8_t *registers = state_get_bytes(section, REGISTER_COUNT);
    uint32_t received_count = state_get32(section);
    if (received_count > SERIAL_FIFO_SIZE)
        return state_refuse(section, error, "%u bytes received in a FIFO of %u",
                            received_count, SERIAL_FIFO_SIZE);
    const void *received = state_get_bytes(section, received_count);
    if (!event_load(section, &is_raised, error) || !state_close(section, error))
        return false;
    if (registers[INTERRUPT_ENABLE] > 0x0f || registers[MODEM_CONTROL] > 0x1f ||
        registers[TRANSMITTER_EMPTY] > 1 || registers[OVERRUN] > 1)
        return state_refuse(section, error,
                            "IER 0x%02x, MCR 0x%02x, transmitter empty %u, overrun %u",
                            registers[INTERRUPT_ENABLE], registers[MODEM_CONTROL],
                            registers[TRANSMITTER_EMPTY], registers[OVERRUN]);
    apply(serial, registers);
    serial->received_count = received_count;
    memcpy(serial->received, received, received_count);
    if (is_raised)
        eventfd_write(serial->interrupt_fd, 1);
    return true;
}
