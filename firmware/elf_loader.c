/* SPDX-License-Identifier: MIT */
/* Field names and values: System V ABI, generic part (gABI), chapters 4 and 5. */
#include "firmware/elf_loader.h"

#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include "firmware/file.h"
#include "vmm/layout.h"

#define SEGMENTS_MAX 64u
#define NOTES_MAX    (16 * KIB) /* bytes of a segment of notes that are looked at */

#define NOTE_OWNER     "Xen"
#define NOTE_PVH_ENTRY 18u /* XEN_ELFNOTE_PHYS32_ENTRY */
#define NOTE_ALIGNMENT 4u

struct image {
    int fd;
    uint64_t size; /* of the file, bytes */
    Elf64_Ehdr header;
    Elf64_Phdr segments[SEGMENTS_MAX]; /* header.e_phnum of them */
    bool has_pvh;
    uint64_t pvh_entry;
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

static const char *machine_name(uint16_t machine)
{
    switch (machine) {
    case EM_X86_64:
        return "x86-64";
    case EM_AARCH64:
        return "arm64";
    default:
        return "another architecture";
    }
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
        return error_set(
            error, ERROR_CONFIG_FILE, "is for %s (machine %u), this s2vmm runs %s",
            machine_name(header->e_machine), header->e_machine, machine_name(machine));
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

/* True if a segment that is loaded has this address. */
static bool in_segment(const struct image *image, uint64_t address)
{
    for (unsigned i = 0; i < image->header.e_phnum; i++)
        if (is_loaded(&image->segments[i]) &&
            gpa_range_contains(range_of(&image->segments[i]), gpa(address), 1))
            return true;
    return false;
}

static bool check_layout(const struct image *image, struct error *error)
{
    for (unsigned i = 0; i < image->header.e_phnum; i++) {
        if (!is_loaded(&image->segments[i]))
            continue;
        struct gpa_range range = range_of(&image->segments[i]);
        for (unsigned j = 0; j < i; j++)
            if (is_loaded(&image->segments[j]) &&
                gpa_range_overlaps(range, range_of(&image->segments[j])))
                return error_set(error, ERROR_CONFIG_FILE,
                                 "has segments %u and %u, which overlap in memory", j, i);
    }
    if (!in_segment(image, image->header.e_entry))
        return error_set(error, ERROR_CONFIG_FILE,
                         "has its entry 0x%" PRIx64 " outside of all segments",
                         (uint64_t)image->header.e_entry);
    if (image->has_pvh && !in_segment(image, image->pvh_entry))
        return error_set(error, ERROR_CONFIG_FILE,
                         "has its PVH entry 0x%" PRIx64 " outside of all segments",
                         image->pvh_entry);
    return true;
}

/* --- notes --- */

/* A note: three words, the owner's name, the contents; each is filled up to 4 bytes (gABI,
 * chapter 5, "Note Section"). */
static void read_note(struct image *image, const Elf64_Nhdr *note, const uint8_t *name,
                      const uint8_t *contents)
{
    if (note->n_type != NOTE_PVH_ENTRY || note->n_namesz != sizeof NOTE_OWNER ||
        memcmp(name, NOTE_OWNER, sizeof NOTE_OWNER) != 0)
        return;
    if (note->n_descsz != sizeof(uint32_t) && note->n_descsz != sizeof(uint64_t))
        return;
    image->pvh_entry = 0;
    memcpy(&image->pvh_entry, contents, note->n_descsz);
    image->has_pvh = true;
}

static void read_notes(struct image *image, const uint8_t *bytes, uint64_t length)
{
    Elf64_Nhdr note;
    for (uint64_t at = 0; at + sizeof note <= length;) {
        memcpy(&note, bytes + at, sizeof note);
        uint64_t name = at + sizeof note;
        uint64_t contents = name + align_up(note.n_namesz, NOTE_ALIGNMENT);
        uint64_t end = contents + align_up(note.n_descsz, NOTE_ALIGNMENT);
        if (end > length)
            break;
        read_note(image, &note, bytes + name, bytes + contents);
        at = end;
    }
}

static bool find_pvh_entry(struct image *image, struct error *error)
{
    uint8_t bytes[NOTES_MAX];
    for (unsigned i = 0; i < image->header.e_phnum; i++) {
        const Elf64_Phdr *segment = &image->segments[i];
        if (segment->p_type != PT_NOTE ||
            !in_file(image, segment->p_offset, segment->p_filesz))
            continue;
        uint64_t length =
            segment->p_filesz < sizeof bytes ? segment->p_filesz : sizeof bytes;
        if (!file_read(image->fd, segment->p_offset, bytes, length, error))
            return false;
        read_notes(image, bytes, length);
    }
    return true;
}

/* --- all of it --- */

static struct gpa_range range_of_all(const struct image *image)
{
    uint64_t start = UINT64_MAX;
    uint64_t end = 0;
    for (unsigned i = 0; i < image->header.e_phnum; i++) {
        struct gpa_range range = range_of(&image->segments[i]);
        if (!is_loaded(&image->segments[i]))
            continue;
        if (range.start.value < start)
            start = range.start.value;
        if (range.start.value + range.size > end)
            end = range.start.value + range.size;
    }
    return (struct gpa_range){gpa(start), end - start};
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
    return find_pvh_entry(image, error) && check_layout(image, error) &&
           load_segments(image, memory, error);
}

bool elf_load_fd(int fd, const char *name, const struct guest_memory *memory,
                 uint16_t machine, struct elf_image *loaded, struct error *error)
{
    struct image image = {.fd = fd};
    if (!load(&image, memory, machine, error))
        return error_wrap(error, "%s", name);
    *loaded = (struct elf_image){
        .entry = gpa(image.header.e_entry),
        .has_pvh = image.has_pvh,
        .pvh_entry = gpa(image.pvh_entry),
        .range = range_of_all(&image),
    };
    return true;
}
