/* SPDX-License-Identifier: MIT */
#include "tests/unit/suites.h"

Suite *(*const arch_suites[])(void) = {
    vm_arm64_suite,
    NULL,
};
