/* SPDX-License-Identifier: MIT */
/*
 * The thread of a virtio device: one poll() over the control eventfd, the queues'
 * notifications and the device's own fds.
 *
 *   poll() -> what the registers ask for -> each watch once -> each queue once -> poll()
 * ...
 *
 * Each round gives everyone one bounded turn, control first, so a driver that keeps its
 * ring full delays a reset by one turn of each queue at most. A queue that has more to do
 * notifies itself and comes back in the next round.
 *
 * Why no notification is lost: a driver publishes a chain, then writes the kick fd. The
 * thread empties the kick fd first and looks at the ring afterwards, so a chain that it
 * does not see comes with a kick that is still to be read. DRIVER_OK is a flag that is
 * set before the driver can kick, and the flags are read in each round before the queues.
 * During a pause the kicks stay in their fds.
 */
#include "virtio/virtio_device.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

/* Places in the array for poll(). */
enum {
    POLL_CONTROL,
    POLL_WATCHES,
    POLL_QUEUES = POLL_WATCHES + VIRTIO_WATCHES_MAX,
    POLL_COUNT = POLL_QUEUES + VIRTIO_QUEUES_MAX,
};

void virtio_device_watch(struct virtio_device *device, int fd, void (*readable)(void *))
{
    BUG_ON(device->thread_runs || device->watch_count == VIRTIO_WATCHES_MAX);
    device->watches[device->watch_count++] = (struct virtio_watch){fd, readable};
}

/* Sets the counter of an eventfd to 0. Which value it had does not matter: it says that
 * something happened, not how often. */
static void drain(int fd)
{
    eventfd_t count;
    (void)eventfd_read(fd, &count);
}

static void start_queue(struct virtio_device *device, unsigned index,
                        const struct virtio_queue_registers *registers, uint64_t features)
{
    struct virtqueue *queue = &device->queues[index];
    struct error error;

    *queue = (struct virtqueue){
        .memory = device->memory,
        .descriptors = gpa(registers->descriptors),
        .driver = gpa(registers->driver),
        .device = gpa(registers->device),
        .size = registers->size,
        .event_index = (features >> VIRTIO_RING_F_EVENT_IDX & 1) != 0,
        .indirect = (features >> VIRTIO_RING_F_INDIRECT_DESC & 1) != 0,
    };
    if (virtqueue_start(queue, &error)) {
        device->queue_running[index] = true;
        /* The driver may have filled the ring before it set DRIVER_OK. */
        eventfd_write(device->kick_fds[index], 1);
        return;
    }

    queue->broken = true;
    error_wrap(&error, "queue %u", index);
    virtio_device_needs_reset(device, &error);
    pthread_mutex_lock(&device->lock);
    device->queue_registers[index].ready = false; /* or it would be tried again */
    pthread_mutex_unlock(&device->lock);
}

/* From here on the ring is not touched: what a device returns late goes nowhere. */
static void abandon_queue(struct virtio_device *device, unsigned index)
{
    device->queue_running[index] = false;
    device->queues[index] = (struct virtqueue){.broken = true};
}

static void stop_queue(struct virtio_device *device, unsigned index)
{
    bool was_running = device->queue_running[index];
    abandon_queue(device, index);
    if (was_running && device->ops->queue_stopped != NULL)
        device->ops->queue_stopped(device->context, index);

    pthread_mutex_lock(&device->lock);
    device->queue_registers[index].ready = false;
    device->queue_registers[index].stop_asked = false;
    pthread_cond_broadcast(&device->settled);
    pthread_mutex_unlock(&device->lock);
}

static void reset(struct virtio_device *device)
{
    for (unsigned i = 0; i < device->queue_count; i++)
        abandon_queue(device, i);
    device->ops->reset(device->context);

    /* Last, for the driver takes a status of 0 as "the device is done with my memory". */
    pthread_mutex_lock(&device->lock);
    virtio_device_clear_registers(device);
    pthread_cond_broadcast(&device->settled);
    pthread_mutex_unlock(&device->lock);
}

/* Does what the vCPUs asked for. The requests are copied, so that the lock is not held
 * meanwhile; one that arrives later has written control_fd again. */
