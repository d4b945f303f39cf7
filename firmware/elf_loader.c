/* SPDX-License-Identifier: MIT */
/* Field names and values: System V ABI, generic part (gABI), chapters 4 and 5. */
#include "firmware/elf_loader.h"

#include <elf.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "firmware/file.h"
#include "vmm/layout.h"

#define SEGMENTS_MAX 64u

struct image {
    int fd;
    uint64_t size; /* of the file, bytes */
    Elf64_Ehdr header;
    Elf64_Phdr segments[SEGMENTS_MAX]; /* header.e_phnum of them */
};

/* True if [offset, offset + length) lies in the file. */
static bool in_file(const struct image *image, uint64_t offset, uint64_t length)
{
    uint64_t end;
    return u64_add(offset, length, &end) && end <= image->size;
}

static bool read_header(struct image *image, struct error *error)
{
    Elf64_Ehdr *header = &image->header;
    uint64_t available = image->size < sizeof *header ? image->size : sizeof *header;
    if (!file_read(image->fd, 0, header, available, error))
        return false;
    const uint8_t *id = header->e_ident;
    if (available < SELFMAG || memcmp(id, ELFMAG, SELFMAG) != 0)
        return error_set(error, ERROR_CONFIG_FILE,
                         "is not an ELF file: %" PRIu64
                         " bytes that begin with "
                         "%02x %02x %02x %02x, not with 7f 45 4c 46",
                         image->size, id[0], id[1], id[2], id[3]);
    if (available < sizeof *header)
        return error_set(error, ERROR_CONFIG_FILE,
                         "is cut off: %" PRIu64 " bytes, an ELF header has %zu",
                         image->size, sizeof *header);
    return true;
}

static bool check_header(const struct image *image, uint16_t machine, struct error *error)
{
    const Elf64_Ehdr *header = &image->header;
    if (header->e_ident[EI_CLASS] != ELFCLASS64 ||
        header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_ident[EI_VERSION] != EV_CURRENT || header->e_version != EV_CURRENT)
        return error_set(
            error, ERROR_CONFIG_FILE,
            "is not a 64-bit little-endian ELF file of version 1: class %u, data "
            "%u, version %u",
            header->e_ident[EI_CLASS], header->e_ident[EI_DATA], header->e_version);
    if (header->e_machine != machine)
        return error_set(error, ERROR_CONFIG_FILE,
                         "is for machine %u, this s2vmm runs machine %u",
                         header->e_machine, machine);
    if (header->e_type != ET_EXEC)
        return error_set(error, ERROR_CONFIG_FILE,
                         "has ELF type %u, needed is %d, a static executable: link with "
                         "-static -no-pie",
                         header->e_type, ET_EXEC);
    return true;
}

static bool read_program_headers(struct image *image, struct error *error)
{
    const Elf64_Ehdr *header = &image->header;
    if (header->e_phnum == 0 || header->e_phnum > SEGMENTS_MAX ||
        header->e_phentsize != sizeof(Elf64_Phdr))
        return error_set(
            error, ERROR_CONFIG_FILE,
            "has %u program headers of %u bytes: 1 to %u of %zu are possible",
            header->e_phnum, header->e_phentsize, SEGMENTS_MAX, sizeof(Elf64_Phdr));
    uint64_t length = header->e_phnum * sizeof(Elf64_Phdr);
    if (!in_file(image, header->e_phoff, length))
        return error_set(error, ERROR_CONFIG_FILE,
                         "is cut off: program headers at 0x%" PRIx64 ", 0x%" PRIx64
                         " bytes, in a file of 0x%" PRIx64,
                         (uint64_t)header->e_phoff, length, image->size);
    return file_read(image->fd, header->e_phoff, image->segments, length, error);
}

static bool is_loaded(const Elf64_Phdr *segment)
{
    return segment->p_type == PT_LOAD && segment->p_memsz > 0;
}

static struct gpa_range range_of(const Elf64_Phdr *segment)
{
    return (struct gpa_range){gpa(segment->p_paddr), segment->p_memsz};
}

