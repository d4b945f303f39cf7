/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "devices/gpu/fence.h"
#include "tests/unit/suites.h"

static struct fence_queue queue;
static const struct renderer_timeline global = {0, 0};
static const struct renderer_timeline ring_0 = {5, 0};
static const struct renderer_timeline ring_1 = {5, 1};
static const struct renderer_timeline other = {6, 0};

static void set_up(void)
{
    struct error error;
    ck_assert(fence_queue_init(&queue, &error));
}

static void tear_down(void)
{
    fence_queue_finish(&queue);
}

static uint32_t add(struct renderer_timeline timeline, uint16_t head)
{
    struct error error;
    uint32_t fence;
    ck_assert_msg(fence_queue_add(&queue, timeline, head, 24u + head, &fence, &error),
                  "%s", error.text);
    return fence;
}

static void expect(uint16_t want)
{
    uint16_t head;
    uint32_t written;
    ck_assert(fence_queue_take(&queue, &head, &written));
    ck_assert_uint_eq(head, want);
    ck_assert_uint_eq(written, 24u + want);
}

static void expect_none(void)
{
    uint16_t head = 999;
    uint32_t written = 999;
    ck_assert(!fence_queue_take(&queue, &head, &written));
    ck_assert_uint_eq(head, 999);
}

