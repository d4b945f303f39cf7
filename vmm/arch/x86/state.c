/* SPDX-License-Identifier: MIT */
/*
 * The state of an x86 vCPU; that of the VM is in state_vm.c. Which sections there are:
 * docs/live-update.md. The order in which they are loaded:
 *
 *   CPUID     the others are checked against it (EFER.LME, XCR0, MSRs)
 *   SREGS2    has the base and the mode of the local APIC, EFER and CR4
 *   local APIC, TSC
 *   MSRs      the TSC deadline is ignored as long as the local APIC is not in that mode
 *             (arch/x86/kvm/lapic.c, kvm_set_lapic_tscdeadline_msr), and counts in the TSC
 *   nested state: wants EFER.SVME or VMX' MSRs
 *   events, as they refer to all that, and whether it runs
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/arch/arch.h"
#include "vmm/arch/x86/mtrr.h"
#include "vmm/vm_state.h"

#define CPUID_ENTRIES_MAX 256u
#define MSRS_MAX          1024u
#define MSRS_UNLISTED_MAX 2048u /* 4 for each of up to 255 banks, and those of MTRRs */
#define MSRS_AT_ONCE      128u  /* KVM takes less than 256: MAX_IO_MSRS */
#define BLOB_SIZE_MAX     (1u << 20) /* of what KVM says the size of */

static bool kvm_failed(const struct vcpu *vcpu, const char *what, struct error *error)
{
    return error_set(error, ERROR_HOST_KVM, "%s of vCPU %u: %s", what, vcpu->index,
                     strerror(errno));
}

/* A payload that the kernel reads as a struct: aligned, in memory of its own. NULL when the
 * section has another size. */
static void *copy_payload(struct state_section *section, size_t size, struct error *error)
{
    const void *bytes = state_get_bytes(section, size);
    void *copy = bytes != NULL ? malloc(size) : NULL;
    if (copy != NULL)
        memcpy(copy, bytes, size);
    else if (bytes != NULL)
        error_set(error, ERROR_HOST_MEMORY, "no memory for %zu bytes of a state", size);
    if (!state_close(section, error)) {
        free(copy);
        return NULL;
    }
    return copy;
}

/* --- structs of one size --- */

struct part {
    const char *section;
    unsigned long get;
    unsigned long set;
    const char *get_name;
    const char *set_name;
};
#define PART(section, name)                                                              \
    {                                                                                    \
        section, KVM_GET_##name, KVM_SET_##name, "KVM_GET_" #name, "KVM_SET_" #name      \
    }

static const struct part before_msrs[] = {
    PART("SREG", SREGS2),
    PART("REGS", REGS),
    PART("DEBG", DEBUGREGS),
    PART("LAPI", LAPIC),
};
static const struct part after_msrs[] = {
    PART("EVNT", VCPU_EVENTS),
    PART("MPST", MP_STATE),
};

static bool save_parts(const struct vcpu *vcpu, const struct part *parts, size_t count,
                       struct state_writer *writer, struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t
            buffer[sizeof(struct kvm_lapic_state) / sizeof(uint64_t)]; /* the largest */
        const size_t size = _IOC_SIZE(parts[i].get);
        BUG_ON(size > sizeof buffer || size != _IOC_SIZE(parts[i].set));
        memset(buffer, 0, size);
        if (ioctl(vcpu->fd, parts[i].get, buffer) != 0)
            return kvm_failed(vcpu, parts[i].get_name, error);
        state_begin(writer, parts[i].section, vcpu->index, 1);
        state_put_bytes(writer, buffer, size);
        state_end(writer);
    }
    return true;
}

static bool load_parts(const struct vcpu *vcpu, const struct part *parts, size_t count,
                       struct state_reader *reader, struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct state_section *section;
        if (!state_open(reader, parts[i].section, vcpu->index, 1, &section, error))
            return false;
        void *payload = copy_payload(section, _IOC_SIZE(parts[i].set), error);
        if (payload == NULL)
            return false;
        bool good = ioctl(vcpu->fd, parts[i].set, payload) == 0 ||
                    kvm_failed(vcpu, parts[i].set_name, error);
        free(payload);
        if (!good)
            return false;
    }
    return true;
}

/* --- CPUID --- */

