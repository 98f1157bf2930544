/* What a user is told when the daemon, or whatever answers in its place, does not behave: the code, and above
 * all whether a change happened, did not, or nobody knows. */
#include "tests/client/caller.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 1, 2))) static const char *saying(const char *format, ...)
{
	char *text, *step;
	va_list args;
	va_start(args, format);
	ck_assert_int_gt(vasprintf(&text, format, args), 0);
	va_end(args);
	ck_assert_int_gt(asprintf(&step, "say %s", text), 0);
	free(text);
	return kept(step);
}

/* ---- replies as they should be, in unusual pieces */

START_TEST(a_reply_in_pieces_of_one_byte_is_one_reply)
{
	PLAY("accept", "line", "drip " RESULT($0, {"id":"ä\u00e4"}) "\n");
	opened();
	expect_result(get(), JSON({"id":"ä\u00e4"}));
	played();
}
END_TEST

START_TEST(blank_lines_and_carriage_returns_between_replies_are_nothing)
{
	PLAY("accept", "line", "say \n\r\n  \n{\"id\":$0,\"result\":[1],\"jsonrpc\":\"2.0\"}\r\n\n", "line",
	     "answer 1 2");
	opened();
	expect_result(get(), "[1]");
	expect_result(get(), "2");
	played();
}
END_TEST

START_TEST(two_replies_in_one_piece_are_two)
{
	PLAY("accept", "line", "line",
	     "say " RESULT($0, 0) "\n" RESULT($1, 1) "\n");
	opened();
	persist_pending *first = persist_start(c, "job.get", persist_text(JSON({"id":"a"})), &e);
	persist_pending *second = persist_start(c, "job.get", persist_text(JSON({"id":"b"})), &e);
	expect_result(persist_wait(first, &r, &e), "0");
	expect_result(persist_wait(second, &r, &e), "1");
	played();
}
END_TEST

START_TEST(replies_out_of_order_reach_their_calls)
{
	persist_pending *p[4];
	PLAY("accept", "line", "line", "line", "line", "answer 3 30", "answer 1 10", "answer 0 0", "answer 2 20");
	opened();
	for (int i = 0; i < 4; i++)
		ck_assert_ptr_nonnull(p[i] = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e));
	expect_result(persist_wait(p[2], &r, &e), "20");
	expect_result(persist_wait(p[0], &r, &e), "0");
	expect_result(persist_wait(p[3], &r, &e), "30");
	expect_result(persist_wait(p[1], &r, &e), "10");
	played();
}
END_TEST

START_TEST(replies_that_nobody_waits_for_are_passed_over)
{
	PLAY("accept", "line", "say " RESULT(987654321, 1) "\n",
	     "say " RESULT("one", 1) "\n" FAULT(-5, {"code":-32001,"message":"no"}) "\n",
	     "answer 0 7", "answer 0 8", "line", "answer 1 9");
	opened();
	expect_result(save(), "7");
	expect_result(save(), "9");
	played();
}
END_TEST

START_TEST(a_reply_nested_deeper_than_requests_may_be_is_taken)
{
	enum { DEPTH = 1000 };
	char deep[2 * DEPTH + 1];
	memset(deep, '[', DEPTH);
	memset(deep + DEPTH, ']', DEPTH);
	deep[2 * DEPTH] = '\0';
	PLAY("accept", "line", saying(RESULT($0, %s) "\n", deep));
	opened();
	expect_result(get(), deep);
	played();
}
END_TEST

/* ---- the connection ends */

START_TEST(a_change_that_was_sent_and_not_answered_is_unknown_and_not_repeated)
{
	PLAY("accept", "line", "close", "accept", "serve");
	opened();
	expect_error(save(), PERSIST_E_CONNECTION, PERSIST_UNKNOWN);
	ck_assert_str_eq(e.kind, "connection");
	expect_result(get(), JSON({"served":1}));
	played();
	ck_assert_uint_eq(fake_count("job.save"), 1);
}
END_TEST

START_TEST(a_read_that_was_not_answered_is_sent_again)
{
	PLAY("accept", "line", "close", "accept", "line", "close", "accept", "serve");
	opened();
	expect_result(get(), JSON({"served":2}));
	played();
	ck_assert_uint_eq(fake_count("job.get"), 3);
}
END_TEST

START_TEST(a_daemon_that_always_closes_ends_a_read_in_its_time)
{
	PLAY("accept", "line", "close", "accept", "line", "close", "accept", "line", "close", "deaf");
	opened();
	persist_set_timeout(c, 1000);
	long long began = clock_ms();
	int code = get();
	ck_assert_int_lt(clock_ms() - began, 4000);
	ck_assert_msg(code == PERSIST_E_TIMEOUT || code == PERSIST_E_NO_DAEMON, "%d: %s", code, e.message);
	expect_error(code, code, PERSIST_DID_NOT_HAPPEN);
	played();
}
END_TEST

START_TEST(a_connection_that_ended_while_idle_costs_no_call)
{
	PLAY("accept", "line", "answer 0 1", "close", "accept", "line", "answer 1 2");
	opened();
	expect_result(save(), "1");
	sleep_ms(30);
	expect_result(save(), "2");
	played();
	ck_assert_uint_eq(fake_count("job.save"), 2);
}
END_TEST