static bool readable(void)
{
    struct pollfd fd = {.fd = queue.event_fd, .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

START_TEST(a_chain_comes_back_once_when_its_fence_is_done)
{
    uint32_t fence = add(global, 3);
    expect_none();
    ck_assert(!readable());
    fence_queue_signal(&queue, global, fence);
    ck_assert(readable());
    expect(3);
    expect_none();
    fence_queue_signal(&queue, global, fence); /* said twice */
    expect_none();
}
END_TEST

START_TEST(a_signal_covers_what_came_before_on_its_timeline)
{
    add(global, 0);
    uint32_t second = add(global, 1);
    uint32_t third = add(global, 2);
    fence_queue_signal(&queue, global, second);
    expect(0);
    expect(1);
    expect_none();
    fence_queue_signal(&queue, global, third);
    expect(2);
}
END_TEST

START_TEST(a_refused_fence_covers_nothing_else)
{
    uint32_t first = add(global, 0);
    uint32_t refused = add(global, 1);
    fence_queue_complete(&queue, refused);
    ck_assert(readable());
    expect(1);
    expect_none();
    fence_queue_signal(&queue, global, first);
    expect(0);
}
END_TEST

START_TEST(timelines_do_not_wait_for_each_other)
{
    uint32_t fences[4] = {add(global, 0), add(ring_0, 1), add(ring_1, 2), add(other, 3)};
    const struct renderer_timeline timelines[4] = {global, ring_0, ring_1, other};
    static const uint16_t order[] = {2, 0, 3, 1};
    for (unsigned i = 0; i < 4; i++) {
        fence_queue_signal(&queue, timelines[order[i]], fences[order[i]]);
        expect(order[i]);
        expect_none();
    }
}
END_TEST

START_TEST(chains_come_back_in_the_order_of_add)
{
    add(ring_1, 0);
    add(ring_0, 1);
    uint32_t last_1 = add(ring_1, 2);
    uint32_t last_0 = add(ring_0, 3);
    fence_queue_signal(&queue, ring_0, last_0);
    fence_queue_signal(&queue, ring_1, last_1);
    for (uint16_t head = 0; head < 4; head++)
        expect(head);
}
END_TEST

START_TEST(the_32_bit_number_wraps)
{
    queue.next_fence = UINT32_MAX - 2;
    uint32_t fences[5];
    for (uint16_t i = 0; i < 5; i++)
        fences[i] = add(global, i);
    ck_assert_uint_eq(fences[1], UINT32_MAX);
    ck_assert_uint_eq(fences[2], 0);
    fence_queue_signal(&queue, global, fences[1]);
    expect(0);
    expect(1);
    expect_none();
    fence_queue_signal(&queue, global, fences[3]); /* 1 is later than UINT32_MAX */
    expect(2);
    expect(3);
    expect_none();
    fence_queue_signal(&queue, global, UINT32_MAX); /* and that one is old */
    expect_none();
    fence_queue_signal(&queue, global, fences[4]);
    expect(4);
}
END_TEST

START_TEST(a_context_that_is_gone_does_not_hold_its_chains)
{
    add(global, 0);
    add(ring_0, 1);
    add(ring_1, 2);
    add(other, 3);
    fence_queue_abandon(&queue, 5);
    ck_assert(readable());
    expect(1);
    expect(2);
    expect_none();
    fence_queue_abandon(&queue, 0);
    expect(0);
    expect(3);
    expect_none();
}
END_TEST

START_TEST(a_signal_from_before_a_reset_is_not_taken_for_a_new_one)
{
    uint32_t old = add(global, 1);
    fence_queue_clear(&queue);
    expect_none();
    uint32_t new = add(global, 2);
    fence_queue_signal(&queue, global, old);
    expect_none();
    fence_queue_signal(&queue, global, new);
    expect(2);
    expect_none();
}
END_TEST

START_TEST(more_than_a_ring_holds_is_refused)
{
    struct error error;
    uint32_t fence = 0;
    for (uint16_t i = 0; i < VIRTQUEUE_SIZE_MAX; i++)
        fence = add(global, i);
    uint32_t refused = 4711;
    ck_assert(!fence_queue_add(&queue, global, 0, 24, &refused, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_LIMIT);
    ck_assert_uint_eq(refused, 4711);
    fence_queue_signal(&queue, global, fence);
    for (uint16_t i = 0; i < VIRTQUEUE_SIZE_MAX; i++)
        expect(i);
    expect_none();
    add(global, 1);
}
END_TEST

#define ROUNDS 20000

static void *signaller(void *argument)
{
    (void)argument;
    for (uint32_t fence = 1; fence <= ROUNDS; fence++)
        fence_queue_signal(&queue, ring_0, fence);
    /* The last of them may have come before its add(). A mutex is not fair: whoever only waits
     * leaves it alone for a moment. */
    for (bool done = false; !done;) {
        usleep(50);
        pthread_mutex_lock(&queue.lock);
        done = queue.next_fence == ROUNDS;
        pthread_mutex_unlock(&queue.lock);
    }
    fence_queue_signal(&queue, ring_0, ROUNDS);
    return NULL;
}

START_TEST(signals_may_come_from_any_thread)
{
    pthread_t thread;
    uint32_t added = 0;
    uint32_t taken = 0;
    uint16_t head;
    uint32_t written;
    pthread_create(&thread, NULL, signaller, NULL);
    while (taken < ROUNDS) {
        if (added < ROUNDS && added - taken < VIRTQUEUE_SIZE_MAX)
            ck_assert_uint_eq(add(ring_0, (uint16_t)(added & 0xff)), ++added);
        while (fence_queue_take(&queue, &head, &written))
            ck_assert_uint_eq(head, taken++ & 0xff);
        if (added == ROUNDS || added - taken == VIRTQUEUE_SIZE_MAX)
            fence_queue_signal(&queue, ring_0, added);
    }
    pthread_join(thread, NULL);
    expect_none();
}
END_TEST

Suite *fence_suite(void)
{
    Suite *suite = suite_create("fence");
    TCase *test_case = tcase_create("fence");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, a_chain_comes_back_once_when_its_fence_is_done);
    tcase_add_test(test_case, a_signal_covers_what_came_before_on_its_timeline);
    tcase_add_test(test_case, a_refused_fence_covers_nothing_else);
    tcase_add_test(test_case, timelines_do_not_wait_for_each_other);
    tcase_add_test(test_case, chains_come_back_in_the_order_of_add);
    tcase_add_test(test_case, the_32_bit_number_wraps);
    tcase_add_test(test_case, a_context_that_is_gone_does_not_hold_its_chains);
    tcase_add_test(test_case, a_signal_from_before_a_reset_is_not_taken_for_a_new_one);
    tcase_add_test(test_case, more_than_a_ring_holds_is_refused);
    tcase_add_test(test_case, signals_may_come_from_any_thread);
    suite_add_tcase(suite, test_case);
    return suite;
}
