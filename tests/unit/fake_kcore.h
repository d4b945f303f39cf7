/* SPDX-License-Identifier: MIT */
/*
 * A fake /proc/kcore: an ELF core file with a note, a range that is no RAM, and two of RAM, one
 * of them so high that its addresses need 52 bits. All words are 0 until they are set.
 */
#ifndef S2VMM_TESTS_UNIT_FAKE_KCORE_H
#define S2VMM_TESTS_UNIT_FAKE_KCORE_H

#include <stdint.h>

#define FAKE_RAM_LOW  0x40000000ull         /* physical */
#define FAKE_RAM_HIGH 0xc000000000000ull    /* physical; bits 51 and 50 */
#define FAKE_RAM_SIZE 0x400000ull           /* of each */
#define FAKE_LINEAR   0xff00000000000000ull /* what is added to a physical address */
#define FAKE_VMALLOC  0xffff800080000000ull /* virtual, FAKE_RAM_SIZE of it */

#define FAKE_OFFSET_LOW 0x1000ull /* of the low range, in the file */

/* Where the file can be opened, while it exists. */
extern char fake_kcore_path[];

/* For tcase_add_checked_fixture(). */
void fake_kcore_make(void);
void fake_kcore_remove(void);

/* Sets a word at a physical address. */
void fake_kcore_set(uint64_t physical, uint64_t word);

/* Changes the file itself. */
void fake_kcore_write(uint64_t offset, const void *bytes, unsigned count);
void fake_kcore_cut(uint64_t size);

/* The kernel's virtual address of RAM. */
static inline uint64_t fake_kcore_virtual(uint64_t physical)
{
    return FAKE_LINEAR + physical;
}

#endif
