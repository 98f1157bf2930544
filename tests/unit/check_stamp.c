#include "proto/stamp.h"
#include "tests/unit/unit.h"

static const struct accepted {
	const char *text, *same;
} accepted[] = {
	{"2026-11-22T16:50:00.123456+00:00", "2026-11-22T16:50:00.123456+00:00"},
	{"2026-11-22T16:50:00.123456", "2026-11-22T16:50:00.123456+00:00"},
	{"2026-11-22T16:50:00Z", "2026-11-22T16:50:00.000000+00:00"},
	{"2026-11-22t16:50:00z", "2026-11-22T16:50:00.000000+00:00"},
	{"2026-11-22 16:50:00", "2026-11-22T16:50:00.000000+00:00"},
	{"2026-11-22T16:50:00.5Z", "2026-11-22T16:50:00.500000+00:00"},
	{"2026-11-22T16:50:00.123456789Z", "2026-11-22T16:50:00.123456+00:00"},
	{"2026-11-22T16:50:00.999999999Z", "2026-11-22T16:50:00.999999+00:00"},
	{"2026-11-22T16:50:00+02:00", "2026-11-22T14:50:00.000000+00:00"},
	{"2026-11-22T16:50:00-0330", "2026-11-22T20:20:00.000000+00:00"},
	{"2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000000+00:00"},
	{"2026-12-31T23:59:60Z", "2027-01-01T00:00:00.000000+00:00"},
	{"2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.250000+00:00"},
	{"2024-02-29T12:00:00Z", "2024-02-29T12:00:00.000000+00:00"},
	{"2000-02-29T12:00:00Z", "2000-02-29T12:00:00.000000+00:00"},
	{"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000+00:00"},
	{"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999+00:00"},
	{"1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999+00:00"},
	{"1970-01-01T00:00:00-00:00", "1970-01-01T00:00:00.000000+00:00"},
};

START_TEST(times_that_clients_and_old_files_write_are_read)
{
	int64_t micros;
	char out[STAMP_LEN + 1];

	ck_assert_msg(stamp_parse(span_of(accepted[_i].text), &micros), "%s", accepted[_i].text);
	stamp_format(micros, out);
	ck_assert_str_eq(out, accepted[_i].same);
}
END_TEST

static const char *const refused[] = {
	"", "now", "2026-11-22", "2026-11-22T", "2026-11-22T16:50", "2026-11-22T16:50Z", "2026-11-22T16:50:00.",
	"2026-11-22T16:50:00.Z",
	"2026-11-22T16:50:00.1234567890Z", "2026-11-22T16:50:00+02", "2026-11-22T16:50:00+2:00",
	"2026-11-22T16:50:00+24:00",
	"2026-11-22T16:50:00+00:60", "2026-11-22T16:50:00ZZ", "2026-11-22T16:50:00Z ", " 2026-11-22T16:50:00Z",
	"2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z",
	"2026-04-31T00:00:00Z",
	"2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
	"2026-01-01T00:00:61Z",
	"0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:60Z",
	"20261122T165000Z", "2026-11-22X16:50:00Z", "2026-11-22T16:50:00,5Z", "-026-11-22T16:50:00Z",
	"+2026-11-22T16:50:00Z",
	"2026-11-22T16:50:00+-1:00", "2026-1-22T16:50:00Z",
};

START_TEST(what_is_no_time_is_refused_and_not_guessed)
{
	int64_t micros;

	ck_assert_msg(!stamp_parse(span_of(refused[_i]), &micros), "%s", refused[_i]);
}
END_TEST

START_TEST(a_time_cut_anywhere_or_with_a_nul_is_refused)
{
	static const char whole[] = "2026-11-22T16:50:00.123456+00:00";
	int64_t micros;

	for (size_t len = 0; len < 19; len++)
		ck_assert(!stamp_parse((struct span){whole, len}, &micros));
	ck_assert(!stamp_parse((struct span){whole, sizeof(whole)}, &micros));
	ck_assert(!stamp_parse((struct span){0}, &micros));
}
END_TEST

