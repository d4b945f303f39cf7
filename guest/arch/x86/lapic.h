/* SPDX-License-Identifier: MIT */
/* Registers of the local APIC: Intel SDM vol. 3, table 11-1 and figure 11-12. */
#ifndef S2VMM_GUEST_X86_LAPIC_H
#define S2VMM_GUEST_X86_LAPIC_H

#define LAPIC_BASE         0xfee00000u
#define LAPIC_ID           0x020u
#define LAPIC_SPURIOUS     0x0f0u
#define LAPIC_REQUEST      0x200u /* eight registers, 16 bytes apart */
#define LAPIC_COMMAND      0x300u /* writing it sends */
#define LAPIC_COMMAND_HIGH 0x310u

#define LAPIC_TIMER        0x320u
#define LAPIC_TIMER_START  0x380u
#define LAPIC_TIMER_NOW    0x390u
#define LAPIC_TIMER_DIVIDE 0x3e0u

#define LAPIC_TIMER_MASKED   0x10000u
#define LAPIC_TIMER_DIVIDE_1 0x0bu
#define LAPIC_SPURIOUS_ON    0x100u /* the local APIC is enabled */
#define LAPIC_VECTOR_NOTHING 0x0ffu

#define LAPIC_COMMAND_INIT    0x00004500u /* level assert */
#define LAPIC_COMMAND_STARTUP 0x00004600u
#define LAPIC_COMMAND_OTHERS  0x000c0000u /* to all but this CPU */

#endif
