/* SPDX-License-Identifier: MIT */
/*
 * The real VFIO and QEMU's edu are given from one process to another, by the program's own modules: a
 * transfer that began in the first one ends in the right memory, and its interrupt, and one that
 * comes in between, are in the second one's eventfds. KVM is not real here: what would go to it
 * is looked at. In the lab, on both architectures.
 */
#include <check.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/skip.h"
#include "tests/unit/suites.h"
#include "tests/unit/vfio_machine.h"
#include "vmm/vm_state.h"

#define ADDRESS  "0000:00:10.0"
#define BOUND    "/sys/bus/pci/drivers/vfio-pci/" ADDRESS
#define RAM_SIZE (4 * MIB)
#define RAM_BASE MIB /* its guest physical address */
#define SOURCE   0x1000u
#define TARGET   0x203000u
#define BYTES    0x800u
#define SOON     200   /* milliseconds */
#define LATE     30000 /* a transfer takes 100 */

/* As guest/edu.h has them. */
#define EDU_IRQ_STATUS (VFIO_MACHINE_LOW + 0x24u)
#define EDU_IRQ_RAISE  (VFIO_MACHINE_LOW + 0x60u)
#define EDU_IRQ_ACK    (VFIO_MACHINE_LOW + 0x64u)
#define EDU_DMA_SOURCE (VFIO_MACHINE_LOW + 0x80u)
#define EDU_DMA_TARGET (VFIO_MACHINE_LOW + 0x88u)
#define EDU_DMA_COUNT  (VFIO_MACHINE_LOW + 0x90u)
#define EDU_DMA_START  (VFIO_MACHINE_LOW + 0x98u)
#define EDU_IRQ_DMA    0x100u
#define EDU_BUFFER     0x40000u
#define DMA_RUN        1u
#define DMA_TO_RAM     2u
#define DMA_INTERRUPT  4u

static struct vfio_machine *const m = &vfio_machine;
static int ram_fd;
static int sockets[2];

/* --- the device --- */

static void start_dma(bool to_ram)
{
    uint64_t ram = RAM_BASE + (to_ram ? TARGET : SOURCE);
    guest_put(EDU_DMA_SOURCE, 8, to_ram ? EDU_BUFFER : ram);
    guest_put(EDU_DMA_TARGET, 8, to_ram ? ram : EDU_BUFFER);
    guest_put(EDU_DMA_COUNT, 8, BYTES);
    guest_put(EDU_DMA_START, 8, DMA_RUN | DMA_INTERRUPT | (to_ram ? DMA_TO_RAM : 0));
}

static bool comes(int fd, int milliseconds)
{
    struct pollfd event = {.fd = fd, .events = POLLIN};
    return poll(&event, 1, milliseconds) == 1;
}

/* As KVM does. */
static void take(int fd)
{
    eventfd_t count;
    ck_assert_int_eq(eventfd_read(fd, &count), 0);
}

static int message_fd(void)
{
    return m->pci.interrupts.vectors[0].event_fd;
}

/* The interrupt of a transfer; then the device raises no more. */
static void wait_for_dma(int fd)
{
    ck_assert_msg(comes(fd, LATE), "no interrupt");
    take(fd);
    ck_assert_uint_eq(guest_get(EDU_IRQ_STATUS, 4) & EDU_IRQ_DMA, EDU_IRQ_DMA);
    guest_put(EDU_IRQ_ACK, 4, EDU_IRQ_DMA);
    ck_assert_uint_eq(guest_get(EDU_DMA_START, 4) & DMA_RUN, 0);
}

static uint8_t *ram(unsigned offset)
{
    uint8_t *host = m->memory.regions[0].host;
    return host + offset;
}

static void fill(unsigned seed)
{
    for (unsigned i = 0; i < BYTES; i++)
        ram(SOURCE)[i] = (uint8_t)(seed + 7 * i);
    memset(ram(TARGET), 0, BYTES);
}

/* In the device, and not yet on the way back. */
static void put_into_device(unsigned seed, int fd)
{
    fill(seed);
    start_dma(false);
    wait_for_dma(fd);
    memset(ram(SOURCE), 0, BYTES);
}

static void check_target(unsigned seed)
{
    for (unsigned i = 0; i < BYTES; i++)
        ck_assert_msg(ram(TARGET)[i] == (uint8_t)(seed + 7 * i),
                      "byte %u of what the device wrote is 0x%02x", i, ram(TARGET)[i]);
}

/* --- two programs --- */

static void map_ram(void)
{
    void *host = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ram_fd, 0);
    ck_assert_ptr_ne(host, MAP_FAILED);
    m->memory.regions[0] =
        (struct guest_region){.range = {gpa(RAM_BASE), RAM_SIZE}, .host = host};
}

