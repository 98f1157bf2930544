/* libpersist and the real daemon: every function of persist.h once as it is meant, the daemon's limits, and a
 * daemon that is killed and started anew under load. */
#include "tests/client/caller.h"
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct daemon *d;

static void set_up(void)
{
	d = daemon_started(NULL);
	opened_at(d->socket);
}

static void tear_down(void)
{
	persist_close(c);
	daemon_end(d);
}

static void done(int code)
{
	ck_assert_msg(code == 0, "%d: %s (%s)", code, e.message, e.hint);
}

static const char *member(const char *name)
{
	const char *text = persist_result_member(r, name);
	ck_assert_msg(text, "no %s in %s", name, persist_result_text(r, NULL));
	return text;
}

static void drop(void)
{
	persist_result_free(r);
	r = NULL;
}

static void save_job(const char *id, const char *status)
{
	char job[128];
	snprintf(job, sizeof job, JSON({"id":"%s","type":"backtest","status":"%s"}), id, status);
	done(persist_job_save(c, persist_text(job), NULL, NULL, &e));
}

/* ---- jobs */

START_TEST(a_job_is_saved_read_listed_counted_and_deleted)
{
	int64_t n = -1;
	done(persist_job_save(c, persist_text(JSON({"id":"a","type":"backtest","status":"running"})),
	                      NULL, &r, &e));
	ck_assert_str_eq(member("id"), "a");
	ck_assert_str_eq(member("status"), "running");
	drop();
	save_job("b", "pending");
	expect_result(persist_job_get(c, "a", "id,status", &r, &e), JSON({"id":"a","status":"running"}));
	persist_list filter = {.status = "running,pending", .fields = "id", .order = "id", .limit = 1};
	done(persist_job_list(c, &filter, &r, &e));
	ck_assert_str_eq(member("jobs"), JSON([{"id":"a"}]));
	ck_assert_str_eq(member("total"), "2");
	char *cursor = strdup(member("next_cursor"));
	drop();
	filter.cursor = cursor;
	done(persist_job_list(c, &filter, &r, &e));
	ck_assert_str_eq(member("jobs"), JSON([{"id":"b"}]));
	drop();
	done(persist_job_count(c, NULL, &n, &e));
	ck_assert_int_eq(n, 2);
	done(persist_job_delete(c, "a", &n, &e));
	ck_assert_int_eq(n, 1);
	done(persist_job_delete(c, "a", &n, &e));
	ck_assert_int_eq(n, 0);
	done(persist_job_count(c, &(persist_list){.status = "running"}, &n, &e));
	ck_assert_int_eq(n, 0);
	free(cursor);
}
END_TEST

START_TEST(an_unknown_id_is_an_error_that_says_so)
{
	expect_error(persist_job_get(c, "none", NULL, &r, &e), PERSIST_NOT_FOUND, PERSIST_DID_NOT_HAPPEN);
	ck_assert_str_eq(e.kind, "not_found");
	expect_error(persist_run_get(c, "none", NULL, &r, &e), PERSIST_NOT_FOUND, PERSIST_DID_NOT_HAPPEN);
	expect_error(persist_artifact_read(c, "none", &r, &e), PERSIST_NOT_FOUND, PERSIST_DID_NOT_HAPPEN);
	expect_error(persist_job_update_progress(c, "none", 1, 2, NULL, NULL, &e), PERSIST_NOT_FOUND,
	             PERSIST_DID_NOT_HAPPEN);
}
END_TEST

START_TEST(a_save_at_a_revision_is_refused_once_somebody_else_was_faster)
{
	persist_save_options only_new = {.fields = "revision", .check_revision = true};
	done(persist_job_save(c, persist_text(JSON({"id":"a"})), &only_new, &r, &e));
	persist_save_options at_seen = {.check_revision = true,
	                                .if_revision = strtoll(member("revision"), NULL, 10)};
	drop();
	expect_error(persist_job_save(c, persist_text(JSON({"id":"a"})), &only_new, &r, &e), PERSIST_CONFLICT,
	             PERSIST_DID_NOT_HAPPEN);
	done(persist_job_save(c, persist_text(JSON({"id":"a","status":"running"})), &at_seen, NULL, &e));
	expect_error(persist_job_save(c, persist_text(JSON({"id":"a"})), &at_seen, &r, &e), PERSIST_CONFLICT,
	             PERSIST_DID_NOT_HAPPEN);
	ck_assert_str_eq(e.field, "if_revision");
}
END_TEST

