/* SPDX-License-Identifier: MIT */
/*
 * A buffer that a guest has mapped, and a device of the host, too: what the owner may do to it,
 * who is told, what each of both sees, and when the memory is released. For each way in which
 * an importer can have a buffer (devices/dmabuf-lab/holder.c).
 */
#include "vmm/experiments/gallery.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/dmabuf-lab/dmabuf_lab.h"

#define SIZE (256 * KIB)

struct held {
    struct look look; /* the first: look_run()'s callback gets it */
    const char *name;
    struct dmabuf_lab_hold hold;
    uint32_t buffers; /* of the module, before */
    int lab;
    int move; /* its errno, or 0 */
    int revoke;
    struct dmabuf_lab_access moved; /* after each of them */
    struct dmabuf_lab_access revoked;
};

static int control(const struct held *held, unsigned long request)
{
    int32_t fd = held->look.target.backing.fd;
    return ioctl(held->lab, request, &fd) == 0 ? 0 : errno;
}

/* A word of the last page, as the device sees it. */
static struct dmabuf_lab_access read_by_device(const struct held *held)
{
    struct dmabuf_lab_access access = {.offset = SIZE - 4096};
    if (ioctl(held->hold.holder, DMABUF_LAB_IOCTL_ACCESS, &access) != 0)
        access.error = errno;
    return access;
}

/* Reports of the guest: 1 is written, the buffer may move; 2 is written, and it goes. */
static void act(struct look *look, unsigned index)
{
    struct held *held = (struct held *)(void *)look;
    if (index == 0) {
        held->move = control(held, DMABUF_LAB_IOCTL_MOVE);
    } else {
        held->moved = read_by_device(held);
        held->revoke = control(held, DMABUF_LAB_IOCTL_REVOKE);
        held->revoked = read_by_device(held);
    }
}

/* --- rows --- */

static void expect(const struct held *held, struct experiment_log *log, const char *what,
                   const char *expected, const char *seen)
{
    char row[48];
    snprintf(row, sizeof row, "%s: %s", held->name, what);
    experiment_expect(log, row, expected, seen);
}

static void expect_told(const struct held *held, struct experiment_log *log,
                        const char *what, bool expected, uint32_t times)
{
    char seen[32];
    snprintf(seen, sizeof seen, "%u times", times);
    expect(held, log, what, expected ? "once" : "no",
           times == 0   ? "no"
           : times == 1 ? "once"
                        : seen);
}

static const char *result(int error, const char *good)
{
    return error == 0 ? good : error == EBUSY ? "EBUSY" : strerror(error);
}

static const char *device_sees(const struct dmabuf_lab_access *access)
{
    return access->error == ENODEV ? "ENODEV"
           : access->error != 0    ? strerror(access->error)
           : access->word == 2     ? "what the guest wrote"
                                   : "something else";
}

static void compare(const struct held *held, struct experiment_log *log)
{
    bool is_dynamic = held->hold.holding == DMABUF_LAB_DYNAMIC;
    bool moves = is_dynamic && !held->hold.pins_everybody;
    bool is_told = held->hold.holding != DMABUF_LAB_STATIC;
    expect(held, log, "MOVE", moves ? "moved" : "EBUSY", result(held->move, "moved"));
    expect_told(held, log, "the device was told of it", moves, held->moved.told);
    expect(held, log, "the device reads after it", "what the guest wrote",
           device_sees(&held->moved));
    expect(held, log, "REVOKE", "revoked", result(held->revoke, "revoked"));
    expect_told(held, log, "the device was told of that", is_told,
                held->revoked.told - held->moved.told);
    expect(held, log, "the device reads after that",
           is_told ? "ENODEV" : "what the guest wrote", device_sees(&held->revoked));
    expect(held, log, "the guest has it, then has not", "works",
           look_end_word(&held->look));
    if (held->look.end != MATRIX_MACHINE_RAN)
        experiment_fact(log, "because", "%s", held->look.error.text);
}

static void expect_memory(const struct held *held, struct experiment_log *log,
                          const char *what, const char *expected)
{
    uint32_t count = 0;
    ioctl(held->lab, DMABUF_LAB_IOCTL_BUFFERS, &count);
    expect(held, log, what, expected,
           count == held->buffers       ? "released"
           : count == held->buffers + 1 ? "there"
                                        : "not known");
}

/* --- a run --- */

static bool take(struct held *held, struct experiment_log *log)
{
    held->hold.fd = held->look.target.backing.fd;
    held->hold.holder = -1;
    if (held->lab >= 0 && ioctl(held->lab, DMABUF_LAB_IOCTL_HOLD, &held->hold) == 0)
        return true;
    experiment_cannot(log, "/dev/dmabuf-lab: no device has the buffer: %s",
                      strerror(errno));
    return false;
}

static void hold(const struct experiment_host *host, const char *name,
                 enum dmabuf_lab_holding holding, struct experiment_log *log)
{
    struct experiment_host changed = *host;
    struct held held = {.name = name,
                        .hold.holding = holding,
                        .lab = open("/dev/dmabuf-lab", O_RDWR | O_CLOEXEC)};
    changed.machine.drop_lost = true;
    if (held.lab >= 0)
        ioctl(held.lab, DMABUF_LAB_IOCTL_BUFFERS, &held.buffers);
    if (look_open(&held.look, &changed, "dmabuf-lab:pages,fault,wb", SIZE, log) &&
        take(&held, log)) {
        held.look.reported = act;
        if (look_run(&held.look, MATRIX_SLOT_OVER, "scenario=experiment-held", log))
            compare(&held, log);
        look_close(&held.look);
        expect_memory(&held, log, "the owner and the VM are gone", "there");
        close(held.hold.holder);
        expect_memory(&held, log, "the device is gone", "released");
    } else {
        look_close(&held.look);
    }
    if (holding == DMABUF_LAB_DYNAMIC && !log->impossible[0])
        experiment_fact(log, "this kernel pins for every importer", "%s",
                        held.hold.pins_everybody ? "yes" : "no");
    if (held.lab >= 0)
        close(held.lab);
}

void experiment_held_by_a_device(const struct experiment_host *host,
                                 struct experiment_log *log)
{
    static const char *const names[] = {
        [DMABUF_LAB_STATIC] = "static",
        [DMABUF_LAB_PINNED] = "pinned",
        [DMABUF_LAB_DYNAMIC] = "dynamic",
    };
    for (unsigned i = 0; i < DMABUF_LAB_HOLDING_COUNT && !log->impossible[0]; i++)
        hold(host, names[i], (enum dmabuf_lab_holding)i, log);
}
