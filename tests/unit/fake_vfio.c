/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_vfio.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/fake_tree.h"

#define REGION_SHIFT 40 /* drivers/vfio/pci/vfio_pci_priv.h, VFIO_PCI_OFFSET_SHIFT */

static char devices[64];

void fake_vfio_link(const char *address, const char *link, const char *name)
{
    char path[256];
    char target[256];
    snprintf(path, sizeof path, "/%s/vendor", address);
    fake_tree_write(path, "0x1234\n");
    snprintf(path, sizeof path, "%s/%s/%s", fake_tree_root, address, link);
    snprintf(target, sizeof target, "../%s", name);
    unlink(path);
    if (name[0])
        ck_assert_int_eq(symlink(target, path), 0);
}

/* --- the container and the groups --- */

static int fake_open(void *context, const char *path)
{
    struct fake_vfio *fake = context;
    if (fake->open_error)
        return -fake->open_error;
    fake->open_count++;
    return strcmp(path, "/dev/vfio/vfio") == 0 ? FAKE_CONTAINER : FAKE_GROUP;
}

static void fake_close(void *context, int fd)
{
    struct fake_vfio *fake = context;
    if (fd != FAKE_CONTAINER && fd != FAKE_GROUP && fd != FAKE_DEVICE) {
        close(fd); /* a damaged state has another descriptor in its place */
        return;
    }
    fake->open_count--;
    if (fd == FAKE_DEVICE && --fake->device_count == 0)
        for (unsigned i = 0; i < VFIO_PCI_NUM_IRQS; i++)
            fake->irqs[i].active = 0;
}

static int get_info(struct fake_vfio *fake, struct vfio_iommu_type1_info *info)
{
    struct vfio_iommu_type1_info_cap_iova_range *ranges = (void *)(info + 1);
    uint32_t room = info->argsz;
    *info = (struct vfio_iommu_type1_info){.argsz = sizeof *info};
    if (fake->iova[0][1] == 0)
        return 0;
    ck_assert_uint_ge(room, 4096);
    info->flags = VFIO_IOMMU_INFO_CAPS;
    info->cap_offset = sizeof *info;
    info->argsz = fake->argsz ? fake->argsz : 4096;
    ranges->header.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
    ranges->nr_iovas = fake->argsz ? UINT32_MAX : 2;
    for (unsigned i = 0; i < 2; i++)
        ranges->iova_ranges[i] =
            (struct vfio_iova_range){.start = fake->iova[i][0], .end = fake->iova[i][1]};
    return 0;
}

/* As vfio_iommu_type1.c has it, for whole mappings. */
static int map_again(struct fake_vfio *fake, const struct vfio_iommu_type1_dma_map *map)
{
    unsigned i = 0;
    while (i < fake->maps && fake->map[i].iova != map->iova)
        i++;
    if (i == fake->maps)
        return -ENOENT;
    if (fake->thefts > 0) {
        fake->thefts--;
        fake->has_no_address[i] = false;
    }
    if (fake->map[i].size != map->size || !fake->has_no_address[i])
        return -EINVAL;
    fake->map[i].vaddr = map->vaddr;
    fake->has_no_address[i] = false;
    return 0;
}

static int unmap_dma(struct fake_vfio *fake, struct vfio_iommu_type1_dma_unmap *unmap)
{
    bool all = unmap->flags == (VFIO_DMA_UNMAP_FLAG_VADDR | VFIO_DMA_UNMAP_FLAG_ALL);
    ck_assert(all || unmap->flags == VFIO_DMA_UNMAP_FLAG_VADDR);
    ck_assert(!all || (unmap->iova == 0 && unmap->size == 0));
    uint64_t size = 0;
    for (unsigned i = 0; i < fake->maps; i++) {
        if (!all && fake->map[i].iova != unmap->iova)
            continue;
        if (fake->has_no_address[i])
            return -EINVAL;
        size += fake->map[i].size;
    }
    for (unsigned i = 0; i < fake->maps; i++)
        if (all || fake->map[i].iova == unmap->iova)
            fake->has_no_address[i] = true;
    unmap->size = size;
    return 0;
}

