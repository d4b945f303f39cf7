/* SPDX-License-Identifier: MIT */
/*
 * Two programs that have the fake device of vfio_machine.h, one after the other, and what is sent from the
 * first to the second one. Both are the same struct: it is renewed in between.
 */
#ifndef S2VMM_TESTS_UNIT_VFIO_TRANSFER_H
#define S2VMM_TESTS_UNIT_VFIO_TRANSFER_H

#include "tests/unit/vfio_machine.h"

extern struct vfio_transfer {
    struct state_writer writer;
    struct state_reader reader;
    struct guest_memory memory; /* the same RAM in the second program */
} vfio_transfer;

/* For tcase_add_checked_fixture(). */
void vfio_transfer_set_up(void);
void vfio_transfer_tear_down(void);

/* The first program: its state, and nothing is connected any more. */
void vfio_transfer_save(void);
/* The reader gets the state, and copies of the descriptors. */
void vfio_transfer_send(void);
/* Also ends the first program; for vfio_machine_start() in the second one. */
void vfio_transfer_hand_over(void);
/* Also starts it. */
void vfio_transfer_take_over(void);

#endif
