/* SPDX-License-Identifier: MIT */
/*
 * The virtio side of the GPU, with a driver's ring in guest memory and the fake renderer.
 * Most tests call what the device's thread would call; the last ones have that thread.
 */
#include <check.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/fake_gpu.h"
#include "tests/unit/suites.h"
#include "tests/unit/virtqueue_mock.h"

#define RING_SIZE   64
#define RINGS       0x10000u
#define REQUESTS    0x40000u
#define RESPONSES   0x80000u
#define LARGE       0x200000u /* 2 MiB of zeroes */
#define ROOM        64u
#define HEADER      (uint32_t)sizeof(struct virtio_gpu_ctrl_hdr)
#define PATIENCE_MS 10000
#define FENCE       VIRTIO_GPU_FLAG_FENCE
#define GLOBAL      0u
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET

static struct fake_gpu fake;
static struct virtqueue_mock mocks[GPU_QUEUE_COUNT];
static struct virtio_device *device;
static const struct virtio_device_ops *ops;

static void start_queue(unsigned index)
{
    struct error error;
    virtqueue_mock_init(&mocks[index], &fake.memory, gpa(RINGS + index * 0x8000u),
                        RING_SIZE, true);
    device->queues[index] = virtqueue_mock_queue(&mocks[index]);
    ck_assert(virtqueue_start(&device->queues[index], &error));
    device->queue_running[index] = true;
}

static void set_up(void)
{
    fake_gpu_init(&fake);
    device = &fake.gpu.virtio;
    ops = device->ops;
    device->started = true;
    start_queue(GPU_QUEUE_CONTROL);
    start_queue(GPU_QUEUE_CURSOR);
}

static void tear_down(void)
{
    fake_gpu_finish(&fake);
}

/* Adds a command of `size` bytes whose answer has `room`; its number finds its memory. */
static uint16_t add_bytes(unsigned number, const void *request, uint32_t size,
                          uint32_t room)
{
    struct error error;
    gpa_t from = gpa(REQUESTS + number * 0x100u);
    gpa_t to = gpa(RESPONSES + number * 0x100u);
    const struct virtqueue_mock_segment segments[] = {
        {from, size, false},
        {to, room, true},
    };
    uint8_t blank[0x100];
    memset(blank, 0xdd, sizeof blank);
    ck_assert(guest_memory_write(&fake.memory, from, request, size, &error));
    ck_assert(guest_memory_write(&fake.memory, to, blank, sizeof blank, &error));
    uint16_t head =
        virtqueue_mock_add(&mocks[GPU_QUEUE_CONTROL], segments, room > 0 ? 2 : 1);
    virtqueue_mock_publish(&mocks[GPU_QUEUE_CONTROL]);
    return head;
}

/* Attaching is a command that needs little and changes nothing here. */
static uint16_t add_fenced(unsigned number, uint32_t flags, uint32_t context,
                           uint8_t ring)
{
    const struct virtio_gpu_ctx_resource request = {
        .hdr = {.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE,
                .flags = flags,
                .fence_id = 1000 + number,
                .ctx_id = context,
                .ring_idx = ring},
        .resource_id = 2,
    };
    return add_bytes(number, &request, sizeof request, ROOM);
}

static uint16_t add_display_info(unsigned number)
{
    const struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
    return add_bytes(number, &request, sizeof request, 0);
}

static struct virtio_gpu_ctrl_hdr response(unsigned number)
{
    struct error error;
    struct virtio_gpu_ctrl_hdr header;
    ck_assert(guest_memory_read(&fake.memory, gpa(RESPONSES + number * 0x100u), &header,
                                sizeof header, &error));
    return header;
}

static bool kick(void)
{
    return ops->queue_kicked(&fake.gpu, GPU_QUEUE_CONTROL);
}

static void serve_fences(void)
{
    ck_assert_int_eq(device->watches[0].fd, fake.gpu.fences.event_fd);
    device->watches[0].readable(&fake.gpu);
}

static void expect_used(uint16_t want, uint32_t want_length)
{
    uint16_t head;
    uint32_t length;
    ck_assert(virtqueue_mock_take_used(&mocks[GPU_QUEUE_CONTROL], &head, &length));
    ck_assert_uint_eq(head, want);
    ck_assert_uint_eq(length, want_length);
}

