/* window: a file seen from front to back through a buffer that grows to the largest piece which must be
 * whole, not to the file. What has been passed is hashed on the way. One thread at a time. */
#pragma once
#include "daemon/disk.h"
#include <xxhash.h>

struct window {
	struct disk *disk;
	int fd;
	char *buffer;
	size_t cap, len; /* bytes that are there */
	size_t here;     /* what is before it has been passed */
	uint64_t base;   /* offset of buffer[0] in the file */
	uint64_t size;   /* of the file when it was opened */
	bool end;        /* the last byte of the file is in the buffer */
	int error;       /* errno of a read that failed: then end is set, too */
	XXH3_state_t *hash;
	uint64_t hashed; /* offset up to which it has been */
};

/* false: errno */
bool window_open(struct window *w, struct disk *d, const struct disk_dir *dir, const char *name);
void window_close(struct window *w);

/* More bytes behind those that are there; what has been passed may be dropped, so spans and pointers are
 * void. False: there are no more. */
bool window_more(struct window *w);

static inline struct span window_rest(const struct window *w)
{
	return (struct span){w->buffer + w->here, w->len - w->here};
}
static inline uint64_t window_at(const struct window *w)
{
	return w->base + w->here;
}

int window_peek(struct window *w);      /* the next byte, -1 at the end */
int window_peek_text(struct window *w); /* the same after white space */
uint64_t window_sum(struct window *w);  /* XXH3 of everything before here; never go back behind it */

/* For who reads the file himself from here on: *hash gets the state of XXH3 here. And back: the window
 * stands at the offset `at`, with the hash of everything before it; error: errno of a read that failed
 * there, as if the window had read. */
void window_hash(struct window *w, XXH3_state_t *hash);
void window_go_on(struct window *w, uint64_t at, const XXH3_state_t *hash, int error);

/* Reads the file again from its start, on its own: the line (from 1) that the byte at offset `at` stands in;
 * the XXH3 of the first `bytes`. */
uint64_t window_line(struct window *w, uint64_t at);
uint64_t window_sum_of(struct window *w, uint64_t bytes);
