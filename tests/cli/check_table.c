/* table: columns line up, fit the terminal, and what matters most is what stays. */
#include "client/ctl/table.h"
#include "tests/cli/captured.h"
#include "tests/unit/unit.h"
#include <locale.h>
#include <string.h>

static struct screen screen;
static struct table t;

static void setup(void)
{
	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	screen = (struct screen){.terminal = true, .utf8 = true, .columns = 80};
	t = (struct table){.screen = &screen};
}

static void teardown(void)
{
	table_free(&t);
}

static void jobs_columns(void)
{
	table_column(&t, "ID", 0, 0, false);
	table_column(&t, "STATUS", 0, 0, false);
	table_column(&t, "PROGRESS", 2, 8, false);
	table_column(&t, "SIZE", 1, 0, true);
	table_column(&t, "NOTE", 3, 6, false);
}

static void row(const char *id, const char *status, const char *percent, double fraction, const char *size,
                const char *note)
{
	table_cell(&t, span_of(id), PAINT_NONE, -1);
	table_cell(&t, span_of(status), PAINT_GOOD, -1);
	table_cell(&t, span_of(percent), PAINT_NONE, fraction);
	table_cell(&t, span_of(size), PAINT_NONE, -1);
	table_cell(&t, span_of(note), PAINT_NONE, -1);
}

static void expect_printed(const char *wanted)
{
	struct captured *c = captured_begin(&stdout);
	enum exit_status status = table_print(&t);
	char *printed = captured_end(c);

	ck_assert_int_eq(status, EXIT_OK);
	ck_assert_str_eq(printed, wanted);
	free(printed);
}

static void two_rows(void)
{
	jobs_columns();
	row("nightly", "running", "25 %", 0.25, "9 B", "reading the year 2019");
	row("ü", "completed", "100 %", 1, "12 kB", "");
}

START_TEST(columns_line_up)
{
	two_rows();
	expect_printed("ID       STATUS     PROGRESS           SIZE  NOTE\n"
	               "nightly  running    ██░░░░░░░░  25 %    9 B  reading the year 2019\n"
	               "ü        completed  ██████████ 100 %  12 kB\n");
}
END_TEST

START_TEST(the_least_important_is_cut_first_then_goes)
{
	static const struct {
		unsigned columns;
		const char *printed;
	} widths[] = {
		{60, "ID       STATUS     PROGRESS           SIZE  NOTE\n"
		     "nightly  running    ██░░░░░░░░  25 %    9 B  reading the ye…\n"
		     "ü        completed  ██████████ 100 %  12 kB\n"},
		{46, "ID       STATUS     PROGRESS      SIZE  NOTE\n"
		     "nightly  running    █░░░░  25 %    9 B  readi…\n"
		     "ü        completed  █████ 100 %  12 kB\n"},
		{36, "ID       STATUS     PROGRESS    SIZE\n"
		     "nightly  running    25 %         9 B\n"
		     "ü        completed  100 %      12 kB\n"},
		{28, "ID       STATUS      SIZE\n"
		     "nightly  running      9 B\n"
		     "ü        completed  12 kB\n"},
		{22, "ID       STATUS\n"
		     "nightly  running\n"
		     "ü        completed\n"},
		{16, "ID     STATUS\n"
		     "nigh…  running\n"
		     "ü      completed\n"},
	};

	screen.columns = widths[_i].columns;
	two_rows();
	expect_printed(widths[_i].printed);
}
END_TEST

/* The table is laid out, and its first line of titles tells which columns a person sees. */
static void expect_titles(const char *id, unsigned columns, const char *titles)
{
	t = (struct table){.screen = &screen};
	screen.columns = columns;
	jobs_columns();
	t.columns[0].id = true;
	row(id, "running", "25 %", 0.25, "9 B", "reading the year 2019");
	struct captured *c = captured_begin(&stdout);
	ck_assert_int_eq(table_print(&t), EXIT_OK);
	char *printed = captured_end(c);
	*strchr(printed, '\n') = '\0';
	ck_assert_str_eq(printed, titles);
	free(printed);
	table_free(&t);
}

