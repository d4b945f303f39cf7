/* SPDX-License-Identifier: MIT */
/*
 * Runs real VMs that are saved, closed and continued by another one over the same RAM. Without
 * /dev/kvm each test says SKIP. The guests are in tests/unit/<arch>/state_code.c.
 */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/skip.h"
#include "tests/unit/state_machine.h"
#include "tests/unit/suites.h"
#include "vmm/layout.h"

/* 50 times in a row. */
START_TEST(counting_goes_on)
{
    state_machine_replace_again_and_again("vm_state/count", 0);
}
END_TEST

START_TEST(a_timer_goes_on)
{
    state_machine_replace_again_and_again("vm_state/timer", STATE_USES_TIMER);
}
END_TEST

/* The guest has interrupts off at that moment. */
static void pending_interrupt(const char *test, bool by_itself, bool as_message)
{
    struct machine machine;
    if (!state_machine_init(&machine, test, small_machine, sends_itself_code,
                            sends_itself_code_end,
                            STATE_USES_TIMER | (by_itself ? 0 : STATE_SENDS_NOTHING)))
        return;
    state_machine_set_entry(&machine);
    state_machine_go_on(&machine);
    state_machine_wait_verdict(&machine, STATE_STOPS_HERE);
    if (!by_itself && !state_prepare(&machine, as_message)) {
        test_skip(test, "the interrupt controller takes no messages");
        machine_finish(&machine);
        return;
    }
    state_machine_replace(&machine);
    if (!by_itself)
        state_send(&machine, as_message);
    for (unsigned i = 0; i < 3; i++)
        state_machine_replace(&machine);
    ck_assert_uint_eq(state_machine_words(&machine)->ticks, 0);
    state_machine_go_on(&machine);
    state_machine_wait_verdict(&machine, STATE_GOOD);
    machine_finish(&machine);
}

START_TEST(an_interrupt_to_itself_arrives_once)
{
    pending_interrupt("vm_state/itself", true, false);
}
END_TEST

START_TEST(an_interrupt_by_a_pin_arrives_once)
{
    pending_interrupt("vm_state/pin", false, false);
}
END_TEST

START_TEST(an_interrupt_by_a_message_arrives_once)
{
    pending_interrupt("vm_state/message", false, true);
}
END_TEST