/* Of a fresh client, whose first call has the id 1. */
static const char a_reply[] = RESULT(1, {"id":"j"});

START_TEST(a_reply_that_is_cut_at_any_byte_is_no_reply)
{
	PLAY("accept", "line", saying("%.*s", _i, a_reply), "close", "accept", "serve");
	opened();
	expect_error(save(), PERSIST_E_CONNECTION, PERSIST_UNKNOWN);
	expect_result(get(), JSON({"served":1}));
	played();
	ck_assert_uint_eq(fake_count("job.save"), 1);
}
END_TEST

START_TEST(a_read_whose_reply_is_cut_is_sent_again)
{
	PLAY("accept", "line", "say {\"jsonrpc\":\"2.0\",\"result\":{\"id\":\"j\"},\"id\":$0", "close",
	     "accept", "serve");
	opened();
	expect_result(get(), JSON({"served":1}));
	played();
}
END_TEST

START_TEST(a_reply_that_lacks_only_its_newline_at_the_end_counts)
{
	PLAY("accept", "line", "say " RESULT($0, 5), "close");
	opened();
	expect_result(save(), "5");
	played();
}
END_TEST

START_TEST(what_was_answered_before_the_connection_ended_is_known)
{
	persist_pending *p[3];
	PLAY("accept", "line", "line", "line", "answer 1 11", "close", "accept", "serve");
	opened();
	p[0] = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	p[1] = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	p[2] = persist_start(c, "job.list", persist_none(), &e);
	expect_error(persist_wait(p[0], &r, &e), PERSIST_E_CONNECTION, PERSIST_UNKNOWN);
	expect_result(persist_wait(p[1], &r, &e), "11");
	expect_result(persist_wait(p[2], &r, &e), JSON({"served":3}));
	played();
}
END_TEST

START_TEST(a_large_change_of_which_half_was_sent_did_not_happen_and_is_done_once)
{
	PLAY("accept", "read 400000", "close", "accept", "serve");
	opened();
	expect_result(persist_job_save(c, large_job(), NULL, &r, &e), JSON({"served":0}));
	played();
	ck_assert_uint_eq(fake_count("\"large\""), 1);
}
END_TEST

START_TEST(what_stands_behind_a_half_sent_change_is_sent_behind_it_again)
{
	PLAY("accept", "read 400000", "close", "accept", "serve");
	opened();
	persist_pending *large = persist_start(c, "job.save", persist_text(JSON({"job":{"id":"first"}})), &e);
	persist_pending *second = persist_start(c, "job.save", large_params(), &e);
	persist_pending *third = persist_start(c, "job.delete", persist_text(JSON({"id":"third"})), &e);
	expect_error(persist_wait(large, &r, &e), PERSIST_E_CONNECTION,
	             PERSIST_UNKNOWN); /* that one was wholly sent */
	expect_result(persist_wait(second, &r, &e), JSON({"served":0}));
	expect_result(persist_wait(third, &r, &e), JSON({"served":1}));
	played();
	ck_assert_uint_eq(fake_count("\"third\""), 1);
}
END_TEST

/* ---- what answers is no persistd */

static void expect_nonsense(const char *said)
{
	const char *step = saying("%s\n", said);
	PLAY("accept", "line", step, "accept", "line", step, "accept", "serve");
	opened();
	expect_error(save(), PERSIST_E_PROTOCOL, PERSIST_UNKNOWN);
	ck_assert_str_eq(e.kind, "protocol");
	expect_error(get(), PERSIST_E_PROTOCOL, PERSIST_DID_NOT_HAPPEN);
	expect_result(get(), JSON({"served":2})); /* on a connection of its own */
	played();
}

static const char *const nonsense[] = {
	"HTTP/1.1 400 Bad Request", "{", "{}", "[1]", "true", "\"text\"",
	JSON({"jsonrpc":"2.0","id":$0}),
	JSON({"jsonrpc":"2.0","result":1,"result":2,"id":$0}),
	JSON({"jsonrpc":"1.0","result":1,"id":$0}),
	JSON({"jsonrpc":"2.0","result":1,"error":{"code":1,"message":""},"id":$0}),
	FAULT($0, "no"), RESULT([$0], 1), RESULT($0, NaN), "{\"jsonrpc\":\"2.0\",\"result\":\"\xff\",\"id\":$0}",
};

START_TEST(what_is_no_reply_is_named_and_ends_the_connection)
{
	expect_nonsense(nonsense[_i]);
}
END_TEST

START_TEST(a_flood_without_a_newline_is_no_answer)
{
	char *flood = padded("say ", 3000000, ""); /* and no newline */
	PLAY("accept", "line", flood, "close");
	opened();
	expect_error(save(), PERSIST_E_CONNECTION, PERSIST_UNKNOWN);
	played();
	free(flood);
}
END_TEST

START_TEST(a_reply_over_the_maximum_is_refused_and_the_next_call_goes_well)
{
	char *too_long = padded("say {\"jsonrpc\":\"2.0\",\"result\":\"", 70000, "\",\"id\":$0}\n");
	PLAY("accept", "line", too_long, "serve");
	opened();
	persist_set_reply_max(c, 65536);
	expect_error(save(), PERSIST_E_TOO_LARGE, PERSIST_UNKNOWN);
	expect_result(get(), JSON({"served":1}));
	played();
	free(too_long);
}
END_TEST

