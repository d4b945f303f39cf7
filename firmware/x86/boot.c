/* SPDX-License-Identifier: MIT */
/*
 * Low memory as the guest finds it, and the state of the boot CPU at entry.
 *
 *            the tiny guest              Linux
 *   0x00000  zero                        zero
 *   0x01000  GDT: null, null, code, data the same
 *   0x02000  PML4: entry 0               the same
 *   0x03000  PDPT: entries 0 to 3        the same
 *   0x04000  page directories 0 to 3     the same: 2048 pages of 2 MiB, the first 4 GiB, identity
 *   0x08000  struct boot_info            struct boot_params, or PVH's start info
 *   0x09000  command line                the same; one page, NUL-terminated
 *   0x0a000  stack, from the top down    bzImage: struct setup_data with a random seed
 *   0x10000  free                        free
 *   0xe0000  free                        ACPI's tables, the RSDP first
 *   0xffff0  free                        real mode's first instruction: asks for a reset
 *
 *            the tiny guest      bzImage             vmlinux, by PVH
 *   rdi      the boot_info       -                   -
 *   rsi      -                   the boot_params     -
 *   ebx      -                   -                   the start info
 *   rsp      0x10000             the same            undefined
 *   mode     64 bit, paging on, CR0.WP on            32 bit, paging off
 *   segments flat: cs = 0x10, all others 0x18        flat, 32 bit
 *   all      ring 0, interrupts off, caches on, no SSE, no IDT: until the guest has one, any
 *            exception is a triple fault and ends the VM
 *
 * All pages are write-back and writable: PWT, PCD and PAT are 0, which selects PAT entry
 * 0, and that is WB at reset. What lies above 4 GiB the guest maps itself. The other
 * processors wait for INIT and SIPI.
 *
 * This is what Documentation/arch/x86/boot.rst asks for in Linux ("64-bit Boot Protocol"), and
 * Xen's docs/misc/pvh.pandoc. An ELF file is entered by PVH if it says that it can.
 */
#include "firmware/boot.h"

#include <string.h>
#include <unistd.h>

#include "firmware/acpi.h"
#include "firmware/elf_loader.h"
#include "firmware/file.h"
#include "firmware/image_loader.h"
#include "firmware/initrd.h"
#include "firmware/x86/linux.h"
#include "vmm/arch/arch.h"
#include "vmm/layout.h"

#define PAGE_SIZE 4096u
#define ENTRIES   512u
_Static_assert(LAYOUT_BOOT_PARAMETERS == LAYOUT_BOOT_INFO, "layout");

#define PAGE_PRESENT_WRITABLE 0x3u
#define PAGE_LARGE            0x80u /* PS: a 2 MiB page */

/* Base 0, limit 4 GiB, present, accessed (Intel SDM vol. 3, 3.4.5). */
static const uint64_t gdt[] = {
    0, 0, 0x00af9b000000ffff, /* code: 64 bit, execute and read */
    0x00cf93000000ffff,       /* data: read and write */
};

static bool write_page_tables(const struct guest_memory *memory, struct error *error)
{
    const uint64_t base = LAYOUT_BOOT_PAGE_TABLES;
    enum { PML4, PDPT, DIRECTORIES, COUNT = DIRECTORIES + 4 };
    uint64_t tables[COUNT][ENTRIES];

    memset(tables, 0, sizeof tables);
    tables[PML4][0] = (base + (uint64_t)PDPT * PAGE_SIZE) | PAGE_PRESENT_WRITABLE;
    for (uint64_t i = 0; i < 4; i++) {
        tables[PDPT][i] = (base + (DIRECTORIES + i) * PAGE_SIZE) | PAGE_PRESENT_WRITABLE;
        for (uint64_t j = 0; j < ENTRIES; j++)
            tables[DIRECTORIES + i][j] =
                (i * ENTRIES + j) * 2 * MIB | PAGE_LARGE | PAGE_PRESENT_WRITABLE;
    }
    return guest_memory_write(memory, gpa(base), tables, sizeof tables, error);
}

/* --- the image --- */

static bool load_initrd(const struct guest_memory *memory, const char *path,
                        struct gpa_range kernel, uint64_t limit, struct boot_image *image,
                        struct error *error)
{
    gpa_t lowest = gpa(kernel.start.value + kernel.size);
    return path == NULL ||
           initrd_load(path, memory, lowest, limit, &image->initrd, error);
}

