#include "proto/rpc.h"
#include "proto/scan.h"
#include "tests/unit/unit.h"

#include <stdint.h>

static struct rpc_message message;
static struct fault fault;

static enum rpc_shape reads(const char *text)
{
	struct scan_report report;

	memset(&message, 'x', sizeof(message));
	memset(&fault, 0, sizeof(fault));
	ck_assert_msg(scan_check(span_of(text), SCAN_DEPTH_WIRE, &report) == SCAN_OK, "%s", text);
	return rpc_read(span_of(text), NULL, &message, &fault);
}

static void is(struct span got, const char *wanted)
{
	if (!wanted)
		ck_assert_msg(!got.at, "%.*s instead of nothing", (int)got.len, got.at);
	else
		ck_assert_msg(got.at && span_is(got, span_of(wanted)), "%.*s instead of %s", (int)got.len,
		              got.at ? got.at : "", wanted);
}

static const struct call {
	const char *text;
	enum rpc_shape shape;
	const char *id, *method, *params;
} calls[] = {
	{"{\"jsonrpc\":\"2.0\",\"method\":\"job.get\",\"params\":{\"id\":\"a\"},\"id\":1}", RPC_CALL, "1", "job.get", "{\"id\":\"a\"}"},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"job.get\",\"params\":[\"a\"],\"id\":\"x\"}", RPC_CALL, "\"x\"", "job.get", "[\"a\"]"},
	{" { \"id\" : null , \"method\" : \"m\" , \"jsonrpc\" : \"2.0\" } ", RPC_CALL, "null", "m", NULL},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":null,\"id\":1.0}", RPC_CALL, "1.0", "m", NULL},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":123456789012345678901234567890}", RPC_CALL, "123456789012345678901234567890", "m", NULL},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":1e999}", RPC_CALL, "1e999", "m", NULL},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":-0}", RPC_CALL, "-0", "m", NULL},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":\"\\u0031\"}", RPC_CALL, "\"\\u0031\"", "m", NULL},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":\"\"}", RPC_CALL, "\"\"", "m", NULL},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"m\"}", RPC_NOTIFICATION, NULL, "m", NULL},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":[]}", RPC_NOTIFICATION, NULL, "m", "[]"},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"\",\"id\":1}", RPC_CALL, "1", "", NULL},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":1,\"auth\":{\"id\":2},\"trace\":[1]}", RPC_CALL, "1", "m", NULL},
	{"{\"json\\u0072pc\":\"2\\u002e0\",\"\\u006dethod\":\"m\",\"p\\u0061rams\":{},\"i\\u0064\":7}", RPC_CALL, "7", "m", "{}"},
};

START_TEST(a_call_is_read_with_its_id_exactly_as_it_was_written)
{
	const struct call *c = &calls[_i];

	ck_assert_msg(reads(c->text) == c->shape, "%s: %s", c->text, fault.message);
	is(message.id, c->id);
	is(message.method, c->method);
	is(message.params, c->params);
	is(message.result, NULL);
	is(message.error, NULL);
}
END_TEST

static const struct bad {
	const char *text, *id, *field;
} bad[] = {
	{"1", NULL, ""},
	{"\"x\"", NULL, ""},
	{"null", NULL, ""},
	{"[1]", NULL, ""},
	{"{}", NULL, "jsonrpc"},
	{"{\"id\":1}", "1", "jsonrpc"},
	{"{\"method\":\"m\",\"id\":1}", "1", "jsonrpc"},
	{"{\"jsonrpc\":2.0,\"method\":\"m\",\"id\":1}", "1", "jsonrpc"},
	{"{\"jsonrpc\":\"1.0\",\"method\":\"m\",\"id\":1}", "1", "jsonrpc"},
	{"{\"jsonrpc\":\"2.0 \",\"method\":\"m\",\"id\":1}", "1", "jsonrpc"},
	{"{\"jsonrpc\":null,\"method\":\"m\",\"id\":1}", "1", "jsonrpc"},
	{"{\"jsonrpc\":\"2.0\",\"id\":1}", "1", "method"},
	{"{\"jsonrpc\":\"2.0\",\"method\":1,\"params\":\"bar\"}", NULL, "method"},
	{"{\"jsonrpc\":\"2.0\",\"method\":null,\"id\":1}", "1", "method"},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":\"bar\",\"id\":\"q\"}", "\"q\"", "params"},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":1,\"id\":1}", "1", "params"},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":true}", NULL, "params"},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":true}", NULL, "id"},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":{}}", NULL, "id"},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":[1]}", NULL, "id"},
	{"{\"jsonrpc\":\"2.0\",\"error\":null,\"id\":1}", "1", "method"},
	{"{\"jsonrpc\":\"2.0\",\"error\":\"x\",\"id\":1}", "1", "error"},
	{"{\"jsonrpc\":\"2.0\",\"error\":{},\"result\":1,\"id\":1}", "1", "result"},
};

START_TEST(what_is_no_request_is_refused_by_the_member_that_is_wrong)
{
	const struct bad *b = &bad[_i];

	ck_assert_msg(reads(b->text) == RPC_INVALID, "%s", b->text);
	ck_assert_int_eq((int)fault.code, FAULT_INVALID_REQUEST);
	ck_assert_str_eq(fault.field, b->field);
	ck_assert_str_ne(fault.expected, "");
	ck_assert_ptr_nonnull(strstr(fault.message, b->field));
	is(message.id, b->id);
}
END_TEST

