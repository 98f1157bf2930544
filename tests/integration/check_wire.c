/* The wire's edges: bytes, lines, batches and ids as any program may send them. */
#include "tests/integration/client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define PING(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"server.ping\"}"

static struct daemon *d;
static struct client *c;

static void setup(void)
{
	d = daemon_started(NULL);
	c = client_open(d);
}

static void teardown(void)
{
	daemon_end(d);
}

static void write_text(const char *text)
{
	client_write(c, text, strlen(text));
}

static void expect_usable(void)
{
	client_say(c, PING("\"still there\""));
	json_t *reply = client_reply(c);
	expect_text_at(reply, "id", "still there");
	ck_assert(has_value_at(reply, "result.time"));
}

static char *repeat(const char *text, size_t times)
{
	size_t len = strlen(text);
	char *all = malloc(len * times + 1);
	for (size_t i = 0; i < times; i++)
		memcpy(all + i * len, text, len);
	all[len * times] = '\0';
	return all;
}

/* ---- lines */

START_TEST(a_half_closed_client_still_gets_every_answer)
{
	for (int i = 0; i < 200; i++)
		client_say(c, JSON({"jsonrpc":"2.0","id":%d,"method":"job.save","params":{"job":{"id":"j%d"}}}), i,
		           i);
	client_half_close(c);
	bool answered[200] = {false};
	for (int i = 0; i < 200; i++) {
		json_t *reply = client_reply(c);
		long long id = whole_at(reply, "id");
		ck_assert(!answered[id]);
		answered[id] = true;
		ck_assert(has_value_at(reply, "result.revision"));
	}
	ck_assert(client_ended(c));
}
END_TEST

START_TEST(the_last_line_needs_no_newline)
{
	write_text(JSON({"jsonrpc":"2.0","id":1,"method":"job.save","params":{"job":{"id":"last"}}}));
	client_half_close(c);
	expect_text_at(client_reply(c), "result.id", "last");
	ck_assert(client_ended(c));
	expect_text_at(daemon_call(d, "job.get", JSON({"id":"last"})), "id", "last");
}
END_TEST

START_TEST(a_request_cut_off_at_the_end_is_said_to_be_no_JSON)
{
	write_text("{\"jsonrpc\":\"2.0\",\"id\":1,\"meth");
	client_half_close(c);
	expect_error(client_reply(c), PARSE_ERROR, "null");
	ck_assert(client_ended(c));
}
END_TEST

START_TEST(a_client_that_says_nothing_is_closed_without_a_word)
{
	client_half_close(c);
	ck_assert(client_ended(c));
}
END_TEST

START_TEST(windows_line_ends_and_blank_lines_do_no_harm)
{
	write_text("\n\r\n" PING("1") "\r\n\r\n\n\n" PING("2") "\n\r\n");
	ck_assert_int_eq(whole_at(client_reply(c), "id"), 1);
	ck_assert_int_eq(whole_at(client_reply(c), "id"), 2);
	client_half_close(c);
	ck_assert(client_ended(c));
}
END_TEST

START_TEST(several_requests_in_one_write_are_all_answered)
{
	write_text(repeat(PING("7") "\n", 500));
	for (int i = 0; i < 500; i++)
		ck_assert_int_eq(whole_at(client_reply(c), "id"), 7);
}
END_TEST

START_TEST(one_request_in_a_hundred_writes_is_one_request)
{
	const char *line =
		JSON({"jsonrpc":"2.0","id":1,"method":"job.save","params":{"job":{"id":"slow","payload":{"k":[1,2,3]}}}})
		"\n";
	size_t len = strlen(line);
	for (size_t i = 0, piece = len / 100 + 1; i < len; i += piece) {
		client_write(c, line + i, i + piece < len ? piece : len - i);
		sleep_ms(1);
	}
	expect_at(client_reply(c), "result.payload", JSON({"k":[1,2,3]}));
}
END_TEST

/* A poll tells of 1,024 at most, and those that come last of them have not had their turn when the next one tells of
 * them again. */
