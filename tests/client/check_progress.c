/* Fire-and-forget progress: in its order, never failing because of the daemon, never waiting, never growing.
 */
#include "tests/client/caller.h"
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JOBS_KEPT = 1024 }; /* as persist.h says */

static int report(const char *id, int n)
{
	return persist_job_progress(c, id, n, 1000000, "at work", &e);
}

static void report_well(const char *id, int n)
{
	ck_assert_msg(report(id, n) == 0, "%s", e.message);
}

/* Of a line that reports progress: its value, and its job's id; else -1. */
static int value_of(unsigned line, char id[64])
{
	json_t *request = json_loads(fake_line(line), 0, NULL), *params = json_object_get(request, "params");
	json_t *progress = json_object_get(params, "progress");
	int value = progress ? (int)json_number_value(json_object_get(progress, "current")) : -1;
	ck_assert_msg(request, "line %u is no JSON: %.100s", line, fake_line(line));
	snprintf(id, 64, "%s", progress ? json_string_value(json_object_get(params, "id")) : "");
	if (progress)
		ck_assert_ptr_null(json_object_get(request, "id"));
	json_decref(request);
	return value;
}

/* The last value of job `id` among the lines; each must be newer than those before it. -1: none. */
static int last_value(const char *id)
{
	int last = -1;
	char whose[64];
	for (unsigned i = 0, count = fake_count(""); i < count; i++) {
		int value = value_of(i, whose);
		if (strcmp(whose, id) != 0)
			continue;
		ck_assert_msg(value > last, "%d after %d", value, last);
		last = value;
	}
	return last;
}

START_TEST(progress_keeps_its_place_between_calls)
{
	char id[64];
	PLAY("accept", "serve");
	opened();
	report_well("j", 1);
	expect_result(save(), JSON({"served":1}));
	report_well("j", 2);
	expect_result(get(), JSON({"served":3}));
	played();
	ck_assert_int_eq(value_of(0, id), 1);
	ck_assert_ptr_nonnull(strstr(fake_line(1), "job.save"));
	ck_assert_int_eq(value_of(2, id), 2);
	ck_assert_str_eq(id, "j");
}
END_TEST

START_TEST(progress_goes_out_by_itself_where_the_daemon_is_there)
{
	char id[64];
	PLAY("accept", "line", "line", "pause");
	opened();
	report_well("j", 7);
	report_well("j", 8);
	fake_await(2);
	ck_assert_int_eq(value_of(0, id), 7);
	ck_assert_int_eq(value_of(1, id), 8);
	fake_go();
	played();
}
END_TEST

START_TEST(a_daemon_that_is_away_costs_a_loop_next_to_nothing_and_gets_the_newest_later)
{
	PLAY("deaf", "pause", "listen", "accept", "serve");
	opened();
	long long began = clock_ms();
	for (int i = 1; i <= 50000; i++) {
		report_well("a", i);
		report_well("b", 2 * i);
	}
	ck_assert_int_lt(clock_ms() - began, 10000); /* of 100,000: under sanitizers, on a busy machine */
	fake_go();
	ck_assert_int_eq(persist_ping(c, &e), 0);
	played();
	ck_assert_int_eq(last_value("a"), 50000);
	ck_assert_int_eq(last_value("b"), 100000);
	ck_assert_uint_le(fake_count("progress"), 2);
}
END_TEST

START_TEST(progress_of_more_jobs_than_are_kept_keeps_the_newest_jobs)
{
	char id[64];
	PLAY("deaf", "pause", "listen", "accept", "serve");
	opened();
	for (int i = 0; i < 3 * JOBS_KEPT; i++) {
		snprintf(id, sizeof id, "job-%d", i);
		report_well(id, i);
	}
	fake_go();
	ck_assert_int_eq(persist_ping(c, &e), 0);
	played();
	ck_assert_uint_eq(fake_count("job.update_progress"), JOBS_KEPT);
	snprintf(id, sizeof id, "job-%d", 3 * JOBS_KEPT - 1);
	ck_assert_int_eq(last_value(id), 3 * JOBS_KEPT - 1);
	ck_assert_int_eq(last_value("job-0"), -1);
}
END_TEST

