/* SPDX-License-Identifier: MIT */
#include "vmm/platform.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <xf86drm.h>

#include "vmm/arch/arch.h"
#include "vmm/kvm.h"

/* Newer than the headers that we support; the numbers are ABI. */
#ifndef KVM_CAP_USER_MEMORY2
#define KVM_CAP_USER_MEMORY2 231
#endif
#ifndef KVM_CAP_MEMORY_FAULT_INFO
#define KVM_CAP_MEMORY_FAULT_INFO 232
#endif

#define PATH_SIZE 512

void platform_add_fact(struct platform *platform, const char *name, const char *value,
                       const char *where)
{
    if (platform->fact_count == PLATFORM_FACTS_MAX) {
        struct platform_fact *last = &platform->facts[PLATFORM_FACTS_MAX - 1];
        *last = (struct platform_fact){"more", "this host has more facts than fit", ""};
        return;
    }
    struct platform_fact *fact = &platform->facts[platform->fact_count++];
    snprintf(fact->name, sizeof fact->name, "%s", name);
    snprintf(fact->value, sizeof fact->value, "%s", value);
    snprintf(fact->where, sizeof fact->where, "%s", where);
}

/* --- files below the root --- */

static const char *below_root(const struct platform_sources *sources, const char *path,
                              char *whole)
{
    snprintf(whole, PATH_SIZE, "%s%s", sources->root, path);
    return whole;
}

bool platform_exists(const struct platform_sources *sources, const char *path)
{
    char whole[PATH_SIZE];
    return access(below_root(sources, path, whole), F_OK) == 0;
}

bool platform_read_line(const struct platform_sources *sources, const char *path,
                        char *line, size_t size)
{
    char whole[PATH_SIZE];
    FILE *file = fopen(below_root(sources, path, whole), "re");
    if (!file)
        return false;
    bool done = fgets(line, (int)size, file) != NULL;
    fclose(file);
    if (done)
        line[strcspn(line, "\n")] = '\0';
    return done;
}

/* The value in "key<blanks>: value", or NULL. Changes the line. */
static char *value_of(char *line, const char *key)
{
    size_t length = strlen(key);
    if (strncmp(line, key, length) != 0)
        return NULL;
    char *rest = line + length + strspn(line + length, " \t");
    if (*rest != ':')
        return NULL;
    rest++;
    rest += strspn(rest, " \t");
    rest[strcspn(rest, "\n")] = '\0';
    return rest;
}

bool platform_read_key(const struct platform_sources *sources, const char *path,
                       const char *key, char *value, size_t size)
{
    char whole[PATH_SIZE];
    FILE *file = fopen(below_root(sources, path, whole), "re");
    if (!file)
        return false;
    char *line = NULL;
    size_t line_size = 0;
    bool found = false;
    while (!found && getline(&line, &line_size, file) >= 0) {
        const char *found_value = value_of(line, key);
        if (found_value) {
            snprintf(value, size, "%s", found_value);
            found = true;
        }
    }
    free(line);
    fclose(file);
    return found;
}

void platform_add_file(struct platform *platform, const struct platform_sources *sources,
                       const char *name, const char *path)
{
    char line[sizeof platform->facts[0].value];
    if (!platform_read_line(sources, path, line, sizeof line))
        snprintf(line, sizeof line, "not available");
    platform_add_fact(platform, name, line, path);
}

/* --- the kernel and KVM --- */

static void probe_kernel(struct platform *platform,
                         const struct platform_sources *sources)
{
    struct utsname names;
    if (uname(&names) == 0)
        platform_add_fact(platform, "architecture", names.machine, "uname");
    platform_add_file(platform, sources, "kernel", "/proc/sys/kernel/osrelease");
    char text[32];
    snprintf(text, sizeof text, "%ld", sysconf(_SC_PAGESIZE));
    platform_add_fact(platform, "page size", text, "sysconf");
}

