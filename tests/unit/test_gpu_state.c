/* SPDX-License-Identifier: MIT */
/* The state of the GPU: a guest goes on with another device as if nothing had happened. */
#include <check.h>
#include <string.h>
#include <sys/timerfd.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "devices/gpu/lost.h"
#include "devices/gpu/window.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/gpu_commands.h"
#include "tests/unit/gpu_pair.h"
#include "tests/unit/suites.h"

static struct gpu *one(void)
{
    return &pair.one.gpu;
}

static struct gpu *two(void)
{
    return &pair.two.gpu;
}

static void set_up_slot(void)
{
    gpu_pair_init(HOSTMEM_SLOT);
}

static void set_up_window(void)
{
    gpu_pair_init(HOSTMEM_WINDOW);
}

/* --- what it has afterwards --- */

static void check_guest_finds(uint64_t offset, uint8_t want)
{
    uint8_t byte = 0;
    ck_assert(fake_gpu_read(&pair.two, FAKE_WINDOW_BASE + offset, &byte));
    ck_assert_uint_eq(byte, want);
}

static void check_picture(struct gpu *gpu, unsigned index, struct picture *picture)
{
    ck_assert_msg(scanout_read(gpu, index, picture, &pair.error), "%s", pair.error.text);
}

/* The pictures of both devices are the same. */
static void check_same_pictures(const struct picture *before)
{
    for (unsigned i = 0; i < 2; i++) {
        struct picture now;
        check_picture(two(), i, &now);
        ck_assert_uint_eq(now.width, before[i].width);
        ck_assert_uint_eq(now.height, before[i].height);
        ck_assert_mem_eq(now.pixels, before[i].pixels,
                         (size_t)4 * now.width * now.height);
        picture_finish(&now);
    }
}

static void use_and_end_everything(void)
{
    static const uint32_t ids[] = {CREATED, MAPPED, IMAGE, BARE, TEXTURE, GUEST, DMABUF};
    const union request unmap = {
        .unmap = {.hdr.type = CMD(RESOURCE_UNMAP_BLOB), .resource_id = MAPPED}};
    const union request map = {.map = {.hdr.type = CMD(RESOURCE_MAP_BLOB),
                                       .resource_id = CREATED,
                                       .offset = 8 * BYTES}};
    const union request submit = SUBMIT(5, 16);
    const union request detach = {
        .detach = {.hdr.type = CMD(RESOURCE_DETACH_BACKING), .resource_id = IMAGE}};
    gpu_pair_run(&pair.two, &unmap, LENGTH(unmap));
    gpu_pair_run(&pair.two, &map, LENGTH(map));
    gpu_pair_run(&pair.two, &submit, LENGTH(submit));
    gpu_pair_run(&pair.two, &detach, LENGTH(detach));
    for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
        const union request unref = {
            .unref = {.hdr.type = CMD(RESOURCE_UNREF), .resource_id = ids[i]}};
        gpu_pair_run(&pair.two, &unref, LENGTH(unref));
    }
    for (uint32_t id = 1; id <= 5; id += 4) {
        const union request destroy = {.hdr = {.type = CMD(CTX_DESTROY), .ctx_id = id}};
        gpu_pair_run(&pair.two, &destroy, HEADER);
    }
    ck_assert_uint_eq(pair.two.renderer.blob_count, 0);
    ck_assert_uint_eq(pair.two.renderer.context_count, 0);
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++)
        ck_assert_uint_eq(two()->quota.use[i].now, 0);
}

