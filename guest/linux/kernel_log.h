/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says meanwhile. Most commands of virtio-gpu are sent without waiting for the
 * answer, and an error in it goes to the kernel's log only (virtio_gpu_dequeue_ctrl_func(),
 * drivers/gpu/drm/virtio/virtgpu_vq.c): without a look there, a refused command looks like success.
 */
#ifndef S2VMM_GUEST_LINUX_KERNEL_LOG_H
#define S2VMM_GUEST_LINUX_KERNEL_LOG_H

struct test;

struct kernel_log {
    int fd; /* -1: it cannot be read, and nothing is known */
};

/* From now on. */
void kernel_log_open(struct kernel_log *log);
void kernel_log_close(struct kernel_log *log);

/* How many errors of the device the driver has printed since; prints each. */
unsigned kernel_log_device_errors(const struct kernel_log *log, const struct test *test);

#endif
