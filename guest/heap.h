/* SPDX-License-Identifier: MIT */
/*
 * Memory behind the image, handed out once and never taken back: the guest lives for one
 * scenario. RAM is zero when the VM starts, and so is what the heap returns.
 */
#ifndef S2VMM_GUEST_HEAP_H
#define S2VMM_GUEST_HEAP_H

#include <stdint.h>

struct guest;

struct heap {
    struct guest *guest;
    uint64_t next; /* address of the first free byte */
    uint64_t end;  /* end of RAM */
};

/* The heap reaches from the end of the image to address `end`. */
void heap_init(struct heap *heap, struct guest *guest, uint64_t end);

/* Never NULL: running out of memory ends the guest with EXIT_VERDICT_SETUP. Alignment is
 * a power of two; 16 for the first. */
void *heap_allocate(struct heap *heap, uint64_t size);
void *heap_allocate_aligned(struct heap *heap, uint64_t size, uint64_t alignment);

#endif
