/* SPDX-License-Identifier: MIT */
/*
 * A virtio device that is replaced by another one, for the tests of saved states: each request has a
 * number, and the device counts how often it was served. The driver is a struct virtio_driver, which
 * goes on with the device that it is told.
 */
#ifndef S2VMM_TESTS_UNIT_SERVER_DEVICE_H
#define S2VMM_TESTS_UNIT_SERVER_DEVICE_H

#include "tests/unit/virtio_driver.h"

#define SERVER_TURN     3  /* chains in one call of queue_kicked() */
#define SERVER_INFLIGHT 24 /* requests that a driver may have out */
#define SERVER_REQUESTS 4096

/* The driver, and what the devices did for it. */
struct server_driver {
    struct virtio_driver virtio;
    unsigned sent;
    unsigned returned;
    atomic_uint served[SERVER_REQUESTS];
    bool came_back[SERVER_REQUESTS];
};

struct server {
    struct virtio_device device;
    struct server_driver *driver;
    uint8_t config[4];
    int wake_fd;         /* an event of its own, which does nothing */
    atomic_bool is_busy; /* quiet() says no */
    atomic_uint starts, resumes, resets;
};

void server_driver_init(struct server_driver *driver);
void server_driver_finish(struct server_driver *driver);

/* A device over the driver's memory; its thread does not run yet. */
void server_init(struct server *server, struct server_driver *driver);
void server_run(struct server *server);
void server_finish(struct server *server);

/* Sends so many requests, and notifies only if the device wants to know. */
void server_send(struct server_driver *driver, unsigned count);
/* Takes what has come back: each request once, with the right answer. */
void server_take(struct server_driver *driver);
/* Sleeps as a driver does: asks for an interrupt, looks once more, and waits for `interrupt_fd`,
 * until all has come back. */
void server_wait(struct server_driver *driver, int interrupt_fd);

#endif
