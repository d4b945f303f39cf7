/* SPDX-License-Identifier: MIT */
/*
 * The GPU of a live update: what one s2vmm has saved comes to another one with changes. The first one's
 * guest has everything that it can have; the new one may decide otherwise, or be short of something. A
 * state is refused, with a reason, and leaves nothing; or it is loaded: then it can be saved
 * again and is the same, the guest goes on, and nothing is left over in the end (gpu_pair.c counts
 * slots, mappings, files, quotas, resources).
 */
#include <errno.h>
#include <linux/virtio_gpu.h>
#include <string.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "devices/gpu/lost.h"
#include "devices/gpu/window.h"
#include "tests/fuzz/state_edits.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/gpu_commands.h"
#include "tests/unit/gpu_pair.h"

#define IDS_MAX 16u

/* The first bytes of the input. */
struct setup {
    /* Of the first one's guest. */
    uint8_t window : 1, is_plain : 1, cursor : 1, hidden : 1, moved : 1, lost : 1,
        copies : 1, touched : 1;
    /* Of the new one. */
    uint8_t is_strict : 1, has_small_quota : 1, slots_fail : 1, renderer_comes_later : 1,
        forces : 1, honours_pat : 1, can_honour_pat : 1, has_other_window : 1;
    uint8_t attribute : 2, kernel_fails : 1, unused : 5; /* what the kernel says */
};

static struct gpu *one(void)
{
    return &pair.one.gpu;
}

static struct gpu *two(void)
{
    return &pair.two.gpu;
}

/* --- the first one --- */

/* Nothing of it is a renderer's. */
static void end_what_is_rendered(void)
{
    static const uint32_t ids[] = {CREATED, MAPPED, TEXTURE, DMABUF, GUEST};
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        const union request unref = {
            .unref = {.hdr.type = CMD(RESOURCE_UNREF), .resource_id = ids[i]}};
        gpu_pair_run(&pair.one, &unref, LENGTH(unref));
    }
    for (uint32_t id = 1; id <= 5; id += 4) {
        const union request destroy = {.hdr = {.type = CMD(CTX_DESTROY), .ctx_id = id}};
        gpu_pair_run(&pair.one, &destroy, HEADER);
    }
}

static void plan_kernel(unsigned attribute, bool fails, bool needs_sync)
{
    static const uint8_t pat[4] = {1, 6, 0, 7};
    fake_kernel.info_error = fails ? EIO : 0;
    fake_kernel.info_value = attribute;
    fake_kernel.info_known = 0x5f;
    memset(fake_kernel.info_further, 0, sizeof fake_kernel.info_further);
    fake_kernel.info_further[DMA_BUF_INFO_CPU_ACCESS - DMA_BUF_INFO_SOURCE] =
        needs_sync ? DMA_BUF_CPU_ACCESS_NEEDS_SYNC : 0;
    fake_kernel.info_further[DMA_BUF_INFO_HOST_TYPE - DMA_BUF_INFO_SOURCE] =
        pat[attribute];
    fake_kernel.sync_count = 0;
}

static void make_first(const struct setup *setup)
{
    const struct gpa_range elsewhere = {gpa(3 * FAKE_WINDOW_BASE), FAKE_WINDOW};
    gpu_pair_init(setup->window ? HOSTMEM_WINDOW : HOSTMEM_SLOT);
    pair.one.trace.details = pair.two.trace.details = false;
    one()->config.copy_unsynced = two()->config.copy_unsynced = true;
    plan_kernel(1, !setup->copies, setup->copies);
    gpu_pair_make_everything();
    if (setup->cursor)
        gpu_pair_show_cursor();
    if (setup->lost)
        FUZZ_CHECK(drop_mapping(one(), gpu_pair_find(one(), MAPPED), "test"));
    if (setup->is_plain)
        end_what_is_rendered();
    if (setup->moved)
        gpu_window_moved(one(), VIRTIO_GPU_SHM_ID_HOST_VISIBLE, &elsewhere);
    if (setup->hidden)
        gpu_window_moved(one(), VIRTIO_GPU_SHM_ID_HOST_VISIBLE, NULL);
    FUZZ_CHECK(gpu_pair_save());
}

/* --- the new one --- */

static bool honour(void *context, struct error *error)
{
    (void)context;
    (void)error;
    return true;
}

static void make_new(const struct setup *setup)
{
    struct gpu_config *config = &two()->config;
    config->permissive = !setup->is_strict;
    config->platform.ignores_guest_pat = !setup->honours_pat;
    config->honour_guest_pat = setup->can_honour_pat ? honour : NULL;
    if (setup->forces)
        fake_gpu_force_map_info(&pair.two, MEMATTR_MAP_UNCACHED);
    if (setup->has_other_window)
        config->window.size *= 2;
    if (setup->has_small_quota)
        for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++)
            two()->quota.limits.of[i] = two()->quota.limits.of[i] ? 6 : 0;
    pair.two.slots_fail = setup->slots_fail;
    plan_kernel(setup->attribute, setup->kernel_fails, setup->copies);
}

/* What is not in a state as it was: behind the end of the library's name; peaks, which what was loaded
 * may have passed. */
static void forgive(const char *name, uint8_t *payload, size_t length)
{
    enum { LIBRARY = 48, PEAKS = LIBRARY + sizeof pair.one.recorder.library + 4 };
    char *library = (char *)payload + LIBRARY;
    if (strcmp(name, "GPUD") != 0 || length < PEAKS + 16 * QUOTA_KIND_COUNT)
        return;
    size_t end = strnlen(library, sizeof pair.one.recorder.library - 1);
    memset(library + end, 0, sizeof pair.one.recorder.library - end);
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++)
        memset(payload + PEAKS + (size_t)16 * i, 0, sizeof(uint64_t));
}

