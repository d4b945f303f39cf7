/* SPDX-License-Identifier: MIT */
#include "devices/serial.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Registers by offset. RBR/THR and IER give way to the divisor while DLAB is set. */
enum {
    DATA = 0,
    INTERRUPT_ENABLE = 1,
    INTERRUPT_IDENTITY = 2, /* read */
    FIFO_CONTROL = 2,       /* write */
    LINE_CONTROL = 3,
    MODEM_CONTROL = 4,
    LINE_STATUS = 5,
    MODEM_STATUS = 6,
    SCRATCH = 7,
};

#define IER_RECEIVED          0x01u
#define IER_TRANSMITTER_EMPTY 0x02u
#define IER_MASK              0x0fu

#define IIR_NONE              0x01u
#define IIR_TRANSMITTER_EMPTY 0x02u
#define IIR_RECEIVED          0x04u
#define IIR_FIFOS_ENABLED     0xc0u

#define FCR_ENABLE         0x01u
#define FCR_CLEAR_RECEIVER 0x02u

#define LCR_DIVISOR_ACCESS 0x80u /* DLAB */

#define MCR_MASK     0x1fu
#define MCR_LOOPBACK 0x10u

#define LSR_DATA_READY        0x01u
#define LSR_OVERRUN           0x02u
#define LSR_TRANSMITTER_EMPTY 0x60u /* THRE and TEMT */

#define MSR_CONNECTED 0xb0u /* CTS, DSR and DCD */

static uint8_t interrupt_identity(const struct serial *serial)
{
    uint8_t fifos = serial->fifo_control & FCR_ENABLE ? IIR_FIFOS_ENABLED : 0;
    if (serial->interrupt_enable & IER_RECEIVED && serial->received_count > 0)
        return fifos | IIR_RECEIVED;
    if (serial->interrupt_enable & IER_TRANSMITTER_EMPTY &&
        serial->transmitter_empty_pending)
        return fifos | IIR_TRANSMITTER_EMPTY;
    return fifos | IIR_NONE;
}

/* After anything that can be the cause of an interrupt. Cannot fail: the counter would have to be
 * at its maximum, and KVM drains it. */
static void interrupt(const struct serial *serial)
{
    if ((interrupt_identity(serial) & IIR_NONE) == 0)
        eventfd_write(serial->interrupt_fd, 1);
}

/* After anything that can have made room for received bytes. */
static void tell_room(struct serial *serial)
{
    if (!serial->starved || serial->received_count > 0 ||
        (serial->interrupt_enable & IER_RECEIVED) == 0)
        return;
    serial->starved = false;
    eventfd_write(serial->room_fd, 1);
}

static bool receive_byte(struct serial *serial, uint8_t byte)
{
    if (serial->received_count == SERIAL_FIFO_SIZE)
        return false;
    serial->received[serial->received_count++] = byte;
    return true;
}

static uint8_t take_received(struct serial *serial)
{
    if (serial->received_count == 0)
        return 0;
    uint8_t byte = serial->received[0];
    serial->received_count--;
    memmove(serial->received, serial->received + 1, serial->received_count);
    tell_room(serial);
    return byte;
}

static void transmit(struct serial *serial, uint8_t byte)
{
    if (serial->modem_control & MCR_LOOPBACK) {
        if (!receive_byte(serial, byte))
            serial->overrun = true;
    } else {
        serial->output(serial->context, byte);
    }
    serial->transmitter_empty_pending = true;
    interrupt(serial);
}

/* In loopback the four modem outputs are the four modem inputs: RTS to CTS, DTR to DSR,
 * OUT1 to RI, OUT2 to DCD. Linux's driver uses this to find out whether a port exists
 * (drivers/tty/serial/8250/8250_port.c, autoconfig). */
static uint8_t modem_status(const struct serial *serial)
{
    uint8_t outputs = serial->modem_control;
    if ((outputs & MCR_LOOPBACK) == 0)
        return MSR_CONNECTED;
    return (uint8_t)((outputs & 0x02) << 3 | (outputs & 0x01) << 5 |
                     (outputs & 0x0c) << 4);
}

static uint8_t line_status(struct serial *serial)
{
    uint8_t status = LSR_TRANSMITTER_EMPTY;
    if (serial->received_count > 0)
        status |= LSR_DATA_READY;
    if (serial->overrun)
        status |= LSR_OVERRUN;
    serial->overrun = false; /* cleared by the read */
    return status;
}

