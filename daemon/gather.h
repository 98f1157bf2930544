/* gather: whether a commit that could begin should wait a moment for more.
 *
 * Clients that save one record after the other are all told at the end of a commit, and their next changes come
 * within the time that it takes to read and judge them. A commit that begins at once finds the few that came
 * meanwhile, so that the clients fall into two halves that wait for each other, and the disk works twice for what
 * it could do once. So a commit waits for as long as changes come faster than commits carry them away: n changes,
 * and a commit of duration D after a wait of t, make n / (t + D) a microsecond, and waiting pays while more than
 * that come. Where they do not (clients that think, a processor that is the bound, not the disk) it is tried more
 * and more seldom. PostgreSQL's commit_delay is the fixed form of it.
 *
 * Pure. Times are microseconds of a monotonic clock, numbers are of changes. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	GATHER_WAIT_MAX = 2000, /* microseconds: the loop does not sleep meanwhile */
	/* microseconds without a change that end a wait: an eighth of a commit, but within these (and half a commit) */
	GATHER_QUIET_MIN = 200,
	GATHER_QUIET_MAX = 500,
	GATHER_PAUSE_MAX = 64,  /* commits */
};

struct gather {
	bool on, told;         /* those whose commit has ended */
	size_t all, first, seen;      /* changes: with which it ends; pending when all were told; when it was last asked */
	uint64_t begun, told_at, grew; /* times; the last: when `seen` rose */
	uint64_t takes;
	unsigned pause, skip;  /* so many commits are not waited for after a wait in vain; and from here on */
};

/* A commit of `done` changes that took `takes` has ended; `pending` have come since it began. Should the next one
 * wait? */
bool gather_begin(struct gather *g, size_t done, size_t pending, uint64_t takes, uint64_t now);
/* Asked first when everybody has been told, then again and again. False: it begins now. */
bool gather_waits(struct gather *g, size_t pending, uint64_t now);