/* ---- time */

static void expect_timeout(int call(void), enum persist_outcome outcome)
{
	persist_set_timeout(c, 200);
	long long began = clock_ms();
	expect_error(call(), PERSIST_E_TIMEOUT, outcome);
	long long took = clock_ms() - began;
	ck_assert_msg(took >= 190 && took < 3000, "%lld ms", took);
	persist_set_timeout(c, 8000);
}

START_TEST(an_answer_that_comes_too_late_is_not_taken_for_the_next_ones)
{
	PLAY("accept", "line", "pause", "answer 0 \"late\"", "line", "answer 1 \"in time\"");
	opened();
	expect_timeout(save, PERSIST_UNKNOWN);
	ck_assert_str_eq(e.kind, "no_reply");
	fake_go();
	expect_result(save(), "\"in time\"");
	played();
}
END_TEST

START_TEST(half_a_reply_and_silence_is_a_timeout)
{
	PLAY("accept", "line", "say {\"jsonrpc\":\"2.0\",\"res", "pause", "say ult\":0,\"id\":$0}\n", "line",
	     "answer 1 1");
	opened();
	expect_timeout(save, PERSIST_UNKNOWN);
	fake_go();
	expect_result(save(), "1");
	played();
}
END_TEST

START_TEST(a_read_that_times_out_did_not_happen)
{
	PLAY("accept", "line", "pause");
	opened();
	expect_timeout(get, PERSIST_DID_NOT_HAPPEN);
	fake_go();
	played();
}
END_TEST

static int save_large(void) { return persist_job_save(c, large_job(), NULL, &r, &e); }

START_TEST(a_change_that_did_not_wholly_leave_in_its_time_did_not_happen_and_never_will)
{
	PLAY("accept", "read 1000", "pause", "close", "accept", "serve");
	opened();
	expect_timeout(save_large, PERSIST_DID_NOT_HAPPEN);
	fake_go();
	expect_result(get(), JSON({"served":0}));
	played();
	ck_assert_uint_eq(fake_count("\"large\""), 0);
}
END_TEST

START_TEST(a_daemon_that_goes_on_reading_after_a_timeout_does_not_get_the_rest_of_the_change)
{
	PLAY("accept", "read 1000", "pause", "serve");
	opened();
	expect_timeout(save_large, PERSIST_DID_NOT_HAPPEN);
	fake_go();
	ck_assert_int_eq(persist_ping(c, &e), 0);
	played();
	ck_assert_uint_eq(fake_count("xx\"}}"), 0);
}
END_TEST

START_TEST(the_daemons_complaint_about_a_change_that_was_broken_off_is_nobody_elses_error)
{
	static const int complaints[] = {PERSIST_PARSE_ERROR, PERSIST_TOO_LARGE};
	PLAY("accept", "read 1000", "pause", "line", "line",
	     saying(FAULT(null, {"code":%d,"message":"?"}) "\n",
	            complaints[_i]),
	     "answer 1 1");
	opened();
	expect_timeout(save_large, PERSIST_DID_NOT_HAPPEN);
	fake_go();
	expect_result(save(), "1");
	played();
}
END_TEST

START_TEST(a_timeout_counts_from_the_start_of_a_call_not_from_waiting_for_it)
{
	PLAY("accept", "line", "pause");
	opened();
	persist_set_timeout(c, 1000);
	long long began = clock_ms();
	persist_pending *p = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	sleep_ms(900);
	expect_error(persist_wait(p, &r, &e), PERSIST_E_TIMEOUT, PERSIST_UNKNOWN);
	ck_assert_int_lt(clock_ms() - began, 1800);
	fake_go();
	played();
}
END_TEST

START_TEST(no_timeout_means_for_ever)
{
	PLAY("accept", "line", "sleep 400", "answer 0 1");
	opened();
	persist_set_timeout(c, 0);
	expect_result(save(), "1");
	played();
}
END_TEST

/* ---- errors that the daemon says */

static void expect_refusal(const char *error)
{
	PLAY("accept", "line", saying(FAULT($0, %s) "\n", error));
	opened();
}

START_TEST(every_part_of_an_error_reaches_the_caller)
{
	expect_refusal(JSON({"code":-32602,"message":"job.payload.n is \u00e4 no","data":{"kind":"invalid_params",
	                     "field":"job.payload.n","expected":"a number","hint":"try 1","removed":12}}));
	expect_error(save(), PERSIST_INVALID_PARAMS, PERSIST_DID_NOT_HAPPEN);
	ck_assert_str_eq(e.message, "job.payload.n is ä no");
	ck_assert_str_eq(e.kind, "invalid_params");
	ck_assert_str_eq(e.field, "job.payload.n");
	ck_assert_str_eq(e.expected, "a number");
	ck_assert_str_eq(e.hint, "try 1");
	ck_assert_int_eq(e.removed, 12);
	ck_assert_int_eq(e.system_error, 0);
	played();
}
END_TEST