static void set_up(void)
{
    vfio_machine_set_up();
    m->fake.calls = vfio_system_calls;
    m->address = ADDRESS;
    m->traps_all = true;
    ram_fd = memfd_create("ram", MFD_CLOEXEC);
    ck_assert_int_ge(ram_fd, 0);
    ck_assert_int_eq(ftruncate(ram_fd, (off_t)RAM_SIZE), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
}

static void tear_down(void)
{
    vfio_machine_tear_down();
    close(sockets[0]);
    close(sockets[1]);
    close(ram_fd);
}

static bool is_there(const char *test)
{
    if (access(BOUND, F_OK) == 0)
        return true;
    test_skip(test, "no device " ADDRESS " that is bound to vfio-pci");
    return false;
}

static void start(void)
{
    map_ram();
    vfio_machine_start_well();
    guest_set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    guest_put(EDU_IRQ_ACK, 4, UINT32_MAX); /* it has no reset */
}

static void pause_device(void)
{
    ck_assert_msg(vfio_pci_pause(&m->pci, &m->error), "%s", m->error.text);
    ck_assert_msg(vfio_container_release(&m->container, &m->error), "%s", m->error.text);
}

/* The state and its descriptors, the first of which is the state itself. */
static void send_all(int socket)
{
    enum { MOST = 64 };
    struct state_writer writer;
    int fds[MOST];
    union {
        char bytes[CMSG_SPACE(sizeof fds)];
        struct cmsghdr header;
    } control = {0};
    char byte = 0;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control};
    state_writer_init(&writer);
    vfio_container_save(&m->container, &writer);
    vfio_pci_save(&m->pci, &writer, 0);
    irq_routes_save(&m->routes, &writer);
    pci_host_save(&m->host, &writer);
    ck_assert(state_complete(&writer, &m->error));
    ck_assert_uint_lt(writer.fd_count, MOST);
    ck_assert(state_make_file(&writer, &fds[0], &m->error));
    memcpy(fds + 1, writer.fds, writer.fd_count * sizeof fds[0]);
    size_t size = (writer.fd_count + 1) * sizeof fds[0];
    control.header = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    message.msg_controllen = CMSG_SPACE(size);
    memcpy(CMSG_DATA(&control.header), fds, size);
    ck_assert_int_eq(sendmsg(socket, &message, 0), 1);
    close(fds[0]);
    state_writer_finish(&writer);
}

static void receive(int socket, struct state_reader *reader)
{
    int fds[64];
    union {
        char bytes[CMSG_SPACE(sizeof fds)];
        struct cmsghdr header;
    } control;
    char byte;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ck_assert_int_eq(recvmsg(socket, &message, MSG_CMSG_CLOEXEC), 1);
    ck_assert_uint_ge(message.msg_controllen, sizeof(struct cmsghdr));
    size_t size = control.header.cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(&control.header), size);
    ck_assert_msg(state_reader_init_file(reader, fds[0], &m->error), "%s", m->error.text);
    close(fds[0]);
    ck_assert(state_reader_add_fds(reader, fds + 1, (unsigned)(size / sizeof fds[0]) - 1,
                                   &m->error));
}

/* A process with another VM, in which nothing is yet. Its end in good order tells the device nothing. */
static pid_t begin(void (*program)(int socket))
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        program(sockets[1]);
        vfio_pci_finish(&m->pci);
        vfio_container_finish(&m->container);
        _exit(0);
    }
    close(sockets[1]);
    sockets[1] = -1;
    return child;
}

