/* SPDX-License-Identifier: MIT */
/*
 * What went wrong in other VMMs, each test named after the symptom.
 * docs/peer-bugs.md says where it was seen, and names the tests of other suites
 * that show the rest.
 */
#include <check.h>
#include <dlfcn.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "devices/gpu/guest_blob.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/gpu_driver.h"
#include "tests/unit/skip.h"
#include "tests/unit/suites.h"

#define BLOB 2u
#define PAGE (4 * KIB)
#define SIZE (4 * PAGE)

#define CMD(name)  VIRTIO_GPU_CMD_##name
#define RESP(name) VIRTIO_GPU_RESP_##name
#define MAP_LENGTH (uint32_t)sizeof(struct virtio_gpu_resp_map_info)

/* --- a host with larger pages: this function takes the place of libc's --- */

static long fake_page_size; /* bytes; 0: the real one */

long sysconf(int name)
{
    static long (*real)(int name);
    if (name == _SC_PAGESIZE && fake_page_size > 0)
        return fake_page_size;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "sysconf");
    return real(name);
}

/* --- commands, by way of the ring --- */

static const enum hostmem_strategy strategies[] = {HOSTMEM_SLOT, HOSTMEM_WINDOW};

/* Each strategy in turn: what the fixture of gpu_driver.h has made is made
 * anew. */
static void use_strategy(int index)
{
    gpu_driver_tear_down();
    gpu_driver_set_up_strategy(strategies[index]);
}

static uint16_t add_create(unsigned number, uint32_t id, uint64_t size)
{
    const struct virtio_gpu_resource_create_blob request = {
        .hdr = {.type = CMD(RESOURCE_CREATE_BLOB), .ctx_id = FAKE_CONTEXT},
        .resource_id = id,
        .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D,
        .blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
        .size = size,
    };
    return add_bytes(number, &request, sizeof request, ROOM);
}

static uint16_t add_map(unsigned number, uint32_t id, uint64_t offset)
{
    const struct virtio_gpu_resource_map_blob request = {
        .hdr.type = CMD(RESOURCE_MAP_BLOB),
        .resource_id = id,
        .offset = offset,
    };
    return add_bytes(number, &request, sizeof request, ROOM);
}

static uint16_t add_unmap(unsigned number, uint32_t id)
{
    const struct virtio_gpu_resource_unmap_blob request = {
        .hdr.type = CMD(RESOURCE_UNMAP_BLOB), .resource_id = id};
    return add_bytes(number, &request, sizeof request, ROOM);
}

static uint16_t add_unref(unsigned number, uint32_t id)
{
    const struct virtio_gpu_resource_unref request = {.hdr.type = CMD(RESOURCE_UNREF),
                                                      .resource_id = id};
    return add_bytes(number, &request, sizeof request, ROOM);
}

/* The type of the answer to the only command that was added. */
static uint32_t answer(uint16_t head)
{
    uint16_t used;
    uint32_t length;
    ck_assert(!kick());
    ck_assert(virtqueue_mock_take_used(&driver.mocks[GPU_QUEUE_CONTROL], &used, &length));
    ck_assert_uint_eq(used, head);
    expect_nothing_used();
    return response(0).type;
}

static uint32_t create(uint32_t id, uint64_t size)
{
    return answer(add_create(0, id, size));
}

static uint32_t map(uint32_t id, uint64_t offset)
{
    return answer(add_map(0, id, offset));
}

static uint32_t unmap(uint32_t id)
{
    return answer(add_unmap(0, id));
}

/* Of what the device has said since the last time. */
static void says(const char *text)
{
    const char *said = fake_output_text(&driver.fake.trace_output);
    ck_assert_msg(strstr(said, text) != NULL, "\"%s\" is not in: %s", text, said);
}

/* --- the guest's pages are smaller than the host's --- */

