/* SPDX-License-Identifier: MIT */
/*
 * A virtual machine: RAM, memslots, buses, vCPUs on threads, and how it ended.
 *
 *   vm_init() -> devices: bus_add(), vm_add_*() -> firmware -> vm_run() -> vm_finish()
 */
#ifndef S2VMM_VM_H
#define S2VMM_VM_H

#include <pthread.h>
#include <stdatomic.h>

#include "vmm/bus.h"
#include "vmm/fault_retry.h"
#include "vmm/guest_memory.h"
#include "vmm/kvm.h"
#include "vmm/memslot.h"
#include "vmm/sandbox.h"
#include "vmm/trace.h"

#define VM_CPUS_MAX 16

struct vm;
struct mtrr_watch;

struct vcpu {
    struct vm *vm;
    unsigned index;
    int fd;
    struct kvm_run *run;
    pthread_t thread;
    bool thread_runs;
    struct fault_retry fault_retry;
    uint64_t
        delivers_nothing; /* since when, in milliseconds; 0: its last exit was another */
};

/* In which state the boot vCPU starts; firmware/<arch>/boot.c describes them. */
enum vm_entry_mode {
    VM_ENTRY_64,       /* 64 bit; the argument is in the first argument register */
    VM_ENTRY_LINUX_64, /* x86: the same; the argument is in RSI */
    VM_ENTRY_PVH,      /* x86: 32 bit, no paging; the argument is in EBX */
};

/* Where the boot vCPU starts; the others wait for the architecture's start protocol. */
struct vm_entry {
    enum vm_entry_mode mode;
    gpa_t address;  /* first instruction */
    gpa_t argument; /* the boot info, or what else the guest is told */
};

/* How a run ended. */
enum vm_end {
    VM_END_NONE,      /* still runs */
    VM_END_VERDICT,   /* the guest wrote the exit device */
    VM_END_POWER_OFF, /* the guest switched itself off, as it should */
    VM_END_RESET,     /* the guest asked for a reset; nobody restarts it */
    VM_END_CRASH, /* triple fault, a panic that the guest reports, or what KVM cannot emulate */
    VM_END_HOST,   /* KVM or the host failed */
    VM_END_SIGNAL, /* the user stopped it, or a time limit did */
    VM_END_UPDATE, /* another process has taken the guest over: vm_leave() */
};

struct vm_outcome {
    enum vm_end end;
    uint32_t verdict;   /* VM_END_VERDICT */
    struct error error; /* not for VERDICT: what happened, on which vCPU, where */
};

struct vm_config {
    uint64_t memory_size;  /* bytes of RAM, page-aligned */
    unsigned cpu_count;    /* 1 .. VM_CPUS_MAX */
    bool private_ram;      /* no dma-bufs of RAM are wanted: vmm/guest_memory.h */
    bool guest_memfd;      /* RAM is KVM's guest_memfd, or vm_init() fails */
    bool no_device_memory; /* nothing of the host but RAM is going to be mapped: the
                              guest's MTRRs do not matter (vmm/arch/x86/mtrr.h) */
    bool honour_guest_pat; /* x86, Intel: lift KVM's "ignore guest PAT" quirk at once; see
                              vm_honour_guest_pat() */
    int memory_fd; /* RAM that exists: another VM's memory.fd, which stays the caller's; 0:
                      new RAM */
    const struct sandbox *sandbox; /* for the vCPUs and who runs them; or NULL */
};

/* KVM_RUN ended with EFAULT: a host page behind a memslot is gone. True: something was done
 * about it, and the vCPU tries again. Called on a vCPU's thread. */
typedef bool vm_page_lost_function(void *context);

struct vm {
    struct vm_config config;
    struct trace *trace;
    struct kvm kvm;
    int fd;
    unsigned address_bits; /* of a guest physical address */
    unsigned gic_version;  /* arm64's interrupt controller: 2 or 3 */
    bool has_its;          /* arm64: MSIs by an ITS */
    int gic_fd;            /* the KVM devices of both; -1: there is none */
    int its_fd;
    struct guest_memory memory;
    struct memslot_table memslots;
    struct bus mmio;
    struct bus ports;         /* x86 port I/O; stays empty elsewhere */
    struct mtrr_watch *mtrrs; /* x86: what the guest wrote to its MTRRs; else NULL */
    bool guest_pat_honoured;  /* x86: the quirk "ignore guest PAT" was lifted */
    struct vcpu vcpus[VM_CPUS_MAX];
    unsigned vcpu_count; /* created so far */

