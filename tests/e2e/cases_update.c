/* SPDX-License-Identifier: MIT */
/*
 * s2vmm is replaced under a running guest (guest/scenarios/update.c), which sees nothing of it; and
 * by what is no s2vmm, or breaks off: then the guest goes on where it was.
 */
#include "tests/e2e/cases.h"
#include "vmm/types.h"

#include <signal.h>

#if defined(__aarch64__)
#define KERNEL     "/run/lab/linux/Image"
#define CONSOLE    "ttyAMA0"
#define TYPE_OF_WC "NC"
#else
#define KERNEL     "/run/lab/linux/vmlinuz"
#define CONSOLE    "ttyS0"
#define TYPE_OF_WC "WC"
#endif

#define GUEST(seconds)                                                                   \
    .needs = NEEDS_KVM | NEEDS_UPDATE, .scenario = "scenario=update seconds=" seconds,   \
    .watch = WATCH_UPDATES
#define LINES(last) .out = {"line 0\nline 1\nline 2\nline 3\n", last, "PASS update"}
#define NO_GPU      .arguments = {CASE_SOCKET, "--gpu=none"}

/* QEMU's edu: tests/e2e/cases_vfio.c. */
#define VFIO(text)                                                                       \
    .watch = WATCH_UPDATES, .update_when = "round 2\n", .scenario = (text),              \
    .arguments = {CASE_SOCKET, "--gpu=none", "--vfio=0000:00:10.0"},                     \
    .out = {"round 0\nround 1\nround 2\nround 3\n", "PASS edu-update"},                  \
    .needs = NEEDS_KVM | NEEDS_HARDWARE | NEEDS_VFIO

/* One is tried, and the guest goes on. */
#define REFUSED(why)                                                                     \
    .updates = 1, .update_when = "line 3", .update_status = 3, .update_says = (why)
#define IMPOSTOR(part) .update_binary = "e2e-tests", .environment = "S2VMM_IMPOSTOR=" part

/* A shell that writes a disk, reads it back, and compares, again and again. */
#define WRITES                                                                           \
    "cd /dev; i=0; $b dd if=/dev/urandom of=a bs=64k count=4; "                          \
    "while [ $i -lt 40 ]; do $b dd if=a of=vda bs=64k oflag=direct 2>/dev/null && "      \
    "$b dd if=vda bs=64k count=4 iflag=direct 2>/dev/null | $b cmp - a && "              \
    "echo round $i is right; i=$((i+1)); done; echo the end of the rounds"
#define LINUX                                                                            \
    "run", "--kernel=" KERNEL, "--initrd=/run/lab/linux/initrd.cpio", "--gpu=none",      \
        "--timeout=110", CASE_SOCKET, "--disk=" CASE_IMAGE
/* Memory of all kinds, at work (guest/linux/load.h), until the updates are over: a boot, 3D and two blobs
 * that stay, of shared memory and of vgem. */
#define LOAD(seconds, parts)                                                             \
    "run", "--kernel=" KERNEL, "--initrd=/run/lab/linux/initrd.cpio",                    \
        "--timeout=" seconds, CASE_SOCKET, "--gpu=venus,virgl",                          \
        "--drm-node=/dev/dri/card0", "--renderer=process",                               \
        "--append=console=" CONSOLE                                                      \
        " rdinit=/guest-init quiet panic=-1 "                                            \
        "modules=virtio_pci,virtio_mmio,virtio_blk,virtio-gpu,pte-reader -- "            \
        "s2guest update-load seconds=" seconds " cached=WB wc=" TYPE_OF_WC               \
        " parts=cached,wc," parts
#define LOADED     .watch = WATCH_UPDATES, .input = "\n", .update_when = "second 3:"
#define NEEDS_LOAD (NEEDS_LINUX | NEEDS_UPDATE | NEEDS_PROCESS | NEEDS_VIRGL | NEEDS_GBM)

#define SHELL(parameters, commands)                                                      \
    "--append=console=" CONSOLE " rdinit=/guest-init quiet panic=-1 " parameters         \
    "modules=virtio_pci,virtio_mmio,virtio_blk -- "                                      \
    "/bin/busybox sh -c \"b=/bin/busybox; " commands "\""

