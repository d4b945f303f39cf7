/* SPDX-License-Identifier: MIT */
/*
 * Low memory as the tiny guest finds it, and the state of the boot CPU at entry.
 *
 *   0x00000  +---------------------------+
 *            | zero                      |
 *   0x01000  | GDT: null, code, data     |
 *   0x02000  | PML4: entry 0             |
 *   0x03000  | PDPT: entries 0 to 3      |
 *   0x04000  | page directories 0 to 3   |  2048 pages of 2 MiB: the first 4 GiB, identity
 *   0x08000  | struct boot_info          |
 *   0x09000  | command line              |  one page, NUL-terminated
 *   0x0a000  | stack, from the top down  |
 *   0x10000  +---------------------------+  free for the guest from here
 *
 *   rdi      GPA of the struct boot_info
 *   rsp      0x10000
 *   mode     64 bit, ring 0, paging on, interrupts off, CR0.WP on, caches on, no SSE
 *   segments flat: cs = 0x8, all others 0x10
 *   IDT      none: until the guest has one, any exception is a triple fault and ends the
 * VM
 *
 * All pages are write-back and writable: PWT, PCD and PAT are 0, which selects PAT entry
 * 0, and that is WB at reset. What lies above 4 GiB the guest maps itself. The other
 * processors wait for INIT and SIPI.
 */
#include "firmware/boot.h"

#include <string.h>

#include "firmware/elf_loader.h"
#include "vmm/arch/arch.h"
#include "vmm/layout.h"

#define PAGE_SIZE 4096u
#define ENTRIES   512u

#define PAGE_PRESENT_WRITABLE 0x3u
#define PAGE_LARGE            0x80u /* PS: a 2 MiB page */

/* Base 0, limit 4 GiB, present, accessed (Intel SDM vol. 3, 3.4.5). */
static const uint64_t gdt[] = {
    0, 0x00af9b000000ffff, /* code: 64 bit, execute and read */
    0x00cf93000000ffff,    /* data: read and write */
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

bool boot_load(const struct guest_memory *memory, const char *path, const char *initrd,
               struct boot_image *image, struct error *error)
{
    if (initrd)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "--initrd %s: it is for a Linux kernel, and s2vmm boots one on "
                         "arm64 only; leave it out",
                         initrd);
    *image = (struct boot_image){0};
    return elf_load(path, memory, arch_elf_machine, &image->start, error);
}

bool boot_prepare(const struct guest_memory *memory, const struct boot_config *config,
                  const struct boot_image *image, struct vm_entry *entry,
                  struct error *error)
{
    if (!write_page_tables(memory, error) || !boot_write_info(memory, config, error) ||
        !guest_memory_write(memory, gpa(LAYOUT_BOOT_GDT), gdt, sizeof gdt, error))
        return false;
    *entry =
        (struct vm_entry){.address = image->start, .argument = gpa(LAYOUT_BOOT_INFO)};
    return true;
}
