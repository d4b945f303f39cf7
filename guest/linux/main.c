/* SPDX-License-Identifier: MIT */
/*
 * s2guest: tries a virtio-gpu from the user space of a Linux guest, over the kernel's DRM
 * interface alone. Static, so that it runs in any initrd.
 *
 *   s2guest [json] SCENARIO[+SCENARIO]... [key=value]...
 *   s2guest [json] all [key=value]...      what this device can do
 *   s2guest list
 *
 * Status: 0 all went as it must, 1 something did not, 2 usage.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "guest/linux/drm.h"
#include "guest/linux/kernel_log.h"
#include "guest/linux/scenarios.h"
#include "guest/linux/screen.h"

#define NAMES_MAX 1024u

struct call {
    const char *names; /* SCENARIO+SCENARIO, or "all" */
    struct test test;
};

static void print_usage(FILE *out)
{
    (void)fputs(
        "usage: s2guest [json] SCENARIO[+SCENARIO]... [key=value]...\n"
        "       s2guest [json] all [key=value]...   what this device can do\n"
        "       s2guest list\n\n",
        out);
    for (unsigned i = 0; i < scenario_count; i++)
        (void)fprintf(out, "  %-18s %s\n", scenarios[i].name, scenarios[i].summary);
}

static const struct scenario *find(const char *name)
{
    for (unsigned i = 0; i < scenario_count; i++) {
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    }
    return NULL;
}

/* What this device has, of NEEDS_*. Whether there is a Vulkan driver behind venus only the
 * attempt can tell: a context that has none fails at its first command. */
static unsigned what_there_is(void)
{
    struct gpu gpu;
    struct screen screen;
    unsigned has = 0;
    if (gpu_open_render(&gpu) == 0) {
        bool window = gpu.has_blobs && gpu.has_window;
        has |= gpu.has_blobs ? NEEDS_BLOBS : 0;
        has |= gpu.has_3d ? NEEDS_3D : 0;
        has |= gpu.has_cross_device ? NEEDS_UUID : 0;
        has |= window && gpu_has_capset(&gpu, GPU_CAPSET_VENUS) ? NEEDS_VENUS : 0;
        has |= window && gpu_has_capset(&gpu, GPU_CAPSET_VIRGL2) ? NEEDS_VIRGL : 0;
        gpu_close(&gpu);
    }
    if (gpu_open_card(&gpu) == 0) {
        has |= screen_find(&gpu, &screen) == 0 ? NEEDS_SCREEN : 0;
        gpu_close(&gpu);
    }
    return has;
}

/* Linux only prints what the device answers to most commands, so a scenario must have had no error
 * there, unless it is about one (device-errors=yes, expect=refused). */
static bool check_kernel_log(struct test *test, struct kernel_log *log)
{
    bool allowed;
    REQUIRE(test_flag(test, "device-errors", false, &allowed));
    allowed = allowed ||
              strcmp(options_text(&test->options, "expect", "mapped"), "refused") == 0;
    return kernel_log_device_errors(log, test) == 0 || allowed;
}

/* In a process of its own, so that what a failed scenario leaves open, or a signal that it gets,
 * is not the next one's. */
static bool run_apart(struct test *test, const struct scenario *scenario)
{
    int status;
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        bool works = scenario->run(test);
        (void)fflush(NULL);
        _exit(works ? 0 : 1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return false;
    if (WIFSIGNALED(status))
        printf("FAIL %s: signal %d\n", scenario->name, WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool run(struct call *call, const struct scenario *scenario)
{
    struct kernel_log log;
    call->test.scenario = scenario->name;
    kernel_log_open(&log);
    bool works = run_apart(&call->test, scenario);
    works = check_kernel_log(&call->test, &log) && works;
    kernel_log_close(&log);
    printf("s2guest: %s: %s\n", scenario->name, works ? "ok" : "FAILED");
    if (call->test.json)
        printf("{\"s2guest\":\"%s\",\"ok\":%s}\n", scenario->name,
               works ? "true" : "false");
    return works;
}

/* All that the device can do; those it cannot are named. vulkan=yes: also what needs a Vulkan
 * driver on the host. */
static int run_all(struct call *call)
{
    unsigned has = what_there_is();
    unsigned failed = 0;
    const char *vulkan = options_text(&call->test.options, "vulkan", "no");
    has |= (has & NEEDS_VENUS) && strcmp(vulkan, "yes") == 0 ? NEEDS_VULKAN : 0;
    for (unsigned i = 0; i < scenario_count; i++) {
        if (scenarios[i].needs & ~has)
            printf("s2guest: %s: not on this device\n", scenarios[i].name);
        else
            failed += !run(call, &scenarios[i]);
    }
    printf("s2guest: all: %u failed\n", failed);
    return failed > 0;
}

static bool all_are_known(const char *names)
{
    char copy[NAMES_MAX];
    (void)snprintf(copy, sizeof copy, "%s", names);
    for (char *rest = copy, *name; (name = strsep(&rest, "+")) != NULL;) {
        if (find(name))
            continue;
        (void)fprintf(stderr, "s2guest: no scenario %s\n\n", name);
        return false;
    }
    return true;
}

static int run_names(struct call *call)
{
    char names[NAMES_MAX];
    int failed = 0;
    int length = snprintf(names, sizeof names, "%s", call->names);
    if (length < 0 || (size_t)length >= sizeof names || !all_are_known(names)) {
        print_usage(stderr);
        return 2;
    }
    for (char *rest = names, *name; (name = strsep(&rest, "+")) != NULL;)
        failed |= !run(call, find(name));
    return failed;
}

/* The words of the command line, put together again for options_parse(). */
static bool read_call(int argc, char **argv, struct call *call)
{
    char text[OPTIONS_TEXT_MAX] = "";
    size_t length = 0;
    int next = 1;
    call->test.json = next < argc && strcmp(argv[next], "json") == 0;
    next += call->test.json;
    if (next >= argc)
        return false;
    call->names = argv[next++];
    for (; next < argc; next++) {
        int more = snprintf(text + length, sizeof text - length, "%s ", argv[next]);
        if (more < 0 || (size_t)more >= sizeof text - length)
            return false;
        length += (size_t)more;
    }
    return options_parse(&call->test.options, text);
}

int main(int argc, char **argv)
{
    /* Shared with the scenarios' processes, which mark the options that they ask for. */
    struct call *call = mmap(NULL, sizeof *call, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (call == MAP_FAILED)
        return 1;
    /* Line by line, so that the lines come in their order on a console. */
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (!read_call(argc, argv, call)) {
        print_usage(stderr);
        return 2;
    }
    if (strcmp(call->names, "list") == 0) {
        print_usage(stdout);
        return 0;
    }
    int status = strcmp(call->names, "all") == 0 ? run_all(call) : run_names(call);
    const char *unused = options_unused(&call->test.options);
    if (status == 0 && unused) {
        (void)fprintf(stderr, "s2guest: no scenario asked for %s=\n", unused);
        status = 2;
    }
    /* The VM may end as soon as this does: with what a serial console still has to send. */
    (void)tcdrain(STDOUT_FILENO);
    return status;
}
