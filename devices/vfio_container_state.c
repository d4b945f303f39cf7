/* SPDX-License-Identifier: MIT */
/*
 * A container for another program: its descriptors, and RAM at the other program's addresses. The
 * IOMMU's mappings and the pinned pages stay as they are all the time, so that devices go on. What
 * changes is where type 1 believes that RAM is, whose it is, and in whose locked memory it counts
 * (drivers/vfio/vfio_iommu_type1.c, vfio_dma_do_unmap(), vfio_dma_do_map(), vfio_change_dma_owner()).
 *
 *   A  vfio_container_release()    every mapping's address is taken away, or none
 *   B  vfio_container_load()       each region at its new address
 *   A  vfio_container_take_back()  nobody took over, or somebody did and died
 *
 * VFIO does not look whether the same memory is at the new address: who loads has to be sure.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/resource.h>

#include "devices/vfio_container.h"

#define SECTION "VFIC"
#define TRIES   8u /* to take back what somebody else takes at the same time */

static int control(const struct vfio_container *container, unsigned long request,
                   void *argument)
{
    return container->calls->control(container->calls->context, container->fd, request,
                                     argument);
}

/* --- addresses --- */

static int give_address(const struct vfio_container *container,
                        const struct guest_region *region)
{
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof map,
        .flags = VFIO_DMA_MAP_FLAG_VADDR,
        .vaddr = (uintptr_t)region->host,
        .iova = region->range.start.value,
        .size = region->range.size,
    };
    return control(container, VFIO_IOMMU_MAP_DMA, &map);
}

static int take_address(const struct vfio_container *container, uint32_t flags,
                        uint64_t iova, uint64_t *size)
{
    struct vfio_iommu_type1_dma_unmap unmap = {
        .argsz = sizeof unmap,
        .flags = VFIO_DMA_UNMAP_FLAG_VADDR | flags,
        .iova = iova,
        .size = *size,
    };
    int result = control(container, VFIO_IOMMU_UNMAP_DMA, &unmap);
    *size = unmap.size;
    return result;
}

static bool refused(const struct guest_region *region, int result, struct error *error)
{
    struct rlimit limit = {0};
    (void)getrlimit(RLIMIT_MEMLOCK, &limit);
    if (result == -ENOMEM)
        return error_set(error, ERROR_CONFIG_HOST,
                         "VFIO_IOMMU_MAP_DMA, a new address for %" PRIu64
                         " MiB of guest RAM: %s; they are locked, and RLIMIT_MEMLOCK is "
                         "%" PRIu64 " MiB: give this program that of the one before it",
                         region->range.size / MIB, strerror(ENOMEM),
                         (uint64_t)limit.rlim_cur / MIB);
    return error_set(error, ERROR_HOST_SYSTEM,
                     "VFIO_IOMMU_MAP_DMA, a new address for guest RAM [0x%" PRIx64
                     ", 0x%" PRIx64 "): %s%s",
                     region->range.start.value,
                     region->range.start.value + region->range.size, strerror(-result),
                     result == -EINVAL   ? "; it has an address, or another size"
                     : result == -ENOENT ? "; it is not mapped"
                                         : "");
}

static bool give_addresses(const struct vfio_container *container, struct error *error)
{
    const struct guest_memory *memory = container->memory;
    for (unsigned i = 0; i < memory->region_count; i++) {
        int result = give_address(container, &memory->regions[i]);
        if (result < 0)
            return refused(&memory->regions[i], result, error);
    }
    return true;
}

/* Linux 5.12 has it for a type 1 IOMMU that is set, unless a device of the container has none of its
 * own (a mediated one): VFIO would need the address to pin what it asks for. */
static bool check_extension(const struct vfio_container *container, struct error *error)
{
    int result =
        control(container, VFIO_CHECK_EXTENSION, (void *)(uintptr_t)VFIO_UPDATE_VADDR);
    return result > 0 ||
           error_set(error, ERROR_CONFIG_HOST,
                     "VFIO_CHECK_EXTENSION(VFIO_UPDATE_VADDR): %s; RAM that a device "
                     "uses cannot get new addresses: use Linux 5.12 or newer, and no "
                     "mediated device (mdev)",
                     result < 0 ? strerror(-result) : "no");
}

