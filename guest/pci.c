/* SPDX-License-Identifier: MIT */
#include "guest/pci.h"

#include "guest/guest.h"
#include "guest/mmio.h"
#include "vmm/layout.h"

#define SLOT_SIZE        0x8000u /* bytes of the ECAM: 8 functions of 4 KiB */
#define CAPABILITIES_MAX 64u     /* more do not fit: a list that is longer is a loop */

bool pci_function_at(const struct guest *guest, uint32_t slot,
                     struct pci_function *function)
{
    const struct boot_device *host = guest_device(guest, BOOT_DEVICE_PCI);
    *function = (struct pci_function){0};
    if (host == NULL)
        return false;
    function->config = host->base + (uint64_t)slot * SLOT_SIZE;
    if (pci_read16(*function, PCI_VENDOR_ID) == UINT16_MAX)
        return false;
    if (pci_read8(*function, PCI_INTERRUPT_PIN) != 0)
        function->irq = LAYOUT_PCI_INTX_IRQ;
    return true;
}

uint8_t pci_read8(struct pci_function function, uint32_t offset)
{
    return mmio_read8(function.config + offset);
}

uint16_t pci_read16(struct pci_function function, uint32_t offset)
{
    return mmio_read16(function.config + offset);
}

uint32_t pci_read32(struct pci_function function, uint32_t offset)
{
    return mmio_read32(function.config + offset);
}

void pci_write16(struct pci_function function, uint32_t offset, uint16_t value)
{
    mmio_write16(function.config + offset, value);
}

void pci_write32(struct pci_function function, uint32_t offset, uint32_t value)
{
    mmio_write32(function.config + offset, value);
}

uint32_t pci_capability(struct pci_function function, uint8_t id, uint32_t after)
{
    uint32_t pointer = after ? after + PCI_CAP_LIST_NEXT : PCI_CAPABILITY_LIST;
    for (unsigned i = 0; i < CAPABILITIES_MAX; i++) {
        uint32_t offset = pci_read8(function, pointer) & ~3u;
        if (offset == 0 || pci_read8(function, offset) == id)
            return offset;
        pointer = offset + PCI_CAP_LIST_NEXT;
    }
    return 0;
}

static uint32_t bar_register(uint32_t bar)
{
    return PCI_BASE_ADDRESS_0 + 4 * bar;
}

uint64_t pci_bar(struct pci_function function, uint32_t bar)
{
    uint32_t low = pci_read32(function, bar_register(bar));
    uint64_t address = low & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
    if ((low & PCI_BASE_ADDRESS_MEM_TYPE_64) != 0)
        address |= (uint64_t)pci_read32(function, bar_register(bar + 1)) << 32;
    return address;
}

void pci_set_bar(struct pci_function function, uint32_t bar, uint64_t address)
{
    uint32_t low = pci_read32(function, bar_register(bar));
    pci_write32(function, bar_register(bar), (uint32_t)address);
    if ((low & PCI_BASE_ADDRESS_MEM_TYPE_64) != 0)
        pci_write32(function, bar_register(bar + 1), (uint32_t)(address >> 32));
}

void pci_decode(struct pci_function function, bool on)
{
    uint16_t command = pci_read16(function, PCI_COMMAND);
    pci_write16(
        function, PCI_COMMAND,
        (uint16_t)(on ? command | PCI_COMMAND_MEMORY : command & ~PCI_COMMAND_MEMORY));
}

/* --- MSI-X --- */

bool pci_has_msix(struct pci_function function)
{
    return pci_capability(function, PCI_CAP_ID_MSIX, 0) != 0;
}

/* The address of the table, or of the pending bits. */
static uint64_t msix_part(struct pci_function function, uint32_t reg)
{
    uint32_t capability = pci_capability(function, PCI_CAP_ID_MSIX, 0);
    uint32_t place = pci_read32(function, capability + reg);
    return pci_bar(function, place & PCI_MSIX_TABLE_BIR) + (place & ~7u);
}

void pci_mask_msix(struct pci_function function, uint32_t vector, bool masked)
{
    mmio_write32(msix_part(function, PCI_MSIX_TABLE) + vector * PCI_MSIX_ENTRY_SIZE +
                     PCI_MSIX_ENTRY_VECTOR_CTRL,
                 masked ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0);
}

void pci_enable_msix(struct pci_function function, uint32_t vector, uint64_t address,
                     uint32_t data)
{
    uint32_t control = pci_capability(function, PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS;
    uint64_t entry = msix_part(function, PCI_MSIX_TABLE) + vector * PCI_MSIX_ENTRY_SIZE;
    pci_mask_msix(function, vector, true);
    mmio_write32(entry + PCI_MSIX_ENTRY_LOWER_ADDR, (uint32_t)address);
    mmio_write32(entry + PCI_MSIX_ENTRY_UPPER_ADDR, (uint32_t)(address >> 32));
    mmio_write32(entry + PCI_MSIX_ENTRY_DATA, data);
    pci_mask_msix(function, vector, false);
    pci_write16(function, control, pci_read16(function, control) | PCI_MSIX_FLAGS_ENABLE);
}

bool pci_msix_is_pending(struct pci_function function, uint32_t vector)
{
    return (mmio_read32(msix_part(function, PCI_MSIX_PBA) + vector / 32 * 4) >>
                vector % 32 &
            1) != 0;
}
