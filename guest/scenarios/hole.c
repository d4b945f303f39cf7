/* SPDX-License-Identifier: MIT */
/* Where nothing is mapped, reads give all ones: beside a mapping, and where one has been. */
#include "guest/arch.h"
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"
#include "guest/string.h"
#include "guest/window.h"

#define BLOB_SIZE   (64 * KIB)
#define BLOB_OFFSET (128 * KIB)
#define PAGE        (4 * KIB)

bool scenario_hole(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    struct blob blob;
    REQUIRE(gpu_start(guest, 0));
    uint64_t last = gpu->window.size - sizeof(uint64_t);
    REQUIRE(blob_context(guest, BLOB_SHM));
    REQUIRE(blob_create_mapped(guest, &blob, 1, BLOB_SIZE, BLOB_OFFSET));
    REQUIRE(blob_experiment(guest, &blob, blob_s1(&blob)));
    REQUIRE(window_check_hole(guest, 0));
    REQUIRE(window_check_hole(guest, last));
    REQUIRE(window_check_hole(guest, BLOB_OFFSET - sizeof(uint64_t)));
    REQUIRE(window_check_hole(guest, BLOB_OFFSET + BLOB_SIZE));

    CHECK_RESPONSE(gpu_blob_unmap(gpu, 1), VIRTIO_GPU_RESP_OK_NODATA);
    REQUIRE(window_check_hole(guest, BLOB_OFFSET));
    return true;
}

/* Writes to every page of the window, round after round, with a blob that comes and goes
 * among them: what is in the blob stays, and nothing of it is left in the hole. */
bool scenario_hole_storm(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    struct blob blob;
    uint64_t rounds;
    REQUIRE(gpu_start(guest, 0));
    REQUIRE(check_option(guest, "rounds", 2, &rounds));
    uint64_t start = gpu->window.start.value;
    uint64_t size = gpu->window.size;
    enum memattr_type s1 = memattr_s1_of_map_info(ARCH_MEMATTR_MODEL, MEMATTR_MAP_CACHED);
    REQUIRE(blob_context(guest, BLOB_SHM));
    for (uint32_t round = 0; round < rounds; round++) {
        REQUIRE(blob_create_mapped(guest, &blob, 1, BLOB_SIZE, BLOB_OFFSET));
        volatile uint8_t *window = mmu_map(guest->mmu, start, size, s1);
        CHECK(window != NULL);
        for (uint64_t offset = 0; offset < size; offset += PAGE)
            window[offset] = offset >= BLOB_OFFSET && offset < BLOB_OFFSET + BLOB_SIZE
                                 ? 0xb0
                                 : (uint8_t)round;
        for (uint64_t offset = BLOB_OFFSET; offset < BLOB_OFFSET + BLOB_SIZE;
             offset += PAGE)
            CHECK_EQUAL(window[offset], 0xb0);
        CHECK_RESPONSE(gpu_blob_unmap(gpu, 1), VIRTIO_GPU_RESP_OK_NODATA);
        CHECK_RESPONSE(gpu_resource_unref(gpu, 1), VIRTIO_GPU_RESP_OK_NODATA);
        CHECK(window[BLOB_OFFSET] != 0xb0);
        mmu_unmap(guest->mmu, start, size, s1);
    }
    return true;
}

/* An access that KVM cannot describe to the VMM is the guest's own trouble, an exception or
 * none, and the VM goes on. */
bool scenario_hole_pair(struct guest *guest)
{
    const char *expect = options_text(&guest->options, "expect", "works");
    enum memattr_type s1 =
        memattr_s1_of_map_info(ARCH_MEMATTR_MODEL, MEMATTR_MAP_UNCACHED);
    REQUIRE(gpu_start(guest, 0));
    uint64_t address = guest->gpu.window.start.value;
    volatile void *hole = mmu_map(guest->mmu, address, 2 * sizeof(uint64_t), s1);
    CHECK(hole != NULL);
    enum arch_access access = arch_pair_read(hole);
    mmu_unmap(guest->mmu, address, 2 * sizeof(uint64_t), s1);
    console_printf(&guest->console, "16 bytes at once from a hole: %s\n",
                   access == ARCH_ACCESS_WORKS ? "works" : "faults");
    CHECK(string_equal(expect, access == ARCH_ACCESS_WORKS ? "works" : "faults"));
    return window_check_hole(guest, 0);
}
