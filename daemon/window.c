#include "daemon/window.h"
#include "daemon/checksum.h"
#include "proto/mem.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { READ_BYTES = 1024 * 1024, SMALL_BYTES = 16 * 1024 };

bool window_open(struct window *w, struct disk *d, const struct disk_dir *dir, const char *name)
{
	*w = (struct window){.disk = d, .fd = -1};
	w->fd = disk_open(d, dir, name, &w->size);
	if (w->fd < 0)
		return false;
	w->cap = w->size < SMALL_BYTES ? SMALL_BYTES : READ_BYTES;
	w->buffer = mem_alloc(w->cap);
	w->hash = checksum_new();
	assert(w->hash);
	XXH3_64bits_reset(w->hash);
	return true;
}

void window_close(struct window *w)
{
	if (w->fd < 0)
		return;
	disk_close(w->disk, w->fd);
	XXH3_freeState(w->hash);
	free(w->buffer);
	*w = (struct window){.fd = -1};
}

static void hash_to_here(struct window *w)
{
	size_t from = (size_t)(w->hashed - w->base);
	if (w->here > from)
		XXH3_64bits_update(w->hash, w->buffer + from, w->here - from);
	w->hashed = w->base + w->here;
}

/* At least half of the buffer is read at once,
 * so that a long piece is not moved again for every few bytes. */
static void make_room(struct window *w)
{
	hash_to_here(w);
	size_t rest = w->len - w->here;
	memmove(w->buffer, w->buffer + w->here, rest);
	w->base += w->here;
	w->here = 0;
	w->len = rest;
	if (rest > w->cap / 2) {
		w->cap *= 2;
		w->buffer = mem_resize(w->buffer, w->cap);
	}
}

bool window_more(struct window *w)
{
	if (w->end)
		return false;
	make_room(w);
	size_t room = w->cap - w->len;
	ssize_t n = disk_read(w->disk, w->fd, w->buffer + w->len, room, w->base + w->len);
	if (n < 0) {
		w->error = errno;
		n = 0;
	}
	w->end = (size_t)n < room;
	w->len += (size_t)n;
	return n > 0;
}

int window_peek(struct window *w)
{
	while (w->here == w->len)
		if (!window_more(w))
			return -1;
	return (unsigned char)w->buffer[w->here];
}

int window_peek_text(struct window *w)
{
	int c;
	while ((c = window_peek(w)) == ' ' || c == '\n' || c == '\t' || c == '\r')
		w->here++;
	return c;
}

uint64_t window_sum(struct window *w)
{
	hash_to_here(w);
	return XXH3_64bits_digest(w->hash);
}

void window_hash(struct window *w, XXH3_state_t *hash)
{
	hash_to_here(w);
	XXH3_copyState(hash, w->hash);
}

void window_go_on(struct window *w, uint64_t at, const XXH3_state_t *hash, int error)
{
	XXH3_copyState(w->hash, hash);
	w->hashed = w->base = at;
	w->here = w->len = 0;
	w->error = error;
	w->end = error != 0;
}

static void read_from_start(struct window *w, uint64_t bytes,
                            void (*each)(void *argument, const char *at, size_t len), void *argument)
{
	char *some = mem_alloc(READ_BYTES);
	for (uint64_t at = 0; at < bytes;) {
		size_t want = bytes - at < READ_BYTES ? (size_t)(bytes - at) : READ_BYTES;
		ssize_t n = disk_read(w->disk, w->fd, some, want, at);
		if (n <= 0)
			break;
		each(argument, some, (size_t)n);
		at += (uint64_t)n;
	}
	free(some);
}

static void count_lines(void *argument, const char *at, size_t len)
{
	const char *end = at + len;
	while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
		++*(uint64_t *)argument;
		at++;
	}
}

uint64_t window_line(struct window *w, uint64_t at)
{
	uint64_t line = 1;
	read_from_start(w, at, count_lines, &line);
	return line;
}

static void hash_some(void *argument, const char *at, size_t len)
{
	XXH3_64bits_update(argument, at, len);
}

uint64_t window_sum_of(struct window *w, uint64_t bytes)
{
	XXH3_state_t *hash = checksum_new();
	assert(hash);
	XXH3_64bits_reset(hash);
	read_from_start(w, bytes, hash_some, hash);
	uint64_t sum = XXH3_64bits_digest(hash);
	XXH3_freeState(hash);
	return sum;
}
