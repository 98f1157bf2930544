/* store: the only door through which tables change.
 *
 * A mutation is judged against the newest version of what it touches, pending ones included, and leaves
 * changes in the gathering batch. Batches become durable one after the other; when one has, its changes enter
 * the tables, in order, and whoever waits is told, in order, each exactly where it stood between the changes:
 * so a read that waited sees what was sent before it and nothing of what came later. Reads of the tables
 * never see a pending change.
 *
 * When a commit fails, its batch and those behind it (judged on top of it) are dropped: every pending change
 * is forgotten, the revision counter goes back, then everyone is told. docs/storage.md says what they may
 * conclude.
 *
 * Loop's thread only. The disk is behind `struct committer`,
 * so that tests can let commits complete and fail as they like. */
#pragma once
#include "daemon/journal.h"
#include "daemon/table.h"

enum store_outcome {
	STORE_COMMITTED,
	STORE_NOT_DURABLE, /* did not happen */
	STORE_UNKNOWN,     /* may or may not be there after a restart; it is not there now */
};

/* Something that waits in a batch; embedded in a call. */
struct ticket {
	struct batch_item *item; /* the store's */
	void (*resolved)(struct ticket *t, enum store_outcome outcome, const struct disk_error *why);
};

struct committer {
	void *context;
	bool (*ready)(void *context);                           /* takes a batch now */
	/* b->done is called later, on the loop's thread, or at once */
	void (*commit)(void *context, struct journal_batch *b);
	/* Microseconds that the last commit took on its own thread, beside the loop. NULL: commits are done at once,
	 * and nothing is gained by beginning them early. */
	uint64_t (*takes)(void *context);
};

struct store;

struct store *store_new(int64_t (*wall_clock)(void)); /* microseconds since 1970 */
void store_free(struct store *s);                     /* nothing may be in flight */
/* a load begins: nothing is listed or changed before it has ended */
struct load_sink store_sink(struct store *s);
/* it has ended: the indexes are built, the revision counter starts at the highest seen */
void store_loaded(struct store *s, uint64_t journal_revision);
struct journal_source store_source(struct store *s);
void store_set_committer(struct store *s, struct committer c);

/* Reading what is committed. */
struct table *store_table(const struct store *s, enum table_id t);
/* NULL: none. Borrowed. live may be NULL */
struct record *store_get(const struct store *s, enum table_id t, struct span id, const struct live **live);
uint64_t store_revision(const struct store *s);

/* Judging a mutation: store_judge, then any of the calls below, then store_wait. */
void store_judge(struct store *s);
/* The newest version, pending ones included; NULL: none. Borrowed. */
struct record *store_latest(struct store *s, enum table_id t, struct span id, const struct live **live);
/* The newest batch whose pending changes store_latest has shown since store_judge; 0: only committed records.
 * A refusal, or a success that changes nothing, must wait for that batch, and be judged again if it fails. */
uint64_t store_seen(const struct store *s);
bool store_changed(const struct store *s);        /* has this judgement added changes? */
int64_t store_now(struct store *s);               /* strictly increasing */
uint64_t store_next_revision(const struct store *s);

/* Before the first change of a judgement: what it changes becomes durable after all that is pending, not together
 * with it. For a payload whose id a pending change may delete: a batch unlinks what it deletes when all else is
 * done. */
void store_apart(struct store *s);
/* canonical, of revision store_next_revision; copied */
void store_put(struct store *s, enum table_id t, struct span text);
/* The same for who knows how the text lies. The record, borrowed. */
struct record *store_put_laid(struct store *s, enum table_id t, struct span text, const struct layout *layout);
/* it must exist in store_latest. An artifact's payload goes too */
void store_remove(struct store *s, enum table_id t, struct span id);
/* Written before the record that names it; copied. `stays`: such a file is there, without a record; it is not removed
 * where the commit fails. */
void store_payload(struct store *s, struct span artifact_id, struct span text, bool stays);

/* Every artifact of a run as store_latest would show it, at most `max`: ids are appended to `ids`,
 * NUL-terminated each. */
size_t store_artifacts_of(struct store *s, struct span run_id, size_t max, struct buf *ids);

/* Waits for the gathering batch (batch 0), or for a batch that store_seen or store_wait named.
 * Returns the batch's number. */
uint64_t store_wait(struct store *s, struct ticket *t, uint64_t batch);
/* false for 0 and for batches that are done with */
bool store_is_pending(const struct store *s, uint64_t batch);
uint64_t store_last_batch(const struct store *s);             /* the newest that is pending; 0: none */
void store_forget(struct ticket *t);                          /* stops waiting; the changes stay */

/* Starts the next commit if the committer is ready. Called at the end of each turn of the loop. */
void store_flush(struct store *s);
/* The same in the middle of a turn, once it has gathered changes for as long as a commit takes: where much comes at
 * once, the disk works on one half while the loop does the other. Called between calls. */
void store_flush_early(struct store *s);
/* A commit waits for more, for a moment: call store_flush again soon, without sleeping. */
bool store_gathers(const struct store *s);
bool store_idle(const struct store *s); /* no batch waits or is in flight */

/* Live progress of a job: memory only. The newest pending version gets it, else the committed one. Where the
 * newest version is a pending deletion: with `through_deletion` the committed record gets it all the same,
 * else there is no job (store_seen names the deletion's batch). False: no job. */
bool store_set_progress(struct store *s, struct span id, struct span object, const struct scan_outline *outline,
                        bool through_deletion, double *percentage);

struct store_stats {
	uint64_t batches, changes, dropped;   /* committed; dropped: changes of failed commits */
	uint64_t pending_changes, pending_bytes;
	uint64_t live_progress;               /* jobs with progress that only memory has */
	uint64_t largest_batch;
};
void store_stats(const struct store *s, struct store_stats *to);
