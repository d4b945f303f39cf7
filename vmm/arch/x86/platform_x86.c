/* SPDX-License-Identifier: MIT */
/*
 * What x86 has to say: how KVM makes stage 2 here, and what it does with the guest's PAT.
 *
 * Which vendor module serves /dev/kvm is not written anywhere. A module that is built
 * into the kernel has a folder in /sys/module also where it found no hardware, so that
 * the CPU decides first: vmx with kvm_intel, svm with kvm_amd, else kvm_pvm, which needs
 * neither.
 */
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>

#include "vmm/platform.h"
#include "vmm/types.h"

#ifndef KVM_CAP_DISABLE_QUIRKS2
#define KVM_CAP_DISABLE_QUIRKS2 213
#endif
#ifndef KVM_X86_QUIRK_IGNORE_GUEST_PAT
#define KVM_X86_QUIRK_IGNORE_GUEST_PAT (1 << 9)
#endif

#define CPUINFO "/proc/cpuinfo"

/* Of what is asked here nothing depends on the VM: KVM_CAP_NR_MEMSLOTS is a constant of the build
 * (virt/kvm/kvm_main.c, kvm_vm_ioctl_check_extension_generic()). For the quirks and the MSRs that
 * is inferred: `s2vmm probe` says the same with a VM and without, on Linux 6.18. */
const bool platform_arch_asks_vm = false;

/* A word of a list with blanks between. */
static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += length) {
        bool begins = at == list || at[-1] == ' ';
        bool ends = at[length] == ' ' || at[length] == '\0';
        if (begins && ends)
            return true;
    }
    return false;
}

