/* SPDX-License-Identifier: MIT */
/*
 * The configuration space that the guest sees of a VFIO device, and its MSI-X table. All of it is
 * emulated: VFIO makes interrupts itself, by VFIO_DEVICE_SET_IRQS, and has the BARs where the host
 * put them. What is not written here, or in the bridge's part, reads 0 and ignores writes.
 */
#include <linux/pci_regs.h>
#include <string.h>

#include "devices/vfio_pci.h"

#define CAPABILITIES_MAX                                                                 \
    48u /* of 4 bytes or more behind the header: a longer list is a loop */
#define MSI_SIZE     0x18u /* with 64-bit addresses and a mask for each message */
#define PM_SIZE      8u
#define PM_NO_EVENTS 0x07ffu /* PMC without the states in which it could wake somebody */

/* Indices of the words of an entry of the MSI-X table. */
enum { ADDRESS, UPPER_ADDRESS, DATA, CONTROL };

static uint32_t read_own(const struct vfio_pci *pci, unsigned offset, unsigned size)
{
    uint64_t value;
    vfio_device_read(&pci->device, &pci->device.config, offset, size, &value);
    return (uint32_t)value;
}

static uint32_t read_shown(const struct vfio_pci *pci, unsigned offset, unsigned size)
{
    uint32_t value = 0;
    memcpy(&value, pci->function.config + offset, size);
    return value;
}