static void probe_capabilities(struct platform *platform,
                               const struct platform_sources *sources)
{
    static const struct {
        const char *name;
        unsigned long number;
        const char *where;
    } capabilities[] = {
        {"memslots", KVM_CAP_NR_MEMSLOTS, "KVM_CAP_NR_MEMSLOTS"},
        {"irqfd", KVM_CAP_IRQFD, "KVM_CAP_IRQFD"},
        {"ioeventfd", KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"},
        {"memory region 2", KVM_CAP_USER_MEMORY2, "KVM_CAP_USER_MEMORY2"},
        {"memory fault exit", KVM_CAP_MEMORY_FAULT_INFO, "KVM_CAP_MEMORY_FAULT_INFO"},
    };
    for (size_t i = 0; sources->check && i < ARRAY_SIZE(capabilities); i++) {
        int answer = sources->check(sources->context, capabilities[i].number);
        char value[32];
        if (answer > 1)
            snprintf(value, sizeof value, "%d", answer);
        else
            snprintf(value, sizeof value, "%s", answer == 1 ? "yes" : "no");
        platform_add_fact(platform, capabilities[i].name, value, capabilities[i].where);
    }
}

/* --- where dma-bufs come from --- */

/* Opens a device node to see whether we may; -1 and an explaining value if not. */
static int open_node(const struct platform_sources *sources, const char *path,
                     char *value, size_t size)
{
    char whole[PATH_SIZE];
    int fd = open(below_root(sources, path, whole), O_RDWR | O_CLOEXEC);
    if (fd < 0)
        snprintf(value, size, "not usable: %s", strerror(errno));
    return fd;
}

static void probe_node(struct platform *platform, const struct platform_sources *sources,
                       const char *name, const char *path)
{
    char value[64] = "usable";
    int fd = open_node(sources, path, value, sizeof value);
    if (fd >= 0)
        close(fd);
    platform_add_fact(platform, name, value, path);
}

static void probe_drm_node(struct platform *platform,
                           const struct platform_sources *sources, const char *name,
                           const char *path)
{
    char value[64];
    int fd = open_node(sources, path, value, sizeof value);
    if (fd >= 0) {
        drmVersionPtr version = drmGetVersion(fd);
        if (version)
            snprintf(value, sizeof value, "driver %.*s", version->name_len,
                     version->name);
        else
            snprintf(value, sizeof value, "not usable: no DRM driver answers");
        drmFreeVersion(version);
        close(fd);
    }
    platform_add_fact(platform, name, value, path);
}

typedef void probe_function(struct platform *platform,
                            const struct platform_sources *sources, const char *name,
                            const char *path);

static int is_no_dot(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* One fact for each entry of the folder that begins with the prefix; one, that there is
 * none, otherwise. */
static void probe_folder(struct platform *platform,
                         const struct platform_sources *sources, const char *folder,
                         const char *prefix, const char *kind, const char *missing,
                         probe_function *probe)
{
    char whole[PATH_SIZE];
    struct dirent **entries = NULL;
    int count =
        scandir(below_root(sources, folder, whole), &entries, is_no_dot, alphasort);
    unsigned found = 0;
    for (int i = 0; i < count; i++) {
        const char *entry = entries[i]->d_name;
        if (strncmp(entry, prefix, strlen(prefix)) == 0) {
            char name[64];
            char path[PATH_SIZE];
            snprintf(name, sizeof name, "%s %.40s", kind, entry);
            snprintf(path, sizeof path, "%s/%s", folder, entry);
            probe(platform, sources, name, path);
            found++;
        }
        free(entries[i]);
    }
    free(entries);
    if (found == 0)
        platform_add_fact(platform, kind, missing, folder);
}

static void probe_exporters(struct platform *platform,
                            const struct platform_sources *sources)
{
    probe_node(platform, sources, "udmabuf", "/dev/udmabuf");
    if (platform_exists(sources, "/dev/udmabuf"))
        platform_add_file(platform, sources, "udmabuf limit, MiB",
                          "/sys/module/udmabuf/parameters/size_limit_mb");
    probe_folder(platform, sources, "/dev/dma_heap", "", "dma-heap",
                 "none: the kernel has no CONFIG_DMABUF_HEAPS, or no heap", probe_node);
    probe_folder(platform, sources, "/dev/dri", "card", "DRM",
                 "none: no driver is loaded (vgem needs no hardware: modprobe vgem)",
                 probe_drm_node);
    if (platform_exists(sources, "/dev/dri"))
        probe_folder(platform, sources, "/dev/dri", "renderD", "DRM", "no render node",
                     probe_drm_node);
}

static void probe_limits(struct platform *platform)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        return;
    char text[48];
    if (limit.rlim_cur == RLIM_INFINITY)
        snprintf(text, sizeof text, "unlimited");
    else
        snprintf(text, sizeof text, "%llu KiB",
                 (unsigned long long)limit.rlim_cur / 1024);
    platform_add_fact(platform, "locked memory", text, "RLIMIT_MEMLOCK");
}

/* --- all of it --- */

/* kvm_problem: why KVM cannot be used, or NULL. */
static bool probe_all(struct platform *platform, const struct platform_sources *sources,
                      const char *kvm_problem, struct error *error)
{
    static const char *const needed[][2] = {
        {"/proc/sys", "mount -t proc proc /proc"},
        {"/sys/module", "mount -t sysfs sysfs /sys"},
    };
    *platform = (struct platform){0};
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        if (!platform_exists(sources, needed[i][0]))
            return error_set(error, ERROR_CONFIG_HOST,
                             "cannot find out what this host is: %s%s: %s; %s",
                             sources->root, needed[i][0], strerror(errno), needed[i][1]);
    }
    probe_kernel(platform, sources);
    platform_add_fact(platform, "KVM", kvm_problem ? kvm_problem : "usable", "/dev/kvm");
    platform_probe_arch(platform, sources);
    probe_capabilities(platform, sources);
    probe_exporters(platform, sources);
    probe_limits(platform);
    return true;
}

