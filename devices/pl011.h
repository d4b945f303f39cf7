/* SPDX-License-Identifier: MIT */
/*
 * A PL011 serial port, revision r1p5: the console of arm64. (Arm PrimeCell UART (PL011)
 * Technical Reference Manual, DDI 0183, chapter 3.)
 *
 *   DR --> output() at once: the line is infinitely fast, the transmit FIFO always empty
 *   nothing is ever received: the receive FIFO is always empty, too
 *
 * It is as firmware leaves it, switched on. What is absent, as no driver can tell on a line
 * like this: baud rates, framing, the enables of CR (all are only kept), modem interrupts,
 * IrDA, DMA (the registers read 0).
 *
 * The interrupt is an edge, a write to an eventfd that KVM turns into a pulse. It is sent after
 * every access that leaves an unmasked cause standing, and not only for the first one, as the
 * driver of Linux may return with the transmitter's cause still there (amba-pl011.c,
 * pl011_int, AMBA_ISR_PASS_LIMIT): there may be one interrupt too many, never one too few.
 */
#ifndef S2VMM_DEVICES_PL011_H
#define S2VMM_DEVICES_PL011_H

#include <pthread.h>

#include "vmm/bus.h"

/* Takes one byte that the guest sent; on a vCPU's thread, one call at a time. */
typedef void pl011_output_function(void *context, uint8_t byte);

struct pl011 {
    pl011_output_function *output;
    void *context;
    int interrupt_fd; /* for kvm_irqfd() */

    pthread_mutex_t lock; /* all that follows */
    uint32_t integer_baud_rate;
    uint32_t fractional_baud_rate;
    uint32_t line_control;
    uint32_t control;
    uint32_t fifo_levels;
    uint32_t interrupt_mask;    /* IMSC: 1 = enabled */
    uint32_t interrupts_raised; /* RIS */
};

/* Makes the port, and the interrupt's eventfd. ERROR_HOST_SYSTEM. */
bool pl011_init(struct pl011 *pl011, pl011_output_function *output, void *context,
                struct error *error);
void pl011_finish(struct pl011 *pl011);

/* For bus_add() on the MMIO bus, 4 KiB; the bus entry's device is the struct pl011. */
extern const struct bus_ops pl011_bus_ops;

#endif
