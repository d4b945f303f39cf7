/* SPDX-License-Identifier: MIT */
#include "vmm/kcore.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "vmm/types.h"

static bool is_core(const Elf64_Ehdr *header)
{
    return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == ELFCLASS64 &&
           header->e_ident[EI_DATA] == ELFDATA2LSB && header->e_type == ET_CORE &&
           header->e_phentsize == sizeof(Elf64_Phdr);
}

/* A range whose ends can be computed without an overflow; kcore's vsyscall page, at the very
 * top, is none, and not missed. */
static bool is_usable(const struct kcore_range *range)
{
    uint64_t end;
    return u64_add(range->virtual_start, range->size, &end) &&
           u64_add(range->offset, range->size, &end) && end <= INT64_MAX &&
           (range->physical_start == KCORE_NO_PHYSICAL ||
            u64_add(range->physical_start, range->size, &end));
}

/* Headers that do not fit are left out: their memory cannot be read then. */
static bool read_headers(struct kcore *kcore)
{
    Elf64_Ehdr header;
    if (pread(kcore->fd, &header, sizeof header, 0) != (ssize_t)sizeof header ||
        !is_core(&header) || header.e_phoff > INT64_MAX / 2)
        return false;
    for (unsigned i = 0; i < header.e_phnum && kcore->range_count < KCORE_RANGES_MAX;
         i++) {
        Elf64_Phdr load;
        off_t at = (off_t)(header.e_phoff + i * sizeof load);
        if (pread(kcore->fd, &load, sizeof load, at) != (ssize_t)sizeof load)
            return false;
        const struct kcore_range range = {load.p_vaddr, load.p_paddr, load.p_memsz,
                                          load.p_offset};
        if (load.p_type == PT_LOAD && is_usable(&range))
            kcore->ranges[kcore->range_count++] = range;
    }
    return true;
}

bool kcore_open(struct kcore *kcore, const char *path, struct error *error)
{
    *kcore = (struct kcore){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (kcore->fd < 0 && (errno == EACCES || errno == EPERM))
        return error_set(error, ERROR_CONFIG_HOST,
                         "%s: %s: run s2vmm as root, on a kernel that is not locked down",
                         path, strerror(errno));
    if (kcore->fd < 0)
        return error_set(error, ERROR_CONFIG_HOST,
                         "%s: %s; it needs a kernel with CONFIG_PROC_KCORE", path,
                         strerror(errno));
    kcore->is_open = true;
    if (read_headers(kcore))
        return true;
    kcore_close(kcore);
    return error_set(error, ERROR_CONFIG_HOST, "%s is no ELF core file of 64 bits", path);
}

void kcore_close(struct kcore *kcore)
{
    if (kcore->is_open)
        close(kcore->fd);
    *kcore = (struct kcore){0};
}

bool kcore_read(const struct kcore *kcore, uint64_t address, uint64_t *word)
{
    for (unsigned i = 0; i < kcore->range_count; i++) {
        const struct kcore_range *range = &kcore->ranges[i];
        uint64_t inside = address - range->virtual_start;
        if (address < range->virtual_start || range->size < sizeof *word ||
            inside > range->size - sizeof *word)
            continue;
        off_t at = (off_t)(range->offset + inside);
        return pread(kcore->fd, word, sizeof *word, at) == (ssize_t)sizeof *word;
    }
    return false;
}

bool kcore_virtual(const struct kcore *kcore, uint64_t physical, uint64_t *address)
{
    for (unsigned i = 0; i < kcore->range_count; i++) {
        const struct kcore_range *range = &kcore->ranges[i];
        if (range->physical_start == KCORE_NO_PHYSICAL ||
            physical < range->physical_start ||
            physical - range->physical_start >= range->size)
            continue;
        *address = range->virtual_start + (physical - range->physical_start);
        return true;
    }
    return false;
}
