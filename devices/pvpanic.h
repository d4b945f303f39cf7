/* SPDX-License-Identifier: MIT */
/*
 * pvpanic: a kernel that panics says so (QEMU, docs/specs/pvpanic.rst; Linux,
 * drivers/misc/pvpanic/). One register of one byte: reading gives the events that are known,
 * writing reports them. ACPI describes it as QEMU0001. arm64 has none: Debian's kernels for it are
 * built without CONFIG_PVPANIC (6.1 to 7.3), so that nothing could try it.
 */
#ifndef S2VMM_DEVICES_PVPANIC_H
#define S2VMM_DEVICES_PVPANIC_H

#include "vmm/vm.h"

#define PVPANIC_PANICKED 0x1u
#define PVPANIC_CRASH_LOADED                                                             \
    0x2u /* panicked, and a crash kernel takes over: it goes on */

/* Puts it at LAYOUT_PVPANIC_BASE. A panic ends the run with VM_END_CRASH. ERROR_CONFIG_USAGE when
 * the place is taken. */
bool pvpanic_add(struct vm *vm, struct error *error);

#endif
