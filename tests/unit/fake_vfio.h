/* SPDX-License-Identifier: MIT */
/*
 * VFIO's side of a device, for tests: a container, groups, one device with a configuration space,
 * BARs and interrupts. It says what the test wants it to, and remembers what it was told.
 * Its sysfs is below fake_tree_root.
 */
#ifndef S2VMM_TESTS_UNIT_FAKE_VFIO_H
#define S2VMM_TESTS_UNIT_FAKE_VFIO_H

#include "devices/vfio_pci.h"

#define FAKE_VFIO_ADDRESS  "0000:00:05.0"
#define FAKE_VFIO_GROUP    7
#define FAKE_VFIO_BAR_MAX  0x10000u
#define FAKE_VFIO_MAPS_MAX 4u
#define FAKE_VFIO_IRQS_MAX 64u
#define FAKE_VFIO_CALLS    16u

/* Descriptors; whoever opens one again gets the next number. */
enum { FAKE_CONTAINER = 100, FAKE_GROUP = 200, FAKE_DEVICE = 300 };

struct fake_irqs {
    uint32_t count; /* that the device says it has */
    uint32_t active;
    int fds[FAKE_VFIO_IRQS_MAX];
    int unmask_fd;
    unsigned sets;
};

struct fake_vfio {
    struct vfio_calls calls;

    /* What it says. */
    int open_error; /* of every open(), positive; 0: none */
    int version;
    bool has_type1;
    bool is_viable;
    int join_error;
    int iommu_error;
    int map_error;      /* of a mapping, also of its new address */
    bool has_no_update; /* VFIO_UPDATE_VADDR */
    int irqs_error;
    bool can_reset;
    bool cannot_map;   /* mmap() of a BAR */
    bool access_fails; /* pread(), pwrite() of a BAR */
    uint32_t device_flags;
    uint32_t argsz;      /* that GET_REGION_INFO and GET_INFO answer; 0: what is right */
    uint64_t iova[2][2]; /* first and last addresses of the IOMMU; all 0: no capability */
    bool loops;          /* the list of the region's capabilities */
    uint64_t bar_sizes[6];
    uint64_t sparse[2]; /* of BAR 0: offset and size; 0: none */
    uint8_t config[256];
    uint8_t bars[6][FAKE_VFIO_BAR_MAX];
    struct fake_irqs irqs[VFIO_PCI_NUM_IRQS];

    /* What it was told. */
    int open_count; /* descriptors that are open */
    unsigned
        device_count; /* of them, the device's: the last one switches interrupts off */
    unsigned joins;
    unsigned iommus;
    unsigned maps;
    struct vfio_iommu_type1_dma_map map[FAKE_VFIO_MAPS_MAX];
    bool has_no_address[FAKE_VFIO_MAPS_MAX]; /* of the mapping */
    unsigned thefts; /* so many times somebody else gives an address first */
    unsigned resets;
    unsigned mapped;                         /* parts of BARs that are mapped now */
    uint64_t mapped_offset[FAKE_VFIO_CALLS]; /* and were: in the BAR's part of the file */
    uint64_t mapped_size[FAKE_VFIO_CALLS];
    unsigned map_calls;
    unsigned command_writes;
    unsigned config_writes; /* to anything but the command register */
    unsigned bar_reads;
    unsigned bar_writes;
};

/* A device like QEMU's edu with MSI-X besides, bound to vfio-pci, in a group of its own. The fake
 * tree has to be there. */
void fake_vfio_init(struct fake_vfio *fake);

/* Another program has the descriptors of a state, too. Those of eventfds are copies. */
void fake_vfio_send(struct fake_vfio *fake, const struct state_writer *writer,
                    struct state_reader *reader);

/* A link of the device's folder in sysfs, "driver" or "iommu_group", to another name. */
void fake_vfio_link(const char *address, const char *link, const char *name);

#endif
