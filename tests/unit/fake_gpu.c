/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_gpu.h"
#include "devices/gpu/guest_blob.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/unit/fake_kernel.h"

static bool set_slot(void *context, uint32_t id, gpa_t address, uint64_t size, void *host,
                     struct error *error)
{
    struct fake_gpu *fake = context;
    (void)id;
    if (size == 0) {
        if (fake->removal_fails)
            return error_set(error, ERROR_HOST_KVM, "removal fails");
        /* The mapping must outlive the slot (ENOMEM), if not its pages; in a hole of a window
         * there is none. */
        if (fake->gpu.config.map_strategy == HOSTMEM_SLOT)
            ck_assert_int_eq(msync(host, PAGE_SIZE_4K, MS_ASYNC), 0);
        fake->slot_count--;
        return true;
    }
    if (fake->slots_fail)
        return error_set(error, ERROR_HOST_KVM, "the slot fails");
    fake->slot_count++;
    fake->slot_address = address.value;
    fake->slot_host = host;
    return true;
}

static void open_output(struct fake_output *output)
{
    output->stream = open_memstream(&output->text, &output->size);
    BUG_ON(!output->stream);
}

static void close_output(struct fake_output *output)
{
    fclose(output->stream);
    free(output->text);
}

const char *fake_output_text(struct fake_output *output)
{
    fflush(output->stream);
    return output->text;
}

void fake_output_clear(struct fake_output *output)
{
    close_output(output);
    open_output(output);
}

static void fence_done(void *context, struct renderer_timeline timeline, uint32_t fence)
{
    struct fake_gpu *fake = context;
    fence_queue_signal(&fake->gpu.fences, timeline, fence);
}

void fake_gpu_init(struct fake_gpu *fake)
{
    fake_gpu_init_strategy(fake, HOSTMEM_SLOT);
}

void fake_gpu_init_strategy(struct fake_gpu *fake, enum hostmem_strategy strategy)
{
    struct error error;
    const struct gpa_range ram = {gpa(0), FAKE_RAM};
    fake_kernel_reset();
    *fake = (struct fake_gpu){.fds_before = fake_kernel_open_fds()};
    open_output(&fake->trace_output);
    open_output(&fake->json);
    open_output(&fake->text);
    trace_init(&fake->trace, fake->trace_output.stream, true);
    memslot_table_init(&fake->memslots, set_slot, fake, 1000);
    ck_assert_msg(guest_memory_init(&fake->memory, &ram, 1, &error), "%s", error.text);
    const struct gpu_config config = {
        .display_count = 2,
        .displays = {{640, 480}, {1024, 768}},
        .virgl = true,
        .venus = true,
        .window = {gpa(FAKE_WINDOW_BASE), FAKE_WINDOW},
        .map_strategy = strategy,
        .platform = {.model = MEMATTR_NPT, .guest_mtrr_is_wb = true},
        .quota.of[QUOTA_HOST_MEMORY] = 512 * MIB,
    };
    fake->recorder = (struct recorder){.platform = &fake->gpu.config.platform,
                                       .library = "libfake.so.1"};
    ck_assert_msg(gpu_init(&fake->gpu, &config, &fake->memory, &fake->memslots,
                           &fake->recorder, &fake->trace, &error),
                  "%s", error.text);
    fake->recorder.trace = &fake->trace;
    fake->recorder.json = fake->json.stream;
    fake->recorder.text = fake->text.stream;
    fake_renderer_init(&fake->renderer);
    fake->renderer.fence_done = fence_done;
    fake->renderer.fence_context = fake;
    fake->gpu.renderer = fake_renderer_interface(&fake->renderer);
    fake->gpu.offered.num_capsets = fake->renderer.capset_count;
    fake->gpu.registers = fake->gpu.offered;
    fake->gpu.virtio.driver_features = fake->gpu.virtio.features;
    ck_assert_msg(gpu_context_create(&fake->gpu, FAKE_CONTEXT, VIRTIO_GPU_CAPSET_VENUS,
                                     "test", &error),
                  "%s", error.text);
}

bool fake_gpu_read(struct fake_gpu *fake, uint64_t address, uint8_t *byte)
{
    struct memslot slot;
    if (!memslot_find(&fake->memslots, gpa(address), &slot))
        return false;
    uint8_t *host = (uint8_t *)slot.host + (address - slot.range.start.value);
    const struct iovec local = {.iov_base = byte, .iov_len = 1};
    const struct iovec remote = {.iov_base = host, .iov_len = 1};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
}

void fake_gpu_force_map_info(struct fake_gpu *fake, uint32_t map_info)
{
    fake->gpu.config.force_map_info = true;
    fake->gpu.config.forced_map_info = map_info;
}

void fake_gpu_check_nothing_mapped(struct fake_gpu *fake)
{
    /* The window's own slot stays. */
    ck_assert_uint_eq(fake->slot_count, fake->gpu.hostmem.area.has_slot);
    ck_assert_uint_eq(fake->memslots.count, fake->gpu.hostmem.area.has_slot);
    ck_assert_ptr_null(fake->gpu.hostmem.area.blobs);
    ck_assert_uint_eq(fake->renderer.mapping_count, 0);
    ck_assert_uint_eq(fake_kernel_mappings("memfd:fake-blob"), 0);
    ck_assert_uint_eq(fake_kernel_mappings("memfd:dma-buf"), 0);
}

void fake_gpu_finish(struct fake_gpu *fake)
{
    fake->removal_fails = false;
    gpu_reset_state(&fake->gpu);
    fake_gpu_check_nothing_mapped(fake);
    ck_assert_uint_eq(fake->renderer.blob_count, 0);
    ck_assert_uint_eq(fake->renderer.context_count, 0);
    ck_assert_uint_eq(fake->gpu.resources.count, 0);
    ck_assert_uint_eq(fake->gpu.context_count, 0);
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++)
        ck_assert_uint_eq(fake->gpu.quota.use[i].now, 0);
    gpu_finish(&fake->gpu);
    guest_memory_finish(&fake->memory);
    memslot_table_finish(&fake->memslots);
    close_output(&fake->trace_output);
    close_output(&fake->json);
    close_output(&fake->text);
    ck_assert_uint_eq(fake_kernel_open_fds(), fake->fds_before);
}

void fake_gpu_create_blob(struct fake_gpu *fake, uint32_t resource_id, uint64_t size)
{
    struct error error;
    const struct renderer_blob blob = {
        .resource_id = resource_id,
        .context_id = FAKE_CONTEXT,
        .memory = VIRTIO_GPU_BLOB_MEM_HOST3D,
        .flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
        .size = size,
    };
    const struct blob_entries none = {0};
    ck_assert_msg(blob_create(&fake->gpu, &blob, &none, &error), "%s", error.text);
}

struct resource *fake_gpu_map_blob(struct fake_gpu *fake, uint32_t resource_id,
                                   uint64_t size, uint64_t offset)
{
    struct error error;
    enum memattr_map_info map_info;
    fake_gpu_create_blob(fake, resource_id, size);
    ck_assert_msg(blob_map(&fake->gpu, resource_id, offset, &map_info, &error), "%s",
                  error.text);
    return resource_find(&fake->gpu.resources, resource_id, &error);
}