START_TEST(blobs_of_a_4_kib_guest_on_a_16_kib_host)
{
    const long host_page = 16 * KIB;
    fake_page_size = host_page;
    use_strategy(_i);
    ck_assert_uint_eq(driver.fake.gpu.registers.blob_alignment, (uint64_t)host_page);
    ck_assert(driver.device->features & 1u << VIRTIO_GPU_F_BLOB_ALIGNMENT);
    ck_assert_uint_eq(create(BLOB, 4 * KIB), RESP(ERR_INVALID_PARAMETER));
    says("not a multiple of the page size");
    ck_assert_uint_eq(create(BLOB, 20 * KIB), RESP(ERR_INVALID_PARAMETER));
    ck_assert_uint_eq(create(BLOB, 32 * KIB), RESP(OK_NODATA));
    ck_assert_uint_eq(map(BLOB, 4 * KIB), RESP(ERR_INVALID_PARAMETER));
    says("0x1000 is not a multiple of the host's page size 0x4000");
    fake_gpu_check_nothing_mapped(&driver.fake);
    if (strategies[_i] == HOSTMEM_SLOT)
        return; /* mmap() of this host finds no places for 16 KiB pages */
    ck_assert_uint_eq(map(BLOB, 48 * KIB), RESP(OK_MAP_INFO));
    ck_assert_uint_eq(unmap(BLOB), RESP(OK_NODATA));
}
END_TEST

/* --- mapped, and it is not the buffer --- */

/* A dma-buf that the renderer did not make, as a camera's: the guest sees its
 * bytes. */
START_TEST(a_mapped_blob_is_zero_pages)
{
    struct error error;
    uint8_t byte;
    use_strategy(_i);
    driver.fake.renderer.plan = (struct fake_blob_plan){.claimed = RENDERER_FD_DMABUF,
                                                        .fd = FAKE_FD_DMABUF,
                                                        .pointer = FAKE_POINTER_FAILS};
    fake_gpu_force_map_info(&driver.fake, MEMATTR_MAP_CACHED);
    ck_assert_uint_eq(create(BLOB, SIZE), RESP(OK_NODATA));
    ck_assert_uint_eq(map(BLOB, SIZE), RESP(OK_MAP_INFO));
    const struct resource *resource =
        resource_find(&driver.fake.gpu.resources, BLOB, &error);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_int_eq(pwrite(resource->backing.fd, &(uint8_t){(uint8_t)(0xc0 + i)}, 1,
                                (off_t)(i * PAGE)),
                         1);
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert(fake_gpu_read(&driver.fake, FAKE_WINDOW_BASE + SIZE + i * PAGE, &byte));
        ck_assert_uint_eq(byte, 0xc0 + i);
    }
}
END_TEST

/* The renderer gives nothing that can be mapped, in each way that there is. */
START_TEST(map_info_although_nothing_is_mapped)
{
    static const struct fake_blob_plan plans[] = {
        {RENDERER_FD_SHM, FAKE_FD_FAILS, FAKE_POINTER_FAILS, false, 0},
        {RENDERER_FD_DMABUF, FAKE_FD_NONE, FAKE_POINTER_FAILS, true, MEMATTR_MAP_WC},
        {RENDERER_FD_OPAQUE, FAKE_FD_PIPE, FAKE_POINTER_NULL, true, MEMATTR_MAP_CACHED},
        /* It can be mapped, and nobody knows how. */
        {RENDERER_FD_DMABUF, FAKE_FD_DMABUF, FAKE_POINTER_FAILS, false, 0},
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        driver.fake.renderer.plan = plans[i];
        ck_assert_uint_eq(create(BLOB, SIZE), RESP(OK_NODATA));
        ck_assert_uint_eq(map(BLOB, 0), RESP(ERR_UNSPEC));
        fake_gpu_check_nothing_mapped(&driver.fake);
        ck_assert_uint_eq(unmap(BLOB), RESP(ERR_UNSPEC));
        ck_assert_uint_eq(answer(add_unref(0, BLOB)), RESP(OK_NODATA));
    }
}
END_TEST

