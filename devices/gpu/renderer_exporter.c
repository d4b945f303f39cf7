/* SPDX-License-Identifier: MIT */
#include "devices/gpu/renderer_exporter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/gpu/exporters/target.h"
#include "devices/gpu/renderer_exporter_abi.h"
#include "devices/gpu/state_file.h"

#define SECTION         "REXP"
#define SECTION_VERSION 1u

#define FIRST_BUFFER_SIZE (64 * KIB) /* a multiple of any page size */
#define WORDS_MAX         256

struct exporter_blob {
    uint32_t resource_id; /* 0: free */
    struct target target;
};

struct renderer_exporter {
    struct exporter exporter;
    char words[WORDS_MAX];       /* of gbm: exporter.argument, with the node in front */
    char node[TARGET_NODE_SIZE]; /* of gbm: all buffers come from it; else "" */
    enum memattr_model model;
    renderer_fence_function *fence;
    void *fence_context;
    struct exporter_blob blobs[RENDERER_EXPORTER_BLOBS_MAX];
};

static bool is_gbm(const struct renderer_exporter *exporter)
{
    return exporter->exporter.open == exporter_gbm;
}

/* Of id 0, which no resource has: a free place. */
static struct exporter_blob *find(struct renderer_exporter *exporter,
                                  uint32_t resource_id)
{
    for (unsigned i = 0; i < RENDERER_EXPORTER_BLOBS_MAX; i++) {
        if (exporter->blobs[i].resource_id == resource_id)
            return &exporter->blobs[i];
    }
    return NULL;
}

/* The caller knows that there is one. */
static struct exporter_blob *get(struct renderer_exporter *exporter, uint32_t resource_id)
{
    unsigned i = 0;
    while (i < RENDERER_EXPORTER_BLOBS_MAX &&
           exporter->blobs[i].resource_id != resource_id)
        i++;
    BUG_ON(i == RENDERER_EXPORTER_BLOBS_MAX);
    return &exporter->blobs[i];
}

/* --- blobs --- */

/* What can be handed out is a file that begins with the memory: a dma-buf or a memfd. */
static bool can_export(const struct target *target)
{
    const struct backing *backing = &target->backing;
    return backing->fd >= 0 && target->file_offset == 0 &&
           (backing->kind == BACKING_DMABUF || fcntl(backing->fd, F_GET_SEALS) >= 0);
}

static bool blob_create(void *renderer, const struct renderer_blob *blob,
                        struct error *error)
{
    struct renderer_exporter *exporter = renderer;
    struct exporter_blob *place = find(exporter, 0);
    if (!place)
        return error_set(error, ERROR_GUEST_LIMIT,
                         "an exporter's buffer for blob %u: %u at one time are the limit",
                         blob->resource_id, RENDERER_EXPORTER_BLOBS_MAX);
    if (!target_open(&place->target, &exporter->exporter, blob->size, exporter->model,
                     error)) {
        /* Now it is this guest's wish that the host cannot fulfil. */
        error->code = ERROR_HOST_RENDERER;
        return error_wrap(error, "blob %u from %s", blob->resource_id,
                          exporter->exporter.name);
    }
    place->resource_id = blob->resource_id;
    return true;
}

static void resource_destroy(void *renderer, uint32_t resource_id)
{
    struct exporter_blob *blob = get(renderer, resource_id);
    target_close(&blob->target);
    *blob = (struct exporter_blob){0};
}

static bool blob_export(void *renderer, uint32_t resource_id, enum renderer_fd_type *type,
                        int *fd, struct error *error)
{
    const struct exporter_blob *blob = get(renderer, resource_id);
    *type = blob->target.backing.kind == BACKING_DMABUF ? RENDERER_FD_DMABUF
                                                        : RENDERER_FD_SHM;
    *fd = fcntl(blob->target.backing.fd, F_DUPFD_CLOEXEC, 0);
    return *fd >= 0 || error_set(error, ERROR_HOST_SYSTEM,
                                 "fd of an exporter's buffer: %s", strerror(errno));
}

static bool blob_map(void *renderer, uint32_t resource_id, void **host, uint64_t *size,
                     struct error *error)
{
    (void)renderer;
    (void)host;
    (void)size;
    return error_set(error, ERROR_HOST_RENDERER,
                     "blob %u is an exporter's: it is mapped by its fd or not at all",
                     resource_id);
}

static void blob_unmap(void *renderer, uint32_t resource_id)
{
    (void)renderer;
    (void)resource_id;
}

static bool blob_map_info(void *renderer, uint32_t resource_id, uint32_t *map_info)
{
    (void)renderer;
    (void)resource_id;
    (void)map_info;
    return false; /* whoever makes no buffers has no opinion */
}

/* --- contexts and commands --- */

static bool capset(void *renderer, unsigned index, struct renderer_capset *capset)
{
    (void)renderer;
    (void)index;
    (void)capset;
    return false;
}

