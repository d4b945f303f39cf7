/* SPDX-License-Identifier: MIT */
/*
 * What a thread may still do once the guest can talk to it. Each thread enters its role when it
 * begins, the GPU's in two steps, as its renderer has to be started in between:
 *
 *   sandbox_init()    whole process: no new privileges, no capability can be had again
 *   sandbox_enter()   calling thread, and those that it starts from then on:
 *                     capabilities  all gone
 *                     files         closed by Landlock but for the paths of the role
 *                     system calls  the list of the role (sandbox_calls.c), by seccomp
 *
 *   main ......................................... last, when all others run: SANDBOX_MAIN
 *     GPU's thread: SANDBOX_RENDERER_START -> loads the library -> SANDBOX_GPU*
 *     other threads: their role at once
 *   launcher, a process: SANDBOX_RENDER_LAUNCHER
 *     render server, its child: SANDBOX_RENDER_SERVER, and its own children
 *
 * Nothing can be undone, and a role entered later only takes away. docs/security.md says what is
 * closed for whom, and what that is worth: threads share one memory.
 */
#ifndef S2VMM_SANDBOX_H
#define S2VMM_SANDBOX_H

#include <stdint.h>

#include "vmm/error.h"

enum sandbox_mode {
    SANDBOX_ON,
    SANDBOX_LOG, /* calls beside the list are done, and the kernel's log has them */
    SANDBOX_OFF,
};

enum sandbox_role {
    SANDBOX_MAIN,
    SANDBOX_VCPU,
    SANDBOX_DEVICE, /* console, entropy, the queue of a disk */
    SANDBOX_DISK,   /* reads and writes an image */
    SANDBOX_TERMINAL,
    SANDBOX_TERMINAL_WATCHER, /* a process of its own */
    SANDBOX_SIGNALS,
    SANDBOX_UPDATE,          /* hands the guest to another s2vmm */
    SANDBOX_RENDERER_START,  /* the GPU's thread at first */
    SANDBOX_RENDER_LAUNCHER, /* a process that executes the next one */
    SANDBOX_RENDER_SERVER,   /* a process with Vulkan drivers, and its children */
    SANDBOX_GPU,             /* without a renderer's library; with --blobs-from */
    SANDBOX_GPU_VENUS,       /* with threads of the library, which talk to the server */
    SANDBOX_GPU_VIRGL,       /* with OpenGL drivers and a compiler in this process */
    SANDBOX_ROLE_COUNT
};

struct sandbox {
    /* Filled in by the caller. The paths stay in use. */
    enum sandbox_mode mode;
    const char *drm_node;   /* or NULL; for the GPU's roles */
    const char *screenshot; /* or NULL; a file of it is made, and others beside it */
    const char *tracefs;    /* or NULL; SANDBOX_MAIN takes down what is below it */
    bool exporters;         /* SANDBOX_GPU opens devices that make buffers */

    int landlock; /* version of the kernel's interface; 0: it has none */
};

/* What --sandbox is by default: off under a sanitizer, whose own work at the end of a process
 * needs calls that no thread of ours should have. */
enum sandbox_mode sandbox_default_mode(void);

/* For the whole process, before its first other thread. ERROR_CONFIG_HOST. */
bool sandbox_init(struct sandbox *sandbox, struct error *error);

/* The calling thread enters the role. NULL: nothing happens, as with SANDBOX_OFF.
 * ERROR_CONFIG_HOST: then the thread may be half inside, and must end. */
bool sandbox_enter(const struct sandbox *sandbox, enum sandbox_role role,
                   struct error *error);

/* "vcpu", "gpu-virgl": for messages, tests and documentation. */
const char *sandbox_role_name(enum sandbox_role role);

/* --- sandbox_calls.c --- */

/* Loads the role's filter of system calls for this thread. `log`: it refuses nothing.
 * ERROR_CONFIG_HOST. */
bool sandbox_close_calls(enum sandbox_role role, bool log, struct error *error);

/* Number of a call of the list, for tests: -1 behind the last one. `in_role`: whether the role
 * has it. */
int sandbox_listed_call(unsigned index, enum sandbox_role role, bool *in_role);

/* --- sandbox_files.c --- */

/* The version of the kernel's Landlock; 0: none. */
int sandbox_landlock_version(void);

/* Closes the file system for this thread, but for the role's paths. ERROR_CONFIG_HOST. */
bool sandbox_close_files(const struct sandbox *sandbox, enum sandbox_role role,
                         struct error *error);

#endif
