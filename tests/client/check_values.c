/* JSON that goes in and comes out, as text and as trees: the same value, or an error that names what is
 * wrong. */
#include "proto/fault.h"
#include "tests/client/caller.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stood in a line as its parameters. */
static char *params_of(unsigned line)
{
	static const char before[] = "\"params\":";
	char *copy = kept(strdup(fake_line(line))), *at = strstr(copy, before);
	ck_assert_msg(at, "%s", copy);
	at += strlen(before);
	char *end = strstr(at, ",\"id\":");
	for (char *next = end; next; next = strstr(next + 1, ",\"id\":"))
		end = next; /* the request's own is the last */
	ck_assert_ptr_nonnull(end);
	*end = '\0';
	return at;
}

static void served(void)
{
	PLAY("accept", "serve");
	opened();
}

static void expect_argument(int code, const char *field, const char *expected)
{
	expect_error(code, PERSIST_E_ARGUMENT, PERSIST_DID_NOT_HAPPEN);
	ck_assert_str_eq(e.kind, "argument");
	ck_assert_msg(strncmp(e.field, field, strlen(field)) == 0, "field %s instead of %s", e.field, field);
	ck_assert_msg(strstr(e.expected, expected) || strstr(e.message, expected), "'%s' is in neither: %s; %s",
	              expected, e.expected, e.message);
}

/* ---- trees */

static json_t *tree_of(int which)
{
	switch (which) {
	case 0: return json_real(0.1);
	case 1: return json_real(1e-7);
	case 2: return json_integer(INT64_MAX);
	case 3: return json_integer(INT64_MIN);
	case 4: return json_real(5);
	case 5: return json_real(1e22);
	case 6: return json_real(5e-324);
	case 7: return json_real(1.7976931348623157e308);
	case 8: return json_stringn("a\0b", 3);
	case 9: return json_string("\"\\/\b\f\n\r\t\x01 ä € 😀");
	case 10: return json_string("");
	case 11: return json_pack("{s:i, s:n, s:b, s:[]}", "z", 1, "a", "m", 0, "list");
	case 12: return json_array();
	case 13: return json_object();
	case 14: return json_real(-0.0);
	default: return json_pack("[b, [n, {s:{}}]]", 1, "o");
	}
}

static const char *const texts[] = {
	"0.1",
	"1e-07",
	"9223372036854775807",
	"-9223372036854775808",
	"5.0",
	"1e+22",
	"5e-324",
	"1.7976931348623157e+308",
	"\"a\\u0000b\"",
	"\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001 ä € 😀\"",
	"\"\"",
	JSON({"z":1,"a":null,"m":false,"list":[]}),
	"[]",
	"{}",
	"-0.0",
	JSON([true,[null,{"o":{}}]]),
};

START_TEST(a_tree_goes_out_as_the_shortest_text_that_reads_back)
{
	json_t *params = json_array();
	char *wanted;
	json_array_append_new(params, tree_of(_i));
	ck_assert_int_gt(asprintf(&wanted, "[%s]", texts[_i]), 0);
	served();
	expect_result(persist_call(c, "x.y", persist_json(params), &r, &e), JSON({"served":0}));
	ck_assert_str_eq(params_of(0), wanted);
	json_decref(params);
	free(wanted);
	played();
}
END_TEST

START_TEST(a_name_with_a_nul_in_it_is_not_cut)
{
	json_t *params = json_object();
	json_object_setn_new(params, "a\0b", 3, json_integer(1));
	PLAY("accept", "line", "say " RESULT(1, 0) "\n"); /* the first call's id */
	opened();
	expect_result(persist_call(c, "x.y", persist_json(params), &r, &e), "0");
	ck_assert_str_eq(params_of(0), JSON({"a\u0000b":1}));
	json_decref(params);
	played();
}
END_TEST

START_TEST(a_result_becomes_the_tree_that_the_daemon_meant)
{
	PLAY("accept", "line",
	     "answer 0 {\"big\":9223372036854775807,\"tenth\":0.1,\"nul\":\"a\\u0000b\",\"text\":\"\\u00e4\\n\","
	     "\"list\":[1,{}]}");
	opened();
	ck_assert_int_eq(get(), 0);
	json_t *tree = persist_result_json(r);
	ck_assert_int_eq(json_integer_value(json_object_get(tree, "big")), INT64_MAX);
	ck_assert_double_eq(json_real_value(json_object_get(tree, "tenth")), 0.1);
	ck_assert_uint_eq(json_string_length(json_object_get(tree, "nul")), 3);
	ck_assert_str_eq(json_string_value(json_object_get(tree, "text")), "ä\n");
	ck_assert_uint_eq(json_array_size(json_object_get(tree, "list")), 2);
	ck_assert_ptr_eq(persist_result_json(r), tree); /* made once */
	json_incref(tree);
	played();
	ck_assert_uint_eq(json_object_size(tree), 5); /* kept longer than the result */
	json_decref(tree);
}
END_TEST

