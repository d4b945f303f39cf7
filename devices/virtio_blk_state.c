/* SPDX-License-Identifier: MIT */
#include <unistd.h>

#include "devices/virtio_blk.h"

#define VERSION 1u

void virtio_blk_save(const struct virtio_blk *blk, struct state_writer *writer,
                     uint32_t instance)
{
    state_begin(writer, "DISK", instance, VERSION);
    state_put64(writer, blk->image.size);
    state_put_fd(writer, blk->image.fd);
    state_end(writer);
}

bool virtio_blk_load(struct virtio_blk *blk, struct state_reader *reader,
                     uint32_t instance, struct error *error)
{
    BUG_ON(blk->image.fd >= 0);
    struct state_section *section;
    int fd = -1;
    if (!state_open(reader, "DISK", instance, VERSION, &section, error))
        return false;
    uint64_t size = state_get64(section);
    if (!state_get_fd(reader, section, &fd, error))
        return false;
    struct error cause;
    bool ok =
        state_close(section, error) && (disk_image_adopt(&blk->image, fd, size, &cause) ||
                                        state_refuse(section, error, "%s", cause.text));
    if (!ok && fd >= 0)
        close(fd);
    blk->registers.capacity = blk->image.size / DISK_IMAGE_SECTOR_SIZE;
    return ok;
}
