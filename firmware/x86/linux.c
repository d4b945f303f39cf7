/* SPDX-License-Identifier: MIT */
#include "firmware/x86/linux.h"

#include <stddef.h>
#include <string.h>
#include <sys/random.h>

#include "vmm/layout.h"

/* --- the map of the memory --- */

/* Types of both protocols (ACPI 6.5, 15.4; Xen, arch-x86/hvm/start_info.h). */
enum { TYPE_RAM = 1, TYPE_RESERVED = 2 };

struct map_entry {
    struct gpa_range range;
    uint32_t type;
};

#define MAP_ENTRIES_MAX 8u

struct map {
    unsigned count;
    struct map_entry entries[MAP_ENTRIES_MAX];
};

static void map_add(struct map *map, uint64_t start, uint64_t end, uint32_t type)
{
    BUG_ON(map->count == MAP_ENTRIES_MAX);
    map->entries[map->count++] =
        (struct map_entry){.range = {gpa(start), end - start}, .type = type};
}

static void make_map(const struct guest_memory *memory, const struct boot_pci *pci,
                     struct map *map)
{
    *map = (struct map){0};
    map_add(map, 0, LAYOUT_BOOT_RESERVED, TYPE_RAM);
    map_add(map, LAYOUT_BOOT_RESERVED, MIB, TYPE_RESERVED);
    map_add(map, MIB, memory->regions[0].range.size, TYPE_RAM);
    if (pci->ecam.size > 0)
        map_add(map, pci->ecam.start.value, pci->ecam.start.value + pci->ecam.size,
                TYPE_RESERVED);
    for (unsigned i = 1; i < memory->region_count; i++) {
        struct gpa_range range = memory->regions[i].range;
        map_add(map, range.start.value, range.start.value + range.size, TYPE_RAM);
    }
}

/* --- the 64-bit boot protocol --- */

/* struct boot_params, "the zero page": what we fill in of it (Documentation/arch/x86/
 * zero-page.rst). All else is 0: no screen, no disks, no EFI. */
struct e820_entry {
    uint64_t start;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));

struct boot_params {
    uint8_t screen_info[0x70];
    uint64_t acpi_rsdp_address;
    uint8_t unused_78[0xc0 - 0x78];
    uint32_t ext_ramdisk_image; /* the upper halves of what is in the header */
    uint32_t ext_ramdisk_size;
    uint32_t ext_cmd_line_ptr;
    uint8_t unused_cc[0x1e8 - 0xcc];
    uint8_t e820_entries;
    uint8_t unused_1e9[0x1f1 - 0x1e9];
    struct bzimage_header header;
    uint8_t unused_26c[0x2d0 - 0x26c];
    struct e820_entry e820_table[128];
    uint8_t unused_cd0[0x1000 - 0xcd0];
} __attribute__((packed));
_Static_assert(offsetof(struct boot_params, header) == 0x1f1, "ABI of Linux");
_Static_assert(offsetof(struct boot_params, e820_table) == 0x2d0, "ABI of Linux");
_Static_assert(sizeof(struct boot_params) == 0x1000, "ABI of Linux");
_Static_assert(LAYOUT_BOOT_PARAMETERS + sizeof(struct boot_params) <=
                   LAYOUT_BOOT_COMMAND_LINE,
               "layout");

/* What did not fit into it: a list of which there is one, random bits from the host for the random
 * number generator, which is ready from the start then. Linux wipes them when it has read them
 * (arch/x86/kernel/setup.c, parse_setup_data(), 6.0 and newer; older ones skip what they do not
 * know). */
struct setup_data {
    uint64_t next;
    uint32_t type;
    uint32_t length;
    uint8_t data[32];
};
_Static_assert(offsetof(struct setup_data, data) == 16, "ABI of Linux");

#define SETUP_RNG_SEED 9u

static bool write_rng_seed(const struct guest_memory *memory, struct error *error)
{
    struct setup_data seed = {.type = SETUP_RNG_SEED, .length = sizeof seed.data};
    /* getrandom(2): up to 256 bytes come at once. */
    BUG_ON(getrandom(seed.data, sizeof seed.data, 0) != (ssize_t)sizeof seed.data);
    return guest_memory_write(memory, gpa(LAYOUT_BOOT_SETUP_DATA), &seed, sizeof seed,
                              error);
}

#define LOADER_UNDEFINED 0xffu /* type_of_loader: one without a number of its own */

