/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_kcore.h"

#include <check.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define OFFSET_HIGH    (FAKE_OFFSET_LOW + FAKE_RAM_SIZE)
#define OFFSET_VMALLOC (OFFSET_HIGH + FAKE_RAM_SIZE)

char fake_kcore_path[32];
static int file;

void fake_kcore_write(uint64_t offset, const void *bytes, unsigned count)
{
    ck_assert_int_eq(pwrite(file, bytes, count, (off_t)offset), count);
}

void fake_kcore_cut(uint64_t size)
{
    ck_assert_int_eq(ftruncate(file, (off_t)size), 0);
}

void fake_kcore_set(uint64_t physical, uint64_t word)
{
    uint64_t at = physical >= FAKE_RAM_HIGH ? OFFSET_HIGH + (physical - FAKE_RAM_HIGH)
                                            : FAKE_OFFSET_LOW + (physical - FAKE_RAM_LOW);
    fake_kcore_write(at, &word, sizeof word);
}

void fake_kcore_make(void)
{
    static const Elf64_Phdr loads[] = {
        {.p_type = PT_NOTE, .p_offset = 0x200, .p_filesz = 0x100},
        {.p_type = PT_LOAD,
         .p_offset = OFFSET_VMALLOC,
         .p_vaddr = FAKE_VMALLOC,
         .p_paddr = UINT64_MAX,
         .p_memsz = FAKE_RAM_SIZE},
        {.p_type = PT_LOAD,
         .p_offset = FAKE_OFFSET_LOW,
         .p_vaddr = FAKE_LINEAR + FAKE_RAM_LOW,
         .p_paddr = FAKE_RAM_LOW,
         .p_memsz = FAKE_RAM_SIZE},
        {.p_type = PT_LOAD,
         .p_offset = OFFSET_HIGH,
         .p_vaddr = FAKE_LINEAR + FAKE_RAM_HIGH,
         .p_paddr = FAKE_RAM_HIGH,
         .p_memsz = FAKE_RAM_SIZE},
    };
    const Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                    EV_CURRENT},
        .e_type = ET_CORE,
        .e_phoff = sizeof header,
        .e_ehsize = sizeof header,
        .e_phentsize = sizeof loads[0],
        .e_phnum = sizeof loads / sizeof loads[0],
    };
    file = memfd_create("kcore", MFD_CLOEXEC);
    ck_assert_int_ge(file, 0);
    snprintf(fake_kcore_path, sizeof fake_kcore_path, "/proc/self/fd/%d", file);
    fake_kcore_cut(OFFSET_VMALLOC + FAKE_RAM_SIZE);
    fake_kcore_write(0, &header, sizeof header);
    fake_kcore_write(sizeof header, loads, sizeof loads);
}

void fake_kcore_remove(void)
{
    close(file);
}
