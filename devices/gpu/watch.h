/* SPDX-License-Identifier: MIT */
/*
 * Follows buffers that may change while they are mapped (--may-change=follow).
 *
 * As long as one is mapped, a timer on the device's thread asks the kernel every
 * WATCH_MILLISECONDS for the type in the page table's entry (struct kernel_info). If it is not
 * the one that map_info was chosen for, the mapping is dropped (lost.h).
 *
 *   exporter changes the attribute     guest and host disagree     the timer sees it, drops
 *   --+------------------------------------------------------------+------------------------>
 *     |<------ at most WATCH_MILLISECONDS, and the time of the questions ------>|
 *
 * Nothing tells user space of a change earlier: a dma-buf has no event for it. A buffer that
 * only moves keeps its type, and nothing is dropped: KVM follows the host's page table by
 * itself (virt/kvm/kvm_main.c, kvm_mmu_notifier_invalidate_range_start()).
 */
#ifndef S2VMM_GPU_WATCH_H
#define S2VMM_GPU_WATCH_H

#include "devices/gpu/gpu.h"

#define WATCH_MILLISECONDS 20

/* ERROR_HOST_SYSTEM. */
bool watch_init(struct gpu *gpu, struct error *error);
void watch_finish(struct gpu *gpu);

/* A followed buffer was mapped: the timer runs. The device's lock is held. */
void watch_start(struct gpu *gpu);

/* What the timer does: one look at all followed buffers; it stops when there is none. The
 * device's lock is held. */
void watch_look(struct gpu *gpu);

#endif
