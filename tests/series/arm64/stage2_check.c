/* SPDX-License-Identifier: MIT */
/*
 * stage2-check: what KVM writes into stage 2 for each exporter's memory, as the kernel itself prints it: MemAttr in
 * debugfs' stage2_page_tables, which tests/lab/series adds. Another witness than vmm/s2_observer_arm64.c, which walks the
 * table in /proc/kcore.
 *
 * One VM without devices. The vCPU runs three instructions: a load from the buffer's address, a store to an address with
 * no memory, which ends KVM_RUN, and a branch back. The buffer is moved into a memslot over anonymous memory, as KVM
 * refuses a memslot of a cacheable VM_PFNMAP mapping on CPUs without FWB and DIC (arch/arm64/kvm/mmu.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/modules/buffers.h"
#include "tests/modules/checks.h"
#include "tests/series/heap.h"

#define CODE_ADDRESS   0x40000000u
#define BUFFER_ADDRESS 0x80000000u
#define NOTHING        0x10000000u
enum { SIZE = 16 * 4096, ANONYMOUS = -2 };

static const uint32_t code[] = {
    0xf9400020, /* ldr x0, [x1] */
    0xf9000040, /* str x0, [x2] */
    0x17fffffe, /* b . - 8 */
};

struct machine {
    int vm, vcpu;
    struct kvm_run *run;
    bool has_fwb;
};

/* MemAttr[3:0] of a leaf (DDI 0487, D8.6.5 and D8.6.6; arch/arm64/include/asm/memory.h, MT_S2_*). */
enum { NORMAL = 0xf, FWB_NORMAL = 0x6, DEVICE = 0x1 };