static bool write_boot_params(const struct guest_memory *memory, const struct map *map,
                              const struct boot_image *image, struct error *error)
{
    struct boot_params parameters = {0};
    uint64_t initrd = image->initrd.size > 0 ? image->initrd.start.value : 0;
    parameters.acpi_rsdp_address = LAYOUT_BOOT_ACPI;
    parameters.header = image->header;
    parameters.header.type_of_loader = LOADER_UNDEFINED;
    parameters.header.cmd_line_ptr = LAYOUT_BOOT_COMMAND_LINE;
    parameters.header.setup_data = LAYOUT_BOOT_SETUP_DATA;
    parameters.header.ramdisk_image = (uint32_t)initrd;
    parameters.header.ramdisk_size = (uint32_t)image->initrd.size;
    parameters.ext_ramdisk_image = (uint32_t)(initrd >> 32);
    parameters.ext_ramdisk_size = (uint32_t)(image->initrd.size >> 32);
    for (unsigned i = 0; i < map->count; i++) {
        const struct map_entry *entry = &map->entries[i];
        parameters.e820_table[i] =
            (struct e820_entry){entry->range.start.value, entry->range.size, entry->type};
    }
    parameters.e820_entries = (uint8_t)map->count;
    return write_rng_seed(memory, error) &&
           guest_memory_write(memory, gpa(LAYOUT_BOOT_PARAMETERS), &parameters,
                              sizeof parameters, error);
}

/* --- PVH --- */

/* Xen, public headers, arch-x86/hvm/start_info.h. */
#define START_INFO_MAGIC 0x336ec578u

struct start_info {
    uint32_t magic;
    uint32_t version; /* 1: with a map of the memory */
    uint32_t flags;
    uint32_t module_count;
    uint64_t modules;
    uint64_t command_line;
    uint64_t rsdp;
    uint64_t map;
    uint32_t map_count;
    uint32_t reserved;
};

struct start_module {
    uint64_t address;
    uint64_t size;
    uint64_t command_line;
    uint64_t reserved;
};

struct start_map_entry {
    uint64_t start;
    uint64_t size;
    uint32_t type;
    uint32_t reserved;
};

struct start_block {
    struct start_info info;
    struct start_module module;
    struct start_map_entry map[MAP_ENTRIES_MAX];
};
_Static_assert(sizeof(struct start_info) == 56, "ABI of PVH");
_Static_assert(sizeof(struct start_map_entry) == 24, "ABI of PVH");

static bool write_start_info(const struct guest_memory *memory, const struct map *map,
                             const struct boot_image *image, struct error *error)
{
    struct start_block block = {
        .info =
            {
                .magic = START_INFO_MAGIC,
                .version = 1,
                .module_count = image->initrd.size > 0,
                .modules = LAYOUT_BOOT_PARAMETERS + offsetof(struct start_block, module),
                .command_line = LAYOUT_BOOT_COMMAND_LINE,
                .rsdp = LAYOUT_BOOT_ACPI,
                .map = LAYOUT_BOOT_PARAMETERS + offsetof(struct start_block, map),
                .map_count = map->count,
            },
        .module = {.address = image->initrd.start.value, .size = image->initrd.size},
    };
    for (unsigned i = 0; i < map->count; i++) {
        const struct map_entry *entry = &map->entries[i];
        block.map[i] = (struct start_map_entry){
            .start = entry->range.start.value,
            .size = entry->range.size,
            .type = entry->type,
        };
    }
    return guest_memory_write(memory, gpa(LAYOUT_BOOT_PARAMETERS), &block, sizeof block,
                              error);
}

/* --- both --- */

/* COMMAND_LINE_SIZE of x86 (arch/x86/include/asm/setup.h), which a bzImage says itself. */
#define PVH_COMMAND_LINE_MAX 2047u

/* In front of the user's command line: no search for AGP bridges and chipsets with bugs before
 * there is a PCI driver. With an AMD CPU of family 0xf, 0x10 or 0x15 Linux reads 8192 functions
 * of 256 buses twice (arch/x86/kernel/aperture_64.c), each by two exits: a quarter to a third of
 * the time to init in the lab. There is nothing that it could find. */
#define OWN_PARAMETERS "pci=noearly "

static bool write_command_line(const struct guest_memory *memory, const char *text,
                               const struct boot_image *image, struct error *error)
{
    const size_t own = sizeof OWN_PARAMETERS - 1;
    size_t length = own + strlen(text);
    size_t limit = image->mode == VM_ENTRY_LINUX_64 ? image->header.cmdline_size
                                                    : PVH_COMMAND_LINE_MAX;
    if (limit >= LAYOUT_BOOT_COMMAND_LINE_SIZE)
        limit = LAYOUT_BOOT_COMMAND_LINE_SIZE - 1;
    if (length > limit)
        return error_set(
            error, ERROR_CONFIG_USAGE,
            "the kernel's command line has %zu bytes with s2vmm's own \"" OWN_PARAMETERS
            "\", this kernel takes up to %zu: shorten --append",
            length, limit);
    return guest_memory_write(memory, gpa(LAYOUT_BOOT_COMMAND_LINE), OWN_PARAMETERS, own,
                              error) &&
           guest_memory_write(memory, gpa(LAYOUT_BOOT_COMMAND_LINE + own), text,
                              length - own + 1, error);
}

bool linux_write_parameters(const struct guest_memory *memory,
                            const struct boot_config *config,
                            const struct boot_image *image, struct error *error)
{
    struct map map;
    make_map(memory, &config->pci, &map);
    return write_command_line(memory, config->command_line, image, error) &&
           (image->mode == VM_ENTRY_PVH ? write_start_info(memory, &map, image, error)
                                        : write_boot_params(memory, &map, image, error));
}
