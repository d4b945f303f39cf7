/* SPDX-License-Identifier: MIT */
#include "guest/heap.h"

#include "devices/exit_abi.h"
#include "guest/guest.h"
#include "vmm/types.h"

extern const char _image_end[]; /* from the linker script */

void heap_init(struct heap *heap, struct guest *guest, uint64_t end)
{
    *heap = (struct heap){.guest = guest, .next = (uintptr_t)_image_end, .end = end};
}

void *heap_allocate(struct heap *heap, uint64_t size)
{
    return heap_allocate_aligned(heap, size, 16);
}

void *heap_allocate_aligned(struct heap *heap, uint64_t size, uint64_t alignment)
{
    uint64_t start = align_up(heap->next, alignment);
    if (start > heap->end || size > heap->end - start) {
        console_printf(&heap->guest->console,
                       "heap: 0x%lx bytes more than RAM has; give the VM more memory\n",
                       size);
        guest_exit(heap->guest, EXIT_VERDICT_SETUP);
    }
    heap->next = start + size;
    return (void *)(uintptr_t)start;
}
