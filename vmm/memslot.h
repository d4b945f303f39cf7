/* SPDX-License-Identifier: MIT */
/*
 * Memslots: which host memory KVM puts behind which guest physical addresses.
 *
 * The table keeps what KVM was told, so that an overlap is found before the ioctl and its
 * message can name both ranges. It changes only after KVM said yes. KVM itself is behind
 * a function pointer, so that tests run without /dev/kvm. Every function takes the
 * table's lock; any thread may call.
 */
#ifndef S2VMM_MEMSLOT_H
#define S2VMM_MEMSLOT_H

#include <pthread.h>

#include "vmm/error.h"
#include "vmm/types.h"

/* size 0 removes the slot, as in KVM_SET_USER_MEMORY_REGION. */
typedef bool memslot_set_function(void *context, uint32_t id, gpa_t address,
                                  uint64_t size, void *host, struct error *error);

struct memslot {
    uint32_t id;
    struct gpa_range range;
    void *host;
    char name[24];
};

struct memslot_table {
    pthread_mutex_t lock;
    memslot_set_function *set;
    void *context;
    uint32_t limit;        /* KVM_CAP_NR_MEMSLOTS */
    uint32_t count;        /* slots in use */
    uint32_t capacity;     /* entries allocated, a multiple of 64 */
    struct memslot *slots; /* by id */
    uint32_t *by_address;  /* their ids, the first `count` of them, sorted by address */
    uint64_t *ids_used;    /* one bit for each id below capacity */
};

/* limit: how many slots KVM allows. */
void memslot_table_init(struct memslot_table *table, memslot_set_function *set,
                        void *context, uint32_t limit);

/* Removes every slot and frees the table; a zeroed object is fine. */
void memslot_table_finish(struct memslot_table *table);

/* Adds a slot: page-aligned address, size (bytes) and host address. On success *id is the
 * slot's number. Errors: ERROR_CONFIG_USAGE when it overlaps (both ranges are named) or
 * is not aligned, ERROR_GUEST_LIMIT when all slots are taken, ERROR_HOST_MEMORY,
 * ERROR_HOST_KVM. */
bool memslot_add(struct memslot_table *table, const char *name, gpa_t address,
                 uint64_t size, void *host, uint32_t *id, struct error *error);

/* Removes the slot with this number; when it returns, no vCPU can reach the memory.
 * Errors: ERROR_CONFIG_USAGE when there is none, ERROR_HOST_KVM. */
bool memslot_remove(struct memslot_table *table, uint32_t id, struct error *error);

/* Copies out the slot that holds this address; false when none does. For messages: it may
 * be gone when the caller looks at the copy. */
bool memslot_find(struct memslot_table *table, gpa_t address, struct memslot *slot);

#endif
