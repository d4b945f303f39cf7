/* SPDX-License-Identifier: MIT */
/* The loader of x86's bzImage with any file: what it refuses has left no byte in guest memory,
 * and of what it takes all that it says lies in RAM. */
#include <unistd.h>

#include "firmware/bzimage_loader.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/layout.h"

#define RAM_SIZE (8 * MIB)
#define HEADER   0x1f1u /* where struct bzimage_header is in the file */
#define SECTOR   512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error;
    struct guest_memory *memory = fuzz_memory(0, RAM_SIZE);
    int fd = fuzz_file(data, size);
    struct bzimage image;
    if (!bzimage_load_fd(fd, "fuzz", memory, &image, &error)) {
        FUZZ_CHECK(fuzz_memory_is_empty(memory));
    } else {
        uint64_t start = image.range.start.value;
        FUZZ_CHECK(start >= LAYOUT_IMAGE_START && start <= RAM_SIZE &&
                   image.range.size <= RAM_SIZE - start);
        FUZZ_CHECK(image.entry.value >= start &&
                   image.entry.value < start + image.range.size);
    }
    close(fd);
    fuzz_check_files();
    return 0;
}

/* A file with one sector of setup and one of the kernel. */
struct file {
    uint8_t boot_sector[HEADER];
    struct bzimage_header header;
    uint8_t setup[1024 - HEADER - sizeof(struct bzimage_header)];
    uint8_t kernel[1024];
};
_Static_assert(sizeof(struct file) == 2048, "the format's sectors");

/* boot.rst, "The Linux/x86 Boot Protocol"; a kernel as Debian builds it, but small. */
void fuzz_seeds(void)
{
    struct file file = {
        .header =
            {
                .setup_sects = 1,
                .syssize = sizeof file.kernel / 16,
                .boot_flag = 0xaa55,
                .jump = 0x6aeb, /* its second byte: where the header ends */
                .header = 0x53726448,
                .version = 0x20f,
                .loadflags = 1,
                .initrd_addr_max = 0x7fffffff,
                .kernel_alignment = 0x200000,
                .relocatable_kernel = 1,
                .min_alignment = 21,
                .xloadflags = 0x7f,
                .cmdline_size = 2047,
                .pref_address = MIB,
                .init_size = MIB,
            },
    };
    fuzz_seed("good", &file, sizeof file);
    file.header.pref_address = 16 * MIB;
    fuzz_seed("beyond", &file, sizeof file);
    file.header.xloadflags = 0;
    fuzz_seed("32-bit", &file, sizeof file);
    file.header.version = 0x204;
    fuzz_seed("old", &file, sizeof file);
    fuzz_seed("short", &file, SECTOR);
}
