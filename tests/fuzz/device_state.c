/* SPDX-License-Identifier: MIT */
/*
 * The devices of a live update, but the GPU (target gpu_state): what one s2vmm has saved comes to
 * another one with changes. A console over virtio-mmio, an entropy device over virtio-pci, with
 * messages or the pin, a disk, both serial ports and the clock; no threads. A state is refused, with a
 * reason; or it is loaded: then it can be saved, loaded and saved again and is the same, and the
 * devices can be used. Either way nothing is left over.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/pl011.h"
#include "devices/pl031.h"
#include "devices/serial.h"
#include "devices/virtio_blk.h"
#include "devices/virtio_console.h"
#include "devices/virtio_rng.h"
#include "tests/fuzz/state_edits.h"
#include "tests/unit/fake_events.h"
#include "tests/unit/virtqueue_mock.h"
#include "virtio/mmio.h"
#include "virtio/pci.h"
#include "vmm/vm_state.h"

#define RAM_SIZE  (1 * MIB)
#define RINGS     0x10000u /* addresses in guest memory */
#define DATA      0x80000u
#define RING_SIZE 16
#define SECTORS   8u
#define ECAM      0xe0000000u
#define LOW       0xd0200000u
#define HIGH      (8 * GIB)
#define SLOT      3u
#define TABLE     0x4000u /* of MSI-X, in the BAR */
#define RUNNING                                                                          \
    (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |                              \
     VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

enum { CONSOLE, RANDOM, DISK, DEVICES };

/* The first bytes of the input. */
struct setup {
    uint8_t running : 3; /* a bit for each device: a driver has started it */
    uint8_t has_messages : 1, has_interrupts : 1, is_broken : 1, kvm_fails : 1,
        readonly : 1;
    uint8_t received : 7; /* by the serial ports and the console */
    uint8_t has_disk : 1; /* it takes some memory, and so time */
};

struct machine {
    struct fake_events fake;
    struct irq_routes routes;
    struct pci_host host;
    struct bus bus;
    struct serial serial;
    struct pl011 pl011;
    struct pl031 pl031;
    struct virtio_console console;
    struct virtio_rng rng;
    struct virtio_blk blk;
    struct virtio_device *devices[DEVICES];
    unsigned device_count;
    struct virtio_mmio mmio;
    struct virtio_pci pci;
};

static struct trace trace;
static const struct guest_memory *memory;
static struct virtqueue_mock mocks[DEVICES][VIRTIO_QUEUES_MAX];
static char image[32];

static void take_byte(void *context, uint8_t byte)
{
    (void)context;
    (void)byte;
}

static void take_bytes(void *context, const uint8_t *bytes, size_t count)
{
    (void)context;
    (void)bytes;
    (void)count;
}

static uint64_t tell_time(void *context)
{
    (void)context;
    return 1000;
}

static void set_up(struct machine *machine, const struct setup *setup, bool loads)
{
    struct error error;
    const struct pci_host_config config = {
        .ecam = {gpa(ECAM), MIB},
        .memory32 = {gpa(LOW), MIB},
        .memory64 = {gpa(HIGH), MIB},
        .intx_irq = 16,
        .events = &machine->fake.events,
        .trace = &trace,
    };
    memset(machine, 0, sizeof *machine);
    fake_events_init(&machine->fake);
    FUZZ_CHECK(serial_init(&machine->serial, take_byte, NULL, &error) &&
               pl011_init(&machine->pl011, take_byte, NULL, &error) &&
               virtio_console_init(&machine->console, take_bytes, NULL, memory, &trace,
                                   &error) &&
               virtio_rng_init(&machine->rng, memory, &trace, &error) &&
               (!setup->has_disk ||
                (loads ? virtio_blk_init_to_load : virtio_blk_init)(
                    &machine->blk, image, setup->readonly, memory, &trace, &error)) &&
               irq_routes_init(&machine->routes, &machine->fake.events, &error) &&
               pci_host_init(&machine->host, &config, &error) &&
               pci_host_add_to_bus(&machine->host, &machine->bus, &error));
    pl031_init(&machine->pl031, tell_time, NULL);
    machine->devices[CONSOLE] = &machine->console.virtio;
    machine->devices[RANDOM] = &machine->rng.virtio;
    machine->devices[DISK] = &machine->blk.virtio;
    machine->device_count = setup->has_disk ? DEVICES : DISK;
    virtio_mmio_init(&machine->mmio, machine->devices[CONSOLE]);
    FUZZ_CHECK(virtio_pci_init(&machine->pci, &machine->host, SLOT,
                               machine->devices[RANDOM],
                               setup->has_messages ? &machine->routes : NULL, &error));
}

static void tear_down(struct machine *machine)
{
    virtio_pci_finish(&machine->pci);
    pci_host_finish(&machine->host);
    irq_routes_finish(&machine->routes);
    virtio_blk_finish(&machine->blk);
    virtio_rng_finish(&machine->rng);
    virtio_console_finish(&machine->console);
    pl031_finish(&machine->pl031);
    pl011_finish(&machine->pl011);
    serial_finish(&machine->serial);
}

/* --- a guest that has used them --- */

static void start_driver(struct virtio_device *device, struct virtqueue_mock *rings,
                         uint64_t base, bool is_broken)
{
    struct error error;
    device->status = RUNNING;
    device->driver_features = device->features | UINT64_C(1) << VIRTIO_F_VERSION_1 |
                              UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX |
                              UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC;
    device->started = true;
    for (unsigned i = 0; i < device->queue_count; i++) {
        struct virtqueue *queue = &device->queues[i];
        virtqueue_mock_init(&rings[i], memory, gpa(base + (uint64_t)i * 0x4000),
                            RING_SIZE, true);
        *queue = virtqueue_mock_queue(&rings[i]);
        FUZZ_CHECK(virtqueue_start(queue, &error));
        device->queue_registers[i] = (struct virtio_queue_registers){
            .size = RING_SIZE,
            .descriptors = rings[i].descriptors.value,
            .driver = rings[i].driver.value,
            .device = rings[i].device.value,
            .ready = true,
        };
        device->queue_running[i] = true;
        virtqueue_mock_seek(&rings[i], queue, 7);
        queue->broken = is_broken && i == 0;
    }
}

static void enable_messages(struct machine *machine)
{
    for (unsigned vector = 0; vector < machine->pci.msix.count; vector++) {
        pci_function_bar_write(&machine->pci.function, 0, TABLE + vector * 16, 4, LOW);
        pci_function_bar_write(&machine->pci.function, 0, TABLE + vector * 16 + 8, 4,
                               vector);
        pci_function_bar_write(&machine->pci.function, 0, TABLE + vector * 16 + 12, 4,
                               vector == 1);
    }
    atomic_store(&machine->pci.config_vector, 0);
    atomic_store(&machine->pci.queue_vectors[0], 1);
    pci_msix_control(&machine->pci.msix, true, false);
}

static void use_before(struct machine *machine, const struct setup *setup)
{
    const uint8_t bytes[128] = "hello";
    for (unsigned i = 0; i < machine->device_count; i++)
        if ((setup->running >> i & 1) != 0)
            start_driver(machine->devices[i], mocks[i], RINGS + i * 0x10000u,
                         setup->is_broken);
    serial_bus_ops.write(&machine->serial, 1, 1, 3);
    pl011_bus_ops.write(&machine->pl011, 0x038, 4, 0x50);
    pl031_bus_ops.write(&machine->pl031, 0x008, 4, 5000);
    pl031_bus_ops.write(&machine->pl031, 0x004, 4, 5010);
    serial_receive(&machine->serial, bytes, setup->received);
    pl011_receive(&machine->pl011, bytes, setup->received);
    virtio_console_receive(&machine->console, bytes, setup->received);
    if (setup->has_messages)
        enable_messages(machine);
    if (setup->has_interrupts)
        for (unsigned i = 0; i < machine->device_count; i++)
            virtio_device_signal_queue(machine->devices[i], 0);
}

/* --- save, load --- */

static void save(struct machine *machine, struct state_writer *writer)
{
    struct error error;
    state_writer_init(writer);
    irq_routes_save(&machine->routes, writer);
    pci_host_save(&machine->host, writer);
    for (unsigned i = 0; i < machine->device_count; i++)
        virtio_device_save(machine->devices[i], writer, i);
    virtio_mmio_save(&machine->mmio, writer, 0);
    virtio_pci_save(&machine->pci, writer, 0);
    virtio_console_save(&machine->console, writer, 0);
    if (machine->device_count > DISK)
        virtio_blk_save(&machine->blk, writer, 0);
    serial_save(&machine->serial, writer, 0);
    pl011_save(&machine->pl011, writer, 0);
    pl031_save(&machine->pl031, writer, 0);
    FUZZ_CHECK(state_complete(writer, &error));
}

static bool load(struct machine *machine, struct state_reader *reader,
                 struct error *error)
{
    bool good = irq_routes_load(&machine->routes, reader, error) &&
                pci_host_load(&machine->host, reader, error);
    for (unsigned i = 0; good && i < machine->device_count; i++)
        good = virtio_device_load(machine->devices[i], reader, i, error);
    return good && virtio_mmio_load(&machine->mmio, reader, 0, error) &&
           virtio_pci_load(&machine->pci, reader, 0, error) &&
           virtio_console_load(&machine->console, reader, 0, error) &&
           (machine->device_count == DISK ||
            virtio_blk_load(&machine->blk, reader, 0, error)) &&
           serial_load(&machine->serial, reader, 0, error) &&
           pl011_load(&machine->pl011, reader, 0, error) &&
           pl031_load(&machine->pl031, reader, 0, error) &&
           state_reader_check(reader, error);
}

/* --- a guest that goes on --- */

static void send_chains(struct machine *machine, unsigned index)
{
    struct virtio_device *device = machine->devices[index];
    for (unsigned i = 0; i < device->queue_count; i++) {
        const struct virtqueue_mock_segment segments[] = {{gpa(DATA), 16, false},
                                                          {gpa(DATA + 16), 32, true}};
        struct virtqueue_mock *mock = &mocks[index][i];
        if (!device->queue_running[i])
            continue;
        if (mock->memory != NULL) {
            virtqueue_mock_add(mock, segments, 2);
            virtqueue_mock_publish(mock);
        }
        for (unsigned turns = 0; turns < 4; turns++)
            if (!device->ops->queue_kicked(device->context, i))
                break;
    }
}

static void use(struct machine *machine)
{
    uint64_t value;
    const uint8_t bytes[64] = "after it";
    for (unsigned i = 0; i < 8; i++)
        serial_bus_ops.read(&machine->serial, i, 1);
    for (unsigned offset = 0; offset < 0x48; offset += 4)
        pl011_bus_ops.read(&machine->pl011, offset, 4);
    for (unsigned offset = 0; offset < 0x20; offset += 4)
        pl031_bus_ops.read(&machine->pl031, offset, 4);
    serial_receive(&machine->serial, bytes, sizeof bytes);
    pl011_receive(&machine->pl011, bytes, sizeof bytes);
    virtio_console_receive(&machine->console, bytes, sizeof bytes);
    for (unsigned i = 0; i < machine->device_count; i++) {
        struct virtio_device *device = machine->devices[i];
        if (device->resume_asked && device->ops->resumed)
            device->ops->resumed(device->context, device->driver_features);
        else if (device->resume_asked)
            device->ops->start(device->context, device->driver_features);
        send_chains(machine, i);
    }
    for (unsigned offset = 0; offset < 0x120; offset += 4)
        virtio_mmio_bus_ops.read(&machine->mmio, offset, 4);
    for (unsigned offset = 0; offset < 0x100; offset += 4)
        FUZZ_CHECK(bus_read(&machine->bus, ECAM + SLOT * 0x8000 + offset, 4, &value));
    for (unsigned offset = 0; offset < 64; offset += 2)
        virtio_pci_read_common(&machine->pci, offset, 2);
    pci_function_bar_write(&machine->pci.function, 0, TABLE + 12, 4, 0);
    FUZZ_CHECK(machine->serial.received_count <= SERIAL_FIFO_SIZE &&
               machine->pl011.received_count <= PL011_FIFO_SIZE &&
               machine->console.buffered <= VIRTIO_CONSOLE_BUFFER_SIZE);
}

/* What was loaded is saved, and loaded once more: nothing of it is refused, or becomes another. A
 * register may have had a value that means the same as another one, so the first state is as the
 * second one only if nobody has changed it. */
static void hand_on(struct machine *machine, const struct setup *setup,
                    const struct state_reader *first)
{
    static struct machine next;
    struct state_writer writer;
    struct state_writer again;
    struct state_reader reader;
    struct error error;
    save(machine, &writer);
    if (first != NULL)
        state_edits_check_same(first, &writer, NULL);
    state_edits_read_good(&writer, &reader);
    set_up(&next, setup, true);
    FUZZ_CHECK(load(&next, &reader, &error));
    save(&next, &again);
    state_edits_check_same(&reader, &again, NULL);
    tear_down(&next);
    state_reader_finish(&reader);
    state_writer_finish(&again);
    state_writer_finish(&writer);
}

/* The old one is there until the new one has its state. */
static void hand_over(const struct setup *setup, struct fuzz_input *input)
{
    static struct machine old;
    static struct machine new;
    struct state_writer writer;
    struct state_reader reader;
    struct error error = {.code = ERROR_NONE};
    bool is_changed = input->left > 0;
    bool descriptors;
    set_up(&old, setup, false);
    use_before(&old, setup);
    FUZZ_CHECK(irq_routes_pause(&old.routes, &error));
    save(&old, &writer);
    if (state_edits_read(&writer, input, &reader, &descriptors)) {
        set_up(&new, setup, true);
        new.fake.fail = setup->kvm_fails;
        bool loaded = load(&new, &reader, &error);
        new.fake.fail = false;
        FUZZ_CHECK(loaded || error.code == ERROR_CONFIG_FILE ||
                   (setup->kvm_fails && error.code == ERROR_HOST_KVM));
        FUZZ_CHECK(loaded || is_changed || setup->kvm_fails);
        if (loaded) {
            hand_on(&new, setup, is_changed ? NULL : &reader);
            use(&new);
        }
        tear_down(&new);
        state_reader_finish(&reader);
    }
    state_writer_finish(&writer);
    FUZZ_CHECK(irq_routes_resume(&old.routes, &error));
    tear_down(&old);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t sectors[SECTORS * 512];
    struct fuzz_input input = {data, size};
    struct setup setup;
    fuzz_take(&input, &setup, sizeof setup);
    memory = fuzz_memory(0, RAM_SIZE);
    memset(mocks, 0, sizeof mocks);
    trace_init(&trace, stderr, false);
    atomic_store(&trace.warnings, TRACE_WARNINGS_MAX); /* silent */
    int fd = fuzz_file(sectors, sizeof sectors);
    snprintf(image, sizeof image, "/proc/self/fd/%d", fd);
    hand_over(&setup, &input);
    close(fd);
    fuzz_check_files();
    return 0;
}

/* --- seeds --- */

void fuzz_seeds(void)
{
    struct {
        struct setup setup;
        struct edit edits[1];
    } __attribute__((packed)) seed = {.setup = {0}};
    fuzz_seed("unused", &seed, sizeof seed.setup);
    seed.setup = (struct setup){.running = 7, .received = 4, .has_disk = 1};
    fuzz_seed("disk", &seed, sizeof seed.setup);
    seed.edits[0] = (struct edit){.kind = EDIT_FD, .value = EDIT_FD_READ};
    fuzz_seed("disk-unlocked", &seed, sizeof seed);
    seed.edits[0].value = EDIT_FD_FILE;
    fuzz_seed("disk-another", &seed, sizeof seed);
    seed.setup = (struct setup){.running = 7, .has_interrupts = 1, .received = 30};
    fuzz_seed("pin", &seed, sizeof seed.setup);
    seed.setup.has_messages = 1;
    fuzz_seed("messages", &seed, sizeof seed.setup);
    static const struct {
        uint8_t section, offset, size;
    } counts[] = {/* of routes, vectors, queues, of bytes that wait */
                  {0, 0, 20}, {1, 0, 28}, {2, 28, 48}, {6, 8, 1}, {7, 9, 1}, {8, 32, 1}};
    for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
        char name[32];
        snprintf(name, sizeof name, "grow-%u", i);
        seed.edits[0] = (struct edit){.kind = EDIT_GROW,
                                      .section = counts[i].section,
                                      .shift = counts[i].size,
                                      .offset = counts[i].offset,
                                      .value = 40};
        fuzz_seed(name, &seed, sizeof seed);
    }
    for (unsigned section = 0; section < 10; section++)
        for (unsigned kind = 0; kind < EDIT_KINDS; kind += kind == EDIT_XOR ? 1 : 3) {
            char name[32];
            snprintf(name, sizeof name, "edit-%u-%u", section, kind);
            seed.edits[0] = (struct edit){.kind = (uint8_t)kind,
                                          .section = (uint8_t)section,
                                          .shift = 1,
                                          .offset = 4,
                                          .value = 1};
            fuzz_seed(name, &seed, sizeof seed);
        }
}
