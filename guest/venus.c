/* SPDX-License-Identifier: MIT */
/*
 * The encoding: a command is its number and its flags, then its parameters in order. A
 * number is itself; a pointer is 64 bits, 1 or 0 for NULL, and then what it points to; an
 * array is its length in 64 bits (0 for NULL) and its elements; a structure starts with
 * its type and the pointer to the next one; an object is its 64-bit id.
 */
#include "guest/venus.h"

/* VkCommandTypeEXT of the venus protocol. */
enum venus_command {
    VENUS_CREATE_INSTANCE = 0,
    VENUS_ENUMERATE_PHYSICAL_DEVICES = 2,
    VENUS_CREATE_DEVICE = 11,
    VENUS_ALLOCATE_MEMORY = 21,
};

/* VkStructureType. */
enum venus_structure {
    VENUS_APPLICATION_INFO = 0,
    VENUS_INSTANCE_CREATE_INFO = 1,
    VENUS_DEVICE_QUEUE_CREATE_INFO = 2,
    VENUS_DEVICE_CREATE_INFO = 3,
    VENUS_MEMORY_ALLOCATE_INFO = 5,
    VENUS_EXPORT_MEMORY_ALLOCATE_INFO = 1000072002,
};

#define VULKAN_API_1_1 ((1u << 22) | (1u << 12)) /* VK_API_VERSION_1_1 */
#define FLOAT_ONE      0x3f800000u

static void put_command(struct stream *stream, enum venus_command command)
{
    stream_put32(stream, command);
    stream_put32(stream, 0); /* VkCommandFlagsEXT: no reply */
}

static void put_pointer(struct stream *stream)
{
    stream_put64(stream, 1);
}

static void put_null(struct stream *stream)
{
    stream_put64(stream, 0);
}

static void put_array(struct stream *stream, uint64_t length)
{
    stream_put64(stream, length);
}

/* A structure with no next one. */
static void put_structure(struct stream *stream, enum venus_structure type)
{
    stream_put32(stream, type);
    put_null(stream); /* pNext */
}

/* A count and its array of names, both empty. */
static void put_no_names(struct stream *stream)
{
    stream_put32(stream, 0);
    put_array(stream, 0);
}

/* The last parameters of every command that makes one object. */
static void put_allocator_and_object(struct stream *stream, uint64_t object)
{
    put_null(stream); /* pAllocator */
    put_pointer(stream);
    stream_put64(stream, object);
}

void venus_encode_create_instance(struct stream *stream, uint64_t instance)
{
    put_command(stream, VENUS_CREATE_INSTANCE);
    put_pointer(stream); /* pCreateInfo */
    put_structure(stream, VENUS_INSTANCE_CREATE_INFO);
    stream_put32(stream, 0); /* flags */
    put_pointer(stream);     /* pApplicationInfo */
    put_structure(stream, VENUS_APPLICATION_INFO);
    put_array(stream, 0);                 /* pApplicationName */
    stream_put32(stream, 0);              /* applicationVersion */
    put_array(stream, 0);                 /* pEngineName */
    stream_put32(stream, 0);              /* engineVersion */
    stream_put32(stream, VULKAN_API_1_1); /* apiVersion */
    put_no_names(stream);                 /* layers */
    put_no_names(stream);                 /* extensions */
    put_allocator_and_object(stream, instance);
}

void venus_encode_enumerate_physical_devices(struct stream *stream, uint64_t instance,
                                             uint64_t physical_device)
{
    put_command(stream, VENUS_ENUMERATE_PHYSICAL_DEVICES);
    stream_put64(stream, instance);
    put_pointer(stream); /* pPhysicalDeviceCount */
    stream_put32(stream, 1);
    put_array(stream, 1); /* pPhysicalDevices */
    stream_put64(stream, physical_device);
}

void venus_encode_create_device(struct stream *stream, uint64_t physical_device,
                                uint64_t device)
{
    put_command(stream, VENUS_CREATE_DEVICE);
    stream_put64(stream, physical_device);
    put_pointer(stream); /* pCreateInfo */
    put_structure(stream, VENUS_DEVICE_CREATE_INFO);
    stream_put32(stream, 0); /* flags */
    stream_put32(stream, 1); /* queueCreateInfoCount */
    put_array(stream, 1);    /* pQueueCreateInfos */
    put_structure(stream, VENUS_DEVICE_QUEUE_CREATE_INFO);
    stream_put32(stream, 0); /* flags */
    stream_put32(stream, 0); /* queueFamilyIndex */
    stream_put32(stream, 1); /* queueCount */
    put_array(stream, 1);    /* pQueuePriorities */
    stream_put32(stream, FLOAT_ONE);
    put_no_names(stream); /* layers */
    put_no_names(stream); /* extensions: the renderer adds those for external memory */
    put_null(stream);     /* pEnabledFeatures */
    put_allocator_and_object(stream, device);
}

void venus_encode_allocate_memory(struct stream *stream, uint64_t device, uint64_t memory,
                                  uint64_t size, enum venus_export export)
{
    put_command(stream, VENUS_ALLOCATE_MEMORY);
    stream_put64(stream, device);
    put_pointer(stream); /* pAllocateInfo */
    stream_put32(stream, VENUS_MEMORY_ALLOCATE_INFO);
    if (export == VENUS_EXPORT_NONE) {
        put_null(stream); /* pNext */
    } else {
        put_pointer(stream); /* pNext */
        put_structure(stream, VENUS_EXPORT_MEMORY_ALLOCATE_INFO);
        stream_put32(stream, export); /* handleTypes */
    }
    stream_put64(stream, size); /* allocationSize */
    stream_put32(stream, 0);    /* memoryTypeIndex */
    put_allocator_and_object(stream, memory);
}

void venus_encode_device(struct stream *stream)
{
    venus_encode_create_instance(stream, VENUS_INSTANCE);
    venus_encode_enumerate_physical_devices(stream, VENUS_INSTANCE,
                                            VENUS_PHYSICAL_DEVICE);
    venus_encode_create_device(stream, VENUS_PHYSICAL_DEVICE, VENUS_DEVICE);
}
