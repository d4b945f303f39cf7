/* SPDX-License-Identifier: MIT */
/*
 * A PL011 serial port, revision r1p5: the console of arm64. (Arm PrimeCell UART (PL011)
 * Technical Reference Manual, DDI 0183, chapter 3.)
 *
 *   DR --> output() at once: the line is infinitely fast, the transmit FIFO always empty
 *   pl011_receive() --> FIFO of 32 bytes (1 while LCR_H.FEN is 0) --> DR
 *              ^--- room_fd, when a byte was refused and the FIFO is empty again
 *
 * It is as firmware leaves it, switched on to send. What is absent, as no driver can tell on a
 * line like this: baud rates, framing, the transmitter's enable, loopback (all are only kept),
 * modem interrupts, IrDA, DMA (the registers read 0). The receiver's timeout passes at once: its
 * interrupt is raised with every byte that comes in.
 *
 * Bytes are taken only while the receiver is enabled (CR.RXE), and after the driver unmasked one of
 * the receiver's interrupts when it was: Linux enables the receiver, then throws away what the
 * FIFO holds, and then unmasks (amba-pl011.c, pl011_startup, pl011_enable_interrupts). This is how
 * nothing is lost that the user typed, or piped in, before the guest listens.
 *
 * The interrupt is an edge, a write to an eventfd that KVM turns into a pulse. It is sent after
 * every write, and every byte received, that leaves an unmasked cause standing, and not only for the first one, as the
 * driver of Linux may return with the transmitter's cause still there (amba-pl011.c,
 * pl011_int, AMBA_ISR_PASS_LIMIT): there may be one interrupt too many, never one too few.
 */
#ifndef S2VMM_DEVICES_PL011_H
#define S2VMM_DEVICES_PL011_H

#include <pthread.h>

#include "vmm/bus.h"
#include "vmm/state.h"

#define PL011_FIFO_SIZE 32

/* Takes one byte that the guest sent; on a vCPU's thread, one call at a time. */
typedef void pl011_output_function(void *context, uint8_t byte);

struct pl011 {
    pl011_output_function *output;
    void *context;
    int interrupt_fd; /* for kvm_irqfd() */
    int room_fd;      /* eventfd, see pl011_receive() */

    pthread_mutex_t lock; /* all that follows */
    uint32_t integer_baud_rate;
    uint32_t fractional_baud_rate;
    uint32_t line_control;
    uint32_t control;
    uint32_t fifo_levels;
    uint32_t interrupt_mask;    /* IMSC: 1 = enabled */
    uint32_t interrupts_raised; /* RIS */
    bool
        listens; /* the driver unmasked the receiver's interrupts, with the receiver on */
    bool starved; /* pl011_receive() took fewer bytes than it was given */
    unsigned received_count;
    uint8_t received[PL011_FIFO_SIZE]; /* oldest first */
};

/* Makes the port, and the interrupt's eventfd. ERROR_HOST_SYSTEM. */
bool pl011_init(struct pl011 *pl011, pl011_output_function *output, void *context,
                struct error *error);
void pl011_finish(struct pl011 *pl011);

/* Bytes for the guest to read. Returns how many were taken. When that is fewer than `count`,
 * room_fd is written as soon as it is worth trying again. Any thread. */
size_t pl011_receive(struct pl011 *pl011, const uint8_t *bytes, size_t count);

/* Section PUAR: registers, received bytes, an interrupt that KVM has not taken. While nobody else uses it: no vCPU,
 * no terminal. Loading: after pl011_init(). ERROR_CONFIG_FILE. */
void pl011_save(const struct pl011 *pl011, struct state_writer *writer,
                uint32_t instance);
bool pl011_load(struct pl011 *pl011, struct state_reader *reader, uint32_t instance,
                struct error *error);

/* For bus_add() on the MMIO bus, 4 KiB; the bus entry's device is the struct pl011. */
extern const struct bus_ops pl011_bus_ops;

#endif
