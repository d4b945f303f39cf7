/* SPDX-License-Identifier: MIT */
/*
 * Guest RAM in KVM's guest_memfd: docs/guest-memory.md. Where this kernel has none that can be
 * mapped, each test is that s2vmm says so.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "firmware/boot.h"
#include "tests/unit/skip.h"
#include "tests/unit/suites.h"
#include "tests/unit/vm_machine.h"
#include "vmm/guest_memfd.h"
#include "vmm/layout.h"

#define CAPABILITY_FLAGS 244u /* KVM_CAP_GUEST_MEMFD_FLAGS */
#define SLOT             100u
#define SLOT_ADDRESS     (2 * GIB)

/* linux/kvm.h; the oldest headers that are supported have it not. */
struct region2 {
    uint32_t slot;
    uint32_t flags;
    uint64_t guest_phys_addr;
    uint64_t memory_size;
    uint64_t userspace_addr;
    uint64_t guest_memfd_offset;
    uint32_t guest_memfd;
    uint32_t pad1;
    uint64_t pad2[14];
};
#define SET_REGION2 _IOW(KVMIO, 0x49, struct region2)

static struct vm_config with_guest_memfd(void)
{
    struct vm_config config = small_machine;
    config.guest_memfd = true;
    return config;
}

static bool kernel_has_it(void)
{
    struct kvm kvm;
    struct error error;
    ck_assert_msg(kvm_open(&kvm, &error), "%s", error.text);
    bool has = (kvm_check(kvm.fd, CAPABILITY_FLAGS) & 3) == 3;
    kvm_close(&kvm);
    return has;
}

/* False: there is no KVM, or none of these files, and vm_init() has said so. */
static bool start(struct machine *machine, const char *test)
{
    if (access("/dev/kvm", R_OK | W_OK) != 0 || kernel_has_it())
        return machine_init(machine, test, with_guest_memfd());
    struct error error;
    struct trace trace;
    struct vm_config config = with_guest_memfd();
    trace_init(&trace, stderr, false);
    ck_assert(!vm_init(&machine->vm, &config, &trace, &error));
    trace_finish(&trace);
    ck_assert_int_eq(error.code, ERROR_CONFIG_HOST);
    ck_assert_ptr_nonnull(strstr(error.text, "KVM_CAP_GUEST_MEMFD_FLAGS"));
    ck_assert_ptr_nonnull(strstr(error.text, "Linux 6.18"));
    return false;
}

START_TEST(a_guest_runs_in_it)
{
    struct machine machine;
    if (!start(&machine, __func__))
        return;
    ck_assert(machine.vm.memory.is_guest_memfd);
    ck_assert_int_eq(fcntl(machine.vm.memory.fd, F_GETFD), FD_CLOEXEC);
    put_code(&machine, LAYOUT_IMAGE_START, verdict_code, verdict_code_end);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_msg(machine.outcome.end == VM_END_VERDICT, "%s",
                  machine.outcome.error.text);
    ck_assert_uint_eq(machine.outcome.verdict, 7);
    machine_finish(&machine);
}
END_TEST

