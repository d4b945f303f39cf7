/* SPDX-License-Identifier: MIT */
/*
 * vgem, virtio_gpu, amdgpu, i915. None of them says whether a buffer is its own, so that each
 * needs another proof. vgem and virtio_gpu are run by the lab's tests; the others were read in
 * Linux 7.3 and never run on the hardware.
 */
#include <amdgpu_drm.h>
#include <drm.h>
#include <errno.h>
#include <string.h>

#include "devices/gpu/driver_query.h"

/* --- vgem --- */

/* drm_gem_dumb_map_offset() refuses what was imported: a map offset is the proof. Every
 * object has map_wc, and drm_gem_shmem_mmap() is pgprot_writecombine() then. */
static void ask_vgem(const struct driver_exchange *exchange)
{
    struct drm_mode_map_dumb map = {.handle = exchange->handle};
    int problem = driver_ioctl(exchange, DRM_IOCTL_MODE_MAP_DUMB, &map);
    if (problem) {
        driver_unknown(exchange, "not a buffer of vgem: MODE_MAP_DUMB: %s%s",
                       strerror(problem),
                       problem == EACCES ? ": ask a card node, not a render node" : "");
        return;
    }
    driver_knows(exchange, MEMATTR_MAP_WC,
                 "vgem: vgem_drv.c vgem_gem_create_object: map_wc");
    exchange->answer->knows_sync = true;
}

/* --- virtio_gpu: include/uapi/drm/virtgpu_drm.h, whose libdrm copy is of any age --- */

struct virtio_gpu_map { /* drm_virtgpu_map */
    uint64_t offset;
    uint32_t handle;
    uint32_t pad;
};

struct virtio_gpu_info { /* drm_virtgpu_resource_info */
    uint32_t handle;
    uint32_t resource;
    uint32_t size;
    uint32_t blob_memory; /* 0: no blob. "stride", without a meaning, in old headers */
};

#define VIRTIO_GPU_MAP  DRM_IOWR(DRM_COMMAND_BASE + 0x01, struct virtio_gpu_map)
#define VIRTIO_GPU_INFO DRM_IOWR(DRM_COMMAND_BASE + 0x05, struct virtio_gpu_info)

/* VIRTGPU_BLOB_MEM_* */
enum { NO_BLOB, MEMORY_GUEST, MEMORY_HOST3D, MEMORY_HOST3D_GUEST };

/* The proof: importing gives the node's own object, or fails (virtgpu_prime.c,
 * virtgpu_gem_prime_import), or, where the device has blobs but no 3D (Linux 7.2), an object that
 * refers to another's buffer: that one has no map offset (virtgpu_ioctl.c,
 * virtio_gpu_map_ioctl: EINVAL; 0 from a kernel that does not check, inferred). */
static bool is_own_virtio_gpu(const struct driver_exchange *exchange)
{
    struct virtio_gpu_map map = {.handle = exchange->handle};
    int problem = driver_ioctl(exchange, VIRTIO_GPU_MAP, &map);
    if (!problem && map.offset != 0)
        return true;
    driver_unknown(exchange, "not a buffer of this virtio_gpu: VIRTGPU_MAP: %s",
                   problem ? strerror(problem) : "it has no offset");
    return false;
}

/* What is not a blob of HOST3D memory alone is an object of the GEM SHMEM helpers without map_wc
 * (virtgpu_object.c, virtio_gpu_create_object; virtgpu_ioctl.c,
 * virtio_gpu_resource_create_blob_ioctl), so that drm_gem_shmem_mmap() leaves it cached. A HOST3D
 * blob is mapped by the device's map_info (virtgpu_vram.c, virtio_gpu_vram_mmap), which no query
 * tells. That no SYNC is needed is inferred: the exporter has no begin_cpu_access, and the device
 * reads the pages through its host's cached mappings. */
static void ask_virtio_gpu(const struct driver_exchange *exchange)
{
    if (!is_own_virtio_gpu(exchange))
        return;
    exchange->answer->is_own = true;
    struct virtio_gpu_info info = {.handle = exchange->handle};
    int problem = driver_ioctl(exchange, VIRTIO_GPU_INFO, &info);
    if (problem) {
        driver_unknown(exchange, "virtio_gpu: RESOURCE_INFO: %s", strerror(problem));
        return;
    }
    if (info.blob_memory != NO_BLOB && info.blob_memory != MEMORY_GUEST &&
        info.blob_memory != MEMORY_HOST3D_GUEST) {
        driver_unknown(exchange,
                       "virtio_gpu: a blob of memory type %u: nobody tells its map_info",
                       info.blob_memory);
        return;
    }
    driver_knows(exchange, MEMATTR_MAP_CACHED,
                 "virtio_gpu: virtgpu_object.c virtio_gpu_create_object: no map_wc");
    exchange->answer->knows_sync = true;
}

/* --- amdgpu --- */

/* An imported buffer has a map offset as well (amdgpu_mode_dumb_mmap), but no page behind
 * it: TTM's fault handler refuses (ttm_bo_vm.c, ttm_bo_vm_reserve, TTM_TT_FLAG_EXTERNAL).
 * So a page that can be read through the node is the proof. Inferred. */
static bool is_own_amdgpu(const struct driver_exchange *exchange)
{
    union drm_amdgpu_gem_mmap map = {.in = {.handle = exchange->handle}};
    int problem = driver_ioctl(exchange, DRM_IOCTL_AMDGPU_GEM_MMAP, &map);
    if (problem) {
        driver_unknown(exchange,
                       "not a buffer of amdgpu, or one that cannot be mapped: "
                       "GEM_MMAP: %s",
                       strerror(problem));
        return false;
    }
    const struct driver_system *system = exchange->system;
    if (!system->can_read(system->context, exchange->node, map.out.addr_ptr)) {
        driver_unknown(exchange, "not a buffer of amdgpu: no page behind its map offset");
        return false;
    }
    return true;
}

