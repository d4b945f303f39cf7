/* SPDX-License-Identifier: MIT */
/*
 * Reading a file that goes into guest memory. With pread() and never a mapping: a mapping of a
 * file that somebody cuts off meanwhile would be a SIGBUS for us.
 */
#ifndef S2VMM_FIRMWARE_FILE_H
#define S2VMM_FIRMWARE_FILE_H

#include "vmm/error.h"
#include "vmm/types.h"

/* Opens a file for reading: a descriptor, or -1. ERROR_CONFIG_FILE, beginning with the path. */
int file_open(const char *path, struct error *error);

/* Size in bytes. ERROR_CONFIG_FILE if it is not a regular file; like that of file_read(), the
 * text has no path in front. */
bool file_size(int fd, uint64_t *size, struct error *error);

/* Reads exactly `length` bytes; the caller has checked them against the size, so that a short
 * read means that the file shrinks under us. ERROR_CONFIG_FILE. */
bool file_read(int fd, uint64_t offset, void *buffer, uint64_t length,
               struct error *error);

#endif
