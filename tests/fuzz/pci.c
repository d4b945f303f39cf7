/* SPDX-License-Identifier: MIT */
/*
 * Any accesses of a guest to two PCI functions: configuration space, BARs and what is behind
 * them, anywhere in the bridge's windows. Virtio devices are behind them, one with a region and
 * messages, one with the pin alone; their threads do not run, and raise interrupts when the
 * input says so. KVM is a fake that keeps count, and that may say no: a doorbell is removed where
 * it was made, and none is left when memory decoding is off.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "virtio/pci.h"
#include "vmm/irq_routes.h"

#define ECAM           gpa(0xe0000000)
#define MEMORY32       gpa(0xe1000000)
#define MEMORY64       gpa(64 * GIB)
#define FUNCTIONS      2u /* in the slots from 1 on */
#define ACCESSES_MAX   200u
#define SHM_SIZE       (1 * MIB)
#define CONFIG_SIZE    16u
#define DOORBELLS_MAX  16u
#define FUNCTION_SPACE 4096u
#define QUEUES         2u

struct access {
    uint8_t place : 3, size : 2, is_write : 1, kvm_fails : 1, function : 1;
    uint8_t bar;
    uint16_t offset;
    uint64_t value;
};

struct machine {
    const struct guest_memory *memory;
    struct bus bus;
    struct pci_host host;
    struct virtio_device devices[FUNCTIONS];
    struct virtio_pci pcis[FUNCTIONS];
    struct irq_routes routes;
    struct kvm_events events;
    struct trace trace;
    uint8_t config[CONFIG_SIZE];
    uint64_t doorbells[DOORBELLS_MAX];
    unsigned doorbell_count;
    unsigned refused_doorbells; /* nobody has them, and they are removed, too */
    bool kvm_fails;
    struct gpa_range shm; /* size 0: nowhere */
};

/* --- KVM --- */

static bool answer(const struct machine *machine, struct error *error)
{
    return !machine->kvm_fails || error_set(error, ERROR_HOST_KVM, "KVM says no");
}

static bool set_routing(void *context, const struct kvm_irq_routing *table,
                        struct error *error)
{
    FUZZ_CHECK(table->nr <= IRQ_ROUTES_MAX + ARCH_IRQ_PIN_ROUTES_MAX);
    return answer(context, error);
}

static bool attach(void *context, uint32_t gsi, int event_fd, struct error *error)
{
    (void)context;
    (void)error;
    FUZZ_CHECK(gsi >= arch_irq_pin_count() && event_fd >= 0);
    return true;
}

static bool set_line(void *context, uint32_t irq, bool level, struct error *error)
{
    (void)irq;
    (void)level;
    return answer(context, error);
}

static bool set_doorbell(void *context, uint64_t address, uint32_t size, int event_fd,
                         bool on, struct error *error)
{
    struct machine *machine = context;
    unsigned i = 0;
    (void)size;
    FUZZ_CHECK(event_fd >= 0);
    while (i < machine->doorbell_count && machine->doorbells[i] != address)
        i++;
    if (on && !answer(machine, error)) {
        machine->refused_doorbells++;
        return false;
    }
    if (!on && i == machine->doorbell_count && machine->refused_doorbells > 0) {
        machine->refused_doorbells--;
        return error_set(error, ERROR_HOST_KVM, "there is none");
    }
    FUZZ_CHECK((i < machine->doorbell_count) == !on);
    if (on) {
        FUZZ_CHECK(i < DOORBELLS_MAX);
        machine->doorbells[machine->doorbell_count++] = address;
    } else {
        machine->doorbells[i] = machine->doorbells[--machine->doorbell_count];
    }
    return true;
}

/* --- the device --- */

static void started(void *context, uint64_t features)
{
    (void)context;
    (void)features;
}

