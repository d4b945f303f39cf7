/* SPDX-License-Identifier: MIT */
/* The witness without a GPU: it looks at one target, of which a test says what it is. */
#include <sys/mman.h>

#include "tests/unit/suites.h"
#include "tests/unit/witness_fixture.h"

#define TARGET 1u

static struct {
    struct witness_view view;
    struct guest_observation observation;
    unsigned acquired; /* at the moment */
    unsigned observed;
} target;

static bool target_acquire(void *context, uint32_t resource_id, struct witness_view *view)
{
    ck_assert_ptr_eq(context, &target);
    if (resource_id != TARGET)
        return false;
    target.acquired++;
    *view = target.view;
    return true;
}

static void target_release(void *context)
{
    ck_assert_ptr_eq(context, &target);
    target.acquired--;
}

static void target_observed(void *context, uint32_t resource_id,
                            const struct guest_observation *observation)
{
    ck_assert_ptr_eq(context, &target);
    ck_assert_uint_eq(resource_id, TARGET);
    ck_assert_uint_eq(target.acquired, 1);
    target.observed++;
    target.observation = *observation;
}

static const struct witness_ops target_ops = {
    .acquire = target_acquire,
    .release = target_release,
    .observed = target_observed,
};

static void use_target(struct witness_view view)
{
    memset(&target, 0, sizeof target);
    target.view = view;
    witness.ops = &target_ops;
    witness.context = &target;
}

START_TEST(a_single_target_needs_no_gpu)
{
    uint8_t bytes[PAGE_SIZE_4K] __attribute__((aligned(8))) = {0};
    use_target(
        (struct witness_view){.size = sizeof bytes, .host = bytes, .is_bar = true});
    struct witness_request request = {
        .operation = WITNESS_WRITE, .resource_id = TARGET, .length = 8, .seed = 7};
    ck_assert_uint_eq(ask(request).status, WITNESS_OK);
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    ck_assert_uint_eq(word, witness_pattern(7, 0));
    request.resource_id = TARGET + 1;
    ck_assert_uint_eq(ask(request).status, WITNESS_NO_BLOB);
    ck_assert_uint_eq(target.acquired, 0);
}
END_TEST

START_TEST(all_that_the_guest_reports_arrives)
{
    use_target((struct witness_view){.size = 8});
    struct witness_request request = {
        .operation = WITNESS_OBSERVE,
        .resource_id = TARGET,
        .s1_type = MEMATTR_WC,
        .observed = 1u << _i,
        .par = 0x4400000000000b80,
    };
    ck_assert_uint_eq(ask(request).status, WITNESS_OK);
    ck_assert_uint_eq(target.observed, 1);
    const struct guest_observation *seen = &target.observation;
    ck_assert_int_eq(seen->s1, MEMATTR_WC);
    ck_assert_uint_eq(seen->par, 0x4400000000000b80);
    ck_assert_uint_eq(seen->guest_saw_host_write | seen->host_saw_guest_write << 1 |
                          seen->unaligned_works << 2 | seen->unaligned_faulted << 3,
                      1u << _i);
    ck_assert_uint_eq(target.acquired, 0);
}
END_TEST

struct cutter {
    int fd;
    atomic_bool stop;
};

static void *cut_and_mend(void *argument)
{
    struct cutter *cutter = argument;
    while (!atomic_load(&cutter->stop))
        if (ftruncate(cutter->fd, 0) != 0 || ftruncate(cutter->fd, SIZE) != 0)
            return NULL;
    return NULL;
}

/* Its owner may cut it at any moment, also while it is looked at: a load would be a SIGBUS. */
START_TEST(a_file_that_is_cut_meanwhile_is_no_crash)
{
    pthread_t owner;
    struct cutter cutter = {.fd = memfd_create("cut", MFD_CLOEXEC)};
    ck_assert_int_eq(ftruncate(cutter.fd, SIZE), 0);
    uint8_t *host = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, cutter.fd, 0);
    ck_assert_ptr_ne(host, MAP_FAILED);
    use_target((struct witness_view){.size = SIZE, .host = host});
    ck_assert_int_eq(pthread_create(&owner, NULL, cut_and_mend, &cutter), 0);
    for (unsigned i = 0; i < 2000; i++) {
        const uint32_t what = i % 2 == 0 ? WITNESS_WRITE : WITNESS_CHECK;
        struct witness_request request = {
            .operation = what, .resource_id = TARGET, .length = SIZE, .seed = 7};
        request = ask(request);
        ck_assert(request.status == WITNESS_OK || request.status == WITNESS_NO_BLOB);
    }
    atomic_store(&cutter.stop, true);
    pthread_join(owner, NULL);
    munmap(host, SIZE);
    close(cutter.fd);
}
END_TEST

START_TEST(the_file_is_mapped_at_its_offset)
{
    uint64_t word;
    int fd = memfd_create("memory", 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)2 * PAGE_SIZE_4K), 0);
    use_target((struct witness_view){
        .has_file = true, .fd = fd, .offset = PAGE_SIZE_4K, .size = PAGE_SIZE_4K});
    ask((struct witness_request){.operation = WITNESS_WRITE,
                                 .resource_id = TARGET,
                                 .offset = 8,
                                 .length = 8,
                                 .seed = 3});
    ck_assert_int_eq(pread(fd, &word, sizeof word, PAGE_SIZE_4K + 8), sizeof word);
    ck_assert_uint_eq(word, witness_pattern(3, 0));
    close(fd);
}
END_TEST

Suite *witness_target_suite(void)
{
    Suite *suite = suite_create("witness target");
    TCase *test_case = tcase_create("witness target");
    tcase_add_checked_fixture(test_case, witness_set_up, witness_tear_down);
    tcase_add_test(test_case, a_single_target_needs_no_gpu);
    tcase_add_loop_test(test_case, all_that_the_guest_reports_arrives, 0, 4);
    tcase_add_test(test_case, a_file_that_is_cut_meanwhile_is_no_crash);
    tcase_add_test(test_case, the_file_is_mapped_at_its_offset);
    suite_add_tcase(suite, test_case);
    return suite;
}
