/* SPDX-License-Identifier: MIT */
/*
 * The virtio side of the GPU: two queues, the fences, and the device's life.
 *
 * The renderer lives on the device's thread: it is made there before the first command
 * and destroyed there after the last one, because libvirglrenderer and OpenGL want one
 * thread.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_ids.h>

#include "devices/gpu/gpu.h"
#include "devices/gpu/lost.h"
#include "devices/gpu/renderer_exporter.h"
#include "devices/gpu/renderer_virgl.h"
#include "devices/gpu/watch.h"

/* Chains served before other events of the thread get their turn. */
#define COMMANDS_AT_ONCE 32u

/* --- queues --- */

static void give_back(struct gpu *gpu, unsigned index, uint16_t head, uint32_t written)
{
    struct error error;
    if (virtqueue_push(&gpu->virtio.queues[index], head, written, &error))
        virtio_device_signal_queue(&gpu->virtio, index);
    else
        virtio_device_needs_reset(&gpu->virtio, &error);
}

static void serve_control(struct gpu *gpu)
{
    struct virtqueue *queue = &gpu->virtio.queues[GPU_QUEUE_CONTROL];
    struct virtqueue_chain *chain = &gpu->chain;
    struct gpu_response response;
    struct renderer_timeline timeline;
    struct error error;

    if (chain->readable_size > GPU_REQUEST_MAX) {
        trace_warning(gpu->trace, "gpu",
                      "a command of %llu bytes, %llu are the limit: cut",
                      (unsigned long long)chain->readable_size,
                      (unsigned long long)GPU_REQUEST_MAX);
        chain->readable_size = GPU_REQUEST_MAX;
    }
    uint32_t size = (uint32_t)chain->readable_size;
    if (!virtqueue_chain_read(queue, chain, 0, gpu->request, size, &error)) {
        virtio_device_needs_reset(&gpu->virtio, &error);
        return;
    }

    pthread_mutex_lock(&gpu->lock);
    bool fenced =
        gpu_command(gpu, gpu->request, size, chain->writable_size, &response, &timeline);
    pthread_mutex_unlock(&gpu->lock);

    uint32_t written = response.size <= chain->writable_size
                           ? response.size
                           : (uint32_t)chain->writable_size;
    if (!virtqueue_chain_write(queue, chain, 0, response.bytes, written, &error)) {
        virtio_device_needs_reset(&gpu->virtio, &error);
        return;
    }
    uint32_t fence;
    if (fenced &&
        fence_queue_add(&gpu->fences, timeline, chain->head, written, &fence, &error)) {
        if (!gpu->renderer.ops->fence(gpu->renderer.context, timeline, fence, &error)) {
            trace_warning(gpu->trace, "gpu", "fence answered at once: %s", error.text);
            fence_queue_complete(&gpu->fences, fence);
        }
        return;
    }
    if (fenced)
        trace_warning(gpu->trace, "gpu", "fence answered at once: %s", error.text);
    give_back(gpu, GPU_QUEUE_CONTROL, chain->head, written);
}

/* There is no scanout, so there is no cursor: its commands fail. Linux' driver leaves no room
 * for a response to them; then they are just returned. */
static void serve_cursor(struct gpu *gpu)
{
    const struct virtio_gpu_ctrl_hdr response = {.type = VIRTIO_GPU_RESP_ERR_UNSPEC};
    struct error error;
    uint32_t written = gpu->chain.writable_size < sizeof response ? 0 : sizeof response;
    if (virtqueue_chain_write(&gpu->virtio.queues[GPU_QUEUE_CURSOR], &gpu->chain, 0,
                              &response, written, &error))
        give_back(gpu, GPU_QUEUE_CURSOR, gpu->chain.head, written);
    else
        virtio_device_needs_reset(&gpu->virtio, &error);
}

static bool queue_kicked(void *context, unsigned index)
{
    struct gpu *gpu = context;
    struct virtqueue *queue = &gpu->virtio.queues[index];
    for (unsigned i = 0; i < COMMANDS_AT_ONCE; i++) {
        struct error error;
        switch (virtqueue_pop(queue, &gpu->chain, &error)) {
        case VIRTQUEUE_EMPTY:
            return virtqueue_enable_notification(queue);
        case VIRTQUEUE_BROKEN:
            virtio_device_needs_reset(&gpu->virtio, &error);
            return false;
        case VIRTQUEUE_CHAIN:
            if (index == GPU_QUEUE_CONTROL)
                serve_control(gpu);
            else
                serve_cursor(gpu);
            break;
        }
    }
    return true;
}

static void fences_signalled(void *context)
{
    struct gpu *gpu = context;
    uint64_t count;
    uint16_t head;
    uint32_t written;
    (void)!read(gpu->fences.event_fd, &count, sizeof count);
    /* The driver is to see what was rendered until then. */
    pthread_mutex_lock(&gpu->lock);
    sync_copies(gpu);
    pthread_mutex_unlock(&gpu->lock);
    while (fence_queue_take(&gpu->fences, &head, &written))
        give_back(gpu, GPU_QUEUE_CONTROL, head, written);
}

/* --- life --- */

void gpu_reset_state(struct gpu *gpu)
{
    struct resource *resource;
    struct error error;
    while ((resource = resource_next(&gpu->resources, NULL)) != NULL)
        blob_release(gpu, resource);
    while (gpu->context_count > 0)
        gpu_context_destroy(gpu, gpu->contexts[0], &error);
}

static void start(void *context, uint64_t features)
{
    struct gpu *gpu = context;
    trace_detail(gpu->trace, "gpu", "driver ready, features %#llx",
                 (unsigned long long)features);
}

