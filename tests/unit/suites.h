/* SPDX-License-Identifier: MIT */
#ifndef S2VMM_TESTS_UNIT_SUITES_H
#define S2VMM_TESTS_UNIT_SUITES_H

#include <check.h>

Suite *error_suite(void);
Suite *stop_signals_suite(void);
Suite *types_suite(void);
Suite *guest_memory_suite(void);
Suite *memslot_suite(void);
Suite *bus_suite(void);
Suite *kvm_suite(void);
Suite *elf_loader_suite(void);
Suite *serial_suite(void);
Suite *cpuid_suite(void);
Suite *vm_suite(void);
Suite *guest_streams_suite(void);
Suite *virtio_device_suite(void);
Suite *virtio_device_thread_suite(void);
Suite *virtio_mmio_suite(void);
Suite *virtqueue_suite(void);
Suite *virtqueue_hostile_suite(void);
Suite *memattr_suite(void);
Suite *platform_suite(void);
Suite *s2_observer_suite(void);
Suite *backing_suite(void);
Suite *cache_mode_suite(void);
Suite *hostmem_suite(void);
Suite *resource_suite(void);
Suite *fence_suite(void);
Suite *context_suite(void);
Suite *command_suite(void);
Suite *command_effects_suite(void);
Suite *blob_suite(void);
Suite *witness_suite(void);
Suite *record_suite(void);
Suite *json_suite(void);
Suite *options_suite(void);
Suite *touch_suite(void);
Suite *trace_suite(void);
Suite *gpu_device_suite(void);
Suite *gpu_fences_suite(void);

#endif
