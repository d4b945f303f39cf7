/* SPDX-License-Identifier: MIT */
/*
 * A passed-through device for another program, which goes on with it: it does DMA and interrupts all
 * the time, and is told nothing. Its registers are in the device. What is ours:
 *
 *   descriptors           the device's; each interrupt's eventfd, which VFIO goes on writing to: an
 *                         interrupt that comes while no VM has the irqfd waits there
 *   configuration space   the bridge's matter (vmm/pci_state.c): what is on follows from it
 *   MSI-X table           here; pending bits are what waits in eventfds
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "devices/vfio_pci.h"

#define SECTION "VFIO"

/* --- old program --- */

bool vfio_pci_pause(struct vfio_pci *pci, struct error *error)
{
    pthread_mutex_lock(&pci->lock);
    bool good = vfio_interrupts_pause(&pci->interrupts, error);
    pthread_mutex_unlock(&pci->lock);
    return good || error_wrap(error, "%s", pci->address);
}

void vfio_pci_save(const struct vfio_pci *pci, struct state_writer *writer,
                   uint32_t instance)
{
    const struct vfio_interrupts *interrupts = &pci->interrupts;
    state_begin(writer, SECTION, instance, 1);
    state_put_bytes(writer, pci->address, sizeof pci->address);
    state_put_fd(writer, pci->device.fd);
    for (unsigned i = 0; i < VFIO_VECTORS_MAX; i++)
        for (unsigned word = 0; word < ARRAY_SIZE(pci->entries[i]); word++)
            state_put32(writer, pci->entries[i][word]);
    state_put32(writer, interrupts->kind);
    state_put32(writer, interrupts->active);
    state_put_fd(writer, interrupts->pin.event_fd);
    state_put_fd(writer, interrupts->pin.unmask_fd);
    state_put32(writer, interrupts->vector_count);
    for (unsigned i = 0; i < interrupts->vector_count; i++)
        state_put_fd(writer, interrupts->vectors[i].event_fd);
    state_end(writer);
}

/* --- new program --- */

static bool check_address(struct state_section *section, const char *address,
                          struct error *error)
{
    enum { SIZE = sizeof((struct vfio_pci){0}.address) };
    const char *saved = state_get_bytes(section, SIZE);
    if (saved == NULL || memchr(saved, 0, SIZE) == NULL)
        return state_refuse(section, error, "no address of a device");
    return strcmp(saved, address) == 0 ||
           state_refuse(section, error,
                        "another device than %s: give --vfio for the same devices in the "
                        "same order",
                        address);
}

/* VFIO's kinds in the order of the enumeration. */
static bool get_interrupts(struct vfio_interrupts_kept *kept, struct state_reader *reader,
                           struct state_section *section, struct error *error)
{
    uint32_t kind = state_get32(section);
    kept->active = state_get32(section);
    if (kind > VFIO_MSIX)
        return state_refuse(section, error, "interrupts of kind %u", kind);
    kept->kind = (enum vfio_interrupt_kind)kind;
    if (!state_get_fd(reader, section, &kept->pin_fd, error) ||
        !state_get_fd(reader, section, &kept->unmask_fd, error))
        return false;
    uint32_t count = state_get32(section);
    if (count > VFIO_VECTORS_MAX)
        return state_refuse(section, error, "%u messages, %u can be", count,
                            VFIO_VECTORS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (!state_get_fd(reader, section, &kept->event_fds[i], error))
            return false;
        kept->vector_count++;
    }
    return true;
}

static bool get_kept(struct vfio_pci_kept *kept, struct state_reader *reader,
                     struct state_section *section, struct error *error)
{
    if (!state_get_fd(reader, section, &kept->device_fd, error))
        return false;
    if (kept->device_fd < 0)
        return state_refuse(section, error, "no descriptor of the device");
    for (unsigned i = 0; i < VFIO_VECTORS_MAX; i++)
        for (unsigned word = 0; word < ARRAY_SIZE(kept->entries[i]); word++)
            kept->entries[i][word] = state_get32(section);
    return get_interrupts(&kept->interrupts, reader, section, error) &&
           state_close(section, error);
}

static void close_kept(const struct vfio_calls *calls, const struct vfio_pci_kept *kept)
{
    const struct vfio_interrupts_kept *interrupts = &kept->interrupts;
    if (kept->device_fd >= 0)
        calls->close(calls->context, kept->device_fd);
    if (interrupts->pin_fd >= 0)
        close(interrupts->pin_fd);
    if (interrupts->unmask_fd >= 0)
        close(interrupts->unmask_fd);
    for (unsigned i = 0; i < interrupts->vector_count; i++)
        if (interrupts->event_fds[i] >= 0)
            close(interrupts->event_fds[i]);
}

bool vfio_pci_load(struct vfio_pci *pci, const struct vfio_pci_config *config,
                   struct state_reader *reader, uint32_t instance, struct error *error)
{
    struct vfio_pci_kept kept = {.device_fd = -1,
                                 .interrupts = {.pin_fd = -1, .unmask_fd = -1}};
    struct vfio_pci_config continued = *config;
    struct state_section *section;
    continued.kept = &kept;
    *pci = (struct vfio_pci){0};
    bool good = state_open(reader, SECTION, instance, 1, &section, error) &&
                check_address(section, config->address, error) &&
                get_kept(&kept, reader, section, error) &&
                vfio_pci_init(pci, &continued, error);
    close_kept(config->container->calls, &kept);
    return good;
}

void vfio_pci_restore(struct vfio_pci *pci, const struct vfio_pci_kept *kept)
{
    for (unsigned i = 0; i < VFIO_VECTORS_MAX; i++) {
        memcpy(pci->entries[i], kept->entries[i], sizeof pci->entries[i]);
        pci->entries[i][3] &= PCI_MSIX_ENTRY_CTRL_MASKBIT; /* no other bit is kept */
    }
}

/* --- both --- */

/* What is on is what the guest has asked for, or nothing: then that has failed. */
static bool check_interrupts(const struct vfio_pci *pci, unsigned count,
                             struct error *error)
{
    const struct vfio_interrupts *interrupts = &pci->interrupts;
    bool good = interrupts->kind == VFIO_NO_INTERRUPT ||
                (interrupts->kind == pci->kind &&
                 (pci->kind == VFIO_PIN || interrupts->active == count));
    return good || error_set(error, ERROR_CONFIG_FILE,
                             "the state's interrupts are of kind %u, %u of them on, and "
                             "configuration space asks for kind %u, %u of them",
                             interrupts->kind, interrupts->active, pci->kind, count);
}

bool vfio_pci_resume(struct vfio_pci *pci, struct error *error)
{
    struct vfio_message messages[VFIO_VECTORS_MAX];
    pci->written_command = vfio_config_command(pci);
    pthread_mutex_lock(&pci->lock);
    vfio_config_read_kind(pci);
    unsigned count = vfio_config_messages(pci, messages);
    bool good = check_interrupts(pci, count, error) &&
                vfio_interrupts_resume(&pci->interrupts, messages, error);
    pthread_mutex_unlock(&pci->lock);
    return good || error_wrap(error, "%s", pci->address);
}
