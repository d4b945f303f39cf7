/* SPDX-License-Identifier: MIT */
/*
 * The state of the GPU for a live update: what the guest has of the device, in three sections.
 *
 *   GPUD   device      events, where the window is, contexts, counters      gpu_state.c
 *   GPUR   resources   all of them, oldest first; their files beside it     gpu_state_resources*.c
 *   GPUS   scanouts    sizes of displays, what they show, cursors           gpu_state_scanouts.c
 *
 * and those of the renderer (renderer.h, save()). docs/live-update.md has the fields.
 *
 *   old VMM   device paused, gpu_is_quiet() ──► gpu_save()
 *   new VMM   gpu_init(), gpu_make_renderer() ──► gpu_load() ──► gpu_start()
 *
 * A blob that is mapped goes through blob_map() once more, with its file from the state in the
 * place of the renderer's: all is checked, asked and decided again, and must end in what the
 * guest was told.
 */
#ifndef S2VMM_GPU_STATE_H
#define S2VMM_GPU_STATE_H

#include "devices/gpu/gpu.h"
#include "vmm/state.h"

/* Nothing is in flight: no command waits for a fence. For virtio_device_ops.quiet. */
bool gpu_is_quiet(void *gpu);

/* Writes the state; vCPUs have stopped, the device is paused. The guest notices nothing if it
 * goes on here. ERROR_CONFIG_USAGE for what cannot be handed over, and the option that helps;
 * ERROR_HOST_*. */
bool gpu_save(struct gpu *gpu, struct state_writer *writer, struct error *error);

/* Closes what gpu_save() made: the state has been sent, or nobody wants it. gpu_finish() does it,
 * too. */
void gpu_save_finish(struct gpu *gpu);

/* Fills the device, which has nothing of a guest's yet; vm_state_load() comes before it. After an
 * error it has nothing again, and the renderer, with which the old VMM goes on, was not told. ERROR_CONFIG_FILE, ERROR_REFUSED when the guest would have to be
 * told another map_info, what commands of the guest would say to the same wish, what
 * gpu_make_renderer() says. */
bool gpu_load(struct gpu *gpu, struct state_reader *reader, struct error *error);

/* gpu_reset_state() of what another VMM goes on with: the renderer is not told. */
void gpu_forget_state(struct gpu *gpu);

/* --- for the files of the state; the device's lock is held --- */

#define GPU_STATE_RESOURCES         "GPUR"
#define GPU_STATE_RESOURCES_VERSION 2u /* 2: when loans began */

/* What a blob has of the window. */
enum gpu_state_memory {
    GPU_STATE_UNMAPPED,
    GPU_STATE_MAPPED,
    GPU_STATE_LOST,
};

/* In gpu_state_resources.c, gpu_state_resources_load.c. */
bool gpu_save_resources(struct gpu *gpu, struct state_writer *writer,
                        struct error *error);
bool gpu_load_resources(struct gpu *gpu, struct state_reader *reader,
                        struct error *error);

/* In gpu_state_scanouts.c. */
void gpu_save_scanouts(struct gpu *gpu, struct state_writer *writer);
bool gpu_load_scanouts(struct gpu *gpu, struct state_reader *reader, struct error *error);

/* Maps a blob of the state where the old VMM had it. */
struct gpu_state_mapping {
    enum backing_kind kind;
    int fd;            /* is taken over */
    uint64_t offset;   /* in the window, bytes */
    uint32_t told;     /* the map_info in the response to MAP_BLOB */
    uint32_t renderer; /* what the renderer said, MEMATTR_MAP_*; 0: nothing */
};

/* What the guest was told about a mapped blob. */
uint32_t gpu_state_told(const struct gpu *gpu, const struct resource *resource);
/* What the renderer said about it. */
uint32_t gpu_state_renderer_said(const struct resource *resource);
/* In gpu_state_map.c. ERROR_REFUSED when map_info would be another one, and what blob_map()
 * says. */
bool gpu_state_map(struct gpu *gpu, struct resource *resource,
                   struct gpu_state_mapping mapping, struct error *error);

#endif
