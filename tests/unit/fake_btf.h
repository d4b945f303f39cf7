/* SPDX-License-Identifier: MIT */
/*
 * A fake /sys/kernel/btf/vmlinux: the structs in which the observer looks for members on arm64,
 * as Linux 7.2 has them, and a type of every kind.
 */
#ifndef S2VMM_TESTS_UNIT_FAKE_BTF_H
#define S2VMM_TESTS_UNIT_FAKE_BTF_H

/* Where the file can be opened, while it exists. */
extern char fake_btf_path[];

void fake_btf_make(void);
void fake_btf_remove(void);

unsigned fake_btf_size(void);

/* Where the last record, a struct with one member, says how many it has. */
unsigned fake_btf_last_count(void);

/* Inverts the bits of a byte; cuts the file. */
void fake_btf_flip(unsigned offset);
void fake_btf_cut(unsigned size);

#endif
