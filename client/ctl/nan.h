/* nan: NaN, Infinity and -Infinity, which Python writes into JSON and which are none.
 *
 * Where a file has one, each further byte is looked at once as it is read, and these words are overwritten in
 * place by a 0 and blanks: the text can then be scanned, and every byte keeps its offset. What stood there is
 * remembered, and nan_mend writes null for it. A file without one costs nothing. */
#pragma once
#include "proto/buf.h"

struct nan_place {
	uint64_t at;      /* offset in the file */
	const char *word; /* "NaN", static */
};

struct nan {
	bool on;
	bool in_string, escaped;
	char before;        /* the last byte that was looked at */
	uint64_t done;      /* offset up to which has been looked */
	struct buf places;  /* struct nan_place, in the file's order */
	size_t passed;      /* of places: before what is of interest now */
};

/* True: one of the words may begin with this byte, or with a minus before it. */
bool nan_may_begin(char c);
/* From now on, at an offset outside strings; `before` is the byte in front of it. */
void nan_start(struct nan *n, uint64_t at, char before);
/* `text` is what stands at offset n->done. A word that may go on behind the text waits for the next time,
 * unless this is the file's end. */
void nan_look(struct nan *n, char *text, size_t len, bool end);
/* The places from one offset to another, NULL if there are none; what is before them is forgotten. Valid
 * until the next nan_look. */
const struct nan_place *nan_between(struct nan *n, uint64_t from, uint64_t to, size_t *count);
/* Appends text, which begins at offset `at`, with null at these places. */
void nan_mend(struct buf *out, struct span text, uint64_t at, const struct nan_place *places, size_t count);
void nan_free(struct nan *n);
