#include "daemon/members.h"
#include "tests/unit/records.h"
#include <time.h>

static void overlay_is(const char *base, const char *over, const char *expected, const char *first_new)
{
	CLEAN out = {0};
	struct span added = members_overlay(&out, span_of(base), span_of(over));
	records_expect(&out, expected);
	ck_assert_int_eq(added.at != NULL, first_new != NULL);
	if (first_new)
		ck_assert(span_is(added, span_of(first_new)));
}

START_TEST(merged_keys_keep_their_place_and_new_ones_come_last)
{
	overlay_is("{}", "{}", "{}", NULL);
	overlay_is("{\"a\":1}", "{}", "{\"a\":1}", NULL);
	overlay_is("{}", "{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2}", "a");
	overlay_is("{\"a\":1,\"b\":2,\"c\":3}", "{\"c\":{},\"x\":9,\"a\":null}", "{\"a\":null,\"b\":2,\"c\":{},\"x\":9}", "x");
	overlay_is("{\"\":1,\"\\\"\":2}", "{\"\\\"\":3,\"\":4}", "{\"\":4,\"\\\"\":3}", NULL);
}
END_TEST

/* {"k<step·0>":v,…}, in the order of i·step mod count */
static void many(struct buf *out, unsigned count, unsigned step, unsigned value)
{
	buf_char(out, '{');
	for (unsigned i = 0; i < count; i++)
		buf_printf(out, "%s\"k%u\":%u", i ? "," : "", (unsigned)((uint64_t)i * step % count), value);
	buf_char(out, '}');
}

START_TEST(merging_many_keys_in_any_order_replaces_each_once)
{
	CLEAN base = {0}, over = {0}, expected = {0}, out = {0};
	for (unsigned count = 1; count < 200; count += 11) {
		base.len = over.len = expected.len = out.len = 0;
		many(&base, count, 1, 1);
		many(&over, count, count - 1, 2); /* the other way round: 0, n-1, n-2, … */
		many(&expected, count, 1, 2);
		members_overlay(&out, buf_as_span(&base), buf_as_span(&over));
		ck_assert(span_is(buf_as_span(&out), buf_as_span(&expected)));
	}
}
END_TEST

START_TEST(a_client_cannot_stall_the_loop_with_a_hundred_thousand_keys)
{
	CLEAN base = {0}, over = {0}, out = {0};
	many(&base, 100003, 1, 1);
	many(&over, 100003, 70001, 2);
	clock_t start = clock();
	members_overlay(&out, buf_as_span(&base), buf_as_span(&over));
	ck_assert_uint_eq(out.len, base.len);
	ck_assert_double_lt((double)(clock() - start) / CLOCKS_PER_SEC, 2.0); /* quadratic: minutes */
}
END_TEST

START_TEST(fields_are_found_in_any_order_and_whatever_escapes_their_names_have)
{
	struct members m;
	ck_assert(members_read(TABLE_JOBS, SPAN("{\"status\":1,\"x\":2,\"\\u0069d\":3,\"\":4,\"ids\":5}"), NULL, &m));
	ck_assert(span_is(m.value[JOB_STATUS], SPAN("1")));
	ck_assert(span_is(m.value[JOB_ID], SPAN("3")));
	ck_assert_ptr_null(m.value[JOB_TYPE].at);
	CLEAN out = {0};
	members_put_unknown(&out, TABLE_JOBS, &m);
	records_expect(&out, ",\"x\":2,\"\":4,\"ids\":5");
}
END_TEST

START_TEST(what_is_no_object_has_no_members)
{
	static const char *const texts[] = {"", "[]", "1", "\"id\"", "{", "{\"id\"", "{\"id\":", "{\"id\":1", "{\"id\":1,", "{\"id\" 1}", NULL};
	struct members m;
	for (int i = 0; texts[i]; i++)
		ck_assert_msg(!members_read(TABLE_JOBS, span_of(texts[i]), NULL, &m), "%s", texts[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("members");
	TCase *tests = tcase_create("members");
	tcase_add_test(tests, merged_keys_keep_their_place_and_new_ones_come_last);
	tcase_add_test(tests, merging_many_keys_in_any_order_replaces_each_once);
	tcase_add_test(tests, a_client_cannot_stall_the_loop_with_a_hundred_thousand_keys);
	tcase_add_test(tests, fields_are_found_in_any_order_and_whatever_escapes_their_names_have);
	tcase_add_test(tests, what_is_no_object_has_no_members);
	suite_add_tcase(suite, tests);
	return unit_run(suite);
}
