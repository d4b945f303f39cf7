/* SPDX-License-Identifier: MIT */
/*
 * The least that a program has to do until a guest runs, to compare s2vmm's start with: a VM, a
 * memslot, a vCPU, and nothing else; no CPUID, no threads.
 *
 *   minimal-kvm            the guest writes "go!" and a newline, which go to stdout
 *   minimal-kvm irqchip    with KVM's interrupt controllers, which any real VMM wants (x86)
 *
 * The instructions are those of first.S; on x86 in real mode, where a vCPU starts.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_SIZE (64ul << 20) /* s2vmm's default */

#if defined(__x86_64__)
#define MEMORY_BASE 0u
static const uint8_t code[] = {
    0xba, 0xf8, 0x03, /* mov $0x3f8, %dx */
    0xb0, 'g',  0xee, /* mov $'g', %al; out %al, %dx */
    0xb0, 'o',  0xee, 0xb0, '!', 0xee, 0xb0, '\n', 0xee,
};
#else
#define MEMORY_BASE 0x40000000u
static const uint32_t code[] = {
    0xd2a12001,              /* movz x1, #0x0900, lsl #16 */
    0x52800000 | ('g' << 5), /* mov w0, #'g' */
    0xb9000020,              /* str w0, [x1] */
    0x52800000 | ('o' << 5),
    0xb9000020,
    0x52800000 | ('!' << 5),
    0xb9000020,
    0x52800000 | ('\n'
                  << 5),
    0xb9000020,
};
#endif

static long check(long result, const char *what)
{
    if (result >= 0)
        return result;
    perror(what);
    exit(1);
}

static void start_at_the_code(int vm, int vcpu)
{
#if defined(__x86_64__)
    struct kvm_sregs sregs;
    struct kvm_regs regs = {.rip = 0, .rflags = 2};
    (void)vm;
    check(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    check(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
    check(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
#else
    struct kvm_vcpu_init init;
    uint64_t address = MEMORY_BASE;
    struct kvm_one_reg pc = {
        .id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
              KVM_REG_ARM_CORE_REG(regs.pc),
        .addr = (uintptr_t)&address,
    };
    check(ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init), "KVM_ARM_PREFERRED_TARGET");
    check(ioctl(vcpu, KVM_ARM_VCPU_INIT, &init), "KVM_ARM_VCPU_INIT");
    check(ioctl(vcpu, KVM_SET_ONE_REG, &pc), "KVM_SET_ONE_REG");
#endif
}

/* The byte that this exit has written. */
static char written(struct kvm_run *run)
{
#if defined(__x86_64__)
    if (run->exit_reason == KVM_EXIT_IO)
        return ((char *)run)[run->io.data_offset];
#else
    if (run->exit_reason == KVM_EXIT_MMIO)
        return (char)run->mmio.data[0];
#endif
    fprintf(stderr, "minimal-kvm: exit %u\n", run->exit_reason);
    exit(1);
}

int main(int argc, char **argv)
{
    bool irqchip = argc == 2 && strcmp(argv[1], "irqchip") == 0;
    int kvm = (int)check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    int vm = (int)check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    long run_size =
        check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    if (irqchip)
        check(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
    void *memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check(memory == MAP_FAILED ? -1 : 0, "memory");
    memcpy(memory, code, sizeof code);
    const struct kvm_userspace_memory_region region = {
        .guest_phys_addr = MEMORY_BASE,
        .memory_size = MEMORY_SIZE,
        .userspace_addr = (uintptr_t)memory,
    };
    check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    int vcpu = (int)check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    struct kvm_run *run =
        mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    check(run == MAP_FAILED ? -1 : 0, "kvm_run");
    start_at_the_code(vm, vcpu);
    for (char byte = 0; byte != '\n';) {
        check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
        byte = written(run);
        check(write(STDOUT_FILENO, &byte, 1), "stdout");
    }
    return 0;
}
