/* SPDX-License-Identifier: MIT */
/*
 * A renderer for unit tests: it does what a test tells it to, lies where it is told to, and
 * counts what is alive, so that a leak shows.
 *
 *   struct fake_renderer fake;
 *   fake_renderer_init(&fake);
 *   fake.plan = (struct fake_blob_plan){.claimed = RENDERER_FD_SHM, .fd = FAKE_FD_SHORT};
 *   ... blob_create(): the blob behaves by the plan of this moment ...
 *
 * Being asked about an id that it does not know would crash the real library, so it ends
 * the test.
 */
#ifndef S2VMM_TESTS_UNIT_FAKE_RENDERER_H
#define S2VMM_TESTS_UNIT_FAKE_RENDERER_H

#include "devices/gpu/renderer.h"

/* What blob_export() hands out. */
enum fake_fd {
    FAKE_FD_SEALED,       /* a memfd that cannot shrink */
    FAKE_FD_UNSEALED,     /* a memfd that can */
    FAKE_FD_READ_ONLY,    /* a memfd that cannot shrink, and not be mapped for writing */
    FAKE_FD_SHORT,        /* a sealed memfd, one page shorter than the blob */
    FAKE_FD_HUGE,         /* a memfd of huge pages */
    FAKE_FD_PIPE,         /* something else */
    FAKE_FD_DMABUF,       /* fake_kernel.h */
    FAKE_FD_DMABUF_SHORT, /* one page shorter than the blob */
    FAKE_FD_DMABUF_LIAR,  /* one page shorter than it says */
    FAKE_FD_NONE,         /* success, and no fd */
    FAKE_FD_FAILS,        /* failure */
    FAKE_FD_COUNT
};

/* What blob_map() gives. */
enum fake_pointer {
    FAKE_POINTER_FAILS,
    FAKE_POINTER_GOOD,
    FAKE_POINTER_UNALIGNED, /* into a page */
    FAKE_POINTER_SHORT,     /* less than the blob */
    FAKE_POINTER_READ_ONLY,
    FAKE_POINTER_FILE, /* into a private mapping of the program file */
    FAKE_POINTER_NULL,
};

struct fake_blob_plan {
    enum renderer_fd_type claimed; /* any number */
    enum fake_fd fd;
    enum fake_pointer pointer;
    bool has_map_info;
    uint32_t map_info; /* any number */
};

enum fake_fence_behaviour {
    FAKE_FENCE_AT_ONCE, /* before fence() returns */
    FAKE_FENCE_LATER,   /* when the test calls fake_renderer_complete() */
    FAKE_FENCE_NEVER,
    FAKE_FENCE_FAILS,
};

#define FAKE_BLOBS_MAX  64
#define FAKE_FENCES_MAX 512

/* A blob, or a 3D resource. */
struct fake_blob {
    bool alive;
    struct renderer_blob arguments;
    bool is_3d;
    struct renderer_resource resource; /* is_3d */
    struct renderer_pages pages;
    bool imported; /* as a dma-buf */
    struct fake_blob_plan plan;
    void *mapping; /* by blob_map() */
    unsigned exports;
    unsigned attached;
};

struct fake_fence {
    struct renderer_timeline timeline;
    uint32_t number;
};

struct fake_renderer {
    unsigned capset_count;
    struct renderer_capset capsets[4];
    uint8_t capset_byte; /* what their data is made of */

    struct fake_blob_plan plan;
    enum fake_fence_behaviour fence;
    renderer_fence_function *fence_done;
    void *fence_context;
    enum error_code context_create_fails; /* ERROR_NONE: it does not */
    enum error_code submit_fails;
    enum error_code blob_create_fails;
    enum error_code import_fails;
    enum error_code resource_create_fails;
    enum error_code pages_attach_fails;
    enum error_code transfer_fails;
    bool has_died;
    enum error_code restart_fails;
    unsigned restarts; /* also those that failed */

    uint64_t contexts; /* one bit for each id below 64 that is alive */
    char context_name[80];
    uint32_t context_capset;
    unsigned context_count;
    unsigned blob_count; /* 3D resources, too */
    unsigned transfer_count;
    struct renderer_transfer transfer; /* the last one; from the host: fills with 0x3d */
    unsigned mapping_count;
    unsigned submit_count;
    uint32_t submitted_size;
    uint32_t submitted_word; /* the first one */
    struct fake_blob blobs[FAKE_BLOBS_MAX];
    unsigned fence_count; /* asked for, not done */
    struct fake_fence fences[FAKE_FENCES_MAX];
};

/* Capsets virgl (1), venus (4); every blob a sealed memfd that claims to be SHM. */
void fake_renderer_init(struct fake_renderer *fake);
struct renderer fake_renderer_interface(struct fake_renderer *fake);

/* Says that fence `index` (0: the oldest that is asked for) is done. */
void fake_renderer_complete(struct fake_renderer *fake, unsigned index);

/* The blob with this id; NULL: it does not exist. */
struct fake_blob *fake_renderer_blob(struct fake_renderer *fake, uint32_t resource_id);

/* An fd as described above. */
int fake_fd_open(enum fake_fd kind, uint64_t size);

#endif
