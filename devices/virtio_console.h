/* SPDX-License-Identifier: MIT */
/*
 * virtio-console with one port (virtio 1.2, 5.3; no MULTIPORT): /dev/hvc0 of a Linux guest.
 *
 *   virtio_console_receive() --> buffer of 4 KiB --> receive queue, when the driver gives buffers
 *                ^--- room_fd, when a byte was refused and the buffer is empty again
 *   transmit queue --> output(), on the device's thread
 *
 * What waits survives a reset: it is the user's, not the driver's. (Linux throws away what arrives
 * while nobody has the port open: drivers/char/virtio_console.c, in_intr().)
 */
#ifndef S2VMM_DEVICES_VIRTIO_CONSOLE_H
#define S2VMM_DEVICES_VIRTIO_CONSOLE_H

#include <linux/virtio_console.h>

#include "virtio/virtio_device.h"

#define VIRTIO_CONSOLE_BUFFER_SIZE 4096
#define VIRTIO_CONSOLE_RECEIVE     0 /* queues */
#define VIRTIO_CONSOLE_TRANSMIT    1

/* Takes bytes that the guest sent; on the device's thread. */
typedef void virtio_console_output_function(void *context, const uint8_t *bytes,
                                            size_t count);

struct virtio_console {
    struct virtio_device virtio;
    virtio_console_output_function *output;
    void *output_context;
    struct virtio_console_config registers;
    struct virtqueue_chain chain; /* the one that is being served */
    int input_fd;                 /* eventfd: there are bytes in the buffer */
    int room_fd;                  /* eventfd, see virtio_console_receive() */

    pthread_mutex_t lock; /* all that follows */
    bool starved; /* virtio_console_receive() took fewer bytes than it was given */
    size_t buffered;
    uint8_t buffer[VIRTIO_CONSOLE_BUFFER_SIZE]; /* oldest first */
};

/* ERROR_HOST_SYSTEM. The memory and the trace are kept. */
bool virtio_console_init(struct virtio_console *console,
                         virtio_console_output_function *output, void *context,
                         const struct guest_memory *memory, struct trace *trace,
                         struct error *error);
bool virtio_console_start(struct virtio_console *console, struct error *error);
/* Stops the thread; a zeroed object is fine. */
void virtio_console_finish(struct virtio_console *console);

/* Bytes for the guest to read. Returns how many were taken. When that is fewer than `count`,
 * room_fd is written as soon as it is worth trying again. Any thread. */
size_t virtio_console_receive(struct virtio_console *console, const uint8_t *bytes,
                              size_t count);

/* The size of the user's terminal, in characters; until then it is 0, unknown. Any thread. */
void virtio_console_resize(struct virtio_console *console, uint16_t columns,
                           uint16_t rows);

/* Section CONS: what waits for the guest, and the size of the terminal, while the device is paused and
 * nobody calls receive() or resize(). Loading: before virtio_console_start(). ERROR_CONFIG_FILE. */
void virtio_console_save(const struct virtio_console *console,
                         struct state_writer *writer, uint32_t instance);
bool virtio_console_load(struct virtio_console *console, struct state_reader *reader,
                         uint32_t instance, struct error *error);

#endif