static int check_fd(void *context, unsigned long capability)
{
    const int *fd = context;
    return kvm_check(*fd, capability);
}

/* A VM that is made to be asked takes its time to go: KVM waits for grace periods of RCU. */
static bool make_vm(const struct kvm *kvm, int *vm_fd, struct error *error)
{
    unsigned long type;
    unsigned address_bits;
    return arch_vm_type(kvm, &type, &address_bits, error) &&
           kvm_create_vm(kvm, type, vm_fd, error);
}

/* Asks a VM where that says more than /dev/kvm, which is asked otherwise. */
static bool probe_this_host(struct platform *platform, struct error *error)
{
    struct platform_sources sources = {.root = ""};
    struct error problem;
    struct kvm kvm;
    int vm_fd = -1;
    if (!kvm_open(&kvm, &problem))
        return probe_all(platform, &sources, problem.text, error);
    if (platform_arch_asks_vm && !make_vm(&kvm, &vm_fd, &problem)) {
        kvm_close(&kvm);
        return probe_all(platform, &sources, problem.text, error);
    }
    sources.check = check_fd;
    sources.context = platform_arch_asks_vm ? &vm_fd : &kvm.fd;
    sources.kvm = platform_arch_asks_vm ? &kvm : NULL;
    sources.vm_fd = vm_fd;
    bool done = probe_all(platform, &sources, NULL, error);
    if (vm_fd >= 0)
        close(vm_fd);
    kvm_close(&kvm);
    return done;
}

bool platform_probe(struct platform *platform, const struct platform_sources *sources,
                    struct error *error)
{
    if (!sources)
        return probe_this_host(platform, error);
    return probe_all(platform, sources, sources->check ? NULL : "not usable", error);
}
