/* SPDX-License-Identifier: MIT */
#include "tests/e2e/cases.h"

#include <stddef.h>

#define KVM      NEEDS_KVM
#define VENUS    (NEEDS_KVM | NEEDS_VENUS)
#define DMABUF   (NEEDS_KVM | NEEDS_VENUS | NEEDS_DMABUF)
#define GBM      (NEEDS_KVM | NEEDS_GBM | NEEDS_NPT)
#define HARDWARE (NEEDS_KVM | NEEDS_HARDWARE)

#define VGEM "--drm-node=/dev/dri/card0"

// clang-format off
const struct e2e_case e2e_cases[] = {
    /* The machine. */
    {.name = "hello", .needs = KVM, .scenario = "scenario=hello", .arguments = {"--gpu=none"}},
    {.name = "guest-reports-failure", .needs = KVM, .scenario = "scenario=fail", .status = 1,
     .arguments = {"--gpu=none"}, .err = {"the guest reports failure"}},
    {.name = "guest-crashes", .needs = KVM, .scenario = "scenario=crash", .status = 4,
     .arguments = {"--gpu=none"}, .err = {"the guest crashed"}},
    {.name = "guest-exception", .needs = HARDWARE, .scenario = "scenario=exception", .status = 4,
     .arguments = {"--gpu=none"}},
    {.name = "guest-spins", .needs = KVM, .scenario = "scenario=spin", .status = 124,
     .arguments = {"--gpu=none", "--timeout=1"}, .err = {"time limit"}},
    {.name = "unknown-scenario", .needs = KVM, .scenario = "scenario=nonsense", .status = 1,
     .arguments = {"--gpu=none"}, .out = {"nonsense"}},
    {.name = "ram", .needs = KVM, .scenario = "scenario=ram", .arguments = {"--gpu=none"}},
    {.name = "ram-above-4-gib", .needs = KVM, .scenario = "scenario=hello",
     .arguments = {"--gpu=none", "--memory=5G"}},
    {.name = "smp-4", .needs = HARDWARE, .scenario = "scenario=smp",
     .arguments = {"--gpu=none", "--cpus=4"}},
    {.name = "smp-16", .needs = HARDWARE, .scenario = "scenario=smp",
     .arguments = {"--gpu=none", "--cpus=16"}},

    /* virtio. */
    {.name = "virtio-reset", .needs = VENUS, .scenario = "scenario=virtio-reset"},
    {.name = "interrupt", .needs = VENUS | NEEDS_HARDWARE, .scenario = "scenario=interrupt"},
    {.name = "indirect", .needs = VENUS, .scenario = "scenario=indirect"},
    {.name = "event-index", .needs = VENUS, .scenario = "scenario=event-index"},
    {.name = "ring-hostile", .needs = VENUS, .scenario = "scenario=ring-hostile"},
    {.name = "ring-spin", .needs = VENUS | NEEDS_HARDWARE, .scenario = "scenario=ring-spin",
     .arguments = {"--cpus=2"}},

    /* virtio-gpu. */
    {.name = "display-info", .needs = VENUS, .scenario = "scenario=display-info"},
    {.name = "capsets", .needs = VENUS, .scenario = "scenario=capsets"},
    {.name = "contexts", .needs = VENUS, .scenario = "scenario=contexts"},
    {.name = "fences", .needs = VENUS, .scenario = "scenario=fences"},
    {.name = "bad-commands", .needs = VENUS, .scenario = "scenario=bad-commands",
     .err = {"there is no resource 77", "there is no context 77", "it is not mapped",
             "it is mapped already", "end beyond the window", "--window makes it larger",
             "is unreferenced while it is mapped"}},
    {.name = "window-full", .needs = VENUS, .scenario = "scenario=window-full",
     .arguments = {"--window=2M"}, .out = {"fill the window"}, .err = {"end beyond the window", "overlaps"}},
    {.name = "hole", .needs = VENUS, .scenario = "scenario=hole"},
    {.name = "hole-pair", .needs = VENUS | NEEDS_X86, .scenario = "scenario=hole-pair expect=works"},
    {.name = "reset-mapped", .needs = VENUS, .scenario = "scenario=reset-mapped"},

    {.name = "virgl-surfaceless", .needs = KVM | NEEDS_VIRGL, .scenario = "scenario=capsets",
     .arguments = {"--gpu=virgl"}, .out = {"id 1", "id 2"}},
    /* With virgl the global timeline is OpenGL's, and fences end on a thread of the library. */
    {.name = "virgl-fences", .needs = VENUS | NEEDS_VIRGL, .scenario = "scenario=fences",
     .arguments = {"--gpu=venus,virgl"}},
    {.name = "virgl-without-dma-bufs", .needs = KVM | NEEDS_VIRGL,
     .scenario = "scenario=blob-virgl expect=refused", .arguments = {"--gpu=virgl"},
     .err = {"RESOURCE_MAP_BLOB"}},

    /* The main job: the effective type is what map_info says. */
    {.name = "blob-shm", .needs = VENUS, .scenario = "scenario=blob-shm map-info=cached",
     .arguments = {"--json"},
     .out = {SAYS("fd_type", "SHM"), SAYS("exporter", "shmem"), SAYS("host", "WB"),
             SAYS("map_info", "CACHED"), SAYS("effective", "WB"), SAYS("verdict", "match"),
             SAW_EACH_OTHER}},
    {.name = "blob-shm-many-rounds", .needs = VENUS, .scenario = "scenario=blob-shm rounds=20 size=8K"},
    {.name = "blob-venus", .needs = DMABUF, .scenario = "scenario=blob-venus map-info=cached",
     .arguments = {"--json"},
     .out = {SAYS("fd_type", "DMABUF"), SAYS("exporter", "udmabuf"), SAYS("host", "WB"),
             SAYS("map_info", "CACHED"), SAYS("effective", "WB"), SAYS("verdict", "match"),
             SAW_EACH_OTHER}},
    {.name = "blob-venus-cross-device", .needs = DMABUF, .scenario = "scenario=blob-venus flags=7",
     .arguments = {"--json"}, .out = {SAYS("exporter", "udmabuf"), SAYS("verdict", "match")}},
    {.name = "blob-venus-text", .needs = DMABUF, .scenario = "scenario=blob-venus",
     .out = {"DMABUF from udmabuf", "map_info CACHED", "match:"}},
    {.name = "blob-wc", .needs = GBM, .scenario = "scenario=blob-virgl map-info=wc",
     .arguments = {"--json", "--gpu=virgl", VGEM},
     .out = {SAYS("fd_type", "DMABUF"), SAYS("exporter", "vgem"), SAYS("driver", "WC"), SAYS("host", "WC"),
             SAYS("map_info", "WC"), SAYS("effective", "WC"), SAYS("verdict", "match"),
             SAW_EACH_OTHER}},

    /* What KVM really installed, and what the host kernel has on record for the page. */
    {.name = "s2-of-wb-blob", .needs = DMABUF | NEEDS_S2, .scenario = "scenario=blob-venus",
     .arguments = {"--json"},
     .out = {SAYS("s2_from", "observed"), SAYS("s2", "WB"), SAYS("host_measured", "WB")}},
    {.name = "s2-of-wc-blob", .needs = GBM | NEEDS_S2, .scenario = "scenario=blob-virgl",
     .arguments = {"--json", "--gpu=virgl", VGEM},
     .out = {SAYS("s2_from", "observed"), SAYS("s2", "WB"), SAYS("host_measured", "WC")}},
    {.name = "s2-not-observed", .needs = VENUS, .scenario = "scenario=blob-shm",
     .arguments = {"--json", "--observe-s2=off"}, .out = {SAYS("s2_from", "expected")}},

    /* The guest's own experiments: an attribute other than map_info's. */
    {.name = "wc-blob-mapped-cached", .needs = GBM, .scenario = "scenario=blob-virgl s1=wb",
     .arguments = {"--json", "--gpu=virgl", VGEM},
     .out = {SAYS("guest_s1", "WB"), SAYS("effective", "WB"), SAYS("verdict", "mismatch")}},
    {.name = "wb-blob-mapped-wc", .needs = DMABUF | NEEDS_NPT, .scenario = "scenario=blob-venus s1=wc",
     .arguments = {"--json"},
     .out = {SAYS("guest_s1", "WC"), SAYS("effective", "WC"), SAYS("verdict", "mismatch")}},
    {.name = "wb-blob-mapped-uc", .needs = DMABUF | NEEDS_NPT, .scenario = "scenario=blob-venus s1=uc",
     .arguments = {"--json"}, .out = {SAYS("effective", "UC"), SAYS("verdict", "mismatch")}},
    {.name = "shadow-paging-ignores-wc", .needs = VENUS | NEEDS_SHADOW,
     .scenario = "scenario=blob-shm s1=wc", .arguments = {"--json"},
     .out = {SAYS("guest_s1", "WC"), SAYS("effective", "WB"), SAYS("verdict", "match")}},
    {.name = "shadow-paging-refuses-wc-blob", .needs = KVM | NEEDS_GBM | NEEDS_SHADOW,
     .scenario = "scenario=blob-virgl expect=refused", .arguments = {"--json", "--gpu=virgl", VGEM},
     .out = {SAYS("verdict", "refused"), SAYS("host", "WC"), SAYS_NULL("map_info")}},
    {.name = "refuse-guest-mtrr", .needs = VENUS | NEEDS_NPT, .scenario = "scenario=mtrr",
     .arguments = {"--json", "--trace"},
     .out = {SAYS("verdict", "refused"), SAYS("host", "WB"), SAYS("map_info", "CACHED"),
             SAYS("verdict", "match"), SAW_EACH_OTHER},
     .err = {"the guest's MTRRs are not WB over the window", "MSR 0x201 = 0x0"}},
    {.name = "forced-map-info", .needs = GBM, .scenario = "scenario=blob-virgl map-info=cached",
     .arguments = {"--json", "--gpu=virgl", VGEM, "--force-map-info=cached"},
     .out = {SAYS_YES("forced"), SAYS("map_info", "CACHED"), SAYS("verdict", "mismatch")}},

    /* What the renderer hands out is not believed. */
    {.name = "lie-memfd-as-dmabuf", .needs = VENUS | NEEDS_LIE,
     .scenario = "scenario=blob-venus flags=7 expect=refused",
     .err = {"says that fd", "is a dma-buf, and it is not one"}},
    {.name = "opaque-that-cannot-be-mapped", .needs = VENUS | NEEDS_LIE,
     .scenario = "scenario=blob-venus expect=refused", .err = {"resource_map(1) failed"}},
    {.name = "opaque", .needs = VENUS | NEEDS_OPAQUE | NEEDS_S2, .scenario = "scenario=blob-venus map-info=cached",
     .arguments = {"--json"},
     .out = {SAYS("fd_type", "POINTER"), SAYS("mapping", "WB"), SAYS("host_from", "mapping"),
             SAYS("s2_from", "observed"), SAYS("s2", "WB"), SAYS("host_measured", "WB"), SAYS("verdict", "match"),
             SAW_EACH_OTHER}},
    {.name = "blob-overrun", .needs = KVM | NEEDS_VIRGL, .scenario = "scenario=blob-overrun",
     .arguments = {"--gpu=virgl"},
     .err = {"the buffer behind the blob has 100 bytes, the blob claims"}},
    {.name = "virglrenderer-too-old", .needs = KVM | NEEDS_NO_GBM,
     .scenario = "scenario=blob-virgl expect=refused", .arguments = {"--gpu=virgl", VGEM},
     .err = {"resource_export_blob", "libvirglrenderer.so.1"}},
    {.name = "no-render-server", .needs = KVM | NEEDS_VENUS, .scenario = "scenario=hello",
     .status = 2, .environment = "RENDER_SERVER_EXEC_PATH=/nonexistent",
     .err = {"/nonexistent", "virgl-server"}},
    {.name = "no-drm-node", .needs = VENUS, .scenario = "scenario=hello", .status = 2,
     .arguments = {"--gpu=virgl", "--drm-node=/dev/dri/card99"},
     .err = {"/dev/dri/card99", "No such file", "probe"}},

    /* The matrix: without an explanation of what differs the status is 1. */
    {.name = "matrix", .arguments = {"matrix"}, .out = {"this host", "RAM WB", "CACHED"}},
    {.name = "matrix-of-a-platform", .arguments = {"matrix", "--platform=arm64-nofwb"},
     .out = {"RAM WB, PFNMAP", "EINVAL", "kvm-faults", "late"}},
    {.name = "matrix-json", .arguments = {"matrix", "--platform=amd-npt", "--json"},
     .out = {SAYS("buffer", "RAM WC"), SAYS("summary", "amd-npt")}},
    {.name = "matrix-html", .arguments = {"matrix", "--platform=intel-ept", "--html=/dev/stdout"},
     .out = {"<!DOCTYPE html>", "</html>"}},
    {.name = "matrix-measure", .needs = KVM, .arguments = {"matrix", "--measure", "--guest", CASE_GUEST},
     .out = {"anonymous", "memfd", "cells predicted", " 0 unexplained)"}},
    {.name = "matrix-measure-blind", .needs = HARDWARE,
     .arguments = {"matrix", "--measure", "--guest", CASE_GUEST, "--observe-s2=off"},
     .out = {"not observed: leaf: --observe-s2=off", " 0 unexplained)"}},
    {.name = "matrix-unknown-platform", .status = 2, .arguments = {"matrix", "--platform=vax"},
     .err = {"--platform \"vax\"", "arm64-fwb", "amd-npt"}},
    {.name = "matrix-without-guest", .status = 2, .arguments = {"matrix", "--measure"},
     .err = {"--measure needs --guest"}},

    /* The command line. */
    {.name = "no-guest", .status = 2, .arguments = {"run"}, .err = {"--guest FILE"}},
    {.name = "guest-missing", .needs = KVM, .status = 2,
     .arguments = {"run", "--gpu=none", "--guest=/nonexistent.elf"},
     .err = {"/nonexistent.elf", "No such file"}},
    {.name = "guest-not-an-elf", .needs = KVM, .status = 2,
     .arguments = {"run", "--gpu=none", "--guest=/etc/passwd"},
     .err = {"/etc/passwd", "not an ELF"}},
    {.name = "memory-nonsense", .status = 2, .arguments = {"run", "--guest=x", "--memory=lots"},
     .err = {"--memory \"lots\"", "expected a size"}},
    {.name = "memory-too-small", .needs = KVM, .status = 2,
     .arguments = {"run", "--gpu=none", "--guest=x", "--memory=1M"},
     .err = {"guest RAM of 1048576 bytes", "from 16 MiB"}},
    {.name = "too-many-cpus", .status = 2, .arguments = {"run", "--guest=x", "--cpus=17"},
     .err = {"--cpus \"17\"", "from 1 to 16"}},
    {.name = "unknown-option", .status = 2, .arguments = {"run", "--colour"}, .err = {"--colour"}},
    {.name = "unknown-command", .status = 2, .arguments = {"walk"}, .err = {"\"walk\"", "run, probe, matrix or experiment"}},
    {.name = "no-kvm", .needs = NEEDS_NO_KVM, .scenario = "scenario=hello", .status = 2,
     .arguments = {"--gpu=none"}, .err = {"/dev/kvm"}},
    {.name = "help", .arguments = {"--help"}, .out = {"usage: s2vmm run", "Exit status"}},
    {.name = "version", .arguments = {"--version"}, .out = {"s2vmm 0."}},
    {.name = "probe", .needs = KVM, .arguments = {"probe", "--gpu=none"}, .out = {"KVM"}},
    {.name = "probe-json", .needs = VENUS, .arguments = {"probe", "--json"},
     .out = {"{\"name\":", "libvirglrenderer.so.1", "capset 4"}},
};
// clang-format on

const unsigned e2e_case_count = sizeof e2e_cases / sizeof e2e_cases[0];
