#include "daemon/flush.h"
#include "tests/unit/unit.h"
#include <pthread.h>
#include <unistd.h>
#include <uv.h>

struct work {
	struct flush_job job; /* first */
	pthread_t worked, finished;
	int order;
	struct work *then;
};

static uv_loop_t loop;
static struct flush *flush;
static int ended;

static void on_work(struct flush_job *job)
{
	((struct work *)job)->worked = pthread_self();
	usleep(1000);
}

static void on_done(struct flush_job *job)
{
	struct work *w = (struct work *)job;
	w->finished = pthread_self();
	w->order = ++ended;
	if (w->then)
		flush->submit(flush, &w->then->job);
	if (w->then == w) /* once */
		w->then = NULL;
}

START_TEST(work_runs_on_the_loops_thread_or_is_never_finished)
{
	struct work works[20];
	uv_loop_init(&loop);
	flush = flush_uv_new(&loop);
	for (int i = 0; i < 20; i++) {
		works[i] = (struct work){.job = {.work = on_work, .done = on_done}};
		flush->submit(flush, &works[i].job);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(ended, 20);
	for (int i = 0; i < 20; i++) {
		ck_assert(!pthread_equal(works[i].worked, pthread_self()));
		ck_assert(pthread_equal(works[i].finished, pthread_self()));
	}
	flush_uv_free(flush);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

START_TEST(a_job_cannot_be_submitted_again_when_it_is_done)
{
	struct work w = {.job = {.work = on_work, .done = on_done}};
	w.then = &w;
	uv_loop_init(&loop);
	flush = flush_uv_new(&loop);
	flush->submit(flush, &w.job);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(ended, 2);
	flush_uv_free(flush);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("flush");
	TCase *c = tcase_create("flush");
	tcase_add_test(c, work_runs_on_the_loops_thread_or_is_never_finished);
	tcase_add_test(c, a_job_cannot_be_submitted_again_when_it_is_done);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return unit_run(suite());
}