static bool kicked(void *context, unsigned index)
{
    (void)context;
    (void)index;
    return false;
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

static void shm_moved(void *context, uint8_t id, const struct gpa_range *range)
{
    struct machine *machine = context;
    FUZZ_CHECK(id == 1);
    machine->shm = range ? *range : (struct gpa_range){0};
    FUZZ_CHECK(!range || range->size == SHM_SIZE);
}

static const struct virtio_device_ops device_ops = {
    .start = started, .queue_kicked = kicked, .reset = reset};

static const struct virtio_device kinds[FUNCTIONS] = {
    {
        .name = "fuzz",
        .device_id = VIRTIO_ID_GPU,
        .features = 0xffff,
        .queue_count = QUEUES,
        .ops = &device_ops,
        .config_size = CONFIG_SIZE,
        .config_written = config_written,
        .shm_moved = shm_moved,
    },
    {
        .name = "fuzz-pin",
        .device_id = VIRTIO_ID_BLOCK,
        .queue_count = QUEUES,
        .ops = &device_ops,
        .config_size = CONFIG_SIZE, /* read-only */
    },
};

static void add_function(struct machine *machine, unsigned index)
{
    struct error error;
    struct virtio_device *device = &machine->devices[index];
    *device = kinds[index];
    device->context = machine;
    device->config = machine->config;
    device->memory = machine->memory;
    device->trace = &machine->trace;
    FUZZ_CHECK(virtio_device_init(device, &error));
    if (device->shm_moved)
        virtio_device_add_shm(device, 1, (struct gpa_range){MEMORY64, SHM_SIZE});
    FUZZ_CHECK(virtio_pci_init(&machine->pcis[index], &machine->host, index + 1, device,
                               device->shm_moved ? &machine->routes : NULL, &error));
}

static void set_up(struct machine *machine)
{
    struct error error;
    *machine = (struct machine){
        .memory = fuzz_memory(0, MIB),
        .events = {.context = machine,
                   .set_routing = set_routing,
                   .attach = attach,
                   .set_line = set_line,
                   .set_doorbell = set_doorbell},
    };
    trace_init(&machine->trace, stderr, false);
    atomic_store(&machine->trace.warnings, TRACE_WARNINGS_MAX); /* silent */
    const struct pci_host_config config = {
        .ecam = {ECAM, MIB},
        .memory32 = {MEMORY32, 16 * MIB},
        .memory64 = {MEMORY64, 4 * SHM_SIZE},
        .intx_irq = 9,
        .events = &machine->events,
        .trace = &machine->trace,
    };
    FUZZ_CHECK(pci_host_init(&machine->host, &config, &error) &&
               pci_host_add_to_bus(&machine->host, &machine->bus, &error) &&
               irq_routes_init(&machine->routes, &machine->events, &error));
    for (unsigned i = 0; i < FUNCTIONS; i++)
        add_function(machine, i);
}

static void tear_down(struct machine *machine)
{
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        virtio_pci_finish(&machine->pcis[i]);
        virtio_device_finish(&machine->devices[i]);
    }
    irq_routes_finish(&machine->routes);
    pci_host_finish(&machine->host);
}

/* --- the guest --- */

/* Configuration space of a function. */
static uint64_t config_of(unsigned function)
{
    return ECAM.value + 8ull * (function + 1) * FUNCTION_SPACE;
}

/* That; the windows, anywhere; a BAR, where it is now. */
static uint64_t address_of(const struct machine *machine, const struct access *access)
{
    struct gpa_range range;
    switch (access->place) {
    case 0:
    case 1:
    case 2:
        return config_of(access->function) + access->offset % FUNCTION_SPACE;
    case 3:
        return ECAM.value + access->offset * 16ull;
    case 4:
        return MEMORY32.value + access->offset * 256ull;
    case 5:
        return MEMORY64.value + access->offset * 64ull;
    default:
        if (pci_config_bar(&machine->pcis[access->function].function,
                           access->bar % PCI_BARS, &range))
            return range.start.value + access->offset;
        return MEMORY32.value + access->offset;
    }
}