static uint8_t read_register(struct serial *serial, uint64_t offset)
{
    bool divisor = serial->line_control & LCR_DIVISOR_ACCESS;
    switch (offset) {
    case DATA:
        return divisor ? serial->divisor[0] : take_received(serial);
    case INTERRUPT_ENABLE:
        return divisor ? serial->divisor[1] : serial->interrupt_enable;
    case INTERRUPT_IDENTITY: {
        uint8_t identity = interrupt_identity(serial);
        if ((identity & ~IIR_FIFOS_ENABLED) == IIR_TRANSMITTER_EMPTY)
            serial->transmitter_empty_pending = false;
        return identity;
    }
    case LINE_CONTROL:
        return serial->line_control;
    case MODEM_CONTROL:
        return serial->modem_control;
    case LINE_STATUS:
        return line_status(serial);
    case MODEM_STATUS:
        return modem_status(serial);
    default:
        return serial->scratch;
    }
}

static void write_interrupt_enable(struct serial *serial, uint8_t value)
{
    uint8_t rising = value & (uint8_t)~serial->interrupt_enable;
    serial->interrupt_enable = value & IER_MASK;
    if (rising & IER_TRANSMITTER_EMPTY)
        serial->transmitter_empty_pending = true;
    interrupt(serial);
    tell_room(serial);
}

static void write_register(struct serial *serial, uint64_t offset, uint8_t value)
{
    bool divisor = serial->line_control & LCR_DIVISOR_ACCESS;
    switch (offset) {
    case DATA:
        if (divisor)
            serial->divisor[0] = value;
        else
            transmit(serial, value);
        break;
    case INTERRUPT_ENABLE:
        if (divisor)
            serial->divisor[1] = value;
        else
            write_interrupt_enable(serial, value);
        break;
    case FIFO_CONTROL:
        serial->fifo_control = value;
        if (value & FCR_CLEAR_RECEIVER)
            serial->received_count = 0;
        tell_room(serial);
        break;
    case LINE_CONTROL:
        serial->line_control = value;
        break;
    case MODEM_CONTROL:
        serial->modem_control = value & MCR_MASK;
        break;
    case SCRATCH:
        serial->scratch = value;
        break;
    default: /* the status registers are read-only */
        break;
    }
}

/* The registers are bytes; a wider access is one to several of them, as on the ISA bus.
 */
static uint64_t serial_read(void *device, uint64_t offset, unsigned size)
{
    struct serial *serial = device;
    uint64_t value = 0;
    pthread_mutex_lock(&serial->lock);
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)read_register(serial, offset + i) << 8 * i;
    pthread_mutex_unlock(&serial->lock);
    return value;
}

static void serial_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct serial *serial = device;
    pthread_mutex_lock(&serial->lock);
    for (unsigned i = 0; i < size; i++)
        write_register(serial, offset + i, (uint8_t)(value >> 8 * i));
    pthread_mutex_unlock(&serial->lock);
}

bool serial_init(struct serial *serial, serial_output_function *output, void *context,
                 struct error *error)
{
    int interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int room_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (interrupt_fd < 0 || room_fd < 0) {
        error_set(error, ERROR_HOST_SYSTEM,
                  "eventfd for the serial port: %s; see ulimit -n", strerror(errno));
        close(interrupt_fd); /* nothing, if it is the one that failed */
        close(room_fd);
        return false;
    }
    *serial = (struct serial){.output = output,
                              .context = context,
                              .interrupt_fd = interrupt_fd,
                              .room_fd = room_fd};
    pthread_mutex_init(&serial->lock, NULL);
    return true;
}

void serial_finish(struct serial *serial)
{
    if (serial->output == NULL)
        return;
    close(serial->interrupt_fd);
    close(serial->room_fd);
    pthread_mutex_destroy(&serial->lock);
    *serial = (struct serial){0};
}

size_t serial_receive(struct serial *serial, const uint8_t *bytes, size_t count)
{
    size_t taken = 0;
    pthread_mutex_lock(&serial->lock);
    if (serial->interrupt_enable & IER_RECEIVED)
        while (taken < count && receive_byte(serial, bytes[taken]))
            taken++;
    if (taken > 0)
        interrupt(serial);
    serial->starved = taken < count;
    pthread_mutex_unlock(&serial->lock);
    return taken;
}

const struct bus_ops serial_bus_ops = {
    .read = serial_read,
    .write = serial_write,
};
