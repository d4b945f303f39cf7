/* SPDX-License-Identifier: MIT */
/* The renderer process: another s2vmm takes it over. */
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/remote_fixture.h"
#include "tests/unit/suites.h"
#include "vmm/state.h"

/* With another value in a field of the payload; AS_IT_IS: with none. */
#define AS_IT_IS UINT32_MAX
#define VERSION  0u
#define CAPSETS  (8 + WIRE_NAME_SIZE)
static void save(struct state_reader *reader, uint32_t field, uint32_t value)
{
    struct state_writer writer;
    struct error error;
    state_writer_init(&writer);
    ck_assert(renderer.ops->save(renderer.context, &writer, &error));
    ck_assert(state_complete(&writer, &error));
    if (field != AS_IT_IS)
        memcpy(writer.bytes + STATE_HEADER_SIZE + STATE_SECTION_SIZE + field, &value,
               sizeof value);
    ck_assert(state_reader_init(reader, writer.bytes, writer.size, &error));
    for (unsigned i = 0; i < writer.fd_count; i++) {
        int fd = fcntl(writer.fds[i], F_DUPFD_CLOEXEC, 0);
        ck_assert(state_reader_add_fds(reader, &fd, 1, &error));
    }
    state_writer_finish(&writer);
}

static void take_over(struct state_reader *reader)
{
    struct error error;
    renderer_remote_await(&remote, &trace);
    ck_assert_msg(start(&error), "%s", error.text);
    ck_assert_msg(renderer.ops->load(renderer.context, reader, &error), "%s", error.text);
}

/* Each of these states is refused. */
static void refuse(struct state_reader *reader, const char *text)
{
    static struct renderer_remote other;
    struct error error;
    renderer_remote_await(&other, &trace);
    ck_assert(renderer_remote_start(&other, &memory, fence_done, &other, &error));
    ck_assert(!renderer_remote_load(&other, reader, &error));
    ck_assert_msg(strstr(error.text, text) != NULL, "%s", error.text);
    renderer_remote_finish(&other);
    state_reader_finish(reader);
}

START_TEST(another_one_goes_on_with_it)
{
    uint32_t commands[1] = {0x1234};
    struct state_reader reader;
    struct error error;
    start_well();
    pid_t pid = remote_process->pid;
    create_context();
    save(&reader, AS_IT_IS, 0);
    /* The old one ends, and only closes. */
    pid_t launcher = remote.launcher.launcher;
    close(remote.launcher.control);
    remote.launcher.control = -1;
    close(remote.socket);
    remote.socket = -1;
    renderer_remote_stop(&remote);

    take_over(&reader);
    state_reader_finish(&reader);
    ck_assert(renderer.ops->knows_context(renderer.context, CONTEXT));
    ck_assert_str_eq(renderer_remote_library(&remote), "libfake.so");
    ck_assert_uint_eq(remote.capset_count, 2);
    ck_assert(renderer.ops->submit(renderer.context, CONTEXT, commands, 4, &error));
    ck_assert_uint_eq(remote_process->fake.submitted_word, 0x1234);
    ask_fence(1, 5);
    wait_and_poll();
    ck_assert_uint_eq(done_fence, 5);

    kill(pid, SIGKILL);
    while (!renderer.ops->has_died(renderer.context))
        wait_and_poll();
    ck_assert_msg(renderer.ops->restart(renderer.context, &error), "%s", error.text);
    create_context();
    remote.launcher.launcher = launcher; /* it is a child of this process all the same */
}
END_TEST

START_TEST(one_that_has_died_is_taken_over_too)
{
    struct renderer_remote old;
    struct state_reader reader;
    struct error error;
    start_well();
    kill(remote_process->pid, SIGKILL);
    while (!renderer.ops->has_died(renderer.context))
        wait_and_poll();
    save(&reader, AS_IT_IS, 0);
    old = remote;
    take_over(&reader);
    ck_assert(!renderer.ops->knows_resource(renderer.context, 1));
    ck_assert(renderer.ops->has_died(renderer.context));
    ck_assert_msg(renderer.ops->restart(renderer.context, &error), "%s", error.text);
    state_reader_finish(&reader);
    renderer_remote_stop(&remote);
    renderer_remote_finish(&remote);
    remote = old; /* which could have gone on */
}
END_TEST

START_TEST(a_state_that_cannot_be_is_refused)
{
    struct state_reader reader;
    start_well();
    save(&reader, VERSION, 99);
    refuse(&reader, "speaks version 99");
    save(&reader, CAPSETS, WIRE_CAPSETS_MAX + 1);
    refuse(&reader, "9 capsets");

    int area = remote.area_fd; /* RAM is no area */
    remote.area_fd = memory.fd;
    save(&reader, AS_IT_IS, 0);
    remote.area_fd = area;
    refuse(&reader, "no area");
    ck_assert(!renderer.ops->has_died(renderer.context));
}
END_TEST

Suite *renderer_remote_state_suite(void)
{
    Suite *suite = suite_create("renderer_remote_state");
    TCase *test_case = tcase_create("renderer_remote_state");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_set_timeout(test_case, 60);
    tcase_add_test(test_case, another_one_goes_on_with_it);
    tcase_add_test(test_case, one_that_has_died_is_taken_over_too);
    tcase_add_test(test_case, a_state_that_cannot_be_is_refused);
    suite_add_tcase(suite, test_case);
    return suite;
}
