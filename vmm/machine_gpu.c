/* SPDX-License-Identifier: MIT */
/* The GPU of the machine, and who looks over its shoulder: records, observer, witness. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "devices/gpu/lost.h"
#include "devices/gpu/witness_abi.h"
#include "vmm/layout.h"
#include "vmm/machine_parts.h"

static bool open_records(struct machine *machine, struct error *error)
{
    const struct options *options = machine->options;
    struct recorder *recorder = &machine->recorder;
    recorder->platform = &machine->gpu.config.platform;
    recorder->trace = &machine->trace;
    recorder->observer = options->observe_s2 ? &machine->observer : NULL;
    if (!output_open(&machine->record_output, STDOUT_FILENO, OUTPUT_PATIENCE,
                     &machine->vm.stopping, error))
        return false;
    recorder->text = options->json ? NULL : machine->record_output.stream;
    recorder->json = options->json ? machine->record_output.stream : NULL;
    if (!options->records)
        return true;
    if (!(machine->update.takeover >= 0 ? output_append : output_create)(
            &machine->record_file_output, options->records, OUTPUT_PATIENCE,
            &machine->vm.stopping, error))
        return error_wrap(error, "--records");
    recorder->json_file = machine->record_file_output.stream;
    return true;
}

void machine_close_records(struct machine *machine)
{
    output_close(&machine->record_output, "records");
    output_close(&machine->record_file_output, machine->options->records);
}

static bool honour_guest_pat(void *context, struct error *error)
{
    return vm_honour_guest_pat(context, error);
}

static bool guest_mtrr_is_wb(void *context, struct gpa_range range)
{
    return vm_guest_mtrr_is_wb(context, range);
}

void machine_report(struct machine *machine)
{
    struct error error;
    if (options_has_gpu(machine->options))
        gpu_write_statistics(&machine->gpu);
    if (machine->options->screenshot && !gpu_screenshot(&machine->gpu, &error))
        fprintf(stderr, "s2vmm: %s\n", error.text);
}

/* Buffers of OpenGL, and memory of Vulkan drivers that export no dma-buf, as software drivers do
 * without udmabuf: the renderer maps them itself (BACKING_POINTER), unless it is another
 * process. */
static bool may_be_pointers(const struct options *options)
{
    return !options->renderer_process &&
           (options->virgl ||
            (options->venus && access("/dev/udmabuf", R_OK | W_OK) != 0));
}

/* Only a slot can map what the renderer has mapped. */
static enum hostmem_strategy map_strategy(const struct options *options)
{
    return options->map_strategy == OPTIONS_MAP_SLOT ||
                   (options->map_strategy == OPTIONS_MAP_AUTO && may_be_pointers(options))
               ? HOSTMEM_SLOT
               : HOSTMEM_WINDOW;
}

/* All or nothing: the sizes are those of the command line, which were checked. */
static void resize_displays(struct machine *machine)
{
    const struct options *options = machine->options;
    struct error error;
    bool any = false;
    machine->display_turn++;
    for (unsigned i = 0; i < options->display_count; i++) {
        const struct options_display *display = &options->displays[i];
        const struct options_size *size =
            &display->sizes[machine->display_turn % display->size_count];
        if (display->size_count == 1)
            continue;
        BUG_ON(!gpu_display_resize(&machine->gpu, i, size->width, size->height, &error));
        any = true;
    }
    if (!any)
        fprintf(stderr,
                "s2vmm: SIGUSR2: no display has another size; --display "
                "1024x768/800x600 has one\n");
}

void machine_take_user_signal(void *context, int number)
{
    if (number == SIGUSR1)
        machine_report(context);
    else
        resize_displays(context);
}

/* Who loads drivers into this process while the guest runs: OpenGL; libgbm, with the first buffer;
 * libvirglrenderer, which maps memory of Vulkan by a driver of its own. */
static enum sandbox_role role_of(const struct options *options)
{
    bool has_gbm = options->blobs_from && strncmp(options->blobs_from, "gbm", 3) == 0;
    return may_be_pointers(options) || has_gbm            ? SANDBOX_GPU_VIRGL
           : options->venus && !options->renderer_process ? SANDBOX_GPU_VENUS
                                                          : SANDBOX_GPU;
}

bool machine_add_gpu(struct machine *machine, struct error *error)
{
    const struct options *options = machine->options;
    struct vm *vm = &machine->vm;
    struct gpu_config config = {
        .display_count = options->display_count,
        .screenshot = options->screenshot,
        .virgl = options->virgl,
        .venus = options->venus,
        .server = &machine->server,
        .remote = options->renderer_process ? &machine->remote : NULL,
        .drm_node = options->drm_node,
        .window = machine->window,
        .map_strategy = map_strategy(options),
        .quota = options->quota,
        .lent_milliseconds = 1000 * options->lent_timeout,
        .lent_overdue = options->fail_overdue ? LENT_OVERDUE_FAIL : LENT_OVERDUE_WAIT,
        .platform = machine->platform.memattr,
        .pfnmap_block_hazard = machine->platform.pfnmap_block_hazard,
        .permissive = options->permissive,
        .copy_unsynced = options->copy_unsynced,
        .follow_changes = options->follow_changes,
        .prefault_shm = options->prefault_shm,
        .blobs_from = options->blobs_from,
        .honour_guest_pat = machine->platform.memattr.ignores_guest_pat &&
                                    machine->platform.guest_pat_liftable &&
                                    options->guest_pat == OPTIONS_GUEST_PAT_AUTO
                                ? honour_guest_pat
                                : NULL,
        .honour_guest_pat_context = vm,
        .guest_mtrr_is_wb = guest_mtrr_is_wb,
        .guest_mtrr_is_wb_context = vm,
        .force_map_info = options->force_map_info,
        .forced_map_info = options->forced_map_info,
    };
    const struct bus_entry witness = {
        .name = "witness",
        .start = LAYOUT_WITNESS_BASE,
        .size = WITNESS_DEVICE_SIZE,
        .ops = &witness_bus_ops,
        .device = &machine->witness,
    };
    for (unsigned i = 0; i < options->display_count; i++)
        config.displays[i] = (struct gpu_display){options->displays[i].sizes[0].width,
                                                  options->displays[i].sizes[0].height};
    if (!vm_check_range(vm, "the window of the GPU", config.window, error) ||
        !open_records(machine, error))
        return false;
    if (machine->recorder.observer)
        s2_observer_init(&machine->observer, NULL, machine->platform.memattr.model,
                         machine->uses_pci ? machine->pci.memory64 : config.window);
    if (machine->observer.reason[0])
        trace_detail(&machine->trace, "s2", "%s", machine->observer.reason);
    if (!gpu_init(&machine->gpu, &config, &vm->memory, &vm->memslots, &machine->recorder,
                  &machine->trace, error) ||
        (machine->update.takeover >= 0 && !gpu_make_renderer(&machine->gpu, error)))
        return false;
    machine->witness = (struct witness){
        .ops = &witness_gpu_ops,
        .context = &machine->gpu,
        .model = config.platform.model,
        .memory = &vm->memory,
        .trace = &machine->trace,
    };

    if (!machine_add_virtio(machine, &machine->gpu.virtio, role_of(options), error) ||
        !bus_add(&vm->mmio, witness, error))
        return false;
    machine_announce(machine, BOOT_DEVICE_WITNESS, 0, witness.start, witness.size);
    vm->page_lost = gpu_page_lost;
    vm->page_lost_context = &machine->gpu;
    return true;
}
