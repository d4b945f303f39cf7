/* SPDX-License-Identifier: MIT */
#include "tests/unit/suites.h"

Suite *(*const arch_suites[])(void) = {
    cpuid_suite, power_suite,        vm_x86_suite, platform_x86_suite,
    mtrr_suite,  vm_state_x86_suite, NULL,
};
