/* SPDX-License-Identifier: MIT */
/*
 * A target: host memory from one exporter, mapped once, for the guest to examine.
 *
 *   exporter --open--> target: fd, mapping --+--> memslot
 *                                            +--> the witness maps the same file again
 *                                            +--> /proc/self/smaps: what KVM is going to see
 *
 * What this host does not have is an error, with the reason in one line.
 */
#ifndef S2VMM_MATRIX_TARGET_H
#define S2VMM_MATRIX_TARGET_H

#include <stdio.h>

#include "devices/gpu/backing.h"
#include "vmm/memattr.h"

#define TARGET_SIZE (4 * MIB) /* or less, if a BAR is smaller */

struct target {
    struct backing backing;       /* fd -1: anonymous memory */
    uint64_t file_offset;         /* where in the file the mapping begins */
    struct memattr_buffer buffer; /* what the attribute model is asked about */
    char vma_flags[80];           /* "rd wr mr mw me pf dd" */
    bool clean_is_readonly;       /* see target_examine() */
    void *
        scatter; /* pages that are held so that the memory has neighbours of others; or NULL */
    int helpers[4];    /* more descriptors that keep it alive; 0: none */
    char enabled[320]; /* the file that disables the PCI device again, or "" */
};

/* How the host maps it, by the name of the kernel's function. */
enum target_protection {
    TARGET_CACHED,
    TARGET_WRITECOMBINE, /* pgprot_writecombine() */
    TARGET_DEVICE,       /* pgprot_device() */
    TARGET_NONCACHED,    /* pgprot_noncached() */
};

struct exporter {
    const char *name;
    bool (*open)(struct target *target, const char *argument, struct error *error);
    const char *argument; /* of open(): a driver, a file */
    enum memattr_page page;
    enum target_protection protection;
    const char *source; /* how that is known */
};

extern const struct exporter exporters[];
extern const unsigned exporter_count;

/* Gets memory from the exporter, maps it, and looks at the mapping. ERROR_CONFIG_HOST when this
 * host has no such thing, and why. */
bool target_open(struct target *target, const struct exporter *exporter,
                 enum memattr_model model, struct error *error);

/* Unmaps and closes; a zeroed object is fine. */
void target_close(struct target *target);

/* --- for exporters --- */

/* Opens a file for reading and writing; ERROR_CONFIG_HOST. */
bool target_open_file(const char *path, int *fd, struct error *error);
/* Keeps a descriptor until target_close(). */
void target_keep(struct target *target, int fd);
/* Maps backing.fd at file_offset. */
bool target_map(struct target *target, struct error *error);

bool exporter_drm_prime(struct target *target, const char *driver, struct error *error);
bool exporter_drm_dumb(struct target *target, const char *driver, struct error *error);
bool exporter_pci_sysfs(struct target *target, const char *file, struct error *error);
bool exporter_pci_vfio(struct target *target, const char *unused, struct error *error);

/* --- vma.c --- */

/* The VmFlags of the mapping that holds this address, from a file like /proc/self/smaps. False:
 * there is no such mapping. */
bool vma_find_flags(FILE *smaps, const void *address, char *flags, size_t size);

/* What KVM on arm64 will take the mapping for. */
enum memattr_vma vma_kind(const char *flags);

#endif
