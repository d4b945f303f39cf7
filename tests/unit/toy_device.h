/* SPDX-License-Identifier: MIT */
/*
 * A virtio device for the tests of the device core, with the driver that drives it. Queue
 * 0 copies the readable part of each chain to its writable part; queue 1 keeps its last
 * chain until the watched `return_fd` is written, and returns it even if it should not.
 *
 *   toy_init() -> toy_run() -> toy_drive() -> toy_check_echo() ... -> toy_finish()
 *
 * What goes wrong inside of the device is a BUG_ON, what the driver sees is an assertion
 * of Check.
 */
#ifndef S2VMM_TESTS_UNIT_TOY_DEVICE_H
#define S2VMM_TESTS_UNIT_TOY_DEVICE_H

#include <check.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <semaphore.h>
#include <unistd.h>

#include "tests/unit/virtqueue_mock.h"
#include "virtio/virtio_device.h"

#define ACKNOWLEDGE VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER      VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK   VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED      VIRTIO_CONFIG_S_FAILED
#define READY       (ACKNOWLEDGE | DRIVER | FEATURES_OK)
#define RUNNING     (READY | DRIVER_OK)

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define VERSION_1    FEATURE(VIRTIO_F_VERSION_1)
#define EVENT_IDX    FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT     FEATURE(VIRTIO_RING_F_INDIRECT_DESC)

#define TOY_RAM_SIZE   (2 * MIB)
#define TOY_QUEUE_SIZE 8
#define TOY_TURN       3     /* chains in one call of queue_kicked() */
#define TOY_PATIENCE   30000 /* milliseconds until a test gives up */

struct toy {
    struct virtio_device device;
    struct guest_memory memory;
    struct virtqueue_mock mocks[2];
    struct trace trace;
    uint8_t config[8];

    /* The device's behaviour. */
    bool start_fails;    /* the thread's first callback fails */
    atomic_bool slow;    /* a command posts in_command, and waits for the gate */
    atomic_bool endless; /* queue_kicked() claims that there is always more */
    sem_t in_command;
    sem_t gate;
    int return_fd;

    /* What it did. */
    pthread_t thread;
    atomic_bool keeps; /* a chain of queue 1 was taken: `kept` */
    uint16_t kept;
    atomic_uint starts, stops, resets, returns, ends;
    atomic_uint kicks[2];
    atomic_uint_least64_t features;
};

void toy_init(struct toy *toy);
void toy_finish(struct toy *toy);

/* Starts the device's thread. */
void toy_run(struct toy *toy);
bool toy_thread_started(void *context, struct error *error);
void toy_thread_ends(void *context);

/* The driver: everything up to DRIVER_OK, with fresh queues; and with it. */
void toy_initialise(struct toy *toy);
void toy_drive(struct toy *toy);

/* Describes one queue with a fresh ring, and makes it ready. */
void toy_make_queue_ready(struct toy *toy, unsigned index);
bool toy_queue_is_ready(struct toy *toy, unsigned index);

/* Adds a chain with this text and room for the answer, whose address is returned;
 * publishes, and notifies if the device wants to know; notifies in any case. */
gpa_t toy_add(struct toy *toy, unsigned index, const char *text);
void toy_publish(struct toy *toy, unsigned index);
void toy_kick(struct toy *toy, unsigned index);

/* Waits for an interrupt with this status, and clears it. */
void toy_wait_for_interrupt(struct toy *toy, uint32_t status);

/* One chain there and back through queue 0. */
void toy_check_echo(struct toy *toy, const char *text);

/* How often the device complained. */
unsigned toy_warnings(struct toy *toy);

/* Waits until the condition, which another thread brings about, is true. */
#define eventually(condition)                                                            \
    do {                                                                                 \
        for (unsigned waited = 0; !(condition); waited++) {                              \
            ck_assert_msg(waited < TOY_PATIENCE, "%s never came true", #condition);      \
            usleep(1000);                                                                \
        }                                                                                \
    } while (0)

#endif
