/* SPDX-License-Identifier: MIT */
/* The virtio side of the GPU: what it offers, its queues, and its life. */
#include <check.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "devices/gpu/render_server.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/gpu_driver.h"
#include "tests/unit/suites.h"

#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET

START_TEST(what_is_offered)
{
    ck_assert_uint_eq(driver.device->device_id, VIRTIO_ID_GPU);
    ck_assert_uint_eq(driver.device->queue_count, 2);
    ck_assert_uint_eq(driver.device->shm_count, 1);
    ck_assert_uint_eq(driver.device->shm[0].id, VIRTIO_GPU_SHM_ID_HOST_VISIBLE);
    ck_assert_uint_eq(driver.device->shm[0].range.start.value, FAKE_WINDOW_BASE);
    ck_assert_uint_eq(driver.device->shm[0].range.size, FAKE_WINDOW);
    ck_assert_uint_eq(
        driver.device->features & 0xffffff,
        1u << VIRTIO_GPU_F_VIRGL | 1u << VIRTIO_GPU_F_EDID |
            1u << VIRTIO_GPU_F_RESOURCE_UUID | 1u << VIRTIO_GPU_F_RESOURCE_BLOB |
            1u << VIRTIO_GPU_F_CONTEXT_INIT | 1u << VIRTIO_GPU_F_BLOB_ALIGNMENT);
    ck_assert_uint_eq(driver.device->config_size, 20);
    ck_assert_uint_eq(driver.fake.gpu.registers.events_read, 0);
    ck_assert_uint_eq(driver.fake.gpu.registers.num_scanouts, 2);
    ck_assert_uint_eq(driver.fake.gpu.registers.num_capsets, 2);
    ck_assert_uint_eq(driver.fake.gpu.registers.blob_alignment,
                      (uint32_t)sysconf(_SC_PAGESIZE));
}
END_TEST

/* virtio 1.3, 5.7.3: CONTEXT_INIT needs VIRGL; 5.7.4.1: at least one scanout. */
START_TEST(without_a_renderer_there_are_no_contexts)
{
    struct gpu_config config = driver.fake.gpu.config;
    struct error error;
    struct gpu gpu;
    config.virgl = false;
    config.venus = false;
    config.display_count = 0;
    ck_assert(gpu_init(&gpu, &config, &driver.fake.memory, &driver.fake.memslots,
                       &driver.fake.recorder, &driver.fake.trace, &error));
    ck_assert_uint_eq(gpu.virtio.features & 0xffffff,
                      1u << VIRTIO_GPU_F_EDID | 1u << VIRTIO_GPU_F_RESOURCE_UUID |
                          1u << VIRTIO_GPU_F_RESOURCE_BLOB |
                          1u << VIRTIO_GPU_F_BLOB_ALIGNMENT);
    ck_assert_uint_eq(gpu.registers.num_scanouts, 1);
    ck_assert_uint_eq(gpu.registers.num_capsets, 0);
    ck_assert_uint_eq(gpu.displays[0].width, 0);
    gpu_finish(&gpu);
}
END_TEST

START_TEST(a_command_is_answered_at_once)
{
    fake_gpu_create_blob(&driver.fake, 2, PAGE_SIZE_4K);
    uint16_t head = add_attach(0, 0, FAKE_CONTEXT, 0);
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
    ck_assert_uint_eq(virtqueue_mock_used_index(&driver.mocks[0]), 32);
    ck_assert(kick());
    ck_assert_uint_eq(virtqueue_mock_used_index(&driver.mocks[0]), 64);
    ck_assert(!kick());
}
END_TEST

/* With event index, a driver is silent until it is asked to notify again. */
START_TEST(an_empty_queue_asks_for_a_notification)
{
    for (unsigned i = 0; i < 5; i++) {
        add_display_info(i);
        ck_assert(!kick());
        ck_assert_uint_eq(virtqueue_mock_available_event(&driver.mocks[0]), i + 1);
    }
    ck_assert(!driver.ops->queue_kicked(&driver.fake.gpu, GPU_QUEUE_CURSOR));
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
        guest_memory_read(&driver.fake.memory, gpa(RESPONSES + i * 0x100u + rooms[i]),
                          &behind, 1, &error);
        ck_assert_uint_eq(behind, 0xdd);
    }
    ck_assert_uint_eq(atomic_load(&driver.fake.trace.warnings), 3);
}
END_TEST

