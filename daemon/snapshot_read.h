/* snapshot_read: one table's file, whoever wrote it, record by record in bounded memory.
 *
 * A file of persistd's own form (header, a record a line, checksum) is handed on a line at a time without a
 * parse, or made records of by several threads (lines.h); its checksum is compared at the end. Everything else
 * JSON allows goes through the scanner. Where a line of an own file is not what it should be, the scanner goes
 * on from there. */
#pragma once
#include "daemon/load.h"

struct snapshot_read {
	struct disk *disk;
	const struct disk_dir *state;
	enum table_id table;
	bool all; /* goes on after a record that the sink refuses */
	const struct load_sink *sink;
	void (*report)(void *context, const struct load_finding *finding);
	void *context;

	/* What was read. */
	bool missing;
	bool headed; /* it states a revision */
	bool has_changed;
	bool own;                     /* own form throughout, checksum right */
	char store[STORE_ID_LEN + 1]; /* empty: not stated */
	uint64_t revision, seq, changed[TABLE_COUNT];
	uint64_t rows;
	struct buf extra;
};

/* The upper half is set by the caller, the rest zero. False: a fatal finding was reported.
 * The caller frees `extra`. */
bool snapshot_read(struct snapshot_read *r);
