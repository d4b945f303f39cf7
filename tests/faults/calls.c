/* SPDX-License-Identifier: MIT */
/*
 * The errors are those of the manual page of the call (section 2 of Linux man-pages 6.03; KVM:
 * Documentation/virt/kvm/api.rst), as far as the host can cause them: no memory, no descriptors,
 * no space, a device that fails, an interruption. A call that has no error here
 *  - cannot fail as it is used here (getpid, rt_sigprocmask, exit, ...), or
 *  - belongs to the C library, which ends the process if it fails: the munmap() of the stack of a
 *    thread that has ended (glibc 2.36, nptl/nptl-stack.c), or
 *  - must not be left out: a close() that is not made leaks a descriptor whatever it returns, a
 *    FUTEX_WAKE that is not made is a lost wake-up, and what brk() returns is no error number.
 */
#include "tests/faults/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <linux/udmabuf.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "vmm/types.h"

struct known_call {
    const char *name;
    int number;
    bool by_file; /* what the descriptor in the first argument is belongs to the name */
    int errors[CALL_ERRORS_MAX];
};

#define CALL(name, ...)                                                                  \
    {                                                                                    \
#name, SYS_##name, false,                                                        \
        {                                                                                \
            __VA_ARGS__                                                                  \
        }                                                                                \
    }
#define FILE_CALL(name, ...)                                                             \
    {                                                                                    \
#name, SYS_##name, true,                                                         \
        {                                                                                \
            __VA_ARGS__                                                                  \
        }                                                                                \
    }

