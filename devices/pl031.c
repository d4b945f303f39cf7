/* SPDX-License-Identifier: MIT */
#include "devices/pl031.h"

#include <time.h>

#include "devices/primecell.h"

/* Registers by offset (DDI 0224, chapter 3). The others read 0 and ignore writes. */
enum {
    DATA = 0x000,
    MATCH = 0x004,
    LOAD = 0x008,
    CONTROL = 0x00c,
    INTERRUPT_MASK = 0x010,
    INTERRUPT_RAISED = 0x014,
    INTERRUPT_MASKED = 0x018,
    INTERRUPT_CLEAR = 0x01c,
};

#define CONTROL_STARTED 1u /* and it cannot be stopped */

/* Part 0x031, designer Arm, revision 0. */
#define PERIPHERAL_ID 0x00041031u

static uint64_t host_seconds(const struct pl031 *pl031)
{
    return pl031->clock(pl031->context);
}

static uint32_t guest_seconds(const struct pl031 *pl031)
{
    return (uint32_t)host_seconds(pl031) + pl031->offset;
}

/* The next time that DR is equal to MR, from `earliest` on, by the host's clock: at most one
 * round of DR, 2^32 seconds, ahead. */
static uint64_t next_match(const struct pl031 *pl031, uint64_t earliest)
{
    uint32_t guest = (uint32_t)earliest + pl031->offset;
    return earliest + (uint32_t)(pl031->match - guest);
}

static uint32_t interrupt_raised(const struct pl031 *pl031)
{
    return host_seconds(pl031) >= pl031->match_time;
}

static uint32_t read_register(const struct pl031 *pl031, uint64_t offset)
{
    if (offset >= PRIMECELL_ID)
        return primecell_id(PERIPHERAL_ID, offset);
    switch (offset) {
    case DATA:
        return guest_seconds(pl031);
    case MATCH:
        return pl031->match;
    case LOAD:
        return pl031->load;
    case CONTROL:
        return CONTROL_STARTED;
    case INTERRUPT_MASK:
        return pl031->interrupt_mask;
    case INTERRUPT_RAISED:
        return interrupt_raised(pl031);
    case INTERRUPT_MASKED:
        return interrupt_raised(pl031) & pl031->interrupt_mask;
    default:
        return 0;
    }
}

static void load(struct pl031 *pl031, uint32_t value)
{
    uint64_t now = host_seconds(pl031);
    pl031->load = value;
    pl031->offset = value - (uint32_t)now;
    pl031->match_time = next_match(pl031, now);
}

static void write_register(struct pl031 *pl031, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case MATCH:
        pl031->match = value;
        pl031->match_time = next_match(pl031, host_seconds(pl031));
        break;
    case LOAD:
        load(pl031, value);
        break;
    case INTERRUPT_MASK:
        pl031->interrupt_mask = value & 1;
        break;
    case INTERRUPT_CLEAR:
        if (value & 1)
            pl031->match_time = next_match(pl031, host_seconds(pl031) + 1);
        break;
    default:
        break;
    }
}

/* A register is a word; an access that begins inside of one is none. */
static uint64_t pl031_read(void *device, uint64_t offset, unsigned size)
{
    struct pl031 *pl031 = device;
    if (offset % 4 != 0)
        return 0;
    pthread_mutex_lock(&pl031->lock);
    uint64_t value = read_register(pl031, offset);
    pthread_mutex_unlock(&pl031->lock);
    return size < 4 ? value & ((1u << 8 * size) - 1) : value;
}

static void pl031_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pl031 *pl031 = device;
    (void)size; /* the bus has cleared the bytes that are not written */
    if (offset % 4 != 0)
        return;
    pthread_mutex_lock(&pl031->lock);
    write_register(pl031, offset, (uint32_t)value);
    pthread_mutex_unlock(&pl031->lock);
}

void pl031_init(struct pl031 *pl031, pl031_clock_function *clock, void *context)
{
    *pl031 = (struct pl031){.clock = clock, .context = context};
    pthread_mutex_init(&pl031->lock, NULL);
    pl031->match_time = next_match(pl031, host_seconds(pl031));
}

void pl031_finish(struct pl031 *pl031)
{
    if (pl031->clock == NULL)
        return;
    pthread_mutex_destroy(&pl031->lock);
    *pl031 = (struct pl031){0};
}

uint64_t pl031_host_clock(void *context)
{
    (void)context;
    return (uint64_t)time(NULL);
}

const struct bus_ops pl031_bus_ops = {
    .read = pl031_read,
    .write = pl031_write,
};
