/* faults: one scripted life of a store, run again and again with another call to the disk going wrong each time, in
 * every way, then two calls; judged after each answer by a ledger of what was acknowledged. docs/crash-states.md.
 *
 *     faults [--pairs N] [--seed S] [--every N]        each call (of so many one) in each way; then N pairs of calls, picked
 *                                                      by the seed
 *     faults --all [--seed S]                          each call in each way; then every pair, in ways picked by the seed
 *     faults --at CALL KIND [--at CALL KIND]           one life again, each call printed
 */
#include "daemon/artifact.h"
#include "daemon/log.h"
#include "proto/ident.h"
#include "proto/mem.h"
#include "tests/crash/process.h"
#include "tests/crash/unruly.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PAIRS = 4000, CALLS_BESIDE = 2, PATIENCE = 40, TICK = 250, CUTS_EACH = 3, CUT_AFTER = 8 };
#define TIMES "\"created_at\":\"2026-11-22T16:50:00.123456+00:00\",\"updated_at\":\"2026-11-22T16:50:00.123456+00:00\""

static char directory[] = "/tmp/faults-XXXXXX";
static const struct content_rules rules = {.revisions = true};

static struct {
	uint64_t lives, acknowledged, refused, unknown, repairs, refused_starts, degraded_starts, cuts, wrong;
} totals;

static struct {
	uint64_t pairs, seed, every;
	bool all;
	struct unruly_fault faults[2];
} asked = {.pairs = PAIRS, .every = 1};

struct life;

/* A call on its way: what its caller may find once it is answered. */
struct request {
	struct ticket ticket; /* first */
	struct life *life;
	struct content *after; /* the content with it */
	bool answered;
	enum store_outcome outcome;
};

struct life {
	struct unruly disk;
	struct process process;
	struct content *certain;  /* all that was acknowledged */
	struct content *doubtful; /* with what was answered outcome_unknown; NULL: nothing is in doubt */
	struct request requests[CALLS_BESIDE];
	unsigned request_count, version;
	uint64_t renames_before;  /* of segments, when the commit under way began */
	unsigned refused, unknown, refused_starts;
	unsigned fired, moments;  /* faults; at which the power was cut since the last of them */
	bool dies_of_doubt;       /* it is killed while an outcome is unknown, instead of being waited for */
	char trouble[2600];
};

static bool __attribute__((format(printf, 2, 3))) wrong(struct life *l, const char *format, ...)
{
	va_list arguments;
	if (l->trouble[0])
		return false;
	va_start(arguments, format);
	vsnprintf(l->trouble, sizeof l->trouble, format, arguments);
	va_end(arguments);
	return false;
}

static void replace(struct content **to, struct content *by)
{
	content_free(*to);
	*to = by;
}

static const struct buf *read_payload(const void *context, const char *name)
{
	return ram_disk_read(context, RAM_ARTIFACTS, name);
}

static struct content *content_of(struct process *p, const struct ram_disk *d)
{
	return process_content(p, &rules, read_payload, d);
}

static bool same(const struct content *a, const struct content *b)
{
	return a && b && a->hash == b->hash && a->revision == b->revision;
}

static bool may_show(struct life *l, const struct content *shown, bool in_doubt, const char *when)
{
	char why[2048];
	if (same(shown, l->certain) || (in_doubt && same(shown, l->doubtful)))
		return true;
	content_compare(l->certain, shown, why, sizeof why);
	return wrong(l, "%s: %s", when, why);
}

/* ---- power cuts */

static void start_on(struct life *l, struct ram_disk *d, const char *when)
{
	struct process p = {.merge_count = 2};
	if (!process_start(&p, &d->disk, directory)) {
		wrong(l, "%s: %s", when, p.why);
		return;
	}
	struct content *shown = content_of(&p, d);
	if (journal_degraded(p.journal, NULL))
		wrong(l, "%s: degraded on a sound disk", when);
	may_show(l, shown, true, when);
	content_free(shown);
	process_end(&p);
}

