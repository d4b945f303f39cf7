/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory type of physical memory, where the architecture has one: x86 keeps a record
 * of it (arch/x86/mm/pat/memtype.c) that its own mappings follow; on arm64 each mapping
 * has its own.
 */
#ifndef DMABUF_LAB_MEMORY_TYPE_H
#define DMABUF_LAB_MEMORY_TYPE_H

#include "backing.h"

/* The type that ATTRIBUTE stands for, of memory that has none. A negative errno: it
 * still has none. */
int memory_type_set(struct backing *backing, enum dmabuf_lab_attribute attribute);

/* To what it was before memory_type_set(). A negative errno: the memory cannot be
 * given back. */
int memory_type_reset(struct backing *backing);

/* Writes back and drops all cache lines of RAM, before or after it is mapped uncached. */
int memory_type_flush(struct backing *backing, struct device *device);

/* What attribute stands for in DMA_BUF_VM_PROT_*. */
int memory_type_wish(enum dmabuf_lab_attribute attribute);

/* DMA_BUF_VM_PROT_* that a mapping of kind VMA really gets, or a negative errno. */
int memory_type_truth(const struct backing *backing, enum dmabuf_lab_vma vma);

#endif
