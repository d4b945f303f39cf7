/* SPDX-License-Identifier: MIT */
/*
 * The registers of the GIC and the ITS, through KVM_GET_DEVICE_ATTR and KVM_SET_DEVICE_ATTR. One
 * walk goes through them in the order in which they have to be set; saving takes the same one.
 *
 * Sources: Documentation/virt/kvm/devices/arm-vgic-v3.rst, arm-vgic-its.rst ("ITS Restore
 * Sequence"), arm-vgic.rst; which registers KVM has: arch/arm64/kvm/vgic/vgic-mmio-v3.c,
 * vgic-mmio-v2.c, vgic-its.c; their offsets: IHI 0069, chapter 12, IHI 0048, chapter 4.
 *
 * The new GIC has never been used: of the pairs of registers that set and clear bits, the one
 * that sets them is enough.
 */
#include "vmm/arch/arm64/gic_state.h"

#include <inttypes.h>
#include <string.h>

#include "vmm/arch/arch.h"

#define INTIDS 128u /* as gic.c asks for */
#define SPI_0  32u

/* Where a walk goes: one of both is NULL. */
struct walk {
    int fd;
    struct state_writer *writer;
    struct state_section *section;
    struct error *error;
};

static bool access_failed(const struct walk *walk, uint32_t group, uint64_t attribute)
{
    return error_set(walk->error, ERROR_HOST_KVM,
                     "%s of the interrupt controller, group %u, attribute 0x%" PRIx64
                     ": %s",
                     walk->writer != NULL ? "KVM_GET_DEVICE_ATTR" : "KVM_SET_DEVICE_ATTR",
                     group, attribute, strerror(errno));
}

/* One register: KVM has it in 32 or in 64 bits, depending on its group. */
static bool visit(struct walk *walk, uint32_t group, uint64_t attribute, bool is_wide)
{
    uint64_t value = 0; /* the low half is what a kernel takes that wants 32 bits */
    const struct kvm_device_attr request = {
        .group = group, .attr = attribute, .addr = (uintptr_t)&value};
    if (walk->writer == NULL) {
        value = is_wide ? state_get64(walk->section) : state_get32(walk->section);
        if (walk->section->too_short)
            return state_close(walk->section, walk->error);
        return kvm_ioctl(walk->fd, KVM_SET_DEVICE_ATTR, &request) == 0 ||
               access_failed(walk, group, attribute);
    }
    if (kvm_ioctl(walk->fd, KVM_GET_DEVICE_ATTR, &request) != 0)
        return access_failed(walk, group, attribute);
    if (is_wide)
        state_put64(walk->writer, value);
    else
        state_put32(walk->writer, (uint32_t)value);
    return true;
}

/* `count` registers of 32 bits, one after the other. */
static bool visit_words(struct walk *walk, uint32_t group, uint64_t attribute,
                        uint32_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (!visit(walk, group, attribute + 4 * i, false))
            return false;
    return true;
}

/* What is set for each interrupt. How it is triggered comes before whether it is pending, which
 * means different things (arm-vgic-v3.rst, GICD_ISPENDR). */
static const struct {
    uint32_t offset;
    uint32_t bits; /* for each interrupt */
} of_interrupts[] = {
    {0xc00, 2}, /* ICFGR: edge or level */
    {0x080, 1}, /* IGROUPR */
    {0x400, 8}, /* IPRIORITYR */
    {0x100, 1}, /* ISENABLER */
    {0x200, 1}, /* ISPENDR */
    {0x300, 1}, /* ISACTIVER */
};

static bool visit_interrupts(struct walk *walk, uint32_t group, uint64_t base,
                             uint32_t first, uint32_t count)
{
    for (size_t i = 0; i < ARRAY_SIZE(of_interrupts); i++) {
        uint32_t bits = of_interrupts[i].bits;
        if (!visit_words(walk, group, base + of_interrupts[i].offset + first * bits / 8,
                         count * bits / 32))
            return false;
    }
    return true;
}

/* --- GICv3 --- */

#define GICD_CTLR      0x0000u
#define GICD_IIDR      0x0008u
#define GICD_IROUTER   0x6000u
#define GICR_CTLR      0x0000u
#define GICR_PROPBASER 0x0070u /* 64 bits, as GICR_PENDBASER behind it */
#define GICR_SGI_FRAME 0x10000u
#define SYSREG(op0, op1, crn, crm, op2)                                                  \
    ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
#define ICC_PMR_EL1     SYSREG(3ull, 0, 4, 6, 0)
#define ICC_BPR0_EL1    SYSREG(3ull, 0, 12, 8, 3)
#define ICC_AP0R0_EL1   SYSREG(3ull, 0, 12, 8, 4)
#define ICC_AP1R0_EL1   SYSREG(3ull, 0, 12, 9, 0)
#define ICC_BPR1_EL1    SYSREG(3ull, 0, 12, 12, 3)
#define ICC_CTLR_EL1    SYSREG(3ull, 0, 12, 12, 4)
#define ICC_SRE_EL1     SYSREG(3ull, 0, 12, 12, 5)
#define ICC_IGRPEN0_EL1 SYSREG(3ull, 0, 12, 12, 6)
#define ICC_IGRPEN1_EL1 SYSREG(3ull, 0, 12, 12, 7)