static void probe_cpu(struct platform *platform, const struct platform_sources *sources,
                      char *flags, size_t flags_size)
{
    static const char *const keys[][2] = {
        {"CPU vendor", "vendor_id"},
        {"CPU model", "model name"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        char value[128];
        if (!platform_read_key(sources, CPUINFO, keys[i][1], value, sizeof value))
            snprintf(value, sizeof value, "not available");
        platform_add_fact(platform, keys[i][0], value, CPUINFO);
    }
    if (!platform_read_key(sources, CPUINFO, "flags", flags, flags_size))
        flags[0] = '\0';
    const char *extension = "none";
    if (has_word(flags, "vmx"))
        extension = "vmx";
    else if (has_word(flags, "svm"))
        extension = "svm";
    platform_add_fact(platform, "virtualization", extension, CPUINFO ", flags");
    platform_add_fact(platform, "self-snoop", has_word(flags, "ss") ? "yes" : "no",
                      CPUINFO ", flags");
}

struct flavour {
    const char *module;
    const char *cpu_flag;     /* the module serves only a CPU with it; NULL: any */
    const char *folder;       /* of the module */
    const char *parameter;    /* says whether S2 is in hardware; NULL: it never is */
    enum memattr_model model; /* if it is */
};

static const struct flavour flavours[] = {
    {"kvm_intel", "vmx", "/sys/module/kvm_intel", "/sys/module/kvm_intel/parameters/ept",
     MEMATTR_EPT},
    {"kvm_amd", "svm", "/sys/module/kvm_amd", "/sys/module/kvm_amd/parameters/npt",
     MEMATTR_NPT},
    {"kvm_pvm", NULL, "/sys/module/kvm_pvm", NULL, MEMATTR_SHADOW},
};

static const struct flavour *find_flavour(const struct platform_sources *sources,
                                          const char *flags)
{
    for (size_t i = 0; i < ARRAY_SIZE(flavours); i++) {
        const struct flavour *flavour = &flavours[i];
        if (platform_exists(sources, flavour->folder) &&
            (!flavour->cpu_flag || has_word(flags, flavour->cpu_flag)))
            return flavour;
    }
    return NULL;
}

/* Module parameters of type bool read as Y or N, of type int as 1 or 0. */
static bool is_on(const struct platform_sources *sources, const char *path)
{
    char line[16];
    return platform_read_line(sources, path, line, sizeof line) &&
           (line[0] == 'Y' || line[0] == '1');
}

static enum memattr_model probe_module(struct platform *platform,
                                       const struct platform_sources *sources,
                                       const char *flags)
{
    enum memattr_model model = MEMATTR_SHADOW;
    const struct flavour *flavour = find_flavour(sources, flags);
    if (!flavour) {
        platform_add_fact(platform, "KVM module", "none for this CPU", "/sys/module");
    } else {
        platform_add_fact(platform, "KVM module", flavour->module, flavour->folder);
        if (flavour->parameter) {
            platform_add_file(platform, sources, "nested page tables",
                              flavour->parameter);
            if (is_on(sources, flavour->parameter))
                model = flavour->model;
        }
    }
    platform_add_file(platform, sources, "TDP MMU", "/sys/module/kvm/parameters/tdp_mmu");
    platform_add_fact(platform, "S2 model", memattr_model_name(model),
                      "KVM module, nested page tables");
    return model;
}

/* KVM sets IPAT on the RAM leaves of EPT unless it is told not to (vmx_get_mt_mask),
 * which a kernel allows that has the quirk, on a CPU with self-snoop
 * (vmx_hardware_setup). */
static void probe_guest_pat(struct platform *platform,
                            const struct platform_sources *sources)
{
    int quirks =
        sources->check ? sources->check(sources->context, KVM_CAP_DISABLE_QUIRKS2) : 0;
    char text[64];
    snprintf(text, sizeof text, "%#x", (unsigned)quirks);
    platform_add_fact(platform, "liftable quirks", text, "KVM_CAP_DISABLE_QUIRKS2");

    switch (platform->memattr.model) {
    case MEMATTR_EPT:
        platform->memattr.ignores_guest_pat = true;
        platform->guest_pat_liftable = (quirks & KVM_X86_QUIRK_IGNORE_GUEST_PAT) != 0;
        platform_add_fact(platform, "guest PAT",
                          platform->guest_pat_liftable
                              ? "ignored on RAM (IPAT), can be honoured"
                              : "ignored on RAM (IPAT): old kernel, or no self-snoop",
                          "KVM_X86_QUIRK_IGNORE_GUEST_PAT");
        break;
    case MEMATTR_NPT:
        platform_add_fact(platform, "guest PAT", "honoured", "AMD NPT");
        break;
    case MEMATTR_SHADOW:
        platform_add_fact(platform, "guest PAT", "ignored: RAM is WB, a BAR is UC",
                          "shadow paging");
        break;
    case MEMATTR_ARM64:
    case MEMATTR_ARM64_FWB:
    case MEMATTR_MODEL_COUNT:
        break;
    }
}

/* vmm/arch/x86/registers.c makes them WB; vmm/arch/x86/mtrr.h watches what the guest writes. */
static void probe_guest_mtrrs(struct platform *platform,
                              const struct platform_sources *sources)
{
    bool watched = sources->check &&
                   sources->check(sources->context, KVM_CAP_X86_USER_SPACE_MSR) > 0 &&
                   sources->check(sources->context, KVM_CAP_X86_MSR_FILTER) > 0;
    platform->memattr.guest_mtrr_is_wb = true;
    platform_add_fact(platform, "guest MTRRs",
                      watched ? "WB at first, the guest's writes are seen"
                              : "WB at first, the guest's writes are not seen",
                      "KVM_CAP_X86_USER_SPACE_MSR, KVM_CAP_X86_MSR_FILTER");
}

void platform_probe_arch(struct platform *platform,
                         const struct platform_sources *sources)
{
    char flags[4096];
    probe_cpu(platform, sources, flags, sizeof flags);
    platform->memattr.model = probe_module(platform, sources, flags);
    probe_guest_mtrrs(platform, sources);
    probe_guest_pat(platform, sources);
}
