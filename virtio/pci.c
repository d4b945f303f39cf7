/* SPDX-License-Identifier: MIT */
/*
 * The capabilities, the BARs and the interrupts of a virtio-pci function. Section numbers are
 * those of virtio 1.2.
 */
#include "virtio/pci.h"

#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <string.h>
#include <sys/eventfd.h>

#define VENDOR       0x1af4u /* 4.1.2 */
#define FIRST_DEVICE 0x1040u /* the device is this plus the VIRTIO_ID_* */
#define REVISION     1u

/* Bytes, and offsets in BAR 0. */
#define BAR_SIZE          0x8000u
#define COMMON            0x0000u
#define COMMON_SIZE       sizeof(struct virtio_pci_common_cfg)
#define ISR               0x1000u
#define ISR_SIZE          1u
#define DEVICE            0x2000u
#define DEVICE_SIZE       0x1000u
#define NOTIFY            0x3000u
#define NOTIFY_MULTIPLIER 4u /* bytes for each queue */
#define NOTIFY_WRITE      2u /* bytes of a notification: the queue's index */
#define MSIX_TABLE        0x4000u
#define MSIX_PENDING      0x4800u

#define SHM_BAR_MIN (64 * KIB)

/* --- interrupts --- */

static void raise_interrupt(void *context, unsigned source)
{
    struct virtio_pci *pci = context;
    unsigned vector = source == VIRTIO_INTERRUPT_CONFIG
                          ? atomic_load(&pci->config_vector)
                          : atomic_load(&pci->queue_vectors[source]);
    if (pci->function.msix != NULL)
        pci_msix_raise(&pci->msix, vector);
    pci_function_update_intx(&pci->function);
}

static void device_was_reset(void *context)
{
    struct virtio_pci *pci = context;
    virtio_pci_reset_common(pci);
    pci_function_update_intx(&pci->function);
}

static const struct virtio_interrupt_ops interrupt_ops = {
    .raise = raise_interrupt,
    .reset = device_was_reset,
};

static bool interrupt_pending(void *context)
{
    const struct virtio_pci *pci = context;
    return atomic_load(&pci->device->interrupt_status) != 0;
}

/* Reading it acknowledges (4.1.4.5). */
static uint64_t read_isr(struct virtio_pci *pci)
{
    unsigned causes = atomic_exchange(&pci->device->interrupt_status, 0);
    pci_function_update_intx(&pci->function);
    return causes;
}

/* --- device configuration --- */

static bool is_in_config(const struct virtio_device *device, uint64_t offset,
                         unsigned size)
{
    return offset <= device->config_size && size <= device->config_size - offset;
}

static void complain(const struct virtio_pci *pci, const char *access, uint64_t offset,
                     const char *why)
{
    trace_warning(pci->device->trace, "virtio",
                  "%s: %s BAR 0, 0x%04" PRIx64 ": ignored: %s (virtio 1.2, 4.1.4)",
                  pci->device->name, access, offset, why);
}

static uint64_t read_config(struct virtio_pci *pci, uint64_t offset, unsigned size)
{
    struct virtio_device *device = pci->device;
    uint64_t value = 0;
    if (!is_in_config(device, offset, size)) {
        complain(pci, "read of", DEVICE + offset, "behind the device configuration");
        return 0;
    }
    pthread_mutex_lock(&device->lock);
    memcpy(&value, device->config + offset, size);
    pthread_mutex_unlock(&device->lock);
    return value;
}

static void write_config(struct virtio_pci *pci, uint64_t offset, unsigned size,
                         uint64_t value)
{
    struct virtio_device *device = pci->device;
    if (!is_in_config(device, offset, size)) {
        complain(pci, "write to", DEVICE + offset, "behind the device configuration");
    } else if (device->config_written == NULL) {
        complain(pci, "write to", DEVICE + offset, "read-only");
    } else {
        pthread_mutex_lock(&device->lock);
        memcpy(device->config + offset, &value, size);
        device->config_written(device->context, (uint32_t)offset, size);
        pthread_mutex_unlock(&device->lock);
    }
}