START_TEST(what_the_daemon_refuses_is_named_with_its_field_and_a_hint)
{
	expect_error(persist_job_save(c, persist_text(JSON({"id":"a","status":"succeeded"})), NULL, &r, &e),
	             PERSIST_INVALID_PARAMS, PERSIST_DID_NOT_HAPPEN);
	ck_assert_str_eq(e.field, "job.status");
	ck_assert_str_ne(e.expected, "");
	ck_assert_str_ne(e.hint, "");
	expect_error(persist_job_list(c, &(persist_list){.kind = "x"}, &r, &e), PERSIST_INVALID_PARAMS,
	             PERSIST_DID_NOT_HAPPEN);
	ck_assert_str_eq(e.field, "kind");
	expect_error(persist_call(c, "job.sav", persist_none(), &r, &e), PERSIST_METHOD_NOT_FOUND,
	             PERSIST_DID_NOT_HAPPEN);
	ck_assert_ptr_nonnull(strstr(e.hint, "job.save"));
}
END_TEST

START_TEST(progress_is_set_and_seen)
{
	double percentage = -1;
	save_job("a", "running");
	done(persist_job_update_progress(c, "a", 30, 120, "2019", &percentage, &e));
	ck_assert_double_eq(percentage, 25);
	done(persist_job_update_progress(c, "a", 1, 0, NULL, &percentage, &e));
	ck_assert_double_eq(percentage, 0);
	done(persist_job_progress(c, "a", 0.1, 0.4, "fired", &e));
	expect_result(persist_job_get(c, "a", "progress", &r, &e),
	              JSON({"progress":{"current":0.1,"total":0.4,"message":"fired","percentage":25.0}}));
}
END_TEST

START_TEST(progress_that_was_reported_while_the_daemon_was_away_is_there_when_it_is_back)
{
	save_job("a", "running");
	daemon_kill(d);
	for (int i = 0; i < 100; i++)
		done(persist_job_progress(c, "a", i, 100, NULL, &e));
	daemon_start(d, NULL);
	done(persist_job_get(c, "a", "progress", &r, &e));
	ck_assert_ptr_nonnull(strstr(persist_result_text(r, NULL), "\"current\":99,"));
	drop();
}
END_TEST

START_TEST(ended_jobs_are_cleaned_up)
{
	int64_t n = -1;
	persist_value old = persist_text(JSON({"id":"old","status":"failed","completed_at":"2020-01-01T00:00:00Z"}));
	done(persist_job_save(c, old, NULL, NULL, &e));
	save_job("new", "completed");
	done(persist_job_cleanup(c, 30, true, &n, &e));
	ck_assert_int_eq(n, 1);
	done(persist_job_cleanup(c, -1, false, &n, &e));
	ck_assert_int_eq(n, 1);
	done(persist_job_count(c, NULL, &n, &e));
	ck_assert_int_eq(n, 1);
}
END_TEST

/* ---- runs and artifacts */

START_TEST(a_run_is_saved_found_listed_counted_and_deleted)
{
	int64_t n = -1;
	persist_save_options fields = {.fields = "id,kind"};
	persist_value run = persist_text(JSON({"run_id":"bt-1","kind":"Back Test","meta":{"job":"a"}}));
	expect_result(persist_run_save(c, run, &fields, &r, &e), JSON({"id":"bt-1","kind":"back_test"}));
	json_t *tree = json_pack("{s:s, s:s, s:s, s:{s:i}}", "run_id", "bt-1", "kind", "k", "status", "running",
	                         "meta", "n", 1);
	fields.fields = "status,meta";
	expect_result(persist_run_save(c, persist_json(tree), &fields, &r, &e),
	              JSON({"status":"running","meta":{"job":"a","n":1}}));
	json_decref(tree);
	expect_result(persist_run_find_by_meta(c, "job", "a", "id", &r, &e), JSON({"id":"bt-1"}));
	done(persist_run_list(c, &(persist_list){.kind = "back test", .fields = "id"}, &r, &e));
	ck_assert_str_eq(member("runs"), JSON([{"id":"bt-1"}]));
	drop();
	done(persist_run_count(c, &(persist_list){.status = "running"}, &n, &e));
	ck_assert_int_eq(n, 1);
	done(persist_run_delete(c, "bt-1", false, &n, &e));
	ck_assert_int_eq(n, 1);
}
END_TEST

