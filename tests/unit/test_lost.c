/* SPDX-License-Identifier: MIT */
/* Mappings that are taken away from the guest: pages that are gone, attributes that change,
 * copies that cannot reach their buffer. */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "devices/gpu/lost.h"
#include "devices/gpu/watch.h"
#include "tests/unit/fake_gpu.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/suites.h"
#include "vmm/vm.h"

#define ID   2u
#define SIZE ((uint64_t)4 * PAGE_SIZE_4K)

static struct fake_gpu fake;

static void set_up_slot(void)
{
    fake_gpu_init_strategy(&fake, HOSTMEM_SLOT);
}

static void tear_down(void)
{
    fake_gpu_finish(&fake);
}

/* A blob whose pages can be taken away: a fake dma-buf, which is a memfd that can shrink. The
 * renderer is believed. */
static struct resource *map_dmabuf(uint32_t id)
{
    fake.gpu.config.permissive = true;
    fake.renderer.plan = (struct fake_blob_plan){.claimed = RENDERER_FD_DMABUF,
                                                 .fd = FAKE_FD_DMABUF,
                                                 .has_map_info = true,
                                                 .map_info = MEMATTR_MAP_CACHED};
    return fake_gpu_map_blob(&fake, id, SIZE, id * SIZE);
}

/* The guest has been in a hole before: no access is explained by that any more. */
static void set_up_window(void)
{
    struct error error;
    fake_gpu_init_strategy(&fake, HOSTMEM_WINDOW);
    map_dmabuf(ID);
    ck_assert(blob_destroy(&fake.gpu, ID, &error));
    ck_assert(gpu_page_lost(&fake.gpu));
    fake.gpu.hostmem.retries_left = 0;
}

/* The first page stays: the fixture looks at it when the slot is removed. */
static void take_pages(const struct resource *resource, uint64_t left)
{
    ck_assert_int_eq(ftruncate(resource->backing.fd, (off_t)left), 0);
}

static void check_lost(const struct resource *resource, const char *reason)
{
    ck_assert(resource->lost);
    ck_assert(!resource->mapping.mapped);
    ck_assert_ptr_nonnull(
        strstr(fake_output_text(&fake.json), "\"verdict\":\"dropped\""));
    ck_assert_msg(strstr(fake_output_text(&fake.json), reason) != NULL, "%s",
                  fake_output_text(&fake.json));
    ck_assert_ptr_nonnull(
        strstr(fake_output_text(&fake.trace_output), "is taken away from the guest"));
}

