/* SPDX-License-Identifier: MIT */
/* Experiments with a buffer that changes while a guest has it: moved, of another attribute,
 * taken back. */
#include "vmm/experiments/gallery.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "devices/dmabuf-lab/dmabuf_lab.h"
#include "devices/gpu/kernel_info.h"

#define SIZE      (256 * KIB)
#define PAGE      UINT64_C(4096)
#define MOVES_MIN 60u

/* --- moving-buffer --- */

/* The words of each page, as guest/scenarios/experiment_moving.c has them. */
enum word {
    WORD_GUEST, /* the guest's pass, written by the guest */
    WORD_HOST,  /* the host's round, written by the host */
    WORD_STOP,  /* page 0: not 0: the guest ends after this pass */
};

struct mover {
    struct look *look;
    uint8_t *view; /* a mapping of our own: the guest's moves when its memslot is made */
    atomic_bool ended; /* the guest */
    unsigned rounds;   /* moves done */
    uint64_t stale;    /* words in which the host did not find its own value */
    struct error error;
    bool failed;
};

static volatile uint64_t *word_of(const struct mover *mover, uint64_t page,
                                  enum word word)
{
    return (volatile uint64_t *)(void *)(mover->view + page * PAGE) + word;
}

static void nap(void)
{
    const struct timespec time = {.tv_nsec = 1000000};
    nanosleep(&time, NULL);
}

static bool one_round(struct mover *mover)
{
    const uint64_t pages = SIZE / PAGE;
    mover->rounds++;
    for (uint64_t page = 0; page < pages; page++)
        *word_of(mover, page, WORD_HOST) = mover->rounds;
    if (!exporter_lab_move(&mover->look->target, &mover->error))
        return false;
    for (uint64_t page = 0; page < pages; page++)
        mover->stale += *word_of(mover, page, WORD_HOST) != mover->rounds;
    nap();
    return true;
}

static void *move_it(void *argument)
{
    struct mover *mover = argument;
    while (!atomic_load(&mover->ended) && *word_of(mover, 0, WORD_GUEST) == 0)
        nap();
    while (!atomic_load(&mover->ended) && mover->rounds < MOVES_MIN && !mover->failed)
        mover->failed = !one_round(mover);
    *word_of(mover, 0, WORD_STOP) = 1;
    return NULL;
}

void experiment_moving_buffer(const struct experiment_host *host,
                              struct experiment_log *log)
{
    struct look look;
    struct mover mover = {.look = &look};
    struct dmabuf_lab_counters count;
    pthread_t thread;
    char word[32];
    if (!look_open(&look, host, "dmabuf-lab:pages,fault,wb", SIZE, log))
        return;
    mover.view =
        mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, look.target.backing.fd, 0);
    if (mover.view == MAP_FAILED) {
        experiment_cannot(log, "mmap of the buffer: %s", strerror(errno));
        look_close(&look);
        return;
    }
    if (pthread_create(&thread, NULL, move_it, &mover) != 0) {
        experiment_cannot(log, "no thread for the host's side");
        munmap(mover.view, SIZE);
        look_close(&look);
        return;
    }
    bool ran = look_run(&look, MATRIX_SLOT_OVER, "scenario=experiment-moving", log);
    atomic_store(&mover.ended, true);
    pthread_join(thread, NULL);
    munmap(mover.view, SIZE);
    if (ran && look_counters(&look, &count, log)) {
        experiment_expect(log, "guest: nothing lost, nothing stale", "works",
                          look_end_word(&look));
        if (look.end != MATRIX_MACHINE_RAN)
            experiment_fact(log, "because", "%s", look.error.text);
        snprintf(word, sizeof word, "%llu", (unsigned long long)mover.stale);
        experiment_expect(log, "host: stale words", "0", word);
        if (mover.failed)
            experiment_fact(log, "the move failed", "%s", mover.error.text);
        snprintf(word, sizeof word, "%llu", (unsigned long long)count.moves);
        char rounds[32];
        snprintf(rounds, sizeof rounds, "%u", MOVES_MIN);
        experiment_expect(log, "moves under the guest", rounds, word);
        experiment_fact(log, "zaps", "%llu", (unsigned long long)count.zaps);
        experiment_fact(log, "pages given to mappings", "%llu",
                        (unsigned long long)count.faults);
    }
    look_close(&look);
}

/* --- attribute-change --- */

static void change_after_first(struct look *look, unsigned index)
{
    if (index == 0)
        exporter_lab_set_attribute(&look->target, "wc", &look->error);
}

