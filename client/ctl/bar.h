/* bar: how far a long command is, on one line of stderr that is erased at its end.
 *
 * Only where stderr is a terminal; elsewhere all of this does nothing. Redrawn at most ten times a second, so
 * that bar_set() may be called for every record. Whoever prints to stderr in between calls bar_clear(). */
#pragma once
#include "client/ctl/screen.h"
#include <stdint.h>

struct bar {
	struct screen screen; /* stderr's */
	const char *what;     /* "importing"; borrowed */
	uint64_t total;       /* 0: unknown, then only the count is shown */
	int64_t drawn_at;     /* microseconds of the monotonic clock */
	bool shown;
};

void bar_start(struct bar *b, const char *what, uint64_t total);
void bar_set(struct bar *b, uint64_t done);
void bar_total(struct bar *b, uint64_t total); /* it became known, or has changed */
void bar_clear(struct bar *b);                 /* until the next bar_set */
void bar_end(struct bar *b);                   /* erased; again: harmless */

/* Erases whatever bar is shown, from a signal handler that is about to leave. */
void bar_interrupted(void);
