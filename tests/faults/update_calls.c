/* SPDX-License-Identifier: MIT */
#include "tests/faults/update_calls.h"

#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tests/faults/filtered.h"
#include "vmm/update_wire.h"

#define KIND_AT 2 /* in a message's header: update_wire.c */

static bool read_memory(pid_t process, uint64_t address, void *to, size_t size)
{
    struct iovec here = {to, size};
    struct iovec there = {.iov_len = size};
    memcpy(&there.iov_base, &address, sizeof address);
    return process_vm_readv(process, &here, 1, &there, 1, 0) == (ssize_t)size;
}

/* The kind of the message that is sent; 0: it cannot be read. */
static uint32_t message_kind(pid_t process, const struct seccomp_notif *request)
{
    struct msghdr message;
    struct iovec first;
    uint64_t address;
    uint32_t header[KIND_AT + 1];
    if (!read_memory(process, request->data.args[1], &message, sizeof message))
        return 0;
    memcpy(&address, &message.msg_iov, sizeof address);
    if (!read_memory(process, address, &first, sizeof first))
        return 0;
    memcpy(&address, &first.iov_base, sizeof address);
    return read_memory(process, address, header, sizeof header) ? header[KIND_AT] : 0;
}

static const struct update_thread *find_thread(struct update_calls *calls, pid_t thread)
{
    unsigned i = 0;
    while (i < calls->thread_count && calls->threads[i].thread != thread)
        i++;
    if (i == calls->thread_count) {
        if (i == UPDATE_THREADS_MAX)
            die("too many threads");
        struct update_thread *entry = &calls->threads[calls->thread_count++];
        *entry = (struct update_thread){.thread = thread};
        entry->process = read_status(thread, "Tgid:");
        entry->parent = read_status(entry->process, "PPid:");
        read_name(thread, entry->name, sizeof entry->name);
        if (thread == entry->process)
            snprintf(entry->name, sizeof entry->name, "main");
    }
    return &calls->threads[i];
}

/* A thread is looked at again after it has given itself a name. */
static void forget_thread(struct update_calls *calls, pid_t thread)
{
    for (unsigned i = 0; i < calls->thread_count; i++)
        if (calls->threads[i].thread == thread)
            calls->threads[i].thread = 0;
}

/* What makes up the guest's own run: its output, and KVM_RUN: it finishes the last exit before it has an
 * error (arch/x86/kvm/x86.c, kvm_arch_vcpu_ioctl_run), so that one that is not made is no host's. */
static bool is_guests(const struct seccomp_notif *request)
{
    return request->data.nr == SYS_write || request->data.nr == SYS_writev ||
           (request->data.nr == SYS_ioctl &&
            (request->data.args[1] & UINT32_MAX) == KVM_RUN);
}

static bool look_at_new(struct update_calls *calls, const struct update_thread *thread,
                        const struct seccomp_notif *request)
{
    bool counts = !calls->is_linking && calls->running < 2;
    if (request->data.nr == SYS_execveat)
        calls->is_linking = true;
    if (request->data.nr == SYS_prlimit64 && request->data.args[1] == RLIMIT_NOFILE)
        calls->is_linking = false;
    if (request->data.nr == SYS_sendmsg && thread->thread == thread->process) {
        uint32_t kind = message_kind(thread->process, request);
        calls->is_ready |= kind == UPDATE_READY;
        calls->running +=
            kind == UPDATE_RUNNING; /* to the old one, and to the supervisor */
    }
    return counts;
}

static const char *look(struct update_calls *calls, const struct update_thread *thread,
                        const struct seccomp_notif *request)
{
    if (thread->process == calls->supervisor)
        return "super";
    if (thread->parent != calls->supervisor)
        return NULL;
    if (thread->process != calls->old)
        return look_at_new(calls, thread, request) ? "new" : NULL;
    if (strcmp(thread->name, "update") == 0 || (calls->is_ready && !is_guests(request)))
        return "old";
    return NULL;
}

bool update_calls_look(struct update_calls *calls, const struct seccomp_notif *request,
                       char *caller, struct call *call, bool *known)
{
    const struct update_thread *thread = find_thread(calls, (pid_t)request->pid);
    const char *side = look(calls, thread, request);
    if (side != NULL) {
        uint64_t arguments[6];
        memcpy(arguments, request->data.args, sizeof arguments);
        *known = call_describe(thread->process, request->data.nr, arguments, call);
        snprintf(caller, UPDATE_CALLER_SIZE, "%s %s", side, thread->name);
    }
    if (request->data.nr == SYS_prctl && request->data.args[0] == PR_SET_NAME)
        forget_thread(calls, thread->thread);
    return side != NULL;
}

void update_calls_note_made(struct update_calls *calls,
                            const struct seccomp_notif *request)
{
    struct kvm_irqfd irqfd;
    if (request->data.nr != SYS_ioctl ||
        (request->data.args[1] & UINT32_MAX) != KVM_IRQFD)
        return;
    const struct update_thread *thread = find_thread(calls, (pid_t)request->pid);
    if (thread->process == calls->old &&
        read_memory(thread->process, request->data.args[2], &irqfd, sizeof irqfd))
        calls->irqfds += (irqfd.flags & KVM_IRQFD_FLAG_DEASSIGN) != 0 ? -1 : 1;
}
