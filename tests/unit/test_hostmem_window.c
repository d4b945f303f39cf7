/* SPDX-License-Identifier: MIT */
/* The strategy "window": its address space, its holes, and what goes wrong. */
#include <check.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "devices/gpu/hostmem.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/suites.h"
#include "vmm/placement.h"

#define PAGE   (4 * KIB)
#define BASE   (64 * GIB)
#define WINDOW (16 * MIB)
#define SINK   (2 * MIB)

static struct memslot_table memslots;
static struct hostmem hostmem;
static struct hostmem_mapping mapping;
static struct backing backing;
static bool removal_fails;

static uint8_t *at(uint64_t offset)
{
    return hostmem.area.base + offset;
}

/* As KVM would: without the fault of a load. */
static bool can_access(uint64_t offset)
{
    uint8_t byte;
    const struct iovec local = {.iov_base = &byte, .iov_len = 1};
    const struct iovec remote = {.iov_base = at(offset), .iov_len = 1};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
}

static bool set_slot(void *context, uint32_t id, gpa_t address, uint64_t size, void *host,
                     struct error *error)
{
    (void)context;
    (void)id;
    (void)address;
    ck_assert_ptr_eq(host, at(0));
    /* KVM refuses some buffers behind a new slot (vmm/placement.h). */
    for (uint64_t offset = 0; offset < size && size <= WINDOW; offset += PAGE)
        ck_assert(!can_access(offset));
    return size > 0 || !removal_fails || error_set(error, ERROR_HOST_KVM, "KVM says no");
}

static void set_up(void)
{
    memslot_table_init(&memslots, set_slot, NULL, 10);
    hostmem = (struct hostmem){
        .memslots = &memslots, .strategy = HOSTMEM_WINDOW, .window = {gpa(BASE), WINDOW}};
}

/* The whole reservation is there: nobody else's mapping can get into it. */
static void check_no_gap(void)
{
    const struct hostmem_area *area = &hostmem.area;
    ck_assert_int_eq(msync(area->reserved, area->reserved_size, MS_ASYNC), 0);
}

static void tear_down(void)
{
    check_no_gap();
    hostmem_finish(&hostmem);
    ck_assert_ptr_null(hostmem.area.reserved);
    ck_assert_uint_eq(memslots.count, 0);
    ck_assert_uint_eq(fake_kernel_mappings("s2vmm-holes"), 0);
    hostmem_finish(&hostmem);
}

static void map(uint64_t offset, uint64_t size)
{
    struct error error;
    ck_assert(backing_get_fd(&backing, RENDERER_FD_DMABUF, fake_kernel_dma_buf(size),
                             size, &error));
    ck_assert_msg(hostmem_map(&hostmem, &backing, (struct hostmem_placement){0}, 1,
                              offset, &mapping, &error),
                  "%s", error.text);
    ck_assert_ptr_eq(backing.host, at(offset));
}

static void unmap(void)
{
    struct error error;
    ck_assert(hostmem_unmap(&hostmem, &mapping, &error));
    ck_assert_ptr_null(backing.host);
    backing_close(&backing, NULL, 1);
    ck_assert_uint_eq(fake_kernel_mappings("memfd:dma-buf"), 0);
    check_no_gap();
}

START_TEST(one_slot_from_the_first_blob_on)
{
    ck_assert_uint_eq(memslots.count, 0);
    for (unsigned i = 0; i < 3; i++) {
        map(i * MIB, PAGE);
        ck_assert_uint_eq(memslots.count, 1);
        ck_assert_uint_eq(memslots.slots[0].range.start.value, BASE);
        ck_assert_uint_eq(memslots.slots[0].range.size, WINDOW);
        ck_assert_ptr_eq(memslots.slots[0].host, hostmem.area.base);
        unmap();
    }
}
END_TEST

START_TEST(host_and_guest_agree_modulo_a_block)
{
    hostmem.avoid_blocks = _i & 1;
    hostmem.window.start = gpa(BASE + (_i & 2 ? 5 * PAGE : 0));
    map(0, PAGE);
    ck_assert_uint_eq(((uintptr_t)hostmem.area.base - hostmem.window.start.value) %
                          placement_block_size(),
                      hostmem.avoid_blocks ? PAGE : 0);
    at(0)[0] = 1;
    unmap();
}
END_TEST

