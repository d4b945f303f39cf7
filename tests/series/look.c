/* SPDX-License-Identifier: MIT */
/* See look.h. */
#include "tests/series/look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"

int look_ioctl(int fd, struct dma_buf_info *info)
{
    return ioctl(fd, DMA_BUF_IOCTL_INFO, info) == 0 ? 0 : errno;
}

int look_ioctl_read_only(int fd, uint32_t param)
{
    struct dma_buf_info *info =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (info == MAP_FAILED)
        return errno;
    info->param = param;
    mprotect(info, 4096, PROT_READ);
    int error = look_ioctl(fd, info);
    munmap(info, 4096);
    return error;
}

static struct answer ask(int fd, uint32_t param)
{
    struct dma_buf_info info = {.param = param};
    int error = look_ioctl(fd, &info);
    return (struct answer){.error = error, .value = error == 0 ? info.value : 0};
}

struct look look_at(int fd)
{
    return (struct look){
        .vm_prot = ask(fd, DMA_BUF_INFO_VM_PROT),
        .cpu_access = ask(fd, DMA_BUF_INFO_CPU_ACCESS),
        .stability = ask(fd, DMA_BUF_INFO_STABILITY),
        .source = ask(fd, DMA_BUF_INFO_SOURCE),
        .host_type = ask(fd, DMA_BUF_INFO_HOST_TYPE),
    };
}

/* smaps: a line "7f12-7f13 rw-s ...", and below it "VmFlags: rd wr sh ... pf ...". */
static bool has_flag(const void *address, const char *flag)
{
    FILE *smaps = fopen("/proc/self/smaps", "re");
    char line[512];
    char start[32];
    bool is_here = false;
    bool has = false;

    snprintf(start, sizeof(start), "%llx-", (unsigned long long)(uintptr_t)address);
    while (smaps && fgets(line, sizeof(line), smaps)) {
        if (strncmp(line, start, strlen(start)) == 0)
            is_here = true;
        if (is_here && strncmp(line, "VmFlags:", 8) == 0) {
            has = strstr(line, flag) != NULL;
            break;
        }
    }
    if (smaps)
        fclose(smaps);
    return has;
}

int look_map(int fd, bool *is_pfnmap)
{
    size_t size = (size_t)lseek(fd, 0, SEEK_END);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    *is_pfnmap = false;
    if (memory == MAP_FAILED)
        return errno;
    *is_pfnmap = has_flag(memory, " pf");
    munmap(memory, size);
    return 0;
}

const char *look_prot(struct answer answer)
{
    if (answer.error != 0)
        return strerrorname_np(answer.error);
    switch (answer.value) {
    case DMA_BUF_VM_PROT_WC:
        return "WC";
    case DMA_BUF_VM_PROT_CACHED:
        return "CACHED";
    case DMA_BUF_VM_PROT_UNCACHED:
        return "UNCACHED";
    default:
        return "undefined";
    }
}

const char *look_type(struct answer answer)
{
    if (answer.error != 0)
        return strerrorname_np(answer.error);
    switch (answer.value) {
#ifdef __x86_64__ /* PAT's encodings */
    case 0:
        return "UC";
    case 1:
        return "WC";
    case 6:
        return "WB";
    case 7:
        return "UC-";
#else /* MAIR's bytes */
    case 0x44:
        return "NC";
    case 0xf0: /* with allocation tags */
    case 0xff:
        return "WB";
#endif
    default:
        return answer.value < 0x10 ? "Device" : "undefined";
    }
}

const char *look_bool(struct answer answer)
{
    if (answer.error != 0)
        return strerrorname_np(answer.error);
    return answer.value ? "yes" : "no";
}

bool look_set(const char *module, const char *parameter, const char *value)
{
    char path[128];

    snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module, parameter);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool written = write(file, value, strlen(value)) == (ssize_t)strlen(value);
    close(file);
    return written;
}
