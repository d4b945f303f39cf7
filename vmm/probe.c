/* SPDX-License-Identifier: MIT */
#include "vmm/probe.h"

#include <stdio.h>
#include <string.h>

#include "devices/gpu/dmabuf_report.h"
#include "devices/gpu/renderer_virgl.h"
#include "vmm/json.h"
#include "vmm/platform.h"
#include "vmm/preflight.h"

static void no_fence(void *context, struct renderer_timeline timeline, uint32_t fence)
{
    (void)context;
    (void)timeline;
    (void)fence;
}

/* What libvirglrenderer offers here; what it cannot do is a fact, too. */
static void add_renderer(struct platform *platform, const struct options *options,
                         struct render_server *server)
{
    const struct renderer_virgl_config config = {
        .virgl = options->virgl,
        .venus = options->venus,
        .server = server,
        .drm_node = options->drm_node,
        .fence = no_fence,
    };
    struct error error;
    struct renderer_virgl *virgl = renderer_virgl_create(&config, &error);
    if (!virgl) {
        platform_add_fact(platform, "renderer", error.text, "virgl_renderer_init");
        return;
    }
    platform_add_fact(platform, "renderer", renderer_virgl_library(virgl), "dlopen");
    struct renderer renderer = renderer_virgl_interface(virgl);
    struct renderer_capset capset;
    for (unsigned i = 0; renderer.ops->capset(renderer.context, i, &capset); i++) {
        char name[24];
        char value[64];
        snprintf(name, sizeof name, "capset %u", capset.id);
        snprintf(value, sizeof value, "version %u, %u bytes", capset.version,
                 capset.size);
        platform_add_fact(platform, name, value, "virgl_renderer_get_cap_set");
    }
    renderer_virgl_destroy(virgl);
}

static void probe_renderer(struct platform *platform, const struct options *options)
{
    struct error error;
    struct trace trace;
    struct render_server server = {0};
    trace_init(&trace, stderr, false);
    if (options->venus && !render_server_init(&server, NULL, &trace, &error))
        platform_add_fact(platform, "renderer", error.text, "fork");
    else
        add_renderer(platform, options, &server);
    render_server_finish(&server);
    trace_finish(&trace);
}

static void print_facts(const struct platform *platform, bool as_json)
{
    int width = 0;
    int name_width = 0;
    for (unsigned i = 0; i < platform->fact_count; i++) {
        int name_length = (int)strlen(platform->facts[i].name);
        if (name_length > name_width)
            name_width = name_length;
        int length = (int)strlen(platform->facts[i].value);
        if (length > width && length <= 60) /* a longer one may stick out */
            width = length;
    }
    for (unsigned i = 0; i < platform->fact_count; i++) {
        const struct platform_fact *fact = &platform->facts[i];
        if (as_json) {
            struct json json;
            json_begin(&json, stdout);
            json_string(&json, "name", fact->name);
            json_string(&json, "value", fact->value);
            json_string(&json, "where", fact->where);
            json_end(&json);
        } else {
            printf("%-*s  %-*s  %s\n", name_width, fact->name, width, fact->value,
                   fact->where);
        }
    }
}

bool probe_command(const struct options *options, struct error *error)
{
    struct platform platform;
    if (!platform_probe(&platform, NULL, error))
        return false;
    if (options->dmabuf)
        return dmabuf_report(options->dmabuf, &platform.memattr, options->drm_node,
                             options->json, stdout, error);
    preflight_add(&platform);
    if (options->venus || options->virgl)
        probe_renderer(&platform, options);
    print_facts(&platform, options->json);
    return true;
}
