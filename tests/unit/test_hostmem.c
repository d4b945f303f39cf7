/* SPDX-License-Identifier: MIT */
/* The window, with both strategies; then what only the slots do: test_hostmem_window.c has the
 * other's. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "devices/gpu/hostmem.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/suites.h"
#include "vmm/placement.h"

#define PAGE      (4 * KIB)
#define BASE      (64 * GIB)
#define WINDOW    (8 * PAGE)
#define SLOT_MAX  5
#define BLOBS_MAX 128

static unsigned slot_count;
static bool fails;
static struct memslot_table memslots;
static struct hostmem hostmem;
static struct backing backings[BLOBS_MAX]; /* by resource id */
static _Alignas(PAGE) uint8_t memory[2 * PAGE];
static uint8_t *slot_host;      /* of the last slot that was made */
static uint8_t slot_first_byte; /* what was behind it then */

static bool set_slot(void *context, uint32_t id, gpa_t address, uint64_t size, void *host,
                     struct error *error)
{
    (void)context;
    (void)id;
    (void)address;
    if (size) {
        slot_host = host;
        if (hostmem.strategy == HOSTMEM_SLOT)
            slot_first_byte = slot_host[0];
    }
    if (fails)
        return error_set(error, ERROR_HOST_KVM, "KVM says no");
    slot_count += size ? 1u : -1u;
    return true;
}

static void set_up(enum hostmem_strategy strategy)
{
    memslot_table_init(&memslots, set_slot, NULL, SLOT_MAX);
    hostmem = (struct hostmem){
        .memslots = &memslots, .strategy = strategy, .window = {gpa(BASE), WINDOW}};
}

static void set_up_slot(void)
{
    set_up(HOSTMEM_SLOT);
}

static void set_up_window(void)
{
    set_up(HOSTMEM_WINDOW);
}

/* The slots that are there without a blob. */
static void check_no_blob(void)
{
    ck_assert_uint_eq(slot_count, hostmem.area.has_slot);
    ck_assert_ptr_null(hostmem.area.blobs);
    ck_assert_uint_eq(fake_kernel_mappings("memfd:dma-buf"), 0);
}

static bool map(uint32_t id, uint64_t offset, uint64_t size,
                struct hostmem_mapping *mapping, struct error *error)
{
    ck_assert(backing_get_fd(&backings[id], RENDERER_FD_DMABUF,
                             fake_kernel_dma_buf(size > GIB ? PAGE : size), size, error));
    *mapping = (struct hostmem_mapping){0};
    return hostmem_map(&hostmem, &backings[id], (struct hostmem_placement){0}, id, offset,
                       mapping, error);
}

static void unmap(uint32_t id, struct hostmem_mapping *mapping)
{
    struct error error;
    ck_assert_msg(hostmem_unmap(&hostmem, mapping, &error), "%s", error.text);
    ck_assert(!mapping->mapped);
    backing_close(&backings[id], NULL, id);
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
    if (mapped) {
        ck_assert_uint_eq(slot_count, 1);
        ck_assert_uint_eq(mapping.address.value, BASE + places[_i].offset);
        backings[7].host[places[_i].size - 1] = 1; /* all of it is there */
        unmap(7, &mapping);
    } else {
        ck_assert_int_eq(error.code, places[_i].code);
        ck_assert_msg(strstr(error.text, places[_i].text) != NULL, "%s", error.text);
    }
    check_no_blob();
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
        backing_close(&backings[7], NULL, 7);
    }
    backings[3].host[0] = 3; /* is still there */
    ck_assert(map(7, 0, 2 * PAGE, &second, &error));
    ck_assert(map(8, 4 * PAGE, 2 * PAGE, &second, &error));
    ck_assert_uint_eq(backings[3].host[0], 3);
    ck_assert_uint_eq(backings[8].host[0], 0);
}
END_TEST

/* Random blobs against a model that is a list. */
START_TEST(random_blobs_agree_with_a_simple_model)
{
    struct error error;
    struct hostmem_mapping mappings[BLOBS_MAX] = {0};
    unsigned seed = (unsigned)_i;
    memslots.limit = BLOBS_MAX;
    hostmem.window.size = 200 * PAGE;
    for (unsigned step = 0; step < 600; step++) {
        uint32_t id = (uint32_t)rand_r(&seed) % BLOBS_MAX;
        if (mappings[id].mapped) {
            ck_assert_uint_eq(backings[id].host[0], id);
            unmap(id, &mappings[id]);
            continue;
        }
        uint64_t offset = (uint64_t)rand_r(&seed) % 200 * PAGE;
        uint64_t size = (1 + (uint64_t)rand_r(&seed) % 4) * PAGE;
        bool is_free = offset + size <= hostmem.window.size;
        for (uint32_t i = 0; i < BLOBS_MAX; i++)
            is_free = is_free && (!mappings[i].mapped ||
                                  mappings[i].offset + backings[i].size <= offset ||
                                  offset + size <= mappings[i].offset);
        ck_assert(map(id, offset, size, &mappings[id], &error) == is_free);
        if (is_free)
            backings[id].host[0] = (uint8_t)id;
        else
            backing_close(&backings[id], NULL, id);
    }
    for (uint32_t i = 0; i < BLOBS_MAX; i++)
        if (mappings[i].mapped)
            unmap(i, &mappings[i]);
    check_no_blob();
}
END_TEST

