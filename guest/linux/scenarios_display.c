/* SPDX-License-Identifier: MIT */
/*
 * What is shown. Option keep=yes: a process stays in the background and holds the card open, so
 * that the picture is still there when the VM ends (--screenshot); it has to be the last scenario,
 * because the card has a master then.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest/linux/blob.h"
#include "guest/linux/hotplug.h"
#include "guest/linux/pattern.h"
#include "guest/linux/scenarios.h"
#include "guest/linux/screen.h"
#include "guest/linux/virgl_clear.h"

#define EDID_MAX   1024u
#define EDID_BLOCK 128u
#define CURSOR_SIZE                                                                      \
    64u /* pixels, of a virtio-gpu cursor's both sides (specification, 5.7) */

static bool start(struct test *test, struct gpu *card, struct screen *screen)
{
    CHECK_DONE(gpu_open_card(card));
    CHECK_DONE(screen_find(card, screen));
    return true;
}

/* With keep=yes the card stays open in another process. */
static bool finish(struct test *test, struct gpu *card, uint32_t framebuffer)
{
    bool kept;
    REQUIRE(test_keep(test, &kept));
    if (!kept)
        CHECK_DONE(screen_hide(card, framebuffer));
    gpu_close(card);
    return true;
}

static void draw_pattern(uint32_t *pixels, uint32_t width, uint32_t height,
                         uint32_t stride)
{
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++)
            pixels[(size_t)y * stride / sizeof *pixels + x] =
                pattern_pixel(x, y, width, height);
    }
}

#define RESIZE_SECONDS 60u

/* The mode that is preferred changes with a hotplug event; one that changes nothing is somebody
 * else's. What is shown stays. */
bool scenario_resize(struct test *test)
{
    struct gpu card;
    struct screen before;
    struct screen now;
    int events;
    REQUIRE(start(test, &card, &before));
    CHECK_DONE(hotplug_open(&events));
    test_say(test, "%ux%u, waits for another size", before.mode.hdisplay,
             before.mode.vdisplay);
    do {
        CHECK_DONE(hotplug_wait(events, RESIZE_SECONDS));
        CHECK_DONE(screen_find(&card, &now));
    } while (now.mode.hdisplay == before.mode.hdisplay &&
             now.mode.vdisplay == before.mode.vdisplay);
    test_say(test, "a hotplug event: %ux%u became %ux%u", before.mode.hdisplay,
             before.mode.vdisplay, now.mode.hdisplay, now.mode.vdisplay);
    close(events);
    gpu_close(&card);
    return true;
}

bool scenario_display(struct test *test)
{
    struct gpu card;
    struct screen screen;
    struct dumb dumb;
    uint32_t framebuffer;
    REQUIRE(start(test, &card, &screen));
    CHECK_DONE(dumb_create(&card, screen.mode.hdisplay, screen.mode.vdisplay, &dumb));
    draw_pattern(dumb.pixels, dumb.width, dumb.height, dumb.stride);
    CHECK_DONE(screen_show(&card, &screen, dumb.handle, dumb.stride, &framebuffer));
    /* Once more after the modeset: what is drawn later needs a flush. */
    memset(dumb.pixels, 0, dumb.size);
    CHECK_DONE(screen_flush(&card, framebuffer));
    draw_pattern(dumb.pixels, dumb.width, dumb.height, dumb.stride);
    CHECK_DONE(screen_flush(&card, framebuffer));
    test_say(test, "shows the pattern, %ux%u", dumb.width, dumb.height);
    return finish(test, &card, framebuffer);
}

/* Option kind=: what is shown. The one of virgl is a texture of 64 pixels' width, whose rows follow
 * each other, so that it can be shown as one of any width. */
static bool read_kind(struct test *test, enum blob_kind *kind)
{
    static const struct {
        const char *name;
        enum blob_kind kind;
    } kinds[] = {{"guest", BLOB_GUEST}, {"shm", BLOB_SHM}, {"virgl", BLOB_VIRGL}};
    const char *name = options_text(&test->options, "kind", "guest");
    size_t i = 0;
    while (i < ARRAY_SIZE(kinds) && strcmp(kinds[i].name, name) != 0)
        i++;
    CHECK(i < ARRAY_SIZE(kinds));
    *kind = kinds[i].kind;
    return true;
}

