/* SPDX-License-Identifier: MIT */
#include "guest/edu.h"

#include "guest/arch.h"
#include "guest/check.h"
#include "guest/mmio.h"

#define TIMEOUT   10u /* seconds; edu takes 100 ms for a DMA */
#define PIN_SLOT  0u
#define MSI_SLOTS 8u /* watches: one for each message */

/* Nobody can reset it: it may be as a guest left it that was ended. */
static bool be_quiet(struct guest *guest, const struct edu *edu)
{
    uint64_t start = arch_ticks();
    edu_write(edu, EDU_STATUS, 0);
    while ((edu_read(edu, EDU_STATUS) & EDU_STATUS_COMPUTING) != 0 ||
           (edu_read(edu, EDU_DMA_START) & EDU_DMA_RUN) != 0)
        CHECK(arch_ticks() - start < TIMEOUT * arch_ticks_per_second());
    edu_write(edu, EDU_IRQ_ACK, UINT32_MAX);
    return true;
}

bool edu_find(struct guest *guest, struct edu *edu)
{
    *edu = (struct edu){0};
    for (uint32_t slot = 0; slot < PCI_SLOTS; slot++)
        if (pci_function_at(guest, slot, &edu->pci) &&
            pci_read32(edu->pci, PCI_VENDOR_ID) == EDU_VENDOR_DEVICE) {
            edu->registers = pci_bar(edu->pci, 0);
            return be_quiet(guest, edu);
        }
    console_printf(&guest->console, "no edu device: --vfio=ADDRESS\n");
    return false;
}

uint32_t edu_read(const struct edu *edu, uint32_t reg)
{
    return mmio_read32(edu->registers + reg);
}

void edu_write(const struct edu *edu, uint32_t reg, uint32_t value)
{
    mmio_write32(edu->registers + reg, value);
}

static void set_command(const struct edu *edu, uint16_t bits, bool on)
{
    uint16_t command = pci_read16(edu->pci, PCI_COMMAND);
    pci_write16(edu->pci, PCI_COMMAND, (uint16_t)(on ? command | bits : command & ~bits));
}

/* The next message has a watch, and so a vector, of its own. */
static bool set_message(struct guest *guest, struct edu *edu)
{
    uint32_t msi = pci_capability(edu->pci, PCI_CAP_ID_MSI, 0);
    uint64_t address;
    uint32_t data;
    CHECK(msi != 0);
    CHECK(edu->interrupts < MSI_SLOTS);
    CHECK(arch_message_watch(edu->interrupts, &address, &data));
    CHECK(pci_read16(edu->pci, msi + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_64BIT);
    pci_write32(edu->pci, msi + PCI_MSI_ADDRESS_LO, (uint32_t)address);
    pci_write32(edu->pci, msi + PCI_MSI_ADDRESS_HI, (uint32_t)(address >> 32));
    pci_write16(edu->pci, msi + PCI_MSI_DATA_64, (uint16_t)data);
    pci_write16(edu->pci, msi + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE);
    return true;
}

bool edu_start(struct guest *guest, struct edu *edu, enum edu_interrupt interrupt)
{
    edu->interrupt = interrupt;
    set_command(edu, PCI_COMMAND_INTX_DISABLE, interrupt != EDU_PIN);
    set_command(edu, PCI_COMMAND_MASTER, true);
    if (interrupt == EDU_MSI)
        return set_message(guest, edu);
    if (interrupt == EDU_PIN) {
        CHECK(edu->pci.irq != 0);
        arch_level_watch(edu->pci.irq, PIN_SLOT);
        CHECK(!arch_level_take(edu->pci.irq, PIN_SLOT));
    }
    return true;
}

static bool has_come(const struct edu *edu, uint32_t cause)
{
    switch (edu->interrupt) {
    case EDU_NO_IRQ:
        return (edu_read(edu, EDU_IRQ_STATUS) & cause) != 0;
    case EDU_PIN:
        return arch_level_take(edu->pci.irq, PIN_SLOT);
    case EDU_MSI:
        return arch_interrupt_is_pending(0, edu->interrupts);
    }
    return false;
}

bool edu_wait(struct guest *guest, struct edu *edu, uint32_t cause)
{
    uint64_t start = arch_ticks();
    while (!has_come(edu, cause)) {
        CHECK(arch_ticks() - start < TIMEOUT * arch_ticks_per_second());
        arch_pause();
    }
    CHECK_EQUAL(edu_read(edu, EDU_IRQ_STATUS), cause);
    edu_write(edu, EDU_IRQ_ACK, cause);
    CHECK_EQUAL(edu_read(edu, EDU_IRQ_STATUS), 0);
    edu->interrupts++;
    if (edu->interrupt == EDU_PIN)
        arch_level_end(edu->pci.irq, PIN_SLOT);
    return edu->interrupt != EDU_MSI || set_message(guest, edu);
}

bool edu_dma(struct guest *guest, struct edu *edu, uint64_t ram, uint32_t offset,
             uint32_t count, bool to_ram)
{
    uint64_t own = EDU_BUFFER + offset;
    uint64_t start = arch_ticks();
    mmio_write64(edu->registers + EDU_DMA_SOURCE, to_ram ? own : ram);
    mmio_write64(edu->registers + EDU_DMA_TARGET, to_ram ? ram : own);
    mmio_write64(edu->registers + EDU_DMA_COUNT, count);
    arch_barrier();
    mmio_write64(edu->registers + EDU_DMA_START,
                 EDU_DMA_RUN | EDU_DMA_INTERRUPT | (to_ram ? EDU_DMA_TO_RAM : 0));
    REQUIRE(edu_wait(guest, edu, EDU_IRQ_DMA));
    while (edu_read(edu, EDU_DMA_START) & EDU_DMA_RUN)
        CHECK(arch_ticks() - start < TIMEOUT * arch_ticks_per_second());
    return true;
}
