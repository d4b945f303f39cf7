/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>
#include <unistd.h>

#include "devices/serial.h"
#include "tests/unit/suites.h"

#define DLAB 0x80u

static struct serial serial;
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
    ck_assert(serial_init(&serial, collect, output, &error));
}

static void tear_down(void)
{
    serial_finish(&serial);
}

static unsigned in(unsigned offset)
{
    return (unsigned)serial_bus_ops.read(&serial, offset, 1);
}

static void out(unsigned offset, unsigned value)
{
    serial_bus_ops.write(&serial, offset, 1, value);
}

/* How many interrupts were raised since the last call. */
static unsigned interrupts(void)
{
    uint64_t count;
    return read(serial.interrupt_fd, &count, sizeof count) == sizeof count
               ? (unsigned)count
               : 0;
}

START_TEST(what_the_guest_sends_comes_out)
{
    for (const char *text = "hello"; *text != '\0'; text++) {
        ck_assert_uint_eq(in(5) & 0x60, 0x60); /* polling drivers wait for this */
        out(0, (unsigned char)*text);
    }
    ck_assert_str_eq(output, "hello");
    ck_assert_uint_eq(interrupts(), 0);
}
END_TEST

/* How often the sender was told that there is room. */
static unsigned room(void)
{
    uint64_t count;
    return read(serial.room_fd, &count, sizeof count) == sizeof count ? (unsigned)count
                                                                      : 0;
}

START_TEST(what_comes_in_is_read_once_and_in_order)
{
    out(1, 0x01);
    ck_assert_uint_eq(serial_receive(&serial, (const uint8_t *)"ab", 2), 2);
    ck_assert_uint_eq(in(5) & 1, 1);
    ck_assert_uint_eq(in(0), 'a');
    ck_assert_uint_eq(in(0), 'b');
    ck_assert_uint_eq(in(5) & 1, 0);
    ck_assert_uint_eq(in(0), 0);
}
END_TEST

START_TEST(a_full_fifo_takes_no_more)
{
    uint8_t bytes[SERIAL_FIFO_SIZE + 4] = {0};
    out(1, 0x01);
    ck_assert_uint_eq(serial_receive(&serial, bytes, sizeof bytes), SERIAL_FIFO_SIZE);
    ck_assert_uint_eq(serial_receive(&serial, bytes, 1), 0);
    in(0);
    ck_assert_uint_eq(serial_receive(&serial, bytes, 4), 1);
    out(2, 0x03); /* enable, and clear the receiver */
    ck_assert_uint_eq(in(5) & 1, 0);
}
END_TEST

START_TEST(the_divisor_hides_data_and_interrupt_enable)
{
    out(1, 0x01);
    out(3, DLAB | 3);
    out(0, 0x34);
    out(1, 0x12);
    ck_assert_uint_eq(in(0), 0x34);
    ck_assert_uint_eq(in(1), 0x12);
    ck_assert_uint_eq(in(3), DLAB | 3);
    out(3, 3);
    ck_assert_uint_eq(in(1), 0x01);
    ck_assert_uint_eq(output_length, 0);
}
END_TEST

/* What Linux's autoconfig() looks at to find a 16550A (8250_port.c). */
START_TEST(a_driver_finds_a_16550a)
{
    out(7, 0x5a);
    ck_assert_uint_eq(in(7), 0x5a);
    out(1, 0xff);
    ck_assert_uint_eq(in(1), 0x0f);
    out(1, 0);
    ck_assert_uint_eq(in(1), 0);
    out(4, 0x10 | 0x0a); /* loopback, OUT2 and RTS */
    ck_assert_uint_eq(in(6) & 0xf0, 0x90);
    out(4, 0x10 | 0x05); /* loopback, OUT1 and DTR */
    ck_assert_uint_eq(in(6) & 0xf0, 0x60);
    out(4, 0);
    ck_assert_uint_eq(in(6), 0xb0);
    ck_assert_uint_eq(in(2) & 0xc0, 0);
    out(2, 1);
    ck_assert_uint_eq(in(2), 0xc1);
}
END_TEST

START_TEST(loopback_keeps_bytes_inside)
{
    out(4, 0x10);
    out(0, 'x');
    ck_assert_uint_eq(output_length, 0);
    ck_assert_uint_eq(in(0), 'x');
    for (unsigned i = 0; i < SERIAL_FIFO_SIZE + 1; i++)
        out(0, i);
    ck_assert_uint_eq(in(5) & 2, 2); /* overrun, until it is read */
    ck_assert_uint_eq(in(5) & 2, 0);
}
END_TEST

START_TEST(the_transmitter_interrupts_when_it_is_empty)
{
    out(1, 0x02);
    ck_assert_uint_eq(interrupts(), 1);
    ck_assert_uint_eq(in(2) & 0x0f, 0x02);
    ck_assert_uint_eq(in(2) & 0x0f, 0x01); /* reading it was the acknowledgement */
    out(0, 'x');
    ck_assert_uint_eq(interrupts(), 1);
    ck_assert_uint_eq(in(2) & 0x0f, 0x02);
    out(1, 0x00);
    out(0, 'x');
    ck_assert_uint_eq(interrupts(), 0);
}
END_TEST

