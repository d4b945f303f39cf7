/* SPDX-License-Identifier: MIT */
/* Devices of the host on the guest's bus. Their slots are behind those of the virtio devices. */
#include "vmm/machine_parts.h"

#define FIRST_SLOT (MACHINE_VIRTIO_MAX + 1)

static bool connect_irqfd(void *context, uint32_t gsi, int event_fd, int unmask_fd,
                          bool on, struct error *error)
{
    const struct vm *vm = context;
    return kvm_irqfd_connect(vm->fd, gsi, event_fd, unmask_fd, on, error);
}

/* reader: the device goes on, and its state is there; NULL: it is new. */
static bool add_device(struct machine *machine, unsigned index,
                       struct state_reader *reader, struct error *error)
{
    const struct options_vfio *option = &machine->options->vfio[index];
    const struct vfio_pci_config config = {
        .container = &machine->container,
        .address = option->address,
        .traps_all = option->traps,
        .host = &machine->bridge,
        .slot = FIRST_SLOT + index,
        .routes = machine_routes(machine),
        .irqfds = &machine->irqfds,
        .memslots = &machine->vm.memslots,
        .trace = &machine->trace,
    };
    struct vfio_pci *device = &machine->vfio[index];
    return (reader == NULL ? vfio_pci_init(device, &config, error)
                           : vfio_pci_load(device, &config, reader, index, error)) ||
           error_wrap(error, "--vfio");
}

static bool add_container(struct machine *machine, struct state_reader *reader,
                          struct error *error)
{
    struct vfio_container *container = &machine->container;
    const struct guest_memory *memory = &machine->vm.memory;
    return (reader == NULL
                ? vfio_container_init(container, &vfio_system_calls, memory, error)
                : vfio_container_load(container, &vfio_system_calls, memory, reader,
                                      error)) ||
           error_wrap(error, "--vfio");
}

bool machine_add_vfio(struct machine *machine, struct state_reader *reader,
                      struct error *error)
{
    unsigned count = machine->options->vfio_count;
    machine->irqfds =
        (struct vfio_irqfds){.context = &machine->vm, .connect = connect_irqfd};
    if (count > 0 && !add_container(machine, reader, error))
        return false;
    for (unsigned i = 0; i < count; i++)
        if (!add_device(machine, i, reader, error))
            return false;
    return true;
}

/* --- a live update --- */

bool machine_resume_vfio(struct machine *machine, struct error *error)
{
    bool good = true;
    struct error other;
    for (unsigned i = 0; i < machine->options->vfio_count; i++)
        good = vfio_pci_resume(&machine->vfio[i], good ? error : &other) && good;
    return good;
}

bool machine_take_back_vfio(struct machine *machine, struct error *error)
{
    return machine->options->vfio_count == 0 ||
           (vfio_container_take_back(&machine->container, error) &&
            machine_resume_vfio(machine, error));
}

bool machine_pause_vfio(struct machine *machine, struct error *error)
{
    bool good = true;
    for (unsigned i = 0; good && i < machine->options->vfio_count; i++)
        good = vfio_pci_pause(&machine->vfio[i], error);
    return good && (machine->options->vfio_count == 0 ||
                    vfio_container_release(&machine->container, error));
}

void machine_save_vfio(const struct machine *machine, struct state_writer *writer)
{
    if (machine->options->vfio_count > 0)
        vfio_container_save(&machine->container, writer);
    for (unsigned i = 0; i < machine->options->vfio_count; i++)
        vfio_pci_save(&machine->vfio[i], writer, i);
}

void machine_finish_vfio(struct machine *machine)
{
    for (unsigned i = 0; i < OPTIONS_VFIO_MAX; i++)
        vfio_pci_finish(&machine->vfio[i]);
    vfio_container_finish(&machine->container);
}
