/* SPDX-License-Identifier: MIT */
/* Runs the unit tests: one Check suite for each module, listed here. */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/suites.h"

/* What did not pass of all that the runner has, as an exit status. */
static int run(SRunner *runner)
{
    srunner_run_all(runner, CK_ENV);
    int status = srunner_ntests_failed(runner) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    srunner_free(runner);
    return status;
}

/* Whose tests end the process, or find what an earlier one has left. */
static bool needs_forks(Suite *(*suite)(void))
{
    static Suite *(*const those[])(void) = {
        guest_memory_suite,   virtio_blk_suite, disk_image_suite, pci_suite,
        dmabuf_report_suite,  hostmem_suite,    resource_suite,   options_suite,
        renderer_virgl_suite, shadow_suite,     lost_suite,       sandbox_suite,
        sandbox_roles_suite,  peer_bugs_suite,  restart_suite,    render_server_suite,
    };
    for (size_t i = 0; i < sizeof those / sizeof those[0]; i++)
        if (those[i] == suite)
            return true;
    for (size_t i = 0; arch_suites[i]; i++)
        if (arch_suites[i] == suite)
            return true;
    return false;
}

/* A process for each suite: Check forks for each test, and the leak sanitizer looks through all
 * that the copy has, of which there is more after each test. In one process for all, the
 * sanitized tests take five times as long. With CK_FORK=no a process for each test is made only
 * where there must be one: for an emulated machine. */
static int run_alone(Suite *(*suite)(void))
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        SRunner *runner = srunner_create(suite());
        if (needs_forks(suite))
            srunner_set_fork_status(runner, CK_FORK);
        exit(run(runner));
    }
    int status;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status)
               ? WEXITSTATUS(status)
               : EXIT_FAILURE;
}

int main(void)
{
    static Suite *(*const suites[])(void) = {
        error_suite,
        stop_signals_suite,
        types_suite,
        guest_memory_suite,
        guest_memfd_suite,
        memslot_suite,
        bus_suite,
        kvm_suite,
        elf_loader_suite,
        serial_suite,
        pl011_suite,
        pl031_suite,
        terminal_suite,
        terminal_state_suite,
        virtio_rng_suite,
        virtio_console_suite,
        virtio_blk_suite,
        virtio_blk_refusals_suite,
        disk_image_suite,
        image_loader_suite,
        initrd_suite,
        acpi_suite,
        bzimage_loader_suite,
        unpack_suite,
        update_suite,
        device_tree_suite,
        vm_suite,
        state_suite,
        vm_state_suite,
        fault_retry_suite,
        sandbox_suite,
        sandbox_roles_suite,
        guest_streams_suite,
        virtqueue_suite,
        virtqueue_hostile_suite,
        virtio_device_suite,
        virtio_device_thread_suite,
        virtio_mmio_suite,
        pci_suite,
        pci_host_suite,
        virtio_pci_suite,
        virtio_state_suite,
        pci_state_suite,
        irq_routes_suite,
        device_states_suite,
        vfio_interrupts_suite,
        vfio_container_suite,
        vfio_pci_suite,
        vfio_state_suite,
        vfio_damage_suite,
        vfio_update_suite,
        vfio_kernel_suite,
        gpu_window_suite,
        gpu_state_suite,
        gpu_state_refusals_suite,
        gpu_state_damage_suite,
        pci_msix_suite,
        memattr_suite,
        memattr_names_suite,
        memattr_arm64_suite,
        memattr_arm64_advice_suite,
        platform_names_suite,
        matrix_suite,
        matrix_decision_suite,
        matrix_print_suite,
        matrix_target_suite,
        platform_suite,
        arm64_host_suite,
        preflight_suite,
        btf_suite,
        page_walk_suite,
        tracefs_suite,
        s2_observer_suite,
        s2_observer_arm64_suite,
        backing_suite,
        cache_mode_suite,
        dmabuf_report_suite,
        kernel_info_suite,
        vma_info_suite,
        bandwidth_suite,
        driver_query_suite,
        hostmem_suite,
        hostmem_window_suite,
        placement_suite,
        guest_pages_suite,
        picture_suite,
        edid_suite,
        picture_png_suite,
        command_2d_suite,
        scanout_suite,
        resource_suite,
        quota_suite,
        lifetime_suite,
        fence_suite,
        context_suite,
        command_suite,
        command_effects_suite,
        decision_suite,
        blob_suite,
        bounce_suite,
        witness_suite,
        witness_target_suite,
        record_suite,
        json_suite,
        options_suite,
        output_suite,
        experiments_suite,
        shadow_suite,
        lost_suite,
        renderer_exporter_suite,
        renderer_virgl_suite,
        render_server_suite,
        renderer_remote_suite,
        renderer_remote_lies_suite,
        renderer_remote_state_suite,
        restart_suite,
        renderer_fences_suite,
        gpu_3d_suite,
        touch_suite,
        trace_suite,
        gpu_device_suite,
        gpu_fences_suite,
        lent_suite,
        lent_users_suite,
        gpu_normative_suite,
        peer_bugs_suite,
    };

    size_t count = sizeof suites / sizeof suites[0];
    if (getenv("CK_RUN_SUITE")) {
        SRunner *runner = srunner_create(NULL);
        for (size_t i = 0; i < count; i++)
            srunner_add_suite(runner, suites[i]());
        for (size_t i = 0; arch_suites[i]; i++)
            srunner_add_suite(runner, arch_suites[i]());
        return run(runner);
    }
    int status = EXIT_SUCCESS;
    for (size_t i = 0; i < count; i++)
        status |= run_alone(suites[i]);
    for (size_t i = 0; arch_suites[i]; i++)
        status |= run_alone(arch_suites[i]);
    return status;
}
