/* SPDX-License-Identifier: MIT */
/* Fenced commands: from the ring, through the renderer's fence, and back to the ring. */
#include <check.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/gpu_driver.h"
#include "tests/unit/suites.h"

#define GLOBAL      0u
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define PATIENCE_MS 10000

START_TEST(a_fenced_command_waits_for_its_fence)
{
    fake_gpu_create_blob(&driver.fake, 2, PAGE_SIZE_4K);
    driver.fake.renderer.fence = FAKE_FENCE_LATER;
    uint16_t head = add_attach(0, FENCE, FAKE_CONTEXT, 0);
    ck_assert(!kick());
    expect_nothing_used();
    serve_fences(); /* for nothing */
    expect_nothing_used();
    fake_renderer_complete(&driver.fake.renderer, 0);
    expect_nothing_used(); /* the device's thread does it */
    serve_fences();
    expect_used(head, HEADER);
    ck_assert_uint_eq(response(0).fence_id, 1000);
    ck_assert_uint_eq(response(0).flags, FENCE);
    serve_fences();
    expect_nothing_used();
}
END_TEST

START_TEST(a_fence_may_be_done_before_it_was_asked_for)
{
    fake_gpu_create_blob(&driver.fake, 2, PAGE_SIZE_4K);
    driver.fake.renderer.fence = (enum fake_fence_behaviour)_i;
    uint16_t head = add_attach(0, FENCE, FAKE_CONTEXT, 0);
    ck_assert(!kick());
    serve_fences();
    expect_used(head, HEADER);
    expect_nothing_used();
}
END_TEST

START_TEST(rings_are_timelines_of_their_own)
{
    fake_gpu_create_blob(&driver.fake, 2, PAGE_SIZE_4K);
    driver.fake.renderer.fence = FAKE_FENCE_LATER;
    uint16_t on_ring =
        add_attach(0, FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX, FAKE_CONTEXT, 2);
    uint16_t global = add_attach(1, FENCE, FAKE_CONTEXT, 0);
    ck_assert(!kick());
    ck_assert_uint_eq(driver.fake.renderer.fences[0].timeline.context_id, FAKE_CONTEXT);
    ck_assert_uint_eq(driver.fake.renderer.fences[0].timeline.ring, 2);
    ck_assert_uint_eq(driver.fake.renderer.fences[1].timeline.context_id, GLOBAL);
    fake_renderer_complete(&driver.fake.renderer, 1);
    serve_fences();
    expect_used(global, HEADER);
    expect_nothing_used();
    fake_renderer_complete(&driver.fake.renderer, 0);
    serve_fences();
    expect_used(on_ring, HEADER);
}
END_TEST

