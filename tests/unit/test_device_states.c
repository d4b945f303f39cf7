/* SPDX-License-Identifier: MIT */
/* Ports, clock, console and disk are saved, and others go on from there. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/pl011.h"
#include "devices/pl031.h"
#include "devices/serial.h"
#include "devices/virtio_blk.h"
#include "devices/virtio_console.h"
#include "tests/unit/state_damage.h"
#include "tests/unit/suites.h"
#include "tests/unit/toy_device.h"
#include "tests/unit/virtio_driver.h"

static struct error error;
static struct state_writer writer;
static struct state_reader reader;

static void finish_state(void)
{
    state_reader_finish(&reader);
    state_writer_finish(&writer);
}

static void no_output(void *context, uint8_t byte)
{
    (void)context, (void)byte;
}

static void read_event(int fd, bool is_raised)
{
    eventfd_t count;
    ck_assert_int_eq(eventfd_read(fd, &count), is_raised ? 0 : -1);
}

/* --- the 16550A --- */

static uint8_t port(struct serial *serial, unsigned offset)
{
    return (uint8_t)serial_bus_ops.read(serial, offset, 1);
}

static void set_port(struct serial *serial, unsigned offset, uint8_t value)
{
    serial_bus_ops.write(serial, offset, 1, value);
}

static bool load_serial(struct state_reader *from, struct error *cause)
{
    struct serial other;
    ck_assert(serial_init(&other, no_output, NULL, cause));
    bool ok = serial_load(&other, from, 0, cause) && state_reader_check(from, cause);
    serial_receive(&other, (const uint8_t *)"x", 1);
    for (unsigned i = 0; i < 8; i++)
        port(&other, i);
    serial_finish(&other);
    return ok;
}

START_TEST(a_serial_port_goes_on)
{
    struct serial old;
    struct serial new;
    ck_assert(serial_init(&old, no_output, NULL, &error));
    set_port(&old, 3, 0x83); /* divisor */
    set_port(&old, 0, 0x34);
    set_port(&old, 1, 0x12);
    set_port(&old, 3, 0x1b);
    set_port(&old, 7, 0x5a);
    set_port(&old, 4, 0x10); /* loopback, until the FIFO is too full */
    for (unsigned i = 0; i <= SERIAL_FIFO_SIZE; i++)
        set_port(&old, 0, (uint8_t)('a' + i));
    set_port(&old, 4, 0x0b);
    set_port(&old, 2, 1);
    set_port(&old, 1, 3);
    state_writer_init(&writer);
    serial_save(&old, &writer, 0);
    state_damage_read(&writer, &reader);
    ck_assert(serial_init(&new, no_output, NULL, &error));
    ck_assert_msg(serial_load(&new, &reader, 0, &error), "%s", error.text);
    read_event(new.interrupt_fd, true);
    for (unsigned i = 1; i < 8; i++)
        ck_assert_uint_eq(port(&new, i), port(&old, i));
    ck_assert_uint_eq(port(&new, 1), 3);
    for (unsigned i = 0; i < SERIAL_FIFO_SIZE + 1; i++)
        ck_assert_uint_eq(port(&new, 0), i < SERIAL_FIFO_SIZE ? 'a' + i : 0);
    set_port(&new, 3, 0x83);
    ck_assert_uint_eq(port(&new, 0), 0x34);
    ck_assert_uint_eq(port(&new, 1), 0x12);
    finish_state();
    /* No interrupt that has been taken comes again. */
    read_event(old.interrupt_fd, true);
    state_writer_init(&writer);
    serial_save(&old, &writer, 0);
    state_damage_read(&writer, &reader);
    serial_finish(&new);
    ck_assert(serial_init(&new, no_output, NULL, &error));
    ck_assert(serial_load(&new, &reader, 0, &error));
    read_event(new.interrupt_fd, false);
    state_damage_everything(&writer, load_serial);
    state_damage_refused(&writer, load_serial, "UART", 0, 0x10, 1, "IER 0x10");
    state_damage_refused(&writer, load_serial, "UART", 3, 0x20, 1, "MCR 0x20");
    state_damage_refused(&writer, load_serial, "UART", 7, 2, 1, "transmitter empty 2");
    state_damage_refused(&writer, load_serial, "UART", 8, 2, 1, "overrun 2");
    state_damage_refused(&writer, load_serial, "UART", 9, 17, 4, "17 bytes received");
    state_damage_refused(&writer, load_serial, "UART", 13 + SERIAL_FIFO_SIZE, 2, 4,
                         "2 for whether");
    finish_state();
    serial_finish(&new);
    serial_finish(&old);
}
END_TEST

