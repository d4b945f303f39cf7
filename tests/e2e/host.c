/* SPDX-License-Identifier: MIT */
#include "tests/e2e/host.h"

#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define DEBUGFS "/sys/kernel/debug"
#define DMABUF  "/dmabuf:"

/* --- one sample --- */

/* Lines of a file that contain the text. */
static unsigned count_lines(const char *path, const char *text)
{
    char line[512];
    unsigned count = 0;
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        count += strstr(line, text) != NULL;
    if (file)
        fclose(file);
    return count;
}

/* The number behind `key`, or of the whole file; 0: there is none. */
static uint64_t number_in(const char *path, const char *key)
{
    char line[512];
    uint64_t number = 0;
    size_t length = strlen(key);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, length) == 0)
            number = strtoull(line + length, NULL, 10);
    if (file)
        fclose(file);
    return number;
}

/* Adds number_in() of all files that match. */
static uint64_t sum_of(const char *pattern, const char *key)
{
    glob_t found;
    uint64_t sum = 0;
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            sum += number_in(found.gl_pathv[i], key);
    globfree(&found);
    return sum;
}

static void count_descriptors(pid_t pid, struct host_sample *sample)
{
    char pattern[64];
    glob_t found;
    snprintf(pattern, sizeof pattern, "/proc/%d/fd/*", (int)pid);
    if (glob(pattern, 0, NULL, &found) == 0) {
        sample->descriptors = (unsigned)found.gl_pathc;
        for (size_t i = 0; i < found.gl_pathc; i++) {
            char target[64] = "";
            ssize_t length = readlink(found.gl_pathv[i], target, sizeof target - 1);
            sample->buffers += length > 0 && strncmp(target, DMABUF, strlen(DMABUF)) == 0;
        }
    }
    globfree(&found);
}

/* What several processes share counts once. */
static uint64_t resident(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    return number_in(path, "Pss:") * 1024;
}

static uint64_t resident_with_children(pid_t pid);

/* Of the processes whose numbers are in the file. */
static uint64_t resident_of_list(const char *path)
{
    char line[512] = "";
    uint64_t bytes = 0;
    FILE *file = fopen(path, "re");
    if (file && fgets(line, sizeof line, file)) {
        char *end;
        char *rest = line;
        for (long child = strtol(rest, &end, 10); end != rest;
             child = strtol(rest, &end, 10)) {
            bytes += resident_with_children((pid_t)child);
            rest = end;
        }
    }
    if (file)
        fclose(file);
    return bytes;
}

/* The render server, and what it forks. */
static uint64_t resident_with_children(pid_t pid)
{
    char pattern[64];
    glob_t found;
    uint64_t bytes = resident(pid);
    snprintf(pattern, sizeof pattern, "/proc/%d/task/*/children", (int)pid);
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            bytes += resident_of_list(found.gl_pathv[i]);
    globfree(&found);
    return bytes;
}

static struct host_sample take_sample(pid_t pid)
{
    struct host_sample sample = {0};
    char path[96];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    sample.mappings = count_lines(path, DMABUF);
    count_descriptors(pid, &sample);
    /* virt/kvm/kvm_main.c, kvm_create_vm_debugfs(): a folder PID-FD for each VM. */
    snprintf(path, sizeof path, DEBUGFS "/kvm/%d-*/pages_4k", (int)pid);
    sample.kvm_pages = sum_of(path, "");
    sample.exported = count_lines(DEBUGFS "/dma_buf/bufinfo", "dmabuf-lab");
    return sample;
}

/* --- while it runs --- */

static const char *const phase_names[PHASE_COUNT] = {
    [PHASE_CREATED] = "created",
    [PHASE_MAPPED] = "mapped",
    [PHASE_UNMAPPED] = "unmapped",
    [PHASE_MAPPED_WITHOUT_CONTEXT] = "mapped-without-context",
    [PHASE_UNREFERENCED] = "unreferenced",
    [PHASE_RESET] = "reset",
};

void host_watch_init(struct host_watch *watch, enum case_watch what)
{
    *watch = (struct host_watch){.what = what, .pending_phase = -1};
    if (what == WATCH_LEFTOVERS && access(DEBUGFS "/kvm", F_OK) != 0)
        (void)mount("none", DEBUGFS, "debugfs", 0, NULL);
}

