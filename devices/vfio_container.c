/* SPDX-License-Identifier: MIT */
#include "devices/vfio_container.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define CONTAINER "/dev/vfio/vfio"
#define INFO_MAX                                                                         \
    (64 * KIB) /* of VFIO_IOMMU_GET_INFO, for more ranges than any IOMMU has */

static int control(const struct vfio_container *container, int fd, unsigned long request,
                   void *argument)
{
    return container->calls->control(container->calls->context, fd, request, argument);
}

bool vfio_container_init(struct vfio_container *container, const struct vfio_calls *calls,
                         const struct guest_memory *memory, struct error *error)
{
    int fd = calls->open(calls->context, CONTAINER);
    *container = (struct vfio_container){0};
    if (fd < 0)
        return error_set(error, ERROR_CONFIG_HOST,
                         CONTAINER
                         ": %s; VFIO needs the module vfio-pci, and the "
                         "permission to open this file and the one of the group",
                         strerror(-fd));
    *container = (struct vfio_container){.calls = calls, .memory = memory, .fd = fd};
    int version = control(container, fd, VFIO_GET_API_VERSION, NULL);
    int type1 = control(container, fd, VFIO_CHECK_EXTENSION,
                        (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU);
    if (version == VFIO_API_VERSION && type1 > 0)
        return true;
    vfio_container_finish(container);
    return error_set(error, ERROR_CONFIG_HOST,
                     CONTAINER
                     ": version %d of VFIO's interface, %s type 1 IOMMU: version "
                     "%d is needed, and the module vfio_iommu_type1",
                     version, type1 > 0 ? "with a" : "without a", VFIO_API_VERSION);
}

void vfio_container_finish(struct vfio_container *container)
{
    const struct vfio_calls *calls = container->calls;
    if (calls == NULL)
        return;
    for (unsigned i = 0; i < container->group_count; i++)
        calls->close(calls->context, container->groups[i].fd);
    if (container->fd >= 0)
        calls->close(calls->context, container->fd);
    *container = (struct vfio_container){0};
}

/* --- RAM in the IOMMU --- */

/* The capability of an ID in what the kernel has filled in; NULL: there is none. Offsets are
 * checked, as all that is read. */
static const struct vfio_info_cap_header *find_capability(
    const struct vfio_iommu_type1_info *info, uint32_t size, uint16_t id)
{
    const uint8_t *bytes = (const uint8_t *)info;
    uint32_t offset = (info->flags & VFIO_IOMMU_INFO_CAPS) ? info->cap_offset : 0;
    for (unsigned i = 0; i < 32 && offset >= sizeof *info &&
                         offset <= size - sizeof(struct vfio_info_cap_header);
         i++) {
        const void *at = bytes + offset;
        const struct vfio_info_cap_header *header = at;
        if (header->id == id)
            return header;
        offset = header->next;
    }
    return NULL;
}

/* Whether devices can reach all of the range: not where the IOMMU's addresses end, and not in a
 * window that is the interrupt controller's (on x86 0xfee00000, on arm64 where the kernel likes). */
static bool is_reachable(const struct vfio_iommu_type1_info_cap_iova_range *ranges,
                         size_t room, struct gpa_range ram, struct error *error)
{
    uint64_t last = ram.start.value + ram.size - 1;
    for (uint32_t i = 0; i < room && i < ranges->nr_iovas; i++)
        if (ram.start.value >= ranges->iova_ranges[i].start &&
            last <= ranges->iova_ranges[i].end)
            return true;
    return error_set(error, ERROR_CONFIG_HOST,
                     "guest RAM [0x%" PRIx64 ", 0x%" PRIx64
                     "]: the IOMMU has no such addresses (/sys/kernel/iommu_groups/*/"
                     "reserved_regions has its gaps): give the guest less memory",
                     ram.start.value, last);
}

static bool check_ranges(const struct vfio_container *container,
                         const struct vfio_iommu_type1_info *info, struct error *error)
{
    const struct vfio_info_cap_header *header =
        find_capability(info, info->argsz, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
    if (header == NULL)
        return true; /* before Linux 5.4: MAP_DMA tells */
    const void *at = header;
    const struct vfio_iommu_type1_info_cap_iova_range *ranges = at;
    size_t room = info->argsz - (size_t)((const char *)at - (const char *)info);
    room = room < sizeof *ranges
               ? 0
               : (room - sizeof *ranges) / sizeof ranges->iova_ranges[0];
    for (unsigned i = 0; i < container->memory->region_count; i++)
        if (!is_reachable(ranges, room, container->memory->regions[i].range, error))
            return false;
    return true;
}

static bool check_info(const struct vfio_container *container, struct error *error)
{
    struct vfio_iommu_type1_info *info = calloc(1, INFO_MAX);
    if (info == NULL)
        return error_set(error, ERROR_HOST_MEMORY, "no memory for what an IOMMU is");
    info->argsz = INFO_MAX;
    int result = control(container, container->fd, VFIO_IOMMU_GET_INFO, info);
    if (info->argsz > INFO_MAX || info->argsz < sizeof *info)
        info->argsz = sizeof *info;
    bool good = result < 0 ? error_set(error, ERROR_CONFIG_HOST,
                                       "VFIO_IOMMU_GET_INFO: %s", strerror(-result))
                           : check_ranges(container, info, error);
    free(info);
    return good;
}

static bool map_region(const struct vfio_container *container,
                       const struct guest_region *region, struct error *error)
{
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof map,
        .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
        .vaddr = (uintptr_t)region->host,
        .iova = region->range.start.value,
        .size = region->range.size,
    };
    int result = control(container, container->fd, VFIO_IOMMU_MAP_DMA, &map);
    if (result >= 0)
        return true;
    struct rlimit limit = {0};
    (void)getrlimit(RLIMIT_MEMLOCK, &limit);
    if (result == -ENOMEM)
        return error_set(error, ERROR_CONFIG_HOST,
                         "VFIO_IOMMU_MAP_DMA of %" PRIu64
                         " MiB of guest RAM: %s; a device needs all RAM locked, and "
                         "RLIMIT_MEMLOCK is %" PRIu64
                         " MiB: raise it (`ulimit -l`), or give the guest less memory",
                         region->range.size / MIB, strerror(ENOMEM),
                         (uint64_t)limit.rlim_cur / MIB);
    return error_set(error, ERROR_CONFIG_HOST,
                     "VFIO_IOMMU_MAP_DMA of guest RAM [0x%" PRIx64 ", 0x%" PRIx64 "): %s",
                     region->range.start.value,
                     region->range.start.value + region->range.size, strerror(-result));
}

static bool map_memory(const struct vfio_container *container, struct error *error)
{
    if (!check_info(container, error))
        return false;
    for (unsigned i = 0; i < container->memory->region_count; i++)
        if (!map_region(container, &container->memory->regions[i], error))
            return false;
    return true;
}

/* --- groups --- */

static bool check_viable(const struct vfio_container *container, const char *address,
                         int group, struct error *error)
{
    struct vfio_group_status status = {.argsz = sizeof status};
    char strangers[160];
    int result = control(container, group, VFIO_GROUP_GET_STATUS, &status);
    if (result < 0)
        return error_set(error, ERROR_CONFIG_HOST, "%s: VFIO_GROUP_GET_STATUS: %s",
                         address, strerror(-result));
    if (status.flags & VFIO_GROUP_FLAGS_VIABLE)
        return true;
    vfio_name_strangers(container->calls, address, strangers, sizeof strangers);
    return error_set(
        error, ERROR_CONFIG_HOST,
        "%s: its IOMMU group has devices that other drivers use: %s; the IOMMU "
        "cannot tell them apart: unbind them, or bind them to vfio-pci, too",
        address, strangers[0] ? strangers : "none that sysfs names");
}

static bool join(const struct vfio_container *container, const char *address, int group,
                 struct error *error)
{
    int fd = container->fd;
    int result = control(container, group, VFIO_GROUP_SET_CONTAINER, &fd);
    if (result < 0)
        return error_set(
            error, ERROR_CONFIG_HOST,
            "%s: VFIO_GROUP_SET_CONTAINER: %s; its IOMMU differs from that of "
            "the device before it, or another program has the group",
            address, strerror(-result));
    if (container->group_count > 0)
        return true; /* it shares what is mapped already */
    result =
        control(container, fd, VFIO_SET_IOMMU, (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU);
    if (result < 0)
        return error_set(error, ERROR_CONFIG_HOST, "%s: VFIO_SET_IOMMU: %s; %s", address,
                         strerror(-result),
                         result == -EPERM
                             ? "the platform cannot isolate its interrupts: the module "
                               "vfio_iommu_type1 has allow_unsafe_interrupts"
                             : "see the kernel's log");
    return map_memory(container, error);
}

static bool open_group(const struct vfio_calls *calls, const char *address,
                       unsigned number, int *fd, struct error *error)
{
    char path[40];
    snprintf(path, sizeof path, "/dev/vfio/%u", number);
    *fd = calls->open(calls->context, path);
    if (*fd >= 0)
        return true;
    return error_set(error, ERROR_CONFIG_HOST, "%s: its IOMMU group %s: %s; %s", address,
                     path, strerror(-*fd),
                     *fd == -EBUSY ? "another program has it"
                                   : "an ordinary user needs the permission to write it");
}

/* The descriptor of a group that is in the container, or joins it now. */
static bool use_group(struct vfio_container *container, const char *address,
                      unsigned number, int *fd, struct error *error)
{
    for (unsigned i = 0; i < container->group_count; i++)
        if (container->groups[i].number == number) {
            *fd = container->groups[i].fd;
            return true;
        }
    if (container->group_count == VFIO_GROUPS_MAX)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "%s: devices of more than %u IOMMU groups", address,
                         VFIO_GROUPS_MAX);
    const struct vfio_calls *calls = container->calls;
    if (!open_group(calls, address, number, fd, error))
        return false;
    if (!check_viable(container, address, *fd, error) ||
        !join(container, address, *fd, error)) {
        calls->close(calls->context, *fd);
        return false;
    }
    container->groups[container->group_count++] =
        (struct vfio_group){.number = number, .fd = *fd};
    return true;
}

bool vfio_container_open_device(struct vfio_container *container, const char *address,
                                int *fd, struct error *error)
{
    unsigned number;
    int group = -1;
    if (!vfio_find_group(container->calls, address, &number, error) ||
        !use_group(container, address, number, &group, error))
        return false;
    char name[16];
    snprintf(name, sizeof name, "%s", address);
    *fd = control(container, group, VFIO_GROUP_GET_DEVICE_FD, name);
    return *fd >= 0 ||
           error_set(error, ERROR_CONFIG_HOST, "%s: VFIO_GROUP_GET_DEVICE_FD: %s",
                     address, strerror(-*fd));
}