static void leaf_row(struct experiment_log *log, const char *what,
                     struct memattr_leaf expected, const struct matrix_sight *sight)
{
    char expected_word[MATRIX_WORD];
    char seen_word[MATRIX_WORD] = "not observed";
    matrix_leaf_word(expected, expected_word);
    if (sight->leaf_known)
        matrix_leaf_word(sight->leaf.attributes, seen_word);
    experiment_expect(log, what, expected_word, seen_word);
}

/* Two reports of the guest, the change between them. */
static void compare_change(const struct look *look, const struct kernel_info *before,
                           const struct kernel_info *after, struct experiment_log *log)
{
    const struct memattr_platform *platform = &look->host->platform->memattr;
    const struct memattr_buffer old = look_buffer(look, before);
    const struct memattr_buffer new = look_buffer(look, after);
    enum memattr_type wc = memattr_s1_of_map_info(platform->model, MEMATTR_MAP_WC);
    char word[48];
    char expected[48];
    experiment_expect(log, "page table before", "WB", memattr_type_name(before->type));
    experiment_expect(log, "page table after", memattr_type_name(wc),
                      memattr_type_name(after->type));
    experiment_expect(log, "guest", "works", look_end_word(look));
    if (look->count < 2 || !look->sights[1].leaf_known) {
        experiment_cannot(log, "the S2 leaves are not observed: %s",
                          look->count ? look->sights[0].reason : look->error.text);
        return;
    }
    leaf_row(log, "S2 leaf before", memattr_leaf_of(platform, &old), &look->sights[0]);
    leaf_row(log, "S2 leaf after", memattr_leaf_of(platform, &new), &look->sights[1]);
    struct memattr_advice advice = memattr_advise(platform, &old);
    experiment_expect(log, "s2vmm's decision before", "CACHED",
                      look_advice_word(&advice, word, sizeof word));
    struct memattr_judgement stays =
        memattr_judge(platform, &new, memattr_leaf_of(platform, &new), MEMATTR_WB);
    struct memattr_judgement seen =
        memattr_judge(platform, &new, look->sights[1].leaf.attributes, MEMATTR_WB);
    snprintf(expected, sizeof expected, "%s", memattr_verdict_name(stays.verdict));
    experiment_expect(log, "the guest that was told CACHED, after", expected,
                      memattr_verdict_name(seen.verdict));
    advice = memattr_advise(platform, &new);
    experiment_fact(log, "s2vmm's decision after", "%s",
                    look_advice_word(&advice, word, sizeof word));
}

void experiment_attribute_change(const struct experiment_host *host,
                                 struct experiment_log *log)
{
    struct look look;
    struct kernel_info before;
    struct kernel_info after;
    if (look_open(&look, host, "dmabuf-lab:pages,fault,wb", SIZE, log) &&
        look_ask(&look, &before, log)) {
        look.reported = change_after_first;
        if (look_run(&look, MATRIX_SLOT_OVER, "scenario=attributes s1=wb,wt unaligned=no",
                     log) &&
            look_ask(&look, &after, log))
            compare_change(&look, &before, &after, log);
    }
    look_close(&look);
}

/* --- revoked --- */

static void revoke_after_first(struct look *look, unsigned index)
{
    if (index == 0)
        exporter_lab_revoke(&look->target, &look->error);
}

/* drop: what a VMM can do about it. */
static void revoke(const struct experiment_host *host, bool drop, const char *what,
                   const char *expected, struct experiment_log *log)
{
    struct experiment_host changed = *host;
    struct look look;
    changed.machine.drop_lost = drop;
    if (look_open(&look, &changed, "dmabuf-lab:pages,fault,wb", SIZE, log)) {
        look.reported = revoke_after_first;
        if (look_run(&look, MATRIX_SLOT_OVER, "scenario=experiment-revoked", log)) {
            char word[16];
            experiment_expect(log, what, expected, look_end_word(&look));
            if (look.end != MATRIX_MACHINE_RAN)
                experiment_fact(log, "in KVM's words", "%.90s", look.error.text);
            snprintf(word, sizeof word, "%u", look.count);
            experiment_expect(log,
                              drop ? "reports of the guest, dropped"
                                   : "reports of the guest, nothing done",
                              drop ? "2" : "1", word);
        }
    }
    look_close(&look);
}

void experiment_revoked(const struct experiment_host *host, struct experiment_log *log)
{
    revoke(host, false, "the next access, nothing done", "EFAULT", log);
    if (!log->impossible[0])
        revoke(host, true, "the next access, memslot dropped", "works", log);
}
