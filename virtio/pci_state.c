/* SPDX-License-Identifier: MIT */
#include <linux/virtio_pci.h>

#include "virtio/pci.h"

#define VERSION 1u

void virtio_pci_save(const struct virtio_pci *pci, struct state_writer *writer,
                     uint32_t instance)
{
    state_begin(writer, "VPCI", instance, VERSION);
    state_put32(writer, pci->device_features_select);
    state_put32(writer, pci->driver_features_select);
    state_put32(writer, pci->queue_select);
    state_put32(writer, atomic_load(&pci->config_vector));
    for (unsigned i = 0; i < pci->device->queue_count; i++)
        state_put32(writer, atomic_load(&pci->queue_vectors[i]));
    state_end(writer);
}

static bool get_vector(const struct virtio_pci *pci, struct state_section *section,
                       unsigned *vector, struct error *error)
{
    *vector = state_get32(section);
    return *vector < pci->msix.count || *vector == VIRTIO_MSI_NO_VECTOR ||
           state_refuse(section, error, "%s has vector %u of %u", pci->device->name,
                        *vector, pci->msix.count);
}

bool virtio_pci_load(struct virtio_pci *pci, struct state_reader *reader,
                     uint32_t instance, struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, "VPCI", instance, VERSION, &section, error))
        return false;
    /* A driver may select what does not exist. */
    pci->device_features_select = state_get32(section);
    pci->driver_features_select = state_get32(section);
    uint32_t queue = state_get32(section);
    pci->queue_select = (uint16_t)queue;
    if (queue > UINT16_MAX)
        return state_refuse(section, error, "%s has queue %u selected", pci->device->name,
                            queue);
    unsigned vector;
    if (!get_vector(pci, section, &vector, error))
        return false;
    atomic_store(&pci->config_vector, vector);
    for (unsigned i = 0; i < pci->device->queue_count; i++) {
        if (!get_vector(pci, section, &vector, error))
            return false;
        atomic_store(&pci->queue_vectors[i], vector);
    }
    if (!state_close(section, error))
        return false;
    pci_function_update_intx(&pci->function);
    return true;
}
