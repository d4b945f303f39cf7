/* SPDX-License-Identifier: MIT */
/*
 * What every virtio device has: status, features, queues, shared memory, and one thread.
 *
 *   vCPU threads                                device thread
 *   register access (transport)                 poll()
 *     lock, change registers, unlock              control event: start, stop, reset
 *     DRIVER_OK, reset, queue stop: ask  ------>  queue event:   ops->queue_kicked()
 *   queue notification: ioeventfd in KVM ------>  watched fds:   the device's own events
 *
 * All ops run on the device's thread, so a device needs no lock of its own against
 * itself, and a slow command never holds a vCPU. A reset is asked for on a vCPU and done
 * on the device's thread; until it is done, reading the status gives the old value, and
 * the driver waits until it reads 0 (virtio 1.2, 2.4.2). Stopping one queue works the
 * same way with its ready register.
 *
 *   status:  0 -> ACKNOWLEDGE -> DRIVER -> FEATURES_OK -> DRIVER_OK -> (NEEDS_RESET) -> 0
 *
 * virtio_device.c is the left side of the picture, virtio_device_thread.c the right side.
 *
 * For a live update (docs/live-update.md) a device is paused when the vCPUs have stopped: its
 * thread serves no queue any more, and waits until nothing is in flight. What is left then is the
 * registers and the queues' indices, which virtio_device_state.c saves, and what the device itself
 * knows.
 */
#ifndef S2VMM_VIRTIO_DEVICE_H
#define S2VMM_VIRTIO_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>

#include "virtio/virtqueue.h"
#include "vmm/sandbox.h"
#include "vmm/state.h"
#include "vmm/trace.h"

#define VIRTIO_QUEUES_MAX  4
#define VIRTIO_WATCHES_MAX 5
#define VIRTIO_SHM_MAX     2

struct virtio_device;

/* Where the transport wants the device's interrupts. */
struct virtio_interrupt_ops {
    /* An interrupt of queue `source`, or VIRTIO_INTERRUPT_CONFIG. Any thread, also with the
     * device's lock held. */
    void (*raise)(void *context, unsigned source);
    /* The device was reset. Under its lock, any thread. */
    void (*reset)(void *context);
};
#define VIRTIO_INTERRUPT_CONFIG UINT32_MAX

struct virtio_device_ops {
    /* DRIVER_OK was set; queues that are ready have been started. */
    void (*start)(void *context, uint64_t features);
    /* The driver notified this queue, or there may be more chains. Serve a bounded number
     * and return true if there are more: other events get their turn between. */
    bool (*queue_kicked)(void *context, unsigned index);
    /* The driver stopped this queue: forget the chains that were taken from it. May be
     * NULL when none is kept between two calls of queue_kicked(). */
    void (*queue_stopped)(void *context, unsigned index);
    /* Back to the state before start(). No queue is ready any more, forget the chains. */
    void (*reset)(void *context);
    /* Instead of start(), when the driver had started the device before it was loaded. NULL:
     * start(). */
    void (*resumed)(void *context, uint64_t features);
    /* While it is paused: whether nothing is in flight beside the chains, which the core counts.
     * Asked again after each event of the device's thread. NULL: nothing ever is. */
    bool (*quiet)(void *context);
};

struct virtio_queue_registers {
    uint16_t size;
    uint64_t descriptors;
    uint64_t driver;
    uint64_t device;
    bool ready;      /* what the driver reads back */
    bool stop_asked; /* ready was set to 0, the device thread has not stopped it yet */
};

/* The device's own fds, beside its queues. */
struct virtio_watch {
    int fd;
    void (*readable)(void *context);
};

struct virtio_shm {
    uint8_t id;
    struct gpa_range range;
};

struct virtio_device {
    /* Filled in by the device before virtio_device_init(); the rest is zeroed. */
    const char *name;
    uint32_t device_id; /* VIRTIO_ID_* */
    uint64_t features;  /* offered; the core adds VERSION_1, INDIRECT_DESC, EVENT_IDX */
    unsigned queue_count;
    const struct virtio_device_ops *ops;
    void *context;   /* handed to the ops */
    uint8_t *config; /* device configuration, config_size bytes; reads under the lock */
    uint32_t config_size;
    /* The driver wrote these bytes, they are in config: act, and put back what is
     * read-only. On a vCPU's thread, under the lock. NULL: the configuration is
     * read-only. */
    void (*config_written)(void *context, uint32_t offset, uint32_t size);
    /* The driver moved the PCI BAR that holds this shared-memory region to `range`, or switched
     * it off (NULL). On a vCPU's thread, never at the same time as itself; when it returns, the
     * guest finds the region there, and no more where it was. NULL: there is no region. */
    void (*shm_moved)(void *context, uint8_t id, const struct gpa_range *range);
    const struct guest_memory *memory;
    struct trace *trace;
    const struct sandbox *sandbox; /* of the thread, once it is started; or NULL */
    enum sandbox_role sandbox_role;

    bool initialised;

    /* Register state: under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t settled; /* the thread did what a flag below asked for, or it ended */
    uint32_t status;
    uint64_t driver_features;
    uint32_t config_generation;
    struct virtio_queue_registers queue_registers[VIRTIO_QUEUES_MAX];
    bool start_asked;
    bool reset_asked;
    bool started;      /* the thread took start_asked, and has not done a reset since */
    bool resume_asked; /* it was loaded as started: resumed() has to be called */
    bool pause_asked;
    bool paused; /* the thread has nothing in flight, and takes nothing */
    bool thread_runs;