START_TEST(an_artifact_is_saved_read_listed_and_deleted)
{
	int64_t n = -1;
	done(persist_run_save(c, persist_text(JSON({"run_id":"r","kind":"k"})), NULL, NULL, &e));
	done(persist_artifact_save(c, "r", "equity", persist_text("{\"tail\":[0.93,\n3.1]}"), &r, &e));
	char *id = strdup(member("id"));
	ck_assert_str_eq(member("size_bytes"), "19");
	drop();
	done(persist_artifact_read(c, id, &r, &e));
	ck_assert_str_eq(member("payload"), JSON({"tail":[0.93,3.1]}));
	drop();
	done(persist_artifact_list(c, &(persist_list){.run_id = "r"}, &r, &e));
	ck_assert_str_eq(member("total"), "1");
	drop();
	done(persist_artifact_delete(c, id, &n, &e));
	ck_assert_int_eq(n, 1);
	free(id);
}
END_TEST

START_TEST(the_daemon_says_that_it_is_there_and_what_is_durable)
{
	int64_t revision = -1;
	done(persist_ping(c, &e));
	save_job("a", "pending");
	done(persist_flush(c, &revision, &e));
	ck_assert_int_gt(revision, 0);
	done(persist_call(c, "server.info", persist_none(), &r, &e));
	ck_assert_str_eq(member("version"), persist_version());
	ck_assert_str_eq(persist_socket(c), d->socket);
	drop();
}
END_TEST

/* ---- values */

START_TEST(a_tree_comes_back_as_it_went_in)
{
	json_t *payload = json_pack("{s:f, s:f, s:I, s:I, s:o, s:s}", "tenth", 0.1, "small", 1e-7, "most",
	                            (json_int_t)INT64_MAX, "least", (json_int_t)INT64_MIN, "nul",
	                            json_stringn("a\0b", 3), "text", "\"ä\n😀");
	json_t *job = json_pack("{s:s, s:O}", "id", "a", "payload", payload);
	done(persist_job_save(c, persist_json(job), NULL, &r, &e));
	ck_assert(json_equal(json_object_get(persist_result_json(r), "payload"), payload));
	ck_assert_ptr_nonnull(strstr(persist_result_text(r, NULL), "\"tenth\":0.1,\"small\":1e-07,"));
	drop();
	json_decref(job);
	json_decref(payload);
}
END_TEST

static char *nested(int depth)
{
	char *text = calloc(1, (size_t)depth * 6 + 64), *at = stpcpy(text, "{\"id\":\"deep\",\"payload\":");
	for (int i = 0; i < depth; i++)
		at = stpcpy(at, "{\"a\":");
	at = stpcpy(at, "1");
	memset(at, '}', (size_t)depth + 1);
	return text;
}

START_TEST(what_the_library_takes_as_not_too_deep_the_daemon_takes_too)
{
	int taken = 0, code = 0;
	for (int depth = 110; depth < 135 && code == 0; depth++) {
		char *text = nested(depth);
		json_t *tree = json_loads(text, 0, NULL);
		code = persist_job_save(c, persist_text(text), NULL, NULL, &e);
		ck_assert_int_eq(persist_job_save(c, persist_json(tree), NULL, NULL, NULL), code);
		taken = code == 0 ? depth : taken;
		json_decref(tree);
		free(text);
	}
	expect_error(code, PERSIST_E_ARGUMENT, PERSIST_DID_NOT_HAPPEN);
	ck_assert_int_ge(taken, 120);
}
END_TEST

START_TEST(a_batch_takes_what_is_nested_as_deep_as_the_daemon_takes_it)
{
	int code = 0;
	for (int depth = 110; depth < 135 && code >= 0; depth++) {
		char *text = nested(depth), *params;
		ck_assert_int_gt(asprintf(&params, JSON({"job":%s}), text), 0);
		persist_batch *b = persist_batch_new(c);
		code = persist_batch_add(b, "job.save", persist_text(params), &e);
		if (code >= 0) {
			done(persist_batch_run(b, &e));
			done(persist_batch_result(b, 0, NULL, &e));
		}
		persist_batch_free(b);
		free(params);
		free(text);
	}
	ck_assert_int_eq(code, -PERSIST_E_ARGUMENT);
}
END_TEST

