/* SPDX-License-Identifier: MIT */
#ifndef S2VMM_TESTS_UNIT_SUITES_H
#define S2VMM_TESTS_UNIT_SUITES_H

#include <check.h>

/* What only this architecture has, from tests/unit/<arch>/; NULL ends it. */
extern Suite *(*const arch_suites[])(void);
Suite *cpuid_suite(void);
Suite *vm_x86_suite(void);
Suite *platform_x86_suite(void);
Suite *mtrr_suite(void);
Suite *vm_arm64_suite(void);

Suite *error_suite(void);
Suite *stop_signals_suite(void);
Suite *types_suite(void);
Suite *guest_memory_suite(void);
Suite *memslot_suite(void);
Suite *bus_suite(void);
Suite *kvm_suite(void);
Suite *elf_loader_suite(void);
Suite *serial_suite(void);
Suite *pl011_suite(void);
Suite *pl031_suite(void);
Suite *image_loader_suite(void);
Suite *device_tree_suite(void);
Suite *vm_suite(void);
Suite *fault_retry_suite(void);
Suite *guest_streams_suite(void);
Suite *virtio_device_suite(void);
Suite *virtio_device_thread_suite(void);
Suite *virtio_mmio_suite(void);
Suite *virtqueue_suite(void);
Suite *virtqueue_hostile_suite(void);
Suite *memattr_suite(void);
Suite *memattr_names_suite(void);
Suite *memattr_arm64_suite(void);
Suite *memattr_arm64_advice_suite(void);
Suite *platform_names_suite(void);
Suite *matrix_suite(void);
Suite *matrix_decision_suite(void);
Suite *matrix_print_suite(void);
Suite *matrix_target_suite(void);
Suite *platform_suite(void);
Suite *arm64_host_suite(void);
Suite *preflight_suite(void);
Suite *btf_suite(void);
Suite *page_walk_suite(void);
Suite *tracefs_suite(void);
Suite *s2_observer_suite(void);
Suite *s2_observer_arm64_suite(void);
Suite *backing_suite(void);
Suite *cache_mode_suite(void);
Suite *dmabuf_report_suite(void);
Suite *kernel_info_suite(void);
Suite *bandwidth_suite(void);
Suite *driver_query_suite(void);
Suite *hostmem_suite(void);
Suite *placement_suite(void);
Suite *guest_pages_suite(void);
Suite *picture_suite(void);
Suite *resource_suite(void);
Suite *fence_suite(void);
Suite *context_suite(void);
Suite *command_suite(void);
Suite *command_effects_suite(void);
Suite *decision_suite(void);
Suite *blob_suite(void);
Suite *witness_suite(void);
Suite *record_suite(void);
Suite *json_suite(void);
Suite *options_suite(void);
Suite *experiments_suite(void);
Suite *shadow_suite(void);
Suite *lost_suite(void);
Suite *renderer_exporter_suite(void);
Suite *touch_suite(void);
Suite *trace_suite(void);
Suite *gpu_device_suite(void);
Suite *gpu_fences_suite(void);

#endif
