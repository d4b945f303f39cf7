/* SPDX-License-Identifier: MIT */
/*
 * x86: leaves as the kernel's trace events tell them, in a table; the host's memory type as
 * the kernel has it on record for each page of RAM.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "vmm/s2_observer.h"
#include "vmm/s2_trace.h"

#define PAGE_SHIFT 12

/* Per CPU; an event has about 60 bytes, so that a blob of 128 MiB fits twice. */
#define BUFFER_KIB "4096"

static bool init(struct s2_observer *observer, struct error *error)
{
    /* Now: later no thread may open it (vmm/sandbox.h). */
    observer->page_flags_fd = open(observer->paths.page_flags, O_RDONLY | O_CLOEXEC);
    return s2_leaf_table_init(&observer->table) ||
           error_set(error, ERROR_HOST_MEMORY, "no memory for the table of leaves");
}

static void finish(struct s2_observer *observer)
{
    s2_leaf_table_finish(&observer->table);
    if (observer->page_flags_fd >= 0)
        close(observer->page_flags_fd);
}

/* A leaf of 1 GiB that covers the range may begin below it. */
static bool start(struct s2_observer *observer, struct gpa_range range,
                  struct error *error)
{
    uint64_t first = s2_leaf_base(range.start.value >> PAGE_SHIFT, S2_LEVELS);
    uint64_t end = (range.start.value + range.size) >> PAGE_SHIFT;
    char filter[96];
    snprintf(filter, sizeof filter, "gfn >= %" PRIu64 " && gfn < %" PRIu64, first, end);
    tracefs_set_buffer(&observer->tracefs, BUFFER_KIB);
    for (size_t i = 0; i < S2_TRACE_EVENTS_MAX; i++) {
        if (!tracefs_enable(&observer->tracefs, s2_trace_events[i], filter, error) &&
            i == 0)
            return false;
    }
    return true;
}

/* A new filter is slow (it waits for RCU): the old one does where it has the range. */
static bool restart(struct s2_observer *observer, struct gpa_range range,
                    struct error *error)
{
    const struct gpa_range *old = &observer->range;
    const struct s2_event everything = {.kind = S2_EVENT_LOST};
    s2_leaf_table_apply(&observer->table, &everything);
    observer->lost = 0;
    bool covered = range.start.value >= old->start.value &&
                   range.start.value + range.size <= old->start.value + old->size;
    return covered || start(observer, range, error);
}

static void take_in(struct s2_observer *observer, const char *line)
{
    struct s2_event event = s2_trace_parse(line);
    s2_leaf_table_apply(&observer->table, &event);
    if (event.kind != S2_EVENT_LOST)
        return;
    observer->lost += event.lost;
    snprintf(observer->reason, sizeof observer->reason,
             "the kernel dropped %" PRIu64 " trace events: leaves set before are unknown",
             observer->lost);
}

static bool find(struct s2_observer *observer, gpa_t address, struct s2_leaf *leaf)
{
    uint64_t gfn = address.value >> PAGE_SHIFT;
    const struct s2_leaf_slot *slot = s2_leaf_table_find(&observer->table, gfn);
    if (!slot)
        return false;
    *leaf = (struct s2_leaf){
        .raw = slot->raw,
        .level = slot->level,
        .hpa =
            s2_trace_address(slot->raw, slot->level) + ((gfn - slot->gfn) << PAGE_SHIFT),
        .attributes = s2_trace_attributes(observer->model, slot->raw, slot->level),
    };
    return true;
}

static void forget(struct s2_observer *observer, struct gpa_range range)
{
    s2_leaf_table_forget(&observer->table, range.start.value >> PAGE_SHIFT,
                         range.size >> PAGE_SHIFT);
}

static bool host_type(struct s2_observer *observer, const void *host, uint64_t hpa,
                      enum memattr_type *type)
{
    (void)host;
    uint64_t flags = 0;
    off_t offset = (off_t)((hpa >> PAGE_SHIFT) * sizeof flags);
    return pread(observer->page_flags_fd, &flags, sizeof flags, offset) ==
               (ssize_t)sizeof flags &&
           s2_trace_host_type(flags, type);
}

const struct s2_observer_ops s2_observer_x86 = {
    .init = init,
    .finish = finish,
    .start = start,
    .restart = restart,
    .take_in = take_in,
    .find = find,
    .forget = forget,
    .host_type = host_type,
};
