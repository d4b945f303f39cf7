/* SPDX-License-Identifier: MIT */
/*
 * A machine for the tests of passed-through devices: a PCI bridge with a fake VFIO device
 * (fake_vfio.h) on it, and a KVM that remembers memslots and irqfds. All of it is made anew for
 * each test.
 */
#ifndef S2VMM_TESTS_UNIT_VFIO_MACHINE_H
#define S2VMM_TESTS_UNIT_VFIO_MACHINE_H

#include "tests/unit/fake_events.h"
#include "tests/unit/fake_vfio.h"

#define VFIO_MACHINE_LOW  0xd0200000u /* where BAR 0 is at the start */
#define VFIO_MACHINE_HIGH 0x200000000u
#define VFIO_MACHINE_PIN  16u

#define INTX_IRQS (&vfio_machine.fake.irqs[VFIO_PCI_INTX_IRQ_INDEX])
#define MSI_IRQS  (&vfio_machine.fake.irqs[VFIO_PCI_MSI_IRQ_INDEX])
#define MSIX_IRQS (&vfio_machine.fake.irqs[VFIO_PCI_MSIX_IRQ_INDEX])

extern struct vfio_machine {
    struct fake_vfio fake;
    struct fake_events events;
    struct trace trace;
    struct irq_routes routes;
    struct pci_host host;
    struct bus bus;
    struct memslot_table memslots;
    struct vfio_container container;
    struct guest_memory memory;
    struct vfio_pci pci;
    struct error error;

    /* For vfio_machine_start(). */
    bool traps_all;
    bool has_routes;
    const char *address;
    struct state_reader *reader; /* the device's state; NULL: it starts */

    /* What KVM was told. */
    bool kvm_fails;
    unsigned irqfd_count;
    struct {
        uint32_t gsi;
        int fd;
        int unmask_fd;
    } irqfds[32];
    unsigned slot_count;
    struct gpa_range slots[32]; /* the first one is RAM */
} vfio_machine;

/* For tcase_add_checked_fixture(). The second one fails when something is left. */
void vfio_machine_set_up(void);
void vfio_machine_tear_down(void);

/* Another program begins, with a VM of its own over the same VFIO: nothing is on its bus yet. */
void vfio_machine_renew(void);

/* Puts the device on the bus; the second one fails the test if it cannot be. */
bool vfio_machine_start(void);
void vfio_machine_start_well(void);

/* Accesses of the guest: to a BAR; to the device's configuration space. */
uint32_t guest_get(uint64_t address, unsigned size);
void guest_put(uint64_t address, unsigned size, uint64_t value);
uint32_t guest_config(unsigned offset, unsigned size);
void guest_set_config(unsigned offset, unsigned size, uint64_t value);
/* The offset of a capability; 0: there is none. */
unsigned guest_capability(uint8_t id);
/* Words of an entry of the MSI-X table: its data, and whether it is masked. */
void guest_write_entry(unsigned index, uint32_t data, bool masked);
/* MSI, with 1 << order messages, the first one with the data 0x4040. */
void guest_enable_msi(unsigned order);

#endif
