/* merge: neighbouring segments become one: of several changes to a record the last, without what settled
 * snapshots have.
 *
 * Also how one segment is written again as it is (hardening). Blocking, any thread, one struct a time. */
#pragma once
#include "daemon/load.h"

struct merge_source {
	uint64_t seq, last;
	uint64_t bytes; /* of the file; for whoever removes it */
	uint64_t without[TABLE_COUNT];
	uint8_t tables;
};

struct merge {
	struct disk *disk;
	const struct disk_dir *journal;
	const struct merge_source *sources; /* oldest first; the last one's number is the result's */
	size_t count;
	/* changes of a source whose `last` is not above it, or not above what a source is `without`, are left out */
	uint64_t settled[TABLE_COUNT];
	/* store, seq, prev, first, last, changed are the caller's; tables, without are filled in */
	struct segment_head head;
	int64_t now;
	/* set by merge_write */
	uint64_t unreadable;                      /* number of a source that is gone or no segment any more; 0: none */
	uint64_t bytes, weight[TABLE_COUNT];      /* of the result; of its changes, by table */
};

/* DISK_UNKNOWN: either the result or the highest source stands under the number; all the others are still
 * there: both are right. */
enum disk_result merge_write(struct merge *m, struct disk_error *e);