static struct kvm_cpuid2 *new_cpuid(uint32_t count, struct error *error)
{
    struct kvm_cpuid2 *model =
        calloc(1, sizeof *model + count * sizeof model->entries[0]);
    if (model == NULL)
        error_set(error, ERROR_HOST_MEMORY, "no memory for the CPU model");
    else
        model->nent = count;
    return model;
}

static bool save_cpuid(const struct vcpu *vcpu, struct state_writer *writer,
                       struct error *error)
{
    struct kvm_cpuid2 *model = new_cpuid(CPUID_ENTRIES_MAX, error);
    if (model == NULL)
        return false;
    bool good = kvm_ioctl(vcpu->fd, KVM_GET_CPUID2, model) == 0 ||
                kvm_failed(vcpu, "KVM_GET_CPUID2", error);
    if (good) {
        state_begin(writer, "CPID", vcpu->index, 1);
        state_put32(writer, model->nent);
        state_put_bytes(writer, model->entries, model->nent * sizeof model->entries[0]);
        state_end(writer);
    }
    free(model);
    return good;
}

static bool load_cpuid(const struct vcpu *vcpu, struct state_reader *reader,
                       struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, "CPID", vcpu->index, 1, &section, error))
        return false;
    uint32_t count = state_get32(section);
    if (count > CPUID_ENTRIES_MAX)
        return state_refuse(section, error, "%u entries, at most %u are possible", count,
                            CPUID_ENTRIES_MAX);
    struct kvm_cpuid2 *model = new_cpuid(count, error);
    if (model == NULL)
        return false;
    size_t size = count * sizeof model->entries[0];
    const void *entries = state_get_bytes(section, size);
    if (entries != NULL)
        memcpy(model->entries, entries, size);
    bool good =
        state_close(section, error) && (kvm_ioctl(vcpu->fd, KVM_SET_CPUID2, model) == 0 ||
                                        kvm_failed(vcpu, "KVM_SET_CPUID2", error));
    free(model);
    return good;
}

/* --- structs whose size KVM says; 0: the host has no such thing --- */

static bool save_blob(const struct vcpu *vcpu, const char *name, int size,
                      unsigned long get, const char *what, struct state_writer *writer,
                      struct error *error)
{
    if (size <= 0)
        return true;
    BUG_ON((unsigned)size > BLOB_SIZE_MAX);
    uint32_t *blob = calloc(1, (size_t)size);
    if (blob == NULL)
        return error_set(error, ERROR_HOST_MEMORY, "no memory for %s", what);
    if (get == KVM_GET_NESTED_STATE)
        ((struct kvm_nested_state *)blob)->size = (uint32_t)size;
    bool good = ioctl(vcpu->fd, get, blob) == 0 || kvm_failed(vcpu, what, error);
    if (good) {
        state_begin(writer, name, vcpu->index, 1);
        state_put_bytes(writer, blob, (size_t)size);
        state_end(writer);
    }
    free(blob);
    return good;
}

static bool load_blob(const struct vcpu *vcpu, const char *name, int size,
                      unsigned long set, const char *what, struct state_reader *reader,
                      struct error *error)
{
    if (size <= 0)
        return true;
    struct state_section *section;
    if (!state_open(reader, name, vcpu->index, 1, &section, error))
        return false;
    void *blob = copy_payload(section, (size_t)size, error);
    if (blob == NULL)
        return false;
    bool good = ioctl(vcpu->fd, set, blob) == 0 || kvm_failed(vcpu, what, error);
    free(blob);
    return good;
}

/* KVM has it in a size of its own also where the host has no XSAVE (api.rst, KVM_GET_XSAVE2). */
static int xsave_size(const struct vcpu *vcpu)
{
    int size = kvm_check(vcpu->vm->fd, KVM_CAP_XSAVE2);
    return size > (int)sizeof(struct kvm_xsave) ? size : (int)sizeof(struct kvm_xsave);
}

static int xcrs_size(const struct vcpu *vcpu)
{
    return kvm_check(vcpu->vm->fd, KVM_CAP_XCRS) > 0 ? (int)sizeof(struct kvm_xcrs) : 0;
}

static int nested_size(const struct vcpu *vcpu)
{
    return kvm_check(vcpu->vm->fd, KVM_CAP_NESTED_STATE);
}

/* --- the TSC --- */

