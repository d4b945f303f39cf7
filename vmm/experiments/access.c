/* SPDX-License-Identifier: MIT */
/* Experiments on whether an access works at all, and coherently. */
#include "vmm/experiments/gallery.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/dmabuf-lab/dmabuf_lab.h"
#include "vmm/kernel_version.h"

#define SIZE (256 * KIB)
#define LOOK "scenario=attributes s1=wb unaligned=no"

/* --- needs-sync --- */

static bool sync_once(int fd)
{
    struct dma_buf_sync sync = {.flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW};
    if (ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) != 0)
        return false;
    sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
    return ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) == 0;
}

void experiment_needs_sync(const struct experiment_host *host, struct experiment_log *log)
{
    struct look look;
    struct kernel_info info;
    struct dmabuf_lab_counters before;
    struct dmabuf_lab_counters after;
    char word[48];
    if (look_open(&look, host, "dmabuf-lab:pages,fault,wb,needs-sync", SIZE, log) &&
        look_ask(&look, &info, log) && look_run(&look, MATRIX_SLOT_OVER, LOOK, log)) {
        if (!look_counters(&look, &before, log)) {
            ; /* said */
        } else if (!sync_once(look.target.backing.fd)) {
            experiment_cannot(log, "DMA_BUF_IOCTL_SYNC: %s", strerror(errno));
        } else if (look_counters(&look, &after, log)) {
            const struct memattr_buffer buffer = look_buffer(&look, &info);
            struct memattr_advice advice =
                memattr_advise(&host->platform->memattr, &buffer);
            experiment_expect(log, "the exporter says", "needs SYNC",
                              info.knows_sync && info.needs_sync ? "needs SYNC"
                                                                 : "coherent");
            experiment_expect(log, "the guest's accesses", "works", look_end_word(&look));
            snprintf(word, sizeof word, "%llu, %llu",
                     (unsigned long long)before.syncs_begun,
                     (unsigned long long)(after.syncs_begun - before.syncs_begun));
            experiment_fact(log, "begin_cpu_access: by then, by one SYNC", "%s", word);
            experiment_expect(log, "s2vmm's decision", "refused: needs-sync",
                              look_advice_word(&advice, word, sizeof word));
        }
    }
    look_close(&look);
}

/* --- pfn-zero-refcount --- */

void experiment_pfn_zero_refcount(const struct experiment_host *host,
                                  struct experiment_log *log)
{
    static const struct {
        const char *exporter;
        const char *what;
        bool blocks;
    } buffers[] = {
        {"dmabuf-lab:pages,fault,wb", "pages with a count", false},
        {"dmabuf-lab:blocks,fault,wb", "pages without", true},
    };
    bool old = host->kernel < KERNEL_VERSION_OF(6, 13);
    experiment_fact(log, "kernel", "%u.%u: %s Linux 6.13", host->kernel >> 8,
                    host->kernel & 0xff, old ? "before" : "not before");
    for (size_t i = 0; i < ARRAY_SIZE(buffers) && !log->impossible[0]; i++) {
        struct look look;
        if (look_open(&look, host, buffers[i].exporter, SIZE, log) &&
            look_run(&look, MATRIX_SLOT_OVER, LOOK, log)) {
            char what[48];
            snprintf(what, sizeof what, "memslot, %s", buffers[i].what);
            experiment_expect(log, what, "accepted",
                              look.end == MATRIX_MACHINE_REFUSED ? "EINVAL" : "accepted");
            snprintf(what, sizeof what, "first touch, %s", buffers[i].what);
            experiment_expect(log, what, old && buffers[i].blocks ? "EFAULT" : "works",
                              look_end_word(&look));
        }
        look_close(&look);
    }
}

/* --- read-then-write --- */

/* A fresh buffer, which nobody has touched; where its driver maps clean pages read-only, and KVM
 * cannot repair that, the guest's first store ends KVM_RUN. */
static void first_store(const struct experiment_host *host, enum matrix_strategy strategy,
                        const char *what, struct experiment_log *log)
{
    struct look look;
    if (look_open(&look, host, "vgem MAP_DUMB", TARGET_SIZE, log)) {
        bool read_only = look.target.clean_is_readonly;
        bool fails = strategy == MATRIX_UNTOUCHED && read_only &&
                     host->platform->pfnmap_write_hazard;
        if (strategy == MATRIX_UNTOUCHED)
            experiment_fact(log, "a clean page is mapped", "%s",
                            read_only ? "read-only" : "writable");
        if (look_run(&look, strategy, LOOK, log))
            experiment_expect(log, what, fails ? "EFAULT" : "works",
                              look_end_word(&look));
    }
    look_close(&look);
}

void experiment_read_then_write(const struct experiment_host *host,
                                struct experiment_log *log)
{
    first_store(host, MATRIX_UNTOUCHED, "the guest writes first", log);
    if (!log->impossible[0])
        first_store(host, MATRIX_SLOT_OVER, "the host wrote before", log);
}

/* --- debug-mangled --- */

static bool import(int fd, struct dmabuf_lab_import *result)
{
    int lab = open("/dev/dmabuf-lab", O_RDWR | O_CLOEXEC);
    *result = (struct dmabuf_lab_import){.fd = fd};
    bool good = lab >= 0 && ioctl(lab, DMABUF_LAB_IOCTL_IMPORT, result) == 0;
    int number = errno;
    if (lab >= 0)
        close(lab);
    errno = number;
    return good;
}

void experiment_debug_mangled(const struct experiment_host *host,
                              struct experiment_log *log)
{
    struct look look;
    struct dmabuf_lab_import seen;
    if (!look_open(&look, host, "udmabuf", SIZE, log))
        return;
    if (!import(look.target.backing.fd, &seen)) {
        experiment_cannot(log,
                          "the buffer cannot be imported through /dev/dmabuf-lab: %s",
                          strerror(errno));
    } else if (look_run(&look, MATRIX_SLOT_OVER, LOOK, log)) {
        experiment_fact(log, "an importer's scatter list has", "%s",
                        seen.page_is_valid ? "struct pages" : "no struct pages");
        experiment_expect(log, "the guest, through mmap()", "works",
                          look_end_word(&look));
        if (seen.page_is_valid)
            experiment_cannot(log,
                              "this kernel has no CONFIG_DMABUF_DEBUG: importers see "
                              "struct pages, and mmap() %s",
                              look_end_word(&look));
    }
    look_close(&look);
}
