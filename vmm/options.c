/* SPDX-License-Identifier: MIT */
#include "vmm/options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/options_values.h"
#include "vmm/types.h"

#define DEFAULT_MEMORY        (64 * MIB)
#define DEFAULT_KERNEL_MEMORY GIB
#define DEFAULT_WINDOW        (256 * MIB)
#define WINDOW_MAX            (64 * GIB)
#define CPUS_MAX              16u

#define FLAG(name) offsetof(struct options, name)

enum option_id {
    OPTION_GUEST = 256,
    OPTION_KERNEL,
    OPTION_APPEND,
    OPTION_INITRD,
    OPTION_MEMORY,
    OPTION_MEMORY_BACKEND,
    OPTION_CPUS,
    OPTION_TRANSPORT,
    OPTION_DISK,
    OPTION_VFIO,
    OPTION_RNG,
    OPTION_CONSOLE,
    OPTION_TIMEOUT,
    OPTION_GPU,
    OPTION_RENDERER,
    OPTION_DISPLAY,
    OPTION_SCREENSHOT,
    OPTION_DRM_NODE,
    OPTION_WINDOW,
    OPTION_QUOTA,
    OPTION_LENT_TIMEOUT,
    OPTION_LENT_OVERDUE,
    OPTION_MAP_STRATEGY,
    OPTION_POLICY,
    OPTION_NEEDS_SYNC,
    OPTION_MAY_CHANGE,
    OPTION_PREFAULT,
    OPTION_BLOBS_FROM,
    OPTION_FORCE_MAP_INFO,
    OPTION_GUEST_PAT,
    OPTION_OBSERVE_S2,
    OPTION_SANDBOX,
    OPTION_JSON,
    OPTION_RECORDS,
    OPTION_PLATFORM,
    OPTION_MEASURE,
    OPTION_HTML,
    OPTION_EXPORTERS,
    OPTION_DMABUF,
    OPTION_UPDATE_SOCKET,
    OPTION_BINARY,
    OPTION_COUNT,
    OPTION_TAKE_OVER,
    OPTION_TRACE,
    OPTION_HELP,
    OPTION_VERSION,
};

