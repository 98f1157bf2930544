#include "proto/buf.h"
#include "tests/unit/unit.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>

static void expect(struct buf *b, const char *text)
{
	buf_char(b, '\0');
	ck_assert_str_eq(b->at, text);
	b->len = 0;
}

START_TEST(bytes_come_out_in_the_order_they_went_in_however_large_it_grows)
{
	struct buf b = {0};

	for (int i = 0; i < 100000; i++)
		buf_char(&b, (char)('a' + i % 26));
	ck_assert_uint_eq(b.len, 100000);
	for (size_t i = 0; i < b.len; i++)
		ck_assert_int_eq(b.at[i], (char)('a' + i % 26));
	buf_free(&b);
	ck_assert_ptr_null(b.at);
	ck_assert_uint_eq(b.cap, 0);
}
END_TEST

START_TEST(room_can_be_written_whole_and_does_not_change_what_is_there)
{
	struct buf b = {0};

	buf_text(&b, "head");
	for (size_t more = 0; more < 5000; more += 61)
		memset(buf_room(&b, more), 'x', more);
	ck_assert_uint_eq(b.len, 4);
	expect(&b, "head");
	buf_free(&b);
}
END_TEST

START_TEST(memory_of_a_large_reply_is_given_back)
{
	struct buf b = {0};

	memset(buf_room(&b, 1 << 20), 'x', 1 << 20);
	buf_text(&b, "kept");
	buf_trim(&b, 4096);
	ck_assert_uint_eq(b.cap, 4096);
	expect(&b, "kept");
	buf_trim(&b, 1 << 20);
	ck_assert_uint_eq(b.cap, 4096);
	buf_trim(&b, 0);
	ck_assert_ptr_null(b.at);
	buf_trim(&b, 0);
}
END_TEST

START_TEST(adding_nothing_to_nothing_is_fine)
{
	struct buf b = {0};

	buf_add(&b, NULL, 0);
	buf_span(&b, (struct span){0});
	buf_text(&b, "");
	ck_assert_uint_eq(b.len, 0);
	buf_string(&b, (struct span){0});
	expect(&b, "\"\"");
	buf_free(&b);
}
END_TEST

