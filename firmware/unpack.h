/* SPDX-License-Identifier: MIT */
/*
 * Unpacks what gzip (RFC 1952) or zstd (RFC 8878) has packed: a part of a file into a memfd.
 *
 * The file is not trusted. What comes out has a limit, and with it the time has one: both
 * formats are read once, and each step either reads or writes.
 */
#ifndef S2VMM_FIRMWARE_UNPACK_H
#define S2VMM_FIRMWARE_UNPACK_H

#include "vmm/error.h"
#include "vmm/types.h"

/* Unpacks [offset, offset + length) of the file, which has these bytes; what follows the first
 * stream is ignored. *unpacked is a new descriptor, which the caller closes. ERROR_CONFIG_FILE,
 * without a name in front: neither format, broken, cut off, or more than `limit` bytes when
 * unpacked; ERROR_HOST_MEMORY. */
bool unpack(int fd, uint64_t offset, uint64_t length, uint64_t limit, int *unpacked,
            struct error *error);

#endif