START_TEST(ram_that_exists_does_not_become_one)
{
    struct trace trace;
    struct vm vm;
    struct error error;
    struct vm_config config = with_guest_memfd();
    if (access("/dev/kvm", R_OK | W_OK) != 0) {
        test_skip(__func__, "no /dev/kvm");
        return;
    }
    trace_init(&trace, stderr, false);
    config.memory_fd = STDERR_FILENO;
    ck_assert(!vm_init(&vm, &config, &trace, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    trace_finish(&trace);
}
END_TEST

/* --- what the kernel says --- */

static int result(long long value)
{
    return value >= 0 ? 0 : errno;
}

static int add_slot(int vm_fd, const struct guest_memory *memory, uint32_t flags,
                    uint64_t offset)
{
    struct region2 request = {
        .slot = SLOT,
        .flags = flags,
        .guest_phys_addr = SLOT_ADDRESS,
        .memory_size = 64 * KIB,
        .userspace_addr = (uintptr_t)memory->regions[0].host + offset,
        .guest_memfd_offset = offset,
        .guest_memfd = (uint32_t)memory->fd,
    };
    return result(kvm_ioctl(vm_fd, SET_REGION2, &request));
}

static int make_udmabuf(int fd)
{
    const struct udmabuf_create create = {
        .memfd = (uint32_t)fd, .flags = UDMABUF_FLAGS_CLOEXEC, .size = 64 * KIB};
    int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
    if (device < 0)
        return -1; /* no answer: this kernel has no udmabuf */
    int answer = result(ioctl(device, UDMABUF_CREATE, &create));
    close(device);
    return answer;
}

static int read_by_page_reference(void *address)
{
    char byte;
    struct iovec local = {&byte, 1};
    struct iovec remote = {address, 1};
    return result(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
}

/* memslots: bits 0 LOG_DIRTY_PAGES, 1 READONLY, 2 GUEST_MEMFD */
START_TEST(what_the_kernel_says)
{
    struct machine machine;
    struct machine other;
    if (!start(&machine, __func__))
        return;
    const struct guest_memory *memory = &machine.vm.memory;
    uint8_t *host = memory->regions[0].host;
    int fd = memory->fd;
    char byte;

    /* Its VM's, once for each byte, and no more than a slot can be without dirty pages. */
    int again = add_slot(machine.vm.fd, memory, 4, 0);
    ck_assert_msg(again == EEXIST || again == EINVAL /* 6.18 */, "%s", strerror(again));
    ck_assert_int_eq(add_slot(machine.vm.fd, memory, 4 | 1, 0), EINVAL);
    ck_assert_int_eq(add_slot(machine.vm.fd, memory, 4 | 2, 0), EINVAL);
    ck_assert(machine_init(&other, __func__, small_machine));
    ck_assert_int_eq(add_slot(other.vm.fd, memory, 4, 0), EINVAL);
    /* But its mapping is memory as any other, also for dirty logging. */
    ck_assert_int_eq(add_slot(other.vm.fd, memory, 0, 0), 0);
    machine_finish(&other);
    ck_assert(machine_init(&other, __func__, small_machine));
    ck_assert_int_eq(add_slot(other.vm.fd, memory, 1, 0), 0);
    machine_finish(&other);

    /* No memfd: no seals, no dma-buf. Its size is for ever, and it is only to be mapped. */
    ck_assert_int_eq(result(fcntl(fd, F_GET_SEALS)), EINVAL);
    int udmabuf = make_udmabuf(fd);
    ck_assert_msg(udmabuf == EBADFD || udmabuf == -1, "udmabuf: %s", strerror(udmabuf));
    ck_assert_int_eq(result(ftruncate(fd, 4096)), EINVAL);
    ck_assert_int_eq(result(pread(fd, &byte, 1, 0)), ESPIPE);
    ck_assert_ptr_eq(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0), MAP_FAILED);
    ck_assert_int_eq(errno, EINVAL);

    /* Page references, and giving memory back. */
    host[0] = 1;
    ck_assert_int_eq(read_by_page_reference(host), 0);
    ck_assert_int_eq(
        result(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096)), 0);
    ck_assert_uint_eq(host[0], 0);
    machine_finish(&machine);
}
END_TEST

/* No reference of the memslot's: without descriptor and mapping the guest's next access is EFAULT,
 * and nobody hears of it before. Where KVM reads the guest's page tables itself (shadow paging), it
 * finds none, and the guest crashes. */
START_TEST(a_file_that_is_closed_takes_ram_away)
{
    struct machine machine;
    if (!start(&machine, __func__))
        return;
    struct guest_memory *memory = &machine.vm.memory;
    struct error error;
    struct vm_entry entry;
    struct boot_image image = {.start = gpa(LAYOUT_IMAGE_START)};
    const struct boot_config config = {
        .cpu_count = 1,
        .command_line = "",
        .gic_version = machine.vm.gic_version,
        .has_its = machine.vm.has_its,
    };
    put_code(&machine, LAYOUT_IMAGE_START, verdict_code, verdict_code_end);
    ck_assert(boot_prepare(memory, &config, &image, &entry, &error));

    guest_memory_finish(memory);
    ck_assert_msg(vm_run(&machine.vm, entry, 10, &machine.outcome, &error), "%s",
                  error.text);
    const char *text = machine.outcome.error.text;
    ck_assert_msg(
        (machine.outcome.end == VM_END_HOST && strstr(text, "KVM_RUN: EFAULT") != NULL) ||
            machine.outcome.end == VM_END_CRASH,
        "%d: %s", machine.outcome.end, text);
    machine_finish(&machine);
}
END_TEST

/* A second VM over the mapping: what a new VMM could do with the descriptor. */
START_TEST(the_mapping_is_ram_for_another_vm)
{
    struct machine machine;
    struct machine other;
    if (!start(&machine, __func__))
        return;
    struct guest_region *region = &machine.vm.memory.regions[0];
    put_code(&machine, LAYOUT_IMAGE_START, verdict_code, verdict_code_end);
    ck_assert(machine_init(&other, __func__, small_machine));

    struct error error;
    uint32_t id;
    struct guest_region own = other.vm.memory.regions[0];
    struct memslot slot;
    ck_assert(memslot_find(&other.vm.memslots, own.range.start, &slot));
    ck_assert(memslot_remove(&other.vm.memslots, slot.id, &error));
    other.vm.memory.regions[0].host = region->host;
    ck_assert_msg(memslot_add(&other.vm.memslots, "ram", own.range.start, own.range.size,
                              region->host, &id, &error),
                  "%s", error.text);
    machine_run(&other, MACHINE_PATIENCE);
    ck_assert_msg(other.outcome.end == VM_END_VERDICT, "%s", other.outcome.error.text);
    ck_assert_uint_eq(other.outcome.verdict, 7);
    ck_assert(memslot_remove(&other.vm.memslots, id, &error));
    other.vm.memory.regions[0].host = own.host;
    machine_finish(&other);
    machine_finish(&machine);
}
END_TEST

Suite *guest_memfd_suite(void)
{
    Suite *suite = suite_create("guest_memfd");
    TCase *test_case = tcase_create("guest_memfd");
    tcase_set_timeout(test_case, 60);
    tcase_add_test(test_case, a_guest_runs_in_it);
    tcase_add_test(test_case, ram_that_exists_does_not_become_one);
    tcase_add_test(test_case, what_the_kernel_says);
    tcase_add_test(test_case, a_file_that_is_closed_takes_ram_away);
    tcase_add_test(test_case, the_mapping_is_ram_for_another_vm);
    suite_add_tcase(suite, test_case);
    return suite;
}
