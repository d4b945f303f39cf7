/* SPDX-License-Identifier: MIT */
/* The first connected scanout of a card, and what is shown on it. Functions that return int
 * return 0 or an errno. */
#ifndef S2VMM_GUEST_LINUX_SCREEN_H
#define S2VMM_GUEST_LINUX_SCREEN_H

#include "guest/linux/drm.h"

struct screen {
    uint32_t connector;
    uint32_t crtc;
    struct drm_mode_modeinfo mode; /* the preferred one: the first */
};

/* ENXIO: nothing is connected, or there is no scanout at all. */
int screen_find(const struct gpu *card, struct screen *screen);

/* Shows a GEM object of XRGB8888 pixels, of the mode's size. *framebuffer is for later. */
int screen_show(const struct gpu *card, const struct screen *screen, uint32_t handle,
                uint32_t stride, uint32_t *framebuffer);

/* Carries over to the host what was drawn since. */
int screen_flush(const struct gpu *card, uint32_t framebuffer);

/* Frees the framebuffer, which also switches the scanout off. */
int screen_hide(const struct gpu *card, uint32_t framebuffer);

struct dumb {
    uint32_t handle;
    uint32_t width;
    uint32_t height;
    uint32_t stride; /* bytes */
    uint64_t size;   /* bytes */
    uint32_t *pixels;
};

int dumb_create(const struct gpu *card, uint32_t width, uint32_t height,
                struct dumb *dumb);
int dumb_destroy(const struct gpu *card, struct dumb *dumb);

/* The connector's EDID: at most `room` bytes of it, and its real size. 0 bytes: it has none. */
int screen_edid(const struct gpu *card, const struct screen *screen, uint8_t *edid,
                uint32_t room, uint32_t *size);

#endif
