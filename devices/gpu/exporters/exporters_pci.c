/* SPDX-License-Identifier: MIT */
/*
 * The memory of a PCI device, in a BAR: that of QEMU's ivshmem, which is plain shared memory
 * and does nothing when it is written, or a display's.
 *
 *   sysfs     resource2, resource2_wc (2: the BAR) of a device that no driver owns
 *   vfio-pci  its group's descriptor, if somebody has bound an ivshmem to it already
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/gpu/exporters/target.h"

#define DEVICES       "/sys/bus/pci/devices"
#define IVSHMEM       "0x1af4:0x1110" /* vendor and device */
#define MEMORY_BAR    2
#define NAME_SIZE     256u /* of a folder entry */
#define COMMAND       4u   /* offset in configuration space: PCI Local Bus 3.0, 6.2.2 */
#define COMMAND_WORKS 2u   /* the device answers in its BARs */

static bool read_id(const char *device, const char *file, char *id, size_t size)
{
    char path[320];
    snprintf(path, sizeof path, DEVICES "/%s/%s", device, file);
    FILE *in = fopen(path, "re");
    bool good = in && fgets(id, (int)size, in);
    if (in)
        fclose(in);
    if (good)
        id[strcspn(id, "\n")] = '\0';
    return good;
}

static bool is_ivshmem(const char *device)
{
    char vendor[16];
    char number[16];
    char both[40];
    if (!read_id(device, "vendor", vendor, sizeof vendor) ||
        !read_id(device, "device", number, sizeof number))
        return false;
    snprintf(both, sizeof both, "%s:%s", vendor, number);
    return strcmp(both, IVSHMEM) == 0;
}

/* The driver that the device is bound to, "" for none. */
static void read_driver(const char *device, char *driver, size_t size)
{
    char path[320];
    char target[320];
    snprintf(path, sizeof path, DEVICES "/%s/driver", device);
    ssize_t length = readlink(path, target, sizeof target - 1);
    target[length > 0 ? length : 0] = '\0';
    const char *name = strrchr(target, '/');
    snprintf(driver, size, "%s", name ? name + 1 : "");
}

/* An ivshmem device that is bound to this driver. */
static bool find_device(const char *wanted, char *device, struct error *error)
{
    char driver[64] = "";
    bool seen = false;
    bool found = false;
    DIR *folder = opendir(DEVICES);
    struct dirent *entry;
    while (folder && !found && (entry = readdir(folder)) != NULL) {
        if (!is_ivshmem(entry->d_name))
            continue;
        read_driver(entry->d_name, driver, sizeof driver);
        found = strcmp(driver, wanted) == 0;
        seen = true;
        if (found)
            snprintf(device, NAME_SIZE, "%s", entry->d_name);
    }
    if (folder)
        closedir(folder);
    if (found)
        return true;
    if (!seen)
        return error_set(error, ERROR_CONFIG_HOST, "no PCI device " IVSHMEM " (ivshmem)");
    return error_set(error, ERROR_CONFIG_HOST,
                     "the PCI device " IVSHMEM " is not bound to %s", wanted);
}

/* --- memory for dmabuf-lab --- */

#define SMALLEST_MEMORY (64 * KIB)
#define IS_MEMORY       0x200u /* IORESOURCE_MEM, IORESOURCE_PREFETCH: include/linux/ioport.h */
#define IS_PREFETCHABLE 0x2000u
#define BARS            6u

/* The file "resource" has a line for each BAR: start, last byte, flags. */
static bool find_bar(const char *device, struct pci_memory *memory)
{
    char path[320];
    char line[80];
    bool found = false;
    snprintf(path, sizeof path, DEVICES "/%s/resource", device);
    FILE *in = fopen(path, "re");
    for (uint32_t bar = 0; in && !found && bar < BARS && fgets(line, sizeof line, in);
         bar++) {
        char *at = line;
        uint64_t start = strtoull(at, &at, 16);
        uint64_t last = strtoull(at, &at, 16);
        uint64_t flags = strtoull(at, &at, 16);
        found = (flags & IS_MEMORY) && (flags & IS_PREFETCHABLE) && last > start &&
                last - start >= SMALLEST_MEMORY - 1;
        memory->bar = bar;
        memory->size = last - start + 1;
    }
    if (in)
        fclose(in);
    return found;
}

/* "0000:00:05.0" */
static bool parse_address(const char *device, uint32_t *address)
{
    char *at;
    unsigned long domain = strtoul(device, &at, 16);
    if (*at != ':')
        return false;
    unsigned long bus = strtoul(at + 1, &at, 16);
    if (*at != ':')
        return false;
    unsigned long slot = strtoul(at + 1, &at, 16);
    if (*at != '.')
        return false;
    unsigned long function = strtoul(at + 1, &at, 10);
    *address = (uint32_t)(domain << 16 | bus << 8 | slot << 3 | function);
    return *at == '\0' && domain <= 0xffff && bus <= 0xff && slot <= 0x1f &&
           function <= 7;
}

/* Whether the device is there for its memory: "0x030000" is a VGA display, "0x050000" RAM (PCI
 * Code and ID Assignment, 1.4 and 1.6). */
static bool is_of_memory_class(const char *device)
{
    char number[16];
    if (!read_id(device, "class", number, sizeof number))
        return false;
    unsigned long base_class = strtoul(number, NULL, 16) >> 16;
    return base_class == 3 || base_class == 5;
}

