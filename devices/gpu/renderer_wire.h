/* SPDX-License-Identifier: MIT */
/*
 * What s2vmm and its renderer process say to each other (renderer_remote.h, renderer_process.h):
 *
 *   socket  SOCK_SEQPACKET; a request, or an answer, is one message of one size, perhaps with
 *           descriptors
 *   area    a memfd that both have mapped, for what is longer: command streams, ranges of guest
 *           RAM, capsets, the text of an error. It belongs to who has to speak next.
 *
 * One request at a time is under way, and has one answer, of its kind and serial number. Beside
 * that FENCE has no answer but FENCE_DONE, at any time later.
 *
 * s2vmm believes nothing that comes from the process; the process checks what would lead it out
 * of its memory. Numbers are the host's: both are one machine's. A process may outlive its s2vmm,
 * so that the other end is of another version: what is changed here changes the version.
 */
#ifndef S2VMM_GPU_RENDERER_WIRE_H
#define S2VMM_GPU_RENDERER_WIRE_H

#include "devices/gpu/guest_pages.h"
#include "devices/gpu/renderer.h"

#define WIRE_VERSION     1u
#define WIRE_MAGIC       0x52563273u
#define WIRE_AREA_SIZE   (4 * MIB)
#define WIRE_FDS_MAX     2
#define WIRE_CAPSETS_MAX 8u
#define WIRE_NAME_SIZE   64u

enum wire_kind {
    WIRE_HELLO, /* descriptors: guest RAM, the area */
    WIRE_CAPSET_FILL,
    WIRE_CONTEXT_CREATE,
    WIRE_CONTEXT_DESTROY,
    WIRE_ATTACH,
    WIRE_DETACH,
    WIRE_SUBMIT,
    WIRE_FENCE, /* has no answer */
    WIRE_BLOB_CREATE,
    WIRE_BLOB_IMPORT, /* a descriptor: the dma-buf */
    WIRE_BLOB_EXPORT, /* its answer has the descriptor */
    WIRE_BLOB_MAP_INFO,
    WIRE_RESOURCE_CREATE,
    WIRE_RESOURCE_DESTROY,
    WIRE_PAGES_ATTACH,
    WIRE_PAGES_DETACH,
    WIRE_TRANSFER, /* a descriptor: the memory, where that is not guest RAM */
    WIRE_HAS_DIED,
    WIRE_FENCE_DONE, /* from the process, not asked for */
};

struct wire_header {
    uint32_t magic;
    uint32_t kind; /* enum wire_kind */
    uint32_t serial;
    uint32_t area_used; /* bytes of the area that belong to it */
};

/* Guest memory, in its file: struct renderer_pages has them in the area. */
struct wire_range {
    uint64_t offset;
    uint64_t length; /* bytes */
};

_Static_assert(GUEST_PAGES_ENTRIES_MAX * sizeof(struct wire_range) <= WIRE_AREA_SIZE,
               "all entries that a resource may have fit");

/* A struct of renderer.h is as it is there, but without pointers. */
struct wire_request {
    struct wire_header header;
    union {
        uint32_t version; /* HELLO */
        struct {
            struct renderer_capset capset;
            uint32_t version;
        } fill;
        struct {
            uint32_t id;
            uint32_t capset_id;
            char name[WIRE_NAME_SIZE + 1];
        } context; /* CREATE, DESTROY, SUBMIT: the id */
        struct {
            uint32_t context_id;
            uint32_t resource_id;
        } pair; /* ATTACH, DETACH */
        struct {
            struct renderer_timeline timeline;
            uint32_t number;
        } fence;
        struct renderer_blob blob;         /* CREATE, IMPORT */
        struct renderer_resource resource; /* CREATE */
        struct {
            uint32_t id;
            uint32_t page_count;
        } of_resource; /* EXPORT, MAP_INFO, DESTROY, PAGES */
        struct renderer_transfer transfer;
    };
};

struct wire_answer {
    struct wire_header header;
    uint32_t code; /* enum error_code; if it is not ERROR_NONE, its text is in the area */
    union {
        struct {
            uint32_t version;
            char library[WIRE_NAME_SIZE];
            uint32_t capset_count;
            struct renderer_capset capsets[WIRE_CAPSETS_MAX];
        } hello;
        uint32_t fd_type; /* BLOB_EXPORT: enum renderer_fd_type */
        struct {
            uint32_t is_known;
            uint32_t value;
        } map_info;
        uint32_t has_died;
        struct {
            struct renderer_timeline timeline;
            uint32_t number;
        } fence; /* FENCE_DONE */
    };
};

_Static_assert(sizeof(struct wire_request) == 96 && sizeof(struct wire_answer) == 188,
               "another layout is another WIRE_VERSION");

/* Sends a message; the descriptors stay the caller's. Waits for room unless `flags` has
 * MSG_DONTWAIT. False: errno says why. */
bool wire_send(int socket, const void *message, size_t size, const int *fds,
               unsigned fd_count, int flags);

enum wire_received {
    WIRE_MESSAGE,
    WIRE_NOTHING, /* there is none; with MSG_DONTWAIT */
    WIRE_END,     /* the other end is closed */
    WIRE_BROKEN,  /* it has not this size, or the magic, or too many descriptors */
};

/* Receives one. fds: WIRE_FDS_MAX of them, which are the caller's then; -1 behind the last. */
enum wire_received wire_receive(int socket, void *message, size_t size, int *fds,
                                int flags);

/* Closes those that are not -1. */
void wire_close_fds(int *fds);

#endif