// clang-format off
static const struct known_call known_calls[] = {
    CALL(mmap, ENOMEM), CALL(mprotect, ENOMEM), CALL(mremap, ENOMEM),
    CALL(madvise, ENOMEM, EAGAIN), CALL(brk, 0), CALL(mincore, ENOMEM, EAGAIN),
    CALL(memfd_create, EMFILE, ENOMEM),
    CALL(openat, EMFILE, ENFILE, ENOMEM), CALL(close, 0),
    FILE_CALL(read, EINTR, EIO), FILE_CALL(write, EINTR, EIO, ENOSPC),
    FILE_CALL(readv, EINTR, EIO), FILE_CALL(writev, EINTR, EIO, ENOSPC),
    CALL(pread64, EIO), CALL(pwrite64, EIO, ENOSPC),
    CALL(preadv, EINTR, EIO), CALL(pwritev, EINTR, EIO, ENOSPC),
    CALL(fsync, EIO, ENOSPC), CALL(fdatasync, EIO, ENOSPC), CALL(fallocate, EIO, ENOSPC, EINTR),
    CALL(ftruncate, EINTR, EIO), CALL(lseek, 0), CALL(getdents64, ENOENT),
    CALL(newfstatat, ENOMEM),
    CALL(fstat, ENOMEM), CALL(statx, ENOMEM), CALL(fstatfs, EIO, EINTR), CALL(statfs, EIO, EINTR),
    CALL(readlinkat, EIO, ENOMEM), CALL(faccessat, EIO, ENOMEM), CALL(faccessat2, EIO, ENOMEM),
    CALL(dup, EMFILE), CALL(dup3, EMFILE), CALL(pipe2, EMFILE, ENFILE),
    CALL(eventfd2, EMFILE, ENOMEM), CALL(timerfd_create, EMFILE, ENOMEM),
    CALL(timerfd_settime, 0), CALL(signalfd4, EMFILE, ENOMEM),
    CALL(epoll_create1, EMFILE, ENOMEM), CALL(epoll_ctl, ENOMEM, ENOSPC), CALL(epoll_pwait, EINTR),
    CALL(ppoll, EINTR, ENOMEM),
    CALL(socket, EMFILE, ENOBUFS), CALL(socketpair, EMFILE, ENFILE), CALL(connect, EAGAIN), CALL(accept4, EMFILE, ENOMEM),
    CALL(shutdown, 0),
    CALL(sendmsg, ENOBUFS, EPIPE), CALL(recvmsg, ENOMEM, EINTR), CALL(getsockopt, 0),
    CALL(setsockopt, ENOMEM), CALL(sendto, ENOBUFS), CALL(recvfrom, ENOMEM),
    CALL(clone, EAGAIN, ENOMEM), CALL(clone3, EAGAIN, ENOMEM), CALL(execve, ENOMEM), CALL(execveat, ENOMEM, EACCES),
    CALL(waitid, EINTR), CALL(kill, 0), CALL(tgkill, 0), CALL(tkill, 0),
    CALL(prlimit64, EPERM), CALL(prctl, EINVAL), CALL(seccomp, EINVAL), CALL(capget, EPERM), CALL(capset, EPERM),
    CALL(unshare, EPERM, ENOMEM), CALL(landlock_create_ruleset, EOPNOTSUPP, ENOMEM),
    CALL(landlock_add_rule, ENOMEM), CALL(landlock_restrict_self, E2BIG, ENOMEM),
    CALL(exit_group, 0), CALL(getrandom, EINTR), CALL(process_vm_readv, ENOMEM, EPERM),
    CALL(sched_setaffinity, EPERM), CALL(sched_getaffinity, 0), CALL(sched_yield, 0),
    CALL(rt_sigaction, 0), CALL(rt_sigprocmask, 0), CALL(rt_sigtimedwait, EINTR),
    CALL(sigaltstack, 0), CALL(set_robust_list, 0), CALL(set_tid_address, 0), CALL(rseq, 0),
    CALL(membarrier, ENOMEM), CALL(nanosleep, EINTR), CALL(clock_nanosleep, EINTR),
    CALL(clock_gettime, 0), CALL(gettimeofday, 0), CALL(getpid, 0), CALL(getppid, 0), CALL(gettid, 0), CALL(getpgid, 0),
    CALL(getuid, 0), CALL(geteuid, 0), CALL(getgid, 0), CALL(getegid, 0), CALL(setpgid, 0),
    CALL(uname, 0), CALL(sysinfo, 0), CALL(close_range, 0), CALL(umask, 0), CALL(getcwd, ENOMEM),
    CALL(mkdirat, ENOSPC), CALL(unlinkat, EIO), CALL(renameat, ENOSPC), CALL(kcmp, EPERM),
#ifdef __x86_64__
    CALL(access, EIO, ENOMEM), CALL(readlink, EIO, ENOMEM), CALL(poll, EINTR, ENOMEM),
    CALL(epoll_wait, EINTR), CALL(arch_prctl, 0), CALL(getpgrp, 0), CALL(dup2, EMFILE),
    CALL(open, EMFILE, ENOMEM), CALL(rename, ENOSPC), CALL(unlink, EIO), CALL(stat, ENOMEM),
    CALL(mkdir, ENOSPC),
#endif
};

struct known_number {
    const char *name;
    uint64_t number;
    int errors[CALL_ERRORS_MAX];
};

#define NUMBER(name, ...)                                                                \
    {                                                                                    \
        #name, name, { __VA_ARGS__ }                                                     \
    }