START_TEST(a_result_that_is_no_object_becomes_a_tree_too)
{
	PLAY("accept", "line", "answer 0 null", "line", "answer 1 \"x\"");
	opened();
	ck_assert_int_eq(get(), 0);
	ck_assert(json_is_null(persist_result_json(r)));
	ck_assert_ptr_null(persist_result_member(r, "id"));
	persist_result_free(r);
	ck_assert_int_eq(get(), 0);
	ck_assert_str_eq(json_string_value(persist_result_json(r)), "x");
	played();
}
END_TEST

START_TEST(members_of_a_result_are_read_without_a_tree)
{
	size_t len;
	PLAY("accept", "line",
	     "answer 0 "
	     JSON({"id":"j\u00e4","revision":12,"next_cursor":null,"inner":{"id":"other"},"l":[ 1 ]}));
	opened();
	ck_assert_int_eq(get(), 0);
	const char *id = persist_result_member(r, "id");
	ck_assert_str_eq(id, "jä");
	ck_assert_str_eq(persist_result_member(r, "revision"), "12");
	ck_assert_str_eq(persist_result_member(r, "next_cursor"), "null");
	ck_assert_str_eq(persist_result_member(r, "inner"), JSON({"id":"other"}));
	ck_assert_ptr_null(persist_result_member(r, "other"));
	ck_assert_ptr_null(persist_result_member(r, ""));
	ck_assert_str_eq(id, "jä"); /* borrowed until the result is freed, whatever else is asked for */
	ck_assert_str_eq(persist_result_text(r, NULL), persist_result_text(r, &len));
	ck_assert_uint_eq(strlen(persist_result_text(r, NULL)), len);
	persist_result_free(NULL);
	played();
}
END_TEST

/* ---- texts */

START_TEST(line_breaks_in_a_text_do_not_break_the_line)
{
	served();
	expect_result(persist_job_save(c, persist_text("\n{\r\n\t\"id\" :\n\"a\\nb\",\r\"payload\": {}\n}\n"),
	                               NULL, &r, &e),
	              JSON({"served":0}));
	expect_result(persist_call(c, "job.get", persist_text("\n{\"id\":\n\"j\"}\n\n"), &r, &e),
	              JSON({"served":1}));
	expect_result(persist_run_save(c, persist_text("\r\n{\n\"kind\"\n:\n\"k\"\n}\n"), NULL, &r, &e),
	              JSON({"served":2}));
	played();
	ck_assert_uint_eq(fake_count(""), 3);
	json_t *request = json_loads(fake_line(0), 0, NULL);
	json_t *job = json_object_get(json_object_get(request, "params"), "job");
	ck_assert_str_eq(json_string_value(json_object_get(job, "id")), "a\nb");
	json_decref(request);
}
END_TEST

START_TEST(numbers_in_a_text_go_out_as_they_were_written)
{
	PLAY("accept", "line", "say " RESULT(1, 0) "\n"); /* the first call's id */
	opened();
	expect_result(persist_call(c, "x.y", persist_text("[1.10, 1e5, 12345678901234567890123, 1.0]"), &r, &e),
	              "0");
	ck_assert_str_eq(params_of(0), "[1.10, 1e5, 12345678901234567890123, 1.0]");
	played();
}
END_TEST

START_TEST(a_text_need_not_end_with_a_nul)
{
	served();
	expect_result(persist_call(c, "x.y", persist_text_n("[1,2]garbage", 5), &r, &e), JSON({"served":0}));
	ck_assert_str_eq(params_of(0), "[1,2]");
	played();
}
END_TEST

