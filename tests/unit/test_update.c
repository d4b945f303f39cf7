/* SPDX-License-Identifier: MIT */
/* Messages of a live update over a pair of sockets: what is wrong with them, one thing at a time. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/suites.h"
#include "vmm/update_wire.h"

#define LIMIT 5000 /* ms */

static int ends[2];

static void set_up(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
}

static void tear_down(void)
{
    close(ends[0]);
    close(ends[1]);
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 2048; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void expect_error(const struct error *error, const char *text)
{
    ck_assert_msg(strstr(error->text, text) != NULL, "\"%s\" is not in \"%s\"", text,
                  error->text);
}

/* --- words --- */

START_TEST(a_word_arrives)
{
    struct error error;
    ck_assert(update_send(ends[0], UPDATE_READY, LIMIT, &error));
    ck_assert(update_expect_word(ends[1], UPDATE_READY, LIMIT, &error));
}
END_TEST

START_TEST(another_word_is_refused)
{
    struct error error;
    ck_assert(update_send(ends[0], UPDATE_READY, LIMIT, &error));
    ck_assert(!update_expect_word(ends[1], UPDATE_LOADED, LIMIT, &error));
    expect_error(&error, "an unexpected message of kind 2");
}
END_TEST

START_TEST(a_reason_is_the_error)
{
    struct error error;
    update_send_failed(ends[0], "no \x1b[31mmemory");
    ck_assert(!update_expect_word(ends[1], UPDATE_READY, LIMIT, &error));
    ck_assert_str_eq(error.text, "no ?[31mmemory");
}
END_TEST

START_TEST(silence_has_an_end)
{
    struct error error;
    ck_assert(!update_expect_word(ends[1], UPDATE_READY, 10, &error));
    expect_error(&error, "said nothing for 10 ms");
}
END_TEST

START_TEST(the_end_of_the_other_side_is_seen)
{
    struct error error;
    close(ends[0]);
    ck_assert(!update_expect_word(ends[1], UPDATE_READY, LIMIT, &error));
    expect_error(&error, "the other side is gone");
    ck_assert(!update_send(ends[1], UPDATE_READY, LIMIT, &error));
    expect_error(&error, "the other side is gone");
    ends[0] = dup(ends[1]);
}
END_TEST

/* What was said before a send() that failed. */
START_TEST(last_words_are_heard)
{
    struct error error;
    update_send_failed(ends[0], "I cannot");
    close(ends[0]);
    ck_assert(!update_send(ends[1], UPDATE_READY, LIMIT, &error));
    update_last_words(ends[1], &error);
    ck_assert_str_eq(error.text, "I cannot");
    ends[0] = dup(ends[1]);
}
END_TEST

/* The same when it ended with a message of ours unread. */
START_TEST(last_words_come_before_a_reset)
{
    struct error error;
    ck_assert(update_send(ends[1], UPDATE_READY, LIMIT, &error));
    update_send_failed(ends[0], "I cannot");
    close(ends[0]);
    ck_assert(!update_expect_word(ends[1], UPDATE_READY, LIMIT, &error));
    ck_assert_str_eq(error.text, "I cannot");
    ck_assert(!update_expect_word(ends[1], UPDATE_READY, LIMIT, &error));
    expect_error(&error, "the other side is gone");
    ends[0] = dup(ends[1]);
}
END_TEST

/* Who gives up shuts the socket: what was sent before is there, and nothing can be sent any more. So
 * both sides know whether it was said. */
START_TEST(who_gives_up_still_hears_what_was_said)
{
    struct error error;
    ck_assert(update_send(ends[0], UPDATE_RUNNING, LIMIT, &error));
    shutdown(ends[1], SHUT_RDWR);
    ck_assert(!update_send(ends[0], UPDATE_RUNNING, LIMIT, &error));
    ck_assert(update_expect_word(ends[1], UPDATE_RUNNING, 0, &error));
    ck_assert(!update_expect_word(ends[1], UPDATE_RUNNING, 0, &error));
}
END_TEST

/* --- what is no message --- */

struct raw {
    uint32_t magic;
    uint32_t version;
    uint32_t kind;
    uint32_t number;
    char payload[UPDATE_PAYLOAD_MAX + 100];
};

static const struct {
    struct raw raw;
    size_t size;
    const char *error;
} broken[] = {
    {{0}, 1, "no message, but bytes: 1"},
    {{0x55324d56, 1, UPDATE_READY, 0, ""}, 15, "no message, but bytes: 15"},
    {{0x55324d57, 1, UPDATE_READY, 0, ""}, 16, "no message, but bytes: 16"},
    {{0x55324d56, 2, UPDATE_READY, 0, ""}, 16, "a message of version 2"},
    {{0x55324d56, 1, UPDATE_READY, 0, ""},
     sizeof(struct raw),
     "did not arrive as a whole"},
    {{0x55324d56, 1, 0xffffffff, 0, ""}, 16, "an unexpected message of kind 4294967295"},
};

START_TEST(what_is_no_message_is_refused)
{
    struct error error;
    ck_assert_int_eq(send(ends[0], &broken[_i].raw, broken[_i].size, 0),
                     (ssize_t)broken[_i].size);
    ck_assert(!update_expect_word(ends[1], UPDATE_READY, LIMIT, &error));
    expect_error(&error, broken[_i].error);
}
END_TEST

START_TEST(times_that_are_too_short_are_seen)
{
    struct update_message message = {.kind = UPDATE_DONE,
                                     .size = sizeof(struct update_times) - 1};
    struct update_times times;
    ck_assert(!update_get_times(&message, &times));
}
END_TEST

START_TEST(times_arrive)
{
    const struct update_times sent = {1, 2, 3, 4};
    struct update_times times;
    struct update_message message;
    struct error error;
    ck_assert(update_send_times(ends[0], &sent, LIMIT, &error));
    ck_assert(update_expect(ends[1], UPDATE_DONE, &message, LIMIT, &error));
    ck_assert(update_get_times(&message, &times));
    ck_assert_mem_eq(&times, &sent, sizeof times);
}
END_TEST

/* --- states --- */

#define FDS 600u /* three messages */

/* A state with descriptors, each of which has its number in it. */
static void make_state(struct state_writer *writer, int *fds)
{
    struct error error;
    state_writer_init(writer);
    state_begin(writer, "FDSX", 0, 1);
    for (unsigned i = 0; i < FDS; i++) {
        fds[i] = eventfd(i + 1, EFD_CLOEXEC | EFD_NONBLOCK);
        ck_assert_int_ge(fds[i], 0);
        state_put_fd(writer, fds[i]);
    }
    state_end(writer);
    ck_assert(state_complete(writer, &error));
}

static void close_all(const int *fds)
{
    for (unsigned i = 0; i < FDS; i++)
        close(fds[i]);
}

START_TEST(a_state_arrives_with_its_descriptors)
{
    int fds[FDS];
    struct state_writer writer;
    struct state_reader reader;
    struct state_section *section;
    struct error error;
    unsigned before = open_descriptors();
    make_state(&writer, fds);
    ck_assert(update_send_state(ends[0], UPDATE_STATE, &writer, LIMIT, &error));
    close_all(fds);
    state_writer_finish(&writer);
    ck_assert(update_receive_state(ends[1], UPDATE_STATE, &reader, LIMIT, &error));
    ck_assert(state_open(&reader, "FDSX", 0, 1, &section, &error));
    for (unsigned i = 0; i < FDS; i++) {
        eventfd_t number;
        int fd;
        ck_assert(state_get_fd(&reader, section, &fd, &error));
        ck_assert_int_eq(eventfd_read(fd, &number), 0);
        ck_assert_uint_eq(number, i + 1);
        close(fd);
    }
    ck_assert(state_close(section, &error));
    state_reader_finish(&reader);
    ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

/* STATE says how many there are; another word comes instead of them. */
START_TEST(a_state_that_breaks_off_is_refused)
{
    int fds[FDS];
    struct state_writer writer;
    struct state_reader reader;
    struct error error;
    unsigned before = open_descriptors();
    make_state(&writer, fds);
    ck_assert(update_send_state(ends[0], UPDATE_STATE, &writer, LIMIT, &error));
    close_all(fds);
    state_writer_finish(&writer);
    struct update_message first;
    ck_assert(update_receive(ends[1], &first, LIMIT, &error));
    update_message_finish(&first);
    /* FDS where a STATE should be. */
    ck_assert(!update_receive_state(ends[1], UPDATE_STATE, &reader, LIMIT, &error));
    expect_error(&error, "an unexpected message of kind 4");
    tear_down();
    set_up();
    ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(a_state_without_a_file_is_refused)
{
    struct state_reader reader;
    struct error error;
    ck_assert(update_send(ends[0], UPDATE_STATE, LIMIT, &error));
    ck_assert(!update_receive_state(ends[1], UPDATE_STATE, &reader, LIMIT, &error));
    expect_error(&error, "a state with descriptors: 0");
}
END_TEST

Suite *update_suite(void)
{
    Suite *suite = suite_create("update");
    TCase *test_case = tcase_create("wire");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, a_word_arrives);
    tcase_add_test(test_case, another_word_is_refused);
    tcase_add_test(test_case, a_reason_is_the_error);
    tcase_add_test(test_case, silence_has_an_end);
    tcase_add_test(test_case, the_end_of_the_other_side_is_seen);
    tcase_add_test(test_case, last_words_are_heard);
    tcase_add_test(test_case, last_words_come_before_a_reset);
    tcase_add_test(test_case, who_gives_up_still_hears_what_was_said);
    tcase_add_loop_test(test_case, what_is_no_message_is_refused, 0,
                        sizeof broken / sizeof broken[0]);
    tcase_add_test(test_case, times_that_are_too_short_are_seen);
    tcase_add_test(test_case, times_arrive);
    tcase_add_test(test_case, a_state_arrives_with_its_descriptors);
    tcase_add_test(test_case, a_state_that_breaks_off_is_refused);
    tcase_add_test(test_case, a_state_without_a_file_is_refused);
    suite_add_tcase(suite, test_case);
    return suite;
}
