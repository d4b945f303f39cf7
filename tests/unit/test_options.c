/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "vmm/options.h"
#include "vmm/types.h"

static struct options options;
static struct error error;

/* Words are separated by one space; "''" is an empty one. */
static bool parse(const char *line)
{
    static char words[512];
    static char *argv[40];
    int argc = 0;
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
    argv[argc] = NULL;
    memset(&options, 0xaa, sizeof options);
    return options_parse(argc, argv, &options, &error);
}

static void parse_well(const char *line)
{
    ck_assert_msg(parse(line), "%s: %s", line, error.text);
}

START_TEST(without_options)
{
    parse_well("s2vmm run --guest g.elf");
    ck_assert_int_eq(options.command, OPTIONS_RUN);
    ck_assert_str_eq(options.guest, "g.elf");
    ck_assert_str_eq(options.append, "");
    ck_assert_ptr_null(options.initrd);
    ck_assert_uint_eq(options.memory_size, 64 * MIB);
    ck_assert_uint_eq(options.cpu_count, 1);
    ck_assert_uint_eq(options.timeout, 0);
    ck_assert(options.venus);
    ck_assert(!options.virgl);
    ck_assert_ptr_null(options.drm_node);
    ck_assert_uint_eq(options.window_size, 256 * MIB);
    ck_assert_int_eq(options.map_strategy, OPTIONS_MAP_AUTO);
    ck_assert(!options.permissive);
    ck_assert(!options.force_map_info);
    ck_assert_int_eq(options.guest_pat, OPTIONS_GUEST_PAT_AUTO);
    ck_assert(options.observe_s2);
    ck_assert(!options.json);
    ck_assert_ptr_null(options.records);
    ck_assert(!options.trace);
}
END_TEST

START_TEST(with_all_of_them)
{
    parse_well(
        "s2vmm run --guest=g.elf --append scenario=hello --initrd i.gz --memory 1G "
        "--cpus 16 "
        "--timeout 30 --gpu venus,virgl --drm-node /dev/dri/card0 --window 2M "
        "--map-strategy=window "
        "--cache-mode-policy permissive --force-map-info wc "
        "--honor-guest-pat on --observe-s2 off --json --records r.json --trace");
    ck_assert_str_eq(options.append, "scenario=hello");
    ck_assert_str_eq(options.initrd, "i.gz");
    ck_assert_uint_eq(options.memory_size, GIB);
    ck_assert_uint_eq(options.cpu_count, 16);
    ck_assert_uint_eq(options.timeout, 30);
    ck_assert(options.venus);
    ck_assert(options.virgl);
    ck_assert_str_eq(options.drm_node, "/dev/dri/card0");
    ck_assert_uint_eq(options.window_size, 2 * MIB);
    ck_assert_int_eq(options.map_strategy, OPTIONS_MAP_WINDOW);
    ck_assert(options.permissive);
    ck_assert(options.force_map_info);
    ck_assert_uint_eq(options.forced_map_info, MEMATTR_MAP_WC);
    ck_assert_int_eq(options.guest_pat, OPTIONS_GUEST_PAT_ON);
    ck_assert(!options.observe_s2);
    ck_assert(options.json);
    ck_assert_str_eq(options.records, "r.json");
    ck_assert(options.trace);
}
END_TEST

