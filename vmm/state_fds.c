/* SPDX-License-Identifier: MIT */
/* Descriptors beside a state: in it is their number. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/state.h"

#define NO_FD UINT32_MAX

/* The array has room for a power of two of them. */
static bool append(int **fds, unsigned *count, int fd)
{
    if ((*count & (*count - 1)) == 0) {
        int *more = realloc(*fds, (*count == 0 ? 1 : 2 * *count) * sizeof *more);
        if (more == NULL)
            return false;
        *fds = more;
    }
    (*fds)[(*count)++] = fd;
    return true;
}

void state_put_fd(struct state_writer *writer, int fd)
{
    if (fd >= 0 && (writer->fd_count == STATE_FDS_MAX ||
                    !append(&writer->fds, &writer->fd_count, fd)))
        writer->failed = true;
    state_put32(writer, fd < 0 || writer->failed ? NO_FD : writer->fd_count - 1);
}

bool state_reader_add_fds(struct state_reader *reader, const int *fds, unsigned count,
                          struct error *error)
{
    for (unsigned i = 0; i < count; i++) {
        if (reader->fd_count < STATE_FDS_MAX &&
            append(&reader->fds, &reader->fd_count, fds[i]))
            continue;
        for (; i < count; i++)
            close(fds[i]);
        return error_set(error, ERROR_HOST_MEMORY,
                         "no memory for the %u descriptors of a state, or more than %u",
                         count, STATE_FDS_MAX);
    }
    return true;
}

bool state_get_fd(struct state_reader *reader, struct state_section *section, int *fd,
                  struct error *error)
{
    uint32_t number = state_get32(section);
    *fd = -1;
    if (section->too_short)
        return state_refuse(section, error, "no descriptor behind %zu bytes",
                            section->taken);
    if (number == NO_FD)
        return true;
    if (number >= reader->fd_count)
        return state_refuse(section, error, "descriptor %u, and %u came with the state",
                            number, reader->fd_count);
    if (reader->fds[number] < 0)
        return state_refuse(section, error, "descriptor %u, which was taken before",
                            number);
    *fd = reader->fds[number];
    reader->fds[number] = -1;
    return true;
}