/* --- the queue stands still --- */

/* All of them are answered in one turn, and each begins when the one before is
 * complete. */
START_TEST(an_unmap_blocks_the_queue)
{
    use_strategy(_i);
    uint16_t heads[] = {
        add_create(0, BLOB, SIZE), add_map(1, BLOB, 0), add_unmap(2, BLOB),
        add_map(3, BLOB, SIZE),    add_unref(4, BLOB),  add_create(5, BLOB, SIZE),
        add_map(6, BLOB, 0),       add_display_info(7),
    };
    const uint32_t lengths[] = {HEADER, MAP_LENGTH, HEADER,     MAP_LENGTH,
                                HEADER, HEADER,     MAP_LENGTH, 0};
    ck_assert(!kick());
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        expect_used(heads[i], lengths[i]);
    expect_nothing_used();
    ck_assert_uint_eq(response(6).type, RESP(OK_MAP_INFO));
}
END_TEST

/* The GPU has work that does not end, on the context's timeline and on the
 * global one. */
START_TEST(a_map_waits_for_the_gpu)
{
    use_strategy(_i);
    ck_assert_uint_eq(create(BLOB, SIZE), RESP(OK_NODATA));
    driver.fake.renderer.fence = FAKE_FENCE_LATER;
    add_attach(0, FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX, FAKE_CONTEXT, 1);
    add_attach(1, FENCE, FAKE_CONTEXT, 0);
    ck_assert(!kick());
    expect_nothing_used();
    uint16_t heads[] = {add_map(2, BLOB, 0), add_unmap(3, BLOB)};
    ck_assert(!kick());
    expect_used(heads[0], MAP_LENGTH);
    expect_used(heads[1], HEADER);
    expect_nothing_used();
    ck_assert_uint_eq(driver.fake.renderer.fence_count, 2);
}
END_TEST

/* --- the window --- */

/* Every second place is free: what fits there exactly is taken, and a page more
 * is not. */
START_TEST(a_fragmented_window_has_no_room)
{
    enum { COUNT = 16 };
    const uint64_t part = FAKE_WINDOW / COUNT;
    use_strategy(_i);
    for (uint32_t i = 0; i < COUNT; i++) {
        ck_assert_uint_eq(create(BLOB + i, part), RESP(OK_NODATA));
        ck_assert_uint_eq(map(BLOB + i, i * part), RESP(OK_MAP_INFO));
    }
    for (uint32_t i = 0; i < COUNT; i += 2)
        ck_assert_uint_eq(unmap(BLOB + i), RESP(OK_NODATA));
    ck_assert_uint_eq(create(BLOB + COUNT, part + PAGE), RESP(OK_NODATA));
    for (uint32_t i = 0; i < COUNT; i += 2)
        ck_assert_uint_eq(map(BLOB + COUNT, i * part), RESP(ERR_INVALID_PARAMETER));
    says("overlaps");
    for (uint32_t i = 0; i < COUNT; i += 2) /* the last one is the first now */
        ck_assert_uint_eq(map(BLOB + i, (COUNT - 2 - i) * part), RESP(OK_MAP_INFO));
    for (uint32_t i = 0; i < COUNT; i++)
        ck_assert_uint_eq(answer(add_unref(0, BLOB + i)), RESP(OK_NODATA));
    ck_assert_uint_eq(create(BLOB, FAKE_WINDOW), RESP(OK_NODATA));
    ck_assert_uint_eq(map(BLOB, 0), RESP(OK_MAP_INFO));
}
END_TEST