/* --- BARs --- */

/* A mapped blob has a memslot, so that what comes here is in a hole of the window. */
static uint64_t bar_read(void *context, unsigned bar, uint64_t offset, unsigned size)
{
    struct virtio_pci *pci = context;
    if (bar != VIRTIO_PCI_BAR) { /* what is there is memory, and does not come here */
        trace_warning(pci->device->trace, "bus",
                      "read of %u bytes at offset 0x%" PRIx64
                      " of the window of %s: nothing is there, answered all ones",
                      size, offset, pci->device->name);
        return UINT64_MAX;
    }
    if (offset < COMMON + COMMON_SIZE)
        return virtio_pci_read_common(pci, offset - COMMON, size);
    if (offset == ISR)
        return read_isr(pci);
    if (offset >= DEVICE && offset < DEVICE + DEVICE_SIZE)
        return read_config(pci, offset - DEVICE, size);
    complain(pci, "read of", offset, "no register is there");
    return 0;
}

/* Where KVM's ioeventfd does not take it: another width, or through the capability. The address
 * names the queue; the value is its index again. */
static bool notify(struct virtio_pci *pci, uint64_t offset)
{
    uint64_t queue = (offset - NOTIFY) / NOTIFY_MULTIPLIER;
    if (offset < NOTIFY || offset % NOTIFY_MULTIPLIER != 0 ||
        queue >= pci->device->queue_count)
        return false;
    eventfd_write(pci->device->kick_fds[queue], 1);
    return true;
}

static void bar_write(void *context, unsigned bar, uint64_t offset, unsigned size,
                      uint64_t value)
{
    struct virtio_pci *pci = context;
    if (bar != VIRTIO_PCI_BAR) {
        trace_warning(pci->device->trace, "bus",
                      "write of %u bytes, 0x%" PRIx64 ", at offset 0x%" PRIx64
                      " of the window of %s: nothing is there, ignored",
                      size, value, offset, pci->device->name);
        return;
    }
    if (offset < COMMON + COMMON_SIZE)
        virtio_pci_write_common(pci, offset - COMMON, size, value);
    else if (offset >= DEVICE && offset < DEVICE + DEVICE_SIZE)
        write_config(pci, offset - DEVICE, size, value);
    else if (!notify(pci, offset))
        complain(pci, "write to", offset, "no register is there");
}

static void set_doorbells(struct virtio_pci *pci, bool on)
{
    const struct virtio_device *device = pci->device;
    struct error error;
    for (unsigned i = 0; i < device->queue_count; i++)
        if (!pci->events->set_doorbell(pci->events->context,
                                       pci->doorbells + (uint64_t)i * NOTIFY_MULTIPLIER,
                                       NOTIFY_WRITE, device->kick_fds[i], on, &error))
            trace_warning(device->trace, "virtio", "%s: %s", device->name, error.text);
}

static void bar_moved(void *context, unsigned bar, const struct gpa_range *range)
{
    struct virtio_pci *pci = context;
    struct virtio_device *device = pci->device;
    if (bar == VIRTIO_PCI_BAR) {
        if (pci->has_doorbells)
            set_doorbells(pci, false);
        pci->has_doorbells = range != NULL;
        pci->doorbells = range != NULL ? range->start.value + NOTIFY : 0;
        if (pci->has_doorbells)
            set_doorbells(pci, true);
    } else if (device->shm_moved != NULL) {
        const struct virtio_shm *shm = &device->shm[0];
        const struct gpa_range place = {range ? range->start : gpa(0), shm->range.size};
        device->shm_moved(device->context, shm->id, range ? &place : NULL);
    }
}

/* --- the capability that gives access to BARs (4.1.4.9) --- */

static bool touches_data(const struct virtio_pci *pci, unsigned offset, unsigned size)
{
    unsigned data = pci->access_capability +
                    (unsigned)offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);
    return offset < data + 4 && data < offset + size;
}

