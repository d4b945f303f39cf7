/* SPDX-License-Identifier: MIT */
/* The devices of the machine in a live update: stopped, saved, loaded. The VM has stopped before. */
#include "devices/gpu/gpu_state.h"
#include "vmm/layout.h"
#include "vmm/machine_parts.h"

/* --- pause --- */

static bool connect_pin(const struct machine *machine, uint32_t irq, int fd, bool on,
                        struct error *error)
{
    return kvm_irqfd_connect(machine->vm.fd, irq, fd, -1, on, error);
}

static bool connect_serial(const struct machine *machine, bool on, struct error *error)
{
    int fd =
        LAYOUT_SERIAL_PL011 ? machine->pl011.interrupt_fd : machine->serial.interrupt_fd;
    return connect_pin(machine, LAYOUT_SERIAL_IRQ, fd, on, error);
}

static bool connect_mmio(const struct machine *machine, unsigned index, bool on,
                         struct error *error)
{
    return connect_pin(machine, LAYOUT_VIRTIO_MMIO_IRQ + index,
                       machine->virtio[index]->interrupt_fd, on, error);
}

/* The first `count` of those that have a pin of their own: the serial port, then virtio-mmio. */
static bool connect_all(const struct machine *machine, unsigned count,
                        struct error *error)
{
    struct error other;
    bool good = count == 0 || connect_serial(machine, true, error);
    for (unsigned i = 1; i < count; i++)
        good = connect_mmio(machine, i - 1, true, good ? error : &other) && good;
    return good;
}

/* What was written to an eventfd before, KVM has taken then; what is written later stays in it. */
static bool disconnect_all(struct machine *machine, struct error *error)
{
    unsigned count = machine->uses_pci ? 1 : 1 + machine->virtio_count;
    struct error ignored;
    bool good = connect_serial(machine, false, error);
    unsigned done = good ? 1 : 0;
    while (good && done < count) {
        good = connect_mmio(machine, done - 1, false, error);
        done += good ? 1 : 0;
    }
    good = good && (!machine->uses_pci || irq_routes_pause(&machine->routes, error));
    if (!good)
        (void)connect_all(machine, done, &ignored);
    return good;
}

static void resume_virtio(struct machine *machine, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        virtio_device_resume(machine->virtio[i]);
}

void machine_resume_threads(struct machine *machine)
{
    resume_virtio(machine, machine->virtio_count);
    terminal_resume(&machine->terminal);
}

static bool pause_threads(struct machine *machine, unsigned milliseconds,
                          struct error *error)
{
    if (!terminal_pause(&machine->terminal, milliseconds, error))
        return false;
    for (unsigned i = 0; i < machine->virtio_count; i++) {
        if (!virtio_device_pause(machine->virtio[i], milliseconds, error)) {
            resume_virtio(machine, i);
            terminal_resume(&machine->terminal);
            return false;
        }
    }
    return true;
}

/* They have buffers, which the new one does not see. */
static void flush_outputs(struct machine *machine)
{
    const struct output *outputs[] = {&machine->console_output, &machine->record_output,
                                      &machine->record_file_output};
    for (size_t i = 0; i < ARRAY_SIZE(outputs); i++)
        if (outputs[i]->stream)
            fflush(outputs[i]->stream);
}

bool machine_pause(struct machine *machine, unsigned milliseconds, struct error *error)
{
    if (!pause_threads(machine, milliseconds, error))
        return false;
    flush_outputs(machine);
    if (disconnect_all(machine, error)) {
        struct error ignored;
        if (machine_pause_vfio(machine, error))
            return true;
        (void)machine_resume(machine, &ignored);
        return false;
    }
    machine_resume_threads(machine);
    return false;
}

bool machine_resume(struct machine *machine, struct error *error)
{
    struct error other;
    bool good =
        connect_all(machine, machine->uses_pci ? 1 : 1 + machine->virtio_count, error);
    if (machine->uses_pci)
        good = irq_routes_resume(&machine->routes, good ? error : &other) && good;
    good = machine_take_back_vfio(machine, good ? error : &other) && good;
    machine_resume_threads(machine);
    return good;
}

/* --- state --- */

/* What the command line made: both sides have the same, but may read it differently. */
struct shape {
    uint32_t uses_pci;
    uint32_t virtio_count;
    uint32_t vfio_count;
    uint32_t virtio_console;
    uint64_t window_start;
    uint64_t window_size;
};

static struct shape shape_of(const struct machine *machine)
{
    return (struct shape){
        .uses_pci = machine->uses_pci,
        .virtio_count = machine->virtio_count,
        .vfio_count = machine->options->vfio_count,
        .virtio_console = machine->options->virtio_console,
        .window_start = machine->window.start.value,
        .window_size = machine->window.size,
    };
}

