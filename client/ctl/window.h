/* window: a file seen from front to back through a buffer that grows to the largest piece which must be
 * whole, not to the file. One thread at a time. */
#pragma once
#include "proto/span.h"
#include <stdint.h>

struct window {
	int fd;          /* of a file that can be read at any place; borrowed */
	char *buffer;
	size_t cap, len; /* bytes that are there */
	size_t here;     /* what is before it has been passed */
	uint64_t base;   /* offset of buffer[0] in the file */
	bool end;        /* the last byte of the file is in the buffer */
	int error;       /* errno of a read that failed: then end is set, too */
	uint64_t counted_to, counted; /* newlines before an offset, as window_line has last counted them */
};

enum { WINDOW_BYTES = 1 << 20 };

/* bytes: what the buffer has at first, WINDOW_BYTES but in tests */
void window_open(struct window *w, int fd, size_t bytes);
void window_close(struct window *w);

/* More bytes behind those that are there; what has been passed may be dropped, so spans and pointers are
 * void. False: there are none. */
bool window_more(struct window *w);

static inline struct span window_rest(const struct window *w)
{
	return (struct span){w->buffer + w->here, w->len - w->here};
}
static inline uint64_t window_at(const struct window *w)
{
	return w->base + w->here;
}

/* The byte so far behind `here`, -1 if the file ends before. */
int window_peek(struct window *w, size_t behind);
/* The same for the first byte from there on that is no white space; *behind becomes its place. */
int window_peek_text(struct window *w, size_t *behind);

/* The line, from 1, that the byte at offset `at` stands in. Reads the file again; lines asked for in the
 * file's order cost one reading together. */
uint64_t window_line(struct window *w, uint64_t at);

/* The XXH3 of the bytes from one offset to another. Reads them again. */
uint64_t window_sum(struct window *w, uint64_t from, uint64_t to);