static int map_dma(struct fake_vfio *fake, const struct vfio_iommu_type1_dma_map *map)
{
    if (fake->map_error)
        return -fake->map_error;
    if (map->flags == VFIO_DMA_MAP_FLAG_VADDR)
        return map_again(fake, map);
    ck_assert_uint_lt(fake->maps, FAKE_VFIO_MAPS_MAX);
    fake->map[fake->maps++] = *map;
    return 0;
}

static int control_container(struct fake_vfio *fake, unsigned long request,
                             void *argument)
{
    switch (request) {
    case VFIO_GET_API_VERSION:
        return fake->version;
    case VFIO_CHECK_EXTENSION:
        return ((uintptr_t)argument == VFIO_TYPE1v2_IOMMU && fake->has_type1) ||
               ((uintptr_t)argument == VFIO_UPDATE_VADDR && fake->iommus > 0 &&
                !fake->has_no_update);
    case VFIO_SET_IOMMU:
        fake->iommus++;
        return -fake->iommu_error;
    case VFIO_IOMMU_GET_INFO:
        return get_info(fake, argument);
    case VFIO_IOMMU_MAP_DMA:
        return map_dma(fake, argument);
    case VFIO_IOMMU_UNMAP_DMA:
        return unmap_dma(fake, argument);
    default:
        return -ENOTTY;
    }
}

static int control_group(struct fake_vfio *fake, unsigned long request, void *argument)
{
    switch (request) {
    case VFIO_GROUP_GET_STATUS:
        ((struct vfio_group_status *)argument)->flags =
            (fake->is_viable ? VFIO_GROUP_FLAGS_VIABLE : 0) |
            (fake->joins > 0 ? VFIO_GROUP_FLAGS_CONTAINER_SET : 0);
        return 0;
    case VFIO_GROUP_SET_CONTAINER:
        ck_assert_int_eq(*(int *)argument, FAKE_CONTAINER);
        fake->joins++;
        return -fake->join_error;
    case VFIO_GROUP_GET_DEVICE_FD:
        fake->open_count++;
        fake->device_count++;
        return FAKE_DEVICE;
    default:
        return -ENOTTY;
    }
}

/* --- the device --- */

static int get_region(struct fake_vfio *fake, struct vfio_region_info *info)
{
    struct vfio_region_info_cap_sparse_mmap *sparse = (void *)(info + 1);
    const uint32_t index = info->index;
    ck_assert_uint_ge(info->argsz, 1024);
    if (index > VFIO_PCI_CONFIG_REGION_INDEX)
        return -EINVAL;
    info->argsz = fake->argsz ? fake->argsz : 1024;
    info->offset = (uint64_t)index << REGION_SHIFT;
    info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
    info->size = index < 6                               ? fake->bar_sizes[index]
                 : index == VFIO_PCI_CONFIG_REGION_INDEX ? sizeof fake->config
                                                         : 0;
    if (index >= 6)
        return 0;
    info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
    if (index == 0 && (fake->sparse[1] > 0 || fake->loops)) {
        info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
        info->cap_offset = sizeof *info;
        sparse->header.id = fake->loops ? 77 : VFIO_REGION_INFO_CAP_SPARSE_MMAP;
        sparse->header.next = fake->loops ? sizeof *info : 0;
        sparse->nr_areas = fake->argsz ? UINT32_MAX : 1;
        sparse->areas[0].offset = fake->sparse[0];
        sparse->areas[0].size = fake->sparse[1];
    }
    return 0;
}

static int set_irqs(struct fake_vfio *fake, const struct vfio_irq_set *set)
{
    ck_assert_uint_lt(set->index, VFIO_PCI_NUM_IRQS);
    struct fake_irqs *irqs = &fake->irqs[set->index];
    if (fake->irqs_error)
        return -fake->irqs_error;
    if (set->start != 0 || set->count > irqs->count)
        return -EINVAL;
    if (set->flags == (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK)) {
        memcpy(&irqs->unmask_fd, set->data, sizeof(int));
        return 0;
    }
    if (set->count > 0)
        for (unsigned i = 0; i < VFIO_PCI_NUM_IRQS; i++) /* as vfio_pci_intrs.c has it */
            if (fake->irqs[i].active > 0)
                return -EINVAL;
    irqs->sets++;
    irqs->active = set->count;
    memcpy(irqs->fds, set->data, set->count * sizeof(int));
    return 0;
}

