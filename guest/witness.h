/* SPDX-License-Identifier: MIT */
/* The guest's calls to the witness (devices/gpu/witness_abi.h). All return false when
 * there is no witness, or it answers with an error; the console then says which. */
#ifndef S2VMM_GUEST_WITNESS_H
#define S2VMM_GUEST_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/gpu/witness_abi.h"

struct guest;

/* The host writes the pattern of `seed` to [offset, offset + length) of the blob. */
bool witness_write(struct guest *guest, uint32_t resource_id, uint64_t offset,
                   uint64_t length, uint64_t seed);

/* The host counts the 64-bit words of that range which do not hold the pattern. */
bool witness_check(struct guest *guest, uint32_t resource_id, uint64_t offset,
                   uint64_t length, uint64_t seed, uint64_t *different);

/* Reports a mapping: resource_id, length, s1_type, map_info, observed and par. */
bool witness_observe(struct guest *guest, const struct witness_request *observation);

#endif
