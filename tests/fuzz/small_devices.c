/* SPDX-License-Identifier: MIT */
/*
 * The small devices: the serial ports, the clock and the ports of a PC that is not there, with
 * any accesses; virtio-console and virtio-rng, with chains of any shape. The host sends input
 * meanwhile. What must hold: no FIFO and no buffer has more than it can, no used length is
 * longer than its chain, and what the guest sends comes out, as many bytes.
 */
#include <string.h>

#include "devices/legacy_ports.h"
#include "devices/pl011.h"
#include "devices/pl031.h"
#include "devices/serial.h"
#include "devices/virtio_console.h"
#include "devices/virtio_rng.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/virtqueue_mock.h"

#define RAM_SIZE  (1 * MIB)
#define RINGS     0x10000u /* addresses in guest memory */
#define RING_SIZE 16
#define STEPS_MAX 100u
#define SEGMENTS  3u
#define DATA      0x40000u

#define SERIAL 0x3f8u /* of the bus of ports; the others are on that of MMIO */
#define PL011  0x10000u
#define PL031  0x20000u
#define PLACE  0x1000u

enum kind { KIND_PORT, KIND_MMIO, KIND_CHAIN, KIND_INPUT };

struct step {
    uint8_t kind : 2, is_write : 1, size : 2, queue : 2, is_wild : 1;
    uint8_t writable; /* one bit for each segment */
    uint16_t offset;
    union {
        uint64_t value;
        struct {
            uint16_t page, length;
        } segments[2];
    };
};

/* The queues of all. */
enum { RECEIVE, TRANSMIT, RANDOM, QUEUES };

struct machine {
    const struct guest_memory *memory;
    struct bus ports, mmio;
    struct serial serial;
    struct pl011 pl011;
    struct pl031 pl031;
    struct virtio_console console;
    struct virtio_rng rng;
    struct virtqueue_mock mocks[QUEUES];
    struct trace trace;
    uint64_t now;      /* seconds */
    uint64_t sent;     /* bytes in chains of the console ... */
    uint64_t received; /* ... and what came out */
    bool is_wild; /* a chain may have been in the rings: what is in them is nobody's */
};

static void take_byte(void *context, uint8_t byte)
{
    (void)context;
    (void)byte;
}

static void take_bytes(void *context, const uint8_t *bytes, size_t count)
{
    struct machine *machine = context;
    (void)bytes;
    machine->received += count;
}

static uint64_t tell_time(void *context)
{
    return ((struct machine *)context)->now;
}

static struct virtio_device *device_of(struct machine *machine, unsigned queue)
{
    return queue == RANDOM ? &machine->rng.virtio : &machine->console.virtio;
}

static unsigned index_of(unsigned queue)
{
    return queue == RANDOM ? 0 : queue;
}

static void start_queue(struct machine *machine, unsigned queue)
{
    struct error error;
    struct virtio_device *device = device_of(machine, queue);
    struct virtqueue_mock *mock = &machine->mocks[queue];
    device->ops->reset(device->context);
    device->ops->start(device->context, device->features);
    virtqueue_mock_init(mock, machine->memory, gpa(RINGS + queue * 0x8000u), RING_SIZE,
                        true);
    device->queues[index_of(queue)] = virtqueue_mock_queue(mock);
    FUZZ_CHECK(virtqueue_start(&device->queues[index_of(queue)], &error));
    device->queue_running[index_of(queue)] = true;
}

static void set_up(struct machine *machine)
{
    struct error error;
    *machine = (struct machine){.memory = fuzz_memory(0, RAM_SIZE)};
    trace_init(&machine->trace, stderr, false);
    atomic_store(&machine->trace.warnings, TRACE_WARNINGS_MAX); /* silent */
    FUZZ_CHECK(legacy_ports_add(&machine->ports, &error) &&
               serial_init(&machine->serial, take_byte, machine, &error) &&
               pl011_init(&machine->pl011, take_byte, machine, &error) &&
               virtio_console_init(&machine->console, take_bytes, machine,
                                   machine->memory, &machine->trace, &error) &&
               virtio_rng_init(&machine->rng, machine->memory, &machine->trace, &error));
    pl031_init(&machine->pl031, tell_time, machine);
    const struct bus_entry serial = {"serial", SERIAL, 8, &serial_bus_ops,
                                     &machine->serial};
    const struct bus_entry pl011 = {"pl011", PL011, PLACE, &pl011_bus_ops,
                                    &machine->pl011};
    const struct bus_entry pl031 = {"pl031", PL031, PLACE, &pl031_bus_ops,
                                    &machine->pl031};
    FUZZ_CHECK(bus_add(&machine->ports, serial, &error) &&
               bus_add(&machine->mmio, pl011, &error) &&
               bus_add(&machine->mmio, pl031, &error));
    for (unsigned i = 0; i < QUEUES; i++)
        start_queue(machine, i);
}

static void tear_down(struct machine *machine)
{
    serial_finish(&machine->serial);
    pl011_finish(&machine->pl011);
    pl031_finish(&machine->pl031);
    virtio_console_finish(&machine->console);
    virtio_rng_finish(&machine->rng);
}

static void use_bus(struct bus *bus, uint64_t address, const struct step *step)
{
    uint64_t value;
    unsigned size = 1u << step->size;
    if (step->is_write)
        bus_write(bus, address, size, step->value);
    else
        bus_read(bus, address, size, &value);
}

