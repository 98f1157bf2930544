#include "tests/bench/histogram.h"
#include "tests/bench/reply.h"
#include "tests/unit/unit.h"
#include <stdio.h>
#include <string.h>

/* What a scanner makes of bytes that come `step` at a time: "5+ 6- " for a good reply with id 5 and a bad one. */
static const char *heard(enum reply_framing framing, const char *bytes, size_t len, size_t step)
{
	static char said[400];
	struct reply_scanner s = {.framing = framing};
	struct reply r;
	size_t end = 0;
	said[0] = '\0';
	for (size_t from = 0; from < len; from += step) {
		const char *at = bytes + from, *stop = bytes + (from + step < len ? from + step : len);
		while (reply_next(&s, &at, stop, &r))
			end += (size_t)sprintf(said + end, "%lld%c ", (long long)r.id, r.good ? '+' : '-');
		ck_assert_ptr_eq(at, stop);
	}
	return said;
}

static void hear(enum reply_framing framing, const char *bytes, const char *expected)
{
	size_t len = strlen(bytes);
	for (size_t step = 1; step <= len; step++)
		ck_assert_str_eq(heard(framing, bytes, len, step), expected);
}

START_TEST(a_reply_counts_once_however_it_is_cut_into_reads)
{
	hear(REPLY_LINES,
	     "{\"jsonrpc\":\"2.0\",\"result\":{\"a\":\"id\\\":7\"},\"id\":12345}\n"
	     "{\"jsonrpc\":\"2.0\",\"result\":[],\"id\":0}\n",
	     "12345+ 0+ ");
	hear(REPLY_RESP, "+OK\r\n:17\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n*2\r\n$1\r\nx\r\n*1\r\n:4\r\n*0\r\n", "-1+ -1+ -1+ -1+ -1+ -1+ ");
	hear(REPLY_OBJECTS, "{\"id\":1,\"result\":[{\"a\":\"}{\\\"\"}],\"error\":null}{\"id\":2,\"error\":null}\n", "-1+ -1+ ");
}
END_TEST

START_TEST(a_run_of_errors_does_not_pass_for_a_fast_server)
{
	hear(REPLY_LINES, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32001},\"id\":3}\n{\"jsonrpc\":\"2.0\",\"result\":1,\"id\":4}\n",
	     "3- 4+ ");
	hear(REPLY_LINES, "nonsense\n\n", "-1- -1- ");
	hear(REPLY_RESP, "-ERR no\r\n+OK\r\n", "-1- -1+ ");
	hear(REPLY_RESP, "*2\r\n+OK\r\n-ERR no\r\n+OK\r\n", "-1- -1+ ");
	hear(REPLY_OBJECTS, "{\"id\":1,\"result\":[{\"error\":\"no\"}],\"error\":null}{\"error\":null}", "-1- -1+ ");
	hear(REPLY_OBJECTS, "{\"error\":{\"a\":1}}{\"text\":\"\\\"error\\\":{\"}", "-1- -1+ ");
}
END_TEST

START_TEST(a_get_that_finds_nothing_is_not_a_fast_get)
{
	hear(REPLY_RESP, "$-1\r\n*2\r\n$1\r\nx\r\n$-1\r\n$1\r\ny\r\n", "-1- -1- -1+ ");
}
END_TEST

START_TEST(the_message_shows_how_the_bad_reply_began)
{
	static const char bytes[] = "+OK\r\n-ERR wrong\r\n";
	struct reply_scanner s = {.framing = REPLY_RESP};
	const char *at = bytes;
	struct reply r;
	ck_assert(reply_next(&s, &at, bytes + sizeof bytes - 1, &r) && r.good);
	ck_assert(reply_next(&s, &at, bytes + sizeof bytes - 1, &r) && !r.good);
	ck_assert_str_eq(reply_beginning(&s), "-ERR wrong  ");
}
END_TEST

START_TEST(a_quantile_is_within_a_few_percent_of_the_truth)
{
	static struct histogram h;
	for (uint64_t ns = 1; ns <= 1000000; ns++)
		histogram_add(&h, ns, 1);
	ck_assert_double_eq_tol((double)histogram_at(&h, 500), 500000, 500000 * 0.016);
	ck_assert_double_eq_tol((double)histogram_at(&h, 990), 990000, 990000 * 0.016);
	ck_assert_double_eq_tol((double)histogram_at(&h, 999), 999000, 999000 * 0.016);
	ck_assert_uint_eq(h.max, 1000000);
	ck_assert_uint_eq(histogram_at(&h, 1000), 1000000);
}
END_TEST

START_TEST(the_longest_times_have_a_place_too)
{
	static struct histogram h;
	histogram_add(&h, UINT64_MAX, 1);
	histogram_add(&h, 0, 2);
	ck_assert_uint_eq(h.count, 3);
	ck_assert_uint_eq(histogram_at(&h, 0), 0);
	ck_assert_uint_gt(histogram_at(&h, 999), UINT64_C(1000000000000));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reply");
	TCase *tests = tcase_create("reply");

	tcase_add_test(tests, a_reply_counts_once_however_it_is_cut_into_reads);
	tcase_add_test(tests, a_run_of_errors_does_not_pass_for_a_fast_server);
	tcase_add_test(tests, a_get_that_finds_nothing_is_not_a_fast_get);
	tcase_add_test(tests, the_message_shows_how_the_bad_reply_began);
	tcase_add_test(tests, a_quantile_is_within_a_few_percent_of_the_truth);
	tcase_add_test(tests, the_longest_times_have_a_place_too);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
