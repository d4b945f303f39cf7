/* SPDX-License-Identifier: MIT */
#include "vmm/arch/arm64/gic.h"

#include "vmm/layout.h"

/* INTIDs: 32 for each CPU alone (SGIs, PPIs), and SPIs for more devices than a bus can have;
 * from 64 to 1024, in steps of 32. */
#define INTID_COUNT 128u

static bool set_address(int fd, uint64_t which, uint64_t address, const char *name,
                        struct error *error)
{
    return kvm_set_device_attribute(fd, KVM_DEV_ARM_VGIC_GRP_ADDR, which, &address, name,
                                    error);
}

static bool set_size(int fd, const char *name, struct error *error)
{
    const uint32_t count = INTID_COUNT;
    return kvm_set_device_attribute(fd, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &count, name,
                                    error);
}

static bool finish_setup(int fd, const char *name, struct error *error)
{
    return kvm_set_device_attribute(fd, KVM_DEV_ARM_VGIC_GRP_CTRL,
                                    KVM_DEV_ARM_VGIC_CTRL_INIT, NULL, name, error);
}

/* The redistributors of all vCPUs in one piece. */
static bool create_v3(struct vm *vm, struct error *error)
{
    vm->gic_version = 3;
    if (!kvm_create_device(vm->fd, KVM_DEV_TYPE_ARM_VGIC_V3, "GICv3", &vm->gic_fd,
                           error) ||
        !set_address(vm->gic_fd, KVM_VGIC_V3_ADDR_TYPE_DIST, LAYOUT_GIC_DISTRIBUTOR,
                     "GICv3 distributor", error) ||
        !set_address(vm->gic_fd, KVM_VGIC_V3_ADDR_TYPE_REDIST, LAYOUT_GIC_REDISTRIBUTOR,
                     "GICv3 redistributors", error) ||
        !set_size(vm->gic_fd, "GICv3 interrupts", error))
        return false;

    vm->has_its = kvm_has_device(vm->fd, KVM_DEV_TYPE_ARM_VGIC_ITS);
    return !vm->has_its || (kvm_create_device(vm->fd, KVM_DEV_TYPE_ARM_VGIC_ITS, "ITS",
                                              &vm->its_fd, error) &&
                            set_address(vm->its_fd, KVM_VGIC_ITS_ADDR_TYPE,
                                        LAYOUT_GIC_ITS, "ITS", error));
}

static bool create_v2(struct vm *vm, struct error *error)
{
    vm->gic_version = 2;
    return kvm_create_device(vm->fd, KVM_DEV_TYPE_ARM_VGIC_V2, "GICv2", &vm->gic_fd,
                             error) &&
           set_address(vm->gic_fd, KVM_VGIC_V2_ADDR_TYPE_DIST, LAYOUT_GIC_DISTRIBUTOR,
                       "GICv2 distributor", error) &&
           set_address(vm->gic_fd, KVM_VGIC_V2_ADDR_TYPE_CPU, LAYOUT_GIC_CPU_INTERFACE,
                       "GICv2 CPU interface", error) &&
           set_size(vm->gic_fd, "GICv2 interrupts", error);
}

bool gic_create(struct vm *vm, struct error *error)
{
    if (kvm_has_device(vm->fd, KVM_DEV_TYPE_ARM_VGIC_V3))
        return create_v3(vm, error);
    if (kvm_has_device(vm->fd, KVM_DEV_TYPE_ARM_VGIC_V2))
        return create_v2(vm, error);
    return error_set(error, ERROR_CONFIG_HOST,
                     "this host's KVM can make neither a GICv3 nor a GICv2 (its own "
                     "interrupt controller has no support for guests): use the lab");
}

bool gic_start(struct vm *vm, struct error *error)
{
    trace_detail(vm->trace, "kvm", "interrupt controller: GICv%u%s", vm->gic_version,
                 vm->has_its ? " with ITS" : "");
    return finish_setup(vm->gic_fd, "GIC", error) &&
           (!vm->has_its || finish_setup(vm->its_fd, "ITS", error));
}
