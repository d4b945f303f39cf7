/* SPDX-License-Identifier: MIT */
/*
 * The displays change: the event in the configuration space, and the driver's answer.
 *
 *   gpu_display_resize()   events_read = DISPLAY, configuration interrupt
 *   the driver             GET_DISPLAY_INFO, GET_EDID; writes events_clear = DISPLAY
 *   gpu_config_written()   events_read = 0
 *
 * The driver can write every byte of the configuration space; all but events_clear is put back
 * (virtio 1.3, 5.7.4.1).
 */
#include "devices/gpu/gpu.h"

void gpu_config_written(void *context, uint32_t offset, uint32_t size)
{
    struct gpu *gpu = context;
    (void)offset;
    (void)size;
    gpu->offered.events_read &= ~gpu->registers.events_clear;
    gpu->registers = gpu->offered;
}

/* No new generation: the driver that could look is gone. */
void gpu_events_clear(struct gpu *gpu)
{
    pthread_mutex_lock(&gpu->virtio.lock);
    gpu->offered.events_read = 0;
    gpu->registers = gpu->offered;
    pthread_mutex_unlock(&gpu->virtio.lock);
}

bool gpu_display_resize(struct gpu *gpu, unsigned index, uint32_t width, uint32_t height,
                        struct error *error)
{
    if (index >= gpu->config.display_count)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "there is no display %u: there are %u", index,
                         gpu->config.display_count);
    if (width < GPU_DISPLAY_SIZE_MIN || width > GPU_DISPLAY_SIZE_MAX ||
        height < GPU_DISPLAY_SIZE_MIN || height > GPU_DISPLAY_SIZE_MAX)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "display %u: %u x %u pixels: each is %u to %u", index, width,
                         height, GPU_DISPLAY_SIZE_MIN, GPU_DISPLAY_SIZE_MAX);
    pthread_mutex_lock(&gpu->lock);
    gpu->displays[index] = (struct gpu_display){width, height};
    pthread_mutex_unlock(&gpu->lock);

    pthread_mutex_lock(&gpu->virtio.lock);
    gpu->offered.events_read |= VIRTIO_GPU_EVENT_DISPLAY;
    uint32_t events = gpu->offered.events_read;
    pthread_mutex_unlock(&gpu->virtio.lock);
    virtio_device_change_config(&gpu->virtio,
                                offsetof(struct gpu_configuration, events_read), &events,
                                sizeof events);
    return true;
}
