/* SPDX-License-Identifier: MIT */
/*
 * A PL031 real-time clock: arm64's. (Arm PrimeCell Real Time Clock (PL031) Technical Reference
 * Manual, DDI 0224, chapter 3.)
 *
 *   DR = the host's seconds since 1970 + what the guest has set with LR
 *
 * There is no interrupt line, and the device tree says so: an alarm is for a machine that
 * sleeps until then, which this one cannot do, and a thread would have to wait for it. The
 * registers are there and right when they are read: RIS says that the time in MR has come.
 */
#ifndef S2VMM_DEVICES_PL031_H
#define S2VMM_DEVICES_PL031_H

#include <pthread.h>

#include "vmm/bus.h"
#include "vmm/state.h"

/* Seconds since 1970. Any thread. */
typedef uint64_t pl031_clock_function(void *context);

struct pl031 {
    pl031_clock_function *clock;
    void *context;

    pthread_mutex_t lock; /* all that follows */
    uint32_t offset;      /* seconds that the guest's time is ahead, modulo 2^32 */
    uint32_t load;
    uint32_t match;
    uint64_t match_time; /* when DR is equal to `match` next, by the host's clock */
    uint32_t interrupt_mask;
};

void pl031_init(struct pl031 *pl031, pl031_clock_function *clock, void *context);
/* A zeroed object is fine. */
void pl031_finish(struct pl031 *pl031);

/* A pl031_clock_function: the host's clock. */
uint64_t pl031_host_clock(void *context);

/* Section PRTC: registers. While nobody else uses it: no vCPU,
 * no terminal. Loading: after pl031_init(). ERROR_CONFIG_FILE. */
void pl031_save(const struct pl031 *pl031, struct state_writer *writer,
                uint32_t instance);
bool pl031_load(struct pl031 *pl031, struct state_reader *reader, uint32_t instance,
                struct error *error);

/* For bus_add() on the MMIO bus, 4 KiB; the bus entry's device is the struct pl031. */
extern const struct bus_ops pl031_bus_ops;

#endif