static void serve_control(struct virtio_device *device)
{
    struct virtio_queue_registers queues[VIRTIO_QUEUES_MAX];

    pthread_mutex_lock(&device->lock);
    bool start_asked = device->start_asked;
    bool reset_asked = device->reset_asked;
    bool started = device->started || start_asked;
    uint64_t features = device->driver_features;
    memcpy(queues, device->queue_registers, sizeof queues);
    bool resume_asked = device->resume_asked;
    device->start_asked = false;
    device->resume_asked = false;
    device->started = started;
    pthread_mutex_unlock(&device->lock);

    if (reset_asked) {
        reset(device);
        return;
    }
    for (unsigned i = 0; i < device->queue_count; i++) {
        if (queues[i].stop_asked)
            stop_queue(device, i);
        else if (started && queues[i].ready && !device->queue_running[i])
            start_queue(device, i, &queues[i], features);
    }
    if (resume_asked && device->ops->resumed != NULL)
        device->ops->resumed(device->context, features);
    else if (start_asked || resume_asked)
        device->ops->start(device->context, features);
}

static void serve_queue(struct virtio_device *device, unsigned index)
{
    drain(device->kick_fds[index]);
    if (!device->queue_running[index])
        return;
    if (device->ops->queue_kicked(device->context, index))
        eventfd_write(device->kick_fds[index], 1);
}

static void serve_watch(struct virtio_device *device, unsigned index, struct pollfd *fd)
{
    if ((fd->revents & POLLIN) != 0) {
        device->watches[index].readable(device->context);
    } else if (fd->revents != 0) {
        /* Hung up or closed: it would never be quiet again. */
        trace_warning(device->trace, "virtio",
                      "%s: fd %d failed (poll: 0x%x), not watched "
                      "any more",
                      device->name, fd->fd, (unsigned)fd->revents);
        fd->fd = -1;
    }
}

/* Whether serve_control() still has something to do; under the lock. */
static bool is_asked(const struct virtio_device *device)
{
    bool asked = device->start_asked || device->reset_asked || device->resume_asked;
    for (unsigned i = 0; i < device->queue_count; i++) {
        const struct virtio_queue_registers *queue = &device->queue_registers[i];
        asked = asked || queue->stop_asked ||
                (device->started && queue->ready && !device->queue_running[i]);
    }
    return asked;
}

static bool is_quiet(const struct virtio_device *device)
{
    for (unsigned i = 0; i < device->queue_count; i++) {
        const struct virtqueue *queue = &device->queues[i];
        if (!queue->broken && queue->next_available != queue->next_used)
            return false;
    }
    return device->ops->quiet == NULL || device->ops->quiet(device->context);
}

/* For the next round: how many of the fds count. Without the queues, what is in flight comes to its
 * end; when it has, only the end of the pause does. */
static nfds_t look_for_pause(struct virtio_device *device)
{
    pthread_mutex_lock(&device->lock);
    bool may_pause = device->pause_asked && !device->paused && !is_asked(device);
    pthread_mutex_unlock(&device->lock);
    bool quiet = may_pause && is_quiet(device);

    pthread_mutex_lock(&device->lock);
    if (quiet && device->pause_asked) {
        device->paused = true;
        pthread_cond_broadcast(&device->settled);
    }
    nfds_t count = !device->pause_asked ? POLL_COUNT
                   : !device->paused    ? POLL_QUEUES
                                        : POLL_WATCHES;
    pthread_mutex_unlock(&device->lock);
    return count;
}

static void serve(struct virtio_device *device)
{
    nfds_t count = look_for_pause(device);
    struct pollfd fds[POLL_COUNT];
    for (unsigned i = 0; i < POLL_COUNT; i++)
        fds[i] = (struct pollfd){.fd = -1, .events = POLLIN}; /* poll() skips -1 */
    fds[POLL_CONTROL].fd = device->control_fd;
    for (unsigned i = 0; i < device->queue_count; i++)
        fds[POLL_QUEUES + i].fd = device->kick_fds[i];
    for (unsigned i = 0; i < device->watch_count; i++)
        fds[POLL_WATCHES + i].fd = device->watches[i].fd;

    while (!atomic_load(&device->quit)) {
        if (poll(fds, count, -1) < 0) {
            BUG_ON(errno != EINTR && errno != EAGAIN && errno != ENOMEM);
            continue;
        }
        if (fds[POLL_CONTROL].revents != 0)
            drain(device->control_fd);
        serve_control(device);
        for (unsigned i = 0; POLL_WATCHES < count && i < device->watch_count; i++)
            serve_watch(device, i, &fds[POLL_WATCHES + i]);
        for (unsigned i = 0; POLL_QUEUES < count && i < device->queue_count; i++)
            if (fds[POLL_QUEUES + i].revents != 0)
                serve_queue(device, i);
        count = look_for_pause(device);
    }
}

