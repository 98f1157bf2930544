#include "proto/ident.h"
#include "tests/unit/unit.h"

#include <pthread.h>

static bool ok(enum ident i, const char *text)
{
	return ident_check(i, span_of(text));
}

START_TEST(ids_that_people_use_are_accepted)
{
	ck_assert(ok(IDENT_JOB, "6f9619ff-8b86-4011-b42d-00c04fc964ff"));
	ck_assert(ok(IDENT_JOB, "A_b-9"));
	ck_assert(ok(IDENT_JOB, "-"));
	ck_assert(ok(IDENT_JOB_TYPE, "signal_generation"));
	ck_assert(ok(IDENT_RUN, "backtest_0123456789ab"));
	ck_assert(ok(IDENT_ARTIFACT, "backtest_run_1_0123456789"));
}
END_TEST

START_TEST(nothing_that_could_leave_a_directory_or_split_a_line_passes)
{
	static const char *const bad[] = {"", ".", "..", "../x", "a/b", "a\\b", "a b", "a\n", "\na", "a\r",
	                                  "a.json", "é", "a\x80"};

	for (int i = 0; i < IDENT_COUNT; i++) {
		for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++)
			ck_assert_msg(!ok((enum ident)i, bad[j]), "%d accepts %s", i, bad[j]);
		ck_assert(!ident_check((enum ident)i, SPAN("a\0b")));
		ck_assert(!ident_check((enum ident)i, SPAN("a\0")));
		ck_assert(!ident_check((enum ident)i, SPAN("\0")));
		ck_assert(!ident_check((enum ident)i, (struct span){0}));
	}
	ck_assert(!ok(IDENT_JOB_TYPE, "Custom"));
	ck_assert(!ok(IDENT_JOB_TYPE, "a-b"));
	ck_assert(!ok(IDENT_ARTIFACT, "a-b"));
	ck_assert(!ok(IDENT_ARTIFACT, "A"));
}
END_TEST

START_TEST(every_single_byte_is_judged_as_the_pattern_reads)
{
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		bool low = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
		bool any = low || (c >= 'A' && c <= 'Z') || c == '-';
		ck_assert_int_eq(ident_check(IDENT_JOB, (struct span){&byte, 1}), any);
		ck_assert_int_eq(ident_check(IDENT_RUN, (struct span){&byte, 1}), any);
		ck_assert_int_eq(ident_check(IDENT_JOB_TYPE, (struct span){&byte, 1}), low);
		ck_assert_int_eq(ident_check(IDENT_ARTIFACT, (struct span){&byte, 1}), low);
	}
}
END_TEST

START_TEST(lengths_end_exactly_at_the_limit)
{
	static const size_t limits[IDENT_COUNT] = {160, 64, 160, 180};
	char text[4096];

	memset(text, 'a', sizeof(text));
	for (int i = 0; i < IDENT_COUNT; i++) {
		ck_assert(ident_check((enum ident)i, (struct span){text, limits[i]}));
		ck_assert(!ident_check((enum ident)i, (struct span){text, limits[i] + 1}));
		ck_assert(!ident_check((enum ident)i, (struct span){text, sizeof(text)}));
	}
}
END_TEST

static void *check_many(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		if (!ok(IDENT_JOB, "a-job") || ok(IDENT_JOB, "a job"))
			return arg;
	}
	return NULL;
}

START_TEST(threads_checking_at_once_do_not_disturb_each_other)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, check_many, threads), 0);
	for (int i = 0; i < 4; i++) {
		void *failed;
		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
}
END_TEST

static void becomes(struct span text, size_t max, const char *wanted)
{
	char out[65], again[65];

	size_t len = ident_sanitise(text, out, max);
	ck_assert_str_eq(out, wanted);
	ck_assert_uint_eq(len, strlen(out));
	ck_assert_uint_le(len, max);
	ident_sanitise((struct span){out, len}, again, max);
	ck_assert_str_eq(again, out);
}

