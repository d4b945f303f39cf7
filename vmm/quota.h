/* SPDX-License-Identifier: MIT */
/*
 * Quotas: what one guest may have of the host, and how much of it it has.
 *
 *   quota_take()  now + amount <= limit:  now grows, the object's share grows
 *                 else:                   ERROR_GUEST_LIMIT; its text names the option
 *   quota_give()  now and share shrink
 *
 * A share says what one object holds, so that its end gives exactly that back. Counted is what
 * we know of: what a renderer's process allocates for the guest's own API calls is not seen
 * here (docs/lifetimes.md).
 *
 * The caller's lock protects all of it.
 */
#ifndef S2VMM_QUOTA_H
#define S2VMM_QUOTA_H

#include <stdint.h>
#include <stdio.h>

#include "vmm/error.h"

struct trace;

enum quota_kind {
    QUOTA_RESOURCES,
    QUOTA_CONTEXTS,
    QUOTA_HOST_MEMORY, /* bytes, that the host has only because of the guest's resources */
    QUOTA_WINDOW,      /* bytes, mapped */
    QUOTA_DESCRIPTORS, /* of files, in this process */
    QUOTA_MEMSLOTS,
    QUOTA_LENT, /* bytes of guest memory that are dma-bufs (docs/lent-memory.md) */
    QUOTA_KIND_COUNT
};

struct quota_limits {
    uint64_t of[QUOTA_KIND_COUNT]; /* 0: not said */
    uint64_t command_milliseconds; /* a command that takes longer is worth a warning */
};

struct quota_use {
    uint64_t now;
    uint64_t peak;
    uint64_t refused; /* times */
};

struct quota {
    struct quota_limits limits;
    struct quota_use use[QUOTA_KIND_COUNT];
    uint64_t commands;
    uint64_t slow_commands; /* beyond limits.command_milliseconds */
    uint64_t slowest;       /* microseconds */
    struct trace *trace;
};

/* What one object holds. */
struct quota_share {
    uint64_t of[QUOTA_KIND_COUNT];
};

/* What is sane on this host: `memslots` of KVM_CAP_NR_MEMSLOTS, half of the memory, and the
 * descriptors that RLIMIT_NOFILE leaves. */
void quota_defaults(struct quota_limits *limits, uint32_t memslots);

/* `asked` where it says something, `defaults` elsewhere. */
void quota_init(struct quota *quota, const struct quota_limits *asked,
                const struct quota_limits *defaults, struct trace *trace);

/* ERROR_GUEST_LIMIT; then nothing is taken. */
bool quota_take(struct quota *quota, struct quota_share *share, enum quota_kind kind,
                uint64_t amount, struct error *error);

/* Gives a part of the share back, or all of it. */
void quota_give(struct quota *quota, struct quota_share *share, enum quota_kind kind,
                uint64_t amount);
void quota_give_all(struct quota *quota, struct quota_share *share);

/* A command of this name ended after so many microseconds. */
void quota_command_took(struct quota *quota, const char *name, uint64_t microseconds);

/* The counters as one JSON object in a line: docs/lifetimes.md has the keys. */
void quota_write(const struct quota *quota, const char *device, FILE *out);

/* The word of --quota, and the key in the statistics: "resources". Never NULL. */
const char *quota_name(enum quota_kind kind);

/* Whether it is counted in bytes. */
bool quota_is_size(enum quota_kind kind);

#endif
