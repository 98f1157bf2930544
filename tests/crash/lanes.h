/* lanes: jobs that run one at a time, each up to its next call to the disk.
 *
 * The daemon runs a commit and a background job on two threads. Here each has a thread, too, but only one of
 * all goes on at any time, and whoever drives them says which: so their calls interleave in every way that is
 * possible, and in the same way again for the same decisions. */
#pragma once
#include "daemon/flush.h"
#include <stdbool.h>

enum { LANES = 4 };

struct lane;
struct lanes {
	struct lane *lane[LANES]; /* NULL: free */
	unsigned live;
};

void lanes_add(struct lanes *l, struct flush_job *job);
/* The nth of the live ones goes on to its next call, or ends, and its job's `done` is called. */
void lanes_step(struct lanes *l, unsigned nth);
/* From a job's call to the disk: waits for the next step. From any other thread: nothing. */
void lanes_pause(void);
