/* SPDX-License-Identifier: GPL-2.0-only */
/* The differences between the kernels that this module is built for: 6.1 to 7.3. */
#ifndef PTE_READER_COMPAT_H
#define PTE_READER_COMPAT_H

#include <linux/version.h>

/* x86: renamed in 6.16 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define rdmsrq(msr, value) rdmsrl(msr, value)
#endif

#endif
