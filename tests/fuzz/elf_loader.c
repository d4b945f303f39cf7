/* SPDX-License-Identifier: MIT */
/* The ELF loader with any file: what it refuses has left no byte in guest memory, and what it
 * takes has its entry in RAM. */
#include <elf.h>
#include <string.h>
#include <unistd.h>

#include "firmware/elf_loader.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/layout.h"

#define RAM_SIZE (4 * MIB)
#define MACHINE  EM_X86_64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct gpa_range ram = {gpa(LAYOUT_LOW_RAM_START), RAM_SIZE};
    struct error error;
    struct guest_memory *memory = fuzz_memory(LAYOUT_LOW_RAM_START, RAM_SIZE);
    int fd = fuzz_file(data, size);
    struct elf_image image;
    if (!elf_load_fd(fd, "fuzz", memory, MACHINE, &image, &error)) {
        FUZZ_CHECK(fuzz_memory_is_empty(memory));
    } else {
        FUZZ_CHECK(image.range.start.value >= LAYOUT_IMAGE_START &&
                   gpa_range_contains(ram, image.range.start, image.range.size));
        FUZZ_CHECK(gpa_range_contains(image.range, image.entry, 1));
        if (image.has_pvh)
            FUZZ_CHECK(gpa_range_contains(image.range, image.pvh_entry, 1));
    }
    close(fd);
    fuzz_check_files();
    return 0;
}

/* An executable with a note as Linux has it for PVH (include/xen/interface/elfnote.h). */
struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segments[3];
    Elf64_Nhdr note;
    char owner[4];
    uint64_t pvh_entry;
    uint8_t text[64];
};
#define NOTE_PVH 18

void fuzz_seeds(void)
{
    struct image image = {
        .header =
            {
                .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                            EV_CURRENT},
                .e_type = ET_EXEC,
                .e_machine = MACHINE,
                .e_version = EV_CURRENT,
                .e_entry = LAYOUT_IMAGE_START,
                .e_phoff = offsetof(struct image, segments),
                .e_ehsize = sizeof(Elf64_Ehdr),
                .e_phentsize = sizeof(Elf64_Phdr),
                .e_phnum = 3,
            },
        .segments =
            {
                {.p_type = PT_LOAD,
                 .p_offset = offsetof(struct image, text),
                 .p_paddr = LAYOUT_IMAGE_START,
                 .p_filesz = 16,
                 .p_memsz = 32},
                {.p_type = PT_LOAD,
                 .p_paddr = LAYOUT_IMAGE_START + MIB,
                 .p_memsz = 4 * KIB},
                {.p_type = PT_NOTE,
                 .p_offset = offsetof(struct image, note),
                 .p_filesz = sizeof(Elf64_Nhdr) + 12,
                 .p_memsz = sizeof(Elf64_Nhdr) + 12},
            },
        .note = {.n_namesz = 4, .n_descsz = 8, .n_type = NOTE_PVH},
        .owner = "Xen",
        .pvh_entry = LAYOUT_IMAGE_START + 8,
    };
    fuzz_seed("good", &image, sizeof image);
    image.segments[0].p_filesz = image.segments[0].p_memsz + 1;
    fuzz_seed("larger-in-file", &image, sizeof image);
    image.segments[0].p_filesz = 16;
    image.note.n_descsz = UINT32_MAX;
    fuzz_seed("note", &image, sizeof image);
    image.segments[1].p_paddr = LAYOUT_IMAGE_START;
    fuzz_seed("overlap", &image, sizeof image);
    image.segments[1].p_type = PT_INTERP;
    fuzz_seed("dynamic", &image, sizeof image);
    fuzz_seed("short", &image, sizeof image.header);
}
