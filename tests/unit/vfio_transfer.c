/* SPDX-License-Identifier: MIT */
#include "tests/unit/vfio_transfer.h"

#include <check.h>
#include <string.h>

#include "vmm/vm_state.h"

struct vfio_transfer vfio_transfer;

static struct vfio_machine *const m = &vfio_machine;
static struct vfio_transfer *const t = &vfio_transfer;

void vfio_transfer_set_up(void)
{
    static uint8_t page[1] __attribute__((aligned(4096)));
    vfio_machine_set_up();
    t->memory = m->memory;
    t->memory.regions[0].host = page;
}

/* Descriptors that nobody took, of which three are no real ones. */
static void end_states(void)
{
    for (unsigned i = 0; i < t->reader.fd_count; i++)
        if (t->reader.fds[i] >= FAKE_CONTAINER) {
            m->fake.calls.close(&m->fake, t->reader.fds[i]);
            t->reader.fds[i] = -1;
        }
    state_reader_finish(&t->reader);
    state_writer_finish(&t->writer);
}

void vfio_transfer_tear_down(void)
{
    end_states();
    vfio_machine_tear_down();
}

void vfio_transfer_save(void)
{
    ck_assert(vfio_pci_pause(&m->pci, &m->error));
    ck_assert(vfio_container_release(&m->container, &m->error));
    ck_assert_uint_eq(m->irqfd_count, 0);
    state_writer_init(&t->writer);
    vfio_container_save(&m->container, &t->writer);
    vfio_pci_save(&m->pci, &t->writer, 0);
    irq_routes_save(&m->routes, &t->writer);
    pci_host_save(&m->host, &t->writer);
    ck_assert(state_complete(&t->writer, &m->error));
}

void vfio_transfer_send(void)
{
    ck_assert(state_reader_init(&t->reader, t->writer.bytes, t->writer.size, &m->error));
    fake_vfio_send(&m->fake, &t->writer, &t->reader);
}

/* The first program ends before the second one has looked at anything. */
void vfio_transfer_hand_over(void)
{
    vfio_transfer_send();
    vfio_pci_finish(&m->pci);
    vfio_container_finish(&m->container);
    vfio_machine_renew();
    m->memory = t->memory;
    m->reader = &t->reader;
}

void vfio_transfer_take_over(void)
{
    vfio_transfer_hand_over();
    vfio_machine_start_well();
    ck_assert_msg(state_reader_check(&t->reader, &m->error), "%s", m->error.text);
}