    vm_page_lost_function *page_lost; /* or NULL: it ends the run */
    void *page_lost_context;

    pthread_mutex_t lock; /* outcome, and what follows */
    pthread_cond_t ended; /* or not paused any more */
    pthread_cond_t parked_changed;
    struct vm_outcome outcome;
    atomic_bool stopping;
    atomic_bool paused;  /* no vCPU runs, and the end of the run waits */
    unsigned parked;     /* vCPUs that wait because of that */
    unsigned time_limit; /* seconds; 0: none */
    uint64_t deadline;   /* when it is over, in ns of CLOCK_MONOTONIC */
};

/* Opens KVM, checks the capabilities, makes the VM, its RAM at the places of vmm/layout.h,
 * its interrupt controller and its vCPUs. The trace is kept. On failure everything is undone. */
bool vm_init(struct vm *vm, const struct vm_config *config, struct trace *trace,
             struct error *error);

/* Stops what still runs and frees all; a zeroed object is fine. */
void vm_finish(struct vm *vm);

/* Runs the VM until vm_end_with() is called by anyone; seconds: 0 = no limit. The outcome is
 * copied out. False only if the threads could not be started. */
bool vm_run(struct vm *vm, struct vm_entry entry, unsigned time_limit_seconds,
            struct vm_outcome *outcome, struct error *error);

/* The same from where the vCPUs are: after vm_state_load(), or after vm_undo_end(). */
bool vm_continue(struct vm *vm, unsigned time_limit_seconds, struct vm_outcome *outcome,
                 struct error *error);

/* After a run: it has not ended. For a VM that was saved, and that nobody took over. */
void vm_undo_end(struct vm *vm);

/* --- a pause, in which another process may take the guest over --- */

/* The vCPUs' threads, in their sandbox, but none of them runs before vm_resume(). For a VM that
 * vm_state_load() is going to fill. ERROR_HOST_SYSTEM, ERROR_HOST_KVM. */
bool vm_start_paused(struct vm *vm, struct error *error);

/* What vm_run() does once the vCPUs have been started, and the thread is in SANDBOX_MAIN: waits for
 * the end, also of a pause. */
void vm_wait(struct vm *vm, struct vm_outcome *outcome);

/* Stops the vCPUs, with their last exits finished. Whoever ends the run from now on is heard after
 * vm_resume(). False, and nothing has changed: it has ended (ERROR_GUEST_STATE), or a vCPU did
 * not stop in this time (ERROR_HOST_SYSTEM). Not a vCPU's thread. */
bool vm_pause(struct vm *vm, unsigned milliseconds, struct error *error);

/* The vCPUs go on. */
void vm_resume(struct vm *vm);

/* In a pause: the run has ended with VM_END_UPDATE, whoever else ended it meanwhile. */
void vm_leave(struct vm *vm);

/* For vCPUs' threads: waits while the VM is paused; false: the run is to end. */
bool vm_park(struct vm *vm);

/* Ends the run; the first call wins. Any thread, also a vCPU's. error may be NULL. */
void vm_end_with(struct vm *vm, enum vm_end end, uint32_t verdict,
                 const struct error *error);

/* First address above RAM and 4 GiB, aligned to `alignment`: room for a window. */
gpa_t vm_free_address(const struct vm *vm, uint64_t alignment);

/* Intel: KVM honours the guest's PAT from now on (it ignores it by default: EPT's IPAT bit), for
 * leaves that it makes from now on: those of the next memslot are. At any time, any thread;
 * once is enough, and it cannot be undone. ERROR_CONFIG_HOST where KVM cannot, ERROR_HOST_KVM. */
bool vm_honour_guest_pat(struct vm *vm, struct error *error);

/* Whether the guest's own MTRRs are WB over the range, on all vCPUs and at this moment; true on
 * arm64. Any thread. */
bool vm_guest_mtrr_is_wb(const struct vm *vm, struct gpa_range range);

/* Whether the guest can address all of this valid range; name: for the message.
 * ERROR_CONFIG_HOST. */
bool vm_check_range(const struct vm *vm, const char *name, struct gpa_range range,
                    struct error *error);

#endif
