/* SPDX-License-Identifier: MIT */
/* The renderer process: a liar in its place; and what it does not take itself. */
#include <unistd.h>

#include "tests/unit/remote_fixture.h"
#include "tests/unit/suites.h"

/* The launcher has waited for it. */
static void wait_until_gone(pid_t pid)
{
    for (unsigned i = 0; kill(pid, 0) == 0; i++) {
        ck_assert_uint_lt(i, PATIENCE);
        usleep(1000);
    }
}

static const struct {
    enum lie lie;
    const char *warning;
} lies[] = {
    {LIE_SILENCE, "it does not answer"},
    {LIE_END, "ended with status 7"},
    {LIE_KIND, "it answers another question"},
    {LIE_SERIAL, "it answers another question"},
    {LIE_AREA, "it answers another question"},
    {LIE_MAGIC, "it says what is no message"},
    {LIE_SHORT, "it says what is no message"},
    {LIE_LONG, "it says what is no message"},
    {LIE_FD, "it sends a descriptor that nobody has asked for"},
    {LIE_FD_OF_ERROR, "it sends a descriptor that nobody has asked for"},
    {LIE_TWO_FDS, "it sends a descriptor that nobody has asked for"},
    {LIE_MANY_FDS, "it says what is no message"},
    {LIE_FD_OF_FENCE, "it sends a descriptor that nobody has asked for"},
    {LIE_FLOOD, "it does not answer"},
};

/* An export for those that are about two descriptors, else what has none. */
static bool ask_the_liar(struct error *error)
{
    enum renderer_fd_type type;
    uint32_t commands[1] = {0};
    int fd;
    if (remote_process->lie == LIE_TWO_FDS || remote_process->lie == LIE_FD_OF_ERROR)
        return renderer.ops->blob_export(renderer.context, 1, &type, &fd, error);
    return renderer.ops->submit(renderer.context, 1, commands, 4, error);
}

/* Whose end the test is to see. Another one is heard, however long that takes on a busy machine. */
static unsigned patience_with(enum lie what)
{
    bool says_nothing =
        what == LIE_SILENCE || what == LIE_FLOOD || what == LIE_HELLO_SILENCE;
    return says_nothing ? 300 : PATIENCE;
}

START_TEST(a_lie_ends_it)
{
    struct error error;
    start_with(lies[_i].lie);
    ck_assert_uint_eq(strlen(renderer_remote_library(&remote)), WIRE_NAME_SIZE);
    remote.patience = patience_with(lies[_i].lie);
    pid_t pid = remote_process->pid;
    ask_fence(1, 1);
    ck_assert(!ask_the_liar(&error));
    ck_assert_int_eq(error.code, ERROR_HOST_RENDERER);
    ck_assert_int_eq(remote.socket, -1);
    ck_assert_uint_eq(remote.open_count, 0);
    ck_assert_uint_eq(done_fence, 1); /* of a flood the last one */
    while (!strstr(fake_output_text(&output), lies[_i].warning))
        wait_and_poll();
    wait_until_gone(pid);

    remote_process->lie = HONEST;
    remote.patience = PATIENCE;
    ck_assert_msg(renderer.ops->restart(renderer.context, &error), "%s", error.text);
    create_context();
}
END_TEST

START_TEST(an_answer_to_nothing_ends_it)
{
    uint32_t commands[1] = {0};
    struct error error;
    start_with(LIE_TWICE);
    ck_assert(renderer.ops->submit(renderer.context, 1, commands, 4, &error));
    while (remote.socket >= 0)
        wait_and_poll();
    expect_warning("it answers what nobody has asked");
}
END_TEST

