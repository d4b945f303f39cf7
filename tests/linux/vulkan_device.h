/* SPDX-License-Identifier: MIT */
/*
 * A Vulkan device of the driver venus, and memory that the guest's CPU and its display can see.
 * Functions return false after a line on stdout that names the call and its VkResult.
 */
#ifndef S2VMM_TESTS_LINUX_VULKAN_DEVICE_H
#define S2VMM_TESTS_LINUX_VULKAN_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

struct vulkan {
    VkInstance instance;
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    uint32_t family; /* the queue's */
    VkPhysicalDeviceMemoryProperties memory;
    char name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE];
};

/* Says what failed, if `result` is no success. */
bool vulkan_good(const char *call, VkResult result);

bool vulkan_open(struct vulkan *vulkan);

/* Memory for `requirements` of a type with all of `properties`; `next` goes to
 * vkAllocateMemory(). */
bool vulkan_allocate(const struct vulkan *vulkan,
                     const VkMemoryRequirements *requirements,
                     VkMemoryPropertyFlags properties, const void *next,
                     VkDeviceMemory *memory);

/* A buffer that the CPU sees without flushes. */
struct vulkan_buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    void *bytes;
};

/* `shared`: can be exported as a dma-buf. */
bool vulkan_buffer(const struct vulkan *vulkan, VkDeviceSize size,
                   VkBufferUsageFlags usage, bool shared, struct vulkan_buffer *buffer);

/* The buffer's memory as a new file descriptor of a dma-buf. */
bool vulkan_export(const struct vulkan *vulkan, const struct vulkan_buffer *buffer,
                   int *fd);

#endif
