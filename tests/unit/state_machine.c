/* SPDX-License-Identifier: MIT */
#include "tests/unit/state_machine.h"

#include <check.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "firmware/boot.h"
#include "tests/unit/skip.h"
#include "vmm/arch/arch.h"
#include "vmm/layout.h"
#include "vmm/vcpu.h"

#define PATIENCE_SECONDS 60

/* The PVM flavour of KVM emulates instructions, no SIMD among them, and delivers no interrupts. */
static uint64_t host_has(void)
{
    return access("/sys/module/kvm_pvm", F_OK) == 0 ? 0 : UINT64_MAX;
}

bool state_machine_init(struct machine *machine, const char *test,
                        struct vm_config config, const uint8_t *code, const uint8_t *end,
                        uint64_t wanted)
{
    if ((wanted & ~host_has()) != 0) {
        test_skip(test, "the PVM flavour of KVM delivers no interrupts");
        return false;
    }
    if (!machine_init(machine, test, config))
        return false;
    put_code(machine, LAYOUT_IMAGE_START, code, end);
    if (state_vector_address != 0)
        put_code(machine, state_vector_address, state_vector_code, state_vector_code_end);
    uint64_t features = wanted | (host_has() & STATE_USES_SIMD);
    if (machine->vm.gic_version == 2)
        features |= STATE_USES_GIC_V2;
    state_machine_words(machine)->features = features;
    return true;
}

volatile struct state_words *state_machine_words(const struct machine *machine)
{
    struct error error;
    void *words;
    ck_assert(guest_memory_view(&machine->vm.memory, gpa(state_words_address),
                                sizeof(struct state_words), &words, &error));
    return words;
}

void state_machine_set_entry(struct machine *machine)
{
    struct error error;
    struct vm_entry entry;
    const struct boot_config config = {
        .cpu_count = machine->vm.config.cpu_count,
        .command_line = "",
        .gic_version = machine->vm.gic_version,
        .has_its = machine->vm.has_its,
    };
    const struct boot_image image = {.start = gpa(LAYOUT_IMAGE_START)};
    ck_assert_msg(boot_prepare(&machine->vm.memory, &config, &image, &entry, &error) &&
                      arch_vcpu_set_entry(&machine->vm.vcpus[0], entry, &error),
                  "%s", error.text);
}

void state_machine_go_on(struct machine *machine)
{
    struct error error;
    for (unsigned i = machine->vm.vcpu_count; i-- > 0;)
        ck_assert_msg(vcpu_start(&machine->vm.vcpus[i], &error), "%s", error.text);
}

static struct vm_outcome outcome(struct machine *machine)
{
    pthread_mutex_lock(&machine->vm.lock);
    struct vm_outcome copy = machine->vm.outcome;
    pthread_mutex_unlock(&machine->vm.lock);
    return copy;
}

static void nap(void)
{
    const struct timespec delay = {.tv_nsec = 100000};
    nanosleep(&delay, NULL);
}

static time_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}

void state_machine_wait(struct machine *machine, uint64_t counts, uint64_t ticks)
{
    const volatile struct state_words *words = state_machine_words(machine);
    const uint64_t first_count = words->count;
    const uint64_t first_tick = words->ticks;
    const time_t begin = now();
    while (words->count - first_count < counts || words->ticks - first_tick < ticks) {
        struct vm_outcome end = outcome(machine);
        ck_assert_msg(
            end.end == VM_END_NONE, "the guest ended in turn %llu: %d, verdict %u, %s",
            (unsigned long long)words->count, end.end, end.verdict, end.error.text);
        ck_assert_msg(now() - begin < PATIENCE_SECONDS,
                      "lost: %llu more turns, %llu more interrupts",
                      (unsigned long long)(words->count - first_count),
                      (unsigned long long)(words->ticks - first_tick));
        nap();
    }
}

void state_machine_wait_verdict(struct machine *machine, uint32_t verdict)
{
    const time_t begin = now();
    while (outcome(machine).end == VM_END_NONE) {
        ck_assert_msg(now() - begin < PATIENCE_SECONDS, "no verdict");
        nap();
    }
    struct vm_outcome end = outcome(machine);
    ck_assert_msg(end.end == VM_END_VERDICT && end.verdict == verdict,
                  "the guest ended: %d, verdict %u, %s", end.end, end.verdict,
                  end.error.text);
}

void state_machine_end(struct machine *machine)
{
    state_machine_words(machine)->stop = 1;
    state_machine_wait_verdict(machine, STATE_GOOD);
    machine_finish(machine);
}

void state_machine_save(struct machine *machine, struct state_writer *writer)
{
    struct vm *vm = &machine->vm;
    struct error error;
    vm_end_with(vm, VM_END_SIGNAL, 0, NULL);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_kick(&vm->vcpus[i]);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_join(&vm->vcpus[i]);
    state_writer_init(writer);
    ck_assert_msg(vm_state_save(vm, writer, &error) && state_complete(writer, &error),
                  "%s", error.text);
}

void state_machine_init_over(struct machine *machine, struct vm_config config, int memory)
{
    config.memory_fd = memory;
    ck_assert(machine_init(machine, "vm_state", config));
}

void state_machine_load(struct machine *machine, const void *state, size_t size)
{
    struct state_reader reader;
    struct error error;
    ck_assert_msg(state_reader_init(&reader, state, size, &error) &&
                      vm_state_load(&machine->vm, &reader, &error) &&
                      state_reader_check(&reader, &error),
                  "%s", error.text);
    state_reader_finish(&reader);
}

void state_machine_replace(struct machine *machine)
{
    struct state_writer writer;
    struct vm_config config = machine->vm.config;
    state_machine_save(machine, &writer);
    int memory = fcntl(machine->vm.memory.fd, F_DUPFD_CLOEXEC, 0);
    ck_assert_int_ge(memory, 0);
    machine_finish(machine);
    state_machine_init_over(machine, config, memory);
    close(memory);
    state_machine_load(machine, writer.bytes, writer.size);
    state_writer_finish(&writer);
}

static void stop_at_any_moment(long round)
{
    const struct timespec delay = {.tv_nsec = round * 7919 % 50 * 50000};
    nanosleep(&delay, NULL);
}

void state_machine_replace_again_and_again(const char *test, uint64_t uses)
{
    struct machine machine;
    if (!state_machine_init(&machine, test, small_machine, keeps_count_code,
                            keeps_count_code_end, uses))
        return;
    const uint64_t ticks = uses & STATE_USES_TIMER ? 2 : 0;
    state_machine_set_entry(&machine);
    state_machine_go_on(&machine);
    for (long round = 0; round < STATE_ROUNDS; round++) {
        state_machine_wait(&machine, 300, ticks);
        stop_at_any_moment(round);
        state_machine_replace(&machine);
        state_machine_go_on(&machine);
    }
    state_machine_wait(&machine, 300, ticks);
    state_machine_end(&machine);
}
