#include "daemon/sweeper.h"
#include "daemon/log.h"
#include "proto/mem.h"
#include <inttypes.h>
#include <stdlib.h>

enum {
	STEP_REMOVED = 128, /* records of one commit */
	STEP_SEEN = 1024,   /* looked at in one go */
	PAUSE_MS = 20,
	RETRY_MS = 60 * 1000,
	DAY_MS = 24 * 60 * 60 * 1000,
};

/*
 *     RESTING ──► JOBS ──► RUNS ──► TOO_MANY ──► RESTING
 */
enum stage { RESTING, JOBS, RUNS, TOO_MANY };

struct sweeper {
	struct ticket ticket; /* first: of the step under way */
	struct service *service;
	const struct retention *retention;
	uv_timer_t timer;
	enum stage stage;
	uint32_t place;       /* of ended records, oldest first: those before it stay */
	bool waiting, again, stopped;
	struct sweep_counts step, sweep; /* of the step under way; of this sweep so far */
};

/* ---- who goes */

/* For the terminal status `i`; RETENTION_OFF: they stay. */
static double status_days(const struct retention *r, enum table_id t, int i)
{
	double own = t == TABLE_JOBS ? r->job_status_days[i] : r->run_status_days[i];
	return own != RETENTION_UNSET ? own : t == TABLE_JOBS ? r->job_days : r->run_days;
}

static double days_of(const struct retention *r, enum table_id t, struct span status)
{
	const char *const *statuses = t == TABLE_JOBS ? spec_job_statuses : spec_run_statuses;
	for (int i = 0, terminal = 0; statuses[i]; i++) {
		if (!spec_status_is_terminal(t, span_of(statuses[i])))
			continue;
		if (span_is(status, span_of(statuses[i])))
			return status_days(r, t, terminal);
		terminal++;
	}
	return RETENTION_OFF;
}

/* Of all that is configured; RETENTION_OFF: nothing is. */
static double shortest(const struct retention *r, enum table_id t)
{
	double days = RETENTION_OFF;
	for (int i = 0; i < RETENTION_STATUSES; i++) {
		double own = status_days(r, t, i);
		if (own >= 0 && (days < 0 || own < days))
			days = own;
	}
	return days;
}

static bool anything_configured(const struct retention *r)
{
	return shortest(r, TABLE_JOBS) >= 0 || shortest(r, TABLE_RUNS) >= 0 || r->max_jobs > 0;
}

/* What has ended before this moment is older than that. */
static int64_t cutoff_of(int64_t now, double days)
{
	double age = days * 86400e6;
	if (days < 0 || age >= (double)now)
		return INT64_MIN + 1;
	return now - (int64_t)age;
}

static bool is_due(const struct sweeper *w, enum table_id t, const struct entry *e, int64_t now)
{
	struct record_keys keys;
	record_keys(t, e->record, &keys);
	return e->end < cutoff_of(now, days_of(w->retention, t, keys.a));
}

/* ---- a step: what it removes is one commit */

/* A run goes when its artifacts have: one of very many takes several steps. False: it is not gone yet. */
static bool remove_run(struct sweeper *w, struct span id)
{
	struct store *store = w->service->store;
	struct buf ids = {0};
	size_t found = store_artifacts_of(store, id, STEP_REMOVED, &ids);
	for (size_t at = 0; at < ids.len; at += strlen(ids.at + at) + 1)
		store_remove(store, TABLE_ARTIFACTS, span_of(ids.at + at));
	buf_free(&ids);
	w->step.artifacts += found;
	if (found == STEP_REMOVED)
		return false;
	store_remove(store, TABLE_RUNS, id);
	w->step.runs++;
	return true;
}

static uint64_t removed(const struct sweep_counts *n) { return n->jobs + n->runs + n->artifacts; }

/* False: there is nothing left to look at in this stage. */
static bool step_by_age(struct sweeper *w, enum table_id t)
{
	const struct table *table = store_table(w->service->store, t);
	int64_t now = store_now(w->service->store);
	uint32_t count = table_ended_count(table, cutoff_of(now, shortest(w->retention, t)));
	uint32_t from = w->place, at = w->place;
	for (; at < count && at - from < STEP_SEEN && removed(&w->step) < STEP_REMOVED; at++) {
		const struct entry *e = table_entry(table, table_ended_at(table, at));
		if (e->pending || !is_due(w, t, e, now))
			w->place++;
		else if (t == TABLE_JOBS)
			store_remove(w->service->store, t, record_id(e->record)), w->step.jobs++;
		else if (!remove_run(w, record_id(e->record)))
			return true;
	}
	return at < count;
}

