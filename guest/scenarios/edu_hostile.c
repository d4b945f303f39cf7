/* SPDX-License-Identifier: MIT */
/*
 * A driver that lies in every field of a passed-through device's configuration space, and accesses its
 * BAR with every width at every place: it gets a defined answer each time, RAM stays as it was,
 * and once all is put back, the device works.
 */
#include "guest/arch.h"
#include "guest/check.h"
#include "guest/edu.h"
#include "guest/mmio.h"
#include "guest/scenarios.h"
#include "vmm/types.h"

#define CONFIG_SIZE 256u
#define RAM_PATTERN 0x5a5aa5a5u

static const uint32_t lies[] = {0,           UINT32_MAX,  0x55555555u,
                                0xaaaaaaaau, 0x00000007u, 0x80000000u};

static bool check_header(struct guest *guest, const struct edu *edu)
{
    CHECK_EQUAL(pci_read32(edu->pci, PCI_VENDOR_ID), EDU_VENDOR_DEVICE);
    CHECK_EQUAL(pci_read8(edu->pci, PCI_HEADER_TYPE), 0);
    CHECK(pci_capability(edu->pci, PCI_CAP_ID_EXP, 0) != 0);
    return true;
}

static bool lie_everywhere(struct guest *guest, const struct edu *edu)
{
    for (unsigned lie = 0; lie < ARRAY_SIZE(lies); lie++)
        for (unsigned size = 1; size <= 8; size *= 2) {
            for (unsigned offset = 0; offset < CONFIG_SIZE; offset += size)
                mmio_write(edu->pci.config + offset, size, lies[lie]);
            REQUIRE(check_header(guest, edu));
        }
    return true;
}

/* Over RAM, over other devices, nowhere: it is decoded at none of these. */
static bool check_bad_places(struct guest *guest, const struct edu *edu)
{
    volatile uint32_t *ram = heap_allocate_aligned(&guest->heap, MIB, MIB);
    const uint64_t places[] = {
        (uintptr_t)ram, guest_device(guest, BOOT_DEVICE_EXIT)->base & ~(MIB - 1),
        guest_device(guest, BOOT_DEVICE_PCI)->base, 0, 0xfff00000u};
    ram[0] = RAM_PATTERN;
    ram[1] = RAM_PATTERN;
    pci_decode(edu->pci, true);
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        pci_set_bar(edu->pci, 0, places[i]);
        ram[1] = RAM_PATTERN + i; /* edu's liveness register would be inverted */
        CHECK_EQUAL(ram[0], RAM_PATTERN);
        CHECK_EQUAL(ram[1], RAM_PATTERN + i);
        CHECK_EQUAL(edu_read(edu, EDU_ID), UINT32_MAX);
    }
    return true;
}

/* edu ignores most of these: its registers have 32 bits, those of the DMA 64. On arm64 an access of
 * less is an external abort, by the emulated device itself: smallest=4. */
static void access_everywhere(const struct edu *edu, unsigned smallest)
{
    static const uint32_t places[] = {0, 1, 3, 6, 7, 0x21, 0x3fff, 0x7ffff, 0xffff0};
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
        for (unsigned size = smallest; size <= 8; size *= 2) {
            uint64_t address = edu->registers + (places[i] & ~(size - 1));
            mmio_write(address, size, 0x01010101u);
            if (size == 1)
                (void)mmio_read8(address);
            else if (size == 2)
                (void)mmio_read16(address);
            else if (size == 4)
                (void)mmio_read32(address);
            else
                (void)mmio_read64(address);
        }
}

static bool check_works(struct guest *guest, struct edu *edu)
{
    edu_write(edu, EDU_IRQ_ACK, UINT32_MAX);
    CHECK_EQUAL(edu_read(edu, EDU_ID), EDU_IDENTIFICATION);
    REQUIRE(edu_start(guest, edu, EDU_NO_IRQ));
    uint32_t *word = heap_allocate(&guest->heap, 64);
    volatile uint32_t *seen = word;
    seen[0] = RAM_PATTERN;
    REQUIRE(edu_dma(guest, edu, (uintptr_t)word, 0, 4, false));
    REQUIRE(edu_dma(guest, edu, (uintptr_t)(word + 4), 0, 4, true));
    CHECK_EQUAL(seen[4], RAM_PATTERN);
    return true;
}

static void put_back(const struct edu *edu)
{
    uint32_t msi = pci_capability(edu->pci, PCI_CAP_ID_MSI, 0);
    if (msi != 0)
        pci_write16(edu->pci, msi + PCI_MSI_FLAGS, 0);
    pci_set_bar(edu->pci, 0, edu->registers);
    pci_decode(edu->pci, true);
}

bool scenario_edu_hostile(struct guest *guest)
{
    struct edu edu;
    uint64_t smallest;
    REQUIRE(check_option(guest, "smallest", 1, &smallest));
    REQUIRE(edu_find(guest, &edu));
    REQUIRE(check_works(guest, &edu));
    REQUIRE(check_bad_places(guest, &edu));
    put_back(&edu);
    REQUIRE(check_works(guest, &edu));
    REQUIRE(lie_everywhere(guest, &edu));
    put_back(&edu);
    REQUIRE(check_works(guest, &edu));
    access_everywhere(&edu, (unsigned)smallest);
    return check_works(guest, &edu);
}
