/* quick: the requests of which there are most, read in one go: job.get and job.update_progress as clients write
 * them.
 *
 * It takes what it knows for certain and leaves everything else, good or bad, to scan, rpc and params, which would
 * have come to the same (a test holds the one against the other). So it knows no faults. Any thread. */
#pragma once
#include "proto/params.h"

struct quick {
	enum method method;
	struct span id;     /* the envelope's, raw; absent: a notification */
	struct span params; /* raw */
	struct span job;    /* its id */
	struct span progress; /* of job.update_progress: the object, raw */
};

/* False: have a closer look at the line. */
bool quick_read(struct span line, struct quick *q);
/* The parameters as params_read would fill them in. */
void quick_params(const struct quick *q, struct params *out);

/* True: `object` is a progress of exactly current, total and message in their order, in canonical form. */
bool quick_progress(struct span object, double *current, double *total);
