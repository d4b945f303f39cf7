/* SPDX-License-Identifier: MIT */
/*
 * Our instance of tracefs, over folders that only look like one: what the dead left behind. What
 * a kernel does with it is tested in the lab.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/fake_tree.h"
#include "tests/unit/suites.h"
#include "vmm/tracefs.h"
#include "vmm/types.h"

/* A process that was killed leaves its instance behind; the next one removes it, also when
 * it has the same number. */
START_TEST(instances_of_the_dead_are_removed)
{
    char tracefs[] = "/tmp/s2vmm-trace-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(tracefs));
    /* 4194304 is the largest pid + 1 (PID_MAX_LIMIT); 1 lives. */
    static const char *const folders[] = {"instances", "instances/s2vmm-4194304",
                                          "instances/s2vmm-1", "instances/other"};
    char path[96];
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        snprintf(path, sizeof path, "%s/%s", tracefs, folders[i]);
        ck_assert_int_eq(mkdir(path, 0700), 0);
    }
    snprintf(path, sizeof path, "%s/instances/s2vmm-%d", tracefs, (int)getpid());
    ck_assert_int_eq(mkdir(path, 0700), 0);
    static struct tracefs none;
    struct error error;
    ck_assert(!tracefs_init(&none, tracefs, &error));
    ck_assert_msg(strstr(error.text, "trace_pipe") != NULL, "%s", error.text);
    tracefs_finish(&none);
    ck_assert_int_eq(rmdir(path), -1);
    for (size_t i = ARRAY_SIZE(folders); i-- > 0;) {
        snprintf(path, sizeof path, "%s/%s", tracefs, folders[i]);
        ck_assert_msg(rmdir(path) == (i == 1 ? -1 : 0), "%s", folders[i]);
    }
    rmdir(tracefs);
}
END_TEST

/* The file is a list in tracefs, and a line that begins with '-' takes one out; here the
 * removals of a dead process' probes lie over the beginning of the file. */
START_TEST(probes_of_the_dead_are_removed)
{
    static const char list[] =
        "r:s2vmm_4194304/kretprobe other\n"
        "p:s2vmm_1/alive kvm_pgtable_stage2_map\n"
        "p:other/s2vmm_4194304 kvm_pgtable_stage2_map\n"
        "p:s2vmm_4194304/dead kvm_pgtable_stage2_map pgd=+8(%x0)\n";
    char path[128];
    char text[sizeof list] = "";
    fake_tree_write("/kprobe_events", list);
    fake_tree_write("/instances/other", "");
    static struct tracefs none;
    struct error error;
    ck_assert(!tracefs_init(&none, fake_tree_root, &error));
    snprintf(path, sizeof path, "%s/kprobe_events", fake_tree_root);
    FILE *file = fopen(path, "r");
    ck_assert_uint_eq(fread(text, 1, sizeof list - 1, file), sizeof list - 1);
    fclose(file);
    static const char removal[] = "-:s2vmm_4194304/dead";
    ck_assert_int_eq(strncmp(text, removal, sizeof removal - 1), 0);
    ck_assert_str_eq(text + sizeof removal - 1, list + sizeof removal - 1);
}
END_TEST

Suite *tracefs_suite(void)
{
    Suite *suite = suite_create("tracefs");
    TCase *stale = tcase_create("stale");
    tcase_add_checked_fixture(stale, fake_tree_make, fake_tree_remove);
    tcase_add_test(stale, instances_of_the_dead_are_removed);
    tcase_add_test(stale, probes_of_the_dead_are_removed);
    suite_add_tcase(suite, stale);
    return suite;
}
