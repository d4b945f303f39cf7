/* SPDX-License-Identifier: MIT */
/*
 * Guest memory that is lent to the host: each dma-buf that udmabuf makes of a resource's guest
 * memory is a loan, from guest_blob_dmabuf() until the last of its users has let go.
 *
 *            RESOURCE_UNREF, DETACH_BACKING           nobody else has it
 *   LENT -------------------------------> ASKED BACK --------------------> returned: closed
 *                                           |   ^                           ^
 *                        lent_milliseconds  |   | the guest asks again      |
 *                                           v   |                           |
 *                                         OVERDUE --------------------------+
 *                                           a warning says who has it
 *
 * A driver frees the pages when it reads the answer to its command, so the answer waits until the
 * loan is returned; the device serves other commands meanwhile. What is overdue is for
 * config.lent_overdue: the answer goes on waiting, for drivers that take any answer for a yes (Linux,
 * drivers/gpu/drm/virtio/virtgpu_vq.c, virtio_gpu_cmd_unref_cb()); or it is ERR_UNSPEC, and the
 * command can be sent again. Never more than half of the queue's chains wait for what is overdue.
 *
 * A loan counts against the quotas until it is returned, also through a reset. The kernel has no
 * event for "the last user has let go", so a timer looks: after 1 ms, and then whenever as much
 * as an eighth of the time since the question is over, once a second at least.
 */
#ifndef S2VMM_GPU_LENT_H
#define S2VMM_GPU_LENT_H

#include <stdio.h>

#include "devices/gpu/lent_users.h"
#include "devices/gpu/protocol.h"
#include "devices/gpu/renderer.h"
#include "virtio/virtqueue.h"
#include "vmm/quota.h"

struct gpu;
struct gpu_response;

#define LENT_MILLISECONDS 5000u /* the default of config.lent_milliseconds */

enum lent_overdue {
    LENT_OVERDUE_WAIT, /* the answer waits on */
    LENT_OVERDUE_FAIL, /* it is ERR_UNSPEC */
};

struct loan {
    uint32_t resource_id; /* 0: a reset has made the number mean nothing */
    int fd;
    uint64_t size;     /* bytes */
    uint64_t since;    /* microseconds of CLOCK_MONOTONIC, as the next two */
    uint64_t asked_at; /* when it was asked back; 0: it is not */
    uint64_t due;
    bool overdue;
    struct quota_share share;
    struct loan *next;
};

/* An answer that waits for all loans of one resource. */
struct lent_answer {
    uint32_t resource_id;
    struct virtio_gpu_ctrl_hdr header;
    bool fenced;
    struct renderer_timeline timeline;
    struct virtqueue_chain chain;
    struct lent_answer *next;
};

/* Of the device, under its lock. */
struct lent {
    int timer_fd;
    enum lent_users (*count_users)(int fd, uint64_t *others); /* tests have their own */
    struct loan *loans;
    struct lent_answer *answers; /* the oldest first */
    unsigned answer_count;
    uint32_t
        wait_for; /* a resource: the running command's answer has to wait; 0: it need not */
    bool said_unknown;
    uint64_t made; /* loans that ever were */
    uint64_t overdue;
    uint64_t longest;      /* that a loan lasted, microseconds */
    uint64_t longest_wait; /* from the question to the return */
};

/* ERROR_HOST_SYSTEM. */
bool lent_init(struct gpu *gpu, struct error *error);
/* Closes all that is lent; whoever has it keeps it. */
void lent_finish(struct gpu *gpu);

/* A loan begins, of `size` bytes; its fd is for the caller to fill in. ERROR_GUEST_LIMIT,
 * ERROR_HOST_MEMORY. */
struct loan *lent_begin(struct gpu *gpu, uint32_t resource_id, uint64_t size,
                        struct error *error);
/* It is one of the s2vmm before, and began then: `since`. ERROR_GUEST_STATE: that is yet to
 * come. */
bool lent_began(struct loan *loan, uint64_t since, struct error *error);
/* It never came to be: without a fd. */
void lent_cancel(struct gpu *gpu, struct loan *loan);

/* The guest wants the memory back. The loan may be gone then. */
void lent_ask_back(struct gpu *gpu, struct loan *loan);

/* If something of this resource was asked back and did not come, the running command's answer
 * waits for it, and true. */
bool lent_wait(struct gpu *gpu, uint32_t resource_id);

/* Takes over the answer to the command in gpu->chain if it has to wait, and returns true. */
bool lent_keep_answer(struct gpu *gpu, const struct gpu_response *response, bool fenced,
                      struct renderer_timeline timeline);

/* The oldest answer that has waited long enough, into gpu->chain; false if there is none. */
bool lent_take_answer(struct gpu *gpu, struct gpu_response *response, bool *fenced,
                      struct renderer_timeline *timeline);

/* What the timer does: one look at what was asked back. */
void lent_look(struct gpu *gpu);

/* For a live update: the next s2vmm would not look after what was asked back. ERROR_GUEST_STATE. */
bool lent_is_settled(const struct gpu *gpu, struct error *error);

/* The chains are the driver's again; lent_reset(): and so are the numbers of the resources. */
void lent_forget_answers(struct gpu *gpu);
void lent_reset(struct gpu *gpu);

/* The counters as one JSON object in a line: docs/lent-memory.md has the keys. */
void lent_write(const struct lent *lent, FILE *out);

#endif