START_TEST(an_error_without_more_than_its_code_has_its_kind)
{
	expect_refusal(JSON({"code":-32002,"message":"changed"}));
	expect_error(save(), PERSIST_CONFLICT, PERSIST_DID_NOT_HAPPEN);
	ck_assert_str_eq(e.kind, "conflict");
	ck_assert_str_eq(e.field, "");
	ck_assert_int_eq(e.removed, -1);
	played();
}
END_TEST

START_TEST(a_disk_that_failed_in_the_middle_leaves_a_change_unknown)
{
	expect_refusal(JSON({"code":-32009,"message":"perhaps","data":{"kind":"outcome_unknown"}}));
	expect_error(save(), PERSIST_OUTCOME_UNKNOWN, PERSIST_UNKNOWN);
	played();
}
END_TEST

START_TEST(an_error_of_a_newer_daemon_keeps_its_number_and_its_kind)
{
	expect_refusal(JSON({"code":-32042,"message":"new","data":{"kind":"brand_new","more":[1]}}));
	expect_error(save(), -32042, PERSIST_DID_NOT_HAPPEN);
	ck_assert_str_eq(e.kind, "brand_new");
	played();
}
END_TEST

START_TEST(an_error_with_an_impossible_code_is_still_an_error)
{
	static const char *const codes[] = {"0", "\"no\"", "1e99", "99999999999999999999", "7", "null"};
	char error[96];
	snprintf(error, sizeof error, JSON({"code":%s,"message":"odd"}), codes[_i]);
	expect_refusal(error);
	int code = save();
	ck_assert_msg(code < 0 || code == PERSIST_E_PROTOCOL, "%d", code); /* no other code of this side */
	expect_error(code, code, code < 0 ? PERSIST_DID_NOT_HAPPEN : PERSIST_UNKNOWN);
	played();
}
END_TEST

START_TEST(long_texts_of_errors_are_cut_between_characters)
{
	char message[2001], hint[2001];
	for (int i = 0; i < 1000; i++) {
		memcpy(message + 2 * i, "\xc3\xa4", 2);
		memcpy(hint + 2 * i, "\xc3\xa4", 2);
	}
	message[2000] = hint[2000] = '\0';
	char error[8000];
	snprintf(error, sizeof error,
	         JSON({"code":-32602,"message":"x%s","data":{"kind":"%s","hint":"%s"}}), message,
	         hint, hint);
	expect_refusal(error);
	expect_error(save(), PERSIST_INVALID_PARAMS, PERSIST_DID_NOT_HAPPEN);
	ck_assert_uint_eq(strlen(e.message), sizeof e.message - 1); /* x, and whole characters of two bytes */
	ck_assert_uint_eq(strlen(e.hint), sizeof e.hint - 2);
	ck_assert_uint_eq(strlen(e.kind), sizeof e.kind - 2);
	played();
}
END_TEST

START_TEST(an_error_that_names_no_call_ends_the_one_that_is_on_its_way)
{
	PLAY("accept", "line",
	     "say " FAULT(null, {"code":-32700,"message":"broken","data":{"kind":"parse_error"}}) "\n",
	     "serve");
	opened();
	expect_error(save(), PERSIST_PARSE_ERROR, PERSIST_DID_NOT_HAPPEN);
	expect_result(save(), JSON({"served":1}));
	played();
}
END_TEST

START_TEST(a_line_that_was_too_large_ends_the_large_call_and_not_the_small_ones)
{
	PLAY("accept", "line", "line", "line",
	     "say " FAULT(null, {"code":-32004,"message":"too long","data":{"kind":"too_large"}}) "\n",
	     "answer 2 2", "answer 0 0");
	opened();
	persist_pending *first = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	persist_pending *second = persist_start(c, "job.save", large_params(), &e);
	persist_pending *third = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	expect_result(persist_wait(first, &r, &e), "0");
	expect_error(persist_wait(second, &r, &e), PERSIST_TOO_LARGE, PERSIST_DID_NOT_HAPPEN);
	expect_result(persist_wait(third, &r, &e), "2");
	played();
}
END_TEST

/* ---- a daemon that stops and comes back */

START_TEST(a_change_that_a_stopping_daemon_refused_is_done_by_the_next_one_once)
{
	PLAY("accept", "line", "refuse 0 -32007", "close", "deaf", "sleep 150", "listen", "accept", "serve");
	opened();
	expect_result(save(), JSON({"served":1}));
	played();
	ck_assert_uint_eq(fake_count("job.save"), 2); /* the refused one, and this */
}
END_TEST

START_TEST(a_stopping_daemon_still_answers_what_it_took_before)
{
	PLAY("accept", "line", "line", "refuse 1 -32007", "answer 0 \"done\"", "close", "accept", "serve");
	opened();
	persist_pending *first = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	persist_pending *second = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	expect_result(persist_wait(second, &r, &e), JSON({"served":2}));
	expect_result(persist_wait(first, &r, &e), "\"done\"");
	played();
}
END_TEST

START_TEST(a_stopping_daemon_that_does_not_come_back_ends_the_call_as_not_done)
{
	PLAY("accept", "line", "refuse 0 -32007", "deaf", "close");
	opened();
	persist_set_patience(c, 200);
	int code = save();
	ck_assert_msg(code == PERSIST_E_NO_DAEMON || code == PERSIST_SHUTTING_DOWN, "%d: %s", code, e.message);
	expect_error(code, code, PERSIST_DID_NOT_HAPPEN);
	played();
}
END_TEST