START_TEST(a_daemon_that_does_not_read_does_not_hold_up_a_loop_and_gets_the_newest_later)
{
	enum { REPORTS = 100000, JOBS = 10 };
	char id[64];
	PLAY("accept", "pause", "serve");
	opened();
	long long began = clock_ms();
	for (int i = 1; i <= REPORTS; i++) {
		snprintf(id, sizeof id, "job-%d", i % JOBS);
		report_well(id, i);
	}
	ck_assert_int_lt(clock_ms() - began, 10000);
	fake_go();
	ck_assert_int_eq(persist_ping(c, &e), 0);
	played();
	for (int i = REPORTS - JOBS + 1; i <= REPORTS; i++) {
		snprintf(id, sizeof id, "job-%d", i % JOBS);
		ck_assert_int_eq(last_value(id), i);
	}
	ck_assert_uint_lt(fake_count("job.update_progress"),
	                  REPORTS / 4); /* what fits into a socket, and the newest */
}
END_TEST

START_TEST(calls_made_while_the_socket_is_full_keep_their_place_between_progress)
{
	enum { REPORTS = 20000 };
	PLAY("accept", "pause", "serve");
	opened();
	for (int i = 1; i <= REPORTS; i++)
		report_well("j", i);
	persist_pending *p = persist_start(c, "job.save", persist_text(JSON({"job":{"id":"between"}})), &e);
	for (int i = REPORTS + 1; i <= 2 * REPORTS; i++)
		report_well("j", i);
	fake_go();
	ck_assert_int_eq(persist_wait(p, NULL, &e), 0);
	ck_assert_int_eq(persist_ping(c, &e), 0);
	played();
	ck_assert_int_eq(last_value("j"), 2 * REPORTS);
	char id[64];
	int before = 0;
	unsigned i = 0;
	for (; !strstr(fake_line(i), "between"); i++)
		before = value_of(i, id);
	ck_assert_int_eq(before, REPORTS);
	ck_assert_int_gt(value_of(i + 1, id), REPORTS);
}
END_TEST

START_TEST(closing_sends_what_progress_is_still_held)
{
	PLAY("deaf", "pause", "listen", "pause", "accept", "serve");
	opened();
	report_well("j", 41);
	report_well("j", 42);
	fake_go();
	sleep_ms(100);
	persist_close(c);
	c = NULL;
	fake_go();
	played();
	ck_assert_int_eq(last_value("j"), 42);
}
END_TEST

START_TEST(a_connection_that_ends_between_reports_fails_none)
{
	PLAY("accept", "line", "close", "accept", "serve");
	opened();
	report_well("j", 1);
	fake_await(1);
	sleep_ms(30);
	for (int i = 2; i < 100; i++)
		report_well("j", i);
	ck_assert_int_eq(persist_ping(c, &e), 0);
	played();
	ck_assert_int_eq(last_value("j"), 99);
}
END_TEST

START_TEST(a_line_of_progress_that_was_cut_is_sent_again_whole)
{
	enum { SIZE = 150000, REPORTS = 20 };
	char *message = padded("", SIZE, "");
	PLAY("accept", "pause", "close", "accept", "serve");
	opened();
	for (int i = 1; i <= REPORTS; i++) /* until the socket is full, in the middle of a line */
		ck_assert_int_eq(persist_job_progress(c, "j", i, REPORTS, message, &e), 0);
	fake_go();
	ck_assert_int_eq(persist_ping(c, &e), 0);
	played();
	ck_assert_int_eq(last_value("j"), REPORTS);
	free(message);
}
END_TEST

START_TEST(a_stopping_daemon_fails_no_report)
{
	PLAY("accept", "line", "refuse 0 -32007", "pause", "close", "accept", "serve");
	opened();
	persist_pending *p = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	fake_await(1);
	sleep_ms(30);
	persist_process(c); /* learns that the daemon stops */
	for (int i = 1; i < 100; i++)
		report_well("j", i);
	fake_go();
	ck_assert_msg(persist_wait(p, NULL, &e) == 0, "%s", e.message);
	ck_assert_int_eq(persist_ping(c, &e), 0);
	played();
	ck_assert_int_eq(last_value("j"), 99);
}
END_TEST

START_TEST(nonsense_for_an_answer_fails_no_report)
{
	PLAY("accept", "line", "say what?\n", "close", "accept", "serve");
	opened();
	report_well("j", 1);
	fake_await(1);
	sleep_ms(30);
	for (int i = 2; i < 10; i++)
		report_well("j", i);
	int code = persist_ping(c, &e);
	if (code == PERSIST_E_PROTOCOL) /* it was sent to the one that talks nonsense */
		code = persist_ping(c, &e);
	ck_assert_msg(code == 0, "%s", e.message);
	report_well("j", 10);
	played();
	ck_assert_int_eq(last_value("j"), 10);
}
END_TEST

