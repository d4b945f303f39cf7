/* SPDX-License-Identifier: MIT */
/* Guest memory that is lent: answers that wait, and quotas. */
#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/gpu_driver.h"
#include "tests/unit/suites.h"

#define ID     9u
#define PAGES  0x300000u /* guest memory of the blob */
#define SIZE   UINT64_C(16384)
#define OK     VIRTIO_GPU_RESP_OK_NODATA
#define UNSPEC VIRTIO_GPU_RESP_ERR_UNSPEC

/* --- a loan, and users who are told --- */

static uint64_t users;
static enum lent_users told;

static enum lent_users count_users(int fd, uint64_t *others)
{
    ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    *others = users;
    return told;
}

static struct gpu *gpu(void)
{
    return &driver.fake.gpu;
}

static void set_up(void)
{
    gpu_driver_set_up();
    gpu()->lent.count_users = count_users;
    users = 0;
    told = LENT_USERS_COUNTED;
}

static uint64_t lent_bytes(void)
{
    return gpu()->quota.use[QUOTA_LENT].now;
}

static struct resource *blob(void)
{
    struct error error;
    return resource_find(&gpu()->resources, ID, &error);
}

/* With a memfd for a dma-buf where there is no udmabuf. */
static void lend(void)
{
    struct error error;
    struct resource *resource = blob();
    ck_assert_ptr_nonnull(resource);
    if (!resource->loan) {
        resource->loan = lent_begin(gpu(), ID, SIZE, &error);
        ck_assert_ptr_nonnull(resource->loan);
        resource->loan->fd = memfd_create("lent", MFD_CLOEXEC);
        resource->guest_dmabuf = resource->loan->fd;
        resource->guest_dmabuf_made = true;
    }
}

struct create {
    struct virtio_gpu_resource_create_blob head;
    struct virtio_gpu_mem_entry entry;
};

static struct create create_request(void)
{
    return (struct create){
        .head = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
                 .resource_id = ID,
                 .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST,
                 .blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE,
                 .nr_entries = 1,
                 .size = SIZE},
        .entry = {.addr = PAGES, .length = SIZE},
    };
}

static void create_blob(void)
{
    const struct create request = create_request();
    uint16_t head = add_bytes(0, &request, sizeof request, ROOM);
    ck_assert(!kick());
    expect_used(head, HEADER);
    ck_assert_uint_eq(response(0).type, OK);
}

static void create(void)
{
    create_blob();
    lend();
    ck_assert_uint_eq(lent_bytes(), SIZE);
}

static uint16_t add_unref(unsigned number, uint32_t flags)
{
    const struct virtio_gpu_resource_unref request = {
        .hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_UNREF,
                .flags = flags,
                .fence_id = 1000 + number},
        .resource_id = ID,
    };
    return add_bytes(number, &request, sizeof request, ROOM);
}

static uint16_t unref(unsigned number)
{
    uint16_t head = add_unref(number, 0);
    ck_assert(!kick());
    return head;
}

static uint16_t detach(unsigned number)
{
    const struct virtio_gpu_resource_detach_backing request = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, .resource_id = ID};
    uint16_t head = add_bytes(number, &request, sizeof request, ROOM);
    ck_assert(!kick());
    return head;
}

static void answered(uint16_t head, unsigned number, uint32_t type)
{
    expect_used(head, HEADER);
    ck_assert_uint_eq(response(number).type, type);
}

/* As the device's thread does when the timer is due. */
static void look(void)
{
    for (unsigned i = 0; i < driver.device->watch_count; i++)
        if (driver.device->watches[i].fd == gpu()->lent.timer_fd)
            driver.device->watches[i].readable(gpu());
}

static void all_let_go(void)
{
    users = 0;
    look();
    ck_assert_uint_eq(lent_bytes(), 0);
}

static void look_when_overdue(void)
{
    usleep(2000);
    look();
}

static const char *said(void)
{
    return fake_output_text(&driver.fake.trace_output);
}

/* --- tests --- */

START_TEST(what_nobody_else_has_is_returned_at_once)
{
    uint64_t descriptors = gpu()->quota.use[QUOTA_DESCRIPTORS].now;
    create();
    answered(unref(1), 1, OK);
    ck_assert_uint_eq(lent_bytes(), 0);
    ck_assert_uint_eq(gpu()->quota.use[QUOTA_DESCRIPTORS].now, descriptors);
    ck_assert_ptr_null(gpu()->lent.loans);
}
END_TEST

