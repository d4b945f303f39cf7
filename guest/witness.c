/* SPDX-License-Identifier: MIT */
#include "guest/witness.h"

#include "guest/arch.h"
#include "guest/guest.h"
#include "guest/mmio.h"

static bool ask(struct guest *guest, struct witness_request *request)
{
    const struct boot_device *device = guest_device(guest, BOOT_DEVICE_WITNESS);
    if (device == NULL ||
        mmio_read32(device->base + WITNESS_REGISTER_MAGIC) != WITNESS_MAGIC) {
        console_printf(&guest->console, "witness: there is none\n");
        return false;
    }
    request->status = WITNESS_BAD_REQUEST;
    arch_barrier();
    mmio_write64(device->base + WITNESS_REGISTER_REQUEST, (uintptr_t)request);
    arch_barrier();
    uint32_t status = *(const volatile uint32_t *)&request->status;
    if (status != WITNESS_OK)
        console_printf(
            &guest->console,
            "witness: operation %u on resource %u, offset 0x%lx, length 0x%lx: "
            "status %u\n",
            request->operation, request->resource_id, request->offset, request->length,
            status);
    return status == WITNESS_OK;
}

bool witness_write(struct guest *guest, uint32_t resource_id, uint64_t offset,
                   uint64_t length, uint64_t seed)
{
    struct witness_request request = {
        .operation = WITNESS_WRITE,
        .resource_id = resource_id,
        .offset = offset,
        .length = length,
        .seed = seed,
    };
    return ask(guest, &request);
}

bool witness_check(struct guest *guest, uint32_t resource_id, uint64_t offset,
                   uint64_t length, uint64_t seed, uint64_t *different)
{
    struct witness_request request = {
        .operation = WITNESS_CHECK,
        .resource_id = resource_id,
        .offset = offset,
        .length = length,
        .seed = seed,
    };
    bool ok = ask(guest, &request);
    *different = *(const volatile uint64_t *)&request.result;
    return ok;
}

bool witness_observe(struct guest *guest, const struct witness_request *observation)
{
    struct witness_request request = *observation;
    request.operation = WITNESS_OBSERVE;
    return ask(guest, &request);
}
