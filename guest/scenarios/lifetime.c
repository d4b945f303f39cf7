/* SPDX-License-Identifier: MIT */
/*
 * A buffer of --blobs-from goes through its life slowly, for somebody who looks at the host
 * meanwhile (tests/e2e/leftovers.c). The console says
 *
 *   phase NAME       from now on nothing changes
 *   phase changing   until now
 *
 * Options: size=BYTES of the buffer, milliseconds=N of a phase.
 */
#include "guest/arch.h"
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"

#define ID 1u

static void stay(struct guest *guest, const char *phase, uint64_t milliseconds)
{
    uint64_t start = arch_ticks();
    uint64_t ticks = milliseconds * (arch_ticks_per_second() / 1000);
    console_printf(&guest->console, "phase %s\n", phase);
    while (arch_ticks() - start < ticks)
        arch_pause();
    console_printf(&guest->console, "phase changing\n");
}

static bool create(struct guest *guest, uint64_t size)
{
    struct gpu *gpu = &guest->gpu;
    CHECK_RESPONSE(gpu_context_create(gpu, BLOB_CONTEXT, 0), VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_blob_create(gpu, BLOB_CONTEXT, ID,
                                   VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE, 1, size),
                   VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

/* The guest's own mapping is made and taken away first: only KVM's is to be seen. */
static bool map_and_touch(struct guest *guest, uint64_t size)
{
    struct blob blob = {.resource_id = ID, .size = size};
    uint64_t address = guest->gpu.window.start.value;
    CHECK_RESPONSE(gpu_blob_map(&guest->gpu, ID, 0, &blob.map_info),
                   VIRTIO_GPU_RESP_OK_MAP_INFO);
    volatile uint64_t *memory = mmu_map(guest->mmu, address, size, blob_s1(&blob));
    CHECK(memory != NULL);
    for (uint64_t i = 0; i < size / sizeof *memory; i += 4 * KIB / sizeof *memory)
        memory[i] = i;
    mmu_unmap(guest->mmu, address, size, blob_s1(&blob));
    return true;
}

bool scenario_lifetime(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    uint64_t size;
    uint64_t milliseconds;
    REQUIRE(check_option(guest, "size", 2 * MIB, &size));
    REQUIRE(check_option(guest, "milliseconds", 1500, &milliseconds));
    REQUIRE(gpu_start(guest, 0));
    /* Once quickly, so that the guest's own RAM is there. */
    REQUIRE(create(guest, size));
    REQUIRE(map_and_touch(guest, size));
    CHECK_RESPONSE(gpu_blob_unmap(gpu, ID), VIRTIO_GPU_RESP_OK_NODATA);
    stay(guest, "created", milliseconds);
    REQUIRE(map_and_touch(guest, size));
    stay(guest, "mapped", milliseconds);
    CHECK_RESPONSE(gpu_blob_unmap(gpu, ID), VIRTIO_GPU_RESP_OK_NODATA);
    stay(guest, "unmapped", milliseconds);
    REQUIRE(map_and_touch(guest, size));
    CHECK_RESPONSE(gpu_context_destroy(gpu, BLOB_CONTEXT), VIRTIO_GPU_RESP_OK_NODATA);
    stay(guest, "mapped-without-context", milliseconds);
    CHECK_RESPONSE(gpu_resource_unref(gpu, ID), VIRTIO_GPU_RESP_OK_NODATA);
    stay(guest, "unreferenced", milliseconds);
    REQUIRE(create(guest, size));
    REQUIRE(map_and_touch(guest, size));
    REQUIRE(gpu_start(guest, 0)); /* a reset */
    stay(guest, "reset", milliseconds);
    return true;
}