/* --- the PL011 --- */

static bool load_pl011(struct state_reader *from, struct error *cause)
{
    struct pl011 other;
    ck_assert(pl011_init(&other, no_output, NULL, cause));
    bool ok = pl011_load(&other, from, 0, cause) && state_reader_check(from, cause);
    pl011_receive(&other, (const uint8_t *)"x", 1);
    pl011_bus_ops.read(&other, 0, 4);
    pl011_finish(&other);
    return ok;
}

START_TEST(a_pl011_goes_on)
{
    static const struct {
        unsigned offset;
        uint32_t value;
    } registers[] = {
        {0x024, 13},    {0x028, 1},    {0x02c, 0x70},
        {0x030, 0x301}, {0x034, 0x12}, {0x038, 0x50},
    };
    struct pl011 old;
    struct pl011 new;
    ck_assert(pl011_init(&old, no_output, NULL, &error));
    for (unsigned i = 0; i < ARRAY_SIZE(registers); i++)
        pl011_bus_ops.write(&old, registers[i].offset, 4, registers[i].value);
    ck_assert_uint_eq(pl011_receive(&old, (const uint8_t *)"hello", 5), 5);
    state_writer_init(&writer);
    pl011_save(&old, &writer, 0);
    state_damage_read(&writer, &reader);
    ck_assert(pl011_init(&new, no_output, NULL, &error));
    ck_assert_msg(pl011_load(&new, &reader, 0, &error), "%s", error.text);
    read_event(new.interrupt_fd, true);
    for (unsigned offset = 4; offset < 0x48; offset += 4)
        ck_assert_uint_eq(pl011_bus_ops.read(&new, offset, 4),
                          pl011_bus_ops.read(&old, offset, 4));
    ck_assert_uint_eq(pl011_bus_ops.read(&new, 0x040, 4), 0x40); /* the timeout */
    ck_assert_uint_eq(pl011_receive(&new, (const uint8_t *)"!", 1), 1);
    for (const char *byte = "hello!"; *byte != '\0'; byte++)
        ck_assert_uint_eq(pl011_bus_ops.read(&new, 0, 4), (uint8_t)*byte);
    state_damage_everything(&writer, load_pl011);
    for (unsigned i = 0; i < 8; i++)
        state_damage_refused(&writer, load_pl011, "PUAR", i * sizeof(uint32_t), 1u << 16,
                             4, "is 0x10000");
    state_damage_refused(&writer, load_pl011, "PUAR", 32, 33, 4, "33 bytes received");
    finish_state();
    pl011_finish(&new);
    pl011_finish(&old);
}
END_TEST

/* --- the PL031 --- */

static uint64_t seconds;

static uint64_t clock_of_test(void *context)
{
    (void)context;
    return seconds;
}

static bool load_pl031(struct state_reader *from, struct error *cause)
{
    struct pl031 other;
    pl031_init(&other, clock_of_test, NULL);
    bool ok = pl031_load(&other, from, 0, cause) && state_reader_check(from, cause);
    pl031_finish(&other);
    return ok;
}

START_TEST(a_pl031_goes_on)
{
    struct pl031 old;
    struct pl031 new;
    seconds = 1000;
    pl031_init(&old, clock_of_test, NULL);
    pl031_bus_ops.write(&old, 0x008, 4, 5000); /* the time, the alarm, its mask */
    pl031_bus_ops.write(&old, 0x004, 4, 5010);
    pl031_bus_ops.write(&old, 0x010, 4, 1);
    state_writer_init(&writer);
    pl031_save(&old, &writer, 0);
    state_damage_read(&writer, &reader);
    seconds += 9;
    pl031_init(&new, clock_of_test, NULL);
    ck_assert_msg(pl031_load(&new, &reader, 0, &error), "%s", error.text);
    ck_assert_uint_eq(pl031_bus_ops.read(&new, 0x000, 4), 5009);
    ck_assert_uint_eq(pl031_bus_ops.read(&new, 0x004, 4), 5010);
    ck_assert_uint_eq(pl031_bus_ops.read(&new, 0x008, 4), 5000);
    ck_assert_uint_eq(pl031_bus_ops.read(&new, 0x010, 4), 1);
    ck_assert_uint_eq(pl031_bus_ops.read(&new, 0x018, 4), 0);
    seconds++;
    ck_assert_uint_eq(pl031_bus_ops.read(&new, 0x018, 4), 1);
    state_damage_everything(&writer, load_pl031);
    state_damage_refused(&writer, load_pl031, "PRTC", 20, 2, 4, "interrupt mask 0x2");
    finish_state();
    pl031_finish(&new);
    pl031_finish(&old);
}
END_TEST

