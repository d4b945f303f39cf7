// SPDX-License-Identifier: GPL-2.0-only
/* Which parameter is asked for, and who answers it: the exporter's provider, or the mapping. */
#include <linux/dma-buf.h>
#include <linux/uaccess.h>
#include <uapi/linux/dma-buf.h>

#include "dma_buf_info.h"
#include "mapping.h"
#include "memory_type.h"
#include "provider.h"
#include "query.h"

/* Each answer: 0 or a negative errno. */

static int vm_prot(struct file *file, u64 *value)
{
	struct mapping mapping;
	int answer, error;

	if (provider_ask(file->private_data, PROVIDER_MMAP_INFO, &answer))
		goto answered;
	error = mapping_look(file, MAPPING_ENTRIES, &mapping);
	if (error)
		return error;
	answer = memory_type_vm_prot(mapping.type);
answered:
	if (answer < 0)
		return answer;
	*value = answer;
	return 0;
}

/*
 * DMA_BUF_IOCTL_SYNC calls begin_cpu_access and end_cpu_access (drivers/dma-buf/dma-buf.c). An
 * exporter with neither says that its buffers need none; what one with them does, only it knows.
 */
static int cpu_access(struct dma_buf *dmabuf, u64 *value)
{
	int answer;

	if (!provider_ask(dmabuf, PROVIDER_CPU_ACCESS, &answer)) {
		if (dmabuf->ops->begin_cpu_access || dmabuf->ops->end_cpu_access)
			return -ENOSYS;
		answer = DMA_BUF_CPU_ACCESS_COHERENT;
	}
	if (answer < 0)
		return answer;
	*value = answer;
	return 0;
}

/*
 * pin tells an exporter that the buffer "can't be moved any more" (include/linux/dma-buf.h): one
 * that has it moves its buffers while nobody pins them, and a mapping pins nothing. Not having
 * it promises nothing.
 */
static int stability(struct dma_buf *dmabuf, u64 *value)
{
	int answer;

	if (!provider_ask(dmabuf, PROVIDER_STABILITY, &answer)) {
		if (!dmabuf->ops->pin)
			return -ENOSYS;
		answer = DMA_BUF_STABILITY_MAY_CHANGE;
	}
	if (answer < 0)
		return answer;
	*value = answer;
	return 0;
}

static int from_mapping(struct file *file, u32 param, u64 *value)
{
	struct mapping mapping;
	int error = mapping_look(
		file, param == DMA_BUF_INFO_VMA ? MAPPING_AREA : MAPPING_ENTRIES,
		&mapping);

	if (error)
		return error;
	switch (param) {
	case DMA_BUF_INFO_PAGE_KIND:
		*value = mapping.page_kind;
		break;
	case DMA_BUF_INFO_HOST_TYPE:
		*value = mapping.type;
		break;
	case DMA_BUF_INFO_HOST_PTE:
		*value = mapping.entry;
		break;
	case DMA_BUF_INFO_VMA:
		*value = mapping.area;
		break;
	}
	return 0;
}

static int answer(struct file *file, u32 param, u64 *value)
{
	switch (param) {
	case DMA_BUF_INFO_VM_PROT:
		return vm_prot(file, value);
	case DMA_BUF_INFO_SOURCE:
		*value = provider_has(file->private_data, PROVIDER_MMAP_INFO)
				 ? DMA_BUF_SOURCE_EXPORTER
				 : DMA_BUF_SOURCE_PAGE_TABLE;
		return 0;
	case DMA_BUF_INFO_CPU_ACCESS:
		return cpu_access(file->private_data, value);
	case DMA_BUF_INFO_STABILITY:
		return stability(file->private_data, value);
	case DMA_BUF_INFO_PAGE_KIND:
	case DMA_BUF_INFO_HOST_TYPE:
	case DMA_BUF_INFO_HOST_PTE:
	case DMA_BUF_INFO_VMA:
		return from_mapping(file, param, value);
	default:
		return -EINVAL;
	}
}

/* The order of the errors is the seed's: copy in, parameter, copy out. Nor does the seed look
 * at pad. */
long query_answer(struct file *file, struct dma_buf_info __user *argument)
{
	struct dma_buf_info info;
	int error;

	if (copy_from_user(&info, argument, sizeof(info)))
		return -EFAULT;
	error = answer(file, info.param, &info.value);
	if (error)
		return error;
	if (copy_to_user(argument, &info, sizeof(info)))
		return -EFAULT;
	return 0;
}
