/* SPDX-License-Identifier: MIT */
/* An unaligned read of a blob through what map_info asks for has to work: on arm64 it may fault on
 * Device memory. */
#include "guest/arch.h"
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"

bool scenario_peer_unaligned(struct guest *guest)
{
    struct blob blob;
    REQUIRE(gpu_start(guest, 0));
    REQUIRE(blob_context(guest, BLOB_SHM));
    REQUIRE(blob_create_mapped(guest, &blob, 1, 64 * KIB, 0));
    enum memattr_type s1 = blob_s1(&blob);
    uint64_t address = guest->gpu.window.start.value;
    volatile void *memory = mmu_map(guest->mmu, address, blob.size, s1);
    CHECK(memory != NULL);
    enum arch_access access = arch_unaligned_read(memory);
    arch_cache_flush(memory, blob.size);
    mmu_unmap(guest->mmu, address, blob.size, s1);
    CHECK_EQUAL(access, ARCH_ACCESS_WORKS);
    console_printf(&guest->console, "S1 %s: an unaligned read works\n",
                   memattr_type_name(s1));
    CHECK_RESPONSE(gpu_blob_unmap(&guest->gpu, 1), VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}
