/* SPDX-License-Identifier: MIT */
/*
 * Each device is given a mapped blob's place in the window as its buffer (docs/foreign-buffers.md):
 * the disk, the entropy device, the console, the GPU, and with vfio=yes a device of the host. None
 * of them reads or changes the blob. Where an answer has room for it, it is an error; where it has
 * not, the device needs a reset, and works again after it.
 */
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "guest/arch.h"
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/edu.h"
#include "guest/scenarios.h"
#include "guest/string.h"

#define TIMEOUT          5u /* seconds */
#define BLOB_SIZE        (64 * KIB)
#define SECTOR           512u
#define UNSET            0xeeu
#define CONSOLE_TRANSMIT 1u
#define MARK             0xb10bb10bu

enum answer {
    ANSWER_USED, /* the chain came back */
    ANSWER_NEEDS_RESET,
    ANSWER_NONE,
};

struct device {
    struct virtio virtio;
    struct virtqueue queue;
};

static volatile uint32_t *map_blob(struct guest *guest, const struct blob *blob,
                                   uint64_t address)
{
    return mmu_map(guest->mmu, address, BLOB_SIZE, blob_s1(blob));
}

static bool blob_is_untouched(struct guest *guest, const struct blob *blob,
                              uint64_t address)
{
    volatile uint32_t *words = map_blob(guest, blob, address);
    CHECK(words != NULL);
    for (uint32_t i = 0; i < BLOB_SIZE / sizeof *words; i++)
        CHECK_EQUAL(words[i], MARK + i);
    mmu_unmap(guest->mmu, address, BLOB_SIZE, blob_s1(blob));
    return true;
}

static bool make_blob(struct guest *guest, struct blob *blob, uint64_t *address)
{
    REQUIRE(gpu_start(guest, 0));
    REQUIRE(blob_context(guest, BLOB_SHM));
    REQUIRE(blob_create_mapped(guest, blob, 1, BLOB_SIZE, 0));
    *address = guest->gpu.window.start.value;
    volatile uint32_t *words = map_blob(guest, blob, *address);
    CHECK(words != NULL);
    for (uint32_t i = 0; i < BLOB_SIZE / sizeof *words; i++)
        words[i] = MARK + i;
    mmu_unmap(guest->mmu, *address, BLOB_SIZE, blob_s1(blob));
    return true;
}

static bool start_device(struct guest *guest, uint32_t id, uint32_t queue,
                         struct device *device)
{
    CHECK(virtio_find(guest, id, &device->virtio));
    CHECK(virtio_reset(&device->virtio));
    CHECK(virtio_negotiate(&device->virtio, 0));
    CHECK(virtqueue_create(&device->queue, guest, &device->virtio, queue));
    virtio_driver_ok(&device->virtio);
    return true;
}

static bool needs_reset(const struct virtio *virtio)
{
    return (virtio_status(virtio) & VIRTIO_CONFIG_S_NEEDS_RESET) != 0;
}

static enum answer ask(struct device *device, const struct virtqueue_part *parts,
                       unsigned count)
{
    uint32_t written;
    uint64_t start = arch_ticks();
    if (virtqueue_add(&device->queue, parts, count) < 0)
        return ANSWER_NONE;
    virtqueue_kick(&device->queue);
    while (arch_ticks() - start < TIMEOUT * arch_ticks_per_second()) {
        if (virtqueue_take_used(&device->queue, &written) >= 0)
            return ANSWER_USED;
        if (needs_reset(&device->virtio))
            return ANSWER_NEEDS_RESET;
        arch_pause();
    }
    return ANSWER_NONE;
}

static void *at(uint64_t address)
{
    return (void *)(uintptr_t)address;
}

/* --- the disk: the request's status --- */

static bool transfer(struct guest *guest, struct device *disk, uint32_t type, void *data,
                     uint8_t expected)
{
    const struct virtio_blk_outhdr header = {.type = type};
    volatile uint8_t status = UNSET;
    const struct virtqueue_part parts[] = {
        {.data = &header, .length = sizeof header},
        {.data = data, .length = SECTOR, .device_writes = type == VIRTIO_BLK_T_IN},
        {.data = at((uintptr_t)&status), .length = 1, .device_writes = true},
    };
    CHECK_EQUAL(ask(disk, parts, ARRAY_SIZE(parts)), ANSWER_USED);
    CHECK_EQUAL(status, expected);
    return true;
}

static bool check_disk(struct guest *guest, uint64_t address)
{
    struct device disk;
    static uint8_t sector[SECTOR];
    REQUIRE(start_device(guest, VIRTIO_ID_BLOCK, 0, &disk));
    REQUIRE(transfer(guest, &disk, VIRTIO_BLK_T_IN, at(address + SECTOR),
                     VIRTIO_BLK_S_IOERR));
    REQUIRE(transfer(guest, &disk, VIRTIO_BLK_T_OUT, at(address), VIRTIO_BLK_S_IOERR));
    REQUIRE(transfer(guest, &disk, VIRTIO_BLK_T_IN, sector, VIRTIO_BLK_S_OK));
    for (unsigned i = 0; i < SECTOR; i++)
        CHECK_EQUAL(sector[i], 0); /* of the blob nothing was written */
    console_printf(&guest->console, "foreign: disk: the request fails\n");

    struct virtqueue moved = disk.queue;
    moved.used = at(address);
    CHECK(virtio_reset(&disk.virtio));
    CHECK(virtio_negotiate(&disk.virtio, 0));
    CHECK(virtio_start_queue(&disk.virtio, 0, &moved));
    virtio_driver_ok(&disk.virtio);
    uint64_t start = arch_ticks();
    while (!needs_reset(&disk.virtio))
        CHECK(arch_ticks() - start < TIMEOUT * arch_ticks_per_second());
    REQUIRE(start_device(guest, VIRTIO_ID_BLOCK, 0, &disk));
    REQUIRE(transfer(guest, &disk, VIRTIO_BLK_T_IN, sector, VIRTIO_BLK_S_OK));
    console_printf(&guest->console, "foreign: a ring: the device needs a reset\n");
    return true;
}

