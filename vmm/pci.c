/* SPDX-License-Identifier: MIT */
#include "vmm/pci.h"

#include <inttypes.h>
#include <linux/pci_regs.h>
#include <string.h>

#define ECAM_SLOT_SHIFT     15
#define ECAM_FUNCTION_SHIFT 12
#define ECAM_REGISTERS      0x1000u

/* BARs do not share a page of the guest, which may have 64 KiB. */
#define BAR_GRANULE (64 * KIB)

bool pci_host_init(struct pci_host *host, const struct pci_host_config *config,
                   struct error *error)
{
    const struct gpa_range *high = &config->memory64;
    if (!gpa_range_is_valid(config->ecam) || !gpa_range_is_valid(config->memory32) ||
        config->memory32.start.value + config->memory32.size > 4 * GIB ||
        config->ecam.size != (uint64_t)PCI_SLOTS << ECAM_SLOT_SHIFT ||
        (high->size != 0 && !gpa_range_is_valid(*high)))
        return error_set(error, ERROR_CONFIG_USAGE,
                         "PCI: ECAM of 0x%" PRIx64 " bytes at 0x%" PRIx64
                         ", memory of 0x%" PRIx64 " bytes at 0x%" PRIx64 " and 0x%" PRIx64
                         " bytes at 0x%" PRIx64 ": no such windows are possible",
                         config->ecam.size, config->ecam.start.value,
                         config->memory32.size, config->memory32.start.value, high->size,
                         high->start.value);
    *host = (struct pci_host){
        .config = *config,
        .initialised = true,
        .next32 = config->memory32.start.value,
        .next64 = high->start.value,
    };
    pthread_mutex_init(&host->config_lock, NULL);
    pthread_mutex_init(&host->decode_lock, NULL);
    pthread_mutex_init(&host->intx_lock, NULL);
    return true;
}

void pci_host_finish(struct pci_host *host)
{
    if (!host->initialised)
        return;
    pthread_mutex_destroy(&host->intx_lock);
    pthread_mutex_destroy(&host->decode_lock);
    pthread_mutex_destroy(&host->config_lock);
    *host = (struct pci_host){0};
}

/* --- the pin --- */

void pci_function_update_intx(struct pci_function *function)
{
    struct pci_host *host = function->host;
    const struct kvm_events *events = host->config.events;
    struct error error;
    if (host->config.intx_irq == 0)
        return;
    pthread_mutex_lock(&host->intx_lock);
    function->asserted = atomic_load(&function->intx_enabled) &&
                         function->ops->interrupt_pending(function->context);
    bool level = false;
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
        level = level || (host->functions[slot] && host->functions[slot]->asserted);
    if (level != host->intx_level) {
        if (events->set_line(events->context, host->config.intx_irq, level, &error))
            host->intx_level = level;
        else
            trace_warning(host->config.trace, "pci", "the interrupt pin of %s: %s",
                          function->name, error.text);
    }
    pthread_mutex_unlock(&host->intx_lock);
}

static void update_interrupts(struct pci_function *function)
{
    uint64_t command = pci_config_read(function, PCI_COMMAND, 2);
    bool msix = function->msix != NULL && pci_msix_is_enabled(function->msix);
    atomic_store(&function->intx_enabled,
                 (command & PCI_COMMAND_INTX_DISABLE) == 0 && !msix);
    pci_function_update_intx(function);
}

/* --- where the BARs are --- */

/* In the order of slots and BARs; what comes first is decoded first. */
struct placement {
    struct pci_function *function;
    unsigned bar;
    bool decoded;
    struct gpa_range range;
};
#define PLACEMENTS_MAX (PCI_SLOTS * PCI_BARS)

static bool is_in_window(const struct gpa_range *window, struct gpa_range range)
{
    return window->size > 0 && gpa_range_contains(*window, range.start, range.size);
}

/* Why the BAR cannot be decoded; NULL: it can. */
static const char *obstacle(const struct pci_host *host, const struct placement *before,
                            unsigned count, struct gpa_range range)
{
    if (!gpa_range_is_valid(range) || (!is_in_window(&host->config.memory32, range) &&
                                       !is_in_window(&host->config.memory64, range)))
        return "outside of the host bridge's windows";
    for (unsigned i = 0; i < count; i++)
        if (before[i].decoded && gpa_range_overlaps(before[i].range, range))
            return "over another BAR";
    return NULL;
}

static void place(struct pci_host *host, struct placement *placements, unsigned count)
{
    struct placement *placement = &placements[count];
    struct pci_function *function = placement->function;
    struct gpa_range *range = &placement->range;
    bool *warned = &function->warned[placement->bar];
    if (!pci_config_bar(function, placement->bar, range)) {
        *warned = false;
        return;
    }
    const char *why = obstacle(host, placements, count, *range);
    placement->decoded = why == NULL;
    if (why != NULL && !*warned)
        trace_warning(
            host->config.trace, "pci",
            "%s: BAR %u at 0x%" PRIx64 ", 0x%" PRIx64 " bytes: %s, so that it is nowhere",
            function->name, placement->bar, range->start.value, range->size, why);
    *warned = why != NULL;
}