static const struct {
    const char *line;
    enum options_command command;
} commands[] = {
    {"s2vmm run --guest g", OPTIONS_RUN},
    {"s2vmm probe", OPTIONS_PROBE},
    {"s2vmm probe --json --gpu virgl", OPTIONS_PROBE},
    {"s2vmm matrix", OPTIONS_MATRIX},
    {"s2vmm matrix --platform arm64-fwb --json --html m.html", OPTIONS_MATRIX},
    {"s2vmm matrix --measure --guest g --records r.json", OPTIONS_MATRIX},
    {"s2vmm matrix --measure --guest g --exporters dmabuf-lab", OPTIONS_MATRIX},
    {"s2vmm probe --dmabuf udmabuf", OPTIONS_PROBE},
    {"s2vmm experiment", OPTIONS_EXPERIMENT},
    {"s2vmm experiment --guest g all --json", OPTIONS_EXPERIMENT},
    {"s2vmm matrix --help", OPTIONS_HELP},
    {"s2vmm --help", OPTIONS_HELP},
    {"s2vmm run --help", OPTIONS_HELP},
    {"s2vmm probe --help", OPTIONS_HELP},
    {"s2vmm run --guest g --help --nonsense", OPTIONS_HELP},
    {"s2vmm --version", OPTIONS_VERSION},
    {"s2vmm run --version", OPTIONS_VERSION},
};

START_TEST(commands_are_found)
{
    parse_well(commands[_i].line);
    ck_assert_int_eq(options.command, commands[_i].command);
}
END_TEST

#define RUN "s2vmm run --guest g "

static const struct {
    const char *line;
    uint64_t memory;
} sizes[] = {
    {RUN "--memory 16777216", 16 * MIB},
    {RUN "--memory 16M", 16 * MIB},
    {RUN "--memory 16384K", 16 * MIB},
    {RUN "--memory 256G", 256 * GIB},
    {RUN "--memory 17179869183G", 17179869183 * GIB},
};

START_TEST(sizes_have_suffixes)
{
    parse_well(sizes[_i].line);
    ck_assert_uint_eq(options.memory_size, sizes[_i].memory);
}
END_TEST

static const struct {
    const char *line;
    bool venus, virgl;
} renderers[] = {
    {RUN "--gpu none", false, false},      {RUN "--gpu venus", true, false},
    {RUN "--gpu virgl", false, true},      {RUN "--gpu venus,virgl", true, true},
    {RUN "--gpu virgl,venus", true, true}, {RUN "--gpu none --gpu virgl", false, true},
};

START_TEST(the_gpu_has_two_renderers)
{
    parse_well(renderers[_i].line);
    ck_assert_int_eq(options.venus, renderers[_i].venus);
    ck_assert_int_eq(options.virgl, renderers[_i].virgl);
}
END_TEST

START_TEST(an_exporter_takes_the_renderers_place)
{
    parse_well(RUN "--blobs-from dmabuf-lab:pages,fault,wc --drm-node /dev/dri/card0");
    ck_assert_str_eq(options.blobs_from, "dmabuf-lab:pages,fault,wc");
    ck_assert(!options.venus);
    ck_assert(!options.virgl);
}
END_TEST

START_TEST(policies_have_a_careful_default)
{
    parse_well(RUN);
    ck_assert(!options.copy_unsynced);
    ck_assert(!options.follow_changes);
    ck_assert(!options.prefault_shm);
    parse_well(RUN "--lent-timeout 7 --lent-overdue fail");
    ck_assert_uint_eq(options.lent_timeout, 7);
    ck_assert(options.fail_overdue);
    parse_well(RUN "--lent-overdue wait");
    ck_assert(!options.fail_overdue);
    parse_well(RUN "--needs-sync copy --may-change follow --prefault all");
    ck_assert(options.copy_unsynced);
    ck_assert(options.follow_changes);
    ck_assert(options.prefault_shm);
    parse_well(RUN "--needs-sync refuse --may-change refuse --prefault not-shm");
    ck_assert(!options.copy_unsynced);
    ck_assert(!options.follow_changes);
    ck_assert(!options.prefault_shm);
}
END_TEST

START_TEST(an_experiment_has_a_name)
{
    parse_well("s2vmm experiment --guest g fwb-overrides");
    ck_assert_str_eq(options.experiment, "fwb-overrides");
    parse_well("s2vmm experiment");
    ck_assert_ptr_null(options.experiment);
}
END_TEST

