/* SPDX-License-Identifier: MIT */
/*
 * The scenario of a mapped blob, with its options:
 *
 *   size=BYTES  rounds=N  offset=BYTES (in the window)
 *   flags=N               VIRTIO_GPU_BLOB_FLAG_USE_*
 *   s1=TYPE               the guest's attribute, one of guest/attribute.c;
 *                         without it, what map_info asks for
 *   map-info=MODE         what the device has to answer: none cached uncached wc
 *   then-s1=TYPE          once more with this attribute: one mapping after the other
 *   expect=refused        MAP_BLOB has to fail, and the device has to live on
 */
#include "guest/attribute.h"
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/string.h"

struct plan {
    struct blob blob; /* of the first round */
    uint64_t rounds;
    bool refused;
    enum memattr_type s1;   /* MEMATTR_TYPE_COUNT: what map_info asks for */
    enum memattr_type then; /* MEMATTR_TYPE_COUNT: nothing */
    bool map_info_given;
    uint32_t map_info;
};

static const uint32_t default_flags[BLOB_KIND_COUNT] = {
    [BLOB_SHM] = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
    [BLOB_VENUS] = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
    [BLOB_VIRGL] = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE | VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE,
    [BLOB_BUFFER] = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
};

static const uint64_t default_size[BLOB_KIND_COUNT] = {
    [BLOB_SHM] = 64 * KIB,
    [BLOB_VENUS] = 64 * KIB,
    [BLOB_VIRGL] = 16 * KIB,
    [BLOB_BUFFER] = 64 * KIB,
};

static const char *const map_info_options[] = {
    [MEMATTR_MAP_NONE] = "none",
    [MEMATTR_MAP_CACHED] = "cached",
    [MEMATTR_MAP_UNCACHED] = "uncached",
    [MEMATTR_MAP_WC] = "wc",
};

/* Index of the option's value among `words`; `count` when the option is not given. */
static bool choose(struct guest *guest, const char *key, const char *const words[],
                   unsigned count, unsigned *index)
{
    const char *value = options_text(&guest->options, key, NULL);
    *index = count;
    if (value == NULL)
        return true;
    for (*index = 0; *index < count; (*index)++) {
        if (string_equal(value, words[*index]))
            return true;
    }
    console_printf(&guest->console, "FAIL %s: unknown value %s=%s\n", guest->scenario,
                   key, value);
    return false;
}

static bool read_options(struct guest *guest, enum blob_kind kind, struct plan *plan)
{
    static const char *const expectations[] = {"mapped", "refused"};
    unsigned map_info;
    unsigned expect;
    uint64_t flags;
    *plan = (struct plan){.blob = {.kind = kind, .resource_id = 1}};
    REQUIRE(check_option(guest, "size", default_size[kind], &plan->blob.size));
    REQUIRE(check_option(guest, "flags", default_flags[kind], &flags));
    REQUIRE(check_option(guest, "offset", 0, &plan->blob.offset));
    REQUIRE(check_option(guest, "rounds", 1, &plan->rounds));
    REQUIRE(attribute_option(guest, "s1", MEMATTR_TYPE_COUNT, &plan->s1));
    REQUIRE(attribute_option(guest, "then-s1", MEMATTR_TYPE_COUNT, &plan->then));
    REQUIRE(choose(guest, "map-info", map_info_options, ARRAY_SIZE(map_info_options),
                   &map_info));
    REQUIRE(choose(guest, "expect", expectations, ARRAY_SIZE(expectations), &expect));
    plan->blob.flags = (uint32_t)flags;
    plan->map_info_given = map_info < ARRAY_SIZE(map_info_options);
    plan->map_info = map_info;
    plan->refused = expect == 1;
    return true;
}

/* Maps the created blob, and looks at it if it is meant to be mapped. */
static bool map_and_examine(struct guest *guest, const struct plan *plan,
                            struct blob *blob)
{
    struct gpu *gpu = &guest->gpu;
    uint32_t response =
        gpu_blob_map(gpu, blob->resource_id, blob->offset, &blob->map_info);
    if (plan->refused) {
        CHECK_RESPONSE(response, VIRTIO_GPU_RESP_ERR_UNSPEC);
        return true;
    }
    CHECK_RESPONSE(response, VIRTIO_GPU_RESP_OK_MAP_INFO);
    if (plan->map_info_given)
        CHECK_EQUAL(blob->map_info, plan->map_info);
    bool s1_given = plan->s1 != MEMATTR_TYPE_COUNT;
    REQUIRE(blob_experiment(guest, blob, s1_given ? plan->s1 : blob_s1(blob)));
    if (plan->then != MEMATTR_TYPE_COUNT)
        REQUIRE(blob_experiment(guest, blob, plan->then));
    CHECK_RESPONSE(gpu_blob_unmap(gpu, blob->resource_id), VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

bool blob_scenario(struct guest *guest, enum blob_kind kind, uint64_t more_features)
{
    struct gpu *gpu = &guest->gpu;
    struct plan plan;
    REQUIRE(read_options(guest, kind, &plan));
    REQUIRE(gpu_start(guest, more_features));
    CHECK_EQUAL(gpu->virtio.negotiated & more_features, more_features);
    CHECK(gpu->window.size > 0);
    REQUIRE(blob_context(guest, kind));
    for (uint64_t round = 0; round < plan.rounds; round++) {
        struct blob blob = plan.blob;
        blob.resource_id += (uint32_t)round;
        REQUIRE(blob_create(guest, &blob));
        REQUIRE(map_and_examine(guest, &plan, &blob));
        CHECK_RESPONSE(gpu_context_detach(gpu, BLOB_CONTEXT, blob.resource_id),
                       VIRTIO_GPU_RESP_OK_NODATA);
        CHECK_RESPONSE(gpu_resource_unref(gpu, blob.resource_id),
                       VIRTIO_GPU_RESP_OK_NODATA);
    }
    CHECK_RESPONSE(gpu_context_destroy(gpu, BLOB_CONTEXT), VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}
