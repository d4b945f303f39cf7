/* SPDX-License-Identifier: MIT */
/*
 * Draws the known picture with Vulkan through the driver venus: a copy for the gradient, a render pass
 * that clears a rectangle for each bar and side, and a copy into a buffer that the CPU sees through
 * the host-visible window. Compares each pixel, then shows that buffer's memory itself, as
 * a dma-buf. Exit status 0: all pixels are right.
 *
 *   upload buffer -> image (rendered to) -> shared buffer -> compared by the guest's CPU
 *                                                   \-> dma-buf -> scanout of the blob
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/linux/picture.h"
#include "tests/linux/vulkan_device.h"

#define FORMAT     VK_FORMAT_B8G8R8A8_UNORM
#define TIMEOUT_NS 60000000000u

struct drawing {
    struct vulkan vulkan;
    uint32_t width; /* pixels */
    uint32_t height;
    struct vulkan_buffer upload; /* the picture's lower half */
    struct vulkan_buffer shared; /* what came out */
    VkImage image;
    VkRenderPass pass;
    VkFramebuffer framebuffer;
    VkCommandBuffer commands;
};

static bool make_image(struct drawing *drawing)
{
    const struct vulkan *vulkan = &drawing->vulkan;
    const VkImageCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = FORMAT,
        .extent = {drawing->width, drawing->height, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT |
                 VK_IMAGE_USAGE_TRANSFER_DST_BIT,
    };
    VkMemoryRequirements requirements;
    VkDeviceMemory memory;
    if (!vulkan_good("vkCreateImage",
                     vkCreateImage(vulkan->device, &create, NULL, &drawing->image)))
        return false;
    vkGetImageMemoryRequirements(vulkan->device, drawing->image, &requirements);
    return vulkan_allocate(vulkan, &requirements, 0, NULL, &memory) &&
           vulkan_good("vkBindImageMemory",
                       vkBindImageMemory(vulkan->device, drawing->image, memory, 0));
}

/* Keeps what the copy left in the image, and leaves it ready to be copied from. */
static bool make_pass(struct drawing *drawing)
{
    const VkAttachmentDescription attachment = {
        .format = FORMAT,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .loadOp = VK_ATTACHMENT_LOAD_OP_LOAD,
        .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
        .initialLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
        .finalLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
    };
    const VkAttachmentReference reference = {
        .layout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    const VkSubpassDescription subpass = {
        .pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS,
        .colorAttachmentCount = 1,
        .pColorAttachments = &reference,
    };
    const VkRenderPassCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
        .attachmentCount = 1,
        .pAttachments = &attachment,
        .subpassCount = 1,
        .pSubpasses = &subpass,
    };
    return vulkan_good(
        "vkCreateRenderPass",
        vkCreateRenderPass(drawing->vulkan.device, &create, NULL, &drawing->pass));
}

static bool make_framebuffer(struct drawing *drawing)
{
    const VkDevice device = drawing->vulkan.device;
    VkImageView view;
    const VkImageViewCreateInfo create_view = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .image = drawing->image,
        .viewType = VK_IMAGE_VIEW_TYPE_2D,
        .format = FORMAT,
        .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
    };
    if (!vulkan_good("vkCreateImageView",
                     vkCreateImageView(device, &create_view, NULL, &view)))
        return false;
    const VkFramebufferCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
        .renderPass = drawing->pass,
        .attachmentCount = 1,
        .pAttachments = &view,
        .width = drawing->width,
        .height = drawing->height,
        .layers = 1,
    };
    return vulkan_good("vkCreateFramebuffer",
                       vkCreateFramebuffer(device, &create, NULL, &drawing->framebuffer));
}

static bool make_commands(struct drawing *drawing)
{
    const VkDevice device = drawing->vulkan.device;
    VkCommandPool pool;
    const VkCommandPoolCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = drawing->vulkan.family,
    };
    if (!vulkan_good("vkCreateCommandPool",
                     vkCreateCommandPool(device, &create, NULL, &pool)))
        return false;
    const VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = pool,
        .commandBufferCount = 1,
    };
    return vulkan_good("vkAllocateCommandBuffers",
                       vkAllocateCommandBuffers(device, &allocate, &drawing->commands));
}

/* Everything before is done and seen by everything after: exact stages would not make a
 * difference here. */
static void image_barrier(const struct drawing *drawing, VkImageLayout before,
                          VkImageLayout after)
{
    const VkImageMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT,
        .oldLayout = before,
        .newLayout = after,
        .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .image = drawing->image,
        .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
    };
    vkCmdPipelineBarrier(drawing->commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                         VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, 0, NULL, 0, NULL, 1,
                         &barrier);
}

