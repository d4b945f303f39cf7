/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * /dev/dmabuf-lab: dma-bufs with every attribute, backing and kind of mapping, for
 * experiments. Its exporter name (fdinfo's exp_name) is "dmabuf-lab". For root only: what
 * it makes can be wrong on purpose.
 */
#ifndef DMABUF_LAB_H
#define DMABUF_LAB_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* What the buffer consists of. */
enum dmabuf_lab_backing {
	DMABUF_LAB_PAGES, /* single pages, scattered */
	/* blocks of 16 pages that are not compound: all but the first page of each have a
	 * reference count of 0, as in TTM's pool (drivers/gpu/drm/ttm/ttm_pool.c) */
	DMABUF_LAB_BLOCKS,
	DMABUF_LAB_BAR, /* memory of a PCI device that has no driver */
	DMABUF_LAB_BACKING_COUNT
};

/* How mmap() maps it. */
enum dmabuf_lab_vma {
	DMABUF_LAB_PFNMAP, /* VM_PFNMAP, everything at mmap(), as remap_pfn_range() */
	DMABUF_LAB_FAULT,  /* VM_PFNMAP, a page at its first access: vmf_insert_pfn() */
	DMABUF_LAB_MIXED,  /* VM_MIXEDMAP, special entries: vmf_insert_mixed() */
	DMABUF_LAB_STRUCT_PAGES, /* refcounted struct pages, as of a file; PAGES only */
	/* VM_PFNMAP, vm_page_prot cacheable, the attribute in the page table only:
	 * vmf_insert_pfn_prot(), as TTM (ttm_bo_vm_fault_reserved) */
	DMABUF_LAB_TTM,
	DMABUF_LAB_VMA_COUNT
};

/* The attribute. */
enum dmabuf_lab_attribute {
	DMABUF_LAB_WB,
	DMABUF_LAB_WC, /* really: x86 also changes the pages' type (set_pages_array_wc) */
	/* pgprot_writecombine() only: x86 does not follow for RAM mapped by pfn
	 * (arch/x86/mm/pat/memtype.c); of a BAR the same as WC */
	DMABUF_LAB_WC_WISHED,
	DMABUF_LAB_UC,     /* pgprot_noncached(); x86: set_pages_array_uc, too */
	DMABUF_LAB_DEVICE, /* pgprot_device(); x86: as UC */
	DMABUF_LAB_ATTRIBUTE_COUNT
};

#define DMABUF_LAB_NEEDS_SYNC   (1u << 0) /* says so; counts the calls of begin and end */
#define DMABUF_LAB_MAY_CHANGE   (1u << 1) /* says so; all buffers can, see below */
#define DMABUF_LAB_NAIVE        (1u << 2) /* mmap_info answers the wish, not the truth */
#define DMABUF_LAB_ANY_UNCACHED (1u << 3) /* VM_ALLOW_ANY_UNCACHED, as vfio-pci */

struct dmabuf_lab_create {
	__u64 size; /* bytes, a multiple of the page size, at most 1 GiB */
	__u32 backing;
	__u32 vma;
	__u32 attribute;
	__u32 flags;
	/* BAR only: domain << 16 | bus << 8 | device << 3 | function */
	__u32 pci_address;
	__u32 bar;      /* BAR only: 0 to 5 */
	__u32 fd_flags; /* O_RDWR, O_CLOEXEC */
	__s32 fd;       /* out */
};

struct dmabuf_lab_set_attribute {
	__s32 fd;
	__u32 attribute;
};

struct dmabuf_lab_counters {
	__s32 fd;
	__u32 maps;        /* mappings made so far */
	__u64 faults;      /* pages given to a mapping */
	__u64 zaps;        /* times that all mappings were emptied */
	__u64 moves;       /* new backings */
	__u64 syncs_begun; /* DMA_BUF_IOCTL_SYNC */
	__u64 syncs_ended;
};

/* As an importer sees the buffer: attaches a device, maps, looks, and detaches. */
struct dmabuf_lab_import {
	__s32 fd;
	__u32 entries; /* of the scatter list */
	/* the bits of scatterlist.page_link without the markers; 0: the exporter gives none */
	__u64 first_page_link;
	__u32 page_is_valid; /* whether they are a page of this kernel's memory map */
	__u32 pad;
};

/* How a device that stays has a buffer. */
enum dmabuf_lab_holding {
	/* attached and mapped for good; pinned, if the exporter can pin */
	DMABUF_LAB_STATIC,
	DMABUF_LAB_PINNED,  /* as STATIC, but it is told when the buffer is taken away */
	DMABUF_LAB_DYNAMIC, /* told when the buffer moves, lets go, and maps it anew */
	DMABUF_LAB_HOLDING_COUNT
};

struct dmabuf_lab_hold {
	__s32 fd; /* of any dma-buf; it can be closed then */
	__u32 holding;
	__s32 holder; /* out: the device lets go when this descriptor is closed */
	/* out: this kernel pins for each mapping, also for DYNAMIC
	 * (CONFIG_DMABUF_MOVE_NOTIFY is off) */
	__u32 pins_everybody;
};

/* One access of the device, by its DMA addresses. */
struct dmabuf_lab_access {
	__u64 offset; /* bytes, a multiple of 8 */
	__u64 word;   /* out: what it reads there */
	__u32 told;   /* out: how often it was told to let go */
	__s32 error; /* out: 0, or the errno of mapping the buffer anew: nothing was read */
};

/* EINVAL a value that is none of the above, or struct pages of other than PAGES;
 * ENOMEM; EINTR the caller is being killed. BAR: ENODEV no such device; EBUSY it has a
 * driver, or the BAR is in use; ENXIO the BAR is no memory, or smaller. */
#define DMABUF_LAB_IOCTL_CREATE _IOWR('L', 0, struct dmabuf_lab_create)
/* A new backing of the same kind with the same content; all mappings are emptied, and
 * refill at their next access. EOPNOTSUPP a BAR does not move; EBUSY a device has it
 * mapped and does not let go; ENOMEM; EINTR. Of MOVE and all below: EBADF no fd; EINVAL no dma-buf, or of
 * another exporter. Of MOVE and SET_ATTRIBUTE: ENODEV revoked. */
#define DMABUF_LAB_IOCTL_MOVE _IOW('L', 1, __s32)
/* Empties all mappings; they refill with this attribute. vm_page_prot of mappings that
 * there are stays what it was, as TTM's. */
#define DMABUF_LAB_IOCTL_SET_ATTRIBUTE _IOW('L', 2, struct dmabuf_lab_set_attribute)
/* Empties all mappings; an access is SIGBUS from now on. Devices are told; one that cannot
 * be told keeps what it has mapped. */
#define DMABUF_LAB_IOCTL_REVOKE   _IOW('L', 3, __s32)
#define DMABUF_LAB_IOCTL_COUNTERS _IOWR('L', 4, struct dmabuf_lab_counters)
/* Of any dma-buf. */
#define DMABUF_LAB_IOCTL_IMPORT _IOWR('L', 5, struct dmabuf_lab_import)
/* Of any dma-buf. EINVAL no such holding; EBADF, EINVAL no dma-buf; or an error of the
 * exporter. */
#define DMABUF_LAB_IOCTL_HOLD _IOWR('L', 6, struct dmabuf_lab_hold)
/* How many buffers of this module there are: __u32. */
#define DMABUF_LAB_IOCTL_BUFFERS _IOR('L', 7, __u32)
/* Of a holder's descriptor. EINVAL the offset; EFAULT the memory is not RAM. */
#define DMABUF_LAB_IOCTL_ACCESS _IOWR('L', 8, struct dmabuf_lab_access)

#endif
