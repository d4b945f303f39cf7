/* SPDX-License-Identifier: MIT */
/*
 * Runs the end-to-end cases that this environment can run.
 *
 * S2VMM_E2E names what the environment has ("kvm,venus,dmabuf"): whoever starts the tests
 * knows which machine it started. A case that needs more is not for this environment; the
 * names of those that ran are appended to the file S2VMM_E2E_RAN, so that the caller can see
 * to it that every case runs somewhere. `e2e-tests --list` prints all names.
 */
#include <check.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/e2e/cases.h"
#include "tests/e2e/host.h"
#include "tests/e2e/lent.h"
#include "tests/e2e/picture.h"
#include "tests/e2e/run.h"
#include "tests/e2e/server.h"
#include "tests/e2e/update.h"

static const struct {
    const char *word;
    uint64_t need;
} words[] = {
    {"kvm", NEEDS_KVM},
    {"venus", NEEDS_VENUS},
    {"dmabuf", NEEDS_DMABUF},
    {"gbm", NEEDS_GBM},
    {"hardware", NEEDS_HARDWARE},
    {"npt", NEEDS_NPT},
    {"s2", NEEDS_S2},
    {"lie", NEEDS_LIE},
    {"opaque", NEEDS_OPAQUE},
    {"no-gbm", NEEDS_NO_GBM},
    {"shadow", NEEDS_SHADOW},
    {"virgl", NEEDS_VIRGL},
    {"x86", NEEDS_X86},
    {"no-kvm", NEEDS_NO_KVM},
    {"arm64", NEEDS_ARM64},
    {"fwb", NEEDS_FWB},
    {"nofwb", NEEDS_NO_FWB},
    {"strict", NEEDS_STRICT},
    {"gicv2", NEEDS_GICV2},
    {"linux", NEEDS_LINUX},
    {"hazard", NEEDS_HAZARD},
    {"lab-modules", NEEDS_LAB_MODULES},
    {"no-info", NEEDS_NO_INFO},
    {"pci", NEEDS_PCI},
    {"slot", NEEDS_SLOT},
    {"image", NEEDS_IMAGE},
    {"virtio-gpu", NEEDS_VIRTIO_GPU},
    {"user", NEEDS_USER},
    {"vfio", NEEDS_VFIO},
    {"guest-memfd", NEEDS_GUEST_MEMFD},
    {"no-guest-memfd", NEEDS_NO_GUEST_MEMFD},
    {"update", NEEDS_UPDATE},
    {"process", NEEDS_PROCESS},
};

/* The tables, one after the other; behind the last case NULL. */
static const struct e2e_case *case_at(unsigned index)
{
    const struct {
        const struct e2e_case *cases;
        unsigned count;
    } tables[] = {
        {e2e_cases, e2e_case_count},
        {e2e_cases_arm64, e2e_case_arm64_count},
        {e2e_cases_lab, e2e_case_lab_count},
        {e2e_cases_gpu, e2e_case_gpu_count},
        {e2e_cases_boot, e2e_case_boot_count},
        {e2e_cases_linux, e2e_case_linux_count},
        {e2e_cases_mesa, e2e_case_mesa_count},
        {e2e_cases_devices, e2e_case_devices_count},
        {e2e_cases_hostile, e2e_case_hostile_count},
        {e2e_cases_peers, e2e_case_peer_count},
        {e2e_cases_sandbox, e2e_case_sandbox_count},
        {e2e_cases_vfio, e2e_case_vfio_count},
        {e2e_cases_memory, e2e_case_memory_count},
        {e2e_cases_server, e2e_case_server_count},
        {e2e_cases_update, e2e_case_update_count},
        {e2e_cases_process, e2e_case_process_count},
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (index < tables[i].count)
            return &tables[i].cases[index];
        index -= tables[i].count;
    }
    return NULL;
}

/* Those that a machine with the word "pci" runs over virtio-pci, and one with the word "slot"
 * with that map strategy: the tiny guest with a GPU. */