static void capset_fill(void *renderer, const struct renderer_capset *capset,
                        uint32_t version, void *buffer)
{
    (void)renderer;
    (void)capset;
    (void)version;
    (void)buffer;
}

static bool context_create(void *renderer, uint32_t context_id, uint32_t capset_id,
                           const char *name, struct error *error)
{
    (void)renderer;
    (void)name;
    return capset_id == 0 ||
           error_set(error, ERROR_GUEST_PARAMETER,
                     "context %u for capset %u: this renderer has none, 0 is possible",
                     context_id, capset_id);
}

static void context_destroy(void *renderer, uint32_t context_id)
{
    (void)renderer;
    (void)context_id;
}

/* All contexts see all blobs. */
static void attach(void *renderer, uint32_t context_id, uint32_t resource_id)
{
    (void)renderer;
    (void)context_id;
    (void)resource_id;
}

static bool set_attribute(const struct target *target, uint32_t attribute,
                          struct error *error)
{
    static const char *const words[] = {
        [EXPORTER_WB] = "wb", [EXPORTER_WC] = "wc", [EXPORTER_UC] = "uc"};
    if (attribute >= ARRAY_SIZE(words))
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "attribute %u: 0 (WB), 1 (WC) and 2 (UC) are possible",
                         attribute);
    return exporter_lab_set_attribute(target, words[attribute], error);
}

static bool run(struct renderer_exporter *exporter,
                const struct exporter_command *command, struct error *error)
{
    const struct exporter_blob *blob =
        command->resource_id != 0 ? find(exporter, command->resource_id) : NULL;
    if (!blob)
        return error_set(error, ERROR_GUEST_PARAMETER, "there is no blob %u",
                         command->resource_id);
    if (command->reserved != 0 ||
        (command->argument != 0 && command->operation != EXPORTER_SET_ATTRIBUTE))
        return error_set(error, ERROR_GUEST_PARAMETER, "a reserved word is not 0");
    switch (command->operation) {
    case EXPORTER_MOVE:
        return exporter_lab_move(&blob->target, error);
    case EXPORTER_SET_ATTRIBUTE:
        return set_attribute(&blob->target, command->argument, error);
    case EXPORTER_REVOKE:
        return exporter_lab_revoke(&blob->target, error);
    default: /* a number of the guest's */
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "operation %u: 1 (move), 2 (set attribute) and 3 (revoke) are "
                         "possible",
                         command->operation);
    }
}

static bool submit(void *renderer, uint32_t context_id, void *commands, uint32_t size,
                   struct error *error)
{
    (void)context_id;
    struct exporter_command command;
    if (size % sizeof command != 0)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "a stream of %u bytes: an exporter's commands have %zu each",
                         size, sizeof command);
    for (uint32_t offset = 0; offset < size; offset += (uint32_t)sizeof command) {
        memcpy(&command, (const uint8_t *)commands + offset, sizeof command);
        if (!run(renderer, &command, error))
            return error_wrap(error, "command at byte %u of the stream", offset);
    }
    return true;
}

static bool signal_at_once(void *renderer, struct renderer_timeline timeline,
                           uint32_t number, struct error *error)
{
    struct renderer_exporter *exporter = renderer;
    (void)error;
    exporter->fence(exporter->fence_context, timeline, number);
    return true;
}

/* --- live update --- */

/* A blob is its file: what else was needed to make it is not handed over. */
static bool save(void *renderer, struct state_writer *writer, struct error *error)
{
    const struct renderer_exporter *exporter = renderer;
    (void)error;
    state_begin(writer, SECTION, 0, SECTION_VERSION);
    for (unsigned i = 0; i < RENDERER_EXPORTER_BLOBS_MAX; i++) {
        const struct exporter_blob *blob = &exporter->blobs[i];
        state_put32(writer, blob->resource_id);
        if (blob->resource_id == 0)
            continue;
        state_put64(writer, blob->target.backing.size);
        state_file_put(writer, blob->target.backing.fd);
    }
    state_end(writer);
    return true;
}

/* blob_export() hands the file out: it is checked there. */
static bool load_blob(struct exporter_blob *blob, struct state_reader *reader,
                      struct state_section *section, struct error *error)
{
    struct target target = {0};
    target.backing.size = state_get64(section);
    if (!state_file_get(reader, section, &target.backing.fd, error))
        return false;
    target.backing.kind =
        backing_is_dmabuf(target.backing.fd) ? BACKING_DMABUF : BACKING_SHM;
    if (can_export(&target)) {
        blob->target = target;
        return true;
    }
    if (target.backing.fd >= 0)
        close(target.backing.fd);
    return state_refuse(section, error, "a blob that is no dma-buf or memfd");
}

