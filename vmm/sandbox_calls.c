/* SPDX-License-Identifier: MIT */
/*
 * The system calls of each role, and the filters that seccomp gets of them, by libseccomp.
 *
 * A call that is not on the role's list fails with EPERM: a library of a version that we do not
 * know then goes another way. A call that nothing in this process ever has a reason for ends the
 * process: who makes it is not us. tests/sandbox-needed compares these lists with what the
 * end-to-end cases use.
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/sandbox.h"
#include "vmm/types.h"

/* What an argument must be. */
enum limit {
    ANY,
    NOT_EXECUTABLE, /* mmap, mprotect; but for OpenGL's compiler */
    OF_THE_ROLE,    /* ioctl: groups */
    OWN_PROCESS,    /* tgkill, kill, process_vm_readv */
    NO_OTHER_GROUP, /* kill: a process, or our own group */
    THREADS,        /* clone */
    NAME,           /* prctl */
};

#define IN(role)   (1u << SANDBOX_##role)
#define VENUS      IN(GPU_VENUS)
#define VIRGL      IN(GPU_VIRGL)
#define LIBRARIES  (VENUS | VIRGL) /* threads and code of others */
#define GPU        (IN(GPU) | LIBRARIES)
#define DEVICES    (GPU | IN(DEVICE)) /* that serve queues */
/* These have no list of what they may do, but of what they may not. */
#define LISTLESS   (IN(RENDERER_START) | IN(RENDER_LAUNCHER) | IN(RENDER_SERVER))
#define EVERYWHERE (((1u << SANDBOX_ROLE_COUNT) - 1) & ~LISTLESS)
#define THREADED   (EVERYWHERE & ~IN(TERMINAL_WATCHER))
#define PRINTING   (THREADED & ~IN(SIGNALS)) /* on a stream */

struct call {
    int number;
    unsigned roles;
    enum limit limit;
};

