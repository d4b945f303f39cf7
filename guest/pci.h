/* SPDX-License-Identifier: MIT */
/*
 * PCI functions of bus 0, through the ECAM (PCI Express Base Specification 6.0, 7.2.2). BARs
 * are assigned already.
 */
#ifndef S2VMM_GUEST_PCI_H
#define S2VMM_GUEST_PCI_H

#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stdint.h>

#define PCI_SLOTS 32u

struct guest;

struct pci_function {
    uint64_t config; /* address of its configuration space, 4 KiB; 0: it is none */
    uint32_t irq;    /* of its pin; 0: none */
};

/* The function 0 in a slot; false if there is none, or no PCI. */
bool pci_function_at(const struct guest *guest, uint32_t slot,
                     struct pci_function *function);

uint8_t pci_read8(struct pci_function function, uint32_t offset);
uint16_t pci_read16(struct pci_function function, uint32_t offset);
uint32_t pci_read32(struct pci_function function, uint32_t offset);
void pci_write16(struct pci_function function, uint32_t offset, uint16_t value);
void pci_write32(struct pci_function function, uint32_t offset, uint32_t value);

/* The offset of the next capability with this ID, behind the one at `after` (0: the first one);
 * 0 if there is none. */
uint32_t pci_capability(struct pci_function function, uint8_t id, uint32_t after);

/* The address in a BAR, both halves if it has them. */
uint64_t pci_bar(struct pci_function function, uint32_t bar);
void pci_set_bar(struct pci_function function, uint32_t bar, uint64_t address);

/* Turns decoding of its memory BARs on or off. */
void pci_decode(struct pci_function function, bool on);

/* MSI-X: whether the function has it; and one vector of it, with this message, not masked;
 * all others are as they were. */
bool pci_has_msix(struct pci_function function);
void pci_enable_msix(struct pci_function function, uint32_t vector, uint64_t address,
                     uint32_t data);
/* The mask of a vector, and whether its pending bit is set. */
void pci_mask_msix(struct pci_function function, uint32_t vector, bool masked);
bool pci_msix_is_pending(struct pci_function function, uint32_t vector);

#endif