static bool load_elf(const struct guest_memory *memory, int fd, const char *path,
                     const char *initrd, struct boot_image *image, struct error *error)
{
    struct elf_image elf;
    if (!elf_load_fd(fd, path, memory, arch_elf_machine, &elf, error))
        return false;
    image->start = elf.entry;
    if (!elf.has_pvh)
        return initrd == NULL ||
               error_set(error, ERROR_CONFIG_USAGE,
                         "--initrd %s: it is for a Linux kernel, and %s is an ELF file "
                         "without a PVH entry (a vmlinux has one with CONFIG_PVH=y)",
                         initrd, path);
    image->start = elf.pvh_entry;
    image->is_linux = true;
    image->mode = VM_ENTRY_PVH;
    return load_initrd(memory, initrd, elf.range, UINT64_MAX, image, error);
}

static bool load_bzimage(const struct guest_memory *memory, int fd, const char *path,
                         const char *initrd, struct boot_image *image,
                         struct error *error)
{
    struct bzimage kernel;
    if (!bzimage_load_fd(fd, path, memory, &kernel, error))
        return false;
    image->start = kernel.entry;
    image->is_linux = true;
    image->mode = VM_ENTRY_LINUX_64;
    image->header = kernel.header;
    return load_initrd(memory, initrd, kernel.range, kernel.initrd_limit, image, error);
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
    case IMAGE_LINUX_BZIMAGE:
        return load_bzimage(memory, fd, path, initrd, image, error);
    case IMAGE_LINUX:
    case IMAGE_LINUX_ZBOOT:
        return error_set(error, ERROR_CONFIG_FILE,
                         "%s: is a Linux kernel for arm64, this s2vmm runs x86-64", path);
    case IMAGE_LINUX_GZIP:
        return error_set(error, ERROR_CONFIG_FILE,
                         "%s: is compressed: `gzip -dc` unpacks it", path);
    case IMAGE_UNKNOWN:
        break;
    }
    return error_set(error, ERROR_CONFIG_FILE,
                     "%s: is not an ELF file, and not a Linux kernel for x86 (bzImage)",
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

/* A Linux that finds "hardware-reduced" ACPI, and no UEFI, does not use ACPI's reset register: it
 * goes back to real mode and jumps to where the BIOS begins (arch/x86/kernel/reboot.c, reboot_init
 * and BOOT_BIOS; platform/efi/quirks.c, efi_reboot_required). So this is our BIOS. */
static bool write_reset_vector(const struct guest_memory *memory, struct error *error)
{
    static const uint8_t code[] = {
        0xba,
        LAYOUT_POWER_RESET & 0xff,
        LAYOUT_POWER_RESET >> 8, /* mov dx, port */
        0xee,                    /* out dx, al */
        0xf4,                    /* hlt */
        0xeb,
        0xfd, /* jmp to it */
    };
    return guest_memory_write(memory, gpa(LAYOUT_BOOT_RESET_VECTOR), code, sizeof code,
                              error);
}

static bool write_acpi(const struct guest_memory *memory,
                       const struct boot_config *config, struct error *error)
{
    const struct acpi_config acpi = {
        .cpu_count = config->cpu_count,
        .device_count = config->device_count,
        .devices = config->devices,
        .pci = config->pci,
        .sleep_control_port = LAYOUT_POWER_SLEEP_CONTROL,
        .sleep_status_port = LAYOUT_POWER_SLEEP_STATUS,
        .reset_port = LAYOUT_POWER_RESET,
    };
    const uint64_t capacity = LAYOUT_BOOT_RESET_VECTOR - LAYOUT_BOOT_ACPI;
    void *host;
    return guest_memory_view(memory, gpa(LAYOUT_BOOT_ACPI), capacity, &host, error) &&
           acpi_build(&acpi, gpa(LAYOUT_BOOT_ACPI), host, capacity, error);
}

bool boot_prepare(const struct guest_memory *memory, const struct boot_config *config,
                  const struct boot_image *image, struct vm_entry *entry,
                  struct error *error)
{
    bool prepared = image->is_linux
                        ? write_acpi(memory, config, error) &&
                              write_reset_vector(memory, error) &&
                              linux_write_parameters(memory, config, image, error)
                        : boot_write_info(memory, config, error);
    if (!prepared || !write_page_tables(memory, error) ||
        !guest_memory_write(memory, gpa(LAYOUT_BOOT_GDT), gdt, sizeof gdt, error))
        return false;
    *entry = (struct vm_entry){
        .mode = image->mode,
        .address = image->start,
        .argument = gpa(LAYOUT_BOOT_INFO), /* or the boot parameters, in the same place */
    };
    return true;
}
