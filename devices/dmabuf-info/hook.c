// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hooks the dma-buf core's ioctl with ftrace, as live patching does (kernel/livepatch/patch.c):
 * the call that the compiler left at the entry of dma_buf_ioctl() is patched by ftrace, and
 * our callback sends DMA_BUF_IOCTL_INFO, and nothing else, to handler(). Every other command
 * continues in the kernel's function.
 *
 * How the module can be unloaded while other CPUs ask (the numbers are steps):
 * 1. redirect() takes a reference to the module before it redirects, and handler() gives it
 *    back as its last act. delete_module() refuses with EWOULDBLOCK while there is one
 *    (try_stop_module(), kernel/module/main.c), and once it has begun, try_module_get() fails:
 *    the kernel's own function then answers ENOTTY.
 * 2. So when hook_remove() runs, a task can be in this text in two places only: in redirect(),
 *    or in the few instructions of handler() after module_put().
 * 3. unregister_ftrace_function() waits for redirect(): an ftrace_ops in a module is "dynamic",
 *    and for it ftrace_shutdown() (kernel/trace/ftrace.c) waits for all CPUs and tasks.
 * 4. synchronize_rcu_tasks() waits until each task has left the kernel or has gone to sleep of
 *    itself; being preempted does not count (kernel/rcu/tasks.h). The end of handler() does
 *    not sleep, so each task that was there has left it. Without CONFIG_PREEMPTION it is
 *    synchronize_rcu(): such a kernel does not take the CPU away in the middle of handler().
 */
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/string.h>
#include <uapi/linux/dma-buf.h>

#include "dma_buf_info.h"
#include "hook.h"
#include "provider.h"
#include "query.h"

#ifndef CONFIG_HAVE_DYNAMIC_FTRACE_WITH_ARGS
#error "dmabuf-info needs CONFIG_DYNAMIC_FTRACE_WITH_ARGS, to read the command of an ioctl"
#endif

static char hooked[] = "dma_buf_ioctl";
static const char why_busy[] =
	": a live patch or a kprobe redirects it, or ftrace is off (kernel.ftrace_enabled): remove or enable that first";

/* A kernel that has the ioctl itself (tests/lab/series) answers what it can: redirect() lets this
 * call through. Others say ENOTTY. */
static long ask_kernel(struct file *file, unsigned int command, unsigned long argument)
{
	return provider_is_asked() ? file->f_op->unlocked_ioctl(file, command, argument)
				   : -ENOTTY;
}

static long handler(struct file *file, unsigned int command, unsigned long argument)
{
	long result = ask_kernel(file, command, argument);

	/* no such ioctl, no such parameter, no such exporter */
	if (result == -ENOTTY || result == -EINVAL || result == -ENOSYS)
		result = query_answer(file, (void __user *)argument);
	module_put(THIS_MODULE);
	return result;
}

/* The name is not unique by any rule; the file system of dma-bufs is. */
static bool is_dma_buf(const struct file *file)
{
	return file_inode(file)->i_sb->s_magic == DMA_BUF_MAGIC;
}

static void notrace redirect(unsigned long ip, unsigned long parent_ip,
			     struct ftrace_ops *ops, struct ftrace_regs *registers)
{
	const struct file *file =
		(const struct file *)ftrace_regs_get_argument(registers, 0);
	int bit;

	if ((unsigned int)ftrace_regs_get_argument(registers, 1) != DMA_BUF_IOCTL_INFO ||
	    within_module(parent_ip, THIS_MODULE))
		return;
	bit = ftrace_test_recursion_trylock(ip, parent_ip);
	if (bit < 0)
		return;
	if (is_dma_buf(file) && try_module_get(THIS_MODULE))
		ftrace_regs_set_instruction_pointer(registers, (unsigned long)handler);
	ftrace_test_recursion_unlock(bit);
}

/*
 * IPMODIFY: the only one that may redirect this function. PERMANENT: while it is there,
 * sysctl kernel.ftrace_enabled cannot be cleared (7.3's cannot at all).
 */
static struct ftrace_ops hook = {
	.func = redirect,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT,
};

int hook_install(void)
{
	int error = ftrace_set_filter(&hook, hooked, strlen(hooked), 1);

	if (error) {
		pr_err("dmabuf_info: ftrace does not know %s (%d)\n", hooked, error);
		return error;
	}
	error = register_ftrace_function(&hook);
	if (error) {
		pr_err("dmabuf_info: cannot hook %s (%d)%s\n", hooked, error,
		       error == -EBUSY ? why_busy : "");
		ftrace_free_filter(&hook);
	}
	return error;
}

void hook_remove(void)
{
	int error = unregister_ftrace_function(&hook);

	/* It fails only where ftrace has shut itself down after a bug of its own. */
	WARN_ONCE(error, "dmabuf_info: cannot unhook %s (%d)\n", hooked, error);
	ftrace_free_filter(&hook);
	synchronize_rcu_tasks();
}