static bool is_same(const struct placement *placement)
{
    const struct pci_function *function = placement->function;
    const struct gpa_range *place = &function->places[placement->bar];
    return function->decoded[placement->bar] == placement->decoded &&
           (!placement->decoded || (place->start.value == placement->range.start.value &&
                                    place->size == placement->range.size));
}

static void set_place(struct pci_host *host, const struct placement *placement,
                      bool decoded)
{
    struct pci_function *function = placement->function;
    pthread_mutex_lock(&host->decode_lock);
    function->decoded[placement->bar] = decoded;
    function->places[placement->bar] = placement->range;
    pthread_mutex_unlock(&host->decode_lock);
    if (function->ops->bar_moved != NULL)
        function->ops->bar_moved(function->context, placement->bar,
                                 decoded ? &placement->range : NULL);
}

/* Looks at all BARs anew. What moves is taken from its old place first, so that two that
 * change places do not meet. */
static void decode_bars(struct pci_host *host)
{
    struct placement placements[PLACEMENTS_MAX];
    unsigned count = 0;
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
        for (unsigned bar = 0; host->functions[slot] && bar < PCI_BARS; bar++) {
            if (host->functions[slot]->bars[bar].size == 0)
                continue;
            placements[count] =
                (struct placement){.function = host->functions[slot], .bar = bar};
            place(host, placements, count);
            count++;
        }
    bool changed[PLACEMENTS_MAX];
    for (unsigned i = 0; i < count; i++) {
        changed[i] = !is_same(&placements[i]);
        if (changed[i] && placements[i].function->decoded[placements[i].bar])
            set_place(host, &placements[i], false);
    }
    for (unsigned i = 0; i < count; i++)
        if (changed[i] && placements[i].decoded)
            set_place(host, &placements[i], true);
}

/* --- configuration space --- */

/* The function and the register at this offset of the ECAM; NULL if nobody is there, or the
 * access goes beyond its registers. */
static struct pci_function *find_function(struct pci_host *host, uint64_t offset,
                                          unsigned size, unsigned *reg)
{
    unsigned slot = (unsigned)(offset >> ECAM_SLOT_SHIFT);
    unsigned number = offset >> ECAM_FUNCTION_SHIFT & 7;
    *reg = offset % ECAM_REGISTERS;
    if (slot >= PCI_SLOTS || number != 0 || *reg + size > ECAM_REGISTERS)
        return NULL;
    return host->functions[slot];
}

static uint64_t ecam_read(void *device, uint64_t offset, unsigned size)
{
    struct pci_host *host = device;
    unsigned reg;
    struct pci_function *function = find_function(host, offset, size, &reg);
    if (function == NULL)
        return UINT64_MAX;
    pthread_mutex_lock(&host->config_lock);
    if (function->ops->config_read != NULL)
        function->ops->config_read(function->context, reg, size);
    uint64_t value = pci_config_read(function, reg, size);
    pthread_mutex_unlock(&host->config_lock);
    return value;
}

static void reset(struct pci_function *function)
{
    trace_detail(function->host->config.trace, "pci", "%s: function-level reset",
                 function->name);
    pci_config_reset(function);
    if (function->msix != NULL)
        pci_msix_reset(function->msix);
    function->ops->reset(function->context);
}

static void msix_written(struct pci_function *function)
{
    uint64_t flags =
        pci_config_read(function, function->msix_capability + PCI_MSIX_FLAGS, 2);
    pci_msix_control(function->msix, (flags & PCI_MSIX_FLAGS_ENABLE) != 0,
                     (flags & PCI_MSIX_FLAGS_MASKALL) != 0);
}

static void ecam_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_host *host = device;
    unsigned reg;
    struct pci_function *function = find_function(host, offset, size, &reg);
    if (function == NULL)
        return;
    pthread_mutex_lock(&host->config_lock);
    struct pci_config_change change = pci_config_write(function, reg, size, value);
    if (change.reset)
        reset(function);
    else if (change.msix)
        msix_written(function);
    if (function->ops->config_written != NULL)
        function->ops->config_written(function->context, reg, size);
    if (change.bars || change.reset)
        decode_bars(host);
    if (change.bars || change.msix || change.reset)
        update_interrupts(function);
    pthread_mutex_unlock(&host->config_lock);
}

static const struct bus_ops ecam_ops = {
    .read = ecam_read,
    .write = ecam_write,
};

/* --- the bus --- */