/* What a start would show if the power were cut now: the oldest state that the disk may hold, the newest, and one between. */
static void cut_power(struct life *l, const char *when)
{
	struct ram_survey s;
	struct surroundings kept = surroundings;
	unsigned fired = (unsigned)l->disk.faults[0].fired + (unsigned)l->disk.faults[1].fired;
	if (fired > l->fired)
		l->moments = 0;
	l->fired = fired;
	if (fired == 0 || l->moments++ >= CUT_AFTER)
		return; /* without a fault crash_states has been there */
	ram_survey(&s, &l->disk.ram, 64);
	for (unsigned n = 0; n < CUTS_EACH && n < s.states && !l->trouble[0]; n++) {
		struct ram_disk d;
		unsigned k = n == 0 ? 0 : n == 1 ? s.states - 1 : (unsigned)(l->disk.calls % s.states);
		ram_disk_init(&d, directory);
		ram_survey_pick(&s, l->disk.calls, k);
		ram_survey_make(&s, &d);
		start_on(l, &d, when);
		ram_disk_done(&d);
		totals.cuts++;
	}
	ram_survey_free(&s);
	surroundings = kept;
}

/* ---- answers */

static void committing(void *context)
{
	struct life *l = context;
	l->renames_before = l->disk.segment_renames;
}

static void judge_refusal(struct life *l, enum store_outcome outcome, bool first, const struct disk_error *why)
{
	bool renamed = l->disk.segment_renames > l->renames_before;
	char reason[256];
	if (!why || !why->number || !why->what[0])
		wrong(l, "a refusal without a reason");
	if (journal_health(l->process.journal, reason, sizeof reason) == JOURNAL_SOUND)
		wrong(l, "a change is refused, and the disk is said to be well");
	if (outcome == STORE_NOT_DURABLE && first && renamed)
		wrong(l, "not_durable is answered, though the rename of the segment was tried");
	if (outcome == STORE_UNKNOWN && !renamed)
		wrong(l, "outcome_unknown is answered, though no rename was tried");
}

static void resolved(struct ticket *t, enum store_outcome outcome, const struct disk_error *why)
{
	struct request *r = (struct request *)t;
	struct life *l = r->life;
	r->answered = true;
	r->outcome = outcome;
	if (outcome == STORE_COMMITTED) {
		totals.acknowledged++;
		replace(&l->certain, content_copy(r->after));
		cut_power(l, "a power cut after an acknowledgement");
		return;
	}
	l->refused += outcome == STORE_NOT_DURABLE;
	l->unknown += outcome == STORE_UNKNOWN;
	judge_refusal(l, outcome, !l->doubtful && r == l->requests, why);
	if (outcome == STORE_UNKNOWN)
		replace(&l->doubtful, content_copy(r->after));
	cut_power(l, outcome == STORE_UNKNOWN ? "a power cut after outcome_unknown" : "a power cut after not_durable");
}

/* What everybody reads: all that is acknowledged and nothing else, whatever the disk does. */
static void read_all(struct life *l, const char *when)
{
	struct content *shown = content_of(&l->process, &l->disk.ram);
	may_show(l, shown, false, when);
	content_free(shown);
}

/* By itself, that is with time. */
static void wait_until_sound(struct life *l)
{
	struct disk_error why;
	for (int i = 0; journal_degraded(l->process.journal, &why); i++) {
		if (!why.number || !why.what[0])
			wrong(l, "degraded without a reason");
		if (i == PATIENCE || l->trouble[0]) {
			wrong(l, "still degraded: %s", why.what);
			return;
		}
		read_all(l, "while degraded");
		cut_power(l, "a power cut while degraded");
		surroundings.millis += TICK;
		journal_tick(l->process.journal);
		process_drain(&l->process);
	}
}

/* Sound again: what was in doubt is decided, and shown. */
static void state_changed(void *context)
{
	struct life *l = context;
	if (!l->process.journal || journal_degraded(l->process.journal, NULL) || !l->doubtful)
		return;
	totals.repairs++;
	replace(&l->doubtful, NULL);
}

/* Without another change coming that would show it. */
static void wait_for_health(struct life *l)
{
	char reason[256] = "";
	for (int i = 0; journal_health(l->process.journal, reason, sizeof reason) != JOURNAL_SOUND; i++) {
		if (!reason[0] || i == PATIENCE) {
			wrong(l, "the disk works again, and is said not to: %s", reason);
			return;
		}
		surroundings.millis += TICK;
		journal_tick(l->process.journal);
		process_drain(&l->process);
	}
}

