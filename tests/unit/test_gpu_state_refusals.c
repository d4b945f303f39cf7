/* SPDX-License-Identifier: MIT */
/* States of the GPU that are not made, or not taken: the old device goes on. */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/gpu_commands.h"
#include "tests/unit/gpu_pair.h"
#include "tests/unit/suites.h"

static struct gpu *one(void)
{
    return &pair.one.gpu;
}

static struct gpu *two(void)
{
    return &pair.two.gpu;
}

static void set_up_slot(void)
{
    gpu_pair_init(HOSTMEM_SLOT);
}

static void set_up_window(void)
{
    gpu_pair_init(HOSTMEM_WINDOW);
}

static void check_picture(struct gpu *gpu, unsigned index, struct picture *picture)
{
    ck_assert_msg(scanout_read(gpu, index, picture, &pair.error), "%s", pair.error.text);
}

static void save_fails(const char *text)
{
    ck_assert(!gpu_pair_save());
    ck_assert_int_eq(pair.error.code, ERROR_CONFIG_USAGE);
    ck_assert_msg(strstr(pair.error.text, text) != NULL, "%s", pair.error.text);
}

static void load_fails(enum error_code code, const char *text)
{
    ck_assert_msg(gpu_pair_save(), "%s", pair.error.text);
    ck_assert(!gpu_pair_load(pair.writer.bytes, pair.writer.size));
    ck_assert_msg(strstr(pair.error.text, text) != NULL, "%s", pair.error.text);
    ck_assert_int_eq(pair.error.code, code);
}

START_TEST(a_library_in_this_process_keeps_its_things)
{
    const struct renderer_ops *ops = one()->renderer.ops;
    struct renderer_ops library = *ops;
    library.save = NULL;
    one()->renderer.ops = &library;
    save_fails(
        "1 contexts and 0 resources of libvirglrenderer live in this process and "
        "cannot be handed over: run with --renderer=process");
    fake_gpu_create_blob(&pair.one, CREATED, BYTES);
    ck_assert(gpu_context_destroy(one(), FAKE_CONTEXT, &pair.error));
    save_fails("0 contexts and 1 resources");
    ck_assert(blob_destroy(one(), CREATED, &pair.error));
    ck_assert(gpu_pair_save());
    one()->renderer.ops = ops;
}
END_TEST

/* It is made on the device's thread, and cannot know anything. */
START_TEST(a_library_starts_later)
{
    const struct renderer_ops *ops = one()->renderer.ops;
    struct renderer_ops library = *ops;
    struct picture before;
    const union request guest = {.create = {.hdr.type = CMD(RESOURCE_CREATE_BLOB),
                                            .resource_id = GUEST,
                                            .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST,
                                            .size = PAGE_SIZE_4K}};
    gpu_pair_make_everything();
    two()->has_renderer = false;
    load_fails(ERROR_CONFIG_FILE, "which the renderer does not know");
    check_picture(one(), 0, &before);
    for (uint32_t id = CREATED; id <= DMABUF; id++)
        if (id != IMAGE && resource_find(&one()->resources, id, &pair.error))
            ck_assert(blob_destroy(one(), id, &pair.error));
    ck_assert(gpu_context_destroy(one(), FAKE_CONTEXT, &pair.error));
    ck_assert(gpu_context_destroy(one(), 5, &pair.error));
    gpu_pair_run(&pair.one, &guest, LENGTH(create));
    library.save = NULL;
    one()->renderer.ops = &library;
    gpu_pair_hand_over();
    one()->renderer.ops = ops;
    struct picture now;
    check_picture(two(), 0, &now);
    ck_assert_mem_eq(now.pixels, before.pixels, (size_t)4 * now.width * now.height);
    picture_finish(&now);
    picture_finish(&before);
    ck_assert_uint_eq(gpu_pair_find(two(), GUEST)->size, PAGE_SIZE_4K);
}
END_TEST

START_TEST(the_renderers_own_mapping_stays_with_it)
{
    if (one()->config.map_strategy == HOSTMEM_WINDOW)
        return; /* there is none */
    one()->config.permissive = true;
    pair.one.renderer.plan = (struct fake_blob_plan){.claimed = RENDERER_FD_OPAQUE,
                                                     .fd = FAKE_FD_PIPE,
                                                     .pointer = FAKE_POINTER_GOOD,
                                                     .has_map_info = true,
                                                     .map_info = MEMATTR_MAP_CACHED};
    fake_gpu_map_blob(&pair.one, MAPPED, BYTES, 0);
    save_fails("1 blobs are mapped by the renderer");
}
END_TEST

