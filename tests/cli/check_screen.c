/* screen: what a record holds never changes the terminal, and columns line up whatever is in them. */
#include "client/ctl/screen.h"
#include "tests/unit/unit.h"
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct buf out;

static void setup(void)
{
	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	unsetenv("NO_COLOR");
	unsetenv("CLICOLOR_FORCE");
	unsetenv("COLUMNS");
	setenv("TERM", "xterm", 1);
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

START_TEST(no_control_character_of_a_record_reaches_a_terminal)
{
	static const struct {
		const char *record, *shown;
	} cases[] = {
		{"\x1b[31mred", "\\x1b[31mred"},           /* colours */
		{"\x1b]0;title\x07", "\\x1b]0;title\\x07"}, /* the window's title */
		{"a\nb\tc\rd", "a\\nb\\tc\\rd"},
		{"\xc2\x9b" "31m", "\\u009b31m"},           /* C1: the same as ESC [ */
		{"del\x7f", "del\\x7f"},
		{"\xe2\x80\xae" "evil", "\\u202eevil"},     /* right-to-left override */
		{"\xff\xfe", "\\xff\\xfe"},                 /* no UTF-8 */
		{"\xc0\xaf", "\\xc0\\xaf"},                 /* overlong */
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},        /* a surrogate */
		{"\xe4\xb8", "\\xe4\\xb8"},                 /* cut inside a character */
		{"Größe 中文", "Größe 中文"},
	};

	screen_fit(&out, span_of(cases[_i].record), true);
	ck_assert_str_eq(text(), cases[_i].shown);
}
END_TEST

START_TEST(a_terminal_without_utf_8_gets_ascii)
{
	screen_fit(&out, SPAN("Größe 中"), false);
	ck_assert_str_eq(text(), "Gr??e ?");
}
END_TEST

START_TEST(json_stays_the_same_json_when_it_is_made_fit)
{
	screen_fit_json(&out, SPAN("{\"a\":\"x\xc2\x9by\x7fz\xe2\x80\xae中\"}"), true);
	ck_assert_str_eq(text(), "{\"a\":\"x\\u009by\\u007fz\\u202e中\"}");
	out.len = 0;
	screen_fit_json(&out, SPAN("\"ö😀\""), false);
	ck_assert_str_eq(text(), "\"\\u00f6\\ud83d\\ude00\"");
}
END_TEST

START_TEST(wide_characters_take_two_columns_and_combining_ones_none)
{
	ck_assert_uint_eq(screen_width(SPAN("abc")), 3);
	ck_assert_uint_eq(screen_width(SPAN("ö")), 1);
	ck_assert_uint_eq(screen_width(SPAN("中文")), 4);
	ck_assert_uint_eq(screen_width(SPAN("e\xcc\x81")), 1);
	ck_assert_uint_eq(screen_width(SPAN("😀")), 2);
	ck_assert_uint_eq(screen_width(SPAN("")), 0);
}
END_TEST

START_TEST(a_cut_never_takes_more_columns_than_there_are)
{
	static const struct {
		const char *from;
		unsigned columns;
		bool utf8;
		const char *to;
		unsigned taken;
	} cases[] = {
		{"abcdef", 6, true, "abcdef", 6}, {"abcdef", 5, true, "abcd…", 5}, {"abcdef", 1, true, "…", 1},
		{"abcdef", 0, true, "", 0},       {"", 4, true, "", 0},            {"中文字", 6, true, "中文字", 6},
		{"中文字", 5, true, "中文…", 5},  {"中文字", 4, true, "中…", 3},   {"abcdef", 5, false, "ab...", 5},
		{"abcdef", 2, false, "..", 2},    {"e\xcc\x81" "e\xcc\x81" "e", 2, true, "e\xcc\x81…", 2},
	};

	unsigned taken = screen_cut(&out, span_of(cases[_i].from), cases[_i].columns, cases[_i].utf8);
	ck_assert_str_eq(text(), cases[_i].to);
	ck_assert_uint_eq(taken, cases[_i].taken);
}
END_TEST

START_TEST(numbers_are_grouped_for_people)
{
	static const struct {
		uint64_t n;
		const char *shown;
	} cases[] = {{0, "0"}, {999, "999"}, {1000, "1,000"}, {1234567, "1,234,567"}};

	screen_number(&out, cases[_i].n);
	ck_assert_str_eq(text(), cases[_i].shown);
}
END_TEST

START_TEST(a_pipe_is_neither_cut_nor_coloured_unless_colour_is_asked_for)
{
	struct screen s;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	setenv("COLUMNS", "50", 1);
	screen_init(&s, ends[1], NULL);
	ck_assert(!s.terminal && !s.colour && s.columns == 0 && s.utf8);
	screen_init(&s, ends[1], "always");
	ck_assert(s.colour);
	setenv("CLICOLOR_FORCE", "1", 1);
	screen_init(&s, ends[1], "auto");
	ck_assert(s.colour);
	setenv("NO_COLOR", "1", 1);
	screen_init(&s, ends[1], "auto");
	ck_assert(!s.colour);
	screen_init(&s, ends[1], "always"); /* the flag is nearer than the environment */
	ck_assert(s.colour);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("screen");
	TCase *screen = tcase_create("screen");

	tcase_add_checked_fixture(screen, setup, teardown);
	tcase_add_loop_test(screen, no_control_character_of_a_record_reaches_a_terminal, 0, 11);
	tcase_add_test(screen, a_terminal_without_utf_8_gets_ascii);
	tcase_add_test(screen, json_stays_the_same_json_when_it_is_made_fit);
	tcase_add_test(screen, wide_characters_take_two_columns_and_combining_ones_none);
	tcase_add_loop_test(screen, a_cut_never_takes_more_columns_than_there_are, 0, 11);
	tcase_add_loop_test(screen, numbers_are_grouped_for_people, 0, 4);
	tcase_add_test(screen, a_pipe_is_neither_cut_nor_coloured_unless_colour_is_asked_for);
	suite_add_tcase(suite, screen);
	return unit_run(suite);
}