START_TEST(a_text_that_is_no_json_is_refused_by_name_and_nothing_is_sent)
{
	static const char *const broken[] = {
		"",
		" ",
		"{",
		JSON({"id":}),
		JSON({"id":1,}),
		"{'id':1}",
		"[1]]",
		JSON({"id":NaN}),
		"{\"id\":\"\xff\"}",
		"{\"id\":\"a\nb\"}",
		JSON({"id":1,"id":2}),
		JSON({"id":"\ud800"}),
	};
	served();
	expect_argument(persist_job_save(c, persist_text(broken[_i]), NULL, &r, &e), "job", "");
	ck_assert_str_ne(e.expected, "");
	expect_argument(persist_run_save(c, persist_text(broken[_i]), NULL, &r, &e), "run", "");
	expect_argument(persist_artifact_save(c, "r", NULL, persist_text(broken[_i]), &r, &e), "payload", "");
	expect_argument(persist_call(c, "x.y", persist_text(broken[_i]), &r, &e), "params", "");
	ck_assert_ptr_null(persist_start(c, "x.y", persist_text(broken[_i]), &e));
	ck_assert_int_eq(e.code, PERSIST_E_ARGUMENT);
	expect_argument(persist_notify(c, "x.y", persist_text(broken[_i]), &e), "params", "");
	expect_argument(persist_submit(c, "x.y", persist_text(broken[_i]), NULL, NULL, &e), "params", "");
	ck_assert_int_eq(persist_ping(c, &e), 0);
	played();
	ck_assert_uint_eq(fake_count(""), 1);
}
END_TEST

START_TEST(parameters_are_an_object_or_an_array)
{
	served();
	expect_argument(persist_call(c, "x.y", persist_text("1"), &r, &e), "params", "object");
	expect_argument(persist_call(c, "x.y", persist_text("\n\"x\""), &r, &e), "params", "object");
	expect_argument(persist_run_save(c, persist_text("[]"), NULL, &r, &e), "run", "object");
	json_t *tree = json_integer(1);
	expect_argument(persist_call(c, "x.y", persist_json(tree), &r, &e), "params", "object");
	json_decref(tree);
	expect_argument(persist_call(c, NULL, persist_none(), &r, &e), "method", "");
	expect_argument(persist_call(c, "\xff", persist_none(), &r, &e), "method", "UTF-8");
	ck_assert_int_eq(persist_ping(c, &e), 0);
	played();
}
END_TEST

START_TEST(no_parameters_are_no_parameters)
{
	served();
	expect_result(persist_call(c, "x.y", persist_none(), &r, &e), JSON({"served":0}));
	expect_result(persist_call(c, "x.y", persist_text(NULL), &r, &e), JSON({"served":1}));
	played();
	ck_assert_ptr_null(strstr(fake_line(0), "params"));
	ck_assert_ptr_null(strstr(fake_line(1), "params"));
}
END_TEST

static char *nested_text(int depth)
{
	char *text = calloc(1, (size_t)depth * 6 + 8), *at = text;
	for (int i = 0; i < depth; i++)
		at = stpcpy(at, "{\"a\":");
	at = stpcpy(at, "1");
	memset(at, '}', (size_t)depth);
	return text;
}

START_TEST(what_is_nested_too_deep_is_refused_by_name)
{
	char *text = nested_text(129);
	json_t *tree = json_loads(text, 0, NULL);
	served();
	expect_argument(persist_job_save(c, persist_text(text), NULL, &r, &e), "job.a.a", "levels");
	expect_argument(persist_job_save(c, persist_json(tree), NULL, &r, &e), "job.a.a", "levels");
	expect_argument(persist_artifact_save(c, "r", "k", persist_json(tree), &r, &e), "payload.a.a", "levels");
	expect_argument(persist_call(c, "x.y", persist_json(tree), &r, &e), "params.a.a", "levels");
	persist_batch *b = persist_batch_new(c);
	ck_assert_int_eq(persist_batch_add(b, "x.y", persist_json(tree), &e), -PERSIST_E_ARGUMENT);
	persist_batch_free(b);
	ck_assert_int_eq(persist_ping(c, &e), 0);
	played();
	free(text);
	json_decref(tree);
}
END_TEST

START_TEST(a_tree_nested_thousands_deep_is_an_error_not_a_crash)
{
	json_t *tree = json_array();
	for (int i = 0; i < 20000; i++) {
		json_t *outer = json_array();
		json_array_append_new(outer, tree);
		tree = outer;
	}
	kept(tree); /* jansson would free it by as deep a recursion */
	served();
	expect_argument(persist_job_save(c, persist_json(tree), NULL, &r, &e), "job[0][0]", "levels");
	ck_assert_int_eq(persist_ping(c, &e), 0);
	played();
}
END_TEST

