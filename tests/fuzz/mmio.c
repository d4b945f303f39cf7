/* SPDX-License-Identifier: MIT */
/*
 * Any accesses of a guest to the registers of virtio-mmio, with rings in its memory that it
 * chose, too. The device's thread runs: it serves the queues, as far as it is let, and events of
 * its own, until it is reset. What must hold afterwards: a reset reads back 0, and the device
 * starts again; the rings that it had are left alone.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "virtio/mmio.h"
#include "vmm/state.h"

#define BASE         UINT64_C(0xd0000000)
#define RAM_SIZE     (1 * MIB)
#define RINGS        0x10000u /* an address in RAM */
#define ACCESSES_MAX 100u
#define CONFIG_SIZE  16u
#define QUEUES       2u
#define CHAINS_MAX   32u /* of one turn */
#define PATIENCE     2u  /* milliseconds: some chains never come back */

/* One access of the guest: to a register, or to the memory of its rings; is_event: something
 * happens to the device: its configuration changes, or it is paused, saved and goes on. */
struct access {
    uint8_t size : 2, is_write : 1, is_ram : 1, is_register : 1, is_event : 1,
        is_pause : 1, unused : 1;
    uint8_t offset; /* is_register: 4 bytes each */
    uint16_t place;
    uint64_t value;
};

struct machine {
    struct bus bus;
    struct virtio_device device;
    struct virtio_mmio mmio;
    struct trace trace;
    uint8_t config[CONFIG_SIZE];
    int event_fd;
};

static void started(void *context, uint64_t features)
{
    (void)context;
    FUZZ_CHECK(features >> VIRTIO_F_VERSION_1 & 1);
}

/* Reads and writes each chain, and gives it back. */
static bool kicked(void *context, unsigned index)
{
    static struct virtqueue_chain chain;
    struct virtio_device *device = &((struct machine *)context)->device;
    struct virtqueue *queue = &device->queues[index];
    struct error error;
    enum virtqueue_result result = VIRTQUEUE_CHAIN;
    FUZZ_CHECK(device->queue_running[index]);
    for (unsigned i = 0; i < CHAINS_MAX && result == VIRTQUEUE_CHAIN; i++) {
        uint8_t byte = 1;
        result = virtqueue_pop(queue, &chain, &error);
        if (result != VIRTQUEUE_CHAIN)
            break;
        if ((chain.readable_size > 0 &&
             !virtqueue_chain_read(queue, &chain, 0, &byte, 1, &error)) ||
            (chain.writable_size > 0 &&
             !virtqueue_chain_write(queue, &chain, 0, &byte, 1, &error))) {
            FUZZ_CHECK(error.code == ERROR_GUEST_ADDRESS); /* it is not in RAM */
            result = VIRTQUEUE_BROKEN;
            break;
        }
        virtqueue_push(queue, chain.head, 1, &error);
    }
    if (result == VIRTQUEUE_BROKEN)
        virtio_device_needs_reset(device, &error);
    virtio_device_signal_queue(device, index);
    return result == VIRTQUEUE_CHAIN;
}

static void reset(void *context)
{
    (void)context;
}

static void config_written(void *context, uint32_t offset, uint32_t size)
{
    (void)context;
    FUZZ_CHECK(offset <= CONFIG_SIZE && size <= CONFIG_SIZE - offset);
}

static void event_happened(void *context)
{
    struct machine *machine = context;
    eventfd_t count;
    eventfd_read(machine->event_fd, &count);
    const uint8_t byte = (uint8_t)count;
    virtio_device_change_config(&machine->device, byte % CONFIG_SIZE, &byte, 1);
}

static const struct virtio_device_ops device_ops = {
    .start = started, .queue_kicked = kicked, .reset = reset};

static void set_up(struct machine *machine)
{
    struct error error;
    *machine = (struct machine){
        .device =
            {
                .name = "fuzz",
                .device_id = VIRTIO_ID_GPU,
                .features = 0xffff,
                .queue_count = QUEUES,
                .ops = &device_ops,
                .context = machine,
                .config = machine->config,
                .config_size = CONFIG_SIZE,
                .config_written = config_written,
                .memory = fuzz_memory(0, RAM_SIZE),
                .trace = &machine->trace,
            },
    };
    machine->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    trace_init(&machine->trace, stderr, false);
    atomic_store(&machine->trace.warnings, TRACE_WARNINGS_MAX); /* silent */
    FUZZ_CHECK(machine->event_fd >= 0 && virtio_device_init(&machine->device, &error));
    virtio_device_watch(&machine->device, machine->event_fd, event_happened);
    virtio_device_add_shm(&machine->device, 1, (struct gpa_range){gpa(64 * GIB), MIB});
    virtio_mmio_init(&machine->mmio, &machine->device);
    const struct bus_entry entry = {.name = "fuzz",
                                    .start = BASE,
                                    .size = VIRTIO_MMIO_SIZE,
                                    .ops = &virtio_mmio_bus_ops,
                                    .device = &machine->mmio};
    FUZZ_CHECK(bus_add(&machine->bus, entry, &error) &&
               virtio_device_run(&machine->device, NULL, NULL, &error));
}

