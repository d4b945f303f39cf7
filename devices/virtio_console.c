/* SPDX-License-Identifier: MIT */
#include "devices/virtio_console.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CHAINS_AT_ONCE 32u
#define PIECE          512u /* bytes of output handed on at once */

/* --- transmit --- */

/* The bytes of a chain are bounded by 2^32 only: look whether the end of the run has come. */
static bool transmit(struct virtio_console *console, struct error *error)
{
    const struct virtqueue *queue = &console->virtio.queues[VIRTIO_CONSOLE_TRANSMIT];
    const struct virtqueue_chain *chain = &console->chain;
    uint8_t bytes[PIECE];
    for (uint64_t done = 0;
         done < chain->readable_size && !atomic_load(&console->virtio.quit);) {
        uint64_t left = chain->readable_size - done;
        uint64_t piece = left < PIECE ? left : PIECE;
        if (!virtqueue_chain_read(queue, chain, done, bytes, piece, error))
            return false;
        console->output(console->output_context, bytes, piece);
        done += piece;
    }
    return true;
}

/* --- receive --- */

static bool has_input(struct virtio_console *console)
{
    pthread_mutex_lock(&console->lock);
    bool has = console->buffered > 0;
    pthread_mutex_unlock(&console->lock);
    return has;
}

/* Moves what fits from the buffer to the chain. */
static bool receive(struct virtio_console *console, uint32_t *filled, struct error *error)
{
    const struct virtqueue_chain *chain = &console->chain;
    pthread_mutex_lock(&console->lock);
    size_t count = console->buffered < chain->writable_size ? console->buffered
                                                            : chain->writable_size;
    bool ok = virtqueue_chain_write(&console->virtio.queues[VIRTIO_CONSOLE_RECEIVE],
                                    chain, 0, console->buffer, count, error);
    console->buffered -= count;
    memmove(console->buffer, console->buffer + count, console->buffered);
    if (console->starved && console->buffered == 0) {
        console->starved = false;
        eventfd_write(console->room_fd, 1);
    }
    pthread_mutex_unlock(&console->lock);
    *filled = (uint32_t)count;
    return ok;
}

/* --- both --- */

static bool serve_chain(struct virtio_console *console, unsigned index,
                        struct error *error)
{
    uint32_t filled = 0;
    if (!(index == VIRTIO_CONSOLE_RECEIVE ? receive(console, &filled, error)
                                          : transmit(console, error)) ||
        !virtqueue_push(&console->virtio.queues[index], console->chain.head, filled,
                        error))
        return false;
    virtio_device_signal_queue(&console->virtio, index);
    return true;
}

static bool queue_kicked(void *context, unsigned index)
{
    struct virtio_console *console = context;
    struct virtqueue *queue = &console->virtio.queues[index];
    struct error error;
    for (unsigned i = 0; i < CHAINS_AT_ONCE; i++) {
        /* The driver's empty buffers stay in the ring until there is something to say. */
        if (index == VIRTIO_CONSOLE_RECEIVE && !has_input(console))
            return false;
        enum virtqueue_result result = virtqueue_pop(queue, &console->chain, &error);
        if (result == VIRTQUEUE_EMPTY)
            return virtqueue_enable_notification(queue);
        if (result == VIRTQUEUE_BROKEN || !serve_chain(console, index, &error)) {
            virtio_device_needs_reset(&console->virtio, &error);
            return false;
        }
    }
    return true;
}

/* As if the driver had notified the receive queue. */
static void input_arrived(void *context)
{
    struct virtio_console *console = context;
    eventfd_t count;
    eventfd_read(console->input_fd, &count);
    if (console->virtio.queue_running[VIRTIO_CONSOLE_RECEIVE])
        eventfd_write(console->virtio.kick_fds[VIRTIO_CONSOLE_RECEIVE], 1);
}

size_t virtio_console_receive(struct virtio_console *console, const uint8_t *bytes,
                              size_t count)
{
    pthread_mutex_lock(&console->lock);
    size_t room = VIRTIO_CONSOLE_BUFFER_SIZE - console->buffered;
    size_t taken = count < room ? count : room;
    memcpy(console->buffer + console->buffered, bytes, taken);
    console->buffered += taken;
    console->starved = taken < count;
    pthread_mutex_unlock(&console->lock);
    if (taken > 0)
        eventfd_write(console->input_fd, 1);
    return taken;
}

void virtio_console_resize(struct virtio_console *console, uint16_t columns,
                           uint16_t rows)
{
    const struct {
        uint16_t columns;
        uint16_t rows;
    } size = {columns, rows};
    _Static_assert(offsetof(struct virtio_console_config, cols) == 0 &&
                       offsetof(struct virtio_console_config, rows) == 2,
                   "both in one change");
    virtio_device_change_config(&console->virtio, 0, &size, sizeof size);
}

/* --- life --- */

static void start(void *context, uint64_t features)
{
    (void)context;
    (void)features;
}

/* No chain is kept between two calls. */
static void reset(void *context)
{
    (void)context;
}

static const struct virtio_device_ops device_ops = {
    .start = start,
    .queue_kicked = queue_kicked,
    .reset = reset,
};

bool virtio_console_init(struct virtio_console *console,
                         virtio_console_output_function *output, void *context,
                         const struct guest_memory *memory, struct trace *trace,
                         struct error *error)
{
    *console = (struct virtio_console){
        .virtio =
            {
                .name = "console",
                .device_id = VIRTIO_ID_CONSOLE,
                .features = UINT64_C(1) << VIRTIO_CONSOLE_F_SIZE,
                .queue_count = 2,
                .ops = &device_ops,
                .context = console,
                .config = (uint8_t *)&console->registers,
                .config_size = sizeof console->registers,
                .memory = memory,
                .trace = trace,
            },
        .output = output,
        .output_context = context,
        .input_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .room_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
    };
    pthread_mutex_init(&console->lock, NULL);
    if (console->input_fd < 0 || console->room_fd < 0)
        error_set(error, ERROR_HOST_SYSTEM, "eventfd for the console: %s; see ulimit -n",
                  strerror(errno));
    else if (virtio_device_init(&console->virtio, error)) {
        virtio_device_watch(&console->virtio, console->input_fd, input_arrived);
        return true;
    }
    virtio_console_finish(console);
    return false;
}

bool virtio_console_start(struct virtio_console *console, struct error *error)
{
    return virtio_device_run(&console->virtio, NULL, NULL, error);
}

void virtio_console_finish(struct virtio_console *console)
{
    if (console->output == NULL)
        return;
    virtio_device_finish(&console->virtio);
    close(console->input_fd); /* nothing, if it could not be made */
    close(console->room_fd);
    pthread_mutex_destroy(&console->lock);
    *console = (struct virtio_console){0};
}
