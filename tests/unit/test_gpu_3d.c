/* SPDX-License-Identifier: MIT */
/* 3D resources and blobs of guest memory, with a renderer that notes what it was told. */
#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/gpu/guest_blob.h"
#include "devices/gpu/renderer_none.h"
#include "devices/gpu/resource_view.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/gpu_commands.h"
#include "tests/unit/skip.h"
#include "tests/unit/suites.h"

#define GUEST      VIRTIO_GPU_BLOB_MEM_GUEST
#define BOTH       VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST
#define FIRST_PAGE 0x10000u /* in guest memory */
#define NEXT_PAGE  0x14000u
#define FORMAT     VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM

/* A blob of two entries, page and three pages. */
struct create_over {
    struct virtio_gpu_resource_create_blob head;
    struct virtio_gpu_mem_entry entries[2];
};

static struct create_over over(uint32_t memory, uint32_t flags)
{
    return (struct create_over){
        .head = {.hdr = {.type = CMD(RESOURCE_CREATE_BLOB), .ctx_id = FAKE_CONTEXT},
                 .resource_id = NEW,
                 .blob_mem = memory,
                 .blob_flags = flags,
                 .nr_entries = 2,
                 .size = BLOB_SIZE},
        .entries = {{.addr = FIRST_PAGE, .length = PAGE_SIZE_4K},
                    {.addr = NEXT_PAGE, .length = 3 * PAGE_SIZE_4K}},
    };
}

static struct resource *create(uint32_t memory, uint32_t flags)
{
    const struct create_over request = over(memory, flags);
    struct error error;
    run(&request, sizeof request, ROOM);
    ck_assert_msg(commands.response.header.type == OK_NODATA, "%s",
                  fake_output_text(&commands.fake.trace_output));
    return resource_find(&commands.fake.gpu.resources, NEW, &error);
}

static void unref(uint32_t id)
{
    const struct virtio_gpu_resource_unref request = {.hdr.type = CMD(RESOURCE_UNREF),
                                                      .resource_id = id};
    run(&request, sizeof request, ROOM);
    ck_assert_uint_eq(commands.response.header.type, OK_NODATA);
}

static const struct fake_blob *in_renderer(uint32_t id)
{
    return fake_renderer_blob(&commands.fake.renderer, id);
}

/* --- blobs of guest memory --- */

START_TEST(guest_memory_goes_to_the_renderer)
{
    const struct resource *blob = create(GUEST, 0);
    ck_assert_uint_eq(blob->pages.count, 2);
    ck_assert_ptr_nonnull(in_renderer(NEW));
    const struct renderer_blob *told = &in_renderer(NEW)->arguments;
    ck_assert_uint_eq(told->memory, GUEST);
    ck_assert_uint_eq(told->pages.count, 2);
    ck_assert_uint_eq(told->pages.vectors[1].iov_len, 3 * PAGE_SIZE_4K);
    unref(NEW);
    ck_assert_ptr_null(in_renderer(NEW));
}
END_TEST

START_TEST(a_default_blob_has_both)
{
    create(BOTH, 0);
    ck_assert_uint_eq(in_renderer(NEW)->pages.count, 2);
    ck_assert_uint_eq(in_renderer(NEW)->arguments.context_id, FAKE_CONTEXT);
    const struct virtio_gpu_transfer_host_3d move = {
        .hdr = {.type = CMD(TRANSFER_TO_HOST_3D), .ctx_id = FAKE_CONTEXT},
        .box = {.x = 1, .w = 2, .h = 3, .d = 4},
        .offset = 4096,
        .resource_id = NEW,
        .level = 2,
        .stride = 64,
        .layer_stride = 256,
    };
    run(&move, sizeof move, ROOM);
    ck_assert_uint_eq(commands.response.header.type, OK_NODATA);
    const struct renderer_transfer *told = &commands.fake.renderer.transfer;
    ck_assert_int_eq(told->direction, RENDERER_TO_HOST);
    ck_assert_uint_eq(told->context_id, FAKE_CONTEXT);
    ck_assert_uint_eq(told->offset, 4096);
    ck_assert_uint_eq(told->stride, 64);
    ck_assert_uint_eq(told->layer_stride, 256);
    ck_assert_uint_eq(told->level, 2);
    ck_assert_uint_eq(told->x, 1);
    ck_assert_uint_eq(told->depth, 4);
}
END_TEST

START_TEST(guest_memory_is_not_mapped_into_the_window)
{
    create(_i == 0 ? GUEST : BOTH, VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE);
    atomic_store(&commands.fake.trace.warnings, 0); /* there may be no /dev/udmabuf */
    const struct virtio_gpu_resource_map_blob map = {
        .hdr.type = CMD(RESOURCE_MAP_BLOB), .resource_id = NEW, .offset = BLOB_SIZE};
    refused(&map, sizeof map, ROOM, UNSPEC);
}
END_TEST

