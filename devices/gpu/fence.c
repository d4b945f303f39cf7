/* SPDX-License-Identifier: MIT */
#include "devices/gpu/fence.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool fence_queue_init(struct fence_queue *queue, struct error *error)
{
    *queue = (struct fence_queue){.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (queue->event_fd < 0)
        return error_set(error, ERROR_HOST_SYSTEM, "eventfd for fences: %s",
                         strerror(errno));
    pthread_mutex_init(&queue->lock, NULL);
    return true;
}

void fence_queue_finish(struct fence_queue *queue)
{
    close(queue->event_fd);
    pthread_mutex_destroy(&queue->lock);
}

bool fence_queue_add(struct fence_queue *queue, struct renderer_timeline timeline,
                     uint16_t head, uint32_t written, uint32_t *fence,
                     struct error *error)
{
    pthread_mutex_lock(&queue->lock);
    bool room = queue->count < ARRAY_SIZE(queue->waits);
    if (room) {
        *fence = ++queue->next_fence;
        queue->waits[queue->count++] = (struct fence_wait){
            .timeline = timeline, .fence = *fence, .head = head, .written = written};
    }
    pthread_mutex_unlock(&queue->lock);
    return room ||
           error_set(error, ERROR_GUEST_LIMIT,
                     "%zu commands wait for a fence already: the driver reuses chains "
                     "that are in flight",
                     ARRAY_SIZE(queue->waits));
}

/* Call with the lock held. */
static void wake(struct fence_queue *queue)
{
    /* The only error is EAGAIN: the counter is full, so the fd is readable anyway. */
    (void)!write(queue->event_fd, &(uint64_t){1}, sizeof(uint64_t));
}

void fence_queue_signal(struct fence_queue *queue, struct renderer_timeline timeline,
                        uint32_t fence)
{
    pthread_mutex_lock(&queue->lock);
    for (unsigned i = 0; i < queue->count; i++) {
        struct fence_wait *wait = &queue->waits[i];
        /* Numbers wrap; at most a ring full of them is alive. */
        if (wait->timeline.context_id == timeline.context_id &&
            wait->timeline.ring == timeline.ring && (int32_t)(fence - wait->fence) >= 0)
            wait->done = true;
    }
    wake(queue);
    pthread_mutex_unlock(&queue->lock);
}

void fence_queue_complete(struct fence_queue *queue, uint32_t fence)
{
    pthread_mutex_lock(&queue->lock);
    for (unsigned i = 0; i < queue->count; i++) {
        if (queue->waits[i].fence == fence)
            queue->waits[i].done = true;
    }
    wake(queue);
    pthread_mutex_unlock(&queue->lock);
}

bool fence_queue_take(struct fence_queue *queue, uint16_t *head, uint32_t *written)
{
    bool found = false;
    pthread_mutex_lock(&queue->lock);
    for (unsigned i = 0; i < queue->count && !found; i++) {
        if (!queue->waits[i].done)
            continue;
        found = true;
        *head = queue->waits[i].head;
        *written = queue->waits[i].written;
        queue->count--;
        memmove(&queue->waits[i], &queue->waits[i + 1],
                (queue->count - i) * sizeof queue->waits[0]);
    }
    pthread_mutex_unlock(&queue->lock);
    return found;
}

void fence_queue_abandon(struct fence_queue *queue, uint32_t context_id)
{
    pthread_mutex_lock(&queue->lock);
    for (unsigned i = 0; i < queue->count; i++) {
        if (context_id == 0 || queue->waits[i].timeline.context_id == context_id)
            queue->waits[i].done = true;
    }
    wake(queue);
    pthread_mutex_unlock(&queue->lock);
}

void fence_queue_clear(struct fence_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->count = 0;
    pthread_mutex_unlock(&queue->lock);
}