/* The offset to the host's TSC is what makes it go on as if nothing had happened, at the same
 * value on all vCPUs (Documentation/virt/kvm/devices/vcpu.rst, 4; Linux 5.16). A write of the
 * MSR would let it stand still meanwhile, and KVM would guess whether vCPUs belong together. */
static bool tsc_offset(const struct vcpu *vcpu, unsigned long request, uint64_t *offset)
{
    struct kvm_device_attr attribute = {
        .group = KVM_VCPU_TSC_CTRL,
        .attr = KVM_VCPU_TSC_OFFSET,
        .addr = (uintptr_t)offset,
    };
    return ioctl(vcpu->fd, request, &attribute) == 0;
}

static bool save_tsc(const struct vcpu *vcpu, struct state_writer *writer,
                     struct error *error)
{
    uint64_t offset;
    int frequency = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
    if (frequency < 0)
        return kvm_failed(vcpu, "KVM_GET_TSC_KHZ", error);
    if (!tsc_offset(vcpu, KVM_GET_DEVICE_ATTR, &offset))
        return kvm_failed(vcpu, "KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_OFFSET", error);
    state_begin(writer, "TSC ", vcpu->index, 1);
    state_put32(writer, (uint32_t)frequency);
    state_put64(writer, offset);
    state_end(writer);
    return true;
}

static bool load_tsc(const struct vcpu *vcpu, struct state_reader *reader,
                     struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, "TSC ", vcpu->index, 1, &section, error))
        return false;
    uint32_t frequency = state_get32(section);
    uint64_t offset = state_get64(section);
    if (!state_close(section, error))
        return false;
    if (ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0) != (int)frequency &&
        ioctl(vcpu->fd, KVM_SET_TSC_KHZ, (unsigned long)frequency) != 0)
        return error_set(error, ERROR_HOST_KVM,
                         "KVM_SET_TSC_KHZ of vCPU %u to %u: %s: load the state on the "
                         "host where it was saved",
                         vcpu->index, frequency, strerror(errno));
    return tsc_offset(vcpu, KVM_SET_DEVICE_ATTR, &offset) ||
           kvm_failed(vcpu, "KVM_SET_DEVICE_ATTR, KVM_VCPU_TSC_OFFSET", error);
}

/* --- MSRs --- */

#define MSR_TSC          0x10u
#define MSR_MCG_CAP      0x179u
#define MSR_MC0_CTL      0x400u
#define MSR_DE_CFG       0xc0011029u
#define MCG_CAP_BANKS    0xffu
#define MSR_KVM_WALL     0x11u
#define MSR_KVM_WALL_NEW 0x4b564d00u
#define MSR_HYPERV       0x40000000u
#define MSR_HYPERV_COUNT 0x200u

/* Why an MSR of KVM's list is left out:
 * - The TSC: see above.
 * - The wall clock's: writing one is the guest's order to write the time into its memory at that
 *   moment (Documentation/virt/kvm/x86/msr.rst), which may have another use by now.
 * - Hyper-V's: the CPU model has no leaf of Hyper-V, so that the guest cannot reach them
 *   (arch/x86/kvm/hyperv.c, kvm_hv_set_msr_common), and KVM begins to emulate Hyper-V when the
 *   host writes one. */
static bool is_left_out(uint32_t index)
{
    return index == MSR_TSC || index == MSR_KVM_WALL || index == MSR_KVM_WALL_NEW ||
           index - MSR_HYPERV < MSR_HYPERV_COUNT;
}

struct msr {
    uint32_t index;
    bool exists;
    uint64_t value;
};

/* KVM stops at one that the vCPU does not have, and tells how many there were before
 * (arch/x86/kvm/x86.c, __msr_io): that is no error, and the next one is behind it. */
