/* dangling: runs that are imported and name an artifact whose payload nobody has.
 *
 * A runs.json by itself brings no payloads: who moves with it alone should hear of that while the old files
 * are still there. First all payloads of the import are told, then its runs; the store is asked at the end,
 * and only for what is left. Memory: 12 bytes for a payload, the ids of the runs in question. */
#pragma once
#include "client/ctl/seen.h"
#include "client/ctl/session.h"
#include "proto/buf.h"

struct dangling {
	struct seen held;
	struct buf names; /* a run's id and the artifact's that it names, each ended by a NUL */
	uint64_t count;   /* of such pairs */
	uint64_t beyond;  /* runs that nobody asks the store for: they were too many */
};

/* A payload is imported. */
void dangling_payload(struct dangling *d, struct span artifact_id);
/* A run's record, checked. */
void dangling_run(struct dangling *d, struct span run);
/* Says on stderr how many there are, and the first; comes back with how many. A daemon that does not answer
 * ends it without a word. */
uint64_t dangling_tell(struct dangling *d, struct session *s);
void dangling_free(struct dangling *d);
