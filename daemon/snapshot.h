/* snapshot: writing one table's file piece by piece. docs/storage.md has the format. Any thread,
 * one at a time. */
#pragma once
#include "daemon/segment.h"
#include <xxhash.h>

struct snapshot_head {
	char store[STORE_ID_LEN + 1];
	uint64_t revision, seq;
	uint64_t changed[TABLE_COUNT];
	uint64_t count;
	int64_t updated_at;
	/* unknown header members of the file it replaces,
	 * as canonical text without braces ("a":1,"b":2); may be empty */
	struct span extra;
};

struct snapshot_writer {
	struct disk_file file;
	XXH3_state_t *hash;
	bool first;
	uint64_t written;   /* rows */
	uint64_t promised;  /* head->count */
	uint64_t settled;   /* bytes that are synced already */
};

void snapshot_file_name(enum table_id t, char out[32]); /* "jobs.json" */

/* begin; rows any number of times; finish or abort. The count of rows must be head->count in the end. Every 8
 * MiB are synced on the way. */
bool snapshot_begin(struct snapshot_writer *w, struct disk *d, const struct disk_dir *state, enum table_id t,
                    const struct snapshot_head *head, mode_t mode, struct disk_error *e);
bool snapshot_rows(struct snapshot_writer *w, const struct span *texts, size_t count, struct disk_error *e);
enum disk_result snapshot_finish(struct snapshot_writer *w, struct disk_error *e);
void snapshot_abort(struct snapshot_writer *w);