static void write_register(struct machine *machine, uint32_t offset, uint32_t value)
{
    FUZZ_CHECK(bus_write(&machine->bus, BASE + offset, sizeof value, value));
}

static uint32_t read_register(struct machine *machine, uint32_t offset)
{
    uint64_t value;
    FUZZ_CHECK(bus_read(&machine->bus, BASE + offset, sizeof(uint32_t), &value));
    return (uint32_t)value;
}

/* Lets the thread take what it was told: or the accesses would be over before it wakes up. It
 * need not take everything. */
static void let_thread_work(struct machine *machine)
{
    struct virtio_device *device = &machine->device;
    bool busy = true;
    for (unsigned i = 0; i < 200 && busy; i++) {
        struct pollfd kicks[QUEUES + 1] = {
            {.fd = device->kick_fds[0], .events = POLLIN},
            {.fd = device->kick_fds[1], .events = POLLIN},
            {.fd = machine->event_fd, .events = POLLIN},
        };
        sched_yield();
        pthread_mutex_lock(&device->lock);
        busy = device->start_asked;
        pthread_mutex_unlock(&device->lock);
        busy = poll(kicks, ARRAY_SIZE(kicks), 0) > 0 || busy;
    }
}

/* As for a live update that fails; it is refused while a chain is out that will not come back. */
static void pause_and_go_on(struct machine *machine)
{
    struct state_writer writer;
    struct error error;
    if (!virtio_device_pause(&machine->device, PATIENCE, &error))
        return;
    state_writer_init(&writer);
    virtio_device_save(&machine->device, &writer, 0);
    virtio_mmio_save(&machine->mmio, &writer, 0);
    virtio_device_resume(&machine->device);
    state_writer_finish(&writer);
}

static void do_access(struct machine *machine, const struct access *access)
{
    struct error error;
    uint64_t value;
    unsigned size = 1u << access->size;
    uint64_t offset =
        access->is_register ? access->offset * 4u : access->place % VIRTIO_MMIO_SIZE;
    if (access->is_register)
        size = sizeof(uint32_t);
    if (access->is_event && access->is_pause) {
        pause_and_go_on(machine);
    } else if (access->is_event) {
        eventfd_write(machine->event_fd, 1 + access->place % 256u);
        let_thread_work(machine);
    } else if (access->is_ram) {
        FUZZ_CHECK(guest_memory_write(machine->device.memory, gpa(RINGS + access->place),
                                      &access->value, size, &error));
    } else if (access->is_write) {
        bus_write(&machine->bus, BASE + offset, size, access->value);
        let_thread_work(machine);
    } else {
        bus_read(&machine->bus, BASE + offset, size, &value);
    }
}

/* A device that was reset does not touch the rings that it had, whatever is in them. */
static void check_silence(struct machine *machine, uint32_t index,
                          const struct virtio_queue_registers *before)
{
    const struct guest_memory *memory = machine->device.memory;
    const gpa_t available = gpa(before->driver + 2);
    const gpa_t used = gpa(before->device + 2);
    struct error error;
    uint16_t value;
    uint16_t now;
    if (!before->ready || !guest_memory_read(memory, available, &value, 2, &error))
        return;
    value++;
    if (!guest_memory_write(memory, available, &value, 2, &error) ||
        !guest_memory_read(memory, used, &value, 2, &error))
        return;
    write_register(machine, VIRTIO_MMIO_QUEUE_NOTIFY, index);
    let_thread_work(machine);
    FUZZ_CHECK(guest_memory_read(memory, used, &now, 2, &error) && now == value);
}

