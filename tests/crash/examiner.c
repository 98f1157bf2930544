#include "tests/crash/examiner.h"
#include "proto/mem.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LEFTOVERS = 6, AFTERS = 6, AFTER_STATES = 64, MERGE_COUNT = 3, MILLIS = 5000000 };

struct outcome {
	uint64_t state;          /* 0: this place is free */
	uint64_t shows, revision;
	char *trouble;           /* NULL: none */
	bool has_segments;
	uint16_t leftovers[LEFTOVERS]; /* artifacts with a payload and no record; +1 */
};

/* One state's examination. */
struct exam {
	struct examiner *examiner;
	const struct content_rules *rules;
	struct ram_disk disk;
	struct process process;
	struct dice dice;
	struct content *shown;
	struct ram_disk *afters[AFTERS]; /* what power cuts during it and behind it leave; each once */
	uint64_t after_hash[AFTERS];
	unsigned after_count;
	char trouble[2400];
};

/* ---- what is known */

static struct outcome *place_of(const struct examiner *e, uint64_t state)
{
	size_t at = state & (e->capacity - 1);
	while (e->outcomes[at].state && e->outcomes[at].state != state)
		at = (at + 1) & (e->capacity - 1);
	return &e->outcomes[at];
}

static void make_room(struct examiner *e)
{
	struct outcome *old = e->outcomes;
	size_t count = e->capacity;
	if (e->distinct * 2 < e->capacity)
		return;
	e->capacity = count ? count * 2 : 1 << 14;
	e->outcomes = mem_zero(e->capacity * sizeof *e->outcomes);
	for (size_t i = 0; i < count; i++)
		if (old[i].state)
			*place_of(e, old[i].state) = old[i];
	free(old);
}

void examiner_done(struct examiner *e)
{
	for (size_t i = 0; i < e->capacity; i++)
		free(e->outcomes[i].trouble);
	free(e->outcomes);
	buf_free(&e->failure);
}

/* ---- one state */

__attribute__((format(printf, 2, 3))) static bool wrong(struct exam *x, const char *format, ...)
{
	va_list arguments;
	if (x->trouble[0])
		return false;
	va_start(arguments, format);
	vsnprintf(x->trouble, sizeof x->trouble, format, arguments);
	va_end(arguments);
	return false;
}

static const struct buf *read_payload(const void *context, const char *name)
{
	return ram_disk_read(context, RAM_ARTIFACTS, name);
}

static struct content *content_of(struct exam *x, struct process *p, const struct ram_disk *d)
{
	return process_content(p, x->rules, read_payload, d);
}

enum which { OLDEST, NEWEST, ANY };

static void keep_after(struct exam *x, const struct ram_disk *d, enum which which)
{
	struct ram_survey s;
	ram_survey(&s, d, AFTER_STATES);
	unsigned any = dice_below(&x->dice, s.states);
	unsigned k = which == OLDEST ? 0 : which == NEWEST ? s.states - 1 : any;
	uint64_t hash = ram_survey_pick(&s, dice_bits(&x->dice), k);
	bool known = x->after_count == AFTERS;
	for (unsigned i = 0; i < x->after_count; i++)
		known |= x->after_hash[i] == hash;
	if (!known) {
		struct ram_disk *after = mem_alloc(sizeof *after);
		ram_disk_init(after, d->path);
		ram_survey_make(&s, after);
		x->after_hash[x->after_count] = hash;
		x->afters[x->after_count++] = after;
	}
	ram_survey_free(&s);
}

/* Some moment of the start is one at which the power is cut again. */
static int during(void *context, const char *call, const char *path, bool *done)
{
	struct exam *x = context;
	(void)call, (void)path, (void)done;
	if (x->after_count < 2 && dice_once_in(&x->dice, 6))
		keep_after(x, &x->disk, ANY);
	return 0;
}

static void keep_afters(struct exam *x)
{
	keep_after(x, &x->disk, OLDEST);
	keep_after(x, &x->disk, NEWEST);
	keep_after(x, &x->disk, ANY);
}

