/* SPDX-License-Identifier: MIT */
/*
 * The four Vulkan commands that lead to memory which a blob can be made of, in the
 * encoding of a venus context (virglrenderer's src/venus, "vn_protocol"):
 *
 *     vkCreateInstance -> vkEnumeratePhysicalDevices -> vkCreateDevice ->
 * vkAllocateMemory
 *
 * Objects are named by ids that the driver chooses, unique in its context and not 0. No
 * command asks for a reply: a failure shows when the blob is created.
 */
#ifndef S2VMM_GUEST_VENUS_H
#define S2VMM_GUEST_VENUS_H

#include "guest/stream.h"

/* Ids of the objects that venus_encode_device() makes. */
#define VENUS_INSTANCE        0x101u
#define VENUS_PHYSICAL_DEVICE 0x102u
#define VENUS_DEVICE          0x103u
/* The first id that is free for memory. */
#define VENUS_MEMORY          0x104u

/* How the memory will be shared (VkExternalMemoryHandleTypeFlagBits). */
enum venus_export {
    VENUS_EXPORT_NONE = 0,
    VENUS_EXPORT_DMA_BUF = 0x200, /* VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT */
};

void venus_encode_create_instance(struct stream *stream, uint64_t instance);
/* Gives the first physical device of the instance an id. */
void venus_encode_enumerate_physical_devices(struct stream *stream, uint64_t instance,
                                             uint64_t physical_device);
void venus_encode_create_device(struct stream *stream, uint64_t physical_device,
                                uint64_t device);
/* `size` bytes of memory type 0, which every driver has and lavapipe has alone. */
void venus_encode_allocate_memory(struct stream *stream, uint64_t device, uint64_t memory,
                                  uint64_t size, enum venus_export export);

/* The first three, with the ids above. */
void venus_encode_device(struct stream *stream);

#endif
