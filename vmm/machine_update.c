/* SPDX-License-Identifier: MIT */
#include "vmm/machine_update.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "devices/gpu/gpu_state.h"
#include "vmm/machine_parts.h"
#include "vmm/thread.h"
#include "vmm/update_wire.h"

#define READY_LIMIT  30000 /* ms; the guest runs meanwhile */
#define STATE_LIMIT  40000 /* the same, and the old one's pause */
#define PAUSE_LIMIT  1000  /* for vCPUs, and for each device */
#define LOAD_LIMIT   5000  /* the guest stands still */
#define RUN_LIMIT    5000
#define SEND_LIMIT   1000
#define FAILURES_MAX 10    /* in a row: of receiving a request */
#define ALONE_LIMIT  15000 /* for the supervisor to see that the old one is dead */

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* The time since *since, which becomes now. */
static uint64_t lap(uint64_t *since)
{
    uint64_t before = *since;
    *since = now();
    return *since - before;
}

/* --- HELLO --- */

static bool send_hello(struct machine *machine, int socket, struct error *error)
{
    struct state_writer writer;
    state_writer_init(&writer);
    state_begin(&writer, "BASE", 0, 1);
    state_put_fd(&writer, machine->vm.memory.fd);
    state_put32(&writer, machine->image.is_linux);
    state_end(&writer);
    terminal_save_modes(&machine->terminal, &writer);
    bool good = state_complete(&writer, error) &&
                update_send_state(socket, UPDATE_HELLO, &writer, SEND_LIMIT, error);
    state_writer_finish(&writer);
    return good;
}

static bool load_base(struct machine *machine, struct error *error)
{
    struct machine_update *update = &machine->update;
    struct state_section *section;
    if (!state_open(&update->hello, "BASE", 0, 1, &section, error) ||
        !state_get_fd(&update->hello, section, &update->memory_fd, error))
        return false;
    machine->image.is_linux = state_get32(section) != 0;
    if (update->memory_fd < 0)
        return state_refuse(section, error, "it has no RAM");
    return state_close(section, error);
}

bool machine_update_init(struct machine *machine, struct error *error)
{
    struct machine_update *update = &machine->update;
    *update = (struct machine_update){
        .control = machine->options->update_control,
        .takeover = machine->options->update_takeover,
        .memory_fd = -1,
        .start_fd = -1,
        .quit_fd = -1,
    };
    return update->takeover < 0 ||
           (update_receive_state(update->takeover, UPDATE_HELLO, &update->hello,
                                 READY_LIMIT, error) &&
            load_base(machine, error));
}

void machine_update_failed(struct machine *machine, const struct error *error)
{
    if (machine->update.takeover >= 0)
        update_send_failed(machine->update.takeover, error->text);
}

/* --- the old one --- */

/* Everything stands still, or nothing has changed. */
static bool stop(struct machine *machine, struct error *error)
{
    if (!vm_pause(&machine->vm, PAUSE_LIMIT, error))
        return false;
    if (machine_pause(machine, PAUSE_LIMIT, error))
        return true;
    vm_resume(&machine->vm);
    return false;
}

/* Nobody took over. What cannot be made good ends the run. */
static void go_on(struct machine *machine)
{
    struct error error;
    if (!machine_resume(machine, &error))
        vm_end_with(&machine->vm, VM_END_HOST, 0, &error);
    vm_resume(&machine->vm);
}

static void save_time_limit(const struct vm *vm, struct state_writer *writer)
{
    state_begin(writer, "LIMT", 0, 1);
    state_put32(writer, vm->time_limit);
    state_put64(writer, vm->deadline);
    state_end(writer);
}

static bool save(struct machine *machine, struct state_writer *writer,
                 struct error *error)
{
    save_time_limit(&machine->vm, writer);
    return vm_state_save(&machine->vm, writer, error) &&
           machine_save(machine, writer, error) && state_complete(writer, error);
}

/* GO has been sent. When nothing comes the socket is closed for what the new one sends; what it has
 * sent before is still there: so both sides know who runs. */
static bool has_taken_over(int socket, struct error *error)
{
    struct error late;
    if (update_expect_word(socket, UPDATE_RUNNING, RUN_LIMIT, error))
        return true;
    shutdown(socket, SHUT_RDWR);
    return update_expect_word(socket, UPDATE_RUNNING, 0, &late);
}

/* The supervisor ends the new one, and says when it is dead: only then its KVM takes no interrupts of
 * devices that both have. */
static void end_new(int control, int socket, const struct error *why)
{
    struct error ignored;
    update_send_failed(socket, why->text);
    update_send_failed(control, why->text);
    (void)update_expect_word(control, UPDATE_ENDED, RUN_LIMIT, &ignored);
}

static bool transfer(struct machine *machine, int socket, struct update_times *times,
                     struct error *error)
{
    struct state_writer writer;
    uint64_t since = now();
    if (!stop(machine, error)) {
        end_new(machine->update.control, socket, error);
        return false;
    }
    times->stop = lap(&since);
    state_writer_init(&writer);
    bool good = save(machine, &writer, error);
    times->save = lap(&since);
    good =
        good && ((update_send_state(socket, UPDATE_STATE, &writer, SEND_LIMIT, error) &&
                  update_expect_word(socket, UPDATE_LOADED, LOAD_LIMIT, error)) ||
                 error_wrap(error, "the new s2vmm, with the state"));
    times->load = lap(&since);
    good = good && update_send(socket, UPDATE_GO, SEND_LIMIT, error) &&
           has_taken_over(socket, error);
    times->start = lap(&since);
    state_writer_finish(&writer);
    if (options_has_gpu(machine->options))
        gpu_save_finish(&machine->gpu);
    if (!good) {
        end_new(machine->update.control, socket, error);
        go_on(machine);
    }
    return good;
}

