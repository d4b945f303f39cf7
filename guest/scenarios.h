/* SPDX-License-Identifier: MIT */
/* All scenarios, by name. A scenario returns true when all of its checks hold. */
#ifndef S2VMM_GUEST_SCENARIOS_H
#define S2VMM_GUEST_SCENARIOS_H

#include <stdbool.h>

struct guest;

struct scenario {
    const char *name;
    bool (*run)(struct guest *guest);
    const char *about;
};

extern const struct scenario scenarios[];
extern const unsigned scenario_count;

bool scenario_hello(struct guest *guest);
bool scenario_fail(struct guest *guest);
bool scenario_crash(struct guest *guest);
bool scenario_spin(struct guest *guest);
bool scenario_exception(struct guest *guest);
bool scenario_ram(struct guest *guest);
bool scenario_smp(struct guest *guest);
bool scenario_virtio_reset(struct guest *guest);
bool scenario_display_info(struct guest *guest);
bool scenario_capsets(struct guest *guest);
bool scenario_contexts(struct guest *guest);
bool scenario_fences(struct guest *guest);
bool scenario_interrupt(struct guest *guest);
bool scenario_pci_config(struct guest *guest);
bool scenario_edu(struct guest *guest);
bool scenario_edu_update(struct guest *guest);
bool scenario_edu_hostile(struct guest *guest);
bool scenario_blob_shm(struct guest *guest);
bool scenario_blob_venus(struct guest *guest);
bool scenario_blob_virgl(struct guest *guest);
bool scenario_side_by_side(struct guest *guest);
bool scenario_blob_buffer(struct guest *guest);
bool scenario_indirect(struct guest *guest);
bool scenario_event_index(struct guest *guest);
bool scenario_experiment_moving(struct guest *guest);
bool scenario_experiment_revoked(struct guest *guest);
bool scenario_experiment_held(struct guest *guest);
bool scenario_attributes(struct guest *guest);
bool scenario_blob_overrun(struct guest *guest);
bool scenario_bad_commands(struct guest *guest);
bool scenario_window_full(struct guest *guest);
bool scenario_hole(struct guest *guest);
bool scenario_hole_storm(struct guest *guest);
bool scenario_hole_pair(struct guest *guest);
bool scenario_mtrr(struct guest *guest);
bool scenario_reset_mapped(struct guest *guest);
bool scenario_ring_hostile(struct guest *guest);
bool scenario_foreign(struct guest *guest);
bool scenario_ring_spin(struct guest *guest);
bool scenario_transfers(struct guest *guest);
bool scenario_guest_blob(struct guest *guest);
bool scenario_exporter(struct guest *guest);
bool scenario_exporter_copy(struct guest *guest);
bool scenario_exporter_moves(struct guest *guest);
bool scenario_exporter_revokes(struct guest *guest);
bool scenario_exporter_attribute(struct guest *guest);
bool scenario_greedy(struct guest *guest);
bool scenario_lifetime(struct guest *guest);
bool scenario_lent(struct guest *guest);
bool scenario_hostile(struct guest *guest);
bool scenario_server_dies(struct guest *guest);
bool scenario_server_storm(struct guest *guest);
bool scenario_update(struct guest *guest);
bool scenario_update_blobs(struct guest *guest);
bool scenario_peer_first_write(struct guest *guest);
bool scenario_peer_unaligned(struct guest *guest);
bool scenario_bench_queue(struct guest *guest);
bool scenario_bench_first_map(struct guest *guest);
bool scenario_bench_stay(struct guest *guest);

#endif