// clang-format off
static const struct call calls[] = {
    /* Any thread: wait, allocate, end. */
    {SCMP_SYS(exit),            THREADED, ANY},
    {SCMP_SYS(futex),           THREADED, ANY},
    {SCMP_SYS(madvise),         THREADED, ANY}, /* a stack at its end; pages of guest memory */
    {SCMP_SYS(mmap),            THREADED, NOT_EXECUTABLE},
    {SCMP_SYS(mprotect),        THREADED, NOT_EXECUTABLE},
    {SCMP_SYS(munmap),          THREADED, ANY},
    {SCMP_SYS(brk),             EVERYWHERE, ANY}, /* refused, glibc takes -1 for an address, and writes there */
    {SCMP_SYS(clock_gettime),   THREADED, ANY}, /* where the vDSO cannot: a hypervisor's clock */
    {SCMP_SYS(restart_syscall), EVERYWHERE, ANY}, /* after SIGSTOP and SIGCONT */
    {SCMP_SYS(write),           THREADED, ANY},
    {SCMP_SYS(read),            EVERYWHERE & ~IN(SIGNALS), ANY},
    {SCMP_SYS(close),           PRINTING & ~IN(DISK), ANY},
    {SCMP_SYS(ioctl),           EVERYWHERE & ~(IN(SIGNALS) | IN(DISK)), OF_THE_ROLE},
    {SCMP_SYS(fstat),           PRINTING, ANY}, /* the first output on a stream; of glibc 2.39 */
    {SCMP_SYS(newfstatat),      PRINTING, ANY}, /* of older ones */
    {SCMP_SYS(exit_group),      IN(MAIN) | IN(TERMINAL_WATCHER), ANY},

    /* abort(), with the last words of the C library; kicking a vCPU. */
    {SCMP_SYS(getpid),          EVERYWHERE, ANY},
    {SCMP_SYS(gettid),          EVERYWHERE, ANY},
    {SCMP_SYS(rt_sigprocmask),  EVERYWHERE, ANY},
    {SCMP_SYS(tgkill),          EVERYWHERE, OWN_PROCESS},
    {SCMP_SYS(writev),          THREADED, ANY},
    {SCMP_SYS(rt_sigreturn),    IN(VCPU), ANY},

    /* Events of devices, of the terminal. */
    {SCMP_SYS(poll),            DEVICES | PRINTING, ANY}, /* vmm/output.h */
    {SCMP_SYS(ppoll),           DEVICES | PRINTING, ANY}, /* on arm64 */
    {SCMP_SYS(timerfd_settime), GPU | IN(VCPU) | IN(DEVICE), ANY},
    {SCMP_SYS(rt_sigtimedwait), IN(SIGNALS), ANY},
    {SCMP_SYS(rt_sigaction),    IN(SIGNALS), ANY},
    {SCMP_SYS(getpgid),         IN(TERMINAL), ANY}, /* on arm64 */
    {SCMP_SYS(getpgrp),         IN(TERMINAL), ANY},
    {SCMP_SYS(kill),            IN(TERMINAL), OWN_PROCESS}, /* Ctrl-A x */
    {SCMP_SYS(getrandom),       DEVICES, ANY}, /* entropy; UUIDs of resources */

    /* A disk's image. */
    {SCMP_SYS(preadv),          IN(DISK), ANY},
    {SCMP_SYS(pwritev),         IN(DISK), ANY},
    {SCMP_SYS(fdatasync),       IN(DISK), ANY},
    {SCMP_SYS(fallocate),       IN(DISK) | VIRGL, ANY},

    /* The witness, and the page tables that it reads. */
    {SCMP_SYS(pread64),         IN(VCPU) | GPU | IN(UPDATE), ANY},

    /* Buffers. */
    {SCMP_SYS(fcntl),           GPU, ANY},
    {SCMP_SYS(fstatfs),         GPU, ANY},
    {SCMP_SYS(ftruncate),       GPU, ANY},
    {SCMP_SYS(lseek),           GPU | IN(MAIN), ANY},
    {SCMP_SYS(memfd_create),    GPU | IN(VCPU), ANY}, /* a vCPU: holes of the window */
    {SCMP_SYS(mremap),          GPU | IN(VCPU), ANY}, /* vmm/placement.h */
    {SCMP_SYS(pwrite64),        GPU | IN(VCPU) | IN(UPDATE), ANY}, /* a copy of a buffer; holes */
    {SCMP_SYS(pipe2),           GPU, ANY},
    {SCMP_SYS(process_vm_readv), GPU, OWN_PROCESS}, /* placement_is_pfnmap() */
    {SCMP_SYS(openat),          GPU | IN(MAIN), ANY},
    {SCMP_SYS(rename),          GPU, ANY}, /* a screenshot */
    {SCMP_SYS(renameat),        GPU, ANY},
    {SCMP_SYS(unlink),          GPU, ANY},
    {SCMP_SYS(unlinkat),        GPU | IN(MAIN), ANY},

    /* The guest goes to another s2vmm: sockets that are there, the state. */
    {SCMP_SYS(sendmsg),         IN(UPDATE) | IN(MAIN), ANY},
    {SCMP_SYS(recvmsg),         IN(UPDATE) | IN(MAIN), ANY},
    {SCMP_SYS(shutdown),        IN(UPDATE), ANY},
    {SCMP_SYS(memfd_create),    IN(UPDATE), ANY},
    {SCMP_SYS(fcntl),           IN(UPDATE), ANY},

    /* The end of a run: the terminal's watcher, the server's launcher, the trace instance. */
    {SCMP_SYS(rmdir),           IN(MAIN), ANY},
    {SCMP_SYS(kill),            IN(MAIN), NO_OTHER_GROUP},
    {SCMP_SYS(wait4),           IN(MAIN), ANY},

    /* Sockets: to the renderer process, to the render server, to their launchers. */
    {SCMP_SYS(sendmsg),         GPU, ANY},
    {SCMP_SYS(recvmsg),         GPU, ANY},
    {SCMP_SYS(epoll_ctl),       GPU, ANY}, /* one that was started anew */

    /* libvirglrenderer: a thread for each context. */
    {SCMP_SYS(clone),           LIBRARIES, THREADS},
    {SCMP_SYS(set_robust_list), LIBRARIES, ANY},
    {SCMP_SYS(rseq),            LIBRARIES, ANY},
    {SCMP_SYS(prctl),           LIBRARIES, NAME},
    {SCMP_SYS(sched_setaffinity), LIBRARIES, ANY},
    {SCMP_SYS(sched_getaffinity), LIBRARIES, ANY},
    {SCMP_SYS(eventfd2),        LIBRARIES, ANY},
    {SCMP_SYS(shutdown),        LIBRARIES, ANY},
    {SCMP_SYS(getsockopt),      LIBRARIES, ANY},

    /* OpenGL drivers: files of their own, compiled shaders. */
    {SCMP_SYS(open),            VIRGL, ANY},
    {SCMP_SYS(access),          VIRGL, ANY},
    {SCMP_SYS(faccessat),       VIRGL, ANY},
    {SCMP_SYS(faccessat2),      VIRGL, ANY},
    {SCMP_SYS(stat),            VIRGL, ANY},
    {SCMP_SYS(statx),           VIRGL, ANY},
    {SCMP_SYS(readlink),        VIRGL, ANY},
    {SCMP_SYS(readlinkat),      VIRGL, ANY},
    {SCMP_SYS(getdents64),      VIRGL, ANY},
    {SCMP_SYS(mkdir),           VIRGL, ANY},
    {SCMP_SYS(mkdirat),         VIRGL, ANY},
    {SCMP_SYS(flock),           VIRGL, ANY},
    {SCMP_SYS(dup),             VIRGL, ANY},
    {SCMP_SYS(kcmp),            VIRGL, ANY},
    {SCMP_SYS(getuid),          VIRGL, ANY},
    {SCMP_SYS(geteuid),         VIRGL, ANY},
    {SCMP_SYS(getgid),          VIRGL, ANY},
    {SCMP_SYS(getegid),         VIRGL, ANY},
    {SCMP_SYS(sysinfo),         VIRGL, ANY},
    {SCMP_SYS(uname),           VIRGL, ANY},
    {SCMP_SYS(getcpu),          VIRGL, ANY},
    {SCMP_SYS(sched_yield),     VIRGL, ANY},
    {SCMP_SYS(sched_setscheduler), VIRGL, ANY},
    {SCMP_SYS(clock_nanosleep), VIRGL, ANY},
    {SCMP_SYS(membarrier),      VIRGL, ANY},
};