static void wait_for(pid_t child)
{
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

/* What the first program has is this one's, at another address. */
static void take_over(struct state_reader *reader)
{
    void *other = mmap(NULL, RAM_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(other, MAP_FAILED); /* where the first one had it, perhaps */
    receive(sockets[0], reader);
    map_ram();
    m->reader = reader;
    vfio_machine_start_well();
    ck_assert_msg(state_reader_check(reader, &m->error), "%s", m->error.text);
    munmap(other, RAM_SIZE);
}

static void resume(void)
{
    ck_assert_msg(vfio_pci_resume(&m->pci, &m->error), "%s", m->error.text);
}

/* --- messages --- */

static void first_with_a_message(int socket)
{
    start();
    guest_enable_msi(0);
    put_into_device(1, message_fd());
    start_dma(true); /* takes 100 ms of the device's time */
    pause_device();
    send_all(socket);
}

START_TEST(a_transfer_goes_on)
{
    struct state_reader reader;
    if (!is_there("vfio_update: a_transfer_goes_on"))
        return;
    pid_t first = begin(first_with_a_message);
    take_over(&reader);
    resume();
    wait_for(first);
    wait_for_dma(message_fd());
    check_target(1);
    put_into_device(2, message_fd()); /* and the next ones */
    start_dma(true);
    wait_for_dma(message_fd());
    check_target(2);
    state_reader_finish(&reader);
}
END_TEST

static void first_that_raises_in_between(int socket)
{
    start();
    guest_enable_msi(0);
    pause_device();
    guest_put(EDU_IRQ_RAISE, 4, EDU_IRQ_DMA);
    ck_assert(comes(message_fd(), LATE));
    send_all(socket);
}

START_TEST(a_message_in_between_waits)
{
    struct state_reader reader;
    if (!is_there("vfio_update: a_message_in_between_waits"))
        return;
    wait_for(begin(first_that_raises_in_between));
    take_over(&reader);
    ck_assert(comes(message_fd(), 0));
    resume();
    wait_for_dma(message_fd());
    ck_assert(!comes(message_fd(), SOON));
    state_reader_finish(&reader);
}
END_TEST

/* --- the pin --- */

/* KVM has taken it: it is in no eventfd, and VFIO has masked it. */
static void first_with_the_pin_up(int socket)
{
    start();
    guest_put(EDU_IRQ_RAISE, 4, EDU_IRQ_DMA);
    ck_assert(comes(m->pci.interrupts.pin.event_fd, LATE));
    take(m->pci.interrupts.pin.event_fd);
    pause_device();
    send_all(socket);
}

START_TEST(a_pin_that_is_up_comes_again)
{
    struct state_reader reader;
    if (!is_there("vfio_update: a_pin_that_is_up_comes_again"))
        return;
    wait_for(begin(first_with_the_pin_up));
    take_over(&reader);
    const struct vfio_vector *pin = &m->pci.interrupts.pin;
    ck_assert(!comes(pin->event_fd, SOON));
    resume();
    wait_for_dma(pin->event_fd);
    ck_assert_int_eq(eventfd_write(pin->unmask_fd, 1),
                     0); /* the guest's end of interrupt */
    ck_assert(!comes(pin->event_fd, SOON));
    guest_put(EDU_IRQ_RAISE, 4, EDU_IRQ_DMA);
    wait_for_dma(pin->event_fd);
    state_reader_finish(&reader);
}
END_TEST

/* --- nobody takes over --- */

static void second_that_dies(int socket)
{
    struct state_reader reader;
    receive(socket, &reader);
    map_ram();
    ck_assert_msg(vfio_container_load(&m->container, &vfio_system_calls, &m->memory,
                                      &reader, &m->error),
                  "%s", m->error.text);
}

/* Without CAP_IPC_LOCK, that is. */
static void second_that_may_not_lock(int socket)
{
    struct state_reader reader;
    const struct rlimit little = {.rlim_cur = MIB, .rlim_max = MIB};
    receive(socket, &reader);
    map_ram();
    ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &little), 0);
    ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
    ck_assert(!vfio_container_load(&m->container, &vfio_system_calls, &m->memory, &reader,
                                   &m->error));
    ck_assert_ptr_nonnull(strstr(m->error.text, "RLIMIT_MEMLOCK is 1 MiB"));
}

static void (*const seconds[])(int socket) = {second_that_dies, second_that_may_not_lock};

START_TEST(it_is_taken_back)
{
    if (!is_there("vfio_update: it_is_taken_back"))
        return;
    pid_t second = begin(seconds[_i]);
    start();
    guest_enable_msi(0);
    put_into_device(3, message_fd());
    start_dma(true);
    pause_device();
    send_all(sockets[0]);
    wait_for(second);
    ck_assert_msg(vfio_container_take_back(&m->container, &m->error), "%s",
                  m->error.text);
    resume();
    ck_assert(comes(message_fd(), 0)); /* the other one may have taken one */
    while (guest_get(EDU_IRQ_STATUS, 4) == 0)
        usleep(1000);
    usleep(1000 * SOON); /* the device's own interrupt is in the same eventfd now */
    wait_for_dma(message_fd());
    check_target(3);
    put_into_device(4, message_fd());
    start_dma(true);
    wait_for_dma(message_fd());
    check_target(4);
    pause_device(); /* and once more, with nobody at all */
    ck_assert(vfio_container_take_back(&m->container, &m->error));
    resume();
}
END_TEST

Suite *vfio_update_suite(void)
{
    Suite *suite = suite_create("vfio_update");
    TCase *test_case = tcase_create("vfio_update");
    tcase_set_timeout(test_case, 120);
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, a_transfer_goes_on);
    tcase_add_test(test_case, a_message_in_between_waits);
    tcase_add_test(test_case, a_pin_that_is_up_comes_again);
    tcase_add_loop_test(test_case, it_is_taken_back, 0, (int)ARRAY_SIZE(seconds));
    suite_add_tcase(suite, test_case);
    return suite;
}