static bool start(struct exam *x, struct process *p, struct ram_disk *d, const char *when)
{
	struct disk_error e;
	x->examiner->starts++;
	p->merge_count = MERGE_COUNT;
	if (!process_start(p, &d->disk, d->path))
		return wrong(x, "%s: %s", when, p->why);
	if (journal_degraded(p->journal, &e)) {
		process_end(p);
		return wrong(x, "%s: degraded by %s", when, e.what);
	}
	return true;
}

static bool shows(struct exam *x, struct ram_disk *d, const struct content *expected, const char *when)
{
	struct process p = {0};
	char why[2048];
	if (!start(x, &p, d, when))
		return false;
	struct content *shown = content_of(x, &p, d);
	bool ok = shown->hash == expected->hash && shown->revision == expected->revision;
	if (!ok) {
		content_compare(expected, shown, why, sizeof why);
		wrong(x, "%s: %s", when, why);
	}
	if (ram_disk_has_tmp(d))
		ok = wrong(x, "%s: tmp files are left", when);
	content_free(shown);
	process_end(&p);
	return ok;
}

static bool afters_show(struct exam *x, const struct content *expected, const char *when)
{
	bool ok = true;
	for (unsigned i = 0; i < x->after_count; i++) {
		ok = ok && shows(x, x->afters[i], expected, when);
		ram_disk_done(x->afters[i]);
		free(x->afters[i]);
	}
	x->after_count = 0;
	return ok;
}

static void note_leftovers(void *context, const char *name)
{
	struct { struct exam *x; struct outcome *o; } *both = context;
	unsigned number;
	char id[16];
	if (!content_artifact(name, &number))
		return;
	snprintf(id, sizeof id, "a%u", number);
	for (int i = 0; i < LEFTOVERS && !content_find(both->x->shown, TABLE_ARTIFACTS, id); i++)
		if (!both->o->leftovers[i]) {
			both->o->leftovers[i] = (uint16_t)(number + 1);
			break;
		}
}

static bool first_start(struct exam *x, struct outcome *o)
{
	struct { struct exam *x; struct outcome *o; } both = {x, o};
	x->disk.before = during;
	x->disk.context = x;
	bool ok = start(x, &x->process, &x->disk, "the first start");
	x->disk.before = NULL;
	if (!ok)
		return false;
	x->shown = content_of(x, &x->process, &x->disk);
	o->shows = x->shown->hash;
	o->revision = x->shown->revision;
	disk_list(&x->disk.disk, &x->process.dirs.artifacts, note_leftovers, &both);
	process_end(&x->process);
	return true;
}

/* Where nothing waits to be made durable, a power cut leaves what a second start sees. */
static bool is_durable(const struct ram_disk *d)
{
	struct ram_survey s;
	ram_survey(&s, d, AFTER_STATES);
	bool durable = s.states == 1;
	ram_survey_free(&s);
	return durable;
}

static bool second_start(struct exam *x)
{
	uint64_t names = ram_disk_names(&x->disk);
	if (!shows(x, &x->disk, x->shown, "a second start, no power cut between"))
		return false;
	return ram_disk_names(&x->disk) == names || wrong(x, "a second start makes or removes files");
}

struct further {
	struct ticket ticket;
	bool committed;
};

static void on_further(struct ticket *t, enum store_outcome outcome, const struct disk_error *why)
{
	(void)why;
	((struct further *)t)->committed = outcome == STORE_COMMITTED;
}

static void delete_one(struct exam *x)
{
	if (x->shown->count == 0)
		return;
	const struct content_row *r = &x->shown->rows[dice_below(&x->dice, (unsigned)x->shown->count)];
	enum table_id t = r->table;
	char id[16];
	strcpy(id, r->id);
	store_remove(x->process.store, t, span_of(id));
	content_remove(x->shown, t, id);
}

