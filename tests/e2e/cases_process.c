/* SPDX-License-Identifier: MIT */
/*
 * The renderer in a process of its own (--renderer=process): what works without works with it, but
 * for memory that has no descriptor; and somebody kills it.
 */
#include "tests/e2e/cases.h"
#include "vmm/types.h"

#define VENUS    (NEEDS_KVM | NEEDS_VENUS | NEEDS_PROCESS)
#define VIRGL    (VENUS | NEEDS_VIRGL)
#define DMABUF   (VENUS | NEEDS_DMABUF)
#define GBM      (NEEDS_KVM | NEEDS_GBM | NEEDS_PROCESS)
#define VGEM     "--gpu=virgl", "--drm-node=/dev/dri/card0"
#define PROCESS  "--renderer=process"
#define RESTARTS "the renderer was restarted"

// clang-format off
const struct e2e_case e2e_cases_process[] = {
    {.name = "process-capsets", .needs = NEEDS_KVM | NEEDS_VIRGL | NEEDS_PROCESS, .scenario = "scenario=capsets",
     .arguments = {PROCESS, "--gpu=virgl"}, .out = {"id 1", "id 2"}},
    {.name = "process-contexts", .needs = VENUS, .scenario = "scenario=contexts", .arguments = {PROCESS}},
    {.name = "process-fences", .needs = VENUS, .scenario = "scenario=fences", .arguments = {PROCESS}},
    {.name = "process-virgl-fences", .needs = VIRGL, .scenario = "scenario=fences",
     .arguments = {PROCESS, "--gpu=venus,virgl"}},
    {.name = "process-blob-shm", .needs = VENUS, .scenario = "scenario=blob-shm", .arguments = {PROCESS, "--json"},
     .out = {SAYS("verdict", "match"), SAW_EACH_OTHER}},
    {.name = "process-blob-venus", .needs = DMABUF, .scenario = "scenario=blob-venus map-info=cached",
     .arguments = {PROCESS, "--json"}, .out = {SAYS("verdict", "match"), SAW_EACH_OTHER}},
    {.name = "process-blob-wc", .needs = GBM, .scenario = "scenario=blob-virgl",
     .arguments = {PROCESS, "--json", VGEM}, .out = {SAW_EACH_OTHER}},
    {.name = "process-transfers", .needs = NEEDS_KVM | NEEDS_VIRGL | NEEDS_PROCESS, .scenario = "scenario=transfers",
     .environment = "EGL_PLATFORM=surfaceless", .arguments = {PROCESS, "--gpu=virgl"}, .out = {"PASS transfers"}},
    {.name = "process-guest-blob", .needs = NEEDS_PROCESS | NEEDS_HARDWARE | NEEDS_DMABUF, .scenario = "scenario=guest-blob",
     .arguments = {PROCESS, "--gpu=venus", "--trace"}, .out = {"PASS guest-blob"}, .err = {"its guest memory is a dma-buf"}},
    {.name = "process-no-pointer", .needs = NEEDS_PROCESS | NEEDS_HARDWARE | NEEDS_VIRGL, .scenario = "scenario=blob-buffer expect=refused",
     .environment = "EGL_PLATFORM=surfaceless", .arguments = {PROCESS, "--gpu=virgl"}, .err = {"--renderer=inside maps it"}},
    {.name = "process-without-server", .needs = VENUS, .scenario = "scenario=hello", .status = 2,
     .environment = "RENDER_SERVER_EXEC_PATH=/nonexistent", .arguments = {PROCESS}, .err = {"/nonexistent", "virgl-server"}},

    {.name = "process-server-dies", .needs = VENUS, .scenario = "scenario=server-dies how=reset", .watch = WATCH_SERVER_DIES,
     .arguments = {PROCESS}, .out = {"PASS server-dies"}, .err = {"the render server (process", RESTARTS}},
    {.name = "process-dies-reset", .needs = VENUS, .scenario = "scenario=server-dies how=reset", .watch = WATCH_PROCESS_DIES,
     .arguments = {PROCESS}, .out = {"PASS server-dies"}, .err = {"the renderer process (process", "was killed by signal 9", RESTARTS}},
    {.name = "process-dies-contexts", .needs = VENUS, .scenario = "scenario=server-dies how=contexts", .watch = WATCH_PROCESS_DIES,
     .arguments = {PROCESS}, .out = {"PASS server-dies"}, .err = {"the renderer process (process", RESTARTS}},
    {.name = "process-dies-virgl", .needs = VIRGL, .scenario = "scenario=server-dies how=reset rounds=1", .watch = WATCH_PROCESS_DIES,
     .arguments = {PROCESS, "--gpu=venus,virgl"}, .out = {"PASS server-dies"}, .err = {"the renderer process (process", RESTARTS}},
    {.name = "process-storm", .needs = VENUS, .scenario = "scenario=server-storm breaks=6", .watch = WATCH_SERVER_STORM,
     .arguments = {PROCESS}, .out = {"PASS server-storm"}, .err = {RESTARTS}},
};
// clang-format on

const unsigned e2e_case_process_count = ARRAY_SIZE(e2e_cases_process);