static const struct known_number known_ioctls[] = {
    NUMBER(KVM_GET_API_VERSION, 0), NUMBER(KVM_CHECK_EXTENSION, 0), NUMBER(KVM_GET_VCPU_MMAP_SIZE, EINVAL),
    NUMBER(KVM_CREATE_VM, ENOMEM, EMFILE, EINTR), NUMBER(KVM_CREATE_VCPU, ENOMEM, EMFILE),
    NUMBER(KVM_SET_USER_MEMORY_REGION, ENOMEM, EINVAL, EEXIST), NUMBER(KVM_RUN, EINTR, EAGAIN, EFAULT, ENOMEM),
    NUMBER(KVM_IRQFD, ENOMEM, EBUSY), NUMBER(KVM_IOEVENTFD, ENOMEM, ENOSPC),
    NUMBER(KVM_SET_GSI_ROUTING, ENOMEM, EINVAL), NUMBER(KVM_SIGNAL_MSI, ENOMEM),
    NUMBER(KVM_CREATE_DEVICE, ENOMEM, EMFILE), NUMBER(KVM_SET_DEVICE_ATTR, ENOMEM, EBUSY),
    NUMBER(KVM_GET_DEVICE_ATTR, EFAULT), NUMBER(KVM_HAS_DEVICE_ATTR, ENXIO),
    NUMBER(KVM_ENABLE_CAP, EINVAL), NUMBER(KVM_IRQ_LINE, EINVAL), NUMBER(KVM_SET_ONE_REG, ENOMEM),
    NUMBER(KVM_GET_ONE_REG, ENOMEM), NUMBER(KVM_GET_MP_STATE, EINVAL), NUMBER(KVM_SET_MP_STATE, EINVAL),
    NUMBER(KVM_CREATE_IRQCHIP, ENOMEM, EEXIST), NUMBER(KVM_GET_DIRTY_LOG, ENOMEM),
    NUMBER(KVM_GET_VCPU_EVENTS, ENOMEM), NUMBER(KVM_SET_VCPU_EVENTS, ENOMEM, EINVAL),
    {"KVM_SET_USER_MEMORY_REGION2", 0x40a0ae49, {ENOMEM, EINVAL, EEXIST}}, /* Linux 6.8; vmm/guest_memfd.c */
    {"KVM_CREATE_GUEST_MEMFD", 0xc040aed4, {ENOMEM, EMFILE}},
#ifdef __x86_64__
    NUMBER(KVM_GET_REGS, ENOMEM), NUMBER(KVM_SET_REGS, ENOMEM), NUMBER(KVM_GET_SREGS, ENOMEM),
    NUMBER(KVM_SET_SREGS, ENOMEM, EINVAL), NUMBER(KVM_SET_FPU, ENOMEM), NUMBER(KVM_GET_MSRS, ENOMEM),
    NUMBER(KVM_SET_MSRS, ENOMEM), NUMBER(KVM_GET_SUPPORTED_CPUID, ENOMEM, E2BIG),
    NUMBER(KVM_SET_CPUID2, ENOMEM, E2BIG), NUMBER(KVM_SET_TSS_ADDR, EEXIST),
    NUMBER(KVM_SET_IDENTITY_MAP_ADDR, EEXIST), NUMBER(KVM_CREATE_PIT2, ENOMEM),
    NUMBER(KVM_GET_LAPIC, ENOMEM), NUMBER(KVM_SET_LAPIC, ENOMEM), NUMBER(KVM_GET_IRQCHIP, ENOMEM),
    NUMBER(KVM_SET_IRQCHIP, ENOMEM), NUMBER(KVM_GET_MSR_INDEX_LIST, ENOMEM),
    NUMBER(KVM_GET_MSR_FEATURE_INDEX_LIST, ENOMEM), NUMBER(KVM_X86_SET_MSR_FILTER, ENOMEM),
    NUMBER(KVM_GET_CPUID2, ENOMEM), NUMBER(KVM_GET_TSC_KHZ, EIO), NUMBER(KVM_SET_TSC_KHZ, EINVAL),
    NUMBER(KVM_GET_SREGS2, ENOMEM), NUMBER(KVM_SET_SREGS2, ENOMEM, EINVAL), NUMBER(KVM_GET_DEBUGREGS, ENOMEM),
    NUMBER(KVM_SET_DEBUGREGS, EINVAL), NUMBER(KVM_GET_XCRS, ENOMEM), NUMBER(KVM_SET_XCRS, ENOMEM, EINVAL),
    NUMBER(KVM_GET_XSAVE2, ENOMEM), NUMBER(KVM_SET_XSAVE, ENOMEM, EINVAL), NUMBER(KVM_GET_NESTED_STATE, ENOMEM, EINVAL),
    NUMBER(KVM_SET_NESTED_STATE, ENOMEM, EINVAL), NUMBER(KVM_GET_CLOCK, EFAULT), NUMBER(KVM_SET_CLOCK, EINVAL),
#else
    NUMBER(KVM_ARM_PREFERRED_TARGET, ENODEV), NUMBER(KVM_ARM_VCPU_INIT, ENOMEM, EINVAL), NUMBER(KVM_GET_REG_LIST, ENOMEM),
#endif
    NUMBER(VFIO_GET_API_VERSION, 0), NUMBER(VFIO_CHECK_EXTENSION, 0), NUMBER(VFIO_SET_IOMMU, ENOMEM, EBUSY),
    NUMBER(VFIO_IOMMU_GET_INFO, EFAULT), NUMBER(VFIO_IOMMU_MAP_DMA, ENOMEM, EBUSY), NUMBER(VFIO_IOMMU_UNMAP_DMA, ENOMEM, EBUSY),
    NUMBER(VFIO_GROUP_GET_STATUS, EFAULT), NUMBER(VFIO_GROUP_SET_CONTAINER, ENOMEM, EBUSY),
    NUMBER(VFIO_GROUP_GET_DEVICE_FD, EMFILE, ENODEV), NUMBER(VFIO_DEVICE_GET_INFO, EFAULT),
    NUMBER(VFIO_DEVICE_GET_REGION_INFO, ENOMEM), NUMBER(VFIO_DEVICE_GET_IRQ_INFO, EFAULT),
    NUMBER(VFIO_DEVICE_SET_IRQS, ENOMEM, EBUSY), NUMBER(VFIO_DEVICE_RESET, EAGAIN), NUMBER(VFIO_DEVICE_FEATURE, ENOTTY, ENOMEM),
    NUMBER(DMA_BUF_IOCTL_SYNC, EINTR, EAGAIN), NUMBER(UDMABUF_CREATE, ENOMEM, EMFILE),
    NUMBER(UDMABUF_CREATE_LIST, ENOMEM, EMFILE), NUMBER(DMA_BUF_IOCTL_INFO, ENOTTY, ENOMEM),
#ifdef DMA_BUF_IOCTL_EXPORT_SYNC_FILE
    NUMBER(DMA_BUF_IOCTL_EXPORT_SYNC_FILE, ENOMEM, EMFILE),
#endif
    NUMBER(TCGETS, 0), NUMBER(TCSETS, EINTR),
    /* asm/termbits.h has these, and does not go with termios.h; glibc 2.42 uses them. */
    {"TCGETS2", 0x802c542a, {0}}, {"TCSETS2", 0x402c542b, {EINTR}}, NUMBER(TIOCGPGRP, 0), NUMBER(TIOCGWINSZ, 0),
};

