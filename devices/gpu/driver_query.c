/* SPDX-License-Identifier: MIT */
#include "devices/gpu/driver_query.h"

#include <drm.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

static int real_ioctl(void *unused, int node, unsigned long request, void *argument)
{
    (void)unused;
    return drmIoctl(node, request, argument);
}

/* Reading is left to the kernel: a page that cannot be had is EFAULT there, and would be a
 * SIGBUS here. */
static bool real_can_read(void *unused, int node, uint64_t offset)
{
    (void)unused;
    const size_t size = (size_t)sysconf(_SC_PAGESIZE);
    int ends[2];
    void *page = mmap(NULL, size, PROT_READ, MAP_SHARED, node, (off_t)offset);
    if (page == MAP_FAILED)
        return false;
    bool good = pipe2(ends, O_CLOEXEC) == 0;
    if (good) {
        good = write(ends[1], page, 1) == 1;
        close(ends[0]);
        close(ends[1]);
    }
    munmap(page, size);
    return good;
}

static const struct driver_system real_system = {
    .ioctl = real_ioctl,
    .can_read = real_can_read,
};

int driver_ioctl(const struct driver_exchange *exchange, unsigned long request,
                 void *argument)
{
    const struct driver_system *system = exchange->system;
    return system->ioctl(system->context, exchange->node, request, argument) == 0 ? 0
                                                                                  : errno;
}

void driver_knows(const struct driver_exchange *exchange, enum memattr_map_info prot,
                  const char *format, ...)
{
    struct driver_answer *answer = exchange->answer;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(answer->detail, sizeof answer->detail, format, arguments);
    va_end(arguments);
    answer->is_own = true;
    answer->known = true;
    answer->prot = prot;
    answer->page = MEMATTR_PAGE_RAM;
    answer->vma_is_uncacheable = prot != MEMATTR_MAP_CACHED;
}

void driver_unknown(const struct driver_exchange *exchange, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(exchange->answer->detail, sizeof exchange->answer->detail, format,
              arguments);
    va_end(arguments);
}

static const struct driver_entry *find(const char *name)
{
    for (unsigned i = 0; i < driver_entries_arm_count; i++) {
        if (strcmp(driver_entries_arm[i].name, name) == 0)
            return &driver_entries_arm[i];
    }
    for (unsigned i = 0; i < driver_entries_pc_count; i++) {
        if (strcmp(driver_entries_pc[i].name, name) == 0)
            return &driver_entries_pc[i];
    }
    return NULL;
}

/* The kernel copies as much of the name as fits, without a NUL, and says how long it is
 * (drivers/gpu/drm/drm_ioctl.c, drm_copy_field). */
static bool read_driver(const struct driver_exchange *exchange)
{
    char *driver = exchange->answer->driver;
    struct drm_version version = {
        .name = driver,
        .name_len = sizeof exchange->answer->driver - 1,
    };
    if (driver_ioctl(exchange, DRM_IOCTL_VERSION, &version) == 0 && driver[0])
        return true;
    driver[0] = '\0';
    return false;
}

void driver_query(const struct driver_system *system, int node,
                  const struct driver_buffer *buffer, struct driver_answer *answer)
{
    *answer = (struct driver_answer){0};
    struct driver_exchange exchange = {
        .system = system ? system : &real_system,
        .node = node,
        .buffer = buffer,
        .answer = answer,
    };
    if (!read_driver(&exchange)) {
        driver_unknown(&exchange, "not a DRM node");
        return;
    }
    const struct driver_entry *entry = find(answer->driver);
    if (!entry) {
        driver_unknown(&exchange, "driver %s has no query that we know", answer->driver);
        return;
    }
    /* A device that imports a buffer may make its exporter move it, so that only those are
     * asked who can have made it. Most drivers export under the name of the DRM core
     * (drm_prime.c, drm_gem_prime_export), the others under their own. */
    if (strcmp(buffer->exporter, "drm") != 0 &&
        strcmp(buffer->exporter, entry->name) != 0) {
        driver_unknown(&exchange, "not a buffer of %s: %s exported it", answer->driver,
                       buffer->exporter);
        return;
    }
    struct drm_prime_handle prime = {.fd = buffer->fd};
    int problem = driver_ioctl(&exchange, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);
    if (problem) {
        driver_unknown(&exchange, "not a buffer of %s: it cannot be imported: %s",
                       answer->driver, strerror(problem));
        return;
    }
    exchange.handle = prime.handle;
    entry->ask(&exchange);
    struct drm_gem_close gem = {.handle = prime.handle};
    driver_ioctl(&exchange, DRM_IOCTL_GEM_CLOSE, &gem);
}

void driver_query_path(const char *path, const struct driver_buffer *buffer,
                       struct driver_answer *answer)
{
    int node = open(path, O_RDWR | O_CLOEXEC);
    if (node < 0) {
        *answer = (struct driver_answer){.error = errno};
        snprintf(answer->detail, sizeof answer->detail, "%s cannot be asked: %s", path,
                 strerror(answer->error));
        return;
    }
    driver_query(NULL, node, buffer, answer);
    close(node);
}
