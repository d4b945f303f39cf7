/* SPDX-License-Identifier: MIT */
/*
 * A raw disk image: a file or a block device of the host, opened, locked, and read and written
 * at byte offsets. All of it is synchronous, and may be called by several threads at once.
 *
 * The lock is an open file description lock on the whole file (fcntl(2)): exclusive for an image
 * that is written, shared for one that is only read. It is advisory: it keeps two s2vmm from one
 * image, and other programs that lock what they open.
 */
#ifndef S2VMM_DEVICES_DISK_IMAGE_H
#define S2VMM_DEVICES_DISK_IMAGE_H

#include <sys/uio.h>

#include "vmm/error.h"
#include "vmm/types.h"

#define DISK_IMAGE_SECTOR_SIZE 512u

struct disk_image {
    const char *path; /* the caller's */
    int fd;
    bool readonly;
    uint64_t size; /* bytes when it was opened, a multiple of the sector's */
};

/* Opens and locks. A size that is not a multiple of 512 bytes is an error, not rounded: whatever
 * such a file is, it is no raw image. ERROR_CONFIG_FILE. */
bool disk_image_open(struct disk_image *image, const char *path, bool readonly,
                     struct error *error);
/* Takes over what another process opened and locked, `fd` with `size` bytes, for the image whose path
 * and `readonly` are filled in; fd -1 until then. An error leaves the fd the caller's. */
bool disk_image_adopt(struct disk_image *image, int fd, uint64_t size,
                      struct error *error);
/* Only for one that is open, or was to be adopted. */
void disk_image_close(struct disk_image *image);

/* Moves as many bytes as the `count` vectors have between them and the image; the vectors are
 * used up. Memory that the guest writes meanwhile is fine. ERROR_HOST_SYSTEM, also for a file that
 * has become shorter. */
bool disk_image_read(const struct disk_image *image, struct iovec *vectors,
                     unsigned count, uint64_t offset, struct error *error);
bool disk_image_write(const struct disk_image *image, struct iovec *vectors,
                      unsigned count, uint64_t offset, struct error *error);

/* What was written before is on the medium when this returns. ERROR_HOST_SYSTEM. */
bool disk_image_flush(const struct disk_image *image, struct error *error);

enum disk_image_erase {
    DISK_IMAGE_ZEROES_KEEP,  /* reads as zeroes, the space stays allocated */
    DISK_IMAGE_ZEROES_UNMAP, /* reads as zeroes, the space is given back */
};
/* `supported` is false if the file system or the device cannot do it: that is no error. */
bool disk_image_erase(const struct disk_image *image, enum disk_image_erase how,
                      uint64_t offset, uint64_t length, bool *supported,
                      struct error *error);

#endif
