#include "daemon/budget.h"
#include "tests/unit/unit.h"

enum { MB = 1 << 20 };

START_TEST(a_table_is_folded_before_its_commits_have_paid_for_it)
{
	struct budget b = {0};
	budget_commit(&b, (uint64_t[TABLE_COUNT]){BUDGET_FLOOR - 1, 5 * MB, 0});
	ck_assert(!budget_covers(&b, TABLE_JOBS, 0));
	budget_commit(&b, (uint64_t[TABLE_COUNT]){1, 0, 0});
	ck_assert(budget_covers(&b, TABLE_JOBS, 3 * BUDGET_FLOOR));
	ck_assert(!budget_covers(&b, TABLE_JOBS, 3 * BUDGET_FLOOR + 1));
	budget_charge(&b, (uint64_t[TABLE_COUNT]){MB, 0, 0});
	ck_assert(!budget_covers(&b, TABLE_JOBS, 3 * BUDGET_FLOOR));
	ck_assert(!budget_covers(&b, TABLE_RUNS, 0));
}
END_TEST

START_TEST(what_is_committed_during_a_fold_is_forgotten_or_a_failed_fold_is_free)
{
	struct budget b = {0};
	budget_commit(&b, (uint64_t[TABLE_COUNT]){20 * MB, 0, 0});
	budget_take(&b, TABLE_JOBS);
	ck_assert(!budget_covers(&b, TABLE_JOBS, 0));
	budget_commit(&b, (uint64_t[TABLE_COUNT]){2 * MB, 0, 0});
	budget_give_back(&b, TABLE_JOBS, 10 * MB);
	ck_assert_uint_eq(b.open[TABLE_JOBS].committed, 22 * MB);
	ck_assert_uint_eq(b.open[TABLE_JOBS].written, 32 * MB);
	budget_take(&b, TABLE_JOBS);
	budget_spend(&b, 30 * MB);
	ck_assert_uint_eq(b.open[TABLE_JOBS].committed, 0);
	ck_assert_uint_eq(b.spare, (22 * 4 - 32 - 30) * MB);
	ck_assert(!budget_spare(&b, b.spare + 1));
	ck_assert(budget_spare(&b, 20 * MB));
	ck_assert_uint_eq(b.spare, 6 * MB);
	budget_take(&b, TABLE_JOBS);
	budget_spend(&b, 100 * MB); /* an idle store's: it owes nothing, it earns nothing */
	ck_assert_uint_eq(b.spare, 6 * MB);
}
END_TEST

START_TEST(bytes_get_lost_when_they_are_shared_out)
{
	uint64_t share[TABLE_COUNT];
	budget_part(100, (uint64_t[TABLE_COUNT]){1, 1, 1}, share);
	ck_assert_uint_eq(share[0] + share[1] + share[2], 100);
	budget_part(100, (uint64_t[TABLE_COUNT]){0, 7, 0}, share);
	ck_assert_uint_eq(share[1], 100);
	budget_part(100, (uint64_t[TABLE_COUNT]){0}, share);
	ck_assert_uint_eq(share[0], 100);
	budget_part(UINT64_MAX / 2, (uint64_t[TABLE_COUNT]){UINT64_MAX / 4, UINT64_MAX / 4, 0}, share);
	ck_assert_uint_eq(share[0] + share[1], UINT64_MAX / 2);
	ck_assert_uint_eq(share[2], 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("budget");
	TCase *c = tcase_create("budget");
	tcase_add_test(c, a_table_is_folded_before_its_commits_have_paid_for_it);
	tcase_add_test(c, what_is_committed_during_a_fold_is_forgotten_or_a_failed_fold_is_free);
	tcase_add_test(c, bytes_get_lost_when_they_are_shared_out);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return unit_run(suite());
}
