/* SPDX-License-Identifier: MIT */
/* The loader of arm64's Image with any file, packed or not, and what says which kind it is. */
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "firmware/image_loader.h"
#include "tests/fuzz/fuzz.h"

#define RAM_START (1 * GIB)
#define RAM_SIZE  (8 * MIB)

/* It lies in RAM, and nothing was written behind it. */
static void check_image(const struct guest_memory *memory,
                        const struct linux_image *image)
{
    const struct gpa_range ram = {gpa(RAM_START), RAM_SIZE};
    static const uint8_t zeroes[4096];
    FUZZ_CHECK(image->range.start.value >= RAM_START + IMAGE_ALIGNMENT &&
               gpa_range_contains(ram, image->range.start, image->range.size));
    uint64_t end = image->range.start.value - RAM_START + image->range.size;
    uint64_t behind = RAM_SIZE - end < sizeof zeroes ? RAM_SIZE - end : sizeof zeroes;
    FUZZ_CHECK(memcmp(memory->regions[0].host + end, zeroes, behind) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error;
    struct guest_memory *memory = fuzz_memory(RAM_START, RAM_SIZE);
    int fd = fuzz_file(data, size);
    enum image_kind kind;
    FUZZ_CHECK(image_identify(fd, &kind, &error));
    struct linux_image image;
    if (!image_load(fd, "fuzz", memory, gpa(RAM_START + IMAGE_ALIGNMENT), &image, &error))
        FUZZ_CHECK(fuzz_memory_is_empty(memory));
    else
        check_image(memory, &image);
    close(fd);
    fuzz_check_files();
    return 0;
}

/* Documentation/arch/arm64/booting.rst in Linux, section 4. */
struct kernel {
    uint32_t code[2];
    uint64_t text_offset;
    uint64_t image_size;
    uint64_t flags;
    uint64_t reserved[3];
    uint32_t magic;
    uint32_t pe_offset;
    uint8_t text[64];
};

/* A program for UEFI with the packed kernel behind its header
 * (drivers/firmware/efi/libstub/zboot-header.S). */
struct zboot {
    char magic[4];
    char zimg[4];
    uint32_t offset;
    uint32_t size;
    uint8_t unused[48];
    uint8_t packed[1024];
};

static void seed_packed(const struct kernel *kernel)
{
    struct zboot zboot = {"MZ", "zimg", offsetof(struct zboot, packed), 0, {0}, {0}};
    z_stream stream = {
        .next_in = (Bytef *)(uintptr_t)kernel,
        .avail_in = sizeof *kernel,
        .next_out = zboot.packed,
        .avail_out = sizeof zboot.packed,
    };
    FUZZ_CHECK(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) ==
               Z_OK);
    FUZZ_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    zboot.size = (uint32_t)stream.total_out;
    deflateEnd(&stream);
    fuzz_seed("gzip", zboot.packed, zboot.size);
    fuzz_seed("zboot-gzip", &zboot, sizeof zboot);
    zboot.size = (uint32_t)ZSTD_compress(zboot.packed, sizeof zboot.packed, kernel,
                                         sizeof *kernel, 3);
    FUZZ_CHECK(!ZSTD_isError(zboot.size));
    fuzz_seed("zboot-zstd", &zboot, sizeof zboot);
    zboot.offset = UINT32_MAX - 8;
    fuzz_seed("zboot-beyond", &zboot, sizeof zboot);
}

void fuzz_seeds(void)
{
    struct kernel kernel = {.image_size = MIB, .flags = 0xa, .magic = 0x644d5241};
    fuzz_seed("good", &kernel, sizeof kernel);
    kernel.text_offset = 0x80000;
    fuzz_seed("offset", &kernel, sizeof kernel);
    kernel.image_size = 64;
    memset(kernel.text, 0xff, sizeof kernel.text);
    fuzz_seed("signed", &kernel, sizeof kernel);
    kernel.image_size = 0;
    fuzz_seed("old", &kernel, sizeof kernel);
    fuzz_seed("short", &kernel, 32);
    kernel.image_size = MIB;
    seed_packed(&kernel);
}
