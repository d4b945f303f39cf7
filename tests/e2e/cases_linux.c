/* SPDX-License-Identifier: MIT */
/*
 * A stock Linux kernel as the guest: its own virtio_gpu driver maps the blobs, s2guest
 * (guest/linux/) asks for them, and its PTE reader says which attribute the driver chose. One boot
 * runs several scenarios: a boot is most of a row's time. With --json the guest's console is on
 * stderr.
 */
#include "tests/e2e/cases.h"

#include <signal.h>
#include <stddef.h>

#if defined(__aarch64__)
#define KERNEL     "/run/lab/linux/Image"
#define CONSOLE    "ttyAMA0"
#define PTE_OF_WC  "PTE NC,"
#define PTE_OF_UC  "PTE Device-nGnRnE,"
#define TYPE_OF_WC "NC"
#define TYPE_OF_UC "Device-nGnRnE"
#else
#define KERNEL     "/run/lab/linux/vmlinuz"
#define CONSOLE    "ttyS0"
#define PTE_OF_WC  "PTE WC,"
#define PTE_OF_UC  "PTE UC-,"
#define TYPE_OF_WC "WC"
#define TYPE_OF_UC "UC-"
#endif

#define RUN                                                                              \
    "run", "--kernel=" KERNEL, "--initrd=/run/lab/linux/initrd.cpio", "--timeout=110"
#define MMIO "--transport=mmio"
#define PCI  "--transport=pci"
#define VGEM "--gpu=virgl", "--drm-node=/dev/dri/card0"

#define APPEND(command)                                                                  \
    "--append=console=" CONSOLE                                                          \
    " rdinit=/guest-init quiet panic=-1 "                                                \
    "modules=virtio_pci,virtio_mmio,virtio-gpu,pte-reader -- " command
#define GUEST(scenarios) APPEND("s2guest " scenarios)
/* The second command's picture stays for the screenshot. */
#define SHOW(first, last)                                                                \
    APPEND("sh -c \"s2guest " first " && s2guest " last " keep=yes\"")

#define RESIZE "--gpu=2d", "--display=640x480/800x600", SHOW("resize", "display")
#define RESIZED                                                                          \
    "640x480 became 800x600", OK("resize"), "shows the pattern, 800x600", OK("display")

#define OK(scenario) "s2guest: " scenario ": ok"

#define VENUS  (NEEDS_LINUX | NEEDS_VENUS)
#define DMABUF (NEEDS_LINUX | NEEDS_DMABUF)
#define GBM    (NEEDS_LINUX | NEEDS_GBM)

