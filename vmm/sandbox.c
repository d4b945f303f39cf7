/* SPDX-License-Identifier: MIT */
#include "vmm/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

enum sandbox_mode sandbox_default_mode(void)
{
    return HAS_SANITIZER ? SANDBOX_OFF : SANDBOX_ON;
}

const char *sandbox_role_name(enum sandbox_role role)
{
    static const char *const names[SANDBOX_ROLE_COUNT] = {
        [SANDBOX_MAIN] = "main",
        [SANDBOX_VCPU] = "vcpu",
        [SANDBOX_DEVICE] = "device",
        [SANDBOX_DISK] = "disk",
        [SANDBOX_TERMINAL] = "terminal",
        [SANDBOX_TERMINAL_WATCHER] = "terminal-watcher",
        [SANDBOX_SIGNALS] = "signals",
        [SANDBOX_UPDATE] = "update",
        [SANDBOX_RENDERER_START] = "renderer-start",
        [SANDBOX_RENDER_LAUNCHER] = "render-launcher",
        [SANDBOX_RENDER_SERVER] = "render-server",
        [SANDBOX_GPU] = "gpu",
        [SANDBOX_GPU_VENUS] = "gpu-venus",
        [SANDBOX_GPU_VIRGL] = "gpu-virgl",
    };
    return names[role];
}

static bool failed(const char *what, int number, struct error *error)
{
    return error_set(error, ERROR_CONFIG_HOST,
                     "sandbox: %s: %s; --sandbox=off runs without", what,
                     strerror(number));
}

/* A file that is executed gives none of them again. Only who has CAP_SETPCAP may take them out
 * of the bounding set (capabilities(7)); whoever has not, has none to lose. */
static void empty_bounding_set(void)
{
    for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
        prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

bool sandbox_init(struct sandbox *sandbox, struct error *error)
{
    if (sandbox->mode == SANDBOX_OFF)
        return true;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return failed("PR_SET_NO_NEW_PRIVS", errno, error);
    empty_bounding_set();
    sandbox->landlock = sandbox->mode == SANDBOX_ON ? sandbox_landlock_version() : 0;
    return true;
}

/* This thread's only: glibc has no call that would reach the others (capset(2)). */
static bool drop_capabilities(struct error *error)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capset, &header, none) == 0 || failed("capset", errno, error);
}

bool sandbox_enter(const struct sandbox *sandbox, enum sandbox_role role,
                   struct error *error)
{
    if (sandbox == NULL || sandbox->mode == SANDBOX_OFF)
        return true;
    if (drop_capabilities(error) &&
        (sandbox->landlock == 0 || sandbox_close_files(sandbox, role, error)) &&
        sandbox_close_calls(role, sandbox->mode == SANDBOX_LOG, error))
        return true;
    return error_wrap(error, "role %s", sandbox_role_name(role));
}
