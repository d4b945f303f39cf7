/* SPDX-License-Identifier: MIT */
/*
 * Buffers of libgbm: what a compositor or a camera stack would allocate on this host.
 *
 *   gbm[:WORD[,WORD]...]   scanout, linear, rendering (GBM_BO_USE_*; none: rendering), and
 *                          the path of a primary node, /dev/dri/card1: the last one counts;
 *                          without any, the first node that can
 *
 * A node without a driver for rendering gives dumb buffers, which only primary nodes can make
 * (drivers/gpu/drm/drm_ioctl.c: DRM_IOCTL_MODE_CREATE_DUMB has no DRM_RENDER_ALLOW). The fd comes
 * from the kernel and not from gbm_bo_get_fd(), which is read-only before Mesa 26.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gbm.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "devices/gpu/exporters/target.h"

#define LIBRARY      "libgbm.so.1"
#define NODES_MAX    16
#define WIDTH        1024u /* pixels of 32 bits: a row is a page */
#define BYTES_OF_ROW UINT64_C(4096)

#define GBM_CALLS(X)                                                                     \
    X(create_device)                                                                     \
    X(device_destroy)                                                                    \
    X(bo_create)                                                                         \
    X(bo_destroy)                                                                        \
    X(bo_get_handle)

struct calls {
#define X(name) __typeof__(&gbm_##name) name;
    GBM_CALLS(X)
#undef X
};

/* The words of the exporter's name. */
struct wish {
    uint32_t use;  /* GBM_BO_USE_* */
    char node[64]; /* "": the first that can */
};

/* The library stays loaded: its drivers leave threads and atexit handlers behind. */
static bool load(struct calls *calls, struct error *error)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        error_set(error, ERROR_CONFIG_HOST, "%s; install the package libgbm1", dlerror());
        return false;
    }
    void *symbol;