START_TEST(calls_are_lost_or_repeated_while_more_connections_are_ready_than_one_poll_tells_of)
{
	enum { MANY = 1028, LONG = 9, LAST = 1024, SOME = 8, ROUNDS = 8, MORE = 6000 };
	static struct client *all[MANY];
	static int said[MANY], heard[MANY];
	struct rlimit files = {4096, 4096};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	for (int i = 0; i < MANY; i++)
		all[i] = client_open(d);
	for (int i = 0; i < LONG; i++)
		client_write(all[i], "{\"jsonrpc\":", 11); /* of which more will come in a moment */
	json_decref(daemon_call(d, "server.ping", NULL));
	for (int round = 0; round < ROUNDS; round++) {
		daemon_send_signal(d, SIGSTOP);
		for (int i = 0; i < LONG; i++)
			client_write(all[i], " ", 1);
		for (int i = LONG; i < MANY; i++)
			client_say(all[i], JSON({"jsonrpc":"2.0","id":%d,"method":"server.ping"}), said[i]++);
		daemon_send_signal(d, SIGCONT);
		for (int k = 0; k < MORE; k++) {
			int i = LAST - k % SOME;
			client_say(all[i], JSON({"jsonrpc":"2.0","id":%d,"method":"server.ping"}), said[i]++);
		}
		for (int i = LONG; i < MANY; i++)
			for (; heard[i] < said[i]; heard[i]++)
				ck_assert_int_eq(whole_at(client_reply(all[i]), "id"), heard[i]);
	}
	for (int i = 0; i < LONG; i++) {
		client_say(all[i], "\"2.0\",\"id\":\"long\",\"method\":\"server.ping\"}");
		ck_assert_str_eq(text_at(client_reply(all[i]), "id"), "long");
	}
}
END_TEST

