/* SPDX-License-Identifier: MIT */
/* On a host without dmabuf-lab: a memfd stands for an exporter's buffer, and what dmabuf-lab
 * would do with it fails. The rest is for the lab (tests/e2e/cases_lab.c). */
#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "devices/gpu/renderer_exporter.h"
#include "devices/gpu/renderer_exporter_abi.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/suites.h"
#include "vmm/state.h"

static struct renderer_exporter *exporter;
static struct renderer renderer;
static uint32_t signalled;
static unsigned fds_before;

static void fence_done(void *context, struct renderer_timeline timeline, uint32_t fence)
{
    ck_assert_ptr_eq(context, &signalled);
    ck_assert_uint_eq(timeline.ring, 3);
    signalled = fence;
}

static void set_up(void)
{
    struct error error;
    fds_before = fake_kernel_open_fds();
    exporter = renderer_exporter_create("memfd", NULL, MEMATTR_NPT, fence_done,
                                        &signalled, &error);
    ck_assert_msg(exporter != NULL, "%s", error.text);
    renderer = renderer_exporter_interface(exporter);
}

static void tear_down(void)
{
    renderer_exporter_destroy(exporter);
    renderer_exporter_destroy(NULL);
    ck_assert_uint_eq(fake_kernel_open_fds(), fds_before);
}

static bool create(uint32_t id, struct error *error)
{
    const struct renderer_blob blob = {.resource_id = id, .size = 64 * KIB};
    return renderer.ops->blob_create(renderer.context, &blob, error);
}

static void submit_fails(const struct exporter_command *command, uint32_t size,
                         const char *text)
{
    struct error error;
    struct exporter_command copy = *command;
    ck_assert(!renderer.ops->submit(renderer.context, 1, &copy, size, &error));
    ck_assert_msg(strstr(error.text, text) != NULL, "%s", error.text);
}

START_TEST(a_blob_is_a_buffer_of_the_exporter)
{
    struct error error;
    enum renderer_fd_type type;
    uint32_t map_info;
    int fd;
    ck_assert_msg(create(5, &error), "%s", error.text);
    ck_assert(renderer.ops->blob_export(renderer.context, 5, &type, &fd, &error));
    ck_assert_int_eq(type, RENDERER_FD_SHM);
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), 64 * KIB);
    close(fd);
    ck_assert(!renderer.ops->blob_map_info(renderer.context, 5, &map_info));
    void *host;
    uint64_t size;
    ck_assert(!renderer.ops->blob_map(renderer.context, 5, &host, &size, &error));
    renderer.ops->resource_destroy(renderer.context, 5);
}
END_TEST

/* --- live update --- */

/* Blobs 5 and 9; a file for each. */
static void save(struct state_writer *writer)
{
    struct error error;
    ck_assert(create(5, &error) && create(9, &error));
    state_writer_init(writer);
    ck_assert(renderer.ops->save(renderer.context, writer, &error));
    ck_assert(state_complete(writer, &error));
}

/* Another one, which has nothing yet. */
static struct renderer make_other(void)
{
    struct error error;
    struct renderer_exporter *other = renderer_exporter_create(
        "memfd", NULL, MEMATTR_NPT, fence_done, &signalled, &error);
    ck_assert_msg(other != NULL, "%s", error.text);
    return renderer_exporter_interface(other);
}

/* Loads what was saved, as it is now. */
static bool load(const struct renderer *other, const struct state_writer *writer,
                 struct error *error)
{
    struct state_reader reader;
    if (!state_reader_init(&reader, writer->bytes, writer->size, error))
        return false;
    for (unsigned i = 0; i < writer->fd_count; i++) {
        int fd = fcntl(writer->fds[i], F_DUPFD_CLOEXEC, 0);
        ck_assert(state_reader_add_fds(&reader, &fd, 1, error));
    }
    bool good = other->ops->load(other->context, &reader, error);
    state_reader_finish(&reader);
    return good;
}

START_TEST(another_one_has_the_same_buffers)
{
    struct error error;
    struct state_writer writer;
    enum renderer_fd_type type;
    char text[5] = "";
    int fd;
    save(&writer);
    ck_assert(renderer.ops->blob_export(renderer.context, 9, &type, &fd, &error));
    ck_assert_int_eq(pwrite(fd, "mine", 4, 100), 4);
    close(fd);
    const struct renderer loaded = make_other();
    ck_assert_msg(load(&loaded, &writer, &error), "%s", error.text);
    ck_assert(loaded.ops->knows_resource(loaded.context, 5));
    ck_assert(!loaded.ops->knows_resource(loaded.context, 6));
    ck_assert(!loaded.ops->knows_resource(loaded.context, 0));
    ck_assert(loaded.ops->knows_context(loaded.context, 1));
    ck_assert(loaded.ops->blob_export(loaded.context, 9, &type, &fd, &error));
    ck_assert_int_eq(type, RENDERER_FD_SHM);
    ck_assert_int_eq(pread(fd, text, 4, 100), 4);
    ck_assert_str_eq(text, "mine");
    close(fd);
    loaded.ops->resource_destroy(loaded.context, 5);
    ck_assert(!loaded.ops->knows_resource(loaded.context, 5));
    renderer_exporter_destroy(loaded.context);
    state_writer_finish(&writer);
}
END_TEST

