/* SPDX-License-Identifier: MIT */
/*
 * Updates the s2vmm of a guest again and again (docs/live-update.md), and lets one system call fail in
 * each of these updates.
 *
 *   inject-update [--quick] [--all-errors] [--only TEXT] [--seconds N] --socket PATH --results FOLDER
 *                 -- S2VMM run OPTIONS ...
 *
 * Which calls there are the updates show (update_calls.h). Each call, of each kind and caller, fails with the
 * first error of calls.c, or with all of them: one call in an update, and the next one in the next
 * update, as many as any update has had. After each UPDATES_IN_A_ROW there is one without a fault, which has to
 * succeed; so has one that does not come to the call in question.
 * --quick: the first call of each kind. --only: kinds with this text in "CALLER CALL".
 *
 * Whatever fails, after an update there is one VMM, with as many threads, descriptors and irqfds as before,
 * and the guest prints its next line; a refusal has the text of the error. In the end the guest has printed
 * each of its lines once, and nothing is left. Then there is another guest, as it runs for N seconds
 * only. FOLDER/all has a line for each fault, FOLDER/calls one for each kind, with the most calls of it in
 * an update; standard output, what is wrong, and the sum.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/faults/faulty_guest.h"
#include "tests/faults/update_calls.h"
#include "vmm/types.h"

#define KINDS_MAX        1024u
#define UPDATES_IN_A_ROW 16u
#define SLOW             20000u /* ms: it waits for what will not come */

struct kind {
    char caller[UPDATE_CALLER_SIZE];
    struct call call;
    unsigned count; /* in this update */
    unsigned most;  /* in any */
    unsigned at;    /* which call is the next to fail, from 1 */
    unsigned error; /* and the place of its error */
    bool done;
};

struct injector {
    bool quick;
    bool all_errors;
    const char *only;
    struct faulty_guest guest;
    FILE *all;

    struct update_calls calls; /* of this update */
    struct kind *fail;         /* NULL: nothing is to */
    bool injected;

    unsigned kind_count;
    struct kind kinds[KINDS_MAX];

    unsigned faults;
    unsigned failures;
    unsigned refused;
    unsigned updates;
    unsigned in_a_row; /* with a fault */
};

/* --- the calls --- */

static struct kind *find(struct injector *injector, const char *caller,
                         const struct call *call, bool known)
{
    for (unsigned i = 0; i < injector->kind_count; i++)
        if (strcmp(injector->kinds[i].call.name, call->name) == 0 &&
            strcmp(injector->kinds[i].caller, caller) == 0)
            return &injector->kinds[i];
    if (injector->kind_count == KINDS_MAX)
        die("too many kinds of calls");
    struct kind *kind = &injector->kinds[injector->kind_count++];
    *kind = (struct kind){.call = *call, .at = 1};
    snprintf(kind->caller, sizeof kind->caller, "%s", caller);
    char name[UPDATE_CALLER_SIZE + CALL_NAME_SIZE];
    snprintf(name, sizeof name, "%s %s", caller, call->name);
    kind->done =
        call->errors[0] == 0 || (injector->only && !strstr(name, injector->only));
    if (!known) {
        printf("FAULT: calls.c does not know: %s\n", name);
        injector->failures++;
    }
    return kind;
}

static int choose_error(struct injector *injector, const struct seccomp_notif *request)
{
    char caller[UPDATE_CALLER_SIZE];
    struct call call;
    bool known;
    if (!update_calls_look(&injector->calls, request, caller, &call, &known))
        return 0;
    struct kind *kind = find(injector, caller, &call, known);
    kind->count++;
    if (kind->count > kind->most)
        kind->most = kind->count;
    if (kind != injector->fail || injector->injected || kind->count != kind->at)
        return 0;
    injector->injected = true;
    return kind->call.errors[kind->error];
}

static int choose(void *context, const struct seccomp_notif *request)
{
    struct injector *injector = context;
    if (injector->calls.supervisor == 0) /* no update is under way */
        return 0;
    int error = choose_error(injector, request);
    if (error == 0)
        update_calls_note_made(&injector->calls, request);
    return error;
}

/* --- one update --- */

static void complain(struct injector *injector, const char *what, uint64_t number)
{
    char *wrong = injector->guest.wrong;
    size_t used = strlen(wrong);
    snprintf(wrong + used, sizeof injector->guest.wrong - used, "%s%llu\n", what,
             (unsigned long long)number);
}

/* Of what has gone wrong with an update, or with the whole run of a guest. */
static void report(struct injector *injector, const char *what)
{
    struct faulty_guest *guest = &injector->guest;
    if (guest->wrong[0] == '\0')
        return;
    printf("FAULT: %s:\n%s    %s\n", what, guest->wrong, guest->reply);
    fflush(stdout);
    injector->failures++;
    faulty_guest_forgive(guest);
}

static int update(struct injector *injector, struct kind *fail)
{
    struct faulty_guest *guest = &injector->guest;
    for (unsigned i = 0; i < injector->kind_count; i++)
        injector->kinds[i].count = 0;
    injector->injected = false;
    injector->fail = fail;
    injector->updates++;
    injector->calls =
        (struct update_calls){.supervisor = guest->program.process, .old = guest->vmm};
    int status = faulty_guest_update(guest);
    faulty_guest_check(guest, status == 0);
    injector->calls.supervisor = 0;
    if (status != 0 && injector->calls.irqfds != 0)
        complain(injector, "irqfds that the old one did not take back: ",
                 (uint64_t)-injector->calls.irqfds);
    return status;
}

/* One without a fault has to succeed. */
static void update_well(struct injector *injector)
{
    injector->in_a_row = 0;
    int status = update(injector, NULL);
    if (status != 0)
        complain(injector, "status ", (uint64_t)status);
    report(injector, "an update without a fault");
}

