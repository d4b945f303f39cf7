/* SPDX-License-Identifier: MIT */
#include "vmm/matrix/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "vmm/matrix/measure.h"
#include "vmm/matrix/print.h"
#include "vmm/platform_names.h"

#define VM_TIMEOUT 60 /* seconds; without hardware virtualisation a look takes some */

static bool find_platform(const char *name, const struct platform_name **found,
                          struct error *error)
{
    char all[320] = "";
    *found = platform_name_find(name);
    for (size_t i = 0; i < platform_name_count; i++) {
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "",
                 platform_names[i].name);
    }
    return *found || error_set(error, ERROR_CONFIG_USAGE,
                               "--platform \"%s\": expected one of %s", name, all);
}

static unsigned kernel_version(void)
{
    struct utsname system = {.release = ""};
    char *end;
    uname(&system);
    unsigned long major = strtoul(system.release, &end, 10);
    if (major == 0 || *end != '.')
        return ~0u; /* newer than all that is explained */
    return MATRIX_KERNEL((unsigned)major, (unsigned)strtoul(end + 1, NULL, 10));
}

/* "arm64 (FWB), KVM's rules of 6.17 and later, Linux 7.2.12" */
static void describe_host(const struct memattr_platform *platform, char *text,
                          size_t size)
{
    struct utsname system = {.release = "?"};
    bool is_arm64 =
        platform->model == MEMATTR_ARM64 || platform->model == MEMATTR_ARM64_FWB;
    uname(&system);
    snprintf(text, size, "%s%s%s%s, Linux %s", memattr_model_name(platform->model),
             is_arm64 ? ", KVM's rules of Linux " : "",
             is_arm64 ? memattr_rules_name(platform->rules) : "",
             platform->ignores_guest_pat ? ", the guest's PAT is ignored" : "",
             system.release);
}

static bool init(struct matrix *matrix, const struct options *options,
                 const struct platform *host, char *host_text, size_t host_text_size,
                 struct error *error)
{
    const struct platform_name *named;
    bool good;
    if (options->platform) {
        if (!find_platform(options->platform, &named, error))
            return false;
        good = matrix_init(matrix, &named->memattr, named->name, named->text);
    } else {
        describe_host(&host->memattr, host_text, host_text_size);
        good = matrix_init(matrix, &host->memattr, "this host", host_text);
        matrix->kernel = kernel_version();
        matrix->write_hazard = host->pfnmap_write_hazard;
    }
    return good || error_set(error, ERROR_HOST_MEMORY, "no memory for the matrix");
}

static bool fill(struct matrix *matrix, const struct options *options,
                 const struct measure_config *config, struct error *error)
{
    if (options->measure)
        return measure_matrix(matrix, config, error);
    matrix_add_kinds(matrix);
    return true;
}

typedef void printer(FILE *out, const struct matrix *matrix,
                     const struct matrix_summary *summary);

static bool print_to_file(const char *option, const char *path, printer *print,
                          const struct matrix *matrix,
                          const struct matrix_summary *summary, struct error *error)
{
    if (!path)
        return true;
    FILE *out = fopen(path, "we");
    bool good = out != NULL;
    if (good) {
        print(out, matrix, summary);
        good = !ferror(out);
        good = fclose(out) == 0 && good;
    }
    return good || error_set(error, ERROR_CONFIG_FILE, "%s %s: %s", option, path,
                             strerror(errno));
}

bool matrix_command(const struct options *options, const struct platform *host,
                    bool honour_guest_pat, bool *explained, struct error *error)
{
    struct matrix matrix = {0};
    struct matrix_summary summary;
    struct trace trace;
    char host_text[200];
    struct measure_config config = {
        .machine =
            {
                .guest = options->guest,
                .memory_size = options->memory_size,
                .timeout = options->timeout ? options->timeout : VM_TIMEOUT,
                .honour_guest_pat = honour_guest_pat,
                .observe_s2 = options->observe_s2,
                .console = options->trace ? stderr : NULL,
                .trace = &trace,
            },
        .progress = options->trace ? stderr : NULL,
        .exporters = options->exporters,
    };
    trace_init(&trace, stderr, options->trace);
    bool good = init(&matrix, options, host, host_text, sizeof host_text, error) &&
                fill(&matrix, options, &config, error);
    if (good) {
        matrix_compare(&matrix, &summary);
        (options->json ? matrix_print_json : matrix_print_text)(stdout, &matrix,
                                                                &summary);
        good = print_to_file("--records", options->records, matrix_print_json, &matrix,
                             &summary, error) &&
               print_to_file("--html", options->html, matrix_print_html, &matrix,
                             &summary, error);
        *explained = summary.cells.unexplained == 0;
    }
    matrix_finish(&matrix);
    trace_finish(&trace);
    return good;
}
