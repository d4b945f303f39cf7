/* SPDX-License-Identifier: MIT */
/*
 * The whole way of a guest's file into memory, and all that the guest finds there: any kernel
 * with any initial RAM disk and any command line. What is taken has its entry and its initrd
 * in RAM. Input: one byte for the configuration, the length of the command line in 2, of the
 * initrd in 2, then these and the kernel.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "firmware/boot.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/layout.h"

#define RAM_SIZE (16 * MIB)

struct prefix {
    uint8_t cpus : 4, has_pci : 1, has_devices : 1, unused : 2;
    uint8_t line_low, line_high;
    uint8_t initrd_low, initrd_high;
};

static const struct boot_device devices[] = {
    {.kind = BOOT_DEVICE_SERIAL, .irq = 4, .base = 0x3f8, .size = 8},
    {.kind = BOOT_DEVICE_VIRTIO_MMIO, .irq = 5, .base = 0xd0000000, .size = 0x1000},
    {.kind = BOOT_DEVICE_PVPANIC, .base = 0xd0010000, .size = 1},
};

/* Takes up to `length` bytes of the input as they lie there. */
static struct fuzz_input take_part(struct fuzz_input *input, size_t length)
{
    struct fuzz_input part = {input->bytes, length < input->left ? length : input->left};
    input->bytes += part.left;
    input->left -= part.left;
    return part;
}

static void prepare(const struct guest_memory *memory, const struct boot_image *image,
                    const struct prefix *prefix, const char *line)
{
    struct error error;
    const struct boot_config config = {
        .cpu_count = prefix->cpus + 1u,
        .command_line = line,
        .device_count = prefix->has_devices ? ARRAY_SIZE(devices) : 0,
        .devices = devices,
        .pci =
            {
                .ecam = {gpa(0xe0000000), prefix->has_pci ? MIB : 0},
                .memory32 = {gpa(0xe1000000), 16 * MIB},
                .memory64 = {gpa(64 * GIB), GIB},
                .intx_irq = 9,
            },
        .gic_version = 3,
    };
    struct vm_entry entry;
    if (boot_prepare(memory, &config, image, &entry, &error)) {
        void *first;
        FUZZ_CHECK(guest_memory_view(memory, entry.address, 1, &first, &error));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct gpa_range ram = {gpa(LAYOUT_LOW_RAM_START), RAM_SIZE};
    struct error error;
    struct guest_memory *memory = fuzz_memory(LAYOUT_LOW_RAM_START, RAM_SIZE);
    struct fuzz_input input = {data, size};
    struct prefix prefix;
    fuzz_take(&input, &prefix, sizeof prefix);
    struct fuzz_input words =
        take_part(&input, prefix.line_low + 256u * prefix.line_high);
    struct fuzz_input disk =
        take_part(&input, prefix.initrd_low + 256u * prefix.initrd_high);
    char *line = strndup((const char *)words.bytes, words.left);
    FUZZ_CHECK(line);

    char paths[2][32];
    int kernel = fuzz_file(input.bytes, input.left);
    int initrd = fuzz_file(disk.bytes, disk.left);
    snprintf(paths[0], sizeof paths[0], "/proc/self/fd/%d", kernel);
    snprintf(paths[1], sizeof paths[1], "/proc/self/fd/%d", initrd);
    struct boot_image image = {0};
    if (boot_load(memory, paths[0], disk.left > 0 ? paths[1] : NULL, &image, &error)) {
        FUZZ_CHECK(gpa_range_contains(ram, image.start, 1));
        FUZZ_CHECK(image.initrd.size == 0 ||
                   gpa_range_contains(ram, image.initrd.start, image.initrd.size));
        prepare(memory, &image, &prefix, line);
    }
    close(kernel);
    close(initrd);
    free(line);
    fuzz_check_files();
    return 0;
}

/* --- seeds --- */

#define COMMAND_LINE "console=ttyS0 quiet"
#define BZIMAGE_SIZE 2048u

static void seed(const char *name, const void *kernel, size_t kernel_size,
                 bool has_initrd)
{
    static const uint8_t disk[100] = "070701";
    uint8_t bytes[4096];
    size_t disk_size = has_initrd ? sizeof disk : 0;
    size_t size = sizeof(struct prefix);
    const struct prefix prefix = {
        .cpus = 1,
        .has_pci = 1,
        .has_devices = 1,
        .line_low = sizeof COMMAND_LINE - 1,
        .initrd_low = (uint8_t)disk_size,
    };
    FUZZ_CHECK(size + sizeof COMMAND_LINE + disk_size + kernel_size <= sizeof bytes);
    memcpy(bytes, &prefix, sizeof prefix);
    memcpy(bytes + size, COMMAND_LINE, sizeof COMMAND_LINE - 1);
    size += sizeof COMMAND_LINE - 1;
    memcpy(bytes + size, disk, disk_size);
    size += disk_size;
    memcpy(bytes + size, kernel, kernel_size);
    fuzz_seed(name, bytes, size + kernel_size);
}

/* An ELF file as the tiny guest is one; with a note, a Linux kernel for PVH. */
static void seed_elf(const char *name, bool is_linux)
{
    struct {
        Elf64_Ehdr header;
        Elf64_Phdr segments[2];
        Elf64_Nhdr note;
        char owner[4];
        uint64_t pvh_entry;
    } image = {
        .header =
            {
                .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                            EV_CURRENT},
                .e_type = ET_EXEC,
                .e_machine = EM_X86_64,
                .e_version = EV_CURRENT,
                .e_entry = LAYOUT_IMAGE_START,
                .e_phoff = sizeof(Elf64_Ehdr),
                .e_ehsize = sizeof(Elf64_Ehdr),
                .e_phentsize = sizeof(Elf64_Phdr),
                .e_phnum = is_linux ? 2 : 1,
            },
        .segments =
            {
                {.p_type = PT_LOAD,
                 .p_paddr = LAYOUT_IMAGE_START,
                 .p_filesz = 64,
                 .p_memsz = 4096},
                {.p_type = PT_NOTE,
                 .p_offset = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr),
                 .p_filesz = sizeof(Elf64_Nhdr) + 12},
            },
        .note = {.n_namesz = 4, .n_descsz = 8, .n_type = 18},
        .owner = "Xen",
        .pvh_entry = LAYOUT_IMAGE_START,
    };
    seed(name, &image, sizeof image, is_linux);
}

static void seed_bzimage(void)
{
    uint8_t file[BZIMAGE_SIZE] = {0};
    const struct bzimage_header header = {
        .setup_sects = 1,
        .syssize = 1024 / 16,
        .boot_flag = 0xaa55,
        .jump = 0x6aeb, /* its second byte: where the header ends */
        .header = 0x53726448,
        .version = 0x20f,
        .loadflags = 1,
        .initrd_addr_max = 0x7fffffff,
        .relocatable_kernel = 1,
        .xloadflags = 0x7f,
        .cmdline_size = 2047,
        .pref_address = MIB,
        .init_size = MIB,
    };
    memcpy(file + 0x1f1, &header, sizeof header);
    seed("bzimage", file, sizeof file, true);
}

void fuzz_seeds(void)
{
    seed_elf("tiny", false);
    seed_elf("pvh", true);
    seed_bzimage();
    seed("nothing", "nothing", 7, false);
}
