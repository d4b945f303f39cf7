/* SPDX-License-Identifier: MIT */
/*
 * Any requests for virtio-blk, in chains of any shape; the workers are real threads, the
 * device's own thread is this one. In the end every request is free again.
 */
#include <linux/virtio_blk.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "devices/virtio_blk.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/virtqueue_mock.h"

#define RAM_SIZE       (1 * MIB)
#define RING           0x10000u
#define RING_SIZE      64
#define HEADERS        0x40000u /* addresses in guest memory */
#define STATUSES       0x50000u
#define IMAGE_SIZE     (64 * KIB)
#define OPERATIONS_MAX 32u
#define DATA_MAX       3u

struct operation {
    uint8_t data_count : 2, waits : 1, no_status : 1, anywhere : 1, unused : 3;
    uint8_t writable; /* one bit for each piece of data */
    uint16_t header_size;
    struct {
        uint32_t address;
        uint32_t length;
    } data[DATA_MAX];
    struct virtio_blk_outhdr header;
    struct virtio_blk_discard_write_zeroes range;
};

static struct virtio_blk blk;
static struct guest_memory *memory;
static struct trace trace;

/* The device's thread ends again: its work is done here. */
static void set_up_once(void)
{
    struct error error;
    char path[32];
    static const uint8_t image[IMAGE_SIZE];
    if (memory)
        return;
    memory = fuzz_memory(0, RAM_SIZE);
    trace_init(&trace, fopen("/dev/null", "w"), false);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fuzz_file(image, sizeof image));
    FUZZ_CHECK(virtio_blk_init(&blk, path, false, memory, &trace, &error));
    FUZZ_CHECK(virtio_blk_start(&blk, &error));
    virtio_device_stop(&blk.virtio);
}

static void send(struct virtqueue_mock *mock, const struct operation *operation,
                 unsigned number)
{
    struct error error;
    struct virtqueue_mock_segment segments[DATA_MAX + 2];
    unsigned count = 1;
    gpa_t header = gpa(HEADERS + number * 0x100u);
    uint8_t bytes[sizeof operation->header + sizeof operation->range];
    memcpy(bytes, &operation->header, sizeof operation->header);
    memcpy(bytes + sizeof operation->header, &operation->range, sizeof operation->range);
    FUZZ_CHECK(guest_memory_write(memory, header, bytes, sizeof bytes, &error));
    segments[0] =
        (struct virtqueue_mock_segment){header, operation->header_size % 0x100u, false};
    for (unsigned i = 0; i < operation->data_count; i++) {
        uint32_t address = operation->data[i].address;
        uint32_t length = operation->data[i].length;
        if (!operation->anywhere) {
            address %= RAM_SIZE / 2;
            length %= RAM_SIZE / 2;
        }
        segments[count++] = (struct virtqueue_mock_segment){
            gpa(address), length, (operation->writable >> i & 1) != 0};
    }
    if (!operation->no_status)
        segments[count++] =
            (struct virtqueue_mock_segment){gpa(STATUSES + number), 1, true};
    virtqueue_mock_add(mock, segments, count);
    virtqueue_mock_publish(mock);
}

static bool in_flight(void)
{
    pthread_mutex_lock(&blk.workers.lock);
    bool some = blk.workers.waiting.first || blk.workers.done.first ||
                blk.workers.running_count > 0;
    pthread_mutex_unlock(&blk.workers.lock);
    return some;
}

static void finish_some(void)
{
    struct pollfd done = {.fd = blk.workers.done_fd, .events = POLLIN};
    if (in_flight() && poll(&done, 1, 1) > 0)
        blk.virtio.watches[0].readable(&blk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error;
    struct fuzz_input input = {data, size};
    struct virtqueue_mock mock;
    set_up_once();
    atomic_store(&trace.warnings, TRACE_WARNINGS_MAX); /* silent */
    blk.virtio.ops->start(&blk, (uint64_t)fuzz_take8(&input) << VIRTIO_BLK_F_FLUSH);
    virtqueue_mock_init(&mock, memory, gpa(RING), RING_SIZE, true);
    blk.virtio.queues[0] = virtqueue_mock_queue(&mock);
    FUZZ_CHECK(virtqueue_start(&blk.virtio.queues[0], &error));
    blk.virtio.queue_running[0] = true;
    for (unsigned i = 0; i < OPERATIONS_MAX && input.left > 0; i++) {
        struct operation operation;
        fuzz_take(&input, &operation, sizeof operation);
        send(&mock, &operation, i);
        while (blk.virtio.ops->queue_kicked(&blk, 0))
            ;
        if (operation.waits)
            finish_some();
    }
    finish_some();
    blk.virtio.ops->queue_stopped(&blk, 0);
    unsigned unused = 0;
    for (const struct virtio_blk_request *request = blk.unused.first; request;
         request = request->next)
        unused++;
    FUZZ_CHECK(unused == VIRTQUEUE_SIZE_MAX);
    return 0;
}

/* --- seeds --- */

static void seed(const char *name, struct operation operation)
{
    uint8_t bytes[1 + 2 * sizeof operation];
    operation.waits = 1;
    bytes[0] = 1;
    memcpy(bytes + 1, &operation, sizeof operation);
    memcpy(bytes + 1 + sizeof operation, &operation, sizeof operation);
    fuzz_seed(name, bytes, sizeof bytes);
}

#define HEADER_SIZE sizeof(struct virtio_blk_outhdr)
#define RANGE_SIZE  (HEADER_SIZE + sizeof(struct virtio_blk_discard_write_zeroes))

void fuzz_seeds(void)
{
    seed("read", (struct operation){.data_count = 2,
                                    .writable = 3,
                                    .header_size = HEADER_SIZE,
                                    .data = {{0x60000, 512}, {0x61000, 1536}},
                                    .header = {.type = VIRTIO_BLK_T_IN, .sector = 4}});
    seed("write", (struct operation){.data_count = 1,
                                     .header_size = HEADER_SIZE,
                                     .data = {{0x60000, 4096}},
                                     .header = {.type = VIRTIO_BLK_T_OUT, .sector = 8}});
    seed("flush", (struct operation){.header_size = HEADER_SIZE,
                                     .header = {.type = VIRTIO_BLK_T_FLUSH}});
    seed("id", (struct operation){.data_count = 1,
                                  .writable = 1,
                                  .header_size = HEADER_SIZE,
                                  .data = {{0x60000, VIRTIO_BLK_ID_BYTES}},
                                  .header = {.type = VIRTIO_BLK_T_GET_ID}});
    seed("discard", (struct operation){.header_size = RANGE_SIZE,
                                       .header = {.type = VIRTIO_BLK_T_DISCARD},
                                       .range = {.sector = 8, .num_sectors = 8}});
    seed("zeroes",
         (struct operation){.header_size = RANGE_SIZE,
                            .header = {.type = VIRTIO_BLK_T_WRITE_ZEROES},
                            .range = {.sector = 8, .num_sectors = 8, .flags = 1}});
    seed("beyond",
         (struct operation){.data_count = 1,
                            .header_size = HEADER_SIZE,
                            .data = {{0x60000, 512}},
                            .header = {.type = VIRTIO_BLK_T_OUT, .sector = UINT64_MAX}});
}
