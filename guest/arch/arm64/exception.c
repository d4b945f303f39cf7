/* SPDX-License-Identifier: MIT */
#include "guest/arch/arm64/exception.h"

#include "devices/exit_abi.h"
#include "guest/arch/arm64/cpu.h"
#include "guest/guest.h"
#include "vmm/types.h"

#define INSTRUCTION_SIZE 4u

/* ESR_EL1 (DDI 0487): the class of the exception, and for a data abort its cause. */
#define SYNDROME_CLASS(syndrome)  ((syndrome) >> 26 & 0x3f)
#define SYNDROME_STATUS(syndrome) ((syndrome)&0x3f)
#define CLASS_DATA_ABORT          0x25u /* without a change of the exception level */
#define STATUS_EXTERNAL_ABORT     0x10u /* not on a table walk */
#define STATUS_ALIGNMENT          0x21u

extern const char exception_vectors[];
extern const char exception_try_read_load[];
extern const char exception_try_read_pair_load[];

/* The instructions that may fault, and how. */
static const struct {
    const char *instruction;
    uint64_t status;
} expected[] = {
    {exception_try_read_load, STATUS_ALIGNMENT},
    {exception_try_read_pair_load, STATUS_EXTERNAL_ABORT},
};

void exception_handle(struct exception_frame *frame);

/* The vectors have no argument: the guest is found through TPIDR_EL1, which nothing else
 * uses. */
static _Noreturn void report(const struct exception_frame *frame)
{
    struct guest *guest = (struct guest *)(uintptr_t)cpu_read_tpidr_el1();
    console_printf(&guest->console,
                   "\nEXCEPTION %lu, esr 0x%lx, far 0x%lx, pc 0x%lx, pstate 0x%lx\n",
                   frame->vector, frame->syndrome, frame->address, frame->pc,
                   frame->pstate);
    for (unsigned i = 0; i < ARRAY_SIZE(frame->x); i++)
        console_printf(&guest->console, "x%u 0x%lx%s", i, frame->x[i],
                       i % 4 == 3 ? "\n" : "  ");
    console_printf(&guest->console, "sp 0x%lx\n", frame->sp);
    guest_exit(guest, EXIT_VERDICT_CRASH);
}

static bool is_expected(const struct exception_frame *frame)
{
    if (frame->vector != EXCEPTION_SYNCHRONOUS ||
        SYNDROME_CLASS(frame->syndrome) != CLASS_DATA_ABORT)
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(expected); i++)
        if (frame->pc == (uintptr_t)expected[i].instruction &&
            SYNDROME_STATUS(frame->syndrome) == expected[i].status)
            return true;
    return false;
}

/* Called by exception_vectors.S. */
void exception_handle(struct exception_frame *frame)
{
    if (!is_expected(frame))
        report(frame);
    frame->x[0] = frame->syndrome;
    frame->pc += INSTRUCTION_SIZE;
}

void exception_init(struct guest *guest)
{
    cpu_write_tpidr_el1((uintptr_t)guest);
    cpu_write_vbar_el1((uintptr_t)exception_vectors);
    cpu_synchronize();
}