/* Whatever was before. */
static void check_reset(struct machine *machine)
{
    struct virtio_queue_registers before[QUEUES];
    pthread_mutex_lock(&machine->device.lock);
    memcpy(before, machine->device.queue_registers, sizeof before);
    pthread_mutex_unlock(&machine->device.lock);
    const uint32_t negotiated = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
                                VIRTIO_CONFIG_S_FEATURES_OK;
    write_register(machine, VIRTIO_MMIO_STATUS, 0);
    while (read_register(machine, VIRTIO_MMIO_STATUS) != 0)
        ; /* -timeout finds one that never comes */
    FUZZ_CHECK(read_register(machine, VIRTIO_MMIO_INTERRUPT_STATUS) == 0);
    for (uint32_t i = 0; i < QUEUES; i++) {
        write_register(machine, VIRTIO_MMIO_QUEUE_SEL, i);
        FUZZ_CHECK(read_register(machine, VIRTIO_MMIO_QUEUE_READY) == 0);
        check_silence(machine, i, &before[i]);
    }
    write_register(machine, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    write_register(machine, VIRTIO_MMIO_STATUS,
                   VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    write_register(machine, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    write_register(machine, VIRTIO_MMIO_DRIVER_FEATURES, 1); /* VERSION_1 */
    write_register(machine, VIRTIO_MMIO_STATUS, negotiated);
    FUZZ_CHECK(read_register(machine, VIRTIO_MMIO_STATUS) == negotiated);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine machine;
    struct fuzz_input input = {data, size};
    set_up(&machine);
    for (unsigned i = 0; i < ACCESSES_MAX && input.left > 0; i++) {
        struct access access;
        fuzz_take(&input, &access, sizeof access);
        do_access(&machine, &access);
    }
    check_reset(&machine);
    virtio_device_finish(&machine.device);
    close(machine.event_fd);
    fuzz_check_files();
    return 0;
}

/* --- seeds --- */

#define WRITE(register_, value_)                                                         \
    {                                                                                    \
        .is_write = 1, .is_register = 1, .offset = VIRTIO_MMIO_##register_ / 4,          \
        .value = (value_)                                                                \
    }
#define READ(register_)                                                                  \
    {                                                                                    \
        .is_register = 1, .offset = VIRTIO_MMIO_##register_ / 4                          \
    }
#define RAM(place_, size_, value_)                                                       \
    {                                                                                    \
        .is_ram = 1, .size = (size_), .place = (place_), .value = (value_)               \
    }

void fuzz_seeds(void)
{
    /* A driver's way to DRIVER_OK, and one chain of one descriptor, which the device writes. */
    static const struct access driver[] = {
        WRITE(STATUS, 0),
        WRITE(STATUS, 1),
        WRITE(STATUS, 3),
        WRITE(DEVICE_FEATURES_SEL, 1),
        READ(DEVICE_FEATURES),
        WRITE(DRIVER_FEATURES_SEL, 1),
        WRITE(DRIVER_FEATURES, 1),
        WRITE(STATUS, 11),
        WRITE(QUEUE_SEL, 0),
        READ(QUEUE_NUM_MAX),
        WRITE(QUEUE_NUM, 8),
        WRITE(QUEUE_DESC_LOW, RINGS),
        WRITE(QUEUE_AVAIL_LOW, RINGS + 0x1000),
        WRITE(QUEUE_USED_LOW, RINGS + 0x2000),
        WRITE(QUEUE_READY, 1),
        WRITE(STATUS, 15),
        RAM(0, 3, 0x40000),
        RAM(8, 3, 64 | (uint64_t)VRING_DESC_F_WRITE << 32),
        RAM(0x1002, 1, 1),
        WRITE(QUEUE_NOTIFY, 0),
        READ(INTERRUPT_STATUS),
        {.is_event = 1, .place = 3},
        READ(CONFIG_GENERATION),
        WRITE(INTERRUPT_ACK, 3),
        {.is_event = 1, .is_pause = 1},
        WRITE(QUEUE_READY, 0),
    };
    static const struct access regions[] = {
        READ(MAGIC_VALUE),  READ(VERSION),      READ(DEVICE_ID),
        READ(VENDOR_ID),    WRITE(SHM_SEL, 1),  READ(SHM_LEN_LOW),
        READ(SHM_LEN_HIGH), READ(SHM_BASE_LOW), READ(SHM_BASE_HIGH),
        WRITE(SHM_SEL, 7),  READ(SHM_LEN_LOW),  READ(CONFIG),
        WRITE(CONFIG, 1),   WRITE(STATUS, 128), READ(CONFIG_GENERATION)};
    /* A ring that says too much, and one that is nowhere. */
    struct access broken[ARRAY_SIZE(driver)];
    memcpy(broken, driver, sizeof driver);
    broken[18].value = 1000;
    fuzz_seed("broken", broken, sizeof broken);
    broken[10].value = 64; /* more chains than one turn takes */
    broken[18].value = 40;
    fuzz_seed("busy", broken, sizeof broken);
    broken[11].value = UINT32_MAX;
    fuzz_seed("nowhere", broken, sizeof broken);
    fuzz_seed("driver", driver, sizeof driver);
    fuzz_seed("running", driver, sizeof driver - sizeof driver[0]);
    fuzz_seed("regions", regions, sizeof regions);
    struct access all[ACCESSES_MAX];
    for (unsigned i = 0; i < ACCESSES_MAX; i++)
        all[i] = (struct access){
            .is_register = 1, .is_write = i & 1, .offset = (uint8_t)(i / 2), .value = i};
    fuzz_seed("all", all, sizeof all);
}
