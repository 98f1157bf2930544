/* history: what a store lives through, from one seed: starts, calls, folds, merges, failures of the disk,
 * kills, power cuts and clean stops; and the ledger of what its callers were told.
 *
 * At each point (before each call that can change the disk, and after each answer) it calls `observe`. What
 * that does must not touch the history. The same seed gives the same points. */
#pragma once
#include "tests/crash/lanes.h"
#include "tests/crash/process.h"
#include "tests/crash/ram_disk.h"

struct history_call;

struct history {
	uint64_t seed;
	const char *path;          /* a directory that exists */
	unsigned mutant;           /* of the disk */
	bool trace;                /* each point is printed */
	void (*observe)(void *context, struct history *h);
	void *context;
	bool enough;               /* set by the observer: no more points are wanted */

	uint64_t point;            /* of this observation */
	bool clean;                /* it has just stopped cleanly: no segment may come back */
	char what[340];            /* comes next, or has just happened */
	struct content_rules rules;
	/* A start now must show one of the two. `doubtful`, which may be NULL, is `certain` with the commit that
	 * is under way, or whose outcome nobody was told. */
	struct content *certain, *doubtful;
	struct ram_disk *disk;
	char failure[2600];        /* "": none. A start of the history itself that went wrong */
	struct {
		unsigned acknowledged, refused, unknown, kills, cuts, stops, folds, merges, failures, repairs, overwritten;
	} counts;

	/* its own */
	struct dice dice;
	struct process process;
	struct lanes lanes;
	struct content *newest;    /* with all pending calls */
	struct content *shown;     /* by a start that is degraded yet */
	struct history_call *calls, **last_call;
	uint64_t doubtful_batch;
	bool answered_unknown, failing_disk;
	bool even;                 /* commits are of about the same size, so that many find a spare file */
	bool degraded;             /* when it was looked at last */
	uint64_t kill_at;          /* the process dies before so many more calls; 0: it does not */
	unsigned artifacts;
};

/* False: `failure` tells what went wrong, if anything but `enough`. */
void history_run(struct history *h);
void history_done(struct history *h);