/* re.sub(r"[^a-z0-9]+", "_", s.lower()).strip("_")[:max].strip("_") or "run" */
START_TEST(a_kind_becomes_what_the_python_class_made_of_it)
{
	becomes(SPAN("Backtest"), 64, "backtest");
	becomes(SPAN("  Mean--Reversion / v2!! "), 64, "mean_reversion_v2");
	becomes(SPAN("___"), 64, "run");
	becomes(SPAN(""), 64, "run");
	becomes((struct span){0}, 64, "run");
	becomes(SPAN("a\0b\n"), 64, "a_b");
	becomes(SPAN("Über Größe"), 64, "ber_gr_e");
	becomes(SPAN("\u0130stanbul"), 64, "i_stanbul");
	becomes(SPAN("x\u0130"), 64, "xi");
	becomes(SPAN("10\u212a"), 64, "10k");
	becomes(SPAN("\xe2\x84"), 64, "run");
	becomes(SPAN("\xc4"), 64, "run");
	becomes(SPAN("日本"), 64, "run");
	becomes(SPAN("abcdef"), 3, "abc");
	becomes(SPAN("abc def"), 4, "abc");
	becomes(SPAN("abc def"), 5, "abc_d");
	becomes(SPAN("\u0130x"), 3, "i_x");
	becomes(SPAN("ab\u0130x"), 3, "abi");
	becomes(SPAN("ab\u0130x"), 4, "abi");
}
END_TEST

START_TEST(a_sanitised_kind_of_any_bytes_is_a_valid_id)
{
	char text[200], out[IDENT_KIND_MAX + 1];
	unsigned state = 7;

	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)round % sizeof(text);
		for (size_t i = 0; i < len; i++) {
			state = state * 1103515245 + 12345;
			text[i] = (char)(state >> 16);
		}
		size_t got = ident_sanitise((struct span){text, len}, out, IDENT_KIND_MAX);
		ck_assert_msg(ident_check(IDENT_JOB_TYPE, (struct span){out, got}), "%s", out);
		ck_assert(out[0] != '_' && out[got - 1] != '_' && !strstr(out, "__"));
	}
}
END_TEST

START_TEST(made_ids_are_well_formed_and_never_the_same)
{
	char uuid[37], last[37] = "", hex[130];

	for (int i = 0; i < 1000; i++) {
		ident_uuid4(uuid);
		ck_assert_uint_eq(strlen(uuid), 36);
		ck_assert(ok(IDENT_JOB, uuid));
		ck_assert(uuid[8] == '-' && uuid[13] == '-' && uuid[14] == '4' && uuid[18] == '-' && uuid[23] == '-');
		ck_assert_ptr_nonnull(strchr("89ab", uuid[19]));
		ck_assert_str_ne(uuid, last);
		memcpy(last, uuid, sizeof(last));
	}
	for (size_t digits = 0; digits < sizeof(hex); digits++) {
		ident_hex(hex, digits);
		ck_assert_uint_eq(strlen(hex), digits);
		ck_assert_uint_eq(strspn(hex, "0123456789abcdef"), digits);
	}
}
END_TEST

START_TEST(every_hex_digit_of_an_id_is_random)
{
	char hex[81];
	bool seen[80][16] = {{false}};

	for (int i = 0; i < 1000; i++) {
		ident_hex(hex, 80);
		for (int j = 0; j < 80; j++)
			seen[j][strchr("0123456789abcdef", hex[j]) - (char *)strchr("0123456789abcdef", '0')] = true;
	}
	for (int j = 0; j < 80; j++)
		for (int c = 0; c < 16; c++)
			ck_assert(seen[j][c]);
}
END_TEST

START_TEST(starting_and_stopping_twice_is_harmless)
{
	ident_init();
	ident_init();
	ck_assert(ok(IDENT_JOB, "a"));
	ident_init();
	ck_assert(ok(IDENT_JOB, "a"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ident");
	TCase *tests = tcase_create("ident");

	tcase_add_checked_fixture(tests, ident_init, NULL);
	tcase_add_test(tests, ids_that_people_use_are_accepted);
	tcase_add_test(tests, nothing_that_could_leave_a_directory_or_split_a_line_passes);
	tcase_add_test(tests, every_single_byte_is_judged_as_the_pattern_reads);
	tcase_add_test(tests, lengths_end_exactly_at_the_limit);
	tcase_add_test(tests, threads_checking_at_once_do_not_disturb_each_other);
	tcase_add_test(tests, a_kind_becomes_what_the_python_class_made_of_it);
	tcase_add_test(tests, a_sanitised_kind_of_any_bytes_is_a_valid_id);
	tcase_add_test(tests, made_ids_are_well_formed_and_never_the_same);
	tcase_add_test(tests, every_hex_digit_of_an_id_is_random);
	tcase_add_test(tests, starting_and_stopping_twice_is_harmless);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
