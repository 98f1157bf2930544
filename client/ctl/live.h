/* live: what the daemon has at this moment, as candidates for completion.
 *
 * Somebody has pressed TAB and waits: all that is asked takes LIVE_TIME at most, one attempt to connect is
 * made, and where no daemon is, or it refuses, there simply are no candidates. Nothing is said anywhere. */
#pragma once
#include "client/ctl/candidates.h"
#include "proto/spec.h"

enum { LIVE_TIME = 500, LIVE_MOST = 100 }; /* milliseconds; ids */

/* Ids, the newest first, with what the record is. socket NULL: where libpersist looks. */
void live_ids(struct candidates *c, const char *socket, enum table_id table);
/* The types of jobs, the kinds of runs with how many have them, or the kinds of the newest artifacts. */
void live_groups(struct candidates *c, const char *socket, enum table_id table);
