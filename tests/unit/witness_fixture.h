/* SPDX-License-Identifier: MIT */
/* What the tests of the witness start from: one that looks at a fake GPU's blobs. Each file that
 * includes this has its own. */
#ifndef S2VMM_TESTS_UNIT_WITNESS_FIXTURE_H
#define S2VMM_TESTS_UNIT_WITNESS_FIXTURE_H

#include <check.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "devices/gpu/witness.h"
#include "devices/gpu/witness_abi.h"
#include "tests/unit/fake_gpu.h"

#define SIZE      ((uint64_t)4 * PAGE_SIZE_4K)
#define PLACE     0x1000u /* of the request, in guest memory */
#define UNTOUCHED 0xeeu

static struct fake_gpu fake;
static struct witness witness;

static inline void witness_set_up(void)
{
    fake_gpu_init(&fake);
    witness = (struct witness){
        .ops = &witness_gpu_ops,
        .context = &fake.gpu,
        .model = fake.gpu.config.platform.model,
        .memory = &fake.memory,
        .trace = fake.gpu.trace,
    };
}

static inline void witness_tear_down(void)
{
    fake_gpu_finish(&fake);
}

static inline struct witness_request ask_at(uint64_t place,
                                            struct witness_request request)
{
    struct error error;
    request.status = UNTOUCHED;
    request.result = UNTOUCHED;
    ck_assert(
        guest_memory_write(&fake.memory, gpa(place), &request, sizeof request, &error));
    witness_bus_ops.write(&witness, WITNESS_REGISTER_REQUEST, 8, place);
    ck_assert(
        guest_memory_read(&fake.memory, gpa(place), &request, sizeof request, &error));
    return request;
}

static inline struct witness_request ask(struct witness_request request)
{
    return ask_at(PLACE, request);
}

#endif
