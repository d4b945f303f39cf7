/* SPDX-License-Identifier: MIT */
/* The exit device: the guest's verdict ends the VM. Registers in devices/exit_abi.h. */
#ifndef S2VMM_DEVICES_EXIT_H
#define S2VMM_DEVICES_EXIT_H

#include "devices/exit_abi.h"
#include "vmm/vm.h"

/* For bus_add(); the bus entry's device is the struct vm. */
extern const struct bus_ops exit_bus_ops;

#endif
