/* SPDX-License-Identifier: MIT */
#include "guest/linux/pte.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "guest/linux/pte-reader/pte_reader.h"

#define DEBUGFS     "/sys/kernel/debug"
#define MEMORY_LIST DEBUGFS "/x86/pat_memtype_list"

#if defined(__x86_64__)
static bool type_of(uint32_t byte, enum memattr_type *type)
{
    switch (byte) {
    case PTE_READER_TYPE_X86_UC:
        *type = MEMATTR_UC;
        return true;
    case PTE_READER_TYPE_X86_WC:
        *type = MEMATTR_WC;
        return true;
    case PTE_READER_TYPE_X86_WT:
        *type = MEMATTR_WT;
        return true;
    case PTE_READER_TYPE_X86_WP:
        *type = MEMATTR_WP;
        return true;
    case PTE_READER_TYPE_X86_WB:
        *type = MEMATTR_WB;
        return true;
    case PTE_READER_TYPE_X86_UC_MINUS:
        *type = MEMATTR_UC_MINUS;
        return true;
    default:
        return false;
    }
}
#else
static bool type_of(uint32_t byte, enum memattr_type *type)
{
    return memattr_arm64_of_mair((uint8_t)byte, type);
}
#endif

/* The words of cattr_name(), arch/x86/mm/pat/memtype.c. */
static const char *const list_words[] = {
    "uncached-minus", "uncached",        "write-combining",
    "write-through",  "write-protected", "write-back",
};

/* Lines are "PAT: [mem 0xSTART-0xEND] TYPE"; END is exclusive. */
static const char *word_in_line(const char *line, uint64_t physical)
{
    const char *range = strstr(line, "[mem 0x");
    char *next;
    if (!range)
        return NULL;
    uint64_t start = strtoull(range + strlen("[mem "), &next, 16);
    if (*next != '-')
        return NULL;
    uint64_t end = strtoull(next + 1, &next, 16);
    if (*next != ']' || physical < start || physical >= end)
        return NULL;
    for (size_t i = 0; i < sizeof list_words / sizeof list_words[0]; i++) {
        if (strstr(line, list_words[i]))
            return list_words[i];
    }
    return "?";
}

static const char *look_into_list(uint64_t physical)
{
    char line[256];
    const char *word = NULL;
    FILE *list = fopen(MEMORY_LIST, "re");
    if (!list && mount("debugfs", DEBUGFS, "debugfs", 0, NULL) == 0)
        list = fopen(MEMORY_LIST, "re");
    if (!list)
        return "-";
    while (!word && fgets(line, sizeof line, list))
        word = word_in_line(line, physical);
    (void)fclose(list);
    return word ? word : "-";
}

void pte_read(const volatile void *address, struct pte *pte)
{
    struct pte_reader_entry entry = {.address = (uint64_t)(uintptr_t)address};
    *pte = (struct pte){.list = "-"};
    int fd = open(PTE_READER_PATH, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    int status = ioctl(fd, PTE_READER_IOCTL_READ, &entry);
    close(fd);
    if (status < 0 || !type_of(entry.type, &pte->type))
        return;
    pte->known = true;
    pte->entry = entry.entry;
    pte->physical = entry.physical;
    pte->registers = entry.registers;
    pte->shift = entry.shift;
    pte->is_pfnmap = entry.flags & PTE_READER_PFNMAP;
    pte->is_ram = entry.flags & PTE_READER_RAM;
    pte->list = look_into_list(entry.physical);
}
