/* SPDX-License-Identifier: MIT */
/* Whether the terminal waits for room is not saved: the new one tries by itself. */
#include <string.h>

#include "devices/virtio_console.h"

#define VERSION 1u

void virtio_console_save(const struct virtio_console *console,
                         struct state_writer *writer, uint32_t instance)
{
    state_begin(writer, "CONS", instance, VERSION);
    state_put32(writer, console->registers.cols);
    state_put32(writer, console->registers.rows);
    state_put32(writer, (uint32_t)console->buffered);
    state_put_bytes(writer, console->buffer, console->buffered);
    state_end(writer);
}

bool virtio_console_load(struct virtio_console *console, struct state_reader *reader,
                         uint32_t instance, struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, "CONS", instance, VERSION, &section, error))
        return false;
    uint32_t columns = state_get32(section);
    uint32_t rows = state_get32(section);
    uint32_t buffered = state_get32(section);
    if (columns > UINT16_MAX || rows > UINT16_MAX || buffered > sizeof console->buffer)
        return state_refuse(section, error,
                            "%u columns, %u rows, %u bytes that wait in a buffer of %zu",
                            columns, rows, buffered, sizeof console->buffer);
    const void *bytes = state_get_bytes(section, buffered);
    if (!state_close(section, error))
        return false;
    console->registers.cols = (uint16_t)columns;
    console->registers.rows = (uint16_t)rows;
    console->buffered = buffered;
    memcpy(console->buffer, bytes, buffered);
    return true;
}
