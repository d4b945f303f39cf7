/* SPDX-License-Identifier: MIT */
#include "devices/gpu/lost.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vmm/touch.h"
#include "vmm/vm.h"

bool drop_mapping(struct gpu *gpu, struct resource *resource, const char *reason)
{
    const struct hostmem_mapping mapping = resource->mapping;
    enum resource_state next;
    struct error error;
    BUG_ON(!resource_may(resource, RESOURCE_DROP, &next, &error));
    if (!hostmem_unmap(&gpu->hostmem, &resource->mapping, &error)) {
        trace_warning(gpu->trace, "gpu", "blob %u (%s) cannot be taken away: %s",
                      resource->id, reason, error.text);
        return false;
    }
    recorder_unmapped(gpu->recorder, &mapping, resource->size);
    resource->lost = true;
    BUG_ON(resource_state(resource) != next);
    resource->mapping.placement = mapping.placement; /* for the record */
    trace_warning(gpu->trace, "gpu",
                  "blob %u at 0x%llx is taken away from the guest: %s; it reads all ones "
                  "there until the driver unmaps it",
                  resource->id, (unsigned long long)mapping.address.value, reason);
    recorder_dropped(gpu->recorder, resource, reason);
    return true;
}

void sync_copies(struct gpu *gpu)
{
    struct error error;
    for (struct resource *resource = resource_next(&gpu->resources, NULL); resource;
         resource = resource_next(&gpu->resources, resource)) {
        if (resource->mapping.mapped && resource->decision.copied &&
            !shadow_sync(&resource->shadow, &resource->backing, &error))
            drop_mapping(gpu, resource, error.text);
    }
}

/* FUTEX_WAIT compares a word, and with a timeout of 0 does not wait: the kernel loads it, once,
 * with an ordinary load (kernel/futex/waitwake.c, futex_wait_setup()), which a device's memory
 * takes where it might not take the atomic access of touch_pages(). */
static bool read_pages(const uint8_t *start, uint64_t size, struct error *error)
{
    static const struct timespec no_time = {0};
    const uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
    for (uint64_t offset = 0; offset < size; offset += page_size) {
        if (syscall(SYS_futex, start + offset, FUTEX_WAIT_PRIVATE, 0, &no_time) < 0 &&
            errno == EFAULT)
            return error_set(error, ERROR_HOST_BUFFER,
                             "page at offset %#llx of %#llx cannot be read: %s",
                             (unsigned long long)offset, (unsigned long long)size,
                             strerror(errno));
    }
    return true;
}

/* Of the mapping that the memslot has. */
static bool has_its_pages(const struct resource *resource, struct error *error)
{
    const struct backing *backing =
        resource->decision.copied ? &resource->shadow.copy : &resource->backing;
    return resource->decision.report.buffer.page == MEMATTR_PAGE_MMIO
               ? read_pages(backing->host, backing->size, error)
               : touch_pages(backing->host, backing->size, error);
}

static bool drop_lost(struct gpu *gpu)
{
    bool dropped = false;
    struct error error;
    for (struct resource *resource = resource_next(&gpu->resources, NULL); resource;
         resource = resource_next(&gpu->resources, resource)) {
        if (!resource->mapping.mapped || resource->mapping.hidden ||
            has_its_pages(resource, &error))
            continue;
        error_wrap(&error, "the exporter (%s) took its pages away",
                   resource->backing.exporter);
        dropped = drop_mapping(gpu, resource, error.text) || dropped;
    }
    return dropped;
}

/* No buffer is lost: the guest looked into a hole. */
static bool fill_holes(struct gpu *gpu)
{
    struct error error;
    if (!hostmem_holes_are_bare(&gpu->hostmem))
        return false;
    if (!hostmem_fill_holes(&gpu->hostmem, &error)) {
        trace_warning(gpu->trace, "gpu", "the guest accesses a hole of its window: %s",
                      error.text);
        return false;
    }
    trace_warning(gpu->trace, "gpu",
                  "the guest accesses a hole of its window: from now on, all holes are "
                  "%llu bytes of scratch memory",
                  (unsigned long long)gpu->hostmem.area.sink_size);
    return true;
}

/* Other vCPUs may have met the same lost page at the same time, and come here when there is
 * nothing left to do: each of them tries again, too, once for each time. More than that
 * many are not to be explained by it: then the run ends. */
bool gpu_page_lost(void *context)
{
    struct gpu *gpu = context;
    unsigned *retries = &gpu->hostmem.retries_left;
    pthread_mutex_lock(&gpu->lock);
    bool again = drop_lost(gpu) || fill_holes(gpu);
    if (again)
        *retries = VM_CPUS_MAX - 1;
    else if (*retries > 0) {
        (*retries)--;
        again = true;
    }
    pthread_mutex_unlock(&gpu->lock);
    return again;
}
