#include "tests/crash/history.h"
#include "daemon/artifact.h"
#include "proto/mem.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { JOBS = 12, RUNS = 4, CALL_CHANGES = 24, FAILURES_ONE_IN = 30 };
#define TIMES "\"created_at\":\"2026-11-22T16:50:00.123456+00:00\""

struct history_change {
	enum table_id table;
	char id[16];
	struct buf text, payload; /* text empty: it is deleted */
};

struct history_call {
	struct ticket ticket; /* first */
	struct history *history;
	struct history_call *next;
	uint64_t batch, revision; /* the last one */
	struct history_change changes[CALL_CHANGES];
	size_t count;
};

/* ---- points */

static void point(struct history *h, const char *what, const char *path)
{
	if (h->enough || h->disk->dead)
		return;
	h->point++;
	snprintf(h->what, sizeof h->what, "%s %s", what, path);
	if (h->trace)
		printf("%6" PRIu64 "  %s\n", h->point, h->what);
	h->observe(h->context, h);
}

/* Which calls fail, and how. A rename or an unlink that reports a failure may have been done. */
static int failure_of(struct history *h, const char *call, bool *done)
{
	static const int numbers[] = {EIO, ENOSPC, EDQUOT};
	if (!h->failing_disk || !dice_once_in(&h->dice, FAILURES_ONE_IN))
		return 0;
	h->counts.failures++;
	*done = strcmp(call, "fsync") != 0 && dice_once_in(&h->dice, 2);
	return numbers[dice_below(&h->dice, 3)];
}

static int before(void *context, const char *call, const char *path, bool *done)
{
	struct history *h = context;
	lanes_pause();
	if (h->disk->dead)
		return 0;
	if (h->kill_at > 0 && --h->kill_at == 0) {
		h->disk->dead = true;
		return 0;
	}
	point(h, call, path);
	int number = failure_of(h, call, done);
	if (number && h->trace)
		printf("        fails: %s%s\n", strerror(number), *done ? ", but is done" : "");
	return number;
}

/* ---- the ledger */

static void apply(const struct history *h, struct content *to, const struct history_call *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct history_change *change = &c->changes[i];
		struct span payload = buf_as_span(&change->payload);
		if (change->text.len)
			content_put(to, &h->rules, change->table, change->id, buf_as_span(&change->text), payload);
		else
			content_remove(to, change->table, change->id);
	}
	to->revision = h->rules.revisions ? c->revision : 0;
}

static void replace(struct content **to, struct content *by)
{
	content_free(*to);
	*to = by;
}

static void committing(void *context)
{
	struct history *h = context;
	if (h->disk->dead)
		return;
	replace(&h->doubtful, content_copy(h->certain));
	h->doubtful_batch = h->calls->batch;
	for (const struct history_call *c = h->calls; c && c->batch == h->doubtful_batch; c = c->next)
		apply(h, h->doubtful, c);
	h->answered_unknown = false;
}

static void forget_call(struct history *h, struct history_call *c)
{
	struct history_call **link = &h->calls;
	while (*link != c)
		link = &(*link)->next;
	*link = c->next;
	if (h->last_call == &c->next)
		h->last_call = link;
	for (size_t i = 0; i < c->count; i++) {
		buf_free(&c->changes[i].text);
		buf_free(&c->changes[i].payload);
	}
	free(c);
}

static void acknowledged(struct history *h, uint64_t batch)
{
	h->counts.acknowledged++;
	h->disk->lying = true;
	if (!h->doubtful || h->doubtful_batch != batch)
		return; /* one before it in the batch has said so already */
	replace(&h->certain, h->doubtful);
	h->doubtful = NULL;
	point(h, "answered:", "committed");
}

static void refused(struct history *h, enum store_outcome outcome, uint64_t batch)
{
	if (outcome == STORE_UNKNOWN) {
		h->counts.unknown++;
		h->answered_unknown = true;
		point(h, "answered:", "outcome_unknown");
		return;
	}
	h->counts.refused++;
	if (h->doubtful && h->doubtful_batch == batch && !h->answered_unknown) {
		replace(&h->doubtful, NULL);
		point(h, "answered:", "not_durable");
	}
}