/* ---- starts */

static void kill(struct life *l)
{
	process_drain(&l->process);
	process_end(&l->process);
	ram_disk_close_all(&l->disk.ram);
}

static bool start(struct life *l)
{
	int tries = 0;
	while (!process_start(&l->process, &l->disk.disk, directory)) {
		ram_disk_close_all(&l->disk.ram);
		totals.refused_starts++;
		l->refused_starts++;
		cut_power(l, "a power cut after a start that was refused");
		if (++tries > 2 || l->trouble[0])
			return wrong(l, "the start is refused again and again: %s", l->process.why);
	}
	struct content *shown = content_of(&l->process, &l->disk.ram);
	if (may_show(l, shown, true, "a start") && journal_degraded(l->process.journal, NULL)) {
		totals.degraded_starts++;
		struct content *older = l->certain;
		/* what it shows is read meanwhile, and is what stays unless the power is cut */
		l->certain = content_copy(shown);
		replace(&l->doubtful, older);
	} else if (!l->trouble[0]) {
		replace(&l->certain, content_copy(shown));
		replace(&l->doubtful, NULL);
	}
	content_free(shown);
	wait_until_sound(l);
	replace(&l->doubtful, NULL);
	cut_power(l, "a power cut after a start");
	return !l->trouble[0];
}

/* ---- changes */

typedef void change(struct life *l, struct content *to);

static void put(struct life *l, struct content *to, enum table_id t, const char *id, struct buf *text, struct span payload)
{
	buf_printf(text, ",\"revision\":%" PRIu64 "}", store_next_revision(l->process.store));
	to->revision = store_next_revision(l->process.store);
	store_put(l->process.store, t, buf_as_span(text));
	content_put(to, &rules, t, id, buf_as_span(text), payload);
	buf_free(text);
}

static void put_job(struct life *l, struct content *to, const char *id)
{
	struct buf b = {0};
	buf_printf(&b, "{\"id\":\"%s\",\"type\":\"custom\",\"status\":\"running\",\"payload\":{\"v\":%u},\"progress\":null,"
	               "\"result\":null,\"started_at\":null,\"completed_at\":null,\"error\":null,\"metadata\":{}," TIMES,
	           id, l->version++);
	put(l, to, TABLE_JOBS, id, &b, (struct span){0});
}

static void put_run(struct life *l, struct content *to, const char *id, const char *artifact)
{
	struct buf b = {0};
	buf_printf(&b, "{\"id\":\"%s\",\"kind\":\"run\",\"status\":\"running\"," TIMES ",\"started_at\":null,"
	               "\"finished_at\":null,\"request\":{\"v\":%u},\"meta\":{},\"artifact_id\":", id, l->version++);
	buf_printf(&b, artifact ? "\"%s\"" : "null%s", artifact ? artifact : "");
	buf_text(&b, ",\"error\":null");
	put(l, to, TABLE_RUNS, id, &b, (struct span){0});
}

static void put_artifact(struct life *l, struct content *to, const char *id, const char *run)
{
	struct buf text = {0};
	__attribute__((cleanup(buf_free))) struct buf payload = {0};
	uint64_t revision = store_next_revision(l->process.store);
	buf_printf(&payload, "{\"of\":\"%s\",\"v\":%u}", id, l->version++);
	artifact_build(&text, span_of(id), span_of(run), SPAN("report"), payload.len, INT64_C(1790000000000000), revision);
	to->revision = revision;
	store_payload(l->process.store, span_of(id), buf_as_span(&payload), false);
	store_put(l->process.store, TABLE_ARTIFACTS, buf_as_span(&text));
	content_put(to, &rules, TABLE_ARTIFACTS, id, buf_as_span(&text), buf_as_span(&payload));
	buf_free(&text);
	put_run(l, to, run, id);
}

static void take_away(struct life *l, struct content *to, enum table_id t, const char *id)
{
	to->revision = store_next_revision(l->process.store);
	store_remove(l->process.store, t, span_of(id));
	content_remove(to, t, id);
}