bool vfio_container_release(const struct vfio_container *container, struct error *error)
{
    uint64_t size = 0;
    uint64_t expected = 0;
    if (container->group_count == 0)
        return true;
    if (!check_extension(container, error))
        return false;
    for (unsigned i = 0; i < container->memory->region_count; i++)
        expected += container->memory->regions[i].range.size;
    int result = take_address(container, VFIO_DMA_UNMAP_FLAG_ALL, 0, &size);
    if (result >= 0 && size == expected)
        return true;
    return error_set(error, ERROR_HOST_SYSTEM,
                     "VFIO_IOMMU_UNMAP_DMA of all addresses: %s, 0x%" PRIx64
                     " bytes of 0x%" PRIx64,
                     result < 0 ? strerror(-result) : "done", size, expected);
}

/* EINVAL means, when an address is taken, that there was none, and when it is given, that there
 * is one: somebody gave it in between. */
static int take_back(const struct vfio_container *container,
                     const struct guest_region *region)
{
    int result = -EINVAL;
    for (unsigned i = 0; i < TRIES && result == -EINVAL; i++) {
        uint64_t size = region->range.size;
        result = take_address(container, 0, region->range.start.value, &size);
        if (result >= 0 || result == -EINVAL)
            result = give_address(container, region);
    }
    return result;
}

bool vfio_container_take_back(const struct vfio_container *container, struct error *error)
{
    const struct guest_memory *memory = container->memory;
    for (unsigned i = 0; container->group_count > 0 && i < memory->region_count; i++) {
        int result = take_back(container, &memory->regions[i]);
        if (result < 0)
            return refused(&memory->regions[i], result, error);
    }
    return true;
}

/* --- descriptors --- */

void vfio_container_save(const struct vfio_container *container,
                         struct state_writer *writer)
{
    state_begin(writer, SECTION, 0, 1);
    state_put_fd(writer, container->fd);
    state_put32(writer, container->group_count);
    for (unsigned i = 0; i < container->group_count; i++) {
        state_put32(writer, container->groups[i].number);
        state_put_fd(writer, container->groups[i].fd);
    }
    state_end(writer);
}

static bool load_group(struct vfio_container *container, struct state_reader *reader,
                       struct state_section *section, struct error *error)
{
    struct vfio_group group = {.number = state_get32(section)};
    struct vfio_group_status status = {.argsz = sizeof status};
    if (!state_get_fd(reader, section, &group.fd, error))
        return false;
    if (group.fd < 0)
        return state_refuse(section, error, "IOMMU group %u without a descriptor",
                            group.number);
    container->groups[container->group_count++] = group;
    int result = container->calls->control(container->calls->context, group.fd,
                                           VFIO_GROUP_GET_STATUS, &status);
    return (result >= 0 && (status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET)) ||
           state_refuse(section, error,
                        "descriptor of IOMMU group %u: VFIO_GROUP_GET_STATUS: %s",
                        group.number, result < 0 ? strerror(-result) : "no container");
}

static bool load(struct vfio_container *container, struct state_reader *reader,
                 struct state_section *section, struct error *error)
{
    int fd;
    if (!state_get_fd(reader, section, &fd, error))
        return false;
    if (fd < 0)
        return state_refuse(section, error, "no descriptor of a container");
    container->fd = fd;
    int version = control(container, VFIO_GET_API_VERSION, NULL);
    if (version != VFIO_API_VERSION)
        return state_refuse(section, error,
                            "descriptor of the container: VFIO_GET_API_VERSION: %s",
                            version < 0 ? strerror(-version) : "another version");
    uint32_t count = state_get32(section);
    if (count == 0 || count > VFIO_GROUPS_MAX)
        return state_refuse(section, error, "%u IOMMU groups, 1 to %u can be", count,
                            VFIO_GROUPS_MAX);
    for (uint32_t i = 0; i < count; i++)
        if (!load_group(container, reader, section, error))
            return false;
    return state_close(section, error) && check_extension(container, error) &&
           give_addresses(container, error);
}

bool vfio_container_load(struct vfio_container *container, const struct vfio_calls *calls,
                         const struct guest_memory *memory, struct state_reader *reader,
                         struct error *error)
{
    struct state_section *section;
    *container = (struct vfio_container){.calls = calls, .memory = memory, .fd = -1};
    if (state_open(reader, SECTION, 0, 1, &section, error) &&
        load(container, reader, section, error))
        return true;
    vfio_container_finish(container);
    return false;
}