/* One segment alone: its bytes lie in the file, and in RAM. */
static bool check_segment(const struct image *image, const struct guest_memory *memory,
                          unsigned index, struct error *error)
{
    const Elf64_Phdr *segment = &image->segments[index];
    if (segment->p_type == PT_INTERP)
        return error_set(error, ERROR_CONFIG_FILE,
                         "is dynamically linked: link with -static -no-pie");
    if (!is_loaded(segment))
        return true;
    if (segment->p_filesz > segment->p_memsz)
        return error_set(error, ERROR_CONFIG_FILE,
                         "has segment %u with more bytes in the file, 0x%" PRIx64
                         ", than in memory, 0x%" PRIx64,
                         index, (uint64_t)segment->p_filesz, (uint64_t)segment->p_memsz);
    if (!in_file(image, segment->p_offset, segment->p_filesz))
        return error_set(error, ERROR_CONFIG_FILE,
                         "is cut off: segment %u at 0x%" PRIx64 ", 0x%" PRIx64
                         " bytes, in a file of 0x%" PRIx64,
                         index, (uint64_t)segment->p_offset, (uint64_t)segment->p_filesz,
                         image->size);
    void *unused;
    if (segment->p_paddr < LAYOUT_IMAGE_START ||
        !guest_memory_view(memory, gpa(segment->p_paddr), segment->p_memsz, &unused,
                           error))
        return error_set(
            error, ERROR_CONFIG_FILE,
            "has segment %u at GPA 0x%" PRIx64 ", 0x%" PRIx64
            " bytes, which is not in RAM at or above 0x%llx: more memory, or "
            "another link address",
            index, (uint64_t)segment->p_paddr, (uint64_t)segment->p_memsz,
            LAYOUT_IMAGE_START);
    return true;
}

static bool check_layout(const struct image *image, struct error *error)
{
    bool entry_found = false;
    for (unsigned i = 0; i < image->header.e_phnum; i++) {
        if (!is_loaded(&image->segments[i]))
            continue;
        struct gpa_range range = range_of(&image->segments[i]);
        if (gpa_range_contains(range, gpa(image->header.e_entry), 1))
            entry_found = true;
        for (unsigned j = 0; j < i; j++)
            if (is_loaded(&image->segments[j]) &&
                gpa_range_overlaps(range, range_of(&image->segments[j])))
                return error_set(error, ERROR_CONFIG_FILE,
                                 "has segments %u and %u, which overlap in memory", j, i);
    }
    if (!entry_found)
        return error_set(error, ERROR_CONFIG_FILE,
                         "has its entry 0x%" PRIx64 " outside of all segments",
                         (uint64_t)image->header.e_entry);
    return true;
}

static bool load_segments(const struct image *image, const struct guest_memory *memory,
                          struct error *error)
{
    for (unsigned i = 0; i < image->header.e_phnum; i++) {
        const Elf64_Phdr *segment = &image->segments[i];
        if (!is_loaded(segment))
            continue;
        void *host;
        if (!guest_memory_view(memory, gpa(segment->p_paddr), segment->p_memsz, &host,
                               error) ||
            !file_read(image->fd, segment->p_offset, host, segment->p_filesz, error))
            return false;
        memset((uint8_t *)host + segment->p_filesz, 0,
               segment->p_memsz - segment->p_filesz);
    }
    return true;
}

static bool load(struct image *image, const struct guest_memory *memory, uint16_t machine,
                 struct error *error)
{
    if (!file_size(image->fd, &image->size, error) || !read_header(image, error) ||
        !check_header(image, machine, error) || !read_program_headers(image, error))
        return false;
    for (unsigned i = 0; i < image->header.e_phnum; i++)
        if (!check_segment(image, memory, i, error))
            return false;
    return check_layout(image, error) && load_segments(image, memory, error);
}

bool elf_load_fd(int fd, const char *name, const struct guest_memory *memory,
                 uint16_t machine, gpa_t *entry, struct error *error)
{
    struct image image = {.fd = fd};
    if (!load(&image, memory, machine, error))
        return error_wrap(error, "%s", name);
    *entry = gpa(image.header.e_entry);
    return true;
}

bool elf_load(const char *path, const struct guest_memory *memory, uint16_t machine,
              gpa_t *entry, struct error *error)
{
    int fd = file_open(path, error);
    if (fd < 0)
        return false;
    bool loaded = elf_load_fd(fd, path, memory, machine, entry, error);
    close(fd);
    return loaded;
}
