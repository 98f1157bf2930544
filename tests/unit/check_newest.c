#include "daemon/newest.h"
#include "tests/unit/unit.h"

static struct newest n;

static void setup(void)
{
	newest_init(&n);
}

static void teardown(void)
{
	newest_done(&n);
}

static void see(const char *text, uint64_t revision, bool certain)
{
	newest_see(&n, TABLE_JOBS, SPAN("a"), text ? span_of(text) : (struct span){0}, revision, certain, 0);
}

static void expect(const char *text, uint64_t revision, bool certain)
{
	const struct newest_version *v = newest_find(&n, TABLE_JOBS, SPAN("a"));
	ck_assert_ptr_nonnull(v);
	ck_assert_uint_eq(v->revision, revision);
	ck_assert_int_eq(v->certain, certain);
	ck_assert(text ? v->text.at && span_is(v->text, span_of(text)) : !v->text.at);
}

START_TEST(the_highest_revision_wins_whatever_the_order)
{
	see("two", 2, true);
	see("one", 1, true);
	expect("two", 2, true);
	see("three", 3, false);
	expect("three", 3, false);
	ck_assert_ptr_null(newest_find(&n, TABLE_RUNS, SPAN("a")));
	ck_assert_ptr_null(newest_find(&n, TABLE_JOBS, SPAN("b")));
	ck_assert_uint_eq(newest_count(&n, TABLE_JOBS), 1);
}
END_TEST

START_TEST(a_deletion_beats_what_is_up_to_its_commit_and_no_later_record)
{
	see(NULL, 5, true);
	see("four", 4, true);
	expect(NULL, 5, true);
	see("five", 5, true);
	expect(NULL, 5, true);
	see("six", 6, true);
	expect("six", 6, true);
	see(NULL, 6, true);
	expect(NULL, 6, true);
}
END_TEST

START_TEST(of_one_revision_the_first_stays_unless_only_the_second_is_certain)
{
	see("first", 1, false);
	see("second", 1, false);
	expect("first", 1, false);
	see("certain", 1, true);
	expect("certain", 1, true);
	see("another", 1, true);
	expect("certain", 1, true);
	newest_drop(newest_find(&n, TABLE_JOBS, SPAN("a")));
	expect(NULL, 1, true);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("newest");
	TCase *all = tcase_create("newest");
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, the_highest_revision_wins_whatever_the_order);
	tcase_add_test(all, a_deletion_beats_what_is_up_to_its_commit_and_no_later_record);
	tcase_add_test(all, of_one_revision_the_first_stays_unless_only_the_second_is_certain);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
