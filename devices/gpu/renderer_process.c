/* SPDX-License-Identifier: MIT */
#include "devices/gpu/renderer_process.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a resource. The library keeps the array itself until it is detached (virglrenderer.c,
 * virgl_renderer_resource_attach_iov()). */
struct kept_pages {
    struct kept_pages *next;
    uint32_t resource_id;
    struct iovec vectors[];
};

/* A request that is being served. */
struct job {
    struct renderer_process *process;
    struct wire_request request;
    int fds[WIRE_FDS_MAX];
    struct wire_answer answer;
    struct error error;
};

void renderer_process_fence_done(void *context, struct renderer_timeline timeline,
                                 uint32_t fence)
{
    const struct renderer_process *process = context;
    const struct wire_answer news = {
        .header = {.magic = WIRE_MAGIC, .kind = WIRE_FENCE_DONE},
        .fence = {timeline, fence},
    };
    (void)wire_send(process->socket, &news, sizeof news, NULL, 0, 0);
}

/* --- guest memory --- */

static struct kept_pages **bucket(struct renderer_process *process, uint32_t resource_id)
{
    return &process->kept[resource_id % RENDERER_PROCESS_BUCKETS];
}

static void forget(struct renderer_process *process, uint32_t resource_id)
{
    struct kept_pages **place = bucket(process, resource_id);
    while (*place && (*place)->resource_id != resource_id)
        place = &(*place)->next;
    struct kept_pages *found = *place;
    if (found) {
        *place = found->next;
        free(found);
    }
}

static void keep(struct renderer_process *process, struct kept_pages *pages)
{
    struct kept_pages **place = bucket(process, pages->resource_id);
    forget(process, pages->resource_id);
    pages->next = *place;
    *place = pages;
}

static void forget_all(struct renderer_process *process)
{
    for (unsigned i = 0; i < RENDERER_PROCESS_BUCKETS; i++)
        while (process->kept[i])
            forget(process, process->kept[i]->resource_id);
}

/* The ranges in the area as pages of this process; NULL, with an error, if they are not. */
static struct kept_pages *take_pages(struct job *job, uint32_t resource_id,
                                     uint32_t count)
{
    const struct renderer_process *process = job->process;
    struct kept_pages *pages = NULL;
    if (count <= GUEST_PAGES_ENTRIES_MAX &&
        job->request.header.area_used == count * sizeof(struct wire_range))
        pages = malloc(sizeof *pages + count * sizeof *pages->vectors);
    if (!pages) {
        error_set(&job->error, ERROR_HOST_MEMORY,
                  "no memory for %u entries of guest memory, or too many", count);
        return NULL;
    }
    *pages = (struct kept_pages){.resource_id = resource_id};
    for (uint32_t i = 0; i < count; i++) {
        struct wire_range range;
        uint64_t end;
        memcpy(&range, process->area + i * sizeof range, sizeof range);
        if (!u64_add(range.offset, range.length, &end) || end > process->ram_size) {
            error_set(&job->error, ERROR_GUEST_ADDRESS,
                      "%llu bytes at byte %#llx of guest RAM, which has %llu",
                      (unsigned long long)range.length, (unsigned long long)range.offset,
                      (unsigned long long)process->ram_size);
            free(pages);
            return NULL;
        }
        pages->vectors[i] = (struct iovec){process->ram + range.offset, range.length};
    }
    return pages;
}

/* --- requests --- */

static bool map_file(int fd, uint64_t *size, uint8_t **host, struct error *error)
{
    struct stat status;
    void *mapping = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0)
        mapping = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (mapping == MAP_FAILED)
        return error_set(error, ERROR_HOST_MEMORY,
                         "renderer process: a file of s2vmm cannot be mapped");
    *host = mapping;
    *size = (uint64_t)status.st_size;
    return true;
}

static void describe(struct job *job)
{
    const struct renderer_process *process = job->process;
    const struct renderer *renderer = &process->renderer;
    job->answer.hello.version = WIRE_VERSION;
    memcpy(job->answer.hello.library, process->library, WIRE_NAME_SIZE);
    for (uint32_t i = 0; i < WIRE_CAPSETS_MAX; i++) {
        if (!renderer->ops->capset(renderer->context, i, &job->answer.hello.capsets[i]))
            break;
        job->answer.hello.capset_count = i + 1;
    }
}

