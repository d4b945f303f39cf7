/* SPDX-License-Identifier: MIT */
/* The host's half of the guest's experiments, with blobs of the GPU. */
#include <linux/dma-buf.h>

#include "tests/unit/fake_kernel.h"
#include "tests/unit/json_reader.h"
#include "tests/unit/suites.h"
#include "tests/unit/witness_fixture.h"

#define MAPPED  2u
#define CREATED 3u

static struct resource *resource;

static void set_up(void)
{
    witness_set_up();
    resource = fake_gpu_map_blob(&fake, MAPPED, SIZE, 0);
    fake_gpu_create_blob(&fake, CREATED, SIZE);
}

static void fill_pattern(uint64_t offset, uint64_t length, uint64_t seed)
{
    for (uint64_t i = 0; i < length / 8; i++) {
        uint64_t word = witness_pattern(seed, i);
        memcpy(resource->backing.host + offset + 8 * i, &word, 8);
    }
}

START_TEST(it_writes_the_pattern_and_nothing_else)
{
    memset(resource->backing.host, 0, SIZE);
    struct witness_request answer = ask((struct witness_request){
        .operation = WITNESS_WRITE,
        .resource_id = MAPPED,
        .offset = PAGE_SIZE_4K + 8,
        .length = PAGE_SIZE_4K,
        .seed = 42,
    });
    ck_assert_uint_eq(answer.status, WITNESS_OK);
    ck_assert_uint_eq(answer.result, 0);
    ck_assert_uint_eq(answer.seed, 42);
    for (uint64_t at = 0; at < SIZE; at += 8) {
        uint64_t word;
        bool inside = at >= PAGE_SIZE_4K + 8 && at < 2 * PAGE_SIZE_4K + 8;
        memcpy(&word, resource->backing.host + at, 8);
        ck_assert_uint_eq(word,
                          inside ? witness_pattern(42, (at - PAGE_SIZE_4K - 8) / 8) : 0);
    }
}
END_TEST

START_TEST(it_counts_the_words_that_differ)
{
    const struct witness_request check = {
        .operation = WITNESS_CHECK, .resource_id = MAPPED, .length = SIZE, .seed = 7};
    fill_pattern(0, SIZE, 7);
    struct witness_request answer = ask(check);
    ck_assert_uint_eq(answer.status, WITNESS_OK);
    ck_assert_uint_eq(answer.result, 0);
    resource->backing.host[0] ^= 1;
    resource->backing.host[SIZE - 1] ^= 0x80;
    ck_assert_uint_eq(ask(check).result, 2);
    fill_pattern(0, SIZE, 8); /* another seed: nothing is right */
    ck_assert_uint_eq(ask(check).result, SIZE / 8);
    /* A displaced pattern is wrong, too. */
    fill_pattern(8, SIZE - 8, 7);
    ck_assert_uint_ge(ask(check).result, SIZE / 8 - 1);
}
END_TEST

START_TEST(it_looks_through_a_mapping_of_its_own)
{
    unsigned before = fake_kernel_mappings("memfd:fake-blob");
    ask((struct witness_request){
        .operation = WITNESS_WRITE, .resource_id = MAPPED, .length = SIZE});
    ck_assert_uint_eq(fake_kernel_mappings("memfd:fake-blob"), before);
    /* The file behind the device's mapping is another one now: the witness sees that. */
    int other = fake_fd_open(FAKE_FD_SEALED, SIZE);
    dup2(other, resource->backing.fd);
    close(other);
    fill_pattern(0, SIZE, 7);
    struct witness_request answer = ask((struct witness_request){
        .operation = WITNESS_CHECK, .resource_id = MAPPED, .length = SIZE, .seed = 7});
    ck_assert_uint_eq(answer.result, SIZE / 8);
}
END_TEST

// clang-format off
#define REQUEST(what, id, from, bytes) \
    {.operation = (what), .resource_id = (id), .offset = (from), .length = (bytes)}