/* What the core asks while the device is being paused. */
static bool is_quiet(void)
{
    return one()->virtio.ops->quiet(one()->virtio.context);
}

START_TEST(a_fence_is_waited_for)
{
    uint32_t fence;
    uint16_t head;
    uint32_t written;
    ck_assert(is_quiet());
    ck_assert(fence_queue_add(&one()->fences, (struct renderer_timeline){0}, 0, 24,
                              &fence, &pair.error));
    ck_assert(!is_quiet());
    fence_queue_complete(&one()->fences, fence);
    ck_assert(!is_quiet()); /* its chain is not the driver's yet */
    ck_assert(fence_queue_take(&one()->fences, &head, &written));
    ck_assert(is_quiet());
    gpu_pair_hand_over();
    ck_assert_uint_eq(two()->fences.next_fence, fence);
}
END_TEST

START_TEST(another_map_info_is_refused)
{
    fake_kernel.info_error = 0;
    fake_kernel.info_value = DMA_BUF_VM_PROT_WC;
    gpu_pair_map_dmabuf(DMABUF, DMABUF_AT, 0);
    ck_assert(gpu_pair_save());
    fake_kernel.info_value = DMA_BUF_VM_PROT_CACHED;
    load_fails(ERROR_REFUSED,
               "blob 9 (unknown): the guest was told map_info 3, and would "
               "be told 1 now");
    fake_kernel.info_error = EIO;
    load_fails(ERROR_REFUSED, "no trusted source knows the host attribute");
    fake_kernel.info_error = 0;
    fake_kernel.info_value = DMA_BUF_VM_PROT_WC;
    gpu_pair_hand_over();
}
END_TEST

/* Before it is saved, the blob's file is another one. */
static const struct {
    enum fake_fd fd;
    enum renderer_fd_type type;
    const char *text;
} bad_files[] = {
    {FAKE_FD_UNSEALED, RENDERER_FD_SHM, "is not sealed against shrinking"},
    {FAKE_FD_READ_ONLY, RENDERER_FD_SHM, "is sealed against writing"},
    {FAKE_FD_SHORT, RENDERER_FD_SHM, "12288 bytes, the blob claims 16384"},
    {FAKE_FD_PIPE, RENDERER_FD_SHM, "is shared memory, and it is not"},
    {FAKE_FD_SEALED, RENDERER_FD_DMABUF, "is a dma-buf, and it is not one"},
    {FAKE_FD_DMABUF_SHORT, RENDERER_FD_DMABUF, "12288 bytes, the blob claims 16384"},
    {FAKE_FD_DMABUF_LIAR, RENDERER_FD_DMABUF, "DMABUF (unknown)"},
};

START_TEST(files_are_not_trusted)
{
    struct resource *resource =
        bad_files[_i].type == RENDERER_FD_SHM
            ? fake_gpu_map_blob(&pair.one, MAPPED, BYTES, 0)
            : gpu_pair_map_dmabuf(DMABUF, DMABUF_AT, MEMATTR_MAP_CACHED);
    int good = dup(resource->backing.fd);
    int bad = fake_fd_open(bad_files[_i].fd, BYTES);
    ck_assert_int_ge(dup2(bad, resource->backing.fd), 0);
    load_fails(ERROR_HOST_BUFFER, bad_files[_i].text);
    ck_assert_int_ge(dup2(good, resource->backing.fd), 0);
    close(good);
    close(bad);
    gpu_pair_hand_over();
}
END_TEST

/* Both have the right size. */
START_TEST(a_file_is_that_of_its_blob)
{
    fake_gpu_map_blob(&pair.one, MAPPED, BYTES, 0);
    fake_gpu_map_blob(&pair.one, NEW, BYTES, BYTES);
    ck_assert(gpu_pair_save());
    ck_assert_uint_eq(pair.writer.fd_count, 2);
    int first = pair.writer.fds[0];
    pair.writer.fds[0] = pair.writer.fds[1];
    pair.writer.fds[1] = first;
    ck_assert(!gpu_pair_load(pair.writer.bytes, pair.writer.size));
    ck_assert_msg(strstr(pair.error.text, "a file with inode") != NULL, "%s",
                  pair.error.text);
}
END_TEST