/* Who makes one of these is not us: most roles end the process. */
static const int attacks[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork),
    SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(bpf),
    SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(perf_event_open),
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(mount), SCMP_SYS(setns), SCMP_SYS(unshare),
};

/* What a renderer is refused while it starts, and a server with its launcher always; all other
 * roles have lists. */
static const int refused[] = {
    /* other processes, and the kernel's log */
    SCMP_SYS(ptrace), SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd), SCMP_SYS(process_madvise),
    SCMP_SYS(perf_event_open), SCMP_SYS(syslog),
    /* the kernel */
    SCMP_SYS(bpf), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register), SCMP_SYS(init_module), SCMP_SYS(finit_module),
    SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(reboot),
    SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(modify_ldt), SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime), SCMP_SYS(adjtimex), SCMP_SYS(clock_adjtime), SCMP_SYS(swapon),
    SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(quotactl),
    /* keys, name spaces, mounts */
    SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl), SCMP_SYS(setns), SCMP_SYS(unshare),
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(move_mount),
    SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr), SCMP_SYS(name_to_handle_at), SCMP_SYS(open_by_handle_at),
    SCMP_SYS(fanotify_init),
};

/* More of them. New processes are the launcher's and the server's; and a server ends with its
 * process group. */
static const int refused_at_start[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork),
};
static const int refused_to_server[] = {SCMP_SYS(setpgid), SCMP_SYS(setsid)};

