/* SPDX-License-Identifier: MIT */
/*
 * A driver that lies in every field of configuration space: it must get a defined answer each
 * time, and afterwards, once everything is put back, a device that works.
 */
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>

#include "guest/arch.h"
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/mmio.h"
#include "guest/scenarios.h"
#include "guest/window.h"
#include "vmm/layout.h"

#define CONFIG_SIZE 4096u
#define HEADER_SIZE 64u
#define GPU_BAR     0u
#define WINDOW_BAR  2u
#define BLOB_SIZE   (64 * KIB)
#define BLOB_OFFSET (128 * KIB)
#define ALL_ONES    UINT32_MAX
#define RAM_PATTERN 0x5a5aa5a5u
#define RESET_PART  10u /* of a second: what a driver waits after a function-level reset */

static const uint32_t lies[] = {0,           ALL_ONES,    0x55555555u,
                                0xaaaaaaaau, 0x00000007u, 0x80000000u};

/* --- back to a device that works --- */

struct saved {
    uint64_t bars[2];
};

static void reset_function(struct pci_function pci)
{
    uint32_t express = pci_capability(pci, PCI_CAP_ID_EXP, 0);
    uint64_t start = arch_ticks();
    pci_write16(pci, express + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR);
    while (arch_ticks() - start < arch_ticks_per_second() / RESET_PART)
        arch_pause();
}

static void put_back(struct pci_function pci, const struct saved *saved)
{
    reset_function(pci);
    pci_set_bar(pci, GPU_BAR, saved->bars[0]);
    pci_set_bar(pci, WINDOW_BAR, saved->bars[1]);
    pci_decode(pci, true);
}

static bool check_works(struct guest *guest)
{
    struct virtio_gpu_resp_display_info info;
    REQUIRE(gpu_start(guest, 0));
    CHECK_RESPONSE(gpu_get_display_info(&guest->gpu, &info),
                   VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    return true;
}

/* --- the lies --- */

/* What a function says that it is, and where its capabilities are, no write changes. */
static bool check_header(struct guest *guest, struct pci_function pci)
{
    CHECK_EQUAL(pci_read32(pci, PCI_VENDOR_ID), 0x1af4u | (0x1040u + VIRTIO_ID_GPU)
                                                              << 16);
    CHECK_EQUAL(pci_read8(pci, PCI_REVISION_ID), 1);
    CHECK_EQUAL(pci_read8(pci, PCI_HEADER_TYPE), 0);
    CHECK(pci_read16(pci, PCI_STATUS) & PCI_STATUS_CAP_LIST);
    CHECK(pci_capability(pci, PCI_CAP_ID_EXP, 0) != 0);
    CHECK(pci_capability(pci, PCI_CAP_ID_VNDR, 0) != 0);
    return true;
}

static bool lie_everywhere(struct guest *guest, struct pci_function pci)
{
    for (unsigned lie = 0; lie < ARRAY_SIZE(lies); lie++)
        for (unsigned size = 1; size <= 8; size *= 2) {
            for (unsigned offset = 0; offset < 256; offset += size)
                mmio_write(pci.config + offset, size, lies[lie]);
            REQUIRE(check_header(guest, pci));
        }
    /* There is no extended capability. */
    for (unsigned offset = 256; offset < CONFIG_SIZE; offset += 256) {
        mmio_write32(pci.config + offset, ALL_ONES);
        CHECK_EQUAL(mmio_read32(pci.config + offset), 0);
    }
    return true;
}

/* Functions that are not there. */
static bool check_nobody(struct guest *guest, struct pci_function pci)
{
    const struct boot_device *host = guest_device(guest, BOOT_DEVICE_PCI);
    for (unsigned number = 1; number < 8; number++)
        CHECK_EQUAL(mmio_read32(pci.config + number * CONFIG_SIZE), ALL_ONES);
    mmio_write32(host->base + host->size - 4, 0);
    CHECK_EQUAL(mmio_read32(host->base + host->size - 4), ALL_ONES);
    return true;
}

/* Places where a BAR must not be: it is nowhere then, and what is there stays as it is. */
static bool check_bad_places(struct guest *guest, struct pci_function pci,
                             const struct saved *saved)
{
    const uint64_t exit_device = guest_device(guest, BOOT_DEVICE_EXIT)->base;
    uint32_t *ram = heap_allocate_aligned(&guest->heap, 256 * KIB, 128 * KIB);
    const uint64_t places[] = {
        (uintptr_t)ram,
        exit_device,
        guest_device(guest, BOOT_DEVICE_PCI)->base,
        0,
        0xffff8000u,
        saved->bars[0] & ~UINT64_C(0xffffff) & ~UINT64_C(0x3fffffff),
    };
    volatile uint32_t *first = ram;
    *first = RAM_PATTERN;
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        pci_set_bar(pci, GPU_BAR, places[i]);
        CHECK_EQUAL(mmio_read32(saved->bars[0]), ALL_ONES);
        pci_set_bar(pci, WINDOW_BAR, places[i]);
        CHECK_EQUAL(*first, RAM_PATTERN);
    }
    return true;
}

/* The size of a BAR, as drivers find it, with decoding on. */
static bool check_sizing(struct guest *guest, struct pci_function pci)
{
    uint32_t before = pci_read32(pci, PCI_BASE_ADDRESS_0);
    pci_write32(pci, PCI_BASE_ADDRESS_0, ALL_ONES);
    CHECK_EQUAL(pci_read32(pci, PCI_BASE_ADDRESS_0), 0xffff8000u);
    CHECK_EQUAL(mmio_read32(before & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK), ALL_ONES);
    pci_write32(pci, PCI_BASE_ADDRESS_0, before);
    return check_works(guest);
}