START_TEST(a_character_split_between_two_reads_stays_whole)
{
	const char *line = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.save\",\"params\":{\"job\":{\"id\":\"utf8\","
			   "\"error\":\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"}}}\n";
	for (const char *at = line; *at; at++) {
		client_write(c, at, 1);
		if ((unsigned char)*at >= 0x80)
			sleep_ms(5);
	}
	expect_text_at(client_reply(c), "result.error", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
	expect_text_at(client_call(c, "job.get", JSON({"id":"utf8"})), "error",
	               "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
}
END_TEST

START_TEST(a_reply_is_one_compact_line)
{
	client_say(c, JSON({"jsonrpc":"2.0","id":1,"method":"job.save",
		"params" : {"job" : {"id":"x", "error":"two\nlines\ttab", "payload":{"a" : [1, 2]}}}}));
	char *line = client_line(c);
	ck_assert(strstr(line, "\"error\":\"two\\nlines\\ttab\""));
	ck_assert(strstr(line, "\"payload\":{\"a\":[1,2]}"));
	expect_text_at(json_parsed(line), "jsonrpc", "2.0");
}
END_TEST

/* ---- what is no request */

static const char *const no_json[] = {
	"{", "}", "]", "nul", "truefalse", "{\"a\":}", "[1,]", "{\"a\":1,}", "{a:1}", "'text'", "01", "+1", ".5", "1.", "1e", "- 1",
	"NaN", "[Infinity]", "{\"jsonrpc\":\"2.0\"} {\"jsonrpc\":\"2.0\"}", "\"\\x\"", "\"\\u12\"", "\"tab\there\"",
	"\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"",
	"\xef\xbb\xbf{}", "GET / HTTP/1.1", "\x01\x02\x03", "[", "[{\"jsonrpc\":\"2.0\",\"method\":\"server.ping\",\"id\":1}",
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server.ping\"", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server.ping\"}}",
};

START_TEST(a_line_that_is_no_JSON_costs_only_itself)
{
	client_say(c, "%s", no_json[_i]);
	expect_error(client_reply(c), PARSE_ERROR, "null");
	expect_usable();
}
END_TEST

START_TEST(a_NUL_byte_in_a_line_does_not_hide_the_rest)
{
	static const char bytes[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server.ping\"}\0garbage\n";
	client_write(c, bytes, sizeof bytes - 1);
	expect_error(client_reply(c), PARSE_ERROR, "null");
	expect_usable();
}
END_TEST

static const struct {
	const char *line, *id;
} no_request[] = {
	{"5", "null"}, {"\"text\"", "null"}, {"null", "null"}, {"true", "null"}, {"{}", "null"},
	{JSON({"jsonrpc":"2.0","id":1}), "1"},
	{JSON({"id":2,"method":"server.ping"}), "2"},
	{JSON({"jsonrpc":"1.0","id":3,"method":"server.ping"}), "3"},
	{JSON({"jsonrpc":2.0,"id":4,"method":"server.ping"}), "4"},
	{JSON({"jsonrpc":"2.0","id":5,"method":null}), "5"},
	{JSON({"jsonrpc":"2.0","id":"six","method":["server.ping"]}), "\"six\""},
	{JSON({"jsonrpc":"2.0","id":{},"method":"server.ping"}), "null"},
	{JSON({"jsonrpc":"2.0","id":[1],"method":"server.ping"}), "null"},
	{JSON({"jsonrpc":"2.0","id":true,"method":"server.ping"}), "null"},
};

START_TEST(JSON_that_is_no_request_is_refused_as_such)
{
	client_say(c, "%s", no_request[_i].line);
	expect_error(client_reply(c), INVALID_REQUEST, no_request[_i].id);
	expect_usable();
}
END_TEST

START_TEST(a_mistyped_method_is_answered_with_the_nearest_one)
{
	expect_fault(client_refused(c, METHOD_NOT_FOUND, "job.svae", NULL), "method_not_found", NULL, "job.save");
	expect_fault(client_refused(c, METHOD_NOT_FOUND, "no_such_thing", NULL), "method_not_found", NULL, NULL);
}
END_TEST

static const char *const twice[] = {
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"server.ping\"}",
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.save\",\"params\":{\"job\":{\"id\":\"a\",\"id\":\"b\"}}}",
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.save\",\"params\":{\"job\":{\"id\":\"a\",\"payload\":{\"x\":[{\"k\":1,\"k\":1}]}}}}",
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.save\",\"params\":{\"job\":{\"id\":\"a\",\"payload\":{\"ab\":1,\"\\u0061b\":2}}}}",
};

START_TEST(a_name_that_stands_twice_is_refused_instead_of_guessed)
{
	client_say(c, "%s", twice[_i]);
	expect_error(client_reply(c), PARSE_ERROR, "null");
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 0);
}
END_TEST

/* ---- limits of one line */

static void small_lines(void)
{
	d = daemon_started(ARGS("--max-line", "2048"));
	c = client_open(d);
}

static char *ping_of_length(size_t len)
{
	char *line = malloc(len + 1);
	int used = snprintf(line, len + 1, "%s", PING("1"));
	memset(line + used, ' ', len - (size_t)used);
	line[len] = '\0';
	return line;
}

START_TEST(a_line_of_exactly_the_limit_is_taken_and_one_byte_more_is_not)
{
	client_say(c, "%s", ping_of_length(2048));
	ck_assert(has_value_at(client_reply(c), "result"));
	client_say(c, "%s", ping_of_length(2049));
	expect_error(client_reply(c), TOO_LARGE, "null");
	client_say(c, "%s\r", ping_of_length(2048));
	ck_assert(has_value_at(client_reply(c), "result"));
	expect_usable();
}
END_TEST

START_TEST(a_line_over_the_limit_gets_one_error_before_it_ends)
{
	char *piece = repeat("x", 100000);
	write_text(piece);
	expect_error(client_reply(c), TOO_LARGE, "null");
	for (int i = 0; i < 50; i++)
		write_text(piece);
	ck_assert_ptr_null(client_line_within(c, 200));
	write_text("\n" PING("2") "\n");
	ck_assert_int_eq(whole_at(client_reply(c), "id"), 2);
}
END_TEST

START_TEST(a_line_over_the_limit_at_the_end_is_still_answered)
{
	write_text(repeat("x", 5000));
	client_half_close(c);
	expect_error(client_reply(c), TOO_LARGE, "null");
	ck_assert(client_ended(c));
}
END_TEST

/* A job whose payload makes the whole line so many levels deep. */
static void say_nested(size_t levels)
{
	client_say(c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.save\",\"params\":{\"job\":{\"id\":\"deep\",\"payload\":{\"a\":%s%s}}}}",
		   repeat("[", levels - 4), repeat("]", levels - 4));
}

START_TEST(nesting_of_128_levels_is_kept)
{
	say_nested(128);
	expect_text_at(client_reply(c), "result.id", "deep");
	char *wanted;
	ck_assert_int_gt(asprintf(&wanted, "{\"a\":%s%s}", repeat("[", 124), repeat("]", 124)), 0);
	expect_at(client_call(c, "job.get", JSON({"id":"deep"})), "payload", wanted);
	daemon_restart(d, NULL);
	c = client_open(d);
	expect_at(client_call(c, "job.get", JSON({"id":"deep"})), "payload", wanted);
}
END_TEST

static const size_t too_deep[] = {129, 130, 1000, 2000000};

START_TEST(nesting_beyond_128_levels_is_refused_however_deep)
{
	say_nested(too_deep[_i]);
	expect_error(client_reply(c), PARSE_ERROR, "null");
	write_text(repeat("{\"a\":", too_deep[_i]));
	write_text("\n");
	expect_error(client_reply(c), PARSE_ERROR, "null");
	expect_usable();
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 0);
}
END_TEST

/* ---- strings and numbers */

START_TEST(a_NUL_in_a_string_is_never_cut_off)
{
	client_say(c, "%s", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job.save\",\"params\":{\"job\":{\"id\":\"nul\","
			    "\"error\":\"a\\u0000b\",\"payload\":{\"k\\u0000ey\":\"\\u0000\"}}}}");
	char *line = client_line(c);
	ck_assert_msg(strstr(line, "\"error\":\"a\\u0000b\"") && strstr(line, "{\"k\\u0000ey\":\"\\u0000\"}"), "%s", line);
	daemon_restart(d, NULL);
	c = client_open(d);
	client_say(c, JSON({"jsonrpc":"2.0","id":1,"method":"job.get","params":{"id":"nul"}}));
	line = client_line(c);
	ck_assert_msg(strstr(line, "\"error\":\"a\\u0000b\"") && strstr(line, "{\"k\\u0000ey\":\"\\u0000\"}"), "%s", line);
	expect_fault(client_refused(c, INVALID_PARAMS, "job.get", "{\"id\":\"nul\\u0000\"}"), "invalid_params", "id", NULL);
}
END_TEST

