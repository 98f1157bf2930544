/* journal: makes batches durable, folds tables into snapshots, merges segments, and knows when the disk
 * cannot be trusted.
 *
 * docs/storage.md is its contract. All calls on the loop's thread; the blocking parts run as flush jobs: one
 * commit (while degraded one repair) at a time, and beside it one background job (a fold's slice, a merge, a
 * sweep of segments). It knows no table: records come as text, and a fold draws them from a source. */
#pragma once
#include "daemon/flush.h"
#include "daemon/load.h"
#include "daemon/state_dir.h"

struct journal;

/* Where a fold gets its records: the store. freeze() fixes the state of one table as of the last committed batch;
 * slice() hands out the next texts, which stay valid until the next slice() or thaw(); none may be among what it
 * has looked at, and false is the end. Calls come on the loop's thread and take less than a millisecond. */
struct journal_source {
	void *context;
	void (*freeze)(void *context, enum table_id t, uint64_t *count, uint64_t *bytes);
	bool (*slice)(void *context, enum table_id t, struct span *texts, size_t max, size_t bytes_max, size_t *count);
	void (*thaw)(void *context, enum table_id t);
	uint64_t (*bytes)(void *context, enum table_id t);   /* what a snapshot would about take */
	/* progress that only memory has: a clean stop folds it */
	bool (*is_stale)(void *context, enum table_id t);
};

struct journal_payload {
	const char *name;    /* of the file in artifacts/ */
	struct span text;    /* what it holds; absent: it is unlinked after the commit is durable */
	bool stays;          /* if the commit fails: the file was there before, without a record */
};

/* A frozen batch. The caller keeps everything that it points to until `done`. */
struct journal_batch {
	uint64_t first, last;                  /* revisions; last is above the journal's revision */
	struct segment_change *changes;        /* net effect, in the order of their revisions */
	size_t change_count;
	struct journal_payload *payloads;
	size_t payload_count;
	/* DISK_OK: durable. DISK_FAILED: did not happen. DISK_UNKNOWN: may have; the journal is degraded until it
	 * has repaired itself. */
	void (*done)(struct journal_batch *b, enum disk_result result, const struct disk_error *e);
};

struct journal_options {
	struct disk *disk;
	struct state_dir *dirs;
	struct flush *flush;
	struct journal_source source;
	int64_t (*now)(void);                 /* wall clock, microseconds */
	uint64_t (*ticks)(void);              /* monotonic, milliseconds */
	void (*state_changed)(void *context); /* journal_health has changed; may be NULL */
	void *context;
	/* so many small segments are merged at a time. 0: 1024 (tests have fewer) */
	size_t merge_count;
	/* bytes committed before a busy table is folded. 0: 16 MiB (likewise) */
	uint64_t fold_floor;
};

/* Carries out what the load left to do (missing snapshots, hardening, strays, unlinks), blocking; where that
 * fails it starts degraded. Takes what it needs out of `loaded`. */
struct journal *journal_new(const struct journal_options *o, struct load_result *loaded);
void journal_free(struct journal *j); /* nothing may be under way (journal_idle) */

bool journal_ready(const struct journal *j);    /* takes a batch now: no commit under way, not degraded */
bool journal_degraded(const struct journal *j, struct disk_error *why); /* `why` may be NULL */

enum journal_health {
	JOURNAL_SOUND,
	JOURNAL_WAITING,  /* a commit has been under way for five seconds or more */
	JOURNAL_REFUSED,  /* commits are tried, and the last one of at least this size could not be written */
	JOURNAL_DEGRADED, /* journal_degraded: none is tried */
};
/* `reason`: one line for people, if it is not sound. It becomes sound by itself: where no commit comes to show
 * that the disk works again, one of the same size is tried out now and then, in a file that is removed again. */
enum journal_health journal_health(const struct journal *j, char *reason, size_t size);
void journal_commit(struct journal *j, struct journal_batch *b); /* only when ready */
uint64_t journal_commit_takes(const struct journal *j); /* microseconds that the last one had the disk for; 0: none yet */

/* Call it about four times a second while journal_wants_tick(), and once after each commit: starts folds,
 * merges and repairs when they are due. */
void journal_tick(struct journal *j);
bool journal_wants_tick(const struct journal *j);

/* Clean stop: folds what changed (and stale progress), then calls `done` once, from the loop, with false
 * where that failed (nothing is lost then: the segments are there). `done` may free the journal.
 * No commits after this. */
void journal_stop(struct journal *j, void (*done)(void *context, bool folded), void *context);
bool journal_idle(const struct journal *j);     /* no job of the journal is under way */

uint64_t journal_revision(const struct journal *j); /* the last durable one */
const char *journal_store(const struct journal *j); /* the store's uuid */

struct journal_stats {
	uint64_t commits, commit_failures, unknown_outcomes, folds, fold_failures, merges, repairs;
	/* segments as first written, without padding; all of segments, merges, folds and files in advance, with
	 * padding */
	uint64_t bytes_committed, bytes_written;
	uint64_t segments, segment_bytes;        /* on disk now */
	uint64_t spares, spare_bytes;            /* files to be written over, likewise */
	uint64_t last_commit_micros, max_commit_micros;
	bool folding;
};
void journal_stats(struct journal *j, struct journal_stats *s);
