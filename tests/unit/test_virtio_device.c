/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/suites.h"
#include "tests/unit/virtqueue_mock.h"
#include "virtio/virtio_device.h"

#define ACKNOWLEDGE VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER      VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK   VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED      VIRTIO_CONFIG_S_FAILED
#define READY       (ACKNOWLEDGE | DRIVER | FEATURES_OK)
#define RUNNING     (READY | DRIVER_OK)

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define VERSION_1    FEATURE(VIRTIO_F_VERSION_1)
#define EVENT_IDX    FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT     FEATURE(VIRTIO_RING_F_INDIRECT_DESC)

#define RAM_SIZE    (2 * MIB)
#define RING(index) gpa(0x10000 + (index)*0x10000u)
#define DATA        0x100000u
#define SIZE        8
#define TURN        3 /* chains in one call of queue_kicked() */
#define PATIENCE_MS 10000

/* A device that copies the readable part of each chain of queue 0 to its writable part, and
 * keeps the chains of queue 1 until it is told to return them. */
static struct toy {
    struct virtio_device device;
    int return_fd;    /* watched: return the chain that is kept */
    atomic_bool slow; /* a command waits for the gate */
    sem_t in_command;
    sem_t gate;
    atomic_bool endless; /* queue_kicked() always claims that there is more */
    atomic_bool keeps;   /* a chain of queue 1, `kept` */
    uint16_t kept;
    bool start_fails;
    pthread_t thread;
    atomic_uint starts, kicks, stops, resets, returns, ends;
    atomic_uint_least64_t features;
} toy;

static struct guest_memory memory;
static struct virtqueue_mock mocks[2];
static struct trace trace;
static struct error error;
static uint8_t config[8];

static void toy_start(void *context, uint64_t features)
{
    BUG_ON(context != &toy);
    atomic_store(&toy.features, features);
    atomic_fetch_add(&toy.starts, 1);
}

static void echo(struct virtqueue *queue, const struct virtqueue_chain *chain)
{
    uint8_t bytes[64];
    struct error cause;
    uint32_t size = (uint32_t)chain->readable_size;
    BUG_ON(!virtqueue_chain_read(queue, chain, 0, bytes, size, &cause));
    BUG_ON(!virtqueue_chain_write(queue, chain, 0, bytes, size, &cause));
    BUG_ON(!virtqueue_push(queue, chain->head, size, &cause));
}

static bool toy_kicked(void *context, unsigned index)
{
    struct virtqueue *queue = &toy.device.queues[index];
    struct virtqueue_chain chain;
    struct error cause;
    BUG_ON(context != &toy);
    BUG_ON(!pthread_equal(pthread_self(), toy.thread));
    atomic_fetch_add(&toy.kicks, 1);

    for (unsigned i = 0; i < TURN; i++) {
        enum virtqueue_result result = virtqueue_pop(queue, &chain, &cause);
        if (result == VIRTQUEUE_BROKEN)
            virtio_device_needs_reset(&toy.device, &cause);
        if (result != VIRTQUEUE_CHAIN)
            return atomic_load(&toy.endless) || virtqueue_enable_notification(queue);
        if (atomic_load(&toy.slow)) {
            sem_post(&toy.in_command);
            sem_wait(&toy.gate);
        }
        if (index == 1) {
            toy.kept = chain.head;
            atomic_store(&toy.keeps, true);
        } else {
            echo(queue, &chain);
            virtio_device_signal_queue(&toy.device, index);
        }
    }
    return true;
}

static void toy_return(void *context)
{
    eventfd_t count;
    struct error cause;
    BUG_ON(context != &toy);
    BUG_ON(eventfd_read(toy.return_fd, &count) != 0);
    /* A careless device: it returns what it has, even when the queue was stopped. */
    if (atomic_load(&toy.keeps))
        BUG_ON(!virtqueue_push(&toy.device.queues[1], toy.kept, 0, &cause));
    virtio_device_signal_queue(&toy.device, 1);
    atomic_fetch_add(&toy.returns, 1);
}

static void toy_stopped(void *context, unsigned index)
{
    BUG_ON(context != &toy || index >= 2);
    atomic_fetch_add(&toy.stops, 1);
}

static void toy_reset(void *context)
{
    BUG_ON(context != &toy);
    atomic_fetch_add(&toy.resets, 1);
}

