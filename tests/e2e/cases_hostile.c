/* SPDX-License-Identifier: MIT */
/*
 * The tiny guest that means harm (guest/scenarios/hostile.c): the VM has to work in the end, and
 * s2vmm must not have died, nor have said anything of its own bugs.
 */
#include "tests/e2e/cases.h"
#include "vmm/types.h"

#define HOSTILE(seed_) .scenario = "scenario=hostile steps=100 seed=" seed_
#define VENUS          (NEEDS_KVM | NEEDS_VENUS)
#define VCPUS          (VENUS | NEEDS_HARDWARE)

// clang-format off
const struct e2e_case e2e_cases_hostile[] = {
    {.name = "hostile-1", .needs = VENUS, HOSTILE("1"), .out = {"PASS hostile"}},
    {.name = "hostile-2", .needs = VENUS, HOSTILE("2"), .out = {"PASS hostile"}},
    {.name = "hostile-window", .needs = VENUS, HOSTILE("3"), .arguments = {"--map-strategy=window"}, .out = {"PASS hostile"}},
    {.name = "hostile-4-vcpus", .needs = VCPUS, HOSTILE("4"), .arguments = {"--cpus=4"}, .out = {"PASS hostile"}},
    {.name = "hostile-4-vcpus-window", .needs = VCPUS, HOSTILE("5"), .arguments = {"--cpus=4", "--map-strategy=window"},
     .out = {"PASS hostile"}},
};
// clang-format on

const unsigned e2e_case_hostile_count = ARRAY_SIZE(e2e_cases_hostile);