static bool step_too_many(struct sweeper *w)
{
	const struct table *table = store_table(w->service->store, TABLE_JOBS);
	uint64_t jobs = table_count(table), most = w->retention->max_jobs;
	uint32_t ended = table_ended_count(table, INT64_MAX), at = w->place, from = w->place;
	if (!most || jobs <= most)
		return false;
	for (; at < ended && at - from < STEP_SEEN && w->step.jobs < STEP_REMOVED && jobs - w->step.jobs > most; at++) {
		const struct entry *e = table_entry(table, table_ended_at(table, at));
		if (e->pending) {
			w->place++;
			continue;
		}
		store_remove(w->service->store, TABLE_JOBS, record_id(e->record));
		w->step.jobs++;
	}
	return at < ended && jobs - w->step.jobs > most;
}

static bool step(struct sweeper *w)
{
	switch (w->stage) {
	case JOBS: return step_by_age(w, TABLE_JOBS);
	case RUNS: return step_by_age(w, TABLE_RUNS);
	case TOO_MANY: return step_too_many(w);
	case RESTING: break;
	}
	abort();
}

/* ---- a sweep */

static void on_timer(uv_timer_t *timer);

static void wake_in(struct sweeper *w, uint64_t ms)
{
	if (!w->stopped)
		uv_timer_start(&w->timer, on_timer, ms, 0);
}

static void end_sweep(struct sweeper *w)
{
	if (removed(&w->sweep))
		log_info("retention: removed %" PRIu64 " jobs, %" PRIu64 " runs and %" PRIu64 " artifacts", w->sweep.jobs,
		         w->sweep.runs, w->sweep.artifacts);
	w->service->swept.sweeps++;
	w->service->swept.last_at = store_now(w->service->store);
	w->stage = RESTING;
	wake_in(w, w->again ? 0 : DAY_MS);
	w->again = false;
}

static void go_on(struct sweeper *w)
{
	store_judge(w->service->store);
	w->step = (struct sweep_counts){0};
	bool more = step(w);
	if (!more) {
		w->place = 0;
		w->stage = w->stage == TOO_MANY ? RESTING : w->stage + 1;
	}
	if (removed(&w->step)) {
		w->waiting = true;
		store_wait(w->service->store, &w->ticket, 0);
	} else if (w->stage == RESTING) {
		end_sweep(w);
	} else {
		wake_in(w, PAUSE_MS);
	}
}

static void add(struct sweep_counts *to, const struct sweep_counts *n)
{
	to->jobs += n->jobs;
	to->runs += n->runs;
	to->artifacts += n->artifacts;
}

static void on_resolved(struct ticket *t, enum store_outcome outcome, const struct disk_error *why)
{
	struct sweeper *w = (struct sweeper *)t;
	(void)why;
	w->waiting = false;
	if (outcome != STORE_COMMITTED) { /* the log tells of the disk already */
		w->stage = RESTING;
		wake_in(w, RETRY_MS);
		return;
	}
	add(&w->sweep, &w->step);
	add(&w->service->swept.removed, &w->step);
	if (w->stage == RESTING)
		end_sweep(w);
	else
		wake_in(w, PAUSE_MS);
}

static void on_timer(uv_timer_t *timer)
{
	struct sweeper *w = timer->data;
	if (w->stopped || w->waiting)
		return;
	if (w->stage == RESTING && !anything_configured(w->retention))
		return; /* until the settings change */
	if (journal_degraded(w->service->journal, NULL)) {
		wake_in(w, RETRY_MS);
		return;
	}
	if (w->stage == RESTING) {
		w->stage = JOBS;
		w->place = 0;
		w->sweep = (struct sweep_counts){0};
	}
	go_on(w);
}

void sweeper_changed(struct sweeper *w)
{
	if (w->stage != RESTING || w->waiting)
		w->again = true;
	else
		wake_in(w, 0);
}

struct sweeper *sweeper_new(struct service *s, const struct retention *retention, uv_loop_t *loop)
{
	struct sweeper *w = mem_zero(sizeof *w);
	w->ticket.resolved = on_resolved;
	w->service = s;
	w->retention = retention;
	uv_timer_init(loop, &w->timer);
	w->timer.data = w;
	uv_unref((uv_handle_t *)&w->timer);
	wake_in(w, 0);
	return w;
}

void sweeper_stop(struct sweeper *w)
{
	w->stopped = true;
	uv_close((uv_handle_t *)&w->timer, NULL);
}

bool sweeper_idle(const struct sweeper *w) { return !w->waiting; }

void sweeper_free(struct sweeper *w) { free(w); }
