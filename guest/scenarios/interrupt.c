/* SPDX-License-Identifier: MIT */
/* The device's interrupt reaches the CPU when it is wanted, and only then. */
#include "guest/arch.h"
#include "guest/check.h"
#include "guest/scenarios.h"

#define TIMEOUT 5u /* seconds */

bool scenario_interrupt(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    struct virtio_gpu_resp_display_info info;
    REQUIRE(gpu_start(guest, 0));
    uint32_t irq = gpu->virtio.irq;
    CHECK(irq != 0);

    virtqueue_want_interrupts(&gpu->control, true);
    arch_interrupt_watch(irq, 0);
    CHECK(!arch_interrupt_is_pending(irq, 0));
    CHECK_RESPONSE(gpu_get_display_info(gpu, &info), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    uint64_t start = arch_ticks();
    while (!arch_interrupt_is_pending(irq, 0)) {
        CHECK(arch_ticks() - start < TIMEOUT * arch_ticks_per_second());
        arch_pause();
    }
    CHECK_EQUAL(virtio_interrupt_status(&gpu->virtio), VIRTIO_MMIO_INT_VRING);
    virtio_interrupt_acknowledge(&gpu->virtio, VIRTIO_MMIO_INT_VRING);
    CHECK_EQUAL(virtio_interrupt_status(&gpu->virtio), 0);

    /* Twice, as an interrupt for the first answer would come before the second one. */
    virtqueue_want_interrupts(&gpu->control, false);
    arch_interrupt_watch(irq, 1);
    for (unsigned i = 0; i < 2; i++)
        CHECK_RESPONSE(gpu_get_display_info(gpu, &info), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    CHECK(!arch_interrupt_is_pending(irq, 1));
    CHECK_EQUAL(virtio_interrupt_status(&gpu->virtio), 0);
    return true;
}