/* Aff3 to Aff0 in bits 63 to 32. */
static uint64_t affinity(unsigned vcpu)
{
    uint64_t mpidr = arch_vcpu_mpidr(vcpu);
    return (mpidr >> 32 & 0xff) << 56 | (mpidr & 0xffffff) << 32;
}

/* GICD_IIDR has the revision of KVM's GIC, and is written before anything else. */
static bool walk_distributor(struct walk *walk)
{
    const uint32_t group = KVM_DEV_ARM_VGIC_GRP_DIST_REGS;
    if (!visit_words(walk, group, GICD_IIDR, 1) ||
        !visit_words(walk, group, GICD_CTLR, 1) ||
        !visit_interrupts(walk, group, 0, SPI_0, INTIDS - SPI_0) ||
        !visit_words(walk, group, GICD_IROUTER + SPI_0 * 8, (INTIDS - SPI_0) * 2))
        return false;
    for (uint32_t intid = SPI_0; intid < INTIDS; intid += 32) {
        uint32_t level =
            VGIC_LEVEL_INFO_LINE_LEVEL << KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT | intid;
        if (!visit_words(walk, KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO, level, 1))
            return false;
    }
    return true;
}

/* The addresses of the LPIs' tables are fixed once GICR_CTLR.EnableLPIs is set. */
static bool walk_redistributor(struct walk *walk, unsigned vcpu)
{
    const uint32_t group = KVM_DEV_ARM_VGIC_GRP_REDIST_REGS;
    const uint64_t base = affinity(vcpu);
    const uint32_t level = VGIC_LEVEL_INFO_LINE_LEVEL
                           << KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT;
    return visit_words(walk, group, base | GICR_PROPBASER, 4) &&
           visit_words(walk, group, base | GICR_CTLR, 1) &&
           visit_interrupts(walk, group, base | GICR_SGI_FRAME, 0, SPI_0) &&
           visit_words(walk, KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO, base | level, 1);
}

/* How many registers of active priorities there are depends on how many bits a priority has:
 * ICC_CTLR_EL1.PRIbits, minus one (IHI 0069, ICC_AP1R<n>_EL1), the same on the same host. */
static bool active_priorities(const struct walk *walk, unsigned vcpu, unsigned *count)
{
    uint64_t control = 0;
    const struct kvm_device_attr request = {
        .group = KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
        .attr = affinity(vcpu) | ICC_CTLR_EL1,
        .addr = (uintptr_t)&control,
    };
    if (kvm_ioctl(walk->fd, KVM_GET_DEVICE_ATTR, &request) != 0)
        return error_set(walk->error, ERROR_HOST_KVM,
                         "KVM_GET_DEVICE_ATTR, ICC_CTLR_EL1 of vCPU %u: %s", vcpu,
                         strerror(errno));
    unsigned bits = (unsigned)(control >> 8 & 7) + 1;
    *count = bits <= 5 ? 1 : bits == 6 ? 2 : 4;
    return true;
}

/* ICC_CTLR_EL1.CBPR says what ICC_BPR1_EL1 means. */
static bool walk_cpu_interface(struct walk *walk, unsigned vcpu)
{
    static const uint64_t before[] = {ICC_SRE_EL1, ICC_CTLR_EL1, ICC_PMR_EL1,
                                      ICC_BPR0_EL1, ICC_BPR1_EL1};
    static const uint64_t after[] = {ICC_IGRPEN0_EL1, ICC_IGRPEN1_EL1};
    const uint32_t group = KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS;
    const uint64_t base = affinity(vcpu);
    unsigned priorities = 0;
    if (!active_priorities(walk, vcpu, &priorities))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(before); i++)
        if (!visit(walk, group, base | before[i], true))
            return false;
    for (unsigned i = 0; i < priorities; i++)
        if (!visit(walk, group, base | (ICC_AP0R0_EL1 + i), true) ||
            !visit(walk, group, base | (ICC_AP1R0_EL1 + i), true))
            return false;
    for (size_t i = 0; i < ARRAY_SIZE(after); i++)
        if (!visit(walk, group, base | after[i], true))
            return false;
    return true;
}

/* --- GICv2 --- */

#define GICD_V2_ITARGETSR 0x800u
#define GICD_V2_SPENDSGIR 0xf20u
#define GICC_ACTIVE       0xd0u

/* CTLR, PMR, BPR, ABPR. */
static const uint64_t cpu_registers_v2[] = {0x00, 0x04, 0x08, 0x1c};

static bool walk_distributor_v2(struct walk *walk)
{
    const uint32_t group = KVM_DEV_ARM_VGIC_GRP_DIST_REGS;
    return visit_words(walk, group, GICD_IIDR, 1) &&
           visit_words(walk, group, GICD_CTLR, 1) &&
           visit_words(walk, group, GICD_V2_ITARGETSR + SPI_0, (INTIDS - SPI_0) / 4) &&
           visit_interrupts(walk, group, 0, SPI_0, INTIDS - SPI_0);
}

