/* SPDX-License-Identifier: MIT */
#include "vmm/memslot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BITS_PER_WORD 64

void memslot_table_init(struct memslot_table *table, memslot_set_function *set,
                        void *context, uint32_t limit)
{
    *table = (struct memslot_table){.set = set, .context = context, .limit = limit};
    pthread_mutex_init(&table->lock, NULL);
}

/* The slot at a position in the order of addresses. */
static const struct memslot *at(const struct memslot_table *table, uint32_t position)
{
    return &table->slots[table->by_address[position]];
}

void memslot_table_finish(struct memslot_table *table)
{
    if (table->set == NULL)
        return;
    /* An error has no reader here, and closing the VM takes the slot away in any case. */
    struct error ignored;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct memslot *slot = at(table, i);
        table->set(table->context, slot->id, slot->range.start, 0, slot->host, &ignored);
    }
    free(table->slots);
    free(table->by_address);
    free(table->ids_used);
    pthread_mutex_destroy(&table->lock);
    *table = (struct memslot_table){0};
}

/* Position of the first slot that starts at or above the address; count if none does. */
static uint32_t lower_bound(const struct memslot_table *table, uint64_t address)
{
    uint32_t low = 0;
    uint32_t high = table->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (at(table, middle)->range.start.value < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The slot that shares a byte with the range: as slots do not overlap each other, it is
 * the one before `position` or the one at it. */
static const struct memslot *overlapping(const struct memslot_table *table,
                                         uint32_t position, struct gpa_range range)
{
    if (position > 0 && gpa_range_overlaps(at(table, position - 1)->range, range))
        return at(table, position - 1);
    if (position < table->count && gpa_range_overlaps(at(table, position)->range, range))
        return at(table, position);
    return NULL;
}

static bool check_alignment(const char *name, struct gpa_range range, const void *host,
                            struct error *error)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    if (!gpa_range_is_valid(range))
        return error_set(error, ERROR_CONFIG_USAGE,
                         "slot \"%s\" at GPA 0x%" PRIx64 ": size 0x%" PRIx64
                         " is 0 or goes beyond the address space",
                         name, range.start.value, range.size);
    if (!is_aligned(range.start.value | range.size | (uintptr_t)host, page))
        return error_set(
            error, ERROR_CONFIG_USAGE,
            "slot \"%s\": GPA 0x%" PRIx64 ", size 0x%" PRIx64
            " and host address %p must be multiples of the page size 0x%" PRIx64,
            name, range.start.value, range.size, host, page);
    return true;
}

/* Room for one more slot and its id. */
static bool grow(struct memslot_table *table, struct error *error)
{
    if (table->count < table->capacity)
        return true;
    uint32_t capacity = table->capacity == 0 ? BITS_PER_WORD : 2 * table->capacity;
    struct memslot *slots = realloc(table->slots, capacity * sizeof *slots);
    if (slots != NULL)
        table->slots = slots;
    uint32_t *by_address = realloc(table->by_address, capacity * sizeof *by_address);
    if (by_address != NULL)
        table->by_address = by_address;
    uint64_t *ids = realloc(table->ids_used, capacity / BITS_PER_WORD * sizeof *ids);
    if (ids != NULL)
        table->ids_used = ids;
    if (slots == NULL || by_address == NULL || ids == NULL)
        return error_set(error, ERROR_HOST_MEMORY, "no memory for a table of %u memslots",
                         capacity);
    memset(ids + table->capacity / BITS_PER_WORD, 0,
           (capacity - table->capacity) / BITS_PER_WORD * sizeof *ids);
    table->capacity = capacity;
    return true;
}

/* The lowest id that is free; there is one below capacity, as count < capacity. */
static uint32_t free_id(const struct memslot_table *table)
{
    uint32_t word = 0;
    while (table->ids_used[word] == UINT64_MAX)
        word++;
    return word * BITS_PER_WORD + (uint32_t)__builtin_ctzll(~table->ids_used[word]);
}

static bool add_locked(struct memslot_table *table, const char *name,
                       struct gpa_range range, void *host, uint32_t *id,
                       struct error *error)
{
    uint32_t position = lower_bound(table, range.start.value);
    const struct memslot *other = overlapping(table, position, range);
    if (other != NULL)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "slot \"%s\" [0x%" PRIx64 ", 0x%" PRIx64
                         ") overlaps slot %u \"%s\" "
                         "[0x%" PRIx64 ", 0x%" PRIx64 ")",
                         name, range.start.value, range.start.value + range.size,
                         other->id, other->name, other->range.start.value,
                         other->range.start.value + other->range.size);
    if (table->count >= table->limit)
        return error_set(error, ERROR_GUEST_LIMIT,
                         "slot \"%s\": all %u memslots that KVM has are in use", name,
                         table->limit);
    if (!grow(table, error))
        return false;

    uint32_t new_id = free_id(table);
    if (!table->set(table->context, new_id, range.start, range.size, host, error))
        return error_wrap(error, "slot \"%s\"", name);

    memmove(&table->by_address[position + 1], &table->by_address[position],
            (table->count - position) * sizeof *table->by_address);
    table->by_address[position] = new_id;
    struct memslot *slot = &table->slots[new_id];
    *slot = (struct memslot){.id = new_id, .range = range, .host = host};
    snprintf(slot->name, sizeof slot->name, "%s", name);
    table->ids_used[new_id / BITS_PER_WORD] |= (uint64_t)1 << new_id % BITS_PER_WORD;
    table->count++;
    *id = new_id;
    return true;
}

bool memslot_add(struct memslot_table *table, const char *name, gpa_t address,
                 uint64_t size, void *host, uint32_t *id, struct error *error)
{
    struct gpa_range range = {address, size};
    if (!check_alignment(name, range, host, error))
        return false;
    pthread_mutex_lock(&table->lock);
    bool added = add_locked(table, name, range, host, id, error);
    pthread_mutex_unlock(&table->lock);
    return added;
}

static bool is_used(const struct memslot_table *table, uint32_t id)
{
    return id < table->capacity &&
           (table->ids_used[id / BITS_PER_WORD] >> id % BITS_PER_WORD & 1) != 0;
}

static bool remove_locked(struct memslot_table *table, uint32_t id, struct error *error)
{
    if (!is_used(table, id))
        return error_set(error, ERROR_CONFIG_USAGE, "memslot %u does not exist", id);

    const struct memslot *slot = &table->slots[id];
    if (!table->set(table->context, id, slot->range.start, 0, slot->host, error))
        return error_wrap(error, "removing slot \"%s\"", slot->name);

    uint32_t position = lower_bound(table, slot->range.start.value);
    table->count--;
    memmove(&table->by_address[position], &table->by_address[position + 1],
            (table->count - position) * sizeof *table->by_address);
    table->ids_used[id / BITS_PER_WORD] &= ~((uint64_t)1 << id % BITS_PER_WORD);
    return true;
}

bool memslot_remove(struct memslot_table *table, uint32_t id, struct error *error)
{
    pthread_mutex_lock(&table->lock);
    bool removed = remove_locked(table, id, error);
    pthread_mutex_unlock(&table->lock);
    return removed;
}

bool memslot_find(struct memslot_table *table, gpa_t address, struct memslot *slot)
{
    pthread_mutex_lock(&table->lock);
    const struct memslot *found = overlapping(table, lower_bound(table, address.value),
                                              (struct gpa_range){address, 1});
    if (found != NULL)
        *slot = *found;
    pthread_mutex_unlock(&table->lock);
    return found != NULL;
}
