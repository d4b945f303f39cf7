/* SPDX-License-Identifier: MIT */
#include "devices/gpu/gpu_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "devices/gpu/guest_blob.h"
#include "devices/gpu/window.h"

#define SECTION "GPUD"
#define VERSION 2u /* 2: counters of lent memory */

bool gpu_is_quiet(void *context)
{
    struct gpu *gpu = context;
    pthread_mutex_lock(&gpu->fences.lock);
    bool quiet = gpu->fences.count == 0;
    pthread_mutex_unlock(&gpu->fences.lock);
    return quiet;
}

/* --- saving --- */

static bool check_renderer(const struct gpu *gpu, struct error *error)
{
    const struct resource *resource = NULL;
    unsigned known = 0;
    unsigned pointers = 0;
    while ((resource = resource_next(&gpu->resources, resource)) != NULL) {
        known += gpu_renderer_knows(gpu, resource);
        pointers +=
            resource->backing.size > 0 && resource->backing.kind == BACKING_POINTER;
    }
    if (!gpu->renderer.ops->save && (gpu->context_count > 0 || known > 0))
        return error_set(error, ERROR_CONFIG_USAGE,
                         "%u contexts and %u resources of libvirglrenderer live in this "
                         "process and cannot be handed over: run with --renderer=process",
                         gpu->context_count, known);
    return pointers == 0 ||
           error_set(
               error, ERROR_CONFIG_USAGE,
               "%u blobs are mapped by the renderer, and have no file that could be "
               "handed over: let the guest unmap them before an update",
               pointers);
}

static void save_quota(const struct quota *quota, struct state_writer *writer)
{
    state_put32(writer, QUOTA_KIND_COUNT);
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++) {
        state_put64(writer, quota->use[i].peak);
        state_put64(writer, quota->use[i].refused);
    }
    state_put64(writer, quota->commands);
    state_put64(writer, quota->slow_commands);
    state_put64(writer, quota->slowest);
}

static void save_lent(const struct lent *lent, struct state_writer *writer)
{
    state_put64(writer, lent->made);
    state_put64(writer, lent->overdue);
    state_put64(writer, lent->longest);
    state_put64(writer, lent->longest_wait);
}

static uint32_t capsets_of(const struct gpu *gpu)
{
    struct renderer_capset capset;
    uint32_t count = 0;
    while (gpu->renderer.ops->capset(gpu->renderer.context, count, &capset))
        count++;
    return count;
}

static void save_device(struct gpu *gpu, struct state_writer *writer)
{
    state_begin(writer, SECTION, 0, VERSION);
    state_put32(writer, gpu->offered.num_capsets);
    pthread_mutex_lock(&gpu->virtio.lock);
    state_put32(writer, gpu->offered.events_read);
    pthread_mutex_unlock(&gpu->virtio.lock);
    state_put64(writer, gpu->hostmem.window.start.value);
    state_put64(writer, gpu->hostmem.window.size);
    state_put32(writer, gpu->hostmem.hidden);
    state_put32(writer, !gpu->config.platform.ignores_guest_pat);
    state_put32(writer, gpu->said_no_guest_dmabuf);
    pthread_mutex_lock(&gpu->fences.lock);
    state_put32(writer, gpu->fences.next_fence);
    pthread_mutex_unlock(&gpu->fences.lock);
    state_put32(writer, gpu->recorder->count);
    state_put_bytes(writer, gpu->recorder->library, sizeof gpu->recorder->library);
    save_quota(&gpu->quota, writer);
    save_lent(&gpu->lent, writer);
    state_put32(writer, gpu->context_count);
    for (unsigned i = 0; i < gpu->context_count; i++)
        state_put32(writer, gpu->contexts[i]);
    state_end(writer);
}

void gpu_save_finish(struct gpu *gpu)
{
    if (gpu->pixels_fd >= 0)
        close(gpu->pixels_fd);
    gpu->pixels_fd = -1;
}

bool gpu_save(struct gpu *gpu, struct state_writer *writer, struct error *error)
{
    const struct renderer *renderer = &gpu->renderer;
    BUG_ON(!gpu_is_quiet(gpu));
    gpu_save_finish(gpu);
    pthread_mutex_lock(&gpu->lock);
    bool good = check_renderer(gpu, error) && lent_is_settled(gpu, error);
    if (good)
        save_device(gpu, writer);
    good =
        good &&
        (!renderer->ops->save || renderer->ops->save(renderer->context, writer, error)) &&
        gpu_save_resources(gpu, writer, error);
    if (good)
        gpu_save_scanouts(gpu, writer);
    pthread_mutex_unlock(&gpu->lock);
    return good || error_wrap(error, "the GPU");
}

