/* SPDX-License-Identifier: MIT */
/* The virtio devices of the machine, and how the guest finds them: virtio-mmio or virtio-pci. */
#include <linux/virtio_mmio.h>

#include "vmm/layout.h"
#include "vmm/machine_parts.h"

/* Debian's kernels have virtio-pci built in from 6.12 on, and virtio-mmio as a module only
 * (CONFIG_VIRTIO_PCI, CONFIG_VIRTIO_MMIO of 6.1 to 7.2); the tiny guest is simpler with
 * virtio-mmio. */
static bool wants_pci(const struct machine *machine)
{
    switch (machine->options->transport) {
    case OPTIONS_TRANSPORT_MMIO:
        return false;
    case OPTIONS_TRANSPORT_PCI:
        return true;
    case OPTIONS_TRANSPORT_AUTO:
        break;
    }
    return machine->image.is_linux || machine->options->vfio_count > 0;
}

/* Where the window of the GPU is at the start. With PCI it is a BAR, and the guest may move it:
 * there is room for two. */
static struct gpa_range place_memory64(const struct machine *machine)
{
    uint64_t size = virtio_pci_shm_bar_size(machine->options->window_size);
    uint64_t alignment = size > GIB ? size : GIB;
    return (struct gpa_range){vm_free_address(&machine->vm, alignment),
                              2 * size > GIB ? 2 * size : GIB};
}

static bool add_bridge(struct machine *machine, struct error *error)
{
    struct vm *vm = &machine->vm;
    machine->pci = (struct boot_pci){
        .ecam = {gpa(LAYOUT_PCI_ECAM_BASE), LAYOUT_PCI_ECAM_SIZE},
        .memory32 = {gpa(LAYOUT_PCI_MEMORY32_BASE), LAYOUT_PCI_MEMORY32_SIZE},
        .memory64 = place_memory64(machine),
        .intx_irq = LAYOUT_PCI_INTX_IRQ,
    };
    const struct pci_host_config config = {
        .ecam = machine->pci.ecam,
        .memory32 = machine->pci.memory32,
        .memory64 = machine->pci.memory64,
        .intx_irq = machine->pci.intx_irq,
        .events = &machine->events,
        .trace = &machine->trace,
    };
    machine->events = kvm_events_of(vm);
    if (!vm_check_range(vm, "the PCI window above 4 GiB", config.memory64, error) ||
        !irq_routes_init(&machine->routes, &machine->events, error) ||
        !pci_host_init(&machine->bridge, &config, error) ||
        !pci_host_add_to_bus(&machine->bridge, &vm->mmio, error))
        return false;
    machine_announce(machine, BOOT_DEVICE_PCI, 0, config.ecam.start.value,
                     config.ecam.size);
    return true;
}

bool machine_choose_transport(struct machine *machine, struct error *error)
{
    machine->uses_pci = wants_pci(machine);
    machine->window =
        (struct gpa_range){place_memory64(machine).start, machine->options->window_size};
    return !machine->uses_pci || add_bridge(machine, error);
}

static bool add_mmio(struct machine *machine, unsigned index,
                     struct virtio_device *device, struct error *error)
{
    const struct vm *vm = &machine->vm;
    struct virtio_mmio *mmio = &machine->mmio[index];
    const struct bus_entry entry = {
        .name = device->name,
        .start = LAYOUT_VIRTIO_MMIO_BASE + index * (uint64_t)VIRTIO_MMIO_SIZE,
        .size = VIRTIO_MMIO_SIZE,
        .ops = &virtio_mmio_bus_ops,
        .device = mmio,
    };
    uint32_t irq = LAYOUT_VIRTIO_MMIO_IRQ + index;
    virtio_mmio_init(mmio, device);
    if (!bus_add(&machine->vm.mmio, entry, error) ||
        !kvm_irqfd(vm->fd, irq, device->interrupt_fd, error))
        return false;
    for (unsigned i = 0; i < device->queue_count; i++)
        if (!kvm_ioeventfd(vm->fd, entry.start + VIRTIO_MMIO_QUEUE_NOTIFY, 4, true, i,
                           device->kick_fds[i], error))
            return false;
    machine_announce(machine, BOOT_DEVICE_VIRTIO_MMIO, irq, entry.start, entry.size);
    return true;
}

