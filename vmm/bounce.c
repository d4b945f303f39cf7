/* SPDX-License-Identifier: MIT */
#include "vmm/bounce.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIECE_SIZE (64 * KIB) /* what the memfd has of memory at most */

bool bounce_open(struct bounce *bounce, struct error *error)
{
    bounce->fd = memfd_create("s2vmm-bounce", MFD_CLOEXEC);
    return bounce->fd >= 0 ||
           error_set(error, ERROR_HOST_SYSTEM,
                     "memfd_create, to copy a buffer through: %s; see ulimit -n",
                     strerror(errno));
}

/* A short count: the rest could not be accessed (mm/filemap.c, generic_perform_write() and
 * filemap_read(): EFAULT is only said of the first byte). */
static bool moved(ssize_t done, uint64_t size, uint64_t offset, const char *how,
                  struct error *error)
{
    return done == (ssize_t)size ||
           error_set(error, ERROR_HOST_BUFFER,
                     "the memory near offset %#llx cannot be %s any more: %s",
                     (unsigned long long)offset, how,
                     strerror(done < 0 ? errno : EFAULT));
}

bool bounce_copy(const struct bounce *bounce, void *to, const void *from, uint64_t size,
                 struct error *error)
{
    uint8_t *target = to;
    const uint8_t *source = from;
    for (uint64_t offset = 0; offset < size; offset += PIECE_SIZE) {
        uint64_t rest = size - offset;
        uint64_t piece = rest < PIECE_SIZE ? rest : PIECE_SIZE;
        if (!moved(pwrite(bounce->fd, source + offset, piece, 0), piece, offset, "read",
                   error) ||
            !moved(pread(bounce->fd, target + offset, piece, 0), piece, offset, "written",
                   error))
            return false;
    }
    return true;
}

void bounce_close(struct bounce *bounce)
{
    close(bounce->fd);
}