/* amdgpu_gem.c, amdgpu_gem_op_ioctl: preferred domains and flags, not where it is now.
 * A buffer that prefers VRAM is allowed in GTT, too (amdgpu_bo_create), where another
 * attribute holds. GTT alone: amdgpu_ttm_tt_create takes write-combine for USWC, cached
 * otherwise, and moving the buffer to system memory keeps its pages. TTM leaves
 * vm_page_prot cacheable (ttm_bo_vm.c, ttm_bo_mmap_obj). */
static void ask_amdgpu(const struct driver_exchange *exchange)
{
    if (!is_own_amdgpu(exchange))
        return;
    exchange->answer->is_own = true;
    struct drm_amdgpu_gem_create_in create = {0};
    struct drm_amdgpu_gem_op operation = {
        .handle = exchange->handle,
        .op = AMDGPU_GEM_OP_GET_GEM_CREATE_INFO,
        .value = (uint64_t)(uintptr_t)&create,
    };
    int problem = driver_ioctl(exchange, DRM_IOCTL_AMDGPU_GEM_OP, &operation);
    if (problem) {
        driver_unknown(exchange, "amdgpu: GET_GEM_CREATE_INFO: %s", strerror(problem));
        return;
    }
    struct driver_answer *answer = exchange->answer;
    if (create.domains == AMDGPU_GEM_DOMAIN_GTT) {
        bool is_uswc = create.domain_flags & AMDGPU_GEM_CREATE_CPU_GTT_USWC;
        driver_knows(exchange, is_uswc ? MEMATTR_MAP_WC : MEMATTR_MAP_CACHED,
                     "amdgpu_ttm_tt_create: GTT, %s" DRIVER_NOT_RUN,
                     is_uswc ? "USWC" : "cached");
        answer->vma_is_uncacheable = false;
        answer->knows_sync = true;
        return;
    }
    answer->placement_is_unknown = true;
    answer->may_change = true;
    driver_unknown(exchange,
                   "amdgpu: domains 0x%llx: VRAM and GTT differ, nobody says where it is "
                   "now" DRIVER_NOT_RUN,
                   (unsigned long long)create.domains);
}

/* --- i915: include/uapi/drm/i915_drm.h, which -Wpedantic does not take --- */

struct i915_caching { /* drm_i915_gem_caching */
    uint32_t handle;
    uint32_t caching;
};

struct i915_mmap_offset { /* drm_i915_gem_mmap_offset */
    uint32_t handle;
    uint32_t pad;
    uint64_t offset;
    uint64_t flags;
    uint64_t extensions;
};

#define I915_GET_CACHING    DRM_IOWR(DRM_COMMAND_BASE + 0x30, struct i915_caching)
#define I915_MMAP_OFFSET    DRM_IOWR(DRM_COMMAND_BASE + 0x24, struct i915_mmap_offset)
#define I915_CACHING_NONE   0u
#define I915_MMAP_OFFSET_WB 2u

/* A dma-buf of an integrated GPU is mapped by the shmem file behind it, which is WB
 * (i915_gem_dmabuf.c, i915_gem_dmabuf_mmap; mm/shmem.c). GET_CACHING is about the GPU, and
 * says whether the CPU's accesses need a flush: NONE is what set_cache_coherency
 * (i915_gem_object.c) calls not coherent for writing, with and without LLC. ENODEV: discrete.
 * EOPNOTSUPP: user space chose the PAT index.
 *
 * The proofs: what was imported has no map offset for a WB mapping (i915_gem_mman.c,
 * __assign_mmap_offset: ENODEV without struct pages), and the mapping is not a VM_PFNMAP
 * one, as that of a discrete GPU's buffer would be. Inferred. */
static void ask_i915(const struct driver_exchange *exchange)
{
    struct i915_caching caching = {.handle = exchange->handle};
    int problem = driver_ioctl(exchange, I915_GET_CACHING, &caching);
    if (problem == ENODEV) {
        driver_unknown(exchange,
                       "i915: GET_CACHING: ENODEV: a discrete GPU has no query");
        return;
    }
    struct i915_mmap_offset map = {.handle = exchange->handle,
                                   .flags = I915_MMAP_OFFSET_WB};
    int foreign = driver_ioctl(exchange, I915_MMAP_OFFSET, &map);
    if (foreign || exchange->buffer->is_pfnmap) {
        driver_unknown(exchange, "not a buffer of this i915: %s",
                       foreign ? strerror(foreign) : "it is not mapped by shmem");
        return;
    }
    bool knows_sync = problem == 0;
    bool needs_sync = !knows_sync || caching.caching == I915_CACHING_NONE;
    driver_knows(exchange, MEMATTR_MAP_CACHED,
                 "i915_gem_dmabuf_mmap: shmem; the GPU %s" DRIVER_NOT_RUN,
                 !knows_sync  ? "may not snoop (GET_CACHING fails)"
                 : needs_sync ? "does not snoop (CACHING_NONE)"
                              : "snoops");
    exchange->answer->needs_sync = needs_sync;
    exchange->answer->knows_sync = knows_sync;
}

const struct driver_entry driver_entries_pc[] = {
    {"vgem", ask_vgem},
    {"virtio_gpu", ask_virtio_gpu},
    {"amdgpu", ask_amdgpu},
    {"i915", ask_i915},
};
const unsigned driver_entries_pc_count = ARRAY_SIZE(driver_entries_pc);