static const struct option long_options[] = {
    {"guest", required_argument, NULL, OPTION_GUEST},
    {"kernel", required_argument, NULL, OPTION_KERNEL},
    {"append", required_argument, NULL, OPTION_APPEND},
    {"initrd", required_argument, NULL, OPTION_INITRD},
    {"memory", required_argument, NULL, OPTION_MEMORY},
    {"memory-backend", required_argument, NULL, OPTION_MEMORY_BACKEND},
    {"cpus", required_argument, NULL, OPTION_CPUS},
    {"transport", required_argument, NULL, OPTION_TRANSPORT},
    {"disk", required_argument, NULL, OPTION_DISK},
    {"vfio", required_argument, NULL, OPTION_VFIO},
    {"rng", no_argument, NULL, OPTION_RNG},
    {"console", required_argument, NULL, OPTION_CONSOLE},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"gpu", required_argument, NULL, OPTION_GPU},
    {"renderer", required_argument, NULL, OPTION_RENDERER},
    {"display", required_argument, NULL, OPTION_DISPLAY},
    {"screenshot", required_argument, NULL, OPTION_SCREENSHOT},
    {"drm-node", required_argument, NULL, OPTION_DRM_NODE},
    {"window", required_argument, NULL, OPTION_WINDOW},
    {"quota", required_argument, NULL, OPTION_QUOTA},
    {"lent-timeout", required_argument, NULL, OPTION_LENT_TIMEOUT},
    {"lent-overdue", required_argument, NULL, OPTION_LENT_OVERDUE},
    {"map-strategy", required_argument, NULL, OPTION_MAP_STRATEGY},
    {"cache-mode-policy", required_argument, NULL, OPTION_POLICY},
    {"needs-sync", required_argument, NULL, OPTION_NEEDS_SYNC},
    {"may-change", required_argument, NULL, OPTION_MAY_CHANGE},
    {"prefault", required_argument, NULL, OPTION_PREFAULT},
    {"blobs-from", required_argument, NULL, OPTION_BLOBS_FROM},
    {"force-map-info", required_argument, NULL, OPTION_FORCE_MAP_INFO},
    {"honor-guest-pat", required_argument, NULL, OPTION_GUEST_PAT},
    {"observe-s2", required_argument, NULL, OPTION_OBSERVE_S2},
    {"sandbox", required_argument, NULL, OPTION_SANDBOX},
    {"json", no_argument, NULL, OPTION_JSON},
    {"records", required_argument, NULL, OPTION_RECORDS},
    {"platform", required_argument, NULL, OPTION_PLATFORM},
    {"measure", no_argument, NULL, OPTION_MEASURE},
    {"html", required_argument, NULL, OPTION_HTML},
    {"exporters", required_argument, NULL, OPTION_EXPORTERS},
    {"dmabuf", required_argument, NULL, OPTION_DMABUF},
    {"update-socket", required_argument, NULL, OPTION_UPDATE_SOCKET},
    {"binary", required_argument, NULL, OPTION_BINARY},
    {"count", required_argument, NULL, OPTION_COUNT},
    {"take-over", required_argument, NULL, OPTION_TAKE_OVER}, /* the supervisor's */
    {"trace", no_argument, NULL, OPTION_TRACE},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static bool parse_gpu(const char *text, struct options *options, struct error *error)
{
    static const char *const choices[] = {"none",        "venus", "virgl", "venus,virgl",
                                          "virgl,venus", "2d",    NULL};
    unsigned choice;
    if (!parse_choice("--gpu", text, choices, &choice, error))
        return false;
    options->gpu_given = true;
    options->venus = choice == 1 || choice == 3 || choice == 4;
    options->virgl = choice >= 2 && choice <= 4;
    options->gpu_2d = choice == 5;
    return true;
}

/* Options whose value is taken as it is, or that have none. False: it is another one. */
static bool take_option(int id, const char *value, struct options *options)
{
    switch (id) {
    case OPTION_GUEST:
        options->guest = value;
        break;
    case OPTION_KERNEL:
        options->guest = value;
        options->default_memory = DEFAULT_KERNEL_MEMORY;
        break;
    case OPTION_RNG:
        options->rng = true;
        break;
    case OPTION_SCREENSHOT:
        options->screenshot = value;
        break;
    case OPTION_APPEND:
        options->append = value;
        break;
    case OPTION_INITRD:
        options->initrd = value;
        break;
    case OPTION_DRM_NODE:
        options->drm_node = value;
        break;
    case OPTION_RECORDS:
        options->records = value;
        break;
    case OPTION_PLATFORM:
        options->platform = value;
        break;
    case OPTION_MEASURE:
        options->measure = true;
        break;
    case OPTION_HTML:
        options->html = value;
        break;
    case OPTION_BLOBS_FROM:
        options->blobs_from = value;
        break;
    case OPTION_EXPORTERS:
        options->exporters = value;
        break;
    case OPTION_DMABUF:
        options->dmabuf = value;
        break;
    case OPTION_UPDATE_SOCKET:
        options->update_socket = value;
        break;
    case OPTION_BINARY:
        options->binary = value;
        break;
    case OPTION_JSON:
        options->json = true;
        break;
    case OPTION_TRACE:
        options->trace = true;
        break;
    case OPTION_HELP:
        options->command = OPTIONS_HELP;
        break;
    case OPTION_VERSION:
        options->command = OPTIONS_VERSION;
        break;
    default:
        return false;
    }
    return true;
}

