/* SPDX-License-Identifier: MIT */
#include "vmm/arch/x86/mtrr.h"

#include <inttypes.h>
#include <string.h>

#define FIXED_END MIB

/* --- the registers --- */

/* Fixed registers in the order of mtrr_state.fixed: eight ranges each (SDM 3, table 12-9). */
static const struct {
    uint32_t msr;
    uint64_t start;
    uint64_t size; /* of one range */
} fixed[MTRR_FIXED_COUNT] = {
    {MSR_MTRR_FIX64K, 0x00000, 0x10000},    {MSR_MTRR_FIX16K, 0x80000, 0x4000},
    {MSR_MTRR_FIX16K + 1, 0xa0000, 0x4000}, {MSR_MTRR_FIX4K, 0xc0000, 0x1000},
    {MSR_MTRR_FIX4K + 1, 0xc8000, 0x1000},  {MSR_MTRR_FIX4K + 2, 0xd0000, 0x1000},
    {MSR_MTRR_FIX4K + 3, 0xd8000, 0x1000},  {MSR_MTRR_FIX4K + 4, 0xe0000, 0x1000},
    {MSR_MTRR_FIX4K + 5, 0xe8000, 0x1000},  {MSR_MTRR_FIX4K + 6, 0xf0000, 0x1000},
    {MSR_MTRR_FIX4K + 7, 0xf8000, 0x1000},
};

bool mtrr_set(struct mtrr_state *state, uint32_t index, uint64_t value)
{
    if (index == MSR_MTRR_DEF_TYPE) {
        state->default_type = value;
        return true;
    }
    if (index >= MSR_MTRR_VARIABLE &&
        index < MSR_MTRR_VARIABLE + 2 * MTRR_VARIABLE_COUNT) {
        unsigned number = (index - MSR_MTRR_VARIABLE) / 2;
        if (index % 2 == 0)
            state->variable[number].base = value;
        else
            state->variable[number].mask = value;
        return true;
    }
    for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++) {
        if (fixed[i].msr == index) {
            state->fixed[i] = value;
            return true;
        }
    }
    return false;
}

/* SDM 3, table 12-8. */
static bool decode(uint64_t value, enum memattr_type *type)
{
    switch (value & 0xff) {
    case 0:
        *type = MEMATTR_UC;
        return true;
    case 1:
        *type = MEMATTR_WC;
        return true;
    case 4:
        *type = MEMATTR_WT;
        return true;
    case 5:
        *type = MEMATTR_WP;
        return true;
    case 6:
        *type = MEMATTR_WB;
        return true;
    default:
        return false;
    }
}

/* --- the type of a range --- */

/* A piece of the address space that has one type, as far as one register says. */
struct piece {
    uint64_t end;
    enum memattr_type type;
};

static void end_at(struct piece *piece, uint64_t end)
{
    if (end < piece->end)
        piece->end = end;
}

static bool fixed_piece(const struct mtrr_state *state, uint64_t at, struct piece *piece)
{
    unsigned i = MTRR_FIXED_COUNT - 1;
    while (at < fixed[i].start)
        i--;
    uint64_t number = (at - fixed[i].start) / fixed[i].size;
    end_at(piece, fixed[i].start + (number + 1) * fixed[i].size);
    return decode(state->fixed[i] >> (8 * number), &piece->type);
}

/* Where ranges overlap (12.11.4.1): equal types agree, UC wins, WT wins over WB, all else is
 * undefined. */
static bool overlap(enum memattr_type *type, enum memattr_type other)
{
    if (*type == other || *type == MEMATTR_UC)
        return true;
    if (other == MEMATTR_UC || (*type == MEMATTR_WB && other == MEMATTR_WT))
        *type = other;
    else if (!(*type == MEMATTR_WT && other == MEMATTR_WB))
        return false;
    return true;
}

/* The order of overlaps does not matter, but for one that is undefined: UC makes it defined,
 * so that it has to come first. */
static bool variable_piece(const struct mtrr_state *state, uint64_t at,
                           unsigned address_bits, struct piece *piece)
{
    const uint64_t all = ((uint64_t)1 << address_bits) - 1;
    enum memattr_type found[MTRR_VARIABLE_COUNT];
    unsigned count = 0;
    bool has_uc = false;
    for (unsigned i = 0; i < MTRR_VARIABLE_COUNT; i++) {
        uint64_t mask = state->variable[i].mask;
        if (!(mask & MTRR_ENABLED))
            continue;
        uint64_t below = (~mask & all) | 0xfff; /* bits that the mask leaves free */
        if ((below & (below + 1)) != 0)
            return false; /* legal (12.11.3), and not in one piece: nobody does it */
        uint64_t start = state->variable[i].base & all & ~below;
        uint64_t end = start + below + 1;
        if (at < start) {
            end_at(piece, start);
        } else if (at < end) {
            end_at(piece, end);
            if (!decode(state->variable[i].base, &found[count]))
                return false;
            has_uc |= found[count] == MEMATTR_UC;
            count++;
        }
    }
    if (count == 0)
        return decode(state->default_type, &piece->type);
    piece->type = has_uc ? MEMATTR_UC : found[0];
    for (unsigned i = 0; i < count; i++)
        if (!overlap(&piece->type, found[i]))
            return false;
    return true;
}