/* What it has loaded: the ids, or one that differs in one bit. */
static void forget(const struct renderer *other)
{
    for (unsigned i = 0; i < 5; i++) {
        const uint32_t bit = i < 4 ? 4u << (8 * i) : 0;
        if (other->ops->knows_resource(other->context, 5 ^ bit))
            other->ops->resource_destroy(other->context, 5 ^ bit);
        if (other->ops->knows_resource(other->context, 9 ^ bit))
            other->ops->resource_destroy(other->context, 9 ^ bit);
    }
}

/* Refused, or taken with what is a buffer. */
START_TEST(any_byte_of_its_state_may_be_another)
{
    struct error error;
    struct state_writer writer;
    const struct renderer other = make_other();
    unsigned taken = 0;
    save(&writer);
    unsigned before = fake_kernel_open_fds();
    for (size_t i = STATE_HEADER_SIZE; i < writer.size; i++) {
        writer.bytes[i] ^= 4;
        taken += load(&other, &writer, &error);
        forget(&other);
        ck_assert_uint_eq(fake_kernel_open_fds(), before);
        writer.bytes[i] ^= 4;
    }
    ck_assert_uint_gt(taken, 0); /* ids */
    ck_assert_uint_lt(taken, 30);
    renderer_exporter_destroy(other.context);
    state_writer_finish(&writer);
}
END_TEST

/* Byte of the section, value, and what is said. */
static const struct {
    unsigned byte;
    uint8_t value;
    const char *text;
} bad_states[] = {
    {STATE_HEADER_SIZE + STATE_SECTION_SIZE + 24, 5, "blob 5 is there twice"},
    {STATE_HEADER_SIZE + STATE_SECTION_SIZE + 23, 0xff, "a file with inode"},
    {STATE_HEADER_SIZE + STATE_SECTION_SIZE + 12, 7, "descriptor 7"},
};

START_TEST(a_bad_state_is_refused)
{
    struct error error;
    struct state_writer writer;
    const struct renderer other = make_other();
    save(&writer);
    writer.bytes[bad_states[_i].byte] = bad_states[_i].value;
    ck_assert(!load(&other, &writer, &error));
    ck_assert_msg(strstr(error.text, bad_states[_i].text) != NULL, "%s", error.text);
    renderer_exporter_destroy(other.context);
    state_writer_finish(&writer);
}
END_TEST

START_TEST(a_blob_of_a_state_is_a_buffer)
{
    struct error error;
    struct state_writer writer;
    int ends[2];
    const struct renderer other = make_other();
    save(&writer);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_ge(dup2(ends[0], writer.fds[0]), 0);
    close(ends[0]);
    close(ends[1]);
    state_writer_finish(&writer);
    state_writer_init(&writer);
    ck_assert(renderer.ops->save(renderer.context, &writer, &error));
    ck_assert(state_complete(&writer, &error));
    ck_assert(!load(&other, &writer, &error));
    ck_assert_msg(strstr(error.text, "no dma-buf or memfd") != NULL, "%s", error.text);
    renderer_exporter_destroy(other.context);
    state_writer_finish(&writer);
}
END_TEST