START_TEST(texts_that_are_not_utf8_are_refused_by_their_parameter)
{
	static const char bad[] = "\xc3(";
	served();
	expect_argument(persist_job_get(c, bad, NULL, &r, &e), "id", "UTF-8");
	expect_argument(persist_job_get(c, "j", bad, &r, &e), "fields", "UTF-8");
	expect_argument(persist_run_get(c, bad, NULL, &r, &e), "run_id", "UTF-8");
	expect_argument(persist_run_find_by_meta(c, "k", bad, NULL, &r, &e), "value", "UTF-8");
	expect_argument(persist_artifact_save(c, "r", bad, persist_text("1"), &r, &e), "kind", "UTF-8");
	expect_argument(persist_job_list(c, &(persist_list){.status = bad}, &r, &e), "status", "UTF-8");
	expect_argument(persist_job_list(c, &(persist_list){.cursor = bad}, &r, &e), "cursor", "UTF-8");
	expect_argument(persist_job_update_progress(c, "j", 1, 2, bad, NULL, &e), "message", "UTF-8");
	expect_argument(persist_job_save(c, persist_text("{}"), &(persist_save_options){.fields = bad}, &r, &e),
	                "fields", "UTF-8");
	json_t *tree = json_pack("{s:o}", "payload", json_object());
	json_object_set_new(json_object_get(tree, "payload"), "n", json_stringn_nocheck("\xff", 1));
	expect_argument(persist_job_save(c, persist_json(tree), NULL, &r, &e), "job.payload.n", "");
	json_decref(tree);
	ck_assert_int_eq(persist_ping(c, &e), 0);
	played();
	ck_assert_uint_eq(fake_count(""), 1);
}
END_TEST

START_TEST(an_id_that_is_missing_is_named)
{
	fake_nowhere();
	opened();
	expect_argument(persist_job_get(c, NULL, NULL, &r, &e), "id", "");
	expect_argument(persist_job_delete(c, NULL, NULL, &e), "id", "");
	expect_argument(persist_run_get(c, NULL, NULL, &r, &e), "run_id", "");
	expect_argument(persist_run_delete(c, NULL, false, NULL, &e), "run_id", "");
	expect_argument(persist_run_find_by_meta(c, NULL, "v", NULL, &r, &e), "key", "");
	expect_argument(persist_artifact_read(c, NULL, &r, &e), "id", "");
	expect_argument(persist_artifact_save(c, NULL, "k", persist_text("1"), &r, &e), "run_id", "");
	expect_argument(persist_run_save(c, persist_none(), NULL, &r, &e), "run", "");
	played();
}
END_TEST

START_TEST(filters_and_fields_with_commas_become_lists)
{
	served();
	persist_list filter = {.status = "running,failed", .type = "x", .limit = 5, .offset = 2, .fields = "id"};
	ck_assert_int_eq(persist_job_list(c, &filter, NULL, &e), 0);
	ck_assert_str_eq(params_of(0), "{\"status\":[\"running\",\"failed\"],\"type\":\"x\",\"limit\":5,"
	                 "\"offset\":2,\"fields\":[\"id\"]}");
	filter = (persist_list){
		.kind = "a", .run_id = "r", .after = "t", .before = "b", .cursor = "c", .order = "id",
	};
	ck_assert_int_eq(persist_run_list(c, &filter, NULL, &e), 0);
	ck_assert_str_eq(params_of(1), "{\"kind\":\"a\",\"run_id\":\"r\",\"updated_after\":\"t\","
	                 "\"updated_before\":\"b\",\"cursor\":\"c\",\"order\":\"id\"}");
	ck_assert_int_eq(persist_artifact_list(c, NULL, NULL, &e), 0);
	played();
}
END_TEST

START_TEST(options_of_a_save_are_sent_only_where_they_were_asked_for)
{
	served();
	persist_save_options options = {.fields = "id,revision"};
	ck_assert_int_eq(persist_job_save(c, persist_text(JSON({"id":"j"})), &options, NULL, &e), 0);
	ck_assert_str_eq(params_of(0), JSON({"job":{"id":"j"},"fields":["id","revision"]}));
	options = (persist_save_options){.check_revision = true};
	ck_assert_int_eq(persist_run_save(c, persist_text("{}"), &options, NULL, &e), 0);
	ck_assert_str_eq(params_of(1), JSON({"if_revision":0}));
	ck_assert_int_eq(persist_run_save(c, persist_text(JSON({"kind":"k"})), &options, NULL, &e), 0);
	ck_assert_str_eq(params_of(2), JSON({"kind":"k","if_revision":0}));
	played();
}
END_TEST

