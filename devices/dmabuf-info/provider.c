// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registry of providers. Readers are in an SRCU section while a provider's function runs,
 * because it may sleep; unregister waits for them.
 */
#include <linux/dma-buf.h>
#include <linux/export.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/srcu.h>

#include "dma_buf_info.h"
#include "dmabuf_info_provider.h"
#include "provider.h"

static bool only_page_table;
module_param(only_page_table, bool, 0644);
MODULE_PARM_DESC(
	only_page_table,
	"Ask no exporter how its buffers are mapped, as if none knew (default: no)");

static LIST_HEAD(providers);
static DEFINE_MUTEX(providers_lock); /* for those who change the list */
DEFINE_STATIC_SRCU(providers_srcu);

/* Under the lock, or in a reader's section. */
static struct dmabuf_info_provider *find(const struct dma_buf_ops *ops)
{
	struct dmabuf_info_provider *provider;

	list_for_each_entry_srcu (provider, &providers, node,
				  srcu_read_lock_held(&providers_srcu) ||
					  lockdep_is_held(&providers_lock)) {
		if (provider->ops == ops)
			return provider;
	}
	return NULL;
}

int dmabuf_info_register(struct dmabuf_info_provider *provider)
{
	int error = 0;

	mutex_lock(&providers_lock);
	if (find(provider->ops))
		error = -EEXIST;
	else
		list_add_rcu(&provider->node, &providers);
	mutex_unlock(&providers_lock);
	return error;
}
EXPORT_SYMBOL_GPL(dmabuf_info_register);

void dmabuf_info_unregister(struct dmabuf_info_provider *provider)
{
	mutex_lock(&providers_lock);
	list_del_rcu(&provider->node);
	mutex_unlock(&providers_lock);
	synchronize_srcu(&providers_srcu);
}
EXPORT_SYMBOL_GPL(dmabuf_info_unregister);

bool provider_is_asked(void)
{
	return !READ_ONCE(only_page_table);
}

typedef int (*question_function)(struct dma_buf *dmabuf);

static question_function function_of(const struct dmabuf_info_provider *provider,
				     enum provider_question question)
{
	switch (question) {
	case PROVIDER_MMAP_INFO:
		return provider->mmap_info;
	case PROVIDER_CPU_ACCESS:
		return provider->cpu_access;
	case PROVIDER_STABILITY:
		return provider->stability;
	}
	return NULL;
}

bool provider_ask(struct dma_buf *dmabuf, enum provider_question question, int *answer)
{
	int section = srcu_read_lock(&providers_srcu);
	const struct dmabuf_info_provider *provider = find(dmabuf->ops);
	question_function ask =
		provider && provider_is_asked() ? function_of(provider, question) : NULL;

	if (ask)
		*answer = ask(dmabuf);
	srcu_read_unlock(&providers_srcu, section);
	return ask;
}

bool provider_has(struct dma_buf *dmabuf, enum provider_question question)
{
	int section = srcu_read_lock(&providers_srcu);
	const struct dmabuf_info_provider *provider = find(dmabuf->ops);
	bool has = provider && function_of(provider, question);

	srcu_read_unlock(&providers_srcu, section);
#ifdef DMA_BUF_INFO_IN_KERNEL
	has |= question == PROVIDER_MMAP_INFO && dmabuf->ops->mmap_info;
#endif
	return has && provider_is_asked();
}