START_TEST(a_guest_goes_on)
{
    struct picture before[2];
    uint8_t uuid[16];
    gpu_pair_make_everything();
    gpu_pair_show_cursor();
    check_picture(one(), 0, &before[0]);
    check_picture(one(), 1, &before[1]);
    memcpy(uuid, gpu_pair_find(one(), IMAGE)->uuid, sizeof uuid);
    const struct quota quota = one()->quota;
    pair.one.recorder.count = 3;
    snprintf(pair.one.recorder.library, sizeof pair.one.recorder.library, "other");
    const uint8_t *host = gpu_pair_find(one(), MAPPED)->backing.host;
    gpu_pair_hand_over();

    ck_assert(gpu_pair_find(two(), MAPPED)->backing.host != host);
    check_guest_finds(BYTES - 1, 0x33);
    check_guest_finds(DMABUF_AT, 0x99);
    ck_assert_int_eq(gpu_pair_find(two(), DMABUF)->decision.map_info, MEMATTR_MAP_WC);
    ck_assert_int_eq(gpu_pair_find(two(), MAPPED)->decision.map_info, MEMATTR_MAP_CACHED);
    ck_assert_mem_eq(gpu_pair_find(two(), IMAGE)->uuid, uuid, sizeof uuid);
    ck_assert_uint_eq(two()->registers.events_read, VIRTIO_GPU_EVENT_DISPLAY);
    ck_assert_uint_eq(two()->displays[1].width, 800);
    ck_assert_int_eq(two()->scanouts[1].cursor.x, -3);
    ck_assert_mem_eq(two()->quota.use, quota.use, sizeof quota.use);
    ck_assert_uint_eq(two()->quota.commands, quota.commands);
    ck_assert_uint_eq(pair.two.recorder.count, 3);
    ck_assert_str_eq(pair.two.recorder.library, "other");
    check_same_pictures(before);
    const struct resource *bare = gpu_pair_find(two(), BARE);
    for (uint64_t i = 0; i < bare->size; i++)
        ck_assert_uint_eq(bare->image.pixels[i], 0xba);
    picture_finish(&before[0]);
    picture_finish(&before[1]);
    use_and_end_everything();
}
END_TEST

/* What comes after it is told apart from what was before. */
START_TEST(serials_go_on)
{
    gpu_pair_make_everything();
    fake_gpu_create_blob(&pair.one, 40, BYTES);
    ck_assert(blob_destroy(one(), 40, &pair.error));
    uint64_t last = one()->resources.last_serial;
    uint64_t of_image = gpu_pair_find(one(), IMAGE)->serial;
    gpu_pair_hand_over();
    ck_assert_uint_eq(gpu_pair_find(two(), IMAGE)->serial, of_image);
    fake_gpu_create_blob(&pair.two, 40, BYTES);
    ck_assert_uint_eq(gpu_pair_find(two(), 40)->serial, last + 1);
}
END_TEST

/* Its age is that of the loan, and not of the s2vmm that has it. */
START_TEST(a_loan_goes_on)
{
    gpu_pair_make_everything();
    struct lent *lent = &one()->lent;
    struct loan *loan = gpu_pair_find(one(), GUEST)->loan;
    ck_assert_ptr_nonnull(loan);
    loan->since -= 1000000;
    uint64_t since = loan->since;
    lent->made = 7;
    lent->overdue = 2;
    lent->longest = 9;
    lent->longest_wait = 8;
    gpu_pair_hand_over();
    lent = &two()->lent;
    ck_assert_uint_eq(gpu_pair_find(two(), GUEST)->loan->since, since);
    ck_assert_uint_eq(lent->made, 7);
    ck_assert_uint_eq(lent->overdue, 2);
    ck_assert_uint_eq(lent->longest, 9);
    ck_assert_uint_eq(lent->longest_wait, 8);
    use_and_end_everything();
    ck_assert_uint_ge(lent->longest, 1000000);
}
END_TEST

START_TEST(a_loan_that_is_yet_to_come_is_refused)
{
    gpu_pair_make_everything();
    gpu_pair_find(one(), GUEST)->loan->since += 60000000;
    ck_assert(gpu_pair_save());
    ck_assert(!gpu_pair_load(pair.writer.bytes, pair.writer.size));
    ck_assert_ptr_nonnull(strstr(pair.error.text, "CLOCK_MONOTONIC"));
    gpu_save_finish(one());
}
END_TEST

START_TEST(saved_again_it_is_the_same)
{
    struct state_writer again;
    gpu_pair_make_everything();
    gpu_pair_show_cursor();
    ck_assert(gpu_pair_save());
    ck_assert_msg(gpu_pair_load(pair.writer.bytes, pair.writer.size), "%s",
                  pair.error.text);
    ck_assert_msg(gpu_pair_save_again(&again), "%s", pair.error.text);
    ck_assert_uint_eq(again.fd_count, pair.writer.fd_count);
    ck_assert_uint_eq(again.size, pair.writer.size);
    ck_assert_mem_eq(again.bytes, pair.writer.bytes, again.size);
    state_writer_finish(&again);
    gpu_save_finish(two());
}
END_TEST

