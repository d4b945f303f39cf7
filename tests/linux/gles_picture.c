/* SPDX-License-Identifier: MIT */
/*
 * Draws the known picture with OpenGL ES through the driver virgl: a triangle strip of one colour for
 * each bar and side, a texture for the gradient. Reads it back, compares each pixel, and shows
 * the very buffer that was rendered to (GBM, no copy). Exit status 0: all pixels are right.
 *
 *   texture: uploaded (TRANSFER_TO_HOST_3D) -> drawn -> glReadPixels (TRANSFER_FROM_HOST_3D)
 *                                                  \-> scanout of the same resource
 */
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES2/gl2.h>
#include <gbm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/linux/picture.h"

struct renderer {
    struct gbm_device *device;
    struct gbm_surface *surface;
    EGLDisplay display;
    EGLContext context;
    EGLSurface window;
};

/* A pixel's centre is half a pixel away from every edge: a driver cannot round it away. */
static const char vertex_shader[] =
    "attribute vec2 place;\n"
    "attribute vec2 texel;\n"
    "varying vec2 where;\n"
    "void main() {\n"
    "    where = texel;\n"
    "    gl_Position = vec4(place, 0.0, 1.0);\n"
    "}\n";
static const char colour_shader[] =
    "precision highp float;\n"
    "uniform vec4 colour;\n"
    "void main() { gl_FragColor = colour; }\n";
static const char texture_shader[] =
    "precision highp float;\n"
    "uniform sampler2D gradient;\n"
    "varying vec2 where;\n"
    "void main() {\n"
    "    gl_FragColor = texture2D(gradient, where);\n"
    "}\n";

enum attribute { ATTRIBUTE_PLACE, ATTRIBUTE_TEXEL };

static bool failed(const char *call)
{
    printf("%s failed: EGL %#x\n", call, (unsigned)eglGetError());
    return false;
}

/* The configuration whose pixels are the screen's. */
static bool choose_config(EGLDisplay display, EGLConfig *config)
{
    static const EGLint wanted[] = {EGL_SURFACE_TYPE,
                                    EGL_WINDOW_BIT,
                                    EGL_RENDERABLE_TYPE,
                                    EGL_OPENGL_ES2_BIT,
                                    EGL_RED_SIZE,
                                    8,
                                    EGL_GREEN_SIZE,
                                    8,
                                    EGL_BLUE_SIZE,
                                    8,
                                    EGL_NONE};
    EGLConfig configs[64];
    EGLint count = 0;
    if (!eglChooseConfig(display, wanted, configs, 64, &count))
        return failed("eglChooseConfig");
    for (EGLint i = 0; i < count; i++) {
        EGLint format = 0;
        *config = configs[i];
        if (eglGetConfigAttrib(display, *config, EGL_NATIVE_VISUAL_ID, &format) &&
            (uint32_t)format == GBM_FORMAT_XRGB8888)
            return true;
    }
    return failed("no configuration for XRGB8888: eglChooseConfig");
}

static bool start(struct renderer *renderer, int card, uint32_t width, uint32_t height)
{
    static const EGLint version[] = {EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE};
    EGLConfig config = NULL;
    renderer->device = gbm_create_device(card);
    if (!renderer->device)
        return failed("gbm_create_device");
    renderer->surface =
        gbm_surface_create(renderer->device, width, height, GBM_FORMAT_XRGB8888,
                           GBM_BO_USE_SCANOUT | GBM_BO_USE_RENDERING);
    if (!renderer->surface)
        return failed("gbm_surface_create");
    renderer->display =
        eglGetPlatformDisplay(EGL_PLATFORM_GBM_KHR, renderer->device, NULL);
    if (!eglInitialize(renderer->display, NULL, NULL))
        return failed("eglInitialize");
    if (!eglBindAPI(EGL_OPENGL_ES_API) || !choose_config(renderer->display, &config))
        return false;
    renderer->context =
        eglCreateContext(renderer->display, config, EGL_NO_CONTEXT, version);
    renderer->window = eglCreatePlatformWindowSurface(renderer->display, config,
                                                      renderer->surface, NULL);
    if (!eglMakeCurrent(renderer->display, renderer->window, renderer->window,
                        renderer->context))
        return failed("eglMakeCurrent");
    return true;
}

static GLuint compile(GLenum type, const char *source)
{
    GLint good = 0;
    char log[512] = "";
    GLuint shader = glCreateShader(type);
    glShaderSource(shader, 1, &source, NULL);
    glCompileShader(shader);
    glGetShaderiv(shader, GL_COMPILE_STATUS, &good);
    if (good)
        return shader;
    glGetShaderInfoLog(shader, sizeof log, NULL, log);
    printf("a shader does not compile: %s\n", log);
    return 0;
}

static GLuint link_program(const char *fragment_source)
{
    GLint good = 0;
    GLuint program = glCreateProgram();
    GLuint vertex = compile(GL_VERTEX_SHADER, vertex_shader);
    GLuint fragment = compile(GL_FRAGMENT_SHADER, fragment_source);
    if (vertex == 0 || fragment == 0)
        return 0;
    glAttachShader(program, vertex);
    glAttachShader(program, fragment);
    glBindAttribLocation(program, ATTRIBUTE_PLACE, "place");
    glBindAttribLocation(program, ATTRIBUTE_TEXEL, "texel");
    glLinkProgram(program);
    glGetProgramiv(program, GL_LINK_STATUS, &good);
    if (good)
        return program;
    printf("a program does not link\n");
    return 0;
}