static bool load(void *renderer, struct state_reader *reader, struct error *error)
{
    struct renderer_exporter *exporter = renderer;
    struct state_section *section;
    if (!state_open(reader, SECTION, 0, SECTION_VERSION, &section, error))
        return false;
    for (unsigned i = 0; i < RENDERER_EXPORTER_BLOBS_MAX; i++) {
        uint32_t id = state_get32(section);
        if (id == 0)
            continue;
        if (find(exporter, id))
            return state_refuse(section, error, "blob %u is there twice", id);
        if (!load_blob(&exporter->blobs[i], reader, section, error))
            return false;
        exporter->blobs[i].resource_id = id;
    }
    return state_close(section, error);
}

/* Contexts are nothing here. */
static bool knows_context(const void *renderer, uint32_t context_id)
{
    (void)renderer;
    (void)context_id;
    return true;
}

static bool knows_resource(const void *renderer, uint32_t resource_id)
{
    const struct renderer_exporter *exporter = renderer;
    for (unsigned i = 0; i < RENDERER_EXPORTER_BLOBS_MAX; i++)
        if (resource_id != 0 && exporter->blobs[i].resource_id == resource_id)
            return true;
    return false;
}

/* --- life --- */

/* Of gbm: its words, behind the node, so that a node among them counts more. */
static bool set_node(struct renderer_exporter *exporter, const char *node,
                     const char *words, struct error *error)
{
    int length = snprintf(exporter->words, sizeof exporter->words, "%s,%s", node, words);
    if (length < 0 || (size_t)length >= sizeof exporter->words)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "--drm-node %s: together with the words \"%s\" it is too long",
                         node, words);
    exporter->exporter.argument = exporter->words;
    return exporter_gbm_check(exporter->words, error) ||
           error_wrap(error, "--drm-node %s", node);
}

static bool try_exporter(struct renderer_exporter *exporter, struct error *error)
{
    struct target target;
    const char *name = exporter->exporter.name;
    if (!target_open(&target, &exporter->exporter, FIRST_BUFFER_SIZE, exporter->model,
                     error))
        return error_wrap(error, "--blobs-from %s", name);
    bool good = can_export(&target);
    if (is_gbm(exporter))
        memcpy(exporter->node, target.drm_node, sizeof exporter->node);
    target_close(&target);
    return good || error_set(error, ERROR_CONFIG_USAGE,
                             "--blobs-from %s: its memory is no dma-buf or memfd of its "
                             "own; udmabuf, \"vgem PRIME\" and dmabuf-lab:... are",
                             name);
}

/* The node that made the first buffer makes the others, too. */
static bool choose(struct renderer_exporter *exporter, const char *name,
                   const char *drm_node, struct error *error)
{
    if (!exporter_find(name, &exporter->exporter, error))
        return false;
    const char *words = exporter->exporter.argument;
    if (!is_gbm(exporter))
        return try_exporter(exporter, error);
    return (!drm_node || set_node(exporter, drm_node, words, error)) &&
           try_exporter(exporter, error) &&
           set_node(exporter, exporter->node, words, error);
}

struct renderer_exporter *renderer_exporter_create(const char *name, const char *drm_node,
                                                   enum memattr_model model,
                                                   renderer_fence_function *fence,
                                                   void *context, struct error *error)
{
    struct renderer_exporter *exporter = calloc(1, sizeof *exporter);
    if (!exporter) {
        error_set(error, ERROR_HOST_MEMORY, "no memory for the renderer of %s", name);
        return NULL;
    }
    exporter->model = model;
    exporter->fence = fence;
    exporter->fence_context = context;
    if (choose(exporter, name, drm_node, error))
        return exporter;
    free(exporter);
    return NULL;
}

void renderer_exporter_destroy(struct renderer_exporter *exporter)
{
    if (!exporter)
        return;
    for (unsigned i = 0; i < RENDERER_EXPORTER_BLOBS_MAX; i++) {
        if (exporter->blobs[i].resource_id != 0)
            target_close(&exporter->blobs[i].target);
    }
    free(exporter);
}

const char *renderer_exporter_node(const struct renderer_exporter *exporter)
{
    return exporter->node[0] ? exporter->node : NULL;
}

static const struct renderer_ops ops = {
    .capset = capset,
    .capset_fill = capset_fill,
    .context_create = context_create,
    .context_destroy = context_destroy,
    .attach = attach,
    .detach = attach,
    .submit = submit,
    .fence = signal_at_once,
    .blob_create = blob_create,
    .resource_destroy = resource_destroy,
    .blob_export = blob_export,
    .blob_map = blob_map,
    .blob_unmap = blob_unmap,
    .blob_map_info = blob_map_info,
    .save = save,
    .load = load,
    .knows_context = knows_context,
    .knows_resource = knows_resource,
};

struct renderer renderer_exporter_interface(struct renderer_exporter *exporter)
{
    return (struct renderer){.ops = &ops, .context = exporter};
}