/* The area comes first: an error's text is in it. */
static bool hello(struct job *job)
{
    struct renderer_process *process = job->process;
    uint64_t size = 0;
    if (process->ram || !map_file(job->fds[1], &size, &process->area, &job->error) ||
        size != WIRE_AREA_SIZE ||
        !map_file(job->fds[0], &process->ram_size, &process->ram, &job->error))
        return error_set(&job->error, ERROR_HOST_RENDERER,
                         "renderer process: that is no HELLO");
    if (job->request.version != WIRE_VERSION)
        return error_set(&job->error, ERROR_HOST_RENDERER,
                         "renderer process: it speaks version %u, s2vmm %u", WIRE_VERSION,
                         job->request.version);
    if (!process->start(process, &job->error))
        return false;
    describe(job);
    return true;
}

static bool fill_capset(const struct job *job)
{
    const struct renderer *renderer = &job->process->renderer;
    renderer->ops->capset_fill(renderer->context, &job->request.fill.capset,
                               job->request.fill.version, job->process->area);
    return true;
}

static bool create_blob(struct job *job)
{
    struct renderer_process *process = job->process;
    const struct renderer *renderer = &process->renderer;
    struct renderer_blob blob = job->request.blob;
    struct kept_pages *pages = NULL;
    if (blob.pages.count > 0) {
        pages = take_pages(job, blob.resource_id, blob.pages.count);
        if (!pages)
            return false;
        blob.pages.vectors = pages->vectors;
    }
    bool good = renderer->ops->blob_create(renderer->context, &blob, &job->error);
    if (good && pages)
        keep(process, pages);
    else
        free(pages);
    return good;
}

static bool attach_pages(struct job *job)
{
    struct renderer_process *process = job->process;
    const struct renderer *renderer = &process->renderer;
    uint32_t id = job->request.of_resource.id;
    uint32_t count = job->request.of_resource.page_count;
    struct kept_pages *pages = take_pages(job, id, count);
    if (!pages)
        return false;
    bool good = renderer->ops->pages_attach(
        renderer->context, id, (struct renderer_pages){pages->vectors, count},
        &job->error);
    if (good)
        keep(process, pages);
    else
        free(pages);
    return good;
}

/* With memory that is not guest RAM: a file of its own. */
static bool transfer_file(struct job *job)
{
    const struct renderer *renderer = &job->process->renderer;
    struct renderer_transfer transfer = job->request.transfer;
    uint64_t size;
    uint8_t *host;
    if (!map_file(job->fds[0], &size, &host, &job->error))
        return false;
    const struct iovec vector = {host, size};
    transfer.pages = (struct renderer_pages){&vector, 1};
    bool good = renderer->ops->transfer(renderer->context, &transfer, &job->error);
    munmap(host, size);
    return good;
}

static bool transfer(struct job *job)
{
    const struct renderer *renderer = &job->process->renderer;
    struct renderer_transfer transfer = job->request.transfer;
    struct kept_pages *pages = NULL;
    if (job->fds[0] >= 0)
        return transfer_file(job);
    if (transfer.pages.count > 0) {
        pages = take_pages(job, transfer.resource_id, transfer.pages.count);
        if (!pages)
            return false;
        transfer.pages.vectors = pages->vectors;
    }
    bool good = renderer->ops->transfer(renderer->context, &transfer, &job->error);
    free(pages);
    return good;
}

static bool export_blob(struct job *job)
{
    const struct renderer *renderer = &job->process->renderer;
    enum renderer_fd_type type;
    int fd;
    if (!renderer->ops->blob_export(renderer->context, job->request.of_resource.id, &type,
                                    &fd, &job->error))
        return false;
    job->answer.fd_type = type;
    wire_close_fds(job->fds);
    job->fds[0] = fd; /* goes with the answer */
    return true;
}

static bool create_fence(struct job *job)
{
    struct renderer_process *process = job->process;
    const struct renderer *renderer = &process->renderer;
    struct renderer_timeline timeline = job->request.fence.timeline;
    uint32_t number = job->request.fence.number;
    if (!renderer->ops->fence(renderer->context, timeline, number, &job->error))
        renderer_process_fence_done(process, timeline, number); /* as the device does */
    return true;
}

static bool destroy_resource(const struct job *job)
{
    struct renderer_process *process = job->process;
    uint32_t id = job->request.of_resource.id;
    process->renderer.ops->resource_destroy(process->renderer.context, id);
    forget(process, id);
    return true;
}

static bool detach_pages(const struct job *job)
{
    struct renderer_process *process = job->process;
    uint32_t id = job->request.of_resource.id;
    process->renderer.ops->pages_detach(process->renderer.context, id);
    forget(process, id);
    return true;
}