/* --- the console --- */

static struct virtio_driver driver;
static struct virtio_console consoles[2];

static void take_output(void *context, const uint8_t *bytes, size_t count)
{
    (void)context, (void)bytes, (void)count;
}

static void init_console(struct virtio_console *console)
{
    ck_assert(virtio_console_init(console, take_output, NULL, &driver.memory,
                                  &driver.trace, &error));
}

static bool load_console(struct state_reader *from, struct error *cause)
{
    static struct virtio_console other;
    init_console(&other);
    bool ok = virtio_device_load(&other.virtio, from, 0, cause) &&
              virtio_console_load(&other, from, 0, cause) &&
              state_reader_check(from, cause);
    virtio_console_receive(&other, (const uint8_t *)"x", 1);
    virtio_console_finish(&other);
    return ok;
}

START_TEST(what_waits_for_the_guest_is_not_lost)
{
    const struct virtqueue_mock_segment segment = {gpa(VIRTIO_DRIVER_DATA), 64, true};
    struct virtio_console *old = &consoles[0];
    struct virtio_console *new = &consoles[1];
    char bytes[64] = "";
    uint32_t length;
    virtio_driver_init(&driver);
    init_console(old);
    ck_assert(virtio_console_start(old, &error));
    virtio_driver_start(&driver, &old->virtio, UINT64_C(1) << VIRTIO_CONSOLE_F_SIZE);
    virtio_console_resize(old, 132, 43);
    ck_assert_uint_eq(virtio_console_receive(old, (const uint8_t *)"hello", 5), 5);
    ck_assert(virtio_device_pause(&old->virtio, TOY_PATIENCE, &error));
    state_writer_init(&writer);
    virtio_device_save(&old->virtio, &writer, 0);
    virtio_console_save(old, &writer, 0);
    state_damage_read(&writer, &reader);
    virtio_console_finish(old);

    init_console(new);
    ck_assert_msg(virtio_device_load(&new->virtio, &reader, 0, &error) &&
                      virtio_console_load(new, &reader, 0, &error),
                  "%s", error.text);
    ck_assert_uint_eq(new->registers.cols, 132);
    ck_assert_uint_eq(new->registers.rows, 43);
    driver.device = &new->virtio;
    ck_assert(virtio_console_start(new, &error));
    virtio_driver_send(&driver, VIRTIO_CONSOLE_RECEIVE, &segment, 1);
    virtio_driver_wait(&driver, VIRTIO_CONSOLE_RECEIVE, &length);
    ck_assert_uint_eq(length, 5);
    virtio_driver_read(&driver, VIRTIO_DRIVER_DATA, bytes, length);
    ck_assert_str_eq(bytes, "hello");
    ck_assert_uint_eq(virtio_console_receive(new, (const uint8_t *)"!", 1), 1);
    virtio_driver_send(&driver, VIRTIO_CONSOLE_RECEIVE, &segment, 1);
    virtio_driver_wait(&driver, VIRTIO_CONSOLE_RECEIVE, &length);
    ck_assert_uint_eq(length, 1);

    state_damage_everything(&writer, load_console);
    state_damage_refused(&writer, load_console, "CONS", 0, 0x10000, 4, "65536 columns");
    state_damage_refused(&writer, load_console, "CONS", 4, 0x10000, 4, "65536 rows");
    state_damage_refused(&writer, load_console, "CONS", 8, 4097, 4, "4097 bytes");
    finish_state();
    virtio_console_finish(new);
    virtio_driver_finish(&driver);
}
END_TEST

/* --- the disk --- */

#define SECTORS  64u
#define REQUESTS 16u
#define SLOT     0x1000u /* guest memory of a request */

static struct virtio_blk disks[2];
static char image[] = "/tmp/s2vmm-state-XXXXXX";
static bool readonly;

