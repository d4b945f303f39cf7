/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* libFuzzer's: called once, before anything else. */
int LLVMFuzzerInitialize(int *count, char ***arguments);

static const char *seed_folder;
static uint64_t files_before; /* the input began */

void fuzz_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
    abort();
}

/* The fakes of the unit tests check with Check's macros. Its library is not linked: a check
 * that fails ends up here. */
_Noreturn void _ck_assert_failed(const char *file, int line, const char *condition,
                                 const char *text, ...)
    __attribute__((format(printf, 4, 5)));
void _mark_point(const char *file, int line);

void _ck_assert_failed(const char *file, int line, const char *condition,
                       const char *text, ...)
{
    if (text) {
        va_list values;
        va_start(values, text);
        vfprintf(stderr, text, values);
        va_end(values);
        fputc('\n', stderr);
    }
    fuzz_failed(file, line, condition);
}

void _mark_point(const char *file, int line)
{
    (void)file;
    (void)line;
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    static const char option[] = "--write-seeds=";
    if (*count == 2 && strncmp((*arguments)[1], option, sizeof option - 1) == 0) {
        seed_folder = (*arguments)[1] + sizeof option - 1;
        fuzz_seeds();
        exit(0);
    }
    return 0;
}

void fuzz_seed(const char *name, const void *bytes, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", seed_folder, name);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

void fuzz_take(struct fuzz_input *input, void *to, size_t size)
{
    size_t count = size < input->left ? size : input->left;
    memset(to, 0, size);
    if (count > 0)
        memcpy(to, input->bytes, count);
    input->bytes += count;
    input->left -= count;
}

uint8_t fuzz_take8(struct fuzz_input *input)
{
    uint8_t value;
    fuzz_take(input, &value, sizeof value);
    return value;
}

uint16_t fuzz_take16(struct fuzz_input *input)
{
    uint16_t value;
    fuzz_take(input, &value, sizeof value);
    return value;
}

uint32_t fuzz_take32(struct fuzz_input *input)
{
    uint32_t value;
    fuzz_take(input, &value, sizeof value);
    return value;
}

int fuzz_file(const void *bytes, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0);
    FUZZ_CHECK(size == 0 || write(fd, bytes, size) == (ssize_t)size);
    FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

/* The descriptors below 64 that are open, a bit for each. libFuzzer's own thread, which watches the
 * RSS, may have one open for a moment, and a symbolizer's are there for good. */
static uint64_t open_files(void)
{
    struct pollfd files[64];
    uint64_t open = 0;
    for (int i = 0; i < 64; i++)
        files[i] = (struct pollfd){.fd = i};
    FUZZ_CHECK(poll(files, ARRAY_SIZE(files), 0) >= 0);
    for (unsigned i = 0; i < 64; i++)
        if ((files[i].revents & POLLNVAL) == 0)
            open |= UINT64_C(1) << i;
    return open;
}

/* Pages are dropped rather than written over: a page that exists was touched. */
struct guest_memory *fuzz_memory(uint64_t start, uint64_t size)
{
    static struct guest_memory memory;
    if (memory.region_count == 0) {
        struct error error;
        const struct gpa_range range = {gpa(start), size};
        FUZZ_CHECK(guest_memory_init(&memory, &range, 1, &error));
    }
    if (!fuzz_memory_is_empty(&memory))
        FUZZ_CHECK(fallocate(memory.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                             (off_t)size) == 0);
    FUZZ_CHECK(fuzz_memory_is_empty(&memory));
    files_before = open_files();
    return &memory;
}

bool fuzz_memory_is_empty(const struct guest_memory *memory)
{
    struct stat status;
    FUZZ_CHECK(fstat(memory->fd, &status) == 0);
    return status.st_blocks == 0;
}

void fuzz_check_files(void)
{
    for (unsigned i = 0; i < 100 && open_files() != files_before; i++)
        usleep(1000);
    FUZZ_CHECK(open_files() == files_before);
}
