/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_tree.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char fake_tree_root[] = "/tmp/s2vmm-tree-XXXXXX";

void fake_tree_make(void)
{
    strcpy(fake_tree_root + sizeof fake_tree_root - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fake_tree_root));
}

static int remove_entry(const char *path, const struct stat *status, int kind,
                        struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

void fake_tree_remove(void)
{
    nftw(fake_tree_root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void fake_tree_write(const char *path, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof whole, "%s%s", fake_tree_root, path);
    for (char *slash = whole + strlen(fake_tree_root) + 1; (slash = strchr(slash, '/'));
         slash++) {
        *slash = '\0';
        mkdir(whole, 0700);
        *slash = '/';
    }
    FILE *file = fopen(whole, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}