/* --- devices whose answers have no room for an error --- */

static bool check_stream(struct guest *guest, uint32_t id, uint32_t queue, bool writes,
                         uint64_t address)
{
    struct device device;
    uint8_t bytes[] = "foreign: after the reset\n";
    const struct virtqueue_part bad = {
        .data = at(address), .length = 16, .device_writes = writes};
    const struct virtqueue_part good = {
        .data = bytes, .length = sizeof bytes - 1, .device_writes = writes};
    REQUIRE(start_device(guest, id, queue, &device));
    CHECK_EQUAL(ask(&device, &bad, 1), ANSWER_NEEDS_RESET);
    REQUIRE(start_device(guest, id, queue, &device));
    CHECK_EQUAL(ask(&device, &good, 1), ANSWER_USED);
    console_printf(&guest->console, "foreign: %s: the device needs a reset\n",
                   id == VIRTIO_ID_RNG ? "entropy" : "console");
    return true;
}

/* --- the GPU --- */

static uint32_t gpu_simple(struct guest *guest, const void *request, uint32_t size,
                           const struct virtio_gpu_mem_entry *entry)
{
    struct virtio_gpu_ctrl_hdr response;
    return gpu_command(&guest->gpu, request, size, entry, entry ? sizeof *entry : 0,
                       &response, sizeof response);
}

/* The guest's memory of a resource: the error is the command's. */
static bool check_backing(struct guest *guest, uint64_t address)
{
    const struct virtio_gpu_mem_entry entry = {.addr = address, .length = 16 * KIB};
    const struct virtio_gpu_resource_create_2d create = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
        .resource_id = 2,
        .format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM,
        .width = 64,
        .height = 64,
    };
    const struct virtio_gpu_resource_attach_backing attach = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
        .resource_id = 2,
        .nr_entries = 1,
    };
    const struct virtio_gpu_resource_create_blob blob = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
        .resource_id = 3,
        .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST,
        .nr_entries = 1,
        .size = 16 * KIB,
    };
    CHECK_RESPONSE(gpu_simple(guest, &create, sizeof create, NULL),
                   VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_simple(guest, &attach, sizeof attach, &entry),
                   VIRTIO_GPU_RESP_ERR_UNSPEC);
    CHECK_RESPONSE(gpu_simple(guest, &blob, sizeof blob, &entry),
                   VIRTIO_GPU_RESP_ERR_UNSPEC);
    console_printf(&guest->console, "foreign: backing: the command fails\n");
    return true;
}

/* A command itself, or its answer. The reset takes the blob away. */
static bool check_command(struct guest *guest, bool request_is_there)
{
    struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
    struct virtio_gpu_resp_display_info info;
    struct blob blob;
    uint64_t address;
    REQUIRE(make_blob(guest, &blob, &address));
    struct device device = {guest->gpu.virtio, guest->gpu.control};
    const struct virtqueue_part parts[] = {
        {.data = request_is_there ? at(address) : &request, .length = sizeof request},
        {.data = request_is_there ? at((uintptr_t)&info) : at(address),
         .length = sizeof info,
         .device_writes = true},
    };
    CHECK_EQUAL(ask(&device, parts, ARRAY_SIZE(parts)), ANSWER_NEEDS_RESET);
    REQUIRE(gpu_start(guest, 0));
    CHECK_RESPONSE(gpu_get_display_info(&guest->gpu, &info),
                   VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    console_printf(&guest->console, "foreign: %s: the device needs a reset\n",
                   request_is_there ? "command" : "answer");
    return true;
}

/* --- a device of the host: its IOMMU knows RAM only --- */

static bool check_vfio(struct guest *guest, uint64_t address)
{
    struct edu edu;
    uint32_t *words = heap_allocate_aligned(&guest->heap, 4 * KIB, 4096);
    volatile uint32_t *seen = words;
    REQUIRE(edu_find(guest, &edu));
    REQUIRE(edu_start(guest, &edu, EDU_NO_IRQ));
    seen[0] = 1;
    REQUIRE(edu_dma(guest, &edu, (uintptr_t)words, 0, 4, false));
    REQUIRE(edu_dma(guest, &edu, address, 0, 4, true)); /* ... to the blob */
    REQUIRE(edu_dma(guest, &edu, address, 0, 4, false));
    REQUIRE(edu_dma(guest, &edu, (uintptr_t)words, 0, 4, true));
    CHECK(seen[0] != MARK);
    console_printf(&guest->console, "foreign: vfio: nothing was read or written\n");
    return true;
}

bool scenario_foreign(struct guest *guest)
{
    struct blob blob;
    uint64_t address;
    REQUIRE(make_blob(guest, &blob, &address));
    if (string_equal(options_text(&guest->options, "vfio", "no"), "yes")) {
        REQUIRE(check_vfio(guest, address));
        return blob_is_untouched(guest, &blob, address);
    }
    REQUIRE(check_disk(guest, address));
    REQUIRE(check_stream(guest, VIRTIO_ID_RNG, 0, true, address));
    REQUIRE(check_stream(guest, VIRTIO_ID_CONSOLE, CONSOLE_TRANSMIT, false, address));
    REQUIRE(check_backing(guest, address));
    REQUIRE(blob_is_untouched(guest, &blob, address));
    REQUIRE(check_command(guest, true));
    return check_command(guest, false);
}