/* ---- persist_callf */

START_TEST(callf_packs_parameters)
{
	served();
	ck_assert_int_eq(persist_callf(c, "job.list", NULL, &e, "{s:s, s:i, s:f}", "status", "running",
	                               "limit", 10, "x", 0.1), 0);
	ck_assert_str_eq(params_of(0), JSON({"status":"running","limit":10,"x":0.1}));
	expect_result(persist_callf(c, "job.list", &r, &e, "[s?]", NULL), JSON({"served":1}));
	ck_assert_str_eq(params_of(1), "[null]");
	played();
}
END_TEST

START_TEST(callf_says_what_a_format_lacks)
{
	served();
	expect_argument(persist_callf(c, "job.list", &r, &e, "{s:s", "a", "b"), "params", "");
	expect_argument(persist_callf(c, "job.list", &r, &e, "{s:s}", "a", "\xff"), "params", "");
	expect_argument(persist_callf(c, "job.list", &r, &e, "{s:s}", "a", NULL), "params", "");
	ck_assert_int_eq(persist_ping(c, &e), 0);
	played();
}
END_TEST

/* ---- errors */

static const struct {
	int ours, daemons;
	const char *kind;
} codes[] = {
#define PERSIST_PARSE PERSIST_PARSE_ERROR
#define PERSIST_INTERNAL PERSIST_INTERNAL_ERROR
#define ROW(name, number, kind, text) {PERSIST_##name, number, kind},
	FAULT_CODES(ROW)
};

START_TEST(the_headers_codes_are_the_daemons)
{
	ck_assert_int_eq(codes[_i].ours, codes[_i].daemons);
	if (codes[_i].ours == PERSIST_SHUTTING_DOWN)
		return; /* is not shown: the call is sent again */
	char refusal[64];
	snprintf(refusal, sizeof refusal, "refuse 0 %d", codes[_i].ours);
	PLAY("accept", "line", refusal);
	opened();
	expect_error(save(), codes[_i].daemons,
	             codes[_i].ours == PERSIST_OUTCOME_UNKNOWN ? PERSIST_UNKNOWN : PERSIST_DID_NOT_HAPPEN);
	ck_assert_str_eq(e.kind, codes[_i].kind);
	played();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("libpersist's values");

	TCase *t = integration_case(s, "trees", NULL, NULL);
	tcase_add_loop_test(t, a_tree_goes_out_as_the_shortest_text_that_reads_back, 0, COUNT(texts));
	tcase_add_test(t, a_name_with_a_nul_in_it_is_not_cut);
	tcase_add_test(t, a_result_becomes_the_tree_that_the_daemon_meant);
	tcase_add_test(t, a_result_that_is_no_object_becomes_a_tree_too);
	tcase_add_test(t, members_of_a_result_are_read_without_a_tree);
	tcase_add_test(t, a_tree_nested_thousands_deep_is_an_error_not_a_crash);

	t = integration_case(s, "texts", NULL, NULL);
	tcase_add_test(t, line_breaks_in_a_text_do_not_break_the_line);
	tcase_add_test(t, numbers_in_a_text_go_out_as_they_were_written);
	tcase_add_test(t, a_text_need_not_end_with_a_nul);
	tcase_add_loop_test(t, a_text_that_is_no_json_is_refused_by_name_and_nothing_is_sent, 0, 12);
	tcase_add_test(t, parameters_are_an_object_or_an_array);
	tcase_add_test(t, no_parameters_are_no_parameters);
	tcase_add_test(t, what_is_nested_too_deep_is_refused_by_name);

	t = integration_case(s, "parameters", NULL, NULL);
	tcase_add_test(t, texts_that_are_not_utf8_are_refused_by_their_parameter);
	tcase_add_test(t, an_id_that_is_missing_is_named);
	tcase_add_test(t, filters_and_fields_with_commas_become_lists);
	tcase_add_test(t, options_of_a_save_are_sent_only_where_they_were_asked_for);
	tcase_add_test(t, callf_packs_parameters);
	tcase_add_test(t, callf_says_what_a_format_lacks);
	tcase_add_loop_test(t, the_headers_codes_are_the_daemons, 0, COUNT(codes));
	return s;
}

int main(void)
{
	return integration_run(suite());
}
