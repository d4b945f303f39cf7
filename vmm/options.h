/* SPDX-License-Identifier: MIT */
/*
 * The command line. Parsed and checked before anything starts; every message names the
 * option, the value and what is possible.
 */
#ifndef S2VMM_OPTIONS_H
#define S2VMM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "vmm/error.h"
#include "vmm/memattr.h"
#include "vmm/quota.h"
#include "vmm/sandbox.h"

enum options_command {
    OPTIONS_RUN,
    OPTIONS_PROBE,
    OPTIONS_MATRIX,
    OPTIONS_EXPERIMENT,
    OPTIONS_UPDATE,
    OPTIONS_HELP,
    OPTIONS_VERSION,
};

/* --honor-guest-pat: whether KVM's quirk that ignores the guest's PAT (Intel) is lifted.
 */
enum options_guest_pat {
    OPTIONS_GUEST_PAT_AUTO, /* where the host can */
    OPTIONS_GUEST_PAT_ON,   /* or fail */
    OPTIONS_GUEST_PAT_OFF,
};

/* --transport. AUTO: PCI for a Linux kernel, virtio-mmio for the tiny guest. */
enum options_transport {
    OPTIONS_TRANSPORT_AUTO,
    OPTIONS_TRANSPORT_MMIO,
    OPTIONS_TRANSPORT_PCI,
};

/* --map-strategy: devices/gpu/hostmem.h. AUTO: the window, but slots where the renderer may map
 * buffers itself. */
enum options_map_strategy {
    OPTIONS_MAP_AUTO,
    OPTIONS_MAP_SLOT,
    OPTIONS_MAP_WINDOW,
};

#define OPTIONS_DISKS_MAX    4
#define OPTIONS_DISPLAYS_MAX 4
#define OPTIONS_VFIO_MAX     4
#define OPTIONS_SIZES_MAX    8

/* --memory-backend: docs/guest-memory.md. */
enum options_memory_backend {
    OPTIONS_MEMORY_MEMFD, /* without a GPU: anonymous memory */
    OPTIONS_MEMORY_GUEST_MEMFD,
};

struct options_disk {
    const char *path;
    bool readonly;
};

struct options_vfio {
    const char *address; /* "0000:00:05.0" */
    bool traps;          /* every access to a BAR is an exit */
};

struct options_size { /* pixels */
    uint32_t width;
    uint32_t height;
};

struct options_display {
    unsigned size_count;
    struct options_size sizes[OPTIONS_SIZES_MAX]; /* the first one, then one by SIGUSR2 */
};

struct options {
    enum options_command command;
    const char *guest; /* path of the ELF or of the kernel: --guest, --kernel */
    enum options_transport transport;
    unsigned disk_count; /* --disk FILE[,readonly] */
    struct options_disk disks[OPTIONS_DISKS_MAX];
    unsigned vfio_count; /* --vfio ADDRESS[,trap] */
    struct options_vfio vfio[OPTIONS_VFIO_MAX];
    bool
        virtio_console; /* --console=virtio: stdin and stdout are its, not the serial port's */
    bool rng;           /* --rng */
    unsigned display_count; /* --display WxH[/WxH...][,...] */
    struct options_display displays[OPTIONS_DISPLAYS_MAX];
    const char *screenshot;  /* --screenshot FILE.png, or NULL */
    const char *append;      /* the guest's command line */
    const char *initrd;      /* path, or NULL */
    uint64_t memory_size;    /* bytes */
    uint64_t default_memory; /* without --memory */
    enum options_memory_backend memory_backend;
    unsigned cpu_count;
    bool gpu_given; /* --gpu */
    bool virgl;
    bool venus;
    bool gpu_2d;               /* --gpu=2d: none of these, and no blobs_from, and a GPU */
    bool renderer_process;     /* --renderer=process */
    const char *drm_node;      /* or NULL */
    uint64_t window_size;      /* bytes */
    struct quota_limits quota; /* --quota; 0: the default */
    unsigned lent_timeout;     /* seconds, 0 = the default */
    bool fail_overdue;         /* --lent-overdue=fail, not wait */
    enum options_map_strategy map_strategy;
    bool permissive;        /* --cache-mode-policy */
    bool copy_unsynced;     /* --needs-sync=copy, not refuse */
    bool follow_changes;    /* --may-change=follow, not refuse */
    bool prefault_shm;      /* --prefault=all, not not-shm */
    const char *blobs_from; /* an exporter that every blob comes from, or NULL */
    bool force_map_info;
    uint32_t forced_map_info; /* the number to send */
    enum options_guest_pat guest_pat;
    bool observe_s2;
    enum sandbox_mode sandbox;
    unsigned timeout; /* seconds, 0 = none */
    bool json;
    const char *records;    /* path for records in JSON, or NULL */
    const char *platform;   /* matrix: of this name; NULL: this host */
    bool measure;           /* matrix */
    const char *html;       /* matrix: path, or NULL */
    const char *exporters;  /* matrix: only those whose name begins with this, or NULL */
    const char *dmabuf;     /* probe: an exporter's name, FD or PID:FD; or NULL */
    const char *experiment; /* its name; NULL: the list of all */
    bool trace;
    const char *update_socket; /* run: path, or NULL; update: its argument */
    const char *binary;        /* update: the file to execute; NULL: this program's */
    unsigned update_count;     /* update: how often */
    int update_control;        /* run: a socket to the supervisor, or -1 */
    int update_takeover;       /* run: a socket to an old VMM, whose guest it is; or -1 */
};

/* True if the machine has a GPU. */
bool options_has_gpu(const struct options *options);

/* ERROR_CONFIG_USAGE. The strings of argv are kept, and may be cut. */
bool options_parse(int argc, char **argv, struct options *options, struct error *error);

void options_print_help(FILE *out);

#endif
