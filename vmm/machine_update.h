/* SPDX-License-Identifier: MIT */
/*
 * The machine in a live update: it gives its guest to another s2vmm, or takes one over.
 * docs/live-update.md has the steps.
 *
 *   the old one   thread "update": a request -> HELLO ... READY -> everything stops -> STATE
 *                 ... LOADED -> GO ... RUNNING -> it leaves; or everything goes on
 *   the new one   HELLO -> VM and devices are made -> READY ... STATE -> loaded -> LOADED ... GO
 *                 -> RUNNING -> it runs
 */
#ifndef S2VMM_MACHINE_UPDATE_H
#define S2VMM_MACHINE_UPDATE_H

#include <pthread.h>

#include "vmm/state.h"

struct machine;
struct vm_outcome;

struct machine_update {
    int control;  /* to the supervisor */
    int takeover; /* to the old s2vmm; -1: the guest is a new one */
    struct state_reader hello;
    int memory_fd; /* the guest's RAM, from there */
    int start_fd;  /* eventfd: the guest is ours */
    int quit_fd;
    pthread_t thread;
    bool thread_runs;
};

/* Takes the sockets of the command line, and hears the old s2vmm, if there is one: after this
 * memory_fd and machine->image are known. What update_receive_state() says. */
bool machine_update_init(struct machine *machine, struct error *error);

/* The thread that waits for requests, if there is a supervisor; of a guest that is taken over, once
 * it has been. ERROR_HOST_SYSTEM. */
bool machine_update_start(struct machine *machine, struct error *error);

/* Instead of vm_run(), all devices are there, but their threads do not run: takes the guest over,
 * and runs it to its end. On failure the old s2vmm has been told, and goes on. */
bool machine_take_over(struct machine *machine, struct vm_outcome *outcome,
                       struct error *error);

/* Tells the old s2vmm that there will be no update. */
void machine_update_failed(struct machine *machine, const struct error *error);

void machine_update_finish(struct machine *machine);

#endif
