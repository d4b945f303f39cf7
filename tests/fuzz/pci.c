/* SPDX-License-Identifier: MIT */
/*
 * Any accesses of a guest to a PCI function: configuration space, BARs and what is behind them,
 * anywhere in the bridge's windows. A virtio device is behind it, whose thread does not run.
 * KVM is a fake that keeps count: a doorbell is removed where it was made, and none is left when
 * memory decoding is off.
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
#define SLOT           1u
#define ACCESSES_MAX   200u
#define SHM_SIZE       (1 * MIB)
#define CONFIG_SIZE    16u
#define DOORBELLS_MAX  16u
#define FUNCTION_SPACE 4096u
#define FUNCTION       (8ull * SLOT * FUNCTION_SPACE) /* in the ECAM */

struct access {
    uint8_t place : 3, size : 2, is_write : 1, unused : 2;
    uint8_t bar;
    uint16_t offset;
    uint64_t value;
};

struct machine {
    struct bus bus;
    struct pci_host host;
    struct virtio_device device;
    struct virtio_pci pci;
    struct irq_routes routes;
    struct kvm_events events;
    struct trace trace;
    uint8_t config[CONFIG_SIZE];
    uint64_t doorbells[DOORBELLS_MAX];
    unsigned doorbell_count;
    struct gpa_range shm; /* size 0: nowhere */
};

/* --- KVM --- */

static bool set_routing(void *context, const struct kvm_irq_routing *table,
                        struct error *error)
{
    (void)context;
    (void)error;
    FUZZ_CHECK(table->nr <= IRQ_ROUTES_MAX + ARCH_IRQ_PIN_ROUTES_MAX);
    return true;
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
    (void)context;
    (void)irq;
    (void)level;
    (void)error;
    return true;
}

static bool set_doorbell(void *context, uint64_t address, uint32_t size, int event_fd,
                         bool on, struct error *error)
{
    struct machine *machine = context;
    unsigned i = 0;
    (void)size;
    (void)error;
    FUZZ_CHECK(event_fd >= 0);
    while (i < machine->doorbell_count && machine->doorbells[i] != address)
        i++;
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

static void set_up(struct machine *machine)
{
    struct error error;
    *machine = (struct machine){
        .events = {machine, set_routing, attach, set_line, set_doorbell},
        .device =
            {
                .name = "fuzz",
                .device_id = VIRTIO_ID_GPU,
                .features = 0xffff,
                .queue_count = 2,
                .ops = &device_ops,
                .context = machine,
                .config = machine->config,
                .config_size = CONFIG_SIZE,
                .config_written = config_written,
                .shm_moved = shm_moved,
                .memory = fuzz_memory(0, MIB),
                .trace = &machine->trace,
            },
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
               irq_routes_init(&machine->routes, &machine->events, &error) &&
               virtio_device_init(&machine->device, &error));
    virtio_device_add_shm(&machine->device, 1, (struct gpa_range){MEMORY64, SHM_SIZE});
    FUZZ_CHECK(virtio_pci_init(&machine->pci, &machine->host, SLOT, &machine->device,
                               &machine->routes, &error));
}

static void tear_down(struct machine *machine)
{
    virtio_pci_finish(&machine->pci);
    virtio_device_finish(&machine->device);
    irq_routes_finish(&machine->routes);
    pci_host_finish(&machine->host);
}

/* --- the guest --- */

/* Configuration space of the function; a BAR, where it is now; the windows, anywhere. */
static uint64_t address_of(const struct machine *machine, const struct access *access)
{
    struct gpa_range range;
    switch (access->place) {
    case 0:
    case 1:
    case 2:
        return ECAM.value + FUNCTION + access->offset % FUNCTION_SPACE;
    case 3:
        return ECAM.value + access->offset * 16ull;
    case 4:
        return MEMORY32.value + access->offset * 256ull;
    case 5:
        return MEMORY64.value + access->offset * 64ull;
    default:
        if (pci_config_bar(&machine->pci.function, access->bar % PCI_BARS, &range))
            return range.start.value + access->offset;
        return MEMORY32.value + access->offset;
    }
}

static void do_access(struct machine *machine, const struct access *access)
{
    uint64_t value;
    uint64_t address = address_of(machine, access);
    unsigned size = 1u << access->size;
    if (access->is_write)
        bus_write(&machine->bus, address, size, access->value);
    else
        bus_read(&machine->bus, address, size, &value);
    /* The region is in its window, or nowhere. */
    const struct gpa_range window = {MEMORY64, 4 * SHM_SIZE};
    FUZZ_CHECK(machine->shm.size == 0 ||
               gpa_range_contains(window, machine->shm.start, machine->shm.size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine machine;
    struct fuzz_input input = {data, size};
    set_up(&machine);
    uint64_t class_code; /* virtio 1.4, 5.7.7: DISPLAY_OTHER, as there is no VGA */
    bus_read(&machine.bus, ECAM.value + FUNCTION + PCI_CLASS_REVISION, 4, &class_code);
    FUZZ_CHECK(class_code >> 8 == 0x038000);
    for (unsigned i = 0; i < ACCESSES_MAX && input.left > 0; i++) {
        struct access access;
        fuzz_take(&input, &access, sizeof access);
        do_access(&machine, &access);
    }
    /* Without memory decoding there is nothing of it. */
    bus_write(&machine.bus, ECAM.value + FUNCTION + PCI_COMMAND, 2, 0);
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

void fuzz_seeds(void)
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
    /* Every byte of configuration space. */
    struct access all[ACCESSES_MAX];
    for (unsigned i = 0; i < ACCESSES_MAX; i++)
        all[i] = (struct access)CONFIG((uint16_t)(0x40 + i), 0, 0xff);
    fuzz_seed("all", all, sizeof all);
}
