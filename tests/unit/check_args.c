#include "client/args.h"
#include "proto/scan.h"
#include "tests/unit/unit.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>

static struct args a;
static persist_error error;

static void begin(void)
{
	args_begin(&a, &error);
}

static void end(void)
{
	args_free(&a);
}

static void expect(const char *text)
{
	ck_assert_msg(args_end(&a) == 0, "%s", error.message);
	buf_char(&a.text, '\0');
	ck_assert_str_eq(a.text.at, text);
}

static void expect_refused(const char *field, const char *expected_part, const char *message_part)
{
	ck_assert_int_eq(args_end(&a), PERSIST_E_ARGUMENT);
	ck_assert_str_eq(error.kind, "argument");
	ck_assert_int_eq((int)error.outcome, PERSIST_DID_NOT_HAPPEN);
	ck_assert_str_eq(error.field, field);
	ck_assert_msg(strstr(error.expected, expected_part) != NULL, "%s", error.expected);
	ck_assert_msg(strstr(error.message, message_part) != NULL, "%s", error.message);
}

START_TEST(what_is_not_given_is_left_out)
{
	args_text(&a, "status", NULL);
	args_texts(&a, "fields", NULL, true);
	args_value(&a, "job", persist_none());
	expect("{}");
}
END_TEST

START_TEST(each_kind_of_argument_is_json)
{
	args_text(&a, "id", "quote \" backslash \\ newline \n tab \t bell \a umlaut \xc3\xa4");
	args_whole(&a, "limit", -5);
	args_real(&a, "days", 0.1);
	args_real(&a, "current", 30);
	args_real(&a, "huge", 1e300);
	args_bool(&a, "yes", true);
	args_bool(&a, "no", false);
	args_value(&a, "job", persist_text("{\"a\" : [1, 2]}"));
	expect("{\"id\":\"quote \\\" backslash \\\\ newline \\n tab \\t bell \\u0007 umlaut \xc3\xa4\",\"limit\":-5,"
	       "\"days\":0.1,\"current\":30,\"huge\":1e+300,\"yes\":true,\"no\":false,\"job\":{\"a\" : [1, 2]}}");
}
END_TEST

START_TEST(commas_separate_values_where_several_may_be_given)
{
	args_texts(&a, "status", "running", false);
	args_texts(&a, "type", "a, b,c", false);
	args_texts(&a, "fields", "id", true);
	expect("{\"status\":\"running\",\"type\":[\"a\",\"b\",\"c\"],\"fields\":[\"id\"]}");
}
END_TEST

START_TEST(objects_within_have_commas_of_their_own)
{
	args_text(&a, "id", "x");
	args_open(&a, "progress");
	args_whole(&a, "current", 1);
	args_whole(&a, "total", 2);
	args_close(&a);
	args_bool(&a, "more", true);
	expect("{\"id\":\"x\",\"progress\":{\"current\":1,\"total\":2},\"more\":true}");
}
END_TEST

START_TEST(members_of_an_object_become_parameters)
{
	args_members(&a, "run", persist_text(" \n{\"kind\":\"x\" ,\n\"meta\":{}}\n"));
	args_whole(&a, "if_revision", 0);
	expect("{\"kind\":\"x\",\"meta\":{},\"if_revision\":0}");
}
END_TEST

START_TEST(no_text_can_end_the_line_that_it_is_sent_in)
{
	args_value(&a, "job", persist_text("{\n\"a\":\r\n1\n}"));
	ck_assert_int_eq(args_end(&a), 0);
	ck_assert_ptr_null(memchr(a.text.at, '\n', a.text.len));
	ck_assert_ptr_null(memchr(a.text.at, '\r', a.text.len));
}
END_TEST

START_TEST(a_text_that_is_no_json_is_refused_with_its_place)
{
	args_value(&a, "job", persist_text("{\"payload\":{\"legs\":[1,2,x]}}"));
	args_text(&a, "id", "\xff"); /* the first fault is the one that is told */
	expect_refused("job.payload.legs[2]", "value", "byte 24");
}
END_TEST

START_TEST(texts_that_would_break_the_line_for_others_are_refused)
{
	static const char *const texts[] = {"", " ", "{} {}", "{}]", "NaN", "{\"a\":1,\"a\":2}", "{\"a\":\"\n\"}",
		"\"\xc3\"", "[1,]", "nul", "\"\\ud800\"", "{\"a\":1}\n{\"jsonrpc\":\"2.0\"}"};
	args_value(&a, "job", persist_text(texts[_i]));
	ck_assert_int_eq(args_end(&a), PERSIST_E_ARGUMENT);
	ck_assert_ptr_eq(strstr(error.field, "job"), error.field);
	ck_assert_str_ne(error.expected, "");
}
END_TEST