static long need(long result, const char *what)
{
    if (result >= 0)
        return result;
    printf("FAIL: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t core_register(size_t offset)
{
    return KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
           offset / sizeof(uint32_t);
}

static void set_register(const struct machine *machine, size_t offset, uint64_t value)
{
    const struct kvm_one_reg reg = {.id = core_register(offset),
                                    .addr = (uintptr_t)&value};
    need(ioctl(machine->vcpu, KVM_SET_ONE_REG, &reg), "KVM_SET_ONE_REG");
}

/* ID_AA64MMFR2_EL1, bits 43:40 (DDI 0487, D24.2.88). */
static bool read_fwb(const struct machine *machine)
{
    uint64_t value = 0;
    const struct kvm_one_reg reg = {.id = ARM64_SYS_REG(3, 0, 0, 7, 2),
                                    .addr = (uintptr_t)&value};
    need(ioctl(machine->vcpu, KVM_GET_ONE_REG, &reg), "ID_AA64MMFR2_EL1");
    return (value >> 40 & 0xf) != 0;
}

static void *set_slot(const struct machine *machine, uint32_t slot, uint64_t address)
{
    void *memory =
        mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct kvm_userspace_memory_region region = {
        .slot = slot,
        .guest_phys_addr = address,
        .memory_size = SIZE,
        .userspace_addr = (uintptr_t)memory,
    };
    need(ioctl(machine->vm, KVM_SET_USER_MEMORY_REGION, &region),
         "KVM_SET_USER_MEMORY_REGION");
    return memory;
}

static void machine_init(struct machine *machine)
{
    struct kvm_vcpu_init init;
    int kvm = (int)need(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    machine->vm = (int)need(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    machine->vcpu = (int)need(ioctl(machine->vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    long size = need(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    machine->run =
        mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, machine->vcpu, 0);
    need(machine->run == MAP_FAILED ? -1 : 0, "struct kvm_run");
    need(ioctl(machine->vm, KVM_ARM_PREFERRED_TARGET, &init), "KVM_ARM_PREFERRED_TARGET");
    need(ioctl(machine->vcpu, KVM_ARM_VCPU_INIT, &init), "KVM_ARM_VCPU_INIT");
    memcpy(set_slot(machine, 0, CODE_ADDRESS), code, sizeof(code));
    set_register(machine, offsetof(struct kvm_regs, regs.pc), CODE_ADDRESS);
    set_register(machine, offsetof(struct kvm_regs, regs.regs[2]), NOTHING);
    machine->has_fwb = read_fwb(machine);
    close(kvm);
}

/* Lets the guest load from the address: 0 or the errno of KVM_RUN. */
static int load_from(const struct machine *machine, uint64_t address)
{
    set_register(machine, offsetof(struct kvm_regs, regs.regs[1]), address);
    if (ioctl(machine->vcpu, KVM_RUN, 0) != 0)
        return errno;
    return machine->run->exit_reason == KVM_EXIT_MMIO ? 0 : EPROTO;
}

/* The MemAttr of the line "0xSTART-0xEND ... MemAttr=0x.." that has the address; -1: none. */
static int mem_attr(const struct machine *machine, uint64_t address)
{
    char path[96];
    char line[256];
    int found = -1;
    snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/stage2_page_tables",
             (int)getpid(), machine->vm);
    FILE *tables = fopen(path, "re");
    while (tables && fgets(line, sizeof(line), tables)) {
        char *separator = NULL;
        uint64_t start = strtoull(line, &separator, 16);
        const char *word = strstr(line, "MemAttr=");
        if (word && *separator == '-' && address >= start &&
            address < strtoull(separator + 1, NULL, 16))
            found = (int)strtol(word + strlen("MemAttr="), NULL, 16);
    }
    if (tables)
        fclose(tables);
    return found;
}

/* fd ANONYMOUS: the memory that is there already. */
static void try_buffer(struct checks *checks, const struct machine *machine,
                       const char *name, int fd, uint32_t slot, int expected)
{
    uint64_t address = BUFFER_ADDRESS + (uint64_t)slot * SIZE * 2;
    void *memory = set_slot(machine, slot, address);
    if (fd != ANONYMOUS && !check(checks,
                                  mmap(memory, SIZE, PROT_READ | PROT_WRITE,
                                       MAP_SHARED | MAP_FIXED, fd, 0) == memory,
                                  "%s: mmap: %s", name, strerror(errno)))
        return;
    *(volatile uint32_t *)memory =
        1; /* a page that was never written is read-only: docs/findings.md */
    int error = load_from(machine, address);
    check(checks, error == 0, "%s: KVM_RUN: %s", name, strerror(error));
    int found = mem_attr(machine, address);
    printf("| %s | %s | %#x |\n", name, machine->has_fwb ? "yes" : "no", (unsigned)found);
    check(checks, found == expected, "%s: MemAttr %#x, not %#x", name, (unsigned)found,
          (unsigned)expected);
    if (fd >= 0)
        close(fd);
}

/* ivshmem's memory, which no driver has enabled. */
static int open_bar(const char *suffix)
{
    char path[96];
    for (unsigned device = 0; device < 32; device++) {
        snprintf(path, sizeof(path), "/sys/bus/pci/devices/0000:00:%02x.0/resource2%s",
                 device, suffix);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
            continue;
        snprintf(path, sizeof(path), "/sys/bus/pci/devices/0000:00:%02x.0/enable",
                 device);
        int enable = open(path, O_WRONLY | O_CLOEXEC);
        need(enable < 0 ? -1 : write(enable, "1", 1), path);
        close(enable);
        return fd;
    }
    return -1;
}

int main(void)
{
    struct checks checks = {0};
    struct machine machine;

    machine_init(&machine);
    int normal = machine.has_fwb ? FWB_NORMAL : NORMAL;
    puts("| memory | FWB | MemAttr |\n| --- | --- | --- |");
    try_buffer(&checks, &machine, "anonymous", ANONYMOUS, 1, normal);
    try_buffer(&checks, &machine, "udmabuf", buffer_udmabuf(SIZE), 2, normal);
    try_buffer(&checks, &machine, "system heap",
               heap_buffer("/dev/dma_heap/system", SIZE), 3, normal);
    try_buffer(&checks, &machine, "vgem", buffer_drm("vgem", SIZE, 1), 4, normal);
    try_buffer(&checks, &machine, "vkms", buffer_drm("vkms", SIZE, 1), 5, normal);
    try_buffer(&checks, &machine, "BAR resource", open_bar(""), 6, DEVICE);
    try_buffer(&checks, &machine, "BAR resource_wc", open_bar("_wc"), 7, DEVICE);
    return checks_finish(&checks);
}
