/* SPDX-License-Identifier: MIT */
/* For a live update the eventfds of messages are taken away from KVM, and given back. */
#include <check.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/suites.h"
#include "tests/unit/vm_machine.h"
#include "vmm/irq_routes.h"

static struct error error;

static unsigned attached;
static unsigned detach_fails_at; /* with so many left */

static bool attach_one(void *context, uint32_t gsi, int event_fd, struct error *cause)
{
    (void)context, (void)cause;
    ck_assert_int_eq(event_fd, (int)(gsi - arch_irq_pin_count()) + 1000);
    attached++;
    return true;
}

static bool detach_one(void *context, uint32_t gsi, int event_fd, struct error *cause)
{
    (void)context;
    ck_assert_int_eq(event_fd, (int)(gsi - arch_irq_pin_count()) + 1000);
    if (attached == detach_fails_at)
        return error_set(cause, ERROR_HOST_KVM, "the fake fails");
    attached--;
    return true;
}

START_TEST(all_irqfds_are_taken_or_none)
{
    const struct kvm_events events = {.attach = attach_one, .detach = detach_one};
    struct irq_routes routes;
    uint32_t gsi;
    attached = 0;
    ck_assert(irq_routes_init(&routes, &events, &error));
    for (int i = 0; i < 5; i++)
        ck_assert(irq_routes_add(&routes, 1000 + i, &gsi, &error));
    ck_assert(irq_routes_add(&routes, -1, &gsi, &error)); /* the caller's own matter */
    ck_assert_uint_eq(gsi, arch_irq_pin_count() + 5);
    detach_fails_at = 3;
    ck_assert(!irq_routes_pause(&routes, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_KVM);
    ck_assert_uint_eq(attached, 5);
    detach_fails_at = 0;
    ck_assert(irq_routes_pause(&routes, &error));
    ck_assert_uint_eq(attached, 0);
    ck_assert(irq_routes_resume(&routes, &error));
    ck_assert_uint_eq(attached, 5);
    irq_routes_finish(&routes);
}
END_TEST

static bool is_raised(int fd)
{
    struct pollfd event = {fd, POLLIN, 0};
    return poll(&event, 1, 0) == 1;
}

/* With the real KVM: irqfd_wakeup() empties the eventfd while the writer is in its system call. */
START_TEST(what_is_written_in_a_pause_stays)
{
    struct machine machine;
    struct irq_routes routes;
    uint32_t gsi;
    if (!machine_init(&machine, "irq_routes/kvm", small_machine))
        return;
    const struct kvm_events events = kvm_events_of(&machine.vm);
    int fd = eventfd(0, EFD_NONBLOCK);
    ck_assert(irq_routes_init(&routes, &events, &error));
    ck_assert_msg(irq_routes_add(&routes, fd, &gsi, &error), "%s", error.text);
    for (unsigned i = 0; i < 3; i++) {
        eventfd_write(fd, 1);
        ck_assert(!is_raised(fd));
        ck_assert_msg(irq_routes_pause(&routes, &error), "%s", error.text);
        ck_assert(!is_raised(fd));
        eventfd_write(fd, 1);
        ck_assert(is_raised(fd));
        ck_assert_msg(irq_routes_resume(&routes, &error), "%s", error.text);
    }
    ck_assert(!irq_routes_resume(&routes, &error)); /* KVM knows it already */
    ck_assert_int_eq(error.code, ERROR_HOST_KVM);
    irq_routes_finish(&routes);
    machine_finish(&machine);
    close(fd);
}
END_TEST

Suite *irq_routes_suite(void)
{
    Suite *suite = suite_create("irq_routes");
    TCase *test_case = tcase_create("pause");
    tcase_add_test(test_case, all_irqfds_are_taken_or_none);
    tcase_add_test(test_case, what_is_written_in_a_pause_stays);
    suite_add_tcase(suite, test_case);
    return suite;
}