static const struct known_number known_fcntls[] = {
    NUMBER(F_DUPFD, EMFILE), NUMBER(F_DUPFD_CLOEXEC, EMFILE), NUMBER(F_GETFD, 0), NUMBER(F_SETFD, 0),
    NUMBER(F_GETFL, 0), NUMBER(F_SETFL, 0), NUMBER(F_OFD_SETLK, ENOLCK, EAGAIN), NUMBER(F_ADD_SEALS, 0),
    NUMBER(F_GET_SEALS, 0),
};
// clang-format on

/* What the link /proc/PID/fd/N begins with, and what to call it; where it only EINTR or EIO of
 * real files applies, errors are left out by adjust(). */
static const struct {
    const char *link;
    const char *name;
} file_kinds[] = {
    {"anon_inode:[eventfd]", "eventfd"},
    {"anon_inode:[timerfd]", "timerfd"},
    {"anon_inode:[signalfd]", "signalfd"},
    {"anon_inode:", "anonymous"},
    {"pipe:", "pipe"},
    {"socket:", "socket"},
    {"/proc/", "proc"},
    {"/sys/", "sys"},
    {"/dev/", "device"},
    {"/memfd:", "memfd"},
    {"/", "file"},
};

static const char *file_kind(pid_t process, uint64_t fd)
{
    char path[64];
    char link[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", process, (int)fd);
    ssize_t length = readlink(path, link, sizeof link - 1);
    link[length > 0 ? length : 0] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(file_kinds); i++)
        if (strncmp(link, file_kinds[i].link, strlen(file_kinds[i].link)) == 0)
            return file_kinds[i].name;
    return "nothing";
}

