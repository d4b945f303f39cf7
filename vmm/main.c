/* SPDX-License-Identifier: MIT */
/*
 * Reads the command line, runs its command, and turns the outcome into an exit status. With
 * vmm/machine*.c, vmm/probe.c, vmm/matrix/ and vmm/experiments/ the composition roots, which
 * see everything.
 *
 *   0 success, 1 the guest reported failure, 2 usage or configuration, 3 the host failed,
 *   4 the guest crashed, 5 it asked for a reset, 124 the time limit, 128 + n signal n
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/exit.h"
#include "vmm/experiments/command.h"
#include "vmm/machine.h"
#include "vmm/matrix/command.h"
#include "vmm/options.h"
#include "vmm/platform.h"
#include "vmm/probe.h"
#include "vmm/supervisor.h"
#include "vmm/update.h"
#include "vmm/version.h"

enum exit_status {
    STATUS_SUCCESS = 0,
    STATUS_GUEST_FAILED = 1,
    STATUS_DIFFERS = 1, /* matrix, experiment: an observation that nothing explains */
    STATUS_CONFIG = 2,
    STATUS_HOST = 3,
    STATUS_GUEST_CRASHED = 4,
    STATUS_RESET = 5,
    STATUS_TIME_LIMIT = 124,
};

static int report(const struct error *error)
{
    fprintf(stderr, "s2vmm: %s\n", error->text);
    return error_code_group(error->code) == ERROR_GROUP_CONFIG ? STATUS_CONFIG
                                                               : STATUS_HOST;
}

/* --- run --- */

static int status_of(const struct vm_outcome *outcome)
{
    switch (outcome->end) {
    case VM_END_VERDICT:
        if (outcome->verdict == EXIT_VERDICT_SUCCESS)
            return STATUS_SUCCESS;
        if (outcome->verdict == EXIT_VERDICT_CRASH) {
            fprintf(stderr,
                    "s2vmm: the guest crashed, as it says itself: see its console\n");
            return STATUS_GUEST_CRASHED;
        }
        fprintf(stderr, "s2vmm: the guest reports failure, verdict %u\n",
                outcome->verdict);
        return STATUS_GUEST_FAILED;
    case VM_END_POWER_OFF:
        return STATUS_SUCCESS;
    case VM_END_RESET:
        fprintf(stderr, "s2vmm: the guest asked for a reset\n");
        return STATUS_RESET;
    case VM_END_CRASH:
        fprintf(stderr, "s2vmm: %s\n", outcome->error.text);
        return STATUS_GUEST_CRASHED;
    case VM_END_HOST:
        return report(&outcome->error);
    case VM_END_SIGNAL: /* the verdict is the signal's number; 0: the time limit */
        fprintf(stderr, "s2vmm: %s\n", outcome->error.text);
        return outcome->verdict ? 128 + (int)outcome->verdict : STATUS_TIME_LIMIT;
    case VM_END_UPDATE:
    case VM_END_NONE:
        break;
    }
    BUG_ON(true);
}

/* Another s2vmm has the guest, or keeps it: nothing of what both share is taken down. */
static _Noreturn void leave(struct machine *machine, int status)
{
    machine_leave(machine);
    _exit(status);
}

static int run(const struct options *options)
{
    struct error error;
    struct vm_outcome outcome = {0};
    struct machine *machine = calloc(1, sizeof *machine);
    if (!machine) {
        error_set(&error, ERROR_HOST_MEMORY, "no memory for the machine");
        return report(&error);
    }
    bool ran =
        machine_init(machine, options, &error) && machine_run(machine, &outcome, &error);
    if (ran && outcome.end == VM_END_UPDATE)
        leave(machine, STATUS_SUCCESS);
    if (!ran && machine->update.takeover >= 0) {
        machine_update_failed(machine, &error);
        leave(machine, STATUS_HOST);
    }
    int status = ran ? status_of(&outcome) : report(&error);
    machine_finish(machine);
    free(machine);
    return status;
}

/* The supervisor needs the command line as it was given: reading it cuts words off. */
static int run_supervised(struct options *options, char **argv)
{
    struct error error;
    if (options->update_socket && options->update_takeover < 0 &&
        !supervisor_start(options->update_socket, argv, &options->update_control, &error))
        return report(&error);
    return run(options);
}

static int update(const struct options *options)
{
    struct error error;
    return update_command(options, &error) ? STATUS_SUCCESS : report(&error);
}

/* --- probe --- */

static int probe(const struct options *options)
{
    struct error error;
    return probe_command(options, &error) ? STATUS_SUCCESS : report(&error);
}

/* --- matrix --- */

static int matrix(const struct options *options)
{
    struct error error;
    struct platform platform;
    bool honour = false;
    bool explained;
    bool is_host = options->platform == NULL;
    if (is_host && (!platform_probe(&platform, NULL, &error) ||
                    !machine_decide_guest_pat(&platform, options, true, &honour, &error)))
        return report(&error);
    if (!matrix_command(options, is_host ? &platform : NULL, honour, &explained, &error))
        return report(&error);
    return explained ? STATUS_SUCCESS : STATUS_DIFFERS;
}

/* --- experiment --- */

static int experiment(const struct options *options)
{
    struct error error;
    struct platform platform;
    enum experiment_end end;
    if (!platform_probe(&platform, NULL, &error) ||
        !experiment_command(options, &platform, &end, &error))
        return report(&error);
    switch (end) {
    case EXPERIMENT_AS_EXPECTED:
        return STATUS_SUCCESS;
    case EXPERIMENT_SURPRISE:
        return STATUS_DIFFERS;
    case EXPERIMENT_NOT_POSSIBLE:
        break;
    }
    return STATUS_CONFIG;
}

/* --- all of them --- */

static int execute(struct options *options, char **argv)
{
    switch (options->command) {
    case OPTIONS_RUN:
        return run_supervised(options, argv);
    case OPTIONS_PROBE:
        return probe(options);
    case OPTIONS_MATRIX:
        return matrix(options);
    case OPTIONS_EXPERIMENT:
        return experiment(options);
    case OPTIONS_UPDATE:
        return update(options);
    case OPTIONS_HELP:
        options_print_help(stdout);
        return STATUS_SUCCESS;
    case OPTIONS_VERSION:
        puts("s2vmm " S2VMM_VERSION);
        return STATUS_SUCCESS;
    }
    return STATUS_CONFIG;
}

static void free_words(char **words)
{
    for (char **word = words; word && *word; word++)
        free(*word);
    free(words);
}

/* NULL at the end, as argv has. */
static char **copy_of(int argc, char **argv)
{
    char **copy = calloc((size_t)argc + 1, sizeof *copy);
    bool good = copy != NULL;
    for (int i = 0; good && i < argc; i++)
        good = (copy[i] = strdup(argv[i])) != NULL;
    if (good)
        return copy;
    free_words(copy);
    return NULL;
}

int main(int argc, char **argv)
{
    struct options options;
    struct error error;
    char **given = copy_of(argc, argv);
    int status = STATUS_CONFIG;
    if (!given) {
        fprintf(stderr, "s2vmm: no memory for the command line\n");
        return STATUS_HOST;
    }
    if (options_parse(argc, argv, &options, &error))
        status = execute(&options, given);
    else
        fprintf(stderr, "s2vmm: %s\n", error.text);
    free_words(given);
    return status;
}