/* The second byte of a request's number (_IOC_TYPE, asm-generic/ioctl.h), and 0. */
static const struct {
    unsigned roles;
    const char *groups;
} ioctls[] = {
    {PRINTING & ~(IN(DISK) | IN(TERMINAL)), "\xae"},  /* KVM: run; memslots, interrupts */
    {IN(MAIN) | IN(TERMINAL) | IN(TERMINAL_WATCHER), "T"},
    {GPU | IN(VCPU) | IN(UPDATE), "b"},               /* dma-bufs */
    {GPU, "du"},                                      /* DRM, udmabuf */
    {IN(VCPU) | IN(MAIN) | IN(UPDATE), ";"},          /* VFIO: interrupts, reset, mappings */
    {IN(GPU), "HL;"},                                 /* --blobs-from: dma_heap, dmabuf-lab, VFIO */
    {VIRGL, ">"},                                     /* sync_file */
};
// clang-format on

int sandbox_listed_call(unsigned index, enum sandbox_role role, bool *in_role)
{
    if (index >= ARRAY_SIZE(calls))
        return -1;
    *in_role = (calls[index].roles >> role & 1) != 0;
    return calls[index].number;
}

/* --- filters --- */

struct filter {
    scmp_filter_ctx context;
    enum sandbox_role role;
    int failure; /* negative errno of libseccomp's first call that failed */
};

static void note(struct filter *filter, int result)
{
    if (result != 0 && filter->failure == 0)
        filter->failure = result;
}

static void add(struct filter *filter, uint32_t action, int number)
{
    note(filter, seccomp_rule_add(filter->context, action, number, 0));
}

static void add_if(struct filter *filter, uint32_t action, int number,
                   struct scmp_arg_cmp argument)
{
    note(filter, seccomp_rule_add_array(filter->context, action, number, 1, &argument));
}

/* By hand, as not every compiler takes the library's macros with all warnings on. */
static struct scmp_arg_cmp compare(unsigned argument, enum scmp_compare how,
                                   scmp_datum_t first, scmp_datum_t second)
{
    return (struct scmp_arg_cmp){
        .arg = argument, .op = how, .datum_a = first, .datum_b = second};
}

static struct scmp_arg_cmp has_bits(unsigned argument, scmp_datum_t mask,
                                    scmp_datum_t value)
{
    return compare(argument, SCMP_CMP_MASKED_EQ, mask, value);
}

static void allow_ioctls(struct filter *filter)
{
    for (size_t i = 0; i < ARRAY_SIZE(ioctls); i++) {
        if ((ioctls[i].roles >> filter->role & 1) == 0)
            continue;
        for (const char *group = ioctls[i].groups; *group; group++)
            add_if(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl),
                   has_bits(1, 0xff00, (scmp_datum_t)(unsigned char)*group << 8));
    }
}

/* A pid is an int: the upper half of the register may be anything of its sign. */
#define PID_SIGN UINT64_C(0x80000000)

static void allow(struct filter *filter, const struct call *call)
{
    struct scmp_arg_cmp limit;
    switch (call->limit) {
    case ANY:
        add(filter, SCMP_ACT_ALLOW, call->number);
        return;
    case OF_THE_ROLE:
        allow_ioctls(filter);
        return;
    case NOT_EXECUTABLE:
        limit = has_bits(2, filter->role == SANDBOX_GPU_VIRGL ? 0 : PROT_EXEC, 0);
        break;
    case OWN_PROCESS:
        limit = compare(0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0);
        break;
    case NO_OTHER_GROUP:
        limit = has_bits(0, PID_SIGN, 0);
        break;
    case THREADS:
        limit = has_bits(0, CLONE_THREAD, CLONE_THREAD);
        break;
    case NAME:
        limit = compare(0, SCMP_CMP_EQ, PR_SET_NAME, 0);
        break;
    }
    add_if(filter, SCMP_ACT_ALLOW, call->number, limit);
}

