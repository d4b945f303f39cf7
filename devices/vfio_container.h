/* SPDX-License-Identifier: MIT */
/*
 * VFIO's container: one address space of an IOMMU, with the groups of devices that share it
 * (Documentation/driver-api/vfio.rst). All guest RAM is mapped in it at its guest physical
 * address, and pinned, as long as it exists: a device reads and writes what the guest tells it to, and
 * nothing else of the host.
 *
 *   container /dev/vfio/vfio ---- IOMMU (TYPE1v2): IOVA = GPA -> RAM
 *     group   /dev/vfio/N    ---- what the IOMMU cannot tell apart
 *       device               ---- devices/vfio_device.h
 *
 * The descriptors can be given to another program, which takes the place of this one: with
 * VFIO_DMA_UNMAP_FLAG_VADDR and VFIO_DMA_MAP_FLAG_VADDR RAM gets new host addresses.
 */
#ifndef S2VMM_VFIO_CONTAINER_H
#define S2VMM_VFIO_CONTAINER_H

#include "devices/vfio_calls.h"
#include "vmm/guest_memory.h"
#include "vmm/state.h"

#define VFIO_GROUPS_MAX 4u

struct vfio_group {
    unsigned number; /* of /dev/vfio/NUMBER */
    int fd;
};

struct vfio_container {
    const struct vfio_calls *calls; /* NULL: there is no container */
    const struct guest_memory *memory;
    int fd;
    unsigned group_count;
    struct vfio_group groups[VFIO_GROUPS_MAX];
};

/* Opens VFIO; the group of the first device brings the IOMMU, and RAM is mapped then. `memory` and
 * `calls` are kept. ERROR_CONFIG_HOST: no VFIO here, or one that is too old. */
bool vfio_container_init(struct vfio_container *container, const struct vfio_calls *calls,
                         const struct guest_memory *memory, struct error *error);

/* After its devices have been closed; a zeroed object is fine. */
void vfio_container_finish(struct vfio_container *container);

/* The descriptor of a PCI device, "0000:00:05.0"; its group joins the container if it has not yet.
 * ERROR_CONFIG_HOST: the device is not there, has no IOMMU, is not bound to vfio-pci, its group has
 * other devices with other drivers, or may not be opened; RAM cannot be mapped. Each text says what
 * to do. */
bool vfio_container_open_device(struct vfio_container *container, const char *address,
                                int *fd, struct error *error);

/* --- vfio_container_state.c: for another program, while devices go on --- */

/* The section VFIC: the descriptors of the container and its groups. */
void vfio_container_save(const struct vfio_container *container,
                         struct state_writer *writer);

/* In the place of vfio_container_init(), in the other program: with the same RAM, at any
 * address. The old one has released it. ERROR_CONFIG_FILE, ERROR_CONFIG_HOST, ERROR_HOST_SYSTEM. */
bool vfio_container_load(struct vfio_container *container, const struct vfio_calls *calls,
                         const struct guest_memory *memory, struct state_reader *reader,
                         struct error *error);

/* RAM has no host address from now on: no device may be opened meanwhile. ERROR_CONFIG_HOST: this
 * kernel cannot; ERROR_HOST_SYSTEM; vfio_container_take_back() is needed after an error, too. */
bool vfio_container_release(const struct vfio_container *container, struct error *error);

/* RAM is here again, also when another program has it meanwhile (at best a dead one). ERROR_CONFIG_HOST,
 * ERROR_HOST_SYSTEM. */
bool vfio_container_take_back(const struct vfio_container *container,
                              struct error *error);

/* --- vfio_sysfs.c --- */

/* The IOMMU group of a device that is bound to vfio-pci. ERROR_CONFIG_HOST. */
bool vfio_find_group(const struct vfio_calls *calls, const char *address, unsigned *group,
                     struct error *error);

/* Why a group is not viable: its devices that another driver has, as "0000:00:05.0 (e1000)". */
void vfio_name_strangers(const struct vfio_calls *calls, const char *address, char *text,
                         size_t size);

#endif
