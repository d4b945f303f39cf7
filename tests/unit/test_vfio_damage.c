/* SPDX-License-Identifier: MIT */
/*
 * What another program says about a passed-through device may be anything: it is another device, or one that
 * has changed, or nonsense. It is refused with what is wrong, and nothing is left of it.
 */
#include <check.h>
#include <dirent.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "tests/unit/vfio_transfer.h"

static struct vfio_machine *const m = &vfio_machine;
static struct vfio_transfer *const t = &vfio_transfer;

START_TEST(another_device)
{
    vfio_machine_start_well();
    vfio_transfer_save();
    vfio_transfer_hand_over();
    m->address = "0000:00:06.0";
    ck_assert(!vfio_machine_start());
    ck_assert_ptr_nonnull(strstr(m->error.text, "another device than 0000:00:06.0"));
}
END_TEST

START_TEST(a_device_that_has_become_another)
{
    vfio_machine_start_well();
    vfio_transfer_save();
    vfio_transfer_hand_over();
    m->fake.config[PCI_DEVICE_ID] ^= 1;
    ck_assert(!vfio_machine_start());
    ck_assert_ptr_nonnull(strstr(m->error.text, "at 0x02"));
}
END_TEST

START_TEST(a_device_with_fewer_interrupts)
{
    vfio_machine_start_well();
    vfio_transfer_save();
    vfio_transfer_hand_over();
    MSIX_IRQS->count = 2;
    ck_assert(!vfio_machine_start());
    ck_assert_ptr_nonnull(strstr(m->error.text, "are not this device's"));
}
END_TEST

static unsigned count_descriptors(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

/* The first program ends; `t->reader` keeps the descriptors open, which `t->writer` names. */
static void let_go(void)
{
    vfio_transfer_send();
    vfio_pci_finish(&m->pci);
    vfio_container_finish(&m->container);
    memcpy(t->writer.fds, t->reader.fds, t->reader.fd_count * sizeof *t->reader.fds);
}

/* Loads what `t->writer` has become, and ends it; returns whether it could be loaded. */
static bool try_state(void)
{
    const struct vfio_machine before = *m;
    bool loaded = false;
    vfio_machine_renew();
    if (state_reader_init(&t->reader, t->writer.bytes, t->writer.size, &m->error)) {
        fake_vfio_send(&m->fake, &t->writer, &t->reader);
        m->reader = &t->reader;
        loaded = vfio_machine_start();
        if (loaded)
            (void)vfio_pci_resume(&m->pci, &m->error);
        vfio_pci_finish(&m->pci);
        vfio_container_finish(&m->container);
        for (unsigned i = 0; i < t->reader.fd_count; i++)
            if (t->reader.fds[i] >= FAKE_CONTAINER)
                t->reader.fds[i] = -1;
        state_reader_finish(&t->reader);
    }
    m->fake = before.fake;
    m->reader = NULL;
    return loaded;
}

/* Every byte, changed in two ways: it is another state then, or none; nothing is left of it. */
START_TEST(a_damaged_state)
{
    unsigned loaded = 0;
    vfio_machine_start_well();
    guest_write_entry(3, 0x33, false);
    guest_set_config(guest_capability(PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS, 2,
                     PCI_MSIX_FLAGS_ENABLE);
    vfio_transfer_save();
    let_go();
    struct state_reader kept = t->reader;
    ck_assert(try_state());
    unsigned descriptors = count_descriptors();
    for (size_t i = 0; i < t->writer.size; i++)
        for (unsigned way = 0; way < 2; way++) {
            t->writer.bytes[i] ^= way ? 0xff : 0x01;
            loaded += try_state();
            t->writer.bytes[i] ^= way ? 0xff : 0x01;
            ck_assert_uint_eq(count_descriptors(), descriptors);
        }
    ck_assert_uint_gt(loaded, 0);
    ck_assert_uint_lt(loaded, 2 * t->writer.size);
    ck_assert(try_state());
    t->reader = kept;
    vfio_machine_renew();
}
END_TEST

/* Where VFIO's section has its payload. */
static size_t find_payload(void)
{
    for (size_t i = STATE_HEADER_SIZE; i + 4 < t->writer.size; i++)
        if (memcmp(t->writer.bytes + i, "VFIO", 4) == 0)
            return i + STATE_SECTION_SIZE;
    ck_abort_msg("no section");
}

static void put(size_t offset, uint64_t value, size_t size)
{
    memcpy(t->writer.bytes + offset, &value, size);
}

enum { KIND = 16 + 4 + VFIO_VECTORS_MAX * 16, ACTIVE = KIND + 4, PIN = ACTIVE + 4 };
enum { UNMASK = PIN + 4, COUNT = UNMASK + 4, VECTORS = COUNT + 4 };

static const struct {
    size_t offset;
    uint32_t value;
} misfits[] = {
    {KIND, VFIO_MSI},   {KIND, VFIO_PIN},      {KIND, VFIO_NO_INTERRUPT},
    {KIND, 4},          {ACTIVE, 4},           {ACTIVE, 17},
    {PIN, UINT32_MAX},  {UNMASK, UINT32_MAX},  {COUNT, 15},
    {COUNT, 17},        {VECTORS, UINT32_MAX}, {VECTORS + 60, UINT32_MAX},
    {VECTORS + 60, 99},
};

/* MSI-X is on, and 16 messages are: nothing else can be. */
START_TEST(interrupts_that_do_not_fit)
{
    vfio_machine_start_well();
    guest_write_entry(3, 0x33, false);
    guest_set_config(guest_capability(PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS, 2,
                     PCI_MSIX_FLAGS_ENABLE);
    vfio_transfer_save();
    put(find_payload() + misfits[_i].offset, misfits[_i].value, 4);
    vfio_transfer_hand_over();
    ck_assert(!vfio_machine_start() || !vfio_pci_resume(&m->pci, &m->error));
    ck_assert_int_eq(m->error.code, ERROR_CONFIG_FILE);
    ck_assert_uint_eq(MSIX_IRQS->sets, 1);
}
END_TEST

/* VFIO's section with fewer and fewer bytes, and without the ones behind it. */
START_TEST(a_state_that_ends_too_early)
{
    vfio_machine_start_well();
    vfio_transfer_save();
    let_go();
    struct state_reader kept = t->reader;
    size_t first = find_payload();
    t->writer.size = first + VECTORS + VFIO_VECTORS_MAX * sizeof(uint32_t);
    while (t->writer.size > first) {
        t->writer.size--;
        put(16, t->writer.size, 8);
        put(first - 8, t->writer.size - first, 8);
        ck_assert(!try_state());
        ck_assert_ptr_nonnull(strstr(m->error.text, "section \"VFIO\" 0"));
    }
    t->reader = kept;
    vfio_machine_renew();
}
END_TEST

Suite *vfio_damage_suite(void)
{
    Suite *suite = suite_create("vfio_damage");
    TCase *test_case = tcase_create("vfio_damage");
    tcase_add_checked_fixture(test_case, vfio_transfer_set_up, vfio_transfer_tear_down);
    tcase_add_test(test_case, another_device);
    tcase_add_test(test_case, a_device_that_has_become_another);
    tcase_add_test(test_case, a_device_with_fewer_interrupts);
    tcase_add_test(test_case, a_damaged_state);
    tcase_add_loop_test(test_case, interrupts_that_do_not_fit, 0,
                        (int)ARRAY_SIZE(misfits));
    tcase_add_test(test_case, a_state_that_ends_too_early);
    suite_add_tcase(suite, test_case);
    return suite;
}
