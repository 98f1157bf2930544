/* screen: what the output goes to, and text made fit for it.
 *
 * A terminal gets text cut to its width, in colour where that is wanted, and never a control character or an
 * escape sequence that came out of a record. A pipe or a file gets everything, uncut. */
#pragma once
#include "proto/buf.h"
#include <stdint.h>

struct screen {
	bool terminal;
	bool colour;
	bool utf8;        /* else our own marks are ASCII, and a terminal gets ? for other characters */
	bool absolute;    /* times as dates, not as ages */
	bool utc;         /* dates in UTC, not in the local time zone */
	unsigned columns; /* a terminal's width; in a pipe 0: nothing is cut */
	int64_t now;      /* microseconds since 1970 UTC, the same for all that is shown */
};

/* `descriptor` is stdout's or stderr's. `colour` is "auto", "always" or "never"; NULL: "auto", which means:
 * on a terminal (TERM is not dumb), unless NO_COLOR is set; anywhere if CLICOLOR_FORCE is set and not 0. The
 * width is $COLUMNS, else the terminal's own, else 80. Needs setlocale(LC_CTYPE, "") to have been called. */
void screen_init(struct screen *s, int descriptor, const char *colour);

/* How many columns the text takes: wide characters two, combining ones none. Bytes that are no UTF-8 one
 * each. */
unsigned screen_width(struct span text);

/* Appends the text with what must not reach a terminal written as escapes, \n \t \x1b \u202e: control
 * characters (C0, DEL, C1), what turns the direction of writing, line and paragraph separators, and bytes
 * that are no UTF-8. Where the terminal is not UTF-8's, any other character becomes ?. */
void screen_fit(struct buf *out, struct span text, bool utf8);

/* Appends checked JSON text with the same characters as \u202e, which is the same JSON. */
void screen_fit_json(struct buf *out, struct span json, bool utf8);

/* Appends `fit` text (screen_fit's) cut to so many columns, the last of them … (... without UTF-8) if
 * something had to go. Returns the columns taken. */
unsigned screen_cut(struct buf *out, struct span fit, unsigned columns, bool utf8);

/* The same with the end of the text, …end. */
unsigned screen_cut_start(struct buf *out, struct span fit, unsigned columns, bool utf8);

/* Appends blanks. */
void screen_pad(struct buf *out, unsigned columns);

/* 1234567 as 1,234,567: for people, never in a pipe. */
void screen_number(struct buf *out, uint64_t n);