/* The phase that the last line "phase NAME" names, or -1. */
static int phase_of(const char *out)
{
    static const char key[] = "phase ";
    const char *last = NULL;
    for (const char *next = strstr(out, key); next; next = strstr(next + 1, key))
        last = next + sizeof key - 1;
    for (int i = 0; last && i < PHASE_COUNT; i++) {
        size_t length = strlen(phase_names[i]);
        /* The line is there as a whole. */
        if (strncmp(last, phase_names[i], length) == 0 &&
            (last[length] == '\r' || last[length] == '\n'))
            return i;
    }
    return -1;
}

static void keep_most(struct host_sample *most, const struct host_sample *sample)
{
    if (sample->descriptors > most->descriptors)
        most->descriptors = sample->descriptors;
    if (sample->resident > most->resident)
        most->resident = sample->resident;
}

void host_watch_look(void *context, pid_t pid, int in, const char *out)
{
    (void)in;
    struct host_watch *watch = context;
    unsigned end = (unsigned)strlen(out);
    if (watch->pending_phase >= 0 && end == watch->pending_end) {
        watch->phases[watch->pending_phase] = watch->pending;
        watch->seen[watch->pending_phase]++;
    }
    watch->pending_phase = phase_of(out);
    watch->pending_end = end;
    watch->pending = take_sample(pid);
    if (watch->what == WATCH_GREED)
        watch->pending.resident = resident_with_children(pid);
    keep_most(&watch->most, &watch->pending);
}

/* --- what must come out --- */

/* Like `like`, but for the mapping that the guest has. */
static void check_phase(const struct host_watch *watch, enum host_phase phase,
                        const struct host_sample *like, bool mapped)
{
    const struct host_sample *sample = &watch->phases[phase];
    const char *name = phase_names[phase];
    const unsigned pages = 512; /* of the scenario's buffer */
    ck_assert_msg(watch->seen[phase] > 0, "nobody looked during the phase %s", name);
    ck_assert_msg(sample->mappings == like->mappings + mapped,
                  "%s: %u mappings of dma-bufs, and %u when it was created", name,
                  sample->mappings, like->mappings);
    ck_assert_msg(sample->buffers == like->buffers + mapped,
                  "%s: %u descriptors of dma-bufs, and %u when it was created", name,
                  sample->buffers, like->buffers);
    ck_assert_msg(sample->exported == like->exported,
                  "%s: %u dma-bufs exist, and %u when it was created", name,
                  sample->exported, like->exported);
#if defined(__x86_64__) /* arm64's KVM counts no pages */
    ck_assert_msg(watch->phases[PHASE_CREATED].kvm_pages > 0,
                  "no " DEBUGFS "/kvm/PID-FD/pages_4k");
    /* Some pages of the guest's own RAM may have come. */
    uint64_t least = watch->phases[PHASE_CREATED].kvm_pages + (mapped ? pages : 0);
    ck_assert_msg(sample->kvm_pages + pages / 4 >= least &&
                      sample->kvm_pages <= least + pages / 4,
                  "%s: KVM maps %llu pages, and %llu when it was created", name,
                  (unsigned long long)sample->kvm_pages,
                  (unsigned long long)watch->phases[PHASE_CREATED].kvm_pages);
#else
    (void)pages;
#endif
}

static void check_leftovers(const struct host_watch *watch)
{
    static const struct host_sample nothing;
    const struct host_sample *created = &watch->phases[PHASE_CREATED];
    ck_assert_uint_eq(created->exported, 1);
    check_phase(watch, PHASE_CREATED, created, false);
    check_phase(watch, PHASE_MAPPED, created, true);
    check_phase(watch, PHASE_UNMAPPED, created, false);
    check_phase(watch, PHASE_MAPPED_WITHOUT_CONTEXT, created, true);
    check_phase(watch, PHASE_UNREFERENCED, &nothing, false);
    check_phase(watch, PHASE_RESET, &nothing, false);
}

void host_watch_check(const struct host_watch *watch, const struct e2e_case *test)
{
    if (test->watch == WATCH_LEFTOVERS)
        check_leftovers(watch);
    if (test->watch != WATCH_GREED)
        return;
    ck_assert_msg(watch->most.descriptors <= test->most_descriptors,
                  "%s: %u descriptors, %u are the most", test->name,
                  watch->most.descriptors, test->most_descriptors);
    ck_assert_msg(watch->most.resident <= (uint64_t)test->most_mib << 20,
                  "%s: %llu KiB of memory, %u MiB are the most", test->name,
                  (unsigned long long)watch->most.resident >> 10, test->most_mib);
}