static bool toy_thread_started(void *context, struct error *cause)
{
    BUG_ON(context != &toy);
    toy.thread = pthread_self();
    return !toy.start_fails || error_set(cause, ERROR_HOST_RENDERER, "no renderer");
}

static void toy_thread_ends(void *context)
{
    BUG_ON(context != &toy || !pthread_equal(pthread_self(), toy.thread));
    atomic_fetch_add(&toy.ends, 1);
}

static const struct virtio_device_ops toy_ops = {
    .start = toy_start,
    .queue_kicked = toy_kicked,
    .queue_stopped = toy_stopped,
    .reset = toy_reset,
};

static void setup(void)
{
    static const struct gpa_range ram = {{0}, RAM_SIZE};
    trace_init(&trace, fopen("/dev/null", "w"), false);
    ck_assert(guest_memory_init(&memory, &ram, 1, &error));
    memset(&toy, 0, sizeof toy);
    toy.device = (struct virtio_device){
        .name = "toy",
        .features = FEATURE(0) | FEATURE(3),
        .queue_count = 2,
        .ops = &toy_ops,
        .context = &toy,
        .config = config,
        .config_size = sizeof config,
        .memory = &memory,
        .trace = &trace,
    };
    sem_init(&toy.in_command, 0, 0);
    sem_init(&toy.gate, 0, 0);
    toy.return_fd = eventfd(0, EFD_NONBLOCK);
    ck_assert(virtio_device_init(&toy.device, &error));
    virtio_device_watch(&toy.device, toy.return_fd, toy_return);
}

static void teardown(void)
{
    virtio_device_finish(&toy.device);
    close(toy.return_fd);
    guest_memory_finish(&memory);
    fclose(trace.out);
}

static void run(void)
{
    ck_assert_msg(
        virtio_device_run(&toy.device, toy_thread_started, toy_thread_ends, &error), "%s",
        error.text);
}

/* --- the driver --- */

