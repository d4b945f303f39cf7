/* SPDX-License-Identifier: MIT */
/*
 * The matrix: what the attribute model predicts for each buffer, mapping strategy and S1
 * attribute, and next to it what was observed.
 *
 *     kinds of buffers --+                       (the model alone)
 *                        +--> rows --predict--> cells --compare--> text, JSON, HTML
 *     exporters, VMs ----+                        ^
 *         `--------------- observations ----------+      (--measure)
 *
 * A cell is one buffer, mapped in one way, through one S1 attribute. It has several
 * quantities, from "does KVM take the memslot" to "do guest and host see each other's writes";
 * each is predicted or not, and observed or not. The two are compared as the words that are
 * shown, and nothing is dropped on the way: what could not be observed says why, and what
 * differs has to be in the table of explanations (vmm/matrix/explanations.c).
 */
#ifndef S2VMM_MATRIX_H
#define S2VMM_MATRIX_H

#include "vmm/memattr.h"

#define MATRIX_ROWS_MAX             160
#define MATRIX_COLUMNS_MAX          8
#define MATRIX_KERNEL(major, minor) ((major) << 8 | (minor))
#define MATRIX_WORD                 28 /* bytes of a value: "UNCACHED, Device-nGnRnE" */

/* How the buffer gets behind guest physical addresses. */
enum matrix_strategy {
    MATRIX_SLOT_OVER, /* a memslot over the mapping, whose pages were touched for writing */
    MATRIX_LATE, /* a memslot over anonymous memory, then the mapping is moved there */
    MATRIX_UNTOUCHED, /* like the first one, but the guest is the first to touch the pages */
    MATRIX_STRATEGY_COUNT
};

/* What is predicted and observed. */
enum matrix_quantity {
    MATRIX_ANSWER, /* DMA_BUF_IOCTL_INFO: "WC, NC": the word, and the page table's type */
    MATRIX_DECISION, /* of s2vmm: the map_info, "CACHED", or the refusal, "no-match" */
    MATRIX_SLOT,     /* KVM_SET_USER_MEMORY_REGION: "accepted", "EINVAL" */
    MATRIX_ACCESS,   /* the guest's reads and writes: "works", "EFAULT" of KVM_RUN */
    MATRIX_LEAF,     /* the S2 leaf: its type; "forced": it leaves S1 without effect */
    MATRIX_PAGES,    /* arm64: what is behind the leaves of the target's first, second and
                         last page: "the buffer's", "somebody else's" */
    MATRIX_HOST,     /* the host attribute */
    MATRIX_PAR,      /* arm64: PAR_EL1 of AT S1E1R, which knows S1 only */
    MATRIX_EXCHANGE, /* who sees the other's writes: "both", ... */
    MATRIX_OUTCOME,  /* what the decision comes to: "match", "none matches", "EFAULT" */
    MATRIX_UNALIGNED, /* a read that is not aligned: "works", "faults", "EFAULT" */
    MATRIX_QUANTITY_COUNT
};

enum matrix_result {
    MATRIX_NOTHING,      /* neither predicted nor observed */
    MATRIX_ONLY_SEEN,    /* observed, and nothing was predicted */
    MATRIX_NOT_OBSERVED, /* predicted only: `missing` says why */
    MATRIX_EQUAL,
    MATRIX_EXPLAINED,   /* they differ, and it is known why */
    MATRIX_FINDING,     /* they differ, and that is news about the kernel or the CPU */
    MATRIX_UNEXPLAINED, /* they differ */
    MATRIX_RESULT_COUNT
};

struct matrix_explanation;

struct matrix_item {
    char predicted[MATRIX_WORD]; /* "": nothing */
    char observed[MATRIX_WORD];  /* "": nothing */
    const char *missing;         /* why nothing is observed, or NULL */
    enum matrix_result result;
    const struct matrix_explanation *explanation; /* or NULL */
};

struct matrix_cell {
    enum memattr_type s1;
    struct memattr_judgement judgement; /* predicted */
    bool is_judged;            /* the leaf and the host attribute were observed */
    enum memattr_verdict seen; /* the verdict on what was observed */
    struct matrix_item items[MATRIX_QUANTITY_COUNT];
    enum matrix_result result; /* the worst of the items' */
};