static void resolved(struct ticket *t, enum store_outcome outcome, const struct disk_error *why)
{
	struct history_call *c = (struct history_call *)t;
	struct history *h = c->history;
	uint64_t batch = c->batch;
	(void)why;
	forget_call(h, c);
	if (h->disk->dead)
		return; /* nobody heard it */
	if (outcome == STORE_COMMITTED) {
		acknowledged(h, batch);
	} else {
		refused(h, outcome, batch);
		replace(&h->newest, content_copy(h->certain));
	}
}

/* Sound again: what was in doubt is decided. */
static void state_changed(void *context)
{
	struct history *h = context;
	bool was = h->degraded;
	if (!h->process.journal)
		return;
	h->degraded = journal_degraded(h->process.journal, NULL);
	if (h->disk->dead || !was || h->degraded)
		return;
	h->counts.repairs++;
	if (h->shown) {
		replace(&h->certain, h->shown);
		replace(&h->newest, content_copy(h->certain));
		h->shown = NULL;
	}
	replace(&h->doubtful, NULL);
	point(h, "sound again", "");
}

/* ---- calls */

static struct history_call *call_new(struct history *h)
{
	struct history_call *c = mem_zero(sizeof *c);
	c->history = h;
	c->ticket.resolved = resolved;
	store_judge(h->process.store);
	return c;
}

static struct history_change *change_new(struct history_call *c, enum table_id t, const char *id)
{
	assert(c->count < CALL_CHANGES);
	struct history_change *change = &c->changes[c->count++];
	change->table = t;
	snprintf(change->id, sizeof change->id, "%s", id);
	c->revision = store_next_revision(c->history->process.store);
	return change;
}

static void pad(struct history *h, struct buf *to)
{
	unsigned bytes = !h->even && dice_once_in(&h->dice, 6) ? 500 + dice_below(&h->dice, 2500) : dice_below(&h->dice, 120);
	for (unsigned i = 0; i < bytes; i++)
		buf_char(to, (char)('a' + (i + bytes) % 26));
}

static void job_text(struct history *h, struct buf *to, const char *id)
{
	static const char *const statuses[] = {"queued", "running", "completed", "failed"};
	buf_printf(to, "{\"id\":\"%s\",\"type\":\"custom\",\"status\":\"%s\",\"payload\":{\"pad\":\"", id,
	           statuses[dice_below(&h->dice, 4)]);
	pad(h, to);
	buf_text(to, "\"},\"progress\":null,\"result\":null," TIMES ",\"started_at\":null,\"completed_at\":null,"
	             "\"error\":null,\"metadata\":{},\"updated_at\":\"2026-11-22T16:50:00.123456+00:00\"");
}

static void save_job(struct history *h, struct history_call *c, const char *id)
{
	struct history_change *change = change_new(c, TABLE_JOBS, id);
	job_text(h, &change->text, id);
	buf_printf(&change->text, ",\"revision\":%" PRIu64 "}", c->revision);
	store_put(h->process.store, TABLE_JOBS, buf_as_span(&change->text));
}

static void save_run(struct history *h, struct history_call *c, const char *id, const char *artifact)
{
	struct history_change *change = change_new(c, TABLE_RUNS, id);
	struct buf *b = &change->text;
	buf_printf(b, "{\"id\":\"%s\",\"kind\":\"run\",\"status\":\"running\"," TIMES ",\"updated_at\":"
	              "\"2026-11-22T16:50:00.123456+00:00\",\"started_at\":null,\"finished_at\":null,"
	              "\"request\":{\"pad\":\"", id);
	pad(h, b);
	buf_text(b, "\"},\"meta\":{},\"artifact_id\":");
	if (artifact)
		buf_string(b, span_of(artifact));
	else
		buf_text(b, "null");
	buf_printf(b, ",\"error\":null,\"revision\":%" PRIu64 "}", c->revision);
	store_put(h->process.store, TABLE_RUNS, buf_as_span(b));
}

