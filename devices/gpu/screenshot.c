/* SPDX-License-Identifier: MIT */
/*
 * Screenshots: asked for by any thread, made by the device's, which alone may ask the renderer
 * for pixels.
 *
 *   gpu_screenshot()   asked++, event_fd  --->  make_screenshots(), served = asked
 *        waits until served gets there   <---   served_more
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "devices/gpu/gpu.h"

#define PATH_MAX_BYTES 4096

/* "shots/a.png" and 1: "shots/a-1.png". */
static void name_of(char *name, const char *path, unsigned index)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(path, '.');
    size_t stem =
        dot && dot > (slash ? slash + 1 : path) ? (size_t)(dot - path) : strlen(path);
    snprintf(name, PATH_MAX_BYTES, "%.*s-%u%s", (int)stem, path, index, path + stem);
}

static bool make_one(struct gpu *gpu, unsigned index, struct error *error)
{
    struct picture picture;
    char name[PATH_MAX_BYTES];
    if (gpu->config.display_count == 1)
        snprintf(name, sizeof name, "%s", gpu->config.screenshot);
    else
        name_of(name, gpu->config.screenshot, index);
    pthread_mutex_lock(&gpu->lock);
    bool good = scanout_read(gpu, index, &picture, error);
    pthread_mutex_unlock(&gpu->lock);
    if (!good)
        return false;
    good = picture_write_png(&picture, name, error);
    if (good)
        trace_detail(gpu->trace, "gpu", "screenshot of scanout %u: %s", index, name);
    picture_finish(&picture);
    return good;
}

/* All that work; the error is that of the first that does not. */
static bool make_screenshots(struct gpu *gpu, struct error *error)
{
    struct error other;
    bool good = true;
    for (unsigned i = 0; i < gpu->config.display_count; i++)
        if (!make_one(gpu, i, good ? error : &other))
            good = false;
    return good;
}

static void asked(void *context)
{
    struct gpu *gpu = context;
    struct screenshot *screenshot = &gpu->screenshot;
    struct error error = {.code = ERROR_NONE};
    eventfd_t count;
    (void)eventfd_read(screenshot->event_fd, &count);
    pthread_mutex_lock(&screenshot->lock);
    uint64_t number = screenshot->asked;
    pthread_mutex_unlock(&screenshot->lock);

    make_screenshots(gpu, &error);

    pthread_mutex_lock(&screenshot->lock);
    screenshot->served = number;
    screenshot->error = error;
    pthread_cond_broadcast(&screenshot->served_more);
    pthread_mutex_unlock(&screenshot->lock);
}

/* Waits until request `number` is served. */
static bool wait_for(struct screenshot *screenshot, uint64_t number, struct error *error)
{
    struct timespec end;
    int result = 0;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += GPU_SCREENSHOT_SECONDS;
    while (screenshot->served < number && result != ETIMEDOUT)
        result =
            pthread_cond_timedwait(&screenshot->served_more, &screenshot->lock, &end);
    if (screenshot->served < number)
        return error_set(error, ERROR_HOST_SYSTEM,
                         "screenshot: the GPU's thread did not get to it within %u s",
                         GPU_SCREENSHOT_SECONDS);
    if (screenshot->error.code == ERROR_NONE)
        return true;
    *error = screenshot->error;
    return error_wrap(error, "screenshot");
}

bool gpu_screenshot(struct gpu *gpu, struct error *error)
{
    struct screenshot *screenshot = &gpu->screenshot;
    if (!gpu->config.screenshot || gpu->config.display_count == 0)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "screenshot: %s; --display and --screenshot say what and where",
                         gpu->config.screenshot ? "no scanout is enabled"
                                                : "no file was given");
    pthread_mutex_lock(&screenshot->lock);
    uint64_t number = ++screenshot->asked;
    eventfd_write(screenshot->event_fd, 1);
    bool good = wait_for(screenshot, number, error);
    pthread_mutex_unlock(&screenshot->lock);
    return good;
}

bool screenshot_init(struct gpu *gpu, struct error *error)
{
    struct screenshot *screenshot = &gpu->screenshot;
    pthread_condattr_t attributes;
    screenshot->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (screenshot->event_fd < 0)
        return error_set(error, ERROR_HOST_SYSTEM, "eventfd for screenshots: %s",
                         strerror(errno));
    pthread_mutex_init(&screenshot->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&screenshot->served_more, &attributes);
    pthread_condattr_destroy(&attributes);
    virtio_device_watch(&gpu->virtio, screenshot->event_fd, asked);
    return true;
}

void screenshot_finish(struct gpu *gpu)
{
    close(gpu->screenshot.event_fd);
    pthread_cond_destroy(&gpu->screenshot.served_more);
    pthread_mutex_destroy(&gpu->screenshot.lock);
}
