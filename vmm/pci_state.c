/* SPDX-License-Identifier: MIT */
/*
 * The state of the functions on the bus. Configuration space is saved as the guest reads it. What the
 * guest cannot change has to be the same in the new VM, or its driver would meet another device; from
 * the rest follow the BARs' places, and whether interrupts are messages.
 */
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <sys/eventfd.h>

#include "vmm/event_state.h"
#include "vmm/pci.h"

#define VERSION 1u

/* --- MSI-X --- */

static void save_msix(const struct pci_msix *msix, struct state_writer *writer)
{
    state_put32(writer, msix != NULL ? msix->count : 0);
    for (unsigned i = 0; msix != NULL && i < msix->count; i++) {
        const struct pci_msix_vector *vector = &msix->vectors[i];
        for (unsigned word = 0; word < ARRAY_SIZE(vector->entry); word++)
            state_put32(writer, vector->entry[word]);
        state_put32(writer, vector->pending);
        event_save(vector->event_fd, writer);
    }
}

struct vector_state {
    uint32_t entry[4];
    bool pending;
    bool is_raised;
};

static bool read_vector(struct state_section *section, struct vector_state *vector,
                        struct error *error)
{
    for (unsigned word = 0; word < ARRAY_SIZE(vector->entry); word++)
        vector->entry[word] = state_get32(section);
    uint32_t pending = state_get32(section);
    uint32_t control = vector->entry[ARRAY_SIZE(vector->entry) - 1];
    if (pending > 1 || (control & ~(uint32_t)PCI_MSIX_ENTRY_CTRL_MASKBIT) != 0)
        return state_refuse(section, error,
                            "an MSI-X vector with control 0x%x, pending %u", control,
                            pending);
    vector->pending = pending == 1;
    return event_load(section, &vector->is_raised, error);
}

static bool read_msix(const struct pci_function *function, struct state_section *section,
                      struct vector_state *vectors, struct error *error)
{
    unsigned count = function->msix != NULL ? function->msix->count : 0;
    uint32_t saved = state_get32(section);
    if (saved != count)
        return state_refuse(section, error,
                            "%u MSI-X vectors; %s has %u in the new VM: give it the same "
                            "devices",
                            saved, function->name, count);
    for (unsigned i = 0; i < count; i++)
        if (!read_vector(section, &vectors[i], error))
            return false;
    return true;
}

/* What was sent is in the state of the interrupt controllers; what is under way follows it. */
static void apply_msix(struct pci_function *function, const struct vector_state *vectors)
{
    struct pci_msix *msix = function->msix;
    uint64_t flags =
        pci_config_read(function, function->msix_capability + PCI_MSIX_FLAGS, 2);
    pthread_mutex_lock(&msix->lock);
    for (unsigned i = 0; i < msix->count; i++) {
        memcpy(msix->vectors[i].entry, vectors[i].entry, sizeof vectors[i].entry);
        msix->vectors[i].pending = vectors[i].pending;
    }
    pthread_mutex_unlock(&msix->lock);
    pci_msix_control(msix, (flags & PCI_MSIX_FLAGS_ENABLE) != 0,
                     (flags & PCI_MSIX_FLAGS_MASKALL) != 0);
    for (unsigned i = 0; i < msix->count; i++)
        if (vectors[i].is_raised)
            eventfd_write(msix->vectors[i].event_fd, 1);
}

/* --- configuration space --- */

static bool check_config(const struct pci_function *function,
                         const struct state_section *section, const uint8_t *config,
                         struct error *error)
{
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
        unsigned constant =
            ~(unsigned)(function->writable[i] | function->volatiles[i]) & 0xff;
        if (((config[i] ^ function->config[i]) & constant) != 0)
            return state_refuse(section, error,
                                "configuration space has 0x%02x at 0x%02x; %s has 0x%02x "
                                "in the new VM: give it the same devices, or leave the "
                                "old s2vmm running",
                                config[i], i, function->name, function->config[i]);
    }
    return true;
}

static void apply_config(struct pci_function *function, const uint8_t *config)
{
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
        unsigned writable = function->writable[i];
        function->config[i] =
            (uint8_t)((function->config[i] & ~writable) | (config[i] & writable));
    }
}

/* --- functions --- */

void pci_host_save(const struct pci_host *host, struct state_writer *writer)
{
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        const struct pci_function *function = host->functions[slot];
        if (function == NULL)
            continue;
        state_begin(writer, "PCIF", slot, VERSION);
        state_put_bytes(writer, function->config, sizeof function->config);
        save_msix(function->msix, writer);
        state_end(writer);
    }
}

static bool load_function(struct pci_function *function, struct state_reader *reader,
                          struct error *error)
{
    struct state_section *section;
    struct vector_state vectors[PCI_MSIX_VECTORS_MAX];
    if (!state_open(reader, "PCIF", function->slot, VERSION, &section, error))
        return false;
    const uint8_t *config = state_get_bytes(section, PCI_CONFIG_SIZE);
    if (config == NULL)
        return state_close(section, error);
    if (!check_config(function, section, config, error) ||
        !read_msix(function, section, vectors, error) || !state_close(section, error))
        return false;
    apply_config(function, config);
    if (function->msix != NULL)
        apply_msix(function, vectors);
    return true;
}

bool pci_host_load(struct pci_host *host, struct state_reader *reader,
                   struct error *error)
{
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
        if (host->functions[slot] != NULL &&
            !load_function(host->functions[slot], reader, error))
            return false;
    pci_host_update(host);
    return true;
}