static void first(struct life *l, struct content *to)
{
	put_job(l, to, "j1");
	put_job(l, to, "j2");
	put_artifact(l, to, "a0", "r1");
}
static void second(struct life *l, struct content *to)
{
	put_job(l, to, "j3");
	if (!content_find(to, TABLE_ARTIFACTS, "a1")) /* it is there if the call behind it alone was refused */
		put_artifact(l, to, "a1", "r2");
}
static void job_again(struct life *l, struct content *to) { put_job(l, to, "j1"); }
static void run_again(struct life *l, struct content *to) { put_run(l, to, "r2", NULL); }
static void delete_job(struct life *l, struct content *to)
{
	if (content_find(to, TABLE_JOBS, "j2"))
		take_away(l, to, TABLE_JOBS, "j2");
	put_job(l, to, "j3");
}
static void delete_artifact(struct life *l, struct content *to)
{
	if (content_find(to, TABLE_ARTIFACTS, "a0"))
		take_away(l, to, TABLE_ARTIFACTS, "a0");
	put_run(l, to, "r1", NULL);
}

static void request(struct life *l, change *make)
{
	struct request *r = &l->requests[l->request_count];
	const struct content *before = l->request_count ? l->requests[l->request_count - 1].after : l->certain;
	*r = (struct request){.life = l, .after = content_copy(before), .ticket.resolved = resolved};
	l->request_count++;
	store_judge(l->process.store);
	make(l, r->after);
	store_wait(l->process.store, &r->ticket, 0);
	store_flush(l->process.store);
}

/* True: all of them are acknowledged. */
static bool requests_done(struct life *l)
{
	bool all = true;
	for (unsigned i = 0; i < l->request_count; i++) {
		all &= l->requests[i].answered && l->requests[i].outcome == STORE_COMMITTED;
		if (!l->requests[i].answered)
			wrong(l, "a call was never answered");
		content_free(l->requests[i].after);
	}
	l->request_count = 0;
	return all;
}

/* Both are sent at once: the second one's batch is judged on the first one's. Tried again until all is acknowledged. */
static bool send(struct life *l, change *make, change *behind)
{
	for (int tries = 0; !l->trouble[0]; tries++) {
		if (tries == PATIENCE)
			return wrong(l, "refused again and again on a sound disk");
		request(l, make);
		if (behind)
			request(l, behind);
		process_drain(&l->process);
		if (requests_done(l))
			break;
		read_all(l, "after a refusal");
		if (tries % 2 == 1)
			wait_for_health(l);
		if (!journal_degraded(l->process.journal, NULL))
			continue;
		if (l->dies_of_doubt) {
			kill(l);
			if (!start(l))
				return false;
		}
		wait_until_sound(l);
	}
	read_all(l, "after an acknowledgement");
	return !l->trouble[0];
}

static void pass_time(struct life *l, uint64_t millis)
{
	surroundings.millis += millis;
	for (int i = 0; i < 4; i++) {
		journal_tick(l->process.journal);
		process_drain(&l->process);
	}
	read_all(l, "after a while");
	cut_power(l, "a power cut after a while");
}

static bool stop(struct life *l)
{
	process_stop(&l->process);
	process_drain(&l->process);
	if (!l->process.stopped)
		return wrong(l, "a stop that never ends");
	kill(l);
	cut_power(l, "a power cut after a stop");
	return true;
}

static void count_payload(void *context, const char *name)
{
	unsigned number;
	*(unsigned *)context += !disk_is_tmp(name) && content_artifact(name, &number);
}

/* The last start is on a disk that is well: nothing is left over. */
static void tidy(struct life *l)
{
	unsigned payloads = 0, records = 0;
	l->disk.faults[0].at = l->disk.faults[1].at = 0;
	if (!start(l))
		return;
	pass_time(l, 70000);
	if (!send(l, job_again, NULL) || !stop(l) || !start(l))
		return;
	if (ram_disk_has_tmp(&l->disk.ram))
		wrong(l, "tmp files are left");
	ram_disk_each(&l->disk.ram, RAM_ARTIFACTS, count_payload, &payloads);
	for (size_t i = 0; i < l->certain->count; i++)
		records += l->certain->rows[i].table == TABLE_ARTIFACTS;
	if (payloads != records)
		wrong(l, "%u payloads for %u artifacts", payloads, records);
}