/* A used buffer, or a change of the configuration, as virtio_device.c says it. */
static void raise_interrupt(struct virtio_device *device, const struct access *access)
{
    const uint8_t byte = (uint8_t)access->value;
    unsigned queue = access->bar % (QUEUES + 1);
    if (queue == QUEUES) {
        virtio_device_change_config(device, access->offset % CONFIG_SIZE, &byte, 1);
        return;
    }
    atomic_fetch_or(&device->interrupt_status, 1);
    device->interrupt_ops->raise(device->interrupt_context, queue);
}

static void do_access(struct machine *machine, const struct access *access)
{
    uint64_t value;
    uint64_t address = address_of(machine, access);
    unsigned size = 1u << access->size;
    machine->kvm_fails = access->kvm_fails;
    if (access->place == 6)
        raise_interrupt(&machine->devices[access->function], access);
    else if (access->is_write)
        bus_write(&machine->bus, address, size, access->value);
    else
        bus_read(&machine->bus, address, size, &value);
    machine->kvm_fails = false;
    /* The region is in its window, or nowhere. */
    const struct gpa_range window = {MEMORY64, 4 * SHM_SIZE};
    const struct gpa_range window32 = {MEMORY32, 16 * MIB};
    FUZZ_CHECK(machine->shm.size == 0 ||
               gpa_range_contains(window, machine->shm.start, machine->shm.size) ||
               gpa_range_contains(window32, machine->shm.start, machine->shm.size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine machine;
    struct fuzz_input input = {data, size};
    set_up(&machine);
    uint64_t class_code; /* virtio 1.4, 5.7.7: DISPLAY_OTHER, as there is no VGA */
    bus_read(&machine.bus, config_of(0) + PCI_CLASS_REVISION, 4, &class_code);
    FUZZ_CHECK(class_code >> 8 == 0x038000);
    for (unsigned i = 0; i < ACCESSES_MAX && input.left > 0; i++) {
        struct access access;
        fuzz_take(&input, &access, sizeof access);
        do_access(&machine, &access);
    }
    /* Without memory decoding there is nothing of it. */
    for (unsigned i = 0; i < FUNCTIONS; i++)
        bus_write(&machine.bus, config_of(i) + PCI_COMMAND, 2, 0);
    FUZZ_CHECK(machine.doorbell_count == 0 && machine.shm.size == 0);
    tear_down(&machine);
    fuzz_check_files();
    return 0;
}

/* --- seeds --- */

#define CONFIG(offset_, size_, value_)                                                   \
    {                                                                                    \
        .place = 0, .size = (size_), .is_write = 1, .offset = (offset_),                 \
        .value = (value_)                                                                \
    }
#define BAR(bar_, offset_, size_, value_)                                                \
    {                                                                                    \
        .place = 7, .size = (size_), .is_write = 1, .bar = (bar_), .offset = (offset_),  \
        .value = (value_)                                                                \
    }

static void seed_drivers(void)
{
    /* As an operating system does: off, sizes, addresses, on. */
    static const struct access bars[] = {
        CONFIG(0x04, 1, 0),
        CONFIG(0x10, 2, UINT32_MAX),
        {.place = 0, .size = 2, .offset = 0x10},
        CONFIG(0x10, 2, 0xe1010000),
        CONFIG(0x18, 2, UINT32_MAX),
        CONFIG(0x1c, 2, UINT32_MAX),
        CONFIG(0x18, 2, SHM_SIZE),
        CONFIG(0x1c, 2, 16),
        CONFIG(0x04, 1, 6),
    };
    /* The common configuration: status, features, queue 0, vectors. */
    static const struct access virtio[] = {
        BAR(0, 0x14, 0, 0),    BAR(0, 0x14, 0, 3),    BAR(0, 0x08, 2, 1),
        BAR(0, 0x0c, 2, 1),    BAR(0, 0x14, 0, 11),   BAR(0, 0x10, 1, 0),
        BAR(0, 0x16, 1, 0),    BAR(0, 0x18, 1, 8),    BAR(0, 0x1a, 1, 1),
        BAR(0, 0x20, 2, 4096), BAR(0, 0x28, 2, 8192), BAR(0, 0x30, 2, 12288),
        BAR(0, 0x1c, 1, 1),    BAR(0, 0x3000, 1, 0),  BAR(0, 0x4000, 2, 0xfee00000),
        BAR(0, 0x4008, 2, 33), BAR(0, 0x400c, 2, 0),  BAR(0, 0x2000, 0, 5),
    };
    fuzz_seed("bars", bars, sizeof bars);
    fuzz_seed("virtio", virtio, sizeof virtio);
}

static void seed_interrupts(void)
{
    /* MSI-X, messages that wait and that do not, and a function-level reset; the capabilities are
     * where pci_host_add() and virtio/pci.c put them. */
    static const struct access interrupts[] = {
        BAR(0, 0x14, 0, 3),
        BAR(0, 0x10, 1, 0),
        BAR(0, 0x1a, 1, 1),
        BAR(0, 0x4010, 3, 0xfee00000),
        BAR(0, 0x4018, 3, 33),
        CONFIG(0x42, 1, 0x8000),
        {.place = 6, .bar = 0},
        CONFIG(0x42, 1, 0xc000),
        {.place = 6, .bar = 0},
        {.place = 7, .size = 3, .offset = 0x4800},
        CONFIG(0x42, 1, 0x8000),
        {.place = 7,
         .size = 3,
         .is_write = 1,
         .kvm_fails = 1,
         .offset = 0x4010,
         .value = 0xfee01000},
        BAR(0, 0x401c, 2, 1),
        {.place = 6, .bar = 0, .kvm_fails = 1},
        CONFIG(0x55, 0, 0x80),
    };
    /* The pin, of the other function; one BAR over another. */
    static const struct access pin[] = {
        {.place = 6, .bar = QUEUES, .function = 1},
        {.place = 6, .bar = 0, .function = 1},
        {.place = 0, .size = 1, .offset = PCI_STATUS, .function = 1},
        {.place = 7, .size = 0, .offset = 0x1000, .function = 1},
        CONFIG(0x10, 2, 0xe1000000),
        {.place = 0,
         .size = 2,
         .is_write = 1,
         .offset = 0x10,
         .function = 1,
         .kvm_fails = 1,
         .value = 0xe1000000},
        CONFIG(0x04, 1, 0x400),
    };
    /* A register of a BAR through configuration space. */
    static const struct access through_config[] = {
        CONFIG(0xd0, 0, 0),
        CONFIG(0xd4, 2, 0x14),
        CONFIG(0xd8, 2, 1),
        CONFIG(0xdc, 0, 3),
        {.place = 0, .size = 0, .offset = 0xdc},
    };
    fuzz_seed("interrupts", interrupts, sizeof interrupts);
    fuzz_seed("pin", pin, sizeof pin);
    fuzz_seed("through-config", through_config, sizeof through_config);
}

void fuzz_seeds(void)
{
    seed_drivers();
    seed_interrupts();
    /* The common configuration, in each width. */
    struct access reads[3 * 56];
    for (unsigned i = 0; i < ARRAY_SIZE(reads); i++)
        reads[i] =
            (struct access){.place = 7, .size = i % 3 & 3, .offset = (uint16_t)(i / 3)};
    fuzz_seed("reads", reads, sizeof reads);
    /* Every byte of configuration space. */
    struct access all[ACCESSES_MAX];
    for (unsigned i = 0; i < ACCESSES_MAX; i++)
        all[i] = (struct access)CONFIG((uint16_t)(0x40 + i), 0, 0xff);
    fuzz_seed("all", all, sizeof all);
}
