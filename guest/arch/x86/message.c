/* SPDX-License-Identifier: MIT */
/* A message-signalled interrupt: a write to the local APICs' window whose address names the CPU
 * and whose data the vector; fixed delivery, an edge (Intel SDM vol. 3, 11.11). */
#include "guest/arch.h"
#include "guest/arch/x86/lapic.h"
#include "guest/mmio.h"

#define FIRST_VECTOR 0x40u /* as in interrupt.c, where the request register is read */

bool arch_message_watch(unsigned slot, uint64_t *address, uint32_t *data)
{
    uint64_t self = mmio_read32(LAPIC_BASE + LAPIC_ID) >> 24;
    mmio_write32(LAPIC_BASE + LAPIC_SPURIOUS, LAPIC_SPURIOUS_ON | LAPIC_VECTOR_NOTHING);
    *address = LAPIC_BASE | self << 12;
    *data = FIRST_VECTOR + slot;
    return true;
}
