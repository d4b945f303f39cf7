/* SPDX-License-Identifier: MIT */
#include "vmm/quota.h"

#include <sys/resource.h>
#include <unistd.h>

#include "vmm/json.h"
#include "vmm/trace.h"
#include "vmm/types.h"

#define DEFAULT_RESOURCES            16384u
#define DEFAULT_CONTEXTS             64u
#define DEFAULT_COMMAND_MILLISECONDS 1000u
/* For all that is not a resource: vCPUs, queues, disks, the libraries of a renderer. */
#define RESERVED_DESCRIPTORS         256u
#define RESERVED_MEMSLOTS            16u

static const struct {
    const char *name;
    const char *what;
    bool is_size;
} kinds[QUOTA_KIND_COUNT] = {
    [QUOTA_RESOURCES] = {"resources", "resources", false},
    [QUOTA_CONTEXTS] = {"contexts", "contexts", false},
    [QUOTA_HOST_MEMORY] = {"host-memory", "bytes of host memory", true},
    [QUOTA_WINDOW] = {"window", "bytes of the window", true},
    [QUOTA_DESCRIPTORS] = {"fds", "file descriptors", false},
    [QUOTA_MEMSLOTS] = {"memslots", "memslots", false},
    [QUOTA_LENT] = {"lent", "bytes of lent guest memory", true},
};

const char *quota_name(enum quota_kind kind)
{
    return kinds[kind].name;
}

bool quota_is_size(enum quota_kind kind)
{
    return kinds[kind].is_size;
}

/* --- limits --- */

static uint64_t without(uint64_t number, uint64_t reserved)
{
    return number > 2 * reserved ? number - reserved : number / 2 + 1;
}

/* sysconf() says -1 when it does not know, which is a large number. */
static uint64_t half_of_memory(void)
{
    uint64_t bytes;
    if (__builtin_mul_overflow((uint64_t)sysconf(_SC_PHYS_PAGES),
                               (uint64_t)sysconf(_SC_PAGESIZE), &bytes))
        return GIB;
    return bytes / 2;
}

/* RLIM_INFINITY is the largest number. */
static uint64_t descriptors(void)
{
    struct rlimit limit = {.rlim_cur = 1024};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return without(limit.rlim_cur, RESERVED_DESCRIPTORS);
}

void quota_defaults(struct quota_limits *limits, uint32_t memslots)
{
    *limits = (struct quota_limits){
        .of =
            {
                [QUOTA_RESOURCES] = DEFAULT_RESOURCES,
                [QUOTA_CONTEXTS] = DEFAULT_CONTEXTS,
                [QUOTA_HOST_MEMORY] = half_of_memory(),
                [QUOTA_WINDOW] = UINT64_MAX, /* what does not fit has its own error */
                [QUOTA_DESCRIPTORS] = descriptors(),
                [QUOTA_MEMSLOTS] = without(memslots, RESERVED_MEMSLOTS),
                [QUOTA_LENT] = half_of_memory(), /* which is pinned */
            },
        .command_milliseconds = DEFAULT_COMMAND_MILLISECONDS,
    };
}

void quota_init(struct quota *quota, const struct quota_limits *asked,
                const struct quota_limits *defaults, struct trace *trace)
{
    *quota = (struct quota){.limits = *defaults, .trace = trace};
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++)
        if (asked->of[i] != 0)
            quota->limits.of[i] = asked->of[i];
    if (asked->command_milliseconds != 0)
        quota->limits.command_milliseconds = asked->command_milliseconds;
}

/* --- shares --- */

static bool refuse(struct quota *quota, enum quota_kind kind, uint64_t amount,
                   struct error *error)
{
    quota->use[kind].refused++;
    return error_set(error, ERROR_GUEST_LIMIT,
                     "%llu more %s: the guest has %llu, and the limit is %llu; --quota "
                     "%s=N makes it another one",
                     (unsigned long long)amount, kinds[kind].what,
                     (unsigned long long)quota->use[kind].now,
                     (unsigned long long)quota->limits.of[kind], kinds[kind].name);
}

bool quota_take(struct quota *quota, struct quota_share *share, enum quota_kind kind,
                uint64_t amount, struct error *error)
{
    struct quota_use *use = &quota->use[kind];
    uint64_t limit = quota->limits.of[kind];
    if (use->now > limit || amount > limit - use->now)
        return refuse(quota, kind, amount, error);
    use->now += amount;
    share->of[kind] += amount;
    if (use->now > use->peak)
        use->peak = use->now;
    return true;
}

void quota_give(struct quota *quota, struct quota_share *share, enum quota_kind kind,
                uint64_t amount)
{
    BUG_ON(amount > share->of[kind] || amount > quota->use[kind].now);
    share->of[kind] -= amount;
    quota->use[kind].now -= amount;
}

void quota_give_all(struct quota *quota, struct quota_share *share)
{
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++)
        quota_give(quota, share, (enum quota_kind)i, share->of[i]);
}

/* --- time, and the report --- */

void quota_command_took(struct quota *quota, const char *name, uint64_t microseconds)
{
    quota->commands++;
    if (microseconds > quota->slowest)
        quota->slowest = microseconds;
    if (microseconds / 1000 < quota->limits.command_milliseconds)
        return;
    quota->slow_commands++;
    trace_warning(quota->trace, "quota",
                  "%s took %llu ms, in which the device did nothing else; warned of from "
                  "%llu ms on (--quota command-time)",
                  name, (unsigned long long)(microseconds / 1000),
                  (unsigned long long)quota->limits.command_milliseconds);
}

void quota_write(const struct quota *quota, const char *device, FILE *out)
{
    struct json json;
    json_begin(&json, out);
    json_string(&json, "statistics", device);
    json_number(&json, "commands", quota->commands);
    json_number(&json, "slow_commands", quota->slow_commands);
    json_number(&json, "slowest_us", quota->slowest);
    json_open(&json, "quotas");
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++) {
        json_open(&json, kinds[i].name);
        json_number(&json, "limit", quota->limits.of[i]);
        json_number(&json, "now", quota->use[i].now);
        json_number(&json, "peak", quota->use[i].peak);
        json_number(&json, "refused", quota->use[i].refused);
        json_close(&json);
    }
    json_close(&json);
    json_end(&json);
}