START_TEST(printf_longer_than_the_room_is_not_cut)
{
	struct buf b = {0};
	char long_text[3000];

	memset(long_text, 'y', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	buf_printf(&b, "%d:", 42);
	buf_printf(&b, "%s!", long_text);
	ck_assert_uint_eq(b.len, 3 + sizeof(long_text) - 1 + 1);
	ck_assert_int_eq(b.at[b.len - 1], '!');
	ck_assert_int_eq(memcmp(b.at + 3, long_text, sizeof(long_text) - 1), 0);
	b.len = 0;
	for (int i = 60; i < 70; i++) {
		buf_printf(&b, "%.*s", i, long_text);
		ck_assert_uint_eq(b.len, (size_t)i);
		b.len = 0;
	}
	buf_free(&b);
}
END_TEST

START_TEST(integers_at_the_ends_of_64_bits_are_exact)
{
	struct buf b = {0};

	buf_int(&b, INT64_MIN);
	expect(&b, "-9223372036854775808");
	buf_int(&b, INT64_MAX);
	expect(&b, "9223372036854775807");
	buf_int(&b, 0);
	expect(&b, "0");
	buf_int(&b, -1);
	expect(&b, "-1");
	buf_uint(&b, UINT64_MAX);
	expect(&b, "18446744073709551615");
	buf_free(&b);
}
END_TEST

/* what python3 -c 'print(repr(…))' says */
static const struct real {
	double real;
	const char *repr;
} reals[] = {
	{0.0, "0.0"},
	{-0.0, "-0.0"},
	{0.1, "0.1"},
	{5.0, "5.0"},
	{-1.5, "-1.5"},
	{100.0, "100.0"},
	{123.456, "123.456"},
	{4.35, "4.35"},
	{1e5, "100000.0"},
	{299792458.0, "299792458.0"},
	{123456789012345.0, "123456789012345.0"},
	{1234567890123456.0, "1234567890123456.0"},
	{12345678901234567.0, "1.2345678901234568e+16"},
	{1e15, "1000000000000000.0"},
	{9999999999999998.0, "9999999999999998.0"},
	{1e16, "1e+16"},
	{1e17, "1e+17"},
	{1e22, "1e+22"},
	{1e23, "1e+23"},
	{6.02214076e23, "6.02214076e+23"},
	{1e100, "1e+100"},
	{0.001, "0.001"},
	{0.000123, "0.000123"},
	{0.0001, "0.0001"},
	{0.00001, "1e-05"},
	{1.25e-7, "1.25e-07"},
	{0.1 + 0.2, "0.30000000000000004"},
	{1.0 / 3, "0.3333333333333333"},
	{2.0 / 3, "0.6666666666666666"},
	{9007199254740993.0, "9007199254740992.0"},
	{9223372036854775808.0, "9.223372036854776e+18"},
	{0x1p-44, "5.684341886080802e-14"},
	{0x1p-1022, "2.2250738585072014e-308"},
	{0x1.ffffffffffffep-1023, "2.225073858507201e-308"},
	{0x1.fffffffffffffp1023, "1.7976931348623157e+308"},
	{5e-324, "5e-324"},
	{1e-323, "1e-323"},
	{9.5e-322, "9.5e-322"},
};

START_TEST(reals_are_written_as_python_writes_them)
{
	struct buf b = {0};

	buf_real(&b, reals[_i].real);
	expect(&b, reals[_i].repr);
	buf_free(&b);
}
END_TEST

static uint64_t random_word(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state ^ *state >> 29;
}

static int digit_count(const char *text)
{
	int digits = 0, zeros = 0;

	for (; *text && *text != 'e'; text++) {
		if (*text < '0' || *text > '9')
			continue;
		if (*text == '0' && digits == 0)
			continue;
		digits++;
		zeros = *text == '0' ? zeros + 1 : 0;
	}
	return digits - zeros;
}

static bool fewer_digits_do(double real, int digits)
{
	char text[40];

	if (digits <= 1)
		return false;
	snprintf(text, sizeof(text), "%.*e", digits - 2, real);
	return strtod(text, NULL) == real;
}

START_TEST(any_real_reads_back_to_the_same_double_and_no_shorter_text_does)
{
	struct buf b = {0};
	uint64_t state = 1;

	for (int i = 0; i < 100000; i++) {
		uint64_t bits = random_word(&state);
		double real;
		if (i % 4 == 1)
			bits = bits >> 12 | 0x3ff0000000000000u;
		if (i % 4 == 2)
			bits = bits << 52;
		memcpy(&real, &bits, sizeof(real));
		if (i % 4 == 3) /* few decimal places, and doubles next to them */
			real = (double)(bits % (uint64_t)pow(10, 1 + i / 4 % 16)) / pow(10, i / 64 % 8);
		if (i % 4 == 3 && bits >> 62 == 0)
			real = nextafter(real, bits >> 61 ? 0 : INFINITY);
		if (!isfinite(real))
			continue;
		buf_real(&b, real);
		buf_char(&b, '\0');
		if (strtod(b.at, NULL) != real || fewer_digits_do(real, digit_count(b.at)))
			ck_abort_msg("%a became %s", real, b.at);
		b.len = 0;
	}
	buf_free(&b);
}
END_TEST

START_TEST(strings_escape_only_what_json_demands)
{
	struct buf b = {0};

	buf_string(&b, SPAN("plain"));
	expect(&b, "\"plain\"");
	buf_string(&b, SPAN("a\"b\\c/d"));
	expect(&b, "\"a\\\"b\\\\c/d\"");
	buf_string(&b, SPAN("\n\t\r\b\f"));
	expect(&b, "\"\\n\\t\\r\\b\\f\"");
	buf_string(&b, SPAN("\0\x01\x1f\x7f"));
	expect(&b, "\"\\u0000\\u0001\\u001f\x7f\"");
	buf_string(&b, SPAN("žluťoučký 🐎"));
	expect(&b, "\"žluťoučký 🐎\"");
	buf_free(&b);
}
END_TEST

START_TEST(an_escape_is_found_at_every_place_of_a_long_string)
{
	struct buf b = {0};
	char text[40];

	for (size_t len = 1; len < sizeof(text); len++) {
		for (size_t i = 0; i < len; i++) {
			memset(text, 'x', len);
			text[i] = '\n';
			buf_string(&b, (struct span){text, len});
			ck_assert_uint_eq(b.len, len + 3);
			ck_assert_int_eq(b.at[i + 1], '\\');
			ck_assert_int_eq(b.at[i + 2], 'n');
			b.len = 0;
		}
	}
	buf_free(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("buf");
	TCase *tests = tcase_create("buf");

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, bytes_come_out_in_the_order_they_went_in_however_large_it_grows);
	tcase_add_test(tests, room_can_be_written_whole_and_does_not_change_what_is_there);
	tcase_add_test(tests, memory_of_a_large_reply_is_given_back);
	tcase_add_test(tests, adding_nothing_to_nothing_is_fine);
	tcase_add_test(tests, printf_longer_than_the_room_is_not_cut);
	tcase_add_test(tests, integers_at_the_ends_of_64_bits_are_exact);
	tcase_add_loop_test(tests, reals_are_written_as_python_writes_them, 0, sizeof(reals) / sizeof(reals[0]));
	tcase_add_test(tests, any_real_reads_back_to_the_same_double_and_no_shorter_text_does);
	tcase_add_test(tests, strings_escape_only_what_json_demands);
	tcase_add_test(tests, an_escape_is_found_at_every_place_of_a_long_string);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