static int control_device(struct fake_vfio *fake, unsigned long request, void *argument)
{
    switch (request) {
    case VFIO_DEVICE_GET_INFO:
        ((struct vfio_device_info *)argument)->flags =
            fake->device_flags | (fake->can_reset ? VFIO_DEVICE_FLAGS_RESET : 0);
        return 0;
    case VFIO_DEVICE_GET_REGION_INFO:
        return get_region(fake, argument);
    case VFIO_DEVICE_GET_IRQ_INFO: {
        struct vfio_irq_info *info = argument;
        info->flags = VFIO_IRQ_INFO_EVENTFD;
        info->count = info->index < VFIO_PCI_NUM_IRQS ? fake->irqs[info->index].count : 0;
        return 0;
    }
    case VFIO_DEVICE_SET_IRQS:
        return set_irqs(fake, argument);
    case VFIO_DEVICE_RESET:
        fake->resets++;
        return fake->can_reset ? 0 : -ENOTTY;
    default:
        return -ENOTTY;
    }
}

static int fake_control(void *context, int fd, unsigned long request, void *argument)
{
    switch (fd) {
    case FAKE_CONTAINER:
        return control_container(context, request, argument);
    case FAKE_GROUP:
        return control_group(context, request, argument);
    default:
        return fd == FAKE_DEVICE ? control_device(context, request, argument) : -ENOTTY;
    }
}

/* The bytes of a region; NULL: not so many are there. */
static uint8_t *find_bytes(struct fake_vfio *fake, uint64_t offset, size_t size)
{
    uint64_t index = offset >> REGION_SHIFT;
    uint64_t at = offset & (((uint64_t)1 << REGION_SHIFT) - 1);
    if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
        ck_assert_uint_le(at + size, sizeof fake->config);
        return fake->config + at;
    }
    ck_assert_uint_lt(index, 6);
    ck_assert_uint_le(at + size, fake->bar_sizes[index]);
    return fake->access_fails || at + size > FAKE_VFIO_BAR_MAX ? NULL
                                                               : fake->bars[index] + at;
}

static bool is_config(uint64_t offset)
{
    return offset >> REGION_SHIFT == VFIO_PCI_CONFIG_REGION_INDEX;
}

static ssize_t fake_read(void *context, int fd, void *bytes, size_t size, uint64_t offset)
{
    struct fake_vfio *fake = context;
    const uint8_t *from = find_bytes(fake, offset, size);
    ck_assert_int_eq(fd, FAKE_DEVICE);
    fake->bar_reads += !is_config(offset);
    if (from == NULL)
        return -EIO;
    memcpy(bytes, from, size);
    return (ssize_t)size;
}

static ssize_t fake_write(void *context, int fd, const void *bytes, size_t size,
                          uint64_t offset)
{
    struct fake_vfio *fake = context;
    uint8_t *to = find_bytes(fake, offset, size);
    ck_assert_int_eq(fd, FAKE_DEVICE);
    fake->bar_writes += !is_config(offset);
    bool is_command = to == fake->config + PCI_COMMAND && size == 2;
    fake->command_writes += is_command;
    fake->config_writes += is_config(offset) && !is_command;
    if (to == NULL)
        return -EIO;
    memcpy(to, bytes, size);
    return (ssize_t)size;
}