/* The offset of a capability of the device; 0: it has none. */
static unsigned find_capability(const struct vfio_pci *pci, uint8_t id)
{
    unsigned offset = read_own(pci, PCI_CAPABILITY_LIST, 1) & ~3u;
    if ((read_own(pci, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST) == 0)
        return 0;
    for (unsigned i = 0; i < CAPABILITIES_MAX && offset >= PCI_STD_HEADER_SIZEOF &&
                         offset < PCI_CONFIG_SIZE;
         i++) {
        if (read_own(pci, offset, 1) == id)
            return offset;
        offset = read_own(pci, offset + PCI_CAP_LIST_NEXT, 1) & ~3u;
    }
    return 0;
}

/* --- before it is on the bus --- */

/* Ports there are none of in the guest, and a BAR that is no power of two is not to be believed. */
static void describe_bars(struct vfio_pci *pci)
{
    for (unsigned i = 0; i < PCI_BARS; i++) {
        uint64_t size = pci->device.bars[i].size;
        uint32_t flags = read_own(pci, PCI_BASE_ADDRESS_0 + 4 * i, 4);
        bool is_64 =
            (flags & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
        if ((flags & PCI_BASE_ADDRESS_SPACE_IO) || size < 16 || !is_aligned(size, size) ||
            (is_64 && i == PCI_BARS - 1) || (!is_64 && size > 2 * GIB))
            continue;
        pci->function.bars[i] = (struct pci_bar){.size = size, .is_64 = is_64};
        i += is_64;
    }
}

static void find_msix_place(const struct vfio_pci *pci, unsigned reg, uint64_t size,
                            struct vfio_msix_place *place)
{
    uint32_t where = read_own(pci, reg, 4);
    unsigned bar = where & PCI_MSIX_TABLE_BIR;
    *place = (struct vfio_msix_place){.bar = bar,
                                      .area = {where & PCI_MSIX_TABLE_OFFSET, size}};
    if (bar >= PCI_BARS || place->area.offset + size > pci->function.bars[bar].size)
        *place = (struct vfio_msix_place){0};
}

static void find_msix(struct vfio_pci *pci)
{
    unsigned offset = find_capability(pci, PCI_CAP_ID_MSIX);
    if (offset == 0)
        return;
    uint64_t count =
        (read_own(pci, offset + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1;
    find_msix_place(pci, offset + PCI_MSIX_TABLE, count * PCI_MSIX_ENTRY_SIZE,
                    &pci->table);
    find_msix_place(pci, offset + PCI_MSIX_PBA, align_up(count, 64) / 8, &pci->pending);
}

void vfio_config_identify(struct vfio_pci *pci)
{
    pci->function.identity = (struct pci_identity){
        .vendor = (uint16_t)read_own(pci, PCI_VENDOR_ID, 2),
        .device = (uint16_t)read_own(pci, PCI_DEVICE_ID, 2),
        .revision = (uint8_t)read_own(pci, PCI_REVISION_ID, 1),
        .class_code = read_own(pci, PCI_CLASS_REVISION, 4) >> 8,
        .subsystem_vendor = (uint16_t)read_own(pci, PCI_SUBSYSTEM_VENDOR_ID, 2),
        .subsystem = (uint16_t)read_own(pci, PCI_SUBSYSTEM_ID, 2),
    };
    pci->command =
        (uint16_t)((read_own(pci, PCI_COMMAND, 2) & PCI_COMMAND_IO) | PCI_COMMAND_MEMORY);
    describe_bars(pci);
    find_msix(pci);
}

/* --- capabilities --- */

static void put16(uint8_t *bytes, unsigned offset, unsigned value)
{
    uint16_t word = (uint16_t)value;
    memcpy(bytes + offset, &word, sizeof word);
}

static void put32(uint8_t *bytes, unsigned offset, uint32_t value)
{
    memcpy(bytes + offset, &value, sizeof value);
}

static unsigned log2_of(unsigned count)
{
    return 31 - (unsigned)__builtin_clz(count);
}

static void add_msi(struct vfio_pci *pci)
{
    uint8_t bytes[MSI_SIZE] = {PCI_CAP_ID_MSI};
    uint8_t writable[MSI_SIZE] = {0};
    unsigned order = log2_of(pci->interrupts.msi_count);
    put16(bytes, PCI_MSI_FLAGS, order << 1 | PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT);
    put16(writable, PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
    put32(writable, PCI_MSI_ADDRESS_LO, ~3u);
    put32(writable, PCI_MSI_ADDRESS_HI, UINT32_MAX);
    put16(writable, PCI_MSI_DATA_64, UINT16_MAX);
    put32(writable, PCI_MSI_MASK_64, (1u << (1u << order)) - 1);
    pci->msi = pci_function_add_capability(&pci->function, bytes, writable, MSI_SIZE);
}

static void add_msix(struct vfio_pci *pci)
{
    uint8_t bytes[PCI_CAP_MSIX_SIZEOF] = {PCI_CAP_ID_MSIX};
    uint8_t writable[PCI_CAP_MSIX_SIZEOF] = {0};
    put16(bytes, PCI_MSIX_FLAGS, pci->interrupts.msix_count - 1);
    put16(writable, PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    put32(bytes, PCI_MSIX_TABLE, (uint32_t)pci->table.area.offset | pci->table.bar);
    put32(bytes, PCI_MSIX_PBA, (uint32_t)pci->pending.area.offset | pci->pending.bar);
    pci->msix =
        pci_function_add_capability(&pci->function, bytes, writable, sizeof bytes);
}

/* The state is the guest's alone: in D3hot vfio-pci would take the BARs away. So nothing is lost in
 * it, which No_Soft_Reset says (7.5.2.2). */
static void add_power_management(struct vfio_pci *pci)
{
    uint8_t bytes[PM_SIZE] = {PCI_CAP_ID_PM};
    uint8_t writable[PM_SIZE] = {0};
    unsigned offset = find_capability(pci, PCI_CAP_ID_PM);
    if (offset == 0)
        return;
    put16(bytes, PCI_PM_PMC, read_own(pci, offset + PCI_PM_PMC, 2) & PM_NO_EVENTS);
    put16(bytes, PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
    put16(writable, PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
    pci_function_add_capability(&pci->function, bytes, writable, PM_SIZE);
}

/* The bridge says "64 bits, prefetchable", or neither. */
static void copy_bar_kinds(struct vfio_pci *pci)
{
    for (unsigned i = 0; i < PCI_BARS; i++) {
        uint8_t *shown = &pci->function.config[PCI_BASE_ADDRESS_0 + 4 * i];
        if (pci->function.bars[i].size > 0)
            *shown = (uint8_t)((*shown & ~(unsigned)PCI_BASE_ADDRESS_MEM_PREFETCH) |
                               (read_own(pci, PCI_BASE_ADDRESS_0 + 4 * i, 1) &
                                PCI_BASE_ADDRESS_MEM_PREFETCH));
    }
}

static void mask_entries(struct vfio_pci *pci)
{
    memset(pci->entries, 0, sizeof pci->entries);
    for (unsigned i = 0; i < VFIO_VECTORS_MAX; i++)
        pci->entries[i][CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

void vfio_config_start(struct vfio_pci *pci)
{
    uint8_t *config = pci->function.config;
    if (pci->interrupts.msi_count > 0)
        add_msi(pci);
    if (pci->interrupts.msix_count > 0 && pci->table.area.size > 0 &&
        pci->pending.area.size > 0)
        add_msix(pci);
    add_power_management(pci);
    copy_bar_kinds(pci);
    pci->function.volatiles[PCI_STATUS] = PCI_STATUS_INTERRUPT;
    if (pci->msi != 0)
        put32(pci->function.volatiles, pci->msi + PCI_MSI_PENDING_64, UINT32_MAX);
    config[PCI_INTERRUPT_PIN] = pci->interrupts.pin.gsi != 0;
    if (!pci->device.can_reset)
        config[pci->function.express_capability + PCI_EXP_DEVCAP + 3] &=
            (uint8_t) ~(PCI_EXP_DEVCAP_FLR >> 24);
    mask_entries(pci);
}

/* --- what the guest writes --- */

static void read_msi(struct vfio_pci *pci, unsigned flags)
{
    unsigned order = (flags & PCI_MSI_FLAGS_QSIZE) >> 4;
    unsigned most = (flags & PCI_MSI_FLAGS_QMASK) >> 1;
    uint32_t mask = read_shown(pci, pci->msi + PCI_MSI_MASK_64, 4);
    pci->count = 1u << (order < most ? order : most);
    for (unsigned i = 0; i < pci->count; i++)
        pci->messages[i] = (struct vfio_message){
            .address = (uint64_t)read_shown(pci, pci->msi + PCI_MSI_ADDRESS_HI, 4) << 32 |
                       read_shown(pci, pci->msi + PCI_MSI_ADDRESS_LO, 4),
            .data =
                (read_shown(pci, pci->msi + PCI_MSI_DATA_64, 2) & ~(pci->count - 1)) | i,
            .masked = (mask >> i & 1) != 0,
        };
}

void vfio_config_read_kind(struct vfio_pci *pci)
{
    uint32_t command = read_shown(pci, PCI_COMMAND, 2);
    uint32_t msi = pci->msi ? read_shown(pci, pci->msi + PCI_MSI_FLAGS, 2) : 0;
    uint32_t msix = pci->msix ? read_shown(pci, pci->msix + PCI_MSIX_FLAGS, 2) : 0;
    pci->count = 0;
    pci->function_masked = (msix & PCI_MSIX_FLAGS_MASKALL) != 0;
    if (msix & PCI_MSIX_FLAGS_ENABLE)
        pci->kind = VFIO_MSIX;
    else if (msi & PCI_MSI_FLAGS_ENABLE)
        pci->kind = VFIO_MSI;
    else
        pci->kind = command & PCI_COMMAND_INTX_DISABLE ? VFIO_NO_INTERRUPT : VFIO_PIN;
    if (pci->kind == VFIO_MSI)
        read_msi(pci, msi);
}

unsigned vfio_config_messages(const struct vfio_pci *pci, struct vfio_message *messages)
{
    if (pci->kind != VFIO_MSIX) {
        memcpy(messages, pci->messages, sizeof pci->messages);
        return pci->count;
    }
    for (unsigned i = 0; i < pci->interrupts.msix_count; i++) {
        const uint32_t *entry = pci->entries[i];
        messages[i] = (struct vfio_message){
            .address = (uint64_t)entry[UPPER_ADDRESS] << 32 | (entry[ADDRESS] & ~3u),
            .data = entry[DATA],
            .masked = pci->function_masked ||
                      (entry[CONTROL] & PCI_MSIX_ENTRY_CTRL_MASKBIT) != 0,
        };
    }
    return pci->interrupts.msix_count;
}

/* Under the lock. */
static void settle(struct vfio_pci *pci)
{
    struct vfio_message messages[VFIO_VECTORS_MAX];
    unsigned count = vfio_config_messages(pci, messages);
    vfio_interrupts_apply(&pci->interrupts, pci->kind, count, messages);
}

uint16_t vfio_config_command(const struct vfio_pci *pci)
{
    return (uint16_t)(pci->command |
                      (read_shown(pci, PCI_COMMAND, 2) & PCI_COMMAND_MASTER));
}

void vfio_config_changed(struct vfio_pci *pci)
{
    uint16_t command = vfio_config_command(pci);
    if (command != pci->written_command)
        vfio_device_write(&pci->device, &pci->device.config, PCI_COMMAND, 2, command);
    pci->written_command = command;
    pthread_mutex_lock(&pci->lock);
    vfio_config_read_kind(pci);
    settle(pci);
    pthread_mutex_unlock(&pci->lock);
}

void vfio_config_refresh(struct vfio_pci *pci)
{
    pthread_mutex_lock(&pci->lock);
    uint32_t pending =
        pci->kind == VFIO_MSI ? vfio_interrupts_pending(&pci->interrupts) : 0;
    pthread_mutex_unlock(&pci->lock);
    uint8_t *status = &pci->function.config[PCI_STATUS];
    *status = (uint8_t)((*status & ~(unsigned)PCI_STATUS_INTERRUPT) |
                        (read_own(pci, PCI_STATUS, 1) & PCI_STATUS_INTERRUPT));
    if (pci->msi != 0)
        put32(pci->function.config, pci->msi + PCI_MSI_PENDING_64, pending);
}

void vfio_config_reset(struct vfio_pci *pci)
{
    pthread_mutex_lock(&pci->lock);
    mask_entries(pci);
    vfio_interrupts_apply(&pci->interrupts, VFIO_NO_INTERRUPT, 0, NULL);
    pthread_mutex_unlock(&pci->lock);
}

/* --- the MSI-X table --- */

static bool touches(const struct vfio_msix_place *place, unsigned bar, uint64_t offset,
                    unsigned size)
{
    return place->area.size > 0 && place->bar == bar &&
           offset < place->area.offset + place->area.size &&
           place->area.offset < offset + size;
}

/* The word that holds a byte of the table, and where in it; NULL: behind the last entry. */
static uint32_t *find_word(struct vfio_pci *pci, uint64_t offset, unsigned *shift)
{
    uint64_t at = offset - pci->table.area.offset;
    uint64_t entry = at / PCI_MSIX_ENTRY_SIZE;
    *shift = at % 4 * 8;
    return offset >= pci->table.area.offset && entry < pci->interrupts.msix_count
               ? &pci->entries[entry][at % PCI_MSIX_ENTRY_SIZE / 4]
               : NULL;
}

bool vfio_config_read_msix(struct vfio_pci *pci, unsigned bar, uint64_t offset,
                           unsigned size, uint64_t *value)
{
    bool in_table = touches(&pci->table, bar, offset, size);
    *value = 0;
    if (!in_table && !touches(&pci->pending, bar, offset, size))
        return false;
    pthread_mutex_lock(&pci->lock);
    uint64_t pending =
        pci->kind == VFIO_MSIX ? vfio_interrupts_pending(&pci->interrupts) : 0;
    for (unsigned i = 0; i < size; i++) {
        unsigned shift;
        uint64_t byte = offset + i - pci->pending.area.offset;
        const uint32_t *word = in_table ? find_word(pci, offset + i, &shift) : NULL;
        if (word != NULL)
            *value |= (uint64_t)(*word >> shift & 0xff) << 8 * i;
        else if (!in_table && byte < sizeof pending)
            *value |= (pending >> 8 * byte & 0xff) << 8 * i;
    }
    pthread_mutex_unlock(&pci->lock);
    return true;
}

bool vfio_config_write_msix(struct vfio_pci *pci, unsigned bar, uint64_t offset,
                            unsigned size, uint64_t value)
{
    if (!touches(&pci->table, bar, offset, size))
        return touches(&pci->pending, bar, offset, size);
    pthread_mutex_lock(&pci->lock);
    for (unsigned i = 0; i < size; i++) {
        unsigned shift;
        uint32_t *word = find_word(pci, offset + i, &shift);
        if (word == NULL)
            continue;
        uint32_t changes = 0xffu << shift;
        if ((offset + i - pci->table.area.offset) % PCI_MSIX_ENTRY_SIZE / 4 == CONTROL)
            changes &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
        *word =
            (*word & ~changes) | ((uint32_t)(value >> 8 * i & 0xff) << shift & changes);
    }
    settle(pci);
    pthread_mutex_unlock(&pci->lock);
    return true;
}
