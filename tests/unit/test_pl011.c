/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>
#include <unistd.h>

#include "devices/pl011.h"
#include "tests/unit/suites.h"
#include "vmm/types.h"

/* Registers and bits, by the names of the manual (DDI 0183). */
enum {
    DR = 0x000,
    RSR = 0x004,
    FR = 0x018,
    IBRD = 0x024,
    FBRD = 0x028,
    LCR_H = 0x02c,
    CR = 0x030,
    IFLS = 0x034,
    IMSC = 0x038,
    RIS = 0x03c,
    MIS = 0x040,
    ICR = 0x044,
    DMACR = 0x048,
};

#define TXIM 0x020u
#define RXIM 0x010u
#define RTIM 0x040u
#define TXFE 0x080u
#define TXFF 0x020u
#define RXFE 0x010u
#define RXFF 0x040u
#define BUSY 0x008u

static struct pl011 pl011;
static char output[64];
static size_t output_length;

static void collect(void *context, uint8_t byte)
{
    ck_assert_ptr_eq(context, output);
    output[output_length++] = (char)byte;
}

static void set_up(void)
{
    struct error error;
    memset(output, 0, sizeof output);
    output_length = 0;
    ck_assert(pl011_init(&pl011, collect, output, &error));
}

static void tear_down(void)
{
    pl011_finish(&pl011);
}

static unsigned in(unsigned offset)
{
    return (unsigned)pl011_bus_ops.read(&pl011, offset, 4);
}

static void out(unsigned offset, unsigned value)
{
    pl011_bus_ops.write(&pl011, offset, 4, value);
}

/* How many interrupts were raised since the last call. */
static unsigned interrupts(void)
{
    uint64_t count;
    return read(pl011.interrupt_fd, &count, sizeof count) == sizeof count
               ? (unsigned)count
               : 0;
}

/* As earlycon does, which sets nothing up (amba-pl011.c, pl011_putc). */
START_TEST(what_the_guest_sends_comes_out)
{
    for (const char *text = "hello"; *text != '\0'; text++) {
        ck_assert_uint_eq(in(FR)&TXFF, 0);
        out(DR, (unsigned char)*text);
        ck_assert_uint_eq(in(FR)&BUSY, 0);
    }
    ck_assert_str_eq(output, "hello");
    ck_assert_uint_eq(interrupts(), 0);
}
END_TEST

START_TEST(only_the_byte_of_a_word_is_sent)
{
    out(DR, 0xffffff41);
    ck_assert_str_eq(output, "A");
}
END_TEST

START_TEST(at_first_nothing_was_received)
{
    ck_assert_uint_eq(in(FR) & (RXFE | RXFF | TXFE), RXFE | TXFE);
    ck_assert_uint_eq(in(DR), 0);
    ck_assert_uint_eq(in(RSR), 0);
    out(IMSC, 0x7ff & ~TXIM);
    out(DR, 'x');
    ck_assert_uint_eq(in(MIS), 0);
    ck_assert_uint_eq(interrupts(), 0);
}
END_TEST

static size_t receive(const char *bytes, size_t count)
{
    return pl011_receive(&pl011, (const uint8_t *)bytes, count);
}

/* How often the sender was told that there is room. */
static unsigned room(void)
{
    uint64_t count;
    return read(pl011.room_fd, &count, sizeof count) == sizeof count ? (unsigned)count
                                                                     : 0;
}

static void listen_with_fifo(void)
{
    out(LCR_H, 0x70);
    out(CR, 0x301);
    out(IMSC, RXIM | RTIM);
}

/* As Linux does (amba-pl011.c, pl011_startup): unmask, enable the receiver, empty the FIFO, unmask.
 * What the user typed before is not lost. */
START_TEST(bytes_wait_until_the_guest_listens)
{
    out(LCR_H, 0x70);
    ck_assert_uint_eq(receive("abc", 3), 0);
    out(IMSC, RXIM | RTIM);
    ck_assert_uint_eq(room(), 0);
    ck_assert_uint_eq(receive("abc", 3), 0);
    out(CR, 0x301);
    ck_assert_uint_eq(room(), 0);
    ck_assert_uint_eq(receive("abc", 3), 0);
    out(ICR, RXIM | RTIM);
    ck_assert_uint_eq(in(FR)&RXFE, RXFE);
    out(IMSC, RXIM | RTIM);
    ck_assert_uint_eq(room(), 1);
    ck_assert_uint_eq(receive("abc", 3), 3);
    ck_assert_uint_eq(interrupts(), 1);
    ck_assert_uint_eq(in(FR)&RXFE, 0);
    ck_assert_uint_eq(in(DR), 'a');
    /* pl011_set_termios() switches the port off and on. */
    out(CR, 0);
    ck_assert_uint_eq(receive("d", 1), 0);
    ck_assert_uint_eq(in(DR), 'b');
    ck_assert_uint_eq(in(DR), 'c');
    ck_assert_uint_eq(in(DR), 0);
    ck_assert_uint_eq(room(), 0);
    out(CR, 0x301);
    ck_assert_uint_eq(room(), 1);
    /* pl011_shutdown() */
    out(IMSC, 0);
    ck_assert_uint_eq(receive("d", 1), 0);
}
END_TEST

