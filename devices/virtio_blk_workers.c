/* SPDX-License-Identifier: MIT */
/* Section numbers are those of virtio 1.2. */
#include "devices/virtio_blk_workers.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/thread.h"

/* --- lists --- */

void virtio_blk_list_append(struct virtio_blk_list *list,
                            struct virtio_blk_request *request)
{
    request->next = NULL;
    if (list->first == NULL)
        list->first = request;
    else
        list->last->next = request;
    list->last = request;
}

struct virtio_blk_request *virtio_blk_list_take(struct virtio_blk_list *list)
{
    struct virtio_blk_request *request = list->first;
    if (request != NULL)
        list->first = request->next;
    return request;
}

static void move_all(struct virtio_blk_list *to, struct virtio_blk_list *from)
{
    struct virtio_blk_request *request;
    while ((request = virtio_blk_list_take(from)) != NULL)
        virtio_blk_list_append(to, request);
}

/* --- one request --- */

static uint8_t erase(const struct disk_image *image,
                     const struct virtio_blk_request *request, struct error *error)
{
    bool unmap = request->type == VIRTIO_BLK_T_DISCARD || request->unmap;
    bool supported = true;
    if (request->length > 0 &&
        !disk_image_erase(image, unmap ? DISK_IMAGE_ZEROES_UNMAP : DISK_IMAGE_ZEROES_KEEP,
                          request->offset, request->length, &supported, error))
        return VIRTIO_BLK_S_IOERR;
    return supported ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_UNSUPP;
}

static uint8_t perform(const struct disk_image *image, struct virtio_blk_request *request,
                       struct error *error)
{
    switch (request->type) {
    case VIRTIO_BLK_T_IN:
        return disk_image_read(image, request->vectors, request->vector_count,
                               request->offset, error)
                   ? VIRTIO_BLK_S_OK
                   : VIRTIO_BLK_S_IOERR;
    case VIRTIO_BLK_T_OUT:
        return disk_image_write(image, request->vectors, request->vector_count,
                                request->offset, error)
                   ? VIRTIO_BLK_S_OK
                   : VIRTIO_BLK_S_IOERR;
    case VIRTIO_BLK_T_FLUSH:
        return disk_image_flush(image, error) ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
    default: /* DISCARD and WRITE_ZEROES: give() says so */
        return erase(image, request, error);
    }
}

/* A guest that tries again and again must not hide other warnings. */
static void warn_once(struct virtio_blk_workers *workers, const struct error *error)
{
    pthread_mutex_lock(&workers->lock);
    bool first = !workers->warned;
    workers->warned = true;
    pthread_mutex_unlock(&workers->lock);
    if (first)
        trace_warning(workers->trace, "blk", "%s; the guest gets an I/O error",
                      error->text);
    else
        trace_detail(workers->trace, "blk", "%s", error->text);
}

static void serve(struct virtio_blk_workers *workers, struct virtio_blk_request *request)
{
    struct error error;
    request->status = perform(workers->image, request, &error);
    /* 5.2.6.2: without FLUSH, what is answered is on the medium. */
    if (workers->write_through && request->status == VIRTIO_BLK_S_OK &&
        request->type != VIRTIO_BLK_T_IN && !disk_image_flush(workers->image, &error))
        request->status = VIRTIO_BLK_S_IOERR;
    if (request->status == VIRTIO_BLK_S_IOERR)
        warn_once(workers, &error);
}

/* --- threads --- */

static void *work(void *context)
{
    struct virtio_blk_workers *workers = context;
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        while (!workers->quit && workers->waiting.first == NULL)
            pthread_cond_wait(&workers->wake, &workers->lock);
        if (workers->quit)
            break;
        struct virtio_blk_request *request = virtio_blk_list_take(&workers->waiting);
        workers->running_count++;
        pthread_mutex_unlock(&workers->lock);

        serve(workers, request);

        pthread_mutex_lock(&workers->lock);
        virtio_blk_list_append(&workers->done, request);
        eventfd_write(workers->done_fd, 1);
        if (--workers->running_count == 0)
            pthread_cond_broadcast(&workers->idle);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

void virtio_blk_workers_give(struct virtio_blk_workers *workers,
                             struct virtio_blk_request *request)
{
    pthread_mutex_lock(&workers->lock);
    virtio_blk_list_append(&workers->waiting, request);
    pthread_cond_signal(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
}

struct virtio_blk_list virtio_blk_workers_take_done(struct virtio_blk_workers *workers)
{
    eventfd_t count;
    eventfd_read(workers->done_fd, &count);
    pthread_mutex_lock(&workers->lock);
    struct virtio_blk_list done = workers->done;
    workers->done = (struct virtio_blk_list){0};
    pthread_mutex_unlock(&workers->lock);
    return done;
}

bool virtio_blk_workers_are_idle(struct virtio_blk_workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    bool idle = workers->waiting.first == NULL && workers->running_count == 0 &&
                workers->done.first == NULL;
    pthread_mutex_unlock(&workers->lock);
    return idle;
}

void virtio_blk_workers_abandon(struct virtio_blk_workers *workers,
                                struct virtio_blk_list *unused)
{
    pthread_mutex_lock(&workers->lock);
    move_all(unused, &workers->waiting);
    while (workers->running_count > 0)
        pthread_cond_wait(&workers->idle, &workers->lock);
    move_all(unused, &workers->done);
    pthread_mutex_unlock(&workers->lock);
}

/* --- life --- */

bool virtio_blk_workers_init(struct virtio_blk_workers *workers,
                             const struct disk_image *image, struct trace *trace,
                             struct error *error)
{
    int done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (done_fd < 0)
        return error_set(error, ERROR_HOST_SYSTEM,
                         "eventfd for disk %s: %s; see ulimit -n", image->path,
                         strerror(errno));
    *workers =
        (struct virtio_blk_workers){.image = image, .trace = trace, .done_fd = done_fd};
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->wake, NULL);
    pthread_cond_init(&workers->idle, NULL);
    return true;
}

bool virtio_blk_workers_start(struct virtio_blk_workers *workers,
                              const struct sandbox *sandbox, struct error *error)
{
    const struct thread_plan plan = {
        .name = "blk-worker",
        .run = work,
        .context = workers,
        .sandbox = sandbox,
        .role = SANDBOX_DISK,
    };
    for (; workers->thread_count < VIRTIO_BLK_THREADS; workers->thread_count++)
        if (!thread_start(&workers->threads[workers->thread_count], &plan, error))
            return false;
    return true;
}

void virtio_blk_workers_finish(struct virtio_blk_workers *workers)
{
    if (workers->image == NULL)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->quit = true;
    pthread_cond_broadcast(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
    while (workers->thread_count > 0)
        pthread_join(workers->threads[--workers->thread_count], NULL);
    pthread_cond_destroy(&workers->wake);
    pthread_cond_destroy(&workers->idle);
    pthread_mutex_destroy(&workers->lock);
    close(workers->done_fd);
    *workers = (struct virtio_blk_workers){0};
}
