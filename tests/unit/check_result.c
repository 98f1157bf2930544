#include "client/result.h"
#include "tests/unit/unit.h"
#include <jansson.h>

static persist_result *made(const char *text)
{
	return result_new(span_of(text));
}

START_TEST(the_text_is_the_daemons)
{
	persist_result *r = made("{\"a\":0.1}");
	size_t len;

	ck_assert_str_eq(persist_result_text(r, &len), "{\"a\":0.1}");
	ck_assert_uint_eq(len, 9);
	ck_assert_str_eq(persist_result_text(r, NULL), "{\"a\":0.1}");
	persist_result_free(r);
}
END_TEST

START_TEST(the_tree_is_made_once_and_outlives_the_result_where_it_is_kept)
{
	persist_result *r = made("{\"a\":[1,2.5,\"x\\u0000y\"]}");
	json_t *tree = persist_result_json(r);

	ck_assert_ptr_nonnull(tree);
	ck_assert_ptr_eq(persist_result_json(r), tree);
	json_incref(tree);
	persist_result_free(r);
	ck_assert_uint_eq(json_string_length(json_array_get(json_object_get(tree, "a"), 2)), 3);
	json_decref(tree);
}
END_TEST

START_TEST(a_result_that_is_no_object_has_a_tree_too)
{
	persist_result *r = made("17");

	ck_assert_int_eq(json_integer_value(persist_result_json(r)), 17);
	ck_assert_ptr_null(persist_result_member(r, "id"));
	persist_result_free(r);
}
END_TEST

START_TEST(what_jansson_cannot_hold_is_null_and_still_text)
{
	persist_result *r = made("{\"a\\u0000b\":1}");

	ck_assert_ptr_null(persist_result_json(r));
	ck_assert_ptr_null(persist_result_json(r));
	ck_assert_str_eq(persist_result_text(r, NULL), "{\"a\\u0000b\":1}");
	persist_result_free(r);
}
END_TEST

START_TEST(members_are_read_without_a_tree_and_stay_valid_beside_each_other)
{
	persist_result *r = made("{\"id\":\"a\\n\\\"b\\\"\",\"revision\":12,\"next_cursor\":null,"
	                         "\"jobs\":[{\"id\":\"z\"}]}");
	const char *id = persist_result_member(r, "id"), *revision = persist_result_member(r, "revision");

	ck_assert_str_eq(id, "a\n\"b\"");
	ck_assert_str_eq(revision, "12");
	ck_assert_str_eq(persist_result_member(r, "next_cursor"), "null");
	ck_assert_str_eq(persist_result_member(r, "jobs"), "[{\"id\":\"z\"}]");
	ck_assert_ptr_null(persist_result_member(r, "status"));
	ck_assert_ptr_eq(persist_result_member(r, "id"), id);
	ck_assert_str_eq(id, "a\n\"b\"");
	persist_result_free(r);
}
END_TEST

START_TEST(numbers_are_told_from_what_only_looks_like_them)
{
	persist_result *r = made("{\"removed\":3,\"percentage\":33.5,\"text\":\"3\"}");
	int64_t whole = -1;
	double real = -1;

	ck_assert(result_whole(r, "removed", &whole));
	ck_assert_int_eq(whole, 3);
	ck_assert(result_real(r, "percentage", &real));
	ck_assert_double_eq(real, 33.5);
	ck_assert(result_real(r, "removed", &real));
	ck_assert_double_eq(real, 3);
	ck_assert(!result_whole(r, "percentage", &whole));
	ck_assert(!result_whole(r, "text", &whole));
	ck_assert(!result_real(r, "missing", &real));
	persist_result_free(r);
}
END_TEST

START_TEST(no_result_is_no_crash)
{
	size_t len = 5;

	ck_assert_ptr_null(persist_result_text(NULL, &len));
	ck_assert_uint_eq(len, 0);
	ck_assert_ptr_null(persist_result_json(NULL));
	ck_assert_ptr_null(persist_result_member(NULL, "id"));
	ck_assert_ptr_null(persist_result_take(NULL));
	persist_result_free(NULL);
}
END_TEST

START_TEST(a_result_says_whether_it_was_taken)
{
	persist_result *r = made("1");

	ck_assert(!result_was_taken(r));
	ck_assert_ptr_eq(persist_result_take(r), r);
	ck_assert(result_was_taken(r));
	persist_result_free(r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("result");
	TCase *t = tcase_create("result");
	suite_add_tcase(s, t);
	tcase_add_test(t, the_text_is_the_daemons);
	tcase_add_test(t, the_tree_is_made_once_and_outlives_the_result_where_it_is_kept);
	tcase_add_test(t, a_result_that_is_no_object_has_a_tree_too);
	tcase_add_test(t, what_jansson_cannot_hold_is_null_and_still_text);
	tcase_add_test(t, members_are_read_without_a_tree_and_stay_valid_beside_each_other);
	tcase_add_test(t, numbers_are_told_from_what_only_looks_like_them);
	tcase_add_test(t, no_result_is_no_crash);
	tcase_add_test(t, a_result_says_whether_it_was_taken);
	return unit_run(s);
}
