/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>
#include <sys/mman.h>

#include "devices/gpu/hostmem.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/suites.h"
#include "vmm/placement.h"

#define PAGE     4096u
#define BASE     (64 * GIB)
#define WINDOW   (uint64_t)(8 * PAGE)
#define SLOT_MAX 5

static unsigned slot_count;
static uint64_t last_address;
static bool fails;
static struct memslot_table memslots;
static struct hostmem hostmem;
static _Alignas(PAGE) uint8_t memory[8 * PAGE];
static uint8_t *slot_host;      /* of the last slot that was made */
static uint8_t slot_first_byte; /* what was behind it then */

static bool set_slot(void *context, uint32_t id, gpa_t address, uint64_t size, void *host,
                     struct error *error)
{
    (void)context;
    (void)id;
    if (size) {
        slot_host = host;
        slot_first_byte = slot_host[0];
    }
    if (fails)
        return error_set(error, ERROR_HOST_KVM, "KVM says no");
    last_address = address.value;
    slot_count += size ? 1u : -1u;
    return true;
}

static void set_up(void)
{
    memslot_table_init(&memslots, set_slot, NULL, SLOT_MAX);
    hostmem = (struct hostmem){.memslots = &memslots, .window = {gpa(BASE), WINDOW}};
}

static bool map(uint32_t id, uint64_t offset, uint64_t size,
                struct hostmem_mapping *mapping, struct error *error)
{
    struct backing backing = {.host = memory, .size = size};
    *mapping = (struct hostmem_mapping){0};
    bool mapped = hostmem_map(&hostmem, &backing, (struct hostmem_placement){0}, id,
                              offset, mapping, error);
    ck_assert_ptr_eq(backing.host, memory);
    ck_assert(!mapped || slot_host == memory);
    return mapped;
}

// clang-format off
static const struct {
    uint64_t offset, size;
    enum error_code code; /* ERROR_NONE: it is mapped */
    const char *text;
} places[] = {
    {0,                PAGE,     ERROR_NONE, NULL},
    {0,                WINDOW,   ERROR_NONE, NULL},
    {WINDOW - PAGE,    PAGE,     ERROR_NONE, NULL},
    {PAGE,             2 * PAGE, ERROR_NONE, NULL},
    {1,                PAGE,     ERROR_GUEST_PARAMETER, "0x1 is not a multiple of the host's page size 0x1000"},
    {PAGE / 2,         PAGE,     ERROR_GUEST_PARAMETER, "is not a multiple"},
    {WINDOW,           PAGE,     ERROR_GUEST_PARAMETER, "--window makes it larger"},
    {WINDOW - PAGE,    2 * PAGE, ERROR_GUEST_PARAMETER, "beyond the window of 32768 bytes"},
    {PAGE,             WINDOW,   ERROR_GUEST_PARAMETER, "beyond the window"},
    {(uint64_t)1 << 46, PAGE,    ERROR_GUEST_PARAMETER, "beyond the window"},
    /* offset + size is 0, or just above. */
    {UINT64_MAX - PAGE + 1, PAGE,     ERROR_GUEST_PARAMETER, "beyond the window"},
    {UINT64_MAX - PAGE + 1, 2 * PAGE, ERROR_GUEST_PARAMETER, "beyond the window"},
    /* The address, not the offset, wraps around. */
    {0 - BASE,         PAGE,     ERROR_GUEST_PARAMETER, "beyond the window"},
};
// clang-format on

