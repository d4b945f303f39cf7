/* SPDX-License-Identifier: MIT */
/*
 * Whether a pointer points to ordinary memory: a fact of the kernel, who lists the mappings
 * (VMAs) of this process in /proc/self/maps, with the file behind each.
 *
 *   no file                    anonymous memory: malloc(), mmap(MAP_ANONYMOUS)
 *   /memfd:NAME, /dev/zero     shared memory that user space made: memfd_create(), and
 *                              mmap(MAP_ANONYMOUS | MAP_SHARED), on the kernel's own tmpfs
 *
 * The host's attribute for these two is write-back. The kernel makes the VMA with
 * vm_get_page_prot(), which is write-back on x86 and Normal memory on arm64
 * (mm/vma.c MMAP_STATE(), __mmap_new_vma(), do_brk_flags()); only the driver of a mapped file
 * changes it, and there is none here: mm/shmem.c leaves it alone, and anonymous memory has no
 * file. The pages are the page allocator's. A driver that makes pages WC (set_pages_array_wc():
 * ttm_pool.c, drm_gem_shmem_helper.c) does so to those that it allocated, and gives them back WB.
 *
 * All else is no answer, also where it is likely to be write-back:
 *
 *   other files of that tmpfs  GEM objects: i915 maps them write-combining when asked
 *                              (i915_gem_mman.c i915_gem_mmap_ioctl(), I915_MMAP_WC)
 *   device nodes, dma-bufs     their drivers choose
 *   files on disk, /dev/shm    DAX is a BAR or persistent memory; hugetlbfs see backing.c
 *   [vvar], [vdso], ...        the kernel's own, some of them VM_IO
 *
 * Read in Linux 7.2; measured in the lab on 6.1, 6.12 and 7.2 (end-to-end cases opaque and
 * s2-of-virgl-buffer). Inferred: that no driver changes a page which others allocated. Not
 * examined: memory that a GPU shares coherently with the CPU (MEMORY_DEVICE_COHERENT), which
 * may be behind anonymous memory, too.
 *
 * The answer is about this moment. It holds as long as whoever gave the pointer keeps the memory
 * there: of libvirglrenderer, from virgl_renderer_resource_map() to resource_unmap().
 *
 * ioctl(PROCMAP_QUERY) (6.11) asks for one mapping, where this reads the list; older kernels do
 * not have it.
 */
#ifndef S2VMM_GPU_VMA_INFO_H
#define S2VMM_GPU_VMA_INFO_H

#include "vmm/types.h"

struct vma_info {
    bool is_ram;      /* every byte is in a mapping of the two kinds */
    int error;        /* errno: it could not be looked at */
    char detail[112]; /* what is there, or what is not, or what failed */
};

/* Looks at [host, host + size), in bytes. maps: "/proc/self/maps", or a file like it. Never
 * fails: what cannot be found out is no RAM. */
void vma_info_ask(const char *maps, const void *host, uint64_t size,
                  struct vma_info *info);

#endif