START_TEST(holes_are_bare_until_the_guest_is_in_one)
{
    struct error error;
    ck_assert(!hostmem_holes_are_bare(&hostmem));
    map(MIB, 2 * PAGE);
    at(MIB)[0] = 7;
    ck_assert(hostmem_holes_are_bare(&hostmem));
    ck_assert(can_access(MIB));
    ck_assert(!can_access(MIB - 1));
    ck_assert(!can_access(MIB + 2 * PAGE));
    ck_assert(hostmem_fill_holes(&hostmem, &error));
    ck_assert(!hostmem_holes_are_bare(&hostmem));
    for (uint64_t offset = 0; offset < WINDOW; offset += PAGE) {
        bool is_blob = offset == MIB || offset == MIB + PAGE;
        ck_assert_uint_eq(at(offset)[0], offset == MIB ? 7 : is_blob ? 0 : UINT8_MAX);
    }
    unmap();
    ck_assert_uint_eq(at(MIB)[0], UINT8_MAX); /* nothing of the blob */
    ck_assert_uint_eq(at(MIB + PAGE)[0], UINT8_MAX);
}
END_TEST

/* However much of it the guest writes. */
START_TEST(holes_take_so_much_memory_and_no_more)
{
    struct error error;
    struct stat before;
    struct stat after;
    map(3 * MIB, PAGE);
    ck_assert(hostmem_fill_holes(&hostmem, &error));
    ck_assert_int_eq(fstat(hostmem.area.sink_fd, &before), 0);
    ck_assert_int_eq(before.st_blocks, SINK / 512);
    unmap();
    map(5 * MIB, 2 * MIB);
    unmap();
    memset(at(0), 0x5a, WINDOW);
    ck_assert_int_eq(fstat(hostmem.area.sink_fd, &after), 0);
    ck_assert_int_eq(after.st_blocks, before.st_blocks);
    ck_assert_int_eq(after.st_size, SINK);
    ck_assert_uint_eq(fake_kernel_mappings("s2vmm-holes"), WINDOW / SINK);
    /* A hole is the same scratch memory as the one before. */
    at(PAGE)[0] = 1;
    ck_assert_uint_eq(at(PAGE + SINK)[0], 1);
}
END_TEST

START_TEST(a_large_window_has_a_large_sink)
{
    struct error error;
    hostmem.window.size = 64 * GIB;
    map(40 * GIB, PAGE);
    ck_assert(hostmem_fill_holes(&hostmem, &error));
    ck_assert_uint_eq(hostmem.area.sink_size, 16 * MIB);
    ck_assert_uint_eq(at(64 * GIB - 1)[0], UINT8_MAX);
    ck_assert_uint_eq(at(40 * GIB)[0], 0);
    unmap();
}
END_TEST

START_TEST(filled_holes_move_with_the_window)
{
    struct error error;
    const struct gpa_range other = {gpa(2 * BASE), WINDOW};
    map(MIB, PAGE);
    ck_assert(hostmem_fill_holes(&hostmem, &error));
    at(MIB)[0] = 7;
    ck_assert(hostmem_hide(&hostmem, &mapping, &error));
    ck_assert(hostmem_move(&hostmem, &other, &error));
    ck_assert(!hostmem_holes_are_bare(&hostmem));
    ck_assert(hostmem_show(&hostmem, 1, &mapping, &error));
    ck_assert_uint_eq(at(MIB)[0], 7);
    ck_assert_uint_eq(at(0)[0], UINT8_MAX);
    unmap();
}
END_TEST

