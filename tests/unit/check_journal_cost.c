/* What the journal writes for what is committed, and how many files it leaves about: at most 4 bytes a byte,
 * whatever is committed in what order. No fsync, so that a few hundred thousand commits take seconds; budgets
 * are a sixteenth of the real ones where that is said. */
#include "tests/unit/keeper.h"

enum { SLACK = 2 << 20 };

static struct keeper *k;
static unsigned most_segments;

static void setup(void)
{
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	k = mem_zero(sizeof *k);
	keeper_make(k);
	most_segments = 0;
}

static void teardown(void)
{
	keeper_unmake(k);
	free(k);
}

static void start(bool scaled)
{
	if (scaled) {
		k->options.fold_floor = 1 << 20;
		k->options.merge_count = 64;
	}
	ck_assert(keeper_start(k));
}

static void commit(void)
{
	ck_assert_int_eq(keeper_commit(k), DISK_OK);
	keeper_clock++;
	uint64_t segments = keeper_stats(k).segments;
	if (segments > most_segments)
		most_segments = (unsigned)segments;
}

static void fill(enum table_id t, unsigned count, size_t padding)
{
	char id[16];
	for (unsigned i = 0; i < count; i++) {
		snprintf(id, sizeof id, "j%u", i);
		keeper_put(k, t, id, 0, padding);
		if (k->batch.change_count == 500)
			commit();
	}
	if (k->batch.change_count)
		commit();
	ck_assert(keeper_stop(k)); /* and folded, so that the measure begins with nothing owed */
	keeper_end(k);
	ck_assert(keeper_start(k));
}

static void save(enum table_id t, unsigned id, size_t padding)
{
	char name[16];
	static uint64_t value;
	snprintf(name, sizeof name, "j%u", id);
	keeper_put(k, t, name, ++value, padding);
	commit();
}

static void judge(const char *what, unsigned segments)
{
	struct journal_stats s = keeper_stats(k);
	fprintf(stderr,
	        "%-30s %7" PRIu64 " commits, %5.1f MB committed, %.2f written a byte, %4" PRIu64
	        " folds, %4" PRIu64 " merges, at most %u segments\n",
	        what, s.commits, (double)s.bytes_committed / 1e6,
	        (double)s.bytes_written / (double)s.bytes_committed, s.folds, s.merges, most_segments);
	ck_assert_msg(s.bytes_written <= 4 * s.bytes_committed + SLACK, "%" PRIu64 " written for %" PRIu64,
	              s.bytes_written, s.bytes_committed);
	ck_assert_uint_le(most_segments, segments);
	ck_assert_uint_eq(keeper_segments(k), s.segments);
	keeper_verify(k);
}

static unsigned any(unsigned below)
{
	static uint64_t state = 88172645463325252;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state % below);
}

START_TEST(single_saves_into_a_large_store_are_written_many_times)
{
	start(false);
	fill(TABLE_JOBS, 20000, 400);
	for (unsigned i = 0; i < 60000; i++)
		save(TABLE_JOBS, any(20000), 400);
	judge("single saves, 20k records", 2100);
	ck_assert_uint_ge(keeper_stats(k).folds, 1);
}
END_TEST

START_TEST(single_saves_into_a_store_far_larger_than_the_journal_are_written_many_times)
{
	start(true);
	fill(TABLE_JOBS, 20000, 1000);
	for (unsigned i = 0; i < 60000; i++)
		save(TABLE_JOBS, any(20000), 300);
	judge("single saves, large store", 64 * 3);
	ck_assert_uint_ge(keeper_stats(k).folds, 1);
}
END_TEST

START_TEST(full_speed_into_a_tiny_store_is_written_many_times)
{
	start(true);
	fill(TABLE_JOBS, 1000, 200);
	for (unsigned i = 0; i < 30000; i++)
		save(TABLE_JOBS, any(1000), 200);
	judge("full speed, 1k records", 64 * 3);
	ck_assert_uint_ge(keeper_stats(k).folds, 5);
}
END_TEST

START_TEST(deletions_are_written_many_times)
{
	char id[16];
	start(true);
	fill(TABLE_JOBS, 10000, 500);
	for (unsigned i = 0; i < 20000; i++)
		if (i % 2) {
			snprintf(id, sizeof id, "j%u", any(10000));
			keeper_delete(k, TABLE_JOBS, id);
			commit();
		} else {
			save(TABLE_JOBS, any(10000), 100);
		}
	judge("deletions", 64 * 3);
}
END_TEST

START_TEST(large_records_are_written_many_times)
{
	start(false);
	for (unsigned i = 0; i < 120; i++)
		save(TABLE_JOBS, i % 10, 3 << 20);
	judge("records of 3 MB", 120);
	ck_assert_uint_ge(keeper_stats(k).folds, 2);
}
END_TEST

START_TEST(records_of_all_sizes_in_all_tables_are_written_many_times)
{
	start(true);
	fill(TABLE_RUNS, 5000, 500);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned kind = any(1000);
		if (kind == 0)
			save(TABLE_RUNS, any(5000), 300000);
		else if (kind < 900)
			save(TABLE_JOBS, any(300), any(500));
		else
			save(kind % 2 ? TABLE_RUNS : TABLE_ARTIFACTS, any(5000), any(2000));
	}
	judge("all sizes, all tables", 64 * 4 + 50);
}
END_TEST

START_TEST(a_rarely_changed_large_table_keeps_all_segments_of_a_busy_one)
{
	uint64_t most = 0;
	start(false);
	fill(TABLE_RUNS, 20000, 4000);
	for (unsigned i = 0; i < 300; i++) {
		if (i % 50 == 0)
			save(TABLE_RUNS, any(20000), 4000);
		save(TABLE_JOBS, any(5), 2 << 20);
		if (keeper_stats(k).segment_bytes > most)
			most = keeper_stats(k).segment_bytes;
	}
	judge("a pinned chain", 100);
	ck_assert_uint_le(most, 160 << 20);
	ck_assert_uint_ge(keeper_stats(k).merges, 1);
}
END_TEST

START_TEST(a_restart_forgets_what_was_written_already)
{
	start(true);
	fill(TABLE_JOBS, 5000, 1000);
	uint64_t committed = 0, written = 0;
	for (unsigned i = 0; i < 40; i++) {
		for (unsigned n = 0; n < 500; n++)
			save(TABLE_JOBS, any(5000), 300);
		committed += keeper_stats(k).bytes_committed;
		written += keeper_stats(k).bytes_written;
		keeper_restart(k);
	}
	ck_assert_msg(written <= 4 * committed + SLACK, "%" PRIu64 " written for %" PRIu64, written, committed);
	ck_assert_uint_le(most_segments, 64 * 3);
	keeper_verify(k);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("journal cost");
	TCase *c = tcase_create("journal cost");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 300);
	tcase_add_test(c, single_saves_into_a_large_store_are_written_many_times);
	tcase_add_test(c, single_saves_into_a_store_far_larger_than_the_journal_are_written_many_times);
	tcase_add_test(c, full_speed_into_a_tiny_store_is_written_many_times);
	tcase_add_test(c, deletions_are_written_many_times);
	tcase_add_test(c, large_records_are_written_many_times);
	tcase_add_test(c, records_of_all_sizes_in_all_tables_are_written_many_times);
	tcase_add_test(c, a_rarely_changed_large_table_keeps_all_segments_of_a_busy_one);
	tcase_add_test(c, a_restart_forgets_what_was_written_already);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return unit_run(suite());
}
