/* SPDX-License-Identifier: MIT */
#include "firmware/image_loader.h"

#include <elf.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "firmware/file.h"
#include "firmware/unpack.h"

/* booting.rst, section 4. */
struct header {
    uint32_t code[2];
    uint64_t text_offset; /* from the base, bytes */
    uint64_t image_size;  /* bytes; 0 before Linux 3.17 */
    uint64_t flags;
    uint64_t reserved[3];
    uint32_t magic;
    uint32_t pe_offset;
};
_Static_assert(sizeof(struct header) == 64, "file format");

#define MAGIC        0x644d5241u /* "ARM\x64" */
#define MAGIC_OFFSET 56

/* Where each kind has which bytes; the first that fits counts. */
static const struct {
    enum image_kind kind;
    uint64_t offset;
    const char *bytes;
    size_t length;
} magics[] = {
    {IMAGE_ELF, 0, ELFMAG, SELFMAG},          {IMAGE_LINUX, MAGIC_OFFSET, "ARM\x64", 4},
    {IMAGE_LINUX_ZBOOT, 4, "zimg", 4}, /* drivers/firmware/efi/libstub/zboot-header.S */
    {IMAGE_LINUX_BZIMAGE, 0x202, "HdrS", 4},  /* Documentation/arch/x86/boot.rst */
    {IMAGE_LINUX_GZIP, 0, "\x1f\x8b\x08", 3}, /* RFC 1952, 2.3.1 */
};

bool image_identify(int fd, enum image_kind *kind, struct error *error)
{
    uint8_t bytes[0x206] = {0};
    uint64_t size;
    if (!file_size(fd, &size, error) ||
        !file_read(fd, 0, bytes, size < sizeof bytes ? size : sizeof bytes, error))
        return false;
    *kind = IMAGE_UNKNOWN;
    for (size_t i = 0; i < ARRAY_SIZE(magics) && *kind == IMAGE_UNKNOWN; i++)
        if (memcmp(bytes + magics[i].offset, magics[i].bytes, magics[i].length) == 0)
            *kind = magics[i].kind;
    return true;
}

/* [start, start + size) for a file; the text says what to do where RAM is too small. */
static bool view_ram(const struct guest_memory *memory, struct gpa_range range,
                     void **host, struct error *error)
{
    if (guest_memory_view(memory, range.start, range.size, host, error))
        return true;
    return error_set(error, ERROR_CONFIG_FILE,
                     "needs 0x%" PRIx64 " bytes from GPA 0x%" PRIx64
                     ", and they are not all RAM: give the guest more --memory",
                     range.size, range.start.value);
}

static bool load(int fd, const struct guest_memory *memory, gpa_t base,
                 struct linux_image *image, struct error *error)
{
    struct header header = {0};
    uint64_t size;
    if (!file_size(fd, &size, error))
        return false;
    if (size < sizeof header)
        return error_set(error, ERROR_CONFIG_FILE,
                         "is cut off: %" PRIu64 " bytes, the header has %zu", size,
                         sizeof header);
    if (!file_read(fd, 0, &header, sizeof header, error))
        return false;
    if (header.magic != MAGIC)
        return error_set(error, ERROR_CONFIG_FILE,
                         "is not a Linux kernel for arm64: 0x%08x at byte %d, not 0x%08x",
                         header.magic, MAGIC_OFFSET, MAGIC);
    if (header.image_size == 0)
        return error_set(error, ERROR_CONFIG_FILE,
                         "is a Linux kernel without image_size in its header: use Linux "
                         "3.17 or newer");

    /* What is behind image_size is a signature for UEFI. */
    uint64_t length = size < header.image_size ? size : header.image_size;
    uint64_t start;
    void *host;
    if (!u64_add(base.value, header.text_offset, &start))
        return error_set(error, ERROR_CONFIG_FILE,
                         "has a text_offset of 0x%" PRIx64 ", which is not possible",
                         header.text_offset);
    image->range = (struct gpa_range){gpa(start), header.image_size};
    return view_ram(memory, image->range, &host, error) &&
           file_read(fd, 0, host, length, error);
}

/* --- packed --- */

static bool load_packed(int fd, uint64_t offset, uint64_t length,
                        const struct guest_memory *memory, gpa_t base,
                        struct linux_image *image, struct error *error)
{
    uint64_t limit = 0; /* an Image that is larger than RAM has no place to go */
    for (unsigned i = 0; i < memory->region_count; i++)
        limit += memory->regions[i].range.size;
    int unpacked;
    if (!unpack(fd, offset, length, limit, &unpacked, error))
        return false;
    bool loaded = load(unpacked, memory, base, image, error);
    close(unpacked);
    return loaded || error_wrap(error, "what is packed inside");
}

static bool load_zboot(int fd, uint64_t size, const struct guest_memory *memory,
                       gpa_t base, struct linux_image *image, struct error *error)
{
    struct {
        uint32_t magic[2];
        uint32_t offset;
        uint32_t size;
    } header;
    if (size < sizeof header)
        return error_set(error, ERROR_CONFIG_FILE,
                         "is cut off: %" PRIu64 " bytes, the header has %zu", size,
                         sizeof header);
    if (!file_read(fd, 0, &header, sizeof header, error))
        return false;
    if (header.size == 0 || header.offset > size || header.size > size - header.offset)
        return error_set(
            error, ERROR_CONFIG_FILE,
            "is cut off: its packed kernel has %u bytes from %u on, the file "
            "has %" PRIu64,
            header.size, header.offset, size);
    return load_packed(fd, header.offset, header.size, memory, base, image, error);
}

static bool load_any(int fd, const struct guest_memory *memory, gpa_t base,
                     struct linux_image *image, struct error *error)
{
    enum image_kind kind;
    uint64_t size;
    if (!image_identify(fd, &kind, error) || !file_size(fd, &size, error))
        return false;
    switch (kind) {
    case IMAGE_LINUX_GZIP:
        return load_packed(fd, 0, size, memory, base, image, error);
    case IMAGE_LINUX_ZBOOT:
        return load_zboot(fd, size, memory, base, image, error);
    case IMAGE_UNKNOWN:
    case IMAGE_ELF:
    case IMAGE_LINUX:
    case IMAGE_LINUX_BZIMAGE:
        break;
    }
    return load(fd, memory, base, image, error);
}

bool image_load(int fd, const char *name, const struct guest_memory *memory, gpa_t base,
                struct linux_image *image, struct error *error)
{
    BUG_ON(!is_aligned(base.value, IMAGE_ALIGNMENT));
    return load_any(fd, memory, base, image, error) || error_wrap(error, "%s", name);
}
