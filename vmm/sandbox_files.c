/* SPDX-License-Identifier: MIT */
/*
 * Landlock (Documentation/userspace-api/landlock.rst): from then on this thread opens, makes,
 * removes and executes nothing but below these paths. What is open already stays usable. A
 * version of the interface adds rights to close; the numbers are those of
 * include/uapi/linux/landlock.h of Linux 6.12, as older headers lack some.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/sandbox.h"
#include "vmm/types.h"

/* Rights; the second column is the version that has them first. */
#define EXECUTE   LANDLOCK_ACCESS_FS_EXECUTE /* 1 */
#define READ      (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define TRUNCATE  (UINT64_C(1) << 14) /* 3 */
#define IOCTL_DEV (UINT64_C(1) << 15) /* 5: ioctl() of a device that is opened later */
#define DEVICE    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | IOCTL_DEV)
#define DEVICES   (DEVICE | LANDLOCK_ACCESS_FS_READ_DIR) /* in a folder */
#define CHANGE                                                                           \
    (READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                      \
     LANDLOCK_ACCESS_FS_REMOVE_DIR | TRUNCATE)
#define ON_FILES (EXECUTE | DEVICE | TRUNCATE) /* rights that a file can have */

/* struct landlock_ruleset_attr of version 6. */
struct closed {
    uint64_t files;
    uint64_t network; /* 4: TCP */
    uint64_t scopes;  /* 6 */
};

#define TCP_BIND_CONNECT       3u
#define SCOPE_ABSTRACT_SOCKETS 1u
/* For a process of its own only: until Linux 6.15 this scope keeps signals from threads of our own
 * process that have other rules (landlock.rst, "Errata", 2). */
#define SCOPE_SIGNALS          2u

int sandbox_landlock_version(void)
{
    long version =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version > 0 ? (int)version : 0;
}

static struct closed closed_by(int version, enum sandbox_role role)
{
    uint64_t scopes =
        SCOPE_ABSTRACT_SOCKETS | (role == SANDBOX_RENDER_SERVER ? SCOPE_SIGNALS : 0u);
    unsigned rights = version >= 5 ? 16 : version >= 3 ? 15 : version >= 2 ? 14 : 13;
    return (struct closed){
        .files = (UINT64_C(1) << rights) - 1,
        .network = version >= 4 ? TCP_BIND_CONNECT : 0,
        .scopes = version >= 6 ? scopes : 0,
    };
}

struct rules {
    int fd;
    uint64_t closed;
    int failure; /* errno of the first rule that was not taken */
};

/* A path that does not exist stays closed. */
static void open_path(struct rules *rules, const char *path, uint64_t rights)
{
    struct stat status;
    struct landlock_path_beneath_attr rule = {
        .allowed_access = rights & rules->closed,
        .parent_fd = open(path, O_PATH | O_CLOEXEC),
    };
    if (rule.parent_fd < 0)
        return;
    if (fstat(rule.parent_fd, &status) == 0 && !S_ISDIR(status.st_mode))
        rule.allowed_access &= ON_FILES;
    if (syscall(SYS_landlock_add_rule, rules->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) !=
            0 &&
        rules->failure == 0)
        rules->failure = errno;
    close(rule.parent_fd);
}

/* "a:b" in the environment: files and folders that a user has named to the loader or to Mesa. */
static void open_named(struct rules *rules, const char *variable)
{
    const char *value = getenv(variable);
    char *copy = value ? strdup(value) : NULL;
    char *rest;
    for (char *path = copy ? strtok_r(copy, ":", &rest) : NULL; path;
         path = strtok_r(NULL, ":", &rest))
        open_path(rules, path, READ | EXECUTE);
    free(copy);
}

/* Mesa's compiled shaders. It would make the folder itself, for which the whole of the user's
 * cache would have to be open. */
static void open_shader_cache(struct rules *rules)
{
    static const char *const folders[] = {"mesa_shader_cache", "mesa_shader_cache_db"};
    const char *home = getenv("HOME");
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *own = getenv("MESA_SHADER_CACHE_DIR");
    char root[4096];
    char path[sizeof root + 32];
    if (own)
        open_path(rules, own, CHANGE);
    if (!home && !cache)
        return;
    snprintf(root, sizeof root, "%s%s", cache ? cache : home, cache ? "" : "/.cache");
    mkdir(root, 0700);
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        snprintf(path, sizeof path, "%s/%s", root, folders[i]);
        mkdir(path, 0700);
        open_path(rules, path, CHANGE);
    }
}

struct path {
    const char *path;
    uint64_t rights;
};

/* What the GPU's thread opens for a blob: what an fd is, a device that makes a dma-buf of guest
 * memory, and its limits for an error's text. */
static const struct path of_gpu[] = {
    {"/proc", READ},
    {"/dev/udmabuf", DEVICE},
    {"/sys/module/udmabuf", READ},
};

