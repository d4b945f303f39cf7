/* SPDX-License-Identifier: MIT */
/*
 * --sandbox, and what is different for an ordinary user. All other cases run in the sandbox, too, and on
 * the machine of a user as that user.
 */
#include <stddef.h>

#include "tests/e2e/cases.h"
#include "vmm/types.h"

// clang-format off
const struct e2e_case e2e_cases_sandbox[] = {
    {.name = "sandbox-log", .needs = NEEDS_VENUS | NEEDS_KVM, .scenario = "scenario=blob-shm",
     .arguments = {"--sandbox=log"}, .out = {"PASS blob-shm"}},
    {.name = "sandbox-off", .needs = NEEDS_VENUS | NEEDS_KVM, .scenario = "scenario=blob-shm",
     .arguments = {"--sandbox=off"}, .out = {"PASS blob-shm"}},
    {.name = "sandbox-unknown", .needs = NEEDS_NOTHING, .status = 2, .arguments = {"run", "--sandbox=maybe"},
     .err = {"--sandbox \"maybe\"", "on, log, off"}},
    /* What only root may read is missing, and said to be; all else is as it is for root. */
    {.name = "user-records", .needs = NEEDS_USER | NEEDS_VENUS | NEEDS_KVM, .scenario = "scenario=blob-shm", .arguments = {"--json"},
     .out = {SAYS("s2_from", "expected"), "\"not_observed\":\"/sys/kernel/tracing", "run s2vmm as root",
             SAYS("verdict", "match"), SAW_EACH_OTHER}},
};
// clang-format on

const unsigned e2e_case_sandbox_count = ARRAY_SIZE(e2e_cases_sandbox);
