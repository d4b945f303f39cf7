/* SPDX-License-Identifier: MIT */
/*
 * An experiment: one question about mappings, asked of this host.
 *
 *     question --> rows: what | expected here | seen --> as expected, or SURPRISE
 *                        |          |            |
 *                        |      the model and the kernel's rules, never the lab
 *                        |                   the kernel's answers, S2 leaves, the guest
 *                        `-- a row without an expectation is a fact that explains
 *
 * It ends with the rule that follows for whoever writes a VMM. docs/experiments.md is the
 * gallery.
 */
#ifndef S2VMM_EXPERIMENTS_EXPERIMENT_H
#define S2VMM_EXPERIMENTS_EXPERIMENT_H

#include <stdio.h>

#include "devices/gpu/kernel_info.h"
#include "vmm/experiments/command.h"
#include "vmm/matrix/machine.h"

#define EXPERIMENT_ROWS_MAX   32
#define EXPERIMENT_SIGHTS_MAX 8
#define EXPERIMENT_WORD       96

struct experiment;

/* What an experiment has at hand. */
struct experiment_host {
    const struct platform *platform;
    struct matrix_machine_config machine; /* `seen` and `context` are look_run()'s */
    unsigned kernel;                      /* kernel_version() */
};

struct experiment_row {
    char what[48];
    char expected[EXPERIMENT_WORD]; /* "": a fact */
    char seen[EXPERIMENT_WORD];
};

struct experiment_log {
    const struct experiment *experiment;
    unsigned row_count;
    struct experiment_row rows[EXPERIMENT_ROWS_MAX];
    char impossible[400]; /* why it cannot be done here; "": it can */
};

struct experiment {
    const char *name;
    const char *question;
    const char *rule; /* what follows, with its source */
    void (*run)(const struct experiment_host *host, struct experiment_log *log);
};

extern const struct experiment experiments[];
extern const unsigned experiment_count;

/* --- report.c --- */

/* A row that decides: seen should be what was expected, word for word. */
void experiment_expect(struct experiment_log *log, const char *what, const char *expected,
                       const char *seen);
/* A row that explains. */
__attribute__((format(printf, 3, 4))) void experiment_fact(struct experiment_log *log,
                                                           const char *what,
                                                           const char *format, ...);
/* This host cannot do it: no row decides any more. */
__attribute__((format(printf, 2, 3))) void experiment_cannot(struct experiment_log *log,
                                                             const char *format, ...);
enum experiment_end experiment_end_of(const struct experiment_log *log);
void experiment_print_text(FILE *out, const struct experiment_log *log);
void experiment_print_json(FILE *out, const struct experiment_log *log);

/* --- look.c: a guest that looks at a buffer --- */

/* What a guest of one VM saw. */
struct look {
    const struct experiment_host *host;
    struct target target;
    unsigned count;
    struct matrix_sight sights[EXPERIMENT_SIGHTS_MAX];
    enum matrix_machine_end end;
    struct error error; /* of the end, or of opening the target */
    /* Called after each report of the guest, on its vCPU's thread, or NULL. */
    void (*reported)(struct look *look, unsigned index);
};

/* Opens a buffer of `size` bytes of this exporter (exporter_find()). False: this host has none;
 * then experiment_cannot() was said. look_close() always. */
bool look_open(struct look *look, const struct experiment_host *host,
               const char *exporter, uint64_t size, struct experiment_log *log);
void look_close(struct look *look);
/* Runs the guest. False: there is no VM to ask, or it was interrupted, and experiment_cannot()
 * was said. */
bool look_run(struct look *look, enum matrix_strategy strategy, const char *command_line,
              struct experiment_log *log);

/* How it ended, in a word: "works", "EINVAL" of the memslot, "EFAULT" of KVM_RUN, "failed". */
const char *look_end_word(const struct look *look);

/* What the kernel says about the buffer now. False: it does not answer, and
 * experiment_cannot() was said. */
bool look_ask(const struct look *look, struct kernel_info *info,
              struct experiment_log *log);

/* dmabuf-lab's, of this buffer. False: experiment_cannot() was said. */
struct dmabuf_lab_counters;
bool look_counters(const struct look *look, struct dmabuf_lab_counters *counters,
                   struct experiment_log *log);

/* The buffer, as far as the kernel tells. */
struct memattr_buffer look_buffer(const struct look *look,
                                  const struct kernel_info *info);

/* "CACHED", "WC", ..., or "refused: NAME". */
const char *look_advice_word(const struct memattr_advice *advice, char *word,
                             size_t size);

#endif
