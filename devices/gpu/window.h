/* SPDX-License-Identifier: MIT */
/*
 * The window as a PCI BAR, which the guest may move and switch off at any time.
 *
 *   decoded at A -> nowhere: the memslots go, the mappings stay: a hole as large as the BAR
 *   nowhere -> decoded at B: every mapping is put back, at its offset from B
 *
 * A mapping that cannot be put back - KVM refuses, or the host has no memory - is LOST
 * (lost.h). Over virtio-mmio the window never moves.
 */
#ifndef S2VMM_GPU_WINDOW_H
#define S2VMM_GPU_WINDOW_H

#include "devices/gpu/gpu.h"

/* shm_moved of struct virtio_device; the context is the struct gpu. Takes the device's lock, and
 * so waits for a command that runs. */
void gpu_window_moved(void *context, uint8_t id, const struct gpa_range *range);

#endif