/* Then its backing must not unmap the place: that would be a gap. */
START_TEST(a_blob_that_cannot_follow_leaves_its_place)
{
    struct error error;
    const struct gpa_range other = {gpa(2 * BASE), WINDOW};
    map(MIB, PAGE);
    ck_assert(hostmem_hide(&hostmem, &mapping, &error));
    ck_assert(hostmem_move(&hostmem, &other, &error));
    memslots.limit = 0;
    ck_assert(!hostmem_show(&hostmem, 1, &mapping, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_LIMIT);
    ck_assert_ptr_null(backing.host);
    backing_close(&backing, NULL, 1);
    check_no_gap();
}
END_TEST

START_TEST(a_window_that_kvm_keeps_does_not_move)
{
    struct error error;
    const struct gpa_range other = {gpa(2 * BASE), WINDOW};
    map(MIB, PAGE);
    removal_fails = true;
    ck_assert(hostmem_hide(&hostmem, &mapping, &error));
    ck_assert(!hostmem_move(&hostmem, &other, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_KVM);
    ck_assert_uint_eq(hostmem.window.start.value, BASE);
    ck_assert(hostmem_show(&hostmem, 1, &mapping, &error));
    unmap();
    removal_fails = false;
}
END_TEST

/* The copy of a buffer that needs SYNC (shadow.h): the VMM goes on with its own mapping. */
START_TEST(a_mapping_that_is_there_stays)
{
    struct error error;
    ck_assert(backing_open_fd(&backing, RENDERER_FD_DMABUF, fake_kernel_dma_buf(PAGE),
                              PAGE, &error));
    uint8_t *host = backing.host;
    ck_assert(hostmem_map(&hostmem, &backing, (struct hostmem_placement){0}, 1, 0,
                          &mapping, &error));
    ck_assert_ptr_eq(backing.host, host);
    at(0)[5] = 7;
    ck_assert_uint_eq(host[5], 7);
    ck_assert(hostmem_unmap(&hostmem, &mapping, &error));
    ck_assert(!can_access(0));
    ck_assert_uint_eq(host[5], 7);
    backing_close(&backing, NULL, 1);
}
END_TEST

START_TEST(the_renderers_own_mapping_is_refused)
{
    struct error error;
    static _Alignas(PAGE) uint8_t memory[PAGE];
    backing = (struct backing){.kind = BACKING_POINTER, .host = memory, .size = PAGE};
    ck_assert(!hostmem_map(&hostmem, &backing, (struct hostmem_placement){0}, 1, 0,
                           &mapping, &error));
    ck_assert_int_eq(error.code, ERROR_REFUSED);
    ck_assert_ptr_nonnull(strstr(error.text, "--map-strategy=slot"));
    ck_assert_ptr_eq(backing.host, memory);
    ck_assert_ptr_null(hostmem.area.blobs);
}
END_TEST

/* mmap() has unmapped the hole when the file's driver refuses: that of a socket always does. */
START_TEST(a_file_that_refuses_leaves_no_gap)
{
    struct error error;
    backing = (struct backing){.kind = BACKING_SHM, .size = PAGE};
    backing.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(backing.fd, 0);
    for (unsigned filled = 0; filled < 2; filled++) {
        ck_assert(!hostmem_map(&hostmem, &backing, (struct hostmem_placement){0}, 1, PAGE,
                               &mapping, &error));
        ck_assert_int_eq(error.code, ERROR_HOST_BUFFER);
        ck_assert_ptr_null(hostmem.area.blobs);
        check_no_gap();
        ck_assert(can_access(PAGE) == filled);
        if (!filled)
            ck_assert(hostmem_fill_holes(&hostmem, &error));
    }
    backing_close(&backing, NULL, 1);
}
END_TEST

Suite *hostmem_window_suite(void)
{
    Suite *suite = suite_create("hostmem_window");
    TCase *test_case = tcase_create("hostmem_window");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, one_slot_from_the_first_blob_on);
    tcase_add_loop_test(test_case, host_and_guest_agree_modulo_a_block, 0, 4);
    tcase_add_test(test_case, holes_are_bare_until_the_guest_is_in_one);
    tcase_add_test(test_case, holes_take_so_much_memory_and_no_more);
    tcase_add_test(test_case, a_large_window_has_a_large_sink);
    tcase_add_test(test_case, filled_holes_move_with_the_window);
    tcase_add_test(test_case, a_blob_that_cannot_follow_leaves_its_place);
    tcase_add_test(test_case, a_window_that_kvm_keeps_does_not_move);
    tcase_add_test(test_case, a_mapping_that_is_there_stays);
    tcase_add_test(test_case, the_renderers_own_mapping_is_refused);
    tcase_add_test(test_case, a_file_that_refuses_leaves_no_gap);
    suite_add_tcase(suite, test_case);
    return suite;
}
