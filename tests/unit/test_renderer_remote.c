/* SPDX-License-Identifier: MIT */
/*
 * The renderer process, with a fake renderer in it: what is asked, and what happens when it ends.
 * What libvirglrenderer makes of it is tested end to end.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/remote_fixture.h"
#include "tests/unit/suites.h"

#define PAGE ((size_t)4096)

static void create_blob(uint32_t id, enum fake_fd fd)
{
    const struct renderer_blob blob = {
        .resource_id = id, .context_id = CONTEXT, .memory = 2, .size = 2 * PAGE};
    struct error error;
    remote_process->fake.plan =
        (struct fake_blob_plan){.claimed = RENDERER_FD_SHM, .fd = fd};
    ck_assert_msg(renderer.ops->blob_create(renderer.context, &blob, &error), "%s",
                  error.text);
}

START_TEST(contexts_and_capsets_are_the_renderers)
{
    struct renderer_capset capset;
    uint8_t data[308] = {0};
    start_well();
    ck_assert_str_eq(renderer_remote_library(&remote), "libfake.so");
    ck_assert(renderer.ops->capset(renderer.context, 1, &capset));
    ck_assert_uint_eq(capset.size, 160);
    ck_assert(!renderer.ops->capset(renderer.context, 2, &capset));
    ck_assert(renderer.ops->capset(renderer.context, 0, &capset));
    renderer.ops->capset_fill(renderer.context, &capset, 1, data);
    ck_assert_uint_eq(data[0], 0xc5);
    ck_assert_uint_eq(data[307], 0xc5);

    create_context();
    ck_assert_str_eq(remote_process->fake.context_name, "a name");
    ck_assert_uint_eq(remote_process->fake.context_capset, 4);
    create_blob(9, FAKE_FD_SEALED);
    renderer.ops->attach(renderer.context, CONTEXT, 9);
    ck_assert_uint_eq(fake_renderer_blob(&remote_process->fake, 9)->attached, 1);
    renderer.ops->detach(renderer.context, CONTEXT, 9);
    ck_assert_uint_eq(fake_renderer_blob(&remote_process->fake, 9)->attached, 0);
    renderer.ops->resource_destroy(renderer.context, 9);
    ck_assert_uint_eq(remote_process->fake.blob_count, 0);
    renderer.ops->context_destroy(renderer.context, CONTEXT);
    ck_assert_uint_eq(remote_process->fake.context_count, 0);
    ck_assert(!renderer.ops->has_died(renderer.context));
    ck_assert_str_eq(fake_output_text(&output), "");
}
END_TEST

START_TEST(a_stream_of_any_length_arrives)
{
    struct error error;
    uint32_t *commands = calloc(1, WIRE_AREA_SIZE);
    start_well();
    create_context();
    for (uint32_t size = 4; size <= WIRE_AREA_SIZE; size *= 4) {
        commands[0] = size + 1;
        ck_assert(
            renderer.ops->submit(renderer.context, CONTEXT, commands, size, &error));
        ck_assert_uint_eq(remote_process->fake.submitted_size, size);
        ck_assert_uint_eq(remote_process->fake.submitted_word, size + 1);
    }
    free(commands);
}
END_TEST

START_TEST(errors_come_back)
{
    uint32_t commands[1] = {0};
    struct error error;
    start_well();
    create_context();
    remote_process->fake.submit_fails = ERROR_HOST_MEMORY;
    ck_assert(!renderer.ops->submit(renderer.context, CONTEXT, commands, 4, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_MEMORY);
    ck_assert_str_eq(error.text, "submit fails");
}
END_TEST

/* Two entries, of both regions: from the host the fake writes to the first. */
START_TEST(pages_are_found_in_ram)
{
    uint8_t *first = memory.regions[0].host;
    uint8_t *second = memory.regions[1].host;
    const struct iovec vectors[] = {{second + 3 * PAGE, PAGE}, {first + PAGE, 2 * PAGE}};
    const struct renderer_pages pages = {vectors, 2};
    const struct renderer_resource resource = {.resource_id = 5, .width = 7};
    struct renderer_transfer transfer = {
        .direction = RENDERER_FROM_HOST, .resource_id = 5, .pages = pages};
    struct error error;
    start_well();
    ck_assert(renderer.ops->resource_create(renderer.context, &resource, &error));
    ck_assert_uint_eq(fake_renderer_blob(&remote_process->fake, 5)->resource.width, 7);
    ck_assert(renderer.ops->pages_attach(renderer.context, 5, pages, &error));
    ck_assert_uint_eq(fake_renderer_blob(&remote_process->fake, 5)->pages.count, 2);

    ck_assert(renderer.ops->transfer(renderer.context, &transfer, &error));
    ck_assert_uint_eq(second[3 * PAGE - 1], 0);
    ck_assert_uint_eq(second[3 * PAGE], 0x3d);
    ck_assert_uint_eq(second[4 * PAGE - 1], 0x3d);
    ck_assert_uint_eq(second[4 * PAGE], 0);
    ck_assert_uint_eq(first[PAGE], 0);

    transfer.pages = (struct renderer_pages){0};
    ck_assert(renderer.ops->transfer(renderer.context, &transfer, &error));
    ck_assert_uint_eq(remote_process->fake.transfer.pages.count, 0);
    renderer.ops->pages_detach(renderer.context, 5);
    ck_assert_uint_eq(fake_renderer_blob(&remote_process->fake, 5)->pages.count, 0);
    renderer.ops->resource_destroy(renderer.context, 5);
}
END_TEST

