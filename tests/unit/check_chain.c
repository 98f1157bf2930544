#include "daemon/chain.h"
#include "tests/unit/unit.h"

static struct chain chain;
static uint64_t settled[TABLE_COUNT], changed[TABLE_COUNT];

static void setup(void)
{
	chain = (struct chain){.merge_count = 4};
	memset(settled, 0, sizeof settled);
	memset(changed, 0, sizeof changed);
}

static void teardown(void) { chain_free(&chain); }

/* A commit of one revision that changes the tables of `tables`. */
static void add(uint8_t tables, uint64_t bytes)
{
	struct segment_head head = {.seq = chain.count ? chain_at(&chain, chain.count - 1)->seq + 1 : 1,
	                            .tables = tables};
	head.prev = head.seq - 1;
	head.first = head.last = head.seq;
	memcpy(head.changed, changed, sizeof changed);
	struct chain_link link = chain_link_of(&head, bytes);
	chain_add(&chain, &link);
	for (int t = 0; t < TABLE_COUNT; t++)
		if (tables >> t & 1)
			changed[t] = head.last;
}

enum { JOBS = 1 << TABLE_JOBS, RUNS = 1 << TABLE_RUNS };

START_TEST(a_segment_goes_that_a_table_still_needs)
{
	add(JOBS, 100);
	add(JOBS | RUNS, 100);
	add(JOBS, 100);
	add(RUNS, 100);
	ck_assert_uint_eq(chain_covered(&chain, changed, settled), 0);
	settled[TABLE_JOBS] = 3;
	ck_assert_uint_eq(chain_covered(&chain, changed, settled), 1);
	settled[TABLE_RUNS] = 2;
	ck_assert_uint_eq(chain_covered(&chain, changed, settled), 3);
	settled[TABLE_RUNS] = 4;
	ck_assert_uint_eq(chain_covered(&chain, changed, settled), 4);
	chain_drop(&chain, 3);
	ck_assert_uint_eq(chain.count, 1);
	ck_assert_uint_eq(chain.bytes, 100);
	ck_assert_uint_eq(chain_at(&chain, 0)->seq, 4);
}
END_TEST

START_TEST(a_long_chain_forgets_segments)
{
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 37; i++)
			add(JOBS, 10);
		chain_drop(&chain, 36);
	}
	ck_assert_uint_eq(chain.count, 50);
	ck_assert_uint_eq(chain.bytes, 500);
	for (size_t i = 1; i < chain.count; i++)
		ck_assert_uint_eq(chain_at(&chain, i)->seq, chain_at(&chain, i - 1)->seq + 1);
	ck_assert_uint_eq(chain_at(&chain, 49)->seq, 37 * 50);
}
END_TEST

static struct chain_run due(void)
{
	struct chain_run run;
	return chain_merge_due(&chain, settled, &run) ? run : (struct chain_run){0};
}

static void replace(struct chain_run run, uint64_t bytes)
{
	struct chain_link link = *chain_at(&chain, run.at + run.count - 1);
	link.prev = chain_at(&chain, run.at)->prev;
	link.first = chain_at(&chain, run.at)->first;
	link.bytes = link.share[TABLE_JOBS] = bytes;
	link.level = run.level;
	chain_replace(&chain, run, &link);
}

START_TEST(the_highest_segment_is_merged)
{
	for (int i = 0; i < 4; i++)
		add(JOBS, 100);
	ck_assert_uint_eq(due().count, 0);
	add(JOBS, 100);
	struct chain_run run = due();
	ck_assert_uint_eq(run.at, 0);
	ck_assert_uint_eq(run.count, 4);
	ck_assert_uint_eq(run.level, 1);
	replace(run, 300);
	ck_assert_uint_eq(chain.count, 2);
	ck_assert_uint_eq(chain.bytes, 400);
	ck_assert_uint_eq(chain_at(&chain, 0)->seq, 4);
	ck_assert_uint_eq(chain_at(&chain, 1)->seq, 5);
}
END_TEST

START_TEST(merged_segments_are_merged_again_with_each_new_one)
{
	unsigned merges = 0, rewritten = 0;
	for (int i = 0; i < 256; i++) {
		add(JOBS, 100);
		for (struct chain_run run; (run = due()).count > 0; merges++) {
			rewritten += (unsigned)run.count;
			replace(run, 100 * run.count);
		}
	}
	ck_assert_uint_le(chain.count, 4 * 4 + 1);
	ck_assert_uint_le(rewritten, 256 / 3 * 4);
	ck_assert_uint_gt(merges, 64);
}
END_TEST

START_TEST(large_segments_or_ones_with_something_between_them_are_merged)
{
	for (int i = 0; i < 6; i++) {
		add(JOBS, 100);
		add(JOBS, CHAIN_SMALL + 1);
	}
	ck_assert_uint_eq(due().count, 0);
	for (int i = 0; i < 3; i++)
		add(JOBS, 100);
	struct chain_run run = due();
	ck_assert_uint_eq(run.at, 12);
	ck_assert_uint_eq(run.count, 2);
}
END_TEST

START_TEST(segments_that_do_not_follow_each_other_are_merged)
{
	for (int i = 0; i < 3; i++)
		add(JOBS, 100);
	/* what was between is in a snapshot */
	struct segment_head head = {.seq = 9, .prev = 8, .first = 9, .last = 9, .tables = JOBS};
	struct chain_link link = chain_link_of(&head, 100);
	chain_add(&chain, &link);
	add(JOBS, 100);
	add(JOBS, 100);
	ck_assert_uint_eq(due().at, 0);
	ck_assert_uint_eq(due().count, 3);
}
END_TEST

START_TEST(a_merge_takes_more_than_memory_should_hold)
{
	chain.merge_count = 0;
	for (int i = 0; i < 1030; i++)
		add(JOBS, CHAIN_SMALL);
	ck_assert_uint_eq(due().count, CHAIN_MERGE_BYTES / CHAIN_SMALL);
}
END_TEST

START_TEST(what_snapshots_have_long_fills_the_disk_behind_one_small_change)
{
	chain.merge_count = 0;
	add(RUNS, 100);
	for (int i = 0; i < 10; i++)
		add(JOBS, CHAIN_DEAD_BYTES / 8);
	ck_assert_uint_eq(due().count, 0);
	settled[TABLE_JOBS] = 10;
	ck_assert_uint_eq(due().at, 0);
	ck_assert_uint_eq(due().count, 10);
	settled[TABLE_JOBS] = 5;
	ck_assert_uint_eq(due().count, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("chain");
	TCase *c = tcase_create("chain");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_segment_goes_that_a_table_still_needs);
	tcase_add_test(c, a_long_chain_forgets_segments);
	tcase_add_test(c, the_highest_segment_is_merged);
	tcase_add_test(c, merged_segments_are_merged_again_with_each_new_one);
	tcase_add_test(c, large_segments_or_ones_with_something_between_them_are_merged);
	tcase_add_test(c, segments_that_do_not_follow_each_other_are_merged);
	tcase_add_test(c, a_merge_takes_more_than_memory_should_hold);
	tcase_add_test(c, what_snapshots_have_long_fills_the_disk_behind_one_small_change);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return unit_run(suite());
}
