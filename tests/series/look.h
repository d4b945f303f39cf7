/* SPDX-License-Identifier: MIT */
/* Everything that is known about one dma-buf, from whoever answers DMA_BUF_IOCTL_INFO now. */
#ifndef TESTS_SERIES_LOOK_H
#define TESTS_SERIES_LOOK_H

#include <stdbool.h>
#include <stdint.h>

/* One answer: 0 and a value, or an errno. */
struct answer {
    int error;
    uint64_t value;
};

struct look {
    struct answer vm_prot, cpu_access, stability;
    struct answer source, host_type; /* only the module dmabuf-info knows these */
};

struct look look_at(int fd);

/* The ioctl itself: 0 or the errno. read_only: with an argument in memory that cannot be written. */
struct dma_buf_info;
int look_ioctl(int fd, struct dma_buf_info *info);
int look_ioctl_read_only(int fd, uint32_t param);

/* Maps the whole buffer, and unmaps it: 0 or the errno. is_pfnmap: what smaps' VmFlags say. */
int look_map(int fd, bool *is_pfnmap);

/* "CACHED", "WC", "UNCACHED", or the errno's name. */
const char *look_prot(struct answer answer);
/* Of the page table's entry: "WB", "WC" ("NC" on arm64), "UC", "Device", or the errno's name. */
const char *look_type(struct answer answer);
/* "no", "yes" for 0, 1, or the errno's name. */
const char *look_bool(struct answer answer);

/* The parameter of a module; false: it cannot be written. */
bool look_set(const char *module, const char *parameter, const char *value);

#endif
