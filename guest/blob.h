/* SPDX-License-Identifier: MIT */
/*
 * Blobs of four kinds, and the experiment on a mapped one.
 *
 *   blob_context()  CTX_CREATE, and for Vulkan: an instance and a device
 *   blob_create()   its object (Vulkan memory, GL texture or buffer), CREATE_BLOB, attach
 *   gpu_blob_map()
 *   blob_experiment()
 *   gpu_blob_unmap()
 *   gpu_resource_unref()
 */
#ifndef S2VMM_GUEST_BLOB_H
#define S2VMM_GUEST_BLOB_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/memattr.h"

struct guest;

enum blob_kind {
    BLOB_SHM,    /* shared memory of a venus context: blob_id 0, no Vulkan needed */
    BLOB_VENUS,  /* VkDeviceMemory */
    BLOB_VIRGL,  /* a GL texture */
    BLOB_BUFFER, /* a GL buffer, mapped persistently: the renderer's own memory */
    BLOB_KIND_COUNT
};

#define BLOB_CONTEXT 1u /* the context id that scenarios use */

struct blob {
    enum blob_kind kind;
    uint32_t resource_id;
    uint32_t flags;    /* VIRTIO_GPU_BLOB_FLAG_USE_* */
    uint64_t size;     /* bytes */
    uint64_t offset;   /* in the window, bytes */
    uint32_t map_info; /* the device's answer to MAP_BLOB */
};

/* Creates context BLOB_CONTEXT for blobs of this kind. */
bool blob_context(struct guest *guest, enum blob_kind kind);

/* Creates the blob of which kind, resource_id, flags and size are filled in, and attaches
 * it to the context. */
bool blob_create(struct guest *guest, const struct blob *blob);

/* The same for a shared-memory blob in the simplest form, mapped at `offset` and not
 * touched: for scenarios that are about something else. */
bool blob_create_mapped(struct guest *guest, struct blob *blob, uint32_t resource_id,
                        uint64_t size, uint64_t offset);

/* The experiment (guest/experiment.h) on a mapped blob. Seeing each other's writes is
 * required where `s1` is what the map_info asks for; elsewhere it is only observed. */
bool blob_experiment(struct guest *guest, const struct blob *blob, enum memattr_type s1);

/* The attribute that the blob's map_info asks for. */
enum memattr_type blob_s1(const struct blob *blob);

/* A scenario: makes, maps, examines and destroys blobs of this kind, as the options say.
 */
bool blob_scenario(struct guest *guest, enum blob_kind kind, uint64_t more_features);

#endif
