/* SPDX-License-Identifier: MIT */
/* States of the GPU that are damaged, that are large, or of an exporter's buffers. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/fake_kernel.h"
#include "tests/unit/gpu_commands.h"
#include "tests/unit/gpu_pair.h"
#include "tests/unit/skip.h"
#include "tests/unit/suites.h"

static struct gpu *one(void)
{
    return &pair.one.gpu;
}

static struct gpu *two(void)
{
    return &pair.two.gpu;
}

/* --- damaged --- */

static void set_up(void)
{
    gpu_pair_init(HOSTMEM_SLOT);
    gpu_pair_make_everything();
    ck_assert_msg(gpu_pair_save(), "%s", pair.error.text);
}

/* It is refused, and leaves nothing; or taken, and then everything that is in it can be used. */
static bool load(const uint8_t *bytes, size_t size)
{
    if (!gpu_pair_load(bytes, size))
        return false;
    for (unsigned i = 0; i < two()->offered.num_scanouts; i++) {
        struct picture picture;
        if (scanout_read(two(), i, &picture, &pair.error))
            picture_finish(&picture);
    }
    gpu_reset_state(two());
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++)
        ck_assert_uint_eq(two()->quota.use[i].now, 0);
    return true;
}

static unsigned fds_before;

static void check_nothing_left(void)
{
    ck_assert_uint_eq(fake_kernel_open_fds(), fds_before);
    ck_assert_uint_eq(two()->resources.count, 0);
    ck_assert_uint_eq(pair.two.memslots.count, two()->hostmem.area.has_slot);
}

START_TEST(any_byte_may_be_another)
{
    static const uint8_t changes[] = {0x01, 0x80, 0xff};
    const struct state_writer *writer = &pair.writer;
    uint8_t *bytes = malloc(writer->size);
    unsigned taken = 0;
    fds_before = fake_kernel_open_fds();
    for (size_t i = 0; i < writer->size; i++) {
        memcpy(bytes, writer->bytes, writer->size);
        bytes[i] ^= changes[_i];
        taken += load(bytes, writer->size);
        check_nothing_left();
    }
    free(bytes);
    /* Counters, the content of names and the like. */
    ck_assert_uint_gt(taken, 0);
    ck_assert_uint_lt(taken, writer->size / 2);
}
END_TEST

static void set64(uint8_t *place, uint64_t value)
{
    memcpy(place, &value, sizeof value);
}

static uint64_t get64(const uint8_t *place)
{
    uint64_t value;
    memcpy(&value, place, sizeof value);
    return value;
}

/* The section with the given header is `less` bytes shorter; all lengths fit. */
static size_t shorten(uint8_t *bytes, size_t size, size_t section, size_t less)
{
    uint8_t *length = bytes + section + STATE_SECTION_SIZE - sizeof(uint64_t);
    size_t end = section + STATE_SECTION_SIZE + get64(length);
    memmove(bytes + end - less, bytes + end, size - end);
    set64(length, get64(length) - less);
    set64(bytes + STATE_HEADER_SIZE - sizeof(uint64_t), size - less);
    return size - less;
}

START_TEST(any_section_may_be_too_short)
{
    const struct state_writer *writer = &pair.writer;
    uint8_t *bytes = malloc(writer->size);
    unsigned sections = 0;
    fds_before = fake_kernel_open_fds();
    for (size_t at = STATE_HEADER_SIZE; at < writer->size; sections++) {
        size_t length = get64(writer->bytes + at + STATE_SECTION_SIZE - sizeof(uint64_t));
        for (size_t less = 1; less <= length; less++) {
            memcpy(bytes, writer->bytes, writer->size);
            ck_assert(!load(bytes, shorten(bytes, writer->size, at, less)));
            check_nothing_left();
        }
        at += STATE_SECTION_SIZE + length;
    }
    ck_assert_uint_eq(sections, 4);
    free(bytes);
}
END_TEST

START_TEST(any_descriptor_may_be_missing_or_another)
{
    struct state_writer *writer = &pair.writer;
    fds_before = fake_kernel_open_fds();
    for (unsigned i = 0; i < writer->fd_count; i++) {
        int good = writer->fds[i];
        unsigned count = writer->fd_count;
        writer->fd_count = i;
        ck_assert(!load(writer->bytes, writer->size));
        check_nothing_left();
        writer->fd_count = count;
        for (unsigned other = 0; other < count; other++) {
            writer->fds[i] = other == i ? good : writer->fds[other];
            /* The first one is that of pixels, which are copied from any file. */
            bool taken = load(writer->bytes, writer->size);
            ck_assert_msg(taken == (i == 0 || i == other), "%u in place of %u: %s", other,
                          i, pair.error.text);
            check_nothing_left();
        }
        writer->fds[i] = good;
    }
    ck_assert(load(writer->bytes, writer->size));
}
END_TEST

/* --- many --- */

#define MANY 4000u

static bool create_many(void *renderer, const struct renderer_blob *blob,
                        struct error *error)
{
    (void)renderer;
    (void)blob;
    (void)error;
    return true;
}

