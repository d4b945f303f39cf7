/* SPDX-License-Identifier: MIT */
/* What only arm64 has: two stages that combine, and FEAT_S2FWB, with which they do not. */
#include "tests/e2e/cases.h"

#include <stddef.h>

#define ARM64  (NEEDS_KVM | NEEDS_ARM64)
#define DMABUF (ARM64 | NEEDS_VENUS | NEEDS_DMABUF)
#define GBM    (ARM64 | NEEDS_GBM)

#define VGEM "--gpu=virgl", "--drm-node=/dev/dri/card0"

#define LINUX "run", "--guest=/run/lab/linux/Image", "--initrd=/run/lab/linux/initrd.cpio"

// clang-format off
const struct e2e_case e2e_cases_arm64[] = {
    /* A write-combining buffer: the guest gets what it asks for, or not, and s2vmm knows. */
    {.name = "arm64-blob-wc", .needs = GBM | NEEDS_NO_FWB, .scenario = "scenario=blob-virgl map-info=wc",
     .arguments = {"--json", VGEM},
     .out = {SAYS("exporter", "vgem"), SAYS("driver", "NC"), SAYS("host", "NC"), SAYS("map_info", "WC"),
             SAYS("guest_s1", "NC"), SAYS("effective", "NC"), SAYS("verdict", "match"), SAW_EACH_OTHER}},
    {.name = "arm64-fwb-refuses-wc", .needs = GBM | NEEDS_FWB, .scenario = "scenario=blob-virgl expect=refused",
     .arguments = {"--json", VGEM},
     .out = {SAYS("host", "NC"), SAYS("verdict", "refused"), SAYS_NULL("map_info")},
     .err = {"stage 2 forces write-back (FEAT_S2FWB)"}},
    {.name = "arm64-fwb-forced-wc", .needs = GBM | NEEDS_FWB, .scenario = "scenario=blob-virgl",
     .arguments = {"--json", "--force-map-info=wc", VGEM},
     .out = {SAYS_YES("forced"), SAYS("guest_s1", "NC"), SAYS("effective", "WB"), SAYS("verdict", "mismatch")}},

    /* What KVM installed, and what the host's own page table has. */
    {.name = "arm64-s2-of-wc-blob", .needs = GBM | NEEDS_S2, .scenario = "scenario=blob-virgl",
     .arguments = {"--json", "--force-map-info=wc", VGEM},
     .out = {SAYS("s2_from", "observed"), SAYS("s2", "WB"), SAYS("host_measured", "NC")}},

    /* The guest's own experiments: an attribute other than map_info's. */
    {.name = "arm64-wb-blob-mapped-nc", .needs = DMABUF | NEEDS_NO_FWB, .scenario = "scenario=blob-venus s1=nc",
     .arguments = {"--json"}, .out = {SAYS("guest_s1", "NC"), SAYS("effective", "NC"), SAYS("verdict", "mismatch")}},
    {.name = "arm64-wb-blob-mapped-device", .needs = DMABUF | NEEDS_NO_FWB,
     .scenario = "scenario=blob-venus s1=device-ngnrne", .arguments = {"--json"},
     .out = {SAYS("guest_s1", "Device-nGnRnE"), SAYS("effective", "Device-nGnRnE"), SAYS("verdict", "mismatch")}},
    {.name = "arm64-fwb-wb-blob-mapped-nc", .needs = DMABUF | NEEDS_FWB, .scenario = "scenario=blob-venus s1=nc",
     .arguments = {"--json"},
     .out = {SAYS("guest_s1", "NC"), SAYS("effective", "WB"), SAYS("verdict", "depends")}},

    /* KVM refuses a memslot over a cacheable VM_PFNMAP mapping: it is made first, and the
     * buffer put behind it. */
    {.name = "arm64-late-mapping", .needs = DMABUF | NEEDS_STRICT, .scenario = "scenario=blob-venus map-info=cached",
     .arguments = {"--json"},
     .out = {SAYS("exporter", "udmabuf"), SAYS_YES("late_mapping"), SAYS("verdict", "match"), SAW_EACH_OTHER}},

    /* Scattered pages, and room for whole blocks: the host address does not agree with the guest's. */
    {.name = "arm64-avoids-blocks", .needs = NEEDS_HAZARD, .scenario = "scenario=blob-venus size=4M map-info=cached",
     .arguments = {"--json"},
     .out = {SAYS("exporter", "udmabuf"), SAYS_YES("avoids_blocks"), SAYS("verdict", "match"), SAW_EACH_OTHER}},

    /* An instruction that the CPU does not describe to KVM. */
    {.name = "arm64-hole-pair", .needs = ARM64 | NEEDS_VENUS, .scenario = "scenario=hole-pair expect=faults",
     .err = {"does not describe", "answered with an external abort"}},

    {.name = "arm64-gicv2", .needs = ARM64 | NEEDS_GICV2, .scenario = "scenario=smp",
     .arguments = {"--gpu=none", "--cpus=4"}},
    {.name = "arm64-gicv2-interrupt", .needs = ARM64 | NEEDS_GICV2 | NEEDS_VENUS, .scenario = "scenario=interrupt"},

    /* A distribution's kernel, as it is; tests/lab/guest-init is what it runs. */
    {.name = "arm64-linux", .needs = NEEDS_LINUX | NEEDS_ARM64,
     .arguments = {LINUX, "--append=rdinit=/guest-init quiet panic=-1", "--cpus=2", "--memory=512M", "--timeout=300"},
     .out = {"guest: Linux", "CPUs 2", "clock rtc-pl031", "/dev/dri/card0 /dev/dri/renderD128"}},
    {.name = "arm64-linux-too-little-ram", .needs = NEEDS_LINUX | NEEDS_ARM64, .status = 2,
     .arguments = {LINUX, "--gpu=none", "--memory=32M"},
     .err = {"/run/lab/linux/Image", "give the guest more --memory"}},
    {.name = "arm64-initrd-without-linux", .needs = ARM64, .scenario = "scenario=hello", .status = 2,
     .arguments = {"--gpu=none", "--initrd=/etc/passwd"}, .err = {"--initrd /etc/passwd", "is for a Linux kernel"}},

    {.name = "arm64-probe", .needs = ARM64, .arguments = {"probe", "--gpu=none"},
     .out = {"FEAT_S2FWB", "IDC", "DIC", "cacheable PFNMAP", "KVM's rules"}},
};
// clang-format on

const unsigned e2e_case_arm64_count = sizeof e2e_cases_arm64 / sizeof e2e_cases_arm64[0];
