/* SPDX-License-Identifier: MIT */
/*
 * Disks, the entropy device, the user's side of the consoles, and how a run ends. A Linux guest's
 * own drivers read and write the disk; its shell answers what is typed.
 */
#include "tests/e2e/cases.h"

#include <signal.h>
#include <stddef.h>

#if defined(__aarch64__)
#define KERNEL  "/run/lab/linux/Image"
#define CONSOLE "ttyAMA0"
#else
#define KERNEL  "/run/lab/linux/vmlinuz"
#define CONSOLE "ttyS0"
#endif

#define RUN                                                                              \
    "run", "--kernel=" KERNEL, "--initrd=/run/lab/linux/initrd.cpio", "--gpu=none",      \
        "--timeout=110"
#define MMIO "--transport=mmio"
#define PCI  "--transport=pci"

/* A shell in the guest; b is busybox, and no word may have a double quote. `modules` are loaded as
 * well, each with a comma in front. */
#define SHELL_ON(console, parameters, modules, commands)                                 \
    "--append=console=" console " rdinit=/guest-init quiet " parameters                  \
    " modules=virtio_pci,virtio_mmio,virtio_blk,virtio-rng,virtio_console" modules       \
    " "                                                                                  \
    "-- /bin/busybox sh -c \"b=/bin/busybox; " commands "\""
#define SHELL(commands) SHELL_ON(CONSOLE, "panic=-1", "", commands)

/* 1 MiB there and back, past the guest's page cache, by four writers at once; a write beyond the
 * end fails. */
#define WRITE_AND_READ                                                                   \
    "cd /dev; $b dd if=/dev/urandom of=a bs=256k count=1; "                              \
    "for i in 0 1 2 3; do $b dd if=a of=vda bs=32k seek=$((i*8)) oflag=direct & done; "  \
    "wait; "                                                                             \
    "$b sync; echo 3 >/proc/sys/vm/drop_caches; "                                        \
    "for i in 0 1 2 3; do $b dd if=vda bs=32k skip=$((i*8)) count=8 iflag=direct "       \
    "| $b cmp - a && echo piece $i is right; done; "                                     \
    "$b dd if=a of=vda bs=512 seek=2048 count=1 oflag=direct || echo that is the end; "
#define PIECES                                                                           \
    "piece 0 is right", "piece 1 is right", "piece 2 is right", "piece 3 is right",      \
        "that is the end"

/* Of each dd that fails: its exit status, and the error that it prints first. */
#define DISK_FAILS                                                                       \
    "cd /dev; "                                                                          \
    "echo writes: $(e=$($b dd if=zero of=vda bs=64k oflag=direct 2>&1) || echo $? "      \
    "${e##*: }); "                                                                       \
    "echo reads: $($b dd if=vda bs=4k count=1 iflag=direct | $b wc -c); "                \
    "echo cut it now; read line; "                                                       \
    "echo beyond the cut: $(e=$($b dd if=vda bs=4k skip=64 iflag=direct 2>&1) || "       \
    "echo $? ${e##*: }); "                                                               \
    "echo before it: $($b dd if=vda bs=4k count=1 iflag=direct | $b wc -c)"

#define ENTROPY                                                                          \
    "echo entropy from $($b cat /sys/class/misc/hw_random/rng_current); "                \
    "$b head -c 4096 /dev/hwrng >x && $b head -c 4096 /dev/hwrng >y && "                 \
    "$b cmp x y || echo $($b cat x y | $b wc -c) bytes of it"

/* Linux has wiped what the firmware said, and had a random number generator before it had a clock. */
#if defined(__aarch64__)
#define SEEDS                                                                            \
    "$b cmp -n 8 /proc/device-tree/chosen/kaslr-seed /dev/zero && echo it was read; "    \
    "$b dmesg | $b grep -e KASLR -e crng"
#define SAW_SEEDS "it was read", "KASLR enabled", "0.000000] random: crng init done"
#else
#define SEEDS     "$b dmesg | $b grep crng"
#define SAW_SEEDS "0.000000] random: crng init done"
#endif

#define ASK "echo what is it; read line; echo so it is $line"

