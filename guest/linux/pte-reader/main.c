// SPDX-License-Identifier: GPL-2.0-only
/*
 * pte-reader: /dev/s2vmm-pte (pte_reader.h), with which a test in a guest sees the memory type
 * that the guest's own driver has put into the page table.
 *
 *   main         the device, and the caller's request
 *   walk         from the address to the entry
 *   memory_type  what the entry says on this architecture
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "memory_type.h"
#include "pte_reader.h"
#include "walk.h"

static int answer(struct pte_reader_entry *request)
{
	struct leaf leaf;
	int error;

	if (request->reserved || (unsigned long)request->address != request->address)
		return -EINVAL;
	error = walk_caller(request->address, &leaf);
	if (error)
		return error;
	request->entry = leaf.entry;
	request->physical = leaf.physical;
	request->registers = memory_type_registers();
	request->shift = leaf.shift;
	request->level = leaf.level;
	request->index = memory_type_index(leaf.entry, leaf.shift);
	request->type = (request->registers >> (8 * request->index)) & 0xff;
	request->flags = leaf.flags;
	return 0;
}

static long pte_reader_ioctl(struct file *file, unsigned int command,
			     unsigned long argument)
{
	struct pte_reader_entry request;
	int error;

	if (command != PTE_READER_IOCTL_READ)
		return -ENOTTY;
	/* An fd can be handed on: who asks counts, not who opened it. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(&request, (void __user *)argument, sizeof(request)))
		return -EFAULT;
	error = answer(&request);
	if (error)
		return error;
	if (copy_to_user((void __user *)argument, &request, sizeof(request)))
		return -EFAULT;
	return 0;
}

static const struct file_operations pte_reader_operations = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = pte_reader_ioctl,
};

static struct miscdevice pte_reader_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "s2vmm-pte",
	.mode = 0600,
	.fops = &pte_reader_operations,
};

module_misc_device(pte_reader_device);
MODULE_DESCRIPTION("/dev/s2vmm-pte: what the caller's own page table has for an address");
MODULE_AUTHOR("The s2vmm authors");
MODULE_LICENSE("GPL");