/* The access that its fields describe; false if they describe none. */
static bool described_access(const struct virtio_pci *pci,
                             struct virtio_pci_cfg_cap *capability)
{
    memcpy(capability, pci->function.config + pci->access_capability, sizeof *capability);
    uint32_t length = capability->cap.length;
    return (length == 1 || length == 2 || length == 4) &&
           is_aligned(capability->cap.offset, length);
}

static void config_read(void *context, unsigned offset, unsigned size)
{
    struct virtio_pci *pci = context;
    struct virtio_pci_cfg_cap access;
    if (!touches_data(pci, offset, size) || !described_access(pci, &access))
        return;
    uint64_t value = pci_function_bar_read(&pci->function, access.cap.bar,
                                           access.cap.offset, access.cap.length);
    memcpy(pci->function.config + pci->access_capability +
               offsetof(struct virtio_pci_cfg_cap, pci_cfg_data),
           &value, access.cap.length);
}

static void config_written(void *context, unsigned offset, unsigned size)
{
    struct virtio_pci *pci = context;
    struct virtio_pci_cfg_cap access;
    if (!touches_data(pci, offset, size) || !described_access(pci, &access))
        return;
    uint64_t value = 0;
    memcpy(&value, access.pci_cfg_data, access.cap.length);
    pci_function_bar_write(&pci->function, access.cap.bar, access.cap.offset,
                           access.cap.length, value);
}