/* The form that we write is read by itself; with one more digit it is not. */
START_TEST(our_own_form_is_read_as_any_other)
{
	static const char *const texts[] = {"2026-11-22T16:50:00.123456+00:00", "0001-01-01T00:00:00.000000+00:00",
	                                    "2024-02-29T23:59:59.999999+00:00", "9999-12-31T19:09:59.900000+00:00",
	                                    "1900-02-28T00:00:00.000001+00:00"};
	unsigned good = 0;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		for (size_t at = 0; at < STAMP_LEN; at++)
			for (int c = 0; c < 256; c++) {
				char own[STAMP_LEN + 1], other[STAMP_LEN + 2];
				int64_t read = 0, expected = 0;
				memcpy(own, texts[i], sizeof(own));
				own[at] = (char)c;
				memcpy(other, own, 26);
				other[26] = '0';
				memcpy(other + 27, own + 26, sizeof(own) - 26);
				bool is_time = stamp_parse((struct span){own, STAMP_LEN}, &read);
				ck_assert_msg(is_time == stamp_parse((struct span){other, STAMP_LEN + 1}, &expected) && read == expected,
				              "%s: %lld, not %lld", own, (long long)read, (long long)expected);
				good += is_time;
			}
	ck_assert_uint_gt(good, 500);
}
END_TEST

START_TEST(known_moments_have_their_unix_time)
{
	int64_t micros;

	ck_assert(stamp_parse(SPAN("1970-01-01T00:00:00Z"), &micros));
	ck_assert_int_eq(micros, 0);
	ck_assert(stamp_parse(SPAN("2001-09-09T01:46:40Z"), &micros));
	ck_assert_int_eq(micros, 1000000000000000);
	ck_assert(stamp_parse(SPAN("2038-01-19T03:14:08.000001Z"), &micros));
	ck_assert_int_eq(micros, 2147483648000001);
	ck_assert(stamp_parse(SPAN("1969-12-31T23:59:59.999999Z"), &micros));
	ck_assert_int_eq(micros, -1);
}
END_TEST

START_TEST(every_day_of_ten_thousand_years_comes_back_and_follows_the_one_before)
{
	const int64_t day = 86400000000;
	char last[STAMP_LEN + 1] = "", out[STAMP_LEN + 1];
	int64_t micros;

	for (int64_t n = -719162; n < 2932897; n++) {
		stamp_format(n * day + 45296789012, out);
		if (strcmp(last, out) >= 0 || !stamp_parse(span_of(out), &micros) || micros != n * day + 45296789012)
			ck_abort_msg("%s after %s", out, last);
		memcpy(last, out, sizeof(last));
	}
	ck_assert_str_eq(last, "9999-12-31T12:34:56.789012+00:00");
}
END_TEST

START_TEST(a_moment_beyond_four_digits_of_years_is_clamped_not_garbled)
{
	char out[STAMP_LEN + 1];

	stamp_format(INT64_MAX, out);
	ck_assert_str_eq(out, "9999-12-31T23:59:59.999999+00:00");
	stamp_format(INT64_MIN + 1, out);
	ck_assert_str_eq(out, "0001-01-01T00:00:00.000000+00:00");
}
END_TEST

START_TEST(no_time_is_null_in_json)
{
	struct buf b = {0};

	stamp_json(&b, STAMP_NONE);
	ck_assert(span_is(buf_as_span(&b), SPAN("null")));
	b.len = 0;
	stamp_json(&b, 1);
	ck_assert(span_is(buf_as_span(&b), SPAN("\"1970-01-01T00:00:00.000001+00:00\"")));
	buf_free(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stamp");
	TCase *tests = tcase_create("stamp");

	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, times_that_clients_and_old_files_write_are_read, 0,
	                    sizeof(accepted) / sizeof(accepted[0]));
	tcase_add_loop_test(tests, what_is_no_time_is_refused_and_not_guessed, 0,
	                    sizeof(refused) / sizeof(refused[0]));
	tcase_add_test(tests, a_time_cut_anywhere_or_with_a_nul_is_refused);
	tcase_add_test(tests, our_own_form_is_read_as_any_other);
	tcase_add_test(tests, known_moments_have_their_unix_time);
	tcase_add_test(tests, every_day_of_ten_thousand_years_comes_back_and_follows_the_one_before);
	tcase_add_test(tests, a_moment_beyond_four_digits_of_years_is_clamped_not_garbled);
	tcase_add_test(tests, no_time_is_null_in_json);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
