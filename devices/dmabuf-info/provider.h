/* SPDX-License-Identifier: GPL-2.0-only */
/* The exporters that answer for their own buffers: the registry behind dmabuf_info_provider.h. */
#ifndef DMABUF_INFO_REGISTRY_H
#define DMABUF_INFO_REGISTRY_H

#include <linux/types.h>

struct dma_buf;

enum provider_question {
	PROVIDER_MMAP_INFO,
	PROVIDER_CPU_ACCESS,
	PROVIDER_STABILITY,
};

/* Whether the buffer's exporter answers QUESTION; ANSWER is then its value or a negative errno. */
bool provider_ask(struct dma_buf *dmabuf, enum provider_question question, int *answer);

/* False: the module's parameter says that no exporter answers. */
bool provider_is_asked(void);

/* Whether it would, here or in the kernel's own ioctl; asks nothing. */
bool provider_has(struct dma_buf *dmabuf, enum provider_question question);

#endif
