/* flush: work that blocks, off the loop.
 *
 * A job is run once on a thread of uv's pool and then finished on the loop's thread. Who submits owns the
 * job's memory and keeps it until `done`. What a job touches while it runs belongs to it alone: bytes, paths,
 * descriptors, never a table or a json tree. The struct is the seam for tests: theirs holds jobs back,
 * reorders them, runs them at once. */
#pragma once
#include <stdbool.h>

struct flush_job {
	void (*work)(struct flush_job *job); /* on a worker thread */
	void (*done)(struct flush_job *job); /* on the loop's thread; may free the job */
	struct flush_job *next;              /* for whoever queues it */
};

struct flush {
	void (*submit)(struct flush *f, struct flush_job *job);
};

struct uv_loop_s;
struct flush *flush_uv_new(struct uv_loop_s *loop);
void flush_uv_free(struct flush *f); /* nothing may be under way */