static void save_artifact(struct history *h, struct history_call *c, const char *run)
{
	char id[16];
	if (h->artifacts == CONTENT_IDS)
		return;
	snprintf(id, sizeof id, "a%u", h->artifacts++);
	struct history_change *change = change_new(c, TABLE_ARTIFACTS, id);
	buf_printf(&change->payload, "{\"of\":\"%s\",\"pad\":\"", id);
	pad(h, &change->payload);
	buf_text(&change->payload, "\"}");
	artifact_build(&change->text, span_of(id), span_of(run), SPAN("report"), change->payload.len,
	               INT64_C(1790000000000000), c->revision);
	store_payload(h->process.store, span_of(id), buf_as_span(&change->payload), false);
	store_put(h->process.store, TABLE_ARTIFACTS, buf_as_span(&change->text));
	save_run(h, c, run, id);
}

static void delete(struct history *h, struct history_call *c, enum table_id t, const char *id)
{
	if (c->count == CALL_CHANGES || !content_find(h->newest, t, id))
		return;
	change_new(c, t, id);
	store_remove(h->process.store, t, span_of(id));
}

static void delete_artifact(struct history *h, struct history_call *c)
{
	const struct content_row *found = NULL;
	unsigned seen = 0;
	for (size_t i = 0; i < h->newest->count; i++)
		if (h->newest->rows[i].table == TABLE_ARTIFACTS && dice_once_in(&h->dice, ++seen))
			found = &h->newest->rows[i];
	if (found)
		delete(h, c, TABLE_ARTIFACTS, found->id);
}

static void delete_run(struct history *h, struct history_call *c, const char *id)
{
	__attribute__((cleanup(buf_free))) struct buf ids = {0};
	size_t found = store_artifacts_of(h->process.store, span_of(id), CALL_CHANGES - 1, &ids);
	const char *at = ids.at;
	for (size_t i = 0; i < found; i++, at += strlen(at) + 1)
		delete(h, c, TABLE_ARTIFACTS, at);
	delete(h, c, TABLE_RUNS, id);
}

/* As a retention rule would: many at once. */
static void clean_up(struct history *h, struct history_call *c)
{
	unsigned keep = dice_below(&h->dice, JOBS);
	for (unsigned i = 0; i < JOBS; i++) {
		char id[16];
		snprintf(id, sizeof id, "j%u", i);
		if (i != keep)
			delete(h, c, TABLE_JOBS, id);
	}
}

static void send(struct history *h, struct history_call *c)
{
	if (c->count == 0) {
		free(c);
		return;
	}
	apply(h, h->newest, c);
	c->batch = store_wait(h->process.store, &c->ticket, 0);
	*h->last_call = c;
	h->last_call = &c->next;
}

static void call(struct history *h)
{
	struct history_call *c = call_new(h);
	char job[16], run[16];
	snprintf(job, sizeof job, "j%u", dice_below(&h->dice, JOBS));
	snprintf(run, sizeof run, "r%u", dice_below(&h->dice, RUNS));
	switch (dice_below(&h->dice, 16)) {
	default:
		save_job(h, c, job);
		break;
	case 6:
	case 7:
		save_run(h, c, run, NULL);
		break;
	case 8:
	case 9:
		delete(h, c, TABLE_JOBS, job);
		break;
	case 10:
	case 11:
	case 12:
		save_artifact(h, c, run);
		break;
	case 13:
		delete_artifact(h, c);
		break;
	case 14:
		delete_run(h, c, run);
		break;
	case 15:
		clean_up(h, c);
		break;
	}
	send(h, c);
}

/* ---- lives */

static void take_jobs(struct history *h)
{
	for (struct flush_job *job; (job = process_take(&h->process));)
		lanes_add(&h->lanes, job);
}

static void step_any(struct history *h)
{
	lanes_step(&h->lanes, dice_below(&h->dice, h->lanes.live));
	take_jobs(h);
}

static void turn(struct history *h)
{
	unsigned what = dice_below(&h->dice, 20);
	if (h->lanes.live > 0 && what < 14) {
		step_any(h);
	} else if (what < 18) {
		if (!journal_degraded(h->process.journal, NULL))
			for (unsigned n = 1 + dice_below(&h->dice, 3); n > 0; n--)
				call(h);
		store_flush(h->process.store);
	} else {
		surroundings.millis += dice_below(&h->dice, dice_once_in(&h->dice, 3) ? 3000 : 300);
		journal_tick(h->process.journal);
		store_flush(h->process.store);
	}
	take_jobs(h);
}