static void expect_nothing_used(void)
{
    uint16_t head;
    uint32_t length;
    ck_assert(!virtqueue_mock_take_used(&mocks[GPU_QUEUE_CONTROL], &head, &length));
}

/* --- commands --- */

START_TEST(what_is_offered)
{
    ck_assert_uint_eq(device->device_id, VIRTIO_ID_GPU);
    ck_assert_uint_eq(device->queue_count, 2);
    ck_assert_uint_eq(device->shm_count, 1);
    ck_assert_uint_eq(device->shm[0].id, VIRTIO_GPU_SHM_ID_HOST_VISIBLE);
    ck_assert_uint_eq(device->shm[0].range.start.value, FAKE_WINDOW_BASE);
    ck_assert_uint_eq(device->shm[0].range.size, FAKE_WINDOW);
    ck_assert_uint_eq(fake.gpu.registers.num_scanouts, 1);
    ck_assert_uint_eq(device->features & 0xffffff, 1u << VIRTIO_GPU_F_VIRGL |
                                                       1u << VIRTIO_GPU_F_RESOURCE_BLOB |
                                                       1u << VIRTIO_GPU_F_CONTEXT_INIT);
    ck_assert(device->config_written == NULL);
}
END_TEST

START_TEST(a_command_is_answered_at_once)
{
    fake_gpu_create_blob(&fake, 2, PAGE_SIZE_4K);
    uint16_t head = add_fenced(0, 0, FAKE_CONTEXT, 0);
    ck_assert(!kick());
    expect_used(head, HEADER);
    ck_assert_uint_eq(response(0).type, VIRTIO_GPU_RESP_OK_NODATA);
    ck_assert_uint_eq(response(0).flags, 0);
    expect_nothing_used();
}
END_TEST

/* 32 at a time: others of the thread have their turn between. */
START_TEST(a_full_ring_is_served_in_turns)
{
    for (unsigned i = 0; i < RING_SIZE; i++)
        add_display_info(i);
    ck_assert(kick());
    ck_assert_uint_eq(virtqueue_mock_used_index(&mocks[0]), 32);
    ck_assert(kick());
    ck_assert_uint_eq(virtqueue_mock_used_index(&mocks[0]), 64);
    ck_assert(!kick());
}
END_TEST

/* With event index, a driver is silent until it is asked to notify again. */
START_TEST(an_empty_queue_asks_for_a_notification)
{
    for (unsigned i = 0; i < 5; i++) {
        add_display_info(i);
        ck_assert(!kick());
        ck_assert_uint_eq(virtqueue_mock_available_event(&mocks[0]), i + 1);
    }
    ck_assert(!ops->queue_kicked(&fake.gpu, GPU_QUEUE_CURSOR));
}
END_TEST

START_TEST(the_response_is_cut_to_the_room)
{
    static const uint32_t rooms[] = {0, 1, HEADER - 1};
    const struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
    for (unsigned i = 0; i < ARRAY_SIZE(rooms); i++) {
        uint16_t head = add_bytes(i, &request, sizeof request, rooms[i]);
        ck_assert(!kick());
        expect_used(head, rooms[i]);
        uint8_t behind;
        struct error error;
        guest_memory_read(&fake.memory, gpa(RESPONSES + i * 0x100u + rooms[i]), &behind,
                          1, &error);
        ck_assert_uint_eq(behind, 0xdd);
    }
    ck_assert_uint_eq(atomic_load(&fake.trace.warnings), 3);
}
END_TEST

START_TEST(a_chain_may_have_nothing_to_read)
{
    const struct virtqueue_mock_segment segment = {gpa(RESPONSES), ROOM, true};
    uint16_t head = virtqueue_mock_add(&mocks[0], &segment, 1);
    virtqueue_mock_publish(&mocks[0]);
    ck_assert(!kick());
    expect_used(head, HEADER);
    ck_assert_uint_eq(response(0).type, VIRTIO_GPU_RESP_ERR_UNSPEC);
}
END_TEST

