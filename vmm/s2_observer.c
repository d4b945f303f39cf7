/* SPDX-License-Identifier: MIT */
#include "vmm/s2_observer.h"

#include <stdio.h>

#include "vmm/btf.h"

#define DRAINS_MAX 16

static const struct s2_observer_ops *ops_of(enum memattr_model model)
{
    switch (model) {
    case MEMATTR_EPT:
    case MEMATTR_NPT:
    case MEMATTR_SHADOW:
        return &s2_observer_x86;
    case MEMATTR_ARM64:
    case MEMATTR_ARM64_FWB:
        return &s2_observer_arm64;
    case MEMATTR_MODEL_COUNT:
        break;
    }
    BUG_ON(true);
}

static void prepare(struct s2_observer *observer, const struct s2_observer_paths *paths,
                    enum memattr_model model)
{
    *observer = (struct s2_observer){.model = model};
    if (paths)
        observer->paths = *paths;
    if (!observer->paths.tracefs)
        observer->paths.tracefs = TRACEFS_PATH;
    if (!observer->paths.page_flags)
        observer->paths.page_flags = "/proc/kpageflags";
    if (!observer->paths.kcore)
        observer->paths.kcore = KCORE_PATH;
    if (!observer->paths.btf)
        observer->paths.btf = BTF_PATH;
}

static void give_up(struct s2_observer *observer, const struct error *error)
{
    s2_observer_finish(observer);
    snprintf(observer->reason, sizeof observer->reason, "%.*s",
             (int)sizeof observer->reason - 1, error->text);
}

void s2_observer_init(struct s2_observer *observer, const struct s2_observer_paths *paths,
                      enum memattr_model model, struct gpa_range range)
{
    const struct s2_observer_ops *ops = ops_of(model);
    struct error error;
    prepare(observer, paths, model);
    if (!tracefs_init(&observer->tracefs, observer->paths.tracefs, &error)) {
        give_up(observer, &error);
        return;
    }
    observer->ops = ops;
    observer->range = range;
    if (!ops->init(observer, &error) || !ops->start(observer, range, &error))
        give_up(observer, &error);
}

void s2_observer_init_recorded(struct s2_observer *observer,
                               const struct s2_observer_paths *paths, int pipe_fd,
                               enum memattr_model model)
{
    struct error error;
    prepare(observer, paths, model);
    tracefs_init_recorded(&observer->tracefs, pipe_fd);
    observer->ops = ops_of(model);
    if (!observer->ops->init(observer, &error))
        give_up(observer, &error);
}

void s2_observer_finish(struct s2_observer *observer)
{
    if (observer->ops)
        observer->ops->finish(observer);
    observer->ops = NULL;
    tracefs_finish(&observer->tracefs);
}

static void take_in(void *context, const char *line)
{
    struct s2_observer *observer = context;
    observer->ops->take_in(observer, line);
}

/* False when what is known may be outdated, or nothing is. */
static bool look(struct s2_observer *observer)
{
    return observer->ops && tracefs_read(&observer->tracefs, take_in, observer);
}

/* The events of the VM that is gone are all in the pipe: its threads have ended. */
static bool drain(struct s2_observer *observer, struct error *error)
{
    for (unsigned i = 0; i < DRAINS_MAX; i++) {
        if (look(observer))
            return true;
    }
    return error_set(error, ERROR_CONFIG_HOST,
                     "%s: trace events of a VM that is gone do not "
                     "end",
                     observer->paths.tracefs);
}

void s2_observer_restart(struct s2_observer *observer, struct gpa_range range)
{
    struct error error;
    if (!observer->ops)
        return;
    observer->reason[0] = '\0';
    if (!drain(observer, &error) || !observer->ops->restart(observer, range, &error))
        give_up(observer, &error);
    observer->range = range;
}

bool s2_observer_find(struct s2_observer *observer, gpa_t address, struct s2_leaf *leaf)
{
    return look(observer) && observer->ops->find(observer, address, leaf);
}

void s2_observer_forget(struct s2_observer *observer, struct gpa_range range)
{
    look(observer);
    if (observer->ops)
        observer->ops->forget(observer, range);
}

bool s2_observer_host_type(struct s2_observer *observer, const void *host, uint64_t hpa,
                           enum memattr_type *type)
{
    look(observer);
    return observer->ops && observer->ops->host_type(observer, host, hpa, type);
}

bool s2_observer_same_page(struct s2_observer *observer, const void *host, uint64_t hpa,
                           bool *same)
{
    look(observer);
    return observer->ops && observer->ops->same_page &&
           observer->ops->same_page(observer, host, hpa, same);
}
