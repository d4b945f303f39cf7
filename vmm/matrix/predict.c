/* SPDX-License-Identifier: MIT */
/* From a buffer and a strategy to what the attribute model says about each cell. */
#include <stdio.h>
#include <string.h>

#include "vmm/matrix/matrix.h"

static bool is_arm64(const struct matrix *matrix)
{
    return matrix->platform.model == MEMATTR_ARM64 ||
           matrix->platform.model == MEMATTR_ARM64_FWB;
}

static bool is_device(enum memattr_type type)
{
    return type >= MEMATTR_DEVICE_GRE && type <= MEMATTR_DEVICE_nGnRnE;
}

void matrix_leaf_word(struct memattr_leaf leaf, char word[MATRIX_WORD])
{
    if (leaf.yields_to_s1)
        snprintf(word, MATRIX_WORD, "S1's");
    else
        snprintf(word, MATRIX_WORD, "%s%s", memattr_type_name(leaf.type),
                 leaf.ignores_s1 ? ", forced" : "");
}

/* Only the making of a memslot looks at the mapping below it. */
static bool slot_is_refused(const struct matrix_row *row)
{
    return row->strategy != MATRIX_LATE && row->slot->refused;
}

/* KVM before 6.13 takes a reference of every page that it maps, and a page whose reference count
 * is 0 has none to give: the later ones of a block that is not compound (kvm_try_get_pfn,
 * hva_to_pfn_remapped: EFAULT). No user space can see that of a buffer. */
#define NO_REFERENCES MATRIX_KERNEL(6, 13)

/* Where the exporter keeps track of written pages (pfn_mkwrite: drm_gem_shmem_helper.c since
 * 7.0), a page is mapped read-only until the host writes it. KVM finds no writable page for
 * the guest then and does not ask twice (hva_to_pfn_remapped, KVM_PFN_ERR_RO_FAULT): EFAULT on
 * arm64, while x86 emulates the guest's store (kvm_handle_error_pfn), through the host's own
 * page fault. */
static bool access_fails(const struct matrix *matrix, const struct matrix_row *row)
{
    if (row->leaf->access == MEMATTR_ACCESS_FAILS ||
        (row->is_unreferenced && matrix->kernel < NO_REFERENCES))
        return true;
    return is_arm64(matrix) && matrix->write_hazard &&
           row->strategy == MATRIX_UNTOUCHED && row->buffer.vma != MEMATTR_VMA_PLAIN &&
           row->clean_is_readonly;
}

static void say(struct matrix_cell *cell, enum matrix_quantity quantity, const char *word)
{
    snprintf(cell->items[quantity].predicted, MATRIX_WORD, "%s", word);
}

/* --- what s2vmm decides --- */

void matrix_decision_word(const struct memattr_advice *advice, char word[MATRIX_WORD])
{
    if (advice->refusal != MEMATTR_ACCEPTED)
        snprintf(word, MATRIX_WORD, "%s", memattr_refusal_name(advice->refusal));
    else
        snprintf(word, MATRIX_WORD, "%s%s", memattr_map_info_name(advice->map_info),
                 advice->needs_late_mapping ? ", late" : "");
}

void matrix_answer_word(enum memattr_map_info map_info, enum memattr_type type,
                        char word[MATRIX_WORD])
{
    snprintf(word, MATRIX_WORD, "%s, %s", memattr_map_info_name(map_info),
             memattr_type_name(type));
}

struct matrix_cell *matrix_decision_cell(const struct matrix *matrix,
                                         struct matrix_row *row)
{
    enum memattr_type s1 = memattr_s1_of_linux(&matrix->platform, row->advice.map_info);
    struct matrix_cell *cell = matrix_cell_of(matrix, row, s1);
    return row->advice.refusal == MEMATTR_ACCEPTED && cell ? cell : &row->cells[0];
}

/* The word of DMA_BUF_INFO_VM_PROT for a memory type; whatever is neither cached nor
 * write-combining is UNCACHED. */
static enum memattr_map_info answer_of(enum memattr_type type)
{
    if (type == MEMATTR_WB)
        return MEMATTR_MAP_CACHED;
    return type == MEMATTR_WC || type == MEMATTR_NC ? MEMATTR_MAP_WC
                                                    : MEMATTR_MAP_UNCACHED;
}

/* An exporter that says other than its page table has is not believed. */
static bool is_contradiction(const struct matrix *matrix, const struct matrix_row *row)
{
    enum memattr_model model = matrix->platform.model;
    enum memattr_type said = memattr_s1_of_map_info(model, row->says);
    return row->says != MEMATTR_MAP_NONE &&
           memattr_host_effective(model, row->buffer.page, said) !=
               memattr_host_effective(model, row->buffer.page, row->buffer.host);
}