static const struct {
    const char *line;
    uint32_t value;
} forced[] = {
    {RUN "--force-map-info cached", 1}, {RUN "--force-map-info uncached", 2},
    {RUN "--force-map-info wc", 3},     {RUN "--force-map-info 3", 3},
    {RUN "--force-map-info 0", 0},      {RUN "--force-map-info 0x13", 0x13},
};

START_TEST(map_info_can_be_forced)
{
    parse_well(forced[_i].line);
    ck_assert(options.force_map_info);
    ck_assert_uint_eq(options.forced_map_info, forced[_i].value);
}
END_TEST

START_TEST(a_kernel_has_more_memory)
{
    parse_well("s2vmm run --kernel k");
    ck_assert_str_eq(options.guest, "k");
    ck_assert_uint_eq(options.memory_size, GIB);
    parse_well("s2vmm run --memory 3G --kernel k");
    ck_assert_uint_eq(options.memory_size, 3 * GIB);
}
END_TEST

START_TEST(a_machine_for_linux)
{
    parse_well(
        RUN
        "--disk a.img --disk b,c.img,readonly --rng --console virtio --transport pci");
    ck_assert_uint_eq(options.disk_count, 2);
    ck_assert_str_eq(options.disks[0].path, "a.img");
    ck_assert(!options.disks[0].readonly);
    ck_assert_str_eq(options.disks[1].path, "b,c.img");
    ck_assert(options.disks[1].readonly);
    ck_assert(options.rng);
    ck_assert(options.virtio_console);
    ck_assert_int_eq(options.transport, OPTIONS_TRANSPORT_PCI);

    parse_well(RUN "--disk readonly");
    ck_assert_str_eq(options.disks[0].path, "readonly");
    ck_assert(!options.rng);
    ck_assert(!options.virtio_console);
    ck_assert_int_eq(options.transport, OPTIONS_TRANSPORT_AUTO);
    ck_assert_uint_eq(options.display_count, 0);
}
END_TEST

START_TEST(quotas)
{
    parse_well(RUN "--quota resources=3,host-memory=5M --quota command-time=70");
    ck_assert_uint_eq(options.quota.of[QUOTA_RESOURCES], 3);
    ck_assert_uint_eq(options.quota.of[QUOTA_HOST_MEMORY], 5 * MIB);
    ck_assert_uint_eq(options.quota.of[QUOTA_WINDOW], 0);
    ck_assert_uint_eq(options.quota.command_milliseconds, 70);
}
END_TEST

START_TEST(displays)
{
    parse_well(RUN "--gpu 2d --display 64x8192,640x480");
    ck_assert(options.gpu_2d);
    ck_assert(!options.venus);
    ck_assert(options_has_gpu(&options));
    ck_assert_uint_eq(options.display_count, 2);
    ck_assert_uint_eq(options.displays[0].sizes[0].width, 64);
    ck_assert_uint_eq(options.displays[0].sizes[0].height, 8192);
    ck_assert_uint_eq(options.displays[1].sizes[0].width, 640);
    ck_assert_uint_eq(options.displays[1].sizes[0].height, 480);
    ck_assert_uint_eq(options.displays[1].size_count, 1);

    parse_well(RUN "--display 64x65,640x480/800x600/66x67");
    ck_assert_uint_eq(options.display_count, 2);
    ck_assert_uint_eq(options.displays[0].size_count, 1);
    ck_assert_uint_eq(options.displays[1].size_count, 3);
    ck_assert_uint_eq(options.displays[1].sizes[1].width, 800);
    ck_assert_uint_eq(options.displays[1].sizes[2].height, 67);
    parse_well(RUN "--display 64x64/64x64/64x64/64x64/64x64/64x64/64x64/64x64,64x64");
    ck_assert_uint_eq(options.display_count, 2);
    ck_assert_uint_eq(options.displays[0].size_count, OPTIONS_SIZES_MAX);

    parse_well(RUN "--screenshot s.png");
    ck_assert_str_eq(options.screenshot, "s.png");
    ck_assert_uint_eq(options.display_count, 1);
    ck_assert_uint_eq(options.displays[0].sizes[0].width, 1024);
}
END_TEST

