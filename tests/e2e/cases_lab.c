/* SPDX-License-Identifier: MIT */
/*
 * Buffers of dmabuf-lab, on a host that has this project's modules: each refusal, each policy,
 * and what an exporter may do while a guest has its buffer mapped. They need no renderer.
 */
#include "tests/e2e/cases.h"

#include <stddef.h>

#define LAB     (NEEDS_KVM | NEEDS_LAB_MODULES)
#define NPT     (LAB | NEEDS_NPT)
#define NO_INFO (NEEDS_KVM | NEEDS_NO_INFO)

#define FROM_LAB(words) "--json", "--blobs-from=dmabuf-lab:" words
#define REFUSED         "scenario=exporter expect=refused"

// clang-format off
const struct e2e_case e2e_cases_lab[] = {
    /* The kernel answers, and decides. */
    {.name = "kernel-decides-wb", .needs = LAB, .scenario = "scenario=exporter map-info=cached",
     .arguments = {FROM_LAB("pages,fault,wb")},
     .out = {SAYS("exp_name", "dmabuf-lab"), SAYS("kernel", "CACHED"), SAYS("kernel_from", "exporter"),
             SAYS("page_table", "WB"), SAYS("host", "WB"), SAYS("host_from", "kernel"),
             SAYS_NULL("refusal"), SAYS("verdict", "match"), SAW_EACH_OTHER}},
    {.name = "kernel-decides-wc", .needs = NPT, .scenario = "scenario=exporter map-info=wc",
     .arguments = {FROM_LAB("pages,fault,wc")},
     .out = {SAYS("kernel", "WC"), SAYS("page_table", "WC"), SAYS("host_from", "kernel"),
             SAYS("effective", "WC"), SAYS("verdict", "match"), SAW_EACH_OTHER}},
    {.name = "kernel-decides-wc-arm64", .needs = LAB | NEEDS_NO_FWB, .scenario = "scenario=exporter map-info=wc",
     .arguments = {FROM_LAB("pages,fault,wc")},
     .out = {SAYS("kernel", "WC"), SAYS("page_table", "NC"), SAYS("host_from", "kernel"),
             SAYS("effective", "NC"), SAYS("verdict", "match"), SAW_EACH_OTHER}},
    {.name = "kernel-decides-udmabuf", .needs = LAB, .scenario = "scenario=exporter map-info=cached",
     .arguments = {"--json", "--blobs-from=udmabuf"},
     .out = {SAYS("exp_name", "udmabuf"), SAYS("kernel_from", "page table"), SAYS("host_from", "kernel"),
             SAYS("verdict", "match")}},
    {.name = "kernel-decides-vgem", .needs = NPT, .scenario = "scenario=exporter map-info=wc",
     .arguments = {"--json", "--blobs-from=vgem PRIME"},
     .out = {SAYS("exp_name", "drm"), SAYS("kernel", "WC"), SAYS("kernel_from", "page table"),
             SAYS("host_from", "kernel"), SAYS("verdict", "match"), SAW_EACH_OTHER}},
    {.name = "kernel-decides-text", .needs = LAB, .scenario = "scenario=exporter",
     .arguments = {"--blobs-from=dmabuf-lab:pages,fault,wb"},
     .out = {"DMABUF from dmabuf-lab", "page table", "dmabuf-info: entry", "match:"}},
    {.name = "next-source-decides", .needs = NO_INFO, .scenario = "scenario=exporter map-info=cached",
     .arguments = {"--json", "--blobs-from=udmabuf"},
     .out = {SAYS_NULL("kernel"), SAYS_NULL("page_table"), SAYS("host_from", "exporter"),
             SAYS("verdict", "match")}},

    /* The report about one dma-buf. */
    {.name = "probe-dmabuf", .needs = LAB, .arguments = {"probe", "--dmabuf=udmabuf"},
     .out = {"dma-buf      udmabuf", "truth          WB", "kernel         CACHED", "right", "crosvm         WC",
             "WRONG", "advice       map_info CACHED", "who lies     crosvm"}},
    {.name = "probe-dmabuf-json", .needs = LAB, .arguments = {"probe", "--dmabuf=udmabuf", "--json"},
     .out = {SAYS("source", "truth"), SAYS("source", "measurement"), SAYS("decider", "kernel"),
             SAYS("map_info", "CACHED"), "\"contradicted\":false"}},
    {.name = "probe-dmabuf-naive", .needs = NPT, .arguments = {"probe", "--dmabuf=dmabuf-lab:pages,fault,wc-wished,naive"},
     .out = {"truth          WB", "kernel         WC          yes      WRONG", "refuse on AMD NPT", "who lies     kernel, crosvm"}},
    {.name = "probe-dmabuf-none", .needs = LAB, .status = 2, .arguments = {"probe", "--dmabuf=nobody"},
     .err = {"nobody"}},
    {.name = "probe-dmabuf-without-truth", .needs = NO_INFO, .arguments = {"probe", "--dmabuf=udmabuf"},
     .out = {"truth          -", "load the module dmabuf-info", "exporter       WB"}},

    /* Refusals; docs/refusals.md. */
    {.name = "refuse-needs-sync", .needs = LAB, .scenario = REFUSED,
     .arguments = {FROM_LAB("pages,fault,wb,needs-sync")},
     .out = {SAYS("verdict", "refused"), SAYS("refusal", "needs-sync"), SAYS_NULL("map_info")},
     .err = {"DMA_BUF_IOCTL_SYNC", "--needs-sync=copy"}},
    {.name = "refuse-may-change", .needs = LAB, .scenario = REFUSED,
     .arguments = {FROM_LAB("pages,fault,wb,may-change")},
     .out = {SAYS("verdict", "refused"), SAYS("refusal", "may-change")}, .err = {"--may-change=follow"}},
    {.name = "refuse-no-match", .needs = LAB | NEEDS_FWB, .scenario = REFUSED,
     .arguments = {FROM_LAB("pages,fault,wc")},
     .out = {SAYS("verdict", "refused"), SAYS("refusal", "no-match"), SAYS("page_table", "NC")}},
    {.name = "refuse-contradiction", .needs = NPT, .scenario = REFUSED,
     .arguments = {FROM_LAB("pages,fault,wc-wished,naive")},
     .out = {SAYS("verdict", "refused"), SAYS("refusal", "contradiction"), SAYS("kernel", "WC"),
             SAYS("page_table", "WB"), SAYS_YES("contradicted")}},
    {.name = "contradiction-permissive", .needs = NPT, .scenario = "scenario=exporter map-info=cached",
     .arguments = {FROM_LAB("pages,fault,wc-wished,naive"), "--cache-mode-policy=permissive"},
     .out = {SAYS_YES("contradicted"), SAYS("host", "WB"), SAYS("verdict", "match"), SAW_EACH_OTHER},
     .err = {"which is believed"}},
    {.name = "refuse-kvm-faults", .needs = LAB, .scenario = REFUSED,
     .arguments = {FROM_LAB("pages,mixed,wb")},
     .out = {SAYS("verdict", "refused"), SAYS("refusal", "kvm-faults")}},
    {.name = "refuse-host-unknown", .needs = NO_INFO, .scenario = REFUSED,
     .arguments = {"--json", "--blobs-from=vgem PRIME"},
     .out = {SAYS("verdict", "refused"), SAYS("refusal", "host-unknown")}, .err = {"no trusted source knows"}},
    {.name = "exporter-that-is-none", .needs = LAB, .scenario = "scenario=hello", .status = 2,
     .arguments = {"--blobs-from=dmabuf-lab:marble"}, .err = {"marble"}},
    {.name = "exporter-without-an-fd", .needs = LAB, .scenario = "scenario=hello", .status = 2,
     .arguments = {"--blobs-from=anonymous"}, .err = {"no dma-buf or memfd of its own"}},

    /* Policies. */
    {.name = "copy-needs-sync", .needs = LAB, .scenario = "scenario=exporter-copy",
     .arguments = {FROM_LAB("pages,fault,wb,needs-sync"), "--needs-sync=copy"},
     .out = {SAYS_YES("copied"), SAYS("map_info", "CACHED"), SAYS("verdict", "copy"), SAW_EACH_OTHER}},
    {.name = "copy-of-wc", .needs = LAB, .scenario = "scenario=exporter-copy",
     .arguments = {FROM_LAB("pages,fault,wc,needs-sync"), "--needs-sync=copy"},
     .out = {SAYS_YES("copied"), SAYS("kernel", "WC"), SAYS("map_info", "CACHED"), SAYS("verdict", "copy")}},
    {.name = "follow-may-change", .needs = NPT,
     .scenario = "scenario=exporter-attribute map-info=cached to=wc then=wc",
     .arguments = {FROM_LAB("pages,fault,wb,may-change"), "--may-change=follow"},
     .out = {SAYS_YES("followed"), SAYS("verdict", "match"), SAYS("verdict", "dropped"),
             SAYS("reason", "attribute changed from WB to WC"), SAYS("map_info", "WC")},
     .err = {"is taken away from the guest"}},
    {.name = "follow-may-change-arm64", .needs = LAB | NEEDS_NO_FWB,
     .scenario = "scenario=exporter-attribute map-info=cached to=wc then=wc",
     .arguments = {FROM_LAB("pages,fault,wb,may-change"), "--may-change=follow"},
     .out = {SAYS("reason", "attribute changed from WB to NC"), SAYS("map_info", "WC")}},
    {.name = "follow-may-change-fwb", .needs = LAB | NEEDS_FWB,
     .scenario = "scenario=exporter-attribute map-info=cached to=wc then=refused",
     .arguments = {FROM_LAB("pages,fault,wb,may-change"), "--may-change=follow"},
     .out = {SAYS("reason", "attribute changed from WB to NC"), SAYS("refusal", "no-match")}},

    /* Nothing is left: docs/lifetimes.md. */
    {.name = "leftovers", .needs = LAB, .scenario = "scenario=lifetime",
     .arguments = {"--blobs-from=dmabuf-lab:pages,fault,wb"}, .watch = WATCH_LEFTOVERS,
     .err = {"is unreferenced while it is mapped"}},

    /* Guest memory that somebody has, and writes to: docs/lent-memory.md. */
    {.name = "lent-returned", .needs = LAB, .scenario = "scenario=lent", .arguments = {"--gpu=2d", "--trace"}, .watch = WATCH_LENT,
     .out = {"PASS lent"}, .err = {"blob 1: its guest memory is returned, after"}},
    {.name = "lent-waits", .needs = LAB, .scenario = "scenario=lent milliseconds=2000", .arguments = {"--gpu=2d", "--lent-timeout=1"},
     .watch = WATCH_LENT, .out = {"PASS lent"}, .err = {"are still lent", "by a process that this one may not look at"}},
    {.name = "lent-overdue", .needs = LAB, .scenario = "scenario=lent how=overdue",
     .arguments = {"--gpu=2d", "--lent-timeout=1", "--lent-overdue=fail", "--sandbox=off"}, .watch = WATCH_LENT, .out = {"PASS lent"},
     .err = {"16384 bytes of guest memory are still lent", "(e2e-tests): 0 descriptors, 1 mapping"}},
    {.name = "lent-held-by-a-device", .needs = LAB, .scenario = "scenario=lent how=overdue",
     .arguments = {"--gpu=2d", "--lent-timeout=1", "--lent-overdue=fail", "--sandbox=off"}, .watch = WATCH_LENT_DEVICE,
     .out = {"PASS lent"}, .err = {"are still lent", "held by no process: a driver imported it"}},

    /* What happens under a guest. */
    {.name = "moved-while-mapped", .needs = LAB, .scenario = "scenario=exporter-moves",
     .arguments = {FROM_LAB("pages,fault,wb")}, .out = {SAYS("verdict", "match"), SAW_EACH_OTHER}},
    {.name = "moved-while-followed", .needs = LAB, .scenario = "scenario=exporter-moves rounds=60",
     .arguments = {FROM_LAB("pages,fault,wb,may-change"), "--may-change=follow"},
     .out = {SAYS_YES("followed"), SAYS("verdict", "match"), SAW_EACH_OTHER}},
    {.name = "revoked-while-mapped", .needs = LAB, .scenario = "scenario=exporter-revokes",
     .arguments = {FROM_LAB("pages,fault,wb"), "--map-strategy=slot"},
     .out = {SAYS("verdict", "dropped"), "took its pages away"},
     .err = {"is taken away from the guest", "nothing is there, answered all ones"}},
    {.name = "revoked-in-window", .needs = LAB, .scenario = "scenario=exporter-revokes",
     .arguments = {FROM_LAB("pages,fault,wb"), "--map-strategy=window"},
     .out = {SAYS("verdict", "dropped"), "took its pages away"},
     .err = {"is taken away from the guest", "scratch memory"}},
    {.name = "revoked-pfnmap", .needs = LAB, .scenario = "scenario=exporter-revokes",
     .arguments = {FROM_LAB("pages,pfnmap,wb")}, .out = {SAYS("verdict", "dropped")}},
    {.name = "revoked-copy", .needs = LAB, .scenario = "scenario=exporter-revokes",
     .arguments = {FROM_LAB("pages,fault,wb,needs-sync"), "--needs-sync=copy"},
     .out = {SAYS_YES("copied"), SAYS("verdict", "dropped"), "are gone"}},
};
// clang-format on

const unsigned e2e_case_lab_count = sizeof e2e_cases_lab / sizeof e2e_cases_lab[0];