    atomic_uint interrupt_status;
    const struct virtio_interrupt_ops
        *interrupt_ops;              /* set by a transport before the thread
                                                         runs; NULL: interrupt_fd gets all */
    void *interrupt_context;         /* handed to the interrupt_ops */
    int interrupt_fd;                /* irqfd, if there are no interrupt_ops */
    int control_fd;                  /* wakes the device thread for the flags above */
    int kick_fds[VIRTIO_QUEUES_MAX]; /* ioeventfds */

    /* Device thread only. */
    struct virtqueue queues[VIRTIO_QUEUES_MAX];
    bool queue_running[VIRTIO_QUEUES_MAX];
    unsigned watch_count;
    struct virtio_watch watches[VIRTIO_WATCHES_MAX];

    unsigned shm_count;
    struct virtio_shm shm[VIRTIO_SHM_MAX];

    pthread_t thread;
    atomic_bool quit;
};

/* Makes the eventfds and the initial state. On ERROR_HOST_SYSTEM nothing is left over. */
bool virtio_device_init(struct virtio_device *device, struct error *error);

/* Stops the thread and closes the eventfds; a zeroed object is fine. */
void virtio_device_finish(struct virtio_device *device);

/* Before virtio_device_run(), or in its thread_started: one more fd for the device's thread. It
 * must be read (drained) by the callback. */
void virtio_device_watch(struct virtio_device *device, int fd, void (*readable)(void *));
void virtio_device_add_shm(struct virtio_device *device, uint8_t id,
                           struct gpa_range range);

/* Starts the thread. `thread_started` and `thread_ends` may be NULL; they run on it,
 * first and last: some libraries want all of their calls on one thread. When
 * thread_started fails, the thread ends, and run() fails with its error. */
bool virtio_device_run(struct virtio_device *device,
                       bool (*thread_started)(void *context, struct error *error),
                       void (*thread_ends)(void *context), struct error *error);
/* Stops and joins the thread; nothing if it does not run. */
void virtio_device_stop(struct virtio_device *device);

/* --- live update; on the main thread, while no vCPU runs --- */

/* Returns when all chains that were taken are returned, quiet() agrees, and the thread neither
 * takes more nor serves its watches. ERROR_HOST_SYSTEM after so many milliseconds: then it has
 * gone on already. Nothing to do if the thread does not run. */
bool virtio_device_pause(struct virtio_device *device, unsigned milliseconds,
                         struct error *error);
/* Before virtio_device_run(): the thread begins in a pause. */
void virtio_device_begin_paused(struct virtio_device *device);
/* Goes on; nothing that came meanwhile is lost. Also for one that is not paused. */
void virtio_device_resume(struct virtio_device *device);

/* Section VIRT: registers and queues of a device that is paused. Its configuration space is the
 * device's own affair, as is all that it knows. instance: the device's number in the machine. */
void virtio_device_save(const struct virtio_device *device, struct state_writer *writer,
                        uint32_t instance);
/* After virtio_device_init(), before virtio_device_run(), over the same guest memory: the thread
 * then goes on with the queues, each of which is kicked once. ERROR_CONFIG_FILE: the device is
 * then good for virtio_device_finish() only. */
bool virtio_device_load(struct virtio_device *device, struct state_reader *reader,
                        uint32_t instance, struct error *error);

/* --- interrupts --- */

/* Interrupts the driver for used buffers, if it wants to know. Device thread only. */
void virtio_device_signal_queue(struct virtio_device *device, unsigned index);

/* The device met something it cannot recover from (a broken ring): sets NEEDS_RESET and
 * interrupts for a configuration change (virtio 1.2, 2.1.2). */
void virtio_device_needs_reset(struct virtio_device *device, const struct error *cause);

/* The device changes `size` bytes of its configuration at `offset`: a new generation, and
 * an interrupt for a configuration change (virtio 1.2, 2.5). Any thread. */
void virtio_device_change_config(struct virtio_device *device, uint32_t offset,
                                 const void *bytes, uint32_t size);

/* For transports, on vCPU threads: a write to the device status register, and to a
 * queue's ready register (index < queue_count).
 *
 * A reset, or the stop of a queue, waits for the device's thread up to
 * VIRTIO_SETTLE_MILLISECONDS. The specification does not ask for it; Linux does: on
 * virtio-mmio it writes 0 to the status and does not wait until it reads 0, and warns if
 * a queue that it stopped still reads ready (drivers/virtio/virtio_mmio.c, vm_reset() and
 * vm_del_vq()). */
#define VIRTIO_SETTLE_MILLISECONDS 100
void virtio_device_write_status(struct virtio_device *device, uint32_t status);
uint32_t virtio_device_read_status(struct virtio_device *device);
void virtio_device_write_queue_ready(struct virtio_device *device, unsigned index,
                                     bool ready);

/* Back to the state after virtio_device_init(). Under the lock, when no queue runs; for
 * virtio_device.c and virtio_device_thread.c. */
void virtio_device_clear_registers(struct virtio_device *device);

#endif