// clang-format off
static const struct {
    const char *line;
    const char *text; /* a part of the message */
} bad[] = {
    {"s2vmm", "what shall I do?"},
    {"s2vmm fly", "no command \"fly\": expected run, probe, matrix, experiment or update"},
    {"s2vmm ''", "no command \"\""},
    {"s2vmm -", "\"-\" is too much"},
    {"s2vmm --json", "what shall I do?"},
    {"s2vmm update", "update needs the PATH of the run's --update-socket"},
    {"s2vmm update a b", "\"b\" is too much"},
    {"s2vmm update a --count=0", "--count"},
    {"s2vmm run --guest g --binary=x", "--binary and --count are for `s2vmm update`"},
    {"s2vmm probe --update-socket=x", "--update-socket x is for `s2vmm run`"},
    {"s2vmm run --guest g --take-over=1,2", "--take-over \"1,2\": it is for"},
    {"s2vmm run --guest g --take-over=900", "--take-over \"900\": it is for"},
    {"s2vmm --guest g", "what shall I do?"},
    {"s2vmm run", "run needs --guest FILE"},
    {"s2vmm run --guest", "--guest needs a value"},
    {"s2vmm run --fast", "--fast is not an option"},
    {"s2vmm run -g", "-g is not an option"},
    {"s2vmm run --guest g -xy", "-x is not an option"},
    {"s2vmm -xy", "-x is not an option"},
    {"s2vmm run --json=yes", "--json=yes"},
    {"s2vmm matrix --measure", "--measure needs --guest FILE"},
    {"s2vmm matrix --measure --guest g --platform amd-npt", "leave out --platform amd-npt"},
    {RUN "--measure", "are for `s2vmm matrix`"},
    {RUN "--html m", "are for `s2vmm matrix`"},
    {"s2vmm probe --platform amd-npt", "are for `s2vmm matrix`"},
    {RUN "--exporters udmabuf", "are for `s2vmm matrix`"},
    {"s2vmm matrix --exporters udmabuf", "--exporters udmabuf is for --measure"},
    {RUN "--dmabuf 3", "--dmabuf 3 is for `s2vmm probe`"},
    {"s2vmm probe --blobs-from udmabuf", "--blobs-from udmabuf is for `s2vmm run`"},
    {RUN "--blobs-from udmabuf --gpu venus", "takes the renderer's place"},
    {RUN "--gpu venus --blobs-from udmabuf", "takes the renderer's place"},
    {"s2vmm experiment revoked", "experiment revoked needs --guest FILE"},
    {"s2vmm experiment revoked twice --guest g", "\"twice\" is too much"},
    {RUN "more", "\"more\" is too much"},
    {RUN "-- more", "\"more\" is too much"},

    {RUN "--memory 0x1000", "--memory \"0x1000\""},
    {RUN "--memory 0", "--memory 0: a guest needs RAM"},
    {RUN "--memory 1T", "--memory \"1T\": expected a size"},
    {RUN "--memory 1MB", "--memory \"1MB\""},
    {RUN "--memory M", "--memory \"M\""},
    {RUN "--memory -1M", "--memory \"-1M\""},
    {RUN "--memory=", "--memory \"\""},
    {RUN "--memory 18446744073709551616", "--memory \"18446744073709551616\""},
    {RUN "--memory 17179869184G", "--memory \"17179869184G\""},
    {RUN "--memory 1.5G", "--memory \"1.5G\""},

    {RUN "--cpus 0", "--cpus \"0\": expected a whole number from 1 to 16"},
    {RUN "--cpus 17", "from 1 to 16"},
    {RUN "--cpus -1", "--cpus \"-1\""},
    {RUN "--cpus two", "--cpus \"two\""},
    {RUN "--cpus 4294967297", "--cpus \"4294967297\""},
    {RUN "--cpus 99999999999999999999", "--cpus \"99999999999999999999\""},
    {RUN "--cpus=", "--cpus \"\""},
    {RUN "--cpus 2x", "--cpus \"2x\""},
    {RUN "--timeout 0", "--timeout \"0\""},
    {RUN "--timeout 86401", "from 1 to 86400"},

    {RUN "--gpu vulkan", "expected one of none, venus, virgl, venus,virgl, virgl,venus, 2d"},
    {RUN "--renderer outside", "expected one of inside, process"},
    {RUN "--gpu none --renderer process", "--renderer=process is for virgl and venus"},
    {RUN "--blobs-from udmabuf --renderer process", "--renderer=process is for virgl and venus"},
    {RUN "--drm-node /dev/dri/card0", "--drm-node is for virgl and for gbm"},
    {RUN "--gpu none --drm-node /dev/dri/card0", "--drm-node is for virgl and for gbm"},
    {RUN "--window 0", "--window: 0 bytes"},
    {RUN "--window 3M", "expected a multiple of 2M"},
    {RUN "--window 65G", "up to 64G"},
    {RUN "--window big", "--window \"big\""},
    {RUN "--map-strategy arena", "--map-strategy \"arena\": expected one of auto, slot, window"},
    {RUN "--cache-mode-policy lax", "--cache-mode-policy \"lax\": expected one of strict, permissive"},
    {RUN "--needs-sync yes", "--needs-sync \"yes\": expected one of refuse, copy"},
    {RUN "--lent-timeout 0", "from 1 to"},
    {RUN "--lent-overdue no", "--lent-overdue \"no\": expected one of wait, fail"},
    {RUN "--prefault none", "--prefault \"none\": expected one of not-shm, all"},
    {RUN "--may-change no", "--may-change \"no\": expected one of refuse, follow"},
    {RUN "--force-map-info wt", "--force-map-info \"wt\": expected cached, uncached, wc"},
    {RUN "--force-map-info=", "--force-map-info \"\": expected cached"},
    {RUN "--force-map-info 0x100", "to send, from 0 to 0xff"},
    {RUN "--force-map-info 3,", "expected cached"},
    {RUN "--transport usb", "expected one of auto, mmio, pci"},
    {RUN "--console tty", "expected one of serial, virtio"},
    {RUN "--disk=", "--disk needs the path of an image"},
    {RUN "--disk a --disk b --disk c --disk d --disk e", "--disk e: 4 disks are possible"},
    {RUN "--quota resources", "--quota resources \"\": expected a whole number"},
    {RUN "--quota resources=0", "from 1 to"},
    {RUN "--quota window=0", "--quota window=0: a guest needs some"},
    {RUN "--quota window=5x", "expected a size"},
    {RUN "--quota fds=3,pears=1", "one of resources, contexts, host-memory, window, fds"},
    {RUN "--quota contexts=3,", "--quota \"\""},
    {RUN "--display 1024", "expected WIDTHxHEIGHT"},
    {RUN "--display 1024x", "expected WIDTHxHEIGHT"},
    {RUN "--display 63x64", "from 64 to 8192"},
    {RUN "--display 64x8193", "from 64 to 8192"},
    {RUN "--display 64x64,", "expected WIDTHxHEIGHT"},
    {RUN "--display 64x64,64x64,64x64,64x64,64x64", "up to 4 times"},
    {RUN "--display 64x64;64x64", "expected WIDTHxHEIGHT"},
    {RUN "--display 64x64/", "expected WIDTHxHEIGHT"},
    {RUN "--display 64x64/63x64", "from 64 to 8192"},
    {RUN "--display 64x64/64x64/64x64/64x64/64x64/64x64/64x64/64x64/64x64", "up to 8 sizes"},
    {RUN "--gpu none --display 64x64", "--display needs a GPU"},
    {RUN "--gpu none --screenshot s.png", "--screenshot needs a GPU"},
    {RUN "--honor-guest-pat yes", "expected one of auto, on, off"},
    {RUN "--observe-s2 on", "expected one of auto, off"},
};
// clang-format on

