/* repair: what must be on the disk before the journal may take a change: what a load left to do, and the end
 * of an unknown outcome.
 *
 * docs/storage.md "Harden" and "When a commit fails". Every step leaves the files sound, and none is skipped:
 * one that fails is tried again with all that come after it. Blocking; whoever runs it owns it meanwhile. */
#pragma once
#include "daemon/merge.h"
#include "daemon/state_dir.h"

struct repair {
	struct disk *disk;
	const struct state_dir *dirs;
	const char *store;
	const struct buf *extra;      /* of each snapshot's header */
	int64_t now;                  /* set before each run */
	/* left to do */
	uint8_t snapshots;            /* bit t: an empty snapshot of table t at revision 0 */
	struct segment_head *rewrite; /* segments to be written again as they are; repair_free frees it */
	size_t rewrite_count;
	bool lay_empty;               /* an empty segment in the place of one that may or may not be there */
	struct segment_head empty;
	uint64_t *strays;             /* segments that only go once the others are safe */
	size_t stray_count;
	/* to be unlinked, NUL-terminated names; what is left of them does not make the repair fail */
	struct buf payloads;
	/* ever */
	uint64_t bytes;               /* written */
	uint64_t empty_bytes;
};

bool repair_needed(const struct repair *r);
/* True: nothing is left to do, but for payloads perhaps. */
bool repair_run(struct repair *r, struct disk_error *e);
void repair_free(struct repair *r);
