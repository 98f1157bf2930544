#include "client/ctl/window.h"
#include "proto/mem.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { AGAIN_BYTES = 256 * 1024 };

void window_open(struct window *w, int fd, size_t bytes)
{
	*w = (struct window){.fd = fd, .cap = bytes, .buffer = mem_alloc(bytes)};
}

void window_close(struct window *w)
{
	free(w->buffer);
	*w = (struct window){.fd = -1};
}

/* At least half of the buffer is read at once: a long piece is not moved again for every few bytes. */
static void make_room(struct window *w)
{
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

static ssize_t read_at(int fd, char *to, size_t want, uint64_t at)
{
	ssize_t n;

	do
		n = pread(fd, to, want, (off_t)at);
	while (n < 0 && errno == EINTR);
	return n;
}

bool window_more(struct window *w)
{
	if (w->end)
		return false;
	make_room(w);
	ssize_t n = read_at(w->fd, w->buffer + w->len, w->cap - w->len, w->base + w->len);
	if (n <= 0) {
		w->error = n < 0 ? errno : 0;
		w->end = true;
		return false;
	}
	w->len += (size_t)n;
	return true;
}

int window_peek(struct window *w, size_t behind)
{
	while (w->here + behind >= w->len)
		if (!window_more(w))
			return -1;
	return (unsigned char)w->buffer[w->here + behind];
}

int window_peek_text(struct window *w, size_t *behind)
{
	int c;

	while ((c = window_peek(w, *behind)) == ' ' || c == '\n' || c == '\t' || c == '\r')
		++*behind;
	return c;
}

static void read_again(const struct window *w, uint64_t from, uint64_t to,
                       void (*each)(void *argument, const char *at, size_t len), void *argument)
{
	char *some = mem_alloc(AGAIN_BYTES);

	while (from < to) {
		size_t want = to - from < AGAIN_BYTES ? (size_t)(to - from) : AGAIN_BYTES;
		ssize_t n = read_at(w->fd, some, want, from);
		if (n <= 0)
			break;
		each(argument, some, (size_t)n);
		from += (uint64_t)n;
	}
	free(some);
}

static void count_newlines(void *argument, const char *at, size_t len)
{
	const char *end = at + len;

	while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
		++*(uint64_t *)argument;
		at++;
	}
}

uint64_t window_line(struct window *w, uint64_t at)
{
	if (at < w->counted_to)
		w->counted_to = w->counted = 0;
	read_again(w, w->counted_to, at, count_newlines, &w->counted);
	w->counted_to = at;
	return w->counted + 1;
}

static void sum_some(void *argument, const char *at, size_t len)
{
	XXH3_64bits_update(argument, at, len);
}

uint64_t window_sum(struct window *w, uint64_t from, uint64_t to)
{
	XXH3_state_t *state = mem_aligned(64, (sizeof *state + 63) / 64 * 64);

	XXH3_64bits_reset(state);
	read_again(w, from, to, sum_some, state);
	uint64_t sum = XXH3_64bits_digest(state);
	free(state);
	return sum;
}
