/* SPDX-License-Identifier: MIT */
/*
 * The witness: the host's half of the guest's experiments (devices/gpu/witness_abi.h).
 */
#ifndef S2VMM_GPU_WITNESS_H
#define S2VMM_GPU_WITNESS_H

#include "devices/gpu/gpu.h"
#include "vmm/bus.h"

struct witness {
    struct gpu *gpu;
    const struct guest_memory *memory;
};

/* For bus_add(); the bus entry's device is the struct witness. */
extern const struct bus_ops witness_bus_ops;

#endif
