/* SPDX-License-Identifier: MIT */
/* The device's interrupt reaches the CPU when it is wanted, and only then: by its pin, and over
 * PCI also as a message (irq=msix). */
#include "guest/arch.h"
#include "guest/check.h"
#include "guest/scenarios.h"
#include "guest/string.h"

#define TIMEOUT 5u /* seconds */

static bool check_comes(struct guest *guest, unsigned slot)
{
    uint32_t irq = guest->gpu.virtio.irq;
    uint64_t start = arch_ticks();
    while (!arch_interrupt_is_pending(irq, slot)) {
        CHECK(arch_ticks() - start < TIMEOUT * arch_ticks_per_second());
        arch_pause();
    }
    return true;
}

static bool ask_for_an_answer(struct guest *guest)
{
    struct virtio_gpu_resp_display_info info;
    CHECK_RESPONSE(gpu_get_display_info(&guest->gpu, &info),
                   VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    return true;
}

static bool check_pin(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    uint32_t irq = gpu->virtio.irq;
    CHECK(irq != 0);

    virtqueue_want_interrupts(&gpu->control, true);
    arch_interrupt_watch(irq, 0);
    CHECK(!arch_interrupt_is_pending(irq, 0));
    REQUIRE(ask_for_an_answer(guest));
    REQUIRE(check_comes(guest, 0));
    CHECK_EQUAL(virtio_interrupt_status(&gpu->virtio), VIRTIO_MMIO_INT_VRING);
    virtio_interrupt_acknowledge(&gpu->virtio, VIRTIO_MMIO_INT_VRING);
    CHECK_EQUAL(virtio_interrupt_status(&gpu->virtio), 0);

    /* Twice, as an interrupt for the first answer would come before the second one. */
    virtqueue_want_interrupts(&gpu->control, false);
    arch_interrupt_watch(irq, 1);
    REQUIRE(ask_for_an_answer(guest));
    REQUIRE(ask_for_an_answer(guest));
    CHECK(!arch_interrupt_is_pending(irq, 1));
    CHECK_EQUAL(virtio_interrupt_status(&gpu->virtio), 0);
    return true;
}

/* Then while the vector is masked: the interrupt waits in its pending bit. */
static bool check_message(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    struct pci_function pci = gpu->virtio.pci;
    uint64_t address;
    uint32_t data;
    CHECK(pci.config != 0);
    CHECK(pci_has_msix(pci));
    CHECK(arch_message_watch(0, &address, &data));
    pci_enable_msix(pci, GPU_CONTROL_QUEUE, address, data);
    virtqueue_want_interrupts(&gpu->control, true);
    CHECK(!arch_interrupt_is_pending(0, 0));
    REQUIRE(ask_for_an_answer(guest));
    REQUIRE(check_comes(guest, 0));

    CHECK(arch_message_watch(1, &address, &data));
    pci_enable_msix(pci, GPU_CONTROL_QUEUE, address, data);
    pci_mask_msix(pci, GPU_CONTROL_QUEUE, true);
    virtqueue_want_interrupts(&gpu->control, true);
    REQUIRE(ask_for_an_answer(guest));
    uint64_t start = arch_ticks();
    while (!pci_msix_is_pending(pci, GPU_CONTROL_QUEUE)) {
        CHECK(arch_ticks() - start < TIMEOUT * arch_ticks_per_second());
        arch_pause();
    }
    CHECK(!arch_interrupt_is_pending(0, 1));
    pci_mask_msix(pci, GPU_CONTROL_QUEUE, false);
    REQUIRE(check_comes(guest, 1));
    CHECK(!pci_msix_is_pending(pci, GPU_CONTROL_QUEUE));
    return true;
}

bool scenario_interrupt(struct guest *guest)
{
    const char *irq = options_text(&guest->options, "irq", "pin");
    REQUIRE(gpu_start(guest, 0));
    return string_equal(irq, "msix") ? check_message(guest) : check_pin(guest);
}