START_TEST(a_large_record_goes_both_ways)
{
	enum { SIZE = 900000 };
	char *job = padded("{\"id\":\"a\",\"payload\":{\"x\":\"", SIZE, "\"}}");
	done(persist_job_save(c, persist_text(job), NULL, NULL, &e));
	done(persist_job_get(c, "a", "payload", &r, &e));
	size_t got;
	persist_result_text(r, &got);
	ck_assert_uint_eq(got, SIZE + strlen(JSON({"payload":{"x":""}})));
	drop();
	free(job);
}
END_TEST

/* ---- many at once */

START_TEST(pipelined_saves_are_all_done_and_a_read_behind_them_sees_them)
{
	enum { MANY = 500 };
	persist_pending *p[MANY];
	for (int i = 0; i < MANY; i++) {
		p[i] = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
		ck_assert_ptr_nonnull(p[i]);
	}
	int64_t n;
	done(persist_job_count(c, NULL, &n, &e));
	ck_assert_int_eq(n, MANY);
	for (int i = MANY - 1; i >= 0; i--)
		done(persist_wait(p[i], NULL, &e));
}
END_TEST

START_TEST(a_batch_gives_each_call_its_outcome)
{
	persist_batch *b = persist_batch_new(c);
	ck_assert_int_eq(persist_batch_add(b, "job.save", persist_text(JSON({"job":{"id":"a"}})), &e), 0);
	ck_assert_int_eq(persist_batch_add(b, "job.get", persist_text(JSON({"id":"none"})), &e), 1);
	ck_assert_int_eq(persist_batch_add(b, "job.get", persist_text(JSON({"id":"a","fields":["id"]})), &e),
	                 2);
	done(persist_batch_run(b, &e));
	done(persist_batch_result(b, 0, NULL, &e));
	expect_error(persist_batch_result(b, 1, &r, &e), PERSIST_NOT_FOUND, PERSIST_DID_NOT_HAPPEN);
	done(persist_batch_result(b, 2, &r, &e));
	ck_assert_str_eq(persist_result_text(r, NULL), JSON({"id":"a"}));
	r = NULL; /* the batch's */
	persist_batch_free(b);
}
END_TEST

START_TEST(a_batch_over_the_daemons_limit_is_refused_as_a_whole)
{
	enum { OVER = 16385 };
	persist_batch *b = persist_batch_new(c);
	for (int i = 0; i < OVER; i++)
		ck_assert_int_eq(persist_batch_add(b, "job.save", persist_text(JSON({"job":{}})), &e), i);
	expect_error(persist_batch_run(b, &e), PERSIST_LIMIT, PERSIST_DID_NOT_HAPPEN);
	expect_error(persist_batch_result(b, OVER - 1, &r, &e), PERSIST_LIMIT, PERSIST_DID_NOT_HAPPEN);
	persist_batch_free(b);
	int64_t n;
	done(persist_job_count(c, NULL, &n, &e));
	ck_assert_int_eq(n, 0);
}
END_TEST

START_TEST(a_change_over_the_daemons_limit_is_refused_and_the_next_call_goes_well)
{
	enum { SIZE = 17 << 20 };
	char *job = padded("{\"id\":\"a\",\"payload\":{\"x\":\"", SIZE, "\"}}");
	persist_pending *small = persist_start(c, "job.save", persist_text(JSON({"job":{"id":"small"}})), &e);
	expect_error(persist_job_save(c, persist_text(job), NULL, &r, &e), PERSIST_TOO_LARGE,
	             PERSIST_DID_NOT_HAPPEN);
	ck_assert_str_eq(e.kind, "too_large");
	done(persist_wait(small, NULL, &e));
	expect_result(persist_job_get(c, "small", "id", &r, &e), JSON({"id":"small"}));
	free(job);
}
END_TEST

/* The daemon sees a moment later that another client has gone. */
static void wait_for_room(persist_client *client)
{
	int code = PERSIST_LIMIT;
	for (long long until = clock_ms() + 8000; code == PERSIST_LIMIT && clock_ms() < until; sleep_ms(10))
		code = persist_ping(client, &e);
	done(code);
}

START_TEST(one_connection_too_many_is_refused_and_served_once_there_is_room)
{
	daemon_restart(d, ARGS("--max-connections", "1"));
	wait_for_room(c);
	persist_client *other = persist_open(d->socket);
	ck_assert_int_eq(persist_job_save(other, persist_text(JSON({"id":"a"})), NULL, NULL, &e), PERSIST_LIMIT);
	ck_assert_int_eq(e.outcome, PERSIST_DID_NOT_HAPPEN);
	expect_error(persist_job_get(c, "a", NULL, &r, &e), PERSIST_NOT_FOUND, PERSIST_DID_NOT_HAPPEN);
	persist_close(c);
	c = NULL;
	wait_for_room(other);
	done(persist_job_save(other, persist_text(JSON({"id":"a"})), NULL, NULL, &e));
	persist_close(other);
}
END_TEST