#define eventually(condition)                                                            \
    do {                                                                                 \
        for (unsigned waited = 0; !(condition); waited++) {                              \
            ck_assert_msg(waited < PATIENCE_MS, "%s never came true", #condition);       \
            usleep(1000);                                                                \
        }                                                                                \
    } while (0)

static uint32_t status(void)
{
    return virtio_device_read_status(&toy.device);
}

static void write_status(uint32_t value)
{
    virtio_device_write_status(&toy.device, value);
}

static bool is_ready(unsigned index)
{
    pthread_mutex_lock(&toy.device.lock);
    bool ready = toy.device.queue_registers[index].ready;
    pthread_mutex_unlock(&toy.device.lock);
    return ready;
}

static void make_queue_ready(unsigned index)
{
    struct virtqueue_mock *mock = &mocks[index];
    virtqueue_mock_init(mock, &memory, RING(index), SIZE, true);
    pthread_mutex_lock(&toy.device.lock);
    toy.device.queue_registers[index].size = SIZE;
    toy.device.queue_registers[index].descriptors = mock->descriptors.value;
    toy.device.queue_registers[index].driver = mock->driver.value;
    toy.device.queue_registers[index].device = mock->device.value;
    pthread_mutex_unlock(&toy.device.lock);
    virtio_device_write_queue_ready(&toy.device, index, true);
}

/* Everything up to DRIVER_OK, with fresh queues. */
static void initialise(void)
{
    write_status(0);
    eventually(status() == 0);
    write_status(ACKNOWLEDGE);
    write_status(ACKNOWLEDGE | DRIVER);
    pthread_mutex_lock(&toy.device.lock);
    toy.device.driver_features = VERSION_1 | EVENT_IDX | INDIRECT;
    pthread_mutex_unlock(&toy.device.lock);
    write_status(READY);
    ck_assert_uint_eq(status(), READY);
    make_queue_ready(0);
    make_queue_ready(1);
}

static void drive(void)
{
    initialise();
    write_status(RUNNING);
    ck_assert_uint_eq(status(), RUNNING);
}

static void add_chain(unsigned index, const char *text)
{
    uint32_t size = (uint32_t)strlen(text);
    const struct virtqueue_mock_segment segments[] = {
        {gpa(DATA + index * 0x1000), size, false},
        {gpa(DATA + index * 0x1000 + 0x800), size, true},
    };
    ck_assert(guest_memory_write(&memory, segments[0].address, text, size, &error));
    virtqueue_mock_add(&mocks[index], segments, 2);
}

static void kick(unsigned index)
{
    ck_assert_int_eq(eventfd_write(toy.device.kick_fds[index], 1), 0);
}

static void publish(unsigned index)
{
    if (virtqueue_mock_publish(&mocks[index]))
        kick(index);
}

static void wait_for_interrupt(uint32_t reason)
{
    struct pollfd fd = {toy.device.interrupt_fd, POLLIN, 0};
    eventfd_t count;
    ck_assert_int_eq(poll(&fd, 1, PATIENCE_MS), 1);
    ck_assert_int_eq(eventfd_read(toy.device.interrupt_fd, &count), 0);
    ck_assert_uint_eq(atomic_load(&toy.device.interrupt_status), reason);
    atomic_store(&toy.device.interrupt_status, 0);
}

static void check_echo(const char *text)
{
    char answer[64] = "";
    uint16_t head;
    uint32_t length;
    add_chain(0, text);
    virtqueue_mock_set_used_event(&mocks[0], mocks[0].next_used);
    publish(0);
    wait_for_interrupt(VIRTIO_MMIO_INT_VRING);
    ck_assert(virtqueue_mock_take_used(&mocks[0], &head, &length));
    ck_assert_uint_eq(length, strlen(text));
    ck_assert(guest_memory_read(&memory, gpa(DATA + 0x800), answer, length, &error));
    ck_assert_str_eq(answer, text);
}

static unsigned warnings(void)
{
    return atomic_load(&trace.warnings);
}

/* --- registers, without a thread --- */

/* What the status reads after these writes, of a driver that accepted good features. */
static const struct {
    const char *name;
    uint32_t writes[5]; /* up to the first 0 */
    uint32_t expected;
    bool warns;
} walks[] = {
    // clang-format off
    {"acknowledge",        {1},                            1,       false},
    {"step by step",       {1, 3, READY, RUNNING},         RUNNING, false},
    {"the same again",     {1, 1, 3, 3, READY},            READY,   false},
    {"all in one write",   {RUNNING},                      RUNNING, false},
    {"driver first",       {DRIVER},                       0,       true},
    {"features first",     {1, 1 | FEATURES_OK},           1,       true},
    {"DRIVER_OK early",    {1, 3, 3 | DRIVER_OK},          3,       true},
    {"clears a bit",       {1, 3, 1},                      3,       true},
    {"clears two",         {1, 3, READY, FEATURES_OK},     READY,   true},
    {"replaces a bit",     {1, 3, 1 | FEATURES_OK},        3,       true},
    {"failed",             {1, 3, 3 | FAILED},             3 | FAILED, false},
    {"failed at once",     {FAILED},                       FAILED,  false},
    {"needs reset",        {1, 1 | NEEDS_RESET},           1,       false},
    {"unknown bit",        {1, 0x11},                      1,       true},
    {"more than a byte",   {1, 0x101},                     1,       true},
    // clang-format on
};

START_TEST(status_takes_legal_steps_only)
{
    toy.device.driver_features = VERSION_1;
    for (unsigned i = 0; i < 5 && walks[_i].writes[i] != 0; i++)
        write_status(walks[_i].writes[i]);
    ck_assert_msg(status() == walks[_i].expected, "%s: 0x%x", walks[_i].name, status());
    ck_assert_msg((warnings() > 0) == walks[_i].warns, "%s", walks[_i].name);
    ck_assert_int_eq(toy.device.start_asked, (walks[_i].expected & DRIVER_OK) != 0);
    write_status(0);
    ck_assert_uint_eq(status(), 0);
    ck_assert(!toy.device.start_asked);
}
END_TEST

static const struct {
    uint64_t features;
    bool accepted;
} negotiations[] = {
    // clang-format off
    {VERSION_1,                                                   true},
    {VERSION_1 | EVENT_IDX | INDIRECT,                            true},
    {VERSION_1 | FEATURE(0) | FEATURE(3) | EVENT_IDX | INDIRECT,  true},
    {0,                                                           false},
    {EVENT_IDX | INDIRECT | FEATURE(0),                           false},
    {VERSION_1 | FEATURE(1),                                      false},
    {VERSION_1 | FEATURE(VIRTIO_F_RING_PACKED),                   false},
    {VERSION_1 | FEATURE(63),                                     false},
    {UINT64_MAX,                                                  false},
    // clang-format on
};

START_TEST(features_are_negotiated)
{
    write_status(ACKNOWLEDGE | DRIVER);
    toy.device.driver_features = negotiations[_i].features;
    write_status(READY);
    ck_assert_int_eq((status() & FEATURES_OK) != 0, negotiations[_i].accepted);
    ck_assert_int_eq(warnings() == 0, negotiations[_i].accepted);
    write_status(status() | DRIVER_OK);
    ck_assert_int_eq((status() & DRIVER_OK) != 0, negotiations[_i].accepted);
}
END_TEST

START_TEST(a_refused_driver_may_try_again)
{
    write_status(ACKNOWLEDGE | DRIVER);
    write_status(READY);
    ck_assert_uint_eq(status(), ACKNOWLEDGE | DRIVER);
    toy.device.driver_features = VERSION_1;
    write_status(READY);
    ck_assert_uint_eq(status(), READY);
}
END_TEST

START_TEST(core_features_are_offered)
{
    ck_assert_uint_eq(toy.device.features,
                      FEATURE(0) | FEATURE(3) | VERSION_1 | EVENT_IDX | INDIRECT);
}
END_TEST

START_TEST(a_reset_clears_the_registers)
{
    drive();
    atomic_store(&toy.device.interrupt_status, 3);
    write_status(0);
    ck_assert_uint_eq(status(), 0);
    ck_assert_uint_eq(toy.device.driver_features, 0);
    ck_assert_uint_eq(atomic_load(&toy.device.interrupt_status), 0);
    ck_assert(!is_ready(0));
    ck_assert_uint_eq(toy.device.queue_registers[0].size, 0);
}
END_TEST

START_TEST(a_queue_that_never_ran_stops_at_once)
{
    initialise();
    ck_assert(is_ready(1));
    virtio_device_write_queue_ready(&toy.device, 1, false);
    ck_assert(!is_ready(1));
    virtio_device_write_queue_ready(&toy.device, 1, false);
    ck_assert(!is_ready(1));
    ck_assert_uint_eq(warnings(), 0);
}
END_TEST

START_TEST(a_change_of_the_configuration_is_announced)
{
    uint32_t before = toy.device.config_generation;
    virtio_device_change_config(&toy.device, 6, "xy", 2);
    ck_assert_uint_ne(toy.device.config_generation, before);
    ck_assert_mem_eq(config, "\0\0\0\0\0\0xy", 8);
    /* virtio 1.2, 2.1.2: no notification before DRIVER_OK. */
    ck_assert_uint_eq(atomic_load(&toy.device.interrupt_status), 0);
    drive();
    virtio_device_change_config(&toy.device, 0, "z", 1);
    wait_for_interrupt(VIRTIO_MMIO_INT_CONFIG);
    ck_assert_uint_eq(toy.device.config_generation, before + 2);
}
END_TEST

/* --- the thread --- */

START_TEST(a_zeroed_device_can_be_finished)
{
    static struct virtio_device nothing;
    virtio_device_stop(&nothing);
    virtio_device_finish(&nothing);
}
END_TEST

START_TEST(stop_works_at_any_time)
{
    virtio_device_stop(&toy.device);
    for (unsigned i = 1; i <= 3; i++) {
        run();
        virtio_device_stop(&toy.device);
        ck_assert_uint_eq(atomic_load(&toy.ends), i);
        virtio_device_stop(&toy.device);
    }
    ck_assert_uint_eq(atomic_load(&toy.ends), 3);
    /* Nobody is there to do it: the vCPU is not kept waiting. */
    drive();
    toy.device.started = true;
    write_status(0);
    ck_assert_uint_eq(status(), RUNNING);
}
END_TEST

START_TEST(a_thread_that_cannot_start_is_reported)
{
    toy.start_fails = true;
    ck_assert(
        !virtio_device_run(&toy.device, toy_thread_started, toy_thread_ends, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_RENDERER);
    ck_assert_str_eq(error.text, "no renderer");
    virtio_device_stop(&toy.device);
    ck_assert_uint_eq(atomic_load(&toy.ends), 0);
    ck_assert(virtio_device_run(&toy.device, NULL, NULL, &error));
}
END_TEST

START_TEST(chains_are_echoed)
{
    run();
    drive();
    for (unsigned i = 0; i < 1000; i++) {
        char text[32];
        snprintf(text, sizeof text, "number %u", i);
        check_echo(text);
    }
    ck_assert_uint_eq(atomic_load(&toy.features), VERSION_1 | EVENT_IDX | INDIRECT);
    ck_assert_uint_eq(atomic_load(&toy.starts), 1);
    ck_assert_uint_eq(warnings(), 0);
}
END_TEST

/* More chains than one turn serves, for one notification and one interrupt. */
START_TEST(a_batch_is_served_in_turns)
{
    run();
    drive();
    virtqueue_mock_set_used_event(&mocks[0], SIZE / 2 - 1);
    for (unsigned i = 0; i < SIZE / 2; i++)
        add_chain(0, "batch");
    publish(0);
    wait_for_interrupt(VIRTIO_MMIO_INT_VRING);
    ck_assert_uint_eq(virtqueue_mock_used_index(&mocks[0]), SIZE / 2);
}
END_TEST

/* A driver may fill its rings before DRIVER_OK, and a notification that comes too early is
 * not an excuse to touch them (virtio 1.2, 2.1.2). */
START_TEST(chains_of_an_early_driver_wait_for_driver_ok)
{
    run();
    initialise();
    add_chain(0, "early");
    publish(0);
    kick(0);
    eventually(poll(&(struct pollfd){toy.device.kick_fds[0], POLLIN, 0}, 1, 0) == 0);
    ck_assert_uint_eq(atomic_load(&toy.kicks), 0);
    ck_assert_uint_eq(virtqueue_mock_used_index(&mocks[0]), 0);
    write_status(RUNNING);
    wait_for_interrupt(VIRTIO_MMIO_INT_VRING);
    ck_assert_uint_eq(virtqueue_mock_used_index(&mocks[0]), 1);
}
END_TEST

START_TEST(a_reset_waits_for_the_command_in_progress)
{
    run();
    drive();
    atomic_store(&toy.slow, true);
    add_chain(0, "slow");
    publish(0);
    sem_wait(&toy.in_command);

    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    write_status(0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    /* The vCPU was let go, and the driver sees that it is not over. */
    ck_assert_int_lt(after.tv_sec - before.tv_sec, 5);
    ck_assert_uint_eq(status(), RUNNING);
    ck_assert(is_ready(0));
    write_status(RUNNING | FAILED);
    ck_assert_uint_eq(status(), RUNNING);
    ck_assert_uint_eq(warnings(), 1);
    ck_assert_uint_eq(atomic_load(&toy.resets), 0);

    atomic_store(&toy.slow, false);
    sem_post(&toy.gate);
    eventually(status() == 0);
    ck_assert_uint_eq(atomic_load(&toy.resets), 1);
    ck_assert(!is_ready(0));
    ck_assert_uint_eq(atomic_load(&toy.device.interrupt_status), 0);

    drive();
    eventfd_t count;
    eventfd_read(toy.device.interrupt_fd, &count); /* of the slow command */
    check_echo("after the reset");
    ck_assert_uint_eq(atomic_load(&toy.starts), 2);
}
END_TEST

/* Linux does not wait on virtio-mmio (see virtio_device.h). */
START_TEST(a_reset_of_an_idle_device_is_over_when_the_write_returns)
{
    run();
    for (unsigned i = 1; i <= 20; i++) {
        drive();
        check_echo("again");
        virtio_device_write_queue_ready(&toy.device, 0, false);
        ck_assert(!is_ready(0));
        write_status(0);
        ck_assert_uint_eq(status(), 0);
        ck_assert_uint_eq(atomic_load(&toy.resets), i);
    }
}
END_TEST

static void *kick_for_ever(void *stop)
{
    while (!atomic_load((atomic_bool *)stop))
        eventfd_write(toy.device.kick_fds[0], 1);
    return NULL;
}

START_TEST(endless_work_does_not_starve_the_others)
{
    atomic_bool stop = false;
    pthread_t kicker;
    run();
    drive();
    atomic_store(&toy.endless, true);
    ck_assert_int_eq(pthread_create(&kicker, NULL, kick_for_ever, &stop), 0);
    eventually(atomic_load(&toy.kicks) > 100);

    eventfd_write(toy.return_fd, 1);
    eventually(atomic_load(&toy.returns) == 1);
    virtio_device_write_queue_ready(&toy.device, 1, false);
    eventually(!is_ready(1));
    virtio_device_write_queue_ready(&toy.device, 0, false);
    eventually(!is_ready(0));
    make_queue_ready(0);
    unsigned kicks = atomic_load(&toy.kicks);
    eventually(atomic_load(&toy.kicks) > kicks + 100);
    write_status(0);
    eventually(status() == 0);
    kicks = atomic_load(&toy.kicks);
    drive();
    eventually(atomic_load(&toy.kicks) > kicks + 100);
    virtio_device_stop(&toy.device);

    atomic_store(&stop, true);
    pthread_join(kicker, NULL);
}
END_TEST

START_TEST(a_queue_is_stopped_and_started_again)
{
    run();
    drive();
    check_echo("before");
    virtio_device_write_queue_ready(&toy.device, 0, false);
    eventually(!is_ready(0));
    ck_assert_uint_eq(atomic_load(&toy.stops), 1);

    unsigned kicks = atomic_load(&toy.kicks);
    add_chain(0, "nobody listens");
    virtqueue_mock_publish(&mocks[0]);
    kick(0);
    eventually(poll(&(struct pollfd){toy.device.kick_fds[0], POLLIN, 0}, 1, 0) == 0);
    eventfd_write(toy.return_fd, 1); /* one more round of the thread */
    eventually(atomic_load(&toy.returns) == 1);
    ck_assert_uint_eq(atomic_load(&toy.kicks), kicks);
    ck_assert_uint_eq(virtqueue_mock_used_index(&mocks[0]), 1);

    make_queue_ready(0);
    check_echo("after");
    ck_assert_uint_eq(status(), RUNNING);
    ck_assert_uint_eq(atomic_load(&toy.resets), 0);
}
END_TEST

START_TEST(a_queue_cannot_be_made_ready_while_it_stops)
{
    run();
    drive();
    atomic_store(&toy.slow, true);
    add_chain(0, "slow");
    publish(0);
    sem_wait(&toy.in_command);
    virtio_device_write_queue_ready(&toy.device, 0, false);
    ck_assert(is_ready(0));
    virtio_device_write_queue_ready(&toy.device, 0, true);
    ck_assert_uint_eq(warnings(), 1);
    atomic_store(&toy.slow, false);
    sem_post(&toy.gate);
    eventually(!is_ready(0));
}
END_TEST

/* _i: the queue is stopped, or the device is reset, before the chain is returned. */
START_TEST(a_chain_returned_late_goes_nowhere)
{
    run();
    drive();
    add_chain(1, "keep");
    publish(1);
    eventually(atomic_load(&toy.keeps));
    if (_i == 0) {
        virtio_device_write_queue_ready(&toy.device, 1, false);
        eventually(!is_ready(1));
    } else {
        write_status(0);
        eventually(status() == 0);
    }
    eventfd_write(toy.return_fd, 1);
    eventually(atomic_load(&toy.returns) == 1);
    ck_assert_uint_eq(virtqueue_mock_used_index(&mocks[1]), 0);

    if (_i == 0)
        make_queue_ready(1);
    else
        drive();
    eventfd_write(toy.return_fd, 1);
    eventually(atomic_load(&toy.returns) == 2);
    ck_assert_uint_eq(virtqueue_mock_used_index(&mocks[1]), 0);
    ck_assert_uint_eq(atomic_load(&toy.device.interrupt_status), 0);
}
END_TEST

START_TEST(a_broken_ring_needs_a_reset)
{
    run();
    drive();
    virtqueue_mock_add_head(&mocks[1], SIZE);
    publish(1);
    wait_for_interrupt(VIRTIO_MMIO_INT_CONFIG);
    ck_assert_uint_eq(status(), RUNNING | NEEDS_RESET);
    ck_assert_uint_eq(warnings(), 1);
    /* The driver writes back an older copy; the bit stays. */
    write_status(RUNNING | FAILED);
    ck_assert_uint_eq(status(), RUNNING | FAILED | NEEDS_RESET);
    check_echo("the other queue lives");

    for (unsigned i = 0; i < 10; i++)
        kick(1);
    check_echo("and nothing more is said");
    ck_assert_uint_eq(warnings(), 1);
    drive();
    check_echo("cured");
    ck_assert_uint_eq(status(), RUNNING);
}
END_TEST

START_TEST(a_ring_at_a_bad_address_needs_a_reset)
{
    run();
    initialise();
    toy.device.queue_registers[1].driver = RAM_SIZE;
    write_status(RUNNING);
    wait_for_interrupt(VIRTIO_MMIO_INT_CONFIG);
    eventually(!is_ready(1));
    ck_assert_uint_eq(status(), RUNNING | NEEDS_RESET);
    eventually(atomic_load(&toy.starts) == 1);
    check_echo("the other queue lives");
    ck_assert_uint_eq(warnings(), 1);
    drive();
    ck_assert_uint_eq(status(), RUNNING);
}
END_TEST

START_TEST(a_watched_fd_that_hangs_up_is_dropped)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    virtio_device_watch(&toy.device, ends[0], toy_return);
    close(ends[1]);
    run();
    eventually(warnings() == 1);
    drive();
    check_echo("the queues live");
    ck_assert_uint_eq(warnings(), 1);
    virtio_device_stop(&toy.device);
    close(ends[0]);
}
END_TEST

/* Everything at once; run it under a thread sanitizer. */
START_TEST(resets_and_notifications_race)
{
    atomic_bool stop = false;
    pthread_t kicker;
    run();
    drive();
    ck_assert_int_eq(pthread_create(&kicker, NULL, kick_for_ever, &stop), 0);
    for (unsigned i = 0; i < 200; i++) {
        add_chain(0, "race");
        virtqueue_mock_publish(&mocks[0]);
        if (i % 3 == 0)
            virtio_device_write_queue_ready(&toy.device, 0, false);
        if (i % 5 == 0)
            virtio_device_change_config(&toy.device, 0, "abc", 3);
        drive();
    }
    atomic_store(&stop, true);
    pthread_join(kicker, NULL);
    eventfd_t count;
    virtio_device_stop(&toy.device);
    eventfd_read(toy.device.interrupt_fd, &count);
    atomic_store(&toy.device.interrupt_status, 0);
    run();
    check_echo("still alive");
    ck_assert_uint_eq(warnings(), 0);
}
END_TEST

Suite *virtio_device_suite(void)
{
    Suite *suite = suite_create("virtio_device");
    TCase *registers = tcase_create("registers");
    tcase_add_checked_fixture(registers, setup, teardown);
    tcase_add_loop_test(registers, status_takes_legal_steps_only, 0, ARRAY_SIZE(walks));
    tcase_add_loop_test(registers, features_are_negotiated, 0, ARRAY_SIZE(negotiations));
    tcase_add_test(registers, a_refused_driver_may_try_again);
    tcase_add_test(registers, core_features_are_offered);
    tcase_add_test(registers, a_reset_clears_the_registers);
    tcase_add_test(registers, a_queue_that_never_ran_stops_at_once);
    tcase_add_test(registers, a_change_of_the_configuration_is_announced);
    suite_add_tcase(suite, registers);

    TCase *thread = tcase_create("thread");
    tcase_add_checked_fixture(thread, setup, teardown);
    tcase_set_timeout(thread, 60);
    tcase_add_test(thread, a_zeroed_device_can_be_finished);
    tcase_add_test(thread, stop_works_at_any_time);
    tcase_add_test(thread, a_thread_that_cannot_start_is_reported);
    tcase_add_test(thread, chains_are_echoed);
    tcase_add_test(thread, a_batch_is_served_in_turns);
    tcase_add_test(thread, chains_of_an_early_driver_wait_for_driver_ok);
    tcase_add_test(thread, a_reset_waits_for_the_command_in_progress);
    tcase_add_test(thread, a_reset_of_an_idle_device_is_over_when_the_write_returns);
    tcase_add_test(thread, endless_work_does_not_starve_the_others);
    tcase_add_test(thread, a_queue_is_stopped_and_started_again);
    tcase_add_test(thread, a_queue_cannot_be_made_ready_while_it_stops);
    tcase_add_loop_test(thread, a_chain_returned_late_goes_nowhere, 0, 2);
    tcase_add_test(thread, a_broken_ring_needs_a_reset);
    tcase_add_test(thread, a_ring_at_a_bad_address_needs_a_reset);
    tcase_add_test(thread, a_watched_fd_that_hangs_up_is_dropped);
    tcase_add_test(thread, resets_and_notifications_race);
    suite_add_tcase(suite, thread);
    return suite;
}