START_TEST(the_answer_waits_for_the_last_user_and_other_commands_do_not)
{
    create();
    users = 2;
    uint16_t head = unref(1);
    uint16_t other = add_attach(2, 0, FAKE_CONTEXT, 0);
    ck_assert(!kick());
    answered(other, 2, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    users = 1;
    look();
    expect_nothing_used();
    ck_assert_uint_eq(lent_bytes(), SIZE);
    all_let_go();
    answered(head, 1, OK);
    look();
    expect_nothing_used();
}
END_TEST

START_TEST(overdue_memory_fails_the_command_which_may_be_sent_again)
{
    create();
    gpu()->config.lent_milliseconds = 1;
    gpu()->config.lent_overdue = LENT_OVERDUE_FAIL;
    users = 1;
    uint16_t head = unref(1);
    look_when_overdue();
    answered(head, 1, UNSPEC);
    ck_assert_ptr_nonnull(strstr(said(), "16384 bytes of guest memory are still lent"));
    ck_assert_uint_eq(lent_bytes(), SIZE);

    gpu()->config.lent_milliseconds = 0;
    head = unref(2);
    expect_nothing_used();
    look_when_overdue();
    expect_nothing_used();
    all_let_go();
    answered(head, 2, OK);
    answered(unref(3), 3, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
}
END_TEST

START_TEST(overdue_memory_is_waited_for)
{
    create();
    gpu()->config.lent_milliseconds = 1;
    users = 1;
    uint16_t head = unref(1);
    look_when_overdue();
    expect_nothing_used();
    ck_assert_ptr_nonnull(strstr(said(), "are still lent"));
    fake_output_clear(&driver.fake.trace_output);
    look_when_overdue();
    ck_assert_ptr_null(strstr(said(), "are still lent")); /* once */
    all_let_go();
    answered(head, 1, OK);
}
END_TEST

START_TEST(never_more_than_half_of_the_queue_waits_for_what_is_overdue)
{
    create();
    gpu()->config.lent_milliseconds = 1;
    users = 1;
    uint16_t head = unref(1);
    gpu()->lent.answer_count += RING_SIZE / 2;
    look_when_overdue();
    answered(head, 1, UNSPEC);
    gpu()->lent.answer_count = 0;
    all_let_go();
}
END_TEST

START_TEST(detached_memory_is_waited_for_too)
{
    create();
    users = 1;
    uint16_t head = detach(1);
    expect_nothing_used();
    ck_assert_uint_eq(resource_state(blob()), RESOURCE_CREATED);
    uint16_t again = unref(2); /* the blob; its memory is lent still */
    expect_nothing_used();
    all_let_go();
    answered(head, 1, OK);
    answered(again, 2, OK);
}
END_TEST

START_TEST(a_fence_comes_after_the_memory)
{
    create();
    users = 1;
    driver.fake.renderer.fence = FAKE_FENCE_LATER;
    uint16_t head = add_unref(1, FENCE);
    ck_assert(!kick());
    ck_assert_uint_eq(driver.fake.renderer.fence_count, 0);
    all_let_go();
    expect_nothing_used();
    fake_renderer_complete(&driver.fake.renderer, 0);
    serve_fences();
    answered(head, 1, OK);
    ck_assert_uint_eq(response(1).fence_id, 1001);
    ck_assert_uint_eq(response(1).flags, FENCE);
}
END_TEST

/* The chains are the new driver's, and so are the numbers; what is lent goes on counting. */
START_TEST(a_reset_forgets_answers_and_not_loans)
{
    create();
    users = 1;
    unref(1);
    driver.ops->reset(gpu());
    start_queue(GPU_QUEUE_CONTROL);
    ck_assert_uint_eq(lent_bytes(), SIZE);
    gpu()->quota.limits.of[QUOTA_LENT] = 0;
    create_blob(); /* which is not lent */
    answered(unref(1), 1, OK);
    all_let_go();
    expect_nothing_used();
}
END_TEST

/* For a live update. */
START_TEST(what_was_asked_back_is_not_settled)
{
    struct error error;
    create();
    ck_assert(lent_is_settled(gpu(), &error));
    users = 1;
    uint16_t head = unref(0);
    ck_assert(!lent_is_settled(gpu(), &error));
    ck_assert_ptr_nonnull(strstr(error.text, "asked back"));
    users = 0;
    look();
    answered(head, 0, OK);
    ck_assert(lent_is_settled(gpu(), &error));
}

START_TEST(a_reset_asks_for_everything_back)
{
    create();
    users = 1;
    driver.ops->reset(gpu());
    ck_assert_uint_eq(lent_bytes(), SIZE);
    gpu()->lent.loans->due = 0;
    look();
    ck_assert_ptr_nonnull(strstr(said(), "are still lent"));
    all_let_go();
}
END_TEST

START_TEST(a_stopped_queue_takes_its_answers_along)
{
    create();
    users = 1;
    unref(1);
    driver.ops->queue_stopped(gpu(), GPU_QUEUE_CURSOR);
    ck_assert_uint_eq(gpu()->lent.answer_count, 1);
    driver.ops->queue_stopped(gpu(), GPU_QUEUE_CONTROL);
    ck_assert_uint_eq(gpu()->lent.answer_count, 0);
    all_let_go();
    expect_nothing_used();
}
END_TEST

START_TEST(beyond_the_quota_nothing_is_lent)
{
    uint64_t descriptors = gpu()->quota.use[QUOTA_DESCRIPTORS].now;
    gpu()->quota.limits.of[QUOTA_LENT] = SIZE - 1;
    create_blob(); /* by its pages, then */
    ck_assert_ptr_null(blob()->loan);
    ck_assert_int_eq(blob()->guest_dmabuf, -1);
    ck_assert_ptr_nonnull(strstr(said(), "--quota lent=N"));
    ck_assert_uint_eq(gpu()->quota.use[QUOTA_DESCRIPTORS].now, descriptors);
}
END_TEST

START_TEST(where_nobody_tells_it_counts_as_returned)
{
    create();
    users = 7;
    told = LENT_USERS_UNKNOWN;
    answered(unref(1), 1, OK);
    ck_assert_ptr_nonnull(strstr(said(), "said once"));
}
END_TEST

START_TEST(what_cannot_be_read_now_is_not_returned)
{
    create();
    told = LENT_USERS_NOT_NOW;
    uint16_t head = unref(1);
    expect_nothing_used();
    told = LENT_USERS_COUNTED;
    look();
    answered(head, 1, OK);
}
END_TEST

START_TEST(the_loans_are_an_object)
{
    create();
    users = 1;
    unref(1);
    gpu_write_statistics(gpu());
    const char *text = fake_output_text(&driver.fake.json);
    ck_assert_ptr_nonnull(
        strstr(text,
               "{\"statistics\":\"lent\",\"buffers\":1,\"bytes\":16384,"
               "\"asked_back\":1,\"overdue\":0,\"ever\":1,\"ever_overdue\":0,"));
    ck_assert_ptr_nonnull(strstr(text, "\"answers_waiting\":1}\n"));
    all_let_go();
}
END_TEST

Suite *lent_suite(void)
{
    Suite *suite = suite_create("lent");
    TCase *test_case = tcase_create("lent");
    tcase_add_checked_fixture(test_case, set_up, gpu_driver_tear_down);
    tcase_add_test(test_case, what_nobody_else_has_is_returned_at_once);
    tcase_add_test(test_case,
                   the_answer_waits_for_the_last_user_and_other_commands_do_not);
    tcase_add_test(test_case, overdue_memory_fails_the_command_which_may_be_sent_again);
    tcase_add_test(test_case, overdue_memory_is_waited_for);
    tcase_add_test(test_case,
                   never_more_than_half_of_the_queue_waits_for_what_is_overdue);
    tcase_add_test(test_case, detached_memory_is_waited_for_too);
    tcase_add_test(test_case, a_fence_comes_after_the_memory);
    tcase_add_test(test_case, a_reset_forgets_answers_and_not_loans);
    tcase_add_test(test_case, what_was_asked_back_is_not_settled);
    tcase_add_test(test_case, a_reset_asks_for_everything_back);
    tcase_add_test(test_case, a_stopped_queue_takes_its_answers_along);
    tcase_add_test(test_case, beyond_the_quota_nothing_is_lent);
    tcase_add_test(test_case, where_nobody_tells_it_counts_as_returned);
    tcase_add_test(test_case, what_cannot_be_read_now_is_not_returned);
    tcase_add_test(test_case, the_loans_are_an_object);
    suite_add_tcase(suite, test_case);
    return suite;
}