static void init_disk(struct virtio_blk *disk)
{
    ck_assert(virtio_blk_init_to_load(disk, image, readonly, &driver.memory,
                                      &driver.trace, &error));
}

static bool load_disk(struct state_reader *from, struct error *cause)
{
    static struct virtio_blk other;
    init_disk(&other);
    bool ok = virtio_device_load(&other.virtio, from, 0, cause) &&
              virtio_blk_load(&other, from, 0, cause) && state_reader_check(from, cause);
    virtio_blk_finish(&other);
    return ok;
}

static void save_disk(struct virtio_blk *disk)
{
    ck_assert(virtio_device_pause(&disk->virtio, TOY_PATIENCE, &error));
    ck_assert(virtio_blk_workers_are_idle(&disk->workers));
    state_writer_init(&writer);
    virtio_device_save(&disk->virtio, &writer, 0);
    virtio_blk_save(disk, &writer, 0);
    state_damage_read(&writer, &reader);
}

static void set_up_disk(void)
{
    virtio_driver_init(&driver);
    int fd = mkstemp(image);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)SECTORS * DISK_IMAGE_SECTOR_SIZE), 0);
    close(fd);
    readonly = false;
    ck_assert(
        virtio_blk_init(&disks[0], image, false, &driver.memory, &driver.trace, &error));
    ck_assert(virtio_blk_start(&disks[0], &error));
    virtio_driver_start(&driver, &disks[0].virtio, UINT64_C(1) << VIRTIO_BLK_F_FLUSH);
}

static void tear_down_disk(void)
{
    finish_state();
    virtio_blk_finish(&disks[0]);
    virtio_blk_finish(&disks[1]);
    virtio_driver_finish(&driver);
    unlink(image);
    memcpy(strchr(image, '\0') - 6, "XXXXXX", 6);
}

/* Writes the number into a sector, or reads it back. */
static void send_request(unsigned slot, uint32_t type, unsigned sector, unsigned number)
{
    uint64_t room = VIRTIO_DRIVER_DATA + slot * SLOT;
    const struct virtio_blk_outhdr header = {.type = type, .sector = sector};
    const struct virtqueue_mock_segment segments[] = {
        {gpa(room), sizeof header, false},
        {gpa(room + 0x200), DISK_IMAGE_SECTOR_SIZE, type == VIRTIO_BLK_T_IN},
        {gpa(room + 0x100), 1, true},
    };
    virtio_driver_write(&driver, room, &header, sizeof header);
    virtio_driver_write(&driver, room + 0x100, "\xee", 1);
    virtio_driver_write(&driver, room + 0x200, &number, sizeof number);
    virtio_driver_send(&driver, 0, segments, 3);
}

static void expect_status(unsigned slot)
{
    uint8_t status;
    virtio_driver_read(&driver, VIRTIO_DRIVER_DATA + slot * SLOT + 0x100, &status, 1);
    ck_assert_uint_eq(status, VIRTIO_BLK_S_OK);
}

static bool is_locked(void)
{
    struct disk_image other;
    struct error cause;
    if (!disk_image_open(&other, image, false, &cause))
        return true;
    disk_image_close(&other);
    return false;
}

START_TEST(a_disk_goes_on_under_load)
{
    uint32_t length;
    unsigned now = 0;
    for (unsigned round = 1; round <= 30; round++) {
        for (unsigned i = 0; i < REQUESTS; i++)
            send_request(i, VIRTIO_BLK_T_OUT, i, round * 1000 + i);
        save_disk(&disks[now]);
        init_disk(&disks[!now]);
        ck_assert_msg(virtio_device_load(&disks[!now].virtio, &reader, 0, &error) &&
                          virtio_blk_load(&disks[!now], &reader, 0, &error) &&
                          state_reader_check(&reader, &error),
                      "%s", error.text);
        finish_state();
        virtio_blk_finish(&disks[now]);
        now = !now;
        ck_assert(is_locked()); /* or not to be opened any more */
        driver.device = &disks[now].virtio;
        ck_assert(virtio_blk_start(&disks[now], &error));
        for (unsigned i = 0; i < REQUESTS; i++)
            virtio_driver_wait(&driver, 0, &length);
        for (unsigned i = 0; i < REQUESTS; i++) {
            uint32_t value;
            expect_status(i);
            send_request(i, VIRTIO_BLK_T_IN, i, 0);
            virtio_driver_wait(&driver, 0, &length);
            virtio_driver_read(&driver, VIRTIO_DRIVER_DATA + i * SLOT + 0x200, &value,
                               sizeof value);
            ck_assert_uint_eq(value, round * 1000 + i);
        }
        if (round == 20)
            unlink(image); /* it stays open */
    }
    ck_assert_uint_eq(disks[now].registers.capacity, SECTORS);
}
END_TEST

