/* SPDX-License-Identifier: MIT */
/*
 * Grant references of Xen as dma-bufs, in the first domain, which grants its own pages to itself: what works, and with which
 * errno what does not. Run by tests/lab/xen-init.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint32_t grant_ref_t; /* which the next header does not have */
typedef uint16_t domid_t;
#include <xen/gntalloc.h>
#include <xen/gntdev.h>

#define PAGES     2u
#define PAGE_SIZE 4096u

static uint32_t references[PAGES];

static const char *outcome(long result)
{
    return result >= 0 ? "works" : strerror(errno);
}

static volatile uint8_t *grant_pages(void)
{
    union {
        struct ioctl_gntalloc_alloc_gref head;
        uint8_t
            bytes[sizeof(struct ioctl_gntalloc_alloc_gref) + PAGES * sizeof(uint32_t)];
    } request = {.head = {.domid = 0, .flags = GNTALLOC_FLAG_WRITABLE, .count = PAGES}};
    int device = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);
    int result = ioctl(device, IOCTL_GNTALLOC_ALLOC_GREF, &request);
    printf("lent: gntalloc of %u pages: %s\n", PAGES, outcome(result));
    if (result != 0)
        return NULL;
    memcpy(references, request.head.gref_ids, sizeof references);
    void *pages = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                       device, (off_t)request.head.index);
    printf("lent: mmap of the granted pages: %s\n",
           outcome(pages == MAP_FAILED ? -1 : 0));
    return pages == MAP_FAILED ? NULL : pages;
}

/* By an ordinary mapping of gntdev, without a dma-buf. */
static void map_grants(int device, volatile uint8_t *granted)
{
    union {
        struct ioctl_gntdev_map_grant_ref head;
        uint8_t bytes[sizeof(struct ioctl_gntdev_map_grant_ref) +
                      PAGES * sizeof(struct ioctl_gntdev_grant_ref)];
    } request = {.head.count = PAGES};
    for (unsigned i = 0; i < PAGES; i++)
        request.head.refs[i] =
            (struct ioctl_gntdev_grant_ref){.domid = 0, .ref = references[i]};
    int result = ioctl(device, IOCTL_GNTDEV_MAP_GRANT_REF, &request);
    printf("lent: gntdev MAP_GRANT_REF: %s\n", outcome(result));
    volatile uint8_t *view = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
                                  MAP_SHARED, device, (off_t)request.head.index);
    printf("lent: mmap of gntdev: %s\n", outcome(view == MAP_FAILED ? -1 : 0));
    if (view == MAP_FAILED)
        return;
    granted[PAGE_SIZE + 5] = 0x77;
    printf("lent: the grant's page is the same memory: %s\n",
           view[PAGE_SIZE + 5] == 0x77 ? "yes" : "no");
    munmap((void *)view, PAGES * PAGE_SIZE);
    struct ioctl_gntdev_unmap_grant_ref unmap = {.index = request.head.index,
                                                 .count = PAGES};
    ioctl(device, IOCTL_GNTDEV_UNMAP_GRANT_REF, &unmap);
}

static int wait_released(int device, int fd, uint32_t milliseconds)
{
    struct ioctl_gntdev_dmabuf_exp_wait_released wait = {.fd = (uint32_t)fd,
                                                         .wait_to_ms = milliseconds};
    return ioctl(device, IOCTL_GNTDEV_DMABUF_EXP_WAIT_RELEASED, &wait);
}

static void *close_later(void *fd)
{
    usleep(300000);
    close(*(int *)fd);
    return NULL;
}

static void show_fdinfo(int fd)
{
    char path[64];
    char line[128];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "count:", 6) == 0 || strncmp(line, "exp_name:", 9) == 0)
            printf("lent: fdinfo: %s", line);
    if (file)
        fclose(file);
}

static void export(int device)
{
    union {
        struct ioctl_gntdev_dmabuf_exp_from_refs head;
        uint8_t bytes[sizeof(struct ioctl_gntdev_dmabuf_exp_from_refs) +
                      PAGES * sizeof(uint32_t)];
    } request = {.head = {.count = PAGES, .domid = 0}};
    memcpy(request.head.refs, references, sizeof references);
    int result = ioctl(device, IOCTL_GNTDEV_DMABUF_EXP_FROM_REFS, &request);
    printf("lent: EXP_FROM_REFS: %s\n", outcome(result));
    if (result != 0)
        return;
    int fd = (int)request.head.fd;
    show_fdinfo(fd);
    void *view = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    printf("lent: mmap of the dma-buf: %s\n", outcome(view == MAP_FAILED ? -1 : 0));
    printf("lent: EXP_WAIT_RELEASED, 100 ms, while it is open: %s\n",
           outcome(wait_released(device, fd, 100)));
    pthread_t thread;
    pthread_create(&thread, NULL, close_later, &fd);
    printf("lent: EXP_WAIT_RELEASED, 5 s, closed meanwhile: %s\n",
           outcome(wait_released(device, fd, 5000)));
    pthread_join(thread, NULL);
    printf("lent: EXP_WAIT_RELEASED of what is gone: %s\n",
           outcome(wait_released(device, fd, 100)));
}

int main(int count, char **arguments)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    volatile uint8_t *granted = grant_pages();
    int device = open("/dev/xen/gntdev", O_RDWR | O_CLOEXEC);
    printf("lent: /dev/xen/gntdev: %s\n", outcome(device));
    if (!granted || device < 0)
        return 1;
    if (count > 1 && strcmp(arguments[1], "map") == 0)
        map_grants(device, granted);
    else
        export(device);
    return 0;
}
