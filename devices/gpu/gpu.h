/* SPDX-License-Identifier: MIT */
/*
 * The virtio-gpu device, as its own files see it.
 *
 *   device.c    the virtio side: queues, fences, start, reset, the thread; device_renderer.c
 *               makes the renderer
 *   command.c   one table: command, lengths, handler; the error responses
 *   scanout.c   what the guest shows; cursor.c, edid.c, display.c, screenshot.c around it
 *   context.c   rendering contexts
 *   blob.c      create, map, unmap, destroy: the straight line of a blob
 *   lent.c      guest memory that the host has as dma-bufs, and how it comes back
 *   witness.c   the host's half of the guest's experiments
 *   gpu_state.c what another s2vmm needs to go on: a live update
 *
 * Commands run on the device's thread and hold `lock`; the witness runs on a vCPU's
 * thread and takes it, too.
 */
#ifndef S2VMM_GPU_H
#define S2VMM_GPU_H

#include <pthread.h>

#include "devices/gpu/fence.h"
#include "devices/gpu/lent.h"
#include "devices/gpu/protocol.h"
#include "devices/gpu/record.h"
#include "devices/gpu/renderer.h"
#include "devices/gpu/renderer_none.h"
#include "devices/gpu/resource.h"
#include "devices/gpu/scanout.h"
#include "virtio/virtio_device.h"
#include "vmm/quota.h"
#include "vmm/trace.h"

#define GPU_CONTEXTS_MAX 1024u      /* whatever the quota says */
#define GPU_REQUEST_MAX  (4 * MIB)  /* bytes of one command, with what is behind it */
#define GPU_RESPONSE_MAX (16 * KIB) /* the largest is a capset */

_Static_assert(GPU_REQUEST_MAX >
                   sizeof(struct virtio_gpu_resource_create_blob) +
                       GUEST_PAGES_ENTRIES_MAX * sizeof(struct virtio_gpu_mem_entry),
               "all entries that a resource may have fit");

struct render_server;
struct renderer_remote;
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
    const char
        *screenshot; /* a PNG file, written by gpu_screenshot(); NULL: there is none */
    bool virgl; /* neither this, nor venus, nor blobs_from: 2D and guest blobs only */
    bool venus;
    struct render_server *server;   /* for venus: render_server.h */
    struct renderer_remote *remote; /* virgl and venus are in a process of their own:
                                       renderer_remote.h; or NULL, then they are here */
    const char *drm_node;           /* for virgl, or NULL */
    struct gpa_range window;
    enum hostmem_strategy map_strategy;
    struct memattr_platform platform;
    bool pfnmap_block_hazard; /* of struct platform */
    bool permissive;          /* --cache-mode-policy=permissive */
    bool copy_unsynced;       /* --needs-sync=copy */
    bool follow_changes;      /* --may-change=follow */
    bool prefault_shm;        /* --prefault=all */
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
    bool force_map_info;
    uint32_t
        forced_map_info; /* the number to send, which need be none of MEMATTR_MAP_* */
    unsigned
        lent_milliseconds; /* from then on lent memory is overdue; 0: LENT_MILLISECONDS */
    enum lent_overdue lent_overdue;
    struct quota_limits quota; /* what is 0 has the defaults of quota_defaults() */
};

/* Requests for screenshots: screenshot.c. */
struct screenshot {
    int event_fd; /* wakes the device's thread */
    pthread_mutex_t lock;
    pthread_cond_t served_more;
    uint64_t asked; /* how many, and how many of them are done */
    uint64_t served;
    struct error error; /* of the last one; ERROR_NONE: it is written */
};

struct gpu {
    struct virtio_device virtio;
    struct gpu_configuration registers; /* configuration space; under virtio.lock */
    struct gpu_configuration
        offered; /* what it has: the driver's writes change nothing */
    struct gpu_config config;
    struct trace *trace;
    struct recorder *recorder;

    struct renderer_virgl *virgl; /* made and destroyed on the device's thread */
    struct renderer_none none;
    struct renderer renderer;
    bool has_renderer; /* made before the thread: gpu_make_renderer() */

    pthread_mutex_t lock; /* what follows */
    struct quota quota;
    struct quota_share context_share; /* of all contexts */
    struct lent lent;
    struct hostmem hostmem;
    struct resource_table resources;
    struct gpu_display displays[VIRTIO_GPU_MAX_SCANOUTS]; /* width 0: not enabled */
    struct scanout scanouts[VIRTIO_GPU_MAX_SCANOUTS];
    unsigned context_count;
    uint32_t contexts[GPU_CONTEXTS_MAX];
    bool left_mapped; /* KVM kept a memslot, whose memory may be the renderer's */
    bool said_no_guest_dmabuf; /* warned of the first one: guest_blob_dmabuf() */

    struct fence_queue fences; /* has its own lock */
    struct screenshot screenshot;
    uint8_t *request; /* GPU_REQUEST_MAX bytes: the command being served */
    struct virtqueue_chain chain;
    int pixels_fd; /* made by gpu_save(), for who is going to read them; -1: none */
};

/* Makes the device, ready for virtio_mmio_init(); the caller's objects stay in use until
 * gpu_finish(). Nothing runs yet. */
bool gpu_init(struct gpu *gpu, const struct gpu_config *config,
              const struct guest_memory *memory, struct memslot_table *memslots,
              struct recorder *recorder, struct trace *trace, struct error *error);

/* Makes the renderer now, before gpu_start(), if it is none that wants to live on the device's
 * thread: what it takes on this host is found here. What renderer_exporter_create() says. */
bool gpu_make_renderer(struct gpu *gpu, struct error *error);

/* Starts the device's thread and, on it, the renderer. */
bool gpu_start(struct gpu *gpu, struct error *error);

