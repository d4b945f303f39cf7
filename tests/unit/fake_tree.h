/* SPDX-License-Identifier: MIT */
/* A tree of small files in a temporary folder: a fake /proc, /sys and /dev. */
#ifndef S2VMM_TESTS_UNIT_FAKE_TREE_H
#define S2VMM_TESTS_UNIT_FAKE_TREE_H

/* The folder, while it exists. */
extern char fake_tree_root[];

/* For tcase_add_checked_fixture(). */
void fake_tree_make(void);
void fake_tree_remove(void);

/* Makes a file below the root, with the folders that it needs. */
void fake_tree_write(const char *path, const char *text);

#endif
