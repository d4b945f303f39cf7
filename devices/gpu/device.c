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

#include "devices/gpu/gpu_state.h"
#include "devices/gpu/lost.h"
#include "devices/gpu/watch.h"
#include "devices/gpu/window.h"

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

/* Takes the command of gpu->chain: all of it, or, when it is longer than we take, its header.
 * False: the ring is broken. */
static bool take_request(struct gpu *gpu, unsigned index, uint32_t *size)
{
    struct virtqueue *queue = &gpu->virtio.queues[index];
    struct error error;
    *size = gpu->chain.readable_size > GPU_REQUEST_MAX
                ? (uint32_t)sizeof(struct virtio_gpu_ctrl_hdr)
                : (uint32_t)gpu->chain.readable_size;
    if (virtqueue_chain_read(queue, &gpu->chain, 0, gpu->request, *size, &error))
        return true;
    virtio_device_needs_reset(&gpu->virtio, &error);
    return false;
}

/* Writes the response, as far as there is room. */
static bool put_response(struct gpu *gpu, unsigned index,
                         const struct gpu_response *response, uint32_t *written)
{
    struct virtqueue *queue = &gpu->virtio.queues[index];
    struct error error;
    *written = response->size <= gpu->chain.writable_size
                   ? response->size
                   : (uint32_t)gpu->chain.writable_size;
    if (virtqueue_chain_write(queue, &gpu->chain, 0, response->bytes, *written, &error))
        return true;
    virtio_device_needs_reset(&gpu->virtio, &error);
    return false;
}

/* True if the response waits for a fence. */
static bool wait_for_fence(struct gpu *gpu, struct renderer_timeline timeline,
                           uint32_t written)
{
    uint32_t fence;
    struct error error;
    if (!fence_queue_add(&gpu->fences, timeline, gpu->chain.head, written, &fence,
                         &error)) {
        trace_warning(gpu->trace, "gpu", "fence answered at once: %s", error.text);
        return false;
    }
    if (!gpu->renderer.ops->fence(gpu->renderer.context, timeline, fence, &error)) {
        trace_warning(gpu->trace, "gpu", "fence answered at once: %s", error.text);
        fence_queue_complete(&gpu->fences, fence);
    }
    return true;
}

/* Answers the command of gpu->chain. */
static void answer(struct gpu *gpu, const struct gpu_response *response, bool fenced,
                   struct renderer_timeline timeline)
{
    uint32_t written;
    if (put_response(gpu, GPU_QUEUE_CONTROL, response, &written) &&
        !(fenced && wait_for_fence(gpu, timeline, written)))
        give_back(gpu, GPU_QUEUE_CONTROL, gpu->chain.head, written);
}

static void serve_control(struct gpu *gpu)
{
    struct gpu_response response;
    struct renderer_timeline timeline = {0};
    bool fenced = false;
    bool kept = false;
    uint32_t size;

    if (!take_request(gpu, GPU_QUEUE_CONTROL, &size))
        return;
    if (gpu->chain.readable_size > GPU_REQUEST_MAX) {
        gpu_command_too_long(gpu, (const struct virtio_gpu_ctrl_hdr *)gpu->request,
                             gpu->chain.readable_size, &response);
    } else {
        pthread_mutex_lock(&gpu->lock);
        fenced = gpu_command(gpu, gpu->request, size, gpu->chain.writable_size, &response,
                             &timeline);
        kept = lent_keep_answer(gpu, &response, fenced, timeline);
        pthread_mutex_unlock(&gpu->lock);
    }
    if (!kept)
        answer(gpu, &response, fenced, timeline);
}