START_TEST(a_command_has_a_megabyte_at_most)
{
    const struct virtio_gpu_cmd_submit submit = {
        .hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = FAKE_CONTEXT},
        .size = GPU_REQUEST_MAX - sizeof submit + (_i ? 4 : 0),
    };
    struct error error;
    const struct virtqueue_mock_segment segments[] = {
        {gpa(REQUESTS), sizeof submit, false},
        {gpa(LARGE), 2 * MIB, false},
        {gpa(RESPONSES), ROOM, true},
    };
    guest_memory_write(&fake.memory, gpa(REQUESTS), &submit, sizeof submit, &error);
    uint16_t head = virtqueue_mock_add(&mocks[0], segments, 3);
    virtqueue_mock_publish(&mocks[0]);
    ck_assert(!kick());
    expect_used(head, HEADER);
    ck_assert_uint_eq(response(0).type, _i ? VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
                                           : VIRTIO_GPU_RESP_OK_NODATA);
    ck_assert_uint_eq(fake.renderer.submit_count, _i ? 0 : 1);
}
END_TEST

START_TEST(cursor_commands_are_taken_and_dropped)
{
    uint16_t head;
    uint32_t length;
    const struct virtqueue_mock_segment segment = {gpa(REQUESTS), 56, false};
    uint16_t first = virtqueue_mock_add(&mocks[GPU_QUEUE_CURSOR], &segment, 1);
    virtqueue_mock_publish(&mocks[GPU_QUEUE_CURSOR]);
    ck_assert(!ops->queue_kicked(&fake.gpu, GPU_QUEUE_CURSOR));
    ck_assert(virtqueue_mock_take_used(&mocks[GPU_QUEUE_CURSOR], &head, &length));
    ck_assert_uint_eq(head, first);
    ck_assert_uint_eq(length, 0);
}
END_TEST

START_TEST(a_broken_ring_needs_a_reset)
{
    virtqueue_mock_set_available_index(&mocks[0], RING_SIZE + 1);
    ck_assert(!kick());
    ck_assert_uint_ne(device->status & NEEDS_RESET, 0);
    ck_assert(!kick()); /* and is quiet from then on */
    ck_assert_uint_eq(atomic_load(&fake.trace.warnings), 1);
}
END_TEST

/* --- fences --- */

START_TEST(a_fenced_command_waits_for_its_fence)
{
    fake_gpu_create_blob(&fake, 2, PAGE_SIZE_4K);
    fake.renderer.fence = FAKE_FENCE_LATER;
    uint16_t head = add_fenced(0, FENCE, FAKE_CONTEXT, 0);
    ck_assert(!kick());
    expect_nothing_used();
    serve_fences(); /* for nothing */
    expect_nothing_used();
    fake_renderer_complete(&fake.renderer, 0);
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
    fake_gpu_create_blob(&fake, 2, PAGE_SIZE_4K);
    fake.renderer.fence = (enum fake_fence_behaviour)_i;
    uint16_t head = add_fenced(0, FENCE, FAKE_CONTEXT, 0);
    ck_assert(!kick());
    serve_fences();
    expect_used(head, HEADER);
    expect_nothing_used();
}
END_TEST

START_TEST(rings_are_timelines_of_their_own)
{
    fake_gpu_create_blob(&fake, 2, PAGE_SIZE_4K);
    fake.renderer.fence = FAKE_FENCE_LATER;
    uint16_t on_ring =
        add_fenced(0, FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX, FAKE_CONTEXT, 2);
    uint16_t global = add_fenced(1, FENCE, FAKE_CONTEXT, 0);
    ck_assert(!kick());
    ck_assert_uint_eq(fake.renderer.fences[0].timeline.context_id, FAKE_CONTEXT);
    ck_assert_uint_eq(fake.renderer.fences[0].timeline.ring, 2);
    ck_assert_uint_eq(fake.renderer.fences[1].timeline.context_id, GLOBAL);
    fake_renderer_complete(&fake.renderer, 1);
    serve_fences();
    expect_used(global, HEADER);
    expect_nothing_used();
    fake_renderer_complete(&fake.renderer, 0);
    serve_fences();
    expect_used(on_ring, HEADER);
}
END_TEST

