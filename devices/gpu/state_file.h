/* SPDX-License-Identifier: MIT */
/*
 * A file in a state: its descriptor, and its inode number.
 *
 * A state that is damaged may name another one of the descriptors that came with it; that file
 * may have the right kind and size, and would be mapped for the wrong blob. Each memfd and each
 * dma-buf has an inode of its own (drivers/dma-buf/dma-buf.c, dma_buf_getfile()).
 */
#ifndef S2VMM_GPU_STATE_FILE_H
#define S2VMM_GPU_STATE_FILE_H

#include "vmm/state.h"

/* The descriptor stays the caller's, see state_put_fd(); -1: none. */
void state_file_put(struct state_writer *writer, int fd);

/* The descriptor is the caller's. ERROR_CONFIG_FILE when it is another file than that which was
 * put, what state_get_fd() says, ERROR_HOST_SYSTEM. */
bool state_file_get(struct state_reader *reader, struct state_section *section, int *fd,
                    struct error *error);

#endif
