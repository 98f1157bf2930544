#include "client/latest.h"
#include "tests/unit/unit.h"
#include <stdio.h>

static struct latest *l, *older;

static void set_up(void)
{
	l = latest_new();
	older = latest_new();
}

static void tear_down(void)
{
	latest_free(l);
	latest_free(older);
	latest_free(NULL);
}

static void expect(const char *lines)
{
	struct buf out = {0};

	latest_write(l, &out);
	buf_char(&out, '\0');
	ck_assert_str_eq(out.at, lines);
	buf_free(&out);
}

START_TEST(of_each_job_only_the_newest_is_kept)
{
	latest_set(l, SPAN("a"), SPAN("a1\n"));
	latest_set(l, SPAN("b"), SPAN("b1\n"));
	latest_set(l, SPAN("a"), SPAN("a2, which is longer\n"));
	expect("a2, which is longer\nb1\n");
}
END_TEST

START_TEST(older_values_do_not_replace_newer_ones)
{
	latest_set(older, SPAN("a"), SPAN("a1\n"));
	latest_set(older, SPAN("b"), SPAN("b1\n"));
	latest_set(l, SPAN("a"), SPAN("a2\n"));
	latest_merge(l, older);
	expect("a2\nb1\n");
}
END_TEST

START_TEST(many_jobs_cost_bounded_memory_and_the_newest_of_them_are_kept)
{
	char id[16], line[17];
	struct buf out = {0};

	for (int i = 0; i < 3 * LATEST_MAX; i++) {
		snprintf(id, sizeof id, "%d", i);
		snprintf(line, sizeof line, "%d\n", i);
		latest_set(i < 2 * LATEST_MAX ? l : older, span_of(id), span_of(line));
	}
	latest_merge(l, older);
	latest_write(l, &out);
	int lines = 0;
	for (size_t i = 0; i < out.len; i++)
		lines += out.at[i] == '\n';
	ck_assert_int_eq(lines, LATEST_MAX);
	snprintf(line, sizeof line, "%d\n", LATEST_MAX);
	ck_assert_int_eq(strncmp(out.at, line, strlen(line)), 0);
	buf_free(&out);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("latest");
	TCase *t = tcase_create("latest");
	tcase_add_checked_fixture(t, set_up, tear_down);
	suite_add_tcase(s, t);
	tcase_add_test(t, of_each_job_only_the_newest_is_kept);
	tcase_add_test(t, older_values_do_not_replace_newer_ones);
	tcase_add_test(t, many_jobs_cost_bounded_memory_and_the_newest_of_them_are_kept);
	return unit_run(s);
}
