/* SPDX-License-Identifier: MIT */
#include "devices/gpu/state_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void state_file_put(struct state_writer *writer, int fd)
{
    struct stat status = {0};
    if (fd >= 0 && fstat(fd, &status) != 0)
        status.st_ino = 0; /* which no file has: who reads it refuses it */
    state_put_fd(writer, fd);
    state_put64(writer, status.st_ino);
}

bool state_file_get(struct state_reader *reader, struct state_section *section, int *fd,
                    struct error *error)
{
    struct stat status = {0};
    bool good = state_get_fd(reader, section, fd, error);
    uint64_t inode = state_get64(section);
    if (!good)
        return false;
    if (*fd >= 0 && fstat(*fd, &status) != 0)
        good = error_set(error, ERROR_HOST_SYSTEM, "fstat of a file of a state: %s",
                         strerror(errno));
    else if (inode != status.st_ino)
        good = state_refuse(section, error,
                            "a file with inode %" PRIu64 ", and %" PRIu64 " came", inode,
                            (uint64_t)status.st_ino);
    if (!good && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return good;
}
