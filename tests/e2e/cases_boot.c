/* SPDX-License-Identifier: MIT */
/*
 * Stock kernels of Debian, as Debian ships them, in machines of several shapes. What they do with
 * the GPU is in cases_linux.c.
 */
#include "tests/e2e/cases.h"

#include <stddef.h>

#if defined(__aarch64__)
#define CONSOLE "ttyAMA0"
#define IMAGE   "Image"
#else
#define CONSOLE "ttyS0"
#define IMAGE   "vmlinux" /* entered by PVH */
#endif

#define RUN(kernel, file)                                                                \
    "run", "--kernel=/run/lab/linux/" kernel "/" file,                                   \
        "--initrd=/run/lab/linux/" kernel "/initrd.cpio", "--timeout=110"
#define CHECK_DRIVERS                                                                    \
    "--append=console=" CONSOLE                                                          \
    " rdinit=/guest-init quiet panic=-1 "                                                \
    "modules=virtio_pci,virtio_mmio,virtio-gpu"
#define CHECK_BLOB CHECK_DRIVERS ",pte-reader -- s2guest blob-shm s1=WB"
#define SAW_BLOB                                                                         \
    {                                                                                    \
        SAYS("map_info", "CACHED"), SAYS("guest_s1", "WB"), SAYS("verdict", "match"),    \
            SAW_EACH_OTHER                                                               \
    }

#define LINUX (NEEDS_LINUX | NEEDS_VENUS)

// clang-format off
const struct e2e_case e2e_cases_boot[] = {
    {.name = "boot-6.1", .needs = LINUX, .arguments = {RUN("6.1", "vmlinuz"), "--json", CHECK_BLOB},
     .err = {"guest: Linux 6.1."}, .out = SAW_BLOB},
    {.name = "boot-7.2", .needs = LINUX, .arguments = {RUN("7.2", "vmlinuz"), "--json", CHECK_BLOB},
     .err = {"guest: Linux 7.2."}, .out = SAW_BLOB},
    {.name = "boot-7.3", .needs = LINUX, .arguments = {RUN("7.3", "vmlinuz"), "--json", CHECK_BLOB},
     .err = {"guest: Linux 7.3"}, .out = SAW_BLOB},
    {.name = "boot-unpacked", .needs = LINUX, .arguments = {RUN("6.12", IMAGE), "--transport=mmio", CHECK_DRIVERS},
     .out = {"guest: Linux 6.12.", "CPUs 1,", "virtio: virtio_gpu", "renderD128"}},
    {.name = "boot-large", .needs = LINUX, .arguments = {RUN("6.12", "vmlinuz"), "--cpus=4", "--memory=5G", CHECK_DRIVERS},
     .out = {"guest: Linux 6.12.", "CPUs 4,", "virtio: virtio_gpu", "renderD128"}},
};
// clang-format on

const unsigned e2e_case_boot_count = sizeof e2e_cases_boot / sizeof e2e_cases_boot[0];