START_TEST(a_mistake_is_named)
{
    ck_assert_msg(!parse(bad[_i].line), "%s", bad[_i].line);
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    ck_assert_msg(strstr(error.text, bad[_i].text) != NULL, "%s: %s", bad[_i].line,
                  error.text);
}
END_TEST

/* strtoull() skips white space and takes a sign; a shell's quotes can bring one here. */
START_TEST(a_number_begins_with_a_digit)
{
    static const char *const values[] = {" 2", "+2", " -2", "\t2"};
    static const char *const names[] = {"--memory", "--cpus", "--timeout", "--window"};
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        char name[] = "s2vmm", run[] = "run", guest[] = "--guest=g";
        char option[32], value[8];
        snprintf(option, sizeof option, "%s", names[_i]);
        snprintf(value, sizeof value, "%s", values[i]);
        char *argv[] = {name, run, guest, option, value, NULL};
        ck_assert_msg(!options_parse(5, argv, &options, &error), "%s '%s'", option,
                      value);
        ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    }
}
END_TEST

START_TEST(help_tells_all_options)
{
    static const char *const all[] = {"--guest",
                                      "--kernel",
                                      "--disk",
                                      "--transport",
                                      "--console",
                                      "--vfio",
                                      "--rng",
                                      "--display",
                                      "--screenshot",
                                      "--append",
                                      "--initrd",
                                      "--memory",
                                      "--cpus",
                                      "--timeout",
                                      "--gpu",
                                      "--drm-node",
                                      "--window",
                                      "--map-strategy",
                                      "--cache-mode-policy",
                                      "--needs-sync",
                                      "--may-change",
                                      "--prefault",
                                      "--blobs-from",
                                      "--exporters",
                                      "--dmabuf",
                                      "--force-map-info",
                                      "--honor-guest-pat",
                                      "--observe-s2",
                                      "--json",
                                      "--records",
                                      "--trace",
                                      "--help",
                                      "--version",
                                      "run",
                                      "probe",
                                      "matrix",
                                      "experiment"};
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    options_print_help(out);
    fclose(out);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        ck_assert_msg(strstr(text, all[i]) != NULL, "%s", all[i]);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        ck_assert_msg(strcspn(line, "\n") <= 90, "%s", line);
    free(text);
}
END_TEST