static void count_work(struct history *h)
{
	struct journal_stats s;
	journal_stats(h->process.journal, &s);
	h->counts.folds += (unsigned)s.folds;
	h->counts.merges += (unsigned)s.merges;
}

/* The process ends; what its jobs do from here on goes nowhere. */
static void die(struct history *h)
{
	h->disk->dead = true;
	if (h->process.journal) {
		while (h->lanes.live > 0 || !store_idle(h->process.store)) {
			store_flush(h->process.store);
			take_jobs(h);
			if (h->lanes.live > 0)
				step_any(h);
		}
		count_work(h);
	}
	process_end(&h->process);
	assert(!h->calls);
	if (h->disk->breach[0] && !h->failure[0])
		snprintf(h->failure, sizeof h->failure, "%s", h->disk->breach);
	ram_disk_close_all(h->disk);
	h->counts.overwritten += h->disk->overwritten;
	h->disk->overwritten = 0;
	h->disk->dead = false;
	h->kill_at = 0;
}

static struct ram_disk *disk_new(struct history *h)
{
	struct ram_disk *d = mem_alloc(sizeof *d);
	ram_disk_init(d, h->path);
	d->mutant = ram_mutant(h->mutant);
	d->lying = h->counts.acknowledged > 0;
	d->before = before;
	d->context = h;
	return d;
}

static void cut_power(struct history *h)
{
	struct ram_survey s;
	struct ram_disk *d = disk_new(h);
	ram_survey(&s, h->disk, 64);
	ram_survey_pick(&s, dice_bits(&h->dice), dice_below(&h->dice, s.states));
	ram_survey_make(&s, d);
	ram_survey_free(&s);
	d->artifacts_failed = h->disk->artifacts_failed;
	d->journal_failed = h->disk->journal_failed;
	ram_disk_done(h->disk);
	free(h->disk);
	h->disk = d;
	if (h->trace)
		printf("        the power is cut\n");
	h->counts.cuts++;
}

static void stop(struct history *h)
{
	h->failing_disk = false;
	while (h->lanes.live > 0 || !store_idle(h->process.store)) {
		store_flush(h->process.store);
		take_jobs(h);
		if (h->lanes.live > 0)
			step_any(h);
	}
	process_stop(&h->process);
	take_jobs(h);
	while (!h->process.stopped && !h->disk->dead && h->lanes.live > 0)
		step_any(h);
	if (h->disk->dead)
		return;
	h->clean = h->process.folded && !h->disk->journal_failed;
	point(h, "stopped", "");
	h->clean = false;
	h->counts.stops++;
}

static const struct buf *read_payload(const void *context, const char *name)
{
	return ram_disk_read(context, RAM_ARTIFACTS, name);
}

static bool same(const struct content *a, const struct content *b)
{
	return a && b && a->hash == b->hash && a->revision == b->revision;
}

/* It shows one of the two that it may. */
static bool take_shown(struct history *h)
{
	struct content *shown = process_content(&h->process, &h->rules, read_payload, h->disk);
	char why[2048];
	if (!same(shown, h->certain) && !same(shown, h->doubtful)) {
		content_compare(h->certain, shown, why, sizeof why);
		snprintf(h->failure, sizeof h->failure, "a start after a kill or a power cut: %s", why);
		content_free(shown);
		return false;
	}
	const struct content *known = same(shown, h->certain) ? h->certain : h->doubtful;
	memcpy(shown->gone, known->gone, sizeof shown->gone);
	h->degraded = journal_degraded(h->process.journal, NULL);
	if (h->degraded) {
		replace(&h->newest, content_copy(shown));
		replace(&h->shown, shown);
		return true;
	}
	replace(&h->certain, shown);
	replace(&h->newest, content_copy(shown));
	replace(&h->doubtful, NULL);
	replace(&h->shown, NULL);
	return true;
}

