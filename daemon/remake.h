/* remake: a state directory made anew from records and payload files.
 *
 * Payloads first, then the snapshots from the last table to the first, each durable before the next: a directory
 * that was not finished has no jobs.json beside the others, so no start takes it for a store. Where something
 * fails all that was made is removed again. Blocking; one thread. */
#pragma once
#include "daemon/newest.h"
#include "daemon/snapshot.h"
#include "daemon/state_dir.h"

struct remake {
	struct disk *from, *to;
	const struct disk_dir *payloads; /* the directory that they are copied from */
	const struct buf *names;         /* of those to be copied, NUL-terminated each */
	/* One of them cannot be read, errno says why: it is not copied. May drop records of `newest`. */
	void (*unreadable)(void *context, const char *name, int number);
	void *context;
	const struct newest *newest;
	uint64_t revision, seq;          /* what the new store goes on from */
	const struct buf *extra;         /* of each snapshot's header */
	int64_t now;

	bool made;                       /* its own: the directory was not there before */
	struct state_dir dirs;
	char store[STORE_ID_LEN + 1];    /* a new one: files of the old store do not belong to it */
	uint64_t records[TABLE_COUNT], payload_count; /* written */
};

/* `path` must not be there yet, or be an empty directory, and is not below `source` (a real path). Makes it
 * (0700), and locks it. False: `why`. */
bool remake_open(struct remake *r, const char *path, const char *source, char *why, size_t why_size);
/* False: `why`, and remake_close removes what was made. */
bool remake_write(struct remake *r, char *why, size_t why_size);
void remake_close(struct remake *r, bool keep);
