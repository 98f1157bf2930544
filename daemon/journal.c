#include "daemon/journal.h"
#include "daemon/budget.h"
#include "daemon/chain.h"
#include "daemon/fold.h"
#include "daemon/log.h"
#include "daemon/payload.h"
#include "daemon/repair.h"
#include "daemon/spares.h"
#include "proto/mem.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	REPAIR_PAUSE_MS = 100, REPAIR_PAUSE_MAX_MS = 5000,
	WAITING_MS = 5000,      /* for the disk, before it is told of */
	PROBE_PAUSE_MS = 1000, PROBE_PAUSE_MAX_MS = 5000,
	PROBE_BYTES_MIN = 4096, PROBE_BYTES_MAX = 16 << 20,
	RETRY_PAUSE_MS = 1000, RETRY_PAUSE_MAX_MS = 60000,
	IDLE_MIN_MS = 1000,
	IDLE_BYTES_A_SECOND = 64 << 10, IDLE_BYTES_MAX = 64 << 20,
	SNAPSHOT_FRAME = 512,   /* bytes of a snapshot beside its records */
};

/*
 *     sound ──(unknown outcome, or a start that could not harden)──► degraded ──(repair)──► sound
 *
 * Two jobs at most are under way: one in the writing slot (a commit; while degraded the repair), one in the
 * background (a fold, a merge, a sweep of segments that may go, a probe of a disk that refused a commit, files made in
 * advance). Both report on the loop, and go_on() then looks for the next thing to do. */
enum background {
	BACKGROUND_NONE, BACKGROUND_FOLD, BACKGROUND_MERGE, BACKGROUND_SWEEP, BACKGROUND_PROBE,
	BACKGROUND_LAY, BACKGROUND_FAREWELL
};

struct commit {
	struct flush_job job; /* first, here and in the others */
	struct journal *journal;
	struct journal_batch *batch;
	struct segment_head head;
	int64_t now;
	uint64_t began_at;    /* ticks */
	uint64_t begun;       /* monotonic microseconds; when the worker took it up, and when it was through */
	uint64_t taken_up, ended;
	/* payloads to be unlinked: left over from before, then what this commit could not */
	struct buf late;
	enum disk_result result;
	struct disk_error error;
	bool has_payloads, payloads_failed;
	uint64_t bytes, padding, weight[TABLE_COUNT];
};

struct repair_job {
	struct flush_job job;
	struct journal *journal;
	struct repair repair;
	bool ok;
	struct disk_error error;
};

struct fold_job {
	struct fold fold; /* first: it hands itself back */
	struct journal *journal;
};

struct merge_job {
	struct flush_job job;
	struct journal *journal;
	struct merge merge;
	struct merge_source *sources;
	struct chain_run run;
	size_t stray_count;   /* sources that could not be unlinked, at the front of `sources` */
	char kept[256];       /* the second name of a source that somebody has edited; "": none */
	enum disk_result result;
	struct disk_error error;
};

struct swept {
	uint64_t seq, bytes; /* 0 bytes: not known */
};

struct sweep {
	struct flush_job job;
	struct journal *journal;
	struct swept *segments; /* strays, then the oldest of the chain */
	size_t count, stray_count, gone;
	struct buf late;
	uint64_t began_at;    /* ticks */
	bool sync, release, failed;
	struct disk_error error;
};

/* A file as large as a commit that could not be written. It is never given a name of its own. */
struct probe {
	struct flush_job job;
	struct journal *journal;
	char name[SEGMENT_NAME_LEN + 1];
	bool of_payloads;     /* in artifacts/ */
	uint64_t bytes, written;
	bool ok;
	struct disk_error error;
};

/* Spare files that no merge has left. */
struct lay_job {
	struct flush_job job;
	struct journal *journal;
	uint64_t written;
};

struct stop {
	struct flush_job job;
	struct journal *journal;
	void (*done)(void *context, bool folded); /* NULL: not stopping */
	void *context;
	uint8_t tables;       /* to be folded yet */
	bool repaired, chosen, swept, failed;
};

struct journal {
	struct journal_options o;
	char store[STORE_ID_LEN + 1];
	uint64_t revision, seq;
	uint64_t changed[TABLE_COUNT]; /* the last revision that a commit changed each table at */
	/* what each table's snapshot is known to hold, whatever the page cache shows */
	uint64_t settled[TABLE_COUNT];
	bool headerless[TABLE_COUNT];
	struct buf extra[TABLE_COUNT];
	struct chain chain;
	struct budget budget;
	struct buf late;               /* payloads of deleted artifacts that could not be unlinked yet */
	bool commit_has_late;          /* the last commit was given them */
	bool unlinking;                /* a sweep was, so that no commit may bring one of them again meanwhile */
	uint64_t doubtful_low, doubtful_high; /* numbers of a merge that may have happened; 0: none */
	struct buf strays;             /* uint64_t: merged segments that could not be removed yet */
	struct spares spares;
	bool release;                  /* a fold had no room: spares are let go of */
	uint64_t rescue;               /* changes up to this revision are in a segment that cannot be read any more; 0: none */

	/* The background's own descriptors: what an fsync of a directory has to report, each descriptor hears
	 * once, and the commits' must not miss it. */
	struct disk_dir own_journal, own_artifacts;
	const struct disk_dir *journal_dir, *artifacts_dir;