/* A refused command is answered at once: nothing will signal for it. */
START_TEST(a_refused_command_does_not_wait)
{
    driver.fake.renderer.fence = FAKE_FENCE_LATER;
    uint16_t head = add_attach(0, FENCE, FAKE_CONTEXT, 0); /* there is no resource 2 */
    ck_assert(!kick());
    expect_used(head, HEADER);
    ck_assert_uint_eq(response(0).type, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    ck_assert_uint_eq(response(0).flags, FENCE);
    ck_assert_uint_eq(driver.fake.renderer.fence_count, 0);
}
END_TEST

START_TEST(a_destroyed_context_gives_its_commands_back)
{
    struct error error;
    fake_gpu_create_blob(&driver.fake, 2, PAGE_SIZE_4K);
    driver.fake.renderer.fence = FAKE_FENCE_LATER;
    uint16_t head = add_attach(0, FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX, FAKE_CONTEXT, 2);
    ck_assert(!kick());
    ck_assert(gpu_context_destroy(&driver.fake.gpu, FAKE_CONTEXT, &error));
    serve_fences();
    expect_used(head, HEADER);
    fake_renderer_complete(&driver.fake.renderer, 0); /* late, for nobody */
    serve_fences();
    expect_nothing_used();
}
END_TEST

/* virtio_device.h, queue_stopped(): a new ring must not see chains of the old one. */
START_TEST(a_stopped_queue_takes_its_fences_along)
{
    fake_gpu_create_blob(&driver.fake, 2, PAGE_SIZE_4K);
    driver.fake.renderer.fence = FAKE_FENCE_LATER;
    for (unsigned i = 0; i < 3; i++)
        add_attach(i, FENCE, FAKE_CONTEXT, 0);
    ck_assert(!kick());
    driver.device->queue_running[GPU_QUEUE_CONTROL] = false;
    driver.device->queues[GPU_QUEUE_CONTROL] = (struct virtqueue){.broken = true};
    driver.ops->queue_stopped(&driver.fake.gpu,
                              GPU_QUEUE_CURSOR); /* has nothing to do with them */
    ck_assert_uint_eq(driver.fake.gpu.fences.count, 3);
    driver.ops->queue_stopped(&driver.fake.gpu, GPU_QUEUE_CONTROL);

    start_queue(GPU_QUEUE_CONTROL);
    uint16_t head = add_attach(0, FENCE, FAKE_CONTEXT, 0);
    ck_assert(!kick());
    fake_renderer_complete(&driver.fake.renderer, 0);
    fake_renderer_complete(&driver.fake.renderer, 0);
    serve_fences();
    expect_nothing_used();
    fake_renderer_complete(&driver.fake.renderer, 0);
    fake_renderer_complete(&driver.fake.renderer, 0);
    serve_fences();
    expect_used(head, HEADER);
    expect_nothing_used();
}
END_TEST

START_TEST(a_reset_with_fences_in_flight)
{
    fake_gpu_map_blob(&driver.fake, 2, PAGE_SIZE_4K, 0);
    driver.fake.renderer.fence = FAKE_FENCE_LATER;
    for (unsigned i = 0; i < 3; i++)
        add_attach(i, FENCE, FAKE_CONTEXT, 0);
    ck_assert(!kick());
    driver.ops->reset(&driver.fake.gpu);
    fake_gpu_check_nothing_mapped(&driver.fake);
    ck_assert_uint_eq(driver.fake.renderer.context_count, 0);
    ck_assert_uint_eq(driver.fake.renderer.blob_count, 0);

    /* A new driver, with a command of its own in flight, sees nothing of the old ones. */
    struct error error;
    start_queue(GPU_QUEUE_CONTROL);
    ck_assert(gpu_context_create(&driver.fake.gpu, FAKE_CONTEXT, VIRTIO_GPU_CAPSET_VENUS,
                                 "", &error));
    fake_gpu_create_blob(&driver.fake, 2, PAGE_SIZE_4K);
    uint16_t head = add_attach(0, FENCE, FAKE_CONTEXT, 0);
    ck_assert(!kick());
    for (unsigned i = 0; i < 3; i++)
        fake_renderer_complete(&driver.fake.renderer, 0);
    serve_fences();
    expect_nothing_used();
    fake_renderer_complete(&driver.fake.renderer, 0);
    serve_fences();
    expect_used(head, HEADER);
    expect_nothing_used();
}
END_TEST

/* A driver that reuses chains in flight breaks the ring before it fills our list. */
START_TEST(more_fences_than_the_ring_has_chains)
{
    fake_gpu_create_blob(&driver.fake, 2, PAGE_SIZE_4K);
    driver.fake.renderer.fence = FAKE_FENCE_LATER;
    for (unsigned i = 0; i < RING_SIZE; i++) {
        add_attach(i, FENCE, FAKE_CONTEXT, 0);
        kick();
    }
    ck_assert_uint_eq(driver.fake.gpu.fences.count, RING_SIZE);
    add_attach(0, FENCE, FAKE_CONTEXT, 0);
    kick();
    ck_assert_uint_ne(driver.device->status & NEEDS_RESET, 0);
    ck_assert_uint_eq(driver.fake.gpu.fences.count, RING_SIZE);
}
END_TEST

/* --- with a thread --- */

static struct virtio_queue_registers registers_of(unsigned index)
{
    return (struct virtio_queue_registers){
        .size = RING_SIZE,
        .descriptors = driver.mocks[index].descriptors.value,
        .driver = driver.mocks[index].driver.value,
        .device = driver.mocks[index].device.value,
        .ready = true,
    };
}

static void start_device(void)
{
    virtqueue_mock_init(&driver.mocks[0], &driver.fake.memory, gpa(RINGS), RING_SIZE,
                        true);
    driver.device->queue_registers[0] = registers_of(0);
    driver.device->driver_features = driver.device->features;
    virtio_device_write_status(
        driver.device, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
                           VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void wait_until_used(uint16_t want)
{
    const struct timespec pause = {.tv_nsec = 100000};
    for (unsigned i = 0; i < 10 * PATIENCE_MS; i++) {
        if (virtqueue_mock_used_index(&driver.mocks[0]) == want)
            return;
        nanosleep(&pause, NULL);
    }
    ck_abort_msg("%u chains came back, not %u",
                 virtqueue_mock_used_index(&driver.mocks[0]), want);
}

static void *complete_all(void *argument)
{
    const struct timespec pause = {.tv_nsec = 20000};
    atomic_bool *stop = argument;
    while (!atomic_load(stop)) {
        pthread_mutex_lock(&driver.fake.gpu.fences.lock);
        uint32_t fence = driver.fake.gpu.fences.next_fence;
        pthread_mutex_unlock(&driver.fake.gpu.fences.lock);
        fence_queue_signal(&driver.fake.gpu.fences, (struct renderer_timeline){0, 0},
                           fence);
        nanosleep(&pause, NULL); /* for the others: a mutex is not fair */
    }
    return NULL;
}

START_TEST(no_fenced_command_is_lost_or_answered_twice)
{
    struct error error;
    atomic_bool stop = false;
    pthread_t signaller;
    static uint8_t seen[256];
    driver.fake.trace.details = false;
    fake_gpu_create_blob(&driver.fake, 2, PAGE_SIZE_4K);
    driver.device->started = false;
    driver.device->queue_running[0] = driver.device->queue_running[1] = false;
    driver.fake.renderer.fence = FAKE_FENCE_NEVER; /* but for the other thread */
    ck_assert(virtio_device_run(driver.device, NULL, NULL, &error));
    start_device();
    pthread_create(&signaller, NULL, complete_all, &stop);
    for (uint16_t round = 0; round < 200; round++) {
        for (unsigned i = 0; i < 16; i++)
            add_attach(i, FENCE, FAKE_CONTEXT, 0);
        if (write(driver.device->kick_fds[0], &(uint64_t){1}, 8) != 8)
            ck_abort();
        wait_until_used((uint16_t)((round + 1) * 16));
        uint16_t head;
        uint32_t length;
        memset(seen, 0, sizeof seen);
        while (virtqueue_mock_take_used(&driver.mocks[0], &head, &length))
            ck_assert_uint_eq(seen[head]++, 0);
    }
    atomic_store(&stop, true);
    pthread_join(signaller, NULL);
    virtio_device_stop(driver.device);
}
END_TEST

START_TEST(a_driver_may_reset_at_any_moment)
{
    struct error error;
    const struct timespec pause = {.tv_nsec = 50000};
    driver.fake.trace.details = false;
    driver.device->started = false;
    driver.device->queue_running[0] = driver.device->queue_running[1] = false;
    driver.fake.renderer.fence = FAKE_FENCE_AT_ONCE;
    const struct virtio_gpu_ctx_create create = {
        .hdr = {.type = VIRTIO_GPU_CMD_CTX_CREATE, .flags = FENCE, .ctx_id = 9},
        .context_init = VIRTIO_GPU_CAPSET_VENUS,
    };
    ck_assert(virtio_device_run(driver.device, NULL, NULL, &error));
    for (unsigned round = 0; round < 200; round++) {
        start_device();
        add_bytes(0, &create, sizeof create, ROOM);
        if (write(driver.device->kick_fds[0], &(uint64_t){1}, 8) != 8)
            ck_abort();
        if (round % 3 == 0)
            wait_until_used(1);
        else if (round % 3 == 1)
            nanosleep(&pause, NULL);
        virtio_device_write_status(driver.device, 0);
        while (virtio_device_read_status(driver.device) != 0)
            nanosleep(&pause, NULL);
    }
    virtio_device_stop(driver.device);
    ck_assert_uint_eq(driver.fake.renderer.context_count, 0);
}
END_TEST

Suite *gpu_fences_suite(void)
{
    Suite *suite = suite_create("gpu_fences");
    TCase *test_case = tcase_create("gpu_fences");
    tcase_add_checked_fixture(test_case, gpu_driver_set_up, gpu_driver_tear_down);
    tcase_set_timeout(test_case, 60);
    tcase_add_test(test_case, a_fenced_command_waits_for_its_fence);
    tcase_add_test(test_case, rings_are_timelines_of_their_own);
    tcase_add_loop_test(test_case, a_fence_may_be_done_before_it_was_asked_for,
                        FAKE_FENCE_AT_ONCE, FAKE_FENCE_AT_ONCE + 1);
    tcase_add_loop_test(test_case, a_fence_may_be_done_before_it_was_asked_for,
                        FAKE_FENCE_FAILS, FAKE_FENCE_FAILS + 1);
    tcase_add_test(test_case, a_refused_command_does_not_wait);
    tcase_add_test(test_case, a_destroyed_context_gives_its_commands_back);
    tcase_add_test(test_case, a_stopped_queue_takes_its_fences_along);
    tcase_add_test(test_case, a_reset_with_fences_in_flight);
    tcase_add_test(test_case, more_fences_than_the_ring_has_chains);
    tcase_add_test(test_case, no_fenced_command_is_lost_or_answered_twice);
    tcase_add_test(test_case, a_driver_may_reset_at_any_moment);
    suite_add_tcase(suite, test_case);
    return suite;
}
