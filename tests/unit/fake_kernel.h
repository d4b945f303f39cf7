/* SPDX-License-Identifier: MIT */
/*
 * The kernel's part of a dma-buf, for tests on hosts that have none: this file's ioctl(),
 * fstatfs() and lseek() take the place of libc's in the test program, and of all that is
 * linked with it, libdrm included. What is not about a fake goes to the real kernel.
 *
 *   memfd named "dma-buf"        lives on the file system of dma-bufs
 *   memfd named "dma-buf-liar"   the same, and says that it is larger than it is
 *
 * The rest is set and counted in `fake_kernel`. Tests run in processes of their own, so that
 * nothing has to be put back, but with CK_FORK=no: a fixture that depends on it resets it.
 */
#ifndef S2VMM_TESTS_UNIT_FAKE_KERNEL_H
#define S2VMM_TESTS_UNIT_FAKE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

struct fake_kernel {
    /* DMA_BUF_INFO_VM_PROT on a fake dma-buf: 0 = answer info_value, or an errno. */
    int info_error;
    uint64_t info_value;
    /* Its further parameters, from DMA_BUF_INFO_SOURCE on; bit 0 of info_known is the first.
     * The others are EINVAL. */
    uint32_t info_known;
    uint64_t info_further[7];
    uint64_t syncs[16]; /* flags of the first DMA_BUF_IOCTL_SYNC on fake dma-bufs */
    unsigned sync_count;

    const char *drm_driver; /* any file is a DRM node of this driver; NULL: none is */
    bool drm_imports;       /* the driver can import the buffer at all */
    bool drm_owns;          /* the buffer is its own, so it has a map offset */
    unsigned drm_handles;   /* imported and not closed */
};

extern struct fake_kernel fake_kernel;

/* As at the start of the process. */
void fake_kernel_reset(void);

/* A fake dma-buf of `size` bytes. */
int fake_kernel_dma_buf(uint64_t size);

/* Descriptors that this process has open. */
unsigned fake_kernel_open_fds(void);

/* Mappings of this process whose name in /proc/self/maps contains `text`. */
unsigned fake_kernel_mappings(const char *text);

#endif
