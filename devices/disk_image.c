/* SPDX-License-Identifier: MIT */
#include "devices/disk_image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- open --- */

static bool open_file(struct disk_image *image, struct error *error)
{
    /* NONBLOCK: a FIFO must not hold us; it does nothing to a file or a block device. */
    int flags = (image->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    image->fd = open(image->path, flags);
    if (image->fd >= 0)
        return true;
    int cause = errno;
    bool not_writable = cause == EACCES || cause == EROFS || cause == EPERM;
    if (cause == EISDIR)
        return error_set(error, ERROR_CONFIG_FILE,
                         "it is a directory; give a raw image or a block device");
    if (!image->readonly && not_writable &&
        faccessat(AT_FDCWD, image->path, R_OK, AT_EACCESS) == 0)
        return error_set(error, ERROR_CONFIG_FILE,
                         "not writable (%s); add \",readonly\" to only read it",
                         strerror(cause));
    return error_set(error, ERROR_CONFIG_FILE, "cannot open it: %s%s", strerror(cause),
                     cause == ENOENT ? "; make one with truncate -s 1G FILE" : "");
}

static bool check_file(struct disk_image *image, struct error *error)
{
    struct stat status;
    if (fstat(image->fd, &status) != 0)
        return error_set(error, ERROR_CONFIG_FILE, "fstat: %s", strerror(errno));
    if (S_ISDIR(status.st_mode))
        return error_set(error, ERROR_CONFIG_FILE,
                         "it is a directory; give a raw image or a block device");
    if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
        return error_set(error, ERROR_CONFIG_FILE,
                         "neither a file nor a block device; give a raw image");
    off_t size = lseek(image->fd, 0, SEEK_END); /* st_size is 0 for a block device */
    if (size < 0)
        return error_set(error, ERROR_CONFIG_FILE, "its size: %s", strerror(errno));
    image->size = (uint64_t)size;
    if (image->size == 0)
        return error_set(error, ERROR_CONFIG_FILE,
                         "it is empty; give it a size with truncate -s 1G");
    if (image->size % DISK_IMAGE_SECTOR_SIZE != 0)
        return error_set(error, ERROR_CONFIG_FILE,
                         "%" PRIu64
                         " bytes are not a multiple of %u: is it a raw image? "
                         "If so, round it up with truncate -s %%%u",
                         image->size, DISK_IMAGE_SECTOR_SIZE, DISK_IMAGE_SECTOR_SIZE);
    return true;
}

static bool lock_file(const struct disk_image *image, struct error *error)
{
    struct flock lock = {
        .l_type = image->readonly ? F_RDLCK : F_WRLCK,
        .l_whence = SEEK_SET, /* from 0 to the end, whatever that becomes */
    };
    if (fcntl(image->fd, F_OFD_SETLK, &lock) == 0)
        return true;
    if (errno != EAGAIN && errno != EACCES)
        return error_set(error, ERROR_CONFIG_FILE,
                         "cannot lock it: %s; copy it to a file system that has locks",
                         strerror(errno));
    if (image->readonly)
        return error_set(error, ERROR_CONFIG_FILE,
                         "locked: somebody writes it; end that program, or use a copy");
    return error_set(
        error, ERROR_CONFIG_FILE,
        "locked: somebody else uses it; end that program, use a copy, or add "
        "\",readonly\" to every VM that shares it");
}

bool disk_image_open(struct disk_image *image, const char *path, bool readonly,
                     struct error *error)
{
    *image = (struct disk_image){.path = path, .fd = -1, .readonly = readonly};
    if (open_file(image, error)) {
        if (check_file(image, error) && lock_file(image, error))
            return true;
        close(image->fd);
    }
    return error_wrap(error, "disk %s", path);
}

/* Locking it again changes nothing for the open file that has the lock, and fails for another. */
bool disk_image_adopt(struct disk_image *image, int fd, uint64_t size,
                      struct error *error)
{
    struct disk_image adopted = {
        .path = image->path, .fd = fd, .readonly = image->readonly};
    int flags = fcntl(fd, F_GETFL);
    bool ok = flags >= 0 && (flags & O_ACCMODE) == (image->readonly ? O_RDONLY : O_RDWR);
    if (!ok)
        error_set(error, ERROR_CONFIG_FILE, "its descriptor is not open %s",
                  image->readonly ? "to read" : "to read and write");
    ok = ok && check_file(&adopted, error);
    if (ok && (size == 0 || size % DISK_IMAGE_SECTOR_SIZE != 0 || size > adopted.size))
        ok = error_set(error, ERROR_CONFIG_FILE,
                       "it has %" PRIu64 " bytes, and the guest's disk %" PRIu64,
                       adopted.size, size);
    if (!ok || !lock_file(&adopted, error))
        return error_wrap(error, "disk %s", image->path);
    adopted.size = size;
    *image = adopted;
    return true;
}

void disk_image_close(struct disk_image *image)
{
    if (image->fd >= 0)
        close(image->fd); /* the lock goes with it */
    image->fd = -1;
}

/* --- transfer --- */

/* preadv() or pwritev() gave less than was asked for: leave out what is done. */
static void advance(struct iovec **vectors, unsigned *count, size_t done)
{
    while (*count > 0 && done >= (*vectors)->iov_len) {
        done -= (*vectors)->iov_len;
        (*vectors)++;
        (*count)--;
    }
    if (*count > 0) {
        (*vectors)->iov_base = (uint8_t *)(*vectors)->iov_base + done;
        (*vectors)->iov_len -= done;
    }
}

static bool transfer(const struct disk_image *image,
                     ssize_t (*call)(int, const struct iovec *, int, off_t),
                     const char *name, struct iovec *vectors, unsigned count,
                     uint64_t offset, struct error *error)
{
    while (count > 0) {
        ssize_t done = call(image->fd, vectors, (int)count, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return error_set(error, ERROR_HOST_SYSTEM,
                             "disk %s: %s at byte %" PRIu64 ": %s", image->path, name,
                             offset,
                             done < 0 ? strerror(errno) : "the file has become shorter");
        offset += (uint64_t)done;
        advance(&vectors, &count, (size_t)done);
    }
    return true;
}

bool disk_image_read(const struct disk_image *image, struct iovec *vectors,
                     unsigned count, uint64_t offset, struct error *error)
{
    return transfer(image, preadv, "read", vectors, count, offset, error);
}

bool disk_image_write(const struct disk_image *image, struct iovec *vectors,
                      unsigned count, uint64_t offset, struct error *error)
{
    return transfer(image, pwritev, "write", vectors, count, offset, error);
}

bool disk_image_flush(const struct disk_image *image, struct error *error)
{
    return fdatasync(image->fd) == 0 ||
           error_set(error, ERROR_HOST_SYSTEM, "disk %s: fdatasync: %s", image->path,
                     strerror(errno));
}

bool disk_image_erase(const struct disk_image *image, enum disk_image_erase how,
                      uint64_t offset, uint64_t length, bool *supported,
                      struct error *error)
{
    int mode =
        FALLOC_FL_KEEP_SIZE |
        (how == DISK_IMAGE_ZEROES_UNMAP ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
    *supported = true;
    int result;
    do
        result = fallocate(image->fd, mode, (off_t)offset, (off_t)length);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return true;
    *supported = errno != EOPNOTSUPP;
    return !*supported ||
           error_set(error, ERROR_HOST_SYSTEM,
                     "disk %s: fallocate of %" PRIu64 " bytes at %" PRIu64 ": %s",
                     image->path, length, offset, strerror(errno));
}
