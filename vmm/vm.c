/* SPDX-License-Identifier: MIT */
#include "vmm/vm.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/arch/arch.h"
#include "vmm/guest_memfd.h"
#include "vmm/layout.h"
#include "vmm/vcpu.h"

/* What every architecture needs; arch_vm_init() has more. */
static const struct kvm_requirement requirements[] = {
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY", "give the guest memory"},
    {KVM_CAP_DESTROY_MEMORY_REGION_WORKS, "KVM_CAP_DESTROY_MEMORY_REGION_WORKS",
     "take a blob's memory away from the guest again"},
    {KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP", "have an interrupt controller"},
    {KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD",
     "be told about virtqueues without a vCPU exit"},
    {KVM_CAP_IRQFD, "KVM_CAP_IRQFD", "interrupt the guest from a device's thread"},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT", "stop a vCPU without a race"},
};

/* The region of a guest_memfd that is mapped here, or NULL. */
static const struct guest_region *guest_memfd_region(const struct guest_memory *memory,
                                                     const void *host)
{
    for (unsigned i = 0; memory->is_guest_memfd && i < memory->region_count; i++)
        if (memory->regions[i].host == host)
            return &memory->regions[i];
    return NULL;
}

/* memslot_set_function: the context is the VM. */
static bool set_slot(void *context, uint32_t id, gpa_t address, uint64_t size, void *host,
                     struct error *error)
{
    const struct vm *vm = context;
    const struct guest_region *region = guest_memfd_region(&vm->memory, host);
    if (region != NULL && size > 0)
        return guest_memfd_set_region(vm->fd, id, region, vm->memory.fd, error);
    return kvm_set_memory_region(vm->fd, id, address, size, host, error);
}

static bool check_cpu_count(const struct vm *vm, struct error *error)
{
    unsigned limit = VM_CPUS_MAX;
    int of_kvm = kvm_check(vm->kvm.fd, KVM_CAP_MAX_VCPUS);
    if (of_kvm > 0 && (unsigned)of_kvm < limit)
        limit = (unsigned)of_kvm;
    if (vm->config.cpu_count == 0 || vm->config.cpu_count > limit)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "%u vCPUs: from 1 to %u are possible here", vm->config.cpu_count,
                         limit);
    return true;
}

bool vm_check_range(const struct vm *vm, const char *name, struct gpa_range range,
                    struct error *error)
{
    uint64_t limit = (uint64_t)1 << vm->address_bits;
    if (range.start.value + range.size > limit)
        return error_set(error, ERROR_CONFIG_HOST,
                         "%s [0x%" PRIx64 ", 0x%" PRIx64
                         "): guest physical addresses of "
                         "this host have %u bits, so they end at 0x%" PRIx64
                         "; ask for less memory or a smaller window",
                         name, range.start.value, range.start.value + range.size,
                         vm->address_bits, limit);
    return true;
}

static bool make_guest_memfd(struct vm *vm, const struct gpa_range *ranges,
                             unsigned count, struct error *error)
{
    int fd;
    if (vm->config.memory_fd > 0)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "guest RAM that exists cannot become a guest_memfd, nor a "
                         "guest_memfd another VM's RAM: KVM binds it to the VM that "
                         "made it; use --memory-backend=memfd");
    return guest_memfd_create(vm->fd, vm->config.memory_size, &fd, error) &&
           guest_memory_init_guest_memfd(&vm->memory, ranges, count, fd, error);
}

static bool make_memory(struct vm *vm, const struct gpa_range *ranges, unsigned count,
                        struct error *error)
{
    if (vm->config.guest_memfd)
        return make_guest_memfd(vm, ranges, count, error);
    if (vm->config.memory_fd > 0)
        return guest_memory_init_over(&vm->memory, ranges, count, vm->config.memory_fd,
                                      error);
    return vm->config.private_ram
               ? guest_memory_init_private(&vm->memory, ranges, count, error)
               : guest_memory_init(&vm->memory, ranges, count, error);
}

static bool add_ram(struct vm *vm, const struct gpa_range *ranges, unsigned count,
                    struct error *error)
{
    for (unsigned i = 0; i < count; i++)
        if (!vm_check_range(vm, "guest RAM", ranges[i], error))
            return false;
    if (!make_memory(vm, ranges, count, error))
        return false;
    int limit = kvm_check(vm->fd, KVM_CAP_NR_MEMSLOTS);
    memslot_table_init(&vm->memslots, set_slot, vm, limit > 0 ? (uint32_t)limit : 32);
    for (unsigned i = 0; i < count; i++) {
        const struct guest_region *region = &vm->memory.regions[i];
        uint32_t id;
        if (!memslot_add(&vm->memslots, "ram", region->range.start, region->range.size,
                         region->host, &id, error))
            return false;
    }
    return true;
}

static bool add_vcpu(struct vm *vm, struct error *error)
{
    struct vcpu *vcpu = &vm->vcpus[vm->vcpu_count];
    *vcpu = (struct vcpu){.vm = vm, .index = vm->vcpu_count};
    if (!kvm_create_vcpu(&vm->kvm, vm->fd, vcpu->index, &vcpu->fd, &vcpu->run, error))
        return false;
    vm->vcpu_count++;
    return arch_vcpu_init(vcpu, error);
}