START_TEST(a_blob_lies_inside_of_the_window)
{
    struct error error;
    struct hostmem_mapping mapping;
    bool mapped = map(7, places[_i].offset, places[_i].size, &mapping, &error);
    ck_assert_int_eq(mapped, places[_i].code == ERROR_NONE);
    ck_assert_int_eq(mapping.mapped, mapped);
    ck_assert_uint_eq(slot_count, mapped);
    if (mapped) {
        ck_assert_uint_eq(mapping.address.value, BASE + places[_i].offset);
        ck_assert_uint_eq(last_address, BASE + places[_i].offset);
        ck_assert(hostmem_unmap(&hostmem, &mapping, &error));
        ck_assert(!mapping.mapped);
        ck_assert_uint_eq(slot_count, 0);
    } else {
        ck_assert_int_eq(error.code, places[_i].code);
        ck_assert_msg(strstr(error.text, places[_i].text) != NULL, "%s", error.text);
    }
}
END_TEST

START_TEST(an_overlap_is_the_guests_mistake_and_names_both)
{
    struct error error;
    struct hostmem_mapping first;
    struct hostmem_mapping second;
    ck_assert(map(3, 2 * PAGE, 2 * PAGE, &first, &error));
    for (uint64_t offset = PAGE; offset <= 3 * PAGE; offset += PAGE) {
        ck_assert(!map(7, offset, 2 * PAGE, &second, &error));
        ck_assert_int_eq(error.code, ERROR_GUEST_PARAMETER);
        ck_assert_ptr_nonnull(strstr(error.text, "\"blob 3\""));
        ck_assert_ptr_nonnull(strstr(error.text, "\"blob 7\""));
        ck_assert(!second.mapped);
    }
    ck_assert(map(7, 0, 2 * PAGE, &second, &error));
    ck_assert(map(8, 4 * PAGE, 2 * PAGE, &second, &error));
    ck_assert_uint_eq(slot_count, 3);
}
END_TEST