static bool can_be_varied(const struct e2e_case *test)
{
    bool no_gpu = false;
    for (unsigned i = 0; i < CASE_ARGUMENTS_MAX && test->arguments[i]; i++)
        no_gpu |= strcmp(test->arguments[i], "--gpu=none") == 0;
    return test->scenario && !no_gpu &&
           !(test->needs & (NEEDS_USER | NEEDS_VFIO | NEEDS_GUEST_MEMFD | NEEDS_UPDATE |
                            NEEDS_PROCESS));
}

static bool over_pci; /* these two are set once, before the tests run */
static bool with_slots;

static void print_names(void)
{
    const struct e2e_case *test;
    for (unsigned i = 0; (test = case_at(i)) != NULL; i++)
        printf(can_be_varied(test) ? "%s\n%s over PCI\n%s with slots\n" : "%s\n",
               test->name, test->name, test->name);
}

/* What the environment has; an unknown word is a mistake of the caller. Only cases that need
 * each of the words with a plus in front are run. */
static uint64_t read_environment(uint64_t *wanted)
{
    uint64_t has = 0;
    const char *list = getenv("S2VMM_E2E");
    char *copy = strdup(list ? list : "");
    *wanted = 0;
    for (char *word = strtok(copy, ","); word; word = strtok(NULL, ",")) {
        size_t i = 0;
        bool plus = word[0] == '+';
        word += plus;
        while (i < sizeof words / sizeof words[0] && strcmp(words[i].word, word) != 0)
            i++;
        if (i == sizeof words / sizeof words[0]) {
            fprintf(stderr, "S2VMM_E2E: unknown word \"%s\"\n", word);
            exit(2);
        }
        has |= words[i].need;
        *wanted |= plus ? words[i].need : 0;
    }
    free(copy);
    return has;
}

/* The end of it: Check limits the length of a message. */
static const char *tail(const char *text)
{
    const size_t most = 1200;
    size_t length = strlen(text);
    return length > most ? text + length - most : text;
}

static void check_texts(const struct e2e_case *test, const char *const *texts,
                        const char *stream, const char *output,
                        const struct run_result *result)
{
    for (unsigned i = 0; i < CASE_TEXTS_MAX && texts[i]; i++)
        ck_assert_msg(strstr(output, texts[i]) != NULL,
                      "%s: \"%s\" is not on %s\n--- stdout\n%s--- stderr\n%s", test->name,
                      texts[i], stream, tail(result->out), tail(result->err));
}