START_TEST(when_kvm_makes_no_slot_nothing_changes)
{
    struct error error;
    struct hostmem_mapping mapping;
    fails = true;
    ck_assert(!map(1, 0, PAGE, &mapping, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_KVM);
    ck_assert(!mapping.mapped);
    backing_close(&backings[1], NULL, 1);
    check_no_blob();
    fails = false;
    ck_assert(map(1, 0, PAGE, &mapping, &error));
    unmap(1, &mapping);
    check_no_blob();
}
END_TEST

/* The exporter says that it has pages which it does not have. */
START_TEST(a_buffer_that_cannot_be_populated)
{
    struct error error;
    struct hostmem_mapping mapping;
    struct hostmem_mapping other;
    ck_assert(map(1, 0, PAGE, &other, &error));
    backings[2] = (struct backing){
        .kind = BACKING_DMABUF, .fd = fake_kernel_dma_buf(PAGE), .size = 2 * PAGE};
    ck_assert(!hostmem_map(&hostmem, &backings[2], (struct hostmem_placement){0}, 2, PAGE,
                           &mapping, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_BUFFER);
    ck_assert_ptr_nonnull(strstr(error.text, "page at offset 0x1000"));
    ck_assert_ptr_null(backings[2].host);
    backing_close(&backings[2], NULL, 2);
    ck_assert_uint_eq(slot_count, 1);
    ck_assert(map(3, PAGE, PAGE, &mapping, &error)); /* the place is free */
    unmap(1, &other);
    unmap(3, &mapping);
    check_no_blob();
}
END_TEST

/* --- slots --- */

START_TEST(kvm_has_only_so_many_slots)
{
    struct error error;
    struct hostmem_mapping mapping;
    for (uint32_t i = 0; i < SLOT_MAX; i++)
        ck_assert(map(i + 1, i * PAGE, PAGE, &mapping, &error));
    struct hostmem_mapping last = mapping;
    ck_assert(!map(100, 6 * PAGE, PAGE, &mapping, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_LIMIT);
    unmap(SLOT_MAX, &last);
    ck_assert(map(100, 6 * PAGE, PAGE, &mapping, &error));
}
END_TEST

START_TEST(a_slot_that_kvm_keeps_stays_mapped)
{
    struct error error;
    struct hostmem_mapping mapping;
    ck_assert(map(1, 0, PAGE, &mapping, &error));
    fails = true;
    ck_assert(!hostmem_unmap(&hostmem, &mapping, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_KVM);
    ck_assert(mapping.mapped);
    fails = false;
    unmap(1, &mapping);
    check_no_blob();
}
END_TEST

/* Whether any of these two pages is mapped. */
static bool is_mapped(uint8_t *host)
{
    return msync(host, PAGE, MS_ASYNC) == 0 || msync(host + PAGE, PAGE, MS_ASYNC) == 0;
}

/* A buffer with a 7 in its first byte. */
static struct backing make_backing(void)
{
    struct error error;
    struct backing backing;
    ck_assert(backing_open_fd(&backing, RENDERER_FD_DMABUF, fake_kernel_dma_buf(2 * PAGE),
                              2 * PAGE, &error));
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
    backing_close(&backing, NULL, 3);
    check_no_blob();
    ck_assert(!is_mapped(slot_host));
}
END_TEST

START_TEST(a_placement_that_fails_leaves_nothing)
{
    struct error error;
    struct hostmem_mapping mapping = {0};
    struct backing backing = make_backing();
    fails = true;
    ck_assert(!hostmem_map(&hostmem, &backing, placements[_i], 3, 0, &mapping, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_KVM);
    ck_assert(!mapping.mapped);
    ck_assert_uint_eq(backing.host[0], 7);
    backing_close(&backing, NULL, 3);
    check_no_blob();
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
    ck_assert(!mapping.mapped);
    check_no_blob();
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
    check_no_blob();
}
END_TEST

static TCase *make_case(const char *name, SFun set_up_strategy)
{
    TCase *test_case = tcase_create(name);
    tcase_add_checked_fixture(test_case, set_up_strategy, NULL);
    tcase_add_loop_test(test_case, a_blob_lies_inside_of_the_window, 0,
                        (int)ARRAY_SIZE(places));
    tcase_add_test(test_case, an_overlap_is_the_guests_mistake_and_names_both);
    tcase_add_loop_test(test_case, random_blobs_agree_with_a_simple_model, 0, 4);
    tcase_add_test(test_case, when_kvm_makes_no_slot_nothing_changes);
    tcase_add_test(test_case, a_buffer_that_cannot_be_populated);
    return test_case;
}

Suite *hostmem_suite(void)
{
    Suite *suite = suite_create("hostmem");
    TCase *slots = make_case("slot", set_up_slot);
    tcase_add_test(slots, kvm_has_only_so_many_slots);
    tcase_add_test(slots, a_slot_that_kvm_keeps_stays_mapped);
    const int count = (int)ARRAY_SIZE(placements);
    tcase_add_loop_test(slots, a_backing_is_moved, 0, count);
    tcase_add_loop_test(slots, a_placement_that_fails_leaves_nothing, 0, count);
    tcase_add_test(slots, a_buffer_that_cannot_be_moved);
    tcase_add_loop_test(slots, the_renderers_own_mapping_stays_where_it_is, 0, count);
    suite_add_tcase(suite, slots);
    suite_add_tcase(suite, make_case("window", set_up_window));
    return suite;
}
