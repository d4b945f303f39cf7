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

/* Where the exporter keeps track of written pages (pfn_mkwrite: drm_gem_shmem_helper.c since
 * 7.0), a page is mapped read-only until the host writes it. KVM finds no writable page for
 * the guest then and does not ask twice (hva_to_pfn_remapped, KVM_PFN_ERR_RO_FAULT): EFAULT on
 * arm64, while x86 emulates the guest's store (kvm_handle_error_pfn), through the host's own
 * page fault. */
static bool access_fails(const struct matrix *matrix, const struct matrix_row *row)
{
    if (row->leaf->access == MEMATTR_ACCESS_FAILS)
        return true;
    return is_arm64(matrix) && matrix->write_hazard &&
           row->strategy == MATRIX_UNTOUCHED && row->buffer.vma != MEMATTR_VMA_PLAIN &&
           row->clean_is_readonly;
}

static void say(struct matrix_cell *cell, enum matrix_quantity quantity, const char *word)
{
    snprintf(cell->items[quantity].predicted, MATRIX_WORD, "%s", word);
}

void matrix_predict(const struct matrix *matrix, struct matrix_row *row)
{
    const struct memattr_platform *platform = &matrix->platform;
    char leaf[MATRIX_WORD];
    row->leaf = memattr_expected_leaf(platform, &row->buffer);
    row->slot = memattr_expected_slot(platform, &row->buffer);
    row->advice = memattr_advise(platform, &row->buffer);
    matrix_leaf_word(row->leaf->leaf, leaf);

    for (unsigned i = 0; i < matrix->column_count; i++) {
        struct matrix_cell *cell = &row->cells[i];
        cell->judgement =
            memattr_judge(platform, &row->buffer, row->leaf->leaf, cell->s1);
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
