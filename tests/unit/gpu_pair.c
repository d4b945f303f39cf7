/* SPDX-License-Identifier: MIT */
#include "tests/unit/gpu_pair.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_kernel.h"

struct gpu_pair pair;
static bool two_has_renderer; /* load() was called, and good */

/* --- a renderer that outlives its VMM --- */

/* Its section is empty: what it has is in pair.one. */
static bool save(void *renderer, struct state_writer *writer, struct error *error)
{
    (void)error;
    ck_assert_ptr_eq(renderer, &pair.one.renderer);
    state_begin(writer, "FAKE", 0, 1);
    state_end(writer);
    return true;
}

static bool load(void *renderer, struct state_reader *reader, struct error *error)
{
    const struct fake_renderer *left = &pair.one.renderer;
    struct fake_renderer *fake = renderer;
    struct state_section *section;
    if (!state_open(reader, "FAKE", 0, 1, &section, error) ||
        !state_close(section, error))
        return false;
    fake->contexts = left->contexts;
    fake->context_count = left->context_count;
    fake->blob_count = left->blob_count;
    memcpy(fake->blobs, left->blobs, sizeof fake->blobs);
    two_has_renderer = true;
    return true;
}

static bool knows_context(const void *renderer, uint32_t id)
{
    const struct fake_renderer *fake = renderer;
    return id < 64 && (fake->contexts >> id & 1) != 0;
}

static bool knows_resource(const void *renderer, uint32_t id)
{
    const struct fake_renderer *fake = renderer;
    for (unsigned i = 0; i < FAKE_BLOBS_MAX; i++)
        if (fake->blobs[i].alive && fake->blobs[i].arguments.resource_id == id)
            return true;
    return false;
}

static struct renderer_ops surviving_ops;

static void make_surviving(struct fake_gpu *fake)
{
    surviving_ops = *fake->gpu.renderer.ops;
    surviving_ops.save = save;
    surviving_ops.load = load;
    surviving_ops.knows_context = knows_context;
    surviving_ops.knows_resource = knows_resource;
    fake->gpu.renderer.ops = &surviving_ops;
    fake->gpu.has_renderer = true;
}

/* --- the pair --- */

/* Also what a load that failed has left in the renderer, which is told of nothing then. */
static void clear(struct fake_gpu *fake)
{
    gpu_reset_state(&fake->gpu);
    fake->renderer.contexts = 0;
    fake->renderer.context_count = 0;
    fake->renderer.blob_count = 0;
    memset(fake->renderer.blobs, 0, sizeof fake->renderer.blobs);
}

void gpu_pair_init(enum hostmem_strategy strategy)
{
    const struct gpa_range ram = {gpa(0), FAKE_RAM};
    pair = (struct gpu_pair){0};
    fake_gpu_init_strategy(&pair.one, strategy);
    fake_gpu_init_strategy(&pair.two, strategy);
    make_surviving(&pair.one);
    make_surviving(&pair.two);
    clear(&pair.two);
    guest_memory_finish(&pair.two.memory);
    ck_assert(guest_memory_init_over(&pair.two.memory, &ram, 1, pair.one.memory.fd,
                                     &pair.error));
    pair.fds = fake_kernel_open_fds();
}

void gpu_pair_leave(void)
{
    gpu_save_finish(&pair.one.gpu);
    gpu_reset_state(&pair.one.gpu);
    state_writer_finish(&pair.writer);
}

void gpu_pair_finish(void)
{
    gpu_pair_leave();
    gpu_reset_state(&pair.two.gpu);
    ck_assert_uint_eq(fake_kernel_open_fds(), pair.fds);
    fake_gpu_finish(&pair.two);
    fake_gpu_finish(&pair.one);
}

bool gpu_pair_save(void)
{
    state_writer_finish(&pair.writer);
    state_writer_init(&pair.writer);
    if (!gpu_save(&pair.one.gpu, &pair.writer, &pair.error))
        return false;
    ck_assert(state_complete(&pair.writer, &pair.error));
    return true;
}

/* As they come out of a message: the reader has others of the same files. */
static void add_fds(struct state_reader *reader)
{
    unsigned count = pair.writer.fd_count;
    int *fds = calloc(count + 1, sizeof *fds);
    for (unsigned i = 0; i < count; i++)
        ck_assert_int_ge(fds[i] = fcntl(pair.writer.fds[i], F_DUPFD_CLOEXEC, 0), 0);
    ck_assert(state_reader_add_fds(reader, fds, count, &pair.error));
    free(fds);
}

/* And the renderer has what it had. */
static void check_empty(void)
{
    ck_assert_uint_eq(pair.two.gpu.resources.count, 0);
    ck_assert_uint_eq(pair.two.gpu.context_count, 0);
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++)
        ck_assert_uint_eq(pair.two.gpu.quota.use[i].now, 0);
    if (!two_has_renderer)
        return;
    ck_assert_uint_eq(pair.two.renderer.blob_count, pair.one.renderer.blob_count);
    ck_assert_uint_eq(pair.two.renderer.contexts, pair.one.renderer.contexts);
}

bool gpu_pair_load_from(struct state_reader *reader)
{
    two_has_renderer = false;
    bool loaded = gpu_load(&pair.two.gpu, reader, &pair.error);
    if (!loaded)
        check_empty();
    bool good = loaded && state_reader_check(reader, &pair.error);
    if (!good)
        clear(&pair.two);
    return good;
}

bool gpu_pair_load(const uint8_t *bytes, size_t size)
{
    struct state_reader reader;
    if (!state_reader_init(&reader, bytes, size, &pair.error))
        return false;
    add_fds(&reader);
    bool good = gpu_pair_load_from(&reader);
    state_reader_finish(&reader);
    return good;
}

bool gpu_pair_save_again(struct state_writer *again)
{
    /* The fake renderer saves what is in the first one's. */
    pair.two.gpu.renderer.context = &pair.one.renderer;
    state_writer_init(again);
    bool good =
        gpu_save(&pair.two.gpu, again, &pair.error) && state_complete(again, &pair.error);
    pair.two.gpu.renderer.context = &pair.two.renderer;
    return good;
}

void gpu_pair_hand_over(void)
{
    ck_assert_msg(gpu_pair_save(), "%s", pair.error.text);
    ck_assert_msg(gpu_pair_load(pair.writer.bytes, pair.writer.size), "%s",
                  pair.error.text);
    gpu_pair_leave();
}

uint32_t gpu_pair_command(struct fake_gpu *fake, const void *request, uint32_t size,
                          struct gpu_response *response)
{
    struct renderer_timeline timeline;
    void *copy = malloc(size);
    memcpy(copy, request, size);
    gpu_command(&fake->gpu, copy, size, GPU_RESPONSE_MAX, response, &timeline);
    free(copy);
    return response->header.type;
}
