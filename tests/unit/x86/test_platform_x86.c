/* SPDX-License-Identifier: MIT */
/*
 * platform_probe() over fake hosts of x86: a tree of small files, and answers in place of
 * KVM's.
 */
#include <check.h>
#include <string.h>

#include "tests/unit/fake_tree.h"
#include "tests/unit/find_fact.h"
#include "tests/unit/suites.h"
#include "vmm/kvm.h"
#include "vmm/platform.h"

#define INTEL_CPU "vendor_id\t: GenuineIntel\nmodel name\t: A Xeon\n"
#define AMD_CPU   "vendor_id\t: AuthenticAMD\nmodel name\t: An EPYC\n"

/* Files of every fake host. */
#define BASE                                                                             \
    {"/proc/sys/kernel/osrelease", "6.12.107-test\n"},                                   \
    {                                                                                    \
        "/sys/module/kvm/parameters/tdp_mmu", "Y\n"                                      \
    }

struct fake_file {
    const char *path;
    const char *text;
};

struct fake_host {
    const char *name;
    struct fake_file files[12];
    int quirks; /* KVM_CAP_DISABLE_QUIRKS2 */
    bool no_kvm;
    struct memattr_platform expected;
    bool liftable;
    const char *facts[8][2]; /* name, and a part of the value */
};

// clang-format off
static const struct fake_host fake_hosts[] = {
    {"Intel, EPT, quirk can be lifted",
     {BASE, {"/proc/cpuinfo", INTEL_CPU "flags\t\t: fpu ss vmx\n"}, {"/sys/module/kvm_intel/parameters/ept", "Y\n"}}, 0x7ff, false,
     {.model = MEMATTR_EPT, .ignores_guest_pat = true, .guest_mtrr_is_wb = true}, true,
     {{"KVM module", "kvm_intel"}, {"S2 model", "Intel EPT"}, {"guest PAT", "can be honoured"}, {"self-snoop", "yes"},
      {"CPU vendor", "GenuineIntel"}, {"CPU model", "A Xeon"}, {"kernel", "6.12.107-test"}, {"nested page tables", "Y"}}},
    {"Intel, EPT, no quirk",
     {BASE, {"/proc/cpuinfo", INTEL_CPU "flags\t\t: vmx sse xss\n"}, {"/sys/module/kvm_intel/parameters/ept", "Y\n"}}, 0x7f, false,
     {.model = MEMATTR_EPT, .ignores_guest_pat = true, .guest_mtrr_is_wb = true}, false,
     {{"guest PAT", "no self-snoop"}, {"self-snoop", "no"}, {"virtualization", "vmx"}, {"liftable quirks", "0x7f"}}},
    {"Intel, EPT off",
     {BASE, {"/proc/cpuinfo", INTEL_CPU "flags\t\t: ss vmx\n"}, {"/sys/module/kvm_intel/parameters/ept", "N\n"}}, 0x5ff, false,
     {.model = MEMATTR_SHADOW, .ignores_guest_pat = false, .guest_mtrr_is_wb = true}, false,
     {{"S2 model", "shadow paging"}, {"guest PAT", "RAM is WB"}}},
    {"AMD, NPT",
     {BASE, {"/proc/cpuinfo", AMD_CPU "flags\t\t: pat svm npt\n"}, {"/sys/module/kvm_amd/parameters/npt", "Y\n"}}, 0x7ff, false,
     {.model = MEMATTR_NPT, .ignores_guest_pat = false, .guest_mtrr_is_wb = true}, false,
     {{"KVM module", "kvm_amd"}, {"S2 model", "AMD NPT"}, {"guest PAT", "honoured"}, {"TDP MMU", "Y"}, {"virtualization", "svm"}}},
    {"AMD, NPT, old kernels print a number",
     {BASE, {"/proc/cpuinfo", AMD_CPU "flags\t\t: svm\n"}, {"/sys/module/kvm_amd/parameters/npt", "1\n"}}, 0, false,
     {.model = MEMATTR_NPT, .ignores_guest_pat = false, .guest_mtrr_is_wb = true}, false, {{"S2 model", "AMD NPT"}}},
    {"AMD, NPT off",
     {BASE, {"/proc/cpuinfo", AMD_CPU "flags\t\t: svm\n"}, {"/sys/module/kvm_amd/parameters/npt", "0\n"}}, 0, false,
     {.model = MEMATTR_SHADOW, .ignores_guest_pat = false, .guest_mtrr_is_wb = true}, false, {{"S2 model", "shadow paging"}}},
    {"AMD with kvm_intel built in",
     {BASE, {"/proc/cpuinfo", AMD_CPU "flags\t\t: svm\n"}, {"/sys/module/kvm_amd/parameters/npt", "Y\n"},
      {"/sys/module/kvm_intel/parameters/ept", "Y\n"}}, 0, false,
     {.model = MEMATTR_NPT, .ignores_guest_pat = false, .guest_mtrr_is_wb = true}, false, {{"KVM module", "kvm_amd"}}},
    {"PVM on Intel, in a VM",
     {BASE, {"/proc/cpuinfo", INTEL_CPU "flags\t\t: ss hypervisor\n"}, {"/sys/module/kvm_pvm/initstate", "live\n"}}, 0x7f, false,
     {.model = MEMATTR_SHADOW, .ignores_guest_pat = false, .guest_mtrr_is_wb = true}, false,
     {{"KVM module", "kvm_pvm"}, {"S2 model", "shadow paging"}, {"virtualization", "none"}}},
    {"PVM with kvm_intel built in",
     {BASE, {"/proc/cpuinfo", INTEL_CPU "flags\t\t: ss vmx_but_not\n"}, {"/sys/module/kvm_pvm/initstate", "live\n"},
      {"/sys/module/kvm_intel/parameters/ept", "Y\n"}}, 0x7ff, false,
     {.model = MEMATTR_SHADOW, .ignores_guest_pat = false, .guest_mtrr_is_wb = true}, false, {{"KVM module", "kvm_pvm"}}},
    {"no KVM",
     {BASE, {"/proc/cpuinfo", AMD_CPU "flags\t\t: sse\n"}}, 0, true,
     {.model = MEMATTR_SHADOW, .ignores_guest_pat = false, .guest_mtrr_is_wb = true}, false,
     {{"KVM", "not usable"}, {"KVM module", "none"}, {"udmabuf", "No such file"}, {"dma-heap", "none"}, {"DRM", "none"}}},
    {"exporters",
     {BASE, {"/proc/cpuinfo", AMD_CPU "flags\t\t: svm\n"}, {"/sys/module/kvm_amd/parameters/npt", "Y\n"}, {"/dev/udmabuf", "\n"},
      {"/dev/dma_heap/system", "\n"}, {"/dev/dma_heap/linux,cma", "\n"}, {"/dev/dri/card0", "\n"}, {"/dev/dri/renderD128", "\n"},
      {"/sys/module/udmabuf/parameters/size_limit_mb", "64\n"}}, 0, false,
     {.model = MEMATTR_NPT, .ignores_guest_pat = false, .guest_mtrr_is_wb = true}, false,
     {{"udmabuf", "usable"}, {"udmabuf limit, MiB", "64"}, {"dma-heap system", "usable"}, {"dma-heap linux,cma", "usable"},
      {"DRM card0", "no DRM driver"}, {"DRM renderD128", "no DRM driver"}, {"memslots", "32764"}, {"irqfd", "yes"}}},
    {"a proc without keys",
     {BASE, {"/proc/cpuinfo", "vendor_id without a colon\nflags_of_another : vmx\n"}}, 0, false,
     {.model = MEMATTR_SHADOW, .ignores_guest_pat = false, .guest_mtrr_is_wb = true}, false,
     {{"CPU vendor", "not available"}, {"virtualization", "none"}, {"self-snoop", "no"}}},
};
// clang-format on