struct irq_routes *machine_routes(struct machine *machine)
{
    return machine->vm.gic_version == 0 || machine->vm.has_its ? &machine->routes : NULL;
}

bool machine_add_virtio(struct machine *machine, struct virtio_device *device,
                        enum sandbox_role role, struct error *error)
{
    BUG_ON(machine->virtio_count == MACHINE_VIRTIO_MAX);
    unsigned index = machine->virtio_count++;
    device->sandbox = &machine->sandbox;
    device->sandbox_role = role;
    machine->virtio[index] = device;
    if (!machine->uses_pci)
        return add_mmio(machine, index, device, error);
    return virtio_pci_init(&machine->functions[index], &machine->bridge, index + 1,
                           device, machine_routes(machine), error);
}

static void console_output(void *context, const uint8_t *bytes, size_t count)
{
    struct machine *machine = context;
    for (size_t i = 0; i < count; i++)
        terminal_output(&machine->terminal, bytes[i]);
}

static bool add_disk(struct machine *machine, unsigned index, struct error *error)
{
    const struct options_disk *disk = &machine->options->disks[index];
    struct virtio_blk *blk = &machine->disks[index];
    bool (*init)(struct virtio_blk *, const char *, bool, const struct guest_memory *,
                 struct trace *, struct error *) =
        machine->update.takeover < 0 ? virtio_blk_init : virtio_blk_init_to_load;
    return init(blk, disk->path, disk->readonly, &machine->vm.memory, &machine->trace,
                error) &&
           machine_add_virtio(machine, &blk->virtio, SANDBOX_DEVICE, error);
}

static bool add_console(struct machine *machine, struct error *error)
{
    struct virtio_console *console = &machine->console;
    return virtio_console_init(console, console_output, machine, &machine->vm.memory,
                               &machine->trace, error) &&
           machine_add_virtio(machine, &console->virtio, SANDBOX_DEVICE, error);
}

static bool add_rng(struct machine *machine, struct error *error)
{
    struct virtio_rng *rng = &machine->rng;
    return virtio_rng_init(rng, &machine->vm.memory, &machine->trace, error) &&
           machine_add_virtio(machine, &rng->virtio, SANDBOX_DEVICE, error);
}

bool machine_add_devices(struct machine *machine, struct error *error)
{
    const struct options *options = machine->options;
    if (options_has_gpu(options) && !machine_add_gpu(machine, error))
        return false;
    for (unsigned i = 0; i < options->disk_count; i++)
        if (!add_disk(machine, i, error))
            return false;
    return (!options->virtio_console || add_console(machine, error)) &&
           (!options->rng || add_rng(machine, error)) &&
           (machine->update.takeover >= 0 || machine_add_vfio(machine, NULL, error));
}

bool machine_start_devices(struct machine *machine, struct error *error)
{
    const struct options *options = machine->options;
    for (unsigned i = 0; i < machine->virtio_count && machine->update.takeover >= 0; i++)
        virtio_device_begin_paused(machine->virtio[i]);
    if (options_has_gpu(options) && !gpu_start(&machine->gpu, error))
        return false;
    for (unsigned i = 0; i < options->disk_count; i++)
        if (!virtio_blk_start(&machine->disks[i], error))
            return false;
    return (!options->virtio_console || virtio_console_start(&machine->console, error)) &&
           (!options->rng || virtio_rng_start(&machine->rng, error));
}

void machine_finish_virtio(struct machine *machine)
{
    /* The threads of the devices first: they interrupt through the functions. */
    gpu_finish(&machine->gpu);
    for (unsigned i = 0; i < OPTIONS_DISKS_MAX; i++)
        virtio_blk_finish(&machine->disks[i]);
    virtio_console_finish(&machine->console);
    virtio_rng_finish(&machine->rng);
    for (unsigned i = 0; i < machine->virtio_count; i++)
        virtio_pci_finish(&machine->functions[i]);
    machine_finish_vfio(machine);
    pci_host_finish(&machine->bridge);
    irq_routes_finish(&machine->routes);
}