/* A refused command is answered at once: nothing will signal for it. */
START_TEST(a_refused_command_does_not_wait)
{
    fake.renderer.fence = FAKE_FENCE_LATER;
    uint16_t head = add_fenced(0, FENCE, FAKE_CONTEXT, 0); /* there is no resource 2 */
    ck_assert(!kick());
    expect_used(head, HEADER);
    ck_assert_uint_eq(response(0).type, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    ck_assert_uint_eq(response(0).flags, FENCE);
    ck_assert_uint_eq(fake.renderer.fence_count, 0);
}
END_TEST

START_TEST(a_destroyed_context_gives_its_commands_back)
{
    struct error error;
    fake_gpu_create_blob(&fake, 2, PAGE_SIZE_4K);
    fake.renderer.fence = FAKE_FENCE_LATER;
    uint16_t head = add_fenced(0, FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX, FAKE_CONTEXT, 2);
    ck_assert(!kick());
    ck_assert(gpu_context_destroy(&fake.gpu, FAKE_CONTEXT, &error));
    serve_fences();
    expect_used(head, HEADER);
    fake_renderer_complete(&fake.renderer, 0); /* late, for nobody */
    serve_fences();
    expect_nothing_used();
}
END_TEST

/* virtio_device.h, queue_stopped(): a new ring must not see chains of the old one. */
START_TEST(a_stopped_queue_takes_its_fences_along)
{
    fake_gpu_create_blob(&fake, 2, PAGE_SIZE_4K);
    fake.renderer.fence = FAKE_FENCE_LATER;
    for (unsigned i = 0; i < 3; i++)
        add_fenced(i, FENCE, FAKE_CONTEXT, 0);
    ck_assert(!kick());
    device->queue_running[GPU_QUEUE_CONTROL] = false;
    device->queues[GPU_QUEUE_CONTROL] = (struct virtqueue){.broken = true};
    ops->queue_stopped(&fake.gpu, GPU_QUEUE_CURSOR); /* has nothing to do with them */
    ck_assert_uint_eq(fake.gpu.fences.count, 3);
    ops->queue_stopped(&fake.gpu, GPU_QUEUE_CONTROL);

    start_queue(GPU_QUEUE_CONTROL);
    uint16_t head = add_fenced(0, FENCE, FAKE_CONTEXT, 0);
    ck_assert(!kick());
    fake_renderer_complete(&fake.renderer, 0);
    fake_renderer_complete(&fake.renderer, 0);
    serve_fences();
    expect_nothing_used();
    fake_renderer_complete(&fake.renderer, 0);
    fake_renderer_complete(&fake.renderer, 0);
    serve_fences();
    expect_used(head, HEADER);
    expect_nothing_used();
}
END_TEST

START_TEST(a_reset_with_fences_in_flight)
{
    fake_gpu_map_blob(&fake, 2, PAGE_SIZE_4K, 0);
    fake.renderer.fence = FAKE_FENCE_LATER;
    for (unsigned i = 0; i < 3; i++)
        add_fenced(i, FENCE, FAKE_CONTEXT, 0);
    ck_assert(!kick());
    ops->reset(&fake.gpu);
    fake_gpu_check_nothing_mapped(&fake);
    ck_assert_uint_eq(fake.renderer.context_count, 0);
    ck_assert_uint_eq(fake.renderer.blob_count, 0);

    start_queue(GPU_QUEUE_CONTROL);
    for (unsigned i = 0; i < 3; i++)
        fake_renderer_complete(&fake.renderer, 0);
    serve_fences();
    expect_nothing_used();
}
END_TEST

/* A driver that reuses chains in flight breaks the ring before it fills our list. */
START_TEST(more_fences_than_the_ring_has_chains)
{
    fake_gpu_create_blob(&fake, 2, PAGE_SIZE_4K);
    fake.renderer.fence = FAKE_FENCE_LATER;
    for (unsigned i = 0; i < RING_SIZE; i++) {
        add_fenced(i, FENCE, FAKE_CONTEXT, 0);
        kick();
    }
    ck_assert_uint_eq(fake.gpu.fences.count, RING_SIZE);
    add_fenced(0, FENCE, FAKE_CONTEXT, 0);
    kick();
    ck_assert_uint_ne(device->status & NEEDS_RESET, 0);
    ck_assert_uint_eq(fake.gpu.fences.count, RING_SIZE);
}
END_TEST

/* --- with a thread --- */

static struct virtio_queue_registers registers_of(unsigned index)
{
    return (struct virtio_queue_registers){
        .size = RING_SIZE,
        .descriptors = mocks[index].descriptors.value,
        .driver = mocks[index].driver.value,
        .device = mocks[index].device.value,
        .ready = true,
    };
}

static void start_device(void)
{
    virtqueue_mock_init(&mocks[0], &fake.memory, gpa(RINGS), RING_SIZE, true);
    device->queue_registers[0] = registers_of(0);
    device->driver_features = device->features;
    virtio_device_write_status(
        device, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
                    VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void wait_until_used(uint16_t want)
{
    const struct timespec pause = {.tv_nsec = 100000};
    for (unsigned i = 0; i < 10 * PATIENCE_MS; i++) {
        if (virtqueue_mock_used_index(&mocks[0]) == want)
            return;
        nanosleep(&pause, NULL);
    }
    ck_abort_msg("%u chains came back, not %u", virtqueue_mock_used_index(&mocks[0]),
                 want);
}

static void *complete_all(void *argument)
{
    atomic_bool *stop = argument;
    while (!atomic_load(stop)) {
        pthread_mutex_lock(&fake.gpu.fences.lock);
        uint32_t fence = fake.gpu.fences.next_fence;
        pthread_mutex_unlock(&fake.gpu.fences.lock);
        fence_queue_signal(&fake.gpu.fences, (struct renderer_timeline){0, 0}, fence);
        sched_yield();
    }
    return NULL;
}

START_TEST(no_fenced_command_is_lost_or_answered_twice)
{
    struct error error;
    atomic_bool stop = false;
    pthread_t signaller;
    static uint8_t seen[256];
    fake.trace.details = false;
    fake_gpu_create_blob(&fake, 2, PAGE_SIZE_4K);
    device->started = false;
    device->queue_running[0] = device->queue_running[1] = false;
    fake.renderer.fence = FAKE_FENCE_NEVER; /* but for the other thread */
    ck_assert(virtio_device_run(device, NULL, NULL, &error));
    start_device();
    pthread_create(&signaller, NULL, complete_all, &stop);
    for (uint16_t round = 0; round < 200; round++) {
        for (unsigned i = 0; i < 16; i++)
            add_fenced(i, FENCE, FAKE_CONTEXT, 0);
        if (write(device->kick_fds[0], &(uint64_t){1}, 8) != 8)
            ck_abort();
        wait_until_used((uint16_t)((round + 1) * 16));
        uint16_t head;
        uint32_t length;
        memset(seen, 0, sizeof seen);
        while (virtqueue_mock_take_used(&mocks[0], &head, &length))
            ck_assert_uint_eq(seen[head]++, 0);
    }
    atomic_store(&stop, true);
    pthread_join(signaller, NULL);
    virtio_device_stop(device);
}
END_TEST

START_TEST(a_driver_may_reset_at_any_moment)
{
    struct error error;
    const struct timespec pause = {.tv_nsec = 50000};
    fake.trace.details = false;
    device->started = false;
    device->queue_running[0] = device->queue_running[1] = false;
    fake.renderer.fence = FAKE_FENCE_AT_ONCE;
    const struct virtio_gpu_ctx_create create = {
        .hdr = {.type = VIRTIO_GPU_CMD_CTX_CREATE, .flags = FENCE, .ctx_id = 9},
        .context_init = VIRTIO_GPU_CAPSET_VENUS,
    };
    ck_assert(virtio_device_run(device, NULL, NULL, &error));
    for (unsigned round = 0; round < 200; round++) {
        start_device();
        add_bytes(0, &create, sizeof create, ROOM);
        if (write(device->kick_fds[0], &(uint64_t){1}, 8) != 8)
            ck_abort();
        if (round % 3 == 0)
            wait_until_used(1);
        else if (round % 3 == 1)
            nanosleep(&pause, NULL);
        virtio_device_write_status(device, 0);
        while (virtio_device_read_status(device) != 0)
            nanosleep(&pause, NULL);
    }
    virtio_device_stop(device);
    ck_assert_uint_eq(fake.renderer.context_count, 0);
}
END_TEST

Suite *gpu_device_suite(void)
{
    Suite *suite = suite_create("gpu_device");
    TCase *test_case = tcase_create("gpu_device");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_set_timeout(test_case, 60);
    tcase_add_test(test_case, what_is_offered);
    tcase_add_test(test_case, a_command_is_answered_at_once);
    tcase_add_test(test_case, a_full_ring_is_served_in_turns);
    tcase_add_test(test_case, an_empty_queue_asks_for_a_notification);
    tcase_add_test(test_case, the_response_is_cut_to_the_room);
    tcase_add_test(test_case, a_chain_may_have_nothing_to_read);
    tcase_add_loop_test(test_case, a_command_has_a_megabyte_at_most, 0, 2);
    tcase_add_test(test_case, cursor_commands_are_taken_and_dropped);
    tcase_add_test(test_case, a_broken_ring_needs_a_reset);
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
