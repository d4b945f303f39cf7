/* SPDX-License-Identifier: MIT */
/* The guest's MTRRs: the type of a range by tables, and a guest that writes them (a real VM:
 * without /dev/kvm these tests say SKIP). */
#include <check.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "tests/unit/vm_machine.h"
#include "vmm/arch/x86/mtrr.h"
#include "vmm/layout.h"

#define BITS 40u
#define ALL  (((uint64_t)1 << BITS) - 1)
#define NONE MEMATTR_TYPE_COUNT /* no one type */

/* IA32_MTRR_DEF_TYPE, and the type codes of the manual. */
enum { OFF = 0, ON = 0x800, ON_FIXED = 0xc00 };
enum { UC = 0, WC = 1, WT = 4, WP = 5, WB = 6, RESERVED = 2 };

#define RANGE(start, size, type)                                                         \
    {                                                                                    \
        (start) | (type), (ALL & ~((uint64_t)(size)-1)) | 0x800                          \
    }

// clang-format off
static const struct {
    uint64_t default_type;
    struct { uint64_t base, mask; } variable[3];
    uint64_t start;
    uint64_t size;
    enum memattr_type want;
} rows[] = {
    /* 12.11.2.1: the default type, and the switch for all. */
    {ON | WB,  {{0, 0}},                              4 * GIB,           GIB, MEMATTR_WB},
    {ON | UC,  {{0, 0}},                              4 * GIB,           GIB, MEMATTR_UC},
    {ON | WT,  {{0, 0}},                              4 * GIB,           GIB, MEMATTR_WT},
    {OFF | WB, {{0, 0}},                              4 * GIB,           GIB, MEMATTR_UC},
    {ON | RESERVED, {{0, 0}},                         4 * GIB,           GIB, NONE},
    /* 12.11.2.3: one variable range: inside, beside, across; not valid: bit 11 is clear. */
    {ON | WB,  {RANGE(4 * GIB, GIB, UC)},             4 * GIB,           GIB, MEMATTR_UC},
    {ON | UC,  {RANGE(4 * GIB, GIB, WB)},             4 * GIB,           GIB, MEMATTR_WB},
    {ON | WB,  {RANGE(4 * GIB, GIB, WC)},             4 * GIB + 4096,   4096, MEMATTR_WC},
    {ON | WB,  {RANGE(4 * GIB, GIB, WP)},             4 * GIB,          4096, MEMATTR_WP},
    {ON | WB,  {RANGE(4 * GIB, GIB, UC)},             3 * GIB,           GIB, MEMATTR_WB},
    {ON | WB,  {RANGE(4 * GIB, GIB, UC)},             5 * GIB,           GIB, MEMATTR_WB},
    {ON | WB,  {RANGE(4 * GIB, 2 * MIB, UC)},         4 * GIB,           GIB, NONE},
    {ON | WB,  {RANGE(4 * GIB, GIB, UC)},             4 * GIB - 4096,   8192, NONE},
    {ON | WB,  {RANGE(5 * GIB - 4096, 4096, UC)},     4 * GIB,           GIB, NONE},
    {ON | WB,  {{4 * GIB, ALL & ~(GIB - 1)}},         4 * GIB,           GIB, MEMATTR_WB},
    {ON | WB,  {RANGE(4 * GIB, GIB, RESERVED)},       4 * GIB,          4096, NONE},
    {ON | WB,  {RANGE(4 * GIB, GIB, RESERVED)},       6 * GIB,          4096, MEMATTR_WB},
    /* All of the address space, also with a mask of fewer bits than there are. */
    {ON | WB,  {{UC, 0x800}},                         4 * GIB,           GIB, MEMATTR_UC},
    /* Two ranges that are together what is asked for, alike or not. */
    {ON | UC,  {RANGE(4 * GIB, GIB, WB), RANGE(5 * GIB, GIB, WB)}, 4 * GIB, 2 * GIB, MEMATTR_WB},
    {ON | UC,  {RANGE(4 * GIB, GIB, WB), RANGE(5 * GIB, GIB, WT)}, 4 * GIB, 2 * GIB, NONE},
    /* 12.11.4.1: overlaps. UC wins, WT wins over WB, equal types agree; else undefined. */
    {ON | WB,  {RANGE(4 * GIB, GIB, WB), RANGE(4 * GIB, GIB, UC)}, 4 * GIB, GIB, MEMATTR_UC},
    {ON | WB,  {RANGE(4 * GIB, GIB, UC), RANGE(4 * GIB, GIB, WC)}, 4 * GIB, GIB, MEMATTR_UC},
    {ON | UC,  {RANGE(4 * GIB, GIB, WB), RANGE(4 * GIB, GIB, WT)}, 4 * GIB, GIB, MEMATTR_WT},
    {ON | UC,  {RANGE(4 * GIB, GIB, WT), RANGE(4 * GIB, GIB, WB)}, 4 * GIB, GIB, MEMATTR_WT},
    {ON | UC,  {RANGE(4 * GIB, GIB, WB), RANGE(4 * GIB, 4 * GIB, WB)}, 4 * GIB, GIB, MEMATTR_WB},
    {ON | UC,  {RANGE(4 * GIB, GIB, WB), RANGE(4 * GIB, GIB, WC)}, 4 * GIB, GIB, NONE},
    {ON | UC,  {RANGE(4 * GIB, GIB, WP), RANGE(4 * GIB, GIB, WT)}, 4 * GIB, GIB, NONE},
    {ON | UC,  {RANGE(4 * GIB, GIB, WC), RANGE(4 * GIB, GIB, WB), RANGE(4 * GIB, GIB, UC)}, 4 * GIB, GIB, MEMATTR_UC},
    {ON | UC,  {RANGE(4 * GIB, GIB, WB), RANGE(4 * GIB, 2 * MIB, UC)}, 4 * GIB, GIB, NONE},
    /* 12.11.3: a mask with a hole makes a range in pieces: not worked out. */
    {ON | WB,  {{4 * GIB | UC, (ALL & ~(GIB - 1) & ~(4 * GIB)) | 0x800}}, 4 * GIB, GIB, NONE},
    /* 12.11.2.2: below 1 MiB the fixed ranges come first, where they are on: 64K of WB, 16K of
     * UC and 4K of WC in turn, see fixed_state(). */
    {ON_FIXED | UC, {RANGE(0, GIB, WT)},              0,             0x80000, MEMATTR_WB},
    {ON_FIXED | UC, {RANGE(0, GIB, WT)},              0x80000,       0x40000, MEMATTR_UC},
    {ON_FIXED | UC, {RANGE(0, GIB, WT)},              0xc0000,       0x40000, MEMATTR_WC},
    {ON_FIXED | UC, {RANGE(0, GIB, WT)},              0x7f000,        0x2000, NONE},
    {ON_FIXED | UC, {RANGE(0, GIB, WT)},              MIB,               MIB, MEMATTR_WT},
    {ON_FIXED | UC, {RANGE(0, GIB, WC)},              0xff000,        0x2000, MEMATTR_WC},
    {ON_FIXED | UC, {RANGE(0, GIB, WT)},              0xff000,        0x2000, NONE},
    {ON | UC,       {RANGE(0, GIB, WT)},              0,                 MIB, MEMATTR_WT},
};
// clang-format on