static void *fake_map(void *context, int fd, size_t size, uint64_t offset, int protection)
{
    struct fake_vfio *fake = context;
    ck_assert_int_eq(fd, FAKE_DEVICE);
    if (fake->cannot_map)
        return NULL;
    ck_assert_uint_lt(fake->map_calls, FAKE_VFIO_CALLS);
    fake->mapped_offset[fake->map_calls] = offset & (((uint64_t)1 << REGION_SHIFT) - 1);
    fake->mapped_size[fake->map_calls++] = size;
    fake->mapped++;
    return mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void fake_unmap(void *context, void *address, size_t size)
{
    struct fake_vfio *fake = context;
    fake->mapped--;
    munmap(address, size);
}

/* Capabilities at 0x40: PM, MSI, MSI-X with its table at 0x2000 of BAR 0, pending bits at 0x3000, and
 * one that nobody may see. */
static void write_config(uint8_t *config)
{
    static const uint8_t header[] = {0x34, 0x12, 0xe8, 0x11, 0x02, 0x01,
                                     0x10, 0x00, 0x10, 0x00, 0xff, 0x00};
    static const uint8_t list[] = {
        PCI_CAP_ID_PM,
        0x48,
        0x03,
        0xfe,
        0x00,
        0x00,
        0x00,
        0x00, /* 0x40 */
        PCI_CAP_ID_VNDR,
        0x50,
        0x08,
        0x00,
        0x11,
        0x22,
        0x33,
        0x44, /* 0x48 */
        PCI_CAP_ID_MSI,
        0x60,
        0x84,
        0x00,
        0x00,
        0x00,
        0x00,
        0x00, /* 0x50 */
        0x00,
        0x00,
        0x00,
        0x00,
        0x00,
        0x00,
        0x00,
        0x00, /* 0x58 */
        PCI_CAP_ID_MSIX,
        0x00,
        0x13,
        0x00,
        0x00,
        0x20,
        0x00,
        0x00,
        0x00,
        0x30 /* 0x60 */
    };
    memcpy(config, header, sizeof header);
    memcpy(config + 0x40, list, sizeof list);
    config[PCI_CAPABILITY_LIST] = 0x40;
    config[PCI_INTERRUPT_PIN] = 1;
    config[PCI_SUBSYSTEM_VENDOR_ID] = 0x34;
    config[PCI_BASE_ADDRESS_1] = 0x01;                         /* ports */
    config[PCI_BASE_ADDRESS_2] = PCI_BASE_ADDRESS_MEM_TYPE_64; /* not prefetchable */
}

void fake_vfio_init(struct fake_vfio *fake)
{
    *fake = (struct fake_vfio){
        .version = VFIO_API_VERSION,
        .has_type1 = true,
        .is_viable = true,
        .device_flags = VFIO_DEVICE_FLAGS_PCI,
        .can_reset = true,
        .iova = {{0, 0xfedfffff}, {0xfef00000, ((uint64_t)1 << 39) - 1}},
        .bar_sizes = {0x10000, 0x20, 0x4000},
    };
    fake->calls = (struct vfio_calls){
        .context = fake,
        .devices = devices,
        .open = fake_open,
        .close = fake_close,
        .control = fake_control,
        .read = fake_read,
        .write = fake_write,
        .map = fake_map,
        .unmap = fake_unmap,
    };
    fake->irqs[VFIO_PCI_INTX_IRQ_INDEX].count = 1;
    fake->irqs[VFIO_PCI_MSI_IRQ_INDEX].count = 4;
    fake->irqs[VFIO_PCI_MSIX_IRQ_INDEX].count = 20;
    write_config(fake->config);
    snprintf(devices, sizeof devices, "%s", fake_tree_root);
    fake_vfio_link(FAKE_VFIO_ADDRESS, "driver", "drivers/vfio-pci");
    fake_vfio_link(FAKE_VFIO_ADDRESS, "iommu_group", "groups/7");
}

void fake_vfio_send(struct fake_vfio *fake, const struct state_writer *writer,
                    struct state_reader *reader)
{
    struct error error;
    for (unsigned i = 0; i < writer->fd_count; i++) {
        int fd = writer->fds[i];
        bool is_fake = fd == FAKE_CONTAINER || fd == FAKE_GROUP || fd == FAKE_DEVICE;
        fake->open_count += is_fake;
        fake->device_count += fd == FAKE_DEVICE;
        if (!is_fake)
            fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        ck_assert_int_ge(fd, 0);
        ck_assert(state_reader_add_fds(reader, &fd, 1, &error));
    }
}