/* --blobs-from: devices that make buffers. */
static const struct path of_exporters[] = {
    {"/dev/dri", DEVICES},
    {"/dev/dma_heap", DEVICES},
    {"/dev/dmabuf-lab", DEVICE},
    {"/sys", READ},
    {"/usr", READ},
};

/* A renderer: libraries and settings, read; GPUs; and where the drivers look for them. Nothing of
 * a user's own files. Seen with Mesa's software drivers; nvidia: inferred. */
static const struct path of_renderer[] = {
    {"/usr", READ | EXECUTE},
    {"/lib", READ | EXECUTE},
    {"/lib64", READ | EXECUTE},
    {"/nix/store", READ | EXECUTE},
    {"/etc", READ},
    {"/run/opengl-driver", READ | EXECUTE},
    {"/sys", READ},
    {"/dev/dri", DEVICES},
    {"/dev/null", DEVICE},
    {"/dev/zero", DEVICE},
    {"/dev/urandom", DEVICE},
    {"/dev/random", DEVICE},
    {"/dev/kfd", DEVICE},
    {"/dev/nvidiactl", DEVICE},
    {"/dev/nvidia0", DEVICE},
    {"/dev/nvidia-uvm", DEVICE},
    {"/dev/shm", CHANGE},
};

static const char *const variables[] = {
    "RENDER_SERVER_EXEC_PATH",
    "LD_LIBRARY_PATH",
    "VK_DRIVER_FILES",
    "VK_ICD_FILENAMES",
    "VK_LAYER_PATH",
    "LIBGL_DRIVERS_PATH",
    "GBM_BACKENDS_PATH",
    "XDG_DATA_DIRS",
    "__EGL_VENDOR_LIBRARY_DIRS",
    "__EGL_VENDOR_LIBRARY_FILENAMES",
};

static void open_paths(struct rules *rules, const struct path *paths, size_t count)
{
    for (size_t i = 0; i < count; i++)
        open_path(rules, paths[i].path, paths[i].rights);
}

/* A picture is written to a file beside it, which then takes its name. */
static void open_folder_of(struct rules *rules, const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 0, path);
    open_path(rules, slash == path ? "/" : slash ? folder : ".", CHANGE);
}

static void open_gpu(struct rules *rules, const struct sandbox *sandbox)
{
    open_paths(rules, of_gpu, ARRAY_SIZE(of_gpu));
    if (sandbox->drm_node)
        open_path(rules, sandbox->drm_node, DEVICE);
    if (sandbox->screenshot)
        open_folder_of(rules, sandbox->screenshot);
    if (sandbox->exporters)
        open_paths(rules, of_exporters, ARRAY_SIZE(of_exporters));
}

static void open_renderer(struct rules *rules, const struct sandbox *sandbox)
{
    open_gpu(rules, sandbox);
    open_paths(rules, of_renderer, ARRAY_SIZE(of_renderer));
    for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
        open_named(rules, variables[i]);
    open_shader_cache(rules);
}

static void open_for(struct rules *rules, const struct sandbox *sandbox,
                     enum sandbox_role role)
{
    switch (role) {
    case SANDBOX_MAIN:
        if (sandbox->tracefs)
            open_path(rules, sandbox->tracefs, CHANGE);
        break;
    case SANDBOX_GPU:
    case SANDBOX_GPU_VENUS:
        open_gpu(rules, sandbox);
        break;
    case SANDBOX_RENDERER_START:
    case SANDBOX_RENDER_LAUNCHER:
    case SANDBOX_RENDER_SERVER:
    case SANDBOX_GPU_VIRGL:
        open_renderer(rules, sandbox);
        break;
    case SANDBOX_VCPU:
    case SANDBOX_DEVICE:
    case SANDBOX_DISK:
    case SANDBOX_TERMINAL:
    case SANDBOX_TERMINAL_WATCHER:
    case SANDBOX_SIGNALS:
    case SANDBOX_UPDATE:
    case SANDBOX_ROLE_COUNT:
        break;
    }
}

bool sandbox_close_files(const struct sandbox *sandbox, enum sandbox_role role,
                         struct error *error)
{
    const struct closed closed = closed_by(sandbox->landlock, role);
    size_t size = sandbox->landlock >= 6   ? sizeof closed
                  : sandbox->landlock >= 4 ? 2 * sizeof(uint64_t)
                                           : sizeof(uint64_t);
    struct rules rules = {
        .fd = (int)syscall(SYS_landlock_create_ruleset, &closed, size, 0),
        .closed = closed.files,
    };
    if (rules.fd < 0)
        return error_set(error, ERROR_CONFIG_HOST, "landlock_create_ruleset: %s",
                         strerror(errno));
    open_for(&rules, sandbox, role);
    if (rules.failure == 0 && syscall(SYS_landlock_restrict_self, rules.fd, 0) != 0)
        rules.failure = errno;
    close(rules.fd);
    return rules.failure == 0 ||
           error_set(error, ERROR_CONFIG_HOST, "Landlock: %s; --sandbox=off runs without",
                     strerror(rules.failure));
}