/* What is sent, and what must come back. */
static const struct {
	const char *sent, *back;
} numbers[] = {
	{"0", "0"}, {"-1", "-1"}, {"9223372036854775807", "9223372036854775807"},
	{"-9223372036854775808", "-9223372036854775808"},
	{"0.1", "0.1"}, {"1.0", "1.0"}, {"0.10000000000000001", "0.1"},
	{"3.141592653589793", "3.141592653589793"},
	{"-2.5", "-2.5"}, {"5e-324", "5e-324"},
	{"\"123456789012345678901234567890\"", "\"123456789012345678901234567890\""},
};

START_TEST(a_number_comes_back_as_it_went_in)
{
	char want[100];
	snprintf(want, sizeof want, "\"payload\":{\"n\":%s}", numbers[_i].back);
	for (int round = 0; round < 2; round++) {
		client_say(
			c,
			JSON({"jsonrpc":"2.0","id":1,"method":"job.save","params":{"job":{"id":"n","payload":{"n":%s}}}}),
			round ? numbers[_i].back : numbers[_i].sent);
		char *line = client_line(c);
		ck_assert_msg(strstr(line, want), "%s is not in %s", want, line);
	}
}
END_TEST

START_TEST(a_real_comes_back_as_the_same_double)
{
	static const char *const texts[] = {"1e22", "1E+2", "123456789.123456789", "1.7976931348623157e308",
	                                    "2.2250738585072014e-308", "-0.0"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		json_t *job = client_call(c, "job.save", JSON({"job":{"id":"r","payload":{"n":%s}}}), texts[i]);
		ck_assert(json_is_real(value_at(job, "payload.n")));
		double back = real_at(job, "payload.n"), sent = strtod(texts[i], NULL);
		ck_assert_msg(memcmp(&back, &sent, sizeof back) == 0, "%s came back as %.17g", texts[i], back);
	}
}
END_TEST

static const char *const not_held[] = {"9223372036854775808", "-9223372036854775809",
                                       "123456789012345678901234567890", "1e999", "-1e999"};

START_TEST(a_number_that_cannot_be_held_is_refused_by_name)
{
	json_t *error = client_refused(c, INVALID_PARAMS, "job.save",
	                               JSON({"job":{"id":"big","payload":{"legs":[{"n":%s}]}}}), not_held[_i]);
	ck_assert_msg(strstr(text_at(error, "data.field"), "payload.legs"), "%s", json_dumps(error, 0));
	client_refused(c, NOT_FOUND, "job.get", JSON({"id":"big"}));
}
END_TEST

/* ---- ids and parameters */

static const char *const ids[] = {
	"1", "0", "-1", "123456789012345678901234567890", "1.0", "1.50", "1e3", "1E+2", "-0", "1e999", "\"1\"", "\"\"", "null",
	"\"a \\\"quoted\\\" \\\\ id\"", "\"\\u00e9\\ud83d\\ude00\"", "\"\xc3\xa9\"", "\"\\u0000\"", "\"a\\/b\"",
};

START_TEST(an_id_comes_back_exactly_as_it_was_written)
{
	char want[200];
	snprintf(want, sizeof want, "\"id\":%s", ids[_i]);
	client_say(c, "{\"jsonrpc\":\"2.0\", \"id\": %s , \"method\":\"server.ping\"}", ids[_i]);
	char *line = client_line(c);
	ck_assert_msg(strstr(line, want) && strstr(line, "\"result\""), "%s is not in %s", want, line);
	client_say(c, "{\"jsonrpc\":\"2.0\", \"id\": %s , \"method\":\"no.such\"}", ids[_i]);
	line = client_line(c);
	ck_assert_msg(strstr(line, want) && strstr(line, "-32601"), "%s is not in %s", want, line);
	client_say(c, "[{\"jsonrpc\":\"2.0\", \"id\": %s , \"method\":\"server.ping\"}]", ids[_i]);
	line = client_line(c);
	ck_assert_msg(strstr(line, want) && line[0] == '[', "%s is not in %s", want, line);
}
END_TEST

