/* SPDX-License-Identifier: MIT */
#include "guest/arch/x86/exception.h"

#include "devices/exit_abi.h"
#include "guest/arch/x86/cpu.h"
#include "guest/guest.h"
#include "vmm/types.h"

/* An interrupt gate of 64-bit mode (Intel SDM vol. 3, 6.14.1). */
struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t stack_table;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

_Static_assert(sizeof(struct gate) == 16, "hardware layout");

#define GATE_PRESENT_INTERRUPT 0x8e

extern const char exception_stubs[];

_Noreturn void exception_report(const struct exception_frame *frame);

/* The stubs have no argument: the guest is found through GS, which nothing else uses. */
_Noreturn void exception_report(const struct exception_frame *frame)
{
    struct guest *guest = (struct guest *)(uintptr_t)cpu_read_msr(MSR_IA32_GS_BASE);
    const struct {
        const char *name;
        uint64_t value;
    } registers[] = {
        {"rax", frame->rax}, {"rbx", frame->rbx}, {"rcx", frame->rcx},
        {"rdx", frame->rdx}, {"rsi", frame->rsi}, {"rdi", frame->rdi},
        {"rbp", frame->rbp}, {"rsp", frame->rsp}, {"r8", frame->r8},
        {"r9", frame->r9},   {"r10", frame->r10}, {"r11", frame->r11},
        {"r12", frame->r12}, {"r13", frame->r13}, {"r14", frame->r14},
        {"r15", frame->r15},
    };

    console_printf(&guest->console,
                   "\nEXCEPTION %lu, error code 0x%lx, rip 0x%lx, cr2 0x%lx\n",
                   frame->vector, frame->error_code, frame->rip, cpu_read_cr2());
    for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
        console_printf(&guest->console, "%s 0x%lx%s", registers[i].name,
                       registers[i].value, i % 4 == 3 ? "\n" : "  ");
    guest_exit(guest, EXIT_VERDICT_CRASH);
}

void exception_init(struct guest *guest)
{
    struct gate *gates =
        heap_allocate(&guest->heap, EXCEPTION_COUNT * sizeof(struct gate));
    uint16_t selector;
    __asm__ volatile("mov %%cs, %0" : "=r"(selector));
    for (unsigned vector = 0; vector < EXCEPTION_COUNT; vector++) {
        uint64_t stub = (uintptr_t)exception_stubs + vector * EXCEPTION_STUB_SIZE;
        gates[vector] = (struct gate){
            .offset_low = (uint16_t)stub,
            .selector = selector,
            .type = GATE_PRESENT_INTERRUPT,
            .offset_middle = (uint16_t)(stub >> 16),
            .offset_high = (uint32_t)(stub >> 32),
        };
    }
    cpu_write_msr(MSR_IA32_GS_BASE, (uintptr_t)guest);
    cpu_load_idt(&(struct cpu_table){
        .limit = EXCEPTION_COUNT * sizeof(struct gate) - 1,
        .base = (uintptr_t)gates,
    });
}