// clang-format off
const struct e2e_case e2e_cases_update[] = {
    {.name = "update", GUEST("15"), LINES("line 149\n"), NO_GPU,
     .updates = 1, .update_when = "line 3", .update_says = "updated: pause "},
    {.name = "update-devices", GUEST("20"), LINES("line 199\n"), .image_size = 1 << 20,
     .arguments = {CASE_SOCKET, "--gpu=none", "--disk=" CASE_IMAGE, "--transport=pci"},
     .updates = 3, .update_when = "line 3", .update_says = "3 updates: pause median"},
    {.name = "update-console", GUEST("20"), LINES("line 199\n"), .arguments = {CASE_SOCKET, "--gpu=none", "--rng", "--console=virtio"},
     .updates = 3, .update_when = "line 3", .update_says = "3 updates: pause median"},
    {.name = "update-many", GUEST("60"), LINES("line 599\n"), NO_GPU,
     .updates = 20, .update_when = "line 3", .update_says = "20 updates: pause median"},
    /* Each vCPU counts; the others are started by the first one. */
    {.name = "update-smp", .needs = NEEDS_KVM | NEEDS_UPDATE | NEEDS_HARDWARE, .scenario = "scenario=update seconds=50", .watch = WATCH_UPDATES,
     .arguments = {CASE_SOCKET, "--gpu=none", "--cpus=4"}, LINES("line 499\n"),
     .updates = 5, .update_when = "line 3", .update_says = "5 updates: pause median"},

    {.name = "update-gpu", GUEST("15"), LINES("line 149\n"), .arguments = {CASE_SOCKET, "--gpu=2d", "--display=64x64"},
     .updates = 3, .update_when = "line 3", .update_says = "3 updates: pause median"},
    /* What libvirglrenderer has for the guest stays where it is; its blobs get new addresses in the host. */
    {.name = "update-process", .needs = NEEDS_KVM | NEEDS_UPDATE | NEEDS_PROCESS | NEEDS_VENUS,
     .scenario = "scenario=update-blobs seconds=30", .watch = WATCH_UPDATES,
     .arguments = {CASE_SOCKET, "--gpu=venus", "--renderer=process"},
     .out = {"line 0\nline 1\n", "line 299\n", "PASS update-blobs"},
     .updates = 5, .update_when = "line 3", .update_says = "5 updates: pause median"},

    /* A device of the host goes on with DMA and interrupts; then, in the old s2vmm, as if nothing had been. */
    {.name = "update-vfio-poll", VFIO("scenario=edu-update seconds=40"), .updates = 3, .update_says = "3 updates"},
    {.name = "update-vfio-pin", VFIO("scenario=edu-update seconds=40 irq=pin"), .updates = 3, .update_says = "3 updates"},
    /* The tiny guest can take no more messages than those of two rounds: one before the updates, one after them. */
    {.name = "update-vfio-msi", .needs = NEEDS_KVM | NEEDS_HARDWARE | NEEDS_VFIO | NEEDS_X86, .watch = WATCH_UPDATES,
     .scenario = "scenario=edu-update seconds=20 rounds=2 irq=msi", .arguments = {CASE_SOCKET, "--gpu=none", "--vfio=0000:00:10.0"},
     .out = {"round 0\nround 1\n", "2 rounds, 6 interrupts", "PASS edu-update"},
     .updates = 3, .update_when = "round 0\n", .update_says = "3 updates"},
    {.name = "update-vfio-dies-late", VFIO("scenario=edu-update seconds=20 irq=pin"), IMPOSTOR("dies-late"), .updates = 1,
     .update_status = 3, .update_says = "live update: the other side is gone"},

    /* What is no s2vmm, or not one that keeps its word. */
    {.name = "update-false", GUEST("15"), LINES("line 149\n"), NO_GPU, .update_binary = "/bin/false",
     REFUSED("before it was ready: live update: the other side is gone")},
    {.name = "update-no-program", GUEST("15"), LINES("line 149\n"), NO_GPU, .update_binary = "/proc/version",
     REFUSED("the new s2vmm cannot be executed: Permission denied")},
    {.name = "update-guest", GUEST("15"), LINES("line 149\n"), NO_GPU, .update_binary = "guest.elf",
     REFUSED("the new s2vmm, before it was ready")},
    {.name = "update-hangs", GUEST("45"), LINES("line 449\n"), NO_GPU, IMPOSTOR("hangs"),
     REFUSED("before it was ready: live update: the other side said nothing for 30000 ms")},
    {.name = "update-lies", GUEST("15"), LINES("line 149\n"), NO_GPU, IMPOSTOR("lies"),
     REFUSED("before it was ready: live update: the other side sent no message")},
    {.name = "update-hangs-with-it", GUEST("20"), LINES("line 199\n"), NO_GPU, IMPOSTOR("hangs-with-it"),
     REFUSED("with the state: live update: the other side said nothing for 5000 ms")},
    {.name = "update-refuses", GUEST("15"), LINES("line 149\n"), NO_GPU, IMPOSTOR("refuses"),
     REFUSED("with the state: no, thank you")},
    {.name = "update-dies", GUEST("15"), LINES("line 149\n"), NO_GPU, IMPOSTOR("dies"),
     REFUSED("live update: the other side is gone")},
    {.name = "update-dies-late", GUEST("15"), LINES("line 149\n"), NO_GPU, IMPOSTOR("dies-late"),
     REFUSED("live update: the other side is gone")},

    /* Ends of a run after an update: its time limit is that of the whole run; signals reach who has the guest. */
    {.name = "update-timeout", GUEST("23"), .status = 124, .arguments = {CASE_SOCKET, "--gpu=none", "--timeout=20"},
     .out = {"line 50\n"}, .err = {"stopped by the time limit of 20 s"},
     .updates = 1, .update_when = "line 50\n", .update_says = "updated"},
    {.name = "update-signal", GUEST("100"), .status = 128 + SIGTERM, NO_GPU, .out = {"line 20\n"},
     .err = {"stopped by signal 15"}, .updates = 1, .update_when = "line 3", .update_says = "updated", .update_signal = SIGTERM},

    /* A Linux guest that uses its disk. */
    {.name = "linux-update-pci", .needs = NEEDS_LINUX | NEEDS_UPDATE, .watch = WATCH_UPDATES, .image_size = 1 << 20,
     .arguments = {LINUX, "--transport=pci", SHELL("", WRITES)},
     .out = {"round 0 is right", "round 10 is right", "round 39 is right", "the end of the rounds"},
     .updates = 5, .update_when = "round 1 is right", .update_says = "5 updates"},
    {.name = "linux-update-mmio", .needs = NEEDS_LINUX | NEEDS_UPDATE, .watch = WATCH_UPDATES, .image_size = 1 << 20,
     .arguments = {LINUX, "--transport=mmio", "--cpus=2", SHELL("", WRITES)},
     .out = {"round 0 is right", "round 10 is right", "round 39 is right", "the end of the rounds"},
     .updates = 5, .update_when = "round 1 is right", .update_says = "5 updates"},

    /* One that uses memory of all kinds at once. */
    {.name = "linux-update-process", .needs = NEEDS_LOAD, LOADED, .arguments = {LOAD("200", "ram")},
     .out = {"s2guest: update-load: ok"}, .updates = 5, .update_says = "5 updates"},
    {.name = "linux-update-short", .needs = NEEDS_LOAD | NEEDS_VFIO, LOADED, .image_size = 1 << 20,
     .arguments = {LOAD("300", "ram,disk,edu"), "--disk=" CASE_IMAGE, "--vfio=0000:00:10.0", "--cpus=2"},
     .out = {"s2guest: update-load: ok"}, .updates = 5, .update_says = "5 updates"},
    {.name = "linux-update-load", .needs = NEEDS_LOAD | NEEDS_VFIO, LOADED, .image_size = 1 << 20,
     .arguments = {LOAD("590", "ram,disk,edu"), "--disk=" CASE_IMAGE, "--vfio=0000:00:10.0"},
     .out = {"s2guest: update-load: ok"}, .updates = 100, .update_says = "100 updates: pause median"},
};
// clang-format on

const unsigned e2e_case_update_count = ARRAY_SIZE(e2e_cases_update);