START_TEST(less_memory_than_the_blob_is_refused)
{
    struct create_over request = over(_i == 0 ? GUEST : BOTH, 0);
    const struct quota_use *use = commands.fake.gpu.quota.use;
    uint64_t bytes = use[QUOTA_HOST_MEMORY].now;
    request.head.size = BLOB_SIZE + PAGE_SIZE_4K;
    refused(&request, sizeof request, ROOM, PARAMETER);
    request = over(GUEST, 0);
    request.entries[1].addr = FAKE_RAM - PAGE_SIZE_4K;
    refused(&request, sizeof request, ROOM, UNSPEC);
    refused(&request, sizeof request - 1, ROOM, PARAMETER);
    ck_assert_uint_eq(use[QUOTA_HOST_MEMORY].now, bytes);
}
END_TEST

START_TEST(the_renderer_does_not_want_it)
{
    const struct create_over request = over(_i == 0 ? GUEST : BOTH, 2);
    commands.fake.renderer.import_fails = ERROR_HOST_RENDERER;
    commands.fake.renderer.blob_create_fails = ERROR_HOST_RENDERER;
    run(&request, sizeof request, ROOM);
    ck_assert_uint_eq(commands.response.header.type, UNSPEC);
    struct error error;
    ck_assert_ptr_null(resource_find(&commands.fake.gpu.resources, NEW, &error));
}
END_TEST

