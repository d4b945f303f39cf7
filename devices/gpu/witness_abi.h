/* SPDX-License-Identifier: MIT */
/*
 * The witness: the host's half of the guest's experiments on a blob.
 *
 * The guest cannot know what the host sees through its own mapping of a buffer. It asks
 * the witness to write a pattern, or to check one, through a mapping that the VMM made
 * for this purpose alone, and reports what it observed itself. The guest fills in a
 * struct witness_request in its memory and writes its GPA to WITNESS_REGISTER_REQUEST (64
 * bits); the witness reads the request once, and has written status and result back when
 * the store completes. Included by the VMM and by the guest.
 *
 * The pattern is a function of seed and position, so that a lost, stale or displaced
 * write shows: word i (64 bits) of the range holds witness_pattern(seed, i).
 */
#ifndef S2VMM_WITNESS_ABI_H
#define S2VMM_WITNESS_ABI_H

#include <stdint.h>

#define WITNESS_REGISTER_MAGIC 0x0u /* read: WITNESS_MAGIC */
#define WITNESS_REGISTER_REQUEST                                                         \
    0x8u /* write, 64 bits: GPA of a struct witness_request */
#define WITNESS_MAGIC       0x53544957u /* "WITS" */
#define WITNESS_DEVICE_SIZE 0x1000u

enum witness_operation {
    WITNESS_WRITE = 1,   /* the host writes the pattern into the range */
    WITNESS_CHECK = 2,   /* the host counts words of the range that differ */
    WITNESS_OBSERVE = 3, /* the guest reports one mapping of the blob: becomes a record */
};

enum witness_status {
    WITNESS_OK = 0,
    WITNESS_BAD_REQUEST = 1, /* unknown operation, unaligned or outside of the blob */
    WITNESS_NO_BLOB = 2,     /* no such resource, or no host mapping of it can be had */
};

/* What the guest saw; for WITNESS_OBSERVE. Of the last two, one is set if the guest tried a
 * read that is not aligned, and none if it did not try. */
#define WITNESS_GUEST_SAW_HOST_WRITE    1u
#define WITNESS_HOST_SAW_GUEST_WRITE    2u
#define WITNESS_GUEST_UNALIGNED_WORKS   4u
#define WITNESS_GUEST_UNALIGNED_FAULTED 8u

struct witness_request {
    uint32_t operation; /* enum witness_operation */
    uint32_t resource_id;
    uint64_t offset; /* bytes from the start of the blob, multiple of 8 */
    uint64_t length; /* bytes, multiple of 8 */
    uint64_t seed;
    uint32_t s1_type;  /* OBSERVE: enum memattr_type of the guest's mapping */
    uint32_t map_info; /* OBSERVE: what the device answered to MAP_BLOB */
    uint32_t observed; /* OBSERVE: WITNESS_*_SAW_*, WITNESS_GUEST_UNALIGNED_* */
    uint32_t status;   /* out: enum witness_status */
    uint64_t result;   /* out: CHECK: words that differ */
    uint64_t par;      /* OBSERVE: PAR_EL1 of the mapping (arm64); 0: none */
};

_Static_assert(sizeof(struct witness_request) == 64, "wire layout");

/* Splitmix64's finaliser over seed and index: any two positions differ. */
static inline uint64_t witness_pattern(uint64_t seed, uint64_t index)
{
    uint64_t x = seed + (index + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

#endif