START_TEST(a_new_vm_has_the_same_shape)
{
    two()->config.display_count = 1;
    load_fails(ERROR_CONFIG_FILE, "2 displays, the new VM has 1");
    two()->config.display_count = 2;
    two()->config.window.size /= 2;
    load_fails(ERROR_CONFIG_FILE, "give it the same --window");
    two()->config.window.size *= 2;
    pair.two.renderer.capset_count = 1;
    load_fails(ERROR_CONFIG_FILE, "2 capsets, the new VM's renderer has 1");
    pair.two.renderer.capset_count = 2;
    gpu_pair_hand_over();
}
END_TEST

/* A blob that cannot be, as blob_create() would have refused it. */
static void change(struct resource *blob, int number)
{
    switch (number) {
    case 0:
        blob->blob_memory = VIRTIO_GPU_BLOB_MEM_HOST3D; /* with guest memory */
        break;
    case 1:
        blob->blob_memory = VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST + 1;
        break;
    case 2:
        blob->flags |= 0x100;
        break;
    case 3:
        blob->size = 0;
        break;
    case 4:
        blob->size = PAGE_SIZE_4K / 2;
        break;
    case 5:
        blob->blob_memory = VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST;
        blob->size = FAKE_WINDOW + PAGE_SIZE_4K;
        break;
    default:
        ck_abort();
    }
}

START_TEST(blobs_are_checked_like_a_guests)
{
    gpu_pair_make_everything();
    struct resource *blob = gpu_pair_find(one(), GUEST);
    const struct resource before = *blob;
    change(blob, _i);
    load_fails(ERROR_CONFIG_FILE, "1 entries of guest memory do not go together");
    *blob = before;
    gpu_pair_hand_over();
}
END_TEST

START_TEST(less_is_allowed_to_the_guest)
{
    gpu_pair_make_everything();
    two()->quota.limits.of[QUOTA_RESOURCES] = 3;
    load_fails(ERROR_GUEST_LIMIT, "--quota resources=N");
    two()->quota.limits.of[QUOTA_RESOURCES] = 100;
    two()->quota.limits.of[QUOTA_WINDOW] = BYTES;
    load_fails(ERROR_GUEST_LIMIT, "--quota window=N");
    two()->quota.limits.of[QUOTA_WINDOW] = 2 * BYTES;
    gpu_pair_hand_over();
}
END_TEST

static bool lift(void *context, struct error *error)
{
    (void)error;
    ++*(unsigned *)context;
    return true;
}

START_TEST(the_guests_pat_stays_honoured)
{
    unsigned lifted = 0;
    two()->config.platform.ignores_guest_pat = true;
    load_fails(ERROR_CONFIG_FILE, "the new VM cannot do that");
    two()->config.honour_guest_pat = lift;
    two()->config.honour_guest_pat_context = &lifted;
    gpu_pair_hand_over();
    ck_assert_uint_eq(lifted, 1);
    ck_assert(!two()->config.platform.ignores_guest_pat);
    ck_assert(!two()->config.honour_guest_pat);
}
END_TEST

static TCase *make_case(const char *name, SFun set_up)
{
    TCase *test_case = tcase_create(name);
    tcase_add_checked_fixture(test_case, set_up, gpu_pair_finish);
    tcase_add_test(test_case, a_library_in_this_process_keeps_its_things);
    tcase_add_test(test_case, a_library_starts_later);
    tcase_add_test(test_case, the_renderers_own_mapping_stays_with_it);
    tcase_add_test(test_case, a_fence_is_waited_for);
    tcase_add_test(test_case, another_map_info_is_refused);
    tcase_add_loop_test(test_case, files_are_not_trusted, 0, (int)ARRAY_SIZE(bad_files));
    tcase_add_test(test_case, a_file_is_that_of_its_blob);
    tcase_add_test(test_case, a_new_vm_has_the_same_shape);
    tcase_add_loop_test(test_case, blobs_are_checked_like_a_guests, 0, 6);
    tcase_add_test(test_case, less_is_allowed_to_the_guest);
    tcase_add_test(test_case, the_guests_pat_stays_honoured);
    return test_case;
}

Suite *gpu_state_refusals_suite(void)
{
    Suite *suite = suite_create("gpu_state_refusals");
    suite_add_tcase(suite, make_case("slot", set_up_slot));
    suite_add_tcase(suite, make_case("window", set_up_window));
    return suite;
}
