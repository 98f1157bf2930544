/* examiner: starts the real store on what a power cut could leave, and judges what it shows.
 *
 * What a state shows is found out once and kept under the state's hash; whether it may is asked of the ledger
 * each time that the state is met. */
#pragma once
#include "tests/crash/history.h"

struct outcome;

struct examiner {
	unsigned each;            /* states at one point */
	uint64_t wanted;          /* distinct states; the history is told when they are enough */
	uint64_t only_point;      /* 0: all; else only this one, and of it only_state */
	unsigned only_state;
	const char *into;         /* NULL, or an empty directory: that state is written there, too */

	struct outcome *outcomes; /* a table of `capacity` */
	size_t capacity;
	uint64_t distinct;        /* apart from leftover tmp files */
	uint64_t met;             /* states, the same ones counted again */
	uint64_t starts;          /* of the real store */
	struct buf failure;       /* what is wrong, and how to see it again; empty: nothing yet */
	uint64_t failed_point;
	unsigned failed_state;
};

void examiner_observe(void *examiner, struct history *h); /* a history's `observe` */
void examiner_done(struct examiner *e);
