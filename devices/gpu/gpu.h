/* SPDX-License-Identifier: MIT */
/*
 * The virtio-gpu device, as its own files see it.
 *
 *   device.c    the virtio side: queues, fences, start, reset, the thread
 *   command.c   one table: command, lengths, handler; the error responses
 *   context.c   rendering contexts
 *   blob.c      create, map, unmap, destroy: the straight line of a blob
 *   witness.c   the host's half of the guest's experiments
 *
 * Commands run on the device's thread and hold `lock`; the witness runs on a vCPU's
 * thread and takes it, too.
 */
#ifndef S2VMM_GPU_H
#define S2VMM_GPU_H

#include <pthread.h>

#include "devices/gpu/fence.h"
#include "devices/gpu/protocol.h"
#include "devices/gpu/record.h"
#include "devices/gpu/renderer.h"
#include "devices/gpu/resource.h"
#include "virtio/virtio_device.h"
#include "vmm/trace.h"

#define GPU_CONTEXTS_MAX 64u
#define GPU_REQUEST_MAX  MIB /* bytes of one command, SUBMIT_3D's stream included */
#define GPU_RESPONSE_MAX (16 * KIB) /* the largest is a capset */

struct renderer_virgl;

/* A scanout that is enabled, in pixels. */
struct gpu_display {
    uint32_t width;
    uint32_t height;
};

#define GPU_DISPLAY_SIZE_MIN 64u
#define GPU_DISPLAY_SIZE_MAX 8192u

struct gpu_config {
    /* The first of the scanouts, which are enabled; with none there is one that is not. */
    unsigned display_count; /* at most VIRTIO_GPU_MAX_SCANOUTS */
    struct gpu_display displays[VIRTIO_GPU_MAX_SCANOUTS];
    const char *screenshot; /* a PNG file, written by gpu_screenshot(); or NULL */
    bool virgl; /* neither this, nor venus, nor blobs_from: 2D and guest blobs only */
    bool venus;
    const char *drm_node; /* for virgl, or NULL */
    struct gpa_range window;
    struct memattr_platform platform;
    bool pfnmap_block_hazard; /* of struct platform */
    bool permissive;          /* --cache-mode-policy=permissive */
    bool copy_unsynced;       /* --needs-sync=copy */
    bool follow_changes;      /* --may-change=follow */
    const char
        *blobs_from; /* the renderer is an exporter, see renderer_exporter.h; or NULL */
    /* EPT: lifts KVM_X86_QUIRK_IGNORE_GUEST_PAT, when a buffer needs that; NULL: it cannot
     * be lifted, or is */
    bool (*honour_guest_pat)(void *context, struct error *error);
    void *honour_guest_pat_context;
    /* x86: whether the guest's MTRRs are WB over the range, at this moment; NULL: as the
     * platform says */
    bool (*guest_mtrr_is_wb)(void *context, struct gpa_range range);
    void *guest_mtrr_is_wb_context;
    enum memattr_map_info force_map_info; /* MEMATTR_MAP_NONE: do not force */
};

struct gpu {
    struct virtio_device virtio;
    struct virtio_gpu_config registers; /* configuration space */
    struct gpu_config config;
    struct trace *trace;
    struct recorder *recorder;

    struct renderer_virgl *virgl; /* made and destroyed on the device's thread */
    struct renderer renderer;

    pthread_mutex_t lock; /* what follows */
    struct hostmem hostmem;
    struct resource_table resources;
    unsigned context_count;
    uint32_t contexts[GPU_CONTEXTS_MAX];

    struct fence_queue fences; /* has its own lock */
    uint8_t *request;          /* GPU_REQUEST_MAX bytes: the command being served */
    struct virtqueue_chain chain;
};

/* Makes the device, ready for virtio_mmio_init(); the caller's objects stay in use until
 * gpu_finish(). Nothing runs yet. */
bool gpu_init(struct gpu *gpu, const struct gpu_config *config,
              const struct guest_memory *memory, struct memslot_table *memslots,
              struct recorder *recorder, struct trace *trace, struct error *error);

/* Starts the device's thread and, on it, the renderer. */
bool gpu_start(struct gpu *gpu, struct error *error);

/* Stops the thread, unmaps and destroys everything; a zeroed object is fine. The VM's
 * vCPUs must have stopped. */
void gpu_finish(struct gpu *gpu);

/* Writes what the enabled scanouts show to config.screenshot; several of them to NAME-0.png,
 * NAME-1.png, ... Asked for from any thread, done on the device's; waits until it is done.
 * ERROR_CONFIG_FILE, ERROR_GUEST_STATE when a scanout shows nothing. */
bool gpu_screenshot(struct gpu *gpu, struct error *error);

/* Destroys all resources and contexts. */
void gpu_reset_state(struct gpu *gpu);

/* --- command.c --- */

struct gpu_response {
    uint32_t size; /* bytes, header included */
    union {
        struct virtio_gpu_ctrl_hdr header;
        struct virtio_gpu_resp_display_info display_info;
        struct virtio_gpu_resp_capset_info capset_info;
        struct virtio_gpu_resp_map_info map_info;
        uint8_t bytes[GPU_RESPONSE_MAX];
    };
};

/* Runs one command of `size` bytes, whose response may have `room` bytes. Fills in the
 * response, always. True if the command asked for a fence and succeeded; then *timeline
 * is its timeline. */
bool gpu_command(struct gpu *gpu, void *request, uint32_t size, uint64_t room,
                 struct gpu_response *response, struct renderer_timeline *timeline);

/* --- context.c --- */

bool gpu_context_create(struct gpu *gpu, uint32_t id, uint32_t capset_id,
                        const char *name, struct error *error);
bool gpu_context_destroy(struct gpu *gpu, uint32_t id, struct error *error);
bool gpu_context_check(const struct gpu *gpu, uint32_t id, struct error *error);

/* --- decision.c --- */

/* Asks all sources about the resource's backing, and chooses the map_info: fills in
 * resource->decision. ERROR_REFUSED. */
bool blob_decide(struct gpu *gpu, struct resource *resource, struct error *error);

/* The same with the sources' answers given. */
bool blob_decide_by_report(struct gpu *gpu, struct resource *resource,
                           const struct cache_mode_report *report, struct error *error);

/* --- blob.c --- */

bool blob_create(struct gpu *gpu, const struct renderer_blob *blob, struct error *error);
bool blob_map(struct gpu *gpu, uint32_t resource_id, uint64_t offset,
              enum memattr_map_info *map_info, struct error *error);
bool blob_unmap(struct gpu *gpu, uint32_t resource_id, struct error *error);
bool blob_destroy(struct gpu *gpu, uint32_t resource_id, struct error *error);
/* Unmaps it if it is mapped, and destroys it, whatever happens: for a reset. */
void blob_release(struct gpu *gpu, struct resource *resource);

#endif