/* The guest runs meanwhile. */
static bool prepare_new(struct machine *machine, int socket, struct error *error)
{
    bool sent = send_hello(machine, socket, error);
    if (!sent)
        update_last_words(socket, error);
    return (sent && update_expect_word(socket, UPDATE_READY, READY_LIMIT, error)) ||
           error_wrap(error, "the new s2vmm, before it was ready");
}

static void hand_over(struct machine *machine, int socket)
{
    struct update_times times = {0};
    struct error error;
    if (!prepare_new(machine, socket, &error)) {
        end_new(machine->update.control, socket, &error);
    } else if (transfer(machine, socket, &times, &error)) {
        (void)update_send_times(machine->update.control, &times, SEND_LIMIT, &error);
        vm_leave(&machine->vm);
    }
}

/* Until the guest is ours the socket to the supervisor is the main thread's. */
static void *serve(void *context)
{
    struct machine *machine = context;
    struct machine_update *update = &machine->update;
    struct pollfd fds[] = {
        {.fd = update->start_fd, .events = POLLIN},
        {.fd = update->quit_fd, .events = POLLIN},
    };
    struct update_message message = {0};
    struct error error;
    unsigned failures = 0;
    while (fds[1].revents == 0) {
        if (poll(fds, ARRAY_SIZE(fds), -1) < 0 || fds[0].revents == 0)
            continue; /* EINTR, or no memory */
        if (fds[0].fd == update->start_fd) {
            fds[0].fd = update->control;
            continue;
        }
        bool received = update_receive(update->control, &message, 0, &error);
        failures = received ? 0 : failures + 1;
        if (failures == FAILURES_MAX)
            fds[0].fd = -1; /* the supervisor is gone: SIGTERM is on its way */
        else if (received && message.kind == UPDATE_REQUEST && message.fd_count == 1)
            hand_over(machine, message.fds[0]);
        update_message_finish(&message);
    }
    return NULL;
}

bool machine_update_start(struct machine *machine, struct error *error)
{
    struct machine_update *update = &machine->update;
    if (update->control < 0)
        return true;
    update->start_fd = eventfd(update->takeover < 0, EFD_CLOEXEC | EFD_NONBLOCK);
    update->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (update->start_fd < 0 || update->quit_fd < 0)
        return error_set(error, ERROR_HOST_SYSTEM, "eventfd for live updates: %s",
                         strerror(errno));
    const struct thread_plan plan = {
        .name = "update",
        .run = serve,
        .context = machine,
        .sandbox = &machine->sandbox,
        .role = SANDBOX_UPDATE,
    };
    update->thread_runs = thread_start(&update->thread, &plan, error);
    return update->thread_runs;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void machine_update_finish(struct machine *machine)
{
    struct machine_update *update = &machine->update;
    if (update->thread_runs) {
        eventfd_write(update->quit_fd, 1);
        pthread_join(update->thread, NULL);
        update->thread_runs = false;
    }
    close_fd(&update->start_fd);
    close_fd(&update->quit_fd);
    close_fd(&update->memory_fd);
    state_reader_finish(&update->hello);
}

/* --- the new one --- */

static bool load_time_limit(struct vm *vm, struct state_reader *reader,
                            struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, "LIMT", 0, 1, &section, error))
        return false;
    vm->time_limit = state_get32(section);
    vm->deadline = state_get64(section);
    return state_close(section, error);
}

static bool load(struct machine *machine, struct error *error)
{
    struct state_reader reader;
    if (!update_receive_state(machine->update.takeover, UPDATE_STATE, &reader,
                              STATE_LIMIT, error))
        return false;
    bool good = load_time_limit(&machine->vm, &reader, error) &&
                vm_state_load(&machine->vm, &reader, error) &&
                machine_load(machine, &reader, error) &&
                state_reader_check(&reader, error);
    state_reader_finish(&reader);
    return good && machine_start_devices(machine, error);
}

/* From here on the guest is ours, or it never will be. An old one that is dead cannot say so: then
 * the supervisor does. */
static bool may_run(struct machine *machine, struct error *error)
{
    struct machine_update *update = &machine->update;
    struct error ignored;
    bool goes = update_send(update->takeover, UPDATE_LOADED, SEND_LIMIT, error) &&
                update_expect_word(update->takeover, UPDATE_GO, LOAD_LIMIT, error);
    if (!machine_resume_vfio(machine, error))
        return false;
    goes = goes && update_send(update->takeover, UPDATE_RUNNING, SEND_LIMIT, error);
    bool told = update_send(update->control, UPDATE_RUNNING, SEND_LIMIT, &ignored);
    return goes || (told && update_expect_word(update->control, UPDATE_GO, ALONE_LIMIT,
                                               &ignored));
}

/* What can fail does so before RUNNING. */
bool machine_take_over(struct machine *machine, struct vm_outcome *outcome,
                       struct error *error)
{
    struct machine_update *update = &machine->update;
    if (!vm_start_paused(&machine->vm, error) || !machine_update_start(machine, error) ||
        !update_send(update->takeover, UPDATE_READY, SEND_LIMIT, error) ||
        !load(machine, error) || !sandbox_enter(&machine->sandbox, SANDBOX_MAIN, error) ||
        !may_run(machine, error))
        return false;
    vm_resume(&machine->vm);
    machine_resume_threads(machine);
    eventfd_write(update->start_fd, 1);
    close_fd(&update->takeover);
    vm_wait(&machine->vm, outcome);
    return true;
}
