/* SPDX-License-Identifier: MIT */
/*
 * All that a guest does with memory, at once, while its VMM is replaced (guest/linux/load.h). A line
 * each second says how many rounds each kind has done; one that stands still has failed. Options:
 *
 *   parts=A,B        of cached, wc, ram, disk, edu (default: ram)
 *   seconds=N        how long; a line on stdin ends it earlier
 *   cached=TYPE wc=TYPE   the type that the guest's page table has to have
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest/linux/load.h"
#include "guest/linux/scenarios.h"
#include "vmm/types.h"

#define STALL 120u /* seconds without a round, the longest pause among them */

static const struct load_kind *const kinds[] = {
    &load_cached, &load_wc, &load_ram, &load_disk, &load_edu,
};

struct loads {
    struct load list[ARRAY_SIZE(kinds)];
    unsigned long seen[ARRAY_SIZE(kinds)];
    uint64_t seen_at[ARRAY_SIZE(kinds)]; /* second */
    unsigned count;
};

static bool add(struct test *test, struct loads *loads, const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(kinds[i]->name, name) != 0 || loads->count == ARRAY_SIZE(kinds))
            continue;
        loads->list[loads->count].kind = kinds[i];
        return load_start(test, &loads->list[loads->count++]);
    }
    printf("FAIL %s: parts=: no kind \"%s\"\n", test->scenario, name);
    return false;
}

static bool start(struct test *test, struct loads *loads)
{
    char names[64];
    (void)snprintf(names, sizeof names, "%s",
                   options_text(&test->options, "parts", "ram"));
    for (char *rest = names, *name; (name = strsep(&rest, ",")) != NULL;)
        REQUIRE(add(test, loads, name));
    return true;
}

static bool look(struct test *test, struct loads *loads, uint64_t second)
{
    char line[256];
    size_t length = 0;
    for (unsigned i = 0; i < loads->count; i++) {
        struct load *load = &loads->list[i];
        unsigned long rounds = load->rounds;
        length += (size_t)snprintf(line + length, sizeof line - length, " %s %lu,",
                                   load->kind->name, rounds);
        CHECK(!load->failed);
        if (rounds != loads->seen[i]) {
            loads->seen[i] = rounds;
            loads->seen_at[i] = second;
        }
        if (second - loads->seen_at[i] >= STALL) {
            printf("FAIL %s: %s stands still, after round %lu\n", test->scenario,
                   load->kind->name, rounds);
            return false;
        }
    }
    test_say(test, "second %" PRIu64 ":%s", second, line);
    return true;
}

bool scenario_update_load(struct test *test)
{
    static struct loads loads; /* a thread of a failed one goes on with it */
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    uint64_t seconds;
    REQUIRE(test_option(test, "seconds", 10, &seconds));
    REQUIRE(start(test, &loads));
    uint64_t second = 0;
    for (; second < seconds && !(input.revents & POLLIN); second++) {
        REQUIRE(look(test, &loads, second));
        (void)poll(&input, 1, 1000);
    }
    for (unsigned i = 0; i < loads.count; i++)
        REQUIRE(load_finish(&loads.list[i]));
    return look(test, &loads, second);
}
