/* SPDX-License-Identifier: MIT */
/* The kernel's word that a display of a card has changed: a uevent with HOTPLUG=1
 * (drm_sysfs_hotplug_event() of Linux), over netlink. Functions return 0 or an errno. */
#ifndef S2VMM_GUEST_LINUX_HOTPLUG_H
#define S2VMM_GUEST_LINUX_HOTPLUG_H

/* From now on events are kept. */
int hotplug_open(int *fd);

/* Takes events up to the first one of a display. ETIMEDOUT: none came within `seconds` of the one
 * before. */
int hotplug_wait(int fd, unsigned seconds);

#endif
