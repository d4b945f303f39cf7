/* SPDX-License-Identifier: MIT */
#include "guest/scenarios.h"

#include "vmm/types.h"

// clang-format off
const struct scenario scenarios[] = {
    {"hello",         scenario_hello,         "prints a line"},
    {"fail",          scenario_fail,          "fails a check on purpose"},
    {"crash",         scenario_crash,         "the CPU ends, without a verdict"},
    {"spin",          scenario_spin,          "never ends"},
    {"exception",     scenario_exception,     "an access to nothing"},
    {"ram",           scenario_ram,           "patterns in RAM"},
    {"smp",           scenario_smp,           "starts all vCPUs"},
    {"virtio-reset",  scenario_virtio_reset,  "the status machine, twice"},
    {"display-info",  scenario_display_info,  "GET_DISPLAY_INFO"},
    {"capsets",       scenario_capsets,       "every capset"},
    {"contexts",      scenario_contexts,      "CTX_CREATE and CTX_DESTROY"},
    {"fences",        scenario_fences,        "fences, global and per ring"},
    {"interrupt",     scenario_interrupt,     "the device's interrupt reaches the CPU"},
    {"pci-config",    scenario_pci_config,    "lies in every field of PCI configuration space"},
    {"blob-shm",      scenario_blob_shm,      "a shared-memory blob of a venus context"},
    {"blob-venus",    scenario_blob_venus,    "Vulkan memory"},
    {"blob-virgl",    scenario_blob_virgl,    "a GL texture"},
    {"side-by-side",  scenario_side_by_side,  "a WC and a CACHED blob in one window"},
    {"blob-buffer",   scenario_blob_buffer,   "a GL buffer that stays mapped"},
    {"indirect",      scenario_indirect,      "blob-shm with indirect descriptors"},
    {"event-index",   scenario_event_index,   "blob-shm with the event index"},
    {"attributes",    scenario_attributes,    "host memory through every attribute"},
    {"experiment-moving",  scenario_experiment_moving,  "memory that the host moves meanwhile"},
    {"experiment-revoked", scenario_experiment_revoked, "memory that the host takes away meanwhile"},
    {"blob-overrun",  scenario_blob_overrun,  "a blob that is larger than its buffer"},
    {"bad-commands",  scenario_bad_commands,  "commands that must be refused"},
    {"window-full",   scenario_window_full,   "fills the window"},
    {"hole",          scenario_hole,          "accesses where nothing is mapped"},
    {"hole-storm",    scenario_hole_storm,    "writes to all pages of the window: rounds=N"},
    {"hole-pair",     scenario_hole_pair,     "16 bytes at once where nothing is mapped: expect=works or faults"},
    {"mtrr",          scenario_mtrr,          "an MTRR of UC over the window: refused, until it is gone"},
    {"reset-mapped",  scenario_reset_mapped,  "reset while blobs are mapped"},
    {"ring-hostile",  scenario_ring_hostile,  "rings that break the rules"},
    {"ring-spin",     scenario_ring_spin,     "a vCPU that never stops kicking"},
    {"transfers",     scenario_transfers,     "a texture is cleared and transferred back"},
    {"guest-blob",    scenario_guest_blob,    "a blob of guest memory in a context"},
    {"exporter",      scenario_exporter,      "a buffer of --blobs-from: mapped, or expect=refused"},
    {"exporter-copy", scenario_exporter_copy, "a buffer that needs SYNC, of which the guest gets a copy"},
    {"exporter-moves", scenario_exporter_moves, "the exporter moves a mapped buffer"},
    {"exporter-revokes", scenario_exporter_revokes, "the exporter takes a mapped buffer's pages away"},
    {"exporter-attribute", scenario_exporter_attribute, "the exporter changes a mapped buffer's attribute"},
    {"greedy",        scenario_greedy,        "asks for everything until it is refused"},
    {"peer-first-write", scenario_peer_first_write, "a buffer of --blobs-from, read before it is written"},
    {"peer-unaligned", scenario_peer_unaligned, "an unaligned read of a blob"},
    {"lifetime",      scenario_lifetime,      "a buffer of --blobs-from lives slowly"},
    {"hostile",       scenario_hostile,       "random commands, descriptors and accesses of all vCPUs"},
};
// clang-format on

const unsigned scenario_count = ARRAY_SIZE(scenarios);