/* Two segments, and the second one again. */
static void send_chain(struct machine *machine, const struct step *step)
{
    unsigned queue = step->queue % QUEUES;
    struct virtio_device *device = device_of(machine, queue);
    struct virtqueue_mock *mock = &machine->mocks[queue];
    struct virtqueue_mock_segment segments[SEGMENTS];
    uint64_t sizes[2] = {0};
    uint16_t head;
    uint32_t written;
    for (unsigned i = 0; i < SEGMENTS; i++) {
        const unsigned from = i > 0;
        segments[i] = (struct virtqueue_mock_segment){
            gpa(step->is_wild ? step->segments[from].page * 16ull
                              : DATA + step->segments[from].page * 8ull),
            step->segments[from].length, (step->writable >> i & 1) != 0};
        sizes[segments[i].writable] += segments[i].length;
    }
    machine->is_wild |= step->is_wild;
    virtqueue_mock_add(mock, segments, SEGMENTS);
    virtqueue_mock_publish(mock);
    while (device->ops->queue_kicked(device->context, index_of(queue)))
        ;
    while (virtqueue_mock_take_used(mock, &head, &written))
        FUZZ_CHECK(machine->is_wild || queue == RECEIVE || written <= sizes[1]);
    if (queue == TRANSMIT)
        machine->sent += sizes[0];
    if (device->queues[index_of(queue)].broken)
        start_queue(machine, queue);
}

/* From the user's terminal, to all of them; a while later. */
static void give_input(struct machine *machine, const struct step *step)
{
    uint8_t bytes[1024];
    memset(bytes, (int)(step->value & 0xff), sizeof bytes);
    size_t count = step->offset % sizeof bytes;
    serial_receive(&machine->serial, bytes, count);
    pl011_receive(&machine->pl011, bytes, count);
    virtio_console_receive(&machine->console, bytes, count);
    virtio_console_resize(&machine->console, step->offset, step->writable);
    machine->console.virtio.watches[0].readable(&machine->console);
    machine->now += step->value >> 8;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine machine;
    struct fuzz_input input = {data, size};
    set_up(&machine);
    for (unsigned i = 0; i < STEPS_MAX && input.left > 0; i++) {
        struct step step;
        fuzz_take(&input, &step, sizeof step);
        switch ((enum kind)step.kind) {
        case KIND_PORT:
            use_bus(&machine.ports, step.offset, &step);
            break;
        case KIND_MMIO:
            use_bus(&machine.mmio, (step.queue & 1 ? PL011 : PL031) + step.offset % PLACE,
                    &step);
            break;
        case KIND_CHAIN:
            send_chain(&machine, &step);
            break;
        case KIND_INPUT:
            give_input(&machine, &step);
            break;
        }
        FUZZ_CHECK(machine.serial.received_count <= SERIAL_FIFO_SIZE &&
                   machine.pl011.received_count <= PL011_FIFO_SIZE &&
                   machine.console.buffered <= VIRTIO_CONSOLE_BUFFER_SIZE);
        FUZZ_CHECK(machine.is_wild || machine.received <= machine.sent);
    }
    tear_down(&machine);
    fuzz_check_files();
    return 0;
}

/* --- seeds --- */

void fuzz_seeds(void)
{
    struct step accesses[96];
    static const struct step chains[] = {
        {.kind = KIND_INPUT, .offset = 40, .writable = 25, .value = 0x141},
        {.kind = KIND_CHAIN,
         .queue = RECEIVE,
         .writable = 7,
         .segments = {{0x4000, 16}, {0x5000, 100}}},
        {.kind = KIND_CHAIN,
         .queue = TRANSMIT,
         .segments = {{0x4000, 16}, {0x5000, 600}}},
        {.kind = KIND_CHAIN,
         .queue = RANDOM,
         .writable = 7,
         .segments = {{0x4000, 16}, {0x5000, 600}}},
    };
    fuzz_seed("chains", chains, sizeof chains);
    for (unsigned i = 0; i < ARRAY_SIZE(accesses); i++)
        accesses[i] = (struct step){.kind = i % 12 == 0 ? KIND_INPUT : KIND_PORT,
                                    .is_write = i / 8 & 1,
                                    .offset = (uint16_t)(SERIAL + i % 8),
                                    .value = i};
    fuzz_seed("serial", accesses, sizeof accesses);
    for (unsigned i = 0; i < ARRAY_SIZE(accesses); i++)
        accesses[i] = (struct step){.kind = i % 24 == 0 ? KIND_INPUT : KIND_MMIO,
                                    .size = 2,
                                    .queue = 1,
                                    .is_write = i / 24 & 1,
                                    .offset = (uint16_t)(i % 24 * 4),
                                    .value = UINT64_C(0x3ff) * i};
    fuzz_seed("pl011", accesses, sizeof accesses);
    for (unsigned i = 0; i < ARRAY_SIZE(accesses); i++)
        accesses[i] = (struct step){.kind = i % 8 == 0 ? KIND_INPUT : KIND_MMIO,
                                    .size = 2,
                                    .is_write = i / 8 & 1,
                                    .offset = (uint16_t)(i % 8 * 4),
                                    .value = 256ull * i};
    fuzz_seed("pl031", accesses, sizeof accesses);
}
