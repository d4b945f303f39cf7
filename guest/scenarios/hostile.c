/* SPDX-License-Identifier: MIT */
/*
 * A guest that means harm: random commands, descriptors, register accesses over either transport
 * and accesses to the window, of all vCPUs at once, with resets in the middle. What it tells the
 * device about its own memory is true enough that it does not harm itself. In the end the device
 * is reset, and one blob has to work as for any other guest. Options:
 *
 *   seed=N   of the random numbers; each vCPU has its own
 *   steps=N  of each vCPU
 *
 * With one vCPU the same seed does the same again.
 */
#include "guest/scenarios/hostile.h"

#include <linux/virtio_pci.h>

#include "guest/arch.h"
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/mmio.h"
#include "guest/scenarios.h"
#include "guest/string.h"

#define PAGE         UINT64_C(4096)
#define WINDOW_PART  (2 * MIB) /* of the window: where the blobs go */
#define PAUSE_PART   50u       /* of a second: how long it waits for an answer */
#define END_TIMEOUT  60u       /* seconds, for the other vCPUs */
#define CONFIG_SAVED (0x40u / sizeof(uint32_t))

struct hostile {
    struct guest *guest;
    struct hostile_memory *memory;
    struct virtqueue queue;
    uint64_t window;               /* virtual address */
    uint64_t msix;                 /* address of its table; 0: none */
    uint32_t config[CONFIG_SAVED]; /* of the PCI function, as the firmware left it */
    uint64_t seed, steps;
    volatile bool done[HOSTILE_CPUS_MAX];
};

struct actor {
    struct hostile *hostile;
    struct hostile_random random;
    uint32_t cpu;
};

static bool one_in(struct actor *actor, uint32_t n)
{
    return hostile_below(&actor->random, n) == 0;
}

/* --- the ring --- */

static uint16_t available_index(const struct hostile *hostile)
{
    return *(volatile uint16_t *)&hostile->queue.available->idx;
}

static void publish(struct hostile *hostile, uint16_t head)
{
    struct vring_avail *available = hostile->queue.available;
    uint16_t index = available_index(hostile);
    available->ring[index % VIRTQUEUE_SIZE] = head;
    arch_barrier();
    *(volatile uint16_t *)&available->idx = (uint16_t)(index + 1);
    arch_barrier();
    virtio_notify(&hostile->guest->gpu.virtio, GPU_CONTROL_QUEUE);
}

/* The flags last: a descriptor is never seen with another one's address. */
static void write_descriptor(struct vring_desc *place, struct vring_desc value)
{
    volatile struct vring_desc *descriptor = place;
    descriptor->flags = 0;
    descriptor->addr = value.addr;
    descriptor->len = value.len;
    descriptor->next = value.next;
    arch_barrier();
    descriptor->flags = value.flags;
}

static void wait_for_answers(struct hostile *hostile)
{
    uint64_t start = arch_ticks();
    while (*(volatile uint16_t *)&hostile->queue.used->idx != available_index(hostile) &&
           arch_ticks() - start < arch_ticks_per_second() / PAUSE_PART)
        arch_pause();
}

/* Where a vCPU has its request, and behind it the response. */
static uint8_t *place_of(const struct actor *actor)
{
    return actor->hostile->memory->data +
           actor->cpu * (size_t)(HOSTILE_REQUEST + HOSTILE_RESPONSE);
}

/* The request of `size` bytes, in a chain of two as a driver makes it. */
static void send(struct actor *actor, uint32_t size)
{
    struct hostile *hostile = actor->hostile;
    uint16_t head = (uint16_t)(actor->cpu * 2);
    uint64_t request = (uintptr_t)place_of(actor);
    write_descriptor(&hostile->memory->descriptors[head],
                     (struct vring_desc){.addr = request,
                                         .len = size,
                                         .flags = VRING_DESC_F_NEXT,
                                         .next = (uint16_t)(head + 1)});
    write_descriptor(&hostile->memory->descriptors[head + 1],
                     (struct vring_desc){.addr = request + HOSTILE_REQUEST,
                                         .len = HOSTILE_RESPONSE,
                                         .flags = VRING_DESC_F_WRITE});
    publish(hostile, head);
    wait_for_answers(hostile);
}