START_TEST(memory_of_our_own_is_copied)
{
    uint8_t rows[3 * PAGE] = {0};
    const struct iovec vector = {rows + 1, sizeof rows - 2};
    const struct renderer_resource resource = {.resource_id = 5};
    struct renderer_transfer transfer = {
        .direction = RENDERER_FROM_HOST, .resource_id = 5, .pages = {&vector, 1}};
    struct error error;
    start_well();
    ck_assert(renderer.ops->resource_create(renderer.context, &resource, &error));
    ck_assert_msg(renderer.ops->transfer(renderer.context, &transfer, &error), "%s",
                  error.text);
    ck_assert_uint_eq(rows[0], 0);
    ck_assert_uint_eq(rows[1], 0x3d);
    ck_assert_uint_eq(rows[sizeof rows - 2], 0x3d);
    ck_assert_uint_eq(rows[sizeof rows - 1], 0);
    transfer.direction = RENDERER_TO_HOST;
    ck_assert(renderer.ops->transfer(renderer.context, &transfer, &error));
    ck_assert_int_eq(remote_process->fake.transfer.direction, RENDERER_TO_HOST);
}
END_TEST

START_TEST(a_blob_of_guest_memory)
{
    const struct iovec vector = {memory.regions[0].host, PAGE};
    struct renderer_blob blob = {
        .resource_id = 6, .memory = 1, .size = PAGE, .pages = {&vector, 1}};
    struct error error;
    start_well();
    ck_assert(renderer.ops->blob_create(renderer.context, &blob, &error));
    ck_assert_uint_eq(fake_renderer_blob(&remote_process->fake, 6)->pages.count, 1);
    renderer.ops->resource_destroy(renderer.context, 6);
    ck_assert(renderer.ops->blob_import(renderer.context, &blob, memory.fd, &error));
    ck_assert(fake_renderer_blob(&remote_process->fake, 6)->imported);
    remote_process->fake.import_fails = ERROR_HOST_RENDERER;
    blob.resource_id = 7;
    ck_assert(!renderer.ops->blob_import(renderer.context, &blob, memory.fd, &error));
}
END_TEST