/* On the stack of virtio_device_run(), used until `answered`. */
struct start {
    struct virtio_device *device;
    bool (*thread_started)(void *context, struct error *error);
    void (*thread_ends)(void *context);
    bool answered; /* under the device's lock */
    bool ok;
    struct error *error;
};

static void *run_thread(void *argument)
{
    struct start *start = argument;
    struct virtio_device *device = start->device;
    void (*thread_ends)(void *context) = start->thread_ends;

    char name[16]; /* the kernel's limit */
    snprintf(name, sizeof name, "%s", device->name);
    pthread_setname_np(pthread_self(), name);

    bool ok = (start->thread_started == NULL ||
               start->thread_started(device->context, start->error)) &&
              sandbox_enter(device->sandbox, device->sandbox_role, start->error);
    pthread_mutex_lock(&device->lock);
    start->ok = ok;
    start->answered = true;
    pthread_cond_broadcast(&device->settled);
    pthread_mutex_unlock(&device->lock);
    if (!ok)
        return NULL;

    serve(device);
    if (thread_ends != NULL)
        thread_ends(device->context);
    return NULL;
}

bool virtio_device_run(struct virtio_device *device,
                       bool (*thread_started)(void *context, struct error *error),
                       void (*thread_ends)(void *context), struct error *error)
{
    BUG_ON(device->thread_runs);
    struct start start = {
        .device = device,
        .thread_started = thread_started,
        .thread_ends = thread_ends,
        .error = error,
    };
    atomic_store(&device->quit, false);

    /* Signals are for the main thread and the vCPUs. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&device->thread, NULL, run_thread, &start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0)
        return error_set(error, ERROR_HOST_SYSTEM, "%s: cannot start its thread: %s",
                         device->name, strerror(result));

    pthread_mutex_lock(&device->lock);
    while (!start.answered)
        pthread_cond_wait(&device->settled, &device->lock);
    device->thread_runs = start.ok;
    pthread_mutex_unlock(&device->lock);
    if (!start.ok)
        pthread_join(device->thread, NULL);
    return start.ok;
}

void virtio_device_stop(struct virtio_device *device)
{
    if (!device->initialised || !device->thread_runs)
        return;
    atomic_store(&device->quit, true);
    eventfd_write(device->control_fd, 1);
    pthread_join(device->thread, NULL);

    pthread_mutex_lock(&device->lock);
    device->thread_runs = false;
    pthread_cond_broadcast(&device->settled); /* nobody will answer any more */
    pthread_mutex_unlock(&device->lock);
}

/* --- live update --- */

bool virtio_device_pause(struct virtio_device *device, unsigned milliseconds,
                         struct error *error)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += milliseconds / 1000;
    deadline.tv_nsec += milliseconds % 1000 * 1000000L;
    deadline.tv_sec += deadline.tv_nsec / 1000000000L;
    deadline.tv_nsec %= 1000000000L;

    pthread_mutex_lock(&device->lock);
    int result = 0;
    device->pause_asked = device->thread_runs;
    eventfd_write(device->control_fd, 1);
    while (device->pause_asked && !device->paused && result == 0)
        result = pthread_cond_timedwait(&device->settled, &device->lock, &deadline);
    bool paused = device->paused || !device->thread_runs;
    pthread_mutex_unlock(&device->lock);
    if (paused)
        return true;
    virtio_device_resume(device);
    return error_set(error, ERROR_HOST_SYSTEM,
                     "%s: requests of the guest are still in flight after %u ms; try "
                     "again when it does less",
                     device->name, milliseconds);
}

void virtio_device_begin_paused(struct virtio_device *device)
{
    BUG_ON(device->thread_runs);
    device->pause_asked = true;
    device->paused = true;
}

void virtio_device_resume(struct virtio_device *device)
{
    pthread_mutex_lock(&device->lock);
    device->pause_asked = false;
    device->paused = false;
    eventfd_write(device->control_fd, 1);
    pthread_mutex_unlock(&device->lock);
}
