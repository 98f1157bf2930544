/* json_view: JSON for reading is still the same JSON, fits the screen where it can, and is fit for it. */
#include "client/ctl/json_view.h"
#include "proto/scan.h"
#include "tests/unit/unit.h"
#include <string.h>

static const struct screen screen = {.terminal = true, .utf8 = true, .columns = 80};
static struct buf out;

static void setup(void)
{
	out = (struct buf){0};
}

static void teardown(void)
{
	buf_free(&out);
}

static const char *viewed(const char *json, unsigned indent, unsigned room)
{
	json_view(&out, &screen, span_of(json), indent, room);
	buf_char(&out, '\0');
	return out.at;
}

START_TEST(what_fits_is_on_one_line_and_the_rest_is_indented)
{
	static const struct {
		const char *json;
		unsigned indent, room;
		const char *shown;
	} cases[] = {
		{"{\"a\":1,\"b\":[true,null]}", 0, 40, "{\"a\": 1, \"b\": [true, null]}"},
		{"{\"a\":1,\"b\":[true,null]}", 0, 20, "{\n  \"a\": 1,\n  \"b\": [true, null]\n}"},
		{"{\"a\":1,\"b\":[true,null]}", 4, 20, "{\n      \"a\": 1,\n      \"b\": [true, null]\n    }"},
		{"{}", 0, 0, "{}"},
		{"[]", 0, 0, "[]"},
		{" [ { } , [ ] ] ", 0, 40, "[{}, []]"},
		{"\"{[,:]}\"", 0, 1, "\"{[,:]}\""},
		{"[\"a,b:{\\\"\"]", 0, 40, "[\"a,b:{\\\"\"]"},
		{"-1.5e10", 0, 0, "-1.5e10"},
		{"[\"\xc2\x9b\xe2\x80\xae\"]", 0, 40, "[\"\\u009b\\u202e\"]"},
		{"[[[[[\"0123456789\",\"0123456789\"]]]]]", 0, 20,
		 "[\n  [\n    [\n      [\n        [\n          \"0123456789\",\n          \"0123456789\"\n        ]\n"
		 "      ]\n    ]\n  ]\n]"},
	};

	ck_assert_str_eq(viewed(cases[_i].json, cases[_i].indent, cases[_i].room), cases[_i].shown);
}
END_TEST

START_TEST(whatever_the_room_it_is_the_same_json)
{
	static const char json[] = "{\"n\":[1,-2.5,1e-07,{\"t\":\"x\\\"y\\\\\",\"e\":{},\"l\":[[],[[1]]]}],"
	                           "\"u\":\"中 ö\",\"b\":false}";
	struct scan_report report;

	for (unsigned room = 0; room < 120; room++) {
		struct buf canonical = {0};
		out.len = 0;
		json_view(&out, &screen, SPAN(json), room % 7, room);
		ck_assert_int_eq(scan_check(buf_as_span(&out), SCAN_DEPTH_FILE, &report), SCAN_OK);
		scan_canonical(&canonical, buf_as_span(&out));
		ck_assert(span_is(buf_as_span(&canonical), SPAN(json)));
		buf_free(&canonical);
	}
}
END_TEST

START_TEST(depth_costs_neither_stack_nor_the_screen_s_width)
{
	enum { DEEP = 100000 };
	struct buf json = {0};

	for (int i = 0; i < DEEP; i++)
		buf_char(&json, '[');
	for (int i = 0; i < DEEP; i++)
		buf_char(&json, ']');
	json_view(&out, &screen, buf_as_span(&json), 0, 80);
	ck_assert_uint_lt(out.len, DEEP * 100ul);
	buf_free(&json);
}
END_TEST

START_TEST(what_is_no_json_ends_all_the_same)
{
	static const char *const cases[] = {"", "{", "[\"", "}}}", "\"\\", "{\"a\":", "\x01\x02", ",:,:"};
	viewed(cases[_i], 0, 10);
	ck_assert_uint_lt(out.len, 200);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json_view");
	TCase *view = tcase_create("json_view");

	tcase_add_checked_fixture(view, setup, teardown);
	tcase_add_loop_test(view, what_fits_is_on_one_line_and_the_rest_is_indented, 0, 11);
	tcase_add_test(view, whatever_the_room_it_is_the_same_json);
	tcase_add_test(view, depth_costs_neither_stack_nor_the_screen_s_width);
	tcase_add_loop_test(view, what_is_no_json_ends_all_the_same, 0, 8);
	suite_add_tcase(suite, view);
	return unit_run(suite);
}
