/* age: a time is told and read as people mean it. The clock stands at 2026-11-22 16:50 UTC. */
#include "client/ctl/age.h"
#include "proto/stamp.h"
#include "tests/unit/unit.h"
#include <stdlib.h>
#include <time.h>

#define SECOND INT64_C(1000000)

static struct screen screen;
static struct buf out;

static void setup(void)
{
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1); /* an hour ahead of UTC in November, two in July */
	tzset();
	screen = (struct screen){.utf8 = true};
	ck_assert(stamp_parse(SPAN("2026-11-22T16:50:00Z"), &screen.now));
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

START_TEST(ages_are_told_in_the_unit_that_fits)
{
	static const struct {
		int64_t seconds;
		const char *shown;
	} cases[] = {
		{0, "now"},           {1, "1 s ago"},           {59, "59 s ago"},       {60, "1 min ago"},
		{3599, "59 min ago"}, {3600, "1 h ago"},        {86399, "23 h ago"},    {86400, "yesterday"},
		{172799, "2 days ago"}, {172800, "2 days ago"}, {2591999, "29 days ago"}, {2592000, "2026-10-23"},
		{-60, "in 1 min"},    {-7200, "in 2 h"},        {-86400, "in 1 day"},
	};

	age_show(&out, &screen, screen.now - cases[_i].seconds * SECOND);
	ck_assert_str_eq(text(), cases[_i].shown);
}
END_TEST

START_TEST(dates_are_local_or_utc_as_asked)
{
	age_date(&out, &screen, screen.now);
	ck_assert_str_eq(text(), "2026-11-22 17:50:00");
	out.len = 0;
	screen.absolute = screen.utc = true;
	age_show(&out, &screen, screen.now);
	ck_assert_str_eq(text(), "2026-11-22 16:50:00Z");
	out.len = 0;
	age_date(&out, &screen, -1); /* the last microsecond of 1969 */
	ck_assert_str_eq(text(), "1969-12-31 23:59:59Z");
}
END_TEST

START_TEST(lengths_are_told_in_two_units_at_most)
{
	static const struct {
		int64_t micros;
		const char *shown;
	} cases[] = {
		{0, "0 ms"}, {340000, "340 ms"}, {12 * SECOND, "12 s"}, {200 * SECOND, "3 min 20 s"},
		{180 * SECOND, "3 min"}, {7500 * SECOND, "2 h 5 min"}, {360000 * SECOND, "4 d 4 h"}, {-5, "0 ms"},
	};

	age_length(&out, cases[_i].micros);
	ck_assert_str_eq(text(), cases[_i].shown);
}
END_TEST

START_TEST(times_are_read_as_people_write_them)
{
	static const struct {
		const char *typed, *meant;
	} cases[] = {
		{"2h", "2026-11-22T14:50:00.000000+00:00"},
		{"90s", "2026-11-22T16:48:30.000000+00:00"},
		{"15m", "2026-11-22T16:35:00.000000+00:00"},
		{"15min", "2026-11-22T16:35:00.000000+00:00"},
		{"1h30m", "2026-11-22T15:20:00.000000+00:00"},
		{"1.5d", "2026-11-21T04:50:00.000000+00:00"},
		{"1w", "2026-11-15T16:50:00.000000+00:00"},
		{"now", "2026-11-22T16:50:00.000000+00:00"},
		{"today", "2026-11-21T23:00:00.000000+00:00"},     /* midnight there */
		{"yesterday", "2026-11-20T23:00:00.000000+00:00"},
		{"2026-07-01", "2026-06-30T22:00:00.000000+00:00"}, /* summer time */
		{"2026-11-22 16:50", "2026-11-22T15:50:00.000000+00:00"},
		{"2026-11-22T16:50:01.5", "2026-11-22T15:50:01.500000+00:00"},
		{"2026-11-22T16:50:00Z", "2026-11-22T16:50:00.000000+00:00"},
		{"2026-11-22T16:50:00-03:00", "2026-11-22T19:50:00.000000+00:00"},
	};
	char stamp[STAMP_LEN + 1] = "";
	int64_t micros;

	ck_assert(age_parse(&screen, cases[_i].typed, &micros));
	stamp_format(micros, stamp);
	ck_assert_str_eq(stamp, cases[_i].meant);
}
END_TEST

START_TEST(with_utc_what_lacks_an_offset_is_utc)
{
	int64_t micros, wanted;

	screen.utc = true;
	ck_assert(stamp_parse(SPAN("2026-07-01T00:00:00Z"), &wanted));
	ck_assert(age_parse(&screen, "2026-07-01", &micros));
	ck_assert_int_eq(micros, wanted);
}
END_TEST

START_TEST(what_is_no_time_is_refused)
{
	static const char *const cases[] = {
		"", "2", "h", "2x", "-2h", "2h ", " 2h", "2h3", "nan", "inf", "0x10s", "1e400d", "2026-13-01",
		"2026-11-22T25:00", "2026-11-2", "tomorrow", "99999999999999999w",
	};
	int64_t micros;

	ck_assert_msg(!age_parse(&screen, cases[_i], &micros), "%s", cases[_i]);
}
END_TEST

START_TEST(a_timeout_may_be_plain_seconds)
{
	int64_t micros;

	ck_assert(age_parse_length("2.5", true, &micros));
	ck_assert_int_eq(micros, 2500000);
	ck_assert(age_parse_length("500ms", true, &micros));
	ck_assert_int_eq(micros, 500000);
	ck_assert(!age_parse_length("2.5", false, &micros));
	ck_assert(!age_parse_length("1m2", true, &micros));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("age");
	TCase *age = tcase_create("age");

	tcase_add_checked_fixture(age, setup, teardown);
	tcase_add_loop_test(age, ages_are_told_in_the_unit_that_fits, 0, 15);
	tcase_add_test(age, dates_are_local_or_utc_as_asked);
	tcase_add_loop_test(age, lengths_are_told_in_two_units_at_most, 0, 8);
	tcase_add_loop_test(age, times_are_read_as_people_write_them, 0, 15);
	tcase_add_test(age, with_utc_what_lacks_an_offset_is_utc);
	tcase_add_loop_test(age, what_is_no_time_is_refused, 0, 17);
	tcase_add_test(age, a_timeout_may_be_plain_seconds);
	suite_add_tcase(suite, age);
	return unit_run(suite);
}