/* The chains that wait for a fence are the driver's again. */
static void queue_stopped(void *context, unsigned index)
{
    struct gpu *gpu = context;
    if (index == GPU_QUEUE_CONTROL)
        fence_queue_clear(&gpu->fences);
}

static void reset(void *context)
{
    struct gpu *gpu = context;
    pthread_mutex_lock(&gpu->lock);
    fence_queue_clear(&gpu->fences);
    gpu_reset_state(gpu);
    pthread_mutex_unlock(&gpu->lock);
    trace_detail(gpu->trace, "gpu", "reset");
}

static void fence_done(void *context, struct renderer_timeline timeline, uint32_t fence)
{
    struct gpu *gpu = context;
    fence_queue_signal(&gpu->fences, timeline, fence);
}

static bool create_virgl(struct gpu *gpu, struct error *error)
{
    const struct renderer_virgl_config config = {
        .virgl = gpu->config.virgl,
        .venus = gpu->config.venus,
        .drm_node = gpu->config.drm_node,
        .fence = fence_done,
        .fence_context = gpu,
    };
    gpu->virgl = renderer_virgl_create(&config, error);
    if (!gpu->virgl)
        return false;
    gpu->renderer = renderer_virgl_interface(gpu->virgl);
    snprintf(gpu->recorder->library, sizeof gpu->recorder->library, "%s",
             renderer_virgl_library(gpu->virgl));
    return true;
}

static bool create_exporter(struct gpu *gpu, struct error *error)
{
    struct renderer_exporter *exporter = renderer_exporter_create(
        gpu->config.blobs_from, gpu->config.platform.model, fence_done, gpu, error);
    if (!exporter)
        return false;
    gpu->renderer = renderer_exporter_interface(exporter);
    snprintf(gpu->recorder->library, sizeof gpu->recorder->library, "none");
    return true;
}

static bool thread_started(void *context, struct error *error)
{
    struct gpu *gpu = context;
    if (!(gpu->config.blobs_from ? create_exporter(gpu, error)
                                 : create_virgl(gpu, error)))
        return false;
    struct renderer_capset capset;
    while (gpu->renderer.ops->capset(gpu->renderer.context, gpu->registers.num_capsets,
                                     &capset))
        gpu->registers.num_capsets++;
    return true;
}

static void thread_ends(void *context)
{
    struct gpu *gpu = context;
    pthread_mutex_lock(&gpu->lock);
    gpu_reset_state(gpu);
    pthread_mutex_unlock(&gpu->lock);
    if (gpu->config.blobs_from)
        renderer_exporter_destroy(gpu->renderer.context);
    else
        renderer_virgl_destroy(gpu->virgl);
    gpu->renderer = (struct renderer){0};
    gpu->virgl = NULL;
}

bool gpu_start(struct gpu *gpu, struct error *error)
{
    return virtio_device_run(&gpu->virtio, thread_started, thread_ends, error);
}

void gpu_finish(struct gpu *gpu)
{
    if (!gpu->request)
        return;
    virtio_device_stop(&gpu->virtio);
    virtio_device_finish(&gpu->virtio);
    fence_queue_finish(&gpu->fences);
    watch_finish(gpu);
    pthread_mutex_destroy(&gpu->lock);
    free(gpu->request);
    *gpu = (struct gpu){0};
}

static const struct virtio_device_ops device_ops = {
    .start = start,
    .queue_kicked = queue_kicked,
    .queue_stopped = queue_stopped,
    .reset = reset,
};

bool gpu_init(struct gpu *gpu, const struct gpu_config *config,
              const struct guest_memory *memory, struct memslot_table *memslots,
              struct recorder *recorder, struct trace *trace, struct error *error)
{
    *gpu = (struct gpu){
        .config = *config,
        .trace = trace,
        .recorder = recorder,
        .hostmem = {.memslots = memslots, .window = config->window},
        .virtio =
            {
                .name = "gpu",
                .device_id = VIRTIO_ID_GPU,
                /* VIRGL stands for contexts, capsets and command streams. */
                .features = UINT64_C(1) << VIRTIO_GPU_F_VIRGL |
                            UINT64_C(1) << VIRTIO_GPU_F_RESOURCE_BLOB |
                            UINT64_C(1) << VIRTIO_GPU_F_CONTEXT_INIT,
                .queue_count = GPU_QUEUE_COUNT,
                .ops = &device_ops,
                .context = gpu,
                .config = (uint8_t *)&gpu->registers,
                .config_size = sizeof gpu->registers,
                .memory = memory,
                .trace = trace,
            },
        /* Linux' driver wants at least one scanout; it stays disabled. */
        .registers.num_scanouts = 1,
    };
    if (!fence_queue_init(&gpu->fences, error))
        return false;
    if (!virtio_device_init(&gpu->virtio, error)) {
        fence_queue_finish(&gpu->fences);
        return false;
    }
    gpu->request = malloc(GPU_REQUEST_MAX);
    if (!gpu->request) {
        virtio_device_finish(&gpu->virtio);
        fence_queue_finish(&gpu->fences);
        return error_set(error, ERROR_HOST_MEMORY,
                         "no memory for the GPU's command buffer");
    }
    pthread_mutex_init(&gpu->lock, NULL);
    virtio_device_watch(&gpu->virtio, gpu->fences.event_fd, fences_signalled);
    virtio_device_add_shm(&gpu->virtio, VIRTIO_GPU_SHM_ID_HOST_VISIBLE, config->window);
    if (watch_init(gpu, error))
        return true;
    gpu_finish(gpu);
    return false;
}