START_TEST(descriptors_are_passed)
{
    enum renderer_fd_type type;
    uint32_t map_info;
    uint64_t size;
    void *host;
    struct stat status;
    struct error error;
    int fd;
    start_well();
    create_context();
    create_blob(1, FAKE_FD_SEALED);
    ck_assert(renderer.ops->blob_export(renderer.context, 1, &type, &fd, &error));
    ck_assert_int_eq(type, RENDERER_FD_SHM);
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_int_eq(status.st_size, 2 * PAGE);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    ck_assert(!renderer.ops->blob_map_info(renderer.context, 1, &map_info));
    fake_renderer_blob(&remote_process->fake, 1)->plan.has_map_info = true;
    fake_renderer_blob(&remote_process->fake, 1)->plan.map_info = 77;
    ck_assert(renderer.ops->blob_map_info(renderer.context, 1, &map_info));
    ck_assert_uint_eq(map_info, 77);

    ck_assert(!renderer.ops->blob_map(renderer.context, 1, &host, &size, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "--renderer=inside"));
    renderer.ops->blob_unmap(renderer.context, 1);

    create_blob(2, FAKE_FD_FAILS);
    ck_assert(!renderer.ops->blob_export(renderer.context, 2, &type, &fd, &error));
    ck_assert_str_eq(error.text, "export fails");
    create_blob(3, FAKE_FD_NONE);
    ck_assert(!renderer.ops->blob_export(renderer.context, 3, &type, &fd, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "without an fd"));
    ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(fences_are_done_at_once_and_later)
{
    start_well();
    create_context();
    ask_fence(2, 41);
    wait_and_poll();
    ck_assert_uint_eq(done_count, 1);
    ck_assert_uint_eq(done_timeline.context_id, CONTEXT);
    ck_assert_uint_eq(done_timeline.ring, 2);
    ck_assert_uint_eq(done_fence, 41);

    remote_process->fake.fence = FAKE_FENCE_LATER;
    ask_fence(1, 42);
    ask_fence(1, 43);
    ck_assert(!renderer.ops->has_died(renderer.context)); /* they have arrived */
    ck_assert_uint_eq(done_count, 1);
    remote_process->complete = true;
    while (done_count < 3)
        wait_and_poll();
    ck_assert_uint_eq(done_fence, 43);

    remote_process->fake.fence =
        FAKE_FENCE_FAILS; /* done at once, as without a process */
    ask_fence(1, 44);
    wait_and_poll();
    ck_assert_uint_eq(done_fence, 44);
}
END_TEST

/* Both sides say more than a socket holds. */
START_TEST(no_number_of_fences_is_too_large)
{
    start_well();
    create_context();
    for (uint32_t i = 1; i <= 5000; i++)
        ask_fence(1, i);
    while (done_count < 5000)
        wait_and_poll();
    ck_assert_uint_eq(done_fence, 5000);
    ck_assert_uint_eq(remote.open_count, 0);
}
END_TEST

START_TEST(when_it_is_killed_another_one_is_started)
{
    uint32_t commands[1] = {0};
    struct renderer_capset capset;
    struct error error;
    start_well();
    int poll_fd = renderer.ops->poll_fd(renderer.context);
    create_context();
    remote_process->fake.fence = FAKE_FENCE_LATER;
    ask_fence(1, 5);
    ask_fence(1, 6);
    ask_fence(3, 7);
    ck_assert(!renderer.ops->has_died(renderer.context));
    kill(remote_process->pid, SIGKILL);
    while (remote.socket >= 0 || !strstr(fake_output_text(&output), "was killed"))
        wait_and_poll();
    expect_warning("the renderer process (process");
    expect_warning("was killed by signal 9");
    ck_assert_uint_eq(done_count, 2); /* of two timelines */
    ck_assert(renderer.ops->has_died(renderer.context));
    ck_assert(!renderer.ops->submit(renderer.context, CONTEXT, commands, 4, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "the renderer process has ended"));
    ck_assert(
        !renderer.ops->fence(renderer.context, (struct renderer_timeline){0}, 8, &error));
    ck_assert(renderer.ops->capset(renderer.context, 0, &capset)); /* as it was */
    renderer.ops->context_destroy(renderer.context, CONTEXT);

    ck_assert_msg(renderer.ops->restart(renderer.context, &error), "%s", error.text);
    ck_assert(!renderer.ops->has_died(renderer.context));
    ck_assert_int_eq(renderer.ops->poll_fd(renderer.context), poll_fd);
    create_context();
    ask_fence(1, 9);
    wait_and_poll();
    ck_assert_uint_eq(done_fence, 9);
}
END_TEST

/* The same, noticed by a request. */
START_TEST(a_request_notices_that_it_was_killed)
{
    uint32_t commands[1] = {0};
    struct error error;
    start_well();
    create_context();
    kill(remote_process->pid, SIGKILL);
    ck_assert(!renderer.ops->submit(renderer.context, CONTEXT, commands, 4, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_RENDERER);
    ck_assert_int_eq(remote.socket, -1);
}
END_TEST

/* What the library has lost, its own processes, a new process has. */
START_TEST(what_is_in_it_is_restarted)
{
    struct error error;
    start_well();
    pid_t pid = remote_process->pid;
    remote_process->fake.has_died = true;
    ck_assert(renderer.ops->has_died(renderer.context));
    ck_assert_msg(renderer.ops->restart(renderer.context, &error), "%s", error.text);
    ck_assert(!renderer.ops->has_died(renderer.context));
    ck_assert_uint_eq(remote.capset_count, 2);
    ck_assert_int_ne(remote_process->pid, pid);
    ck_assert_int_ne(kill(pid, 0), 0);
    ck_assert_str_eq(fake_output_text(&output), "");
}
END_TEST

Suite *renderer_remote_suite(void)
{
    Suite *suite = suite_create("renderer_remote");
    TCase *test_case = tcase_create("renderer_remote");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_set_timeout(test_case, 60);
    tcase_add_test(test_case, contexts_and_capsets_are_the_renderers);
    tcase_add_test(test_case, a_stream_of_any_length_arrives);
    tcase_add_test(test_case, errors_come_back);
    tcase_add_test(test_case, pages_are_found_in_ram);
    tcase_add_test(test_case, memory_of_our_own_is_copied);
    tcase_add_test(test_case, a_blob_of_guest_memory);
    tcase_add_test(test_case, descriptors_are_passed);
    tcase_add_test(test_case, fences_are_done_at_once_and_later);
    tcase_add_test(test_case, no_number_of_fences_is_too_large);
    tcase_add_test(test_case, when_it_is_killed_another_one_is_started);
    tcase_add_test(test_case, a_request_notices_that_it_was_killed);
    tcase_add_test(test_case, what_is_in_it_is_restarted);
    suite_add_tcase(suite, test_case);
    return suite;
}
