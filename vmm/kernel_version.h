/* SPDX-License-Identifier: MIT */
/* The version of the kernel that runs, for rules of KVM that nothing else tells. */
#ifndef S2VMM_KERNEL_VERSION_H
#define S2VMM_KERNEL_VERSION_H

#define KERNEL_VERSION_OF(major, minor) ((unsigned)(major) << 8 | (unsigned)(minor))

/* As KERNEL_VERSION_OF(); ~0u, newer than all, when uname() says something else. */
unsigned kernel_version(void);

#endif