START_TEST(progress_in_an_event_loop_leaves_by_the_descriptor)
{
	PLAY("deaf", "sleep 200", "listen", "accept", "line", "pause");
	opened();
	ck_assert_int_ge(persist_fd(c), 0);
	report_well("j", 5);
	for (long long until = clock_ms() + 8000; fake_count("") == 0 && clock_ms() < until;) {
		struct pollfd p = {.fd = persist_fd(c), .events = POLLIN};
		if (poll(&p, 1, 10) > 0) /* 10: what was sent is seen a moment later */
			persist_process(c);
	}
	ck_assert_int_eq(last_value("j"), 5);
	fake_go();
	played();
}
END_TEST

START_TEST(what_the_daemon_would_refuse_unheard_is_refused_here)
{
	fake_nowhere();
	opened();
	expect_error(report(NULL, 1), PERSIST_E_ARGUMENT, PERSIST_DID_NOT_HAPPEN);
	ck_assert_str_eq(e.field, "id");
	expect_error(report("", 1), PERSIST_E_ARGUMENT, PERSIST_DID_NOT_HAPPEN);
	expect_error(report("a b", 1), PERSIST_E_ARGUMENT, PERSIST_DID_NOT_HAPPEN);
	ck_assert_str_eq(e.field, "id");
	char *long_id = padded("", 161, "");
	expect_error(report(long_id, 1), PERSIST_E_ARGUMENT, PERSIST_DID_NOT_HAPPEN);
	report_well(long_id + 1, 1);
	free(long_id);
	expect_error(persist_job_progress(c, "j", NAN, 1, NULL, &e), PERSIST_E_ARGUMENT, PERSIST_DID_NOT_HAPPEN);
	ck_assert_ptr_nonnull(strstr(e.field, "current"));
	expect_error(persist_job_progress(c, "j", 1, INFINITY, NULL, &e), PERSIST_E_ARGUMENT,
	             PERSIST_DID_NOT_HAPPEN);
	ck_assert_ptr_nonnull(strstr(e.field, "total"));
	expect_error(persist_job_progress(c, "j", -1, 1, NULL, &e), PERSIST_E_ARGUMENT, PERSIST_DID_NOT_HAPPEN);
	expect_error(persist_job_progress(c, "j", 1, 1, "\xff", &e), PERSIST_E_ARGUMENT, PERSIST_DID_NOT_HAPPEN);
	ck_assert_ptr_nonnull(strstr(e.field, "message"));
	played();
}
END_TEST

START_TEST(notifications_to_a_daemon_that_is_away_do_not_grow_without_end)
{
	enum { SIZE = 1 << 20, MOST = 64 };
	char *params = padded("{\"id\":\"", SIZE, "\"}");
	fake_nowhere();
	opened();
	int code = 0, taken = 0;
	for (; code == 0 && taken < MOST; taken++)
		code = persist_notify(c, "job.delete", persist_text(params), &e);
	ck_assert_int_lt(taken, MOST);
	expect_error(code, PERSIST_E_CONNECTION, PERSIST_DID_NOT_HAPPEN);
	report_well("j", 1);
	free(params);
	played();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("libpersist's progress");

	TCase *t = integration_case(s, "progress", NULL, NULL);
	tcase_add_test(t, progress_keeps_its_place_between_calls);
	tcase_add_test(t, progress_goes_out_by_itself_where_the_daemon_is_there);
	tcase_add_test(t, a_daemon_that_is_away_costs_a_loop_next_to_nothing_and_gets_the_newest_later);
	tcase_add_test(t, progress_of_more_jobs_than_are_kept_keeps_the_newest_jobs);
	tcase_add_test(t, a_daemon_that_does_not_read_does_not_hold_up_a_loop_and_gets_the_newest_later);
	tcase_add_test(t, calls_made_while_the_socket_is_full_keep_their_place_between_progress);
	tcase_add_test(t, closing_sends_what_progress_is_still_held);
	tcase_add_test(t, a_connection_that_ends_between_reports_fails_none);
	tcase_add_test(t, a_line_of_progress_that_was_cut_is_sent_again_whole);
	tcase_add_test(t, a_stopping_daemon_fails_no_report);
	tcase_add_test(t, nonsense_for_an_answer_fails_no_report);
	tcase_add_test(t, progress_in_an_event_loop_leaves_by_the_descriptor);
	tcase_add_test(t, what_the_daemon_would_refuse_unheard_is_refused_here);
	tcase_add_test(t, notifications_to_a_daemon_that_is_away_do_not_grow_without_end);
	return s;
}

int main(void)
{
	return integration_run(suite());
}
