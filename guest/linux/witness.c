/* SPDX-License-Identifier: MIT */
#include "guest/linux/witness.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest/linux/pagemap.h"
#include "vmm/layout.h"

#define PAGE         4096u
#define NOT_ANSWERED UINT32_MAX
#define ATTEMPTS     4

const char *witness_open(struct witness *witness)
{
    *witness = (struct witness){.pagemap = -1};
    int memory = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
    if (memory < 0)
        return "/dev/mem does not open (root?)";
    void *registers = mmap(NULL, WITNESS_DEVICE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                           memory, LAYOUT_WITNESS_BASE);
    close(memory);
    if (registers == MAP_FAILED)
        return "/dev/mem refuses the witness' address";
    witness->registers = registers;
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
    if (page == MAP_FAILED)
        return "no memory";
    witness->request = page;
    witness->pagemap = pagemap_open();
    if (witness->pagemap < 0)
        return "/proc/self/pagemap does not open";
    uint32_t magic = *(volatile uint32_t *)registers; /* WITNESS_REGISTER_MAGIC is 0 */
    return magic == WITNESS_MAGIC ? NULL : "this VMM has no witness";
}

void witness_close(struct witness *witness)
{
    if (witness->registers)
        munmap((void *)(uintptr_t)witness->registers, WITNESS_DEVICE_SIZE);
    if (witness->request)
        munmap(witness->request, PAGE);
    if (witness->pagemap >= 0)
        close(witness->pagemap);
    *witness = (struct witness){.pagemap = -1};
}

bool witness_ask(const struct witness *witness, struct witness_request *request)
{
    /* A locked page can still be moved by the kernel between the look and the store, which is
     * seen by the status that stays: ask again. */
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        *witness->request = *request;
        witness->request->status = NOT_ANSWERED;
        uint64_t gpa = pagemap_physical(witness->pagemap, witness->request);
        if (gpa == 0)
            return false;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        *(volatile uint64_t *)(witness->registers + WITNESS_REGISTER_REQUEST) = gpa;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        struct witness_request answer;
        memcpy(&answer, witness->request, sizeof answer);
        if (answer.status != NOT_ANSWERED) {
            *request = answer;
            return true;
        }
    }
    return false;
}