static const struct {
    struct witness_request request;
    uint32_t status;
} rows[] = {
    {REQUEST(WITNESS_WRITE, MAPPED, 0, 0),            WITNESS_OK},
    {REQUEST(WITNESS_WRITE, MAPPED, SIZE, 0),         WITNESS_OK},
    {REQUEST(WITNESS_CHECK, MAPPED, SIZE - 8, 8),     WITNESS_OK},
    {REQUEST(0, MAPPED, 0, 8),                        WITNESS_BAD_REQUEST},
    {REQUEST(4, MAPPED, 0, 8),                        WITNESS_BAD_REQUEST},
    {REQUEST(UINT32_MAX, MAPPED, 0, 8),               WITNESS_BAD_REQUEST},
    {REQUEST(WITNESS_WRITE, MAPPED, 4, 8),            WITNESS_BAD_REQUEST},
    {REQUEST(WITNESS_WRITE, MAPPED, 0, 12),           WITNESS_BAD_REQUEST},
    {REQUEST(WITNESS_WRITE, MAPPED, SIZE, 8),         WITNESS_BAD_REQUEST},
    {REQUEST(WITNESS_CHECK, MAPPED, 8, SIZE),         WITNESS_BAD_REQUEST},
    {REQUEST(WITNESS_CHECK, MAPPED, 0, SIZE + 8),     WITNESS_BAD_REQUEST},
    {REQUEST(WITNESS_CHECK, MAPPED, (uint64_t)-8, 8), WITNESS_BAD_REQUEST},
    {REQUEST(WITNESS_CHECK, MAPPED, (uint64_t)-8, 16), WITNESS_BAD_REQUEST},
    {REQUEST(WITNESS_CHECK, MAPPED, 16, (uint64_t)-8), WITNESS_BAD_REQUEST},
    {REQUEST(WITNESS_CHECK, MAPPED, (uint64_t)-8, (uint64_t)-8), WITNESS_BAD_REQUEST},
    {REQUEST(WITNESS_WRITE, CREATED, 0, 8),           WITNESS_NO_BLOB},
    {REQUEST(WITNESS_WRITE, 0, 0, 8),                 WITNESS_NO_BLOB},
    {REQUEST(WITNESS_OBSERVE, 99, 0, 0),              WITNESS_NO_BLOB},
    {{.operation = WITNESS_OBSERVE, .resource_id = MAPPED, .s1_type = MEMATTR_TYPE_COUNT}, WITNESS_BAD_REQUEST},
    {{.operation = WITNESS_OBSERVE, .resource_id = MAPPED, .s1_type = MEMATTR_NC}, WITNESS_BAD_REQUEST}, /* not on x86 */
    {{.operation = WITNESS_OBSERVE, .resource_id = MAPPED, .s1_type = UINT32_MAX}, WITNESS_BAD_REQUEST},
};
// clang-format on

START_TEST(each_request_is_checked)
{
    struct witness_request answer = ask(rows[_i].request);
    ck_assert_uint_eq(answer.status, rows[_i].status);
    ck_assert_str_eq(fake_output_text(&fake.json), "");
    ck_assert_uint_eq(atomic_load(&fake.trace.warnings), 0);
}
END_TEST

START_TEST(a_request_lies_in_guest_memory)
{
    static const uint64_t places[] = {
        FAKE_RAM,         FAKE_RAM - 8, FAKE_RAM - sizeof(struct witness_request) + 1,
        FAKE_WINDOW_BASE, UINT64_MAX,   UINT64_MAX - 55};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        witness_bus_ops.write(&witness, WITNESS_REGISTER_REQUEST, 8, places[i]);
    ck_assert_uint_eq(atomic_load(&fake.trace.warnings), ARRAY_SIZE(places));

    const struct witness_request good = {.operation = WITNESS_WRITE,
                                         .resource_id = MAPPED};
    ck_assert_uint_eq(ask_at(FAKE_RAM - sizeof good, good).status, WITNESS_OK);
    ck_assert_uint_eq(ask_at(0, good).status, WITNESS_OK);
    ck_assert_uint_eq(ask_at(0x123457, good).status, WITNESS_OK); /* any alignment */
}
END_TEST

