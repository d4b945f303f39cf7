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

static bool add_device(struct machine *machine, unsigned index, struct error *error)
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
    return vfio_pci_init(&machine->vfio[index], &config, error) ||
           error_wrap(error, "--vfio");
}

bool machine_add_vfio(struct machine *machine, struct error *error)
{
    unsigned count = machine->options->vfio_count;
    machine->irqfds =
        (struct vfio_irqfds){.context = &machine->vm, .connect = connect_irqfd};
    if (count > 0 && !vfio_container_init(&machine->container, &vfio_system_calls,
                                          &machine->vm.memory, error))
        return error_wrap(error, "--vfio");
    for (unsigned i = 0; i < count; i++)
        if (!add_device(machine, i, error))
            return false;
    return true;
}

void machine_finish_vfio(struct machine *machine)
{
    for (unsigned i = 0; i < OPTIONS_VFIO_MAX; i++)
        vfio_pci_finish(&machine->vfio[i]);
    vfio_container_finish(&machine->container);
}
