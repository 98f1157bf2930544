/* ahead: looks at requests that have come but not had their turn, so that their records are in the processor's
 * cache when they do.
 *
 * Finding a record in a large store costs three misses, each of about a tenth of a microsecond, one after the
 * other; those of several requests can be waited for together, pipelined on one connection or come on several.
 * What is read here is only a guess: lines of the usual form name their record early, and one that does not is
 * dealt with as if nobody had looked. Loop's thread. */
#pragma once
#include "daemon/store.h"

enum { AHEAD_LINES = 16 }; /* more than that many misses no processor waits for at a time */

/* Looks at some of the next lines in `unread`. Returns how many bytes they are: it makes sense to look again when
 * those have been dealt with; 0: not before more has come. */
size_t ahead_look(const struct store *s, struct span unread);
/* Looks at what several connections have sent, at most AHEAD_LINES: where it is one line; more are for ahead_look. */
void ahead_look_at_each(const struct store *s, const struct span *unread, unsigned count);
