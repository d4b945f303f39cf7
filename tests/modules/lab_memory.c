/* SPDX-License-Identifier: MIT */
/* See lab_memory.h. */
#include "tests/modules/lab_memory.h"

#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>

enum { PAGE_WORDS = LAB_PAGE / 8, WORDS = LAB_SIZE / 8 };

static _Thread_local sigjmp_buf after_sigbus;
static _Thread_local volatile sig_atomic_t is_expected;

static void on_sigbus(int number)
{
    if (is_expected)
        siglongjmp(after_sigbus, 1);
    signal(number, SIG_DFL);
}

void memory_catch_sigbus(void)
{
    struct sigaction action = {.sa_handler = on_sigbus, .sa_flags = SA_NODEFER};
    sigaction(SIGBUS, &action, NULL);
}

volatile uint64_t *memory_map(int fd)
{
    return mmap(NULL, LAB_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

void memory_unmap(volatile uint64_t *memory)
{
    munmap((void *)(uintptr_t)memory, LAB_SIZE);
}

bool memory_read(const volatile uint64_t *word, uint64_t *value)
{
    if (sigsetjmp(after_sigbus, 0) != 0) {
        is_expected = 0;
        return false;
    }
    is_expected = 1;
    *value = *word;
    is_expected = 0;
    return true;
}

void memory_fill(volatile uint64_t *memory, uint64_t seed)
{
    for (size_t page = 0; page < LAB_PAGES; page++) {
        memory[page * PAGE_WORDS] = seed + page;
        memory[page * PAGE_WORDS + PAGE_WORDS - 1] = ~(seed + page);
    }
}

bool memory_has(const volatile uint64_t *memory, uint64_t seed)
{
    for (size_t page = 0; page < LAB_PAGES; page++) {
        if (memory[page * PAGE_WORDS] != seed + page ||
            memory[page * PAGE_WORDS + PAGE_WORDS - 1] != ~(seed + page))
            return false;
    }
    return true;
}

bool memory_is_zero(const volatile uint64_t *memory)
{
    for (size_t i = 0; i < WORDS; i++) {
        if (memory[i])
            return false;
    }
    return true;
}
