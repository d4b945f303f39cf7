/* SPDX-License-Identifier: MIT */
#include "firmware/bzimage_loader.h"

#include <inttypes.h>
#include <string.h>

#include "firmware/file.h"
#include "vmm/layout.h"

#define HEADER_OFFSET  0x1f1u
#define HEADER_END_MIN 0x264u /* version 2.12 has all fields up to here */
#define LENGTH_OFFSET  0x201u /* the header ends at 0x202 + the byte here */
#define SECTOR_SIZE    512u
#define PARAGRAPH_SIZE 16u

#define MAGIC       0x53726448u /* "HdrS" */
#define BOOT_FLAG   0xaa55u
#define VERSION_MIN 0x020cu /* Linux 3.8: xloadflags */

#define LOADED_HIGH   0x01u /* in loadflags */
#define KERNEL_64     0x01u /* in xloadflags: has a 64-bit entry, 0x200 behind its start */
#define ABOVE_4G      0x02u /* in xloadflags: an initrd may be anywhere */
#define ENTRY_64      0x200u
#define SETUP_SECTS_0 4u        /* what 0 means */
#define MAPPED_END    (4 * GIB) /* of the page tables at entry, firmware/x86/boot.c */

static bool read_header(int fd, uint64_t size, struct bzimage_header *header,
                        struct error *error)
{
    uint8_t bytes[HEADER_OFFSET + sizeof *header] = {0};
    if (size < HEADER_END_MIN)
        return error_set(error, ERROR_CONFIG_FILE,
                         "is cut off: %" PRIu64 " bytes, a kernel's header ends at %u",
                         size, HEADER_END_MIN);
    if (!file_read(fd, 0, bytes, size < sizeof bytes ? size : sizeof bytes, error))
        return false;
    memset(header, 0, sizeof *header);
    uint64_t end = 0x202u + bytes[LENGTH_OFFSET];
    if (end > sizeof bytes)
        end = sizeof bytes;
    if (end > HEADER_OFFSET)
        memcpy(header, bytes + HEADER_OFFSET, end - HEADER_OFFSET);
    return true;
}

static bool check_header(const struct bzimage_header *header, struct error *error)
{
    if (header->header != MAGIC || header->boot_flag != BOOT_FLAG)
        return error_set(
            error, ERROR_CONFIG_FILE,
            "is not a Linux kernel for x86: 0x%08x at byte 0x202 and 0x%04x at "
            "0x1fe, not 0x%08x and 0x%04x",
            header->header, header->boot_flag, MAGIC, BOOT_FLAG);
    if (header->version < VERSION_MIN)
        return error_set(
            error, ERROR_CONFIG_FILE,
            "has boot protocol %u.%u, needed is 2.12 or newer: use Linux 3.8 "
            "or newer",
            header->version >> 8, header->version & 0xff);
    if ((header->loadflags & LOADED_HIGH) == 0)
        return error_set(error, ERROR_CONFIG_FILE,
                         "is a zImage, which is loaded below 1 MiB: needed is a bzImage");
    if ((header->xloadflags & KERNEL_64) == 0)
        return error_set(error, ERROR_CONFIG_FILE,
                         "has no 64-bit entry (XLF_KERNEL_64): it is a kernel for 32-bit "
                         "CPUs; use one that is built with CONFIG_64BIT");
    return true;
}

/* Where the loaded part lies in the file. */
static bool find_kernel(const struct bzimage_header *header, uint64_t size,
                        uint64_t *offset, uint64_t *length, struct error *error)
{
    uint64_t sectors = header->setup_sects == 0 ? SETUP_SECTS_0 : header->setup_sects;
    *offset = (sectors + 1) * SECTOR_SIZE;
    *length = (uint64_t)header->syssize * PARAGRAPH_SIZE;
    if (*length <= ENTRY_64 || *offset > size || *length > size - *offset)
        return error_set(error, ERROR_CONFIG_FILE,
                         "is cut off: its header says %" PRIu64 " bytes from %" PRIu64
                         " on, the file has %" PRIu64,
                         *length, *offset, size);
    return true;
}

/* Where it lies in memory. The kernel unpacks itself to pref_address, if it is not loaded
 * higher, and needs init_size bytes there (boot.rst, init_size). */
static bool place_kernel(const struct bzimage_header *header, uint64_t length,
                         const struct guest_memory *memory, struct gpa_range *range,
                         void **host, struct error *error)
{
    *range = (struct gpa_range){gpa(header->pref_address), header->init_size};
    if (range->size < length)
        return error_set(error, ERROR_CONFIG_FILE,
                         "has an init_size of 0x%" PRIx64
                         " bytes, less than the 0x%" PRIx64 " bytes that it is long",
                         range->size, length);
    if (range->start.value < LAYOUT_IMAGE_START || range->start.value >= MAPPED_END ||
        range->start.value % (4 * KIB) != 0)
        return error_set(error, ERROR_CONFIG_FILE,
                         "wants to be at GPA 0x%" PRIx64
                         ": whole pages from 0x%llx, below 4 GiB, are possible",
                         range->start.value, LAYOUT_IMAGE_START);
    if (!guest_memory_view(memory, range->start, range->size, host, error))
        return error_set(error, ERROR_CONFIG_FILE,
                         "needs 0x%" PRIx64 " bytes from GPA 0x%" PRIx64
                         ", and they are not all RAM: give the guest --memory %" PRIu64
                         "M or more",
                         range->size, range->start.value,
                         (range->start.value + range->size + MIB - 1) / MIB);
    return true;
}

/* The last byte, as the header says it; or anywhere, which is what Linux 3.8 and newer for 64
 * bits say. */
static uint64_t initrd_limit(const struct bzimage_header *header)
{
    if ((header->xloadflags & ABOVE_4G) != 0)
        return UINT64_MAX;
    return (uint64_t)header->initrd_addr_max + 1;
}

static bool load(int fd, const struct guest_memory *memory, struct bzimage *image,
                 struct error *error)
{
    uint64_t size;
    uint64_t offset = 0;
    uint64_t length = 0;
    void *host = NULL;
    struct bzimage_header *header = &image->header;
    if (!file_size(fd, &size, error) || !read_header(fd, size, header, error) ||
        !check_header(header, error) ||
        !find_kernel(header, size, &offset, &length, error) ||
        !place_kernel(header, length, memory, &image->range, &host, error) ||
        !file_read(fd, offset, host, length, error))
        return false;
    image->entry = gpa(image->range.start.value + ENTRY_64);
    image->initrd_limit = initrd_limit(header);
    return true;
}

bool bzimage_load_fd(int fd, const char *name, const struct guest_memory *memory,
                     struct bzimage *image, struct error *error)
{
    return load(fd, memory, image, error) || error_wrap(error, "%s", name);
}