/* Its own interrupts, who sent it which SGI, and its interface. */
static bool walk_cpu_v2(struct walk *walk, unsigned vcpu)
{
    const uint64_t base = (uint64_t)vcpu << KVM_DEV_ARM_VGIC_CPUID_SHIFT;
    if (!visit_interrupts(walk, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, base, 0, SPI_0) ||
        !visit_words(walk, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, base | GICD_V2_SPENDSGIR, 4))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(cpu_registers_v2); i++)
        if (!visit_words(walk, KVM_DEV_ARM_VGIC_GRP_CPU_REGS, base | cpu_registers_v2[i],
                         1))
            return false;
    return visit_words(walk, KVM_DEV_ARM_VGIC_GRP_CPU_REGS, base | GICC_ACTIVE, 4);
}

/* --- the ITS --- */

#define GITS_CTLR 0x0000u

/* IIDR, CBASER, which resets CREADR, then CREADR, CWRITER, and BASER 0 to 7. */
static const uint64_t its_registers[] = {0x004, 0x080, 0x090, 0x088, 0x100, 0x108,
                                         0x110, 0x118, 0x120, 0x128, 0x130, 0x138};

static bool its_control(const struct vm *vm, uint64_t attribute, const char *name,
                        struct error *error)
{
    return kvm_set_device_attribute(vm->its_fd, KVM_DEV_ARM_VGIC_GRP_CTRL, attribute,
                                    NULL, name, error);
}

/* All but GITS_CTLR, which enables it: the tables have to be there before. */
static bool walk_its(struct walk *walk)
{
    for (size_t i = 0; i < ARRAY_SIZE(its_registers); i++)
        if (!visit(walk, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, its_registers[i], true))
            return false;
    return true;
}

static bool walk_its_control(struct walk *walk)
{
    return visit(walk, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, GITS_CTLR, true);
}

/* --- all of it --- */

static bool walk_of_vcpu(struct walk *walk, unsigned version, unsigned vcpu)
{
    if (version == 2)
        return walk_cpu_v2(walk, vcpu);
    return walk_redistributor(walk, vcpu) && walk_cpu_interface(walk, vcpu);
}

static bool walk_of_vm(struct walk *walk, unsigned version)
{
    return version == 2 ? walk_distributor_v2(walk) : walk_distributor(walk);
}

/* The sections of the two versions have names of their own: one cannot be loaded as the other. */
static const char *vm_section(const struct vm *vm)
{
    return vm->gic_version == 2 ? "GC2D" : "GC3D";
}

static const char *vcpu_section(const struct vm *vm)
{
    return vm->gic_version == 2 ? "GC2C" : "GC3C";
}

bool gic_save(const struct vm *vm, struct state_writer *writer, struct error *error)
{
    struct walk walk = {.fd = vm->gic_fd, .writer = writer, .error = error};
    state_begin(writer, vm_section(vm), 0, 1);
    bool good = walk_of_vm(&walk, vm->gic_version);
    state_end(writer);
    for (unsigned i = 0; i < vm->vcpu_count && good; i++) {
        state_begin(writer, vcpu_section(vm), i, 1);
        good = walk_of_vcpu(&walk, vm->gic_version, i);
        state_end(writer);
    }
    if (!good || !vm->has_its)
        return good;

    if (!its_control(vm, KVM_DEV_ARM_ITS_SAVE_TABLES, "ITS, save tables", error) ||
        !kvm_set_device_attribute(vm->gic_fd, KVM_DEV_ARM_VGIC_GRP_CTRL,
                                  KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES, NULL,
                                  "GIC, save pending LPIs", error))
        return false;
    walk.fd = vm->its_fd;
    state_begin(writer, "GITS", 0, 1);
    good = walk_its(&walk) && walk_its_control(&walk);
    state_end(writer);
    return good;
}

static bool load_its(const struct vm *vm, struct state_reader *reader,
                     struct error *error)
{
    struct walk walk = {.fd = vm->its_fd, .error = error};
    return state_open(reader, "GITS", 0, 1, &walk.section, error) && walk_its(&walk) &&
           its_control(vm, KVM_DEV_ARM_ITS_RESTORE_TABLES, "ITS, restore tables",
                       error) &&
           walk_its_control(&walk) && state_close(walk.section, error);
}

bool gic_load(const struct vm *vm, struct state_reader *reader, struct error *error)
{
    struct walk walk = {.fd = vm->gic_fd, .error = error};
    if (!state_open(reader, vm_section(vm), 0, 1, &walk.section, error) ||
        !walk_of_vm(&walk, vm->gic_version) || !state_close(walk.section, error))
        return false;
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        if (!state_open(reader, vcpu_section(vm), i, 1, &walk.section, error) ||
            !walk_of_vcpu(&walk, vm->gic_version, i) || !state_close(walk.section, error))
            return false;
    return !vm->has_its || load_its(vm, reader, error);
}