START_TEST(the_fifo_has_32_places_or_one)
{
    char bytes[PL011_FIFO_SIZE + 1] = {0};
    listen_with_fifo();
    ck_assert_uint_eq(receive(bytes, sizeof bytes), PL011_FIFO_SIZE);
    ck_assert_uint_eq(in(FR) & (RXFE | RXFF), RXFF);
    ck_assert_uint_eq(receive(bytes, 1), 0);
    for (unsigned i = 0; i < PL011_FIFO_SIZE; i++) {
        ck_assert_uint_eq(room(), 0);
        in(DR);
    }
    ck_assert_uint_eq(room(), 1);
    out(LCR_H, 0x60);
    ck_assert_uint_eq(receive(bytes, 2), 1);
    ck_assert_uint_eq(in(FR) & (RXFE | RXFF), RXFF);
    ck_assert_uint_eq(in(RIS) & (RXIM | RTIM), RXIM | RTIM);
}
END_TEST

/* DDI 0183, UARTIFLS: the level in eighths of the FIFO. */
START_TEST(the_level_and_the_timeout_interrupt)
{
    static const unsigned levels[] = {4, 8, 16, 24, 28};
    unsigned level = levels[_i];
    listen_with_fifo();
    out(IFLS, (unsigned)_i << 3 | 2);
    for (unsigned i = 1; i < level; i++) {
        ck_assert_uint_eq(receive("x", 1), 1);
        ck_assert_uint_eq(in(RIS), RTIM);
        ck_assert_uint_eq(interrupts(), 1);
    }
    receive("x", 1);
    ck_assert_uint_eq(in(RIS), RTIM | RXIM);
    in(DR);
    ck_assert_uint_eq(in(RIS), RTIM);
    for (unsigned i = 1; i < level; i++) {
        ck_assert_uint_eq(in(MIS), RTIM);
        in(DR);
    }
    ck_assert_uint_eq(in(RIS), 0);
}
END_TEST

static const struct {
    unsigned offset;
    unsigned first; /* as it is when the guest starts */
    unsigned bits;  /* those that can be written */
} registers[] = {
    {IBRD, 0, 0xffff},  {FBRD, 0, 0x3f},  {LCR_H, 0, 0xff}, {CR, 0x101, 0xff87},
    {IFLS, 0x12, 0x3f}, {IMSC, 0, 0x7ff}, {FR, 0x097, 0},   {RIS, 0, 0},
    {MIS, 0, 0},        {ICR, 0, 0},      {DMACR, 0, 0},    {RSR, 0, 0},
    {0x080, 0, 0},      {0xfdc, 0, 0},
};

START_TEST(registers_keep_what_can_be_written)
{
    unsigned offset = registers[_i].offset;
    unsigned bits = registers[_i].bits;
    ck_assert_uint_eq(in(offset), registers[_i].first);
    out(offset, UINT32_MAX);
    ck_assert_uint_eq(in(offset), bits ? bits : registers[_i].first);
    out(offset, 0);
    ck_assert_uint_eq(in(offset), bits ? 0 : registers[_i].first);
}
END_TEST

/* DDI 0183: the transmitter's cause is the passing of a level, not an empty FIFO; Linux sends
 * a first byte by polling for that reason (pl011_tx_chars). */
START_TEST(the_transmitter_interrupts_after_a_byte)
{
    out(IMSC, TXIM);
    ck_assert_uint_eq(in(RIS), 0);
    ck_assert_uint_eq(interrupts(), 0);
    out(DR, 'a');
    ck_assert_uint_eq(interrupts(), 1);
    ck_assert_uint_eq(in(RIS), TXIM);
    ck_assert_uint_eq(in(MIS), TXIM);
    out(ICR, RXIM);
    ck_assert_uint_eq(in(RIS), TXIM);
    out(ICR, TXIM);
    ck_assert_uint_eq(in(RIS), 0);
    ck_assert_uint_eq(interrupts(), 0);
}
END_TEST

