/* SPDX-License-Identifier: MIT */
#include "guest/linux/scenarios.h"

#include "vmm/types.h"

// clang-format off
const struct scenario scenarios[] = {
    {"info",         scenario_info,         0,            "what the driver says of the device"},
    {"capsets",      scenario_capsets,      NEEDS_3D,     "GET_CAPS of every capset"},
    {"contexts",     scenario_contexts,     NEEDS_3D,     "CONTEXT_INIT of every capset; once only"},
    {"fences",       scenario_fences,       NEEDS_VIRGL,  "fences as files, in order"},
    {"blob-shm",     scenario_blob_shm,     NEEDS_VENUS,  "HOST3D: shared memory of a venus context"},
    {"blob-venus",   scenario_blob_venus,   NEEDS_VULKAN, "HOST3D: Vulkan memory"},
    {"blob-virgl",   scenario_blob_virgl,   NEEDS_VIRGL,  "HOST3D: a GL texture"},
    {"blob-guest",   scenario_blob_guest,   NEEDS_BLOBS,  "GUEST: pages of the guest"},
    {"blob-host3d-guest", scenario_blob_host3d_guest, NEEDS_VULKAN, "HOST3D_GUEST: Vulkan memory and pages of the guest"},
    {"blob-many",    scenario_blob_many,    NEEDS_VENUS,  "count=N blobs mapped at once"},
    {"window-full",  scenario_window_full,  NEEDS_VENUS,  "fills the window, twice"},
    {"fork",         scenario_fork,         NEEDS_VENUS,  "a child with the parent's mapping"},
    {"close-mapped", scenario_close_mapped, NEEDS_VENUS,  "GEM_CLOSE and close() while mapped"},
    {"share",        scenario_share,        NEEDS_BLOBS,  "two files and two processes, by PRIME fd"},
    {"unmap-twice",  scenario_unmap_twice,  NEEDS_VENUS,  "munmap() and GEM_CLOSE twice; a hole"},
    {"foreign",      scenario_foreign,      NEEDS_VENUS | NEEDS_DISK, "a mapping as the buffer of a disk"},
    {"threads",      scenario_threads,      NEEDS_VENUS,  "maps from several threads at once"},
    {"edid",         scenario_edid,         NEEDS_SCREEN, "the connector's EDID"},
    {"uuid",         scenario_uuid,         NEEDS_UUID,   "PRIME export gives a resource its UUID"},
    {"display",      scenario_display,      NEEDS_SCREEN, "a known picture from a dumb buffer"},
    {"display-blob", scenario_display_blob, NEEDS_SCREEN | NEEDS_BLOBS, "the same from a GUEST blob"},
    {"display-virgl", scenario_display_virgl, NEEDS_SCREEN | NEEDS_3D, "a cleared texture of virgl, shown"},
    {"cursor",       scenario_cursor,       NEEDS_SCREEN, "a cursor, moved"},
    {"resize",       scenario_resize,       NEEDS_SCREEN | NEEDS_USER, "waits until the display has another size"},
    {"bench-blob",   scenario_bench_blob,   NEEDS_VENUS | NEEDS_TIME, "what blobs cost"},
    {"bench-queue",  scenario_bench_queue,  NEEDS_VENUS | NEEDS_TIME, "what submissions and fences cost"},
    {"update-load",  scenario_update_load,  NEEDS_USER,   "memory of all kinds, written and checked while the VMM is replaced"},
    {"server-dies",  scenario_server_dies,  NEEDS_VENUS | NEEDS_USER, "the host's render server is killed"},
};
// clang-format on

const unsigned scenario_count = ARRAY_SIZE(scenarios);