/* Runs in the child: has the state and the RAM as files, and the old VM is gone. */
static int continue_from_files(int state, int memory)
{
    struct state_reader reader;
    struct machine machine;
    struct error error;
    state_machine_init_over(&machine, small_machine, memory);
    if (!state_reader_init_file(&reader, state, &error) ||
        !vm_state_load(&machine.vm, &reader, &error) ||
        !state_reader_check(&reader, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    state_reader_finish(&reader);
    state_machine_go_on(&machine);
    state_machine_wait(&machine, 300, 0);
    state_machine_end(&machine);
    return 0;
}

START_TEST(another_process_takes_over)
{
    struct machine machine;
    struct state_writer writer;
    struct error error;
    int state;
    if (!state_machine_init(&machine, "vm_state/process", small_machine, keeps_count_code,
                            keeps_count_code_end, 0))
        return;
    state_machine_set_entry(&machine);
    state_machine_go_on(&machine);
    state_machine_wait(&machine, 300, 0);
    state_machine_save(&machine, &writer);
    ck_assert_msg(state_make_file(&writer, &state, &error), "%s", error.text);
    int memory = fcntl(machine.vm.memory.fd, F_DUPFD_CLOEXEC, 0);
    state_writer_finish(&writer);
    machine_finish(&machine);
    pid_t child = fork();
    if (child == 0)
        _exit(continue_from_files(state, memory));
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(state);
    close(memory);
}
END_TEST

/* Saving is not the end: who cannot be replaced goes on. */
START_TEST(the_old_one_goes_on_after_saving)
{
    struct machine machine;
    if (!state_machine_init(&machine, "vm_state/old", small_machine, keeps_count_code,
                            keeps_count_code_end, 0))
        return;
    state_machine_set_entry(&machine);
    state_machine_go_on(&machine);
    for (unsigned i = 0; i < 3; i++) {
        struct state_writer writer;
        state_machine_wait(&machine, 300, 0);
        state_machine_save(&machine, &writer);
        state_writer_finish(&writer);
        vm_undo_end(&machine.vm);
        state_machine_go_on(&machine);
    }
    state_machine_wait(&machine, 300, 0);
    state_machine_end(&machine);
}
END_TEST

/* vCPUs that wait to be started wait on, and are started by the new VM's guest. */
START_TEST(who_waits_to_be_started_is_started_later)
{
    struct vm_config config = {.memory_size = 16 * MIB, .cpu_count = 3};
    START(machine, "vm_state/others", config, start_others);
    put_code(&machine, vm_code_other, other_code, other_code_end);
    state_machine_set_entry(&machine);
    state_machine_replace(&machine);
    state_machine_replace(&machine);
    state_machine_go_on(&machine);
    state_machine_wait_verdict(&machine, 2);
    machine_finish(&machine);
}
END_TEST

/* The state of a VM that has two vCPUs, of which the second waits to be started. */
START_TEST(another_shape_is_refused)
{
    struct vm_config two = {.memory_size = 16 * MIB, .cpu_count = 2};
    struct vm_config more = {.memory_size = 32 * MIB, .cpu_count = 2};
    const struct {
        struct vm_config config;
        const char *text;
    } rows[] = {
        {small_machine, "2 vCPUs and 1 regions of RAM, the new VM has 1 and 1"},
        {more, "RAM of 0x1000000 bytes"},
        {two, NULL},
    };
    struct machine machine;
    struct state_writer writer;
    if (!state_machine_init(&machine, "vm_state/shape", two, keeps_count_code,
                            keeps_count_code_end, 0))
        return;
    state_machine_save(&machine, &writer);
    machine_finish(&machine);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct state_reader reader;
        struct error error;
        ck_assert(machine_init(&machine, "vm_state/shape", rows[i].config));
        ck_assert(state_reader_init(&reader, writer.bytes, writer.size, &error));
        bool loaded = vm_state_load(&machine.vm, &reader, &error);
        ck_assert_msg(loaded == (rows[i].text == NULL), "%s", error.text);
        if (!loaded)
            ck_assert_msg(strstr(error.text, rows[i].text) != NULL, "%s", error.text);
        state_reader_finish(&reader);
        machine_finish(&machine);
    }
    state_writer_finish(&writer);
}
END_TEST

/* --- a state with one section that is wrong --- */

enum damage { SHORTER, LONGER, NEWER, MISSING, DAMAGES };

/* Copies a state, with this section changed. */
static void copy_damaged(const struct state_reader *reader, unsigned number,
                         enum damage damage, struct state_writer *writer)
{
    struct error error;
    state_writer_init(writer);
    for (unsigned i = 0; i < reader->count; i++) {
        const struct state_section *section = &reader->sections[i];
        const enum damage now = i == number ? damage : DAMAGES;
        if (now == MISSING)
            continue;
        state_begin(writer, section->name, section->instance,
                    section->version + (now == NEWER));
        state_put_bytes(writer, section->payload, section->length - (now == SHORTER));
        state_put_bytes(writer, "", now == LONGER);
        state_end(writer);
    }
    ck_assert(state_complete(writer, &error));
}

static void load_damaged(const struct state_reader *good, unsigned number,
                         enum damage damage)
{
    struct state_writer writer;
    struct state_reader reader;
    struct machine machine;
    struct error error;
    char name[16];
    snprintf(name, sizeof name, "\"%s\" %u", good->sections[number].name,
             good->sections[number].instance);
    copy_damaged(good, number, damage, &writer);
    ck_assert(machine_init(&machine, "vm_state/damaged", small_machine));
    ck_assert(state_reader_init(&reader, writer.bytes, writer.size, &error));
    ck_assert(!vm_state_load(&machine.vm, &reader, &error));
    ck_assert_msg(error.code == ERROR_CONFIG_FILE && strstr(error.text, name) != NULL,
                  "%s, damage %d: %s", name, damage, error.text);
    state_reader_finish(&reader);
    state_writer_finish(&writer);
    machine_finish(&machine);
}

START_TEST(every_section_is_checked)
{
    struct state_writer writer;
    struct state_reader reader;
    struct machine machine;
    struct error error;
    if (!state_machine_init(&machine, "vm_state/damaged", small_machine, keeps_count_code,
                            keeps_count_code_end, 0))
        return;
    state_machine_save(&machine, &writer);
    machine_finish(&machine);
    ck_assert(state_reader_init(&reader, writer.bytes, writer.size, &error));
    ck_assert_uint_gt(reader.count, 4);
    for (unsigned i = 0; i < reader.count; i++)
        for (enum damage damage = 0; damage < DAMAGES; damage++)
            load_damaged(&reader, i, damage);
    state_reader_finish(&reader);
    state_writer_finish(&writer);
}
END_TEST

/* --- routes --- */

static struct kvm_irq_routing_entry seen[4];
static unsigned seen_count;

static bool attach(void *context, uint32_t irq, int event_fd, struct error *error)
{
    (void)context, (void)irq, (void)event_fd, (void)error;
    return true;
}

static bool set_routing(void *context, const struct kvm_irq_routing *table,
                        struct error *error)
{
    (void)context, (void)error;
    seen_count = 0;
    for (uint32_t i = 0; i < table->nr; i++)
        if (table->entries[i].type == KVM_IRQ_ROUTING_MSI)
            seen[seen_count++] = table->entries[i];
    return true;
}

START_TEST(routes_go_where_they_went)
{
    const struct kvm_events events = {.attach = attach, .set_routing = set_routing};
    struct irq_routes old;
    struct irq_routes new;
    struct state_writer writer;
    struct state_reader reader;
    struct error error;
    uint32_t gsi[3];
    ck_assert(irq_routes_init(&old, &events, &error));
    for (unsigned i = 0; i < 3; i++)
        ck_assert(irq_routes_add(&old, -1, &gsi[i], &error));
    ck_assert(irq_routes_set(&old, gsi[2], (struct irq_message){0x1fee00000, 0x41, 0x18},
                             &error));
    state_writer_init(&writer);
    irq_routes_save(&old, &writer);
    ck_assert(state_complete(&writer, &error));

    ck_assert(irq_routes_init(&new, &events, &error));
    ck_assert(state_reader_init(&reader, writer.bytes, writer.size, &error));
    ck_assert(!irq_routes_load(&new, &reader, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "3 message-signalled interrupts"));
    state_reader_finish(&reader);
    for (unsigned i = 0; i < 3; i++)
        ck_assert(irq_routes_add(&new, -1, &gsi[i], &error));
    seen_count = 0;
    ck_assert(state_reader_init(&reader, writer.bytes, writer.size, &error));
    ck_assert_msg(irq_routes_load(&new, &reader, &error), "%s", error.text);
    ck_assert_uint_eq(seen_count, 1);
    ck_assert_uint_eq(seen[0].gsi, gsi[2]);
    ck_assert_uint_eq(seen[0].u.msi.address_lo, 0xfee00000);
    ck_assert_uint_eq(seen[0].u.msi.address_hi, 1);
    ck_assert_uint_eq(seen[0].u.msi.data, 0x41);
    ck_assert_uint_eq(new.messages[2].device, 0x18);
    state_reader_finish(&reader);
    state_writer_finish(&writer);
    irq_routes_finish(&new);
    irq_routes_finish(&old);
}
END_TEST

Suite *vm_state_suite(void)
{
    Suite *suite = suite_create("vm_state");
    TCase *test_case = tcase_create("vm_state");
    tcase_set_timeout(test_case, 240);
    tcase_add_test(test_case, counting_goes_on);
    tcase_add_test(test_case, a_timer_goes_on);
    tcase_add_test(test_case, an_interrupt_to_itself_arrives_once);
    tcase_add_test(test_case, an_interrupt_by_a_pin_arrives_once);
    tcase_add_test(test_case, an_interrupt_by_a_message_arrives_once);
    tcase_add_test(test_case, another_process_takes_over);
    tcase_add_test(test_case, the_old_one_goes_on_after_saving);
    tcase_add_test(test_case, who_waits_to_be_started_is_started_later);
    tcase_add_test(test_case, another_shape_is_refused);
    tcase_add_test(test_case, every_section_is_checked);
    tcase_add_test(test_case, routes_go_where_they_went);
    suite_add_tcase(suite, test_case);
    return suite;
}