static void record_parts(const struct drawing *drawing)
{
    struct picture_part parts[PICTURE_PARTS];
    const VkRenderPassBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
        .renderPass = drawing->pass,
        .framebuffer = drawing->framebuffer,
        .renderArea = {{0, 0}, {drawing->width, drawing->height}},
    };
    picture_parts(drawing->width, drawing->height, parts);
    vkCmdBeginRenderPass(drawing->commands, &begin, VK_SUBPASS_CONTENTS_INLINE);
    for (uint32_t i = 0; i < PICTURE_PARTS; i++) {
        const struct picture_part *part = &parts[i];
        const VkClearRect rectangle = {
            .rect = {{(int32_t)part->x, (int32_t)part->y}, {part->width, part->height}},
            .layerCount = 1,
        };
        const VkClearAttachment clear = {
            .aspectMask = VK_IMAGE_ASPECT_COLOR_BIT,
            .clearValue.color.float32 = {(float)(part->colour >> 16 & 255) / 255,
                                         (float)(part->colour >> 8 & 255) / 255,
                                         (float)(part->colour & 255) / 255, 1},
        };
        vkCmdClearAttachments(drawing->commands, 1, &clear, 1, &rectangle);
    }
    vkCmdEndRenderPass(drawing->commands);
}

static bool record(const struct drawing *drawing)
{
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    const uint32_t half = drawing->height / 2;
    const VkBufferImageCopy gradient = {
        .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
        .imageOffset = {0, (int32_t)half, 0},
        .imageExtent = {drawing->width, drawing->height - half, 1},
    };
    const VkBufferImageCopy all = {
        .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
        .imageExtent = {drawing->width, drawing->height, 1},
    };
    const VkMemoryBarrier to_cpu = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    if (!vulkan_good("vkBeginCommandBuffer",
                     vkBeginCommandBuffer(drawing->commands, &begin)))
        return false;
    image_barrier(drawing, VK_IMAGE_LAYOUT_UNDEFINED,
                  VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    vkCmdCopyBufferToImage(drawing->commands, drawing->upload.buffer, drawing->image,
                           VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1, &gradient);
    image_barrier(drawing, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
                  VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    record_parts(drawing);
    image_barrier(drawing, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
                  VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    vkCmdCopyImageToBuffer(drawing->commands, drawing->image,
                           VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, drawing->shared.buffer,
                           1, &all);
    vkCmdPipelineBarrier(drawing->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                         VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &to_cpu, 0, NULL, 0, NULL);
    return vulkan_good("vkEndCommandBuffer", vkEndCommandBuffer(drawing->commands));
}

static bool submit(const struct drawing *drawing)
{
    const VkDevice device = drawing->vulkan.device;
    const VkFenceCreateInfo create = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence;
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &drawing->commands,
    };
    return vulkan_good("vkCreateFence", vkCreateFence(device, &create, NULL, &fence)) &&
           vulkan_good("vkQueueSubmit",
                       vkQueueSubmit(drawing->vulkan.queue, 1, &info, fence)) &&
           vulkan_good("vkWaitForFences",
                       vkWaitForFences(device, 1, &fence, VK_TRUE, TIMEOUT_NS));
}

static bool draw(struct drawing *drawing)
{
    const struct vulkan *vulkan = &drawing->vulkan;
    const VkDeviceSize size = (VkDeviceSize)4 * drawing->width * drawing->height;
    if (!vulkan_buffer(vulkan, size, VK_BUFFER_USAGE_TRANSFER_SRC_BIT, false,
                       &drawing->upload) ||
        !vulkan_buffer(vulkan, size, VK_BUFFER_USAGE_TRANSFER_DST_BIT, true,
                       &drawing->shared) ||
        !make_image(drawing) || !make_pass(drawing) || !make_framebuffer(drawing) ||
        !make_commands(drawing))
        return false;
    picture_gradient(drawing->width, drawing->height, true, drawing->upload.bytes);
    memset(drawing->shared.bytes, 0x5a, (size_t)size);
    return record(drawing) && submit(drawing) &&
           picture_compare("vulkan-picture", drawing->shared.bytes, drawing->width,
                           drawing->height, 4 * drawing->width, true, false);
}

static bool show(const struct drawing *drawing, const struct gpu *card,
                 const struct screen *screen)
{
    uint32_t handle;
    int fd;
    if (!vulkan_export(&drawing->vulkan, &drawing->shared, &fd))
        return false;
    int error = gpu_import(card, fd, &handle);
    close(fd);
    if (error) {
        printf("vulkan-picture: the card does not take the dma-buf: %s\n",
               strerror(error));
        return false;
    }
    return picture_leave(card, screen, handle, 4 * drawing->width);
}

int main(void)
{
    struct gpu card;
    struct screen screen;
    struct drawing drawing = {.width = 0};
    if (!picture_open(&card, &screen) || !vulkan_open(&drawing.vulkan))
        return EXIT_FAILURE;
    drawing.width = screen.mode.hdisplay;
    drawing.height = screen.mode.vdisplay;
    printf("vulkan-picture: %ux%u by %s\n", drawing.width, drawing.height,
           drawing.vulkan.name);
    return draw(&drawing) && show(&drawing, &card, &screen) ? EXIT_SUCCESS : EXIT_FAILURE;
}
