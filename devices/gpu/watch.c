/* SPDX-License-Identifier: MIT */
#include "devices/gpu/watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/gpu/lost.h"

static void set_timer(const struct gpu *gpu, long milliseconds)
{
    const struct itimerspec every = {.it_interval.tv_nsec = milliseconds * 1000000,
                                     .it_value.tv_nsec = milliseconds * 1000000};
    timerfd_settime(gpu->hostmem.watch_fd, 0, &every, NULL);
}

/* Not known any more is not changed: if the pages are gone, the guest's access will tell. */
static bool has_changed(const struct gpu *gpu, const struct resource *resource,
                        char *reason, size_t size)
{
    enum memattr_type before = resource->decision.report.kernel.type;
    struct kernel_info now;
    kernel_info_ask(resource->backing.fd, gpu->config.platform.model, &now);
    if (!now.knows_type || now.type == before)
        return false;
    snprintf(reason, size, "attribute changed from %s to %s", memattr_type_name(before),
             memattr_type_name(now.type));
    return true;
}

void watch_look(struct gpu *gpu)
{
    char reason[80];
    bool more = false;
    for (struct resource *resource = resource_next(&gpu->resources, NULL); resource;
         resource = resource_next(&gpu->resources, resource)) {
        if (!resource->mapping.mapped || !resource->decision.followed)
            continue;
        if (!has_changed(gpu, resource, reason, sizeof reason) ||
            !drop_mapping(gpu, resource, reason))
            more = true;
    }
    if (!more)
        set_timer(gpu, 0);
}

void watch_start(struct gpu *gpu)
{
    set_timer(gpu, WATCH_MILLISECONDS);
}

static void timer_fired(void *context)
{
    struct gpu *gpu = context;
    uint64_t count;
    (void)!read(gpu->hostmem.watch_fd, &count, sizeof count);
    pthread_mutex_lock(&gpu->lock);
    watch_look(gpu);
    pthread_mutex_unlock(&gpu->lock);
}

bool watch_init(struct gpu *gpu, struct error *error)
{
    gpu->hostmem.watch_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (gpu->hostmem.watch_fd < 0)
        return error_set(error, ERROR_HOST_SYSTEM, "timerfd to watch buffers: %s",
                         strerror(errno));
    virtio_device_watch(&gpu->virtio, gpu->hostmem.watch_fd, timer_fired);
    return true;
}

void watch_finish(struct gpu *gpu)
{
    if (gpu->hostmem.watch_fd >= 0)
        close(gpu->hostmem.watch_fd);
}