static bool describe_by_number(const struct known_number *known, size_t count,
                               const char *what, uint64_t number, struct call *call)
{
    for (size_t i = 0; i < count; i++)
        if (known[i].number == number) {
            snprintf(call->name, sizeof call->name, "%s %s", what, known[i].name);
            memcpy(call->errors, known[i].errors, sizeof call->errors);
            return true;
        }
    snprintf(call->name, sizeof call->name, "%s 0x%llx", what,
             (unsigned long long)number);
    return false;
}

/* Descriptors that do not wait and are no storage fail with EAGAIN only (eventfd(2),
 * timerfd_create(2), signalfd(2)), and a pipe or a socket has no EIO and no ENOSPC. A write to an
 * eventfd has no error at all: it is EAGAIN when 2^64 - 2 of them were not read. */
static void adjust_errors(const char *kind, struct call *call)
{
    bool counter = strcmp(kind, "eventfd") == 0 || strcmp(kind, "timerfd") == 0 ||
                   strcmp(kind, "signalfd") == 0;
    bool stream = strcmp(kind, "pipe") == 0 || strcmp(kind, "socket") == 0;
    if (counter || stream)
        memset(call->errors, 0, sizeof call->errors);
    if (counter || stream)
        call->errors[0] = !counter                                   ? EINTR
                          : strcmp(call->name, "write eventfd") == 0 ? 0
                                                                     : EAGAIN;
}

/* A thread's, by its size (pthread_create(3): that of ulimit -s, and the guard). */
static bool is_stack(uint64_t size)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_STACK, &limit) == 0 && size >= limit.rlim_cur &&
           size - limit.rlim_cur <= 64 * KIB;
}

bool call_describe(pid_t process, int number, const uint64_t *arguments,
                   struct call *call)
{
    *call = (struct call){0};
    switch (number) {
    case SYS_ioctl:
        return describe_by_number(known_ioctls, ARRAY_SIZE(known_ioctls), "ioctl",
                                  arguments[1] & UINT32_MAX, call);
    case SYS_fcntl:
        return describe_by_number(known_fcntls, ARRAY_SIZE(known_fcntls), "fcntl",
                                  arguments[1] & UINT32_MAX, call);
    case SYS_munmap:
        snprintf(call->name, sizeof call->name, "munmap%s",
                 is_stack(arguments[1]) ? " stack" : "");
        call->errors[0] = is_stack(arguments[1]) ? 0 : ENOMEM;
        return true;
    case SYS_wait4: /* with WNOHANG it does not wait, and nothing interrupts it */
        snprintf(call->name, sizeof call->name, "wait4%s",
                 (arguments[2] & WNOHANG) != 0 ? " at once" : "");
        call->errors[0] = (arguments[2] & WNOHANG) != 0 ? 0 : EINTR;
        return true;
    case SYS_futex:
        if (((int)arguments[1] & FUTEX_CMD_MASK) == FUTEX_WAIT ||
            ((int)arguments[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET)
            call->errors[0] = EAGAIN; /* the word changed meanwhile */
        snprintf(call->name, sizeof call->name, "futex %s",
                 call->errors[0] ? "wait" : "other");
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(known_calls); i++) {
        const struct known_call *known = &known_calls[i];
        if (known->number != number)
            continue;
        const char *kind = known->by_file ? file_kind(process, arguments[0]) : "";
        snprintf(call->name, sizeof call->name, "%s%s%s", known->name, *kind ? " " : "",
                 kind);
        memcpy(call->errors, known->errors, sizeof call->errors);
        adjust_errors(kind, call);
        return true;
    }
    snprintf(call->name, sizeof call->name, "system call %d", number);
    return false;
}