START_TEST(parameters_by_position_mean_what_they_mean_by_name)
{
	expect_text_at(client_call(c, "job.save", JSON([{"id":"p"}])), "id", "p");
	expect_json(client_call(c, "job.get", JSON(["p",["id","status"]])), JSON({"id":"p","status":"pending"}));
	json_t *page = client_call(c, "job.list", JSON([null,null,null,null,1]));
	ck_assert_uint_eq(count_at(page, "jobs"), 1);
	ck_assert_int_eq(whole_at(client_call(c, "job.count", JSON([])), "total"), 1);
	expect_fault(client_refused(c, INVALID_PARAMS, "job.get", JSON(["p",null,3])), "invalid_params", NULL,
	             NULL);
	expect_fault(client_refused(c, INVALID_PARAMS, "job.get", JSON([])), "invalid_params", "id", NULL);
	expect_fault(client_refused(c, INVALID_PARAMS, "server.ping", JSON([1])), "invalid_params", NULL, NULL);
}
END_TEST

START_TEST(a_null_optional_parameter_counts_as_absent)
{
	ck_assert_int_eq(whole_at(client_call(c, "job.list",
	                                      JSON({"status":null,"limit":null,"cursor":null,"offset":null})),
	                          "total"),
	                 0);
	expect_fault(client_refused(c, INVALID_PARAMS, "job.get", JSON({"id":null})), "invalid_params", "id",
	             NULL);
}
END_TEST

START_TEST(a_mistyped_parameter_is_refused_with_the_nearest_name)
{
	expect_fault(client_refused(c, INVALID_PARAMS, "job.list", JSON({"limt":5})), "invalid_params", "limt",
	             "limit");
	expect_fault(client_refused(c, INVALID_PARAMS, "job.save", JSON({"job":{"id":"x"},"extra":1})),
	             "invalid_params", "extra", NULL);
	client_refused(c, NOT_FOUND, "job.get", JSON({"id":"x"}));
}
END_TEST

START_TEST(params_that_are_neither_object_nor_array_are_refused)
{
	client_say(c, JSON({"jsonrpc":"2.0","id":1,"method":"job.list","params":"bar"}));
	json_t *reply = client_reply(c);
	long long code = whole_at(reply, "error.code");
	ck_assert(code == INVALID_PARAMS || code == INVALID_REQUEST);
	ck_assert_int_eq(whole_at(reply, "id"), 1);
}
END_TEST

/* ---- notifications and batches */

START_TEST(a_notification_works_and_is_never_answered)
{
	client_say(c, JSON({"jsonrpc":"2.0","method":"job.save","params":{"job":{"id":"quiet"}}}));
	client_say(c, JSON({"jsonrpc":"2.0","method":"job.save","params":{"job":{"id":"bad id"}}}));
	client_say(c, JSON({"jsonrpc":"2.0","method":"no.such.method"}));
	client_say(c, JSON({"jsonrpc":"2.0","method":"job.get","params":{"id":"nobody"}}));
	client_say(c, JSON({"jsonrpc":"2.0","id":"after","method":"job.get","params":{"id":"quiet"}}));
	json_t *reply = client_reply(c);
	expect_text_at(reply, "id", "after");
	expect_text_at(reply, "result.id", "quiet");
}
END_TEST

START_TEST(an_empty_batch_is_one_error)
{
	client_say(c, "[]");
	expect_error(client_reply(c), INVALID_REQUEST, "null");
	client_say(c, " [ ] ");
	expect_error(client_reply(c), INVALID_REQUEST, "null");
	expect_usable();
}
END_TEST

START_TEST(a_batch_of_notifications_is_not_answered)
{
	client_say(c, JSON([{"jsonrpc":"2.0","method":"job.save","params":{"job":{"id":"n1"}}},
			    {"jsonrpc":"2.0","method":"job.save","params":{"job":{"id":"n2"}}},
			    {"jsonrpc":"2.0","method":"nonsense"}]));
	client_say(c, JSON({"jsonrpc":"2.0","id":9,"method":"job.count"}));
	json_t *reply = client_reply(c);
	ck_assert_int_eq(whole_at(reply, "id"), 9);
	ck_assert_int_eq(whole_at(reply, "result.total"), 2);
}
END_TEST

static json_t *by_id(const json_t *replies, const char *id)
{
	json_t *wanted = json_parsed(id), *reply;
	size_t i;
	json_array_foreach(replies, i, reply)
		if (json_equal(value_at(reply, "id"), wanted))
			return reply;
	ck_abort_msg("no reply to %s in %s", id, json_dumps(replies, JSON_COMPACT));
}

