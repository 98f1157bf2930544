/* gather: whether a commit that could begin should wait a moment for more.
 *
 * Clients that save one record after the other are all told at the end of a commit, and their next changes come within
 * the time that it takes to read and judge them. A commit that begins at once finds the few that came meanwhile, so that
 * the clients fall into two halves that wait for each other, and the disk works twice for what it could do once. So a
 * commit waits until most of those who were told have come back: for at most a part of what a commit takes. Where that
 * was in vain (clients that think, a processor that is the bound, not the disk) it is tried more and more seldom.
 * PostgreSQL's commit_delay is the fixed form of it.
 *
 * Pure. Times are microseconds of a monotonic clock, numbers are of changes. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	GATHER_WAIT_MAX = 2000, /* microseconds: the loop does not sleep meanwhile */
	GATHER_PAUSE_MAX = 64,  /* commits */
};

struct gather {
	uint64_t until;        /* 0: no commit waits */
	size_t wanted;
	unsigned pause, skip;  /* so many commits are not waited for after a wait in vain; and from here on */
};

/* A commit of `done` changes that took `takes` has ended; `pending` have come since it began. */
void gather_begin(struct gather *g, size_t done, size_t pending, uint64_t takes, uint64_t now);
/* There are `pending` changes, at least one: should their commit wait? */
bool gather_waits(struct gather *g, size_t pending, uint64_t now);
/* Does one wait? */
static inline bool gather_is_on(const struct gather *g) { return g->until != 0; }