/* Only this knows what there is: a kind that is none ends the process. */
static bool do_job(struct job *job, bool *known)
{
    struct renderer_process *process = job->process;
    const struct wire_request *request = &job->request;
    void *renderer = process->renderer.context;
    const struct renderer_ops *ops = process->renderer.ops;
    *known = true;
    switch ((enum wire_kind)request->header.kind) {
    case WIRE_HELLO:
        return hello(job);
    case WIRE_CAPSET_FILL:
        *known = request->fill.capset.size <= WIRE_AREA_SIZE;
        return *known && fill_capset(job);
    case WIRE_CONTEXT_CREATE:
        *known = request->context.name[WIRE_NAME_SIZE] == '\0';
        return *known && ops->context_create(renderer, request->context.id,
                                             request->context.capset_id,
                                             request->context.name, &job->error);
    case WIRE_CONTEXT_DESTROY:
        ops->context_destroy(renderer, request->context.id);
        return true;
    case WIRE_ATTACH:
        ops->attach(renderer, request->pair.context_id, request->pair.resource_id);
        return true;
    case WIRE_DETACH:
        ops->detach(renderer, request->pair.context_id, request->pair.resource_id);
        return true;
    case WIRE_SUBMIT:
        *known = request->header.area_used > 0 && request->header.area_used % 4 == 0;
        return *known && ops->submit(renderer, request->context.id, process->area,
                                     request->header.area_used, &job->error);
    case WIRE_FENCE:
        return create_fence(job);
    case WIRE_BLOB_CREATE:
        return create_blob(job);
    case WIRE_BLOB_IMPORT:
        return ops->blob_import(renderer, &request->blob, job->fds[0], &job->error);
    case WIRE_BLOB_EXPORT:
        return export_blob(job);
    case WIRE_BLOB_MAP_INFO:
        job->answer.map_info.is_known = ops->blob_map_info(
            renderer, request->of_resource.id, &job->answer.map_info.value);
        return true;
    case WIRE_RESOURCE_CREATE:
        return ops->resource_create(renderer, &request->resource, &job->error);
    case WIRE_RESOURCE_DESTROY:
        return destroy_resource(job);
    case WIRE_PAGES_ATTACH:
        return attach_pages(job);
    case WIRE_PAGES_DETACH:
        return detach_pages(job);
    case WIRE_TRANSFER:
        return transfer(job);
    case WIRE_HAS_DIED:
        job->answer.has_died = ops->has_died(renderer);
        return true;
    case WIRE_FENCE_DONE:
        break;
    }
    *known = false;
    return false;
}

static bool answer(struct job *job, bool good)
{
    const struct renderer_process *process = job->process;
    struct wire_answer *answer = &job->answer;
    answer->header = (struct wire_header){
        .magic = WIRE_MAGIC,
        .kind = job->request.header.kind,
        .serial = job->request.header.serial,
    };
    if (!good) {
        answer->code = job->error.code;
        if (process->area) {
            answer->header.area_used = (uint32_t)strlen(job->error.text);
            memcpy(process->area, job->error.text, answer->header.area_used);
        }
    }
    bool has_fd =
        good && job->request.header.kind == WIRE_BLOB_EXPORT && job->fds[0] >= 0;
    return wire_send(process->socket, answer, sizeof *answer, job->fds, has_fd ? 1 : 0,
                     0);
}

/* False: the end. */
static bool serve_one(struct renderer_process *process)
{
    struct job job = {.process = process, .fds = {-1, -1}};
    bool known = false;
    if (wire_receive(process->socket, &job.request, sizeof job.request, job.fds, 0) !=
        WIRE_MESSAGE)
        return false;
    bool is_hello = job.request.header.kind == WIRE_HELLO;
    if (job.request.header.area_used > WIRE_AREA_SIZE || (!process->ram && !is_hello)) {
        wire_close_fds(job.fds);
        return false;
    }
    bool good = do_job(&job, &known);
    bool served = known && (job.request.header.kind == WIRE_FENCE || answer(&job, good));
    wire_close_fds(job.fds);
    return served && (good || !is_hello);
}

/* The renderer's fd, once there is one. */
static int poll_fd(const struct renderer_process *process)
{
    const struct renderer *renderer = &process->renderer;
    return process->ram && renderer->ops->poll_fd
               ? renderer->ops->poll_fd(renderer->context)
               : -1;
}

void renderer_process_serve(struct renderer_process *process)
{
    bool goes_on = true;
    while (goes_on) {
        struct pollfd fds[] = {{process->socket, POLLIN, 0},
                               {poll_fd(process), POLLIN, 0}};
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[1].revents != 0)
            process->renderer.ops->poll(process->renderer.context);
        if (fds[0].revents != 0)
            goes_on = serve_one(process);
    }
    forget_all(process);
    if (process->ram)
        munmap(process->ram, process->ram_size);
    if (process->area)
        munmap(process->area, WIRE_AREA_SIZE);
    process->ram = process->area = NULL;
}
