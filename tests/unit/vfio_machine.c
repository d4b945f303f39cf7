/* SPDX-License-Identifier: MIT */
#include "tests/unit/vfio_machine.h"

#include <check.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "tests/unit/fake_tree.h"
#include "vmm/vm_state.h"

#define ECAM     0xe0000000u
#define SLOT     3u
#define CONFIG   (ECAM + SLOT * 0x8000u)
#define RAM_SIZE (16 * MIB)
#define PINS     24u /* at least; the first GSI of a message is not below */

struct vfio_machine vfio_machine;

static struct vfio_machine *const m = &vfio_machine;

static bool connect_irqfd(void *context, uint32_t gsi, int event_fd, int unmask_fd,
                          bool on, struct error *error)
{
    unsigned i = 0;
    (void)context;
    if (m->kvm_fails)
        return error_set(error, ERROR_HOST_KVM, "KVM says no");
    while (i < m->irqfd_count && m->irqfds[i].gsi != gsi)
        i++;
    if (!on && gsi < PINS)
        ck_assert_uint_lt(i, m->irqfd_count);
    if (on) {
        ck_assert_uint_eq(i, m->irqfd_count);
        m->irqfds[m->irqfd_count].gsi = gsi;
        m->irqfds[m->irqfd_count].fd = event_fd;
        m->irqfds[m->irqfd_count++].unmask_fd = unmask_fd;
    } else if (i < m->irqfd_count) {
        m->irqfds[i] = m->irqfds[--m->irqfd_count];
    }
    return true;
}

static const struct vfio_irqfds irqfds = {.connect = connect_irqfd};

static bool set_slot(void *context, uint32_t id, gpa_t address, uint64_t size, void *host,
                     struct error *error)
{
    (void)context;
    (void)host;
    (void)error;
    m->slots[id] = (struct gpa_range){address, size};
    m->slot_count += size > 0 ? 1u : -1u;
    return true;
}

static void make_vm(void)
{
    static uint8_t page[1] __attribute__((aligned(4096)));
    uint32_t id;
    fake_events_init(&m->events);
    m->bus = (struct bus){0};
    const struct pci_host_config config = {
        .ecam = {gpa(ECAM), MIB},
        .memory32 = {gpa(VFIO_MACHINE_LOW), 16 * MIB},
        .memory64 = {gpa(VFIO_MACHINE_HIGH), GIB},
        .intx_irq = VFIO_MACHINE_PIN,
        .events = &m->events.events,
        .trace = &m->trace,
    };
    ck_assert(irq_routes_init(&m->routes, &m->events.events, &m->error));
    ck_assert(pci_host_init(&m->host, &config, &m->error));
    ck_assert(pci_host_add_to_bus(&m->host, &m->bus, &m->error));
    memslot_table_init(&m->memslots, set_slot, NULL, 32);
    ck_assert(memslot_add(&m->memslots, "ram", gpa(0), RAM_SIZE, page, &id, &m->error));
}

void vfio_machine_set_up(void)
{
    static uint8_t page[1] __attribute__((aligned(4096)));
    memset(m, 0, sizeof *m);
    fake_tree_make();
    fake_vfio_init(&m->fake);
    trace_init(&m->trace, stderr, false);
    m->trace.warnings = TRACE_WARNINGS_MAX; /* nobody wants to read them */
    m->has_routes = true;
    m->address = FAKE_VFIO_ADDRESS;
    m->memory = (struct guest_memory){
        .fd = -1,
        .region_count = 1,
        .regions = {{.range = {gpa(0), RAM_SIZE}, .host = page}},
    };
    make_vm();
}

static void end_vm(void)
{
    memslot_table_finish(&m->memslots);
    pci_host_finish(&m->host);
    irq_routes_finish(&m->routes);
}

void vfio_machine_renew(void)
{
    end_vm();
    m->pci = (struct vfio_pci){0};
    m->container = (struct vfio_container){0};
    m->irqfd_count = 0;
    m->slot_count = 0;
    make_vm();
}

bool vfio_machine_start(void)
{
    const struct vfio_pci_config config = {
        .container = &m->container,
        .address = m->address,
        .traps_all = m->traps_all,
        .host = &m->host,
        .slot = SLOT,
        .routes = m->has_routes ? &m->routes : NULL,
        .irqfds = &irqfds,
        .memslots = &m->memslots,
        .trace = &m->trace,
    };
    if (m->reader != NULL)
        return vfio_container_load(&m->container, &m->fake.calls, &m->memory, m->reader,
                                   &m->error) &&
               vfio_pci_load(&m->pci, &config, m->reader, 0, &m->error) &&
               irq_routes_load(&m->routes, m->reader, &m->error) &&
               pci_host_load(&m->host, m->reader, &m->error);
    return (m->container.calls ||
            vfio_container_init(&m->container, &m->fake.calls, &m->memory, &m->error)) &&
           vfio_pci_init(&m->pci, &config, &m->error);
}

void vfio_machine_start_well(void)
{
    ck_assert_msg(vfio_machine_start(), "%s", m->error.text);
}

void vfio_machine_tear_down(void)
{
    m->kvm_fails = false;
    vfio_pci_finish(&m->pci);
    ck_assert_uint_eq(m->fake.mapped, 0);
    ck_assert_uint_eq(m->slot_count, 1);
    ck_assert_uint_eq(INTX_IRQS->active + MSI_IRQS->active + MSIX_IRQS->active, 0);
    vfio_container_finish(&m->container);
    ck_assert_int_eq(m->fake.open_count, 0);
    end_vm();
    fake_tree_remove();
}

uint32_t guest_get(uint64_t address, unsigned size)
{
    uint64_t value;
    ck_assert(bus_read(&m->bus, address, size, &value));
    return (uint32_t)(size == 4 ? value : value & ((UINT64_C(1) << 8 * size) - 1));
}

void guest_put(uint64_t address, unsigned size, uint64_t value)
{
    ck_assert(bus_write(&m->bus, address, size, value));
}

uint32_t guest_config(unsigned offset, unsigned size)
{
    return guest_get(CONFIG + offset, size);
}

void guest_set_config(unsigned offset, unsigned size, uint64_t value)
{
    guest_put(CONFIG + offset, size, value);
}

unsigned guest_capability(uint8_t id)
{
    unsigned offset = guest_config(PCI_CAPABILITY_LIST, 1);
    for (unsigned i = 0; i < 64 && offset != 0; i++) {
        if (guest_config(offset, 1) == id)
            return offset;
        offset = guest_config(offset + 1, 1);
    }
    return 0;
}

void guest_write_entry(unsigned index, uint32_t data, bool masked)
{
    uint64_t entry = VFIO_MACHINE_LOW + 0x2000 + index * 16;
    guest_put(entry, 8, 0xfee00000);
    guest_put(entry + 8, 4, data);
    guest_put(entry + 12, 4, masked);
}

void guest_enable_msi(unsigned order)
{
    unsigned msi = guest_capability(PCI_CAP_ID_MSI);
    guest_set_config(msi + PCI_MSI_ADDRESS_LO, 4, 0xfee00000);
    guest_set_config(msi + PCI_MSI_ADDRESS_HI, 4, 0);
    guest_set_config(msi + PCI_MSI_DATA_64, 2, 0x4040);
    guest_set_config(msi + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | order << 4);
}
