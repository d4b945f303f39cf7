/* SPDX-License-Identifier: MIT */
#include "guest/linux/screen.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define CONNECTORS_MAX 16u
#define CRTCS_MAX      16u
#define MODES_MAX      64u
#define PROPERTIES_MAX 64u

static uint64_t pointer(const void *address)
{
    return (uint64_t)(uintptr_t)address;
}

/* A CRTC that the connector's encoder can be fed by. */
static int choose_crtc(const struct gpu *card, const struct drm_mode_card_res *resources,
                       const uint32_t *crtcs, uint32_t encoder_id, uint32_t *crtc)
{
    struct drm_mode_get_encoder encoder = {.encoder_id = encoder_id};
    int error = drm_ioctl(card->fd, DRM_IOCTL_MODE_GETENCODER, &encoder);
    if (error)
        return error;
    for (uint32_t i = 0; i < resources->count_crtcs; i++) {
        if ((encoder.possible_crtcs >> i) & 1) {
            *crtc = crtcs[i];
            return 0;
        }
    }
    return ENXIO;
}

/* ENXIO: it is not connected. */
static int look_at_connector(const struct gpu *card,
                             const struct drm_mode_card_res *resources,
                             const uint32_t *crtcs, struct screen *screen)
{
    struct drm_mode_modeinfo modes[MODES_MAX];
    uint32_t encoders[CRTCS_MAX];
    struct drm_mode_get_connector connector = {.connector_id = screen->connector};
    int error = drm_ioctl(card->fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector); /* probes */
    if (error)
        return error;
    /* 1: connected (enum drm_connector_status) */
    if (connector.connection != 1 || connector.count_modes == 0 ||
        connector.count_modes > MODES_MAX || connector.count_encoders == 0 ||
        connector.count_encoders > CRTCS_MAX)
        return ENXIO;
    connector.modes_ptr = pointer(modes);
    connector.encoders_ptr = pointer(encoders);
    connector.count_props = 0;
    error = drm_ioctl(card->fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector);
    if (error)
        return error;
    if (connector.count_modes == 0 || connector.count_encoders == 0)
        return ENXIO;
    screen->mode = modes[0];
    return choose_crtc(card, resources, crtcs, encoders[0], &screen->crtc);
}

int screen_find(const struct gpu *card, struct screen *screen)
{
    uint32_t connectors[CONNECTORS_MAX];
    uint32_t crtcs[CRTCS_MAX];
    struct drm_mode_card_res resources = {
        .connector_id_ptr = pointer(connectors),
        .count_connectors = CONNECTORS_MAX,
        .crtc_id_ptr = pointer(crtcs),
        .count_crtcs = CRTCS_MAX,
    };
    int error = drm_ioctl(card->fd, DRM_IOCTL_MODE_GETRESOURCES, &resources);
    if (error)
        return error;
    if (resources.count_connectors > CONNECTORS_MAX || resources.count_crtcs > CRTCS_MAX)
        return E2BIG;
    for (uint32_t i = 0; i < resources.count_connectors; i++) {
        screen->connector = connectors[i];
        error = look_at_connector(card, &resources, crtcs, screen);
        if (error != ENXIO)
            return error;
    }
    return ENXIO;
}

int screen_show(const struct gpu *card, const struct screen *screen, uint32_t handle,
                uint32_t stride, uint32_t *framebuffer)
{
    struct drm_mode_fb_cmd2 add = {
        .width = screen->mode.hdisplay,
        .height = screen->mode.vdisplay,
        .pixel_format = DRM_FORMAT_XRGB8888,
        .handles = {handle},
        .pitches = {stride},
    };
    int error = drm_ioctl(card->fd, DRM_IOCTL_MODE_ADDFB2, &add);
    if (error)
        return error;
    *framebuffer = add.fb_id;
    struct drm_mode_crtc set = {
        .set_connectors_ptr = pointer(&screen->connector),
        .count_connectors = 1,
        .crtc_id = screen->crtc,
        .fb_id = add.fb_id,
        .mode_valid = 1,
        .mode = screen->mode,
    };
    error = drm_ioctl(card->fd, DRM_IOCTL_MODE_SETCRTC, &set);
    return error ? error : screen_flush(card, add.fb_id);
}