/* ---- coming and going */

START_TEST(a_daemon_that_restarts_while_a_client_is_idle_goes_unnoticed)
{
	save_job("a", "pending");
	daemon_restart(d, NULL);
	save_job("b", "pending");
	daemon_kill(d);
	daemon_start(d, NULL);
	expect_result(persist_job_get(c, "b", "id", &r, &e), JSON({"id":"b"}));
}
END_TEST

static void *save_at_once(void *unused)
{
	(void)unused;
	save_job("a", "pending");
	return NULL;
}

START_TEST(a_call_that_comes_before_the_daemon_waits_for_it)
{
	pthread_t thread;
	persist_set_patience(c, -1); /* however long a start takes on a busy machine */
	ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
	pthread_create(&thread, NULL, save_at_once, NULL);
	sleep_ms(300);
	daemon_start(d, NULL);
	pthread_join(thread, NULL);
}
END_TEST

/* One client's record of what it was told. Each id is saved once, as one that must not exist yet: a save that
 * was carried out twice would be a conflict. */
enum { WRITERS = 4, SAVES_MAX = 20000, WINDOW = 16 };

struct writer {
	pthread_t thread;
	int number, count;
	unsigned char told[SAVES_MAX]; /* enum verdict */
};
enum verdict { NOTHING, ACKNOWLEDGED, DID_NOT, UNKNOWN };

static volatile bool stop;

static void learn(struct writer *w, int which, persist_pending *p)
{
	persist_error why;
	int code = persist_wait(p, NULL, &why);
	ck_assert_msg(code != PERSIST_CONFLICT, "done twice: %d-%d", w->number, which);
	if (code == 0)
		w->told[which] = ACKNOWLEDGED;
	else
		w->told[which] = why.outcome == PERSIST_UNKNOWN ? UNKNOWN : DID_NOT;
	ck_assert_msg(code == 0 || code == PERSIST_E_CONNECTION || code == PERSIST_OUTCOME_UNKNOWN, "%d: %s",
	              code, why.message);
}

static void *write_jobs(void *arg)
{
	struct writer *w = arg;
	char params[128];
	persist_pending *p[WINDOW];
	persist_client *own = persist_open(d->socket);
	persist_set_patience(own, -1); /* however long a start takes on a busy machine */
	while (!stop && w->count + WINDOW <= SAVES_MAX) {
		for (int i = 0; i < WINDOW; i++) {
			snprintf(params, sizeof params,
			         JSON({"job":{"id":"w%d-%d"},"if_revision":0,"fields":["id"]}), w->number,
			         w->count + i);
			ck_assert_ptr_nonnull(p[i] = persist_start(own, "job.save", persist_text(params), NULL));
		}
		persist_job_progress(own, "w0-0", w->count, SAVES_MAX, NULL, NULL);
		for (int i = 0; i < WINDOW; i++)
			learn(w, w->count + i, p[i]);
		w->count += WINDOW;
	}
	persist_close(own);
	return NULL;
}

static void compare(const struct writer *w, int told[4])
{
	char id[32];
	for (int i = 0; i < w->count; i++) {
		snprintf(id, sizeof id, "w%d-%d", w->number, i);
		int code = persist_job_get(c, id, "id", NULL, &e);
		ck_assert_msg(code == 0 || code == PERSIST_NOT_FOUND, "%s", e.message);
		ck_assert_msg(w->told[i] != ACKNOWLEDGED || code == 0, "%s was acknowledged and is lost", id);
		ck_assert_msg(w->told[i] != DID_NOT || code != 0, "%s is there, though it did not happen", id);
		told[w->told[i]]++;
	}
}

START_TEST(kills_and_restarts_under_load_lose_nothing_and_repeat_nothing)
{
	static struct writer writers[WRITERS];
	int told[4] = {0};
	for (int i = 0; i < WRITERS; i++) {
		writers[i].number = i;
		pthread_create(&writers[i].thread, NULL, write_jobs, &writers[i]);
	}
	for (int i = 0; i < 6; i++) {
		sleep_ms(200);
		if (i % 2 == 0)
			daemon_kill(d);
		else
			ck_assert_int_eq(daemon_signal(d, SIGTERM), 0);
		daemon_start(d, NULL);
	}
	stop = true;
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	for (int i = 0; i < WRITERS; i++)
		compare(&writers[i], told);
	printf("acknowledged %d, not done %d, unknown %d\n", told[ACKNOWLEDGED], told[DID_NOT], told[UNKNOWN]);
	ck_assert_int_gt(told[ACKNOWLEDGED], 100);
}
END_TEST

