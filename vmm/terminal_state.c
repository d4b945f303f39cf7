/* SPDX-License-Identifier: MIT */
/*
 * The terminal of a run whose guest goes to another s2vmm. Both have the terminal meanwhile, in raw
 * mode; only one of them reads it. The watcher's pipe goes with it: it breaks with the last of both.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "vmm/terminal.h"
#include "vmm/types.h"

/* --- pause --- */

bool terminal_pause(struct terminal *terminal, unsigned milliseconds, struct error *error)
{
    struct timespec deadline;
    if (!terminal->thread_runs)
        return true;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += milliseconds / 1000;
    deadline.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000;
    }
    int number = 0;
    pthread_mutex_lock(&terminal->lock);
    terminal->paused = true;
    eventfd_write(terminal->quit_fd, 1);
    while (!terminal->parked && number != ETIMEDOUT)
        number = pthread_cond_timedwait(&terminal->changed, &terminal->lock, &deadline);
    bool parked = terminal->parked;
    pthread_mutex_unlock(&terminal->lock);
    if (parked)
        return true;
    terminal_resume(terminal);
    return error_set(
        error, ERROR_HOST_SYSTEM,
        "the terminal's thread does not stop: is the console's output read?");
}

void terminal_resume(struct terminal *terminal)
{
    if (!terminal->initialised)
        return;
    pthread_mutex_lock(&terminal->lock);
    terminal->paused = false;
    pthread_cond_broadcast(&terminal->changed);
    pthread_mutex_unlock(&terminal->lock);
}

/* --- what was typed --- */

void terminal_save(const struct terminal *terminal, struct state_writer *writer)
{
    state_begin(writer, "TYPE", 0, 1);
    state_put32(writer, terminal->escaped);
    state_put32(writer, terminal->input_ended);
    state_put32(writer, (uint32_t)terminal->buffered);
    state_put_bytes(writer, terminal->buffer, terminal->buffered);
    state_end(writer);
}

bool terminal_load(struct terminal *terminal, struct state_reader *reader,
                   struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, "TYPE", 0, 1, &section, error))
        return false;
    terminal->escaped = state_get32(section) != 0;
    terminal->input_ended = state_get32(section) != 0;
    uint32_t count = state_get32(section);
    if (count > sizeof terminal->buffer)
        return state_refuse(section, error, "%u bytes typed, %zu are possible", count,
                            sizeof terminal->buffer);
    const void *bytes = state_get_bytes(section, count);
    if (bytes != NULL) {
        memcpy(terminal->buffer, bytes, count);
        terminal->buffered = count;
    }
    return state_close(section, error);
}

/* --- modes --- */

static void put_modes(struct state_writer *writer, const struct termios *modes)
{
    state_put32(writer, modes->c_iflag);
    state_put32(writer, modes->c_oflag);
    state_put32(writer, modes->c_cflag);
    state_put32(writer, modes->c_lflag);
    state_put32(writer, modes->c_cc[VMIN]);
    state_put32(writer, modes->c_cc[VTIME]);
}

/* What is not there stays as the terminal has it. */
static void get_modes(struct state_section *section, struct termios *modes)
{
    modes->c_iflag = state_get32(section);
    modes->c_oflag = state_get32(section);
    modes->c_cflag = state_get32(section);
    modes->c_lflag = state_get32(section);
    modes->c_cc[VMIN] = (cc_t)state_get32(section);
    modes->c_cc[VTIME] = (cc_t)state_get32(section);
}

void terminal_save_modes(const struct terminal *terminal, struct state_writer *writer)
{
    state_begin(writer, "MODE", 0, 1);
    state_put32(writer, terminal->is_tty);
    put_modes(writer, &terminal->original);
    put_modes(writer, &terminal->raw);
    state_put_fd(writer, terminal->watcher_pipe);
    state_end(writer);
}

bool terminal_load_modes(struct terminal *terminal, struct state_reader *reader,
                         struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, "MODE", 0, 1, &section, error))
        return false;
    bool is_tty = tcgetattr(terminal->input, &terminal->original) == 0;
    bool was_tty = state_get32(section) != 0;
    terminal->raw = terminal->original;
    get_modes(section, &terminal->original);
    get_modes(section, &terminal->raw);
    terminal->is_tty = is_tty && was_tty;
    return state_get_fd(reader, section, &terminal->watcher_pipe, error) &&
           state_close(section, error);
}
