/* SPDX-License-Identifier: MIT */
/*
 * The render server is killed while the guest uses it (guest/scenarios/server.c): commands get
 * errors, no fence waits for ever, and a reset of the device brings it back, or that nothing of a
 * context is left.
 */
#include "tests/e2e/cases.h"
#include "vmm/types.h"

#define VENUS    (NEEDS_KVM | NEEDS_VENUS)
#define VIRGL    (VENUS | NEEDS_VIRGL)
#define KILLED   "was killed by signal 9"
#define RESTARTS "the renderer was restarted"

// clang-format off
const struct e2e_case e2e_cases_server[] = {
    {.name = "server-dies-reset", .needs = VENUS, .scenario = "scenario=server-dies how=reset", .watch = WATCH_SERVER_DIES,
     .out = {"PASS server-dies"}, .err = {KILLED, RESTARTS}},
    {.name = "server-dies-contexts", .needs = VENUS, .scenario = "scenario=server-dies how=contexts", .watch = WATCH_SERVER_DIES,
     .out = {"PASS server-dies"}, .err = {KILLED, RESTARTS}},
    /* OpenGL is in the same library, which is started anew as a whole; that takes seconds in a lab. */
    {.name = "server-dies-virgl", .needs = VIRGL, .scenario = "scenario=server-dies how=reset rounds=1", .watch = WATCH_SERVER_DIES,
     .arguments = {"--gpu=venus,virgl"}, .out = {"PASS server-dies"}, .err = {KILLED, RESTARTS}},
    {.name = "server-storm", .needs = VENUS, .scenario = "scenario=server-storm breaks=6", .watch = WATCH_SERVER_STORM,
     .out = {"PASS server-storm"}, .err = {KILLED, RESTARTS}},
};
// clang-format on

const unsigned e2e_case_server_count = ARRAY_SIZE(e2e_cases_server);
