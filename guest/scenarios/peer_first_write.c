/* SPDX-License-Identifier: MIT */
/*
 * A buffer of --blobs-from whose every page the guest reads before anybody has written it, and
 * only then writes: where the exporter maps clean pages read-only, the write ends other VMs.
 * Option size=BYTES.
 */
#include "guest/arch.h"
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"
#include "guest/witness.h"

#define ID   1u
#define WORD sizeof(uint64_t)
#define PAGE (4 * KIB)

/* What is read does not matter: that it is used keeps the reads. */
static uint64_t read_pages(const volatile uint64_t *memory, uint64_t size)
{
    uint64_t sum = 0;
    for (uint64_t offset = 0; offset < size; offset += PAGE)
        sum += memory[offset / WORD];
    arch_barrier();
    return sum;
}

static void write_all(volatile uint64_t *memory, uint64_t size, uint64_t seed)
{
    for (uint64_t i = 0; i < size / WORD; i++)
        memory[i] = witness_pattern(seed, i);
    arch_barrier();
}

bool scenario_peer_first_write(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    struct blob blob = {.resource_id = ID};
    uint64_t seed = arch_ticks();
    uint64_t different;
    REQUIRE(check_option(guest, "size", 64 * KIB, &blob.size));
    REQUIRE(gpu_start(guest, 0));
    uint64_t address = gpu->window.start.value;
    CHECK_RESPONSE(gpu_context_create(gpu, BLOB_CONTEXT, 0), VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_blob_create(gpu, BLOB_CONTEXT, ID,
                                   VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE, 1, blob.size),
                   VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_blob_map(gpu, ID, 0, &blob.map_info), VIRTIO_GPU_RESP_OK_MAP_INFO);
    volatile uint64_t *memory = mmu_map(guest->mmu, address, blob.size, blob_s1(&blob));
    CHECK(memory != NULL);
    uint64_t sum = read_pages(memory, blob.size);
    write_all(memory, blob.size, seed);
    REQUIRE(witness_check(guest, ID, 0, blob.size, seed, &different));
    CHECK_EQUAL(different, 0);
    mmu_unmap(guest->mmu, address, blob.size, blob_s1(&blob));
    CHECK_RESPONSE(gpu_resource_unref(gpu, ID), VIRTIO_GPU_RESP_OK_NODATA);
    console_printf(&guest->console, "%lu pages read (sum 0x%lx), then written\n",
                   blob.size / PAGE, sum);
    return true;
}
