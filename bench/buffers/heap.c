// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers of the system heap, which has no interface within the kernel: asked for
 * as user space asks, by a task of its own memory.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/fdtable.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/uaccess.h>
#include <uapi/linux/dma-heap.h>

#include "work.h"

#define HEAP "/dev/dma_heap/system"

/* `data` is in user space. Returns the number that the task has it open as. */
static int ask(struct file *heap, struct dma_heap_allocation_data __user *data, size_t pages)
{
	struct dma_heap_allocation_data wanted = {
		.len = pages << PAGE_SHIFT,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int err;

	if (copy_to_user(data, &wanted, sizeof(wanted)))
		return -EFAULT;
	err = heap->f_op->unlocked_ioctl(heap, DMA_HEAP_IOCTL_ALLOC, (unsigned long)data);
	if (err)
		return err;
	if (copy_from_user(&wanted, data, sizeof(wanted)))
		return -EFAULT;
	return wanted.fd;
}

static struct dma_buf *taken_from_user(int fd)
{
	struct dma_buf *buf = dma_buf_get(fd);

	close_fd(fd);
	return buf;
}

struct dma_buf *heap_export(size_t pages)
{
	unsigned long data;
	struct file *heap;
	int fd;

	heap = filp_open(HEAP, O_RDONLY | O_CLOEXEC, 0);
	if (IS_ERR(heap))
		return ERR_CAST(heap);
	data = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE(data)) {
		fd = data;
	} else {
		fd = ask(heap, (void __user *)data, pages);
		vm_munmap(data, PAGE_SIZE);
	}
	filp_close(heap, NULL);
	return fd < 0 ? ERR_PTR(fd) : taken_from_user(fd);
}
