/* SPDX-License-Identifier: MIT */
#include "devices/vfio_pci.h"

#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- accesses that are exits --- */

static uint64_t bar_read(void *context, unsigned bar, uint64_t offset, unsigned size)
{
    struct vfio_pci *pci = context;
    uint64_t value;
    if (vfio_config_read_msix(pci, bar, offset, size, &value))
        return value;
    if (!vfio_device_read(&pci->device, &pci->device.bars[bar], offset, size, &value))
        trace_warning(pci->trace, "vfio",
                      "%s: read of %u bytes at 0x%" PRIx64
                      " of BAR %u: VFIO cannot, answered all ones",
                      pci->address, size, offset, bar);
    return value;
}

static void bar_write(void *context, unsigned bar, uint64_t offset, unsigned size,
                      uint64_t value)
{
    struct vfio_pci *pci = context;
    if (vfio_config_write_msix(pci, bar, offset, size, value))
        return;
    if (!vfio_device_write(&pci->device, &pci->device.bars[bar], offset, size, value))
        trace_warning(pci->trace, "vfio",
                      "%s: write of %u bytes at 0x%" PRIx64
                      " of BAR %u: VFIO cannot, ignored",
                      pci->address, size, offset, bar);
}

/* --- memslots --- */

/* What has none is reached through bar_read() and bar_write() all the same. */
static void remove_slots(struct vfio_pci *pci, struct vfio_bar *bar)
{
    struct error error;
    for (unsigned i = 0; i < bar->part_count; i++) {
        struct vfio_part *part = &bar->parts[i];
        if (part->has_slot && !memslot_remove(pci->memslots, part->slot, &error))
            trace_warning(pci->trace, "vfio", "%s: %s", pci->address, error.text);
        part->has_slot = false;
    }
}

static void bar_moved(void *context, unsigned index, const struct gpa_range *range)
{
    struct vfio_pci *pci = context;
    struct vfio_bar *bar = &pci->bars[index];
    struct error error;
    remove_slots(pci, bar);
    for (unsigned i = 0; range != NULL && i < bar->part_count; i++) {
        struct vfio_part *part = &bar->parts[i];
        part->has_slot = memslot_add(pci->memslots, "VFIO BAR",
                                     gpa(range->start.value + part->area.offset),
                                     part->area.size, part->host, &part->slot, &error);
        if (!part->has_slot)
            trace_warning(pci->trace, "vfio", "%s: BAR %u without a memslot: %s",
                          pci->address, index, error.text);
    }
}

static void add_part(struct vfio_pci *pci, unsigned index, uint64_t start, uint64_t end)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    struct vfio_bar *bar = &pci->bars[index];
    start = align_up(start, page);
    end &= ~(page - 1);
    if (start >= end || bar->part_count == VFIO_PARTS_MAX)
        return;
    struct vfio_part part = {.area = {start, end - start}};
    part.host = vfio_device_map(&pci->device, &pci->device.bars[index], part.area);
    if (part.host != NULL)
        bar->parts[bar->part_count++] = part;
}

/* The pages of the MSI-X table and its pending bits are ours: an area loses them. */
static void add_area(struct vfio_pci *pci, unsigned index, struct vfio_area area)
{
    const struct vfio_msix_place *holes[] = {&pci->table, &pci->pending};
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t end = area.offset + area.size;
    uint64_t at = area.offset;
    unsigned first = pci->table.area.offset > pci->pending.area.offset;
    for (unsigned i = 0; i < ARRAY_SIZE(holes); i++) {
        const struct vfio_msix_place *hole = holes[i ^ first];
        uint64_t hole_end = align_up(hole->area.offset + hole->area.size, page);
        uint64_t hole_start = hole->area.offset & ~(page - 1);
        if (hole->area.size == 0 || hole->bar != index || hole_end <= at ||
            hole_start >= end)
            continue;
        add_part(pci, index, at, hole_start);
        at = hole_end;
    }
    add_part(pci, index, at, end);
}

static void map_bars(struct vfio_pci *pci)
{
    for (unsigned i = 0; i < PCI_BARS && !pci->traps_all; i++) {
        const struct vfio_region *region = &pci->device.bars[i];
        for (unsigned j = 0; pci->function.bars[i].size > 0 && j < region->area_count;
             j++)
            add_area(pci, i, region->areas[j]);
    }
}

