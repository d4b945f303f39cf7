/* SPDX-License-Identifier: MIT */
/* QEMU's device edu (docs/specs/edu.rst of QEMU), for the tiny guest and for Linux' user space. */
#ifndef S2VMM_GUEST_EDU_REGISTERS_H
#define S2VMM_GUEST_EDU_REGISTERS_H

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
#define EDU_DMA_START  0x98u /* EDU_DMA_* below; EDU_DMA_RUN stays until it is done */

#define EDU_STATUS_COMPUTING 0x01u
#define EDU_STATUS_IRQ       0x80u /* raise an interrupt when the factorial is there */
#define EDU_IRQ_FACTORIAL    0x001u
#define EDU_IRQ_DMA          0x100u

#define EDU_DMA_RUN       0x1u
#define EDU_DMA_TO_RAM    0x2u
#define EDU_DMA_INTERRUPT 0x4u

#define EDU_BUFFER      0x40000u /* the device's own memory, in its addresses */
/* QEMU 7.2 ends itself at a DMA that goes to the buffer's last byte (edu_check_range()). */
#define EDU_BUFFER_SIZE 0xffcu

#endif