/* --- loading --- */

/* Of a renderer that lives on the device's thread, and does not run yet: it would know blobs of
 * guest memory, so that a state with one of them is refused, and knows nothing. */
static bool does_not_run_yet(void *renderer, const struct renderer_blob *blob, int fd,
                             struct error *error)
{
    (void)renderer;
    (void)fd;
    return error_set(error, ERROR_HOST_RENDERER, "blob %u: the renderer does not run yet",
                     blob->resource_id);
}

static const struct renderer_ops later_ops = {.blob_import = does_not_run_yet};

static bool load_renderer(struct gpu *gpu, struct state_reader *reader,
                          struct error *error)
{
    const struct renderer *renderer = &gpu->renderer;
    if (gpu->has_renderer)
        return !renderer->ops->load ||
               renderer->ops->load(renderer->context, reader, error);
    gpu->renderer = (struct renderer){.ops = &later_ops};
    return true;
}

/* A renderer that is there has as many capsets as the driver has seen. */
static bool load_configuration(struct gpu *gpu, struct state_section *section,
                               struct error *error)
{
    uint32_t capsets = state_get32(section);
    uint32_t events = state_get32(section);
    if (gpu->has_renderer && capsets != capsets_of(gpu))
        return state_refuse(section, error,
                            "%u capsets, the new VM's renderer has %u: give it the same "
                            "renderer",
                            capsets, capsets_of(gpu));
    if (events & ~(uint32_t)VIRTIO_GPU_EVENT_DISPLAY)
        return state_refuse(section, error, "events %#x", events);
    pthread_mutex_lock(&gpu->virtio.lock);
    gpu->offered.events_read = events;
    gpu->registers = gpu->offered;
    pthread_mutex_unlock(&gpu->virtio.lock);
    return true;
}

static bool load_window(struct gpu *gpu, struct state_section *section, bool *hidden,
                        struct error *error)
{
    struct gpa_range range;
    range.start = gpa(state_get64(section));
    range.size = state_get64(section);
    uint32_t is_hidden = state_get32(section);
    *hidden = is_hidden != 0;
    if (is_hidden > 1 || range.size != gpu->config.window.size ||
        !gpa_range_is_valid(range) ||
        !is_aligned(range.start.value, (uint64_t)sysconf(_SC_PAGESIZE)))
        return state_refuse(section, error,
                            "a window of 0x%" PRIx64 " bytes at 0x%" PRIx64
                            ", the new VM's has 0x%" PRIx64 ": give it the same --window",
                            range.size, range.start.value, gpu->config.window.size);
    if (!hostmem_move(&gpu->hostmem, &range, error))
        return false;
    gpu->config.window = range;
    return true;
}

/* vm_state_load() lifted KVM's quirk, which is not done twice. */
static bool load_guest_pat(struct gpu *gpu, struct state_section *section,
                           struct error *error)
{
    struct gpu_config *config = &gpu->config;
    uint32_t is_honoured = state_get32(section);
    if (is_honoured > 1 || (!is_honoured && !config->platform.ignores_guest_pat))
        return state_refuse(section, error,
                            "the guest's PAT is ignored (%u), and not by the new VM",
                            is_honoured);
    if (is_honoured && config->platform.ignores_guest_pat) {
        if (!config->honour_guest_pat)
            return state_refuse(section, error,
                                "the guest's PAT is honoured, the new VM cannot do that");
        if (!config->honour_guest_pat(config->honour_guest_pat_context, error))
            return false;
        config->honour_guest_pat = NULL;
        config->platform.ignores_guest_pat = false;
    }
    return true;
}

/* The library's name is that of a renderer that goes on; one on the device's thread has its own
 * when it starts. */
static void load_recorder(struct recorder *recorder, struct state_section *section)
{
    recorder->count = state_get32(section);
    const char *library = state_get_bytes(section, sizeof recorder->library);
    if (library)
        snprintf(recorder->library, sizeof recorder->library, "%.*s",
                 (int)sizeof recorder->library - 1, library);
}

static bool load_counters(struct gpu *gpu, struct state_section *section,
                          struct error *error)
{
    uint32_t said = state_get32(section);
    if (said > 1)
        return state_refuse(section, error, "%u is no yes and no no", said);
    gpu->said_no_guest_dmabuf = said;
    gpu->fences.next_fence = state_get32(section);
    load_recorder(gpu->recorder, section);
    return true;
}

