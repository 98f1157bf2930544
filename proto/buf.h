/* buf: a growing run of bytes, and the one place that writes JSON text.
 *
 * A plain value: zero it to start, buf_free() it at the end. Pointers into it are valid until the next call
 * that adds. Out of memory ends the process (mem.h). Not shared between threads. */
#pragma once
#include "proto/span.h"
#include <stdint.h>
#include <string.h>

struct buf {
	char *at;
	size_t len, cap;
};

void buf_free(struct buf *b);                       /* frees and zeroes */
/* gives memory back when cap is above `keep`; the content must fit */
void buf_trim(struct buf *b, size_t keep);
void buf_grow(struct buf *b, size_t more);          /* buf_room's slow part */

/* at least `more` writable bytes after len; does not change len */
static inline char *buf_room(struct buf *b, size_t more)
{
	if (__builtin_expect(b->cap - b->len < more || !b->at, 0))
		buf_grow(b, more);
	return b->at + b->len;
}

static inline void buf_add(struct buf *b, const void *at, size_t len)
{
	if (len == 0)
		return;
	memcpy(buf_room(b, len), at, len);
	b->len += len;
}

static inline void buf_span(struct buf *b, struct span s) { buf_add(b, s.at, s.len); }

static inline void buf_char(struct buf *b, char c)
{
	*buf_room(b, 1) = c;
	b->len++;
}

/* NUL-terminated; of a literal the length is known when this is compiled */
static inline void buf_text(struct buf *b, const char *text) { buf_add(b, text, strlen(text)); }

__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *b, const char *format, ...);
void buf_int(struct buf *b, int64_t n);
void buf_uint(struct buf *b, uint64_t n);

/* The shortest decimal that reads back to the same double, written as Python's repr does: 0.1, 5.0, 1e+16,
 * 1e-05. `d` must be finite. */
void buf_real(struct buf *b, double d);

/* Valid UTF-8 (decoded, any byte values below 0x20 included) as a JSON string with its quotes; only `"`, `\`
 * and control characters are escaped (\n \t \r \b \f, else \u00xx). */
void buf_string(struct buf *b, struct span utf8);
void buf_string_part(struct buf *b, struct span utf8); /* the same without the quotes */

static inline struct span buf_as_span(const struct buf *b) { return (struct span){b->at, b->len}; }