/* virtio 1.3, 5.7.6.8: nr_entries may be zero, and RESOURCE_ATTACH_BACKING follow. */
START_TEST(guest_memory_may_come_and_go)
{
    struct gpu *gpu = &commands.fake.gpu;
    struct create_over request = over(GUEST, 0);
    struct error error;
    request.head.nr_entries = 0;
    run(&request, sizeof request.head, ROOM);
    ck_assert_uint_eq(commands.response.header.type, OK_NODATA);
    ck_assert_ptr_null(in_renderer(NEW));
    const struct virtio_gpu_ctx_resource attach = {
        .hdr = {.type = CMD(CTX_ATTACH_RESOURCE), .ctx_id = FAKE_CONTEXT},
        .resource_id = NEW};
    run(&attach, sizeof attach, ROOM); /* the fake ends the test if it hears of it */
    ck_assert_uint_eq(commands.response.header.type, OK_NODATA);

    struct resource *blob = resource_find(&gpu->resources, NEW, &error);
    ck_assert(resource_attach_pages(&gpu->resources, blob, &commands.fake.memory,
                                    request.entries, 1, sizeof request.entries, &error));
    ck_assert(!gpu_3d_attach(gpu, blob, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_PARAMETER); /* not enough */
    resource_detach_pages(&gpu->resources, blob);
    ck_assert(resource_attach_pages(&gpu->resources, blob, &commands.fake.memory,
                                    request.entries, 2, sizeof request.entries, &error));
    ck_assert(gpu_3d_attach(gpu, blob, &error));
    ck_assert_ptr_nonnull(in_renderer(NEW));
    gpu_3d_detach(gpu, blob);
    resource_detach_pages(&gpu->resources, blob);
    ck_assert_ptr_null(in_renderer(NEW));
    unref(NEW);
}
END_TEST

/* --- the dma-buf --- */

START_TEST(without_udmabuf_it_works_by_its_pages)
{
    if (access("/dev/udmabuf", F_OK) == 0)
        return; /* the next test is for this host */
    const struct resource *blob = create(GUEST, VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE);
    ck_assert_int_eq(blob->guest_dmabuf, -1);
    ck_assert(!in_renderer(NEW)->imported);
    ck_assert_uint_eq(in_renderer(NEW)->pages.count, 2);
    ck_assert_ptr_nonnull(
        strstr(fake_output_text(&commands.fake.trace_output), "/dev/udmabuf: No such"));
}
END_TEST

START_TEST(the_dmabuf_is_the_guests_pages)
{
    struct error error;
    int fd;
    if (access("/dev/udmabuf", R_OK | W_OK) != 0) {
        test_skip("gpu_3d: the_dmabuf_is_the_guests_pages", "no /dev/udmabuf");
        return;
    }
    struct resource *blob = create(GUEST, 0);
    ck_assert(in_renderer(NEW)->imported);
    ck_assert_int_ge(blob->guest_dmabuf, 0);
    ck_assert(backing_is_dmabuf(blob->guest_dmabuf));
    ck_assert_int_eq(lseek(blob->guest_dmabuf, 0, SEEK_END), BLOB_SIZE);
    uint8_t *view =
        mmap(NULL, BLOB_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, blob->guest_dmabuf, 0);
    ck_assert_ptr_ne(view, MAP_FAILED);
    view[PAGE_SIZE_4K + 5] = 0x77;
    uint8_t byte = 0;
    ck_assert(
        guest_memory_read(&commands.fake.memory, gpa(NEXT_PAGE + 5), &byte, 1, &error));
    ck_assert_uint_eq(byte, 0x77);
    munmap(view, BLOB_SIZE);

    /* Parts of pages cannot be. */
    struct gpa_range odd = {gpa(FIRST_PAGE + 512), PAGE_SIZE_4K};
    const struct guest_pages pages = {.count = 1, .size = PAGE_SIZE_4K, .ranges = &odd};
    ck_assert(!guest_blob_make_dmabuf(&commands.fake.memory, &pages, PAGE_SIZE_4K, &fd,
                                      &error));
    ck_assert_int_eq(error.code, ERROR_HOST_BUFFER);
    ck_assert_int_eq(fd, -1);
}
END_TEST

/* --- reading --- */

static bool read_view(uint32_t id, struct resource_view view, uint8_t *rows,
                      struct error *error)
{
    struct resource *resource = resource_find(&commands.fake.gpu.resources, id, error);
    ck_assert_ptr_nonnull(resource);
    return gpu_resource_read(&commands.fake.gpu, resource, &view, rows, error);
}

START_TEST(a_view_of_guest_memory_is_read_row_by_row)
{
    struct error error;
    uint8_t rows[2 * 3 * 4];
    create(GUEST, 0);
    /* Byte 4088 is the last pixel but one of the first entry. */
    const uint8_t marks[] = {1, 2, 3};
    ck_assert(guest_memory_write(&commands.fake.memory, gpa(FIRST_PAGE + 4088), marks, 1,
                                 &error));
    ck_assert(
        guest_memory_write(&commands.fake.memory, gpa(NEXT_PAGE), marks + 1, 1, &error));
    ck_assert(guest_memory_write(&commands.fake.memory, gpa(NEXT_PAGE + 64), marks + 2, 1,
                                 &error));
    const struct resource_view view = {.format = FORMAT,
                                       .offset = 4088 - 64,
                                       .stride = 64,
                                       .x = 0,
                                       .y = 1,
                                       .width = 3,
                                       .height = 2};
    ck_assert_msg(read_view(NEW, view, rows, &error), "%s", error.text);
    ck_assert_uint_eq(rows[0], 1);
    ck_assert_uint_eq(rows[8], 2);
    ck_assert_uint_eq(rows[12 + 8], 3);
}
END_TEST

static const struct resource_view bad_views[] = {
    {.format = FORMAT, .stride = 64, .width = 0, .height = 1},
    {.format = FORMAT, .stride = 64, .width = 1, .height = 0},
    {.format = FORMAT, .stride = 64, .width = 17, .height = 1},
    {.format = FORMAT, .stride = 64, .x = 16, .width = 1, .height = 1},
    {.format = FORMAT, .stride = 64, .x = UINT32_MAX, .width = 2, .height = 1},
    {.format = FORMAT, .stride = 64, .width = 1, .height = 257},
    {.format = FORMAT, .stride = 64, .y = UINT32_MAX, .width = 1, .height = UINT32_MAX},
    {.format = FORMAT, .offset = BLOB_SIZE - 3, .stride = 64, .width = 1, .height = 1},
    {.format = FORMAT, .offset = UINT64_MAX, .stride = 64, .width = 1, .height = 1},
    {.format = FORMAT, .stride = UINT32_MAX, .y = 1, .width = 1, .height = 1},
};

START_TEST(a_view_outside_is_refused)
{
    struct error error;
    create(GUEST, 0);
    ck_assert(!read_view(NEW, bad_views[_i], NULL, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_PARAMETER);
    ck_assert(!read_view(CREATED, bad_views[_i], NULL, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_PARAMETER);
}
END_TEST

/* CREATED is not mapped, MAPPED is. */
START_TEST(a_view_of_host_memory_is_read)
{
    struct error error;
    uint8_t rows[4] = {9, 9, 9, 9};
    const struct resource_view last = {
        .format = FORMAT, .stride = 64, .x = 15, .y = 255, .width = 1, .height = 1};
    uint8_t *host = commands.fake.slot_host;
    host[BLOB_SIZE - 4] = 0x42;
    ck_assert(read_view(MAPPED, last, rows, &error));
    ck_assert_uint_eq(rows[0], 0x42);
    ck_assert(read_view(CREATED, last, rows, &error));
    ck_assert_uint_eq(rows[0], 0);
}
END_TEST

/* As its owner may do, at any time, with memory that is not sealed. */
START_TEST(a_view_of_memory_that_its_owner_cuts_is_no_crash)
{
    struct error error;
    uint8_t rows[16 * 256 * 4];
    const struct resource_view whole = {
        .format = FORMAT, .stride = 64, .width = 16, .height = 256};
    const struct resource_view last = {
        .format = FORMAT, .stride = 64, .x = 15, .y = 250, .width = 1, .height = 6};
    const struct resource_view first = {
        .format = FORMAT, .stride = 64, .x = 15, .y = 0, .width = 1, .height = 6};
    int fd = memfd_create("cut", MFD_CLOEXEC);
    ck_assert_int_eq(ftruncate(fd, BLOB_SIZE), 0);
    ck_assert_ptr_ne(mmap(commands.fake.slot_host, BLOB_SIZE, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_FIXED, fd, 0),
                     MAP_FAILED);
    ck_assert(read_view(MAPPED, whole, rows, &error));
    ck_assert_int_eq(ftruncate(fd, BLOB_SIZE / 2), 0);
    ck_assert(!read_view(MAPPED, whole, rows, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_BUFFER);
    ck_assert_ptr_nonnull(strstr(error.text, "Bad address"));
    ck_assert(!read_view(MAPPED, last, rows, &error));
    ck_assert(read_view(MAPPED, first, rows, &error));
    close(fd);
}
END_TEST

START_TEST(a_texture_is_read_by_the_renderer)
{
    struct error error;
    uint8_t rows[2 * 2 * 4] = {0};
    struct resource_view view = {
        .format = FORMAT, .x = 1, .y = 2, .width = 2, .height = 2};
    ck_assert(read_view(TEXTURE, view, rows, &error));
    ck_assert_uint_eq(rows[15], 0x3d);
    ck_assert_uint_eq(commands.fake.renderer.transfer.y, 2);
    ck_assert_uint_eq(commands.fake.renderer.transfer.stride, 8);
    view.height = 3;
    ck_assert(!read_view(TEXTURE, view, rows, &error));
    view.height = 2;
    view.format = VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM;
    ck_assert(!read_view(TEXTURE, view, rows, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_PARAMETER);
}
END_TEST

/* --- no renderer --- */

static uint32_t none_signalled;

static void none_done(void *context, struct renderer_timeline timeline, uint32_t fence)
{
    (void)context;
    (void)timeline;
    none_signalled = fence;
}

START_TEST(without_a_renderer_there_is_guest_memory)
{
    struct renderer_none none = {.fence = none_done};
    struct gpu *gpu = &commands.fake.gpu;
    struct renderer before = gpu->renderer;
    struct error error;
    gpu->renderer = renderer_none_interface(&none);
    create(GUEST, 0);
    unref(NEW);
    refused(&good_commands[GOOD_CREATE_3D].request, good_commands[GOOD_CREATE_3D].size,
            ROOM, UNSPEC);
    refused(&good_commands[GOOD_TRANSFER_TO].request,
            good_commands[GOOD_TRANSFER_TO].size, ROOM, UNSPEC);
    const struct create_over both = over(BOTH, 0);
    refused(&both, sizeof both, ROOM, UNSPEC);
    refused(&good_commands[GOOD_CREATE_BLOB].request,
            good_commands[GOOD_CREATE_BLOB].size, ROOM, UNSPEC);
    ck_assert(gpu->renderer.ops->fence(gpu->renderer.context,
                                       (struct renderer_timeline){0, 0}, 7, &error));
    ck_assert_uint_eq(none_signalled, 7);
    gpu->renderer = before;
}
END_TEST

Suite *gpu_3d_suite(void)
{
    Suite *suite = suite_create("gpu_3d");
    TCase *test_case = tcase_create("gpu_3d");
    tcase_add_checked_fixture(test_case, gpu_commands_set_up, gpu_commands_tear_down);
    tcase_add_test(test_case, guest_memory_goes_to_the_renderer);
    tcase_add_test(test_case, a_default_blob_has_both);
    tcase_add_loop_test(test_case, guest_memory_is_not_mapped_into_the_window, 0, 2);
    tcase_add_loop_test(test_case, less_memory_than_the_blob_is_refused, 0, 2);
    tcase_add_loop_test(test_case, the_renderer_does_not_want_it, 0, 2);
    tcase_add_test(test_case, guest_memory_may_come_and_go);
    tcase_add_test(test_case, without_udmabuf_it_works_by_its_pages);
    tcase_add_test(test_case, the_dmabuf_is_the_guests_pages);
    tcase_add_test(test_case, a_view_of_guest_memory_is_read_row_by_row);
    tcase_add_loop_test(test_case, a_view_outside_is_refused, 0, ARRAY_SIZE(bad_views));
    tcase_add_test(test_case, a_view_of_host_memory_is_read);
    tcase_add_test(test_case, a_view_of_memory_that_its_owner_cuts_is_no_crash);
    tcase_add_test(test_case, a_texture_is_read_by_the_renderer);
    tcase_add_test(test_case, without_a_renderer_there_is_guest_memory);
    suite_add_tcase(suite, test_case);
    return suite;
}