static struct vring_desc random_descriptor(struct actor *actor)
{
    struct hostile_random *random = &actor->random;
    const struct hostile_memory *memory = actor->hostile->memory;
    struct vring_desc descriptor = {
        .addr = hostile_address(random, memory),
        .len = one_in(actor, 4) ? hostile_word(random)
                                : hostile_below(random, (uint32_t)PAGE),
        .flags = (uint16_t)hostile_below(random, 8),
        .next = (uint16_t)hostile_below(random, VIRTQUEUE_SIZE + 2),
    };
    if ((descriptor.flags & VRING_DESC_F_INDIRECT) != 0) {
        descriptor.addr = (uintptr_t)memory->tables;
        descriptor.len = 16 * hostile_below(random, VIRTQUEUE_SIZE + 1);
    }
    return descriptor;
}

/* Descriptors anywhere, a head anywhere, and sometimes an index anywhere. */
static void scribble(struct actor *actor)
{
    struct hostile *hostile = actor->hostile;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t index = hostile_below(&actor->random, VIRTQUEUE_SIZE);
        struct vring_desc *table =
            one_in(actor, 2) ? hostile->memory->tables : hostile->memory->descriptors;
        write_descriptor(&table[index], random_descriptor(actor));
    }
    if (one_in(actor, 8))
        *(volatile uint16_t *)&hostile->queue.available->idx =
            (uint16_t)hostile_word(&actor->random);
    publish(hostile, (uint16_t)hostile_below(&actor->random, VIRTQUEUE_SIZE + 1));
}

/* --- registers and the window --- */

static void access(struct actor *actor, uint64_t address, unsigned width, uint64_t value)
{
    bool writes = one_in(actor, 2);
    switch (width) {
    case 0:
        writes ? mmio_write8(address, (uint8_t)value) : (void)mmio_read8(address);
        break;
    case 1:
        writes ? mmio_write16(address, (uint16_t)value) : (void)mmio_read16(address);
        break;
    case 2:
        writes ? mmio_write32(address, (uint32_t)value) : (void)mmio_read32(address);
        break;
    default:
        writes ? mmio_write64(address, value) : (void)mmio_read64(address);
        break;
    }
}

/* A place in [base, base + size), and any width; [first, last) of it has the addresses of rings:
 * a half of one, and never one of RAM that is not ours. */
static void access_registers(struct actor *actor, uint64_t base, uint32_t size,
                             uint32_t first, uint32_t last)
{
    struct hostile_random *random = &actor->random;
    unsigned width = hostile_below(random, 4);
    uint32_t offset = hostile_below(random, size) & ~((1u << width) - 1u);
    uint64_t value = hostile_word(random);
    if (offset < last && offset + (1u << width) > first) {
        bool high = (offset & 4) != 0;
        offset &= ~3u;
        width = 2;
        value = high ? (uint64_t)hostile_below(random, 2) * hostile_word(random)
                : one_in(actor, 2)
                    ? HOSTILE_NOT_RAM
                    : (uintptr_t)actor->hostile->memory + hostile_below(random, 4) * PAGE;
    }
    access(actor, base + offset, width, value);
}

/* An interrupt that is more than an interrupt (NMI, INIT, SMI: Intel SDM vol. 3, 11.11.2) would
 * end the guest, not the VMM. */
static void access_messages(struct actor *actor, uint64_t address)
{
    const uint32_t delivery_mode = 0x700;
    access(actor, address & ~3ull, 2, hostile_word(&actor->random) & ~delivery_mode);
}

/* Configuration space leads to everything else, too (VIRTIO_PCI_CAP_PCI_CFG). */
static void access_config(struct actor *actor, uint64_t config)
{
    uint32_t value = hostile_below(&actor->random, 256);
    if (one_in(actor, 2))
        value |= HOSTILE_NOT_RAM | 0xf8000;
    unsigned width = hostile_below(&actor->random, 3);
    uint32_t offset = hostile_below(&actor->random, 0x100) & ~((1u << width) - 1u);
    access(actor, config + offset, width, value);
}