START_TEST(a_call_that_was_sent_again_to_a_daemon_that_does_not_answer_is_unknown)
{
	PLAY("accept", "line", "refuse 0 -32007", "accept", "line", "pause");
	opened();
	persist_set_timeout(c, 300);
	long long began = clock_ms();
	expect_error(save(), PERSIST_E_TIMEOUT, PERSIST_UNKNOWN);
	ck_assert_int_lt(clock_ms() - began, 3000);
	fake_go();
	played();
}
END_TEST

START_TEST(nobody_there_is_said_with_the_path_and_what_to_do)
{
	fake_nowhere();
	opened();
	persist_set_patience(c, 0);
	long long began = clock_ms();
	expect_error(save(), PERSIST_E_NO_DAEMON, PERSIST_DID_NOT_HAPPEN);
	ck_assert_int_lt(clock_ms() - began, 1000);
	ck_assert_str_eq(e.kind, "no_daemon");
	ck_assert_int_eq(e.system_error, ENOENT);
	ck_assert_ptr_nonnull(strstr(e.message, fake_socket));
	ck_assert_str_ne(e.hint, "");
	expect_error(get(), PERSIST_E_NO_DAEMON, PERSIST_DID_NOT_HAPPEN);
	played();
}
END_TEST

START_TEST(patience_is_as_long_as_it_was_set)
{
	fake_nowhere();
	opened();
	persist_set_patience(c, 400);
	long long began = clock_ms();
	expect_error(save(), PERSIST_E_NO_DAEMON, PERSIST_DID_NOT_HAPPEN);
	long long took = clock_ms() - began;
	ck_assert_msg(took >= 390 && took < 3000, "%lld ms", took);
	played();
}
END_TEST

START_TEST(a_timeout_that_is_shorter_than_the_patience_holds)
{
	fake_nowhere();
	opened();
	persist_set_timeout(c, 200);
	long long began = clock_ms();
	int code = save();
	long long took = clock_ms() - began;
	ck_assert_msg(code == PERSIST_E_NO_DAEMON || code == PERSIST_E_TIMEOUT, "%d", code);
	expect_error(code, code, PERSIST_DID_NOT_HAPPEN);
	ck_assert_msg(took >= 190 && took < 3000, "%lld ms", took);
	played();
}
END_TEST

START_TEST(a_daemon_that_starts_meanwhile_gets_the_call)
{
	PLAY("deaf", "sleep 300", "listen", "accept", "serve");
	opened();
	expect_result(save(), JSON({"served":0}));
	played();
}
END_TEST

START_TEST(one_attempt_is_one_attempt_each_time)
{
	PLAY("deaf", "pause", "listen", "accept", "serve");
	opened();
	persist_set_patience(c, 0);
	sleep_ms(20);
	for (int i = 0; i < 5; i++)
		expect_error(save(), PERSIST_E_NO_DAEMON, PERSIST_DID_NOT_HAPPEN);
	fake_go();
	sleep_ms(100);
	expect_result(save(), JSON({"served":0})); /* though the backoff of the failures would go on for longer */
	played();
}
END_TEST

START_TEST(a_daemon_that_has_not_come_to_accept_us_is_waited_for)
{
	fake_full();
	opened();
	persist_set_patience(c, 0); /* somebody is there: that is no absence */
	persist_pending *p = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	ck_assert_ptr_nonnull(p);
	fake_make_room();
	expect_result(persist_wait(p, &r, &e), JSON({"served":0}));
	played();
}
END_TEST

START_TEST(a_daemon_that_never_accepts_is_a_timeout)
{
	fake_full();
	opened();
	persist_set_timeout(c, 300);
	expect_error(save(), PERSIST_E_TIMEOUT, PERSIST_DID_NOT_HAPPEN);
	played();
}
END_TEST

START_TEST(a_path_that_cannot_be_a_socket_is_the_first_calls_error)
{
	char path[300];
	fake_nowhere();
	memset(path, 'p', sizeof path - 1);
	path[0] = '/';
	path[sizeof path - 1] = '\0';
	c = persist_open(path);
	persist_set_patience(c, 0);
	expect_error(save(), PERSIST_E_NO_DAEMON, PERSIST_DID_NOT_HAPPEN);
	ck_assert_int_eq(e.system_error, ENAMETOOLONG);
	played();
}
END_TEST

#define CONNECTION_LIMIT \
	"say " FAULT(null, {"code":-32005,"message":"one connection is open", \
	                    "data":{"kind":"limit","hint":"raise max_connections"}}) "\n"

START_TEST(a_connection_that_is_refused_for_too_many_did_not_take_the_call)
{
	PLAY("accept", CONNECTION_LIMIT, "close", "accept", "serve");
	opened();
	expect_error(save(), PERSIST_LIMIT, PERSIST_DID_NOT_HAPPEN);
	ck_assert_str_eq(e.kind, "limit");
	ck_assert_str_eq(e.hint, "raise max_connections");
	expect_result(save(), JSON({"served":0})); /* on the next connection */
	played();
}
END_TEST