START_TEST(so_many_at_one_time)
{
    struct error error;
    for (uint32_t id = 1; id <= RENDERER_EXPORTER_BLOBS_MAX; id++)
        ck_assert_msg(create(id, &error), "%s", error.text);
    ck_assert(!create(99, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_LIMIT);
    renderer.ops->resource_destroy(renderer.context, 7);
    ck_assert(create(99, &error)); /* the others are left to destroy() */
}
END_TEST

START_TEST(contexts_have_no_capset)
{
    struct error error;
    struct renderer_capset capset;
    ck_assert(!renderer.ops->capset(renderer.context, 0, &capset));
    ck_assert(renderer.ops->context_create(renderer.context, 1, 0, "x", &error));
    ck_assert(!renderer.ops->context_create(renderer.context, 1, 4, "x", &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_PARAMETER);
}
END_TEST

START_TEST(fences_are_signalled_at_once)
{
    struct error error;
    ck_assert(renderer.ops->fence(renderer.context, (struct renderer_timeline){.ring = 3},
                                  42, &error));
    ck_assert_uint_eq(signalled, 42);
}
END_TEST

START_TEST(bad_commands_are_refused)
{
    struct error error;
    const struct exporter_command move = {.operation = EXPORTER_MOVE, .resource_id = 5};
    struct exporter_command bad = move;
    submit_fails(&move, sizeof move, "there is no blob 5");
    ck_assert(create(5, &error));
    submit_fails(&move, 12, "a stream of 12 bytes");
    bad.resource_id = 0; /* would be a free place */
    submit_fails(&bad, sizeof bad, "there is no blob 0");
    bad = move;
    bad.operation = 77;
    submit_fails(&bad, sizeof bad, "operation 77");
    bad = move;
    bad.reserved = 1;
    submit_fails(&bad, sizeof bad, "reserved word");
    bad = move;
    bad.argument = 1;
    submit_fails(&bad, sizeof bad, "reserved word");
    bad = move;
    bad.operation = EXPORTER_SET_ATTRIBUTE;
    bad.argument = 3;
    submit_fails(&bad, sizeof bad, "attribute 3");
    submit_fails(&move, sizeof move, "at byte 0 of the stream"); /* no dmabuf-lab */
}
END_TEST

static void create_fails(const char *name, enum error_code code, const char *text)
{
    struct error error;
    ck_assert_ptr_null(
        renderer_exporter_create(name, NULL, MEMATTR_NPT, fence_done, NULL, &error));
    ck_assert_int_eq(error.code, code);
    ck_assert_msg(strstr(error.text, text) != NULL, "%s", error.text);
}

/* --drm-node is where gbm allocates, and of no meaning to who needs no node. Without libgbm the
 * library is what is missing. */
START_TEST(gbm_allocates_on_the_node_that_is_named)
{
    static const char long_path[] =
        "/dev/dri/a-name-that-is-longer-than-any-node-of-the-kernel-could-have";
    static const struct {
        const char *name;
        const char *node;
        enum error_code code;
        const char *text; /* or that libgbm is not there */
    } rows[] = {
        {"gbm", "/dev/null", ERROR_CONFIG_HOST, "/dev/null is not a DRM node"},
        {"gbm", "/nowhere/card9", ERROR_CONFIG_HOST, "/nowhere/card9: No such file"},
        {"gbm:scanout,/dev/zero", "/dev/null", ERROR_CONFIG_HOST,
         "/dev/zero is not a DRM"},
        {"gbm", long_path, ERROR_CONFIG_USAGE, "unknown word \"/dev/dri/a-name"},
        {"gbm", "card0", ERROR_CONFIG_USAGE, "unknown word \"card0\""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct error error;
        ck_assert_ptr_null(renderer_exporter_create(
            rows[i].name, rows[i].node, MEMATTR_NPT, fence_done, NULL, &error));
        ck_assert_int_eq(error.code, rows[i].code);
        ck_assert_msg(strstr(error.text, rows[i].text) || strstr(error.text, "libgbm"),
                      "%s", error.text);
    }
    struct error error;
    struct renderer_exporter *other = renderer_exporter_create(
        "memfd", "/nowhere/card9", MEMATTR_NPT, fence_done, NULL, &error);
    ck_assert_msg(other != NULL, "%s", error.text);
    ck_assert_ptr_null(renderer_exporter_node(other));
    renderer_exporter_destroy(other);
}
END_TEST

START_TEST(not_every_exporter_will_do)
{
    create_fails("nobody", ERROR_CONFIG_USAGE, "nobody");
    create_fails("anonymous", ERROR_CONFIG_USAGE, "no dma-buf or memfd");
}
END_TEST

Suite *renderer_exporter_suite(void)
{
    Suite *suite = suite_create("renderer exporter");
    TCase *test_case = tcase_create("renderer exporter");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, a_blob_is_a_buffer_of_the_exporter);
    tcase_add_test(test_case, another_one_has_the_same_buffers);
    tcase_add_test(test_case, any_byte_of_its_state_may_be_another);
    tcase_add_loop_test(test_case, a_bad_state_is_refused, 0,
                        (int)ARRAY_SIZE(bad_states));
    tcase_add_test(test_case, a_blob_of_a_state_is_a_buffer);
    tcase_add_test(test_case, so_many_at_one_time);
    tcase_add_test(test_case, contexts_have_no_capset);
    tcase_add_test(test_case, fences_are_signalled_at_once);
    tcase_add_test(test_case, bad_commands_are_refused);
    tcase_add_test(test_case, gbm_allocates_on_the_node_that_is_named);
    tcase_add_test(test_case, not_every_exporter_will_do);
    suite_add_tcase(suite, test_case);
    return suite;
}
