/* SPDX-License-Identifier: MIT */
/*
 * series-table: on a kernel with the patches of tests/lab/series, three answers about every exporter's buffers, side by
 * side: the kernel's own DMA_BUF_IOCTL_INFO, the module dmabuf-info when it asks no exporter, and the entry of the page
 * table. Then which exporters map VM_PFNMAP, and which the kernel refuses to map once it is told to require that.
 *
 * usage: series-table FOLDER    the modules dmabuf_info.ko and dmabuf_lab.ko, which are not loaded
 *
 * Prints a table for docs/series.md, what is not as it should be, and a last line as the Check library's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/modules/checks.h"
#include "tests/series/rows.h"

/* What has to hold of the kernel's own exporters, and of dmabuf-lab's buffers as far as these say so. */
static void check_row(struct checks *checks, const struct row *row)
{
    check(checks, row->kernel.vm_prot.error == 0, "%s: the kernel says %s", row->name,
          look_prot(row->kernel.vm_prot));
    check(checks, row->is_equal != row->lies, "%s: the kernel says %s, the page table %s",
          row->name, look_prot(row->kernel.vm_prot),
          look_type(row->page_table.host_type));
    check(checks, row->both_agree,
          "%s: with dmabuf-info the kernel's answer is another one", row->name);
    check(checks,
          row->kernel.cpu_access.error == 0 &&
              row->kernel.cpu_access.value == row->needs_sync,
          "%s: needs SYNC: %s", row->name, look_bool(row->kernel.cpu_access));
    check(checks,
          row->kernel.stability.error == 0 &&
              row->kernel.stability.value == row->may_change,
          "%s: may change: %s", row->name, look_bool(row->kernel.stability));
    check(checks, row->map_error == 0, "%s: mmap: %s", row->name,
          strerror(row->map_error));
    check(checks, row->required_error == (row->is_pfnmap ? 0 : EINVAL),
          "%s: mmap with require_pfnmap: error %d", row->name, row->required_error);
}

static void print_row(const struct row *row)
{
    printf("| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", row->name,
           look_prot(row->kernel.vm_prot), look_prot(row->page_table.vm_prot),
           look_type(row->page_table.host_type), row->is_equal ? "yes" : "no",
           look_bool(row->kernel.cpu_access), look_bool(row->kernel.stability),
           row->is_pfnmap ? "yes" : "no",
           row->required_error == 0 ? "mapped" : "refused");
}

static void print_counts(const struct row *rows, unsigned count)
{
    unsigned equal = 0;
    unsigned lies = 0;
    unsigned pfnmap = 0;
    unsigned refused = 0;

    for (unsigned i = 0; i < count; i++) {
        equal += rows[i].is_equal;
        lies += rows[i].lies;
        pfnmap += rows[i].is_pfnmap;
        refused += rows[i].required_error == EINVAL;
    }
    printf(
        "series: %u buffers asked about, %u answers equal, %u different (%u of buffers "
        "made to lie); %u mapped VM_PFNMAP, "
        "%u refused without\n",
        count, equal, count - equal, lies, pfnmap, refused);
}

int main(int argc, char **argv)
{
    struct checks checks = {0};
    static struct row rows[ROWS_MAX];

    if (argc != 2) {
        fprintf(stderr, "usage: series-table FOLDER\n");
        return 2;
    }
    unsigned count = rows_collect(&checks, rows, argv[1]);
    puts(
        "| buffer | kernel | module | page table | equal | needs SYNC | may change | "
        "VM_PFNMAP | required |");
    puts("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (unsigned i = 0; i < count; i++) {
        print_row(&rows[i]);
        check_row(&checks, &rows[i]);
    }
    print_counts(rows, count);
    return checks_finish(&checks);
}
