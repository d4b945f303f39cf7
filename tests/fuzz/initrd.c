/* SPDX-License-Identifier: MIT */
/* The initial RAM disk: any size, behind any kernel, below any limit. The first 16 bytes of the
 * input say where those are. */
#include <unistd.h>

#include "firmware/initrd.h"
#include "tests/fuzz/fuzz.h"

#define RAM_START (1 * GIB)
#define RAM_SIZE  (16 * MIB)

struct places {
    uint64_t lowest, limit;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct gpa_range ram = {gpa(RAM_START), RAM_SIZE};
    struct error error;
    struct guest_memory *memory = fuzz_memory(RAM_START, RAM_SIZE);
    struct fuzz_input input = {data, size};
    struct places places;
    fuzz_take(&input, &places, sizeof places);

    int fd = fuzz_file(input.bytes, input.left);
    FUZZ_CHECK(ftruncate(fd, (off_t)(input.left * 4096)) == 0);
    struct gpa_range initrd;
    if (!initrd_load_fd(fd, "fuzz", memory, gpa(places.lowest), places.limit, &initrd,
                        &error))
        FUZZ_CHECK(fuzz_memory_is_empty(memory));
    else
        FUZZ_CHECK(gpa_range_contains(ram, initrd.start, initrd.size) &&
                   initrd.start.value >= places.lowest &&
                   initrd.start.value + initrd.size <= places.limit);
    close(fd);
    fuzz_check_files();
    return 0;
}

void fuzz_seeds(void)
{
    struct {
        struct places places;
        uint8_t bytes[64];
    } seed = {.places = {RAM_START + MIB, UINT64_MAX}};
    fuzz_seed("good", &seed, sizeof seed);
    fuzz_seed("empty", &seed, sizeof seed.places);
    seed.places.limit = RAM_START + 3 * MIB;
    fuzz_seed("limit", &seed, sizeof seed);
    seed.places.lowest = RAM_START + RAM_SIZE - 1;
    fuzz_seed("full", &seed, sizeof seed);
    seed.places.lowest = UINT64_MAX;
    fuzz_seed("overflow", &seed, sizeof seed);
}
