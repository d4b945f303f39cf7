/* SPDX-License-Identifier: MIT */
/*
 * A driver of QEMU's device edu, which --vfio passes through (docs/specs/edu.rst of QEMU): a
 * register that inverts, a factorial, a DMA engine with 4 KiB of its own, and an interrupt for both.
 */
#ifndef S2VMM_GUEST_EDU_H
#define S2VMM_GUEST_EDU_H

#include "guest/edu_registers.h"
#include "guest/pci.h"

enum edu_interrupt {
    EDU_NO_IRQ,
    EDU_PIN,
    EDU_MSI,
};

struct edu {
    struct pci_function pci;
    uint64_t registers; /* address of BAR 0 */
    enum edu_interrupt interrupt;
    unsigned interrupts; /* taken so far */
};

/* Finds it on the bus. */
bool edu_find(struct guest *guest, struct edu *edu);

uint32_t edu_read(const struct edu *edu, uint32_t reg);
void edu_write(const struct edu *edu, uint32_t reg, uint32_t value);

/* Bus Master, and this kind of interrupt, on; false: the machine has not that kind. */
bool edu_start(struct guest *guest, struct edu *edu, enum edu_interrupt interrupt);

/* Waits for the interrupt, that the device's status says `cause`, acknowledges it; and that it is
 * gone then. Without interrupts it polls the status. */
bool edu_wait(struct guest *guest, struct edu *edu, uint32_t cause);

/* Copies `count` bytes between RAM and the device's memory, and waits. */
bool edu_dma(struct guest *guest, struct edu *edu, uint64_t ram, uint32_t offset,
             uint32_t count, bool to_ram);

#endif
