/* SPDX-License-Identifier: MIT */
#include "vmm/kvm.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/arch/arch.h"

static bool open_error(const char *path, int number, struct error *error)
{
    switch (number) {
    case ENOENT:
        return error_set(error, ERROR_CONFIG_HOST, "no %s: %s, or use the lab", path,
                         arch_kvm_advice);
    case EACCES:
    case EPERM:
        return error_set(error, ERROR_CONFIG_HOST,
                         "no permission to open %s: add the user to group kvm and log in "
                         "again, or use the lab",
                         path);
    case ENODEV:
    case ENXIO:
        return error_set(error, ERROR_CONFIG_HOST,
                         "%s exists, but no driver answers (%s): %s, or use the lab",
                         path, strerror(number), arch_kvm_advice);
    default:
        return error_set(error, ERROR_CONFIG_HOST, "cannot open %s: %s", path,
                         strerror(number));
    }
}

/* 12 is the only version there will ever be (Documentation/virt/kvm/api.rst, 4.1). */
static bool check_version(int fd, const char *path, struct error *error)
{
    int version = ioctl(fd, KVM_GET_API_VERSION, 0);
    if (version < 0)
        return error_set(error, ERROR_CONFIG_HOST,
                         "%s is not KVM: KVM_GET_API_VERSION: %s", path, strerror(errno));
    if (version != KVM_API_VERSION)
        return error_set(error, ERROR_CONFIG_HOST,
                         "%s has API version %d, s2vmm needs %d: the kernel is too old",
                         path, version, KVM_API_VERSION);
    return true;
}

bool kvm_open_path(struct kvm *kvm, const char *path, struct error *error)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return open_error(path, errno, error);
    if (!check_version(fd, path, error)) {
        close(fd);
        return false;
    }
    int run_size = ioctl(fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (run_size < 0) {
        error_set(error, ERROR_HOST_KVM, "KVM_GET_VCPU_MMAP_SIZE: %s", strerror(errno));
        close(fd);
        return false;
    }
    if (run_size < (int)sizeof(struct kvm_run)) {
        error_set(error, ERROR_HOST_KVM,
                  "KVM_GET_VCPU_MMAP_SIZE says %d bytes, struct kvm_run has %zu",
                  run_size, sizeof(struct kvm_run));
        close(fd);
        return false;
    }
    *kvm = (struct kvm){.fd = fd, .run_size = (size_t)run_size};
    return true;
}

bool kvm_open(struct kvm *kvm, struct error *error)
{
    return kvm_open_path(kvm, "/dev/kvm", error);
}

void kvm_close(struct kvm *kvm)
{
    if (kvm->run_size == 0)
        return;
    close(kvm->fd);
    *kvm = (struct kvm){0};
}

int kvm_check(int fd, unsigned long capability)
{
    int value = ioctl(fd, KVM_CHECK_EXTENSION, capability);
    return value < 0 ? 0 : value;
}

bool kvm_require(kvm_check_function *check, int fd, const struct kvm_requirement *table,
                 unsigned count, struct error *error)
{
    for (unsigned i = 0; i < count; i++)
        if (check(fd, table[i].capability) <= 0)
            return error_set(error, ERROR_CONFIG_HOST,
                             "this host's KVM lacks %s (%lu), needed to %s: use a newer "
                             "kernel, or the lab",
                             table[i].name, table[i].capability, table[i].purpose);
    return true;
}

static const char *create_vm_hint(int number)
{
    switch (number) {
    case EBUSY:
        return "; another hypervisor holds the CPU's virtualisation, stop it";
    case ENODEV:
    case EOPNOTSUPP:
        return "; this host cannot run VMs, use the lab";
    case EMFILE:
    case ENFILE:
        return "; raise the limit of open files (ulimit -n)";
    default:
        return "";
    }
}

bool kvm_create_vm(const struct kvm *kvm, unsigned long type, int *vm_fd,
                   struct error *error)
{
    int fd;
    do
        fd = ioctl(kvm->fd, KVM_CREATE_VM, type);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_CREATE_VM: %s%s", strerror(errno),
                         create_vm_hint(errno));
    *vm_fd = fd;
    return true;
}

bool kvm_create_vcpu(const struct kvm *kvm, int vm_fd, unsigned index, int *vcpu_fd,
                     struct kvm_run **run, struct error *error)
{
    int fd = ioctl(vm_fd, KVM_CREATE_VCPU, (unsigned long)index);
    if (fd < 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_CREATE_VCPU %u: %s", index,
                         strerror(errno));
    void *shared = mmap(NULL, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) {
        error_set(error, ERROR_HOST_MEMORY, "mmap of vCPU %u's struct kvm_run: %s", index,
                  strerror(errno));
        close(fd);
        return false;
    }
    *vcpu_fd = fd;
    *run = shared;
    return true;
}

void kvm_close_vcpu(const struct kvm *kvm, int vcpu_fd, struct kvm_run *run)
{
    munmap(run, kvm->run_size);
    close(vcpu_fd);
}