/* Options that take one of a few words. */
static const struct word_option {
    int id;
    const char *name;
    const char *words[4]; /* NULL behind the last one */
    size_t flag; /* where struct options has a bool that the second word sets, or 0 */
} word_options[] = {
    {OPTION_TRANSPORT, "--transport", {"auto", "mmio", "pci"}, 0},
    {OPTION_MEMORY_BACKEND, "--memory-backend", {"memfd", "guest_memfd"}, 0},
    {OPTION_CONSOLE, "--console", {"serial", "virtio"}, FLAG(virtio_console)},
    {OPTION_RENDERER, "--renderer", {"inside", "process"}, FLAG(renderer_process)},
    {OPTION_MAP_STRATEGY, "--map-strategy", {"auto", "slot", "window"}, 0},
    {OPTION_POLICY, "--cache-mode-policy", {"strict", "permissive"}, FLAG(permissive)},
    {OPTION_NEEDS_SYNC, "--needs-sync", {"refuse", "copy"}, FLAG(copy_unsynced)},
    {OPTION_MAY_CHANGE, "--may-change", {"refuse", "follow"}, FLAG(follow_changes)},
    {OPTION_PREFAULT, "--prefault", {"not-shm", "all"}, FLAG(prefault_shm)},
    {OPTION_LENT_OVERDUE, "--lent-overdue", {"wait", "fail"}, FLAG(fail_overdue)},
    {OPTION_GUEST_PAT, "--honor-guest-pat", {"auto", "on", "off"}, 0},
    {OPTION_OBSERVE_S2, "--observe-s2", {"auto", "off"}, 0},
    {OPTION_SANDBOX, "--sandbox", {"on", "log", "off"}, 0},
};

static const struct word_option *find_word_option(int id)
{
    for (size_t i = 0; i < ARRAY_SIZE(word_options); i++)
        if (word_options[i].id == id)
            return &word_options[i];
    BUG_ON(true);
}

static bool parse_word(int id, const char *value, struct options *options,
                       struct error *error)
{
    const struct word_option *option = find_word_option(id);
    unsigned choice = 0;
    if (!parse_choice(option->name, value, option->words, &choice, error))
        return false;
    if (option->flag > 0)
        *(bool *)((char *)options + option->flag) = choice == 1;
    else if (id == OPTION_TRANSPORT)
        options->transport = (enum options_transport)choice;
    else if (id == OPTION_MEMORY_BACKEND)
        options->memory_backend = (enum options_memory_backend)choice;
    else if (id == OPTION_MAP_STRATEGY)
        options->map_strategy = (enum options_map_strategy)choice;
    else if (id == OPTION_GUEST_PAT)
        options->guest_pat = (enum options_guest_pat)choice;
    else if (id == OPTION_OBSERVE_S2)
        options->observe_s2 = choice == 0;
    else
        options->sandbox = (enum sandbox_mode)choice;
    return true;
}

static bool parse_option(int id, char *value, struct options *options,
                         struct error *error)
{
    uint64_t number = 0;
    bool good = true;

    if (take_option(id, value, options))
        return true;
    switch (id) {
    case OPTION_MEMORY:
        good = parse_size("--memory", value, &options->memory_size, error) &&
               (options->memory_size > 0 ||
                error_set(error, ERROR_CONFIG_USAGE, "--memory 0: a guest needs RAM"));
        break;
    case OPTION_CPUS:
        good = parse_number("--cpus", value, 1, CPUS_MAX, &number, error);
        options->cpu_count = (unsigned)number;
        break;
    case OPTION_DISK:
        good = parse_disk(value, options, error);
        break;
    case OPTION_VFIO:
        good = parse_vfio(value, options, error);
        break;
    case OPTION_DISPLAY:
        good = parse_displays(value, options, error);
        break;
    case OPTION_TIMEOUT:
        good = parse_number("--timeout", value, 1, 86400, &number, error);
        options->timeout = (unsigned)number;
        break;
    case OPTION_GPU:
        good = parse_gpu(value, options, error);
        break;
    case OPTION_WINDOW:
        good = parse_size("--window", value, &options->window_size, error);
        break;
    case OPTION_QUOTA:
        good = parse_quota(value, &options->quota, error);
        break;
    case OPTION_COUNT:
        good = parse_number("--count", value, 1, 1000000, &number, error);
        options->update_count = (unsigned)number;
        break;
    case OPTION_TAKE_OVER:
        good = parse_take_over(value, options, error);
        break;
    case OPTION_LENT_TIMEOUT:
        good = parse_number("--lent-timeout", value, 1, 86400, &number, error);
        options->lent_timeout = (unsigned)number;
        break;
    case OPTION_FORCE_MAP_INFO:
        good = parse_forced_map_info(value, options, error);
        break;
    default:
        good = parse_word(id, value, options, error);
    }
    return good;
}

