/* SPDX-License-Identifier: MIT */
/*
 * Guest RAM by a file of KVM's (docs/guest-memory.md), and a guest that names a blob as the buffer
 * of another device (docs/foreign-buffers.md).
 */
#include "tests/e2e/cases.h"
#include "vmm/types.h"

#if defined(__aarch64__)
#define KERNEL  "/run/lab/linux/Image"
#define CONSOLE "ttyAMA0"
#else
#define KERNEL  "/run/lab/linux/vmlinuz"
#define CONSOLE "ttyS0"
#endif

#define RUN                                                                              \
    "run", "--kernel=" KERNEL, "--initrd=/run/lab/linux/initrd.cpio", "--timeout=300"
#define APPEND(command)                                                                  \
    "--append=console=" CONSOLE                                                          \
    " rdinit=/guest-init quiet panic=-1 "                                                \
    "modules=virtio_pci,virtio_mmio,virtio_blk,virtio-gpu,pte-reader -- " command
#define GUEST(scenarios) APPEND("s2guest " scenarios)
#define OK(scenario)     "s2guest: " scenario ": ok"

#define GUEST_MEMFD "--memory-backend=guest_memfd"
#define HAS         (NEEDS_KVM | NEEDS_GUEST_MEMFD)
#define EDU         "--vfio=0000:00:10.0"
#define SECTORS     (256 * 1024)

// clang-format off
const struct e2e_case e2e_cases_memory[] = {
    {.name = "guest-memfd-ram", .needs = HAS, .scenario = "scenario=ram",
     .arguments = {"--gpu=none", GUEST_MEMFD}, .out = {"PASS ram"}},
    {.name = "guest-memfd-smp", .needs = HAS | NEEDS_HARDWARE, .scenario = "scenario=smp",
     .arguments = {"--gpu=none", "--cpus=4", GUEST_MEMFD}, .out = {"PASS smp"}},
    {.name = "guest-memfd-blob", .needs = HAS | NEEDS_VENUS, .scenario = "scenario=blob-shm",
     .arguments = {GUEST_MEMFD, "--json"}, .err = {"PASS blob-shm"}, .out = {SAYS("verdict", "match")}},
    /* udmabuf does not take it: the renderer has the addresses of the pages. */
    {.name = "guest-memfd-guest-blob", .needs = HAS | NEEDS_HARDWARE | NEEDS_VENUS, .scenario = "scenario=guest-blob",
     .arguments = {GUEST_MEMFD, "--gpu=venus"}, .out = {"PASS guest-blob"},
     .err = {"guest RAM is a guest_memfd, which udmabuf does not take"}},
    {.name = "guest-memfd-linux", .needs = HAS | NEEDS_LINUX | NEEDS_VENUS, .image_size = SECTORS,
     .arguments = {RUN, GUEST_MEMFD, "--cpus=2", "--disk=" CASE_IMAGE, GUEST("info+blob-shm+foreign")},
     .out = {OK("blob-shm"), OK("foreign")}},
    {.name = "guest-memfd-vfio", .needs = HAS | NEEDS_HARDWARE | NEEDS_VFIO, .scenario = "scenario=edu",
     .arguments = {"--gpu=none", EDU, GUEST_MEMFD}, .out = {"PASS edu"}},
    {.name = "guest-memfd-absent", .needs = NEEDS_KVM | NEEDS_NO_GUEST_MEMFD, .scenario = "scenario=hello", .status = 2,
     .arguments = {"--gpu=none", GUEST_MEMFD}, .err = {"KVM_CAP_GUEST_MEMFD_FLAGS", "use Linux 6.18 or newer"}},
    {.name = "memory-backend-nonsense", .status = 2, .arguments = {"run", "--guest=x", "--memory-backend=shm"},
     .err = {"--memory-backend \"shm\": expected one of memfd, guest_memfd"}},

    {.name = "foreign-buffers", .needs = NEEDS_KVM | NEEDS_VENUS, .scenario = "scenario=foreign", .image_size = SECTORS,
     .arguments = {"--disk=" CASE_IMAGE, "--rng", "--console=virtio"},
     .out = {"foreign: disk: the request fails", "foreign: a ring: the device needs a reset", "foreign: after the reset",
             "foreign: answer: the device needs a reset", "PASS foreign"},
     .err = {"are not in guest RAM"}},
    {.name = "foreign-buffers-vfio", .needs = NEEDS_KVM | NEEDS_VENUS | NEEDS_HARDWARE | NEEDS_VFIO,
     .scenario = "scenario=foreign vfio=yes", .arguments = {EDU},
     .out = {"foreign: vfio: nothing was read or written", "PASS foreign"}},
    {.name = "foreign-buffers-linux", .needs = NEEDS_LINUX | NEEDS_VENUS, .image_size = SECTORS,
     .arguments = {RUN, "--disk=" CASE_IMAGE, GUEST("foreign")},
     .out = {"O_DIRECT is EFAULT", "read() and write() are right", OK("foreign")}},
};
// clang-format on

const unsigned e2e_case_memory_count = ARRAY_SIZE(e2e_cases_memory);