bool kvm_set_memory_region(int vm_fd, uint32_t slot, gpa_t address, uint64_t size,
                           void *host, struct error *error)
{
    struct kvm_userspace_memory_region region = {
        .slot = slot,
        .guest_phys_addr = address.value,
        .memory_size = size,
        .userspace_addr = (uintptr_t)host,
    };
    if (kvm_ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region) != 0)
        return error_set(error, ERROR_HOST_KVM,
                         "KVM_SET_USER_MEMORY_REGION %u, GPA 0x%" PRIx64 ", 0x%" PRIx64
                         " bytes at host address %p: %s",
                         slot, address.value, size, host, strerror(errno));
    return true;
}

bool kvm_ioeventfd(int vm_fd, uint64_t address, uint32_t size, bool match, uint64_t value,
                   int event_fd, struct error *error)
{
    struct kvm_ioeventfd request = {
        .datamatch = match ? value : 0,
        .addr = address,
        .len = size,
        .fd = event_fd,
        .flags = match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0,
    };
    if (kvm_ioctl(vm_fd, KVM_IOEVENTFD, &request) != 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_IOEVENTFD at 0x%" PRIx64 ": %s",
                         address, strerror(errno));
    return true;
}

bool kvm_ioeventfd_remove(int vm_fd, uint64_t address, uint32_t size, int event_fd,
                          struct error *error)
{
    struct kvm_ioeventfd request = {
        .addr = address,
        .len = size,
        .fd = event_fd,
        .flags = KVM_IOEVENTFD_FLAG_DEASSIGN,
    };
    if (kvm_ioctl(vm_fd, KVM_IOEVENTFD, &request) != 0)
        return error_set(error, ERROR_HOST_KVM,
                         "KVM_IOEVENTFD, removed at 0x%" PRIx64 ": %s", address,
                         strerror(errno));
    return true;
}

bool kvm_irqfd(int vm_fd, uint32_t irq, int event_fd, struct error *error)
{
    struct kvm_irqfd request = {.fd = (uint32_t)event_fd, .gsi = irq};
    if (kvm_ioctl(vm_fd, KVM_IRQFD, &request) != 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_IRQFD for interrupt %u: %s", irq,
                         strerror(errno));
    return true;
}

bool kvm_irqfd_connect(int vm_fd, uint32_t irq, int event_fd, int unmask_fd, bool on,
                       struct error *error)
{
    bool is_level = unmask_fd >= 0 && on;
    struct kvm_irqfd request = {
        .fd = (uint32_t)event_fd,
        .gsi = irq,
        .flags =
            (on ? 0 : KVM_IRQFD_FLAG_DEASSIGN) | (is_level ? KVM_IRQFD_FLAG_RESAMPLE : 0),
        .resamplefd = is_level ? (uint32_t)unmask_fd : 0,
    };
    if (kvm_ioctl(vm_fd, KVM_IRQFD, &request) != 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_IRQFD for interrupt %u, %s: %s", irq,
                         on ? "connected" : "removed", strerror(errno));
    return true;
}

bool kvm_set_routing(int vm_fd, const struct kvm_irq_routing *table, struct error *error)
{
    if (kvm_ioctl(vm_fd, KVM_SET_GSI_ROUTING, table) != 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_SET_GSI_ROUTING, %u routes: %s",
                         table->nr, strerror(errno));
    return true;
}

bool kvm_irq_line(int vm_fd, uint32_t irq, bool level, struct error *error)
{
    struct kvm_irq_level request = {.irq = irq, .level = level};
    if (kvm_ioctl(vm_fd, KVM_IRQ_LINE, &request) != 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_IRQ_LINE, interrupt 0x%x: %s", irq,
                         strerror(errno));
    return true;
}

bool kvm_has_device(int vm_fd, uint32_t type)
{
    struct kvm_create_device request = {.type = type, .flags = KVM_CREATE_DEVICE_TEST};
    return kvm_ioctl(vm_fd, KVM_CREATE_DEVICE, &request) == 0;
}

bool kvm_create_device(int vm_fd, uint32_t type, const char *name, int *device_fd,
                       struct error *error)
{
    struct kvm_create_device request = {.type = type};
    if (kvm_ioctl(vm_fd, KVM_CREATE_DEVICE, &request) != 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_CREATE_DEVICE for the %s: %s", name,
                         strerror(errno));
    *device_fd = (int)request.fd;
    return true;
}

bool kvm_set_device_attribute(int device_fd, uint32_t group, uint64_t attribute,
                              const void *value, const char *name, struct error *error)
{
    const struct kvm_device_attr request = {
        .group = group,
        .attr = attribute,
        .addr = (uintptr_t)value,
    };
    if (kvm_ioctl(device_fd, KVM_SET_DEVICE_ATTR, &request) != 0)
        return error_set(error, ERROR_HOST_KVM,
                         "KVM_SET_DEVICE_ATTR, group %u, attribute %" PRIu64 " (%s): %s",
                         group, attribute, name, strerror(errno));
    return true;
}

int kvm_run(int vcpu_fd)
{
    return ioctl(vcpu_fd, KVM_RUN, 0) == 0 ? 0 : errno;
}