static bool set_up(struct vm *vm, struct error *error)
{
    struct gpa_range ranges[GUEST_MEMORY_REGIONS_MAX];
    unsigned range_count = arch_ram_ranges(vm->config.memory_size, ranges, error);
    if (range_count == 0)
        return false;
    if (!kvm_open(&vm->kvm, error))
        return false;
    unsigned long type;
    if (!kvm_require(kvm_check, vm->kvm.fd, requirements, ARRAY_SIZE(requirements),
                     error) ||
        !check_cpu_count(vm, error) ||
        !arch_vm_type(&vm->kvm, &type, &vm->address_bits, error) ||
        !kvm_create_vm(&vm->kvm, type, &vm->fd, error) || !arch_vm_init(vm, error) ||
        !add_ram(vm, ranges, range_count, error))
        return false;
    for (unsigned i = 0; i < vm->config.cpu_count; i++)
        if (!add_vcpu(vm, error))
            return false;
    return arch_vm_ready(vm, error);
}

bool vm_init(struct vm *vm, const struct vm_config *config, struct trace *trace,
             struct error *error)
{
    *vm = (struct vm){
        .config = *config, .trace = trace, .fd = -1, .gic_fd = -1, .its_fd = -1};
    pthread_mutex_init(&vm->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&vm->ended, &attributes);
    pthread_cond_init(&vm->parked_changed, &attributes);
    pthread_condattr_destroy(&attributes);

    if (!set_up(vm, error)) {
        vm_finish(vm);
        return false;
    }
    return true;
}

static void stop_vcpus(struct vm *vm)
{
    atomic_store(&vm->stopping, true);
    vm_resume(vm);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_kick(&vm->vcpus[i]);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_join(&vm->vcpus[i]);
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

void vm_finish(struct vm *vm)
{
    if (vm->trace == NULL)
        return;
    stop_vcpus(vm);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        kvm_close_vcpu(&vm->kvm, vm->vcpus[i].fd, vm->vcpus[i].run);
    memslot_table_finish(&vm->memslots);
    guest_memory_finish(&vm->memory);
    arch_vm_finish(vm);
    close_if_open(vm->its_fd);
    close_if_open(vm->gic_fd);
    close_if_open(vm->fd);
    kvm_close(&vm->kvm);
    pthread_cond_destroy(&vm->ended);
    pthread_cond_destroy(&vm->parked_changed);
    pthread_mutex_destroy(&vm->lock);
    *vm = (struct vm){0};
}

#define NANOSECONDS UINT64_C(1000000000)

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * NANOSECONDS + (uint64_t)time.tv_nsec;
}

/* As pthread_cond_timedwait(); 0: for ever. */
static int wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t deadline)
{
    const struct timespec time = {.tv_sec = (time_t)(deadline / NANOSECONDS),
                                  .tv_nsec = (long)(deadline % NANOSECONDS)};
    return deadline == 0 ? pthread_cond_wait(condition, lock)
                         : pthread_cond_timedwait(condition, lock, &time);
}

/* Until someone called vm_end_with(), or the time is over; and a pause is. */
static void wait_for_end(struct vm *vm)
{
    int number = 0;
    pthread_mutex_lock(&vm->lock);
    while (vm->outcome.end == VM_END_NONE && number != ETIMEDOUT)
        number = wait_until(&vm->ended, &vm->lock, vm->deadline);
    pthread_mutex_unlock(&vm->lock);

    if (number == ETIMEDOUT) {
        struct error error;
        error_set(&error, ERROR_GUEST_LIMIT, "stopped by the time limit of %u s",
                  vm->time_limit);
        vm_end_with(vm, VM_END_SIGNAL, 0, &error);
    }
    pthread_mutex_lock(&vm->lock);
    while (atomic_load(&vm->paused))
        pthread_cond_wait(&vm->ended, &vm->lock);
    pthread_mutex_unlock(&vm->lock);
}

bool vm_run(struct vm *vm, struct vm_entry entry, unsigned time_limit_seconds,
            struct vm_outcome *outcome, struct error *error)
{
    return arch_vcpu_set_entry(&vm->vcpus[0], entry, error) &&
           vm_continue(vm, time_limit_seconds, outcome, error);
}

/* The boot vCPU last: the others are waiting in KVM when it calls them. */
static bool start_vcpus(struct vm *vm, struct error *error)
{
    for (unsigned i = vm->vcpu_count; i-- > 0;) {
        if (!vcpu_start(&vm->vcpus[i], error)) {
            stop_vcpus(vm);
            return false;
        }
    }
    return true;
}

void vm_wait(struct vm *vm, struct vm_outcome *outcome)
{
    wait_for_end(vm);
    stop_vcpus(vm);
    pthread_mutex_lock(&vm->lock);
    *outcome = vm->outcome;
    pthread_mutex_unlock(&vm->lock);
}