static void access_device(struct actor *actor)
{
    const struct virtio *virtio = &actor->hostile->guest->gpu.virtio;
    if (virtio->pci.config == 0) {
        access_registers(actor, virtio->base, 0x200, VIRTIO_MMIO_QUEUE_DESC_LOW,
                         VIRTIO_MMIO_QUEUE_USED_HIGH + 4);
        return;
    }
    switch (hostile_below(&actor->random, 16)) {
    case 0:
        access_config(actor, virtio->pci.config);
        break;
    case 1:
        access_registers(actor, virtio->isr, 16, 0, 0);
        break;
    case 2:
        access_registers(actor, virtio->device, 64, 0, 0);
        break;
    case 3:
        access_registers(actor, virtio->doorbells[0], 64, 0, 0);
        break;
    case 4:
    case 5:
        if (actor->hostile->msix != 0)
            access_messages(actor,
                            actor->hostile->msix + hostile_below(&actor->random, 128));
        break;
    default:
        access_registers(actor, virtio->base, 64, VIRTIO_PCI_COMMON_Q_DESCLO,
                         VIRTIO_PCI_COMMON_Q_USEDHI + 4);
        break;
    }
}

static void access_window(struct actor *actor)
{
    struct hostile_random *random = &actor->random;
    unsigned width = hostile_below(random, 4);
    uint64_t offset = hostile_below(random, WINDOW_PART) & ~((1u << width) - 1u);
    access(actor, actor->hostile->window + offset, width, hostile_word(random));
}

/* --- restart --- */

static void save_config(struct hostile *hostile)
{
    const struct pci_function pci = hostile->guest->gpu.virtio.pci;
    for (uint32_t i = 0; i < CONFIG_SAVED && pci.config != 0; i++)
        hostile->config[i] = pci_read32(pci, 4 * i);
    if (pci.config != 0 && pci_has_msix(pci)) {
        uint32_t place =
            pci_read32(pci, pci_capability(pci, PCI_CAP_ID_MSIX, 0) + PCI_MSIX_TABLE);
        hostile->msix = pci_bar(pci, place & PCI_MSIX_TABLE_BIR) + (place & ~7u);
    }
}

static void restore_config(const struct hostile *hostile)
{
    const struct pci_function pci = hostile->guest->gpu.virtio.pci;
    if (pci.config == 0)
        return;
    pci_decode(pci, false);
    for (uint32_t i = PCI_BASE_ADDRESS_0 / 4; i <= PCI_BASE_ADDRESS_5 / 4; i++)
        pci_write32(pci, 4 * i, hostile->config[i]);
    pci_write16(pci, PCI_COMMAND, (uint16_t)hostile->config[PCI_COMMAND / 4]);
    if (hostile->msix != 0)
        pci_write16(pci, pci_capability(pci, PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS, 0);
}

/* As a driver does it, but the other vCPUs go on meanwhile: whatever comes of it. */
static void restart(struct actor *actor)
{
    struct hostile *hostile = actor->hostile;
    struct virtio *virtio = &hostile->guest->gpu.virtio;
    uint64_t more = one_in(actor, 2) ? VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC) : 0;
    more |= one_in(actor, 2) ? VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0;
    restore_config(hostile);
    virtio->ops->set_status(virtio, 0);
    for (unsigned i = 0; i < 1000 && virtio_status(virtio) != 0; i++)
        arch_pause();
    memset(hostile->memory, 0, offsetof(struct hostile_memory, data));
    virtio_negotiate(virtio, GPU_FEATURES | more);
    virtio_start_queue(virtio, GPU_CONTROL_QUEUE, &hostile->queue);
    virtio_driver_ok(virtio);
    for (unsigned i = 0; i < HOSTILE_FIRST_COMMANDS; i++)
        send(actor, hostile_first_command(i, place_of(actor)));
}

/* --- the whole --- */

