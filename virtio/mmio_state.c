/* SPDX-License-Identifier: MIT */
#include <sys/eventfd.h>

#include "virtio/mmio.h"
#include "vmm/event_state.h"

#define VERSION 1u

void virtio_mmio_save(const struct virtio_mmio *mmio, struct state_writer *writer,
                      uint32_t instance)
{
    state_begin(writer, "VMIO", instance, VERSION);
    state_put32(writer, mmio->device_features_select);
    state_put32(writer, mmio->driver_features_select);
    state_put32(writer, mmio->queue_select);
    state_put32(writer, mmio->shm_select);
    event_save(mmio->device->interrupt_fd, writer);
    state_end(writer);
}

bool virtio_mmio_load(struct virtio_mmio *mmio, struct state_reader *reader,
                      uint32_t instance, struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, "VMIO", instance, VERSION, &section, error))
        return false;
    /* A driver may select what does not exist. */
    mmio->device_features_select = state_get32(section);
    mmio->driver_features_select = state_get32(section);
    mmio->queue_select = state_get32(section);
    mmio->shm_select = state_get32(section);
    bool is_raised;
    if (!event_load(section, &is_raised, error) || !state_close(section, error))
        return false;
    if (is_raised)
        eventfd_write(mmio->device->interrupt_fd, 1);
    return true;
}