static bool live(struct life *l)
{
	if (!start(l) || !send(l, first, NULL) || !send(l, second, job_again))
		return false;
	pass_time(l, 3000); /* folds */
	if (!send(l, job_again, run_again) || !send(l, delete_job, NULL) || !send(l, delete_artifact, run_again))
		return false;
	pass_time(l, 10); /* merges */
	wait_for_health(l);
	kill(l);
	if (!start(l) || !send(l, job_again, NULL) || !send(l, run_again, NULL) || !stop(l))
		return false;
	tidy(l);
	return !l->trouble[0];
}

/* ---- lives with faults */

/* Nobody notices a call that is gone on with. */
static void judge_unnoticed(struct life *l)
{
	for (int i = 0; i < 2; i++) {
		const struct unruly_fault *f = &l->disk.faults[i];
		bool unnoticed = f->kind == UNRULY_SHORT || (f->kind == UNRULY_EINTR && unruly_is_resumed(f->call));
		if (f->fired && !unnoticed)
			return;
	}
	if (l->refused || l->unknown || l->refused_starts)
		wrong(l, "a call that was interrupted or did half was not gone on with");
}

static void say(const struct unruly_fault faults[2], const char *trouble)
{
	printf("WRONG with");
	for (int i = 0; i < 2; i++)
		if (faults[i].at)
			printf("%s %s of call %" PRIu64 " (%s)", i ? " and" : "", unruly_kind_name(faults[i].kind), faults[i].at,
			       faults[i].fired ? faults[i].call : "not met");
	printf(": %s\n again: faults", trouble);
	for (int i = 0; i < 2; i++)
		if (faults[i].at)
			printf(" --at %" PRIu64 " %s", faults[i].at, unruly_kind_name(faults[i].kind));
	printf("\n");
}

/* Returns the number of its calls up to the last fault. False in *fired: the last fault's turn did not come. */
static uint64_t try(struct unruly_fault one, struct unruly_fault other, bool trace, bool *fired)
{
	struct life *l = mem_zero(sizeof *l);
	surroundings = (struct surroundings){.millis = 1000, .dice = dice_of(3, 1, 1)};
	unruly_init(&l->disk, directory);
	l->disk.faults[0] = one;
	l->disk.faults[1] = other;
	l->disk.trace = trace;
	l->certain = content_new();
	l->dies_of_doubt = (one.at + other.at) % 2;
	l->process = (struct process){.merge_count = 2, .committing = committing, .state_changed = state_changed, .context = l};
	live(l);
	if (l->process.journal)
		kill(l);
	judge_unnoticed(l);
	if (l->disk.ram.breach[0])
		wrong(l, "%s", l->disk.ram.breach);
	*fired = other.at ? l->disk.faults[1].fired : l->disk.faults[0].fired;
	if (l->trouble[0]) {
		struct unruly_fault said[2] = {l->disk.faults[0], l->disk.faults[1]};
		said[0].at = one.at;
		said[1].at = other.at;
		say(said, l->trouble);
		totals.wrong++;
	}
	totals.lives++;
	totals.refused += l->refused;
	totals.unknown += l->unknown;
	uint64_t calls = l->disk.calls;
	requests_done(l);
	content_free(l->certain);
	content_free(l->doubtful);
	unruly_done(&l->disk);
	free(l);
	return calls;
}

/* Returns how many calls a life without faults makes. */
static uint64_t try_singles(void)
{
	bool fired;
	uint64_t calls = try((struct unruly_fault){0}, (struct unruly_fault){0}, false, &fired);
	for (int kind = 0; kind < UNRULY_KINDS; kind++) {
		uint64_t hits = 0, at = 1 + (asked.seed + (unsigned)kind) % asked.every;
		for (; at <= calls && totals.wrong < 5; at += asked.every) {
			try((struct unruly_fault){.at = at, .kind = (enum unruly_kind)kind}, (struct unruly_fault){0}, false, &fired);
			hits += fired;
		}
		printf("%-8s %4" PRIu64 " calls hit, one in each life\n", unruly_kind_name((enum unruly_kind)kind), hits);
	}
	return calls;
}