static void start_guest(struct injector *injector)
{
    faulty_guest_start(&injector->guest);
    update_well(
        injector); /* the first VMM was not taken over, and may have other threads */
    faulty_guest_take_measure(&injector->guest);
}

static void finish_guest(struct injector *injector)
{
    faulty_guest_finish(&injector->guest);
    report(injector, "the end of a guest");
}

/* pthread_create(3) has EAGAIN for each error of clone(). */
static bool has_reason(const struct kind *kind, const char *reply)
{
    int number = kind->call.errors[kind->error];
    if (strncmp(kind->call.name, "clone", 5) == 0 ||
        strcmp(kind->call.name, "mmap") == 0 || strcmp(kind->call.name, "mprotect") == 0)
        return strstr(reply, strerror(number)) || strstr(reply, strerror(EAGAIN));
    return strstr(reply, strerror(number)) != NULL;
}

static void fail_one(struct injector *injector, struct kind *kind)
{
    struct faulty_guest *guest = &injector->guest;
    char what[160];
    uint64_t start = milliseconds();
    int status = update(injector, kind);
    uint64_t took = milliseconds() - start;
    const char *error = strerrorname_np(kind->call.errors[kind->error]);
    if (!injector->injected) {
        if (status != 0)
            complain(injector, "status ", (uint64_t)status);
        report(injector, "an update without a fault, after others with one");
        injector->in_a_row = 0;
        return;
    }
    snprintf(what, sizeof what, "%s, %s, call %u, %s", kind->caller, kind->call.name,
             kind->at, error);
    injector->faults++;
    injector->in_a_row++;
    injector->refused += status != 0;
    if (status != 0 && !has_reason(kind, guest->reply))
        complain(injector, "a refusal without the reason, status ", (uint64_t)status);
    else if (took > SLOW)
        complain(injector, "milliseconds: ", took);
    fprintf(injector->all, "%s|%d|%llu ms|%s|%s\n", what, status,
            (unsigned long long)took, guest->reply, guest->wrong[0] ? "WRONG" : "");
    fflush(injector->all);
    report(injector, what);
}

/* --- all of them --- */

/* What comes after the fault that was tried, or was not to be had. */
static void advance(const struct injector *injector, struct kind *kind)
{
    bool more =
        kind->error + 1 < CALL_ERRORS_MAX && kind->call.errors[kind->error + 1] != 0;
    if (injector->injected && injector->all_errors && more) {
        kind->error++;
        return;
    }
    kind->error = 0;
    kind->done = injector->quick || kind->at >= kind->most;
    kind->at++;
}

static struct kind *next_kind(struct injector *injector)
{
    for (unsigned i = 0; i < injector->kind_count; i++)
        if (!injector->kinds[i].done)
            return &injector->kinds[i];
    return NULL;
}

static void list_kinds(const struct injector *injector)
{
    char path[512];
    snprintf(path, sizeof path, "%s/calls", injector->guest.results);
    FILE *file = fopen(path, "we");
    for (unsigned i = 0; file && i < injector->kind_count; i++)
        fprintf(file, "%s|%s|%u\n", injector->kinds[i].caller,
                injector->kinds[i].call.name, injector->kinds[i].most);
    if (file)
        fclose(file);
}

static void run(struct injector *injector)
{
    struct kind *kind;
    start_guest(injector);
    while ((kind = next_kind(injector))) {
        if (!faulty_guest_has_time(&injector->guest)) {
            finish_guest(injector);
            start_guest(injector);
        }
        fail_one(injector, kind);
        advance(injector, kind);
        if (injector->in_a_row >= UPDATES_IN_A_ROW)
            update_well(injector);
    }
    if (faulty_guest_has_time(&injector->guest))
        update_well(injector);
    finish_guest(injector);
}

/* --- */

static char **read_options(struct injector *injector, int argc, char **argv)
{
    static const struct option options[] = {
        {"quick", no_argument, NULL, 'q'},
        {"all-errors", no_argument, NULL, 'a'},
        {"only", required_argument, NULL, 'o'},
        {"seconds", required_argument, NULL, 's'},
        {"socket", required_argument, NULL, 'k'},
        {"results", required_argument, NULL, 'r'},
        {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
        switch (option) {
        case 'q':
            injector->quick = true;
            break;
        case 'a':
            injector->all_errors = true;
            break;
        case 'o':
            injector->only = optarg;
            break;
        case 's':
            injector->guest.seconds = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'k':
            injector->guest.socket = optarg;
            break;
        case 'r':
            injector->guest.results = optarg;
            break;
        default:
            exit(2);
        }
    }
    if (!argv[optind] || !injector->guest.socket || !injector->guest.results ||
        injector->guest.seconds == 0) {
        fprintf(stderr, "inject-update: see the head of tests/faults/inject_update.c\n");
        exit(2);
    }
    return argv + optind;
}

int main(int argc, char **argv)
{
    struct injector *injector = calloc(1, sizeof *injector);
    char path[512];
    if (!injector)
        die("calloc");
    injector->guest.argv = read_options(injector, argc, argv);
    injector->guest.choose = choose;
    injector->guest.context = injector;
    snprintf(path, sizeof path, "%s/all", injector->guest.results);
    injector->all = fopen(path, "we");
    if (!injector->all)
        die(path);
    run(injector);
    printf("%u kinds of calls, %u updates, %u with a fault, %u refused\n",
           injector->kind_count, injector->updates, injector->faults, injector->refused);
    printf("Checks: %u, Failures: %u, Errors: 0\n", injector->faults, injector->failures);
    list_kinds(injector);
    fclose(injector->all);
    bool good = injector->failures == 0;
    free(injector);
    return good ? 0 : 1;
}