struct matrix_row {
    char name[64]; /* the exporter, or the kind of buffer */
    enum matrix_strategy strategy;
    char absent[400]; /* why there is no such buffer here; "": there is */
    struct memattr_buffer buffer;
    const char *host_source;    /* how `buffer.host` is known */
    char vma_flags[80];         /* VmFlags of /proc/self/smaps, or "" */
    bool clean_is_readonly;     /* a page that was read is mapped read-only by the host */
    bool is_dmabuf;             /* the kernel can be asked, and s2vmm decides about it */
    bool is_unreferenced;       /* see struct target */
    enum memattr_map_info says; /* see struct target */
    /* Where an access ends its VM, only the decision's column is tried: KVM does not see S1. */
    bool few_columns;
    char trouble[400];      /* what ended a VM early, or "" */
    char leaf_missing[256]; /* why leaves are not observed, or "" */
    const struct memattr_expected_leaf *leaf;
    const struct memattr_expected_slot *slot;
    struct memattr_advice advice;
    struct matrix_cell cells[MATRIX_COLUMNS_MAX];
};

struct matrix {
    struct memattr_platform platform;
    const char *platform_name;
    const char *platform_text;
    unsigned kernel;   /* measured: MATRIX_KERNEL() of this host */
    bool write_hazard; /* see struct platform, pfnmap_write_hazard */
    bool measured;
    bool checks_alignment; /* measured: the CPU has alignment faults on Device memory */
    unsigned column_count;
    enum memattr_type columns[MATRIX_COLUMNS_MAX]; /* S1 attributes */
    const struct matrix_explanation *explanations; /* matrix_explanations[] */
    unsigned row_count;
    struct matrix_row *rows; /* MATRIX_ROWS_MAX */
};

/* Prepares an empty matrix for the platform. False when there is no memory. */
bool matrix_init(struct matrix *matrix, const struct memattr_platform *platform,
                 const char *name, const char *text);
/* A zeroed object is fine. */
void matrix_finish(struct matrix *matrix);

/* A new row; there is room for MATRIX_ROWS_MAX. */
struct matrix_row *matrix_add(struct matrix *matrix, const char *name,
                              enum matrix_strategy strategy);

/* Adds a row for each kind of buffer that matters on this architecture. */
void matrix_add_kinds(struct matrix *matrix);

/* --- predict.c --- */

/* The column that a decision is about: the S1 attribute of a Linux guest that is told this
 * map_info; the first one for a refusal. */
struct matrix_cell *matrix_decision_cell(const struct matrix *matrix,
                                         struct matrix_row *row);

/* "CACHED", "CACHED, late", "no-match". */
void matrix_decision_word(const struct memattr_advice *advice, char word[MATRIX_WORD]);

/* "WC, NC". */
void matrix_answer_word(enum memattr_map_info map_info, enum memattr_type type,
                        char word[MATRIX_WORD]);

/* Fills in what the model says about a row, whose buffer is known. */
void matrix_predict(const struct matrix *matrix, struct matrix_row *row);

/* Once it is known that the CPU checks alignment: what an unaligned read does. */
void matrix_predict_unaligned(const struct matrix *matrix, struct matrix_row *row);

/* "WB", "WB, forced", "S1's". */
void matrix_leaf_word(struct memattr_leaf leaf, char word[MATRIX_WORD]);

/* --- observe --- */

struct matrix_cell *matrix_cell_of(const struct matrix *matrix, struct matrix_row *row,
                                   enum memattr_type s1);
void matrix_observed(struct matrix_cell *cell, enum matrix_quantity quantity,
                     const char *word);
/* From what was seen of a row: what the decision comes to. */
void matrix_conclude(const struct matrix *matrix, struct matrix_row *row);
/* For every cell of the row that has no observation of it, and no reason yet. */
void matrix_missing(const struct matrix *matrix, struct matrix_row *row,
                    enum matrix_quantity quantity, const char *why);

/* --- compare.c --- */

struct matrix_count {
    unsigned predicted, observed, equal, explained, findings, unexplained;
};

struct matrix_summary {
    struct matrix_count cells;
    struct matrix_count quantities[MATRIX_QUANTITY_COUNT];
    unsigned absent; /* exporters that this host does not have */
};

/* Compares every item and finds the explanations of the differences. A cell counts as observed
 * when one of its predictions was, and as equal when none of those differs. */
void matrix_compare(struct matrix *matrix, struct matrix_summary *summary);

/* --- names --- */

const char *matrix_strategy_name(enum matrix_strategy strategy); /* "slot", "late", ... */
const char *matrix_quantity_name(enum matrix_quantity quantity);
const char *matrix_result_name(enum matrix_result result); /* "equal", "finding", ... */

/* The type without "Device-", for narrow columns. */
const char *matrix_short_type(enum memattr_type type);

/* The word that a cell shows first: the effective type, or "EINVAL", "EFAULT". */
const char *matrix_cell_word(const struct matrix_cell *cell);

#endif
