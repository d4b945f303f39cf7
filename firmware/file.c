/* SPDX-License-Identifier: MIT */
#include "firmware/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not blocking, as a FIFO would block until it has a writer. */
int file_open(const char *path, struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        error_set(error, ERROR_CONFIG_FILE, "%s: cannot be opened: %s", path,
                  strerror(errno));
    return fd;
}

bool file_size(int fd, uint64_t *size, struct error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_set(error, ERROR_CONFIG_FILE, "fstat: %s", strerror(errno));
    if (!S_ISREG(status.st_mode))
        return error_set(error, ERROR_CONFIG_FILE, "is not a regular file");
    *size = (uint64_t)status.st_size;
    return true;
}

bool file_read(int fd, uint64_t offset, void *buffer, uint64_t length,
               struct error *error)
{
    uint8_t *to = buffer;
    while (length > 0) {
        ssize_t count = pread(fd, to, length, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_set(error, ERROR_CONFIG_FILE, "cannot be read: %s",
                             strerror(errno));
        if (count == 0)
            return error_set(error, ERROR_CONFIG_FILE,
                             "was cut off at %" PRIu64 " bytes while it was read",
                             offset);
        to += count;
        offset += (uint64_t)count;
        length -= (uint64_t)count;
    }
    return true;
}