static void act(struct actor *actor)
{
    const struct virtio *virtio = &actor->hostile->guest->gpu.virtio;
    bool stuck = (virtio_status(virtio) & VIRTIO_CONFIG_S_NEEDS_RESET) != 0 ||
                 (virtio_status(virtio) & VIRTIO_CONFIG_S_DRIVER_OK) == 0;
    if (actor->cpu == 0 && one_in(actor, stuck ? 2 : 200))
        restart(actor);
    switch (hostile_below(&actor->random, 64)) {
    case 0:
        scribble(actor);
        break;
    case 1:
    case 2:
        access_device(actor);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
        access_window(actor);
        break;
    default:
        send(actor,
             hostile_command(&actor->random, actor->hostile->memory, place_of(actor)));
        break;
    }
}

static void run(void *argument, uint32_t cpu)
{
    struct hostile *hostile = argument;
    struct actor actor = {
        .hostile = hostile,
        .random.state = ((uint32_t)hostile->seed + cpu * 0x10001u) * 2654435761u | 1,
        .cpu = cpu,
    };
    if (cpu == 0)
        restart(&actor);
    for (uint64_t i = 0; i < hostile->steps; i++)
        act(&actor);
    hostile->done[cpu] = true;
}

/* Memory of its own, and a mapping of the window, while nothing has gone wrong yet. */
static bool prepare(struct guest *guest, struct hostile *hostile)
{
    enum memattr_type s1 =
        memattr_s1_of_map_info(ARCH_MEMATTR_MODEL, MEMATTR_MAP_UNCACHED);
    const struct gpa_range *window = &guest->gpu.window;
    *hostile = (struct hostile){.guest = guest};
    REQUIRE(check_option(guest, "seed", 1, &hostile->seed));
    REQUIRE(check_option(guest, "steps", 2000, &hostile->steps));
    CHECK(guest->boot.cpu_count <= HOSTILE_CPUS_MAX);
    REQUIRE(gpu_start(guest, 0));
    CHECK(window->size >= WINDOW_PART);
    hostile->window =
        (uintptr_t)mmu_map(guest->mmu, window->start.value, WINDOW_PART, s1);
    CHECK(hostile->window != 0);
    save_config(hostile);
    hostile->memory = heap_allocate_aligned(&guest->heap, sizeof *hostile->memory, PAGE);
    hostile->queue = (struct virtqueue){
        .descriptors = hostile->memory->descriptors,
        .available = (struct vring_avail *)(void *)hostile->memory->available,
        .used = (struct vring_used *)(void *)hostile->memory->used,
    };
    return true;
}

static bool wait_for_others(struct guest *guest, const struct hostile *hostile)
{
    uint64_t start = arch_ticks();
    for (uint32_t cpu = 1; cpu < guest->boot.cpu_count; cpu++)
        while (!hostile->done[cpu]) {
            CHECK(arch_ticks() - start < END_TIMEOUT * arch_ticks_per_second());
            arch_pause();
        }
    return true;
}

bool scenario_hostile(struct guest *guest)
{
    struct hostile hostile;
    struct blob blob;
    REQUIRE(prepare(guest, &hostile));
    console_printf(&guest->console, "hostile: seed=%lu steps=%lu, %u vCPUs\n",
                   hostile.seed, hostile.steps, guest->boot.cpu_count);
    CHECK(guest->boot.cpu_count == 1 || arch_start_cpus(guest, run, &hostile));
    run(&hostile, 0);
    REQUIRE(wait_for_others(guest, &hostile));
    restore_config(&hostile);
    mmu_unmap(guest->mmu, guest->gpu.window.start.value, WINDOW_PART,
              memattr_s1_of_map_info(ARCH_MEMATTR_MODEL, MEMATTR_MAP_UNCACHED));
    REQUIRE(gpu_start(guest, 0));
    REQUIRE(blob_context(guest, BLOB_SHM));
    REQUIRE(blob_create_mapped(guest, &blob, 1, 16 * PAGE, 0));
    REQUIRE(blob_experiment(guest, &blob, blob_s1(&blob)));
    CHECK_RESPONSE(gpu_blob_unmap(&guest->gpu, 1), VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_resource_unref(&guest->gpu, 1), VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}
