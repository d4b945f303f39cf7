/* SPDX-License-Identifier: MIT */
/*
 * The host's half of an experiment, from user space: the witness device of s2vmm
 * (devices/gpu/witness_abi.h) through /dev/mem, with a request in a page of ours whose GPA is in
 * /proc/self/pagemap. Needs root. Another VMM has no such device: witness_open() then says so.
 */
#ifndef S2VMM_GUEST_LINUX_WITNESS_H
#define S2VMM_GUEST_LINUX_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/gpu/witness_abi.h"

struct witness {
    volatile uint8_t *registers;
    struct witness_request *request; /* a locked page */
    int pagemap;
};

/* NULL, or why there is no witness. */
const char *witness_open(struct witness *witness);
void witness_close(struct witness *witness);

/* Hands the request over and gets it back answered. False: the device did not answer. */
bool witness_ask(const struct witness *witness, struct witness_request *request);

#endif