START_TEST(a_masked_cause_waits_until_it_is_unmasked)
{
    out(DR, 'a');
    ck_assert_uint_eq(in(RIS), TXIM);
    ck_assert_uint_eq(in(MIS), 0);
    ck_assert_uint_eq(interrupts(), 0);
    out(IMSC, TXIM);
    ck_assert_uint_eq(interrupts(), 1);
    ck_assert_uint_eq(in(MIS), TXIM);
    out(IMSC, 0);
    ck_assert_uint_eq(interrupts(), 0);
}
END_TEST

/* A driver that leaves with the cause standing is called again: the edge is not only for the
 * first byte. */
START_TEST(each_byte_is_an_interrupt_while_the_cause_stands)
{
    out(IMSC, TXIM);
    for (unsigned i = 0; i < 3; i++) {
        out(DR, 'a');
        ck_assert_uint_eq(interrupts(), 1);
    }
}
END_TEST

/* What drivers/amba/bus.c reads, and what the driver's table has (amba-pl011.c, pl011_ids). */
START_TEST(a_driver_finds_a_pl011)
{
    unsigned peripheral = 0, cell = 0;
    for (unsigned i = 0; i < 4; i++) {
        peripheral |= (in(0xfe0 + 4 * i) & 0xff) << 8 * i;
        cell |= (in(0xff0 + 4 * i) & 0xff) << 8 * i;
        ck_assert_uint_le(in(0xfe0 + 4 * i), 0xff);
    }
    ck_assert_uint_eq(cell, 0xb105f00d);
    ck_assert_uint_eq(peripheral & 0x000fffff, 0x00041011);
    ck_assert_uint_ge(peripheral >> 20 & 0xf, 3); /* a FIFO of 32 places */
}
END_TEST

START_TEST(narrow_and_wide_accesses)
{
    pl011_bus_ops.write(&pl011, DR, 1, 'a');
    pl011_bus_ops.write(&pl011, DR, 2, 'b');
    pl011_bus_ops.write(&pl011, DR, 8, 'c');
    ck_assert_str_eq(output, "abc");
    ck_assert_uint_eq(pl011_bus_ops.read(&pl011, CR, 1), 0x01);
    ck_assert_uint_eq(pl011_bus_ops.read(&pl011, CR, 2), 0x101);
    ck_assert_uint_eq(pl011_bus_ops.read(&pl011, CR, 8), 0x101);
    pl011_bus_ops.write(&pl011, DR + 1, 1, 'x'); /* inside of a register: nothing */
    ck_assert_uint_eq(pl011_bus_ops.read(&pl011, CR + 1, 1), 0);
    ck_assert_str_eq(output, "abc");
}
END_TEST

START_TEST(every_offset_has_an_answer)
{
    for (unsigned size = 1; size <= 8; size *= 2) {
        for (unsigned offset = 0; offset + size <= 0x1000; offset++) {
            output_length = 0;
            pl011_bus_ops.write(&pl011, offset, size, 0x5a);
            pl011_bus_ops.read(&pl011, offset, size);
        }
    }
}
END_TEST

START_TEST(finish_takes_a_zeroed_object)
{
    struct pl011 zeroed = {0};
    pl011_finish(&zeroed);
}
END_TEST

Suite *pl011_suite(void)
{
    Suite *suite = suite_create("pl011");
    TCase *test_case = tcase_create("pl011");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, what_the_guest_sends_comes_out);
    tcase_add_test(test_case, only_the_byte_of_a_word_is_sent);
    tcase_add_test(test_case, at_first_nothing_was_received);
    tcase_add_test(test_case, bytes_wait_until_the_guest_listens);
    tcase_add_test(test_case, the_fifo_has_32_places_or_one);
    tcase_add_loop_test(test_case, the_level_and_the_timeout_interrupt, 0, 5);
    tcase_add_loop_test(test_case, registers_keep_what_can_be_written, 0,
                        (int)ARRAY_SIZE(registers));
    tcase_add_test(test_case, the_transmitter_interrupts_after_a_byte);
    tcase_add_test(test_case, a_masked_cause_waits_until_it_is_unmasked);
    tcase_add_test(test_case, each_byte_is_an_interrupt_while_the_cause_stands);
    tcase_add_test(test_case, a_driver_finds_a_pl011);
    tcase_add_test(test_case, narrow_and_wide_accesses);
    tcase_add_test(test_case, every_offset_has_an_answer);
    tcase_add_test(test_case, finish_takes_a_zeroed_object);
    suite_add_tcase(suite, test_case);
    return suite;
}