/* The renderer is believed here: a WC buffer and a cached one, side by side. */
START_TEST(all_blobs_of_a_window_have_one_type)
{
    struct virtio_gpu_resp_map_info response;
    struct error error;
    use_strategy(_i);
    driver.fake.gpu.config.permissive = true;
    const enum memattr_map_info types[] = {MEMATTR_MAP_WC, MEMATTR_MAP_CACHED};
    for (uint32_t i = 0; i < 2; i++) {
        driver.fake.renderer.plan = (struct fake_blob_plan){.claimed = RENDERER_FD_DMABUF,
                                                            .fd = FAKE_FD_DMABUF,
                                                            .has_map_info = true,
                                                            .map_info = types[i]};
        ck_assert_uint_eq(create(BLOB + i, SIZE), RESP(OK_NODATA));
        ck_assert_uint_eq(map(BLOB + i, i * SIZE), RESP(OK_MAP_INFO));
        ck_assert(guest_memory_read(&driver.fake.memory, gpa(RESPONSES), &response,
                                    sizeof response, &error));
        ck_assert_uint_eq(response.map_info, types[i]);
    }
}
END_TEST

/* --- many of them --- */

#define MANY 10000u

static bool count_slot(void *context, uint32_t id, gpa_t address, uint64_t size,
                       void *host, struct error *error)
{
    (void)id;
    (void)address;
    (void)host;
    (void)error;
    *(unsigned *)context += size > 0 ? 1u : -1u;
    return true;
}

/* A descriptor each, and some more. False: the host does not allow so many. */
static bool raise_descriptors(void)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < MANY + 100)
        return false;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* With a page between them: as many memslots, or mappings, as so many blobs can
 * need. */
START_TEST(ten_thousand_blobs)
{
    static struct backing backings[MANY];
    static struct hostmem_mapping mappings[MANY];
    struct memslot_table memslots;
    struct error error;
    unsigned slots = 0;
    memslot_table_init(&memslots, count_slot, &slots, MANY);
    struct hostmem hostmem = {.memslots = &memslots,
                              .strategy = strategies[_i],
                              .window = {gpa(FAKE_WINDOW_BASE), GIB}};
    if (!raise_descriptors()) {
        test_skip("peer-bugs/ten-thousand-blobs", "RLIMIT_NOFILE is too low");
        return;
    }
    for (uint32_t i = 0; i < MANY; i++) {
        ck_assert_msg(backing_get_fd(&backings[i], RENDERER_FD_DMABUF,
                                     fake_kernel_dma_buf(PAGE), PAGE, &error) &&
                          hostmem_map(&hostmem, &backings[i],
                                      (struct hostmem_placement){0}, i + 1,
                                      i * (2 * PAGE), &mappings[i], &error),
                      "blob %u: %s", i, error.text);
        *(volatile uint32_t *)(void *)backings[i].host = i;
    }
    ck_assert_uint_eq(slots, hostmem.strategy == HOSTMEM_SLOT ? MANY : 1);
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t at = i * 7919 % MANY; /* a prime: each of them once */
        ck_assert_uint_eq(*(volatile uint32_t *)(void *)backings[at].host, at);
        ck_assert_msg(hostmem_unmap(&hostmem, &mappings[at], &error), "%s", error.text);
        backing_close(&backings[at], NULL, at + 1);
    }
    ck_assert_uint_eq(slots, hostmem.area.has_slot);
    ck_assert_uint_eq(fake_kernel_mappings("memfd:dma-buf"), 0);
    hostmem_finish(&hostmem);
    memslot_table_finish(&memslots);
}
END_TEST

/* --- commands that have ended other VMMs --- */

#define GUEST_HANDLE 8u /* a flag of blobs that no version of the specification has */