static void reset(void *context)
{
    struct virtio_pci *pci = context;
    virtio_device_write_status(pci->device, 0);
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

/* --- capabilities --- */

static struct virtio_pci_cap capability_of(uint8_t type, size_t size, uint32_t offset,
                                           uint32_t length)
{
    return (struct virtio_pci_cap){
        .cap_vndr = PCI_CAP_ID_VNDR,
        .cap_len = (uint8_t)size,
        .cfg_type = type,
        .bar = VIRTIO_PCI_BAR,
        .offset = offset,
        .length = length,
    };
}

static void add_structure(struct virtio_pci *pci, uint8_t type, uint32_t offset,
                          uint32_t length)
{
    struct virtio_pci_cap capability =
        capability_of(type, sizeof capability, offset, length);
    pci_function_add_capability(&pci->function, &capability, NULL, sizeof capability);
}

static void add_notification(struct virtio_pci *pci)
{
    struct virtio_pci_notify_cap capability = {
        .cap = capability_of(VIRTIO_PCI_CAP_NOTIFY_CFG, sizeof capability, NOTIFY,
                             pci->device->queue_count * NOTIFY_MULTIPLIER),
        .notify_off_multiplier = NOTIFY_MULTIPLIER,
    };
    pci_function_add_capability(&pci->function, &capability, NULL, sizeof capability);
}

static void add_access(struct virtio_pci *pci)
{
    struct virtio_pci_cfg_cap capability = {
        .cap = capability_of(VIRTIO_PCI_CAP_PCI_CFG, sizeof capability, 0, 0)};
    struct virtio_pci_cfg_cap writable = {
        .cap = {.bar = UINT8_MAX, .offset = UINT32_MAX, .length = UINT32_MAX},
        .pci_cfg_data = {UINT8_MAX, UINT8_MAX, UINT8_MAX, UINT8_MAX},
    };
    pci->access_capability = pci_function_add_capability(&pci->function, &capability,
                                                         &writable, sizeof capability);
}

static void add_shm(struct virtio_pci *pci, const struct virtio_shm *shm)
{
    struct virtio_pci_cap64 capability = {
        .cap = capability_of(VIRTIO_PCI_CAP_SHARED_MEMORY_CFG, sizeof capability, 0,
                             (uint32_t)shm->range.size),
        .length_hi = (uint32_t)(shm->range.size >> 32),
    };
    capability.cap.bar = VIRTIO_PCI_SHM_BAR;
    capability.cap.id = shm->id;
    pci_function_add_capability(&pci->function, &capability, NULL, sizeof capability);
}

static void add_capabilities(struct virtio_pci *pci)
{
    const struct virtio_device *device = pci->device;
    add_structure(pci, VIRTIO_PCI_CAP_COMMON_CFG, COMMON, COMMON_SIZE);
    add_structure(pci, VIRTIO_PCI_CAP_ISR_CFG, ISR, ISR_SIZE);
    if (device->config_size > 0)
        add_structure(pci, VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE, device->config_size);
    add_notification(pci);
    add_access(pci);
    if (device->shm_count > 0)
        add_shm(pci, &device->shm[0]);
}

/* PCI Code and ID Assignment Specification 1.11: "other" of each base class. */
#define CLASS_STORAGE_OTHER       0x018000u
#define CLASS_DISPLAY_OTHER       0x038000u
#define CLASS_COMMUNICATION_OTHER 0x078000u
#define CLASS_NONE                0xff0000u

/* What a person sees in lspci; the specification asks for nothing in particular (4.1.2.1). */
static uint32_t class_of(uint32_t device_id)
{
    switch (device_id) {
    case VIRTIO_ID_GPU:
        return CLASS_DISPLAY_OTHER;
    case VIRTIO_ID_BLOCK:
        return CLASS_STORAGE_OTHER;
    case VIRTIO_ID_CONSOLE:
        return CLASS_COMMUNICATION_OTHER;
    default:
        return CLASS_NONE;
    }
}

/* --- life --- */

uint64_t virtio_pci_shm_bar_size(uint64_t size)
{
    uint64_t bar = SHM_BAR_MIN;
    while (bar < size)
        bar *= 2;
    return bar;
}

static struct pci_function function_of(struct virtio_pci *pci, bool has_msix)
{
    const struct virtio_device *device = pci->device;
    struct pci_function function = {
        .name = device->name,
        .identity =
            {
                .vendor = VENDOR,
                .device = (uint16_t)(FIRST_DEVICE + device->device_id),
                .revision = REVISION,
                .class_code = class_of(device->device_id),
                .subsystem_vendor = VENDOR,
                .subsystem = (uint16_t)(FIRST_DEVICE + device->device_id),
            },
        .bars[VIRTIO_PCI_BAR] = {.size = BAR_SIZE},
        .ops = &function_ops,
        .context = pci,
        .msix = has_msix ? &pci->msix : NULL,
        .msix_table = MSIX_TABLE,
        .msix_pending = MSIX_PENDING,
    };
    if (device->shm_count > 0)
        function.bars[VIRTIO_PCI_SHM_BAR] = (struct pci_bar){
            .size = virtio_pci_shm_bar_size(device->shm[0].range.size), .is_64 = true};
    return function;
}

bool virtio_pci_init(struct virtio_pci *pci, struct pci_host *host, unsigned slot,
                     struct virtio_device *device, struct irq_routes *routes,
                     struct error *error)
{
    BUG_ON(device->shm_count > 1 || device->config_size > DEVICE_SIZE);
    *pci = (struct virtio_pci){.device = device, .events = host->config.events};
    virtio_pci_reset_common(pci);
    if (routes != NULL && !pci_msix_init(&pci->msix, routes, device->name, slot << 3,
                                         device->queue_count + 1, device->trace, error))
        return false;
    pci->function = function_of(pci, routes != NULL);
    bool ok = pci_host_add(host, &pci->function, slot, error);
    if (ok) {
        add_capabilities(pci);
        ok = pci_function_start(&pci->function, error);
    }
    if (!ok) {
        virtio_pci_finish(pci);
        return false;
    }
    device->interrupt_ops = &interrupt_ops;
    device->interrupt_context = pci;
    return true;
}

void virtio_pci_finish(struct virtio_pci *pci)
{
    if (pci->device == NULL)
        return;
    if (pci->device->interrupt_context == pci)
        pci->device->interrupt_ops = NULL;
    pci_msix_finish(&pci->msix);
    *pci = (struct virtio_pci){0};
}
