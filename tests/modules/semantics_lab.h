/* SPDX-License-Identifier: MIT */
/* What DMA_BUF_IOCTL_INFO answers about an exporter that answers for itself: dmabuf-lab. */
#ifndef TESTS_MODULES_SEMANTICS_LAB_H
#define TESTS_MODULES_SEMANTICS_LAB_H

struct checks;

/* PATH: dmabuf_lab.ko, not loaded, before and afterwards; dmabuf-info is loaded. */
void semantics_lab(struct checks *checks, const char *path);

#endif