START_TEST(names_that_are_no_utf8_are_not_repeated_in_the_error)
{
	struct scan_report report;
	char quoted[200];

	args_value(&a, "job", persist_text("{\"\xff\xfe\":1}"));
	ck_assert_int_eq(args_end(&a), PERSIST_E_ARGUMENT);
	snprintf(quoted, sizeof quoted, "\"%s\"", error.field);
	ck_assert_int_eq((int)scan_check(span_of(quoted), 1, &report), SCAN_OK);
}
END_TEST

START_TEST(text_that_is_not_utf8_is_refused_by_name)
{
	args_text(&a, "id", "caf\xe9");
	expect_refused("id", "UTF-8", "UTF-8");
}
END_TEST

START_TEST(a_missing_text_is_named)
{
	args_given(&a, "run_id", NULL);
	expect_refused("run_id", "text", "missing");
}
END_TEST

START_TEST(numbers_that_are_not_finite_are_refused_by_name)
{
	args_real(&a, "current", _i ? NAN : INFINITY);
	expect_refused("current", "finite", "finite");
}
END_TEST

START_TEST(a_run_that_is_no_object_is_refused)
{
	args_members(&a, "run", _i ? persist_text("[1]") : persist_none());
	expect_refused("run", "an object", "run: ");
}
END_TEST

static char *nested(unsigned levels)
{
	char *text = malloc(2 * levels + 1);

	memset(text, '[', levels);
	memset(text + levels, ']', levels);
	text[2 * levels] = '\0';
	return text;
}

START_TEST(what_the_daemon_takes_is_not_too_deep_here)
{
	char *text = nested(ARGS_DEPTH - 1);

	args_value(&a, "job", persist_text(text));
	ck_assert_int_eq(args_end(&a), 0);
	struct buf line = {0};
	struct scan_report report;
	buf_text(&line, "{\"params\":");
	buf_span(&line, buf_as_span(&a.text));
	buf_char(&line, '}');
	ck_assert_int_eq((int)scan_check(buf_as_span(&line), SCAN_DEPTH_WIRE, &report), SCAN_OK);
	buf_free(&line);
	free(text);
}
END_TEST

START_TEST(what_the_daemon_would_not_read_is_too_deep_here)
{
	char *text = nested(ARGS_DEPTH);

	args_value(&a, "job", persist_text(text));
	ck_assert_int_eq(args_end(&a), PERSIST_E_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(error.message, "126"));
	free(text);
}
END_TEST

START_TEST(parameters_are_an_object_an_array_or_none)
{
	struct buf out = {0};

	ck_assert_int_eq(args_params(&out, persist_none(), ARGS_DEPTH, &error), 0);
	ck_assert_uint_eq(out.len, 0);
	ck_assert_int_eq(args_params(&out, persist_text(" [1]"), ARGS_DEPTH, &error), 0);
	ck_assert_int_eq(args_params(&out, persist_text("\n{}"), ARGS_DEPTH, &error), 0);
	ck_assert_int_eq(args_params(&out, persist_text("\"x\""), ARGS_DEPTH, &error), PERSIST_E_ARGUMENT);
	ck_assert_str_eq(error.field, "params");
	buf_free(&out);
}
END_TEST

/* ---- trees */

static const char *written(json_t *tree)
{
	static struct buf out;

	out.len = 0;
	ck_assert_msg(args_params(&out, persist_json(tree), ARGS_DEPTH, &error) == 0, "%s", error.message);
	buf_char(&out, '\0');
	json_decref(tree);
	return out.at;
}

START_TEST(trees_are_written_with_the_shortest_numbers_in_their_order)
{
	json_t *tree = json_pack("{s:f, s:[i,b,n,s,[],{}], s:{s:{s:[[I]]}}}", "z", 0.1, "a", 1, 0, "x\n", "m", "b",
	                         "c", (json_int_t)INT64_MIN);
	ck_assert_str_eq(written(tree),
	                 "{\"z\":0.1,\"a\":[1,false,null,\"x\\n\",[],{}],"
	                 "\"m\":{\"b\":{\"c\":[[-9223372036854775808]]}}}");
	ck_assert_str_eq(written(json_array()), "[]");
}
END_TEST

START_TEST(a_string_with_a_nul_inside_is_kept)
{
	json_t *tree = json_array();
	json_array_append_new(tree, json_stringn("a\0b", 3));
	ck_assert_str_eq(written(tree), "[\"a\\u0000b\"]");
}
END_TEST