START_TEST(a_refused_connection_that_had_taken_the_lines_did_none_of_them)
{
	PLAY("accept", "line", "line", CONNECTION_LIMIT, "close", "accept", "serve");
	opened();
	persist_pending *first = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	persist_pending *second = persist_start(c, "job.get", persist_text(JSON({"id":"x"})), &e);
	expect_error(persist_wait(first, &r, &e), PERSIST_LIMIT, PERSIST_DID_NOT_HAPPEN);
	expect_error(persist_wait(second, &r, &e), PERSIST_LIMIT, PERSIST_DID_NOT_HAPPEN);
	expect_result(save(), JSON({"served":2}));
	played();
}
END_TEST

/* ---- batches */

static persist_batch *batch_of(const char *const *methods)
{
	persist_batch *b = persist_batch_new(c);
	for (int i = 0; methods[i]; i++)
		ck_assert_int_eq(persist_batch_add(b, methods[i], persist_text(JSON({"id":"x"})), &e), i);
	return b;
}

START_TEST(a_batch_is_one_line_and_its_replies_find_their_places)
{
	PLAY("accept", "line",
	     "say [" RESULT(2, "second") "," FAULT(3, {"code":-32001,"message":"none"}) "," RESULT(1, "first")
	     "]\n");
	opened();
	persist_batch *b = batch_of(ARGS("job.save", "job.delete", "job.get"));
	ck_assert_int_eq(persist_batch_run(b, &e), 0);
	/* the ids of a fresh client are those that the script answers */
	ck_assert_ptr_nonnull(strstr(fake_line(0), "\"id\":1"));
	ck_assert_int_eq(persist_batch_result(b, 0, &r, &e), 0);
	ck_assert_str_eq(persist_result_text(r, NULL), "\"first\"");
	ck_assert_int_eq(persist_batch_result(b, 1, &r, &e), 0);
	ck_assert_str_eq(persist_result_text(r, NULL), "\"second\"");
	expect_error(persist_batch_result(b, 2, &r, &e), PERSIST_NOT_FOUND, PERSIST_DID_NOT_HAPPEN);
	persist_batch_free(b);
	played();
}
END_TEST

START_TEST(a_call_that_a_batchs_reply_leaves_out_is_unknown)
{
	PLAY("accept", "line",
	     "say [" RESULT($0, 7) "," RESULT(4711, 8) "," RESULT("x", 8) "]\n");
	opened();
	persist_batch *b = batch_of(ARGS("job.save", "job.save", "job.get"));
	ck_assert_int_eq(persist_batch_run(b, &e), 0);
	ck_assert_int_eq(persist_batch_result(b, 0, &r, &e), 0);
	r = NULL;
	expect_error(persist_batch_result(b, 1, &r, &e), PERSIST_E_PROTOCOL, PERSIST_UNKNOWN);
	expect_error(persist_batch_result(b, 2, &r, &e), PERSIST_E_PROTOCOL, PERSIST_DID_NOT_HAPPEN);
	persist_batch_free(b);
	played();
}
END_TEST

START_TEST(a_batch_that_is_refused_as_a_whole_did_not_happen)
{
	PLAY("accept", "line",
	     "say " FAULT(null, {"code":-32005,"message":"a batch of 3 calls","data":{"kind":"limit"}}) "\n",
	     "serve");
	opened();
	persist_batch *b = batch_of(ARGS("job.save", "job.save", "job.save"));
	expect_error(persist_batch_run(b, &e), PERSIST_LIMIT, PERSIST_DID_NOT_HAPPEN);
	for (int i = 0; i < 3; i++)
		expect_error(persist_batch_result(b, i, &r, &e), PERSIST_LIMIT, PERSIST_DID_NOT_HAPPEN);
	expect_result(save(), JSON({"served":1}));
	persist_batch_free(b);
	played();
}
END_TEST

START_TEST(a_batch_of_changes_that_was_not_answered_is_unknown_and_not_repeated)
{
	PLAY("accept", "line", "say [" RESULT($0, 7) ",", "close", "accept", "serve");
	opened();
	persist_batch *b = batch_of(ARGS("job.get", "job.save"));
	expect_error(persist_batch_run(b, &e), PERSIST_E_CONNECTION, PERSIST_UNKNOWN);
	expect_error(persist_batch_result(b, 1, &r, &e), PERSIST_E_CONNECTION, PERSIST_UNKNOWN);
	ck_assert_int_eq(persist_batch_result(b, 0, &r, &e), PERSIST_E_CONNECTION);
	expect_result(get(), JSON({"served":1}));
	persist_batch_free(b);
	played();
	ck_assert_uint_eq(fake_count("job.save"), 1);
}
END_TEST

START_TEST(a_batch_of_reads_that_was_not_answered_is_sent_again)
{
	PLAY("accept", "line", "close", "accept", "serve");
	opened();
	persist_batch *b = batch_of(ARGS("job.get", "job.list", "run.get"));
	ck_assert_int_eq(persist_batch_run(b, &e), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(persist_batch_result(b, i, &r, &e), 0);
		ck_assert_str_eq(persist_result_text(r, NULL), JSON({"served":1}));
	}
	r = NULL;
	persist_batch_free(b);
	played();
}
END_TEST