/* The registers at another place: nothing is left at the old one. */
static bool check_moves(struct guest *guest, struct pci_function pci,
                        const struct saved *saved)
{
    pci_set_bar(pci, GPU_BAR, saved->bars[0] + MIB);
    CHECK_EQUAL(mmio_read32(saved->bars[0]), ALL_ONES);
    REQUIRE(check_works(guest));
    pci_set_bar(pci, GPU_BAR, saved->bars[0]);
    return check_works(guest);
}

/* --- the capability that gives access to BARs (virtio 1.2, 4.1.4.9) --- */

static uint32_t access_capability(struct pci_function pci)
{
    uint32_t capability = 0;
    do
        capability = pci_capability(pci, PCI_CAP_ID_VNDR, capability);
    while (capability != 0 && pci_read8(pci, capability + VIRTIO_PCI_CAP_CFG_TYPE) !=
                                  VIRTIO_PCI_CAP_PCI_CFG);
    return capability;
}

static uint32_t read_through(struct pci_function pci, uint32_t bar, uint32_t offset,
                             uint32_t length)
{
    uint32_t capability = access_capability(pci);
    mmio_write8(pci.config + capability + VIRTIO_PCI_CAP_BAR, (uint8_t)bar);
    pci_write32(pci, capability + VIRTIO_PCI_CAP_OFFSET, offset);
    pci_write32(pci, capability + VIRTIO_PCI_CAP_LENGTH, length);
    return pci_read32(pci, capability + sizeof(struct virtio_pci_cap));
}

static bool check_access(struct guest *guest, struct pci_function pci)
{
    CHECK(access_capability(pci) != 0);
    CHECK_EQUAL(read_through(pci, GPU_BAR, VIRTIO_PCI_COMMON_NUMQ, 2) & 0xffff, 2);
    CHECK_EQUAL(read_through(pci, WINDOW_BAR, 0, 4), ALL_ONES);
    CHECK_EQUAL(read_through(pci, 7, 0, 4), ALL_ONES);
    CHECK_EQUAL(read_through(pci, GPU_BAR, 0xfffffffcu, 4), ALL_ONES);
    read_through(pci, GPU_BAR, 1, 4); /* not aligned, and no width: nothing happens */
    read_through(pci, GPU_BAR, 0, 3);
    return true;
}

/* --- the window --- */

/* A mapped blob goes with the window, and hides while decoding is off. */
static bool check_window(struct guest *guest, struct pci_function pci,
                         const struct saved *saved)
{
    struct gpu *gpu = &guest->gpu;
    struct blob blob;
    REQUIRE(check_works(guest));
    REQUIRE(blob_context(guest, BLOB_SHM));
    REQUIRE(blob_create_mapped(guest, &blob, 1, BLOB_SIZE, BLOB_OFFSET));
    REQUIRE(blob_experiment(guest, &blob, blob_s1(&blob)));

    pci_decode(pci, false);
    REQUIRE(window_check_hole(guest, BLOB_OFFSET));
    pci_decode(pci, true);
    REQUIRE(blob_experiment(guest, &blob, blob_s1(&blob)));

    pci_set_bar(pci, WINDOW_BAR, saved->bars[1] + gpu->window.size);
    REQUIRE(window_check_hole(guest, BLOB_OFFSET));
    CHECK(virtio_shm(&gpu->virtio, VIRTIO_GPU_SHM_ID_HOST_VISIBLE, &gpu->window));
    CHECK_EQUAL(gpu->window.start.value, saved->bars[1] + gpu->window.size);
    REQUIRE(blob_experiment(guest, &blob, blob_s1(&blob)));

    /* Outside of the bridge's windows: nothing can be mapped. */
    uint32_t map_info;
    pci_set_bar(pci, WINDOW_BAR, 0);
    CHECK_RESPONSE(gpu_blob_unmap(gpu, 1), VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_blob_map(gpu, 1, 0, &map_info), VIRTIO_GPU_RESP_ERR_UNSPEC);
    pci_set_bar(pci, WINDOW_BAR, saved->bars[1]);
    CHECK_RESPONSE(gpu_blob_map(gpu, 1, BLOB_OFFSET, &map_info),
                   VIRTIO_GPU_RESP_OK_MAP_INFO);
    CHECK(virtio_shm(&gpu->virtio, VIRTIO_GPU_SHM_ID_HOST_VISIBLE, &gpu->window));
    REQUIRE(blob_experiment(guest, &blob, blob_s1(&blob)));

    /* A function-level reset takes the blob as well. */
    put_back(pci, saved);
    REQUIRE(window_check_hole(guest, BLOB_OFFSET));
    return check_works(guest);
}

bool scenario_pci_config(struct guest *guest)
{
    REQUIRE(check_works(guest));
    struct pci_function pci = guest->gpu.virtio.pci;
    CHECK(pci.config != 0);
    const struct saved saved = {{pci_bar(pci, GPU_BAR), pci_bar(pci, WINDOW_BAR)}};
    REQUIRE(check_header(guest, pci));
    REQUIRE(check_nobody(guest, pci));
    REQUIRE(check_access(guest, pci));
    REQUIRE(check_sizing(guest, pci));
    REQUIRE(check_moves(guest, pci, &saved));
    REQUIRE(check_bad_places(guest, pci, &saved));
    put_back(pci, &saved);
    REQUIRE(check_works(guest));
    REQUIRE(lie_everywhere(guest, pci));
    put_back(pci, &saved);
    REQUIRE(check_works(guest));
    return check_window(guest, pci, &saved);
}
