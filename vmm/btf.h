/* SPDX-License-Identifier: MIT */
/*
 * Where the running kernel has a member of one of its structs, from its own type information
 * (BTF): /sys/kernel/btf/vmlinux.
 *
 *     +--------+----------------------------------------------------+-----------------+
 *     | header | types, numbered from 1: name, kind, size, and what | strings         |
 *     |        | this kind has: for a struct its members            | "\0kvm\0mm\0... |
 *     +--------+----------------------------------------------------+-----------------+
 *
 * The format is that of Documentation/bpf/btf.rst and include/uapi/linux/btf.h.
 */
#ifndef S2VMM_BTF_H
#define S2VMM_BTF_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"

#define BTF_PATH "/sys/kernel/btf/vmlinux"

struct btf_type;

struct btf {
    char *data; /* the file */
    size_t size;
    const char *strings; /* in it, up to its end */
    size_t strings_size;
    const struct btf_type **types; /* by number, minus 1 */
    size_t type_count;
};

/* Reads the file. ERROR_CONFIG_HOST when there is none or it is not what it should be;
 * ERROR_HOST_MEMORY. */
bool btf_open(struct btf *btf, const char *path, struct error *error);

/* A zeroed object is fine. */
void btf_close(struct btf *btf);

/* The offset in bytes of a member, also of one in an anonymous struct or union inside. False:
 * this kernel has no such struct or member. */
bool btf_offset(const struct btf *btf, const char *structure, const char *member,
                unsigned *offset);

#endif
