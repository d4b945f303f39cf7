/* SPDX-License-Identifier: MIT */
/*
 * The GPU device and the model of it (lifetime_model.h), side by side: for the unit test and for
 * the fuzz target.
 */
#ifndef S2VMM_TESTS_UNIT_LIFETIME_DRIVER_H
#define S2VMM_TESTS_UNIT_LIFETIME_DRIVER_H

#include "devices/gpu/hostmem.h"
#include "tests/unit/lifetime_model.h"

extern struct model lifetime_model;

/* The fake GPU device (gpu_driver.h), with quotas that are met often, and its model;
 * gpu_driver_tear_down() ends it. */
void lifetime_set_up(enum hostmem_strategy strategy);

/* One step of both, and all that can be compared then; the first difference ends the test, with
 * `step_name` in the message. Returns the response, VIRTIO_GPU_RESP_*; of an event 0. */
uint32_t lifetime_step(const struct model_step *step, const char *step_name);

#endif