START_TEST(a_mixed_batch_gets_one_array_with_one_reply_for_each_request)
{
	client_say(c, JSON([{"jsonrpc":"2.0","id":1,"method":"job.save","params":{"job":{"id":"b1"}}}, 5,
			    {"jsonrpc":"2.0","method":"job.save","params":{"job":{"id":"b2"}}},
			    {"jsonrpc":"2.0","id":"two","method":"job.get","params":{"id":"b1"}},
			    {"jsonrpc":"2.0","id":3,"method":"job.count"},
			    {"jsonrpc":"2.0","id":4,"method":"job.get","params":{"id":"nobody"}}, {"foo":"boo"},
			    {"jsonrpc":"2.0","id":5,"method":"server.ping"}, []]));
	json_t *replies = client_reply(c);
	ck_assert(json_is_array(replies));
	ck_assert_uint_eq(json_array_size(replies), 8);
	expect_text_at(by_id(replies, "1"), "result.id", "b1");
	expect_text_at(by_id(replies, "\"two\""), "result.id", "b1");
	ck_assert_int_eq(whole_at(by_id(replies, "3"), "result.total"), 2);
	expect_error(by_id(replies, "4"), NOT_FOUND, "4");
	ck_assert(has_value_at(by_id(replies, "5"), "result.time"));
	size_t invalid = 0, i;
	json_t *reply;
	json_array_foreach(replies, i, reply)
		invalid += has_value_at(reply, "error") && whole_at(reply, "error.code") == INVALID_REQUEST;
	ck_assert_uint_eq(invalid, 3);
}
END_TEST

START_TEST(a_batch_of_a_thousand_saves_is_answered_in_one_line)
{
	char *text = NULL;
	size_t len = 0;
	FILE *batch = open_memstream(&text, &len);
	for (int i = 0; i < 1000; i++)
		fprintf(batch, "%c{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"job.save\",\"params\":{\"job\":{\"id\":\"m%d\"}}}", i ? ',' : '[', i, i);
	fprintf(batch, "]");
	fclose(batch);
	client_say(c, "%s", text);
	json_t *replies = client_reply(c);
	ck_assert_uint_eq(json_array_size(replies), 1000);
	ck_assert_int_eq(whole_at(client_call(c, "job.count", NULL), "total"), 1000);
}
END_TEST

START_TEST(a_batch_and_lines_around_it_do_not_mix)
{
	write_text(PING("1") "\n[" PING("2") "," PING("3") "]\n" PING("4") "\n");
	client_half_close(c);
	int singles = 0, arrays = 0;
	for (int i = 0; i < 3; i++) {
		json_t *reply = client_reply(c);
		if (json_is_array(reply))
			arrays += json_array_size(reply) == 2;
		else
			singles++;
	}
	ck_assert_int_eq(singles, 2);
	ck_assert_int_eq(arrays, 1);
	ck_assert(client_ended(c));
}
END_TEST

/* ---- order */

START_TEST(a_read_sees_what_was_sent_before_it_on_the_same_connection)
{
	for (int i = 0; i < 100; i++) {
		client_say(
			c,
			JSON({"jsonrpc":"2.0","id":"s%d","method":"job.save","params":{"job":{"id":"o","metadata":{"n":%d}}}}),
			i, i);
		client_say(c, JSON({"jsonrpc":"2.0","id":"g%d","method":"job.get","params":{"id":"o"}}), i);
	}
	for (int i = 0; i < 200; i++) {
		json_t *reply = client_reply(c);
		long long n = strtoll(text_at(reply, "id") + 1, NULL, 10);
		ck_assert_int_eq(whole_at(reply, "result.metadata.n"), n);
	}
}
END_TEST

START_TEST(a_list_and_a_count_see_what_was_sent_before_them)
{
	client_say(c, JSON({"jsonrpc":"2.0","id":1,"method":"job.save","params":{"job":{"id":"l"}}}));
	client_say(c, JSON({"jsonrpc":"2.0","id":2,"method":"job.list"}));
	client_say(c, JSON({"jsonrpc":"2.0","id":3,"method":"job.count"}));
	client_say(c, JSON({"jsonrpc":"2.0","id":4,"method":"job.delete","params":{"id":"l"}}));
	client_say(c, JSON({"jsonrpc":"2.0","id":5,"method":"job.list"}));
	json_t *replies = json_array();
	for (int i = 0; i < 5; i++)
		json_array_append_new(replies, client_reply(c));
	ck_assert_int_eq(whole_at(by_id(replies, "2"), "result.total"), 1);
	ck_assert_int_eq(whole_at(by_id(replies, "3"), "result.total"), 1);
	ck_assert_int_eq(whole_at(by_id(replies, "4"), "result.removed"), 1);
	ck_assert_int_eq(whole_at(by_id(replies, "5"), "result.total"), 0);
}
END_TEST

START_TEST(progress_reaches_a_job_that_is_still_being_saved)
{
	client_say(
		c,
		JSON({"jsonrpc":"2.0","id":1,"method":"job.save","params":{"job":{"id":"fresh","status":"running"}}}));
	client_say(
		c,
		JSON({"jsonrpc":"2.0","id":2,"method":"job.update_progress","params":{"id":"fresh","progress":{"current":1,"total":4}}}));
	client_say(c, JSON({"jsonrpc":"2.0","id":3,"method":"job.get","params":{"id":"fresh"}}));
	json_t *replies = json_array();
	for (int i = 0; i < 3; i++)
		json_array_append_new(replies, client_reply(c));
	expect_at(by_id(replies, "2"), "result", JSON({"id":"fresh","percentage":25.0}));
	ck_assert_double_eq(real_at(by_id(replies, "3"), "result.progress.percentage"), 25.0);
}
END_TEST