START_TEST(a_chain_may_have_nothing_to_read)
{
    const struct virtqueue_mock_segment segment = {gpa(RESPONSES), ROOM, true};
    uint16_t head = virtqueue_mock_add(&driver.mocks[0], &segment, 1);
    virtqueue_mock_publish(&driver.mocks[0]);
    ck_assert(!kick());
    expect_used(head, HEADER);
    ck_assert_uint_eq(response(0).type, VIRTIO_GPU_RESP_ERR_UNSPEC);
}
END_TEST

/* The longest command, and one byte more: it is not cut, but refused whole. */
START_TEST(a_command_has_a_limit)
{
    const struct virtio_gpu_cmd_submit submit = {
        .hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D,
                .flags = FENCE,
                .fence_id = 9,
                .ctx_id = FAKE_CONTEXT},
        .size = GPU_REQUEST_MAX - sizeof submit,
    };
    struct error error;
    const struct virtqueue_mock_segment segments[] = {
        {gpa(REQUESTS), sizeof submit, false},
        {gpa(LARGE), 2 * MIB, false},
        {gpa(LARGE), 2 * MIB - sizeof submit + (_i ? 1 : 0), false},
        {gpa(RESPONSES), ROOM, true},
    };
    guest_memory_write(&driver.fake.memory, gpa(REQUESTS), &submit, sizeof submit,
                       &error);
    uint16_t head = virtqueue_mock_add(&driver.mocks[0], segments, 4);
    virtqueue_mock_publish(&driver.mocks[0]);
    ck_assert(!kick());
    serve_fences();
    expect_used(head, HEADER);
    ck_assert_uint_eq(response(0).type,
                      _i ? VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY : VIRTIO_GPU_RESP_OK_NODATA);
    ck_assert_uint_eq(response(0).flags, FENCE);
    ck_assert_uint_eq(response(0).fence_id, 9);
    ck_assert_uint_eq(driver.fake.renderer.submit_count, _i ? 0 : 1);
}
END_TEST

/* _i: room for a response; Linux leaves none. */
START_TEST(cursor_commands_need_no_room)
{
    static const uint32_t rooms[] = {0, HEADER - 1, HEADER, ROOM};
    const struct virtio_gpu_update_cursor move = {
        .hdr = {.type = VIRTIO_GPU_CMD_MOVE_CURSOR, .flags = FENCE, .fence_id = 7},
        .pos = {.scanout_id = 1, .x = 40, .y = 50},
    };
    uint32_t room = rooms[_i];
    struct error error;
    uint16_t head;
    uint32_t length;
    const struct virtqueue_mock_segment segments[] = {
        {gpa(REQUESTS), sizeof move, false},
        {gpa(RESPONSES), room, true},
    };
    guest_memory_write(&driver.fake.memory, gpa(REQUESTS), &move, sizeof move, &error);
    uint16_t chain =
        virtqueue_mock_add(&driver.mocks[GPU_QUEUE_CURSOR], segments, room > 0 ? 2 : 1);
    virtqueue_mock_publish(&driver.mocks[GPU_QUEUE_CURSOR]);
    ck_assert(!driver.ops->queue_kicked(&driver.fake.gpu, GPU_QUEUE_CURSOR));
    ck_assert(virtqueue_mock_take_used(&driver.mocks[GPU_QUEUE_CURSOR], &head, &length));
    ck_assert_uint_eq(head, chain);
    ck_assert_uint_eq(length, room < HEADER ? 0 : HEADER);
    ck_assert_int_eq(driver.fake.gpu.scanouts[1].cursor.x, 40);
    ck_assert_int_eq(driver.fake.gpu.scanouts[1].cursor.y, 50);
    if (length == 0)
        return;
    ck_assert_uint_eq(response(0).type, VIRTIO_GPU_RESP_OK_NODATA);
    ck_assert_uint_eq(response(0).flags, FENCE);
    ck_assert_uint_eq(response(0).fence_id, 7);
}
END_TEST

/* Each queue has its own commands; a long or short one is an error there, too. */
START_TEST(the_cursor_queue_takes_cursor_commands_only)
{
    const struct virtio_gpu_ctrl_hdr info = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
    const struct virtio_gpu_ctrl_hdr move = {.type = VIRTIO_GPU_CMD_MOVE_CURSOR};
    const struct {
        const struct virtio_gpu_ctrl_hdr *header;
        uint32_t size;
    } bad[] = {{&info, HEADER}, {&move, HEADER}, {&move, 55}, {&move, 4}};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct error error;
        uint16_t head;
        uint32_t length;
        const struct virtqueue_mock_segment segments[] = {
            {gpa(REQUESTS), bad[i].size, false},
            {gpa(RESPONSES), ROOM, true},
        };
        guest_memory_write(&driver.fake.memory, gpa(REQUESTS), bad[i].header, HEADER,
                           &error);
        virtqueue_mock_add(&driver.mocks[GPU_QUEUE_CURSOR], segments, 2);
        virtqueue_mock_publish(&driver.mocks[GPU_QUEUE_CURSOR]);
        ck_assert(!driver.ops->queue_kicked(&driver.fake.gpu, GPU_QUEUE_CURSOR));
        ck_assert(
            virtqueue_mock_take_used(&driver.mocks[GPU_QUEUE_CURSOR], &head, &length));
        ck_assert_uint_eq(response(0).type, VIRTIO_GPU_RESP_ERR_UNSPEC);
        ck_assert_uint_eq(length, HEADER);
    }
}
END_TEST

