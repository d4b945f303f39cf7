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

#define TARGET_SIZE                                                                      \
    (4 * MIB) /* of a target whose size does not matter; a BAR's may be less */

#define TARGET_NODE_SIZE 64 /* of a DRM node's path, with its NUL */

struct target {
    struct backing backing;       /* fd -1: anonymous memory */
    uint64_t file_offset;         /* where in the file the mapping begins */
    struct memattr_buffer buffer; /* what the attribute model is asked about */
    char vma_flags[80];           /* "rd wr mr mw me pf dd" */
    bool clean_is_readonly;       /* a page that was read is mapped read-only */
    /* Only the first page of each block has a reference of its own. */
    bool is_unreferenced;
    enum memattr_map_info
        says;                 /* what the exporter's mmap_info says; NONE: it has none */
    enum memattr_model model; /* of target_open() */
    char drm_node[TARGET_NODE_SIZE]; /* the DRM node that made it, or "" */
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
    TARGET_SAID,         /* open() has filled in target->buffer, `page` is not used */
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

#define EXPORTER_LAB "dmabuf-lab:"
#define EXPORTER_GBM "gbm"

/* The exporter of this name: one of the table, or "dmabuf-lab:" and its words, see
 * exporter_lab(), or "gbm", with ":" and words or without, see exporter_gbm(). `name` stays in use. False: there is none. ERROR_CONFIG_USAGE. */
bool exporter_find(const char *name, struct exporter *exporter, struct error *error);

/* Gets `size` bytes of memory from the exporter, maps it, and looks at the mapping.
 * ERROR_CONFIG_HOST when this host has no such thing, and why. */
bool target_open(struct target *target, const struct exporter *exporter, uint64_t size,
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
bool exporter_pci_sysfs(struct target *target, const char *suffix, struct error *error);
bool exporter_pci_vfio(struct target *target, const char *unused, struct error *error);

/* Memory of a PCI device. */
struct pci_memory {
    uint32_t address; /* domain << 16 | bus << 8 | device << 3 | function */
    uint32_t bar;
    uint64_t size; /* bytes */
};

/* The memory of a device that no driver owns: ivshmem's, or else that of a display or a memory
 * device, its first BAR of 64 KiB or more that is prefetchable, which means that reads have no
 * side effects. ERROR_CONFIG_HOST. */
bool exporter_pci_find_memory(struct pci_memory *memory, struct error *error);

/* dmabuf-lab. words: BACKING,VMA,ATTRIBUTE[,FLAG]... of pages, blocks, bar; pfnmap, fault,
 * mixed, struct-pages, ttm; wb, wc, wc-wished, uc, device; needs-sync, may-change, naive,
 * any-uncached (devices/dmabuf-lab/dmabuf_lab.h). The buffer's facts - page, host, vma - are
 * those that the words mean on this architecture. */
bool exporter_lab(struct target *target, const char *words, struct error *error);
/* Of a target that dmabuf-lab made. ERROR_CONFIG_HOST. */
bool exporter_lab_move(const struct target *target, struct error *error);
bool exporter_lab_set_attribute(const struct target *target, const char *attribute,
                                struct error *error);
bool exporter_lab_revoke(const struct target *target, struct error *error);

/* A buffer of libgbm. words: scanout, linear, rendering, the path of a primary node; comma
 * between them; "": any. The buffer's facts are those of the node's driver. */
bool exporter_gbm(struct target *target, const char *words, struct error *error);
/* Whether these are such words. ERROR_CONFIG_USAGE. */
bool exporter_gbm_check(const char *words, struct error *error);

/* --- vma.c --- */

/* The VmFlags of the mapping that holds this address, from a file like /proc/self/smaps. False:
 * there is no such mapping. */
bool vma_find_flags(FILE *smaps, const void *address, char *flags, size_t size);

/* What KVM on arm64 will take the mapping for; never MEMATTR_VMA_MIXED, which only its entries
 * tell. */
enum memattr_vma vma_kind(const char *flags);

/* Whether a flag of two letters is there. */
bool vma_has_flag(const char *flags, const char *flag);

#endif