// clang-format off
const struct e2e_case e2e_cases_devices[] = {
    /* Disks that are none. */
    {.name = "disk", .needs = NEEDS_KVM, .scenario = "scenario=hello", .image_size = 4096,
     .arguments = {"--gpu=none", "--disk=" CASE_IMAGE}},
    {.name = "disk-missing", .needs = NEEDS_KVM, .scenario = "scenario=hello", .status = 2,
     .arguments = {"--gpu=none", "--disk=/nonexistent.img"},
     .err = {"disk /nonexistent.img: ", "No such file or directory", "truncate -s 1G"}},
    {.name = "disk-directory", .needs = NEEDS_KVM, .scenario = "scenario=hello", .status = 2,
     .arguments = {"--gpu=none", "--disk=/proc"}, .err = {"disk /proc: ", "it is a directory"}},
    {.name = "disk-directory-readonly", .needs = NEEDS_KVM, .scenario = "scenario=hello", .status = 2,
     .arguments = {"--gpu=none", "--disk=/proc,readonly"}, .err = {"disk /proc: ", "it is a directory"}},
    {.name = "disk-no-file", .needs = NEEDS_KVM, .scenario = "scenario=hello", .status = 2,
     .arguments = {"--gpu=none", "--disk=/dev/null"}, .err = {"disk /dev/null: ", "neither a file nor a block device"}},
    {.name = "disk-empty", .needs = NEEDS_KVM, .scenario = "scenario=hello", .status = 2,
     .arguments = {"--gpu=none", "--disk=/proc/version,readonly"}, .err = {"disk /proc/version: "}},
    {.name = "disk-odd-size", .needs = NEEDS_KVM, .scenario = "scenario=hello", .status = 2, .image_size = 1000,
     .arguments = {"--gpu=none", "--disk=" CASE_IMAGE},
     .err = {"1000 bytes are not a multiple of 512", "truncate -s %512"}},
    {.name = "disk-locked", .needs = NEEDS_KVM, .scenario = "scenario=hello", .status = 2, .image_size = 4096,
     .image_is_used = true, .arguments = {"--gpu=none", "--disk=" CASE_IMAGE},
     .err = {"locked: somebody else uses it", "\",readonly\""}},
    {.name = "disk-locked-readonly", .needs = NEEDS_KVM, .scenario = "scenario=hello", .status = 2, .image_size = 4096,
     .image_is_used = true, .arguments = {"--gpu=none", "--disk=" CASE_IMAGE ",readonly"},
     .err = {"locked: somebody writes it"}},
    {.name = "disk-twice", .needs = NEEDS_KVM, .scenario = "scenario=hello", .status = 2, .image_size = 4096,
     .arguments = {"--gpu=none", "--disk=" CASE_IMAGE, "--disk=" CASE_IMAGE}, .err = {"locked: somebody else uses it"}},

    /* Disks and entropy. */
    {.name = "linux-disk-pci", .needs = NEEDS_LINUX, .image_size = 1 << 20,
     .arguments = {RUN, PCI, "--disk=" CASE_IMAGE, "--rng", SHELL(WRITE_AND_READ ENTROPY)},
     .out = {PIECES, "entropy from virtio_rng", "8192 bytes of it"}},
    {.name = "linux-disk-mmio", .needs = NEEDS_LINUX, .image_size = 1 << 20,
     .arguments = {RUN, MMIO, "--disk=" CASE_IMAGE, "--rng", SHELL(WRITE_AND_READ ENTROPY)},
     .out = {PIECES, "entropy from virtio_rng", "8192 bytes of it"}},
    {.name = "linux-disks-readonly", .needs = NEEDS_LINUX, .image_size = 1 << 20,
     .arguments = {RUN, "--disk=" CASE_IMAGE ",readonly", "--disk=" CASE_IMAGE ",readonly",
                   SHELL("cd /sys/block; for d in vda vdb; do echo $d $($b cat $d/ro $d/size); "
                         "echo x >/dev/$d || echo $d is not written; $b cmp -n 1048576 /dev/$d /dev/zero && "
                         "echo $d is as it was; done")},
     .out = {"vda 1 2048", "vda is not written", "vda is as it was",
             "vdb 1 2048", "vdb is not written", "vdb is as it was"}},

    /* The host's disk is full; then somebody cuts the image. The guest sees errors, and goes on. */
    {.name = "linux-disk-fails", .needs = NEEDS_LINUX, .image_size = 1 << 20, .image_space = 256 << 10,
     .when = "cut it now", .image_cut = 4096, .input = "\n",
     .arguments = {RUN, "--disk=" CASE_IMAGE, SHELL(DISK_FAILS)},
     .out = {"writes: 1 Input/output error", "reads: 4096", "beyond the cut: 1 Input/output error", "before it: 4096"},
     .err = {"No space left on device; the guest gets an I/O error"}},

    {.name = "linux-seeds", .needs = NEEDS_LINUX, .arguments = {RUN, SHELL(SEEDS)}, .out = {SAW_SEEDS}},

    /* Who reads what the guest prints. */
    {.name = "console-full", .needs = NEEDS_KVM, .scenario = "scenario=hello", .arguments = {"--gpu=none"},
     .reader = READER_FULL, .err = {"console: ", "bytes are lost: No space left on device"}},
    {.name = "console-gone", .needs = NEEDS_KVM, .scenario = "scenario=hello", .arguments = {"--gpu=none"},
     .reader = READER_GONE, .err = {"console: ", "bytes are lost: Broken pipe"}},
    {.name = "linux-console-slow", .needs = NEEDS_LINUX, .reader = READER_SLOW,
     .arguments = {RUN, SHELL("for i in 1 2 3 4; do $b dmesg | $b head -c 1200; echo part $i is said; done")},
     .out = {"part 1 is said", "part 2 is said", "part 3 is said", "part 4 is said"}},

    /* What the user types. */
    {.name = "linux-input-serial", .needs = NEEDS_LINUX, .arguments = {RUN, SHELL(ASK)},
     .when = "what is it", .input = "a serial port\n", .out = {"so it is a serial port"}},
    {.name = "linux-input-virtio-pci", .needs = NEEDS_LINUX,
     .arguments = {RUN, PCI, "--console=virtio", SHELL_ON("hvc0", "panic=-1", "", "exec </dev/hvc0 >/dev/hvc0; " ASK)},
     .when = "what is it", .input = "a console\n", .out = {"so it is a console"}},
    {.name = "linux-input-virtio-mmio", .needs = NEEDS_LINUX,
     .arguments = {RUN, MMIO, "--console=virtio", SHELL_ON("hvc0", "panic=-1", "", "exec </dev/hvc0 >/dev/hvc0; " ASK)},
     .when = "what is it", .input = "a console\n", .out = {"so it is a console"}},

    /* How it ends. */
    {.name = "linux-power-off", .needs = NEEDS_LINUX, .arguments = {RUN, SHELL("$b poweroff -f")}},
    {.name = "linux-reboot", .needs = NEEDS_LINUX, .status = 5, .arguments = {RUN, SHELL("$b reboot -f")},
     .err = {"the guest asked for a reset"}},
    {.name = "linux-panic", .needs = NEEDS_LINUX, .status = 5, .arguments = {RUN, SHELL("echo c >/proc/sysrq-trigger")},
     .out = {"Kernel panic - not syncing"}, .err = {"the guest asked for a reset"}},
    {.name = "linux-panic-reported", .needs = NEEDS_LINUX | NEEDS_X86, .status = 4,
     .arguments = {RUN, SHELL_ON(CONSOLE, "panic=0", ",pvpanic-mmio", "echo c >/proc/sysrq-trigger")},
     .out = {"Kernel panic - not syncing"}, .err = {"the guest crashed: its kernel reports a panic"}},
    {.name = "linux-terminated", .needs = NEEDS_LINUX, .status = 128 + SIGTERM, .arguments = {RUN, SHELL("echo now it waits; $b sleep 200")},
     .when = "now it waits", .signal = SIGTERM, .err = {"stopped by signal 15"}},
};
// clang-format on

const unsigned e2e_case_devices_count =
    sizeof e2e_cases_devices / sizeof e2e_cases_devices[0];