/* Linux shows a framebuffer that is a blob with SET_SCANOUT_BLOB
 * (virtio_gpu_primary_plane_update(), drivers/gpu/drm/virtio/virtgpu_plane.c). */
bool scenario_display_blob(struct test *test)
{
    struct gpu card;
    struct screen screen;
    struct blob blob = {.object = 1};
    uint32_t framebuffer;
    REQUIRE(read_kind(test, &blob.kind));
    REQUIRE(start(test, &card, &screen));
    REQUIRE(blob_context(test, &card, blob.kind));
    uint32_t stride = screen.mode.hdisplay * 4u;
    uint64_t flags = VIRTGPU_USE_MAPPABLE | VIRTGPU_USE_SHAREABLE |
                     (card.has_cross_device ? VIRTGPU_USE_CROSS_DEVICE : 0);
    if (blob.kind != BLOB_GUEST)
        flags = blob_default_flags(blob.kind);
    REQUIRE(test_option(test, "flags", flags, &flags));
    blob.flags = (uint32_t)flags;
    blob.size = align_up((uint64_t)stride * screen.mode.vdisplay, 4 * KIB);
    CHECK_DONE(blob_create(&card, &blob));
    CHECK_DONE(blob_map(&card, &blob));
    draw_pattern(blob.address, screen.mode.hdisplay, screen.mode.vdisplay, stride);
    CHECK_DONE(screen_show(&card, &screen, blob.handle, stride, &framebuffer));
    test_say(test, "resource %u: shows the pattern, %ux%u", blob.resource_id,
             screen.mode.hdisplay, screen.mode.vdisplay);
    return finish(test, &card, framebuffer);
}

/* Reads the texture back into the guest's pages, and compares. */
static bool check_cleared(struct test *test, const struct gpu *card,
                          const struct virtgpu_create *texture)
{
    const struct virtgpu_transfer transfer = {
        .handle = texture->handle,
        .width = texture->width,
        .height = texture->height,
        .depth = 1,
    };
    void *address;
    CHECK_DONE(gpu_transfer(card, false, &transfer));
    CHECK_DONE(gpu_wait(card, texture->handle));
    CHECK_DONE(gpu_map(card, texture->handle, texture->size, &address));
    const volatile uint32_t *pixels = address;
    for (size_t i = 0; i < (size_t)texture->width * texture->height; i++)
        CHECK_EQUAL(pixels[i] & 0xffffffu, PATTERN_CLEAR);
    return true;
}

bool scenario_display_virgl(struct test *test)
{
    struct gpu card;
    struct screen screen;
    struct stream stream = {.size = 0};
    uint32_t framebuffer;
    REQUIRE(start(test, &card, &screen));
    uint32_t stride = screen.mode.hdisplay * 4u;
    struct virtgpu_create texture = {
        .target = VIRGL_TARGET_2D,
        .format = VIRGL_FORMAT_B8G8R8X8,
        .bind = VIRGL_BIND_TARGET | VIRGL_BIND_SCANOUT,
        .width = screen.mode.hdisplay,
        .height = screen.mode.vdisplay,
        .depth = 1,
        .array_size = 1,
        .size = stride * screen.mode.vdisplay,
        .stride = stride,
    };
    CHECK_DONE(gpu_create(&card, &texture));
    virgl_encode_clear(&stream, 1, texture.resource_id, PATTERN_CLEAR);
    CHECK_DONE(gpu_submit(&card, &stream, 0, &texture.handle, 1, NULL));
    REQUIRE(check_cleared(test, &card, &texture));
    CHECK_DONE(screen_show(&card, &screen, texture.handle, stride, &framebuffer));
    test_say(test, "resource %u: shows a cleared texture, %ux%u, colour %#08x",
             texture.resource_id, texture.width, texture.height, PATTERN_CLEAR);
    return finish(test, &card, framebuffer);
}

