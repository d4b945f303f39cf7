/* SPDX-License-Identifier: MIT */
/* Where nothing is mapped, reads give all ones and writes vanish: before the first map,
 * beside a mapping, and where one has been. */
#include "guest/arch.h"
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"
#include "guest/string.h"
#include "guest/window.h"

#define BLOB_SIZE   (64 * KIB)
#define BLOB_OFFSET (128 * KIB)

bool scenario_hole(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    struct blob blob;
    REQUIRE(gpu_start(guest, 0));
    uint64_t last = gpu->window.size - sizeof(uint64_t);
    REQUIRE(window_check_hole(guest, 0));
    REQUIRE(window_check_hole(guest, last));

    REQUIRE(blob_context(guest, BLOB_SHM));
    REQUIRE(blob_create_mapped(guest, &blob, 1, BLOB_SIZE, BLOB_OFFSET));
    REQUIRE(blob_experiment(guest, &blob, blob_s1(&blob)));
    REQUIRE(window_check_hole(guest, BLOB_OFFSET - sizeof(uint64_t)));
    REQUIRE(window_check_hole(guest, BLOB_OFFSET + BLOB_SIZE));

    CHECK_RESPONSE(gpu_blob_unmap(gpu, 1), VIRTIO_GPU_RESP_OK_NODATA);
    REQUIRE(window_check_hole(guest, BLOB_OFFSET));
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
