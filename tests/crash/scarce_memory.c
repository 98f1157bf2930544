/* scarce_memory: loaded before the C library (LD_PRELOAD), it makes a process's allocations fail: the SCARCE_NTH, from 1 on,
 * and with SCARCE_ON all after it. Counted are those that the program's own code asks for, and with SCARCE_LIBRARIES also
 * those of the libraries that it uses, the C library among them; mappings of anonymous memory, too. At an orderly exit it says
 * on stderr how many there were.
 *
 * Left out is libseccomp: where it gets no memory for a filter it frees something twice or writes where it may not. It is
 * done with before the daemon reads a file. */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

enum { RANGES = 64 };
static struct { uintptr_t from, to; } ranges[RANGES];
static int range_count;
static long nth, counted;
static bool and_on, libraries;

static bool is_counted(const char *name)
{
	static const char *const left_out[] = {"libseccomp", "ld-linux", "scarce_memory", "linux-vdso"};
	if (!name[0])
		return true; /* the program */
	for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
		if (strstr(name, left_out[i]))
			return false;
	return libraries;
}

static int note_range(struct dl_phdr_info *info, size_t size, void *ignored)
{
	(void)size, (void)ignored;
	for (int i = 0; i < info->dlpi_phnum && range_count < RANGES; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) || !is_counted(info->dlpi_name))
			continue;
		uintptr_t from = (uintptr_t)(info->dlpi_addr + p->p_vaddr);
		ranges[range_count].from = from;
		ranges[range_count++].to = from + (uintptr_t)p->p_memsz;
	}
	return 0;
}

__attribute__((constructor)) static void begin(void)
{
	const char *text = getenv("SCARCE_NTH");
	and_on = getenv("SCARCE_ON") != NULL;
	libraries = getenv("SCARCE_LIBRARIES") != NULL;
	dl_iterate_phdr(note_range, NULL);
	nth = text ? atol(text) : 0;
}

__attribute__((destructor)) static void end(void)
{
	char line[64];
	int len = snprintf(line, sizeof line, "allocations: %ld\n", __atomic_load_n(&counted, __ATOMIC_RELAXED));
	ssize_t written = write(STDERR_FILENO, line, (size_t)len);
	(void)written;
}

static bool fails(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;
	for (int i = 0; i < range_count; i++)
		if (at >= ranges[i].from && at < ranges[i].to) {
			long is = __atomic_add_fetch(&counted, 1, __ATOMIC_RELAXED);
			if (nth == 0 || is < nth || (is > nth && !and_on))
				return false;
			errno = ENOMEM;
			return true;
		}
	return false;
}

#define CALLER __builtin_return_address(0)

void *malloc(size_t bytes) { return fails(CALLER) ? NULL : __libc_malloc(bytes); }
void *calloc(size_t count, size_t bytes) { return fails(CALLER) ? NULL : __libc_calloc(count, bytes); }
void *realloc(void *old, size_t bytes) { return fails(CALLER) ? NULL : __libc_realloc(old, bytes); }
void *aligned_alloc(size_t alignment, size_t bytes) { return fails(CALLER) ? NULL : __libc_memalign(alignment, bytes); }

int posix_memalign(void **to, size_t alignment, size_t bytes)
{
	if (fails(CALLER))
		return ENOMEM;
	*to = __libc_memalign(alignment, bytes);
	return *to ? 0 : ENOMEM;
}

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	if ((flags & MAP_ANONYMOUS) && fails(CALLER))
		return MAP_FAILED;
	return (void *)syscall(SYS_mmap, at, bytes, protection, flags, fd, offset);
}