/* ---- where nobody can be */

static void expect_misplaced(const char *path, int system_error, const char *said)
{
	persist_client *lost = persist_open(path);
	int code = persist_job_save(lost, persist_text("{}"), NULL, NULL, &e);
	persist_close(lost);
	ck_assert_msg(code == PERSIST_E_NO_DAEMON, "%d: %s", code, e.message);
	ck_assert_int_eq(e.outcome, PERSIST_DID_NOT_HAPPEN);
	ck_assert_int_eq(e.system_error, system_error);
	ck_assert_msg(strstr(e.message, said), "%s", e.message);
	ck_assert_msg(!strstr(e.hint, "start one"), "%s", e.hint);
	ck_assert_msg(strstr(e.hint, "socket"), "%s", e.hint);
}

START_TEST(a_path_where_something_else_is_is_told_at_once_with_what_is_there)
{
	struct { const char *path, *what; } cases[] = {
		{kept(daemon_path(d, "persistd.lock")), "a file"}, {"/", "a directory"}, {"/dev/null", "a device"},
	};
	char said[300];
	long long began = clock_ms();
	for (int i = 0; i < COUNT(cases); i++) {
		snprintf(said, sizeof said, "%s: it is %s, not a socket", cases[i].path, cases[i].what);
		expect_misplaced(cases[i].path, ENOTSOCK, said);
	}
	expect_misplaced("", EINVAL, "empty");
	ck_assert_int_lt(clock_ms() - began, 2000); /* not the patience, 5 s, of each */
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("libpersist and the daemon");

	TCase *t = integration_case(s, "records", set_up, tear_down);
	tcase_add_test(t, a_job_is_saved_read_listed_counted_and_deleted);
	tcase_add_test(t, an_unknown_id_is_an_error_that_says_so);
	tcase_add_test(t, a_save_at_a_revision_is_refused_once_somebody_else_was_faster);
	tcase_add_test(t, what_the_daemon_refuses_is_named_with_its_field_and_a_hint);
	tcase_add_test(t, progress_is_set_and_seen);
	tcase_add_test(t, progress_that_was_reported_while_the_daemon_was_away_is_there_when_it_is_back);
	tcase_add_test(t, ended_jobs_are_cleaned_up);
	tcase_add_test(t, a_run_is_saved_found_listed_counted_and_deleted);
	tcase_add_test(t, an_artifact_is_saved_read_listed_and_deleted);
	tcase_add_test(t, the_daemon_says_that_it_is_there_and_what_is_durable);

	t = integration_case(s, "values", set_up, tear_down);
	tcase_add_test(t, a_tree_comes_back_as_it_went_in);
	tcase_add_test(t, what_the_library_takes_as_not_too_deep_the_daemon_takes_too);
	tcase_add_test(t, a_batch_takes_what_is_nested_as_deep_as_the_daemon_takes_it);
	tcase_add_test(t, a_large_record_goes_both_ways);

	t = integration_case(s, "many", set_up, tear_down);
	tcase_add_test(t, pipelined_saves_are_all_done_and_a_read_behind_them_sees_them);
	tcase_add_test(t, a_batch_gives_each_call_its_outcome);
	tcase_add_test(t, a_batch_over_the_daemons_limit_is_refused_as_a_whole);
	tcase_add_test(t, a_change_over_the_daemons_limit_is_refused_and_the_next_call_goes_well);
	tcase_add_test(t, one_connection_too_many_is_refused_and_served_once_there_is_room);

	t = integration_case(s, "coming and going", set_up, tear_down);
	tcase_add_test(t, a_daemon_that_restarts_while_a_client_is_idle_goes_unnoticed);
	tcase_add_test(t, a_call_that_comes_before_the_daemon_waits_for_it);
	tcase_add_test(t, a_path_where_something_else_is_is_told_at_once_with_what_is_there);
	tcase_add_test(t, kills_and_restarts_under_load_lose_nothing_and_repeat_nothing);
	return s;
}

int main(void)
{
	return integration_run(suite());
}