START_TEST(an_error_says_only_what_can_be_read)
{
    uint32_t commands[1] = {0};
    struct error error;
    start_with(LIE_ERROR_TEXT);
    ck_assert(!renderer.ops->submit(renderer.context, 1, commands, 4, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_RENDERER);
    ck_assert_str_eq(error.text, "?[2Jbad?");
    ck_assert_int_ge(remote.socket, 0);
}
END_TEST

static const struct {
    enum lie lie;
    const char *text;
} hellos[] = {
    {LIE_HELLO_VERSION, "speaks version 99"},
    {LIE_HELLO_CAPSETS, "impossible capsets"},
    {LIE_HELLO_CAPSET_SIZE, "impossible capsets"},
    {LIE_HELLO_SILENCE, "has ended before its answer"},
};

START_TEST(a_lie_at_the_start_is_an_error)
{
    struct error error;
    init(hellos[_i].lie);
    remote.patience = patience_with(hellos[_i].lie);
    ck_assert(!start(&error));
    ck_assert_msg(strstr(error.text, hellos[_i].text) != NULL, "%s", error.text);
    ck_assert_int_eq(remote.socket, -1);
}
END_TEST

/* --- what the process does not take --- */

static void send_raw(struct wire_request request)
{
    request.header.magic = WIRE_MAGIC;
    ck_assert(wire_send(remote.socket, &request, sizeof request, NULL, 0, 0));
}

static const struct wire_request bad_requests[] = {
    {.header.kind = WIRE_FENCE_DONE},
    {.header.kind = 1000},
    {.header = {.kind = WIRE_SUBMIT, .area_used = WIRE_AREA_SIZE + 4}},
    {.header = {.kind = WIRE_SUBMIT, .area_used = 6}},
    {.header = {.kind = WIRE_SUBMIT}},
    {.header.kind = WIRE_CAPSET_FILL, .fill.capset.size = WIRE_AREA_SIZE + 1},
    {.header.kind = WIRE_CONTEXT_CREATE, .context.name[WIRE_NAME_SIZE] = 'x'},
    {.header.kind = WIRE_HELLO},
};

START_TEST(a_bad_request_ends_it)
{
    struct pollfd fd;
    start_well();
    fd = (struct pollfd){remote.socket, POLLRDHUP, 0};
    send_raw(bad_requests[_i]);
    ck_assert_int_eq(poll(&fd, 1, PATIENCE), 1);
    while (remote.socket >= 0 && !strstr(fake_output_text(&output), "renderer process"))
        wait_and_poll();
}
END_TEST

static const struct {
    struct wire_range range;
    uint32_t count;
} bad_ranges[] = {
    {{2 * MIB, 1}, 1},
    {{2 * MIB - 1, 2}, 1},
    {{0, 2 * MIB + 1}, 1},
    {{UINT64_MAX, 2}, 1},
    {{0, UINT64_MAX}, 1},
    {{0, 1}, 2},
    {{0, 1}, GUEST_PAGES_ENTRIES_MAX + 1},
};

START_TEST(ranges_outside_of_ram_are_refused)
{
    const struct renderer_resource resource = {.resource_id = 5};
    struct wire_request request = {
        .header = {.kind = WIRE_PAGES_ATTACH, .area_used = sizeof(struct wire_range)},
        .of_resource = {5, bad_ranges[_i].count},
    };
    struct wire_answer answer;
    struct error error;
    start_well();
    ck_assert(renderer.ops->resource_create(renderer.context, &resource, &error));
    memcpy(remote.area, &bad_ranges[_i].range, sizeof bad_ranges[_i].range);
    ck_assert(!renderer_remote_ask(&remote, &request, -1, &answer, NULL, &error));
    ck_assert_uint_eq(fake_renderer_blob(&remote_process->fake, 5)->pages.count, 0);
    ck_assert_int_ge(remote.socket, 0);
}
END_TEST

Suite *renderer_remote_lies_suite(void)
{
    Suite *suite = suite_create("renderer_remote_lies");
    TCase *test_case = tcase_create("renderer_remote_lies");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_set_timeout(test_case, 60);
    tcase_add_loop_test(test_case, a_lie_ends_it, 0, (int)ARRAY_SIZE(lies));
    tcase_add_test(test_case, an_answer_to_nothing_ends_it);
    tcase_add_test(test_case, an_error_says_only_what_can_be_read);
    tcase_add_loop_test(test_case, a_lie_at_the_start_is_an_error, 0,
                        (int)ARRAY_SIZE(hellos));
    tcase_add_loop_test(test_case, a_bad_request_ends_it, 0,
                        (int)ARRAY_SIZE(bad_requests));
    tcase_add_loop_test(test_case, ranges_outside_of_ram_are_refused, 0,
                        (int)ARRAY_SIZE(bad_ranges));
    suite_add_tcase(suite, test_case);
    return suite;
}
