/* SPDX-License-Identifier: MIT */
/*
 * The drivers of Arm's and Qualcomm's GPUs: msm, panfrost, panthor. All three answer for
 * their own buffers only and say so, which is the proof; their buffers are RAM, and their
 * attribute is fixed when they are made. Read in Linux 7.3; never run on the hardware.
 *
 * Requests and structures that the oldest libdrm we build with does not have are declared
 * here, from the kernel's include/uapi/drm/.
 */
#include <drm.h>
#include <string.h>

#include "devices/gpu/driver_query.h"

/* --- msm: include/uapi/drm/msm_drm.h --- */

struct msm_gem_info { /* drm_msm_gem_info; libdrm's is older */
    uint32_t handle;
    uint32_t info;
    uint64_t value;
    uint32_t len;
    uint32_t pad;
};

#define MSM_GEM_INFO           DRM_IOWR(DRM_COMMAND_BASE + 0x03, struct msm_gem_info)
#define MSM_GET_FLAGS          0x05u /* MSM_INFO_GET_FLAGS */
#define MSM_BO_CACHE_MASK      0x0f0000u
#define MSM_BO_CACHED          0x010000u
#define MSM_BO_WC              0x020000u
#define MSM_BO_UNCACHED        0x040000u
#define MSM_BO_CACHED_COHERENT 0x080000u

/* MSM_INFO_GET_FLAGS is EINVAL for an imported buffer (msm_ioctl_gem_info), and also in a
 * kernel that does not have it. */
static void ask_msm(const struct driver_exchange *exchange)
{
    struct msm_gem_info info = {.handle = exchange->handle, .info = MSM_GET_FLAGS};
    int problem = driver_ioctl(exchange, MSM_GEM_INFO, &info);
    if (problem) {
        driver_unknown(exchange,
                       "msm: MSM_INFO_GET_FLAGS: %s: not its own buffer, or an "
                       "older kernel",
                       strerror(problem));
        return;
    }
    exchange->answer->is_own = true;
    /* drivers/gpu/drm/msm/msm_gem.c: msm_gem_pgprot, msm_gem_new_impl */
    switch (info.value & MSM_BO_CACHE_MASK) {
    case MSM_BO_WC:
    case MSM_BO_UNCACHED:
        driver_knows(exchange, MEMATTR_MAP_WC,
                     "msm_gem.c, msm_gem_pgprot: MSM_BO_WC" DRIVER_NOT_RUN);
        break;
    case MSM_BO_CACHED_COHERENT:
        driver_knows(exchange, MEMATTR_MAP_CACHED,
                     "msm_gem.c, msm_gem_pgprot: MSM_BO_CACHED_COHERENT" DRIVER_NOT_RUN);
        break;
    case MSM_BO_CACHED:
        driver_knows(exchange, MEMATTR_MAP_CACHED,
                     "msm_gem.c, msm_gem_pgprot: MSM_BO_CACHED, the GPU does not "
                     "snoop" DRIVER_NOT_RUN);
        exchange->answer->needs_sync = true;
        break;
    default:
        driver_unknown(exchange, "msm: flags 0x%llx name no caching",
                       (unsigned long long)info.value);
        return;
    }
    exchange->answer->knows_sync = true;
}

/* --- panfrost: include/uapi/drm/panfrost_drm.h --- */

struct panfrost_bo_info { /* drm_panfrost_query_bo_info */
    uint32_t handle;
    uint32_t extra_flags;
    uint32_t create_flags;
    uint32_t pad;
};

struct panfrost_param { /* drm_panfrost_get_param */
    uint32_t param;
    uint32_t pad;
    uint64_t value;
};

#define PANFROST_GET_PARAM     DRM_IOWR(DRM_COMMAND_BASE + 0x04, struct panfrost_param)
#define PANFROST_QUERY_BO_INFO DRM_IOWR(DRM_COMMAND_BASE + 0x0d, struct panfrost_bo_info)

#define PANFROST_IS_IMPORTED        (1u << 0)
#define PANFROST_WB_MMAP            (1u << 2) /* PANFROST_BO_WB_MMAP */
#define PANFROST_SELECTED_COHERENCY 44u       /* DRM_PANFROST_PARAM_SELECTED_COHERENCY */

/* Of both drivers: enum drm_panfrost_gpu_coherency, drm_panthor_gpu_coherency. */
enum mali_coherency { MALI_ACE_LITE = 0, MALI_ACE = 1, MALI_NO_COHERENCY = 31 };

/* A cached mapping of a GPU that does not snoop is the user space's to flush. */
static void know_mali(const struct driver_exchange *exchange, bool is_cached,
                      bool knows_coherency, uint64_t coherency, const char *source)
{
    bool snoops = coherency == MALI_ACE_LITE || coherency == MALI_ACE;
    if (!is_cached) {
        driver_knows(exchange, MEMATTR_MAP_WC, "%s: write-combine" DRIVER_NOT_RUN,
                     source);
        exchange->answer->knows_sync = true;
        return;
    }
    driver_knows(exchange, MEMATTR_MAP_CACHED, "%s: cached, the GPU %s" DRIVER_NOT_RUN,
                 source,
                 !knows_coherency ? "may not snoop"
                 : snoops         ? "snoops"
                                  : "does not snoop");
    exchange->answer->needs_sync = !knows_coherency || !snoops;
    exchange->answer->knows_sync = knows_coherency;
}

