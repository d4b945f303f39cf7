/* SPDX-License-Identifier: MIT */
#include "devices/pl011.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/primecell.h"

/* Registers by offset (DDI 0183, chapter 3). The others read 0 and ignore writes. */
enum {
    DATA = 0x000,
    FLAGS = 0x018,
    INTEGER_BAUD_RATE = 0x024,
    FRACTIONAL_BAUD_RATE = 0x028,
    LINE_CONTROL = 0x02c,
    CONTROL = 0x030,
    FIFO_LEVELS = 0x034,
    INTERRUPT_MASK = 0x038,
    INTERRUPTS_RAISED = 0x03c,
    INTERRUPTS_MASKED = 0x040,
    INTERRUPT_CLEAR = 0x044,
};

/* FR: CTS, DSR and DCD asserted, transmit FIFO empty; not busy. */
#define FLAGS_CONNECTED     0x087u
#define FLAGS_RECEIVE_EMPTY 0x010u
#define FLAGS_RECEIVE_FULL  0x040u

#define LINE_CONTROL_FIFOS 0x010u /* FEN */
#define CONTROL_ON         0x101u /* UARTEN, TXE */
#define CONTROL_RECEIVE    0x200u /* RXE */
#define FIFO_LEVELS_RESET  0x012u

#define INTERRUPT_RECEIVE  0x010u /* RX: the level is reached */
#define INTERRUPT_TRANSMIT 0x020u
#define INTERRUPT_TIMEOUT  0x040u /* RT: there are bytes, and no more are coming */
#define INTERRUPTS_RECEIVE (INTERRUPT_RECEIVE | INTERRUPT_TIMEOUT)
#define INTERRUPTS_ALL     0x7ffu

/* Bits that can be written. */
#define INTEGER_BAUD_RATE_BITS    0xffffu
#define FRACTIONAL_BAUD_RATE_BITS 0x3fu
#define LINE_CONTROL_BITS         0xffu
#define CONTROL_BITS              0xff87u
#define FIFO_LEVELS_BITS          0x3fu

/* Part 0x011, designer Arm, revision 3: r1p5, whose FIFOs have 32 places. */
#define PERIPHERAL_ID 0x00341011u

static uint32_t interrupts_masked(const struct pl011 *pl011)
{
    return pl011->interrupts_raised & pl011->interrupt_mask;
}

/* After anything that can be the cause of an interrupt. */
static void interrupt(const struct pl011 *pl011)
{
    if (interrupts_masked(pl011) != 0)
        eventfd_write(pl011->interrupt_fd, 1);
}

static unsigned fifo_size(const struct pl011 *pl011)
{
    return pl011->line_control & LINE_CONTROL_FIFOS ? PL011_FIFO_SIZE : 1;
}

/* IFLS.RXIFLSEL: the number of bytes that raises the receiver's interrupt; the reserved values
 * are taken for the largest. */
static unsigned receive_level(const struct pl011 *pl011)
{
    static const unsigned eighths[] = {1, 2, 4, 6, 7, 7, 7, 7};
    unsigned level = fifo_size(pl011) * eighths[pl011->fifo_levels >> 3 & 7] / 8;
    return level > 0 ? level : 1;
}

static bool is_listening(const struct pl011 *pl011)
{
    return pl011->listens && (pl011->control & CONTROL_RECEIVE) != 0;
}

/* After anything that can have made room for received bytes. */
static void tell_room(struct pl011 *pl011)
{
    if (!pl011->starved || pl011->received_count > 0 || !is_listening(pl011))
        return;
    pl011->starved = false;
    eventfd_write(pl011->room_fd, 1);
}

/* Reading takes the causes away, as well as ICR (DDI 0183, UARTRXINTR and UARTRTINTR). */
static uint32_t take_received(struct pl011 *pl011)
{
    if (pl011->received_count == 0)
        return 0;
    uint8_t byte = pl011->received[0];
    pl011->received_count--;
    memmove(pl011->received, pl011->received + 1, pl011->received_count);
    if (pl011->received_count < receive_level(pl011))
        pl011->interrupts_raised &= ~INTERRUPT_RECEIVE;
    if (pl011->received_count == 0)
        pl011->interrupts_raised &= ~INTERRUPT_TIMEOUT;
    tell_room(pl011);
    return byte;
}

static uint32_t read_flags(const struct pl011 *pl011)
{
    uint32_t flags = FLAGS_CONNECTED;
    if (pl011->received_count == 0)
        flags |= FLAGS_RECEIVE_EMPTY;
    if (pl011->received_count >= fifo_size(pl011))
        flags |= FLAGS_RECEIVE_FULL;
    return flags;
}

/* The byte passes through the FIFO, which falls below any level again (DDI 0183, UARTTXINTR: that is
 * when the transmitter's interrupt is raised, and not by being empty). */
