/* SPDX-License-Identifier: MIT */
/*
 * Devices of the host in the guest: QEMU's edu, which the lab puts into slot 0x10 and tests/in-lab
 * binds to vfio-pci. ",trap" has every access to its registers as an exit.
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

/* Behind the slots that virtio devices can have. Linux gives the BAR a place of its own on arm64. */
#define LINUX_FINDS_IT                                                                   \
    "--append=console=" CONSOLE                                                          \
    " rdinit=/guest-init quiet panic=-1 -- /bin/busybox sh "                             \
    "-c \"b=/bin/busybox; cd /sys/bus/pci/devices/0000:00:08.0; echo 1 >enable; "        \
    "echo found $($b cat vendor device msi_bus); "                                       \
    "read start end flags <resource; echo identified $($b devmem $start 32)\""

#define EDU  "--vfio=0000:00:10.0"
#define VFIO (NEEDS_KVM | NEEDS_HARDWARE | NEEDS_VFIO)

// clang-format off
const struct e2e_case e2e_cases_vfio[] = {
    {.name = "vfio-poll", .needs = VFIO, .scenario = "scenario=edu", .arguments = {"--gpu=none", EDU},
     .out = {"irq=none", "PASS edu"}},
    {.name = "vfio-poll-trap", .needs = VFIO, .scenario = "scenario=edu", .arguments = {"--gpu=none", EDU ",trap"},
     .out = {"irq=none", "PASS edu"}},
    {.name = "vfio-pin", .needs = VFIO, .scenario = "scenario=edu irq=pin", .arguments = {"--gpu=none", EDU},
     .out = {"5 interrupts", "irq=pin", "PASS edu"}},
    /* The tiny guest has no driver of arm64's ITS. */
    {.name = "vfio-msi", .needs = VFIO | NEEDS_X86, .scenario = "scenario=edu irq=msi", .arguments = {"--gpu=none", EDU},
     .out = {"5 interrupts", "irq=msi", "PASS edu"}},
    {.name = "vfio-msi-trap", .needs = VFIO | NEEDS_X86, .scenario = "scenario=edu irq=msi",
     .arguments = {"--gpu=none", EDU ",trap", "--sandbox=on"}, .out = {"irq=msi", "PASS edu"}},
    /* Less than 4 bytes are an external abort on arm64, from the emulated device itself. */
    {.name = "vfio-hostile", .needs = VFIO | NEEDS_X86, .scenario = "scenario=edu-hostile", .arguments = {"--gpu=none", EDU},
     .out = {"PASS edu-hostile"}},
    {.name = "vfio-hostile-trap", .needs = VFIO | NEEDS_X86, .scenario = "scenario=edu-hostile",
     .arguments = {"--gpu=none", EDU ",trap"}, .out = {"PASS edu-hostile"}},
    {.name = "vfio-hostile-arm64", .needs = VFIO | NEEDS_ARM64, .scenario = "scenario=edu-hostile smallest=4",
     .arguments = {"--gpu=none", EDU}, .out = {"PASS edu-hostile"}},

    {.name = "vfio-linux", .needs = VFIO | NEEDS_LINUX,
     .arguments = {"run", "--kernel=" KERNEL, "--initrd=/run/lab/linux/initrd.cpio", "--gpu=none", "--timeout=300", EDU, LINUX_FINDS_IT},
     .out = {"found 0x1234 0x11e8 1", "identified 0x010000ED"}},

    /* Devices that are not to be had. */
    {.name = "vfio-missing", .needs = VFIO, .scenario = "scenario=hello", .status = 2,
     .arguments = {"--gpu=none", "--vfio=0000:77:00.0"}, .err = {"--vfio: PCI device 0000:77:00.0: there is none"}},
    {.name = "vfio-not-bound", .needs = VFIO, .scenario = "scenario=hello", .status = 2,
     .arguments = {"--gpu=none", "--vfio=0000:00:01.0"}, .err = {"it is bound to virtio-pci, not to vfio-pci", "driver_override"}},
    {.name = "vfio-nonsense", .status = 2, .arguments = {"run", "--guest=x", "--vfio=edu"},
     .err = {"--vfio \"edu\"", "0000:00:05.0"}},
    {.name = "vfio-twice", .status = 2, .arguments = {"run", "--guest=x", "--vfio=0000:00:10.0", "--vfio=0000:00:10.0,trap"},
     .err = {"0000:00:10.0: given twice"}},
    {.name = "vfio-without-pci", .status = 2, .arguments = {"run", "--guest=x", EDU, "--transport=mmio"},
     .err = {"--vfio 0000:00:10.0 needs a PCI bus"}},
};
// clang-format on

const unsigned e2e_case_vfio_count = ARRAY_SIZE(e2e_cases_vfio);
