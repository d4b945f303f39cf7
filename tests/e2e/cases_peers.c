/* SPDX-License-Identifier: MIT */
/*
 * What went wrong in other VMMs, each case named after the symptom. docs/peer-bugs.md says where
 * it was seen, and names the cases of the other tables that show the rest.
 */
#include "tests/e2e/cases.h"
#include "vmm/types.h"

#define FIRST_WRITE "scenario=peer-first-write"
#define UNALIGNED   "scenario=peer-unaligned"

// clang-format off
const struct e2e_case e2e_cases_peers[] = {
    /* Exporters that map a page read-only until it is written for the first time. */
    {.name = "first-write-ends-vm-vgem", .needs = NEEDS_KVM | NEEDS_LAB_MODULES | NEEDS_NO_FWB, .scenario = FIRST_WRITE,
     .arguments = {"--blobs-from=vgem PRIME"}, .out = {"16 pages read", "then written"}},
    {.name = "first-write-ends-vm-virtio-gpu", .needs = NEEDS_KVM | NEEDS_NO_INFO | NEEDS_VIRTIO_GPU, .scenario = FIRST_WRITE,
     .arguments = {"--blobs-from=gbm:scanout", "--drm-node=/dev/dri/card1"}, .out = {"16 pages read", "then written"}},
    {.name = "first-write-ends-vm-udmabuf", .needs = NEEDS_KVM | NEEDS_NO_INFO, .scenario = FIRST_WRITE " size=4M",
     .arguments = {"--blobs-from=udmabuf"}, .out = {"1024 pages read", "then written"}},

    /* Device memory where map_info promised ordinary memory. */
    {.name = "unaligned-access-faults", .needs = NEEDS_KVM | NEEDS_VENUS, .scenario = UNALIGNED,
     .out = {"S1 WB: an unaligned read works"}},
};
// clang-format on

const unsigned e2e_case_peer_count = ARRAY_SIZE(e2e_cases_peers);