static void save_shape(const struct machine *machine, struct state_writer *writer)
{
    struct shape shape = shape_of(machine);
    state_begin(writer, "MACH", 0, 1);
    state_put32(writer, shape.uses_pci);
    state_put32(writer, shape.virtio_count);
    state_put32(writer, shape.vfio_count);
    state_put32(writer, shape.virtio_console);
    state_put64(writer, shape.window_start);
    state_put64(writer, shape.window_size);
    state_end(writer);
}

static bool check_shape(const struct machine *machine, struct state_reader *reader,
                        struct error *error)
{
    struct shape ours = shape_of(machine);
    struct state_section *section;
    if (!state_open(reader, "MACH", 0, 1, &section, error))
        return false;
    bool same = state_get32(section) == ours.uses_pci;
    same = state_get32(section) == ours.virtio_count && same;
    same = state_get32(section) == ours.vfio_count && same;
    same = state_get32(section) == ours.virtio_console && same;
    same = state_get64(section) == ours.window_start && same;
    same = state_get64(section) == ours.window_size && same;
    if (!same && !section->too_short)
        return state_refuse(section, error,
                            "other devices than the new s2vmm makes of the same command "
                            "line");
    return state_close(section, error);
}

static void save_serial(const struct machine *machine, struct state_writer *writer)
{
    if (LAYOUT_SERIAL_PL011)
        pl011_save(&machine->pl011, writer, 0);
    else
        serial_save(&machine->serial, writer, 0);
    if (LAYOUT_RTC_SIZE > 0)
        pl031_save(&machine->rtc, writer, 0);
}

static bool load_serial(struct machine *machine, struct state_reader *reader,
                        struct error *error)
{
    return (LAYOUT_SERIAL_PL011 ? pl011_load(&machine->pl011, reader, 0, error)
                                : serial_load(&machine->serial, reader, 0, error)) &&
           (LAYOUT_RTC_SIZE == 0 || pl031_load(&machine->rtc, reader, 0, error));
}

bool machine_save(struct machine *machine, struct state_writer *writer,
                  struct error *error)
{
    const struct options *options = machine->options;
    save_shape(machine, writer);
    machine_save_vfio(machine, writer);
    terminal_save(&machine->terminal, writer);
    save_serial(machine, writer);
    if (machine->uses_pci) {
        irq_routes_save(&machine->routes, writer);
        pci_host_save(&machine->bridge, writer);
    }
    for (unsigned i = 0; i < machine->virtio_count; i++) {
        virtio_device_save(machine->virtio[i], writer, i);
        if (machine->uses_pci)
            virtio_pci_save(&machine->functions[i], writer, i);
        else
            virtio_mmio_save(&machine->mmio[i], writer, i);
    }
    for (unsigned i = 0; i < options->disk_count; i++)
        virtio_blk_save(&machine->disks[i], writer, i);
    if (options->virtio_console)
        virtio_console_save(&machine->console, writer, 0);
    return !options_has_gpu(options) || gpu_save(&machine->gpu, writer, error);
}

static bool load_virtio(struct machine *machine, unsigned index,
                        struct state_reader *reader, struct error *error)
{
    return virtio_device_load(machine->virtio[index], reader, index, error) &&
           (machine->uses_pci
                ? virtio_pci_load(&machine->functions[index], reader, index, error)
                : virtio_mmio_load(&machine->mmio[index], reader, index, error));
}

/* Functions of VFIO are on the bus before the bus is loaded, which then moves their BARs. */
static bool load_bus(struct machine *machine, struct state_reader *reader,
                     struct error *error)
{
    return machine_add_vfio(machine, reader, error) &&
           (!machine->uses_pci || (irq_routes_load(&machine->routes, reader, error) &&
                                   pci_host_load(&machine->bridge, reader, error)));
}

bool machine_load(struct machine *machine, struct state_reader *reader,
                  struct error *error)
{
    const struct options *options = machine->options;
    if (!check_shape(machine, reader, error) ||
        !terminal_load(&machine->terminal, reader, error) ||
        !load_serial(machine, reader, error) || !load_bus(machine, reader, error))
        return false;
    for (unsigned i = 0; i < machine->virtio_count; i++)
        if (!load_virtio(machine, i, reader, error))
            return false;
    for (unsigned i = 0; i < options->disk_count; i++)
        if (!virtio_blk_load(&machine->disks[i], reader, i, error))
            return false;
    return (!options->virtio_console ||
            virtio_console_load(&machine->console, reader, 0, error)) &&
           (!options_has_gpu(options) || gpu_load(&machine->gpu, reader, error));
}
