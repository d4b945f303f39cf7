/* SPDX-License-Identifier: MIT */
/*
 * One PCI device of VFIO: its regions (configuration space and BARs), its interrupts, and its
 * reset, as include/uapi/linux/vfio.h has them. What the kernel says about sizes is checked, once.
 */
#ifndef S2VMM_VFIO_DEVICE_H
#define S2VMM_VFIO_DEVICE_H

#include <linux/vfio.h>
#include <stdbool.h>

#include "devices/vfio_calls.h"
#include "vmm/error.h"
#include "vmm/types.h"

#define VFIO_AREAS_MAX 4u
#define VFIO_BARS      6u

/* Linux 6.19; older headers have no name for it. */
#define VFIO_FEATURE_DMA_BUF 11u

/* Bytes of a region, from its start. */
struct vfio_area {
    uint64_t offset;
    uint64_t size;
};

struct vfio_region {
    uint64_t size;   /* bytes; 0: there is none */
    uint64_t offset; /* of the device's descriptor */
    bool can_read;
    bool can_write;
    unsigned area_count; /* parts that can be mapped */
    struct vfio_area areas[VFIO_AREAS_MAX];
};

struct vfio_device {
    const struct vfio_calls *calls; /* NULL: there is no device */
    const char *address;            /* "0000:00:05.0"; kept */
    int fd;
    bool can_reset;
    bool exports_bars; /* as dma-bufs: docs/vfio.md */
    struct vfio_region config;
    struct vfio_region bars[VFIO_BARS];
};

/* Takes the descriptor over, and asks for all regions. ERROR_CONFIG_HOST, and the descriptor is
 * closed: it is no PCI device, or has no configuration space. */
bool vfio_device_init(struct vfio_device *device, const struct vfio_calls *calls,
                      const char *address, int fd, struct error *error);
/* A zeroed object is fine. */
void vfio_device_finish(struct vfio_device *device);

/* 1, 2, 4 or 8 bytes at an offset of a region, inside it. What fails reads all ones, and a write
 * goes nowhere: as on a bus; false tells. */
bool vfio_device_read(const struct vfio_device *device, const struct vfio_region *region,
                      uint64_t offset, unsigned size, uint64_t *value);
bool vfio_device_write(const struct vfio_device *device, const struct vfio_region *region,
                       uint64_t offset, unsigned size, uint64_t value);

/* How many interrupts of a VFIO_PCI_*_IRQ_INDEX there are. */
unsigned vfio_device_irq_count(const struct vfio_device *device, unsigned index);

/* The first `count` interrupts of an index write to these eventfds from now on, and all others of
 * it nowhere; 0: none do. ERROR_HOST_SYSTEM. */
bool vfio_device_set_irqs(const struct vfio_device *device, unsigned index,
                          unsigned count, const int *fds, struct error *error);

/* VFIO masks a pin's interrupt itself each time it comes, and takes the mask away when somebody
 * writes to this eventfd. ERROR_HOST_SYSTEM. */
bool vfio_device_set_unmask(const struct vfio_device *device, int fd,
                            struct error *error);

/* As a function-level reset does; the BARs and the command register keep what they have.
 * ERROR_HOST_SYSTEM. */
bool vfio_device_reset(const struct vfio_device *device, struct error *error);

/* Maps a part of a region; NULL: it cannot be. */
void *vfio_device_map(const struct vfio_device *device, const struct vfio_region *region,
                      struct vfio_area area);
void vfio_device_unmap(const struct vfio_device *device, void *address, uint64_t size);

#endif
