/* SPDX-License-Identifier: MIT */
/*
 * Mappings that are taken away from under the guest.
 *
 *   the exporter revoked the pages:  guest access -> KVM_RUN: EFAULT -> gpu_page_lost()
 *   the buffer's attribute changed:  watch.c sees it                 --+--> drop_mapping()
 *   a copy cannot reach its buffer:  sync_copies()                   --+
 *
 *   strategy "window": nothing is lost  --> the guest accessed a hole: they are filled
 *
 * The mapping goes, and its place is a hole of the window (hostmem.h). (arm64: an access that the CPU does not describe is an external abort there, as in any
 * hole.) The resource is LOST until the guest unmaps it; a new MAP_BLOB asks all sources anew.
 * A record says why, with the verdict "dropped".
 */
#ifndef S2VMM_GPU_LOST_H
#define S2VMM_GPU_LOST_H

#include "devices/gpu/gpu.h"

/* The mapped resource becomes LOST. False if KVM does not take the memslot back: then the
 * guest can still reach the memory, and a warning says so. The device's lock is held; any
 * thread. */
bool drop_mapping(struct gpu *gpu, struct resource *resource, const char *reason);

/* Synchronises all copies (shadow.h); those that cannot reach their buffer are dropped. The
 * device's lock is held. */
void sync_copies(struct gpu *gpu);

/* vm_page_lost_function; the context is the struct gpu. Drops every mapped blob that has a page
 * which cannot be accessed any more; if there is none, fills the holes of the window. Takes the device's lock, and waits for a command that
 * runs: neither a command nor a memslot's removal waits for a vCPU that is outside of
 * KVM_RUN. */
bool gpu_page_lost(void *context);

#endif
