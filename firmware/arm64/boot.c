/* SPDX-License-Identifier: MIT */
/*
 * RAM as an arm64 guest finds it, and the state of the boot CPU at entry.
 *
 *                  the tiny guest              Linux
 *   0x4000_0000    struct boot_info            -
 *   0x4000_1000    command line, one page      -
 *   0x4001_0000    its stack, from here down   -
 *   0x4002_0000    device tree                 device tree
 *   0x4020_0000    its segments                Image, behind its text_offset
 *   next 2 MiB     -                           initial RAM disk, if there is one
 *
 *   pc       the image's first instruction
 *   x0       GPA of the struct boot_info; Linux: of the device tree
 *   x1 ...   0
 *   PSTATE   EL1h, debug exceptions, SErrors, IRQs and FIQs masked
 *   SCTLR    MMU and data cache off: data accesses are Device-nGnRnE, and pass the caches by.
 *            What the VMM has written is seen nevertheless: with FEAT_S2FWB stage 2 makes them
 *            write-back, and without it KVM cleans a page to memory when it maps it
 *            (arch/arm64/kvm/hyp/pgtable.c, stage2_map_walker_try_leaf)
 *   CPUs     all others are off until PSCI's CPU_ON, by HVC
 *
 * This is what Documentation/arch/arm64/booting.rst asks for. Which of the two a file is, its
 * first bytes say.
 */
#include "firmware/boot.h"

#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "firmware/device_tree.h"
#include "firmware/elf_loader.h"
#include "firmware/file.h"
#include "firmware/image_loader.h"
#include "firmware/initrd.h"
#include "vmm/arch/arch.h"
#include "vmm/layout.h"

#define DEVICE_TREE_SIZE_MAX (64 * KIB)
_Static_assert(LAYOUT_BOOT_FDT + DEVICE_TREE_SIZE_MAX <= LAYOUT_IMAGE_START, "layout");

/* COMMAND_LINE_SIZE in arch/arm64/include/uapi/asm/setup.h; Linux cuts off what is longer. */
#define LINUX_COMMAND_LINE_SIZE 2048u

/* --- the image --- */

static bool load_elf(const struct guest_memory *memory, int fd, const char *path,
                     const char *initrd, struct boot_image *image, struct error *error)
{
    if (initrd)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "--initrd %s: it is for a Linux kernel, and %s is an ELF file",
                         initrd, path);
    struct elf_image elf;
    if (!elf_load_fd(fd, path, memory, arch_elf_machine, &elf, error))
        return false;
    image->start = elf.entry;
    return true;
}

static bool load_linux(const struct guest_memory *memory, int fd, const char *path,
                       const char *initrd, struct boot_image *image, struct error *error)
{
    struct linux_image kernel;
    if (!image_load(fd, path, memory, gpa(LAYOUT_IMAGE_START), &kernel, error))
        return false;
    image->is_linux = true;
    image->start = kernel.range.start;
    gpa_t end = gpa(kernel.range.start.value + kernel.range.size);
    return !initrd || initrd_load(initrd, memory, end, UINT64_MAX, &image->initrd, error);
}

static bool load(const struct guest_memory *memory, int fd, const char *path,
                 const char *initrd, struct boot_image *image, struct error *error)
{
    enum image_kind kind;
    if (!image_identify(fd, &kind, error))
        return error_wrap(error, "%s", path);
    switch (kind) {
    case IMAGE_ELF:
        return load_elf(memory, fd, path, initrd, image, error);
    case IMAGE_LINUX:
    case IMAGE_LINUX_GZIP:
    case IMAGE_LINUX_ZBOOT:
        return load_linux(memory, fd, path, initrd, image, error);
    case IMAGE_LINUX_BZIMAGE:
        return error_set(error, ERROR_CONFIG_FILE,
                         "%s: is a Linux kernel for x86, this s2vmm runs arm64", path);
    case IMAGE_UNKNOWN:
        break;
    }
    return error_set(error, ERROR_CONFIG_FILE,
                     "%s: is not an ELF file, and not a Linux kernel for arm64 (Image)",
                     path);
}

bool boot_load(const struct guest_memory *memory, const char *path, const char *initrd,
               struct boot_image *image, struct error *error)
{
    *image = (struct boot_image){0};
    int fd = file_open(path, error);
    if (fd < 0)
        return false;
    bool loaded = load(memory, fd, path, initrd, image, error);
    close(fd);
    return loaded;
}

/* --- what it finds --- */

static bool write_device_tree(const struct guest_memory *memory,
                              const struct boot_config *config,
                              const struct boot_image *image, struct error *error)
{
    uint64_t mpidrs[VM_CPUS_MAX];
    for (unsigned i = 0; i < config->cpu_count; i++)
        mpidrs[i] = arch_vcpu_mpidr(i);
    struct device_tree_seeds seeds; /* getrandom(2): up to 256 bytes come at once */
    BUG_ON(getrandom(&seeds, sizeof seeds, 0) != (ssize_t)sizeof seeds);
    const struct device_tree_config tree = {
        .ram = memory->regions[0].range,
        .initrd = image->initrd,
        .command_line = config->command_line,
        .seeds = &seeds,
        .cpu_count = config->cpu_count,
        .mpidrs = mpidrs,
        .gic_version = config->gic_version,
        .has_its = config->has_its,
        .gic_distributor = {gpa(LAYOUT_GIC_DISTRIBUTOR), LAYOUT_GIC_DISTRIBUTOR_SIZE},
        .gic_redistributors = {gpa(LAYOUT_GIC_REDISTRIBUTOR),
                               LAYOUT_GIC_REDISTRIBUTOR_SIZE * config->cpu_count},
        .gic_its = {gpa(LAYOUT_GIC_ITS), LAYOUT_GIC_ITS_SIZE},
        .gic_cpu_interface = {gpa(LAYOUT_GIC_CPU_INTERFACE),
                              LAYOUT_GIC_CPU_INTERFACE_SIZE},
        .pci = config->pci,
        .rtc = {gpa(LAYOUT_RTC_BASE), LAYOUT_RTC_SIZE},
        .device_count = config->device_count,
        .devices = config->devices,
    };
    void *host;
    return guest_memory_view(memory, gpa(LAYOUT_BOOT_FDT), DEVICE_TREE_SIZE_MAX, &host,
                             error) &&
           device_tree_build(&tree, host, DEVICE_TREE_SIZE_MAX, error);
}

static bool check_linux_command_line(const char *text, struct error *error)
{
    size_t length = strlen(text);
    return length < LINUX_COMMAND_LINE_SIZE ||
           error_set(error, ERROR_CONFIG_USAGE,
                     "the kernel's command line has %zu bytes, Linux takes up to %u",
                     length, LINUX_COMMAND_LINE_SIZE - 1);
}

bool boot_prepare(const struct guest_memory *memory, const struct boot_config *config,
                  const struct boot_image *image, struct vm_entry *entry,
                  struct error *error)
{
    BUG_ON(config->cpu_count > VM_CPUS_MAX);
    bool prepared = image->is_linux
                        ? check_linux_command_line(config->command_line, error)
                        : boot_write_info(memory, config, error);
    if (!prepared || !write_device_tree(memory, config, image, error))
        return false;
    *entry = (struct vm_entry){
        .address = image->start,
        .argument = gpa(image->is_linux ? LAYOUT_BOOT_FDT : LAYOUT_BOOT_INFO),
    };
    return true;
}
