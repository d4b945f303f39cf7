/* SPDX-License-Identifier: MIT */
/*
 * The only file that calls ioctl() on KVM's file descriptors (vmm/kvm.c and, for
 * registers that only one architecture has, vmm/arch/, and for its guest_memfd
 * vmm/guest_memfd.c, through kvm_ioctl below). The size
 * of each argument is checked against the ioctl number at compile time.
 */
#ifndef S2VMM_KVM_H
#define S2VMM_KVM_H

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "vmm/error.h"
#include "vmm/types.h"

/* ioctl() with a pointer argument of exactly the size that the request number encodes. */
#define kvm_ioctl(fd, request, argument)                                                 \
    (ioctl((fd),                                                                         \
           (request) + 0 * sizeof(struct {                                               \
                           _Static_assert(sizeof(*(argument)) == _IOC_SIZE(request),     \
                                          "argument does not fit " #request);            \
                           char unused;                                                  \
                       }),                                                               \
           (argument)))

/* /dev/kvm. */
struct kvm {
    int fd;
    size_t run_size; /* bytes of a vCPU's shared page, struct kvm_run and more */
};

/* Opens /dev/kvm and checks the API version. Errors (ERROR_CONFIG_HOST) for: no /dev/kvm,
 * no permission, wrong version; each says what to do. */
bool kvm_open(struct kvm *kvm, struct error *error);
/* The same with another path; for tests of the messages. */
bool kvm_open_path(struct kvm *kvm, const char *path, struct error *error);
/* A zeroed object is fine. */
void kvm_close(struct kvm *kvm);

/* KVM_CHECK_EXTENSION on /dev/kvm or on a VM: 0 when unknown or unsupported. */
int kvm_check(int fd, unsigned long capability);

/* A capability that s2vmm cannot do without. */
struct kvm_requirement {
    unsigned long capability;
    const char *name;
    const char *purpose; /* completes "needed to ..." */
};

/* Checks a table of requirements with `check`: kvm_check(), or a test's own function.
 * Fails with ERROR_CONFIG_HOST, naming the first missing capability and what it is needed
 * for. */
typedef int kvm_check_function(int fd, unsigned long capability);
bool kvm_require(kvm_check_function *check, int fd, const struct kvm_requirement *table,
                 unsigned count, struct error *error);

/* type: from arch_vm_type(). ERROR_HOST_KVM or ERROR_HOST_MEMORY, as all that follows. */
bool kvm_create_vm(const struct kvm *kvm, unsigned long type, int *vm_fd,
                   struct error *error);
bool kvm_create_vcpu(const struct kvm *kvm, int vm_fd, unsigned index, int *vcpu_fd,
                     struct kvm_run **run, struct error *error);
void kvm_close_vcpu(const struct kvm *kvm, int vcpu_fd, struct kvm_run *run);

/* KVM_SET_USER_MEMORY_REGION; size 0 deletes the slot. A memslot_set_function's body.
 * ERROR_HOST_KVM. */
bool kvm_set_memory_region(int vm_fd, uint32_t slot, gpa_t address, uint64_t size,
                           void *host, struct error *error);

/* A write of `size` bytes (0: any size) to `address` (MMIO) signals the eventfd; with
 * match, only a write of this value does. */
bool kvm_ioeventfd(int vm_fd, uint64_t address, uint32_t size, bool match, uint64_t value,
                   int event_fd, struct error *error);
/* Undoes it; all but the value has to be the same. */
bool kvm_ioeventfd_remove(int vm_fd, uint64_t address, uint32_t size, int event_fd,
                          struct error *error);

/* The eventfd raises global interrupt `irq`. */
bool kvm_irqfd(int vm_fd, uint32_t irq, int event_fd, struct error *error);

/* The same, and back (`on` is false: then nothing of the eventfd comes any more, and a level is
 * gone). With an unmask_fd (else -1) the eventfd raises the pin's level; at the guest's end of
 * interrupt KVM lowers it, and writes to unmask_fd (KVM_IRQFD_FLAG_RESAMPLE). */
bool kvm_irqfd_connect(int vm_fd, uint32_t irq, int event_fd, int unmask_fd, bool on,
                       struct error *error);

/* KVM_SET_GSI_ROUTING: the whole table. KVM_IRQ_LINE: the level of a pin, with the number that
 * this architecture wants. */
bool kvm_set_routing(int vm_fd, const struct kvm_irq_routing *table, struct error *error);
bool kvm_irq_line(int vm_fd, uint32_t irq, bool level, struct error *error);

/* True if KVM can make a device of this KVM_DEV_TYPE_* for the VM. */
bool kvm_has_device(int vm_fd, uint32_t type);

/* KVM_CREATE_DEVICE; name: for messages. The device lives as long as the VM, whenever its
 * descriptor is closed. */
bool kvm_create_device(int vm_fd, uint32_t type, const char *name, int *device_fd,
                       struct error *error);

/* KVM_SET_DEVICE_ATTR; value: what the attribute wants, or NULL. */
bool kvm_set_device_attribute(int device_fd, uint32_t group, uint64_t attribute,
                              const void *value, const char *name, struct error *error);

/* KVM_RUN: 0, or a positive errno. */
int kvm_run(int vcpu_fd);

#endif