/* True: it runs. False with an empty `failure`: it was killed on the way, or the disk failed it. */
static bool start(struct history *h)
{
	unsigned failures = h->counts.failures;
	replace(&h->shown, NULL);
	bool started = process_start(&h->process, &h->disk->disk, h->path);
	if (h->disk->dead)
		return false;
	if (!started) {
		ram_disk_close_all(h->disk);
		if (h->counts.failures == failures)
			snprintf(h->failure, sizeof h->failure, "%s", h->process.why);
		return false;
	}
	return take_shown(h);
}

enum end { STOP, STOP_AND_KILL, CUT, KILL };

static void live(struct history *h)
{
	bool fails = dice_once_in(&h->dice, 3);
	h->failing_disk = fails;
	h->kill_at = dice_once_in(&h->dice, 3) ? 1 + dice_below(&h->dice, 30) : 0;
	h->process.merge_count = 2 + dice_below(&h->dice, 5);
	h->process.fold_floor = dice_once_in(&h->dice, 2) ? 4096 : 0;
	if (!start(h)) {
		h->failing_disk = false;
		h->counts.kills += h->disk->dead;
		die(h);
		return;
	}
	h->kill_at = 0;
	point(h, "started", "");
	unsigned end = dice_below(&h->dice, 5);
	for (unsigned n = 100 + dice_below(&h->dice, 500); n > 0 && !h->enough; n--) {
		turn(h);
		/* What the process knew of an unknown outcome is lost with it. */
		if (journal_degraded(h->process.journal, NULL) && dice_once_in(&h->dice, 16))
			end = KILL, n = 1;
	}
	if (end <= STOP_AND_KILL && !h->enough) {
		h->kill_at = end == STOP_AND_KILL ? 1 + dice_below(&h->dice, 40) : 0;
		stop(h);
	}
	h->counts.kills += end != STOP;
	die(h);
	if (end == CUT)
		cut_power(h);
}

/* A file as other programs make it: no revisions, no checksum. */
static void place_foreign(struct history *h, struct ram_disk *d)
{
	__attribute__((cleanup(buf_free))) struct buf b = {0};
	struct dice kept = h->dice;
	buf_text(&b, "{\"jobs\": [");
	for (unsigned i = 0; i < 5; i++) {
		char id[16];
		snprintf(id, sizeof id, "j%u", i);
		buf_text(&b, i ? ",\n" : "\n");
		job_text(h, &b, id);
		buf_char(&b, '}');
	}
	buf_text(&b, "\n]}\n");
	ram_disk_place(d, "jobs.json", buf_as_span(&b));
	h->dice = kept; /* it is placed twice */
}

static struct content *foreign_content(struct history *h)
{
	struct ram_disk d;
	struct process p = {0};
	ram_disk_init(&d, h->path);
	place_foreign(h, &d);
	bool started = process_start(&p, &d.disk, h->path);
	assert(started);
	(void)started;
	struct content *c = process_content(&p, &h->rules, read_payload, &d);
	process_end(&p);
	ram_disk_done(&d);
	return c;
}

static void begin(struct history *h)
{
	h->dice = dice_of(h->seed, 1, 1);
	h->last_call = &h->calls;
	surroundings = (struct surroundings){.millis = 1000, .dice = dice_of(1, 1, 1)};
	h->disk = disk_new(h);
	h->even = dice_once_in(&h->dice, 2);
	h->rules.revisions = !dice_once_in(&h->dice, 5);
	if (h->rules.revisions) {
		h->certain = content_new();
	} else {
		h->certain = foreign_content(h);
		place_foreign(h, h->disk);
	}
	h->newest = content_copy(h->certain);
	h->process = (struct process){.committing = committing, .state_changed = state_changed, .context = h};
}

void history_run(struct history *h)
{
	begin(h);
	for (unsigned n = 4 + dice_below(&h->dice, 4); n > 0 && !h->enough && !h->failure[0]; n--)
		live(h);
}

void history_done(struct history *h)
{
	ram_disk_done(h->disk);
	free(h->disk);
	content_free(h->certain);
	content_free(h->doubtful);
	content_free(h->newest);
	content_free(h->shown);
}