/* The rectangle as a strip of two triangles; OpenGL's y points up. */
static void draw_rectangle(const struct picture_part *part, uint32_t width,
                           uint32_t height)
{
    const float left = 2.0f * (float)part->x / (float)width - 1;
    const float right = 2.0f * (float)(part->x + part->width) / (float)width - 1;
    const float top = 1 - 2.0f * (float)part->y / (float)height;
    const float bottom = 1 - 2.0f * (float)(part->y + part->height) / (float)height;
    const float places[] = {left, top, left, bottom, right, top, right, bottom};
    static const float texels[] = {0, 0, 0, 1, 1, 0, 1, 1};
    glVertexAttribPointer(ATTRIBUTE_PLACE, 2, GL_FLOAT, GL_FALSE, 0, places);
    glVertexAttribPointer(ATTRIBUTE_TEXEL, 2, GL_FLOAT, GL_FALSE, 0, texels);
    glEnableVertexAttribArray(ATTRIBUTE_PLACE);
    glEnableVertexAttribArray(ATTRIBUTE_TEXEL);
    glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
}

static void draw_gradient(GLuint program, uint32_t width, uint32_t height,
                          uint8_t *pixels)
{
    const struct picture_part lower = {0, height / 2, width, height - height / 2, 0};
    GLuint texture;
    picture_gradient(width, height, false, pixels);
    glGenTextures(1, &texture);
    glBindTexture(GL_TEXTURE_2D, texture);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_S, GL_CLAMP_TO_EDGE);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_T, GL_CLAMP_TO_EDGE);
    glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA, (GLsizei)width, (GLsizei)lower.height, 0,
                 GL_RGBA, GL_UNSIGNED_BYTE, pixels);
    glUseProgram(program);
    draw_rectangle(&lower, width, height);
}

static void draw_parts(GLuint program, uint32_t width, uint32_t height)
{
    struct picture_part parts[PICTURE_PARTS];
    picture_parts(width, height, parts);
    glUseProgram(program);
    GLint place = glGetUniformLocation(program, "colour");
    for (uint32_t i = 0; i < PICTURE_PARTS; i++) {
        uint32_t colour = parts[i].colour;
        glUniform4f(place, (float)(colour >> 16 & 255) / 255,
                    (float)(colour >> 8 & 255) / 255, (float)(colour & 255) / 255, 1);
        draw_rectangle(&parts[i], width, height);
    }
}

/* Draws into the back buffer, and compares what comes back from the host. */
static bool draw(uint32_t width, uint32_t height)
{
    GLuint colours = link_program(colour_shader);
    GLuint textured = link_program(texture_shader);
    uint8_t *pixels = calloc((size_t)width * height, 4);
    bool good = pixels && colours != 0 && textured != 0;
    if (good) {
        glViewport(0, 0, (GLsizei)width, (GLsizei)height);
        glClearColor(1, 0, 1, 1);
        glClear(GL_COLOR_BUFFER_BIT);
        draw_gradient(textured, width, height, pixels);
        draw_parts(colours, width, height);
        memset(pixels, 0, (size_t)4 * width * height);
        glReadPixels(0, 0, (GLsizei)width, (GLsizei)height, GL_RGBA, GL_UNSIGNED_BYTE,
                     pixels);
        GLenum error = glGetError();
        if (error != GL_NO_ERROR)
            printf("OpenGL ES: error %#x\n", error);
        good = picture_compare("gles-picture", pixels, width, height, 4 * width, false,
                               true) &&
               error == GL_NO_ERROR;
    }
    free(pixels);
    return good;
}

static bool show(const struct renderer *renderer, const struct gpu *card,
                 const struct screen *screen)
{
    if (!eglSwapBuffers(renderer->display, renderer->window))
        return failed("eglSwapBuffers");
    struct gbm_bo *buffer = gbm_surface_lock_front_buffer(renderer->surface);
    if (!buffer)
        return failed("gbm_surface_lock_front_buffer");
    return picture_leave(card, screen, gbm_bo_get_handle(buffer).u32,
                         gbm_bo_get_stride(buffer));
}

int main(void)
{
    struct gpu card;
    struct screen screen;
    struct renderer renderer = {.device = NULL};
    if (!picture_open(&card, &screen))
        return EXIT_FAILURE;
    const uint32_t width = screen.mode.hdisplay;
    const uint32_t height = screen.mode.vdisplay;
    if (!start(&renderer, card.fd, width, height))
        return EXIT_FAILURE;
    const char *name = (const char *)glGetString(GL_RENDERER);
    printf("gles-picture: %ux%u by %s, %s\n", width, height, name,
           (const char *)glGetString(GL_VERSION));
    /* Mesa falls back to drawing in the guest without a word. */
    if (!name || strncmp(name, "virgl", 5) != 0) {
        printf("gles-picture: this is not virgl\n");
        return EXIT_FAILURE;
    }
    return draw(width, height) && show(&renderer, &card, &screen) ? EXIT_SUCCESS
                                                                  : EXIT_FAILURE;
}