static void predict_decision(const struct matrix *matrix, struct matrix_row *row)
{
    if (is_contradiction(matrix, row)) {
        row->advice.refusal = MEMATTR_REFUSED_CONTRADICTION;
        row->advice.reason = "the exporter says one thing and the page table another";
    }
    if (!row->is_dmabuf || row->strategy != MATRIX_SLOT_OVER)
        return;
    struct matrix_item *items = matrix_decision_cell(matrix, row)->items;
    matrix_answer_word(row->says ? row->says : answer_of(row->buffer.host),
                       row->buffer.host, items[MATRIX_ANSWER].predicted);
    matrix_decision_word(&row->advice, items[MATRIX_DECISION].predicted);
}

/* What a guest finds that does as decided; one that is refused need not find anything wrong
 * where the reason is another than the attributes. */
static void predict_outcome(const struct matrix *matrix, struct matrix_row *row)
{
    const char *word = "";
    if (row->strategy == MATRIX_UNTOUCHED || slot_is_refused(row))
        return;
    switch (row->advice.refusal) {
    case MEMATTR_ACCEPTED:
        word = "match";
        break;
    case MEMATTR_REFUSED_NO_MATCH:
    case MEMATTR_REFUSED_GUEST_PAT:
    case MEMATTR_REFUSED_GUEST_MTRR:
        word = "none matches";
        break;
    case MEMATTR_REFUSED_BY_KVM:
        word = "EFAULT";
        break;
    case MEMATTR_REFUSED_NEEDS_SYNC:
    case MEMATTR_REFUSED_MAY_CHANGE:
    case MEMATTR_REFUSED_PLACEMENT_UNKNOWN:
    case MEMATTR_REFUSED_HOST_UNKNOWN:
    case MEMATTR_REFUSED_CONTRADICTION:
    case MEMATTR_REFUSAL_COUNT:
        break;
    }
    say(matrix_decision_cell(matrix, row), MATRIX_OUTCOME, word);
}

void matrix_predict(const struct matrix *matrix, struct matrix_row *row)
{
    const struct memattr_platform *platform = &matrix->platform;
    char leaf[MATRIX_WORD];
    row->leaf = memattr_expected_leaf(platform, &row->buffer);
    row->slot = memattr_expected_slot(platform, &row->buffer);
    row->advice = memattr_advise(platform, &row->buffer);
    matrix_leaf_word(row->leaf->leaf, leaf);
    predict_decision(matrix, row);
    predict_outcome(matrix, row);

    for (unsigned i = 0; i < matrix->column_count; i++) {
        struct matrix_cell *cell = &row->cells[i];
        cell->judgement =
            memattr_judge(platform, &row->buffer, row->leaf->leaf, cell->s1);
        if (row->few_columns && access_fails(matrix, row) &&
            cell != matrix_decision_cell(matrix, row))
            continue;
        say(cell, MATRIX_SLOT, slot_is_refused(row) ? "EINVAL" : "accepted");
        if (slot_is_refused(row))
            continue;
        say(cell, MATRIX_ACCESS, access_fails(matrix, row) ? "EFAULT" : "works");
        if (access_fails(matrix, row))
            continue;
        say(cell, MATRIX_LEAF, leaf);
        if (is_arm64(matrix))
            say(cell, MATRIX_PAGES, "the buffer's");
        say(cell, MATRIX_HOST, memattr_type_name(row->buffer.host));
        if (is_arm64(matrix))
            say(cell, MATRIX_PAR, memattr_type_name(cell->s1));
        if (cell->judgement.verdict == MEMATTR_MATCH)
            say(cell, MATRIX_EXCHANGE, "both");
    }
}

/* S1's Device faults in the guest (DDI 0487, B2.10.2). Where S1 is Normal and the leaf makes
 * it Device, the fault is stage 2's: it goes to EL2, and KVM knows no answer to it
 * (kvm_handle_guest_abort: "Unsupported FSC"). What a leaf that forces write-back makes of S1's
 * Device is implementation defined (R_RMTWN): nothing is predicted. */
void matrix_predict_unaligned(const struct matrix *matrix, struct matrix_row *row)
{
    for (unsigned i = 0; i < matrix->column_count; i++) {
        struct matrix_cell *cell = &row->cells[i];
        bool s1_is_device = is_device(cell->s1);
        bool implementation_defined =
            s1_is_device && cell->judgement.guest.is_implementation_defined;
        if (strcmp(cell->items[MATRIX_ACCESS].predicted, "works") != 0 ||
            implementation_defined)
            continue;
        say(cell, MATRIX_UNALIGNED,
            s1_is_device                            ? "faults"
            : is_device(cell->judgement.guest.type) ? "EFAULT"
                                                    : "works");
    }
}