static uint64_t try_pair(uint64_t i, uint64_t j, struct dice *dice)
{
	bool fired;
	struct unruly_fault one = {.at = i, .kind = (enum unruly_kind)dice_below(dice, UNRULY_KINDS)},
	                    other = {.at = j, .kind = (enum unruly_kind)dice_below(dice, UNRULY_KINDS)};
	try(one, other, false, &fired);
	return fired;
}

static void try_pairs(uint64_t calls, uint64_t pairs, bool all, uint64_t seed)
{
	struct dice dice = dice_of(seed, 5, 5);
	uint64_t tried = 0, both = 0;
	for (uint64_t i = 1; all && i < calls; i++)
		for (uint64_t j = i + 1; j <= calls && totals.wrong < 5; j++, tried++)
			both += try_pair(i, j, &dice);
	for (; !all && tried < pairs && totals.wrong < 5; tried++) {
		uint64_t i = 1 + dice_below(&dice, (unsigned)calls - 1);
		/* half of them close together: a fault, and one in what is done about it */
		uint64_t width = dice_once_in(&dice, 2) ? 12 : calls - i;
		both += try_pair(i, i + 1 + dice_below(&dice, (unsigned)width), &dice);
	}
	printf("%" PRIu64 " pairs (seed %" PRIu64 "), %" PRIu64 " with both hit, of %" PRIu64 " pairs of calls\n", tried, seed, both,
	       calls * (calls - 1) / 2);
}

static int usage(void)
{
	fprintf(stderr, "usage: faults [--pairs N | --all] [--seed S] [--every N] | --at CALL KIND [--at CALL KIND]\n");
	return 2;
}

static bool parse(int count, char **arguments)
{
	unsigned faults = 0;
	for (int i = 1; i < count; i++) {
		const char *name = arguments[i];
		if (strcmp(name, "--all") == 0) {
			asked.all = true;
		} else if (strcmp(name, "--at") == 0 && i + 2 < count && faults < 2) {
			asked.faults[faults].at = strtoull(arguments[++i], NULL, 10);
			if (!unruly_kind_from(arguments[++i], &asked.faults[faults++].kind))
				return false;
		} else if (i + 1 < count && strcmp(name, "--pairs") == 0) {
			asked.pairs = strtoull(arguments[++i], NULL, 10);
		} else if (i + 1 < count && strcmp(name, "--seed") == 0) {
			asked.seed = strtoull(arguments[++i], NULL, 10);
		} else if (i + 1 < count && strcmp(name, "--every") == 0) {
			asked.every = strtoull(arguments[++i], NULL, 10);
		} else {
			return false;
		}
	}
	return asked.every > 0;
}

int main(int count, char **arguments)
{
	struct timespec begun, ended;
	bool fired;
	asked.seed = (uint64_t)time(NULL);
	if (!parse(count, arguments))
		return usage();
	if (!mkdtemp(directory)) {
		perror(directory);
		return 1;
	}
	ident_init();
	log_set_level(LOG_LEVEL_ERROR);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	if (asked.faults[0].at) {
		try(asked.faults[0], asked.faults[1], true, &fired);
	} else {
		uint64_t calls = try_singles();
		if (!totals.wrong)
			try_pairs(calls, asked.pairs, asked.all, asked.seed);
	}
	clock_gettime(CLOCK_MONOTONIC, &ended);
	rmdir(directory);
	printf("%" PRIu64 " lives: %" PRIu64 " acknowledged, %" PRIu64 " not_durable, %" PRIu64 " outcome_unknown, %" PRIu64
	       " repairs, ", totals.lives, totals.acknowledged, totals.refused, totals.unknown, totals.repairs);
	printf("%" PRIu64 " starts refused, %" PRIu64 " degraded, %" PRIu64 " power cuts, %" PRIu64 " wrong, %.1f s\n",
	       totals.refused_starts, totals.degraded_starts, totals.cuts, totals.wrong,
	       (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9);
	return totals.wrong ? 1 : 0;
}