static struct mtrr_state fixed_state(void)
{
    static const unsigned types[] = {WB, UC, UC, WC, WC, WC, WC, WC, WC, WC, WC};
    struct mtrr_state state = {0};
    for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
        state.fixed[i] = types[i] * 0x0101010101010101;
    return state;
}

START_TEST(type_of_a_range)
{
    struct mtrr_state state = fixed_state();
    ck_assert(mtrr_set(&state, MSR_MTRR_DEF_TYPE, rows[_i].default_type));
    for (unsigned i = 0; i < 3; i++) {
        uint32_t msr = MSR_MTRR_VARIABLE + 2 * (2 * i + 1); /* 1, 3 and 5 */
        ck_assert(mtrr_set(&state, msr, rows[_i].variable[i].base));
        ck_assert(mtrr_set(&state, msr + 1, rows[_i].variable[i].mask));
    }
    const struct gpa_range range = {gpa(rows[_i].start), rows[_i].size};
    enum memattr_type type;
    if (!mtrr_type_of_range(&state, range, BITS, &type))
        type = NONE;
    ck_assert_msg(type == rows[_i].want, "row %d: %s, not %s", _i,
                  memattr_type_name(type), memattr_type_name(rows[_i].want));
}
END_TEST

/* Each range of each fixed register is where the manual has it (table 12-9). */
START_TEST(each_fixed_range)
{
    static const struct {
        uint32_t msr;
        uint64_t start;
        uint64_t size;
    } registers[] = {
        {0x250, 0, 64 * KIB},      {0x258, 0x80000, 16 * KIB}, {0x259, 0xa0000, 16 * KIB},
        {0x268, 0xc0000, 4 * KIB}, {0x269, 0xc8000, 4 * KIB},  {0x26a, 0xd0000, 4 * KIB},
        {0x26b, 0xd8000, 4 * KIB}, {0x26c, 0xe0000, 4 * KIB},  {0x26d, 0xe8000, 4 * KIB},
        {0x26e, 0xf0000, 4 * KIB}, {0x26f, 0xf8000, 4 * KIB},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(registers); i++)
        for (unsigned number = 0; number < 8; number++) {
            struct mtrr_state state = {.default_type = ON_FIXED | WB};
            enum memattr_type type;
            ck_assert(mtrr_set(&state, registers[i].msr, (uint64_t)WP << (8 * number)));
            struct gpa_range range = {
                gpa(registers[i].start + number * registers[i].size), registers[i].size};
            ck_assert(mtrr_type_of_range(&state, range, BITS, &type));
            ck_assert_int_eq(type, MEMATTR_WP);
            range.size += 4 * KIB;
            ck_assert(!mtrr_type_of_range(&state, range, BITS, &type) ||
                      type != MEMATTR_WP);
        }
}
END_TEST

