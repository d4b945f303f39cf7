/* SPDX-License-Identifier: MIT */
/* What a state must not be able to do when it is damaged: for the tests of everything that loads one. */
#ifndef S2VMM_TESTS_UNIT_STATE_DAMAGE_H
#define S2VMM_TESTS_UNIT_STATE_DAMAGE_H

#include "vmm/state.h"

/* Makes a new object, loads it, uses it a little, also after an error, and ends it. */
typedef bool state_damage_load(struct state_reader *reader, struct error *error);

/* Completes what was written, and reads it, with copies of its descriptors. */
void state_damage_read(struct state_writer *writer, struct state_reader *reader);

/* With each section of a good state shorter, by any number of bytes, longer, missing or of a newer
 * version, loading fails, and the error names the section. With a byte changed, any of its bits, it may
 * succeed: then the value was one that can be. */
void state_damage_everything(struct state_writer *writer, state_damage_load *load);

/* Loading fails with `text` in the error when the bytes at `offset` of the payload of the only section
 * of this name are these. */
void state_damage_refused(struct state_writer *writer, state_damage_load *load,
                          const char *name, size_t offset, uint64_t value, size_t size,
                          const char *text);

#endif