START_TEST(one_very_long_id_hides_no_other_column)
{
	static const char long_id[] = "backtest-of-the-whole-universe-with-every-factor-and-"
	                              "all-costs-since-1970-final";
	static const char uuid[] = "0d9cb7a8-58c5-4a8e-9a94-7f4d2d0b7c11";

	expect_titles(long_id, 130, "ID                              "
	                            "                                             STATUS   PROGRESS         SIZE  NOTE");
	expect_titles(long_id, 100, "ID                                             "
	                            "STATUS   PROGRESS         SIZE  NOTE");
	expect_titles(long_id, 70, "ID                                STATUS   PROGRESS       SIZE  NOTE");
	expect_titles(long_id, 56, "ID                       STATUS   PROGRESS  SIZE  NOTE");
	/* where an id can be copied, it stays so */
	expect_titles(uuid, 60, "ID                                    STATUS   SIZE");
}
END_TEST

START_TEST(no_line_is_wider_than_the_terminal)
{
	for (screen.columns = 20; screen.columns <= 120; screen.columns++) {
		t = (struct table){.screen = &screen};
		two_rows();
		struct captured *c = captured_begin(&stdout);
		ck_assert_int_eq(table_print(&t), EXIT_OK);
		char *printed = captured_end(c);
		for (char *line = strtok(printed, "\n"); line; line = strtok(NULL, "\n"))
			ck_assert_uint_le(screen_width(span_of(line)), screen.columns);
		free(printed);
		table_free(&t);
	}
}
END_TEST

START_TEST(later_pages_keep_the_columns_of_the_first)
{
	table_column(&t, "ID", 0, 0, false);
	table_column(&t, "N", 0, 0, true);
	table_cell(&t, SPAN("abc"), PAINT_NONE, -1);
	table_cell(&t, SPAN("1"), PAINT_NONE, -1);
	expect_printed("ID   N\nabc  1\n");
	table_cell(&t, SPAN("abcdef"), PAINT_NONE, -1);
	table_cell(&t, SPAN("2"), PAINT_NONE, -1);
	expect_printed("ab…  2\n");
	expect_printed("");
}
END_TEST

START_TEST(wide_characters_keep_the_columns_in_line)
{
	table_column(&t, "ID", 0, 0, false);
	table_column(&t, "X", 0, 0, false);
	table_cell(&t, SPAN("中文"), PAINT_NONE, -1);
	table_cell(&t, SPAN("1"), PAINT_NONE, -1);
	table_cell(&t, SPAN("ab"), PAINT_NONE, -1);
	table_cell(&t, SPAN("2"), PAINT_NONE, -1);
	expect_printed("ID    X\n中文  1\nab    2\n");
}
END_TEST

START_TEST(colour_takes_no_room)
{
	screen.colour = true;
	table_column(&t, "S", 0, 0, false);
	table_column(&t, "N", 0, 0, false);
	table_cell(&t, SPAN("ok"), PAINT_GOOD, -1);
	table_cell(&t, SPAN("1"), PAINT_NONE, -1);
	expect_printed("\033[1mS\033[0m   \033[1mN\033[0m\n\033[32mok\033[0m  1\n");
}
END_TEST

START_TEST(without_utf_8_bars_are_ascii)
{
	screen.utf8 = false;
	table_column(&t, "P", 0, 0, false);
	table_cell(&t, SPAN("50 %"), PAINT_NONE, 0.5);
	expect_printed("P\n#####----- 50 %\n");
}
END_TEST

START_TEST(a_bar_is_full_only_at_the_end)
{
	struct buf bar = {0};

	table_bar(&bar, &screen, 0.999, 10);
	ck_assert(span_is(buf_as_span(&bar), SPAN("█████████░")));
	bar.len = 0;
	table_bar(&bar, &screen, 7, 3); /* more than all of it */
	ck_assert(span_is(buf_as_span(&bar), SPAN("███")));
	buf_free(&bar);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("table");
	TCase *table = tcase_create("table");

	tcase_add_checked_fixture(table, setup, teardown);
	tcase_add_test(table, columns_line_up);
	tcase_add_loop_test(table, the_least_important_is_cut_first_then_goes, 0, 6);
	tcase_add_test(table, one_very_long_id_hides_no_other_column);
	tcase_add_test(table, no_line_is_wider_than_the_terminal);
	tcase_add_test(table, later_pages_keep_the_columns_of_the_first);
	tcase_add_test(table, wide_characters_keep_the_columns_in_line);
	tcase_add_test(table, colour_takes_no_room);
	tcase_add_test(table, without_utf_8_bars_are_ascii);
	tcase_add_test(table, a_bar_is_full_only_at_the_end);
	suite_add_tcase(suite, table);
	return unit_run(suite);
}