static bool read_msrs(const struct vcpu *vcpu, struct msr *msrs, uint32_t count,
                      struct error *error)
{
    uint64_t
        buffer[(sizeof(struct kvm_msrs) + MSRS_AT_ONCE * sizeof(struct kvm_msr_entry)) /
               sizeof(uint64_t)];
    struct kvm_msrs *batch = (struct kvm_msrs *)buffer;
    struct kvm_msr_entry *entries = batch->entries;
    for (uint32_t next = 0; next < count;) {
        memset(buffer, 0, sizeof buffer);
        batch->nmsrs = count - next < MSRS_AT_ONCE ? count - next : MSRS_AT_ONCE;
        for (uint32_t i = 0; i < batch->nmsrs; i++)
            entries[i].index = msrs[next + i].index;
        int done = ioctl(vcpu->fd, KVM_GET_MSRS, batch);
        if (done < 0)
            return error_set(
                error, ERROR_HOST_KVM, "KVM_GET_MSRS of vCPU %u, %u from MSR 0x%x on: %s",
                vcpu->index, batch->nmsrs, msrs[next].index, strerror(errno));
        for (uint32_t i = 0; i < (uint32_t)done; i++, next++) {
            msrs[next].exists = true;
            msrs[next].value = entries[i].data;
        }
        if ((uint32_t)done < batch->nmsrs)
            msrs[next++].exists = false;
    }
    return true;
}

static void add_msrs(struct msr *msrs, uint32_t *count, uint32_t first, uint32_t number)
{
    for (uint32_t i = 0; i < number; i++)
        if (!is_left_out(first + i))
            msrs[(*count)++] = (struct msr){.index = first + i};
}

/* What KVM keeps for a vCPU without having it in its list (arch/x86/kvm/x86.c): MTRRs, banks of
 * machine checks, and AMD's DE_CFG, which Linux writes. */
static bool add_unlisted_msrs(const struct vcpu *vcpu, struct msr *msrs, uint32_t *count,
                              struct error *error)
{
    struct msr capability = {.index = MSR_MCG_CAP};
    if (!read_msrs(vcpu, &capability, 1, error))
        return false;
    uint32_t banks = capability.exists ? capability.value & MCG_CAP_BANKS : 0;
    add_msrs(msrs, count, MSR_MTRR_VARIABLE, 2 * MTRR_VARIABLE_COUNT);
    add_msrs(msrs, count, MSR_MTRR_FIX64K, 1);
    add_msrs(msrs, count, MSR_MTRR_FIX16K, 2);
    add_msrs(msrs, count, MSR_MTRR_FIX4K, 8);
    add_msrs(msrs, count, MSR_MTRR_DEF_TYPE, 1);
    add_msrs(msrs, count, MSR_MC0_CTL, 4 * banks);
    add_msrs(msrs, count, MSR_DE_CFG, 1);
    return true;
}

static bool list_msrs(const struct vcpu *vcpu, struct msr *msrs, uint32_t *count,
                      struct error *error)
{
    struct kvm_msr_list *list =
        calloc(1, sizeof *list + MSRS_MAX * sizeof list->indices[0]);
    if (list == NULL)
        return error_set(error, ERROR_HOST_MEMORY, "no memory for a list of MSRs");
    list->nmsrs = MSRS_MAX;
    bool good = kvm_ioctl(vcpu->vm->kvm.fd, KVM_GET_MSR_INDEX_LIST, list) == 0 ||
                kvm_failed(vcpu, "KVM_GET_MSR_INDEX_LIST", error);
    for (uint32_t i = 0; good && i < list->nmsrs; i++)
        add_msrs(msrs, count, list->indices[i], 1);
    free(list);
    return good && add_unlisted_msrs(vcpu, msrs, count, error);
}

static bool save_msrs(const struct vcpu *vcpu, struct state_writer *writer,
                      struct error *error)
{
    uint32_t count = 0;
    struct msr *msrs = calloc(MSRS_MAX + MSRS_UNLISTED_MAX, sizeof *msrs);
    if (msrs == NULL)
        return error_set(error, ERROR_HOST_MEMORY, "no memory for MSRs");
    bool good =
        list_msrs(vcpu, msrs, &count, error) && read_msrs(vcpu, msrs, count, error);
    if (good) {
        state_begin(writer, "MSRS", vcpu->index, 1);
        for (uint32_t i = 0; i < count; i++) {
            if (!msrs[i].exists)
                continue;
            state_put32(writer, msrs[i].index);
            state_put64(writer, msrs[i].value);
        }
        state_end(writer);
    }
    free(msrs);
    return good;
}

/* 1: it has been written; 0: the vCPU does not take it. */
static int write_msr(const struct vcpu *vcpu, uint32_t index, uint64_t value)
{
    uint64_t buffer[(sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)) / 8] = {0};
    struct kvm_msrs *msrs = (struct kvm_msrs *)buffer;
    msrs->nmsrs = 1;
    msrs->entries[0] = (struct kvm_msr_entry){.index = index, .data = value};
    return ioctl(vcpu->fd, KVM_SET_MSRS, msrs);
}