START_TEST(who_saves_can_go_on)
{
    gpu_pair_make_everything();
    ck_assert(gpu_pair_save());
    ck_assert(gpu_pair_save());
    gpu_save_finish(one());
    const union request unmap = {
        .unmap = {.hdr.type = CMD(RESOURCE_UNMAP_BLOB), .resource_id = MAPPED}};
    gpu_pair_run(&pair.one, &unmap, LENGTH(unmap));
}
END_TEST

START_TEST(nothing_is_a_state_too)
{
    gpu_pair_hand_over();
    ck_assert_uint_eq(two()->resources.count, 0);
    ck_assert_uint_eq(two()->context_count, 1);
}
END_TEST

/* --- special blobs --- */

START_TEST(what_is_lost_stays_lost)
{
    struct gpu_response response;
    const union request map = {
        .map = {.hdr.type = CMD(RESOURCE_MAP_BLOB), .resource_id = MAPPED}};
    const union request unmap = {
        .unmap = {.hdr.type = CMD(RESOURCE_UNMAP_BLOB), .resource_id = MAPPED}};
    fake_gpu_map_blob(&pair.one, MAPPED, BYTES, 0);
    ck_assert(drop_mapping(one(), gpu_pair_find(one(), MAPPED), "test"));
    uint64_t descriptors = one()->quota.use[QUOTA_DESCRIPTORS].now;
    gpu_pair_hand_over();
    ck_assert_int_eq(resource_state(gpu_pair_find(two(), MAPPED)), RESOURCE_LOST);
    ck_assert_uint_eq(two()->quota.use[QUOTA_DESCRIPTORS].now, descriptors);
    ck_assert_uint_eq(two()->quota.use[QUOTA_WINDOW].now, BYTES);
    ck_assert_uint_ne(gpu_pair_command(&pair.two, &map, LENGTH(map), &response),
                      VIRTIO_GPU_RESP_OK_MAP_INFO);
    gpu_pair_run(&pair.two, &unmap, LENGTH(unmap));
    gpu_pair_run(&pair.two, &map, LENGTH(map));
}
END_TEST

static void need_sync(void)
{
    const unsigned access = DMA_BUF_INFO_CPU_ACCESS - DMA_BUF_INFO_SOURCE;
    one()->config.copy_unsynced = two()->config.copy_unsynced = true;
    fake_kernel.info_error = 0;
    fake_kernel.info_value = DMA_BUF_VM_PROT_CACHED;
    fake_kernel.info_known = 1u << access;
    fake_kernel.info_further[access] = DMA_BUF_CPU_ACCESS_NEEDS_SYNC;
}

START_TEST(a_copy_is_made_anew_with_the_last_changes)
{
    need_sync();
    struct resource *resource = gpu_pair_map_dmabuf(DMABUF, DMABUF_AT, 0);
    ck_assert(resource->decision.copied);
    resource->shadow.copy.host[7] = 0x77;
    resource->shadow.conflicts = 3;
    ck_assert_uint_eq(resource->backing.host[7], 0);
    gpu_pair_hand_over();
    resource = gpu_pair_find(two(), DMABUF);
    ck_assert(resource->decision.copied);
    ck_assert_uint_eq(resource->backing.host[7], 0x77);
    ck_assert_uint_eq(resource->shadow.conflicts, 3);
    check_guest_finds(DMABUF_AT + 7, 0x77);
}
END_TEST

START_TEST(what_is_followed_is_watched_again)
{
    const unsigned type = DMA_BUF_INFO_HOST_TYPE - DMA_BUF_INFO_SOURCE;
    const unsigned stability = DMA_BUF_INFO_STABILITY - DMA_BUF_INFO_SOURCE;
    struct itimerspec timer;
    one()->config.follow_changes = two()->config.follow_changes = true;
    fake_kernel.info_error = 0;
    fake_kernel.info_value = DMA_BUF_VM_PROT_CACHED;
    fake_kernel.info_known = 1u << type | 1u << stability;
    fake_kernel.info_further[type] = 6; /* WB: x86 */
    fake_kernel.info_further[stability] = DMA_BUF_STABILITY_MAY_CHANGE;
    gpu_pair_map_dmabuf(DMABUF, DMABUF_AT, 0);
    gpu_pair_hand_over();
    ck_assert_int_eq(timerfd_gettime(two()->hostmem.watch_fd, &timer), 0);
    ck_assert_int_gt(timer.it_interval.tv_nsec, 0);
}
END_TEST

