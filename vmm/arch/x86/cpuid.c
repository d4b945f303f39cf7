/* SPDX-License-Identifier: MIT */
#include "vmm/arch/x86/cpuid.h"

#include <stdlib.h>
#include <string.h>

/* More than the largest that KVM has (arch/x86/kvm/cpuid.h, KVM_MAX_CPUID_ENTRIES). */
#define CPUID_ENTRIES_MAX 256

/* Replaces bits [low, low + width) of a register. */
static void set_bits(uint32_t *value, unsigned low, unsigned width, uint32_t field)
{
    uint32_t mask = (uint32_t)(((uint64_t)1 << width) - 1) << low;
    *value = (*value & ~mask) | (field << low & mask);
}

/* Bits of the APIC id that tell the cores of the package apart. */
static unsigned core_bits(unsigned cpu_count)
{
    unsigned bits = 0;
    while (1u << bits < cpu_count)
        bits++;
    return bits;
}

/* Leaf 1, ECX[24]: the timer of the local APIC takes a deadline of the TSC. KVM does not list it,
 * as it depends on where the local APIC is (api.rst, KVM_GET_SUPPORTED_CPUID). */
static void set_deadline_timer(struct kvm_cpuid_entry2 *entries, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (entries[i].function == 0x1)
            set_bits(&entries[i].ecx, 24, 1, 1);
}

/* Leaf 1 (Intel SDM vol. 2A, CPUID, table "Feature Information"; AMD APM vol. 3, E.3.2).
 */
static void set_features(struct kvm_cpuid_entry2 *entry, unsigned index,
                         unsigned cpu_count)
{
    set_bits(&entry->ebx, 24, 8, index);
    set_bits(&entry->ebx, 16, 8, cpu_count);
    set_bits(&entry->ecx, 31, 1, 1);             /* runs under a hypervisor */
    set_bits(&entry->edx, 28, 1, cpu_count > 1); /* EBX[23:16] is valid */
}

/* Leaf 4 (Intel) and 0x8000001d (AMD) list the caches: the last level is shared by all,
 * the others are private. EAX[4:0] is the type, 0 for the entry that ends the list. */
static void set_cache(struct kvm_cpuid_entry2 *entry, unsigned cpu_count)
{
    uint32_t type = entry->eax & 0x1f;
    uint32_t level = entry->eax >> 5 & 7;
    if (type == 0)
        return;
    set_bits(&entry->eax, 14, 12, level >= 3 ? cpu_count - 1 : 0);
    if (entry->function == 4)
        set_bits(&entry->eax, 26, 6, (1u << core_bits(cpu_count)) - 1);
}

/* Leaves 0xb and 0x1f (SDM, "Extended Topology Enumeration"): level 0 is the thread,
 * level 1 the core; EAX is how far to shift the APIC id to get to the next level. */
static void set_extended_topology(struct kvm_cpuid_entry2 *entry, unsigned index,
                                  unsigned cpu_count)
{
    enum { NONE = 0, THREAD = 1, CORE = 2 };
    uint32_t level = entry->index;
    uint32_t type = level == 0 ? THREAD : level == 1 ? CORE : NONE;
    entry->eax = type == CORE ? core_bits(cpu_count) : 0;
    entry->ebx = type == CORE ? cpu_count : type == THREAD ? 1 : 0;
    entry->ecx = type << 8 | level;
    entry->edx = index;
}

void cpuid_set_topology(struct kvm_cpuid_entry2 *entries, unsigned count, unsigned index,
                        unsigned cpu_count)
{
    for (unsigned i = 0; i < count; i++) {
        struct kvm_cpuid_entry2 *entry = &entries[i];
        switch (entry->function) {
        case 0x1:
            set_features(entry, index, cpu_count);
            break;
        case 0x4:
        case 0x8000001d:
            set_cache(entry, cpu_count);
            break;
        case 0xb:
        case 0x1f:
            set_extended_topology(entry, index, cpu_count);
            break;
        case 0x80000008: /* AMD APM vol. 3, E.4.7: cores - 1, and bits of the core id */
            set_bits(&entry->ecx, 0, 8, cpu_count - 1);
            set_bits(&entry->ecx, 12, 4, core_bits(cpu_count));
            break;
        case 0x8000001e: /* AMD APM vol. 3, E.4.17: APIC id; core id, 1 thread; node 0 of
                            1 */
            entry->eax = index;
            entry->ebx = index;
            entry->ecx = 0;
            break;
        }
    }
}

bool cpuid_init(const struct vcpu *vcpu, struct error *error)
{
    struct kvm_cpuid2 *model =
        calloc(1, sizeof *model + CPUID_ENTRIES_MAX * sizeof model->entries[0]);
    if (model == NULL)
        return error_set(error, ERROR_HOST_MEMORY, "no memory for the CPU model");
    model->nent = CPUID_ENTRIES_MAX;

    bool done = false;
    if (kvm_ioctl(vcpu->vm->kvm.fd, KVM_GET_SUPPORTED_CPUID, model) != 0) {
        error_set(error, ERROR_HOST_KVM, "KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
    } else {
        cpuid_set_topology(model->entries, model->nent, vcpu->index,
                           vcpu->vm->config.cpu_count);
        if (kvm_check(vcpu->vm->fd, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
            set_deadline_timer(model->entries, model->nent);
        done = kvm_ioctl(vcpu->fd, KVM_SET_CPUID2, model) == 0;
        if (!done)
            error_set(error, ERROR_HOST_KVM, "KVM_SET_CPUID2 for vCPU %u: %s",
                      vcpu->index, strerror(errno));
    }
    free(model);
    return done;
}
