/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * /dev/s2vmm-pte: reads the caller's own page table.
 *
 * User space can learn the physical address of a page (/proc/self/pagemap), but not its memory
 * type. This device says what the entry for an address has, and does not change it: it faults
 * nothing in, so the caller touches the page first.
 *
 * The caller needs CAP_SYS_ADMIN, as for the addresses in /proc/self/pagemap.
 *
 * Errors: EPERM no CAP_SYS_ADMIN; ENOTTY no such ioctl; EFAULT bad pointer; EINVAL no address
 * of user space, or reserved is not 0; ENOMEM no mapping has the address; ENODATA there is a
 * mapping, and no page behind this address (never touched, or swapped out); EINTR the task is
 * being killed.
 */
#ifndef PTE_READER_H
#define PTE_READER_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PTE_READER_PATH "/dev/s2vmm-pte"

struct pte_reader_entry {
	__u64 address;   /* in: any byte of the caller's address space */
	__u64 entry;     /* out: the entry that maps it, as the hardware reads it */
	__u64 physical;  /* out: the physical address of that byte; in a guest a GPA */
	__u64 registers; /* out: x86 the PAT MSR, arm64 MAIR_EL1, as they are programmed */
	__u32 shift;     /* out: log2 of the bytes that the entry maps */
	__u32 level;     /* out: PTE_READER_LEVEL_* */
	__u32 index; /* out: which byte of registers: x86 PAT, PCD, PWT; arm64 AttrIndx */
	__u32 type;  /* out: that byte, see PTE_READER_TYPE_* */
	__u32 flags; /* out: PTE_READER_* */
	__u32 reserved; /* in: 0 */
};

#define PTE_READER_LEVEL_PTE 0
#define PTE_READER_LEVEL_PMD 1
#define PTE_READER_LEVEL_PUD 2

/* x86: the encodings of the PAT MSR (SDM 3, table 12-10). arm64: the bytes of MAIR_EL1 that
 * Linux programs (DDI 0487, D24.2.127); there are more. */
#define PTE_READER_TYPE_X86_UC       0x00
#define PTE_READER_TYPE_X86_WC       0x01
#define PTE_READER_TYPE_X86_WT       0x04
#define PTE_READER_TYPE_X86_WP       0x05
#define PTE_READER_TYPE_X86_WB       0x06
#define PTE_READER_TYPE_X86_UC_MINUS 0x07

/* The mapping that the address is in (VM_PFNMAP, VM_MIXEDMAP, VM_IO), and the page. */
#define PTE_READER_PFNMAP   (1 << 0)
#define PTE_READER_MIXEDMAP (1 << 1)
#define PTE_READER_IO       (1 << 2)
#define PTE_READER_RAM      (1 << 3) /* the page is system RAM */
#define PTE_READER_HUGETLB  (1 << 4)

#define PTE_READER_IOCTL_READ _IOWR('2', 1, struct pte_reader_entry)

#endif
