/* SPDX-License-Identifier: MIT */
#include "vmm/experiments/experiment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/dmabuf-lab/dmabuf_lab.h"

bool look_open(struct look *look, const struct experiment_host *host,
               const char *exporter, uint64_t size, struct experiment_log *log)
{
    struct exporter found;
    *look = (struct look){.host = host};
    if (exporter_find(exporter, &found, &look->error) &&
        target_open(&look->target, &found, size, host->platform->memattr.model,
                    &look->error))
        return true;
    experiment_cannot(log, "no buffer of %s: %s", exporter, look->error.text);
    return false;
}

void look_close(struct look *look)
{
    target_close(&look->target);
}

/* matrix_sight_function */
static void seen(void *context, const struct matrix_sight *sight)
{
    struct look *look = context;
    if (look->count == EXPERIMENT_SIGHTS_MAX)
        return;
    look->sights[look->count++] = *sight;
    if (look->reported)
        look->reported(look, look->count - 1);
}

bool look_run(struct look *look, enum matrix_strategy strategy, const char *command_line,
              struct experiment_log *log)
{
    struct matrix_machine_config config = look->host->machine;
    /* KVM may want its memslot before the buffer (vmm/placement.h). */
    if (strategy == MATRIX_SLOT_OVER &&
        memattr_expected_slot(&look->host->platform->memattr, &look->target.buffer)
            ->refused)
        strategy = MATRIX_LATE;
    config.platform = &look->host->platform->memattr;
    config.seen = seen;
    config.context = look;
    look->count = 0;
    look->end =
        matrix_machine_run(&config, &look->target, strategy, command_line, &look->error);
    switch (look->end) {
    case MATRIX_MACHINE_RAN:
    case MATRIX_MACHINE_REFUSED:
    case MATRIX_MACHINE_FAULTED:
    case MATRIX_MACHINE_FAILED:
        return true;
    case MATRIX_MACHINE_NOT_MADE:
    case MATRIX_MACHINE_INTERRUPTED:
        break;
    }
    experiment_cannot(log, "no VM: %s", look->error.text);
    return false;
}

const char *look_end_word(const struct look *look)
{
    static const char *const words[] = {
        [MATRIX_MACHINE_RAN] = "works",      [MATRIX_MACHINE_REFUSED] = "EINVAL",
        [MATRIX_MACHINE_FAULTED] = "EFAULT", [MATRIX_MACHINE_FAILED] = "failed",
        [MATRIX_MACHINE_NOT_MADE] = "no VM", [MATRIX_MACHINE_INTERRUPTED] = "no VM",
    };
    return words[look->end];
}

bool look_ask(const struct look *look, struct kernel_info *info,
              struct experiment_log *log)
{
    kernel_info_ask(look->target.backing.fd, look->host->platform->memattr.model, info);
    if (info->knows_type && info->knows_prot)
        return true;
    experiment_cannot(
        log, "the kernel does not answer DMA_BUF_IOCTL_INFO (%s): load dmabuf-info",
        info->error ? strerror(info->error) : "the page table is not known");
    return false;
}

bool look_counters(const struct look *look, struct dmabuf_lab_counters *counters,
                   struct experiment_log *log)
{
    int lab = open("/dev/dmabuf-lab", O_RDWR | O_CLOEXEC);
    *counters = (struct dmabuf_lab_counters){.fd = look->target.backing.fd};
    bool good = lab >= 0 && ioctl(lab, DMABUF_LAB_IOCTL_COUNTERS, counters) == 0;
    if (!good)
        experiment_cannot(log, "/dev/dmabuf-lab does not tell its counters: %s",
                          strerror(errno));
    if (lab >= 0)
        close(lab);
    return good;
}

struct memattr_buffer look_buffer(const struct look *look, const struct kernel_info *info)
{
    struct memattr_buffer buffer = look->target.buffer;
    buffer.host = info->type;
    if (info->knows_page)
        buffer.page = info->page;
    if (info->knows_vma) {
        buffer.vma = info->vma;
        buffer.vma_is_uncacheable = info->vma_is_uncacheable;
    }
    buffer.needs_sync = info->knows_sync && info->needs_sync;
    buffer.may_change = info->knows_stability && info->may_change;
    return buffer;
}

const char *look_advice_word(const struct memattr_advice *advice, char *word, size_t size)
{
    if (advice->refusal == MEMATTR_ACCEPTED)
        snprintf(word, size, "%s", memattr_map_info_name(advice->map_info));
    else
        snprintf(word, size, "refused: %s", memattr_refusal_name(advice->refusal));
    return word;
}