static bool is_listed(int number, enum sandbox_role role)
{
    bool listed = false;
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
        listed |= calls[i].number == number && (calls[i].roles >> role & 1) != 0;
    return listed;
}

/* A call that the role has for one argument is none of these: with others it is refused. */
static void add_list(struct filter *filter, uint32_t action, const int *numbers,
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!is_listed(numbers[i], filter->role))
            add(filter, action, numbers[i]);
}

/* A kernel without clone3() would answer so; the C library then takes clone(), whose flags a
 * filter can look at. */
static void refuse_clone3(struct filter *filter)
{
    add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3));
}

static void fill(struct filter *filter, bool log)
{
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
        if ((calls[i].roles >> filter->role & 1) != 0)
            allow(filter, &calls[i]);
    if (!log) /* else they are logged as all others are */
        add_list(filter, SCMP_ACT_KILL_PROCESS, attacks, ARRAY_SIZE(attacks));
    refuse_clone3(filter);
}

/* Drivers of any GPU are loaded here: everything but what they surely do not need. */
static void fill_without_list(struct filter *filter, bool log)
{
    static const unsigned long name_spaces[] = {
        CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,  CLONE_NEWIPC,
        CLONE_NEWPID, CLONE_NEWNET,    CLONE_NEWUSER,
    };
    uint32_t refuse = log ? SCMP_ACT_LOG : SCMP_ACT_ERRNO(EPERM);
    add_list(filter, refuse, refused, ARRAY_SIZE(refused));
    add_if(filter, refuse, SCMP_SYS(socket), compare(0, SCMP_CMP_NE, AF_UNIX, 0));
    for (size_t i = 0; i < ARRAY_SIZE(name_spaces); i++)
        add_if(filter, refuse, SCMP_SYS(clone),
               has_bits(0, name_spaces[i], name_spaces[i]));
    if (filter->role == SANDBOX_RENDERER_START) {
        add_list(filter, refuse, refused_at_start, ARRAY_SIZE(refused_at_start));
        add_if(filter, refuse, SCMP_SYS(clone), has_bits(0, CLONE_THREAD, 0));
        add_if(filter, refuse,
               SCMP_SYS(process_vm_readv), /* as in the role that follows */
               compare(0, SCMP_CMP_NE, (scmp_datum_t)getpid(), 0));
    } else {
        add(filter, refuse, SCMP_SYS(process_vm_readv));
    }
    if (filter->role == SANDBOX_RENDER_SERVER)
        add_list(filter, refuse, refused_to_server, ARRAY_SIZE(refused_to_server));
    refuse_clone3(filter);
}

bool sandbox_close_calls(enum sandbox_role role, bool log, struct error *error)
{
    bool has_list = (LISTLESS >> role & 1) == 0;
    uint32_t beside = !has_list ? SCMP_ACT_ALLOW
                      : log     ? SCMP_ACT_LOG
                                : SCMP_ACT_ERRNO(EPERM);
    struct filter filter = {.context = seccomp_init(beside), .role = role};
    if (!filter.context)
        return error_set(error, ERROR_HOST_MEMORY, "no memory for a filter of calls");
    note(&filter, seccomp_attr_set(filter.context, SCMP_FLTATR_ACT_BADARCH,
                                   SCMP_ACT_KILL_PROCESS));
    /* The kernel's own error, not ECANCELED for any (seccomp_attr_set(3)). */
    note(&filter, seccomp_attr_set(filter.context, SCMP_FLTATR_API_SYSRAWRC, 1));
    if (has_list)
        fill(&filter, log);
    else
        fill_without_list(&filter, log);
    if (filter.failure == 0)
        note(&filter, seccomp_load(filter.context));
    seccomp_release(filter.context);
    return filter.failure == 0 ||
           error_set(error, ERROR_CONFIG_HOST,
                     "filter of system calls: %s; a kernel with CONFIG_SECCOMP_FILTER "
                     "can, and --sandbox=off runs without",
                     strerror(-filter.failure));
}