START_TEST(a_client_that_vanishes_takes_nobody_with_it)
{
	for (int i = 0; i < 50; i++) {
		struct client *rude = client_open(d);
		for (int k = 0; k < 20; k++)
			client_say(rude,
			           JSON({"jsonrpc":"2.0","id":%d,"method":"job.save","params":{"job":{"id":"r%d-%d"}}}),
			           k, i, k);
		client_close(rude);
	}
	expect_usable();
	client_call(c, "server.flush", NULL);
	long long total = whole_at(client_call(c, "job.count", NULL), "total");
	ck_assert_msg(total <= 1000, "%lld", total);
}
END_TEST

/* ---- the examples of the JSON-RPC 2.0 specification, in its order,
 * with methods that exist here where one must */

START_TEST(the_specification_s_calls_are_answered_as_it_says)
{
	client_say(c, "%s", "{\"jsonrpc\": \"2.0\", \"method\": \"job.save\", \"params\": [{\"id\":\"spec\"}], \"id\": 1}");
	expect_at(client_reply(c), "id", "1");
	client_say(c, "%s", "{\"jsonrpc\": \"2.0\", \"method\": \"job.get\", \"params\": [\"spec\", [\"id\"]], \"id\": 2}");
	expect_json(client_reply(c), JSON({"jsonrpc":"2.0","result":{"id":"spec"},"id":2}));
	client_say(c, "%s", "{\"jsonrpc\": \"2.0\", \"method\": \"job.get\", \"params\": {\"id\": \"spec\", \"fields\": [\"id\"]}, \"id\": 3}");
	expect_json(client_reply(c), JSON({"jsonrpc":"2.0","result":{"id":"spec"},"id":3}));
	client_say(c, "%s", "{\"jsonrpc\": \"2.0\", \"method\": \"job.get\", \"params\": {\"fields\": [\"id\"], \"id\": \"spec\"}, \"id\": 4}");
	expect_json(client_reply(c), JSON({"jsonrpc":"2.0","result":{"id":"spec"},"id":4}));
}
END_TEST

START_TEST(the_specification_s_notifications_and_faults_are_answered_as_it_says)
{
	client_say(c, "%s", "{\"jsonrpc\": \"2.0\", \"method\": \"update\", \"params\": [1,2,3,4,5]}");
	client_say(c, "%s", "{\"jsonrpc\": \"2.0\", \"method\": \"foobar\"}");
	client_say(c, "%s", "{\"jsonrpc\": \"2.0\", \"method\": \"foobar\", \"id\": \"1\"}");
	expect_error(client_reply(c), METHOD_NOT_FOUND, "\"1\"");
	client_say(c, "%s", "{\"jsonrpc\": \"2.0\", \"method\": \"foobar, \"params\": \"bar\", \"baz]");
	expect_error(client_reply(c), PARSE_ERROR, "null");
	client_say(c, "%s", "{\"jsonrpc\": \"2.0\", \"method\": 1, \"params\": \"bar\"}");
	expect_error(client_reply(c), INVALID_REQUEST, "null");
}
END_TEST

