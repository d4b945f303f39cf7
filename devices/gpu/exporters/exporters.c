/* SPDX-License-Identifier: MIT */
/* The exporters of host memory, and those that need no device. */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/gpu/exporters/lab.h"

static bool failed(struct error *error, const char *what)
{
    return error_set(error, ERROR_CONFIG_HOST, "%s: %s", what, strerror(errno));
}

static bool open_anonymous(struct target *target, const char *unused, struct error *error)
{
    (void)unused;
    void *host = mmap(NULL, target->backing.size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (host == MAP_FAILED)
        return failed(error, "mmap");
    target->backing.host = host;
    return true;
}

/* Sealed against shrinking, as udmabuf wants it (drivers/dma-buf/udmabuf.c). */
static bool make_memfd(const struct target *target, int *fd, struct error *error)
{
    *fd = memfd_create("s2vmm-matrix", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0)
        return failed(error, "memfd_create");
    if (ftruncate(*fd, (off_t)target->backing.size) == 0 &&
        fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0)
        return true;
    failed(error, "memfd");
    close(*fd);
    return false;
}

static bool open_memfd(struct target *target, const char *unused, struct error *error)
{
    (void)unused;
    return make_memfd(target, &target->backing.fd, error) && target_map(target, error);
}

static bool open_udmabuf(struct target *target, const char *unused, struct error *error)
{
    (void)unused;
    int device;
    int memory;
    if (!target_open_file("/dev/udmabuf", &device, error))
        return false;
    target_keep(target, device);
    if (!make_memfd(target, &memory, error))
        return false;
    target_keep(target, memory);
    const struct udmabuf_create create = {
        .memfd = (uint32_t)memory,
        .flags = UDMABUF_FLAGS_CLOEXEC,
        .size = target->backing.size,
    };
    target->backing.fd = ioctl(device, UDMABUF_CREATE, &create);
    return target->backing.fd >= 0 ? target_map(target, error)
                                   : failed(error, "UDMABUF_CREATE");
}

static bool open_heap(struct target *target, const char *path, struct error *error)
{
    int heap;
    if (!target_open_file(path, &heap, error))
        return false;
    target_keep(target, heap);
    struct dma_heap_allocation_data allocation = {
        .len = target->backing.size,
        .fd_flags = O_RDWR | O_CLOEXEC,
    };
    if (ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &allocation) != 0)
        return failed(error, "DMA_HEAP_IOCTL_ALLOC");
    target->backing.fd = (int)allocation.fd;
    return target_map(target, error);
}

// clang-format off
#define KERNEL_MEMORY "kernel memory, mapped as it is: vm_page_prot unchanged"
#define PCI_MMAP      "drivers/pci/mmap.c, pci_mmap_resource_range: "
const struct exporter exporters[] = {
    {"anonymous", open_anonymous, NULL, MEMATTR_PAGE_RAM, TARGET_CACHED, KERNEL_MEMORY},
    {"memfd", open_memfd, NULL, MEMATTR_PAGE_RAM, TARGET_CACHED, KERNEL_MEMORY},
    {"udmabuf", open_udmabuf, NULL, MEMATTR_PAGE_RAM, TARGET_CACHED,
     "drivers/dma-buf/udmabuf.c, mmap_udmabuf: vm_page_prot unchanged"},
    {"system heap", open_heap, "/dev/dma_heap/system", MEMATTR_PAGE_RAM, TARGET_CACHED,
     "drivers/dma-buf/heaps/system_heap.c, system_heap_mmap: vm_page_prot unchanged"},
    {"vgem PRIME", exporter_drm_prime, "vgem", MEMATTR_PAGE_RAM, TARGET_WRITECOMBINE,
     "vgem_gem_create_object: map_wc; drm_gem_shmem_mmap: pgprot_writecombine"},
    {"vgem MAP_DUMB", exporter_drm_dumb, "vgem", MEMATTR_PAGE_RAM, TARGET_WRITECOMBINE,
     "vgem_gem_create_object: map_wc; drm_gem_shmem_mmap: pgprot_writecombine"},
    {"virtio-gpu PRIME", exporter_drm_prime, "virtio_gpu", MEMATTR_PAGE_RAM, TARGET_CACHED,
     "virtgpu_object.c: no map_wc; drm_gem_shmem_mmap: vm_page_prot unchanged"},
    {"virtio-gpu MAP_DUMB", exporter_drm_dumb, "virtio_gpu", MEMATTR_PAGE_RAM, TARGET_CACHED,
     "virtgpu_object.c: no map_wc; drm_gem_shmem_mmap: vm_page_prot unchanged"},
    {"vkms PRIME", exporter_drm_prime, "vkms", MEMATTR_PAGE_RAM, TARGET_CACHED,
     "drm_gem_shmem_helper.c: no map_wc; drm_gem_shmem_mmap: vm_page_prot unchanged"},
    {"BAR resource", exporter_pci_sysfs, "", MEMATTR_PAGE_MMIO, TARGET_DEVICE,
     PCI_MMAP "pgprot_device"},
    {"BAR resource_wc", exporter_pci_sysfs, "_wc", MEMATTR_PAGE_MMIO,
     TARGET_WRITECOMBINE, PCI_MMAP "pgprot_writecombine"},
    {"BAR vfio-pci", exporter_pci_vfio, NULL, MEMATTR_PAGE_MMIO, TARGET_NONCACHED,
     "drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_mmap: pgprot_noncached"},
};
// clang-format on

const unsigned exporter_count = ARRAY_SIZE(exporters);

/* "gbm", "gbm:WORDS" */
static bool find_gbm(const char *name, struct exporter *exporter, struct error *error)
{
    const char *words = name + sizeof EXPORTER_GBM - 1;
    words += *words == ':';
    *exporter = (struct exporter){
        .name = name,
        .open = exporter_gbm,
        .argument = words,
        .protection = TARGET_SAID,
        .source = "the driver of the node: exporters_gbm.c, describe()",
    };
    return exporter_gbm_check(words, error);
}

bool exporter_find(const char *name, struct exporter *exporter, struct error *error)
{
    static const char lab[] = EXPORTER_LAB;
    for (unsigned i = 0; i < exporter_count; i++) {
        if (strcmp(exporters[i].name, name) == 0) {
            *exporter = exporters[i];
            return true;
        }
    }
    static const char gbm[] = EXPORTER_GBM;
    const char *behind = name + sizeof gbm - 1;
    if (strncmp(name, gbm, sizeof gbm - 1) == 0 && (*behind == '\0' || *behind == ':'))
        return find_gbm(name, exporter, error);
    struct dmabuf_lab_create ignored;
    if (strncmp(name, lab, sizeof lab - 1) != 0)
        return error_set(
            error, ERROR_CONFIG_USAGE,
            "there is no exporter \"%s\": expected udmabuf, \"system heap\", "
            "\"vgem PRIME\", \"virtio-gpu PRIME\", \"vkms PRIME\", gbm, "
            "gbm:scanout, or dmabuf-lab:BACKING,VMA,ATTRIBUTE",
            name);
    *exporter = (struct exporter){
        .name = name,
        .open = exporter_lab,
        .argument = name + sizeof lab - 1,
        .protection = TARGET_SAID,
        .source = "devices/dmabuf-lab/dmabuf_lab.h",
    };
    return lab_parse(exporter->argument, &ignored, error);
}
