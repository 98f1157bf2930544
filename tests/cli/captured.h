/* captured: what a function prints to stdout or stderr, as text. */
#pragma once
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

struct captured {
	FILE *saved, **stream;
	char *text;
	size_t len;
};

static inline struct captured *captured_begin(FILE **stream)
{
	struct captured *c = calloc(1, sizeof *c);

	ck_assert_ptr_nonnull(c);
	c->stream = stream;
	c->saved = *stream;
	*stream = open_memstream(&c->text, &c->len);
	ck_assert_ptr_nonnull(*stream);
	return c;
}

/* The text is the caller's to free(). */
static inline char *captured_end(struct captured *c)
{
	char *text;

	fclose(*c->stream);
	*c->stream = c->saved;
	text = c->text;
	free(c);
	return text;
}
