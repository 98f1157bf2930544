/* bar: a line on the terminal while something lasts, nothing of it afterwards, and never a byte into a file. */
#include "client/ctl/bar.h"
#include "tests/unit/unit.h"
#include <locale.h>
#include <pty.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char seen[8192];

/* What `body` writes to stderr, which is a terminal of that width, or a pipe. */
static void watched(unsigned short columns, void (*body)(void))
{
	struct winsize size = {.ws_row = 50, .ws_col = columns};
	int ends[2], saved = dup(STDERR_FILENO);
	size_t len = 0;
	ssize_t n;

	if (columns > 0)
		ck_assert_int_eq(openpty(&ends[0], &ends[1], NULL, NULL, &size), 0);
	else
		ck_assert_int_eq(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	body();
	fprintf(stderr, "!");
	dup2(saved, STDERR_FILENO);
	/* a terminal hands over what was written piece by piece */
	for (seen[0] = '\0'; len == 0 || seen[len - 1] != '!'; seen[len += n] = '\0')
		ck_assert_int_gt(n = read(ends[0], seen + len, sizeof seen - 1 - len), 0);
	close(ends[0]);
	close(ends[1]);
	close(saved);
}

static void setup(void)
{
	unsetenv("COLUMNS");
	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
}

static void half(void)
{
	struct bar b;

	bar_start(&b, "importing", 2000);
	bar_set(&b, 1000);
	bar_end(&b);
	bar_end(&b);
}

static void hot_loop(void)
{
	struct bar b;

	bar_start(&b, "importing", 0);
	for (uint64_t i = 1; i <= 100000; i++)
		bar_set(&b, i);
	bar_end(&b);
}

START_TEST(it_shows_how_far_and_goes)
{
	watched(80, half);
	ck_assert_str_eq(seen, "\rimporting ████████████████░░░░░░░░░░░░░░░░  50 %  1,000 of 2,000\033[K\r\033[K!");
}
END_TEST

START_TEST(it_keeps_to_a_narrow_terminal)
{
	watched(24, half);
	ck_assert_str_eq(seen, "\rimporting   50 %  1,00…\033[K\r\033[K!");
}
END_TEST

START_TEST(without_utf_8_it_is_ascii)
{
	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C"));
	watched(60, half);
	ck_assert_str_eq(seen, "\rimporting ######------  50 %  1,000 of 2,000\033[K\r\033[K!");
}
END_TEST

START_TEST(a_file_gets_nothing)
{
	watched(0, half);
	ck_assert_str_eq(seen, "!");
}
END_TEST

START_TEST(a_hot_loop_draws_a_few_times_only)
{
	size_t drawn = 0;

	watched(80, hot_loop);
	for (const char *at = seen; (at = strstr(at, "importing")); at++)
		drawn++;
	ck_assert_uint_ge(drawn, 1);
	ck_assert_uint_le(drawn, 20);
	ck_assert_ptr_nonnull(strstr(seen, "importing 1\033[K"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bar");
	TCase *bar = tcase_create("bar");

	tcase_add_checked_fixture(bar, setup, NULL);
	tcase_add_test(bar, it_shows_how_far_and_goes);
	tcase_add_test(bar, it_keeps_to_a_narrow_terminal);
	tcase_add_test(bar, without_utf_8_it_is_ascii);
	tcase_add_test(bar, a_file_gets_nothing);
	tcase_add_test(bar, a_hot_loop_draws_a_few_times_only);
	suite_add_tcase(suite, bar);
	return unit_run(suite);
}