bool pci_host_add_to_bus(struct pci_host *host, struct bus *bus, struct error *error)
{
    const struct {
        const char *name;
        const struct gpa_range *range;
        const struct bus_ops *ops;
    } parts[] = {
        {"PCI ECAM", &host->config.ecam, &ecam_ops},
        {"PCI memory below 4 GiB", &host->config.memory32, &pci_memory32_ops},
        {"PCI memory above 4 GiB", &host->config.memory64, &pci_memory64_ops},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
        const struct bus_entry entry = {
            .name = parts[i].name,
            .start = parts[i].range->start.value,
            .size = parts[i].range->size,
            .ops = parts[i].ops,
            .device = host,
        };
        if (entry.size > 0 && !bus_add(bus, entry, error))
            return false;
    }
    return true;
}

/* --- functions --- */

static void add_msix(struct pci_function *function)
{
    struct {
        uint8_t id, next;
        uint16_t control;
        uint32_t table, pending; /* offsets; the low bits are the BAR, 0 */
    } capability = {
        .id = PCI_CAP_ID_MSIX,
        .control = (uint16_t)(function->msix->count - 1),
        .table = function->msix_table,
        .pending = function->msix_pending,
    };
    _Static_assert(sizeof capability == PCI_CAP_MSIX_SIZEOF, "7.7.2");
    uint8_t writable[PCI_CAP_MSIX_SIZEOF] = {0};
    writable[PCI_MSIX_FLAGS + 1] = (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
    function->msix_capability =
        pci_function_add_capability(function, &capability, writable, sizeof capability);
}

/* An endpoint of the root complex, as there is no port above it: no link registers count. Its
 * reason to be is function-level reset. */
static void add_express(struct pci_function *function)
{
    enum { VERSION = 2, SIZE = 0x3c };
    uint8_t bytes[SIZE] = {PCI_CAP_ID_EXP};
    uint8_t writable[SIZE] = {0};
    const uint16_t flags = PCI_EXP_TYPE_RC_END << 4 | VERSION;
    const uint32_t capabilities = PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR;
    const uint16_t control = 0x7fff; /* all but the reset */
    memcpy(bytes + PCI_EXP_FLAGS, &flags, sizeof flags);
    memcpy(bytes + PCI_EXP_DEVCAP, &capabilities, sizeof capabilities);
    memcpy(writable + PCI_EXP_DEVCTL, &control, sizeof control);
    function->express_capability =
        pci_function_add_capability(function, bytes, writable, SIZE);
}

bool pci_host_add(struct pci_host *host, struct pci_function *function, unsigned slot,
                  struct error *error)
{
    if (slot >= PCI_SLOTS || host->functions[slot] != NULL)
        return error_set(error, ERROR_CONFIG_USAGE, "PCI slot %u of 0 to %u for %s: %s",
                         slot, PCI_SLOTS - 1, function->name,
                         slot >= PCI_SLOTS ? "there is none" : "it is taken");
    function->host = host;
    function->slot = slot;
    pci_config_init(function);
    if (function->msix != NULL)
        add_msix(function);
    add_express(function);
    return true;
}

/* The next free address of a window; false: it is full. */
static bool take(const struct gpa_range *window, uint64_t *next, uint64_t size,
                 uint64_t *address)
{
    uint64_t alignment = size > BAR_GRANULE ? size : BAR_GRANULE;
    if (*next > UINT64_MAX - alignment)
        return false;
    *address = align_up(*next, alignment);
    if (!is_in_window(window, (struct gpa_range){gpa(*address), size}))
        return false;
    *next = *address + size;
    return true;
}

static bool assign_bars(struct pci_function *function, struct error *error)
{
    struct pci_host *host = function->host;
    for (unsigned bar = 0; bar < PCI_BARS; bar++) {
        const struct pci_bar *description = &function->bars[bar];
        uint64_t address;
        if (description->size == 0)
            continue;
        if (!(description->is_64 &&
              take(&host->config.memory64, &host->next64, description->size, &address)) &&
            !take(&host->config.memory32, &host->next32, description->size, &address))
            return error_set(error, ERROR_CONFIG_USAGE,
                             "%s: BAR %u of 0x%" PRIx64
                             " bytes fits into no window of the PCI host bridge",
                             function->name, bar, description->size);
        pci_config_set_bar(function, bar, address);
    }
    return true;
}

bool pci_function_start(struct pci_function *function, struct error *error)
{
    struct pci_host *host = function->host;
    if (!assign_bars(function, error))
        return false;
    pthread_mutex_lock(&host->config_lock);
    host->functions[function->slot] = function;
    pci_config_enable_memory(function);
    decode_bars(host);
    update_interrupts(function);
    pthread_mutex_unlock(&host->config_lock);
    return true;
}

void pci_host_update(struct pci_host *host)
{
    pthread_mutex_lock(&host->config_lock);
    decode_bars(host);
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
        if (host->functions[slot] != NULL)
            update_interrupts(host->functions[slot]);
    pthread_mutex_unlock(&host->config_lock);
}
