#include "daemon/shelf.h"
#include "proto/mem.h"
#include <assert.h>
#include <stdlib.h>

enum { STEP = 16, LARGEST = 4096, PIECE = 1 << 20 };

static_assert(SHELF_SLACK % STEP == 0, "a piece ends where a thing may");

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const size_t largest = 0;
#else
static const size_t largest = LARGEST;
#endif

struct free_one {
	struct free_one *next;
};

/* What is left of a piece, and more than the largest thing. */
struct rest {
	struct rest *next;
	char *end;
};

static struct rest *rests;
static struct free_one *free_ones[LARGEST / STEP + 1]; /* by size */
static struct shelf_piece fresh;

static size_t rounded(size_t bytes)
{
	return bytes ? (bytes + STEP - 1) & ~(size_t)(STEP - 1) : STEP;
}

static size_t left(const struct shelf_piece *p)
{
	return (size_t)(p->end - p->at);
}

static void keep(void *at, size_t size)
{
	struct free_one *one = at;
	one->next = free_ones[size / STEP];
	free_ones[size / STEP] = one;
}

struct shelf_piece shelf_lend(void)
{
	struct rest *rest = rests;
	if (!rest)
		return (struct shelf_piece){0};
	rests = rest->next;
	return (struct shelf_piece){(char *)rest, rest->end};
}

void shelf_join(struct shelf_piece p)
{
	size_t size = left(&p);
	if (size > LARGEST) {
		struct rest *rest = (struct rest *)(void *)p.at;
		*rest = (struct rest){rests, p.end};
		rests = rest;
	} else if (size > 0) {
		keep(p.at, size);
	}
}

static void open_piece(struct shelf_piece *p)
{
	p->at = mem_aligned(STEP, PIECE);
	mem_will_fill(p->at, PIECE);
	p->end = p->at + PIECE - SHELF_SLACK;
}

void *shelf_take(size_t bytes)
{
	size_t size = rounded(bytes);
	if (size > largest)
		return mem_alloc(bytes + SHELF_SLACK);
	struct free_one *one = free_ones[size / STEP];
	if (one) {
		free_ones[size / STEP] = one->next;
		return one;
	}
	if (left(&fresh) < size) {
		shelf_join(fresh); /* less than the largest thing: kept for smaller ones */
		fresh = shelf_lend();
		if (!fresh.at)
			open_piece(&fresh);
	}
	void *at = fresh.at;
	fresh.at += size;
	return at;
}

void *shelf_cut(struct shelf_piece *p, size_t bytes)
{
	size_t size = rounded(bytes);
	if (size > largest)
		return mem_alloc(bytes + SHELF_SLACK);
	if (left(p) < size)
		open_piece(p); /* the free ones are not this thread's: the end of the piece before is lost */
	void *at = p->at;
	p->at += size;
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
	keep(at, size);
}

size_t shelf_size(size_t bytes)
{
	if (rounded(bytes) <= largest)
		return rounded(bytes);
	return (bytes + SHELF_SLACK + sizeof(size_t) + STEP - 1) & ~(size_t)(STEP - 1);
}
