/* SPDX-License-Identifier: MIT */
/*
 * What this host is: fills in the attribute model's parameters, and lists the facts
 * behind them, each with where it was read. The facts are for people (`s2vmm probe`);
 * decisions read only what comes before them.
 *
 *     /proc, /sys, /dev --+
 *     KVM's capabilities -+--> platform_probe() --> struct platform
 *
 * What only one architecture has is read in vmm/arch/<arch>/platform_<arch>.c.
 */
#ifndef S2VMM_PLATFORM_H
#define S2VMM_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>

#include "vmm/error.h"
#include "vmm/memattr.h"

struct kvm;

#define PLATFORM_FACTS_MAX 64

struct platform_fact {
    char name[40];
    char value[128];
    char where[96]; /* a path, a system call, a capability */
};

struct platform {
    struct memattr_platform memattr;
    /* KVM can be told to honour a guest PAT that it ignores. */
    bool guest_pat_liftable;
    /* arm64: KVM may map 2 MiB over pages of a VM_PFNMAP mapping that are not contiguous. */
    bool pfnmap_block_hazard;
    /* arm64: a guest's first write to a page that the host only read may end with EFAULT. */
    bool pfnmap_write_hazard;
    unsigned fact_count;
    struct platform_fact facts[PLATFORM_FACTS_MAX];
};

/* KVM_CHECK_EXTENSION on a VM, or on /dev/kvm where that is as good. */
typedef int platform_check_function(void *context, unsigned long capability);

/* Where to look; tests have a tree and a KVM of their own. */
struct platform_sources {
    const char *root;               /* put in front of /proc, /sys and /dev */
    platform_check_function *check; /* NULL: KVM cannot be used */
    void *context;
    const struct kvm *kvm; /* NULL: there is no VM to try things out with */
    int vm_fd;             /* of that VM */
};

/* Probes the host; sources: NULL for this one. What is missing (KVM, an exporter) is a
 * fact, not an error. ERROR_CONFIG_HOST when /proc or /sys cannot be read, as nothing
 * would be known then. */
bool platform_probe(struct platform *platform, const struct platform_sources *sources,
                    struct error *error);

/* Adds a fact; long texts are cut. When the list is full, its last entry says so. */
void platform_add_fact(struct platform *platform, const char *name, const char *value,
                       const char *where);

/* --- for vmm/arch/ --- */

/* Whether a VM is needed to probe: where capabilities of a VM differ from those of /dev/kvm, or
 * something has to be tried out. */
extern const bool platform_arch_asks_vm;

/* Fills in what this architecture has of the members before the facts, and adds the facts that
 * led there. */
void platform_probe_arch(struct platform *platform,
                         const struct platform_sources *sources);

/* The first line of a file below the root, without its newline; false if it cannot be
 * read. */
bool platform_read_line(const struct platform_sources *sources, const char *path,
                        char *line, size_t size);

/* The value of the first line "key : value" of a file below the root, such as
 * /proc/cpuinfo. */
bool platform_read_key(const struct platform_sources *sources, const char *path,
                       const char *key, char *value, size_t size);

/* True if the path exists below the root. */
bool platform_exists(const struct platform_sources *sources, const char *path);

/* Adds the first line of the file as a fact, or that there is none. */
void platform_add_file(struct platform *platform, const struct platform_sources *sources,
                       const char *name, const char *path);

#endif