START_TEST(a_command_ends_the_vmm)
{
    static const union {
        struct virtio_gpu_ctrl_hdr header;
        struct virtio_gpu_transfer_host_3d transfer;
        struct virtio_gpu_resource_create_blob create;
        struct virtio_gpu_set_scanout_blob scanout;
        struct virtio_gpu_update_cursor cursor;
        struct virtio_gpu_resource_map_blob map;
    } requests[] = {
        {.transfer = {.hdr = {.type = CMD(TRANSFER_FROM_HOST_3D), .ctx_id = FAKE_CONTEXT},
                      .box = {.w = 4, .h = 4, .d = 1},
                      .resource_id = BLOB}}, /* it has no guest memory */
        {.transfer = {.hdr = {.type = CMD(TRANSFER_FROM_HOST_3D), .ctx_id = FAKE_CONTEXT},
                      .box = {.x = UINT32_MAX, .w = UINT32_MAX, .h = 4, .d = 1},
                      .offset = UINT64_MAX,
                      .resource_id = BLOB}},
        {.create = {.hdr = {.type = CMD(RESOURCE_CREATE_BLOB), .ctx_id = FAKE_CONTEXT},
                    .resource_id = 9,
                    .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST,
                    .blob_flags = GUEST_HANDLE,
                    .size = SIZE}},
        {.scanout = {.hdr.type = CMD(SET_SCANOUT_BLOB),
                     .r = {.width = 64, .height = 64},
                     .resource_id = BLOB,
                     .width = UINT32_MAX,
                     .height = UINT32_MAX,
                     .format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM,
                     .strides = {UINT32_MAX},
                     .offsets = {UINT32_MAX}}},
        {.cursor = {.hdr.type = CMD(UPDATE_CURSOR), .resource_id = 9}},
        {.map = {.hdr.type = CMD(RESOURCE_MAP_BLOB), .resource_id = 9}},
        {.map = {.hdr.type = CMD(RESOURCE_MAP_BLOB), .resource_id = BLOB}}, /* twice */
    };
    ck_assert_uint_eq(create(BLOB, SIZE), RESP(OK_NODATA));
    ck_assert_uint_eq(map(BLOB, 0), RESP(OK_MAP_INFO));
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        uint32_t type = answer(add_bytes(0, &requests[i], sizeof requests[i], ROOM));
        ck_assert_msg(type >= RESP(ERR_UNSPEC) && type <= RESP(ERR_INVALID_PARAMETER),
                      "command %zu: %#x", i, type);
        ck_assert_uint_eq(driver.fake.gpu.resources.count, 1);
        ck_assert_uint_eq(driver.fake.slot_count, 1);
    }
    ck_assert(!(driver.device->status & VIRTIO_CONFIG_S_NEEDS_RESET));
    ck_assert_uint_eq(unmap(BLOB), RESP(OK_NODATA));
}
END_TEST

Suite *peer_bugs_suite(void)
{
    const int both = (int)(sizeof strategies / sizeof strategies[0]);
    Suite *suite = suite_create("peer bugs");
    TCase *test_case = tcase_create("peer bugs");
    tcase_add_checked_fixture(test_case, gpu_driver_set_up, gpu_driver_tear_down);
    tcase_add_loop_test(test_case, blobs_of_a_4_kib_guest_on_a_16_kib_host, 0, both);
    tcase_add_loop_test(test_case, a_mapped_blob_is_zero_pages, 0, both);
    tcase_add_test(test_case, map_info_although_nothing_is_mapped);
    tcase_add_loop_test(test_case, an_unmap_blocks_the_queue, 0, both);
    tcase_add_loop_test(test_case, a_map_waits_for_the_gpu, 0, both);
    tcase_add_loop_test(test_case, a_fragmented_window_has_no_room, 0, both);
    tcase_add_loop_test(test_case, all_blobs_of_a_window_have_one_type, 0, both);
    tcase_add_test(test_case, a_command_ends_the_vmm);
    suite_add_tcase(suite, test_case);
    TCase *many = tcase_create("many");
    tcase_set_timeout(many, 60);
    tcase_add_loop_test(many, ten_thousand_blobs, 0, both);
    suite_add_tcase(suite, many);
    return suite;
}