/* What has the value already is not written: KVM refuses some that only it can know, and warns of
 * others in the kernel's log. */
static bool load_msr(const struct vcpu *vcpu, uint32_t index, uint64_t value,
                     struct error *error)
{
    struct msr present = {.index = index};
    if (!read_msrs(vcpu, &present, 1, error))
        return false;
    if (present.exists && present.value == value)
        return true;
    int count = write_msr(vcpu, index, value);
    if (count < 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_SET_MSRS of vCPU %u, MSR 0x%x: %s",
                         vcpu->index, index, strerror(errno));
    if (count == 1)
        return true;
    return error_set(error, ERROR_HOST_KVM,
                     "KVM_SET_MSRS: vCPU %u does not take MSR 0x%x = 0x%" PRIx64
                     ", it has %s0x%" PRIx64
                     ": load the state on the host, and with the kernel, where it was "
                     "saved",
                     vcpu->index, index, value,
                     present.exists ? "" : "none: ", present.value);
}

static bool load_msrs(const struct vcpu *vcpu, struct state_reader *reader,
                      struct error *error)
{
    struct mtrr_watch *watch = vcpu->vm->mtrrs;
    struct state_section *section;
    if (!state_open(reader, "MSRS", vcpu->index, 1, &section, error))
        return false;
    while (state_left(section) > 0) {
        uint32_t index = state_get32(section);
        uint64_t value = state_get64(section);
        if (section->too_short)
            break;
        if (is_left_out(index))
            return state_refuse(section, error, "MSR 0x%x is never saved", index);
        if (!load_msr(vcpu, index, value, error))
            return false;
        pthread_mutex_lock(&watch->lock);
        mtrr_set(&watch->states[vcpu->index], index, value);
        pthread_mutex_unlock(&watch->lock);
    }
    return state_close(section, error);
}

/* --- a vCPU --- */

/* Events and whether it runs come first: to tell, KVM delivers an exception that is pending into CR2
 * or DR6, and takes an INIT or SIPI that has arrived, which sets CS and RIP (arch/x86/kvm/x86.c,
 * kvm_vcpu_ioctl_x86_get_vcpu_events and kvm_arch_vcpu_ioctl_get_mpstate). */
bool arch_vcpu_save(const struct vcpu *vcpu, struct state_writer *writer,
                    struct error *error)
{
    return save_parts(vcpu, after_msrs, ARRAY_SIZE(after_msrs), writer, error) &&
           save_cpuid(vcpu, writer, error) &&
           save_parts(vcpu, before_msrs, ARRAY_SIZE(before_msrs), writer, error) &&
           save_blob(vcpu, "XCRS", xcrs_size(vcpu), KVM_GET_XCRS, "KVM_GET_XCRS", writer,
                     error) &&
           save_blob(vcpu, "XSAV", xsave_size(vcpu), KVM_GET_XSAVE2, "KVM_GET_XSAVE2",
                     writer, error) &&
           save_tsc(vcpu, writer, error) && save_msrs(vcpu, writer, error) &&
           save_blob(vcpu, "NEST", nested_size(vcpu), KVM_GET_NESTED_STATE,
                     "KVM_GET_NESTED_STATE", writer, error);
}

bool arch_vcpu_load(struct vcpu *vcpu, struct state_reader *reader, struct error *error)
{
    return load_cpuid(vcpu, reader, error) &&
           load_parts(vcpu, before_msrs, ARRAY_SIZE(before_msrs), reader, error) &&
           load_blob(vcpu, "XCRS", xcrs_size(vcpu), KVM_SET_XCRS, "KVM_SET_XCRS", reader,
                     error) &&
           load_blob(vcpu, "XSAV", xsave_size(vcpu), KVM_SET_XSAVE, "KVM_SET_XSAVE",
                     reader, error) &&
           load_tsc(vcpu, reader, error) && load_msrs(vcpu, reader, error) &&
           load_blob(vcpu, "NEST", nested_size(vcpu), KVM_SET_NESTED_STATE,
                     "KVM_SET_NESTED_STATE", reader, error) &&
           load_parts(vcpu, after_msrs, ARRAY_SIZE(after_msrs), reader, error);
}
