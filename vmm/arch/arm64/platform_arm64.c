/* SPDX-License-Identifier: MIT */
/*
 * What arm64 has to say: the questions to CPU and KVM behind struct arm64_host. They are asked
 * of a VM that was made for them and runs nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/arm64_host.h"
#include "vmm/kvm.h"

/* Newer than the headers that we support; the number is ABI. */
#ifndef KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED
#define KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED 243
#endif

#define CPUINFO "/proc/cpuinfo"

/* --- one vCPU --- */

/* A register of a vCPU that is made for this and thrown away with its VM. */
static bool read_features(const struct kvm *kvm, int vm_fd, uint64_t *features)
{
    struct error error;
    struct kvm_run *run;
    int vcpu_fd;
    if (!kvm_create_vcpu(kvm, vm_fd, 0, &vcpu_fd, &run, &error))
        return false;
    struct kvm_vcpu_init target = {0};
    const struct kvm_one_reg request = {
        .id = ARM64_SYS_REG(3, 0, 0, 7, 2), /* ID_AA64MMFR2_EL1 */
        .addr = (uintptr_t)features,
    };
    bool known = kvm_ioctl(vm_fd, KVM_ARM_PREFERRED_TARGET, &target) == 0 &&
                 kvm_ioctl(vcpu_fd, KVM_ARM_VCPU_INIT, &target) == 0 &&
                 kvm_ioctl(vcpu_fd, KVM_GET_ONE_REG, &request) == 0;
    kvm_close_vcpu(kvm, vcpu_fd, run);
    return known;
}

/* --- one memslot --- */

/* One page of a memfd as a udmabuf, mapped: the cheapest VM_PFNMAP mapping of RAM. NULL, with
 * the reason, when there is none. */
static void *map_udmabuf(size_t size, char *problem, size_t problem_size)
{
    void *host = MAP_FAILED;
    int buffer = -1;
    const char *step = "/dev/udmabuf";
    int device = open(step, O_RDWR | O_CLOEXEC);
    int memory = memfd_create("s2vmm-probe", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    if (device >= 0 && memory >= 0 && ftruncate(memory, (off_t)size) == 0 &&
        fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) == 0) {
        const struct udmabuf_create create = {
            .memfd = (uint32_t)memory, .flags = UDMABUF_FLAGS_CLOEXEC, .size = size};
        step = "UDMABUF_CREATE";
        buffer = ioctl(device, UDMABUF_CREATE, &create);
    }
    if (buffer >= 0) {
        step = "mmap of a udmabuf";
        host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
    }
    if (host == MAP_FAILED)
        snprintf(problem, problem_size, "%s: %s", step, strerror(errno));
    const int fds[] = {device, memory, buffer};
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    return host == MAP_FAILED ? NULL : host;
}

/* 0 or an errno. */
static int set_slot(int vm_fd, void *host, size_t size)
{
    const struct kvm_userspace_memory_region region = {.memory_size = size,
                                                       .userspace_addr = (uintptr_t)host};
    return kvm_ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region) == 0 ? 0 : errno;
}

/* Makes a memslot and removes it again. */
static int try_slot(int vm_fd, void *host, size_t size)
{
    int number = set_slot(vm_fd, host, size);
    if (number == 0)
        set_slot(vm_fd, host, 0);
    return number;
}

static void ask_slot(struct arm64_host *answer, int vm_fd)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *buffer = map_udmabuf(size, answer->slot_problem, sizeof answer->slot_problem);
    if (!buffer)
        return;
    void *plain =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int control = plain == MAP_FAILED ? ENOMEM : try_slot(vm_fd, plain, size);
    int number = control == 0 ? try_slot(vm_fd, buffer, size) : control;
    if (number == 0)
        answer->slot = ARM64_SLOT_ACCEPTED;
    else if (control == 0 && number == EINVAL)
        answer->slot = ARM64_SLOT_REFUSED;
    else
        snprintf(answer->slot_problem, sizeof answer->slot_problem,
                 "KVM takes no memslot: %s", strerror(number));
    if (plain != MAP_FAILED)
        munmap(plain, size);
    munmap(buffer, size);
}

/* --- all of it --- */

static void ask_kvm(struct arm64_host *answer, const struct platform_sources *sources)
{
    int vm_fd = sources->vm_fd;
    answer->has_kvm = true;
    answer->has_features = read_features(sources->kvm, vm_fd, &answer->features);
    int bits = sources->check(sources->context, KVM_CAP_ARM_VM_IPA_SIZE);
    answer->address_bits = bits > 0 ? (unsigned)bits : 0;
    answer->cacheable_pfnmap =
        sources->check(sources->context, KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED) > 0;
    if (kvm_has_device(vm_fd, KVM_DEV_TYPE_ARM_VGIC_V3))
        answer->gic_version = 3;
    else if (kvm_has_device(vm_fd, KVM_DEV_TYPE_ARM_VGIC_V2))
        answer->gic_version = 2;
    answer->has_its = kvm_has_device(vm_fd, KVM_DEV_TYPE_ARM_VGIC_ITS);
    ask_slot(answer, vm_fd);
}

/* KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED is of a VM, and a vCPU and a memslot are tried. */
const bool platform_arch_asks_vm = true;

void platform_probe_arch(struct platform *platform,
                         const struct platform_sources *sources)
{
    static const char *const keys[][2] = {
        {"CPU implementer", "CPU implementer"},
        {"CPU part", "CPU part"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        char value[128];
        if (platform_read_key(sources, CPUINFO, keys[i][1], value, sizeof value))
            platform_add_fact(platform, keys[i][0], value, CPUINFO);
    }
    char release[128];
    if (!platform_read_line(sources, "/proc/sys/kernel/osrelease", release,
                            sizeof release))
        release[0] = '\0';
    struct arm64_host answer = {.release = release};
    __asm__("mrs %0, ctr_el0"
            : "=r"(answer.ctr)); /* Linux lets EL0 read it, or emulates */
    if (sources->kvm)
        ask_kvm(&answer, sources);
    arm64_host_judge(&answer, platform);
}