START_TEST(a_batch_beside_other_calls_keeps_their_replies_apart)
{
	PLAY("accept", "line", "line", "say [" RESULT($1, "b0") "]\n",
	     "answer 0 \"single\"");
	opened();
	persist_pending *p = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	persist_batch *b = batch_of(ARGS("job.save"));
	ck_assert_int_eq(persist_batch_run(b, &e), 0);
	ck_assert_int_eq(persist_batch_result(b, 0, &r, &e), 0);
	ck_assert_str_eq(persist_result_text(r, NULL), "\"b0\"");
	r = NULL;
	expect_result(persist_wait(p, &r, &e), "\"single\"");
	persist_batch_free(b);
	played();
}
END_TEST

START_TEST(places_that_are_not_there_and_batches_that_did_not_run_are_named)
{
	fake_nowhere();
	opened();
	persist_set_patience(c, 0);
	persist_batch *b = batch_of(ARGS("job.save"));
	expect_error(persist_batch_result(b, 0, &r, &e), PERSIST_E_MISUSE, PERSIST_DID_NOT_HAPPEN);
	expect_error(persist_batch_run(b, &e), PERSIST_E_NO_DAEMON, PERSIST_DID_NOT_HAPPEN);
	expect_error(persist_batch_result(b, 1, &r, &e), PERSIST_E_ARGUMENT, PERSIST_DID_NOT_HAPPEN);
	ck_assert_str_eq(e.field, "place");
	expect_error(persist_batch_result(b, -1, &r, &e), PERSIST_E_ARGUMENT, PERSIST_DID_NOT_HAPPEN);
	expect_error(persist_batch_run(b, &e), PERSIST_E_MISUSE,
	             PERSIST_DID_NOT_HAPPEN); /* once for each batch */
	ck_assert_int_eq(persist_batch_add(b, "job.save", persist_none(), &e), -PERSIST_E_MISUSE);
	persist_batch_free(b);
	persist_batch_free(NULL);
	played();
}
END_TEST

START_TEST(an_empty_batch_is_no_line)
{
	PLAY("accept", "serve");
	opened();
	persist_batch *b = persist_batch_new(c);
	ck_assert_int_eq(persist_batch_run(b, &e), 0);
	persist_batch_free(b);
	expect_result(get(), JSON({"served":0}));
	played();
}
END_TEST

/* ---- notifications and cancelled calls */

START_TEST(notifications_are_sent_in_their_place_and_never_answered)
{
	PLAY("accept", "serve");
	opened();
	ck_assert_int_eq(persist_notify(c, "job.delete", persist_text(JSON({"id":"n"})), &e), 0);
	expect_result(get(), JSON({"served":1}));
	played();
	ck_assert_ptr_nonnull(strstr(fake_line(0), "job.delete"));
	ck_assert_ptr_null(strstr(strstr(fake_line(0), "job.delete"), "\"id\":1"));
}
END_TEST

START_TEST(a_cancelled_calls_answer_disturbs_nobody)
{
	PLAY("accept", "line", "line", "answer 0 \"unwanted\"", "answer 1 \"wanted\"");
	opened();
	persist_pending *p = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	persist_cancel(p);
	expect_result(save(), "\"wanted\"");
	played();
}
END_TEST

START_TEST(a_client_that_is_closed_ends_what_is_waited_for_later)
{
	PLAY("accept", "line", "pause");
	opened();
	persist_pending *p = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	fake_await(1);
	persist_close(c);
	c = NULL;
	expect_error(persist_wait(p, &r, &e), PERSIST_E_CANCELLED, PERSIST_UNKNOWN);
	ck_assert_str_eq(e.kind, "cancelled");
	fake_go();
	played();
}
END_TEST