START_TEST(a_name_with_a_nul_inside_is_kept)
{
	json_t *tree = json_object();
	json_object_setn_new(tree, "a\0b", 3, json_null());
	ck_assert_str_eq(written(tree), "{\"a\\u0000b\":null}");
}
END_TEST

START_TEST(a_tree_is_borrowed)
{
	json_t *tree = json_pack("{s:i}", "a", 1);
	args_value(&a, "job", persist_json(tree));
	expect("{\"job\":{\"a\":1}}");
	ck_assert_uint_eq(tree->refcount, 1);
	json_decref(tree);
}
END_TEST

static json_t *deep(unsigned levels, json_t *innermost)
{
	json_t *v = innermost;

	for (unsigned i = 0; i < levels; i++) {
		json_t *outer = i % 2 ? json_object() : json_array();
		if (i % 2)
			json_object_set_new(outer, "k", v);
		else
			json_array_append_new(outer, v);
		v = outer;
	}
	return v;
}

START_TEST(a_tree_as_deep_as_the_daemon_takes_goes_and_a_deeper_one_is_named)
{
	struct buf out = {0};
	json_t *tree = deep(ARGS_DEPTH, json_integer(1));

	ck_assert_int_eq(args_params(&out, persist_json(tree), ARGS_DEPTH, &error), 0);
	json_decref(tree);
	tree = deep(ARGS_DEPTH + 1, json_integer(1));
	ck_assert_int_eq(args_params(&out, persist_json(tree), ARGS_DEPTH, &error), PERSIST_E_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(error.message, "deep"));
	ck_assert_ptr_nonnull(strstr(error.expected, "127"));
	json_decref(tree);
	tree = deep(1 << 14, json_integer(1));
	ck_assert_int_eq(args_params(&out, persist_json(tree), ARGS_DEPTH, &error), PERSIST_E_ARGUMENT);
	json_decref(tree);
	buf_free(&out);
}
END_TEST

START_TEST(a_string_of_a_tree_that_is_not_utf8_is_named)
{
	json_t *tree = json_pack("{s:[i]}", "legs", 1), *leg = json_object();

	json_object_set_new(leg, "name", json_string_nocheck("caf\xe9"));
	json_array_append_new(json_object_get(tree, "legs"), leg);
	args_value(&a, "job", persist_json(tree));
	expect_refused("job.legs[1].name", "UTF-8", "job: ");
	json_decref(tree);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("args");
	TCase *t = tcase_create("args");
	tcase_add_checked_fixture(t, begin, end);
	suite_add_tcase(s, t);
	tcase_add_test(t, what_is_not_given_is_left_out);
	tcase_add_test(t, each_kind_of_argument_is_json);
	tcase_add_test(t, commas_separate_values_where_several_may_be_given);
	tcase_add_test(t, objects_within_have_commas_of_their_own);
	tcase_add_test(t, members_of_an_object_become_parameters);
	tcase_add_test(t, no_text_can_end_the_line_that_it_is_sent_in);
	tcase_add_test(t, a_text_that_is_no_json_is_refused_with_its_place);
	tcase_add_loop_test(t, texts_that_would_break_the_line_for_others_are_refused, 0, 12);
	tcase_add_test(t, names_that_are_no_utf8_are_not_repeated_in_the_error);
	tcase_add_test(t, text_that_is_not_utf8_is_refused_by_name);
	tcase_add_test(t, a_missing_text_is_named);
	tcase_add_loop_test(t, numbers_that_are_not_finite_are_refused_by_name, 0, 2);
	tcase_add_loop_test(t, a_run_that_is_no_object_is_refused, 0, 2);
	tcase_add_test(t, what_the_daemon_takes_is_not_too_deep_here);
	tcase_add_test(t, what_the_daemon_would_not_read_is_too_deep_here);
	tcase_add_test(t, parameters_are_an_object_an_array_or_none);
	tcase_add_test(t, trees_are_written_with_the_shortest_numbers_in_their_order);
	tcase_add_test(t, a_string_with_a_nul_inside_is_kept);
	tcase_add_test(t, a_name_with_a_nul_inside_is_kept);
	tcase_add_test(t, a_tree_is_borrowed);
	tcase_add_test(t, a_tree_as_deep_as_the_daemon_takes_goes_and_a_deeper_one_is_named);
	tcase_add_test(t, a_string_of_a_tree_that_is_not_utf8_is_named);
	return unit_run(s);
}
