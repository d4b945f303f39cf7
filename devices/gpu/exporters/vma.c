/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "devices/gpu/exporters/target.h"

bool vma_find_flags(FILE *smaps, const void *address, char *flags, size_t size)
{
    static const char key[] = "VmFlags:";
    char *line = NULL;
    size_t capacity = 0;
    bool inside = false;
    bool found = false;
    while (!found && getline(&line, &capacity, smaps) > 0) {
        char *behind;
        uint64_t start = strtoull(line, &behind, 16);
        line[strcspn(line, "\n")] = '\0';
        if (behind > line && *behind == '-') {
            uint64_t end = strtoull(behind + 1, NULL, 16);
            inside = (uintptr_t)address >= start && (uintptr_t)address < end;
        } else if (inside && strncmp(line, key, sizeof key - 1) == 0) {
            const char *words = line + sizeof key - 1;
            words += strspn(words, " ");
            size_t length = strlen(words);
            while (length > 0 && words[length - 1] == ' ')
                length--;
            snprintf(flags, size, "%.*s", (int)length, words);
            found = true;
        }
    }
    free(line);
    return found;
}

bool vma_has_flag(const char *flags, const char *flag)
{
    for (const char *at = flags; (at = strstr(at, flag)) != NULL; at++) {
        bool starts = at == flags || at[-1] == ' ';
        if (starts && (at[2] == ' ' || at[2] == '\0'))
            return true;
    }
    return false;
}

/* VM_ALLOW_ANY_UNCACHED has no letters of its own: smaps shows it as "??"
 * (fs/proc/task_mmu.c, show_smap_vma_flags), and no other flag of a VM_PFNMAP mapping is shown
 * so. */
enum memattr_vma vma_kind(const char *flags)
{
    if (!vma_has_flag(flags, "pf"))
        return MEMATTR_VMA_PLAIN;
    return vma_has_flag(flags, "??") ? MEMATTR_VMA_VFIO : MEMATTR_VMA_PFNMAP;
}
