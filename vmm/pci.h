/* SPDX-License-Identifier: MIT */
/*
 * A PCI Express host bridge with one bus and single-function devices on it.
 *
 *   ECAM      4 KiB of configuration space for each function; there are no I/O ports
 *   memory32  a window of guest physical addresses below 4 GiB for BARs
 *   memory64  one above, prefetchable
 *
 * The buses of the VM are constant after the start, so each of the three is one bus entry, and
 * the windows are decoded here, by the BARs as they are at that moment. The BARs have their
 * addresses and memory decoding is on when the guest starts, as if firmware had been there.
 *
 * What a guest writes to a BAR decides alone whether it is decoded, not what was there before:
 * it is if memory decoding is on, all of it lies in one window, and no BAR of a lower slot (or
 * lower number in the same slot) that is decoded overlaps it. RAM and other devices are never
 * in the windows. Otherwise its addresses are those of nothing: reads give all ones.
 *
 * Locks:  config     configuration space of all functions; held over the functions' own
 *                    callbacks (which take locks of devices, and the other two)
 *         decode     where the BARs are: for a look, never while anything is called
 *         intx       the shared interrupt pin
 * Threads of devices take only intx and the lock of pci_msix: a callback may wait for them.
 *
 * Sources: PCI Express Base Specification 6.0, 7.2.2 (ECAM), 7.5.1 (header), 7.5.3 (PCI Express
 * capability), 6.6.2 (FLR). vmm/pci.c is the bridge, vmm/pci_windows.c its windows, vmm/pci_config.c a function's
 * configuration space, vmm/pci_msix.c its MSI-X.
 */
#ifndef S2VMM_PCI_H
#define S2VMM_PCI_H

#include <pthread.h>
#include <stdatomic.h>

#include "vmm/bus.h"
#include "vmm/pci_msix.h"
#include "vmm/state.h"

#define PCI_SLOTS       32u
#define PCI_CONFIG_SIZE 256u /* bytes; what is behind, to 4 KiB, reads 0 */
#define PCI_BARS        6u

struct pci_host;

struct pci_host_config {
    struct gpa_range ecam;     /* 1 MiB: bus 0 */
    struct gpa_range memory32; /* below 4 GiB */
    struct gpa_range
        memory64;      /* size 0: none. Room for a BAR of any size that is needed; the
                                  first 64-bit BAR begins where it does, if that is aligned */
    uint32_t intx_irq; /* INTA of all slots; 0: none */
    const struct kvm_events *events; /* kept */
    struct trace *trace;
};

/* What a function does. All on a vCPU's thread, under the host's config lock, except for
 * those that say otherwise. */
struct pci_function_ops {
    /* Accesses to a BAR; size 1, 2, 4 or 8, and all of it inside. Under no lock. */
    uint64_t (*bar_read)(void *context, unsigned bar, uint64_t offset, unsigned size);
    void (*bar_write)(void *context, unsigned bar, uint64_t offset, unsigned size,
                      uint64_t value);
    /* The BAR is decoded here from now on; NULL: nowhere. May be NULL. */
    void (*bar_moved)(void *context, unsigned bar, const struct gpa_range *range);
    /* The guest is about to read, or has written, bytes of configuration space. May be NULL. */
    void (*config_read)(void *context, unsigned offset, unsigned size);
    void (*config_written)(void *context, unsigned offset, unsigned size);
    /* Whether the function wants its pin asserted. Any thread, under the intx lock. */
    bool (*interrupt_pending)(void *context);
    /* A function-level reset. */
    void (*reset)(void *context);
};

struct pci_bar {
    uint64_t size; /* bytes, a power of two from 16; 0: there is none */
    bool is_64; /* takes the next BAR's register as its upper half, and is prefetchable */
};

struct pci_identity {
    uint16_t vendor;
    uint16_t device;
    uint8_t revision;
    uint32_t class_code; /* 24 bits */
    uint16_t subsystem_vendor;
    uint16_t subsystem;
};

struct pci_function {
    /* Filled in by the device before pci_host_add(); the rest is zeroed. */
    const char *name;
    struct pci_identity identity;
    struct pci_bar bars[PCI_BARS];
    const struct pci_function_ops *ops;
    void *context; /* handed to the ops */
    struct pci_msix
        *msix;           /* NULL: it has none. Its table and pending bits are in BAR 0 */
    uint32_t msix_table; /* offsets in BAR 0 */
    uint32_t msix_pending;

    struct pci_host *host;
    unsigned slot;

