/* SPDX-License-Identifier: MIT */
/*
 * See lab_cases.h: changes while the buffer is in use. One thread counts in the buffer
 * and knows what it has counted; one maps, looks and unmaps; one changes.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/modules/lab_cases.h"
#include "tests/modules/lab_memory.h"

enum { ROUNDS = 20, MANY_ROUNDS = 300, PAGE_WORDS = LAB_PAGE / 8, MARK_WORD = 1 };

/* in every page: one that the buffer has left is poisoned, and may belong to somebody
 * else */
#define MARK UINT64_C(0x6d61726b)

struct race {
    struct checks *checks;
    const char *name;
    int fd;
    atomic_bool is_over;
};

/* Each page has a counter of its own. A write to a page that is gone would be lost. */
static void *count(void *argument)
{
    struct race *race = argument;
    volatile uint64_t *memory = memory_map(race->fd);
    uint64_t turns = 0;
    bool same = true;
    if (!check(race->checks, memory != MAP_FAILED, "%s: mmap: %s", race->name,
               strerror(errno)))
        return NULL;
    while (same && !atomic_load(&race->is_over)) {
        for (size_t page = 0; page < LAB_PAGES; page++) {
            uint64_t was = memory[page * PAGE_WORDS];
            same = same && was == turns;
            memory[page * PAGE_WORDS] = was + 1;
        }
        turns++;
    }
    check(race->checks, same, "%s: after %llu turns something written was lost",
          race->name, (unsigned long long)turns);
    memory_unmap(memory);
    return NULL;
}

static void *map_and_look(void *argument)
{
    struct race *race = argument;
    bool is_clean = true;
    while (is_clean && !atomic_load(&race->is_over)) {
        volatile uint64_t *memory = memory_map(race->fd);
        if (!check(race->checks, memory != MAP_FAILED, "%s: mmap: %s", race->name,
                   strerror(errno)))
            return NULL;
        for (int turn = 0; turn < 4; turn++) {
            for (size_t page = 0; page < LAB_PAGES; page++)
                is_clean = is_clean && memory[page * PAGE_WORDS + MARK_WORD] == MARK;
        }
        memory_unmap(memory);
    }
    check(race->checks, is_clean, "%s: a mapping shows a page that the buffer has left",
          race->name);
    return NULL;
}

static bool mark(struct race *race)
{
    volatile uint64_t *memory = memory_map(race->fd);
    if (!check(race->checks, memory != MAP_FAILED, "%s: mmap: %s", race->name,
               strerror(errno)))
        return false;
    for (size_t page = 0; page < LAB_PAGES; page++)
        memory[page * PAGE_WORDS + MARK_WORD] = MARK;
    memory_unmap(memory);
    return true;
}

static void change(struct race *race, const struct lab *lab, uint32_t rounds)
{
    for (uint32_t round = 0; round < rounds; round++) {
        int error = round % 4 ? lab_move(lab, race->fd)
                              : lab_set_attribute(lab, race->fd,
                                                  round / 4 % DMABUF_LAB_ATTRIBUTE_COUNT);
        check(race->checks, error == 0, "%s: round %u: error %d", race->name, round,
              error);
        if (rounds == ROUNDS)
            usleep(500);
    }
}

/* Without the counter, the one who maps and the one who changes meet more often. */
static void race_one(struct checks *checks, const struct lab *lab,
                     const struct dmabuf_lab_create *request, bool with_counter,
                     uint32_t rounds)
{
    char name[60];
    struct race race = {.checks = checks,
                        .name = lab_name(request, name, sizeof(name)),
                        .fd = lab_create(lab, *request)};
    pthread_t counter, looker;
    if (!check(checks, race.fd >= 0, "%s: %s", name, strerror(errno)))
        return;
    if (mark(&race)) {
        bool looks = pthread_create(&looker, NULL, map_and_look, &race) == 0;
        bool counts = with_counter && pthread_create(&counter, NULL, count, &race) == 0;
        check(checks, looks && counts == with_counter, "%s: no threads", name);
        change(&race, lab, rounds);
        atomic_store(&race.is_over, true);
        if (looks)
            pthread_join(looker, NULL);
        if (counts)
            pthread_join(counter, NULL);
    }
    close(race.fd);
}

void cases_races(struct checks *checks, const struct lab *lab)
{
    for (uint32_t backing = 0; backing < DMABUF_LAB_BAR; backing++) {
        for (uint32_t vma = 0; vma < DMABUF_LAB_VMA_COUNT; vma++) {
            struct dmabuf_lab_create request =
                lab_request(lab, backing, vma, DMABUF_LAB_WC, 0);
            if (lab_is_possible(&request))
                race_one(checks, lab, &request, true, ROUNDS);
        }
    }
    /* mmap() makes the entries itself, before the kernel knows of the mapping */
    struct dmabuf_lab_create request =
        lab_request(lab, DMABUF_LAB_PAGES, DMABUF_LAB_PFNMAP, DMABUF_LAB_WB, 0);
    race_one(checks, lab, &request, false, MANY_ROUNDS);
}