/* --- the whole --- */

bool options_has_gpu(const struct options *options)
{
    return options->venus || options->virgl || options->gpu_2d || options->blobs_from;
}

static bool check_matrix(const struct options *options, struct error *error)
{
    if (options->measure && options->platform)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "--measure looks at this host: leave out --platform %s",
                         options->platform);
    if (options->measure && !options->guest)
        return error_set(
            error, ERROR_CONFIG_USAGE,
            "--measure needs --guest FILE: the guest.elf that `make` builds");
    if (options->exporters && !options->measure)
        return error_set(error, ERROR_CONFIG_USAGE, "--exporters %s is for --measure",
                         options->exporters);
    return true;
}

static bool check_run(const struct options *options, struct error *error)
{
    if (!options->guest)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "run needs --guest FILE, e.g. the guest.elf that `make` builds, "
                         "or --kernel FILE");
    if ((options->screenshot || options->display_count > 0) && !options_has_gpu(options))
        return error_set(error, ERROR_CONFIG_USAGE,
                         "%s needs a GPU: leave out --gpu=none, or take --gpu=2d",
                         options->screenshot ? "--screenshot" : "--display");
    if (options->vfio_count > 0 && options->transport == OPTIONS_TRANSPORT_MMIO)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "--vfio %s needs a PCI bus: leave out --transport=mmio",
                         options->vfio[0].address);
    if (!is_aligned(options->window_size, 2 * MIB) || options->window_size == 0 ||
        options->window_size > WINDOW_MAX)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "--window: %llu bytes; expected a multiple of 2M, up to 64G",
                         (unsigned long long)options->window_size);
    if (options->blobs_from && options->gpu_given)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "--blobs-from %s takes the renderer's place: leave out --gpu",
                         options->blobs_from);
    if (options->renderer_process && !options->virgl && !options->venus)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "--renderer=process is for virgl and venus: add --gpu=venus, or "
                         "leave it out");
    if (options->drm_node && !options->virgl && !options->blobs_from)
        return error_set(
            error, ERROR_CONFIG_USAGE,
            "--drm-node is for virgl and for gbm: add --gpu=virgl, or leave it out");
    return true;
}

static bool check(const struct options *options, struct error *error)
{
    enum options_command command = options->command;
    if (command != OPTIONS_MATRIX &&
        (options->platform || options->measure || options->html || options->exporters))
        return error_set(error, ERROR_CONFIG_USAGE,
                         "--platform, --measure, --exporters and --html are for `s2vmm "
                         "matrix`");
    if (command != OPTIONS_PROBE && options->dmabuf)
        return error_set(error, ERROR_CONFIG_USAGE, "--dmabuf %s is for `s2vmm probe`",
                         options->dmabuf);
    if (command != OPTIONS_RUN && options->blobs_from)
        return error_set(error, ERROR_CONFIG_USAGE, "--blobs-from %s is for `s2vmm run`",
                         options->blobs_from);
    if (command == OPTIONS_EXPERIMENT && options->experiment && !options->guest)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "experiment %s needs --guest FILE: the guest.elf that `make` "
                         "builds",
                         options->experiment);
    if (command != OPTIONS_UPDATE && (options->binary || options->update_count > 0))
        return error_set(error, ERROR_CONFIG_USAGE,
                         "--binary and --count are for `s2vmm update`");
    if (command != OPTIONS_UPDATE && command != OPTIONS_RUN && options->update_socket)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "--update-socket %s is for `s2vmm run`", options->update_socket);
    if (command == OPTIONS_UPDATE && !options->update_socket)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "update needs the PATH of the run's --update-socket");
    if (command == OPTIONS_MATRIX)
        return check_matrix(options, error);
    return command != OPTIONS_RUN || check_run(options, error);
}

