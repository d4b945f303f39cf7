/* SPDX-License-Identifier: MIT */
/*
 * The configuration space of one function: its bytes, which of them the guest can change, and
 * what a write means. Accesses have any size and alignment, and are taken apart into bytes.
 * Errors that the status registers could report do not happen here, so that these registers
 * are constant.
 *
 *   0x00  header, type 0
 *   0x40  capabilities, in the order in which they were added
 */
#include <linux/pci_regs.h>
#include <string.h>

#include "vmm/pci.h"

#define FIRST_CAPABILITY 0x40u

#define COMMAND_WRITABLE                                                                 \
    (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE)

static void put16(uint8_t *bytes, unsigned offset, uint16_t value)
{
    memcpy(bytes + offset, &value, sizeof value);
}

static void put32(uint8_t *bytes, unsigned offset, uint32_t value)
{
    memcpy(bytes + offset, &value, sizeof value);
}

static uint16_t get16(const uint8_t *bytes, unsigned offset)
{
    uint16_t value;
    memcpy(&value, bytes + offset, sizeof value);
    return value;
}

static uint32_t get32(const uint8_t *bytes, unsigned offset)
{
    uint32_t value;
    memcpy(&value, bytes + offset, sizeof value);
    return value;
}

static unsigned bar_register(unsigned bar)
{
    return PCI_BASE_ADDRESS_0 + 4 * bar;
}

/* The low bits of a BAR say what it is and cannot be changed, nor can those that its size
 * leaves out: a driver writes all ones and sees the size (7.5.1.2.1). */
static void init_bars(struct pci_function *function)
{
    for (unsigned bar = 0; bar < PCI_BARS; bar++) {
        const struct pci_bar *description = &function->bars[bar];
        if (description->size == 0)
            continue;
        uint64_t mask = ~(description->size - 1);
        BUG_ON(description->size < 16 ||
               !is_aligned(description->size, description->size));
        put32(function->config, bar_register(bar),
              description->is_64
                  ? PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH
                  : 0);
        put32(function->writable, bar_register(bar), (uint32_t)mask);
        if (description->is_64)
            put32(function->writable, bar_register(bar + 1), (uint32_t)(mask >> 32));
    }
}

void pci_config_init(struct pci_function *function)
{
    const struct pci_identity *identity = &function->identity;
    uint8_t *config = function->config;
    put16(config, PCI_VENDOR_ID, identity->vendor);
    put16(config, PCI_DEVICE_ID, identity->device);
    put32(config, PCI_CLASS_REVISION, identity->class_code << 8 | identity->revision);
    put16(config, PCI_SUBSYSTEM_VENDOR_ID, identity->subsystem_vendor);
    put16(config, PCI_SUBSYSTEM_ID, identity->subsystem);
    put16(config, PCI_STATUS, PCI_STATUS_CAP_LIST);
    config[PCI_INTERRUPT_PIN] = function->host->config.intx_irq != 0; /* INTA */

    put16(function->writable, PCI_COMMAND, COMMAND_WRITABLE);
    function->writable[PCI_CACHE_LINE_SIZE] = 0xff;
    function->writable[PCI_INTERRUPT_LINE] = 0xff;
    init_bars(function);
    function->next_capability = FIRST_CAPABILITY;
    function->last_capability = &config[PCI_CAPABILITY_LIST];
}

unsigned pci_function_add_capability(struct pci_function *function, const void *bytes,
                                     const void *writable, unsigned size)
{
    unsigned offset = function->next_capability;
    BUG_ON(size > PCI_CONFIG_SIZE - offset);
    memcpy(function->config + offset, bytes, size);
    if (writable != NULL)
        memcpy(function->writable + offset, writable, size);
    function->config[offset + PCI_CAP_LIST_NEXT] = 0;
    *function->last_capability = (uint8_t)offset;
    function->last_capability = &function->config[offset + PCI_CAP_LIST_NEXT];
    function->next_capability = (unsigned)align_up(offset + size, 4);
    return offset;
}

/* What the guest can change is 0 after a reset, except for the ID of the capability that is
 * not to be. */
void pci_config_reset(struct pci_function *function)
{
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++)
        function->config[i] &= (uint8_t)~function->writable[i];
}

uint64_t pci_config_read(struct pci_function *function, unsigned offset, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size && offset + i < PCI_CONFIG_SIZE; i++) {
        uint8_t byte = function->config[offset + i];
        if (offset + i == PCI_STATUS && function->ops->interrupt_pending != NULL &&
            !(function->msix != NULL && pci_msix_is_enabled(function->msix)) &&
            function->ops->interrupt_pending(function->context))
            byte |= PCI_STATUS_INTERRUPT;
        value |= (uint64_t)byte << 8 * i;
    }
    return value;
}

static bool touches(unsigned offset, unsigned size, unsigned start, unsigned length)
{
    return offset < start + length && start < offset + size;
}

/* The bit is not kept: it reads 0 (7.5.3.4, Initiate Function Level Reset). */
static bool asks_for_reset(const struct pci_function *function, unsigned offset,
                           unsigned size, uint64_t value)
{
    unsigned byte = function->express_capability + PCI_EXP_DEVCTL + 1;
    return function->express_capability != 0 && touches(offset, size, byte, 1) &&
           (value >> 8 * (byte - offset) & PCI_EXP_DEVCTL_BCR_FLR >> 8) != 0;
}

struct pci_config_change pci_config_write(struct pci_function *function, unsigned offset,
                                          unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size && offset + i < PCI_CONFIG_SIZE; i++) {
        uint8_t writable = function->writable[offset + i];
        uint8_t *byte = &function->config[offset + i];
        *byte = (uint8_t)((*byte & ~writable) | (value >> 8 * i & writable));
    }
    return (struct pci_config_change){
        .bars = touches(offset, size, PCI_COMMAND, 2) ||
                touches(offset, size, PCI_BASE_ADDRESS_0, 4 * PCI_BARS),
        .msix = function->msix_capability != 0 &&
                touches(offset, size, function->msix_capability + PCI_MSIX_FLAGS, 2),
        .reset = asks_for_reset(function, offset, size, value),
    };
}

/* --- BARs --- */

bool pci_config_bar(const struct pci_function *function, unsigned bar,
                    struct gpa_range *range)
{
    const struct pci_bar *description = &function->bars[bar];
    if (description->size == 0 ||
        (get16(function->config, PCI_COMMAND) & PCI_COMMAND_MEMORY) == 0)
        return false;
    uint64_t address =
        get32(function->config, bar_register(bar)) & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
    if (description->is_64)
        address |= (uint64_t)get32(function->config, bar_register(bar + 1)) << 32;
    *range = (struct gpa_range){gpa(address), description->size};
    return true;
}

void pci_config_set_bar(struct pci_function *function, unsigned bar, uint64_t address)
{
    uint32_t flags =
        get32(function->config, bar_register(bar)) & ~(uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
    put32(function->config, bar_register(bar), (uint32_t)address | flags);
    if (function->bars[bar].is_64)
        put32(function->config, bar_register(bar + 1), (uint32_t)(address >> 32));
}

void pci_config_enable_memory(struct pci_function *function)
{
    uint16_t command = get16(function->config, PCI_COMMAND);
    put16(function->config, PCI_COMMAND, (uint16_t)(command | PCI_COMMAND_MEMORY));
}
