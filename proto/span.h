/* span: bytes that somebody else owns. Never NUL-terminated by promise. A span with `at` NULL is "absent". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
	const char *at;
	size_t len;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})

static inline struct span span_of(const char *text) { return (struct span){text, strlen(text)}; }

static inline bool span_is(struct span s, struct span other)
{
	return s.len == other.len && (s.len == 0 || memcmp(s.at, other.at, s.len) == 0);
}
