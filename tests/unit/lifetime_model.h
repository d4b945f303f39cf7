/* SPDX-License-Identifier: MIT */
/*
 * A model of the GPU device, for test_lifetime.c: what each command answers, and what is alive
 * afterwards. It is written from docs/virtio-gpu.md and docs/lifetimes.md, and shares nothing
 * with the device but the numbers of the protocol.
 *
 *   model_step()    one command or event: changes the model, says the response
 *   model_counts()  what /proc, the memslots and the renderer must have now
 */
#ifndef S2VMM_TESTS_UNIT_LIFETIME_MODEL_H
#define S2VMM_TESTS_UNIT_LIFETIME_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/quota.h"

#define MODEL_IDS      12u /* resources 1 to 11; 0 is none */
#define MODEL_CONTEXTS 6u  /* 1 to 5 */
#define MODEL_PAGE     4096u

enum model_operation {
    MODEL_CREATE_BLOB,
    MODEL_CREATE_2D,
    MODEL_CREATE_3D,
    MODEL_ATTACH, /* guest memory */
    MODEL_DETACH,
    MODEL_MAP,
    MODEL_UNMAP,
    MODEL_UNREF,
    MODEL_CONTEXT_CREATE,
    MODEL_CONTEXT_DESTROY,
    MODEL_CONTEXT_ATTACH,
    MODEL_CONTEXT_DETACH,
    MODEL_SUBMIT,
    MODEL_SCANOUT,
    MODEL_COMMANDS, /* from here on events: they have no response */
    MODEL_RESET = MODEL_COMMANDS,
    MODEL_DROP,        /* the host takes a mapping away */
    MODEL_WINDOW_OFF,  /* the BAR */
    MODEL_WINDOW_MOVE, /* ... and on again */
    MODEL_DEATH,       /* of the renderer's process */
    MODEL_OPERATIONS
};

/* What the renderer hands out for a blob. */
enum model_buffer {
    MODEL_SHM,
    MODEL_DMABUF,
    MODEL_COPIED,  /* a dma-buf that needs SYNC */
    MODEL_POINTER, /* no fd: the renderer maps it */
    MODEL_UNSEALED,
    MODEL_SHORT,
    MODEL_LIAR, /* shorter than it says */
    MODEL_BUFFERS
};

struct model_step {
    enum model_operation operation;
    uint32_t resource;
    uint32_t context;
    uint32_t memory; /* VIRTIO_GPU_BLOB_MEM_* */
    bool mappable;
    unsigned pages; /* of the blob, or pixels: rows of 1024 */
    unsigned entries;
    unsigned entry_pages; /* of each */
    uint64_t offset;      /* in the window, bytes */
    enum model_buffer buffer;
    bool slot_fails; /* KVM, in this step */
    bool removal_fails;
    bool renderer_fails;
};

struct model_resource {
    enum { MODEL_NONE, MODEL_BLOB, MODEL_2D, MODEL_3D } kind;
    uint32_t memory;
    bool mappable;
    uint64_t size;
    enum model_buffer buffer;
    unsigned entries; /* of guest memory that is attached */
    bool dmabuf;      /* made of it */
    enum { MODEL_UNMAPPED, MODEL_MAPPED, MODEL_LOST } place;
    uint64_t offset;
};

struct model {
    bool one_slot;  /* map strategy "window" */
    bool slot_made; /* its slot is */
    struct quota_limits limits;
    uint64_t window;        /* bytes */
    uint64_t resource_size; /* sizeof(struct resource) */
    bool has_udmabuf;
    bool window_off;
    bool dead; /* the renderer */
    bool contexts[MODEL_CONTEXTS];
    struct model_resource resources[MODEL_IDS];
};

struct model_counts {
    uint64_t of[QUOTA_KIND_COUNT]; /* the quota */
    unsigned contexts, resources;
    unsigned renderer_resources, renderer_mappings;
    unsigned descriptors; /* ours */
    unsigned mappings;    /* ours, of memfds */
    unsigned slots;
};

/* The response, VIRTIO_GPU_RESP_*; of an event 0. */
uint32_t model_step(struct model *model, const struct model_step *step);

void model_count(const struct model *model, struct model_counts *counts);

#endif