static bool export_many(void *renderer, uint32_t id, enum renderer_fd_type *type, int *fd,
                        struct error *error)
{
    (void)renderer;
    (void)error;
    *type = RENDERER_FD_SHM;
    *fd = fake_fd_open(FAKE_FD_SEALED, PAGE_SIZE_4K);
    ck_assert_int_eq(pwrite(*fd, &id, sizeof id, 0), sizeof id);
    return true;
}

static bool say_nothing(void *renderer, uint32_t id, uint32_t *map_info)
{
    (void)renderer;
    (void)id;
    (void)map_info;
    return false;
}

static bool know_many(const void *renderer, uint32_t id)
{
    (void)renderer;
    (void)id;
    return true;
}

static void destroy_many(void *renderer, uint32_t id)
{
    (void)renderer;
    (void)id;
}

START_TEST(thousands_of_blobs_are_one_section)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < 5 * (rlim_t)MANY) {
        test_skip("thousands_of_blobs_are_one_section", "ulimit -n");
        return;
    }
    limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    gpu_pair_init(HOSTMEM_WINDOW);
    struct renderer_ops many = *one()->renderer.ops;
    many.blob_create = create_many;
    many.blob_export = export_many;
    many.blob_map_info = say_nothing;
    many.resource_destroy = destroy_many;
    many.knows_resource = know_many;
    one()->renderer.ops = two()->renderer.ops = &many;
    for (uint32_t id = 1; id <= MANY; id++)
        fake_gpu_map_blob(&pair.one, id, PAGE_SIZE_4K, (id - 1) * (uint64_t)PAGE_SIZE_4K);
    ck_assert(gpu_pair_save());
    ck_assert_uint_eq(pair.writer.fd_count, MANY);
    gpu_pair_hand_over();
    ck_assert_uint_eq(two()->resources.count, MANY);
    for (uint32_t id = 1; id <= MANY; id++) {
        struct resource *resource = resource_find(&two()->resources, id, &pair.error);
        uint32_t found;
        ck_assert_ptr_nonnull(resource);
        memcpy(&found, resource->backing.host, sizeof found);
        ck_assert_uint_eq(found, id);
    }
    gpu_pair_finish();
}
END_TEST

/* --- an exporter --- */

static const char *const exporter_names[] = {"memfd", "udmabuf"};

static void take_exporter(struct fake_gpu *fake, const char *name)
{
    gpu_reset_state(&fake->gpu);
    fake->gpu.renderer = (struct renderer){0};
    fake->gpu.has_renderer = false;
    fake->gpu.config.virgl = fake->gpu.config.venus = false;
    fake->gpu.config.blobs_from = name;
}

START_TEST(an_exporters_buffers_are_handed_over)
{
    struct error error;
    const union request map = {
        .map = {.hdr.type = CMD(RESOURCE_MAP_BLOB), .resource_id = CREATED}};
    struct gpu_response response;
    if (_i == 1 && access("/dev/udmabuf", R_OK | W_OK) != 0) {
        test_skip("an_exporters_buffers_are_handed_over", "no /dev/udmabuf");
        return;
    }
    gpu_pair_init(HOSTMEM_SLOT);
    take_exporter(&pair.one, exporter_names[_i]);
    take_exporter(&pair.two, exporter_names[_i]);
    one()->offered.num_capsets = two()->offered.num_capsets = 0;
    ck_assert_msg(gpu_make_renderer(one(), &error), "%s", error.text);
    ck_assert(gpu_context_create(one(), FAKE_CONTEXT, 0, "test", &error));
    fake_gpu_create_blob(&pair.one, CREATED, BYTES);
    memset(fake_gpu_map_blob(&pair.one, MAPPED, BYTES, BYTES)->backing.host, 0x44, BYTES);
    gpu_pair_hand_over();
    ck_assert_msg(gpu_start(two(), &error), "%s", error.text);
    ck_assert_uint_eq(two()->offered.num_capsets, 0);
    struct memslot slot;
    ck_assert(memslot_find(&pair.two.memslots, gpa(FAKE_WINDOW_BASE + BYTES), &slot));
    ck_assert_uint_eq(*(volatile uint8_t *)slot.host, 0x44);
    ck_assert_uint_eq(gpu_pair_command(&pair.two, &map, LENGTH(map), &response),
                      VIRTIO_GPU_RESP_OK_MAP_INFO);
    virtio_device_stop(&two()->virtio);
    ck_assert_uint_eq(two()->resources.count, 0);
    gpu_pair_finish();
}
END_TEST

Suite *gpu_state_damage_suite(void)
{
    Suite *suite = suite_create("gpu_state_damage");
    TCase *damaged = tcase_create("damaged");
    tcase_add_checked_fixture(damaged, set_up, gpu_pair_finish);
    tcase_set_timeout(damaged, 300);
    tcase_add_loop_test(damaged, any_byte_may_be_another, 0, 3);
    tcase_add_test(damaged, any_section_may_be_too_short);
    tcase_add_test(damaged, any_descriptor_may_be_missing_or_another);
    suite_add_tcase(suite, damaged);
    TCase *others = tcase_create("others");
    tcase_set_timeout(others, 120);
    tcase_add_test(others, thousands_of_blobs_are_one_section);
    tcase_add_loop_test(others, an_exporters_buffers_are_handed_over, 0,
                        (int)ARRAY_SIZE(exporter_names));
    suite_add_tcase(suite, others);
    return suite;
}
