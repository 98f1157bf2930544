/* fold: one table's frozen records on their way into its snapshot, a slice at a time.
 *
 *	loop: slice ──► worker: begin, rows ──► loop: slice ──► worker: rows ──► … ──► loop: the end, thaw ──►
 *worker: finish ──► loop: done
 *
 * The slices come from whoever owns the table, on the loop's thread; what they point to stays as it is while
 * the worker writes it. */
#pragma once
#include "daemon/flush.h"
#include "daemon/mark.h"
#include "daemon/snapshot.h"

enum { FOLD_ROWS = 128, FOLD_BYTES = 128 << 10 };

struct fold {
	struct flush_job job;
	/* the owner's, set before fold_start */
	struct flush *flush;
	struct disk *disk;
	const struct disk_dir *state;
	struct mark *mark;             /* of the snapshot that it replaces, and then of the new one; the worker's meanwhile */
	enum table_id table;
	struct snapshot_head head;
	void *source;
	bool (*slice)(void *source, enum table_id t, struct span *texts, size_t max, size_t bytes_max, size_t *count);
	void (*thaw)(void *source, enum table_id t);
	bool (*paced)(struct fold *f); /* asked before each slice: should the worker rest thrice as long as it writes? */
	void (*done)(struct fold *f);  /* may start the struct's next fold */
	/* for done */
	enum disk_result result;
	struct disk_error error;
	uint64_t bytes;                /* written, if it failed too */
	enum mark_found found;         /* what somebody else had done to the old snapshot, */
	char kept[256];                /* and where that is now (MARK_CHANGED) */
	/* its own */
	struct snapshot_writer writer;
	struct span texts[FOLD_ROWS];
	size_t count;
	bool rests, begun;
};

/* The table is frozen already; the fold thaws it. */
void fold_start(struct fold *f);