bool mtrr_type_of_range(const struct mtrr_state *state, struct gpa_range range,
                        unsigned address_bits, enum memattr_type *type)
{
    *type = MEMATTR_UC;
    if (!(state->default_type & MTRR_ENABLED))
        return true;
    const uint64_t start = range.start.value;
    const uint64_t end = start + range.size;
    for (uint64_t at = start; at < end;) {
        struct piece piece = {.end = end};
        bool is_fixed = at < FIXED_END && (state->default_type & MTRR_FIXED_ENABLED);
        if (at < FIXED_END)
            end_at(&piece, FIXED_END);
        if (is_fixed ? !fixed_piece(state, at, &piece)
                     : !variable_piece(state, at, address_bits, &piece))
            return false;
        if (at > start && piece.type != *type)
            return false;
        *type = piece.type;
        at = piece.end;
    }
    return true;
}

/* --- the watch --- */

/* Each range of the filter has a bit for each MSR: 0 denies, which KVM makes an exit of
 * (api.rst, KVM_X86_SET_MSR_FILTER and KVM_CAP_X86_USER_SPACE_MSR). The filter is asked about
 * every WRMSR of the guest, and not about KVM_SET_MSRS. */
static bool have_writes_reported(int vm_fd, struct error *error)
{
    uint8_t deny[2] = {0};
    struct kvm_msr_filter filter = {
        .flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
        .ranges = {{KVM_MSR_FILTER_WRITE, 2 * MTRR_VARIABLE_COUNT, MSR_MTRR_VARIABLE,
                    deny},
                   {KVM_MSR_FILTER_WRITE, 1, MSR_MTRR_FIX64K, deny},
                   {KVM_MSR_FILTER_WRITE, 2, MSR_MTRR_FIX16K, deny},
                   {KVM_MSR_FILTER_WRITE, 8, MSR_MTRR_FIX4K, deny},
                   {KVM_MSR_FILTER_WRITE, 1, MSR_MTRR_DEF_TYPE, deny}},
    };
    struct kvm_enable_cap request = {
        .cap = KVM_CAP_X86_USER_SPACE_MSR,
        .args = {KVM_MSR_EXIT_REASON_FILTER},
    };
    if (kvm_ioctl(vm_fd, KVM_ENABLE_CAP, &request) != 0)
        return error_set(error, ERROR_HOST_KVM,
                         "to be told of writes to MTRRs: KVM_CAP_X86_USER_SPACE_MSR: %s",
                         strerror(errno));
    if (kvm_ioctl(vm_fd, KVM_X86_SET_MSR_FILTER, &filter) != 0)
        return error_set(error, ERROR_HOST_KVM,
                         "to be told of writes to MTRRs: KVM_X86_SET_MSR_FILTER: %s",
                         strerror(errno));
    return true;
}

bool mtrr_watch_init(struct mtrr_watch *watch, int vm_fd, bool wanted,
                     struct error *error)
{
    *watch = (struct mtrr_watch){0};
    watch->watching = wanted && kvm_check(vm_fd, KVM_CAP_X86_USER_SPACE_MSR) > 0 &&
                      kvm_check(vm_fd, KVM_CAP_X86_MSR_FILTER) > 0;
    for (unsigned i = 0; i < VM_CPUS_MAX; i++)
        watch->states[i].default_type = MTRR_ALL_WB;
    if (watch->watching && !have_writes_reported(vm_fd, error))
        return false;
    pthread_mutex_init(&watch->lock, NULL);
    return true;
}

void mtrr_watch_finish(struct mtrr_watch *watch)
{
    pthread_mutex_destroy(&watch->lock);
}

static bool set_msr(const struct vcpu *vcpu, uint32_t index, uint64_t value)
{
    const struct kvm_msr_entry entry = {.index = index, .data = value};
    union {
        struct kvm_msrs msrs;
        uint8_t bytes[sizeof(struct kvm_msrs) + sizeof entry];
    } one = {.msrs = {.nmsrs = 1}};
    memcpy(one.bytes + sizeof one.msrs, &entry, sizeof entry);
    return kvm_ioctl(vcpu->fd, KVM_SET_MSRS, &one.msrs) == 1;
}

bool mtrr_watch_write(struct mtrr_watch *watch, struct vcpu *vcpu)
{
    struct kvm_run *run = vcpu->run;
    struct mtrr_state *state = &watch->states[vcpu->index];
    struct mtrr_state ignored = {0};
    if (!mtrr_set(&ignored, run->msr.index, run->msr.data))
        return false;
    /* KVM checks the value as the CPU does (arch/x86/kvm/mtrr.c, kvm_mtrr_valid). */
    bool taken = set_msr(vcpu, run->msr.index, run->msr.data);
    if (taken) {
        pthread_mutex_lock(&watch->lock);
        mtrr_set(state, run->msr.index, run->msr.data);
        pthread_mutex_unlock(&watch->lock);
    }
    run->msr.error = !taken;
    trace_detail(vcpu->vm->trace, "mtrr", "vCPU %u: MSR 0x%x = 0x%" PRIx64 "%s",
                 vcpu->index, run->msr.index, (uint64_t)run->msr.data,
                 taken ? "" : ": not valid, #GP");
    return true;
}

bool mtrr_watch_is_wb(struct mtrr_watch *watch, const struct vm *vm,
                      struct gpa_range range)
{
    bool is_wb = true;
    pthread_mutex_lock(&watch->lock);
    for (unsigned i = 0; i < vm->config.cpu_count; i++) {
        enum memattr_type type;
        is_wb = is_wb &&
                mtrr_type_of_range(&watch->states[i], range, vm->address_bits, &type) &&
                type == MEMATTR_WB;
    }
    pthread_mutex_unlock(&watch->lock);
    return is_wb;
}