int screen_flush(const struct gpu *card, uint32_t framebuffer)
{
    struct drm_mode_fb_dirty_cmd dirty = {.fb_id = framebuffer};
    return drm_ioctl(card->fd, DRM_IOCTL_MODE_DIRTYFB, &dirty);
}

int screen_hide(const struct gpu *card, uint32_t framebuffer)
{
    return drm_ioctl(card->fd, DRM_IOCTL_MODE_RMFB, &framebuffer);
}

int dumb_create(const struct gpu *card, uint32_t width, uint32_t height,
                struct dumb *dumb)
{
    struct drm_mode_create_dumb create = {.width = width, .height = height, .bpp = 32};
    int error = drm_ioctl(card->fd, DRM_IOCTL_MODE_CREATE_DUMB, &create);
    if (error)
        return error;
    *dumb = (struct dumb){
        .handle = create.handle,
        .width = width,
        .height = height,
        .stride = create.pitch,
        .size = create.size,
    };
    struct drm_mode_map_dumb map = {.handle = create.handle};
    error = drm_ioctl(card->fd, DRM_IOCTL_MODE_MAP_DUMB, &map);
    if (error)
        return error;
    void *pixels = mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_SHARED, card->fd,
                        (off_t)map.offset);
    if (pixels == MAP_FAILED)
        return errno;
    dumb->pixels = pixels;
    return 0;
}

int dumb_destroy(const struct gpu *card, struct dumb *dumb)
{
    struct drm_mode_destroy_dumb destroy = {.handle = dumb->handle};
    if (dumb->pixels)
        munmap(dumb->pixels, dumb->size);
    dumb->pixels = NULL;
    return drm_ioctl(card->fd, DRM_IOCTL_MODE_DESTROY_DUMB, &destroy);
}

/* The value of the connector's property of this name. */
static int connector_property(const struct gpu *card, const struct screen *screen,
                              const char *name, uint64_t *value)
{
    uint32_t ids[PROPERTIES_MAX];
    uint64_t values[PROPERTIES_MAX];
    struct drm_mode_obj_get_properties get = {
        .props_ptr = pointer(ids),
        .prop_values_ptr = pointer(values),
        .count_props = PROPERTIES_MAX,
        .obj_id = screen->connector,
        .obj_type = DRM_MODE_OBJECT_CONNECTOR,
    };
    int error = drm_ioctl(card->fd, DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &get);
    if (error)
        return error;
    for (uint32_t i = 0; i < get.count_props && i < PROPERTIES_MAX; i++) {
        struct drm_mode_get_property property = {.prop_id = ids[i]};
        error = drm_ioctl(card->fd, DRM_IOCTL_MODE_GETPROPERTY, &property);
        if (error)
            return error;
        if (strncmp(property.name, name, sizeof property.name) == 0) {
            *value = values[i];
            return 0;
        }
    }
    return ENOENT;
}

int screen_edid(const struct gpu *card, const struct screen *screen, uint8_t *edid,
                uint32_t room, uint32_t *size)
{
    uint64_t blob;
    *size = 0;
    int error = connector_property(card, screen, "EDID", &blob);
    if (error || blob == 0)
        return error == ENOENT ? 0 : error;
    struct drm_mode_get_blob get = {.blob_id = (uint32_t)blob};
    error = drm_ioctl(card->fd, DRM_IOCTL_MODE_GETPROPBLOB, &get);
    if (error || get.length > room)
        return error ? error : E2BIG;
    get.data = pointer(edid);
    *size = get.length;
    return drm_ioctl(card->fd, DRM_IOCTL_MODE_GETPROPBLOB, &get);
}
