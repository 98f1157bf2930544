#include "proto/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

/* No stdio and no atexit handlers: both may want memory, and another thread may hold their locks. */
void mem_gone(void)
{
	static const char line[] = "out of memory; what was acknowledged is on the disk\n";
	ssize_t written = write(STDERR_FILENO, line, sizeof(line) - 1);

	(void)written;
	_exit(EX_OSERR);
}

void *mem_alloc(size_t bytes)
{
	void *at = malloc(bytes > 0 ? bytes : 1);

	if (!at)
		mem_gone();
	return at;
}

void *mem_aligned(size_t alignment, size_t bytes)
{
	void *at = aligned_alloc(alignment, bytes);

	if (!at)
		mem_gone();
	return at;
}

/* Where it fails, the pages come one by one, as ever. */
void mem_will_fill(void *at, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = ((uintptr_t)at + page - 1) & ~(page - 1), end = ((uintptr_t)at + bytes) & ~(page - 1);
	if (start < end)
		madvise((char *)at + (start - (uintptr_t)at), end - start, MADV_POPULATE_WRITE);
#else
	(void)at, (void)bytes;
#endif
}

void *mem_zero(size_t bytes)
{
	void *at = calloc(1, bytes > 0 ? bytes : 1);

	if (!at)
		mem_gone();
	return at;
}

void *mem_resize(void *old, size_t bytes)
{
	void *at = realloc(old, bytes > 0 ? bytes : 1);

	if (!at)
		mem_gone();
	return at;
}

void *mem_copy(const void *from, size_t bytes)
{
	void *at = mem_alloc(bytes);

	if (bytes > 0)
		memcpy(at, from, bytes);
	return at;
}
