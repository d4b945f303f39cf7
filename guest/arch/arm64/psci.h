/* SPDX-License-Identifier: MIT */
/* Functions of the Power State Coordination Interface (DEN 0022, 5.1). */
#ifndef S2VMM_GUEST_ARM64_PSCI_H
#define S2VMM_GUEST_ARM64_PSCI_H

#define PSCI_CPU_ON 0xc4000003u /* MPIDR, first instruction, its x0 */

#define PSCI_SUCCESS 0

#endif