static void transmit(struct pl011 *pl011, uint8_t byte)
{
    pl011->output(pl011->context, byte);
    pl011->interrupts_raised |= INTERRUPT_TRANSMIT;
    interrupt(pl011);
}

static uint32_t read_register(struct pl011 *pl011, uint64_t offset)
{
    if (offset >= PRIMECELL_ID)
        return primecell_id(PERIPHERAL_ID, offset);
    switch (offset) {
    case DATA:
        return take_received(pl011);
    case FLAGS:
        return read_flags(pl011);
    case INTEGER_BAUD_RATE:
        return pl011->integer_baud_rate;
    case FRACTIONAL_BAUD_RATE:
        return pl011->fractional_baud_rate;
    case LINE_CONTROL:
        return pl011->line_control;
    case CONTROL:
        return pl011->control;
    case FIFO_LEVELS:
        return pl011->fifo_levels;
    case INTERRUPT_MASK:
        return pl011->interrupt_mask;
    case INTERRUPTS_RAISED:
        return pl011->interrupts_raised;
    case INTERRUPTS_MASKED:
        return interrupts_masked(pl011);
    default:
        return 0;
    }
}

static void write_interrupt_mask(struct pl011 *pl011, uint32_t mask)
{
    pl011->interrupt_mask = mask;
    if ((mask & INTERRUPTS_RECEIVE) == 0)
        pl011->listens = false;
    else if ((pl011->control & CONTROL_RECEIVE) != 0)
        pl011->listens = true;
    interrupt(pl011);
    tell_room(pl011);
}

static void write_register(struct pl011 *pl011, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case DATA:
        transmit(pl011, (uint8_t)value);
        break;
    case INTEGER_BAUD_RATE:
        pl011->integer_baud_rate = value & INTEGER_BAUD_RATE_BITS;
        break;
    case FRACTIONAL_BAUD_RATE:
        pl011->fractional_baud_rate = value & FRACTIONAL_BAUD_RATE_BITS;
        break;
    case LINE_CONTROL:
        pl011->line_control = value & LINE_CONTROL_BITS;
        break;
    case CONTROL:
        pl011->control = value & CONTROL_BITS;
        tell_room(pl011);
        break;
    case FIFO_LEVELS:
        pl011->fifo_levels = value & FIFO_LEVELS_BITS;
        break;
    case INTERRUPT_MASK:
        write_interrupt_mask(pl011, value & INTERRUPTS_ALL);
        break;
    case INTERRUPT_CLEAR:
        pl011->interrupts_raised &= ~value;
        break;
    default:
        break;
    }
}

/* A register is a word; drivers read and write its lower 8 or 16 bits, too. An access that
 * begins inside of one is none. */
static uint64_t pl011_read(void *device, uint64_t offset, unsigned size)
{
    struct pl011 *pl011 = device;
    if (offset % 4 != 0)
        return 0;
    pthread_mutex_lock(&pl011->lock);
    uint64_t value = read_register(pl011, offset);
    pthread_mutex_unlock(&pl011->lock);
    return size < 4 ? value & ((1u << 8 * size) - 1) : value;
}

static void pl011_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pl011 *pl011 = device;
    (void)size; /* the bus has cleared the bytes that are not written */
    if (offset % 4 != 0)
        return;
    pthread_mutex_lock(&pl011->lock);
    write_register(pl011, offset, (uint32_t)value);
    pthread_mutex_unlock(&pl011->lock);
}

bool pl011_init(struct pl011 *pl011, pl011_output_function *output, void *context,
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
    *pl011 = (struct pl011){
        .output = output,
        .context = context,
        .interrupt_fd = interrupt_fd,
        .room_fd = room_fd,
        .control = CONTROL_ON,
        .fifo_levels = FIFO_LEVELS_RESET,
    };
    pthread_mutex_init(&pl011->lock, NULL);
    return true;
}

void pl011_finish(struct pl011 *pl011)
{
    if (pl011->output == NULL)
        return;
    close(pl011->interrupt_fd);
    close(pl011->room_fd);
    pthread_mutex_destroy(&pl011->lock);
    *pl011 = (struct pl011){0};
}

size_t pl011_receive(struct pl011 *pl011, const uint8_t *bytes, size_t count)
{
    size_t taken = 0;
    pthread_mutex_lock(&pl011->lock);
    if (is_listening(pl011)) {
        for (; taken < count && pl011->received_count < fifo_size(pl011); taken++)
            pl011->received[pl011->received_count++] = bytes[taken];
    }
    if (taken > 0) {
        pl011->interrupts_raised |= INTERRUPT_TIMEOUT;
        if (pl011->received_count >= receive_level(pl011))
            pl011->interrupts_raised |= INTERRUPT_RECEIVE;
        interrupt(pl011);
    }
    pl011->starved = taken < count;
    pthread_mutex_unlock(&pl011->lock);
    return taken;
}

const struct bus_ops pl011_bus_ops = {
    .read = pl011_read,
    .write = pl011_write,
};
