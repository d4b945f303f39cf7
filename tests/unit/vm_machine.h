/* SPDX-License-Identifier: MIT */
/* A VM with a serial port and an exit device, for a few instructions of guest code. */
#ifndef S2VMM_TESTS_UNIT_VM_MACHINE_H
#define S2VMM_TESTS_UNIT_VM_MACHINE_H

#include "devices/serial.h"
#include "vmm/vm.h"

/* Guest code: position-independent, copied to LAYOUT_IMAGE_START. */
#define GUEST_CODE_SYMBOLS(name) extern const uint8_t name##_code[], name##_code_end[]
#define GUEST_CODE(name, text)                                                           \
    GUEST_CODE_SYMBOLS(name);                                                            \
    __asm__(".pushsection .rodata\n.balign 8\n.globl " #name "_code, " #name             \
            "_code_end\n" #name "_code:\n" text #name                                    \
            "_code_end:\n.byte 0\n"                                                      \
            ".popsection\n")

/* In tests/unit/<arch>/vm_code.c, for the tests that all architectures have. */
GUEST_CODE_SYMBOLS(verdict);  /* ends the run with 7 */
GUEST_CODE_SYMBOLS(argument); /* with its first argument */
GUEST_CODE_SYMBOLS(
    empty_mmio); /* 64-bit read at vm_code_empty, written to 8 bytes further
                                   on; ends with 1 if it was all ones, else with 0 */
GUEST_CODE_SYMBOLS(spin);
GUEST_CODE_SYMBOLS(bad_slot); /* reads at vm_code_slot */
GUEST_CODE_SYMBOLS(
    start_others);         /* starts vCPUs 1 and 2 at vm_code_other; ends with 2 when
                                     both have counted */
GUEST_CODE_SYMBOLS(other); /* counts, and waits */

extern const uint64_t vm_code_empty; /* GPA of a place without device or memory */
extern const uint64_t vm_code_slot;  /* where bad_slot reads; 1 MiB is free there */
extern const uint64_t vm_code_other; /* where `other` belongs */
extern const char *const vm_code_slot_sign; /* a crash report in bad_slot has it */

struct machine {
    FILE *log;
    char *log_text;
    size_t log_size;
    struct trace trace;
    struct vm vm;
    struct serial serial;
    char output[64];
    size_t output_length;
    struct vm_outcome outcome;
};

/* 16 MiB, one vCPU. */
extern const struct vm_config small_machine;

/* False (and SKIP) if this host has no KVM. */
bool machine_init(struct machine *machine, const char *test, struct vm_config config);
void machine_finish(struct machine *machine);

void put_code(struct machine *machine, uint64_t address, const uint8_t *code,
              const uint8_t *end);

/* Runs vCPU 0 at LAYOUT_IMAGE_START; seconds: the time limit, MACHINE_PATIENCE for code that ends. */
#define MACHINE_PATIENCE 30
void machine_run(struct machine *machine, unsigned seconds);

/* Sets up a machine with this code, or leaves the test. */
#define START(machine, test, config, name)                                               \
    struct machine machine;                                                              \
    if (!machine_init(&machine, test, config))                                           \
        return;                                                                          \
    put_code(&machine, LAYOUT_IMAGE_START, name##_code, name##_code_end)

#endif
