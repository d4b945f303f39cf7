/* SPDX-License-Identifier: MIT */
#include "vmm/pci_msix.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Indices of the words of an entry. */
enum { ADDRESS, UPPER_ADDRESS, DATA, CONTROL };

static void mask_all(struct pci_msix *msix)
{
    for (unsigned i = 0; i < msix->count; i++) {
        struct pci_msix_vector *vector = &msix->vectors[i];
        memset(vector->entry, 0, sizeof vector->entry);
        vector->entry[CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
        vector->pending = false;
    }
}

bool pci_msix_init(struct pci_msix *msix, struct irq_routes *routes, const char *name,
                   uint32_t device, unsigned count, struct trace *trace,
                   struct error *error)
{
    BUG_ON(count == 0 || count > PCI_MSIX_VECTORS_MAX);
    *msix = (struct pci_msix){
        .routes = routes, .trace = trace, .name = name, .device = device};
    pthread_mutex_init(&msix->lock, NULL);
    while (msix->count < count) {
        struct pci_msix_vector *vector = &msix->vectors[msix->count];
        vector->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (vector->event_fd < 0) {
            error_set(error, ERROR_HOST_SYSTEM, "%s: eventfd: %s; see ulimit -n", name,
                      strerror(errno));
            break;
        }
        msix->count++;
        if (!irq_routes_add(routes, vector->event_fd, &vector->gsi, error)) {
            error_wrap(error, "%s", name);
            break;
        }
        if (msix->count == count) {
            mask_all(msix);
            return true;
        }
    }
    pci_msix_finish(msix);
    return false;
}

void pci_msix_finish(struct pci_msix *msix)
{
    if (msix->routes == NULL)
        return;
    for (unsigned i = 0; i < msix->count; i++)
        close(msix->vectors[i].event_fd);
    pthread_mutex_destroy(&msix->lock);
    *msix = (struct pci_msix){0};
}

/* --- sending --- */

static bool is_masked(const struct pci_msix *msix, const struct pci_msix_vector *vector)
{
    return msix->masked || (vector->entry[CONTROL] & PCI_MSIX_ENTRY_CTRL_MASKBIT) != 0;
}

static void route(struct pci_msix *msix, const struct pci_msix_vector *vector)
{
    /* The two low bits of an address are always 0 (7.7.2, Message Address). */
    const struct irq_message message = {
        .address =
            (uint64_t)vector->entry[UPPER_ADDRESS] << 32 | (vector->entry[ADDRESS] & ~3u),
        .data = vector->entry[DATA],
        .device = msix->device,
    };
    struct error error;
    if (irq_routes_set(msix->routes, vector->gsi, message, &error) || msix->warned)
        return;
    msix->warned = true;
    trace_warning(msix->trace, "pci",
                  "%s: the message of an MSI-X vector, address 0x%llx, data 0x%x, is not "
                  "one that this machine has: %s",
                  msix->name, (unsigned long long)message.address, message.data,
                  error.text);
}

/* Something was unmasked, or changed while it was not masked: KVM learns the message before
 * what waits for it is sent. */
static void settle(struct pci_msix *msix, struct pci_msix_vector *vector)
{
    if (!msix->enabled || is_masked(msix, vector))
        return;
    route(msix, vector);
    if (vector->pending) {
        vector->pending = false;
        eventfd_write(vector->event_fd, 1);
    }
}

void pci_msix_raise(struct pci_msix *msix, unsigned index)
{
    if (index >= msix->count)
        return;
    struct pci_msix_vector *vector = &msix->vectors[index];
    pthread_mutex_lock(&msix->lock);
    if (msix->enabled && is_masked(msix, vector))
        vector->pending = true;
    else if (msix->enabled)
        eventfd_write(vector->event_fd, 1);
    pthread_mutex_unlock(&msix->lock);
}

/* --- what the guest does --- */

void pci_msix_reset(struct pci_msix *msix)
{
    pthread_mutex_lock(&msix->lock);
    msix->enabled = false;
    msix->masked = false;
    mask_all(msix);
    pthread_mutex_unlock(&msix->lock);
}

void pci_msix_control(struct pci_msix *msix, bool enabled, bool masked)
{
    pthread_mutex_lock(&msix->lock);
    msix->enabled = enabled;
    msix->masked = masked;
    for (unsigned i = 0; i < msix->count; i++)
        settle(msix, &msix->vectors[i]);
    pthread_mutex_unlock(&msix->lock);
}

bool pci_msix_is_enabled(struct pci_msix *msix)
{
    pthread_mutex_lock(&msix->lock);
    bool enabled = msix->enabled;
    pthread_mutex_unlock(&msix->lock);
    return enabled;
}

/* Accesses are taken apart into bytes: drivers use aligned words of 32 or 64 bits, for others
 * the specification defines nothing (7.7.2), and this is as good as anything. */
static bool find_byte(const struct pci_msix *msix, uint64_t offset, unsigned *vector,
                      unsigned *word, unsigned *shift)
{
    *vector = (unsigned)(offset / PCI_MSIX_ENTRY_SIZE);
    *word = offset % PCI_MSIX_ENTRY_SIZE / 4;
    *shift = offset % 4 * 8;
    return offset < (uint64_t)msix->count * PCI_MSIX_ENTRY_SIZE;
}

uint64_t pci_msix_read_table(struct pci_msix *msix, uint64_t offset, unsigned size)
{
    uint64_t value = 0;
    unsigned vector;
    unsigned word;
    unsigned shift;
    pthread_mutex_lock(&msix->lock);
    for (unsigned i = 0; i < size; i++)
        if (find_byte(msix, offset + i, &vector, &word, &shift))
            value |= (uint64_t)(msix->vectors[vector].entry[word] >> shift & 0xff)
                     << 8 * i;
    pthread_mutex_unlock(&msix->lock);
    return value;
}

void pci_msix_write_table(struct pci_msix *msix, uint64_t offset, unsigned size,
                          uint64_t value)
{
    unsigned vector;
    unsigned word;
    unsigned shift;
    pthread_mutex_lock(&msix->lock);
    for (unsigned i = 0; i < size; i++) {
        if (!find_byte(msix, offset + i, &vector, &word, &shift))
            continue;
        uint32_t *entry = &msix->vectors[vector].entry[word];
        uint32_t changes = 0xffu << shift;
        if (word == CONTROL)
            changes &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
        *entry =
            (*entry & ~changes) | ((uint32_t)(value >> 8 * i & 0xff) << shift & changes);
    }
    for (unsigned i = 0; i < msix->count; i++)
        if (offset < (i + 1) * (uint64_t)PCI_MSIX_ENTRY_SIZE &&
            offset + size > i * (uint64_t)PCI_MSIX_ENTRY_SIZE)
            settle(msix, &msix->vectors[i]);
    pthread_mutex_unlock(&msix->lock);
}

uint64_t pci_msix_read_pending(struct pci_msix *msix, uint64_t offset, unsigned size)
{
    uint64_t bits = 0;
    pthread_mutex_lock(&msix->lock);
    for (unsigned i = 0; i < msix->count; i++)
        bits |= (uint64_t)msix->vectors[i].pending << i;
    pthread_mutex_unlock(&msix->lock);
    if (offset >= PCI_MSIX_PBA_SIZE)
        return 0;
    bits >>= 8 * offset;
    return size == sizeof bits ? bits : bits & (((uint64_t)1 << 8 * size) - 1);
}
