/* SPDX-License-Identifier: MIT */
/*
 * A renderer that renders nothing: every blob is a fresh dma-buf of one exporter
 * (devices/gpu/exporters/target.h). With it the whole line from the guest's call to map_info
 * is tried with buffers that no renderer makes, those of dmabuf-lab above all:
 *
 *     s2vmm run --blobs-from dmabuf-lab:pages,fault,wc ...
 *     s2vmm run --blobs-from gbm:scanout --drm-node /dev/dri/card0 ...
 *
 * It has no capsets; a context of capset 0 can be made, and fences are signalled at once. What
 * SUBMIT_3D carries are commands to dmabuf-lab, for experiments: "move", "set attribute",
 * "revoke" (devices/gpu/renderer_exporter_abi.h).
 */
#ifndef S2VMM_GPU_RENDERER_EXPORTER_H
#define S2VMM_GPU_RENDERER_EXPORTER_H

#include "devices/gpu/renderer.h"
#include "vmm/memattr.h"

/* At one time. A target holds some memory more than its blob's. */
#define RENDERER_EXPORTER_BLOBS_MAX 16u

struct renderer_exporter;

/* name: as for exporter_find(), kept; drm_node: where gbm allocates, unless its name says where,
 * or NULL: on the first primary node that can; fence, context: called as in struct renderer_ops.
 * A first buffer is made and thrown away, so that what this host does not have is found here.
 * ERROR_CONFIG_USAGE for an unknown name, and for an exporter whose memory has no fd that
 * could be handed out; ERROR_CONFIG_HOST. */
struct renderer_exporter *renderer_exporter_create(const char *name, const char *drm_node,
                                                   enum memattr_model model,
                                                   renderer_fence_function *fence,
                                                   void *context, struct error *error);
/* NULL is fine. */
void renderer_exporter_destroy(struct renderer_exporter *exporter);
/* The DRM node that all buffers of gbm come from, and whose driver can be asked about them; NULL
 * for every other exporter. Valid until renderer_exporter_destroy(). */
const char *renderer_exporter_node(const struct renderer_exporter *exporter);
struct renderer renderer_exporter_interface(struct renderer_exporter *exporter);

#endif
