/* SPDX-License-Identifier: MIT */
/* The windows of the host bridge: from an address to the BAR that is decoded there. */
#include <inttypes.h>

#include "vmm/pci.h"

static bool is_inside(uint64_t offset, unsigned size, uint32_t start, uint64_t length)
{
    return offset >= start && offset + size <= start + length;
}

uint64_t pci_function_bar_read(struct pci_function *function, unsigned bar,
                               uint64_t offset, unsigned size)
{
    struct pci_msix *msix = function->msix;
    if (bar >= PCI_BARS || offset > function->bars[bar].size ||
        size > function->bars[bar].size - offset)
        return UINT64_MAX;
    if (bar == 0 && msix != NULL &&
        is_inside(offset, size, function->msix_table,
                  (uint64_t)msix->count * PCI_MSIX_ENTRY_SIZE))
        return pci_msix_read_table(msix, offset - function->msix_table, size);
    if (bar == 0 && msix != NULL &&
        is_inside(offset, size, function->msix_pending, PCI_MSIX_PBA_SIZE))
        return pci_msix_read_pending(msix, offset - function->msix_pending, size);
    return function->ops->bar_read(function->context, bar, offset, size);
}

void pci_function_bar_write(struct pci_function *function, unsigned bar, uint64_t offset,
                            unsigned size, uint64_t value)
{
    struct pci_msix *msix = function->msix;
    if (bar >= PCI_BARS || offset > function->bars[bar].size ||
        size > function->bars[bar].size - offset)
        return;
    if (bar == 0 && msix != NULL &&
        is_inside(offset, size, function->msix_table,
                  (uint64_t)msix->count * PCI_MSIX_ENTRY_SIZE))
        pci_msix_write_table(msix, offset - function->msix_table, size, value);
    else
        function->ops->bar_write(function->context, bar, offset, size, value);
}

/* The BAR that holds all of the access, as the BARs are at this moment. */
static struct pci_function *find_bar(struct pci_host *host, uint64_t address,
                                     unsigned size, unsigned *bar, uint64_t *offset)
{
    struct pci_function *found = NULL;
    pthread_mutex_lock(&host->decode_lock);
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        struct pci_function *function = host->functions[slot];
        if (function == NULL)
            continue;
        /* At most one of them all: decoded BARs do not overlap. */
        for (unsigned i = 0; i < PCI_BARS; i++) {
            if (!function->decoded[i] ||
                !gpa_range_contains(function->places[i], gpa(address), size))
                continue;
            found = function;
            *bar = i;
            *offset = address - function->places[i].start.value;
        }
    }
    pthread_mutex_unlock(&host->decode_lock);
    return found;
}

static uint64_t window_read(struct pci_host *host, const struct gpa_range *window,
                            uint64_t offset, unsigned size)
{
    unsigned bar;
    struct pci_function *function =
        find_bar(host, window->start.value + offset, size, &bar, &offset);
    if (function != NULL)
        return pci_function_bar_read(function, bar, offset, size);
    trace_warning(host->config.trace, "bus",
                  "read of %u bytes at GPA 0x%" PRIx64
                  ", where no BAR is decoded: answered all ones",
                  size, window->start.value + offset);
    return UINT64_MAX;
}

static void window_write(struct pci_host *host, const struct gpa_range *window,
                         uint64_t offset, unsigned size, uint64_t value)
{
    unsigned bar;
    struct pci_function *function =
        find_bar(host, window->start.value + offset, size, &bar, &offset);
    if (function != NULL)
        pci_function_bar_write(function, bar, offset, size, value);
    else
        trace_warning(host->config.trace, "bus",
                      "write of %u bytes, 0x%" PRIx64 ", to GPA 0x%" PRIx64
                      ", where no BAR is decoded: ignored",
                      size, value, window->start.value + offset);
}

static uint64_t memory32_read(void *device, uint64_t offset, unsigned size)
{
    struct pci_host *host = device;
    return window_read(host, &host->config.memory32, offset, size);
}

static void memory32_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_host *host = device;
    window_write(host, &host->config.memory32, offset, size, value);
}

static uint64_t memory64_read(void *device, uint64_t offset, unsigned size)
{
    struct pci_host *host = device;
    return window_read(host, &host->config.memory64, offset, size);
}

static void memory64_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_host *host = device;
    window_write(host, &host->config.memory64, offset, size, value);
}

const struct bus_ops pci_memory32_ops = {memory32_read, memory32_write};
const struct bus_ops pci_memory64_ops = {memory64_read, memory64_write};
