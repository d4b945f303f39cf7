/* SPDX-License-Identifier: MIT */
/* The blob scenarios that differ in the kind of blob or in the features of the ring only;
 * guest/blob_scenario.c has their options. */
#include "guest/blob.h"
#include "guest/scenarios.h"
#include "guest/virtio.h"
#include "guest/virtqueue.h"

bool scenario_blob_shm(struct guest *guest)
{
    return blob_scenario(guest, BLOB_SHM, 0);
}

bool scenario_blob_venus(struct guest *guest)
{
    return blob_scenario(guest, BLOB_VENUS, 0);
}

bool scenario_blob_virgl(struct guest *guest)
{
    return blob_scenario(guest, BLOB_VIRGL, 0);
}

bool scenario_blob_buffer(struct guest *guest)
{
    return blob_scenario(guest, BLOB_BUFFER, 0);
}

bool scenario_indirect(struct guest *guest)
{
    return blob_scenario(guest, BLOB_SHM, VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
}

bool scenario_event_index(struct guest *guest)
{
    return blob_scenario(guest, BLOB_SHM, VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX));
}
