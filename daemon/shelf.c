#include "daemon/shelf.h"
#include "proto/mem.h"
#include <stdlib.h>

enum { STEP = 16, LARGEST = 4096, PIECE = 1 << 20 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const size_t largest = 0;
#else
static const size_t largest = LARGEST;
#endif

struct free_one {
	struct free_one *next;
};

static struct free_one *free_ones[LARGEST / STEP + 1]; /* by size */
static char *fresh, *fresh_end;

static size_t rounded(size_t bytes)
{
	return bytes ? (bytes + STEP - 1) & ~(size_t)(STEP - 1) : STEP;
}

/* What is left of the piece before is less than the largest thing, and is kept for smaller ones. */
static void open_piece(void)
{
	size_t left = (size_t)(fresh_end - fresh);
	if (left > 0) {
		struct free_one *rest = (struct free_one *)(void *)fresh;
		rest->next = free_ones[left / STEP];
		free_ones[left / STEP] = rest;
	}
	fresh = mem_aligned(STEP, PIECE);
	fresh_end = fresh + PIECE;
}

void *shelf_take(size_t bytes)
{
	size_t size = rounded(bytes);
	if (size > largest)
		return mem_alloc(bytes);
	struct free_one *one = free_ones[size / STEP];
	if (one) {
		free_ones[size / STEP] = one->next;
		return one;
	}
	if ((size_t)(fresh_end - fresh) < size)
		open_piece();
	void *at = fresh;
	fresh += size;
	return at;
}

void shelf_give(void *at, size_t bytes)
{
	size_t size = rounded(bytes);
	if (size > largest) {
		free(at);
		return;
	}
	if (!at)
		return;
	struct free_one *one = at;
	one->next = free_ones[size / STEP];
	free_ones[size / STEP] = one;
}

size_t shelf_size(size_t bytes)
{
	return rounded(bytes) > largest ? (bytes + sizeof(size_t) + STEP - 1) & ~(size_t)(STEP - 1) : rounded(bytes);
}
