/* SPDX-License-Identifier: MIT */
/*
 * A driver of QEMU's device edu, which --vfio passes through (docs/specs/edu.rst of QEMU): a
 * register that inverts, a factorial, a DMA engine with 4 KiB of its own, and an interrupt for both.
 */
#ifndef S2VMM_GUEST_EDU_H
#define S2VMM_GUEST_EDU_H

#include "guest/pci.h"

#define EDU_VENDOR_DEVICE  0x11e81234u
#define EDU_IDENTIFICATION 0x010000edu

/* Registers, in BAR 0. */
#define EDU_ID         0x00u
#define EDU_LIVENESS   0x04u
#define EDU_FACTORIAL  0x08u
#define EDU_STATUS     0x20u
#define EDU_IRQ_STATUS 0x24u
#define EDU_IRQ_RAISE  0x60u
#define EDU_IRQ_ACK    0x64u
#define EDU_DMA_SOURCE 0x80u
#define EDU_DMA_TARGET 0x88u
#define EDU_DMA_COUNT  0x90u
#define EDU_DMA_START  0x98u

#define EDU_STATUS_COMPUTING 0x01u
#define EDU_STATUS_IRQ       0x80u /* raise an interrupt when the factorial is there */
#define EDU_IRQ_FACTORIAL    0x001u
#define EDU_IRQ_DMA          0x100u

#define EDU_BUFFER      0x40000u /* the device's own memory, in its addresses */
/* QEMU 7.2 ends itself at a DMA that goes to the buffer's last byte (edu_check_range()). */
#define EDU_BUFFER_SIZE 0xffcu

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