static int fake_check(void *context, unsigned long capability)
{
    const struct fake_host *host = context;
    switch (capability) {
    case KVM_CAP_DISABLE_QUIRKS2:
        return host->quirks;
    case KVM_CAP_NR_MEMSLOTS:
        return 32764;
    case KVM_CAP_IRQFD:
        return 1;
    default:
        return 0;
    }
}

/* _i runs over the fake hosts. */
START_TEST(a_fake_host_is_recognised)
{
    struct fake_host host = fake_hosts[_i];
    for (size_t i = 0; i < ARRAY_SIZE(host.files) && host.files[i].path; i++)
        fake_tree_write(host.files[i].path, host.files[i].text);
    const struct platform_sources sources = {.root = fake_tree_root,
                                             .check = host.no_kvm ? NULL : fake_check,
                                             .context = &host};
    static struct platform platform;
    struct error error;
    ck_assert(platform_probe(&platform, &sources, &error));

    ck_assert_msg(platform.memattr.model == host.expected.model, "%s: model", host.name);
    ck_assert_msg(platform.memattr.ignores_guest_pat == host.expected.ignores_guest_pat,
                  "%s: ignores_guest_pat", host.name);
    ck_assert_msg(platform.memattr.guest_mtrr_is_wb, "%s: guest_mtrr_is_wb", host.name);
    ck_assert_msg(platform.guest_pat_liftable == host.liftable, "%s: liftable",
                  host.name);
    for (size_t i = 0; i < ARRAY_SIZE(host.facts) && host.facts[i][0]; i++) {
        const struct platform_fact *fact = find_fact(&platform, host.facts[i][0]);
        ck_assert_msg(fact != NULL, "%s: no fact \"%s\"", host.name, host.facts[i][0]);
        ck_assert_msg(strstr(fact->value, host.facts[i][1]) != NULL, "%s: %s is \"%s\"",
                      host.name, fact->name, fact->value);
    }
    /* "DRM" alone means that there is none. */
    ck_assert_msg(!find_fact(&platform, "DRM") || !find_fact(&platform, "DRM card0"),
                  "%s", host.name);
    for (unsigned i = 0; i < platform.fact_count; i++) {
        const struct platform_fact *fact = &platform.facts[i];
        ck_assert_msg(fact->name[0] && fact->value[0] && fact->where[0], "%s: fact %u",
                      host.name, i);
        ck_assert_msg(!strchr(fact->value, '\n'), "%s: %s", host.name, fact->name);
    }
}
END_TEST

Suite *platform_x86_suite(void)
{
    Suite *suite = suite_create("platform_x86");
    TCase *fakes = tcase_create("fake hosts");
    tcase_add_checked_fixture(fakes, fake_tree_make, fake_tree_remove);
    tcase_add_loop_test(fakes, a_fake_host_is_recognised, 0, ARRAY_SIZE(fake_hosts));
    suite_add_tcase(suite, fakes);
    return suite;
}