// clang-format off
const struct e2e_case e2e_cases_linux[] = {
    /* The main job, by the guest's own driver, on either bus. */
    {.name = "linux-blob-mmio", .needs = VENUS,
     .arguments = {RUN, MMIO, "--json", GUEST("info+capsets+contexts+blob-shm s1=WB")},
     .err = {OK("info"), "capset 4 (venus)", OK("capsets"), OK("contexts"), OK("blob-shm"), "PTE WB,", "pfnmap"},
     .out = {SAYS("map_info", "CACHED"), SAYS("guest_s1", "WB"), SAYS("verdict", "match")}},
    {.name = "linux-blob-pci", .needs = VENUS,
     .arguments = {RUN, PCI, "--json", GUEST("info+capsets+contexts+blob-shm s1=WB")},
     .err = {OK("capsets"), OK("contexts"), OK("blob-shm"), "PTE WB,"},
     .out = {SAYS("map_info", "CACHED"), SAYS("guest_s1", "WB"), SAYS("verdict", "match"), SAW_EACH_OTHER}},
    {.name = "linux-blob-venus", .needs = DMABUF,
     .arguments = {RUN, "--json", GUEST("blob-venus rounds=3 s1=WB")},
     .err = {OK("blob-venus")},
     .out = {SAYS("exporter", "udmabuf"), SAYS("map_info", "CACHED"), SAYS("guest_s1", "WB"), SAYS("verdict", "match"), SAW_EACH_OTHER}},
    {.name = "linux-blob-wc-arm64", .needs = GBM | NEEDS_ARM64 | NEEDS_NO_FWB,
     .arguments = {RUN, "--json", VGEM, GUEST("blob-virgl s1=NC")},
     .err = {OK("blob-virgl"), "PTE NC,"},
     .out = {SAYS("exporter", "vgem"), SAYS("map_info", "WC"), SAYS("guest_s1", "NC"), SAYS("effective", "NC"), SAYS("verdict", "match"), SAW_EACH_OTHER}},
    {.name = "linux-blob-refused-fwb", .needs = GBM | NEEDS_ARM64 | NEEDS_FWB,
     .arguments = {RUN, "--json", VGEM, GUEST("blob-virgl expect=refused")},
     .err = {OK("blob-virgl")},
     .out = {SAYS("verdict", "refused"), SAYS_NULL("map_info")}},
    {.name = "linux-blob-wc-npt", .needs = GBM | NEEDS_X86 | NEEDS_NPT,
     .arguments = {RUN, "--json", VGEM, GUEST("blob-virgl s1=WC")},
     .err = {OK("blob-virgl"), "PTE WC,", "pat_memtype_list write-combining"},
     .out = {SAYS("exporter", "vgem"), SAYS("map_info", "WC"), SAYS("guest_s1", "WC"), SAYS("effective", "WC"), SAYS("verdict", "match")}},

    /* What the driver makes of each value of map_info: exactly 2 and 3 count, all else is cached. */
    {.name = "linux-map-info-wc", .needs = VENUS,
     .arguments = {RUN, "--json", "--force-map-info=3", GUEST("blob-shm")},
     .err = {PTE_OF_WC},
     .out = {SAYS_YES("forced"), SAYS("map_info", "WC"), SAYS("guest_s1", TYPE_OF_WC)}},
    {.name = "linux-map-info-uncached", .needs = VENUS,
     .arguments = {RUN, "--json", "--force-map-info=2", GUEST("blob-shm")},
     .err = {PTE_OF_UC},
     .out = {SAYS_YES("forced"), SAYS("map_info", "UNCACHED"), SAYS("guest_s1", TYPE_OF_UC)}},
    {.name = "linux-map-info-none", .needs = VENUS,
     .arguments = {RUN, "--json", "--force-map-info=0", GUEST("blob-shm s1=WB")},
     .err = {OK("blob-shm"), "PTE WB,"},
     .out = {SAYS_YES("forced"), SAYS("guest_s1", "WB")}},
    {.name = "linux-map-info-high-bits", .needs = VENUS,
     .arguments = {RUN, "--json", "--force-map-info=0x13", GUEST("blob-shm s1=WB")},
     .err = {OK("blob-shm"), "PTE WB,"},
     .out = {SAYS_YES("forced"), SAYS("guest_s1", "WB")}},

    /* Lives of mappings, and a full window. */
    {.name = "linux-many", .needs = VENUS,
     .arguments = {RUN, "--timeout=300", GUEST("blob-many count=2000 keep=yes")},
     .out = {"2000 blobs of 4096 bytes mapped at once", OK("blob-many")}},
    {.name = "linux-lives", .needs = VENUS,
     .arguments = {RUN, "--cpus=2", GUEST("fork+close-mapped+unmap-twice+threads+window-full")},
     .out = {OK("fork"), OK("close-mapped"), OK("unmap-twice"), OK("threads"), "4 threads, 32 blobs each", OK("window-full")}},
    {.name = "linux-server-dies", .needs = VENUS, .watch = WATCH_SERVER_DIES,
     .arguments = {RUN, GUEST("server-dies device-errors=yes")},
     .out = {OK("server-dies")}, .err = {"was killed by signal 9", "the renderer was restarted"}},
    {.name = "linux-guest-blob", .needs = DMABUF,
     .arguments = {RUN, GUEST("blob-guest+share")},
     .out = {OK("blob-guest"), OK("share"), "RAM"}},

    /* What is shown. */
    {.name = "linux-display", .needs = NEEDS_LINUX,
     .arguments = {RUN, "--gpu=2d", "--display=640x480", SHOW("edid+cursor", "display")},
     .out = {"preferred mode 640x480", OK("edid"), "shows the pattern, 640x480", OK("display"), OK("cursor")},
     .picture = PICTURE_PATTERN},
    {.name = "linux-edid-large", .needs = NEEDS_LINUX,
     .arguments = {RUN, "--gpu=2d", "--display=7680x4320", GUEST("edid")},
     .out = {"preferred mode 7680x4320", OK("edid")}},
    {.name = "linux-resize-pci", .needs = NEEDS_LINUX, .when = "waits for another size", .signal = SIGUSR2,
     .arguments = {RUN, PCI, RESIZE}, .out = {RESIZED}, .picture = PICTURE_PATTERN},
    {.name = "linux-resize-mmio", .needs = NEEDS_LINUX, .when = "waits for another size", .signal = SIGUSR2,
     .arguments = {RUN, MMIO, RESIZE}, .out = {RESIZED}, .picture = PICTURE_PATTERN},
    {.name = "linux-display-blob", .needs = DMABUF,
     .arguments = {RUN, "--display=640x480", SHOW("uuid", "display-blob")},
     .out = {"shows the pattern, 640x480", OK("display-blob"), OK("uuid")},
     .picture = PICTURE_PATTERN},
    {.name = "linux-display-virgl", .needs = NEEDS_LINUX | NEEDS_VIRGL,
     .arguments = {RUN, "--gpu=virgl", "--display=640x480", SHOW("fences", "display-virgl")},
     .out = {OK("fences"), "shows a cleared texture, 640x480", OK("display-virgl")},
     .picture = PICTURE_CLEARED},
};
// clang-format on

const unsigned e2e_case_linux_count = sizeof e2e_cases_linux / sizeof e2e_cases_linux[0];
