/* SPDX-License-Identifier: MIT */
/* Buffers of dmabuf-lab, and what is expected of each on this architecture. */
#ifndef TESTS_MODULES_LAB_BUFFER_H
#define TESTS_MODULES_LAB_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/dmabuf-lab/dmabuf_lab.h"

/* Not whole blocks of 16 pages: the last one is used in part. */
enum { LAB_PAGE = 4096, LAB_PAGES = 20, LAB_SIZE = LAB_PAGES * LAB_PAGE };

/* /dev/dmabuf-lab, and the BAR that buffers are made of. */
struct lab {
    int device;
    bool has_bar;
    uint32_t pci_address;
    uint32_t bar;
};

/* False: there is no /dev/dmabuf-lab (errno). */
bool lab_open(struct lab *lab);

/* A request of LAB_SIZE bytes, read and write; the BAR is LAB's. */
struct dmabuf_lab_create lab_request(const struct lab *lab, uint32_t backing,
                                     uint32_t vma, uint32_t attribute, uint32_t flags);

/* The dma-buf, or -1 and errno. */
int lab_create(const struct lab *lab, struct dmabuf_lab_create request);

/* 0 or the errno. */
int lab_move(const struct lab *lab, int fd);
int lab_set_attribute(const struct lab *lab, int fd, uint32_t attribute);
int lab_revoke(const struct lab *lab, int fd);
int lab_import(const struct lab *lab, int fd, struct dmabuf_lab_import *import);
/* The caller closes hold->holder. */
int lab_hold(const struct lab *lab, int fd, uint32_t holding,
             struct dmabuf_lab_hold *hold);

/* All 0 if it fails. */
struct dmabuf_lab_counters lab_counters(const struct lab *lab, int fd);

/* "pages fault wc" */
const char *lab_name(const struct dmabuf_lab_create *request, char *text, size_t size);

/* Struct pages belong to single pages of RAM. */
bool lab_is_possible(const struct dmabuf_lab_create *request);

/* DMA_BUF_INFO_HOST_TYPE, and that of vm_page_prot, of a mapping that is made now. */
uint64_t lab_host_type(const struct dmabuf_lab_create *request);
uint64_t lab_prot_type(const struct dmabuf_lab_create *request);

/* DMA_BUF_VM_PROT_* for a HOST_TYPE, and for what was wished. */
uint64_t lab_vm_prot(uint64_t type);
uint64_t lab_wish(const struct dmabuf_lab_create *request);

/* The flags of DMA_BUF_INFO_VMA. */
uint64_t lab_vma_flags(const struct dmabuf_lab_create *request);

#endif