/* A response that does not fit whole is not written. */
static void serve_cursor(struct gpu *gpu)
{
    struct gpu_response response;
    uint32_t size;
    uint32_t written;

    if (!take_request(gpu, GPU_QUEUE_CURSOR, &size))
        return;
    pthread_mutex_lock(&gpu->lock);
    gpu_cursor_command(gpu, gpu->request, size, &response);
    pthread_mutex_unlock(&gpu->lock);
    if (response.size > gpu->chain.writable_size)
        response.size = 0;
    if (put_response(gpu, GPU_QUEUE_CURSOR, &response, &written))
        give_back(gpu, GPU_QUEUE_CURSOR, gpu->chain.head, written);
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

static void look_at_loans(void *context)
{
    struct gpu *gpu = context;
    struct gpu_response response;
    struct renderer_timeline timeline;
    uint64_t count;
    bool fenced;
    (void)!read(gpu->lent.timer_fd, &count, sizeof count);
    pthread_mutex_lock(&gpu->lock);
    lent_look(gpu);
    while (lent_take_answer(gpu, &response, &fenced, &timeline)) {
        pthread_mutex_unlock(&gpu->lock);
        answer(gpu, &response, fenced, timeline);
        pthread_mutex_lock(&gpu->lock);
    }
    pthread_mutex_unlock(&gpu->lock);
}

/* --- life --- */

void gpu_reset_state(struct gpu *gpu)
{
    struct resource *resource;
    struct error error;
    scanouts_clear(gpu);
    while ((resource = resource_next(&gpu->resources, NULL)) != NULL)
        blob_release(gpu, resource);
    while (gpu->context_count > 0)
        gpu_context_destroy(gpu, gpu->contexts[0], &error);
}

/* After a reset there is nothing of the guest's, so the renderer can be restarted; here, because
 * that may take longer than a vCPU waits for a reset (VIRTIO_SETTLE_MILLISECONDS). Commands wait. */
static void start(void *context, uint64_t features)
{
    struct gpu *gpu = context;
    pthread_mutex_lock(&gpu->lock);
    gpu_restart_renderer(gpu);
    pthread_mutex_unlock(&gpu->lock);
    trace_detail(gpu->trace, "gpu", "driver ready, features %#llx",
                 (unsigned long long)features);
}

/* The renderer is as it was: should it have died, the next context or reset restarts it. */
static void resumed(void *context, uint64_t features)
{
    const struct gpu *gpu = context;
    trace_detail(gpu->trace, "gpu", "driver goes on, features %#llx",
                 (unsigned long long)features);
}

/* The chains that wait for a fence, or for lent memory, are the driver's again. */
static void queue_stopped(void *context, unsigned index)
{
    struct gpu *gpu = context;
    if (index != GPU_QUEUE_CONTROL)
        return;
    fence_queue_clear(&gpu->fences);
    pthread_mutex_lock(&gpu->lock);
    lent_forget_answers(gpu);
    pthread_mutex_unlock(&gpu->lock);
}

static void reset(void *context)
{
    struct gpu *gpu = context;
    pthread_mutex_lock(&gpu->lock);
    fence_queue_clear(&gpu->fences);
    gpu_reset_state(gpu);
    lent_reset(gpu);
    pthread_mutex_unlock(&gpu->lock);
    gpu_events_clear(gpu);
    trace_detail(gpu->trace, "gpu", "reset");
}

static void poll_renderer(void *context)
{
    struct gpu *gpu = context;
    gpu->renderer.ops->poll(gpu->renderer.context);
}

static bool thread_started(void *context, struct error *error)
{
    struct gpu *gpu = context;
    bool has_library = (gpu->config.virgl || gpu->config.venus) && !gpu->config.remote;
    if (has_library && !sandbox_enter(gpu->virtio.sandbox, SANDBOX_RENDERER_START, error))
        return false;
    if (!gpu->has_renderer && !gpu_create_renderer(gpu, error))
        return false;
    const struct renderer_ops *ops = gpu->renderer.ops;
    int poll_fd = ops->poll_fd ? ops->poll_fd(gpu->renderer.context) : -1;
    if (poll_fd >= 0)
        virtio_device_watch(&gpu->virtio, poll_fd, poll_renderer);
    struct renderer_capset capset;
    while (gpu->renderer.ops->capset(gpu->renderer.context, gpu->offered.num_capsets,
                                     &capset))
        gpu->offered.num_capsets++;
    gpu->registers = gpu->offered;
    return true;
}

static void thread_ends(void *context)
{
    struct gpu *gpu = context;
    pthread_mutex_lock(&gpu->lock);
    gpu_reset_state(gpu);
    pthread_mutex_unlock(&gpu->lock);
    gpu_destroy_renderer(gpu);
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
    gpu_forget_state(gpu); /* what was loaded, and never started */
    if (gpu->has_renderer)
        gpu_destroy_renderer(gpu);
    gpu_save_finish(gpu);
    virtio_device_finish(&gpu->virtio);
    fence_queue_finish(&gpu->fences);
    watch_finish(gpu);
    lent_finish(gpu);
    screenshot_finish(gpu);
    hostmem_finish(&gpu->hostmem);
    pthread_mutex_destroy(&gpu->lock);
    free(gpu->request);
    *gpu = (struct gpu){0};
}

static const struct virtio_device_ops device_ops = {
    .start = start,
    .queue_kicked = queue_kicked,
    .queue_stopped = queue_stopped,
    .reset = reset,
    .resumed = resumed,
    .quiet = gpu_is_quiet,
};

/* VIRGL stands for contexts, capsets and command streams; without it there is no CONTEXT_INIT
 * (virtio 1.3, 5.7.3). */
static uint64_t offered_features(const struct gpu_config *config)
{
    uint64_t features = UINT64_C(1) << VIRTIO_GPU_F_EDID |
                        UINT64_C(1) << VIRTIO_GPU_F_RESOURCE_UUID |
                        UINT64_C(1) << VIRTIO_GPU_F_RESOURCE_BLOB |
                        UINT64_C(1) << VIRTIO_GPU_F_BLOB_ALIGNMENT;
    if (gpu_wants_renderer(config))
        features |= UINT64_C(1) << VIRTIO_GPU_F_VIRGL | UINT64_C(1)
                                                            << VIRTIO_GPU_F_CONTEXT_INIT;
    return features;
}

static struct gpu_configuration offered_configuration(const struct gpu_config *config)
{
    return (struct gpu_configuration){
        /* At least one (5.7.4.1); it stays disabled. */
        .num_scanouts = config->display_count > 0 ? config->display_count : 1,
        .blob_alignment = (uint32_t)sysconf(_SC_PAGESIZE),
    };
}

bool gpu_init(struct gpu *gpu, const struct gpu_config *config,
              const struct guest_memory *memory, struct memslot_table *memslots,
              struct recorder *recorder, struct trace *trace, struct error *error)
{
    struct quota_limits defaults;
    BUG_ON(config->display_count > VIRTIO_GPU_MAX_SCANOUTS);
    *gpu = (struct gpu){
        .config = *config,
        .trace = trace,
        .recorder = recorder,
        .hostmem = {.memslots = memslots,
                    .strategy = config->map_strategy,
                    .avoid_blocks = config->pfnmap_block_hazard,
                    .window = config->window},
        .virtio =
            {
                .name = "gpu",
                .device_id = VIRTIO_ID_GPU,
                .features = offered_features(config),
                .queue_count = GPU_QUEUE_COUNT,
                .ops = &device_ops,
                .context = gpu,
                .config = (uint8_t *)&gpu->registers,
                .config_size = sizeof gpu->registers,
                .config_written = gpu_config_written,
                .shm_moved = gpu_window_moved,
                .memory = memory,
                .trace = trace,
            },
        .offered = offered_configuration(config),
        .pixels_fd = -1,
        .lent.timer_fd = -1,
    };
    gpu->resources.quota = &gpu->quota;
    quota_defaults(&defaults, memslots->limit);
    quota_init(&gpu->quota, &config->quota, &defaults, trace);
    gpu->registers = gpu->offered;
    memcpy(gpu->displays, config->displays,
           config->display_count * sizeof *gpu->displays);
    if (!fence_queue_init(&gpu->fences, error))
        return false;
    if (!virtio_device_init(&gpu->virtio, error)) {
        fence_queue_finish(&gpu->fences);
        return false;
    }
    virtio_device_watch(&gpu->virtio, gpu->fences.event_fd, fences_signalled);
    if (!screenshot_init(gpu, error)) {
        virtio_device_finish(&gpu->virtio);
        fence_queue_finish(&gpu->fences);
        return false;
    }
    /* Only as much of it as the longest command needs is ever touched. */
    gpu->request = malloc(GPU_REQUEST_MAX);
    if (!gpu->request) {
        screenshot_finish(gpu);
        virtio_device_finish(&gpu->virtio);
        fence_queue_finish(&gpu->fences);
        return error_set(error, ERROR_HOST_MEMORY,
                         "no memory for the GPU's command buffer");
    }
    pthread_mutex_init(&gpu->lock, NULL);
    virtio_device_add_shm(&gpu->virtio, VIRTIO_GPU_SHM_ID_HOST_VISIBLE, config->window);
    if (watch_init(gpu, error) && lent_init(gpu, error)) {
        virtio_device_watch(&gpu->virtio, gpu->lent.timer_fd, look_at_loans);
        return true;
    }
    gpu_finish(gpu);
    return false;
}
