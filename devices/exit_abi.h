/* SPDX-License-Identifier: MIT */
/*
 * The exit device: the guest's verdict. Writing EXIT_REGISTER_VERDICT (32 bits) ends the VM;
 * 0 is success, anything else is a failure and is shown. Included by the VMM and the guest.
 */
#ifndef S2VMM_EXIT_ABI_H
#define S2VMM_EXIT_ABI_H

#define EXIT_REGISTER_MAGIC   0x0u        /* read: EXIT_MAGIC */
#define EXIT_REGISTER_VERDICT 0x4u        /* write: ends the VM */
#define EXIT_MAGIC            0x54495845u /* "EXIT" */
#define EXIT_DEVICE_SIZE      0x1000u

/* Verdicts that the tiny guest uses. */
#define EXIT_VERDICT_SUCCESS 0u
#define EXIT_VERDICT_FAILURE                                                             \
    1u                        /* a check of the scenario failed; the console says which */
#define EXIT_VERDICT_SETUP 2u /* the scenario could not start: unknown name, no device */
#define EXIT_VERDICT_CRASH 3u /* an exception; the console has the registers */

#endif