/* One more commit on top of the state: a job is saved, something else is deleted. */
static bool commit_further(struct exam *x)
{
	struct further f = {.ticket.resolved = on_further};
	struct store *s = x->process.store;
	__attribute__((cleanup(buf_free))) struct buf b = {0};
	store_judge(s);
	delete_one(x);
	x->shown->revision = x->rules->revisions ? store_next_revision(s) : 0;
	buf_printf(&b,
	           "{\"id\":\"further\",\"type\":\"custom\",\"status\":\"running\",\"payload\":{},"
	           "\"progress\":null,\"result\":null,\"created_at\":\"2026-11-22T16:50:00.123456+00:00\","
	           "\"started_at\":null,\"completed_at\":null,\"error\":null,\"metadata\":{},"
	           "\"updated_at\":null,\"revision\":%" PRIu64 "}",
	           store_next_revision(s));
	store_put(s, TABLE_JOBS, buf_as_span(&b));
	content_put(x->shown, x->rules, TABLE_JOBS, "further", buf_as_span(&b), (struct span){0});
	store_wait(s, &f.ticket, 0);
	store_flush(s);
	process_drain(&x->process);
	return f.committed || wrong(x, "a further commit fails");
}

static void count_segment(void *context, const char *name)
{
	uint64_t seq;
	*(unsigned *)context += segment_seq(name, &seq);
}

static unsigned segments(struct ram_disk *d)
{
	unsigned count = 0;
	struct disk_dir dir = {.fd = -1}, state = {.fd = -1};
	if (disk_dir_open(&d->disk, &state, AT_FDCWD, d->path, d->path, false, 0) &&
	    disk_dir_open(&d->disk, &dir, state.fd, "journal", "journal", false, 0))
		disk_list(&d->disk, &dir, count_segment, &count);
	disk_dir_close(&d->disk, &dir);
	disk_dir_close(&d->disk, &state);
	return count;
}

/* After a clean stop nothing is left to come back. */
static bool stop_cleanly(struct exam *x)
{
	process_stop(&x->process);
	process_drain(&x->process);
	if (!x->process.stopped || !x->process.folded)
		return wrong(x, "a clean stop fails");
	keep_afters(x);
	for (unsigned i = 0; i < x->after_count; i++)
		if (segments(x->afters[i]) > 0)
			return wrong(x, "a clean stop leaves segments that a power cut brings back");
	return afters_show(x, x->shown, "a power cut after a clean stop");
}

static bool go_on(struct exam *x)
{
	if (!start(x, &x->process, &x->disk, "a third start"))
		return false;
	bool ok = commit_further(x);
	if (ok) {
		keep_afters(x);
		ok = afters_show(x, x->shown, "a power cut after a further commit") && stop_cleanly(x);
	}
	afters_show(x, x->shown, "");
	process_end(&x->process);
	return ok;
}

static void examine(struct examiner *e, struct history *h, struct ram_survey *s, struct outcome *o)
{
	struct exam *x = mem_zero(sizeof *x);
	struct surroundings kept = surroundings;
	x->examiner = e;
	x->rules = &h->rules;
	x->dice = dice_of(o->state, 3, 3);
	surroundings = (struct surroundings){.millis = MILLIS, .dice = dice_of(o->state, 4, 4)};
	ram_disk_init(&x->disk, h->path);
	ram_survey_make(s, &x->disk);
	o->has_segments = segments(&x->disk) > 0;
	bool ok = first_start(x, o);
	if (ok && !is_durable(&x->disk))
		keep_afters(x);
	if (ok && afters_show(x, x->shown, "a power cut during or after the start") && second_start(x) &&
	    o->state % 4 == 0)
		go_on(x);
	while (x->after_count > 0) {
		ram_disk_done(x->afters[--x->after_count]);
		free(x->afters[x->after_count]);
	}
	content_free(x->shown);
	ram_disk_done(&x->disk);
	surroundings = kept;
	if (x->trouble[0])
		o->trouble = mem_copy(x->trouble, strlen(x->trouble) + 1);
	free(x);
}

/* ---- the verdict */

