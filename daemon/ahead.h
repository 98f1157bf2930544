/* ahead: looks at requests that have come but not had their turn, so that their records are in the processor's
 * cache when they do.
 *
 * Finding a record in a large store costs three misses, each of about a tenth of a microsecond, one after the
 * other; those of several requests pipelined on one connection can be waited for together. What is read here is
 * only a guess: lines of the usual form name their record early, and one that does not is dealt with as if nobody
 * had looked. Loop's thread. */
#pragma once
#include "daemon/store.h"

/* Looks at some of the next lines in `unread`. Returns how many bytes they are: it makes sense to look again when
 * those have been dealt with; 0: not before more has come. */
size_t ahead_look(const struct store *s, struct span unread);