static bool find_memory(char *device, struct pci_memory *memory, struct error *error)
{
    DIR *folder = opendir(DEVICES);
    const struct dirent *entry;
    bool found = false;
    bool is_best = false;
    while (folder && !is_best && (entry = readdir(folder)) != NULL) {
        struct pci_memory candidate = {0};
        char driver[64];
        read_driver(entry->d_name, driver, sizeof driver);
        if (driver[0] || !is_of_memory_class(entry->d_name) ||
            !parse_address(entry->d_name, &candidate.address) ||
            !find_bar(entry->d_name, &candidate))
            continue;
        is_best = is_ivshmem(entry->d_name);
        if (!found || is_best) {
            *memory = candidate;
            snprintf(device, NAME_SIZE, "%s", entry->d_name);
        }
        found = true;
    }
    if (folder)
        closedir(folder);
    return found || error_set(error, ERROR_CONFIG_HOST,
                              "no PCI memory or display without a driver has a "
                              "prefetchable BAR of 64 KiB or more (QEMU's ivshmem-plain "
                              "has one)");
}

bool exporter_pci_find_memory(struct pci_memory *memory, struct error *error)
{
    char device[NAME_SIZE];
    return find_memory(device, memory, error);
}

/* Without firmware and without a driver nobody has told the device to answer. */
static bool enable(struct target *target, const char *device, struct error *error)
{
    char path[320];
    uint16_t command = 0;
    snprintf(path, sizeof path, DEVICES "/%s/config", device);
    int config = open(path, O_RDONLY | O_CLOEXEC);
    bool known = config >= 0 && pread(config, &command, 2, COMMAND) == 2;
    if (config >= 0)
        close(config);
    if (known && (command & COMMAND_WORKS))
        return true;

    snprintf(target->enabled, sizeof target->enabled, DEVICES "/%s/enable", device);
    int fd = open(target->enabled, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, "1", 1) == 1;
    if (!good) {
        error_set(error, ERROR_CONFIG_HOST, "%s: %s", target->enabled, strerror(errno));
        target->enabled[0] = '\0';
    }
    if (fd >= 0)
        close(fd);
    return good;
}

bool exporter_pci_sysfs(struct target *target, const char *suffix, struct error *error)
{
    char device[NAME_SIZE];
    char path[320];
    struct pci_memory memory = {0};
    struct stat status;
    if (!find_memory(device, &memory, error) || !enable(target, device, error))
        return false;
    snprintf(path, sizeof path, DEVICES "/%s/resource%u%s", device, memory.bar, suffix);
    if (!target_open_file(path, &target->backing.fd, error))
        return false;
    if (fstat(target->backing.fd, &status) == 0 &&
        (uint64_t)status.st_size < target->backing.size)
        target->backing.size = (uint64_t)status.st_size;
    return target_map(target, error);
}

/* --- vfio --- */

static bool open_group(struct target *target, const char *device, int *group,
                       struct error *error)
{
    char path[320];
    char link[320];
    int container;
    snprintf(path, sizeof path, DEVICES "/%s/iommu_group", device);
    ssize_t length = readlink(path, link, sizeof link - 1);
    link[length > 0 ? length : 0] = '\0';
    const char *number = strrchr(link, '/');
    if (!number)
        return error_set(error, ERROR_CONFIG_HOST, "%s: %s: there is no IOMMU", path,
                         strerror(errno));
    snprintf(path, sizeof path, "/dev/vfio%s", number);
    if (!target_open_file("/dev/vfio/vfio", &container, error))
        return false;
    target_keep(target, container);
    if (!target_open_file(path, group, error))
        return false;
    target_keep(target, *group);
    if (ioctl(*group, VFIO_GROUP_SET_CONTAINER, &container) == 0 &&
        ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU) == 0)
        return true;
    return error_set(error, ERROR_CONFIG_HOST, "%s: VFIO type 1 container: %s", path,
                     strerror(errno));
}

/* A device that was just opened does not answer yet. */
static bool enable_vfio(int device, struct error *error)
{
    struct vfio_region_info config = {.argsz = sizeof config,
                                      .index = VFIO_PCI_CONFIG_REGION_INDEX};
    uint16_t command;
    if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config) == 0 &&
        pread(device, &command, 2, (off_t)(config.offset + COMMAND)) == 2) {
        command |= COMMAND_WORKS;
        if (pwrite(device, &command, 2, (off_t)(config.offset + COMMAND)) == 2)
            return true;
    }
    return error_set(error, ERROR_CONFIG_HOST, "vfio-pci: configuration space: %s",
                     strerror(errno));
}

bool exporter_pci_vfio(struct target *target, const char *unused, struct error *error)
{
    (void)unused;
    char device[NAME_SIZE];
    int group = -1;
    if (!find_device("vfio-pci", device, error) ||
        !open_group(target, device, &group, error))
        return false;
    target->backing.fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, device);
    struct vfio_region_info region = {.argsz = sizeof region, .index = MEMORY_BAR};
    if (target->backing.fd < 0 ||
        ioctl(target->backing.fd, VFIO_DEVICE_GET_REGION_INFO, &region) != 0)
        return error_set(error, ERROR_CONFIG_HOST, "vfio-pci: device %s: %s", device,
                         strerror(errno));
    target->file_offset = region.offset;
    if (region.size < target->backing.size)
        target->backing.size = region.size;
    return enable_vfio(target->backing.fd, error) && target_map(target, error);
}
