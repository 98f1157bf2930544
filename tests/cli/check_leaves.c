/* leaves and paths: every value of a record is found by the path that is shown for it. */
#include "client/ctl/diff.h"
#include "client/ctl/leaves.h"
#include "client/ctl/path.h"
#include "tests/unit/unit.h"
#include <string.h>

START_TEST(every_value_has_its_path_in_the_record_s_order)
{
	static const char json[] = "{\"id\":\"a\",\"meta\":{\"m\":{\"x\":1.5,\"y\":null},"
	                           "\"l\":[1,{\"z\":true},[]]},\"e\":{},\"\\u0061b\":2}";
	static const char *const wanted[][2] = {
		{"id", "\"a\""}, {"meta.m.x", "1.5"}, {"meta.m.y", "null"}, {"meta.l[0]", "1"},
		{"meta.l[1].z", "true"}, {"meta.l[2]", "[]"}, {"e", "{}"}, {"ab", "2"},
	};
	struct leaves l = {0};

	leaves_read(&l, SPAN(json));
	ck_assert_uint_eq(l.count, 8);
	for (size_t i = 0; i < l.count; i++) {
		ck_assert_str_eq(l.at[i].path, wanted[i][0]);
		ck_assert(span_is(l.at[i].value, span_of(wanted[i][1])));
	}
	leaves_free(&l);
}
END_TEST

START_TEST(what_lies_too_deep_is_one_value)
{
	struct leaves l = {0};
	struct buf json = {0};

	for (int i = 0; i < 500; i++)
		buf_text(&json, "{\"a\":");
	buf_text(&json, "1");
	for (int i = 0; i < 500; i++)
		buf_char(&json, '}');
	leaves_read(&l, buf_as_span(&json));
	ck_assert_uint_eq(l.count, 1);
	leaves_free(&l);
	buf_free(&json);
}
END_TEST

START_TEST(a_path_leads_into_objects)
{
	static const char json[] = "{\"a\":{\"b\":{\"c\":3}},\"a.b\":4,\"\":{\"x\":5}}";
	static const struct {
		const char *path, *value;
	} cases[] = {
		{"a.b.c", "3"}, {"a.b", "{\"c\":3}"}, {".x", "5"}, {"a.x", NULL}, {"a.b.c.d", NULL}, {"b", NULL},
	};
	struct span value;
	bool found = path_find(SPAN(json), cases[_i].path, &value);

	ck_assert_int_eq(found, cases[_i].value != NULL);
	if (found)
		ck_assert(span_is(value, span_of(cases[_i].value)));
}
END_TEST

START_TEST(a_list_of_paths_has_no_empty_one)
{
	struct path_list l;

	ck_assert(path_list_read(&l, "a,b.c"));
	ck_assert_uint_eq(l.count, 2);
	ck_assert_str_eq(l.at[1], "b.c");
	ck_assert(span_is(path_field(l.at[1]), SPAN("b")));
	path_list_free(&l);
	ck_assert(!path_list_read(&l, ""));
	ck_assert(!path_list_read(&l, "a,,b"));
	ck_assert(!path_list_read(&l, "a,"));
}
END_TEST

START_TEST(numbers_are_compared_by_how_much)
{
	static const struct {
		const char *a, *b, *change;
	} cases[] = {
		{"10", "20", "+10 (+100 %)"}, {"0.18", "0.21", "+0.03 (+16.7 %)"}, {"0", "5", "+5"},
		{"4", "2", "-2 (-50 %)"}, {"-2", "-1", "+1 (+50 %)"}, {"\"1\"", "2", ""}, {"1e308", "-1e308", ""},
		{"null", "1", ""},
	};
	struct buf out = {0};

	diff_change(&out, span_of(cases[_i].a), span_of(cases[_i].b));
	buf_char(&out, '\0');
	ck_assert_str_eq(out.at, cases[_i].change);
	buf_free(&out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("leaves");
	TCase *leaves = tcase_create("leaves");

	tcase_add_test(leaves, every_value_has_its_path_in_the_record_s_order);
	tcase_add_test(leaves, what_lies_too_deep_is_one_value);
	tcase_add_loop_test(leaves, a_path_leads_into_objects, 0, 6);
	tcase_add_test(leaves, a_list_of_paths_has_no_empty_one);
	tcase_add_loop_test(leaves, numbers_are_compared_by_how_much, 0, 8);
	suite_add_tcase(suite, leaves);
	return unit_run(suite);
}
