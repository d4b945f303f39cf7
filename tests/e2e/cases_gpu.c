/* SPDX-License-Identifier: MIT */
/* 3D resources, blobs of guest memory, and blobs of libgbm. */
#include "tests/e2e/cases.h"
#include "vmm/types.h"

// clang-format off
const struct e2e_case e2e_cases_gpu[] = {
    {.name = "transfers", .needs = NEEDS_HARDWARE | NEEDS_VIRGL, .scenario = "scenario=transfers",
     .environment = "EGL_PLATFORM=surfaceless", .arguments = {"--gpu=virgl"}, .out = {"PASS transfers"}},
    /* Memory of llvmpipe's, which the library has as a pointer. */
    {.name = "virgl-buffer", .needs = NEEDS_HARDWARE | NEEDS_VIRGL, .scenario = "scenario=blob-buffer map-info=cached",
     .environment = "EGL_PLATFORM=surfaceless", .arguments = {"--json", "--gpu=virgl"},
     .out = {SAYS("fd_type", "POINTER"), SAYS("mapping", "WB"), SAYS("host_from", "mapping"), SAYS("map_info", "CACHED"),
             SAYS("guest_s1", "WB"), SAYS("effective", "WB"), SAYS("verdict", "match"), SAW_EACH_OTHER}},
    {.name = "s2-of-virgl-buffer", .needs = NEEDS_HARDWARE | NEEDS_VIRGL | NEEDS_S2, .scenario = "scenario=blob-buffer size=2M",
     .environment = "EGL_PLATFORM=surfaceless", .arguments = {"--json", "--gpu=virgl"},
     .out = {SAYS("host_from", "mapping"), SAYS("s2_from", "observed"), SAYS("s2", "WB"), SAYS("host_measured", "WB"),
             SAYS("verdict", "match"), SAW_EACH_OTHER}},
    {.name = "guest-blob-dmabuf", .needs = NEEDS_HARDWARE | NEEDS_DMABUF, .scenario = "scenario=guest-blob",
     .arguments = {"--gpu=venus", "--trace"}, .out = {"PASS guest-blob"}, .err = {"its guest memory is a dma-buf"}},
    {.name = "guest-blob-no-dmabuf", .needs = NEEDS_HARDWARE | NEEDS_OPAQUE, .scenario = "scenario=guest-blob",
     .arguments = {"--gpu=venus"}, .out = {"PASS guest-blob"}, .err = {"its guest memory is no dma-buf: /dev/udmabuf", "said once"}},
    {.name = "gbm-wc", .needs = NEEDS_KVM | NEEDS_NO_INFO | NEEDS_NPT, .scenario = "scenario=exporter map-info=wc",
     .arguments = {"--json", "--blobs-from=gbm:scanout", "--drm-node=/dev/dri/card0"},
     .out = {SAYS("exp_name", "drm"), SAYS("driver", "WC"), SAYS("verdict", "match"), SAW_EACH_OTHER}},
    {.name = "gbm-chooses-node", .needs = NEEDS_KVM | NEEDS_NO_INFO | NEEDS_NPT, .scenario = "scenario=exporter map-info=wc",
     .arguments = {"--json", "--trace", "--blobs-from=gbm:scanout"},
     .out = {SAYS("exp_name", "drm"), SAYS("driver", "WC"), SAYS("verdict", "match")}, .err = {"buffers come from /dev/dri/card0"}},
    {.name = "gbm-cached", .needs = NEEDS_KVM | NEEDS_NO_INFO | NEEDS_VIRTIO_GPU, .scenario = "scenario=exporter map-info=cached",
     .arguments = {"--json", "--trace", "--blobs-from=gbm:scanout", "--drm-node=/dev/dri/card1"},
     .out = {SAYS("exp_name", "virtio_gpu"), SAYS("driver", "WB"), SAYS("host", "WB"), SAYS("host_from", "driver"),
             SAYS("verdict", "match"), SAW_EACH_OTHER},
     .err = {"buffers come from /dev/dri/card1"}},
    /* It gets what --quota says, and the host has no more to give: docs/lifetimes.md. */
    {.name = "greedy", .needs = NEEDS_KVM | NEEDS_VENUS, .scenario = "scenario=greedy size=256K rounds=2",
     .arguments = {"--json", "--quota=contexts=4,resources=40,host-memory=16M,window=4M,fds=150"},
     .out = {SAYS("statistics", "gpu"), "\"contexts\":{\"limit\":4,\"now\":1,\"peak\":4,\"refused\":2}",
             "\"resources\":{\"limit\":40,\"now\":1,\"peak\":40,\"refused\":2}",
             "\"host-memory\":{\"limit\":16777216,\"now\":",
             "\"window\":{\"limit\":4194304,\"now\":262144,\"peak\":4194304,\"refused\":2}", "\"fds\":{\"limit\":150,"},
     .err = {"it got 3 contexts, 40 blobs, 16 places, 15 images", "--quota contexts=N", "--quota resources=N",
             "--quota host-memory=N", "--quota window=N"},
     .watch = WATCH_GREED, .most_descriptors = 180, .most_mib = 64},
    {.name = "greedy-descriptors", .needs = NEEDS_KVM | NEEDS_VENUS, .scenario = "scenario=greedy size=4K rounds=2",
     .arguments = {"--json", "--quota=fds=80,contexts=8,host-memory=4M"}, .err = {"--quota fds=N"}, .watch = WATCH_GREED,
     .most_descriptors = 120, .most_mib = 64},
    {.name = "gbm-no-node", .needs = NEEDS_KVM | NEEDS_NO_INFO, .scenario = "scenario=hello", .status = 2,
     .arguments = {"--blobs-from=gbm", "--drm-node=/dev/null"}, .err = {"/dev/null is not a DRM node"}},
    {.name = "gbm-unknown-word", .needs = NEEDS_KVM | NEEDS_NO_INFO, .scenario = "scenario=hello", .status = 2,
     .arguments = {"--blobs-from=gbm:moon"}, .err = {"unknown word \"moon\""}},
};
// clang-format on

const unsigned e2e_case_gpu_count = ARRAY_SIZE(e2e_cases_gpu);