    /* Under the config lock. */
    uint8_t config[PCI_CONFIG_SIZE];
    uint8_t writable[PCI_CONFIG_SIZE];  /* bits that the guest can change */
    uint8_t volatiles[PCI_CONFIG_SIZE]; /* bits that the device changes: in no state */
    unsigned next_capability;           /* where the next one goes */
    uint8_t *last_capability;           /* its byte that points to the next one */
    unsigned msix_capability;           /* offsets; 0: none */
    unsigned express_capability;
    bool warned[PCI_BARS]; /* it is not decoded, and that was said */

    /* Under the decode lock. */
    bool decoded[PCI_BARS];
    struct gpa_range places[PCI_BARS];

    atomic_bool intx_enabled; /* its Interrupt Disable bit and MSI-X are off */
    bool asserted;            /* under the intx lock */
};

struct pci_host {
    struct pci_host_config config;
    bool initialised;
    pthread_mutex_t config_lock;
    pthread_mutex_t decode_lock;
    pthread_mutex_t intx_lock;
    bool intx_level; /* what KVM was told */
    struct pci_function *functions[PCI_SLOTS];
    /* What is given out of the windows, for functions that are added. */
    uint64_t next32;
    uint64_t next64;
};

/* Makes the bridge, without functions. ERROR_CONFIG_USAGE for windows that cannot be. */
bool pci_host_init(struct pci_host *host, const struct pci_host_config *config,
                   struct error *error);
/* After the vCPUs and the devices have ended; a zeroed object is fine. */
void pci_host_finish(struct pci_host *host);

/* Puts the ECAM and the windows on the bus. */
bool pci_host_add_to_bus(struct pci_host *host, struct bus *bus, struct error *error);

/* Sections PCIF, one for each slot that has a function: its configuration space, and its MSI-X:
 * the table, what is pending, and what KVM has not taken: while the devices are paused, and after
 * irq_routes_pause(). */
void pci_host_save(const struct pci_host *host, struct state_writer *writer);
/* Into a bridge with the same functions, which have not been used, after irq_routes_load() and the
 * interrupt controllers. BARs move to where the guest had put them: bar_moved() is called.
 * ERROR_CONFIG_FILE. */
bool pci_host_load(struct pci_host *host, struct state_reader *reader,
                   struct error *error);

/* --- for devices, vmm/pci.c --- */

/* Step 1: takes a slot, writes the header and the capabilities MSI-X and PCI Express.
 * ERROR_CONFIG_USAGE: the slot is taken. */
bool pci_host_add(struct pci_host *host, struct pci_function *function, unsigned slot,
                  struct error *error);
/* Step 2, after pci_function_add_capability(): addresses for the BARs, memory decoding on.
 * ERROR_CONFIG_USAGE: a window is full. */
bool pci_function_start(struct pci_function *function, struct error *error);

/* For pci_host_load(): the configuration spaces of all functions have changed. */
void pci_host_update(struct pci_host *host);

/* What interrupt_pending() says has changed. Any thread. */
void pci_function_update_intx(struct pci_function *function);

/* An access to a BAR, its MSI-X part included; all ones where nothing is. */
uint64_t pci_function_bar_read(struct pci_function *function, unsigned bar,
                               uint64_t offset, unsigned size);
void pci_function_bar_write(struct pci_function *function, unsigned bar, uint64_t offset,
                            unsigned size, uint64_t value);

/* For vmm/pci.c: the windows on the bus; the device is the struct pci_host. */
extern const struct bus_ops pci_memory32_ops;
extern const struct bus_ops pci_memory64_ops;

/* --- for devices, vmm/pci_config.c --- */

/* Appends a capability of `size` bytes, of which the second is filled in here; returns its
 * offset. `writable`: as many bytes, the bits that the guest can change; NULL: none. */
unsigned pci_function_add_capability(struct pci_function *function, const void *bytes,
                                     const void *writable, unsigned size);

/* For vmm/pci.c. */
void pci_config_init(struct pci_function *function);
/* The state after a reset: BARs and command register are 0. */
void pci_config_reset(struct pci_function *function);
uint64_t pci_config_read(struct pci_function *function, unsigned offset, unsigned size);
/* Changes the bytes that can be, and returns what else there is to do. */
struct pci_config_change {
    bool bars;  /* BARs or the command register were written */
    bool msix;  /* the Message Control register was written */
    bool reset; /* a function-level reset is asked for */
};
struct pci_config_change pci_config_write(struct pci_function *function, unsigned offset,
                                          unsigned size, uint64_t value);
/* Where the registers put a BAR; false if memory decoding is off, or there is none. */
bool pci_config_bar(const struct pci_function *function, unsigned bar,
                    struct gpa_range *range);
void pci_config_set_bar(struct pci_function *function, unsigned bar, uint64_t address);
void pci_config_enable_memory(struct pci_function *function);

#endif
