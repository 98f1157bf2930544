#include "daemon/flush.h"
#include "proto/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <uv.h>

struct flush_uv {
	struct flush flush; /* first: jobs are submitted to it */
	uv_loop_t *loop;
	unsigned under_way;
};

struct request {
	uv_work_t work;
	struct flush_uv *owner;
	struct flush_job *job;
};

static void run(uv_work_t *work)
{
	struct request *r = (struct request *)work;
	r->job->work(r->job);
}

static void finish(uv_work_t *work, int status)
{
	struct request *r = (struct request *)work;
	struct flush_job *job = r->job;
	assert(status == 0); /* nobody cancels */
	r->owner->under_way--;
	free(r);
	job->done(job);
}

static void submit(struct flush *f, struct flush_job *job)
{
	struct flush_uv *u = (struct flush_uv *)f;
	struct request *r = mem_zero(sizeof *r);
	r->owner = u;
	r->job = job;
	u->under_way++;
	int status = uv_queue_work(u->loop, &r->work, run, finish);
	assert(status == 0);
	(void)status;
}

struct flush *flush_uv_new(uv_loop_t *loop)
{
	struct flush_uv *u = mem_zero(sizeof *u);
	u->flush.submit = submit;
	u->loop = loop;
	return &u->flush;
}

void flush_uv_free(struct flush *f)
{
	if (f)
		assert(((struct flush_uv *)f)->under_way == 0);
	free(f);
}