static void move_window(struct gpu *gpu, const struct gpa_range *range)
{
    gpu_window_moved(gpu, VIRTIO_GPU_SHM_ID_HOST_VISIBLE, range);
}

START_TEST(the_window_is_where_the_guest_put_it)
{
    const struct gpa_range elsewhere = {gpa(FAKE_WINDOW_BASE + 64 * GIB), FAKE_WINDOW};
    uint8_t byte = 0;
    memset(fake_gpu_map_blob(&pair.one, MAPPED, BYTES, 0)->backing.host, 0x33, BYTES);
    move_window(one(), &elsewhere);
    if (_i == 1)
        move_window(one(), NULL);
    gpu_pair_hand_over();
    ck_assert_uint_eq(two()->config.window.start.value, elsewhere.start.value);
    ck_assert_int_eq(two()->hostmem.hidden, _i == 1);
    ck_assert_int_eq(fake_gpu_read(&pair.two, elsewhere.start.value, &byte), _i == 0);
    if (_i == 1)
        move_window(two(), &elsewhere);
    ck_assert(fake_gpu_read(&pair.two, elsewhere.start.value, &byte));
    ck_assert_uint_eq(byte, 0x33);
}
END_TEST

/* Nobody promised that a hole keeps it (docs/performance.md): all holes are as at the start. */
START_TEST(what_was_written_into_holes_is_gone)
{
    uint8_t byte;
    const uint64_t hole = DMABUF_AT - 1;
    gpu_pair_make_everything();
    ck_assert(hostmem_fill_holes(&one()->hostmem, &pair.error));
    one()->hostmem.area.base[hole] = 0x5a;
    ck_assert(fake_gpu_read(&pair.one, FAKE_WINDOW_BASE + hole, &byte));
    ck_assert_uint_eq(byte, 0x5a);
    gpu_pair_hand_over();
    ck_assert(hostmem_holes_are_bare(&two()->hostmem));
    ck_assert(!fake_gpu_read(&pair.two, FAKE_WINDOW_BASE + hole, &byte));
    ck_assert(hostmem_fill_holes(&two()->hostmem, &pair.error));
    check_guest_finds(hole, UINT8_MAX);
    check_guest_finds(DMABUF_AT, 0x99);
    /* Both keep their scratch memory until they end, the first one longer than the second. */
    pair.fds += 2;
    pair.two.fds_before++;
}
END_TEST

static TCase *make_case(const char *name, SFun set_up)
{
    TCase *test_case = tcase_create(name);
    tcase_add_checked_fixture(test_case, set_up, gpu_pair_finish);
    tcase_add_test(test_case, a_guest_goes_on);
    tcase_add_test(test_case, serials_go_on);
    tcase_add_test(test_case, a_loan_goes_on);
    tcase_add_test(test_case, a_loan_that_is_yet_to_come_is_refused);
    tcase_add_test(test_case, saved_again_it_is_the_same);
    tcase_add_test(test_case, who_saves_can_go_on);
    tcase_add_test(test_case, nothing_is_a_state_too);
    tcase_add_test(test_case, what_is_lost_stays_lost);
    tcase_add_test(test_case, a_copy_is_made_anew_with_the_last_changes);
    tcase_add_test(test_case, what_is_followed_is_watched_again);
    tcase_add_loop_test(test_case, the_window_is_where_the_guest_put_it, 0, 2);
    return test_case;
}

Suite *gpu_state_suite(void)
{
    Suite *suite = suite_create("gpu_state");
    suite_add_tcase(suite, make_case("slot", set_up_slot));
    TCase *window = make_case("window", set_up_window);
    tcase_add_test(window, what_was_written_into_holes_is_gone);
    suite_add_tcase(suite, window);
    return suite;
}
