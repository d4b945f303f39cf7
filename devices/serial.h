/* SPDX-License-Identifier: MIT */
/*
 * A 16550A serial port: the console. (National Semiconductor PC16550D data sheet,
 * section 8.)
 *
 *   THR --> output() at once: the line is infinitely fast, the transmitter always empty
 *   serial_receive() --> 16-byte FIFO --> RBR
 *              ^--- room_fd, when a byte was refused and the FIFO is empty again
 *
 * What is absent, as no driver can tell on a line like this: baud rates (the divisor is
 * only kept), parity and break, FIFO trigger levels, modem interrupts. The interrupt is
 * an edge, a write to an eventfd that KVM turns into a pulse on the ISA line; there is
 * one for each cause, so that a driver which serves all causes before it returns never
 * misses any.
 *
 * Bytes are taken only while the driver has the receiver's interrupt enabled. Linux reads and
 * throws away what the FIFO holds before it enables it (8250_port.c, serial8250_do_startup), so
 * this is how nothing is lost that the user typed, or piped in, before the guest listens. A
 * driver that only polls receives nothing.
 */
#ifndef S2VMM_DEVICES_SERIAL_H
#define S2VMM_DEVICES_SERIAL_H

#include <pthread.h>

#include "vmm/bus.h"
#include "vmm/state.h"

#define SERIAL_FIFO_SIZE 16

/* Takes one byte that the guest sent; on a vCPU's thread, one call at a time. */
typedef void serial_output_function(void *context, uint8_t byte);

struct serial {
    serial_output_function *output;
    void *context;
    int interrupt_fd; /* for kvm_irqfd() */
    int room_fd;      /* eventfd, see serial_receive() */

    pthread_mutex_t lock; /* all that follows */
    uint8_t interrupt_enable;
    uint8_t fifo_control;
    uint8_t line_control;
    uint8_t modem_control;
    uint8_t scratch;
    uint8_t divisor[2];
    bool transmitter_empty_pending; /* the interrupt, until IIR says so or THR is written
                                     */
    bool overrun;
    bool starved; /* serial_receive() took fewer bytes than it was given */
    unsigned received_count;
    uint8_t received[SERIAL_FIFO_SIZE]; /* oldest first */
};

/* Makes the port as it is after reset, and the interrupt's eventfd. ERROR_HOST_SYSTEM. */
bool serial_init(struct serial *serial, serial_output_function *output, void *context,
                 struct error *error);
void serial_finish(struct serial *serial);

/* Bytes for the guest to read. Returns how many were taken; the FIFO holds 16. When that is
 * fewer than `count`, room_fd is written as soon as it is worth trying again. Any thread. */
size_t serial_receive(struct serial *serial, const uint8_t *bytes, size_t count);

/* Section UART: registers, received bytes, an interrupt that KVM has not taken. While nobody else uses it: no vCPU,
 * no terminal. Loading: after serial_init(). ERROR_CONFIG_FILE. */
void serial_save(const struct serial *serial, struct state_writer *writer,
                 uint32_t instance);
bool serial_load(struct serial *serial, struct state_reader *reader, uint32_t instance,
                 struct error *error);

/* For bus_add() on the port bus, 8 ports; the bus entry's device is the struct serial. */
extern const struct bus_ops serial_bus_ops;

#endif
