/* SPDX-License-Identifier: MIT */
#include "vmm/kvm_events.h"

#include "vmm/irq_routes.h"
#include "vmm/vm.h"

static bool set_routing(void *context, const struct kvm_irq_routing *table,
                        struct error *error)
{
    const struct vm *vm = context;
    return kvm_set_routing(vm->fd, table, error);
}

static bool attach(void *context, uint32_t gsi, int event_fd, struct error *error)
{
    const struct vm *vm = context;
    return kvm_irqfd(vm->fd, gsi, event_fd, error);
}

static bool detach(void *context, uint32_t gsi, int event_fd, struct error *error)
{
    const struct vm *vm = context;
    return kvm_irqfd_connect(vm->fd, gsi, event_fd, -1, false, error);
}

static bool set_line(void *context, uint32_t irq, bool level, struct error *error)
{
    const struct vm *vm = context;
    return kvm_irq_line(vm->fd, arch_irq_line(irq), level, error);
}

static bool set_doorbell(void *context, uint64_t address, uint32_t size, int event_fd,
                         bool on, struct error *error)
{
    const struct vm *vm = context;
    return on ? kvm_ioeventfd(vm->fd, address, size, false, 0, event_fd, error)
              : kvm_ioeventfd_remove(vm->fd, address, size, event_fd, error);
}

struct kvm_events kvm_events_of(struct vm *vm)
{
    return (struct kvm_events){
        .context = vm,
        .set_routing = set_routing,
        .attach = attach,
        .detach = detach,
        .set_line = set_line,
        .set_doorbell = set_doorbell,
    };
}