/* The state machine goes on: it can be unmapped and mapped again. */
static void unmap_and_map_again(struct resource *resource)
{
    struct error error;
    enum memattr_map_info map_info;
    ck_assert(!blob_map(&fake.gpu, ID, 0, &map_info, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_STATE);
    ck_assert_ptr_nonnull(strstr(error.text, "unmap it first"));
    ck_assert(blob_unmap(&fake.gpu, ID, &error));
    ck_assert(!resource->lost);
    fake_gpu_check_nothing_mapped(&fake);
    ck_assert(!blob_unmap(&fake.gpu, ID, &error));
    ck_assert_msg(blob_map(&fake.gpu, ID, 0, &map_info, &error), "%s", error.text);
}

START_TEST(a_blob_without_its_pages_is_dropped)
{
    struct resource *resource = map_dmabuf(ID);
    struct resource *other = map_dmabuf(3);
    take_pages(resource, 2 * (uint64_t)PAGE_SIZE_4K);
    ck_assert(gpu_page_lost(&fake.gpu));
    check_lost(resource, "offset 0x2000");
    ck_assert(other->mapping.mapped);
    uint8_t byte = 0;
    bool is_window = fake.gpu.config.map_strategy == HOSTMEM_WINDOW;
    ck_assert(fake_gpu_read(&fake, FAKE_WINDOW_BASE + ID * SIZE, &byte) == is_window);
    ck_assert_uint_eq(byte, is_window ? UINT8_MAX : 0);
    ck_assert(fake_gpu_read(&fake, FAKE_WINDOW_BASE + 3 * SIZE, &byte));
    ck_assert_uint_eq(byte, 0);
    struct error error;
    ck_assert(blob_destroy(&fake.gpu, 3, &error));
    unmap_and_map_again(resource);
}
END_TEST

START_TEST(device_memory_is_only_read)
{
    struct resource *resource = map_dmabuf(ID);
    resource->decision.report.buffer.page = MEMATTR_PAGE_MMIO;
    ck_assert(!gpu_page_lost(&fake.gpu));
    take_pages(resource, PAGE_SIZE_4K);
    ck_assert(gpu_page_lost(&fake.gpu));
    check_lost(resource, "cannot be read");
}
END_TEST

START_TEST(nothing_lost_is_not_excused)
{
    map_dmabuf(ID);
    ck_assert(!gpu_page_lost(&fake.gpu));
    ck_assert_uint_eq(fake.slot_count, 1);
    ck_assert_str_eq(fake_output_text(&fake.json), "");
}
END_TEST

/* The other vCPUs may have met the same page; an endless loop it is not. */
START_TEST(each_other_vcpu_may_try_again_once)
{
    take_pages(map_dmabuf(ID), PAGE_SIZE_4K);
    ck_assert(gpu_page_lost(&fake.gpu));
    for (unsigned i = 1; i < VM_CPUS_MAX; i++)
        ck_assert(gpu_page_lost(&fake.gpu));
    ck_assert(!gpu_page_lost(&fake.gpu));
}
END_TEST

START_TEST(a_slot_that_cannot_be_removed)
{
    struct resource *resource = map_dmabuf(ID);
    take_pages(resource, 3 * (uint64_t)PAGE_SIZE_4K);
    fake.removal_fails = true;
    ck_assert(!gpu_page_lost(&fake.gpu));
    ck_assert(!resource->lost);
    ck_assert(resource->mapping.mapped);
    ck_assert_ptr_nonnull(
        strstr(fake_output_text(&fake.trace_output), "cannot be taken away"));
}
END_TEST

START_TEST(a_lost_blob_can_be_unreferenced)
{
    struct error error;
    take_pages(map_dmabuf(ID), PAGE_SIZE_4K);
    ck_assert(gpu_page_lost(&fake.gpu));
    ck_assert(blob_destroy(&fake.gpu, ID, &error));
    fake_gpu_check_nothing_mapped(&fake);
}
END_TEST

START_TEST(a_lost_blob_is_reset)
{
    take_pages(map_dmabuf(ID), PAGE_SIZE_4K);
    ck_assert(gpu_page_lost(&fake.gpu)); /* the rest is fake_gpu_finish()'s */
}
END_TEST

/* --- copies --- */

static struct resource *map_copy(void)
{
    struct error error;
    struct resource *resource = map_dmabuf(ID);
    /* As decision.c does for a buffer that needs SYNC. */
    ck_assert(blob_unmap(&fake.gpu, ID, &error));
    ck_assert(backing_open(&resource->backing, &fake.gpu.renderer, ID, SIZE, &error));
    resource->decision.copied = true;
    ck_assert(shadow_open(&resource->shadow, &resource->backing, &error));
    ck_assert(hostmem_map(&fake.gpu.hostmem, &resource->shadow.copy,
                          (struct hostmem_placement){0}, ID, 0, &resource->mapping,
                          &error));
    return resource;
}

START_TEST(the_last_changes_are_carried_over)
{
    struct error error;
    struct resource *resource = map_copy();
    int buffer = dup(resource->backing.fd);
    uint8_t byte = 0;
    resource->shadow.copy.host[5] = 'g';
    ck_assert(fake_gpu_read(&fake, FAKE_WINDOW_BASE + 5, &byte));
    ck_assert_uint_eq(byte, 'g');
    sync_copies(&fake.gpu);
    ck_assert_int_eq(resource->backing.host[5], 'g');
    resource->shadow.copy.host[6] = 'u';
    ck_assert(blob_unmap(&fake.gpu, ID, &error));
    ck_assert_int_eq(pread(buffer, &byte, 1, 6), 1);
    ck_assert_int_eq(byte, 'u');
    close(buffer);
    ck_assert_uint_eq(fake_kernel_mappings("s2vmm-copy"), 0);
}
END_TEST

START_TEST(a_copy_without_its_buffer_is_dropped)
{
    struct resource *resource = map_copy();
    take_pages(resource, PAGE_SIZE_4K);
    ck_assert(!gpu_page_lost(&fake.gpu)); /* the copy is there */
    sync_copies(&fake.gpu);
    check_lost(resource, "are gone");
    sync_copies(&fake.gpu);
    ck_assert(resource->lost);
}
END_TEST

START_TEST(conflicts_are_told)
{
    struct error error;
    struct resource *resource = map_copy();
    resource->shadow.copy.host[5] = 'g';
    resource->backing.host[5] = 'h';
    ck_assert(blob_unmap(&fake.gpu, ID, &error));
    ck_assert_ptr_nonnull(
        strstr(fake_output_text(&fake.trace_output), "1 bytes of it were changed"));
}
END_TEST

/* --- followed --- */

static bool timer_runs(void)
{
    struct itimerspec left;
    timerfd_gettime(fake.gpu.hostmem.watch_fd, &left);
    return left.it_interval.tv_nsec != 0;
}

/* HOST_TYPE 6 is WB, 1 is WC (x86, devices/dmabuf-info/dma_buf_info.h). */
#define HOST_TYPE (DMA_BUF_INFO_HOST_TYPE - DMA_BUF_INFO_SOURCE)

static struct resource *map_followed(void)
{
    struct resource *resource = map_dmabuf(ID);
    resource->decision.followed = true;
    resource->decision.report.kernel.knows_type = true;
    resource->decision.report.kernel.type = MEMATTR_WB;
    fake_kernel.info_error = 0;
    fake_kernel.info_known = 1u << HOST_TYPE;
    fake_kernel.info_further[HOST_TYPE] = 6;
    watch_start(&fake.gpu);
    return resource;
}

START_TEST(a_change_of_attribute_is_seen)
{
    struct resource *resource = map_followed();
    watch_look(&fake.gpu);
    ck_assert(resource->mapping.mapped);
    ck_assert(timer_runs());
    fake_kernel.info_further[HOST_TYPE] = 1;
    watch_look(&fake.gpu);
    check_lost(resource, "attribute changed from WB to WC");
    ck_assert(!timer_runs());
}
END_TEST

/* The whole way: asked at MAP_BLOB, watched from then on. */
START_TEST(map_blob_starts_the_watch)
{
    fake.gpu.config.follow_changes = true;
    fake_kernel.info_error = 0;
    fake_kernel.info_value = DMA_BUF_VM_PROT_CACHED;
    fake_kernel.info_known =
        1u << HOST_TYPE | 1u << (DMA_BUF_INFO_STABILITY - DMA_BUF_INFO_SOURCE);
    fake_kernel.info_further[HOST_TYPE] = 6;
    fake_kernel.info_further[DMA_BUF_INFO_STABILITY - DMA_BUF_INFO_SOURCE] =
        DMA_BUF_STABILITY_MAY_CHANGE;
    struct resource *resource = map_dmabuf(ID);
    ck_assert(resource->decision.followed);
    ck_assert(timer_runs());
}
END_TEST

/* The exporter says that it may change, and no page table tells when. */
START_TEST(what_nobody_tells_cannot_be_followed)
{
    struct error error;
    enum memattr_map_info map_info;
    fake.gpu.config.follow_changes = true;
    fake_kernel.info_error = 0;
    fake_kernel.info_value = DMA_BUF_VM_PROT_CACHED;
    fake_kernel.info_known = 1u << (DMA_BUF_INFO_STABILITY - DMA_BUF_INFO_SOURCE);
    fake_kernel.info_further[DMA_BUF_INFO_STABILITY - DMA_BUF_INFO_SOURCE] =
        DMA_BUF_STABILITY_MAY_CHANGE;
    fake.renderer.plan =
        (struct fake_blob_plan){.claimed = RENDERER_FD_DMABUF, .fd = FAKE_FD_DMABUF};
    fake_gpu_create_blob(&fake, ID, SIZE);
    ck_assert(!blob_map(&fake.gpu, ID, 0, &map_info, &error));
    ck_assert_int_eq(error.code, ERROR_REFUSED);
    ck_assert_msg(strstr(error.text, "needs the module dmabuf-info") != NULL, "%s",
                  error.text);
    ck_assert_ptr_nonnull(
        strstr(fake_output_text(&fake.json), "\"refusal\":\"may-change\""));
}
END_TEST

START_TEST(no_answer_is_no_change)
{
    struct resource *resource = map_followed();
    fake_kernel.info_error = ENOTTY;
    watch_look(&fake.gpu);
    ck_assert(resource->mapping.mapped);
}
END_TEST

START_TEST(who_is_not_followed_is_not_asked)
{
    struct resource *resource = map_followed();
    resource->decision.followed = false;
    fake_kernel.info_further[HOST_TYPE] = 1;
    watch_look(&fake.gpu);
    ck_assert(resource->mapping.mapped);
    ck_assert(!timer_runs());
}
END_TEST

static TCase *make_case(const char *name, SFun set_up)
{
    TCase *test_case = tcase_create(name);
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, a_blob_without_its_pages_is_dropped);
    tcase_add_test(test_case, device_memory_is_only_read);
    tcase_add_test(test_case, nothing_lost_is_not_excused);
    tcase_add_test(test_case, each_other_vcpu_may_try_again_once);
    tcase_add_test(test_case, a_lost_blob_can_be_unreferenced);
    tcase_add_test(test_case, a_lost_blob_is_reset);
    tcase_add_test(test_case, the_last_changes_are_carried_over);
    tcase_add_test(test_case, a_copy_without_its_buffer_is_dropped);
    tcase_add_test(test_case, conflicts_are_told);
    tcase_add_test(test_case, a_change_of_attribute_is_seen);
    tcase_add_test(test_case, map_blob_starts_the_watch);
    tcase_add_test(test_case, what_nobody_tells_cannot_be_followed);
    tcase_add_test(test_case, no_answer_is_no_change);
    tcase_add_test(test_case, who_is_not_followed_is_not_asked);
    return test_case;
}

Suite *lost_suite(void)
{
    Suite *suite = suite_create("lost");
    TCase *slots = make_case("slot", set_up_slot);
    tcase_add_test(slots, a_slot_that_cannot_be_removed);
    suite_add_tcase(suite, slots);
    suite_add_tcase(suite, make_case("window", set_up_window));
    return suite;
}
