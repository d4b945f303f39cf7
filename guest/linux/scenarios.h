/* SPDX-License-Identifier: MIT */
/* The scenarios: a table, as the tiny guest's (guest/scenarios.h), with the same names where it
 * is the same thing. True: it went as it must. */
#ifndef S2VMM_GUEST_LINUX_SCENARIOS_H
#define S2VMM_GUEST_LINUX_SCENARIOS_H

#include "guest/linux/test.h"

/* What a scenario needs of the device and its renderer. */
#define NEEDS_VENUS  1u /* the venus capset, and the window */
#define NEEDS_VULKAN 2u /* and a Vulkan driver behind it */
#define NEEDS_VIRGL  4u /* the virgl capset, and the window */
#define NEEDS_BLOBS  8u
#define NEEDS_SCREEN 16u /* a connected scanout */
#define NEEDS_UUID   32u /* VIRTIO_GPU_F_RESOURCE_UUID */
#define NEEDS_3D     64u
#define NEEDS_USER   128u /* somebody who does something meanwhile: not among "all" */
#define NEEDS_TIME   256u /* a benchmark: not among "all" */
#define NEEDS_DISK   512u /* one that may be written: not among "all" */

typedef bool (*scenario_function)(struct test *test);

struct scenario {
    const char *name;
    scenario_function run;
    unsigned needs;
    const char *summary;
};

extern const struct scenario scenarios[];
extern const unsigned scenario_count;

bool scenario_info(struct test *test);
bool scenario_capsets(struct test *test);
bool scenario_contexts(struct test *test);
bool scenario_fences(struct test *test);

bool scenario_blob_shm(struct test *test);
bool scenario_blob_venus(struct test *test);
bool scenario_blob_virgl(struct test *test);
bool scenario_blob_guest(struct test *test);
bool scenario_blob_host3d_guest(struct test *test);

bool scenario_blob_many(struct test *test);
bool scenario_window_full(struct test *test);

bool scenario_fork(struct test *test);
bool scenario_close_mapped(struct test *test);
bool scenario_share(struct test *test);
bool scenario_unmap_twice(struct test *test);
bool scenario_foreign(struct test *test);
bool scenario_threads(struct test *test);

bool scenario_edid(struct test *test);
bool scenario_display(struct test *test);
bool scenario_display_blob(struct test *test);
bool scenario_display_virgl(struct test *test);
bool scenario_cursor(struct test *test);
bool scenario_uuid(struct test *test);
bool scenario_resize(struct test *test);

bool scenario_bench_blob(struct test *test);
bool scenario_bench_queue(struct test *test);

bool scenario_update_load(struct test *test);
bool scenario_server_dies(struct test *test);

#endif