/* panfrost_drv.c, panfrost_ioctl_query_bo_info: WB_MMAP is !map_wc, which is also so where
 * the device is coherent (panfrost_gem_create_object). */
static void ask_panfrost(const struct driver_exchange *exchange)
{
    struct panfrost_bo_info info = {.handle = exchange->handle};
    int problem = driver_ioctl(exchange, PANFROST_QUERY_BO_INFO, &info);
    if (problem) {
        driver_unknown(exchange,
                       "panfrost: QUERY_BO_INFO: %s: this kernel does not have it",
                       strerror(problem));
        return;
    }
    if (info.extra_flags & PANFROST_IS_IMPORTED) {
        driver_unknown(exchange, "not a buffer of panfrost: imported there");
        return;
    }
    struct panfrost_param param = {.param = PANFROST_SELECTED_COHERENCY};
    bool knows_coherency = driver_ioctl(exchange, PANFROST_GET_PARAM, &param) == 0;
    know_mali(exchange, info.create_flags & PANFROST_WB_MMAP, knows_coherency,
              param.value, "panfrost_ioctl_query_bo_info");
}

/* --- panthor: include/uapi/drm/panthor_drm.h --- */

struct panthor_dev_query { /* drm_panthor_dev_query */
    uint32_t type;
    uint32_t size; /* in: of what `pointer` has room for */
    uint64_t pointer;
};

/* drm_panthor_gpu_info, up to the member that is asked for: the driver copies as much as
 * there is room for. */
struct panthor_gpu_info {
    uint32_t ids_and_features[10]; /* gpu_id to thread_max_workgroup_size */
    uint32_t thread_max_barrier_size;
    uint32_t coherency_features;
    uint32_t texture_features[4];
    uint32_t as_present;
    uint32_t selected_coherency;
};

struct panthor_bo_info { /* drm_panthor_bo_query_info */
    uint32_t handle;
    uint32_t extra_flags;
    uint32_t create_flags;
    uint32_t pad;
};

#define PANTHOR_DEV_QUERY     DRM_IOWR(DRM_COMMAND_BASE + 0x00, struct panthor_dev_query)
#define PANTHOR_BO_QUERY_INFO DRM_IOWR(DRM_COMMAND_BASE + 0x10, struct panthor_bo_info)

#define PANTHOR_GPU_INFO    0u        /* DRM_PANTHOR_DEV_QUERY_GPU_INFO */
#define PANTHOR_NO_MMAP     (1u << 0) /* DRM_PANTHOR_BO_NO_MMAP */
#define PANTHOR_WB_MMAP     (1u << 1) /* DRM_PANTHOR_BO_WB_MMAP */
#define PANTHOR_IS_IMPORTED (1u << 0) /* DRM_PANTHOR_BO_IS_IMPORTED */

/* panthor_ioctl_bo_query_info gives the flags of creation only; panthor_gem.c,
 * should_map_wc: a coherent device maps everything cached. A kernel without the query of
 * the buffer has no selected_coherency either, but a hole in its place: hence the order. */
static void ask_panthor(const struct driver_exchange *exchange)
{
    struct panthor_bo_info info = {.handle = exchange->handle};
    int problem = driver_ioctl(exchange, PANTHOR_BO_QUERY_INFO, &info);
    if (problem) {
        driver_unknown(exchange,
                       "panthor: BO_QUERY_INFO: %s: this kernel does not have it",
                       strerror(problem));
        return;
    }
    if (info.extra_flags & PANTHOR_IS_IMPORTED) {
        driver_unknown(exchange, "not a buffer of panthor: imported there");
        return;
    }
    exchange->answer->is_own = true;
    if (info.create_flags & PANTHOR_NO_MMAP) {
        driver_unknown(exchange, "panthor: made with NO_MMAP, nobody can map it");
        return;
    }
    struct panthor_gpu_info gpu = {0};
    struct panthor_dev_query query = {
        .type = PANTHOR_GPU_INFO,
        .size = sizeof gpu,
        .pointer = (uint64_t)(uintptr_t)&gpu,
    };
    bool asked_for_wb = info.create_flags & PANTHOR_WB_MMAP;
    problem = driver_ioctl(exchange, PANTHOR_DEV_QUERY, &query);
    if (problem && !asked_for_wb) {
        driver_unknown(exchange, "panthor: DEV_QUERY: %s: it depends on the coherency",
                       strerror(problem));
        return;
    }
    bool snoops = !problem && (gpu.selected_coherency == MALI_ACE_LITE ||
                               gpu.selected_coherency == MALI_ACE);
    know_mali(exchange, asked_for_wb || snoops, !problem, gpu.selected_coherency,
              "panthor_gem.c, should_map_wc");
}

const struct driver_entry driver_entries_arm[] = {
    {"msm", ask_msm},
    {"panfrost", ask_panfrost},
    {"panthor", ask_panthor},
};
const unsigned driver_entries_arm_count = ARRAY_SIZE(driver_entries_arm);