Suite *options_suite(void)
{
    Suite *suite = suite_create("options");
    TCase *test_case = tcase_create("options");
    tcase_add_test(test_case, without_options);
    tcase_add_test(test_case, with_all_of_them);
    tcase_add_loop_test(test_case, commands_are_found, 0, (int)ARRAY_SIZE(commands));
    tcase_add_loop_test(test_case, sizes_have_suffixes, 0, (int)ARRAY_SIZE(sizes));
    tcase_add_loop_test(test_case, the_gpu_has_two_renderers, 0,
                        (int)ARRAY_SIZE(renderers));
    tcase_add_test(test_case, an_exporter_takes_the_renderers_place);
    tcase_add_test(test_case, policies_have_a_careful_default);
    tcase_add_test(test_case, an_experiment_has_a_name);
    tcase_add_loop_test(test_case, map_info_can_be_forced, 0, (int)ARRAY_SIZE(forced));
    tcase_add_test(test_case, a_kernel_has_more_memory);
    tcase_add_test(test_case, a_machine_for_linux);
    tcase_add_test(test_case, quotas);
    tcase_add_test(test_case, displays);
    tcase_add_loop_test(test_case, a_mistake_is_named, 0, (int)ARRAY_SIZE(bad));
    tcase_add_loop_test(test_case, a_number_begins_with_a_digit, 0, 4);
    tcase_add_test(test_case, help_tells_all_options);
    suite_add_tcase(suite, test_case);
    return suite;
}