START_TEST(kvm_has_only_so_many_slots)
{
    struct error error;
    struct hostmem_mapping mapping;
    for (uint32_t i = 0; i < SLOT_MAX; i++)
        ck_assert(map(i + 1, i * PAGE, PAGE, &mapping, &error));
    struct hostmem_mapping last = mapping;
    ck_assert(!map(100, 6 * PAGE, PAGE, &mapping, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_LIMIT);
    ck_assert(hostmem_unmap(&hostmem, &last, &error));
    ck_assert(map(100, 6 * PAGE, PAGE, &mapping, &error));
}
END_TEST

START_TEST(when_kvm_fails_nothing_changes)
{
    struct error error;
    struct hostmem_mapping mapping;
    fails = true;
    ck_assert(!map(1, 0, PAGE, &mapping, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_KVM);
    ck_assert(!mapping.mapped);
    fails = false;
    ck_assert(map(1, 0, PAGE, &mapping, &error));
    fails = true;
    ck_assert(!hostmem_unmap(&hostmem, &mapping, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_KVM);
    ck_assert(mapping.mapped);
    fails = false;
    ck_assert(hostmem_unmap(&hostmem, &mapping, &error));
    ck_assert_uint_eq(slot_count, 0);
}
END_TEST

/* --- placements --- */

/* Whether any of these two pages is mapped. */
static bool is_mapped(uint8_t *host)
{
    return msync(host, PAGE, MS_ASYNC) == 0 || msync(host + PAGE, PAGE, MS_ASYNC) == 0;
}

/* A buffer with a 7 in its first byte. */
static struct backing make_backing(void)
{
    int fd = fake_kernel_dma_buf(2 * PAGE);
    struct backing backing = {.kind = BACKING_DMABUF, .fd = fd, .size = 2 * PAGE};
    backing.host = mmap(NULL, backing.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    backing.host[0] = 7;
    return backing;
}

static const struct hostmem_placement placements[] = {
    {.late = true},
    {.avoid_blocks = true},
    {.late = true, .avoid_blocks = true},
};

START_TEST(a_backing_is_moved)
{
    struct error error;
    struct hostmem_mapping mapping = {0};
    const struct renderer none = {0};
    struct backing backing = make_backing();
    uint8_t *before = backing.host;
    ck_assert(hostmem_map(&hostmem, &backing, placements[_i], 3, PAGE, &mapping, &error));
    ck_assert_ptr_ne(backing.host, before);
    ck_assert_uint_eq(backing.host[0], 7);
    ck_assert_ptr_eq(slot_host, backing.host);
    ck_assert(!is_mapped(before));
    /* Late: the slot was made when the buffer was not there yet. */
    ck_assert_uint_eq(slot_first_byte, placements[_i].late ? 0 : 7);
    if (placements[_i].avoid_blocks)
        ck_assert_uint_ne(((uintptr_t)backing.host - mapping.address.value) %
                              placement_block_size(),
                          0);
    ck_assert_uint_eq(fake_kernel_mappings("memfd:dma-buf"), 1);
    ck_assert(hostmem_unmap(&hostmem, &mapping, &error));
    backing_close(&backing, &none, 3);
    ck_assert_uint_eq(fake_kernel_mappings("memfd:dma-buf"), 0);
    ck_assert(!is_mapped(slot_host));
}
END_TEST

START_TEST(a_placement_that_fails_leaves_nothing)
{
    struct error error;
    struct hostmem_mapping mapping = {0};
    const struct renderer none = {0};
    struct backing backing = make_backing();
    fails = true;
    ck_assert(!hostmem_map(&hostmem, &backing, placements[_i], 3, 0, &mapping, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_KVM);
    ck_assert(!mapping.mapped);
    ck_assert_uint_eq(slot_count, 0);
    ck_assert_uint_eq(backing.host[0], 7);
    backing_close(&backing, &none, 3);
    ck_assert_uint_eq(fake_kernel_mappings("memfd:dma-buf"), 0);
    ck_assert(!is_mapped(slot_host));
}
END_TEST

/* The mapping is not there: mremap() fails, and the slot over the reservation has to go. */
START_TEST(a_buffer_that_cannot_be_moved)
{
    struct error error;
    struct hostmem_mapping mapping = {0};
    struct backing backing = {
        .kind = BACKING_DMABUF, .host = (uint8_t *)PAGE, .size = PAGE};
    ck_assert(!hostmem_map(&hostmem, &backing, (struct hostmem_placement){.late = true},
                           3, 0, &mapping, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_MEMORY);
    ck_assert_uint_eq(slot_count, 0);
    ck_assert(!mapping.mapped);
}
END_TEST

START_TEST(the_renderers_own_mapping_stays_where_it_is)
{
    struct error error;
    struct hostmem_mapping mapping = {0};
    struct backing backing = {.kind = BACKING_POINTER, .host = memory, .size = PAGE};
    ck_assert(!hostmem_map(&hostmem, &backing, placements[_i], 3, 0, &mapping, &error));
    ck_assert_int_eq(error.code, ERROR_REFUSED);
    ck_assert_ptr_nonnull(strstr(error.text, "the renderer owns it"));
    ck_assert_uint_eq(slot_count, 0);
}
END_TEST

Suite *hostmem_suite(void)
{
    Suite *suite = suite_create("hostmem");
    TCase *test_case = tcase_create("hostmem");
    tcase_add_checked_fixture(test_case, set_up, NULL);
    tcase_add_loop_test(test_case, a_blob_lies_inside_of_the_window, 0,
                        (int)ARRAY_SIZE(places));
    tcase_add_test(test_case, an_overlap_is_the_guests_mistake_and_names_both);
    tcase_add_test(test_case, kvm_has_only_so_many_slots);
    tcase_add_test(test_case, when_kvm_fails_nothing_changes);
    const int count = (int)ARRAY_SIZE(placements);
    tcase_add_loop_test(test_case, a_backing_is_moved, 0, count);
    tcase_add_loop_test(test_case, a_placement_that_fails_leaves_nothing, 0, count);
    tcase_add_test(test_case, a_buffer_that_cannot_be_moved);
    tcase_add_loop_test(test_case, the_renderers_own_mapping_stays_where_it_is, 0, count);
    suite_add_tcase(suite, test_case);
    return suite;
}
