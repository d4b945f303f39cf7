/* SPDX-License-Identifier: MIT */
#include "tests/linux/vulkan_device.h"

#include <stdio.h>
#include <string.h>

#define DEVICES_MAX  16u
#define FAMILIES_MAX 16u

bool vulkan_good(const char *call, VkResult result)
{
    if (result != VK_SUCCESS)
        printf("%s: VkResult %d\n", call, (int)result);
    return result == VK_SUCCESS;
}

/* Mesa offers its software renderer in the guest as well: only venus is wanted. */
static bool choose_device(struct vulkan *vulkan)
{
    VkPhysicalDevice devices[DEVICES_MAX];
    uint32_t count = DEVICES_MAX;
    VkResult result = vkEnumeratePhysicalDevices(vulkan->instance, &count, devices);
    if (result != VK_INCOMPLETE && !vulkan_good("vkEnumeratePhysicalDevices", result))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        VkPhysicalDeviceDriverProperties driver = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
        VkPhysicalDeviceProperties2 properties = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &driver};
        vulkan->physical = devices[i];
        vkGetPhysicalDeviceProperties2(vulkan->physical, &properties);
        memcpy(vulkan->name, properties.properties.deviceName, sizeof vulkan->name);
        if (driver.driverID == VK_DRIVER_ID_MESA_VENUS)
            return true;
    }
    printf("none of %u Vulkan devices is of the driver venus\n", count);
    return false;
}

static bool choose_family(struct vulkan *vulkan)
{
    VkQueueFamilyProperties families[FAMILIES_MAX];
    uint32_t count = FAMILIES_MAX;
    vkGetPhysicalDeviceQueueFamilyProperties(vulkan->physical, &count, families);
    for (vulkan->family = 0; vulkan->family < count; vulkan->family++) {
        if (families[vulkan->family].queueFlags & VK_QUEUE_GRAPHICS_BIT)
            return true;
    }
    printf("%s has no queue for graphics\n", vulkan->name);
    return false;
}

bool vulkan_open(struct vulkan *vulkan)
{
    static const char *const extensions[] = {
        VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
        VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
    };
    const float priority = 1;
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .apiVersion = VK_API_VERSION_1_1,
    };
    const VkInstanceCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
    };
    if (!vulkan_good("vkCreateInstance",
                     vkCreateInstance(&create, NULL, &vulkan->instance)) ||
        !choose_device(vulkan) || !choose_family(vulkan))
        return false;
    vkGetPhysicalDeviceMemoryProperties(vulkan->physical, &vulkan->memory);
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = vulkan->family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo device = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = sizeof extensions / sizeof extensions[0],
        .ppEnabledExtensionNames = extensions,
    };
    if (!vulkan_good("vkCreateDevice",
                     vkCreateDevice(vulkan->physical, &device, NULL, &vulkan->device)))
        return false;
    vkGetDeviceQueue(vulkan->device, vulkan->family, 0, &vulkan->queue);
    return true;
}

bool vulkan_allocate(const struct vulkan *vulkan,
                     const VkMemoryRequirements *requirements,
                     VkMemoryPropertyFlags properties, const void *next,
                     VkDeviceMemory *memory)
{
    for (uint32_t type = 0; type < vulkan->memory.memoryTypeCount; type++) {
        const VkMemoryAllocateInfo allocate = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
            .pNext = next,
            .allocationSize = requirements->size,
            .memoryTypeIndex = type,
        };
        if (((requirements->memoryTypeBits >> type) & 1) &&
            (vulkan->memory.memoryTypes[type].propertyFlags & properties) == properties)
            return vulkan_good("vkAllocateMemory",
                               vkAllocateMemory(vulkan->device, &allocate, NULL, memory));
    }
    printf("%s has no memory type for %#x with the properties %#x\n", vulkan->name,
           requirements->memoryTypeBits, properties);
    return false;
}

bool vulkan_buffer(const struct vulkan *vulkan, VkDeviceSize size,
                   VkBufferUsageFlags usage, bool shared, struct vulkan_buffer *buffer)
{
    const VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
    };
    const VkExportMemoryAllocateInfo exported = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
    };
    const VkBufferCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .pNext = shared ? &external : NULL,
        .size = size,
        .usage = usage,
    };
    VkMemoryRequirements requirements;
    if (!vulkan_good("vkCreateBuffer",
                     vkCreateBuffer(vulkan->device, &create, NULL, &buffer->buffer)))
        return false;
    vkGetBufferMemoryRequirements(vulkan->device, buffer->buffer, &requirements);
    return vulkan_allocate(vulkan, &requirements,
                           VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                               VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                           shared ? &exported : NULL, &buffer->memory) &&
           vulkan_good(
               "vkBindBufferMemory",
               vkBindBufferMemory(vulkan->device, buffer->buffer, buffer->memory, 0)) &&
           vulkan_good("vkMapMemory", vkMapMemory(vulkan->device, buffer->memory, 0,
                                                  VK_WHOLE_SIZE, 0, &buffer->bytes));
}

bool vulkan_export(const struct vulkan *vulkan, const struct vulkan_buffer *buffer,
                   int *fd)
{
    /* a function of an extension: the loader's library does not have it by name */
    PFN_vkGetMemoryFdKHR get =
        (PFN_vkGetMemoryFdKHR)vkGetDeviceProcAddr(vulkan->device, "vkGetMemoryFdKHR");
    const VkMemoryGetFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
        .memory = buffer->memory,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
    };
    return vulkan_good("vkGetMemoryFdKHR",
                       get ? get(vulkan->device, &info, fd) : VK_ERROR_UNKNOWN);
}
