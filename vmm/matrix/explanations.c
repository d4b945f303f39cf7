/* SPDX-License-Identifier: MIT */
#include "vmm/matrix/explanations.h"

#include <stddef.h>

// clang-format off
#define UNKNOWABLE \
    "user space cannot see that pages have no reference of their own, and KVM before 6.13 fails at the first access to one " \
    "(virt/kvm/kvm_main.c, hva_to_pfn_remapped): such a buffer is accepted, and KVM_RUN ends with EFAULT"
const struct matrix_explanation matrix_explanations[] = {
    {"system heap", MATRIX_ANY, MATRIX_ANY, MATRIX_KERNEL(6, 13), MATRIX_ACCESS, "works", "EFAULT", false,
     "the heap allocates blocks of up to 1 MiB, all pages of which but the first have no reference of their own, and KVM before "
     "6.13 takes none for the guest then (virt/kvm/kvm_main.c, hva_to_pfn_remapped: kvm_try_get_pfn, get_page_unless_zero)"},
    {"system heap", MATRIX_ANY, MATRIX_ANY, MATRIX_KERNEL(6, 13), MATRIX_OUTCOME, "match", "EFAULT", false, UNKNOWABLE},
    {"dmabuf-lab:blocks", MATRIX_ANY, MATRIX_ANY, MATRIX_KERNEL(6, 13), MATRIX_OUTCOME, "match", "EFAULT", false, UNKNOWABLE},
    {"dmabuf-lab:blocks", MATRIX_ANY, MATRIX_ANY, MATRIX_KERNEL(6, 13), MATRIX_OUTCOME, "none matches", "EFAULT", false, UNKNOWABLE},
    {.text = NULL},
};
// clang-format on