/* What was counted: apart from the device's own, which what is loaded changes. */
struct counted {
    struct quota quota;
    bool has_lent;
    struct lent lent; /* its counters */
};

static bool load_quota(struct quota *quota, struct state_section *section,
                       struct error *error)
{
    uint32_t kinds = state_get32(section);
    if (kinds != QUOTA_KIND_COUNT)
        return state_refuse(section, error, "%u kinds of quota, there are %u", kinds,
                            (unsigned)QUOTA_KIND_COUNT);
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++) {
        quota->use[i].peak = state_get64(section);
        quota->use[i].refused = state_get64(section);
    }
    quota->commands = state_get64(section);
    quota->slow_commands = state_get64(section);
    quota->slowest = state_get64(section);
    return true;
}

static void load_lent(struct counted *before, struct state_section *section)
{
    before->has_lent = section->version >= 2;
    if (!before->has_lent)
        return;
    before->lent.made = state_get64(section);
    before->lent.overdue = state_get64(section);
    before->lent.longest = state_get64(section);
    before->lent.longest_wait = state_get64(section);
}

static void go_on_lending(struct lent *lent, const struct lent *before)
{
    lent->made = before->made;
    lent->overdue = before->overdue;
    lent->longest = before->longest;
    lent->longest_wait = before->longest_wait;
}

static void go_on_counting(struct quota *quota, const struct quota *before)
{
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++) {
        quota->use[i].refused = before->use[i].refused;
        if (quota->use[i].peak < before->use[i].peak)
            quota->use[i].peak = before->use[i].peak;
    }
    quota->commands = before->commands;
    quota->slow_commands = before->slow_commands;
    quota->slowest = before->slowest;
}

static bool load_contexts(struct gpu *gpu, struct state_section *section,
                          struct error *error)
{
    const struct renderer *renderer = &gpu->renderer;
    uint32_t count = state_get32(section);
    for (uint32_t i = 0; i < count && !section->too_short; i++) {
        uint32_t id = state_get32(section);
        if (!renderer->ops->knows_context ||
            !renderer->ops->knows_context(renderer->context, id))
            return state_refuse(section, error,
                                "context %u, which the renderer does not know", id);
        if (!gpu_context_load(gpu, id, error))
            return error_wrap(error, "state of the GPU");
    }
    return true;
}

static bool load_device(struct gpu *gpu, struct state_reader *reader,
                        struct counted *before, bool *hidden, struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, SECTION, 0, VERSION, &section, error) ||
        !load_configuration(gpu, section, error) ||
        !load_window(gpu, section, hidden, error) ||
        !load_guest_pat(gpu, section, error) || !load_counters(gpu, section, error) ||
        !load_quota(&before->quota, section, error))
        return false;
    load_lent(before, section);
    return load_contexts(gpu, section, error) && state_close(section, error);
}

static void leave_it(void *renderer, uint32_t id)
{
    (void)renderer;
    (void)id;
}

void gpu_forget_state(struct gpu *gpu)
{
    static const struct renderer_ops deaf_ops = {.context_destroy = leave_it,
                                                 .resource_destroy = leave_it};
    const struct renderer renderer = gpu->renderer;
    gpu->renderer = (struct renderer){.ops = &deaf_ops};
    gpu_reset_state(gpu);
    gpu->renderer = renderer;
}

bool gpu_load(struct gpu *gpu, struct state_reader *reader, struct error *error)
{
    struct counted before = {0};
    bool hidden = false;
    BUG_ON(gpu->resources.count > 0 || gpu->context_count > 0);
    if (!gpu_make_renderer(gpu, error) || !load_renderer(gpu, reader, error))
        return error_wrap(error, "the GPU");
    pthread_mutex_lock(&gpu->lock);
    bool good = load_device(gpu, reader, &before, &hidden, error) &&
                gpu_load_resources(gpu, reader, error) &&
                gpu_load_scanouts(gpu, reader, error);
    if (good)
        go_on_counting(&gpu->quota, &before.quota);
    if (good && before.has_lent)
        go_on_lending(&gpu->lent, &before.lent);
    if (!good)
        gpu_forget_state(gpu);
    pthread_mutex_unlock(&gpu->lock);
    if (good && hidden)
        gpu_window_moved(gpu, VIRTIO_GPU_SHM_ID_HOST_VISIBLE, NULL);
    return good;
}
