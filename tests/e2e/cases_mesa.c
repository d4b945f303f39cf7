/* SPDX-License-Identifier: MIT */
/*
 * A distribution's user space in a Linux guest: its tools, and two programs that draw the known
 * picture through Mesa (tests/linux/). They compare what they read back; here the screenshot is
 * compared as well.
 */
#include "tests/e2e/cases.h"

#include <stddef.h>

#if defined(__aarch64__)
#define KERNEL  "/run/lab/linux/Image"
#define CONSOLE "ttyAMA0"
#else
#define KERNEL  "/run/lab/linux/vmlinuz"
#define CONSOLE "ttyS0"
#endif

#define RUN                                                                              \
    "run", "--kernel=" KERNEL, "--initrd=/run/lab/linux/initrd.cpio", "--timeout=600",   \
        "--disk=/run/lab/disk.img,readonly", "--display=640x480"

#define GUEST(command)                                                                   \
    "--append=console=" CONSOLE                                                          \
    " rdinit=/guest-init quiet panic=-1 disk=/dev/vda -- sh -c \"" command "\""

// clang-format off
const struct e2e_case e2e_cases_mesa[] = {
    {.name = "mesa-virgl", .needs = NEEDS_IMAGE | NEEDS_VIRGL,
     .arguments = {RUN, "--gpu=virgl", GUEST("mesa-tools eglinfo modetest && gles-picture")},
     .out = {"mesa-tools: eglinfo: ok", "mesa-tools: modetest -c: ok", "mesa-tools: modetest -s: ok",
             "gles-picture: 640x480 by virgl", "gles-picture: 0 of 307200 pixels wrong"},
     .picture = PICTURE_PATTERN},
    {.name = "mesa-venus", .needs = NEEDS_IMAGE | NEEDS_DMABUF,
     .arguments = {RUN, "--gpu=venus", GUEST("mesa-tools vulkaninfo && vulkan-picture")},
     .out = {"mesa-tools: vulkaninfo: ok", "vulkan-picture: 640x480 by Virtio-GPU Venus", "vulkan-picture: 0 of 307200 pixels wrong"},
     .picture = PICTURE_PATTERN},
};
// clang-format on

const unsigned e2e_case_mesa_count = sizeof e2e_cases_mesa / sizeof e2e_cases_mesa[0];