/* What is wrong with it at this point. */
static bool is_wrong(const struct history *h, const struct outcome *o, char *why, size_t size)
{
	const struct content *c = h->certain;
	if (o->trouble) {
		snprintf(why, size, "%s", o->trouble);
		return true;
	}
	if (h->clean && o->has_segments) {
		snprintf(why, size, "segments come back after a clean stop");
		return true;
	}
	/* Where the two look the same (an artifact is made and deleted in one batch) it may be the one without. */
	if (c->hash != o->shows || c->revision != o->revision)
		c = h->doubtful;
	if (!c || c->hash != o->shows || c->revision != o->revision) {
		why[0] = '\0';
		return true;
	}
	for (int i = 0; i < LEFTOVERS && o->leftovers[i] && !h->disk->artifacts_failed; i++)
		if (content_is_gone(c, o->leftovers[i] - 1u)) {
			snprintf(why, size, "the payload of a%u is there, which was deleted", o->leftovers[i] - 1u);
			return true;
		}
	return false;
}

/* It shows what it may not: looked at once more for the first difference. */
static void explain(struct history *h, struct ram_survey *s, char *why, size_t size)
{
	struct surroundings kept = surroundings;
	struct ram_disk d;
	struct process p = {0};
	ram_disk_init(&d, h->path);
	ram_survey_make(s, &d);
	if (process_start(&p, &d.disk, h->path)) {
		struct content *shown = process_content(&p, &h->rules, read_payload, &d);
		bool later = h->doubtful && shown->revision == h->doubtful->revision;
		content_compare(later ? h->doubtful : h->certain, shown, why, size);
		content_free(shown);
		process_end(&p);
	}
	ram_disk_done(&d);
	surroundings = kept;
}

static void report(struct examiner *e, struct history *h, struct ram_survey *s, unsigned k, const char *why)
{
	struct buf *b = &e->failure;
	e->failed_point = h->point;
	e->failed_state = k;
	buf_printf(b, "%s\nbefore or at: %s (%s)\n", why, h->what,
	           h->doubtful ? "one commit is under way or unknown" : "all is answered");
	ram_survey_describe(s, b);
	buf_printf(b, "again: crash_states --seed %" PRIu64 " --point %" PRIu64 " --state %u --each %u", h->seed,
	           h->point, k, e->each);
	if (h->mutant)
		buf_printf(b, " --mutant %s", ram_mutant_name(h->mutant));
	buf_char(b, '\n');
	h->enough = true;
}

static void save(const struct examiner *e, struct history *h, struct ram_survey *s)
{
	struct ram_disk d;
	ram_disk_init(&d, h->path);
	ram_survey_make(s, &d);
	if (!ram_disk_save(&d, e->into))
		perror(e->into);
	ram_disk_done(&d);
}

static void look(struct examiner *e, struct history *h, struct ram_survey *s, unsigned k)
{
	char why[2600];
	uint64_t state = ram_survey_pick(s, h->seed ^ h->point << 20, k);
	state ^= h->rules.revisions ? 0 : UINT64_C(0x9e3779b97f4a7c15);
	if (e->into)
		save(e, h, s);
	make_room(e);
	struct outcome *o = place_of(e, state | 1);
	e->met++;
	if (!o->state) {
		o->state = state | 1;
		e->distinct++;
		examine(e, h, s, o);
	}
	if (is_wrong(h, o, why, sizeof why)) {
		if (!why[0])
			explain(h, s, why, sizeof why);
		report(e, h, s, k, why);
	}
}

void examiner_observe(void *examiner, struct history *h)
{
	struct examiner *e = examiner;
	struct ram_survey s;
	if (e->only_point && h->point != e->only_point)
		return;
	ram_survey(&s, h->disk, e->each);
	if (e->only_point && e->only_state < s.states)
		look(e, h, &s, e->only_state);
	for (unsigned k = 0; !e->only_point && k < s.states && !h->enough; k++) {
		look(e, h, &s, k);
		h->enough |= e->distinct >= e->wanted;
	}
	h->enough |= e->only_point > 0;
	ram_survey_free(&s);
}