static bool no_command(struct error *error)
{
    return error_set(error, ERROR_CONFIG_USAGE,
                     "what shall I do? `s2vmm run`, `s2vmm probe`, `s2vmm matrix`, "
                     "`s2vmm experiment`, `s2vmm update`, or `s2vmm --help`");
}

/* What getopt_long() did not like; of short options there are none. */
static bool bad_option(int id, const char *word, struct error *error)
{
    const char letter[] = {'-', (char)optopt, '\0'};
    bool is_letter = optopt > 0 && optopt < OPTION_GUEST;
    return error_set(error, ERROR_CONFIG_USAGE, "%s %s; `s2vmm --help` lists them",
                     is_letter ? letter : word,
                     id == ':' ? "needs a value" : "is not an option");
}

bool options_parse(int argc, char **argv, struct options *options, struct error *error)
{
    *options = (struct options){
        .command = OPTIONS_HELP,
        .append = "",
        .default_memory = DEFAULT_MEMORY,
        .cpu_count = 1,
        .venus = true,
        .window_size = DEFAULT_WINDOW,
        .observe_s2 = true,
        .sandbox = sandbox_default_mode(),
        .update_control = -1,
        .update_takeover = -1,
    };
    if (argc < 2)
        return no_command(error);
    if (strcmp(argv[1], "run") == 0)
        options->command = OPTIONS_RUN;
    else if (strcmp(argv[1], "probe") == 0)
        options->command = OPTIONS_PROBE;
    else if (strcmp(argv[1], "matrix") == 0)
        options->command = OPTIONS_MATRIX;
    else if (strcmp(argv[1], "experiment") == 0)
        options->command = OPTIONS_EXPERIMENT;
    else if (strcmp(argv[1], "update") == 0)
        options->command = OPTIONS_UPDATE;
    else if (argv[1][0] != '-')
        return error_set(error, ERROR_CONFIG_USAGE,
                         "there is no command \"%s\": expected run, probe, matrix, "
                         "experiment or update",
                         argv[1]);

    opterr = 0;
    optind = options->command == OPTIONS_HELP ? 1 : 2;
    int id;
    while ((id = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (id == '?' || id == ':')
            return bad_option(id, argv[optind - 1], error);
        if (!parse_option(id, optarg, options, error))
            return false;
        if (id == OPTION_HELP || id == OPTION_VERSION)
            return true;
    }
    if (options->command == OPTIONS_EXPERIMENT && optind < argc)
        options->experiment = argv[optind++];
    if (options->command == OPTIONS_UPDATE && optind < argc)
        options->update_socket = argv[optind++];
    if (optind < argc)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "\"%s\" is too much: options begin with --", argv[optind]);
    if (options->blobs_from && !options->gpu_given)
        options->venus = false;
    if (options->memory_size == 0)
        options->memory_size = options->default_memory;
    if (options->screenshot && options->display_count == 0)
        options->displays[options->display_count++] =
            (struct options_display){.size_count = 1, .sizes = {{1024, 768}}};
    /* --help and --version have returned already. */
    return options->command == OPTIONS_HELP ? no_command(error) : check(options, error);
}
