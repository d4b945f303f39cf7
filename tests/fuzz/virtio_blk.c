/* SPDX-License-Identifier: MIT */
/*
 * Any requests for virtio-blk, in chains of any shape, for a disk that can be written and for one
 * that cannot; the workers are real threads, the device's own thread is this one. The queue may
 * stop at any moment. In the end every request is free again.
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
#define TIMES          40u /* twice is more than the ring has */

/* The first byte of the input. */
struct setup {
    uint8_t features : 4, is_readonly : 1, unused : 3; /* from FLUSH on */
};

struct operation {
    uint8_t data_count : 2, waits : 1, no_status : 1, anywhere : 1, stops : 1,
        is_repeated : 1, unused : 1;
    uint8_t writable; /* one bit for each piece of data */
    uint16_t header_size;
    struct {
        uint32_t address;
        uint32_t length;
    } data[DATA_MAX];
    struct virtio_blk_outhdr header;
    struct virtio_blk_discard_write_zeroes range;
};

static struct virtio_blk disks[2]; /* the second one is read-only */
static char paths[2][32];
static struct guest_memory *memory;
static struct trace trace;

/* The device's thread ends again: its work is done here. */
static void start_disk(unsigned index)
{
    struct error error;
    struct virtio_blk *blk = &disks[index];
    static const uint8_t image[IMAGE_SIZE];
    int fd = fuzz_file(image, sizeof image);
    snprintf(paths[index], sizeof paths[index], "/proc/self/fd/%d", fd);
    FUZZ_CHECK(virtio_blk_init(blk, paths[index], index > 0, memory, &trace, &error));
    FUZZ_CHECK(virtio_blk_start(blk, &error));
    virtio_device_stop(&blk->virtio);
}

static void set_up_once(void)
{
    if (memory)
        return;
    memory = fuzz_memory(0, RAM_SIZE);
    trace_init(&trace, fopen("/dev/null", "w"), false);
    for (unsigned i = 0; i < ARRAY_SIZE(disks); i++)
        start_disk(i);
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
    uint16_t head = virtqueue_mock_add(mock, segments, count);
    for (unsigned i = 1; operation->is_repeated && i < TIMES; i++)
        virtqueue_mock_add_head(mock, head);
    virtqueue_mock_publish(mock);
}

static bool in_flight(struct virtio_blk *blk)
{
    pthread_mutex_lock(&blk->workers.lock);
    bool some = blk->workers.waiting.first || blk->workers.done.first ||
                blk->workers.running_count > 0;
    pthread_mutex_unlock(&blk->workers.lock);
    return some;
}

static void finish_some(struct virtio_blk *blk)
{
    struct pollfd done = {.fd = blk->workers.done_fd, .events = POLLIN};
    if (in_flight(blk) && poll(&done, 1, 1) > 0)
        blk->virtio.watches[0].readable(blk);
}

static void start_queue(struct virtio_blk *blk, struct virtqueue_mock *mock)
{
    struct error error;
    virtqueue_mock_init(mock, memory, gpa(RING), RING_SIZE, true);
    blk->virtio.queues[0] = virtqueue_mock_queue(mock);
    FUZZ_CHECK(virtqueue_start(&blk->virtio.queues[0], &error));
    blk->virtio.queue_running[0] = true;
}

/* Nothing is in flight any more. */
static void stop_queue(struct virtio_blk *blk)
{
    blk->virtio.ops->queue_stopped(blk, 0);
    unsigned unused = 0;
    for (const struct virtio_blk_request *request = blk->unused.first; request;
         request = request->next)
        unused++;
    FUZZ_CHECK(unused == VIRTQUEUE_SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct virtqueue_mock mock;
    struct setup setup;
    set_up_once();
    atomic_store(&trace.warnings, TRACE_WARNINGS_MAX); /* silent */
    fuzz_take(&input, &setup, sizeof setup);
    struct virtio_blk *blk = &disks[setup.is_readonly];
    blk->virtio.ops->start(blk, (uint64_t)setup.features << VIRTIO_BLK_F_FLUSH);
    start_queue(blk, &mock);
    for (unsigned i = 0; i < OPERATIONS_MAX && input.left > 0; i++) {
        struct operation operation;
        fuzz_take(&input, &operation, sizeof operation);
        send(&mock, &operation, i);
        while (blk->virtio.ops->queue_kicked(blk, 0))
            ;
        if (operation.waits)
            finish_some(blk);
        if (operation.stops) {
            stop_queue(blk);
            start_queue(blk, &mock);
        }
    }
    finish_some(blk);
    blk->virtio.ops->reset(blk);
    stop_queue(blk);
    return 0;
}

/* --- seeds --- */

static void seed(const char *name, struct operation operation)
{
    struct {
        struct setup setup;
        struct operation operations[2];
    } __attribute__((packed)) seed = {.setup = {.features = 1}};
    char readonly[32];
    operation.waits = 1;
    seed.operations[0] = operation;
    operation.stops = 1;
    seed.operations[1] = operation;
    fuzz_seed(name, &seed, sizeof seed);
    seed.setup = (struct setup){.is_readonly = 1};
    snprintf(readonly, sizeof readonly, "%s-readonly", name);
    fuzz_seed(readonly, &seed, sizeof seed);
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