/* The chain that it is about will never be returned, but its data is still to be written. */
START_TEST(a_worker_that_is_not_done_holds_the_pause)
{
    struct virtio_blk *disk = &disks[1];
    virtio_blk_finish(&disks[0]);
    ck_assert(virtio_blk_init(disk, image, false, &driver.memory, &driver.trace, &error));
    ck_assert(virtio_device_run(&disk->virtio, NULL, NULL, &error)); /* no workers */
    virtio_driver_start(&driver, &disk->virtio, UINT64_C(1) << VIRTIO_BLK_F_FLUSH);
    send_request(0, VIRTIO_BLK_T_OUT, 0, 1);
    eventually(!virtio_blk_workers_are_idle(&disk->workers));
    virtqueue_mock_set_available_index(&driver.mocks[0], 1000);
    eventfd_write(disk->virtio.kick_fds[0], 1);
    eventually((virtio_device_read_status(&disk->virtio) & NEEDS_RESET) != 0);
    ck_assert(!virtio_device_pause(&disk->virtio, 20, &error));
    ck_assert(virtio_blk_workers_start(&disk->workers, NULL, &error));
    ck_assert_msg(virtio_device_pause(&disk->virtio, TOY_PATIENCE, &error), "%s",
                  error.text);
    ck_assert(virtio_blk_workers_are_idle(&disk->workers));
}
END_TEST

START_TEST(a_damaged_disk_is_refused)
{
    save_disk(&disks[0]);
    int free_before = dup(STDIN_FILENO);
    close(free_before);
    state_damage_everything(&writer, load_disk);
    state_damage_refused(&writer, load_disk, "DISK", 0, 0, 8, "the guest's disk 0");
    state_damage_refused(&writer, load_disk, "DISK", 0, 511, 8, "the guest's disk 511");
    state_damage_refused(&writer, load_disk, "DISK", 0, (SECTORS + 1) * 512, 8,
                         "has 32768 bytes");
    state_damage_refused(&writer, load_disk, "DISK", 8, UINT32_MAX, 4, "not open");
    state_damage_refused(&writer, load_disk, "DISK", 8, 1, 4, "1 came with the state");
    readonly = true;
    state_damage_refused(&writer, load_disk, "DISK", 8, 0, 4, "not open to read");
    ck_assert_int_eq(dup(STDIN_FILENO), free_before); /* no descriptor is left over */
    close(free_before);
}
END_TEST

/* A descriptor of the same image that is not the one with the lock. */
START_TEST(the_lock_has_to_come_with_the_image)
{
    save_disk(&disks[0]);
    int fd = open(image, O_RDWR);
    int locked = writer.fds[0];
    writer.fds[0] = fd;
    state_damage_refused(&writer, load_disk, "DISK", 8, 0, 4, "locked: somebody else");
    writer.fds[0] = locked;
    close(fd);
}
END_TEST

Suite *device_states_suite(void)
{
    Suite *suite = suite_create("device_states");
    TCase *small = tcase_create("small");
    tcase_set_timeout(small, 120);
    tcase_add_test(small, a_serial_port_goes_on);
    tcase_add_test(small, a_pl011_goes_on);
    tcase_add_test(small, a_pl031_goes_on);
    tcase_add_test(small, what_waits_for_the_guest_is_not_lost);
    suite_add_tcase(suite, small);
    TCase *disk = tcase_create("disk");
    tcase_add_checked_fixture(disk, set_up_disk, tear_down_disk);
    tcase_set_timeout(disk, 120);
    tcase_add_test(disk, a_disk_goes_on_under_load);
    tcase_add_test(disk, a_worker_that_is_not_done_holds_the_pause);
    tcase_add_test(disk, a_damaged_disk_is_refused);
    tcase_add_test(disk, the_lock_has_to_come_with_the_image);
    suite_add_tcase(suite, disk);
    return suite;
}