START_TEST(a_client_tells_a_result_from_an_error)
{
	ck_assert_int_eq(reads("{\"jsonrpc\":\"2.0\",\"result\":{\"a\":1},\"id\":7}"), RPC_REPLY);
	is(message.result, "{\"a\":1}");
	is(message.error, NULL);
	is(message.id, "7");
	is(message.method, NULL);
	ck_assert_int_eq(reads("{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":7}"), RPC_REPLY);
	is(message.result, "null");
	ck_assert_int_eq(reads("{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":\"x\"},\"id\":null}"), RPC_REPLY);
	is(message.error, "{\"code\":-32700,\"message\":\"x\"}");
	is(message.result, NULL);
	is(message.id, "null");
	ck_assert_int_eq(reads("{\"jsonrpc\":\"2.0\",\"result\":1,\"error\":null,\"id\":7}"), RPC_REPLY);
	is(message.result, "1");
	is(message.error, NULL);
	ck_assert_int_eq(reads("{\"jsonrpc\":\"2.0\",\"result\":null,\"error\":{\"code\":1},\"id\":7}"), RPC_REPLY);
	is(message.result, NULL);
	is(message.error, "{\"code\":1}");
}
END_TEST

START_TEST(an_envelope_cut_from_a_damaged_line_is_refused_and_not_read_past_its_end)
{
	static const char whole[] = "{\"jsonrpc\":\"2.0\",\"method\":\"job.get\",\"params\":{\"id\":\"a\"},\"id\":1}";

	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		char *copy = malloc(len + 1);
		memcpy(copy, whole, len);
		copy = realloc(copy, len > 0 ? len : 1);
		rpc_read((struct span){copy, len}, NULL, &message, &fault);
		free(copy);
	}
}
END_TEST

static void written(struct buf *b, const char *wanted)
{
	struct scan_report report;
	bool newline = b->len > 0 && b->at[b->len - 1] == '\n';

	ck_assert_int_eq(scan_check(buf_as_span(b), SCAN_DEPTH_WIRE, &report), SCAN_OK);
	ck_assert(newline || !memchr(b->at, '\n', b->len));
	is(buf_as_span(b), wanted);
	b->len = 0;
}

START_TEST(a_reply_echoes_the_id_and_is_one_line)
{
	struct buf b = {0};

	rpc_begin_result(&b);
	buf_text(&b, "{\"removed\":1}");
	rpc_end(&b, SPAN("1.0"));
	written(&b, "{\"jsonrpc\":\"2.0\",\"result\":{\"removed\":1},\"id\":1.0}");
	rpc_begin_result(&b);
	buf_text(&b, "null");
	rpc_end(&b, (struct span){0});
	written(&b, "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":null}");
	buf_free(&b);
}
END_TEST

START_TEST(an_error_carries_all_that_is_known_and_nothing_else)
{
	struct buf b = {0};

	fault_set(&fault, FAULT_NOT_FOUND, NULL);
	rpc_error(&b, SPAN("\"a\""), &fault);
	written(&b, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32001,\"message\":\"No record has this id.\",\"data\":{\"kind\":\"not_found\"}},"
	            "\"id\":\"a\"}");
	fault_set(&fault, FAULT_INVALID_PARAMS, "job.statsu is \"%s\"", "no\nfield");
	fault_field(&fault, "job.statsu");
	fault_expected(&fault, "a field of a job");
	fault_hint(&fault, "did you mean %s?", "status");
	fault.removed = 0;
	rpc_error(&b, (struct span){0}, &fault);
	written(&b, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32602,\"message\":\"job.statsu is \\\"no\\nfield\\\"\",\"data\":{"
	            "\"kind\":\"invalid_params\",\"field\":\"job.statsu\",\"expected\":\"a field of a job\","
	            "\"hint\":\"did you mean status?\",\"removed\":0}},\"id\":null}");
	buf_free(&b);
}
END_TEST

START_TEST(a_client_s_request_is_read_back_as_it_was_meant)
{
	struct buf b = {0};

	rpc_request(&b, "job.get", SPAN("{\"id\":\"a\"}"), 7);
	written(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"job.get\",\"params\":{\"id\":\"a\"},\"id\":7}\n");
	rpc_request(&b, "server.ping", (struct span){0}, 0);
	written(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"server.ping\",\"id\":0}\n");
	rpc_request(&b, "job.update_progress", SPAN("[\"a\",{}]"), -1);
	ck_assert_int_eq(rpc_read(buf_as_span(&b), NULL, &message, &fault), RPC_NOTIFICATION);
	is(message.method, "job.update_progress");
	is(message.params, "[\"a\",{}]");
	written(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"job.update_progress\",\"params\":[\"a\",{}]}\n");
	buf_free(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rpc");
	TCase *tests = tcase_create("rpc");

	tcase_add_loop_test(tests, a_call_is_read_with_its_id_exactly_as_it_was_written, 0,
	                    sizeof(calls) / sizeof(calls[0]));
	tcase_add_loop_test(tests, what_is_no_request_is_refused_by_the_member_that_is_wrong, 0,
	                    sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tests, a_client_tells_a_result_from_an_error);
	tcase_add_test(tests, an_envelope_cut_from_a_damaged_line_is_refused_and_not_read_past_its_end);
	tcase_add_test(tests, a_reply_echoes_the_id_and_is_one_line);
	tcase_add_test(tests, an_error_carries_all_that_is_known_and_nothing_else);
	tcase_add_test(tests, a_client_s_request_is_read_back_as_it_was_meant);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
