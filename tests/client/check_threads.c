/* persist.h's rules for threads. Built, the library included, with -fsanitize=thread, which fails what races.
 */
#include "client/persist.h"
#include "tests/integration/daemon.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 8, ROUNDS = 60 };

static struct daemon *d;

static void set_up(void) { d = daemon_started(NULL); }
static void tear_down(void) { daemon_end(d); }

static void done(int code, const persist_error *e)
{
	ck_assert_msg(code == 0, "%d: %s", code, e->message);
}

struct worker {
	pthread_t thread;
	int number, good, refused;
	persist_result *last; /* for the thread that waits for this one */
};

static void run_all(void *(*function)(void *), struct worker workers[THREADS])
{
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.number = i};
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, function, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
}

/* ---- a client for each */

static void use_pipeline(persist_client *own)
{
	persist_error e;
	persist_pending *p[4];
	for (int i = 0; i < 4; i++)
		p[i] = persist_start(own, "job.save", persist_text(JSON({"job":{"payload":{"x":0.1}}})), &e);
	for (int i = 3; i >= 0; i--)
		done(persist_wait(p[i], NULL, &e), &e);
}

static void use_batch(persist_client *own, const char *id)
{
	persist_error e;
	char params[64];
	snprintf(params, sizeof params, JSON({"id":"%s"}), id);
	persist_batch *b = persist_batch_new(own);
	persist_batch_add(b, "job.get", persist_text(params), &e);
	persist_batch_add(b, "job.list", persist_none(), &e);
	done(persist_batch_run(b, &e), &e);
	done(persist_batch_result(b, 0, NULL, &e), &e);
	persist_batch_free(b);
}

static void *use_own(void *arg)
{
	struct worker *w = arg;
	persist_error e;
	char job[64], id[32];
	persist_client *own = persist_open(d->socket);
	snprintf(id, sizeof id, "job-%d", w->number);
	snprintf(job, sizeof job, JSON({"id":"%s","status":"running"}), id);
	for (int i = 0; i < ROUNDS; i++) {
		done(persist_job_save(own, persist_text(job), NULL, NULL, &e), &e);
		done(persist_job_progress(own, id, i + 0.1, ROUNDS, "at work", &e), &e);
		if (i % 10 == 0) {
			use_pipeline(own);
			use_batch(own, id);
		}
		persist_result_free(w->last);
		done(persist_job_get(own, id, NULL, &w->last, &e), &e);
	}
	persist_close(own);
	return NULL;
}

START_TEST(threads_with_a_client_each_need_nothing_of_each_other)
{
	struct worker workers[THREADS];
	run_all(use_own, workers);
	for (int i = 0; i < THREADS; i++) { /* results are whose they are, whatever thread made them */
		ck_assert_ptr_nonnull(strstr(persist_result_text(workers[i].last, NULL), "\"message\":\"at work\""));
		persist_result_free(workers[i].last);
	}
}
END_TEST

/* ---- one client, from hand to hand */

static persist_client *shared;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *use_shared_in_turn(void *arg)
{
	persist_error e;
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		done(persist_job_progress(shared, "j", i, ROUNDS, NULL, &e), &e);
		done(persist_ping(shared, &e), &e);
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

START_TEST(a_client_may_go_from_thread_to_thread)
{
	struct worker workers[THREADS];
	shared = persist_open(d->socket);
	run_all(use_shared_in_turn, workers);
	persist_close(shared);
}
END_TEST

/* ---- one client, used by all at once */

static void *use_shared_at_once(void *arg)
{
	struct worker *w = arg;
	for (int i = 0; i < ROUNDS; i++) {
		persist_error e;
		int code = i % 2 ? persist_ping(shared, &e) : persist_job_progress(shared, "j", i, ROUNDS, NULL, &e);
		ck_assert_msg(code == 0 || code == PERSIST_E_MISUSE, "%d: %s", code, e.message);
		ck_assert(code == 0 || e.outcome == PERSIST_DID_NOT_HAPPEN);
		w->good += code == 0;
		w->refused += code != 0;
	}
	return NULL;
}

START_TEST(threads_that_use_one_client_at_once_are_told_and_break_nothing)
{
	struct worker workers[THREADS];
	int good = 0, refused = 0;
	persist_error e;
	shared = persist_open(d->socket);
	for (int i = 0; i < 50 && refused == 0; i++) {
		run_all(use_shared_at_once, workers);
		for (int k = 0; k < THREADS; k++) {
			good += workers[k].good;
			refused += workers[k].refused;
		}
	}
	ck_assert_int_gt(good, 0);
	ck_assert_int_gt(refused, 0);
	done(persist_ping(shared, &e), &e);
	persist_close(shared);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("libpersist and threads");
	TCase *t = integration_case(s, "threads", set_up, tear_down);
	tcase_add_test(t, threads_with_a_client_each_need_nothing_of_each_other);
	tcase_add_test(t, a_client_may_go_from_thread_to_thread);
	tcase_add_test(t, threads_that_use_one_client_at_once_are_told_and_break_nothing);
	return integration_run(s);
}