START_TEST(case_holds)
{
    const struct e2e_case *test = case_at((unsigned)_i);
    static struct run_result result;
    const char *arguments[RUN_ARGUMENTS_MAX] = {0};
    unsigned count = 0;
    if (test->scenario) {
        static char guest[600];
        snprintf(guest, sizeof guest, "--guest=%s", run_guest_path());
        arguments[count++] = "run";
        arguments[count++] = guest;
        arguments[count++] = "--timeout=100";
        arguments[count++] = "--append";
        arguments[count++] = test->scenario;
    }
    if (over_pci)
        arguments[count++] = "--transport=pci";
    if (with_slots)
        arguments[count++] = "--map-strategy=slot";
    for (unsigned i = 0; i < CASE_ARGUMENTS_MAX && test->arguments[i]; i++)
        arguments[count++] =
            strcmp(test->arguments[i], CASE_GUEST) == 0    ? run_guest_path()
            : strcmp(test->arguments[i], CASE_SOCKET) == 0 ? update_socket_option()
                                                           : test->arguments[i];

    char path[PICTURE_PATH_MAX];
    char screenshot[PICTURE_PATH_MAX + 32];
    if (test->picture != PICTURE_ANY) {
        picture_path(path);
        snprintf(screenshot, sizeof screenshot, "--screenshot=%s", path);
        arguments[count++] = screenshot;
    }

    /* Venus' shared memory needs no Vulkan driver, and to load one takes seconds in a lab. */
    const char *environment = test->environment;
    if (!environment && !(test->needs & NEEDS_VULKAN))
        environment = "VK_DRIVER_FILES=/nonexistent";
    static struct host_watch watch;
    static struct server_watch killer;
    bool kills = test->watch == WATCH_SERVER_DIES || test->watch == WATCH_PROCESS_DIES ||
                 test->watch == WATCH_SERVER_STORM;
    static struct update_watch updates;
    bool updated = test->watch == WATCH_UPDATES;
    if (updated)
        update_watch_init(&updates, test);
    static struct lent_watch holder;
    host_watch_init(&watch, test->watch);
    server_watch_init(&killer, test->watch);
    lent_watch_init(&holder, test->watch == WATCH_LENT_DEVICE);
    bool holds = test->watch == WATCH_LENT || test->watch == WATCH_LENT_DEVICE;
    const struct run_plan plan = {
        .arguments = arguments,
        .environment = environment,
        .when = test->when,
        .input = test->input,
        .signal = test->signal,
        .image_size = test->image_size,
        .image_is_used = test->image_is_used,
        .image_space = test->image_space,
        .image_cut = test->image_cut,
        .reader = test->reader,
        .look = test->watch == WATCH_NOTHING ? NULL
                : updated                    ? update_watch_look
                : kills                      ? server_watch_look
                : holds                      ? lent_watch_look
                                             : host_watch_look,
        .look_context = updated ? (void *)&updates
                        : kills ? (void *)&killer
                        : holds ? (void *)&holder
                                : &watch,
    };
    run_s2vmm(&plan, &result);
    ck_assert_msg(result.status == test->status,
                  "%s: exit status %d, expected %d\n--- stdout\n%s--- stderr\n%s",
                  test->name, result.status, test->status, tail(result.out),
                  tail(result.err));
    check_texts(test, test->out, "stdout", result.out, &result);
    check_texts(test, test->err, "stderr", result.err, &result);
    ck_assert_msg(test->reader != READER_SLOW || !strstr(result.err, "are lost"),
                  "%s: %s", test->name, tail(result.err));
    if (test->picture != PICTURE_ANY)
        picture_check(path, test->picture);
    host_watch_check(&watch, test);
    if (kills)
        server_watch_check(&killer, test);
    if (updated)
        update_watch_check(&updates);
    if (holds)
        lent_watch_check(&holder);
}
END_TEST

static void note_that_it_runs(const char *name)
{
    const char *path = getenv("S2VMM_E2E_RAN");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file)
        return;
    if (over_pci)
        fprintf(file, "%s over PCI\n", name);
    if (with_slots)
        fprintf(file, "%s with slots\n", name);
    if (!over_pci && !with_slots)
        fprintf(file, "%s\n", name);
    fclose(file);
}

/* S2VMM_CASE: patterns of names, as of files, with commas between them; NULL: all cases. */
static bool is_chosen(const char *name, const char *patterns)
{
    char *copy = strdup(patterns ? patterns : "*");
    bool found = false;
    for (char *pattern = strtok(copy, ","); pattern; pattern = strtok(NULL, ","))
        found = found || fnmatch(pattern, name, 0) == 0;
    free(copy);
    return found;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--list") == 0) {
        print_names();
        return EXIT_SUCCESS;
    }
    update_impostor(argc, argv);
    uint64_t wanted;
    uint64_t has = read_environment(&wanted);
    over_pci = has & NEEDS_PCI;
    with_slots = has & NEEDS_SLOT;
    const char *only = getenv("S2VMM_CASE");
    Suite *suite = suite_create("end to end");
    TCase *test_case = tcase_create("cases");
    /* Each run of s2vmm has a limit of its own, 600 s at most: this is for one that does not
     * keep it. */
    unsetenv("CK_TIMEOUT_MULTIPLIER");
    tcase_set_timeout(test_case, 650);
    const struct e2e_case *test;
    for (unsigned i = 0; (test = case_at(i)) != NULL; i++) {
        if (((over_pci || with_slots) && !can_be_varied(test)) ||
            !is_chosen(test->name, only) || (test->needs & ~has) ||
            (wanted & ~test->needs))
            continue;
        note_that_it_runs(test->name);
        tcase_add_loop_test(test_case, case_holds, (int)i, (int)i + 1);
    }
    suite_add_tcase(suite, test_case);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
