/* SPDX-License-Identifier: MIT */
#include "devices/vfio_device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define REGION_INFO_MAX 4096u /* of VFIO_DEVICE_GET_REGION_INFO, with its capabilities */
#define IRQS_MAX        64u
#define REGION_MAX                                                                       \
    ((uint64_t)1 << 40) /* vfio-pci gives each region so much of the file */

static int control(const struct vfio_device *device, unsigned long request,
                   void *argument)
{
    return device->calls->control(device->calls->context, device->fd, request, argument);
}

/* --- regions --- */

static void add_area(struct vfio_region *region, uint64_t offset, uint64_t size)
{
    uint64_t end;
    if (region->area_count < VFIO_AREAS_MAX && size > 0 && u64_add(offset, size, &end) &&
        end <= region->size)
        region->areas[region->area_count++] = (struct vfio_area){offset, size};
}

static void add_sparse_areas(struct vfio_region *region, const void *at, size_t room)
{
    const struct vfio_region_info_cap_sparse_mmap *sparse = at;
    if (room < sizeof *sparse)
        return;
    room = (room - sizeof *sparse) / sizeof sparse->areas[0];
    for (uint32_t i = 0; i < room && i < sparse->nr_areas; i++)
        add_area(region, sparse->areas[i].offset, sparse->areas[i].size);
}

/* Which parts can be mapped: those that the kernel lists, or all of it. The kernel has checked
 * nothing that we need, so that offsets are checked here. */
static void read_areas(struct vfio_region *region, const struct vfio_region_info *info)
{
    uint32_t offset = (info->flags & VFIO_REGION_INFO_FLAG_CAPS) ? info->cap_offset : 0;
    const uint32_t last = info->argsz - (uint32_t)sizeof(struct vfio_info_cap_header);
    for (unsigned i = 0; i < 32 && offset >= sizeof *info && offset <= last; i++) {
        const void *at = (const char *)info + offset;
        const struct vfio_info_cap_header *header = at;
        if (header->id == VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
            add_sparse_areas(region, at, info->argsz - offset);
            return;
        }
        offset = header->next;
    }
    add_area(region, 0, region->size);
}

static void read_region(const struct vfio_device *device, unsigned index,
                        struct vfio_region *region)
{
    uint64_t buffer[REGION_INFO_MAX / sizeof(uint64_t)] = {0};
    void *at = buffer;
    struct vfio_region_info *info = at;
    *info = (struct vfio_region_info){.argsz = REGION_INFO_MAX, .index = index};
    if (control(device, VFIO_DEVICE_GET_REGION_INFO, info) < 0 || info->size > REGION_MAX)
        return;
    if (info->argsz > REGION_INFO_MAX || info->argsz < sizeof *info)
        info->argsz = sizeof *info;
    *region = (struct vfio_region){
        .size = info->size,
        .offset = info->offset,
        .can_read = (info->flags & VFIO_REGION_INFO_FLAG_READ) != 0,
        .can_write = (info->flags & VFIO_REGION_INFO_FLAG_WRITE) != 0,
    };
    if (info->flags & VFIO_REGION_INFO_FLAG_MMAP)
        read_areas(region, info);
}

static bool exports_bars(const struct vfio_device *device)
{
    struct vfio_device_feature feature = {
        .argsz = sizeof feature,
        .flags =
            VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET | VFIO_FEATURE_DMA_BUF,
    };
    return control(device, VFIO_DEVICE_FEATURE, &feature) >= 0;
}

bool vfio_device_init(struct vfio_device *device, const struct vfio_calls *calls,
                      const char *address, int fd, struct error *error)
{
    struct vfio_device_info info = {.argsz = sizeof info};
    *device = (struct vfio_device){.calls = calls, .address = address, .fd = fd};
    int result = control(device, VFIO_DEVICE_GET_INFO, &info);
    device->can_reset = result >= 0 && (info.flags & VFIO_DEVICE_FLAGS_RESET);
    if (result >= 0 && (info.flags & VFIO_DEVICE_FLAGS_PCI)) {
        read_region(device, VFIO_PCI_CONFIG_REGION_INDEX, &device->config);
        for (unsigned bar = 0; bar < VFIO_BARS; bar++)
            read_region(device, VFIO_PCI_BAR0_REGION_INDEX + bar, &device->bars[bar]);
    }
    device->exports_bars = exports_bars(device);
    if (device->config.size >= 256 && device->config.can_read)
        return true;
    vfio_device_finish(device);
    return error_set(error, ERROR_CONFIG_HOST, "%s: VFIO_DEVICE_GET_INFO: %s", address,
                     result < 0 ? strerror(-result)
                                : "no PCI device, or one without configuration space");
}

