/* crash_states: enumerates what power cuts could leave of a state directory at every point of random
 * histories, starts the real store on each, and proves that nothing acknowledged is lost, nothing refused is
 * there, and nothing is there by half. docs/crash-states.md says what is enumerated and what is assumed.
 *
 *     crash_states [--states N] [--seed S] [--each N]             until N distinct states are examined
 *     crash_states --seed S --point P --state K [--each N] [--into DIR]
 *                                                                 one of them again, every call printed, and
 *                                                                 the state written into an empty directory
 *     crash_states --mutants                                      disks that lie: each must be found
 *     crash_states --mutant NAME …                                one of them */
#include "daemon/log.h"
#include "proto/ident.h"
#include "tests/crash/examiner.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { STATES = 10000, EACH = 32, MUTANT_STATES = 100000, PROGRESS_SECONDS = 20 };

static struct {
	uint64_t states, seed, point, state, each;
	unsigned mutant;
	bool mutants;
	const char *into;
} asked = {.states = STATES, .seed = 1, .each = EACH};

static struct {
	uint64_t histories, points, acknowledged, refused, unknown;
	uint64_t kills, cuts, stops, folds, merges, overwritten, failures, repairs;
} totals;

static char directory[] = "/tmp/crash-states-XXXXXX";

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add_totals(const struct history *h)
{
	totals.histories++;
	totals.points += h->point;
	totals.acknowledged += h->counts.acknowledged;
	totals.refused += h->counts.refused;
	totals.unknown += h->counts.unknown;
	totals.kills += h->counts.kills;
	totals.cuts += h->counts.cuts;
	totals.stops += h->counts.stops;
	totals.folds += h->counts.folds;
	totals.merges += h->counts.merges;
	totals.failures += h->counts.failures;
	totals.repairs += h->counts.repairs;
	totals.overwritten += h->counts.overwritten;
}

/* A long run shows now and then that it goes on, and with which seed to go on after it. */
static void show_progress(const struct examiner *e, uint64_t seed)
{
	static double shown;
	double now = seconds();
	if (shown == 0)
		shown = now;
	if (now - shown < PROGRESS_SECONDS)
		return;
	shown = now;
	printf("%" PRIu64 " distinct states, %" PRIu64 " starts; next is seed %" PRIu64 "\n", e->distinct, e->starts,
	       seed);
	fflush(stdout);
}

/* One history after the other, until there are enough states or one is wrong. */
static bool run(struct examiner *e, unsigned mutant, uint64_t seed)
{
	for (; e->failure.len == 0 && e->distinct < e->wanted; seed++) {
		struct history h = {.seed = seed, .path = directory, .mutant = mutant, .trace = e->only_point > 0,
		                    .observe = examiner_observe, .context = e};
		history_run(&h);
		add_totals(&h);
		if (h.failure[0])
			buf_printf(&e->failure, "%s\nagain: crash_states --seed %" PRIu64 " --each %u%s%s\n", h.failure, seed,
			           e->each, mutant ? " --mutant " : "", mutant ? ram_mutant_name(mutant) : "");
		history_done(&h);
		if (e->only_point)
			break;
		show_progress(e, seed + 1);
	}
	return e->failure.len == 0;
}

static bool run_honest(void)
{
	struct examiner e = {.each = (unsigned)asked.each, .wanted = asked.states, .only_point = asked.point,
	                     .only_state = (unsigned)asked.state,
	                     .into = asked.point ? asked.into : NULL};
	double begun = seconds();
	bool ok = run(&e, asked.mutant, asked.seed);
	if (!ok)
		printf("%.*s", (int)e.failure.len, e.failure.at);
	printf("%" PRIu64 " distinct states (met %" PRIu64 " times) at %" PRIu64 " points of %" PRIu64
	       " histories from seed %" PRIu64 ", %" PRIu64 " starts, %.1f s\n",
	       e.distinct, e.met, totals.points, totals.histories, asked.seed, e.starts, seconds() - begun);
	printf("calls: %" PRIu64 " acknowledged, %" PRIu64 " refused, %" PRIu64 " unknown; %" PRIu64 " kills, "
	       "%" PRIu64 " power cuts, %" PRIu64 " clean stops, ",
	       totals.acknowledged, totals.refused, totals.unknown, totals.kills, totals.cuts, totals.stops);
	printf("%" PRIu64 " folds, %" PRIu64 " merges, %" PRIu64 " files written over, %" PRIu64
	       " failed disk calls, %" PRIu64 " repairs\n",
	       totals.folds, totals.merges, totals.overwritten, totals.failures, totals.repairs);
	examiner_done(&e);
	return ok;
}

static bool run_mutants(void)
{
	bool all = true;
	for (unsigned mutant = 1; mutant < RAM_MUTANTS; mutant++) {
		struct examiner e = {.each = (unsigned)asked.each, .wanted = MUTANT_STATES};
		bool missed = run(&e, mutant, asked.seed);
		printf("%-23s %s after %" PRIu64 " states\n", ram_mutant_name(mutant), missed ? "NOT FOUND" : "found",
		       e.distinct);
		if (!missed)
			printf("%.*s", (int)e.failure.len, e.failure.at);
		all &= !missed;
		examiner_done(&e);
	}
	return all;
}

static int usage(void)
{
	fprintf(stderr, "usage: crash_states [--states N] [--seed S] [--each N] [--point P --state K [--into DIR]] "
	                "[--mutant NAME | --mutants]\n");
	return 2;
}

static bool take_number(const char *text, uint64_t *to)
{
	char *end;
	*to = strtoull(text, &end, 10);
	return *text && !*end;
}

static bool parse(int count, char **arguments)
{
	static const struct {
		const char *name;
		uint64_t *to;
	} numbers[] = {{"--states", &asked.states}, {"--seed", &asked.seed}, {"--each", &asked.each},
	               {"--point", &asked.point},   {"--state", &asked.state}};
	for (int i = 1; i < count; i++) {
		size_t n = 0;
		if (strcmp(arguments[i], "--mutants") == 0) {
			asked.mutants = true;
			continue;
		}
		if (i + 1 == count)
			return false;
		if (strcmp(arguments[i], "--into") == 0) {
			asked.into = arguments[++i];
			continue;
		}
		while (n < sizeof numbers / sizeof *numbers && strcmp(numbers[n].name, arguments[i]) != 0)
			n++;
		bool known = n < sizeof numbers / sizeof *numbers ? take_number(arguments[i + 1], numbers[n].to)
		                                                  : strcmp(arguments[i], "--mutant") == 0 &&
		                                                        ram_mutant_from(arguments[i + 1], &asked.mutant);
		if (!known)
			return false;
		i++;
	}
	return asked.each > 0 && asked.each <= 1 << 20;
}

int main(int count, char **arguments)
{
	if (!parse(count, arguments))
		return usage();
	if (!mkdtemp(directory)) {
		perror(directory);
		return 1;
	}
	ident_init();
	log_set_level(LOG_LEVEL_ERROR);
	bool ok = asked.mutants ? run_mutants() : run_honest();
	rmdir(directory);
	return ok ? 0 : 1;
}
