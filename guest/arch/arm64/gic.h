/* SPDX-License-Identifier: MIT */
/* Registers of the interrupt controller: GICv3 (IHI 0069, 12.9 and 12.11) and GICv2 (IHI
 * 0048, 4.1). */
#ifndef S2VMM_GUEST_ARM64_GIC_H
#define S2VMM_GUEST_ARM64_GIC_H

#include "vmm/layout.h"

#define GIC_FIRST_SPI 32u

/* The distributor; one bit for each interrupt but where it says otherwise. */
#define GICD_CTLR      (LAYOUT_GIC_DISTRIBUTOR + 0x0000)
#define GICD_IGROUPR   (LAYOUT_GIC_DISTRIBUTOR + 0x0080)
#define GICD_ISENABLER (LAYOUT_GIC_DISTRIBUTOR + 0x0100)
#define GICD_ICENABLER (LAYOUT_GIC_DISTRIBUTOR + 0x0180)
#define GICD_ICPENDR   (LAYOUT_GIC_DISTRIBUTOR + 0x0280)
#define GICD_ITARGETSR (LAYOUT_GIC_DISTRIBUTOR + 0x0800) /* v2: 8 bits */
#define GICD_ICFGR     (LAYOUT_GIC_DISTRIBUTOR + 0x0c00) /* 2 bits */
#define GICD_IROUTER   (LAYOUT_GIC_DISTRIBUTOR + 0x6000) /* v3: 64 bits */

#define GICD_CTLR_V2_ENABLE (1u << 0)
#define GICD_CTLR_V3_ENABLE (1u << 1 | 1u << 4) /* EnableGrp1, ARE */
#define GICD_CTLR_PENDING   (1u << 31)          /* v3: a write has not taken effect yet */
#define GICD_ICFGR_EDGE     2u

/* v3: the boot CPU's redistributor. */
#define GICR_WAKER          (LAYOUT_GIC_REDISTRIBUTOR + 0x0014)
#define GICR_WAKER_SLEEP    (1u << 1)
#define GICR_WAKER_CHILDREN (1u << 2) /* the CPU interface is asleep */

/* v2: the CPU interface. */
#define GICC_CTLR        (LAYOUT_GIC_CPU_INTERFACE + 0x00)
#define GICC_PMR         (LAYOUT_GIC_CPU_INTERFACE + 0x04)
#define GICC_IAR         (LAYOUT_GIC_CPU_INTERFACE + 0x0c)
#define GICC_EOIR        (LAYOUT_GIC_CPU_INTERFACE + 0x10)
#define GICC_HPPIR       (LAYOUT_GIC_CPU_INTERFACE + 0x18)
#define GICC_CTLR_ENABLE 1u
#define GICC_HPPIR_INTID 0x3ffu

#define GIC_ALL_PRIORITIES 0xffu

#endif