START_TEST(other_msrs_are_no_mtrrs)
{
    static const uint32_t others[] = {0x1ff, 0x210, 0x24f, 0x251, 0x257, 0x25a,
                                      0x267, 0x270, 0x277, 0x2fe, 0x300, 0xfe};
    struct mtrr_state state = {0};
    const struct mtrr_state nothing = {0};
    for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
        ck_assert(!mtrr_set(&state, others[i], UINT64_MAX));
    ck_assert_int_eq(memcmp(&state, &nothing, sizeof state), 0);
}
END_TEST

/* --- a guest that writes them --- */

#define EXIT_WITH_EAX "mov $0xd0100004, %edx\n mov %eax, (%rdx)\n 1: jmp 1b\n"

/* 2 MiB of UC at 4 GiB; a mask of 36 bits is valid on every CPU. Ends with what it reads back. */
GUEST_CODE(uncached,
           "mov $0x200, %ecx\n xor %eax, %eax\n mov $1, %edx\n wrmsr\n"
           "mov $0x201, %ecx\n mov $0xffe00800, %eax\n mov $0xf, %edx\n wrmsr\n"
           "xor %eax, %eax\n rdmsr\n" EXIT_WITH_EAX);
GUEST_CODE(reserved_type,
           "mov $0x200, %ecx\n mov $2, %eax\n xor %edx, %edx\n wrmsr\n" EXIT_WITH_EAX);

START_TEST(a_guest_changes_its_mtrrs)
{
    START(machine, "mtrr/uncached", small_machine, uncached);
    const struct gpa_range window = {gpa(4 * GIB), GIB};
    const struct gpa_range beside = {gpa(6 * GIB), GIB};
    const struct gpa_range part = {gpa(4 * GIB), 2 * MIB};
    ck_assert(vm_guest_mtrr_is_wb(&machine.vm, window));
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_int_eq(machine.outcome.end, VM_END_VERDICT);
    ck_assert_uint_eq(machine.outcome.verdict, 0xffe00800);
    bool watching = machine.vm.mtrrs->watching;
    ck_assert_int_eq(vm_guest_mtrr_is_wb(&machine.vm, part), !watching);
    ck_assert(vm_guest_mtrr_is_wb(&machine.vm, beside) || watching);
    machine_finish(&machine);
}
END_TEST

START_TEST(a_value_that_is_not_valid_is_the_guests_own_trouble)
{
    START(machine, "mtrr/reserved", small_machine, reserved_type);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_int_eq(machine.outcome.end, VM_END_CRASH);
    ck_assert(vm_guest_mtrr_is_wb(&machine.vm, (struct gpa_range){gpa(0), 8 * GIB}));
    machine_finish(&machine);
}
END_TEST

/* The manual wants all CPUs alike; one that is not counts. */
START_TEST(wb_on_all_vcpus_or_not_at_all)
{
    struct vm_config config = {.memory_size = 16 * MIB, .cpu_count = 2};
    START(machine, "mtrr/two", config, verdict);
    const struct gpa_range window = {gpa(4 * GIB), GIB};
    ck_assert(vm_guest_mtrr_is_wb(&machine.vm, window));
    machine.vm.mtrrs->states[1].default_type = 0x800;
    ck_assert(!vm_guest_mtrr_is_wb(&machine.vm, window));
    machine.vm.mtrrs->states[1].default_type = MTRR_ALL_WB;
    machine.vm.mtrrs->states[2].default_type = 0; /* there is no such vCPU */
    ck_assert(vm_guest_mtrr_is_wb(&machine.vm, window));
    machine_finish(&machine);
}
END_TEST

Suite *mtrr_suite(void)
{
    Suite *suite = suite_create("mtrr");
    TCase *tables = tcase_create("tables");
    tcase_add_loop_test(tables, type_of_a_range, 0, ARRAY_SIZE(rows));
    tcase_add_test(tables, each_fixed_range);
    tcase_add_test(tables, other_msrs_are_no_mtrrs);
    suite_add_tcase(suite, tables);
    TCase *guest = tcase_create("guest");
    tcase_set_timeout(guest, 60);
    tcase_add_test(guest, a_guest_changes_its_mtrrs);
    tcase_add_test(guest, a_value_that_is_not_valid_is_the_guests_own_trouble);
    tcase_add_test(guest, wb_on_all_vcpus_or_not_at_all);
    suite_add_tcase(suite, guest);
    return suite;
}