START_TEST(a_broken_ring_needs_a_reset)
{
    virtqueue_mock_set_available_index(&driver.mocks[0], RING_SIZE + 1);
    ck_assert(!kick());
    ck_assert_uint_ne(driver.device->status & NEEDS_RESET, 0);
    ck_assert(!kick()); /* and is quiet from then on */
    ck_assert_uint_eq(atomic_load(&driver.fake.trace.warnings), 1);
}
END_TEST

/* --- life --- */

static bool init_gpu(struct gpu *gpu, struct error *error)
{
    return gpu_init(gpu, &driver.fake.gpu.config, &driver.fake.memory,
                    &driver.fake.memslots, &driver.fake.recorder, &driver.fake.trace,
                    error);
}

START_TEST(too_few_descriptors_leave_none_behind)
{
    struct rlimit limit;
    struct error error;
    struct gpu gpu;
    unsigned failures = 0;
    unsigned before = fake_kernel_open_fds();
    int next = dup(0);
    close(next);
    getrlimit(RLIMIT_NOFILE, &limit);
    for (int room = 0;; room++, failures++) {
        limit.rlim_cur = (rlim_t)(next + room);
        setrlimit(RLIMIT_NOFILE, &limit);
        error_set(&error, ERROR_NONE, "not set");
        bool made = init_gpu(&gpu, &error);
        gpu_finish(&gpu);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        ck_assert_uint_eq(fake_kernel_open_fds(), before);
        if (made)
            break;
        ck_assert_int_eq(error.code, ERROR_HOST_SYSTEM);
    }
    /* fences, interrupt, control, two queues, screenshots, watch, lent */
    ck_assert_uint_eq(failures, 8);
}
END_TEST

/* On any host, be there a library or not: the error says what is missing. */
START_TEST(without_a_render_server_it_does_not_start)
{
    struct gpu_config config = driver.fake.gpu.config;
    struct render_server server;
    struct error error;
    struct gpu gpu;
    setenv("RENDER_SERVER_EXEC_PATH", "/nowhere/virgl_render_server", 1);
    ck_assert(render_server_init(&server, NULL, &driver.fake.trace, &error));
    config.server = &server;
    ck_assert(gpu_init(&gpu, &config, &driver.fake.memory, &driver.fake.memslots,
                       &driver.fake.recorder, &driver.fake.trace, &error));
    ck_assert(!gpu_start(&gpu, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_HOST);
    ck_assert_ptr_nonnull(strstr(error.text, "install the package"));
    gpu_finish(&gpu);
    gpu_finish(&gpu); /* a zeroed object */
    render_server_finish(&server);
}
END_TEST

Suite *gpu_device_suite(void)
{
    Suite *suite = suite_create("gpu_device");
    TCase *test_case = tcase_create("gpu_device");
    tcase_add_checked_fixture(test_case, gpu_driver_set_up, gpu_driver_tear_down);
    tcase_set_timeout(test_case, 60);
    tcase_add_test(test_case, what_is_offered);
    tcase_add_test(test_case, without_a_renderer_there_are_no_contexts);
    tcase_add_test(test_case, a_command_is_answered_at_once);
    tcase_add_test(test_case, a_full_ring_is_served_in_turns);
    tcase_add_test(test_case, an_empty_queue_asks_for_a_notification);
    tcase_add_test(test_case, the_response_is_cut_to_the_room);
    tcase_add_test(test_case, a_chain_may_have_nothing_to_read);
    tcase_add_loop_test(test_case, a_command_has_a_limit, 0, 2);
    tcase_add_loop_test(test_case, cursor_commands_need_no_room, 0, 4);
    tcase_add_test(test_case, the_cursor_queue_takes_cursor_commands_only);
    tcase_add_test(test_case, a_broken_ring_needs_a_reset);
    tcase_add_test(test_case, too_few_descriptors_leave_none_behind);
    tcase_add_test(test_case, without_a_render_server_it_does_not_start);
    suite_add_tcase(suite, test_case);
    return suite;
}