START_TEST(a_client_that_is_closed_before_anything_was_sent_did_nothing)
{
	fake_nowhere();
	opened();
	persist_pending *p = persist_start(c, "job.save", persist_text(JSON({"job":{}})), &e);
	persist_close(c);
	c = NULL;
	expect_error(persist_wait(p, &r, &e), PERSIST_E_CANCELLED, PERSIST_DID_NOT_HAPPEN);
	played();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("libpersist against a daemon that misbehaves");

	TCase *t = integration_case(s, "replies", NULL, NULL);
	tcase_add_test(t, a_reply_in_pieces_of_one_byte_is_one_reply);
	tcase_add_test(t, blank_lines_and_carriage_returns_between_replies_are_nothing);
	tcase_add_test(t, two_replies_in_one_piece_are_two);
	tcase_add_test(t, replies_out_of_order_reach_their_calls);
	tcase_add_test(t, replies_that_nobody_waits_for_are_passed_over);
	tcase_add_test(t, a_reply_nested_deeper_than_requests_may_be_is_taken);

	t = integration_case(s, "connection", NULL, NULL);
	tcase_add_test(t, a_change_that_was_sent_and_not_answered_is_unknown_and_not_repeated);
	tcase_add_test(t, a_read_that_was_not_answered_is_sent_again);
	tcase_add_test(t, a_daemon_that_always_closes_ends_a_read_in_its_time);
	tcase_add_test(t, a_connection_that_ended_while_idle_costs_no_call);
	tcase_add_loop_test(t, a_reply_that_is_cut_at_any_byte_is_no_reply, 1, (int)sizeof a_reply - 1);
	tcase_add_test(t, a_read_whose_reply_is_cut_is_sent_again);
	tcase_add_test(t, a_reply_that_lacks_only_its_newline_at_the_end_counts);
	tcase_add_test(t, what_was_answered_before_the_connection_ended_is_known);
	tcase_add_test(t, a_large_change_of_which_half_was_sent_did_not_happen_and_is_done_once);
	tcase_add_test(t, what_stands_behind_a_half_sent_change_is_sent_behind_it_again);

	t = integration_case(s, "nonsense", NULL, NULL);
	tcase_add_loop_test(t, what_is_no_reply_is_named_and_ends_the_connection, 0, COUNT(nonsense));
	tcase_add_test(t, a_flood_without_a_newline_is_no_answer);
	tcase_add_test(t, a_reply_over_the_maximum_is_refused_and_the_next_call_goes_well);

	t = integration_case(s, "time", NULL, NULL);
	tcase_add_test(t, an_answer_that_comes_too_late_is_not_taken_for_the_next_ones);
	tcase_add_test(t, half_a_reply_and_silence_is_a_timeout);
	tcase_add_test(t, a_read_that_times_out_did_not_happen);
	tcase_add_test(t, a_change_that_did_not_wholly_leave_in_its_time_did_not_happen_and_never_will);
	tcase_add_test(t, a_daemon_that_goes_on_reading_after_a_timeout_does_not_get_the_rest_of_the_change);
	tcase_add_loop_test(t, the_daemons_complaint_about_a_change_that_was_broken_off_is_nobody_elses_error, 0,
	                    2);
	tcase_add_test(t, a_timeout_counts_from_the_start_of_a_call_not_from_waiting_for_it);
	tcase_add_test(t, no_timeout_means_for_ever);

	t = integration_case(s, "errors", NULL, NULL);
	tcase_add_test(t, every_part_of_an_error_reaches_the_caller);
	tcase_add_test(t, an_error_without_more_than_its_code_has_its_kind);
	tcase_add_test(t, a_disk_that_failed_in_the_middle_leaves_a_change_unknown);
	tcase_add_test(t, an_error_of_a_newer_daemon_keeps_its_number_and_its_kind);
	tcase_add_loop_test(t, an_error_with_an_impossible_code_is_still_an_error, 0, 6);
	tcase_add_test(t, long_texts_of_errors_are_cut_between_characters);
	tcase_add_test(t, an_error_that_names_no_call_ends_the_one_that_is_on_its_way);
	tcase_add_test(t, a_line_that_was_too_large_ends_the_large_call_and_not_the_small_ones);

	t = integration_case(s, "coming and going", NULL, NULL);
	tcase_add_test(t, a_change_that_a_stopping_daemon_refused_is_done_by_the_next_one_once);
	tcase_add_test(t, a_stopping_daemon_still_answers_what_it_took_before);
	tcase_add_test(t, a_stopping_daemon_that_does_not_come_back_ends_the_call_as_not_done);
	tcase_add_test(t, a_call_that_was_sent_again_to_a_daemon_that_does_not_answer_is_unknown);
	tcase_add_test(t, nobody_there_is_said_with_the_path_and_what_to_do);
	tcase_add_test(t, patience_is_as_long_as_it_was_set);
	tcase_add_test(t, a_timeout_that_is_shorter_than_the_patience_holds);
	tcase_add_test(t, a_daemon_that_starts_meanwhile_gets_the_call);
	tcase_add_test(t, one_attempt_is_one_attempt_each_time);
	tcase_add_test(t, a_daemon_that_has_not_come_to_accept_us_is_waited_for);
	tcase_add_test(t, a_daemon_that_never_accepts_is_a_timeout);
	tcase_add_test(t, a_path_that_cannot_be_a_socket_is_the_first_calls_error);
	tcase_add_test(t, a_connection_that_is_refused_for_too_many_did_not_take_the_call);
	tcase_add_test(t, a_refused_connection_that_had_taken_the_lines_did_none_of_them);

	t = integration_case(s, "batches", NULL, NULL);
	tcase_add_test(t, a_batch_is_one_line_and_its_replies_find_their_places);
	tcase_add_test(t, a_call_that_a_batchs_reply_leaves_out_is_unknown);
	tcase_add_test(t, a_batch_that_is_refused_as_a_whole_did_not_happen);
	tcase_add_test(t, a_batch_of_changes_that_was_not_answered_is_unknown_and_not_repeated);
	tcase_add_test(t, a_batch_of_reads_that_was_not_answered_is_sent_again);
	tcase_add_test(t, a_batch_beside_other_calls_keeps_their_replies_apart);
	tcase_add_test(t, places_that_are_not_there_and_batches_that_did_not_run_are_named);
	tcase_add_test(t, an_empty_batch_is_no_line);

	t = integration_case(s, "nobody waits", NULL, NULL);
	tcase_add_test(t, notifications_are_sent_in_their_place_and_never_answered);
	tcase_add_test(t, a_cancelled_calls_answer_disturbs_nobody);
	tcase_add_test(t, a_client_that_is_closed_ends_what_is_waited_for_later);
	tcase_add_test(t, a_client_that_is_closed_before_anything_was_sent_did_nothing);
	return s;
}

int main(void)
{
	return integration_run(suite());
}