static void unmap_bars(struct vfio_pci *pci)
{
    for (unsigned i = 0; i < PCI_BARS; i++) {
        struct vfio_bar *bar = &pci->bars[i];
        remove_slots(pci, bar);
        for (unsigned j = 0; j < bar->part_count; j++)
            vfio_device_unmap(&pci->device, bar->parts[j].host, bar->parts[j].area.size);
        bar->part_count = 0;
    }
}

/* --- the function --- */

static void config_read(void *context, unsigned offset, unsigned size)
{
    (void)offset;
    (void)size;
    vfio_config_refresh(context);
}

static void config_written(void *context, unsigned offset, unsigned size)
{
    (void)offset;
    (void)size;
    vfio_config_changed(context);
}

/* Its pin is KVM's matter, not the bridge's: an irqfd. */
static bool interrupt_pending(void *context)
{
    (void)context;
    return false;
}

static void reset_device(struct vfio_pci *pci)
{
    struct error error;
    if (pci->device.can_reset && !vfio_device_reset(&pci->device, &error))
        trace_warning(pci->trace, "vfio", "%s", error.text);
}

/* What the bridge calls configuration space is reset already; bar_moved() follows. */
static void reset(void *context)
{
    struct vfio_pci *pci = context;
    vfio_config_reset(pci);
    reset_device(pci);
    vfio_config_changed(pci);
}

static const struct pci_function_ops function_ops = {
    .bar_read = bar_read,
    .bar_write = bar_write,
    .bar_moved = bar_moved,
    .config_read = config_read,
    .config_written = config_written,
    .interrupt_pending = interrupt_pending,
    .reset = reset,
};

/* --- life --- */

static bool put_on_bus(struct vfio_pci *pci, const struct vfio_pci_config *config,
                       struct error *error)
{
    const struct vfio_interrupts_config interrupts = {
        .irqfds = config->irqfds,
        .routes = config->routes,
        .trace = config->trace,
        .requester = config->slot << 3,
        .pin = config->host->config.intx_irq,
        .kept = config->kept != NULL ? &config->kept->interrupts : NULL,
    };
    if (config->kept == NULL)
        reset_device(pci);
    if (!vfio_interrupts_init(&pci->interrupts, &pci->device, &interrupts, error))
        return false;
    pci->function =
        (struct pci_function){.name = pci->address, .ops = &function_ops, .context = pci};
    vfio_config_identify(pci);
    map_bars(pci);
    if (!pci_host_add(config->host, &pci->function, config->slot, error))
        return false;
    vfio_config_start(pci);
    if (config->kept != NULL)
        vfio_pci_restore(pci, config->kept);
    else
        vfio_config_changed(pci);
    return pci_function_start(&pci->function, error);
}

static bool get_device(const struct vfio_pci_config *config, int *fd, struct error *error)
{
    if (config->kept == NULL)
        return vfio_container_open_device(config->container, config->address, fd, error);
    *fd = config->kept->device_fd;
    config->kept->device_fd = -1;
    return true;
}

bool vfio_pci_init(struct vfio_pci *pci, const struct vfio_pci_config *config,
                   struct error *error)
{
    int fd;
    *pci = (struct vfio_pci){
        .memslots = config->memslots,
        .trace = config->trace,
        .traps_all = config->traps_all,
    };
    if (!get_device(config, &fd, error))
        return false;
    snprintf(pci->address, sizeof pci->address, "%s", config->address);
    if (!vfio_device_init(&pci->device, config->container->calls, pci->address, fd,
                          error))
        return false;
    pthread_mutex_init(&pci->lock, NULL);
    if (put_on_bus(pci, config, error)) {
        trace_detail(pci->trace, "vfio",
                     "%s: PCI slot %u; pin: %s, MSI: %u, MSI-X: %u messages; VFIO can%s "
                     "reset it, and can%s export its BARs as dma-bufs",
                     pci->address, config->slot, pci->interrupts.pin.gsi ? "yes" : "no",
                     pci->interrupts.msi_count, pci->interrupts.msix_count,
                     pci->device.can_reset ? "" : "not",
                     pci->device.exports_bars ? "" : "not");
        return true;
    }
    vfio_pci_finish(pci);
    return false;
}

void vfio_pci_finish(struct vfio_pci *pci)
{
    if (pci->device.calls == NULL)
        return;
    unmap_bars(pci);
    vfio_interrupts_finish(&pci->interrupts);
    vfio_device_finish(&pci->device);
    pthread_mutex_destroy(&pci->lock);
    *pci = (struct vfio_pci){0};
}