static int move_cursor(const struct gpu *card, const struct screen *screen,
                       uint32_t handle, int32_t x, int32_t y)
{
    struct drm_mode_cursor2 cursor = {
        .flags = DRM_MODE_CURSOR_BO | DRM_MODE_CURSOR_MOVE,
        .crtc_id = screen->crtc,
        .x = x,
        .y = y,
        .width = CURSOR_SIZE,
        .height = CURSOR_SIZE,
        .handle = handle,
        .hot_x = 1,
        .hot_y = 2,
    };
    return drm_ioctl(card->fd, DRM_IOCTL_MODE_CURSOR2, &cursor);
}

bool scenario_cursor(struct test *test)
{
    struct gpu card;
    struct screen screen;
    struct dumb picture;
    struct dumb cursor;
    uint32_t framebuffer;
    REQUIRE(start(test, &card, &screen));
    CHECK_DONE(dumb_create(&card, screen.mode.hdisplay, screen.mode.vdisplay, &picture));
    draw_pattern(picture.pixels, picture.width, picture.height, picture.stride);
    CHECK_DONE(screen_show(&card, &screen, picture.handle, picture.stride, &framebuffer));
    CHECK_DONE(dumb_create(&card, CURSOR_SIZE, CURSOR_SIZE, &cursor));
    draw_pattern(cursor.pixels, CURSOR_SIZE, CURSOR_SIZE, cursor.stride);
    for (int32_t place = -16; place < 256; place += 16)
        CHECK_DONE(move_cursor(&card, &screen, cursor.handle, place, place));
    CHECK_DONE(move_cursor(&card, &screen, 0, 0, 0)); /* hidden */
    test_say(test, "moved a cursor of %ux%u, and hid it", CURSOR_SIZE, CURSOR_SIZE);
    return finish(test, &card, framebuffer);
}

/* A base block: header, and bytes whose sum is 0 (VESA E-EDID, 3.3 and 3.11). */
static bool check_block(struct test *test, const uint8_t *block)
{
    uint8_t sum = 0;
    for (uint32_t i = 0; i < EDID_BLOCK; i++)
        sum = (uint8_t)(sum + block[i]);
    CHECK_EQUAL(sum, 0);
    return true;
}

bool scenario_edid(struct test *test)
{
    static const uint8_t header[] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
    struct gpu card;
    struct screen screen;
    uint8_t edid[EDID_MAX] = {0};
    uint32_t size;
    REQUIRE(start(test, &card, &screen));
    CHECK_DONE(screen_edid(&card, &screen, edid, sizeof edid, &size));
    CHECK(size >= EDID_BLOCK && size % EDID_BLOCK == 0);
    CHECK(memcmp(edid, header, sizeof header) == 0);
    for (uint32_t block = 0; block < size; block += EDID_BLOCK)
        REQUIRE(check_block(test, edid + block));
    /* Two bytes of three letters, each of 5 bits, A is 1 (3.4.1). */
    unsigned maker = (unsigned)edid[8] << 8 | edid[9];
    test_say(test, "EDID of %u bytes, maker %c%c%c, preferred mode %ux%u", size,
             (char)('@' + (maker >> 10 & 31)), (char)('@' + (maker >> 5 & 31)),
             (char)('@' + (maker & 31)), screen.mode.hdisplay, screen.mode.vdisplay);
    gpu_close(&card);
    return true;
}

/*
 * PRIME export of a blob with CROSS_DEVICE makes Linux send RESOURCE_ASSIGN_UUID
 * (virtgpu_gem_prime_export(), drivers/gpu/drm/virtio/virtgpu_prime.c). User space never sees the
 * UUID; the VMM's trace does. The export of a dma-buf without it would not wait.
 */
bool scenario_uuid(struct test *test)
{
    struct gpu gpu;
    int fd;
    struct blob blob = {
        .kind = BLOB_GUEST,
        .flags = VIRTGPU_USE_MAPPABLE | VIRTGPU_USE_SHAREABLE | VIRTGPU_USE_CROSS_DEVICE,
        .size = 64 * KIB,
        .object = 1,
    };
    CHECK_DONE(gpu_open_render(&gpu));
    CHECK_DONE(blob_create(&gpu, &blob));
    CHECK_DONE(gpu_export(&gpu, blob.handle, &fd));
    test_say(test, "resource %u: exported with a UUID", blob.resource_id);
    close(fd);
    CHECK_DONE(blob_destroy(&gpu, &blob));
    gpu_close(&gpu);
    return true;
}