static void save_again(const struct state_reader *reader)
{
    struct state_writer again;
    FUZZ_CHECK(gpu_pair_save_again(&again));
    state_edits_check_same(reader, &again, forgive);
    gpu_save_finish(two());
    state_writer_finish(&again);
}

/* --- the guest goes on --- */

static void run_request(const union request *request, uint32_t size)
{
    struct gpu_response response;
    gpu_pair_command(&pair.two, request, size, &response);
}

static void use(uint32_t id)
{
    const struct virtio_gpu_rect rect = {.width = 2, .height = 1};
    const union request requests[] = {
        {.transfer = {.hdr.type = CMD(TRANSFER_TO_HOST_2D),
                      .r = rect,
                      .resource_id = id}},
        {.flush = {.hdr.type = CMD(RESOURCE_FLUSH), .r = rect, .resource_id = id}},
        {.scanout = {.hdr.type = CMD(SET_SCANOUT), .r = rect, .resource_id = id}},
        {.unmap = {.hdr.type = CMD(RESOURCE_UNMAP_BLOB), .resource_id = id}},
        {.map = {.hdr.type = CMD(RESOURCE_MAP_BLOB), .resource_id = id}},
        {.detach = {.hdr.type = CMD(RESOURCE_DETACH_BACKING), .resource_id = id}},
        {.unref = {.hdr.type = CMD(RESOURCE_UNREF), .resource_id = id}},
    };
    static const uint32_t sizes[] = {LENGTH(transfer), LENGTH(flush), LENGTH(scanout),
                                     LENGTH(unmap),    LENGTH(map),   LENGTH(detach),
                                     LENGTH(unref)};
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
        run_request(&requests[i], sizes[i]);
}

static void look(void)
{
    struct picture picture;
    for (unsigned i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; i++)
        if (scanout_read(two(), i, &picture, &pair.error))
            picture_finish(&picture);
}

static void go_on(void)
{
    const union request create = {.create_2d = {.hdr.type = CMD(RESOURCE_CREATE_2D),
                                                .resource_id = NOBODY,
                                                .format = FORMAT,
                                                .width = 4,
                                                .height = 4}};
    uint32_t ids[IDS_MAX];
    unsigned count = 0;
    const struct resource *resource = NULL;
    while ((resource = resource_next(&two()->resources, resource)) && count < IDS_MAX)
        ids[count++] = resource->id;
    look();
    run_request(&create, LENGTH(create_2d));
    for (unsigned i = 0; i < count; i++)
        use(ids[i]);
    look();
}

/* A renderer that lives on the device's thread is made when that starts. */
static bool load(const struct setup *setup, struct state_reader *reader)
{
    const struct renderer renderer = two()->renderer;
    two()->has_renderer = !setup->renderer_comes_later;
    pair.error = (struct error){.code = ERROR_NONE};
    bool good = gpu_pair_load_from(reader);
    FUZZ_CHECK(good || pair.error.code != ERROR_NONE);
    if (setup->renderer_comes_later && good)
        gpu_forget_state(two());
    two()->renderer = renderer;
    two()->has_renderer = true;
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct state_reader reader;
    struct setup setup;
    bool descriptors;
    fuzz_take(&input, &setup, sizeof setup);
    make_first(&setup);
    if (state_edits_read(&pair.writer, &input, &reader, &descriptors)) {
        make_new(&setup);
        if (load(&setup, &reader) && !setup.renderer_comes_later) {
            if (descriptors)
                save_again(&reader);
            if (setup.touched)
                go_on();
        }
        state_reader_finish(&reader);
    }
    gpu_pair_finish();
    return 0;
}

/* --- seeds --- */

void fuzz_seeds(void)
{
    struct {
        struct setup setup;
        struct edit edits[1];
    } __attribute__((packed)) seed = {.setup = {.touched = 1, .honours_pat = 1}};
    fuzz_seed("everything", &seed, sizeof seed.setup);
    seed.setup.window = seed.setup.cursor = 1;
    fuzz_seed("window", &seed, sizeof seed.setup);
    seed.setup.moved = seed.setup.hidden = seed.setup.lost = seed.setup.copies = 1;
    fuzz_seed("moved", &seed, sizeof seed.setup);
    seed.setup = (struct setup){.is_plain = 1, .touched = 1, .renderer_comes_later = 1};
    fuzz_seed("plain", &seed, sizeof seed.setup);
    seed.setup = (struct setup){.touched = 1, .honours_pat = 1};
    /* One more context, resource, entry of guest memory. */
    static const uint8_t sizes[][3] = {{0, 196, 4}, {2, 0, 64}, {2, 60, 12}};
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        char name[16];
        snprintf(name, sizeof name, "grow-%u", i);
        seed.edits[0] = (struct edit){.kind = EDIT_GROW,
                                      .section = sizes[i][0],
                                      .shift = sizes[i][2],
                                      .offset = sizes[i][1],
                                      .value = 1};
        fuzz_seed(name, &seed, sizeof seed);
    }
    for (unsigned kind = 0; kind < EDIT_KINDS; kind++) {
        char name[16];
        snprintf(name, sizeof name, "edit-%u", kind);
        seed.edits[0] = (struct edit){.kind = (uint8_t)kind,
                                      .section = kind % 4,
                                      .shift = 1,
                                      .offset = 12,
                                      .value = 4};
        fuzz_seed(name, &seed, sizeof seed);
    }
}