/* Stops the thread, unmaps and destroys everything; a zeroed object is fine. The VM's
 * vCPUs must have stopped. */
void gpu_finish(struct gpu *gpu);

/* Writes what the enabled scanouts show to config.screenshot; several of them to NAME-0.png,
 * NAME-1.png, ... Asked for from any thread, done on the device's; waits until it is done, or
 * GPU_SCREENSHOT_SECONDS. ERROR_CONFIG_FILE, ERROR_GUEST_STATE when a scanout shows nothing
 * (the others are written), what gpu_resource_read() says, ERROR_HOST_SYSTEM. */
#define GPU_SCREENSHOT_SECONDS 30
bool gpu_screenshot(struct gpu *gpu, struct error *error);

/* The size of an enabled scanout changes, as if its window was resized: the driver is told so
 * (virtio 1.3, 5.7.5, VIRTIO_GPU_EVENT_DISPLAY). Any thread. ERROR_CONFIG_USAGE when there is
 * no such scanout, or the size is not within GPU_DISPLAY_SIZE_*. */
bool gpu_display_resize(struct gpu *gpu, unsigned index, uint32_t width, uint32_t height,
                        struct error *error);

/* Writes the counters of the quotas, as one JSON object in a line, to where --json has its
 * records. Any thread; waits for a command that runs. */
void gpu_write_statistics(struct gpu *gpu);

/* Destroys all resources and contexts. */
void gpu_reset_state(struct gpu *gpu);

/* --- device_renderer.c --- */

/* Whether the configuration asks for one that has contexts. */
bool gpu_wants_renderer(const struct gpu_config *config);
/* Makes gpu->renderer, on the device's thread or before it starts; gpu_destroy_renderer() may
 * follow in either case. */
bool gpu_create_renderer(struct gpu *gpu, struct error *error);
void gpu_destroy_renderer(struct gpu *gpu);

/* --- command.c --- */

struct gpu_response {
    uint32_t size; /* bytes, header included */
    union {
        struct virtio_gpu_ctrl_hdr header;
        struct virtio_gpu_resp_display_info display_info;
        struct virtio_gpu_resp_capset_info capset_info;
        struct virtio_gpu_resp_map_info map_info;
        struct virtio_gpu_resp_edid edid;
        struct virtio_gpu_resp_resource_uuid uuid;
        uint8_t bytes[GPU_RESPONSE_MAX];
    };
};

/* Runs one command of the control queue, of `size` bytes, whose response may have `room` bytes. Fills in the
 * response, always. True if the command asked for a fence and succeeded; then *timeline
 * is its timeline. */
bool gpu_command(struct gpu *gpu, void *request, uint32_t size, uint64_t room,
                 struct gpu_response *response, struct renderer_timeline *timeline);

/* The same for the cursor queue. Its commands are done when they return, fence or not; Linux'
 * driver leaves no room for their responses (drivers/gpu/drm/virtio/virtgpu_vq.c,
 * virtio_gpu_queue_cursor()), so they need none. */
void gpu_cursor_command(struct gpu *gpu, void *request, uint32_t size,
                        struct gpu_response *response);

/* The response to a command that could not be read in full: GPU_REQUEST_MAX. */
void gpu_command_too_long(struct gpu *gpu, const struct virtio_gpu_ctrl_hdr *header,
                          uint64_t size, struct gpu_response *response);

/* --- display.c --- */

/* Writes of the driver to the configuration space: only events_clear does something. For
 * virtio_device.config_written. */
void gpu_config_written(void *context, uint32_t offset, uint32_t size);
/* No event is pending any more: for a reset. */
void gpu_events_clear(struct gpu *gpu);

/* --- screenshot.c --- */

bool screenshot_init(struct gpu *gpu, struct error *error);
void screenshot_finish(struct gpu *gpu);

/* --- command_3d.c --- */

/* The resource is a 3D one, or a blob with guest memory; resource->pages was attached to it,
 * or is about to be detached. */
bool gpu_3d_attach(struct gpu *gpu, struct resource *resource, struct error *error);
void gpu_3d_detach(struct gpu *gpu, struct resource *resource);

/* --- context.c --- */

bool gpu_context_create(struct gpu *gpu, uint32_t id, uint32_t capset_id,
                        const char *name, struct error *error);
/* A context that the renderer has already: of a saved state. */
bool gpu_context_load(struct gpu *gpu, uint32_t id, struct error *error);
bool gpu_context_destroy(struct gpu *gpu, uint32_t id, struct error *error);
bool gpu_context_check(const struct gpu *gpu, uint32_t id, struct error *error);
/* If the renderer has lost a process, and has nothing of the guest's any more, it is restarted. */
void gpu_restart_renderer(struct gpu *gpu);

/* --- decision.c --- */

/* Asks all sources about the resource's backing, and chooses the map_info: fills in
 * resource->decision. ERROR_REFUSED. */
bool blob_decide(struct gpu *gpu, struct resource *resource, struct error *error);

/* The same with the sources' answers given. */
bool blob_decide_by_report(struct gpu *gpu, struct resource *resource,
                           const struct cache_mode_report *report, struct error *error);

/* --- blob.c --- */

bool blob_map(struct gpu *gpu, uint32_t resource_id, uint64_t offset,
              enum memattr_map_info *map_info, struct error *error);
bool blob_unmap(struct gpu *gpu, uint32_t resource_id, struct error *error);
bool blob_destroy(struct gpu *gpu, uint32_t resource_id, struct error *error);
/* Unmaps it if it is mapped, and destroys it, whatever happens: for a reset. */
void blob_release(struct gpu *gpu, struct resource *resource);

#endif
