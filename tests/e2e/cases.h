/* SPDX-License-Identifier: MIT */
/*
 * The end-to-end cases: one table for every environment. A row says what it needs, how
 * s2vmm is called, and what must come out; the environment says what it has.
 */
#ifndef S2VMM_TESTS_E2E_CASES_H
#define S2VMM_TESTS_E2E_CASES_H

#define CASE_TEXTS_MAX     10
#define CASE_ARGUMENTS_MAX 8

/* What an environment may have. */
enum case_need {
    NEEDS_NOTHING = 0,
    NEEDS_KVM = 1 << 0,   /* /dev/kvm that opens */
    NEEDS_VENUS = 1 << 1, /* libvirglrenderer and its render server */
    NEEDS_DMABUF =
        1 << 2,         /* venus memory becomes a dma-buf: /dev/udmabuf and a good Mesa */
    NEEDS_GBM = 1 << 3, /* virgl textures become dma-bufs of vgem: virglrenderer 1.3 */
    NEEDS_HARDWARE =
        1 << 4,         /* KVM with interrupts, APs and exceptions: not the PVM flavour */
    NEEDS_NPT = 1 << 5, /* AMD nested paging: the guest's PAT counts */
    NEEDS_S2 = 1 << 6,  /* root and tracefs: the S2 leaf can be read */
    NEEDS_LIE =
        1 << 7, /* virglrenderer 0.10.4 with Mesa 22.3: a memfd said to be a dma-buf */
    NEEDS_OPAQUE = 1 << 8,  /* no /dev/udmabuf: venus memory is OPAQUE */
    NEEDS_NO_GBM = 1 << 9,  /* a vgem node, and a libvirglrenderer that cannot use it */
    NEEDS_SHADOW = 1 << 10, /* shadow paging: the guest's PAT does not count */
    NEEDS_NO_KVM = 1 << 11, /* no /dev/kvm */
    NEEDS_VIRGL = 1 << 12,  /* an EGL for virgl, surfaceless; no dma-bufs */
};

/* A case with one of these has a Vulkan driver loaded. */
#define NEEDS_VULKAN (NEEDS_DMABUF | NEEDS_LIE | NEEDS_OPAQUE)

struct e2e_case {
    const char *name;
    unsigned needs;
    const char *scenario; /* the guest's command line; NULL: no --append */
    int status;
    const char *environment;                   /* "NAME=VALUE", or NULL */
    const char *arguments[CASE_ARGUMENTS_MAX]; /* more of them, or a whole command */
    const char *out[CASE_TEXTS_MAX];           /* all of these are on stdout, ... */
    const char *err[CASE_TEXTS_MAX];           /* ... or on stderr */
};

extern const struct e2e_case e2e_cases[];
extern const unsigned e2e_case_count;

#endif