START_TEST(received_bytes_interrupt_before_the_transmitter)
{
    out(1, 0x01);
    serial_receive(&serial, (const uint8_t *)"a", 1);
    ck_assert_uint_eq(interrupts(), 1);
    out(1, 0x00);
    ck_assert_uint_eq(in(2) & 0x0f, 0x01); /* not enabled */
    out(1, 0x03);
    ck_assert_uint_ge(interrupts(), 1);
    ck_assert_uint_eq(in(2) & 0x0f, 0x04);
    ck_assert_uint_eq(in(2) & 0x0f, 0x04); /* until the byte is read */
    in(0);
    ck_assert_uint_eq(in(2) & 0x0f, 0x02);
    ck_assert_uint_eq(in(2) & 0x0f, 0x01);
    serial_receive(&serial, (const uint8_t *)"b", 1);
    ck_assert_uint_eq(interrupts(), 1);
}
END_TEST

/* As Linux starts a port (8250_port.c, serial8250_do_startup): clear the FIFOs, read the data
 * register, then enable the interrupt. What the user typed before is not lost. */
START_TEST(bytes_wait_until_the_guest_listens)
{
    ck_assert_uint_eq(serial_receive(&serial, (const uint8_t *)"abc", 3), 0);
    out(2, 0x07);
    ck_assert_uint_eq(in(0), 0);
    ck_assert_uint_eq(room(), 0);
    out(1, 0x05);
    ck_assert_uint_eq(room(), 1);
    ck_assert_uint_eq(serial_receive(&serial, (const uint8_t *)"abc", 3), 3);
    ck_assert_uint_eq(interrupts(), 1);
    ck_assert_uint_eq(in(0), 'a');
    /* As its console does around a line. The bytes in the FIFO stay. */
    out(1, 0x00);
    ck_assert_uint_eq(serial_receive(&serial, (const uint8_t *)"d", 1), 0);
    ck_assert_uint_eq(in(0), 'b');
    ck_assert_uint_eq(in(0), 'c');
    ck_assert_uint_eq(room(), 0);
    out(1, 0x05);
    ck_assert_uint_eq(room(), 1);
}
END_TEST

START_TEST(an_empty_fifo_asks_for_what_it_refused)
{
    uint8_t bytes[SERIAL_FIFO_SIZE + 1] = {0};
    out(1, 0x01);
    serial_receive(&serial, bytes, sizeof bytes);
    for (unsigned i = 0; i < SERIAL_FIFO_SIZE; i++) {
        ck_assert_uint_eq(room(), 0);
        in(0);
    }
    ck_assert_uint_eq(room(), 1);
    /* Nothing was refused: nobody is told. */
    serial_receive(&serial, bytes, 1);
    in(0);
    ck_assert_uint_eq(room(), 0);
    serial_receive(&serial, bytes, sizeof bytes);
    out(2, 0x03); /* clears the receiver */
    ck_assert_uint_eq(room(), 1);
}
END_TEST

/* As two outb in a row would be: the register after THR is IER. */
START_TEST(a_wide_access_is_several_registers)
{
    serial_bus_ops.write(&serial, 0, 2, 0x0541);
    ck_assert_str_eq(output, "A");
    ck_assert_uint_eq(in(1), 0x05);
    out(7, 0x77);
    ck_assert_uint_eq(serial_bus_ops.read(&serial, 6, 2), 0x77b0);
    serial_bus_ops.read(&serial, 0, 8);
    serial_bus_ops.write(&serial, 0, 8, UINT64_MAX);
}
END_TEST

START_TEST(finish_takes_a_zeroed_object)
{
    struct serial zeroed = {0};
    serial_finish(&zeroed);
}
END_TEST

Suite *serial_suite(void)
{
    Suite *suite = suite_create("serial");
    TCase *test_case = tcase_create("serial");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, what_the_guest_sends_comes_out);
    tcase_add_test(test_case, what_comes_in_is_read_once_and_in_order);
    tcase_add_test(test_case, a_full_fifo_takes_no_more);
    tcase_add_test(test_case, the_divisor_hides_data_and_interrupt_enable);
    tcase_add_test(test_case, a_driver_finds_a_16550a);
    tcase_add_test(test_case, loopback_keeps_bytes_inside);
    tcase_add_test(test_case, the_transmitter_interrupts_when_it_is_empty);
    tcase_add_test(test_case, received_bytes_interrupt_before_the_transmitter);
    tcase_add_test(test_case, bytes_wait_until_the_guest_listens);
    tcase_add_test(test_case, an_empty_fifo_asks_for_what_it_refused);
    tcase_add_test(test_case, a_wide_access_is_several_registers);
    tcase_add_test(test_case, finish_takes_a_zeroed_object);
    suite_add_tcase(suite, test_case);
    return suite;
}
