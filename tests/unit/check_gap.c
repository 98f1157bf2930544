#include "daemon/gap.h"
#include "tests/unit/unit.h"
#include "proto/buf.h"

static struct buf told;

static void tell(void *context, enum table_id t, uint64_t first, uint64_t end)
{
	(void)context;
	ck_assert_int_eq(t, TABLE_JOBS);
	buf_printf(&told, "%d-%d ", (int)first, (int)end);
}

static struct gap_range range(uint64_t first, uint64_t last, uint64_t changed)
{
	return (struct gap_range){.head = {.first = first, .last = last, .changed = {changed, 0, 0}}};
}

static void expect(struct gap_range *ranges, size_t count, uint64_t revision, uint64_t last, const char *wanted)
{
	told.len = 0;
	gap_sort(ranges, count);
	gap_find(ranges, count, TABLE_JOBS, revision, last, tell, NULL);
	*buf_room(&told, 1) = '\0';
	ck_assert_str_eq(told.at, wanted);
}

static void teardown(void)
{
	buf_free(&told);
}

START_TEST(what_follows_without_a_gap_misses_nothing)
{
	struct gap_range r[] = {range(11, 15, 10), range(6, 10, 5), range(16, 20, 15)};
	expect(r, 3, 5, 20, "");
	expect(r, 3, 0, 0, "1-5 ");
	expect(r, 3, 12, 20, "");
	expect(NULL, 0, 7, 7, "");
	expect(NULL, 0, 0, 0, "");
}
END_TEST

START_TEST(a_gap_counts_where_the_table_was_changed_in_it)
{
	struct gap_range r[] = {range(6, 10, 5), range(16, 20, 12), range(26, 30, 20)};
	expect(r, 3, 5, 30, "11-12 ");
	expect(r, 3, 5, 33, "11-12 31-33 ");
	expect(r, 3, 13, 0, "");
}
END_TEST

START_TEST(what_a_merge_left_out_is_missed_where_the_snapshot_is_older)
{
	struct gap_range r[] = {range(1, 10, 0), range(11, 20, 10)};
	r[1].head.without[TABLE_JOBS] = 18;
	expect(r, 2, 18, 0, "");
	expect(r, 2, 9, 0, "11-18 ");
}
END_TEST

START_TEST(of_a_damaged_segment_only_what_may_have_changed_is_missed)
{
	struct gap_range r[] = {range(1, 10, 0), range(11, 20, 10), range(21, 25, 17)};
	r[1].hole = true;
	expect(r, 3, 0, 0, "11-17 ");
	r[2].head.changed[TABLE_JOBS] = 10;
	expect(r, 3, 0, 0, "");
	r[2].hole = true;
	expect(r, 3, 0, 0, "21-25 ");
	expect(r, 3, 25, 0, "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gap");
	TCase *all = tcase_create("gap");
	tcase_add_checked_fixture(all, NULL, teardown);
	tcase_add_test(all, what_follows_without_a_gap_misses_nothing);
	tcase_add_test(all, a_gap_counts_where_the_table_was_changed_in_it);
	tcase_add_test(all, what_a_merge_left_out_is_missed_where_the_snapshot_is_older);
	tcase_add_test(all, of_a_damaged_segment_only_what_may_have_changed_is_missed);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
