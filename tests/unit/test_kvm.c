/* SPDX-License-Identifier: MIT */
/* The messages that a user sees when the host cannot run VMs. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/skip.h"
#include "tests/unit/suites.h"
#include "vmm/arch/arch.h"
#include "vmm/kvm.h"

START_TEST(no_device_node)
{
    struct kvm kvm = {0};
    struct error error;
    ck_assert(!kvm_open_path(&kvm, "/nowhere/kvm", &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_HOST);
    ck_assert_ptr_eq(strstr(error.text, "no /nowhere/kvm: "), error.text);
    ck_assert_ptr_nonnull(strstr(error.text, arch_kvm_advice));
    ck_assert_ptr_nonnull(strstr(error.text, ", or use the lab"));
    kvm_close(&kvm);
}
END_TEST

/* Root may open everything, so become somebody else: each test is its own process. */
START_TEST(no_permission)
{
    char path[] = "/tmp/s2vmm-test-kvm-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fchmod(fd, 0), 0);
    close(fd);

    pid_t child = fork();
    if (child == 0) {
        struct kvm kvm = {0};
        struct error error = {0};
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(2);
        bool opened = kvm_open_path(&kvm, path, &error);
        _exit(!opened && error.code == ERROR_CONFIG_HOST &&
                      strstr(error.text, "no permission to open") != NULL &&
                      strstr(error.text, "add the user to group kvm") != NULL
                  ? 0
                  : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    unlink(path);
    ck_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2)
        test_skip("kvm/no-permission", "cannot become another user");
    else
        ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(not_kvm)
{
    struct kvm kvm = {0};
    struct error error;
    ck_assert(!kvm_open_path(&kvm, "/dev/null", &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_HOST);
    ck_assert_ptr_nonnull(strstr(error.text, "/dev/null is not KVM"));
    ck_assert_int_eq(kvm_check(0, KVM_CAP_USER_MEMORY), 0);
}
END_TEST

static int has_all_but_irqfd(int fd, unsigned long capability)
{
    (void)fd;
    return capability == KVM_CAP_IRQFD ? 0 : 1;
}

START_TEST(a_missing_capability_is_named_with_its_purpose)
{
    static const struct kvm_requirement table[] = {
        {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY", "give the guest memory"},
        {KVM_CAP_IRQFD, "KVM_CAP_IRQFD", "interrupt the guest"},
    };
    struct error error;
    ck_assert(kvm_require(has_all_but_irqfd, -1, table, 1, &error));
    ck_assert(!kvm_require(has_all_but_irqfd, -1, table, 2, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_HOST);
    ck_assert_str_eq(error.text,
                     "this host's KVM lacks KVM_CAP_IRQFD (32), needed to "
                     "interrupt the guest: use a newer kernel, or the lab");
}
END_TEST

START_TEST(an_unknown_capability_is_absent)
{
    struct kvm kvm;
    struct error error;
    if (!kvm_open(&kvm, &error)) {
        test_skip("kvm/unknown-capability", error.text);
        return;
    }
    ck_assert_int_eq(kvm_check(kvm.fd, 1000000), 0);
    ck_assert_int_gt(kvm_check(kvm.fd, KVM_CAP_USER_MEMORY), 0);
    kvm_close(&kvm);
}
END_TEST

/* A slot that KVM refuses: the text has the number, the range and the cause. */
START_TEST(a_refused_slot_is_named)
{
    struct kvm kvm;
    struct error error;
    int vm_fd;
    if (!kvm_open(&kvm, &error)) {
        test_skip("kvm/refused-slot", error.text);
        return;
    }
    ck_assert_msg(kvm_create_vm(&kvm, 0, &vm_fd, &error), "%s", error.text);
    ck_assert(!kvm_set_memory_region(vm_fd, 3, gpa(0x1234), 0x1000, NULL, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_KVM);
    ck_assert_ptr_nonnull(strstr(error.text, "KVM_SET_USER_MEMORY_REGION 3, GPA 0x1234"));
    ck_assert_ptr_nonnull(strstr(error.text, "Invalid argument"));
    close(vm_fd);
    kvm_close(&kvm);
}
END_TEST

START_TEST(a_device_that_kvm_does_not_have_is_named)
{
    struct kvm kvm;
    struct error error;
    int vm_fd;
    int device_fd;
    if (!kvm_open(&kvm, &error)) {
        test_skip("kvm/unknown-device", error.text);
        return;
    }
    ck_assert_msg(kvm_create_vm(&kvm, 0, &vm_fd, &error), "%s", error.text);
    ck_assert(!kvm_has_device(vm_fd, UINT32_MAX));
    ck_assert(!kvm_create_device(vm_fd, UINT32_MAX, "teapot", &device_fd, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_KVM);
    ck_assert_ptr_nonnull(strstr(error.text, "KVM_CREATE_DEVICE for the teapot: "));
    ck_assert(!kvm_set_device_attribute(vm_fd, 1, 2, NULL, "spout", &error));
    ck_assert_ptr_nonnull(strstr(error.text, "group 1, attribute 2 (spout): "));
    close(vm_fd);
    kvm_close(&kvm);
}
END_TEST

Suite *kvm_suite(void)
{
    Suite *suite = suite_create("kvm");
    TCase *test_case = tcase_create("kvm");
    tcase_add_test(test_case, no_device_node);
    tcase_add_test(test_case, no_permission);
    tcase_add_test(test_case, not_kvm);
    tcase_add_test(test_case, a_missing_capability_is_named_with_its_purpose);
    tcase_add_test(test_case, an_unknown_capability_is_absent);
    tcase_add_test(test_case, a_refused_slot_is_named);
    tcase_add_test(test_case, a_device_that_kvm_does_not_have_is_named);
    suite_add_tcase(suite, test_case);
    return suite;
}