bool vm_continue(struct vm *vm, unsigned time_limit_seconds, struct vm_outcome *outcome,
                 struct error *error)
{
    vm->time_limit = time_limit_seconds;
    vm->deadline = time_limit_seconds > 0 ? now() + time_limit_seconds * NANOSECONDS : 0;
    if (!start_vcpus(vm, error))
        return false;
    /* All threads are there. */
    if (!sandbox_enter(vm->config.sandbox, SANDBOX_MAIN, error)) {
        stop_vcpus(vm);
        return false;
    }
    vm_wait(vm, outcome);
    return true;
}

/* --- pause --- */

/* All vCPUs wait; the lock is held. */
static bool wait_for_parked(struct vm *vm, uint64_t deadline, struct error *error)
{
    while (vm->parked < vm->vcpu_count)
        if (wait_until(&vm->parked_changed, &vm->lock, deadline) == ETIMEDOUT)
            return error_set(error, ERROR_HOST_SYSTEM,
                             "%u of %u vCPUs do not stop: is the console's output read?",
                             vm->vcpu_count - vm->parked, vm->vcpu_count);
    return true;
}

bool vm_start_paused(struct vm *vm, struct error *error)
{
    atomic_store(&vm->paused, true);
    if (!start_vcpus(vm, error))
        return false;
    pthread_mutex_lock(&vm->lock);
    while (vm->parked < vm->vcpu_count && vm->outcome.end != VM_END_HOST)
        pthread_cond_wait(&vm->parked_changed, &vm->lock);
    bool good = vm->outcome.end != VM_END_HOST;
    if (!good)
        *error = vm->outcome.error;
    pthread_mutex_unlock(&vm->lock);
    return good;
}

bool vm_pause(struct vm *vm, unsigned milliseconds, struct error *error)
{
    uint64_t deadline = now() + milliseconds * UINT64_C(1000000);
    pthread_mutex_lock(&vm->lock);
    bool good = vm->outcome.end == VM_END_NONE;
    if (good) {
        atomic_store(&vm->paused, true);
        for (unsigned i = 0; i < vm->vcpu_count; i++)
            vcpu_kick(&vm->vcpus[i]);
        good = wait_for_parked(vm, deadline, error);
        if (good && vm->outcome.end != VM_END_NONE) /* one of them just ended it */
            good = error_set(error, ERROR_GUEST_STATE, "the guest's run has ended");
    } else {
        error_set(error, ERROR_GUEST_STATE, "the guest's run has ended");
    }
    pthread_mutex_unlock(&vm->lock);
    if (!good)
        vm_resume(vm);
    return good;
}

void vm_resume(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    atomic_store(&vm->paused, false);
    pthread_cond_broadcast(&vm->ended);
    pthread_cond_broadcast(&vm->parked_changed);
    pthread_mutex_unlock(&vm->lock);
}

void vm_leave(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    vm->outcome = (struct vm_outcome){.end = VM_END_UPDATE};
    atomic_store(&vm->stopping, true);
    pthread_mutex_unlock(&vm->lock);
    vm_resume(vm);
}

bool vm_park(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    vm->parked++;
    pthread_cond_broadcast(&vm->parked_changed);
    while (atomic_load(&vm->paused))
        pthread_cond_wait(&vm->parked_changed, &vm->lock);
    vm->parked--;
    bool runs = !atomic_load(&vm->stopping);
    pthread_mutex_unlock(&vm->lock);
    return runs;
}

/* --- end --- */

void vm_end_with(struct vm *vm, enum vm_end end, uint32_t verdict,
                 const struct error *error)
{
    BUG_ON(end == VM_END_NONE);
    pthread_mutex_lock(&vm->lock);
    if (vm->outcome.end == VM_END_NONE) {
        vm->outcome.end = end;
        vm->outcome.verdict = verdict;
        if (error != NULL)
            vm->outcome.error = *error;
        /* The vCPU that caused it runs no further instruction. */
        atomic_store(&vm->stopping, true);
        pthread_cond_broadcast(&vm->ended);
        pthread_cond_broadcast(&vm->parked_changed);
    }
    pthread_mutex_unlock(&vm->lock);
}

void vm_undo_end(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    vm->outcome = (struct vm_outcome){0};
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        __atomic_store_n(&vm->vcpus[i].run->immediate_exit, 0, __ATOMIC_SEQ_CST);
    atomic_store(&vm->stopping, false);
    pthread_mutex_unlock(&vm->lock);
}

bool vm_honour_guest_pat(struct vm *vm, struct error *error)
{
    return arch_vm_honour_guest_pat(vm, error);
}

bool vm_guest_mtrr_is_wb(const struct vm *vm, struct gpa_range range)
{
    return arch_vm_guest_mtrr_is_wb(vm, range);
}

gpa_t vm_free_address(const struct vm *vm, uint64_t alignment)
{
    uint64_t end = LAYOUT_WINDOW_MIN;
    for (unsigned i = 0; i < vm->memory.region_count; i++) {
        struct gpa_range range = vm->memory.regions[i].range;
        if (range.start.value + range.size > end)
            end = range.start.value + range.size;
    }
    return gpa(align_up(end, alignment));
}
