/* mem: allocation that does not come back empty-handed.
 *
 * The daemon holds nothing that is not on the disk already, so when memory runs out the honest answer is one
 * line on stderr and an exit with status 71 (EX_OSERR of sysexits.h): clients see the connection end, and the
 * next start finds every acknowledged change. Any thread. */
#pragma once
#include <stddef.h>

/* What the others do when memory runs out: for who has asked somebody else for it. */
__attribute__((noreturn)) void mem_gone(void);
void *mem_alloc(size_t bytes);             /* not cleared; free() it */
/* not cleared; a power of two that bytes is a multiple of */
void *mem_aligned(size_t alignment, size_t bytes);
/* All of it will be written to soon: its pages are got from the system in one go, where it can do that,
 * which costs half as much as a fault for each. */
void mem_will_fill(void *at, size_t bytes);
void *mem_zero(size_t bytes);              /* cleared */
void *mem_resize(void *old, size_t bytes); /* like realloc */
void *mem_copy(const void *from, size_t bytes);