void vfio_device_finish(struct vfio_device *device)
{
    if (device->calls == NULL)
        return;
    device->calls->close(device->calls->context, device->fd);
    *device = (struct vfio_device){0};
}

static bool is_inside(const struct vfio_region *region, uint64_t offset, unsigned size)
{
    return offset <= region->size && size <= region->size - offset;
}

bool vfio_device_read(const struct vfio_device *device, const struct vfio_region *region,
                      uint64_t offset, unsigned size, uint64_t *value)
{
    const struct vfio_calls *calls = device->calls;
    uint64_t bytes = 0;
    *value = UINT64_MAX;
    if (!region->can_read || size > sizeof bytes || !is_inside(region, offset, size) ||
        calls->read(calls->context, device->fd, &bytes, size, region->offset + offset) !=
            (ssize_t)size)
        return false;
    *value = bytes;
    return true;
}

bool vfio_device_write(const struct vfio_device *device, const struct vfio_region *region,
                       uint64_t offset, unsigned size, uint64_t value)
{
    const struct vfio_calls *calls = device->calls;
    return region->can_write && size <= sizeof value && is_inside(region, offset, size) &&
           calls->write(calls->context, device->fd, &value, size,
                        region->offset + offset) == (ssize_t)size;
}

void *vfio_device_map(const struct vfio_device *device, const struct vfio_region *region,
                      struct vfio_area area)
{
    const struct vfio_calls *calls = device->calls;
    int protection =
        (region->can_read ? PROT_READ : 0) | (region->can_write ? PROT_WRITE : 0);
    return calls->map(calls->context, device->fd, area.size, region->offset + area.offset,
                      protection);
}

void vfio_device_unmap(const struct vfio_device *device, void *address, uint64_t size)
{
    device->calls->unmap(device->calls->context, address, size);
}

/* --- interrupts, reset --- */

unsigned vfio_device_irq_count(const struct vfio_device *device, unsigned index)
{
    struct vfio_irq_info info = {.argsz = sizeof info, .index = index};
    return control(device, VFIO_DEVICE_GET_IRQ_INFO, &info) >= 0 &&
                   (info.flags & VFIO_IRQ_INFO_EVENTFD)
               ? info.count
               : 0;
}

/* VFIO_DEVICE_SET_IRQS with as many eventfds. */
static bool set(const struct vfio_device *device, unsigned index, uint32_t action,
                unsigned count, const int *fds, struct error *error)
{
    uint64_t buffer[(sizeof(struct vfio_irq_set) + IRQS_MAX * sizeof(int32_t)) / 8 + 1] =
        {0};
    void *at = buffer;
    struct vfio_irq_set *request = at;
    BUG_ON(count > IRQS_MAX);
    *request = (struct vfio_irq_set){
        .argsz = (uint32_t)(sizeof *request + count * sizeof(int32_t)),
        .flags =
            action | (count > 0 ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE),
        .index = index,
        .count = count,
    };
    if (count > 0)
        memcpy(request->data, fds, count * sizeof(int32_t));
    int result = control(device, VFIO_DEVICE_SET_IRQS, request);
    return result >= 0 ||
           error_set(error, ERROR_HOST_SYSTEM,
                     "%s: VFIO_DEVICE_SET_IRQS, %u interrupts of index %u: %s",
                     device->address, count, index, strerror(-result));
}

bool vfio_device_set_irqs(const struct vfio_device *device, unsigned index,
                          unsigned count, const int *fds, struct error *error)
{
    return set(device, index, VFIO_IRQ_SET_ACTION_TRIGGER, count, fds, error);
}

bool vfio_device_set_unmask(const struct vfio_device *device, int fd, struct error *error)
{
    return set(device, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK, 1, &fd,
               error);
}

bool vfio_device_reset(const struct vfio_device *device, struct error *error)
{
    int result = control(device, VFIO_DEVICE_RESET, NULL);
    return result >= 0 || error_set(error, ERROR_HOST_SYSTEM, "%s: VFIO_DEVICE_RESET: %s",
                                    device->address, strerror(-result));
}