START_TEST(the_specification_s_batches_are_answered_as_it_says)
{
	client_say(c, "%s", "[ {\"jsonrpc\": \"2.0\", \"method\": \"sum\", \"params\": [1,2,4], \"id\": \"1\"}, {\"jsonrpc\": \"2.0\", \"method\" ]");
	expect_error(client_reply(c), PARSE_ERROR, "null");
	client_say(c, "[]");
	expect_error(client_reply(c), INVALID_REQUEST, "null");
	client_say(c, "[1]");
	json_t *replies = client_reply(c);
	ck_assert_uint_eq(json_array_size(replies), 1);
	expect_error(json_array_get(replies, 0), INVALID_REQUEST, "null");
	client_say(c, "[1,2,3]");
	replies = client_reply(c);
	ck_assert_uint_eq(json_array_size(replies), 3);
	for (size_t i = 0; i < 3; i++)
		expect_error(json_array_get(replies, i), INVALID_REQUEST, "null");

	client_say(c, JSON([{"jsonrpc": "2.0", "method": "job.count", "params": [], "id": "1"},
			    {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
			    {"jsonrpc": "2.0", "method": "job.cleanup", "params": [30, true], "id": "2"}, {"foo": "boo"},
			    {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
			    {"jsonrpc": "2.0", "method": "server.ping", "id": "9"}]));
	replies = client_reply(c);
	ck_assert_uint_eq(json_array_size(replies), 5);
	expect_at(by_id(replies, "\"1\""), "result.total", "0");
	expect_at(by_id(replies, "\"2\""), "result.removed", "0");
	expect_error(by_id(replies, "null"), INVALID_REQUEST, "null");
	expect_error(by_id(replies, "\"5\""), METHOD_NOT_FOUND, "\"5\"");
	ck_assert(has_value_at(by_id(replies, "\"9\""), "result"));

	client_say(
		c,
		JSON([{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]}, {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]));
	expect_usable();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wire");
	TCase *lines = integration_case(suite, "lines", setup, teardown);
	tcase_add_test(lines, a_half_closed_client_still_gets_every_answer);
	tcase_add_test(lines, the_last_line_needs_no_newline);
	tcase_add_test(lines, a_request_cut_off_at_the_end_is_said_to_be_no_JSON);
	tcase_add_test(lines, a_client_that_says_nothing_is_closed_without_a_word);
	tcase_add_test(lines, windows_line_ends_and_blank_lines_do_no_harm);
	tcase_add_test(lines, several_requests_in_one_write_are_all_answered);
	tcase_add_test(lines, one_request_in_a_hundred_writes_is_one_request);
	tcase_add_test(lines, calls_are_lost_or_repeated_while_more_connections_are_ready_than_one_poll_tells_of);
	tcase_add_test(lines, a_character_split_between_two_reads_stays_whole);
	tcase_add_test(lines, a_reply_is_one_compact_line);
	tcase_add_loop_test(lines, a_line_that_is_no_JSON_costs_only_itself, 0, COUNT(no_json));
	tcase_add_test(lines, a_NUL_byte_in_a_line_does_not_hide_the_rest);
	tcase_add_loop_test(lines, JSON_that_is_no_request_is_refused_as_such, 0, COUNT(no_request));
	tcase_add_test(lines, a_mistyped_method_is_answered_with_the_nearest_one);
	tcase_add_loop_test(lines, a_name_that_stands_twice_is_refused_instead_of_guessed, 0, COUNT(twice));
	tcase_add_test(lines, nesting_of_128_levels_is_kept);
	tcase_add_loop_test(lines, nesting_beyond_128_levels_is_refused_however_deep, 0, COUNT(too_deep));

	TCase *small = integration_case(suite, "long lines", small_lines, teardown);
	tcase_add_test(small, a_line_of_exactly_the_limit_is_taken_and_one_byte_more_is_not);
	tcase_add_test(small, a_line_over_the_limit_gets_one_error_before_it_ends);
	tcase_add_test(small, a_line_over_the_limit_at_the_end_is_still_answered);

	TCase *values = integration_case(suite, "values", setup, teardown);
	tcase_add_test(values, a_NUL_in_a_string_is_never_cut_off);
	tcase_add_loop_test(values, a_number_comes_back_as_it_went_in, 0, COUNT(numbers));
	tcase_add_test(values, a_real_comes_back_as_the_same_double);
	tcase_add_loop_test(values, a_number_that_cannot_be_held_is_refused_by_name, 0, COUNT(not_held));
	tcase_add_loop_test(values, an_id_comes_back_exactly_as_it_was_written, 0, COUNT(ids));
	tcase_add_test(values, parameters_by_position_mean_what_they_mean_by_name);
	tcase_add_test(values, a_null_optional_parameter_counts_as_absent);
	tcase_add_test(values, a_mistyped_parameter_is_refused_with_the_nearest_name);
	tcase_add_test(values, params_that_are_neither_object_nor_array_are_refused);

	TCase *batches = integration_case(suite, "batches", setup, teardown);
	tcase_add_test(batches, a_notification_works_and_is_never_answered);
	tcase_add_test(batches, an_empty_batch_is_one_error);
	tcase_add_test(batches, a_batch_of_notifications_is_not_answered);
	tcase_add_test(batches, a_mixed_batch_gets_one_array_with_one_reply_for_each_request);
	tcase_add_test(batches, a_batch_of_a_thousand_saves_is_answered_in_one_line);
	tcase_add_test(batches, a_batch_and_lines_around_it_do_not_mix);

	TCase *order = integration_case(suite, "order", setup, teardown);
	tcase_add_test(order, a_read_sees_what_was_sent_before_it_on_the_same_connection);
	tcase_add_test(order, a_list_and_a_count_see_what_was_sent_before_them);
	tcase_add_test(order, progress_reaches_a_job_that_is_still_being_saved);
	tcase_add_test(order, a_client_that_vanishes_takes_nobody_with_it);

	TCase *specification = integration_case(suite, "specification", setup, teardown);
	tcase_add_test(specification, the_specification_s_calls_are_answered_as_it_says);
	tcase_add_test(specification, the_specification_s_notifications_and_faults_are_answered_as_it_says);
	tcase_add_test(specification, the_specification_s_batches_are_answered_as_it_says);
	return integration_run(suite);
}