#define X(name)                                                                          \
    symbol = dlsym(library, "gbm_" #name);                                               \
    if (!symbol) {                                                                       \
        error_set(error, ERROR_CONFIG_HOST, LIBRARY " has no gbm_" #name);               \
        return false;                                                                    \
    }                                                                                    \
    memcpy(&calls->name, &symbol, sizeof symbol);
    GBM_CALLS(X)
#undef X
    return true;
}

static bool parse_word(const char *word, size_t length, struct wish *wish,
                       struct error *error)
{
    static const struct {
        const char *word;
        uint32_t use;
    } uses[] = {
        {"scanout", GBM_BO_USE_SCANOUT},
        {"linear", GBM_BO_USE_LINEAR},
        {"rendering", GBM_BO_USE_RENDERING},
    };
    for (size_t i = 0; i < ARRAY_SIZE(uses); i++) {
        if (strlen(uses[i].word) == length && strncmp(uses[i].word, word, length) == 0) {
            wish->use |= uses[i].use;
            return true;
        }
    }
    if (word[0] == '/' && length < sizeof wish->node) {
        memcpy(wish->node, word, length);
        wish->node[length] = '\0';
        return true;
    }
    return error_set(
        error, ERROR_CONFIG_USAGE,
        "gbm: unknown word \"%.*s\": scanout, linear, rendering, or the path "
        "of a DRM node",
        (int)length, word);
}

static bool parse(const char *words, struct wish *wish, struct error *error)
{
    *wish = (struct wish){0};
    while (*words) {
        size_t length = strcspn(words, ",");
        if (!parse_word(words, length, wish, error))
            return false;
        words += length;
        words += *words == ',';
    }
    if (wish->use == 0)
        wish->use = GBM_BO_USE_RENDERING;
    return true;
}

bool exporter_gbm_check(const char *words, struct error *error)
{
    struct wish wish;
    return parse(words, &wish, error);
}

/* --- what the driver's mappings are --- */

/* Dumb buffers of these drivers come from the GEM SHMEM helpers: cached, unless the driver says
 * map_wc (drm_gem_shmem_helper.c, drm_gem_shmem_mmap()). Of vgem: vgem_gem_create_object(). Of
 * another driver nothing is known here, and such a buffer is refused: its attribute would be a
 * guess. */
static bool describe(struct target *target, const char *driver, struct error *error)
{
    bool is_wc = strcmp(driver, "vgem") == 0;
    if (!is_wc && strcmp(driver, "virtio_gpu") != 0 && strcmp(driver, "vkms") != 0)
        return error_set(error, ERROR_CONFIG_HOST,
                         "%s is of the driver %s, whose mappings this program does not "
                         "know: use vgem, virtio_gpu or vkms",
                         target->drm_node, driver);
    target->buffer = (struct memattr_buffer){
        .page = MEMATTR_PAGE_RAM,
        .host = memattr_s1_of_map_info(target->model,
                                       is_wc ? MEMATTR_MAP_WC : MEMATTR_MAP_CACHED),
        .vma_is_uncacheable = is_wc,
    };
    return true;
}

static bool describe_node(struct target *target, int node, struct error *error)
{
    drmVersion *version = drmGetVersion(node);
    if (!version)
        return error_set(error, ERROR_CONFIG_HOST, "%s is not a DRM node",
                         target->drm_node);
    bool good = describe(target, version->name, error);
    drmFreeVersion(version);
    return good;
}

/* --- a buffer --- */

/* A dma-buf keeps the memory when the buffer object and its device are gone. */
static bool make_buffer(struct target *target, const struct calls *calls, int node,
                        uint32_t use, struct error *error)
{
    const uint32_t rows =
        (uint32_t)((target->backing.size + BYTES_OF_ROW - 1) / BYTES_OF_ROW);
    struct gbm_device *device = calls->create_device(node);
    if (!device)
        return error_set(error, ERROR_CONFIG_HOST, "gbm_create_device(%s): %s",
                         target->drm_node, strerror(errno));
    struct gbm_bo *buffer =
        calls->bo_create(device, WIDTH, rows, GBM_FORMAT_ARGB8888, use);
    bool good = buffer != NULL;
    if (!good)
        error_set(error, ERROR_CONFIG_HOST,
                  "gbm_bo_create(%s, %u x %u, use %#x): %s; only primary nodes can",
                  target->drm_node, WIDTH, rows, use, strerror(errno));
    if (good && drmPrimeHandleToFD(node, calls->bo_get_handle(buffer).u32,
                                   DRM_CLOEXEC | DRM_RDWR, &target->backing.fd) != 0) {
        target->backing.fd = -1;
        good = error_set(error, ERROR_CONFIG_HOST, "%s: DRM_IOCTL_PRIME_HANDLE_TO_FD: %s",
                         target->drm_node, strerror(errno));
    }
    if (buffer)
        calls->bo_destroy(buffer);
    calls->device_destroy(device);
    return good;
}

static bool try_node(struct target *target, const struct calls *calls,
                     const struct wish *wish, const char *path, struct error *error)
{
    int length = snprintf(target->drm_node, sizeof target->drm_node, "%s", path);
    if (length < 0 || (size_t)length >= sizeof target->drm_node)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "gbm: %s: a node's path has %zu characters at most", path,
                         sizeof target->drm_node - 1);
    int node = open(path, O_RDWR | O_CLOEXEC);
    if (node < 0)
        return error_set(error, ERROR_CONFIG_HOST, "%s: %s", path, strerror(errno));
    if (describe_node(target, node, error) &&
        make_buffer(target, calls, node, wish->use, error)) {
        target_keep(target, node);
        return true;
    }
    target->drm_node[0] = '\0';
    close(node);
    return false;
}

bool exporter_gbm(struct target *target, const char *words, struct error *error)
{
    struct calls calls;
    struct wish wish;
    if (!parse(words, &wish, error) || !load(&calls, error))
        return false;
    if (wish.node[0])
        return try_node(target, &calls, &wish, wish.node, error) &&
               target_map(target, error);
    error_set(error, ERROR_CONFIG_HOST,
              "no primary node in /dev/dri: load the module vgem");
    for (unsigned i = 0; i < NODES_MAX; i++) {
        char path[32];
        snprintf(path, sizeof path, "/dev/dri/card%u", i);
        if (access(path, F_OK) == 0 && try_node(target, &calls, &wish, path, error))
            return target_map(target, error);
    }
    return false;
}