	struct commit commit;
	struct repair_job repair;
	bool writing;
	/* a callback of the owner's is running: its state may be behind ours until it returns */
	bool delivering;
	bool degraded;
	struct disk_error why;
	uint64_t repair_at, repair_pause;
	uint64_t refused;              /* bytes of the largest commit that could not be written lately; 0: none. `why` tells */
	bool refused_payloads;         /* it could not write its payloads */
	uint64_t probe_at, probe_pause;
	enum journal_health told;      /* the owner knows of this one */
	struct mark marks[TABLE_COUNT]; /* of the snapshots; a fold's while it runs */
	bool marked;                   /* they were taken after the start */
	uint64_t last_commit;          /* ticks */
	uint64_t takes;                /* microseconds of the last commit */

	enum background background;
	struct fold_job fold;
	struct merge_job merge;
	struct sweep sweep;
	struct probe probe;
	struct lay_job lay;
	uint64_t retry_at, retry_pause;
	uint8_t beside;                /* tables to be folded because they hold the chain up */
	bool look_beside;
	size_t look_at;                /* so many segments, and the chain is looked over for merges */
	struct stop stop;
	struct journal_stats stats;
};

static void go_on(struct journal *j);

static uint64_t micros(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t longer(uint64_t *pause, uint64_t first, uint64_t most)
{
	*pause = *pause == 0 ? first : *pause * 2 < most ? *pause * 2 : most;
	return *pause;
}

static void submit(struct journal *j, struct flush_job *job, void (*work)(struct flush_job *),
                   void (*done)(struct flush_job *))
{
	*job = (struct flush_job){.work = work, .done = done};
	j->o.flush->submit(j->o.flush, job);
}

static void take_late(struct journal *j, struct buf *late)
{
	buf_span(&j->late, buf_as_span(late));
	buf_free(late);
}

static struct buf give_late(struct journal *j)
{
	struct buf late = j->late;
	j->late = (struct buf){0};
	return late;
}

static void add_name(struct buf *names, const char *name)
{
	buf_add(names, name, strlen(name) + 1);
}

/* ---- repairs */

enum journal_health journal_health(const struct journal *j, char *reason, size_t size)
{
	bool waiting = (j->writing && !j->degraded) || j->unlinking;
	uint64_t waits = waiting ? j->o.ticks() - (j->writing ? j->commit.began_at : j->sweep.began_at) : 0;
	if (waits >= WAITING_MS) {
		snprintf(reason, size, "the disk has not answered for %llu s: commit %llu waits for it",
		         (unsigned long long)(waits / 1000),
		         (unsigned long long)(j->writing ? j->commit.head.seq : j->seq + 1));
		return JOURNAL_WAITING;
	}
	if (!j->degraded && j->refused == 0)
		return JOURNAL_SOUND;
	snprintf(reason, size, "%s: %s", j->why.what, strerror(j->why.number));
	return j->degraded ? JOURNAL_DEGRADED : JOURNAL_REFUSED;
}

static void tell_state(struct journal *j)
{
	char ignored[1];
	enum journal_health health = journal_health(j, ignored, sizeof ignored);
	if (health == j->told)
		return;
	j->told = health;
	j->delivering = true;
	if (j->o.state_changed)
		j->o.state_changed(j->o.context);
	j->delivering = false;
}

static void repair_work(struct flush_job *job)
{
	struct repair_job *r = (struct repair_job *)job;
	r->repair.bytes = 0;
	r->ok = repair_run(&r->repair, &r->error);
	if (!r->ok)
		spares_clear(&r->journal->spares, &r->journal->o.dirs->journal);
}

/* The number of the commit whose outcome was unknown is taken now, by nothing. */
static void take_empty(struct journal *j)
{
	const struct repair *r = &j->repair.repair;
	if (r->lay_empty || r->empty.seq <= j->seq)
		return;
	struct chain_link link = chain_link_of(&r->empty, r->empty_bytes);
	chain_add(&j->chain, &link);
	j->seq = link.seq;
}

/* Once: later on what is there may be somebody else's, and a fold under way has its mark. */
static void take_marks(struct journal *j)
{
	if (j->marked)
		return;
	j->marked = true;
	char name[32];
	for (int t = 0; t < TABLE_COUNT; t++) {
		snapshot_file_name((enum table_id)t, name);
		j->marks[t] = mark_of(j->o.disk, &j->o.dirs->state, name);
	}
}

static void repair_end(struct journal *j)
{
	struct repair_job *r = &j->repair;
	j->stats.bytes_written += r->repair.bytes;
	take_empty(j);
	j->degraded = !r->ok;
	if (r->ok) {
		j->refused = 0; /* it has written a file of its own, fsynced it and renamed it */
		j->refused_payloads = false;
		take_marks(j);
		take_late(j, &r->repair.payloads);
		j->repair_pause = 0;
	} else {
		j->why = r->error;
		j->repair_at = j->o.ticks() + longer(&j->repair_pause, REPAIR_PAUSE_MS, REPAIR_PAUSE_MAX_MS);
	}
}

static void repair_done(struct flush_job *job)
{
	struct journal *j = ((struct repair_job *)job)->journal;
	j->writing = false;
	repair_end(j);
	if (!j->degraded)
		j->stats.repairs++;
	tell_state(j);
	go_on(j);
}

static void repair_start(struct journal *j)
{
	j->writing = true;
	j->repair.repair.now = j->o.now();
	submit(j, &j->repair.job, repair_work, repair_done);
}

/* ---- commits */

static bool write_payloads(struct commit *c)
{
	const struct journal_options *o = &c->journal->o;
	const struct disk_dir *dir = &o->dirs->artifacts;
	bool any = false, ok = true;
	for (size_t i = 0; i < c->batch->payload_count && ok; i++) {
		const struct journal_payload *p = &c->batch->payloads[i];
		bool tried;
		if (!p->text.at)
			continue;
		c->has_payloads = true;
		ok = payload_write(o->disk, dir, p->name, p->text, &tried, &c->error);
		any |= tried;
		if (tried && !p->stays)
			add_name(&c->late, p->name);
	}
	return ok && (!any || disk_sync_dir(o->disk, dir, &c->error));
}

static bool is_written(const struct commit *c, const char *name)
{
	for (size_t i = 0; i < c->batch->payload_count; i++)
		if (c->batch->payloads[i].text.at && strcmp(c->batch->payloads[i].name, name) == 0)
			return true;
	return false;
}

/* Once the commit is durable: the payloads that it deletes, and of the first `kept` bytes those that it has
 * not just written anew. */
static void choose_unlinks(struct commit *c, size_t kept)
{
	struct buf old = c->late;
	c->late = (struct buf){0};
	for (size_t at = 0; at < kept; at += strlen(old.at + at) + 1)
		if (!is_written(c, old.at + at))
			add_name(&c->late, old.at + at);
	for (size_t i = 0; i < c->batch->payload_count; i++)
		if (!c->batch->payloads[i].text.at)
			add_name(&c->late, c->batch->payloads[i].name);
	buf_free(&old);
}

static void weigh(struct commit *c)
{
	for (size_t i = 0; i < c->batch->change_count; i++) {
		const struct segment_change *change = &c->batch->changes[i];
		c->weight[change->table] += segment_change_bytes(change);
		c->head.tables |= (uint8_t)(1u << change->table);
	}
}

static enum disk_result write_segment(struct commit *c)
{
	const struct disk_dir *dir = &c->journal->o.dirs->journal;
	struct spares *spares = &c->journal->spares;
	uint64_t mark = spares_mark(spares);
	enum disk_result result = segment_write_over(spares, dir, &c->head, c->batch->changes,
	                                             c->batch->change_count, c->now, &c->bytes, &c->padding,
	                                             &c->error);
	if (result == DISK_OK)
		spares_settle(spares, mark);
	else
		spares_clear(spares, dir);
	return result;
}

static void commit_work(struct flush_job *job)
{
	struct commit *c = (struct commit *)job;
	const struct journal_options *o = &c->journal->o;
	struct disk_error ignored;
	c->taken_up = micros();
	weigh(c);
	payload_unlink(o->disk, &o->dirs->artifacts, &c->late, &ignored);
	size_t kept = c->late.len;
	c->result = DISK_FAILED;
	c->payloads_failed = !write_payloads(c);
	if (!c->payloads_failed)
		c->result = write_segment(c);
	if (c->result == DISK_UNKNOWN)
		return; /* its payloads may be wanted: they go after the repair */
	if (c->result == DISK_OK)
		choose_unlinks(c, kept);
	/* A failure here changes nothing: it is tried again with the next commit, and the segment that tells of
	 * the deletion stays until it has worked. */
	payload_unlink(o->disk, &o->dirs->artifacts, &c->late, &ignored);
	c->ended = micros();
}

/* As much as was refused can be written, and where it was. */
static void no_longer_refused(struct journal *j, uint64_t bytes, bool of_payloads)
{
	if (bytes < j->refused || (j->refused_payloads && !of_payloads))
		return;
	j->refused = 0;
	j->refused_payloads = false;
	j->probe_pause = 0;
}

static void probe_later(struct journal *j)
{
	j->probe_at = j->o.ticks() + longer(&j->probe_pause, PROBE_PAUSE_MS, PROBE_PAUSE_MAX_MS);
}

static uint64_t commit_size(const struct commit *c)
{
	uint64_t bytes = PROBE_BYTES_MIN;
	for (int t = 0; t < TABLE_COUNT; t++)
		bytes += c->weight[t];
	for (size_t i = 0; i < c->batch->payload_count; i++)
		bytes += c->batch->payloads[i].text.len;
	return bytes < PROBE_BYTES_MAX ? bytes : PROBE_BYTES_MAX;
}

static void commit_refused(struct journal *j)
{
	uint64_t bytes = commit_size(&j->commit);
	j->why = j->commit.error;
	j->refused_payloads = j->commit.payloads_failed;
	if (j->refused == 0)
		probe_later(j);
	if (bytes > j->refused)
		j->refused = bytes;
}

static void commit_durable(struct journal *j)
{
	const struct commit *c = &j->commit;
	no_longer_refused(j, commit_size(c), c->has_payloads);
	struct chain_link link = chain_link_of(&c->head, c->bytes);
	uint64_t padding[TABLE_COUNT];
	budget_part(c->bytes - c->padding, c->weight, link.share);
	budget_part(c->padding, c->weight, padding);
	budget_commit(&j->budget, link.share);
	budget_charge(&j->budget, padding);
	chain_add(&j->chain, &link);
	j->seq = c->head.seq;
	j->revision = c->head.last;
	for (int t = 0; t < TABLE_COUNT; t++)
		if (c->head.tables >> t & 1)
			j->changed[t] = c->head.last;
	j->stats.commits++;
	j->stats.bytes_committed += c->bytes - c->padding;
}

static void commit_unknown(struct journal *j)
{
	struct commit *c = &j->commit;
	struct repair *r = &j->repair.repair;
	j->stats.unknown_outcomes++;
	j->degraded = true;
	j->why = c->error;
	j->repair_at = j->o.ticks();
	r->empty = c->head;
	r->empty.last = r->empty.first - 1;
	r->empty.tables = 0;
	r->lay_empty = true;
	buf_span(&r->payloads, buf_as_span(&c->late));
	buf_free(&c->late);
}

static void commit_count(struct journal *j)
{
	const struct commit *c = &j->commit;
	j->last_commit = j->o.ticks();
	j->stats.bytes_written += c->bytes;
	j->stats.last_commit_micros = micros() - c->begun;
	if (c->result == DISK_OK)
		j->takes = c->ended - c->taken_up;
	if (j->stats.last_commit_micros > j->stats.max_commit_micros)
		j->stats.max_commit_micros = j->stats.last_commit_micros;
	if (c->result == DISK_OK)
		return;
	j->stats.commit_failures++;
	log_limited(LOG_LEVEL_ERROR, "a commit failed: %s: %s", c->error.what, strerror(c->error.number));
}

static void commit_done(struct flush_job *job)
{
	struct journal *j = ((struct commit *)job)->journal;
	/* The owner may begin the next commit in `done`, in the same struct. */
	struct journal_batch *batch = j->commit.batch;
	enum disk_result result = j->commit.result;
	struct disk_error error = j->commit.error;
	j->writing = false;
	commit_count(j);
	if (result == DISK_OK)
		commit_durable(j);
	else if (result == DISK_UNKNOWN)
		commit_unknown(j);
	else
		commit_refused(j);
	take_late(j, &j->commit.late);
	j->delivering = true;
	batch->done(batch, result, &error);
	j->delivering = false;
	tell_state(j);
	go_on(j);
}

bool journal_ready(const struct journal *j)
{
	return !j->writing && !j->unlinking && !j->degraded && !j->stop.done;
}

uint64_t journal_commit_takes(const struct journal *j) { return j->takes; }

void journal_commit(struct journal *j, struct journal_batch *b)
{
	struct commit *c = &j->commit;
	assert(journal_ready(j) && b->last > j->revision);
	*c = (struct commit){.journal = j, .batch = b, .now = j->o.now(), .began_at = j->o.ticks(),
	                     .begun = micros(), .late = give_late(j),
	                     .head = {.seq = j->seq + 1, .prev = j->seq, .first = j->revision + 1,
	                              .last = b->last}};
	memcpy(c->head.store, j->store, sizeof c->head.store);
	memcpy(c->head.changed, j->changed, sizeof c->head.changed);
	j->commit_has_late = c->late.len > 0;
	j->writing = true;
	submit(j, &c->job, commit_work, commit_done);
}

/* ---- what all background jobs have in common */

static void background_worked(struct journal *j)
{
	j->retry_at = 0;
	j->retry_pause = 0;
	j->look_at = 0;
}

static void background_failed(struct journal *j, const char *what, const struct disk_error *e)
{
	j->retry_at = j->o.ticks() + longer(&j->retry_pause, RETRY_PAUSE_MS, RETRY_PAUSE_MAX_MS);
	log_limited(LOG_LEVEL_WARNING, "%s failed: %s: %s; nothing is lost, it is tried again", what, e->what,
	            strerror(e->number));
}

static uint64_t bytes_of(const struct journal *j, int t)
{
	return j->o.source.bytes(j->o.source.context, (enum table_id)t) + SNAPSHOT_FRAME;
}

static uint64_t store_bytes(const struct journal *j)
{
	uint64_t bytes = 0;
	for (int t = 0; t < TABLE_COUNT; t++)
		bytes += bytes_of(j, t);
	return bytes;
}

/* ---- folds */

static bool is_dirty(const struct journal *j, int t)
{
	return j->headerless[t] || j->settled[t] < j->changed[t];
}

static bool is_any_dirty(const struct journal *j)
{
	bool any = false;
	for (int t = 0; t < TABLE_COUNT; t++)
		any |= is_dirty(j, t);
	return any;
}

static bool is_idle(const struct journal *j)
{
	uint64_t bytes = store_bytes(j), wait = bytes * 1000 / IDLE_BYTES_A_SECOND;
	if (wait < IDLE_MIN_MS)
		wait = IDLE_MIN_MS;
	return !j->writing && bytes <= IDLE_BYTES_MAX && j->o.ticks() - j->last_commit >= wait;
}

static bool fold_due(const struct journal *j, enum table_id *t)
{
	bool idle = is_idle(j);
	for (int i = 0; i < TABLE_COUNT; i++) {
		*t = (enum table_id)i;
		if (is_dirty(j, i) && (idle || j->settled[i] < j->rescue || budget_covers(&j->budget, *t, bytes_of(j, i))))
			return true;
	}
	return false;
}

/* After a fold: small tables whose few changes alone keep many segments are folded, too,
 * if enough is left over. */
static void look_beside(struct journal *j)
{
	uint64_t settled[TABLE_COUNT], size = 0, held = 0;
	uint8_t tables = 0;
	j->look_beside = false;
	memcpy(settled, j->settled, sizeof settled);
	for (int t = 0; t < TABLE_COUNT; t++)
		if (is_dirty(j, t) && bytes_of(j, t) <= budget_floor(&j->budget) / BUDGET_FACTOR) {
			tables |= (uint8_t)(1u << t);
			size += bytes_of(j, t);
			settled[t] = j->revision;
		}
	size_t count = chain_covered(&j->chain, j->changed, settled);
	for (size_t i = 0; i < count; i++)
		held += chain_at(&j->chain, i)->bytes;
	if (held >= budget_floor(&j->budget) && budget_spare(&j->budget, size))
		j->beside = tables;
}

static bool beside_due(struct journal *j, enum table_id *t)
{
	if (j->look_beside)
		look_beside(j);
	while (j->beside) {
		*t = (enum table_id)__builtin_ctz(j->beside);
		j->beside &= (uint8_t)~(1u << *t);
		if (is_dirty(j, *t))
			return true;
	}
	return false;
}

static bool fold_paced(struct fold *f)
{
	const struct journal *j = ((struct fold_job *)f)->journal;
	return !j->stop.done;
}

static void tell_found(const struct fold *f)
{
	char name[32];
	snapshot_file_name(f->table, name);
	if (f->found == MARK_REMOVED)
		log_warning("%s was removed by somebody else; it is written anew, with the records as they are", name);
	if (f->found == MARK_CHANGED)
		log_warning("%s was changed by somebody else while the daemon ran; what they wrote is kept as %s, and is "
		            "not in force", name, f->kept);
}

static void fold_done(struct fold *f)
{
	struct journal *j = ((struct fold_job *)f)->journal;
	char what[32];
	tell_found(f);
	j->background = BACKGROUND_NONE;
	j->stats.bytes_written += f->bytes;
	if (f->result == DISK_OK) {
		j->stats.folds++;
		j->settled[f->table] = f->head.revision;
		j->headerless[f->table] = false;
		j->look_beside = true;
		budget_spend(&j->budget, f->bytes);
		background_worked(j);
	} else {
		j->stats.fold_failures++;
		j->stop.failed = true;
		budget_give_back(&j->budget, f->table, f->bytes);
		j->release = f->error.number == ENOSPC || f->error.number == EDQUOT;
		snprintf(what, sizeof what, "folding %s", spec_table_name(f->table));
		background_failed(j, what, &f->error);
	}
	go_on(j);
}

static void fold_begin(struct journal *j, enum table_id t)
{
	struct fold *f = &j->fold.fold;
	const struct journal_source *s = &j->o.source;
	uint64_t bytes;
	assert(!j->delivering);
	*f = (struct fold){.flush = j->o.flush, .disk = j->o.disk, .state = &j->o.dirs->state, .table = t,
	                   .source = s->context, .mark = &j->marks[t],
	                   .slice = s->slice, .thaw = s->thaw, .paced = fold_paced, .done = fold_done,
	                   .head = {.revision = j->revision, .seq = j->seq, .updated_at = j->o.now(),
	                            .extra = buf_as_span(&j->extra[t])}};
	memcpy(f->head.store, j->store, sizeof f->head.store);
	memcpy(f->head.changed, j->changed, sizeof f->head.changed);
	s->freeze(s->context, t, &f->head.count, &bytes);
	budget_take(&j->budget, t);
	j->background = BACKGROUND_FOLD;
	fold_start(f);
}

/* ---- merges */

static void merge_work(struct flush_job *job)
{
	struct merge_job *m = (struct merge_job *)job;
	struct disk_error ignored;
	char name[SEGMENT_NAME_LEN + 1];
	m->result = merge_write(&m->merge, &m->error);
	if (m->result != DISK_OK) {
		spares_clear(&m->journal->spares, m->merge.journal);
		segment_name(m->merge.unreadable, name);
		if (m->merge.unreadable &&
		    !mark_second_name(m->merge.disk, m->merge.journal, name, m->merge.now, m->kept, &ignored))
			m->kept[0] = '\0';
		return;
	}
	for (size_t i = 0; i + 1 < m->run.count; i++) {
		segment_name(m->sources[i].seq, name);
		if (!spares_give(&m->journal->spares, m->merge.journal, name, m->sources[i].bytes, &ignored))
			m->sources[m->stray_count++] = m->sources[i];
	}
}

/* Charged to the tables that were read: what a merge leaves out is what it is for. */
static void merge_charge(struct journal *j)
{
	const struct merge_job *m = &j->merge;
	uint64_t weight[TABLE_COUNT] = {0}, share[TABLE_COUNT];
	for (size_t i = 0; i < m->run.count; i++)
		for (int t = 0; t < TABLE_COUNT; t++)
			weight[t] += chain_at(&j->chain, m->run.at + i)->share[t];
	budget_part(m->merge.bytes, weight, share);
	budget_charge(&j->budget, share);
}

static void merge_replace(struct journal *j)
{
	const struct merge_job *m = &j->merge;
	struct chain_link link = chain_link_of(&m->merge.head, m->merge.bytes);
	budget_part(m->merge.bytes, m->merge.weight, link.share);
	link.level = m->run.level;
	chain_replace(&j->chain, m->run, &link);
	for (size_t i = 0; i < m->stray_count; i++)
		buf_add(&j->strays, &m->sources[i].seq, sizeof m->sources[i].seq);
}

/* Memory has what the segment had. With it in the snapshots no start needs the file, and a sweep takes its number
 * out. */
static void rescue(struct journal *j, const struct merge_job *m)
{
	char name[SEGMENT_NAME_LEN + 1];
	segment_name(m->merge.unreadable, name);
	j->rescue = j->revision;
	if (m->kept[0])
		log_warning("journal/%s is not as it was written: somebody changed it, or the disk did; what is there is "
		            "kept as journal/%s; nothing is lost, the snapshots are written anew", name, m->kept);
	else
		log_warning("journal/%s cannot be read any more: %s; nothing is lost, the snapshots are written anew", name,
		            strerror(m->error.number));
}

static void merge_done(struct flush_job *job)
{
	struct merge_job *m = (struct merge_job *)job;
	struct journal *j = m->journal;
	j->background = BACKGROUND_NONE;
	j->stats.bytes_written += m->merge.bytes;
	merge_charge(j);
	if (m->result == DISK_UNKNOWN) {
		j->doubtful_low = m->sources[0].seq;
		j->doubtful_high = m->merge.head.seq;
	}
	if (m->result == DISK_OK) {
		j->stats.merges++;
		j->doubtful_high = 0;
		merge_replace(j);
		background_worked(j);
	} else if (m->merge.unreadable) {
		rescue(j, m);
	} else {
		background_failed(j, "a merge", &m->error);
	}
	free(m->sources);
	go_on(j);
}

static void merge_begin(struct journal *j, struct chain_run run)
{
	struct merge_job *m = &j->merge;
	const struct chain_link *lowest = chain_at(&j->chain, run.at),
	                        *highest = chain_at(&j->chain, run.at + run.count - 1);
	*m = (struct merge_job){.journal = j, .run = run, .sources = mem_zero(run.count * sizeof *m->sources)};
	for (size_t i = 0; i < run.count; i++) {
		const struct chain_link *link = chain_at(&j->chain, run.at + i);
		m->sources[i] = (struct merge_source){.seq = link->seq, .last = link->last, .bytes = link->bytes,
		                                      .tables = link->tables};
		memcpy(m->sources[i].without, link->without, sizeof link->without);
	}
	m->merge = (struct merge){.disk = j->o.disk, .journal = j->journal_dir, .sources = m->sources,
	                          .count = run.count, .now = j->o.now(),
	                          .head = {.seq = highest->seq, .prev = lowest->prev, .first = lowest->first,
	                                   .last = highest->last}};
	memcpy(m->merge.head.store, j->store, sizeof j->store);
	memcpy(m->merge.head.changed, lowest->changed, sizeof lowest->changed);
	memcpy(m->merge.settled, j->settled, sizeof j->settled);
	j->background = BACKGROUND_MERGE;
	submit(j, &m->job, merge_work, merge_done);
}

/* Its file may go on from before the lowest one already, which must be there until the file is known to be on the
 * disk: no other merge may come first that begins lower. Where a sweep has taken the lowest ones there is nothing
 * lower. */
static bool is_to_be_repeated(struct journal *j, struct chain_run *run)
{
	if (j->doubtful_high == 0)
		return false;
	bool any = chain_run_of(&j->chain, j->doubtful_low, j->doubtful_high, run);
	if (!any)
		j->doubtful_high = 0;
	return any;
}

static bool merge_due(struct journal *j, struct chain_run *run)
{
	if (is_to_be_repeated(j, run))
		return true;
	if (j->chain.count < j->look_at)
		return false;
	if (chain_merge_due(&j->chain, j->settled, run))
		return true;
	j->look_at = j->chain.count + 1 + chain_merge_count(&j->chain) / 64; /* not at each commit */
	return false;
}

/* ---- sweeps: segments that may go */

static size_t covered(const struct journal *j)
{
	return chain_covered(&j->chain, j->changed, j->settled);
}

static bool sweep_one(struct sweep *s, const struct swept *segment)
{
	struct journal *j = s->journal;
	char name[SEGMENT_NAME_LEN + 1];
	segment_name(segment->seq, name);
	return s->release ? disk_unlink(j->o.disk, j->journal_dir, name, &s->error)
	                  : spares_give(&j->spares, j->journal_dir, name, segment->bytes, &s->error);
}

static void sweep_work(struct flush_job *job)
{
	struct sweep *s = (struct sweep *)job;
	struct journal *j = s->journal;
	if (s->release)
		spares_clear(&j->spares, j->journal_dir);
	/* A payload of whose deletion no segment tells any more would stay for ever. */
	s->failed = !payload_unlink(j->o.disk, j->artifacts_dir, &s->late, &s->error);
	for (; s->gone < s->count && !s->failed; s->gone += !s->failed)
		s->failed = !sweep_one(s, &s->segments[s->gone]);
	if (s->sync && !s->failed)
		s->failed = !disk_sync_dir(j->o.disk, j->journal_dir, &s->error);
	if (s->failed)
		spares_clear(&j->spares, j->journal_dir);
}

static void sweep_done(struct flush_job *job)
{
	struct sweep *s = (struct sweep *)job;
	struct journal *j = s->journal;
	size_t strays = s->gone < s->stray_count ? s->gone : s->stray_count;
	j->background = BACKGROUND_NONE;
	if (!j->unlinking)
		j->strays.len = 0;
	j->unlinking = false;
	for (size_t i = strays; i < s->stray_count; i++)
		buf_add(&j->strays, &s->segments[i].seq, sizeof s->segments[i].seq);
	chain_drop(&j->chain, s->gone - strays);
	take_late(j, &s->late);
	free(s->segments);
	if (s->failed)
		background_failed(j, "removing segments that are folded", &s->error);
	else
		background_worked(j);
	tell_state(j);
	go_on(j);
}

/* Payloads that are still to be unlinked, and a commit under way, which may bring one of them again: then it is the
 * commit that unlinks them, before it writes. */
static bool must_sweep_later(const struct journal *j)
{
	return j->writing && (j->late.len > 0 || j->commit_has_late);
}

/* Commits wait for payloads that are unlinked, not for segments: those go by themselves. */
static void sweep_begin(struct journal *j)
{
	struct sweep *s = &j->sweep;
	bool apart = j->late.len > 0 && !j->stop.done;
	size_t strays = apart ? 0 : j->strays.len / sizeof(uint64_t), gone = apart ? 0 : covered(j);
	*s = (struct sweep){.journal = j, .began_at = j->o.ticks(), .count = strays + gone,
	                    .stray_count = strays, .late = give_late(j),
	                    .sync = j->stop.done, .release = j->stop.done || (j->release && !apart)};
	j->release = j->release && apart;
	j->unlinking = apart;
	s->segments = mem_zero((s->count + 1) * sizeof *s->segments);
	for (size_t i = 0; i < strays; i++)
		s->segments[i].seq = ((const uint64_t *)(const void *)j->strays.at)[i];
	for (size_t i = 0; i < gone; i++) {
		const struct chain_link *link = chain_at(&j->chain, i);
		s->segments[strays + i] = (struct swept){link->seq, link->bytes};
	}
	j->background = BACKGROUND_SWEEP;
	submit(j, &s->job, sweep_work, sweep_done);
}

/* ---- probes of a disk that has refused a commit */

/* Twice as much as it takes has to be free: small commits that come meanwhile must not fail for its sake. */
static bool probe_has_room(struct probe *p, const struct disk_dir *dir)
{
	if (disk_room(p->journal->o.disk, dir) / 2 >= p->bytes)
		return true;
	p->error.number = ENOSPC;
	return false;
}

static void probe_work(struct flush_job *job)
{
	enum { PIECE = 64 << 10 };
	static const char piece[PIECE];
	struct probe *p = (struct probe *)job;
	const struct journal *j = p->journal;
	const struct disk_dir *dir = p->of_payloads ? j->artifacts_dir : j->journal_dir;
	struct disk_file f;
	p->ok = probe_has_room(p, dir);
	if (!p->ok)
		return;
	p->ok = disk_begin(j->o.disk, &f, dir, p->name, dir->files, &p->error);
	while (p->ok && p->written < p->bytes) {
		struct iovec part = {.iov_base = (void *)piece, .iov_len = PIECE};
		if (part.iov_len > p->bytes - p->written)
			part.iov_len = p->bytes - p->written;
		p->written += part.iov_len;
		p->ok = disk_write(&f, &part, 1, &p->error);
	}
	p->ok = p->ok && disk_settle(&f, &p->error);
	disk_abort(&f);
	if (p->ok && p->of_payloads)
		p->ok = disk_sync_dir(j->o.disk, dir, &p->error);
}

static void probe_done(struct flush_job *job)
{
	struct probe *p = (struct probe *)job;
	struct journal *j = p->journal;
	j->background = BACKGROUND_NONE;
	j->stats.bytes_written += p->written;
	if (p->ok) {
		no_longer_refused(j, p->bytes, p->of_payloads);
	} else if (!j->degraded && j->refused > 0) {
		j->why = p->error;
		probe_later(j);
	}
	tell_state(j);
	go_on(j);
}

static void probe_begin(struct journal *j)
{
	j->probe = (struct probe){.journal = j, .bytes = j->refused, .of_payloads = j->refused_payloads, .error = j->why};
	segment_name(j->seq + 1, j->probe.name); /* a tmp that a crash leaves is removed as one of ours */
	j->background = BACKGROUND_PROBE;
	submit(j, &j->probe.job, probe_work, probe_done);
}

/* A commit under way may show that the disk works again; under load there is always one. */
static bool probe_due(const struct journal *j)
{
	return j->refused > 0 && j->o.ticks() >= j->probe_at + (j->writing ? PROBE_PAUSE_MAX_MS : 0);
}

/* ---- files for commits to come */

static void lay_work(struct flush_job *job)
{
	struct lay_job *l = (struct lay_job *)job;
	l->written = spares_lay(&l->journal->spares, l->journal->journal_dir);
}

static void lay_done(struct flush_job *job)
{
	struct journal *j = ((struct lay_job *)job)->journal;
	j->background = BACKGROUND_NONE;
	j->stats.bytes_written += j->lay.written;
	go_on(j);
}

static void lay_begin(struct journal *j)
{
	j->lay.journal = j;
	j->background = BACKGROUND_LAY;
	submit(j, &j->lay.job, lay_work, lay_done);
}

/* ---- the clean stop */

/* Where the stop could not fold, no sweep has done it. */
static void farewell_work(struct flush_job *job)
{
	struct journal *j = ((struct stop *)job)->journal;
	spares_clear(&j->spares, j->journal_dir);
}

static void farewell_done(struct flush_job *job)
{
	struct journal *j = ((struct stop *)job)->journal;
	j->background = BACKGROUND_NONE;
	j->stop.done(j->stop.context, !j->stop.failed); /* may free the journal */
}

static void stop_choose(struct journal *j)
{
	struct stop *s = &j->stop;
	s->chosen = true;
	s->failed = j->degraded;
	for (int t = 0; t < TABLE_COUNT && !s->failed; t++)
		if (is_dirty(j, t) || j->o.source.is_stale(j->o.source.context, (enum table_id)t))
			s->tables |= (uint8_t)(1u << t);
}

static void stop_step(struct journal *j)
{
	struct stop *s = &j->stop;
	if (j->writing || j->background != BACKGROUND_NONE)
		return;
	if (j->degraded && !s->repaired) {
		s->repaired = true;
		repair_start(j);
		return;
	}
	if (!s->chosen)
		stop_choose(j);
	if (s->tables && !s->failed) {
		enum table_id t = (enum table_id)__builtin_ctz(s->tables);
		s->tables &= (uint8_t)~(1u << t);
		fold_begin(j, t);
	} else if (!s->swept && !s->failed) {
		s->swept = true;
		sweep_begin(j);
	} else {
		j->background = BACKGROUND_FAREWELL;
		submit(j, &s->job, farewell_work, farewell_done);
	}
}

void journal_stop(struct journal *j, void (*done)(void *context, bool folded), void *context)
{
	assert(!j->stop.done && done);
	j->stop = (struct stop){.journal = j, .done = done, .context = context};
	go_on(j);
}

/* ---- what is next */

static void background_next(struct journal *j)
{
	enum table_id t;
	struct chain_run run;
	/* While the journal is degraded nothing of a commit that may yet be lost gets into another file, and what
	 * a repair may need stays. */
	if (j->background != BACKGROUND_NONE || j->degraded)
		return;
	if (probe_due(j)) {
		probe_begin(j);
		return;
	}
	if (j->o.ticks() < j->retry_at)
		return;
	j->retry_at = 0;
	if (covered(j) > 0 || j->release) {
		if (!must_sweep_later(j))
			sweep_begin(j);
	} else if (fold_due(j, &t) || beside_due(j, &t)) {
		fold_begin(j, t);
	} else if (merge_due(j, &run)) {
		merge_begin(j, run);
	} else if (j->refused == 0 && spares_are_wanted(&j->spares)) {
		lay_begin(j);
	}
}

static void go_on(struct journal *j)
{
	if (j->delivering)
		return; /* who delivers goes on afterwards */
	if (j->stop.done) {
		stop_step(j);
		return;
	}
	if (j->degraded && !j->writing && j->o.ticks() >= j->repair_at)
		repair_start(j);
	background_next(j);
}

void journal_tick(struct journal *j)
{
	if (!j->delivering)
		tell_state(j); /* a commit may have become one that is waited for */
	go_on(j);
}

bool journal_wants_tick(const struct journal *j)
{
	if (j->stop.done)
		return false;
	if (j->degraded)
		return !j->writing;
	if (j->writing || j->unlinking || (j->refused > 0 && j->background == BACKGROUND_NONE))
		return true; /* for journal_health */
	if (j->background != BACKGROUND_NONE)
		return false;
	return j->retry_at > 0 || covered(j) > 0 || (is_any_dirty(j) && store_bytes(j) <= IDLE_BYTES_MAX);
}

/* ---- the start and the end */

static const struct disk_dir *open_own(struct journal *j, struct disk_dir *own, const struct disk_dir *shared,
                                       const char *name)
{
	return disk_dir_open(j->o.disk, own, j->o.dirs->state.fd, name, shared->path, false, 0) ? own : shared;
}

static void take_chain(struct journal *j, const struct load_result *l)
{
	for (size_t i = 0; i < l->segment_count; i++) {
		const struct segment_head *head = &l->segments[i].head;
		struct chain_link link = chain_link_of(head, l->segments[i].bytes);
		uint64_t share[TABLE_COUNT] = {0};
		chain_add(&j->chain, &link);
		for (int t = 0; t < TABLE_COUNT; t++)
			if (head->last > l->snapshot_revision[t])
				share[t] = link.share[t];
		budget_commit(&j->budget, share);
		for (uint8_t level = 0; level < link.level; level++)
			budget_charge(&j->budget, share);
	}
}

static void take_repairs(struct journal *j, struct load_result *l)
{
	struct repair *r = &j->repair.repair;
	*r = (struct repair){.disk = j->o.disk, .dirs = j->o.dirs, .store = j->store, .extra = j->extra,
	                     .now = j->o.now()};
	for (int t = 0; t < TABLE_COUNT; t++)
		if (l->missing[t] || l->unproven[t])
			r->snapshots |= (uint8_t)(1u << t);
	r->rewrite = mem_alloc((l->segment_count + 1) * sizeof *r->rewrite);
	for (size_t i = 0; i < l->segment_count; i++)
		if (l->segments[i].has_strays || i + 1 == l->segment_count)
			r->rewrite[r->rewrite_count++] = l->segments[i].head;
	r->strays = l->strays;
	r->stray_count = l->stray_count;
	l->strays = NULL;
	l->stray_count = 0;
	for (size_t at = 0; at < l->unlink.len; at += strlen(l->unlink.at + at) + 1) {
		buf_text(&r->payloads, l->unlink.at + at);
		add_name(&r->payloads, ".json");
	}
}

struct journal *journal_new(const struct journal_options *o, struct load_result *l)
{
	struct journal *j = mem_zero(sizeof *j);
	j->o = *o;
	spares_init(&j->spares, o->disk);
	j->repair.journal = j->fold.journal = j;
	j->chain.merge_count = o->merge_count;
	j->budget.floor = o->fold_floor;
	j->revision = l->revision;
	j->seq = l->seq;
	j->last_commit = o->ticks();
	memcpy(j->store, l->store, sizeof j->store);
	if (!j->store[0])
		ident_uuid4(j->store);
	memcpy(j->changed, l->changed, sizeof j->changed);
	memcpy(j->settled, l->settled, sizeof j->settled);
	memcpy(j->headerless, l->headerless, sizeof j->headerless);
	memcpy(j->extra, l->extra, sizeof j->extra);
	memset(l->extra, 0, sizeof l->extra);
	j->journal_dir = open_own(j, &j->own_journal, &o->dirs->journal, "journal");
	j->artifacts_dir = open_own(j, &j->own_artifacts, &o->dirs->artifacts, "artifacts");
	take_chain(j, l);
	take_repairs(j, l);
	repair_work(&j->repair.job);
	repair_end(j);
	j->told = j->degraded ? JOURNAL_DEGRADED : JOURNAL_SOUND; /* the owner asks */
	return j;
}

bool journal_idle(const struct journal *j)
{
	return !j->writing && j->background == BACKGROUND_NONE;
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	assert(journal_idle(j));
	disk_dir_close(j->o.disk, &j->own_journal);
	disk_dir_close(j->o.disk, &j->own_artifacts);
	for (int t = 0; t < TABLE_COUNT; t++)
		buf_free(&j->extra[t]);
	chain_free(&j->chain);
	repair_free(&j->repair.repair);
	buf_free(&j->late);
	buf_free(&j->strays);
	spares_done(&j->spares);
	free(j);
}

bool journal_degraded(const struct journal *j, struct disk_error *why)
{
	if (j->degraded && why)
		*why = j->why;
	return j->degraded;
}

uint64_t journal_revision(const struct journal *j) { return j->revision; }
const char *journal_store(const struct journal *j) { return j->store; }

void journal_stats(struct journal *j, struct journal_stats *s)
{
	*s = j->stats;
	s->segments = j->chain.count;
	s->segment_bytes = j->chain.bytes;
	s->folding = j->background == BACKGROUND_FOLD;
	spares_show(&j->spares, &s->spares, &s->spare_bytes);
}