START_TEST(only_the_whole_register_counts)
{
    struct error error;
    struct witness_request request = {
        .operation = WITNESS_WRITE, .resource_id = MAPPED, .status = UNTOUCHED};
    ck_assert(
        guest_memory_write(&fake.memory, gpa(PLACE), &request, sizeof request, &error));
    witness_bus_ops.write(&witness, WITNESS_REGISTER_REQUEST, 4, PLACE);
    witness_bus_ops.write(&witness, WITNESS_REGISTER_REQUEST + 4, 4, 0);
    witness_bus_ops.write(&witness, WITNESS_REGISTER_MAGIC, 8, PLACE);
    witness_bus_ops.write(&witness, 0xff8, 8, PLACE);
    guest_memory_read(&fake.memory, gpa(PLACE), &request, sizeof request, &error);
    ck_assert_uint_eq(request.status, UNTOUCHED);
    ck_assert_uint_eq(witness_bus_ops.read(&witness, WITNESS_REGISTER_MAGIC, 4),
                      WITNESS_MAGIC);
    ck_assert_uint_eq(witness_bus_ops.read(&witness, WITNESS_REGISTER_REQUEST, 8), 0);
}
END_TEST

START_TEST(an_observation_becomes_a_record)
{
    struct json_reader record;
    struct witness_request answer = ask((struct witness_request){
        .operation = WITNESS_OBSERVE,
        .resource_id = MAPPED,
        .s1_type = MEMATTR_WB,
        .observed = (uint32_t)_i | 0xfffffffc,
    });
    ck_assert_uint_eq(answer.status, WITNESS_OK);
    const char *json = fake_output_text(&fake.json);
    ck_assert(json_reader_object(&record, &json));
    ck_assert_str_eq(json_reader_value(&record, "resource"), "2");
    ck_assert_str_eq(json_reader_value(&record, "guest_s1"), "WB");
    ck_assert_str_eq(json_reader_value(&record, "guest_saw_host_write"),
                     (unsigned)_i & WITNESS_GUEST_SAW_HOST_WRITE ? "true" : "false");
    ck_assert_str_eq(json_reader_value(&record, "host_saw_guest_write"),
                     (unsigned)_i & WITNESS_HOST_SAW_GUEST_WRITE ? "true" : "false");
}
END_TEST

START_TEST(memory_of_the_renderer_is_seen_through_its_mapping)
{
    fake.renderer.plan.fd = FAKE_FD_FAILS;
    fake.renderer.plan.pointer = FAKE_POINTER_GOOD;
    fake_gpu_force_map_info(&fake, MEMATTR_MAP_CACHED);
    resource = fake_gpu_map_blob(&fake, 5, SIZE, SIZE);
    fill_pattern(0, SIZE, 7);
    const struct witness_request check = {
        .operation = WITNESS_CHECK, .resource_id = 5, .length = SIZE, .seed = 7};
    ck_assert_uint_eq(ask(check).result, 0);
    resource->backing.host[0] ^= 1;
    ck_assert_uint_eq(ask(check).result, 1);
}
END_TEST

static void map_dma_buf(enum fake_fd fd)
{
    fake.renderer.plan.claimed = RENDERER_FD_DMABUF;
    fake.renderer.plan.fd = fd;
    fake_gpu_force_map_info(&fake, MEMATTR_MAP_CACHED);
    resource = fake_gpu_map_blob(&fake, 5, SIZE, SIZE);
    atomic_store(&fake.trace.warnings, 0); /* that it is forced */
}

