/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the scenario "hostile" share: memory that the device may write to, and
 * numbers that are random, but the same for the same seed.
 */
#ifndef S2VMM_GUEST_HOSTILE_H
#define S2VMM_GUEST_HOSTILE_H

#include <stdint.h>

#include "guest/virtqueue.h"

#define HOSTILE_DATA     0x40000u /* bytes: requests, responses, guest memory of resources */
#define HOSTILE_REQUEST  0x200u /* of one vCPU, at the start of the data */
#define HOSTILE_RESPONSE 0x800u /* ... and behind its request */
#define HOSTILE_CPUS_MAX 16u
#define HOSTILE_NOT_RAM  0xd0000000u /* where the devices are */

/* The device writes to wherever the guest tells it to. All addresses that are RAM at all are
 * here, so that the guest does not harm itself. */
struct hostile_memory {
    _Alignas(4096) struct vring_desc descriptors[VIRTQUEUE_SIZE];
    _Alignas(4096) uint16_t available[2048];                 /* struct vring_avail */
    _Alignas(4096) uint32_t used[1024];                      /* struct vring_used */
    _Alignas(4096) struct vring_desc tables[VIRTQUEUE_SIZE]; /* indirect ones */
    _Alignas(4096) uint8_t data[HOSTILE_DATA];
};

struct hostile_random {
    uint32_t state; /* not 0 */
};

/* Below `limit`, which is not 0. */
uint32_t hostile_below(struct hostile_random *random, uint32_t limit);
/* A number that often means something: small, a power of 2, nearly 2^32, anything. */
uint32_t hostile_word(struct hostile_random *random);
/* In the data, or where no RAM is; or beyond everything. */
uint64_t hostile_address(struct hostile_random *random,
                         const struct hostile_memory *memory);

/* Writes a command, most of it sensible, of at most HOSTILE_REQUEST bytes; returns its size. */
uint32_t hostile_command(struct hostile_random *random,
                         const struct hostile_memory *memory, void *request);

/* What a driver begins with: a context, and blobs in it that are mapped; `number` from 0 to
 * HOSTILE_FIRST_COMMANDS - 1. */
#define HOSTILE_FIRST_COMMANDS 5u
uint32_t hostile_first_command(unsigned number, void *request);

#endif
