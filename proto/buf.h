/* buf: a growing run of bytes, and the one place that writes JSON text.
 *
 * A plain value: zero it to start, buf_free() it at the end. Pointers into it are valid until the next call
 * that adds. Out of memory ends the process (mem.h). Not shared between threads. */
#pragma once
#include "proto/span.h"
#include <stdint.h>

struct buf {
	char *at;
	size_t len, cap;
};

void buf_free(struct buf *b);                       /* frees and zeroes */
/* gives memory back when cap is above `keep`; the content must fit */
void buf_trim(struct buf *b, size_t keep);
/* at least `more` writable bytes after len; does not change len */
char *buf_room(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *at, size_t len);
void buf_span(struct buf *b, struct span s);
void buf_char(struct buf *b, char c);
void buf_text(struct buf *b, const char *text);     /* NUL-terminated */
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