/* The contract of CPU access (linux/dma-buf.h). */
START_TEST(access_to_a_dma_buf_is_bracketed)
{
    map_dma_buf(FAKE_FD_DMABUF);
    struct witness_request request = {
        .operation = WITNESS_WRITE, .resource_id = 5, .length = SIZE, .seed = 7};
    ck_assert_uint_eq(ask(request).status, WITNESS_OK);
    request.operation = WITNESS_CHECK;
    ck_assert_uint_eq(ask(request).result, 0);
    ck_assert_uint_eq(fake_kernel.sync_count, 4);
    ck_assert_uint_eq(fake_kernel.syncs[0], DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
    ck_assert_uint_eq(fake_kernel.syncs[1], DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
    ck_assert_uint_eq(fake_kernel.syncs[2], DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
    ck_assert_uint_eq(fake_kernel.syncs[3], DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
}
END_TEST

/* A device that is gone cannot give its pages any more: that would be a SIGBUS. */
START_TEST(a_buffer_that_lost_its_pages_is_no_crash)
{
    map_dma_buf(FAKE_FD_DMABUF);
    ck_assert_int_eq(ftruncate(resource->backing.fd, 0), 0);
    struct witness_request request = {
        .operation = (uint32_t)_i, .resource_id = 5, .length = SIZE};
    ck_assert_uint_eq(ask(request).status, WITNESS_NO_BLOB);
    ck_assert_uint_eq(atomic_load(&fake.trace.warnings), 1);
    ck_assert_uint_eq(fake_kernel_mappings("memfd:dma-buf"), 1); /* the device's */
    /* For the look that the fixture takes at the end. */
    ck_assert_int_eq(ftruncate(resource->backing.fd, SIZE), 0);
}
END_TEST

START_TEST(a_buffer_that_cannot_be_mapped_again)
{
    int fd = resource->backing.fd;
    resource->backing.fd = -1;
    struct witness_request answer =
        ask((struct witness_request){.operation = WITNESS_WRITE, .resource_id = MAPPED});
    ck_assert_uint_eq(answer.status, WITNESS_NO_BLOB);
    ck_assert_uint_eq(atomic_load(&fake.trace.warnings), 1);
    resource->backing.fd = fd;
}
END_TEST

/* --- two threads --- */

struct looker {
    atomic_bool stop;
    atomic_uint looks;
};

/* Without the lock: a mutex is not fair, and on a busy machine whoever unlocks it has it again
 * before the other thread runs. */
static void let_the_other(void)
{
    usleep(50);
}

static void *look_often(void *argument)
{
    static const struct witness_request requests[] = {
        {.operation = WITNESS_WRITE, .resource_id = 5, .length = SIZE, .seed = 1},
        {.operation = WITNESS_CHECK, .resource_id = 5, .length = SIZE, .seed = 1},
        {.operation = WITNESS_OBSERVE, .resource_id = 5},
    };
    struct looker *looker = argument;
    for (unsigned i = 0; !atomic_load(&looker->stop); i++) {
        ask(requests[i % ARRAY_SIZE(requests)]);
        atomic_fetch_add(&looker->looks, 1);
        let_the_other();
    }
    return NULL;
}

/* The witness runs on a vCPU while the device's thread maps and unmaps. */
START_TEST(a_blob_does_not_go_while_it_is_looked_at)
{
    struct error error;
    enum { TIMES = 300 };
    pthread_t thread;
    struct looker looker = {0};
    fake.recorder.json = NULL;
    fake.recorder.text = NULL;
    ck_assert_int_eq(pthread_create(&thread, NULL, look_often, &looker), 0);
    for (unsigned i = 0; i < TIMES || atomic_load(&looker.looks) < TIMES; i++) {
        pthread_mutex_lock(&fake.gpu.lock);
        fake_gpu_map_blob(&fake, 5, SIZE, SIZE);
        pthread_mutex_unlock(&fake.gpu.lock);
        let_the_other();
        pthread_mutex_lock(&fake.gpu.lock);
        ck_assert(blob_destroy(&fake.gpu, 5, &error));
        pthread_mutex_unlock(&fake.gpu.lock);
        let_the_other();
    }
    atomic_store(&looker.stop, true);
    pthread_join(thread, NULL);
}
END_TEST

Suite *witness_suite(void)
{
    Suite *suite = suite_create("witness");
    TCase *test_case = tcase_create("witness");
    tcase_add_checked_fixture(test_case, set_up, witness_tear_down);
    tcase_set_timeout(test_case,
                      60); /* two threads fight for a lock, on a busy machine */
    tcase_add_test(test_case, it_writes_the_pattern_and_nothing_else);
    tcase_add_test(test_case, it_counts_the_words_that_differ);
    tcase_add_test(test_case, it_looks_through_a_mapping_of_its_own);
    tcase_add_loop_test(test_case, each_request_is_checked, 0, (int)ARRAY_SIZE(rows));
    tcase_add_test(test_case, a_request_lies_in_guest_memory);
    tcase_add_test(test_case, only_the_whole_register_counts);
    tcase_add_loop_test(test_case, an_observation_becomes_a_record, 0, 4);
    tcase_add_test(test_case, memory_of_the_renderer_is_seen_through_its_mapping);
    tcase_add_test(test_case, access_to_a_dma_buf_is_bracketed);
    tcase_add_loop_test(test_case, a_buffer_that_lost_its_pages_is_no_crash,
                        WITNESS_WRITE, WITNESS_CHECK + 1);
    tcase_add_test(test_case, a_buffer_that_cannot_be_mapped_again);
    tcase_add_test(test_case, a_blob_does_not_go_while_it_is_looked_at);
    suite_add_tcase(suite, test_case);
    return suite;
}
