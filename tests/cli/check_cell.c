/* cell: a value in a line, for people and for a pipe. */
#include "client/ctl/cell.h"
#include "tests/unit/unit.h"
#include <string.h>

static struct screen screen;
static struct buf out;

static void setup(void)
{
	screen = (struct screen){.terminal = true, .utf8 = true, .utc = true, .now = INT64_C(1795366200000000)};
	out = (struct buf){0};
}

static void teardown(void)
{
	buf_free(&out);
}

static const char *text(void)
{
	buf_char(&out, '\0');
	return out.at;
}

START_TEST(people_see_what_a_field_means)
{
	static const struct {
		const char *path, *json, *shown;
	} cases[] = {
		{"id", "\"a\"", "a"},
		{"status", "\"running\"", "running"},
		{"created_at", "\"2026-11-22T16:47:00+00:00\"", "3 min ago"},
		{"created_at", "\"when it was\"", "when it was"}, /* of a file, kept as it was */
		{"name", "\"2026-11-22T16:47:00+00:00\"", "2026-11-22T16:47:00+00:00"},
		{"size_bytes", "1234567", "1.2 MB"},
		{"revision", "1234567", "1234567"},
		{"progress.percentage", "25.0", "25 %"},
		{"progress", "{\"current\":1,\"total\":4,\"message\":\"\",\"percentage\":25.0}", "25 %"},
		{"payload", "{\"a\":[1]}", "{\"a\":[1]}"},
		{"error", "\"a\\nb\\u001b\"", "a\\nb\\x1b"},
		{"error", "null", ""},
		{"success", "true", "true"},
	};

	cell_show(&out, &screen, cases[_i].path, span_of(cases[_i].json));
	ck_assert_str_eq(text(), cases[_i].shown);
}
END_TEST

START_TEST(a_pipe_gets_one_column_whatever_is_in_it)
{
	static const struct {
		const char *json, *plain;
	} cases[] = {
		{"\"a\"", "a"},
		{"\"tab\\tline\\nend\\r\"", "tab\\tline\\nend\\r"},
		{"\"back\\\\slash\"", "back\\\\slash"},
		{"\"\\u001b[31m\"", "\x1b[31m"},
		{"\"nul\\u0000\"", "nul\\0"},
		{"null", ""},
		{"0.1", "0.1"},
		{"{\"a\":\"x\\ty\"}", "{\"a\":\"x\\ty\"}"},
		{"\"\"", ""},
	};

	cell_plain(&out, span_of(cases[_i].json));
	ck_assert_str_eq(text(), cases[_i].plain);
}
END_TEST

START_TEST(a_field_that_is_not_there_is_an_empty_column)
{
	cell_plain(&out, (struct span){0});
	cell_show(&out, &screen, "x", (struct span){0});
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(sizes_are_told_with_two_digits)
{
	static const struct {
		uint64_t bytes;
		const char *shown;
	} cases[] = {
		{0, "0 B"}, {999, "999 B"}, {1000, "1.0 kB"}, {9949, "9.9 kB"}, {9950, "10 kB"}, {999499, "999 kB"},
		{999500, "1.0 MB"}, {16777216, "17 MB"}, {UINT64_MAX, "18 EB"},
	};

	cell_bytes(&out, cases[_i].bytes);
	ck_assert_str_eq(text(), cases[_i].shown);
}
END_TEST

START_TEST(a_hundred_percent_is_all_of_it_and_none_is_nothing)
{
	static const struct {
		double percent;
		const char *shown;
	} cases[] = {
		{0, "0 %"}, {0.01, "0.1 %"}, {0.4, "0.4 %"}, {0.99, "0.9 %"}, {25, "25 %"}, {99.9, "99 %"},
		{100, "100 %"}, {250, "250 %"},
	};

	cell_percent(&out, cases[_i].percent);
	ck_assert_str_eq(text(), cases[_i].shown);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cell");
	TCase *cell = tcase_create("cell");

	tcase_add_checked_fixture(cell, setup, teardown);
	tcase_add_loop_test(cell, people_see_what_a_field_means, 0, 13);
	tcase_add_loop_test(cell, a_pipe_gets_one_column_whatever_is_in_it, 0, 9);
	tcase_add_test(cell, a_field_that_is_not_there_is_an_empty_column);
	tcase_add_loop_test(cell, sizes_are_told_with_two_digits, 0, 9);
	tcase_add_loop_test(cell, a_hundred_percent_is_all_of_it_and_none_is_nothing, 0, 8);
	suite_add_tcase(suite, cell);
	return unit_run(suite);
}
