/* SPDX-License-Identifier: MIT */
/*
 * Blobs as Linux' user space makes them, and the look at a mapped one.
 *
 *   blob_context()   the file's context, and for Vulkan: an instance and a device
 *   blob_create()    its object (Vulkan memory, GL texture), CREATE_BLOB
 *   blob_map()       MAP, mmap(): for host memory it is the driver that chooses the attribute
 *   blob_examine()   the guest's PTE; the exchange with the host's witness; the VMM's record
 *   blob_destroy()   munmap(), GEM_CLOSE
 */
#ifndef S2VMM_GUEST_LINUX_BLOB_H
#define S2VMM_GUEST_LINUX_BLOB_H

#include "guest/linux/drm.h"
#include "guest/linux/test.h"

enum blob_kind {
    BLOB_SHM,          /* HOST3D: shared memory of a venus context, blob_id 0 */
    BLOB_VENUS,        /* HOST3D: VkDeviceMemory */
    BLOB_VIRGL,        /* HOST3D: a GL texture */
    BLOB_GUEST,        /* GUEST: pages of the guest */
    BLOB_HOST3D_GUEST, /* HOST3D_GUEST: Vulkan memory, and pages of the guest */
};

struct blob {
    enum blob_kind kind;
    uint32_t flags;  /* VIRTGPU_USE_* */
    uint64_t size;   /* bytes */
    uint64_t object; /* unique in the context, from 1 */
    uint32_t handle; /* 0: not created */
    uint32_t resource_id;
    void *address; /* NULL: not mapped */
};

/* The flags and the size that a kind has when nobody says otherwise. */
uint32_t blob_default_flags(enum blob_kind kind);
uint64_t blob_default_size(enum blob_kind kind);

bool blob_context(struct test *test, const struct gpu *gpu, enum blob_kind kind);

/* Of which kind, flags, size and object are filled in. 0 or an errno. */
int blob_create(const struct gpu *gpu, struct blob *blob);
int blob_map(const struct gpu *gpu, struct blob *blob);

/* Does nothing with a blob that is neither mapped nor created. */
int blob_unmap(struct blob *blob);
int blob_destroy(const struct gpu *gpu, struct blob *blob);

/* Prints the guest's attribute of the mapping, writes and reads it, and where there is a
 * witness lets guest and host see each other's writes. Option s1=TYPE: fails unless the
 * page table has this type. */
bool blob_examine(struct test *test, const struct blob *blob);

/* Writes a pattern to all of the blob, and looks whether it is there. */
void blob_fill(const struct blob *blob, uint64_t seed);
bool blob_holds(const struct blob *blob, uint64_t seed);

#endif
