/* SPDX-License-Identifier: MIT */
/*
 * Work without an end, in a thread for each kind of memory, so that a live update meets all of them
 * in the middle of something: round N looks whether the pattern of round N - 1 is still there,
 * word by word, and writes that of round N.
 *
 *   cached  a HOST3D blob of a venus context (shared memory), mapped all the time
 *   wc      a GL texture of a virgl context, the same; and a fence in each round
 *           both: the driver's mapping is made anew in each round, the page table's type looked at,
 *           and another blob created, mapped, written, read, unmapped and destroyed
 *   ram     4 MiB of this process
 *   disk    256 KiB of /dev/vda, with O_DIRECT
 *   edu     DMA of QEMU's edu, from RAM to the device and from there to other RAM
 */
#ifndef S2VMM_GUEST_LINUX_LOAD_H
#define S2VMM_GUEST_LINUX_LOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "guest/linux/blob.h"
#include "guest/linux/pte.h"
#include "guest/linux/test.h"

struct load;

struct load_kind {
    const char *name;
    bool (*start)(struct load *load); /* writes round 0's pattern */
    bool (*round)(struct load *load, uint64_t round);
    bool (*end)(struct load *load, uint64_t last); /* looks at the last round's pattern */
};

struct load {
    const struct load_kind *kind;
    struct test *test;
    pthread_t thread;
    atomic_ulong rounds; /* that are done */
    atomic_bool failed;
    atomic_bool stop;

    /* cached, wc */
    struct gpu gpu;
    struct blob blob;
    enum memattr_type type; /* that the page table had at the start */
    bool type_known;

    int fd;             /* disk; edu: pagemap */
    void *pages;        /* ram; disk: two buffers; edu: two pages */
    uint8_t *registers; /* edu */
};

extern const struct load_kind load_cached;
extern const struct load_kind load_wc;
extern const struct load_kind load_ram;
extern const struct load_kind load_disk;
extern const struct load_kind load_edu;

/* `kind` is filled in. False: the test has failed, with the reason. */
bool load_start(struct test *test, struct load *load);
bool load_finish(struct load *load);

/* The pattern of a round. Each kind has its own. */
void load_fill(const struct load *load, volatile void *memory, uint64_t size,
               uint64_t round);
/* `what`: for the message, which names offset, expected and seen word, and round. */
bool load_check(const struct load *load, const char *what, const volatile void *memory,
                uint64_t size, uint64_t round);

#endif
