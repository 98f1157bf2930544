#include "daemon/fold.h"
#include "tests/unit/faulty_disk.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <time.h>

static struct scratch scratch;
static struct faulty_disk faulty;
static struct disk_dir state;
static struct flush flush;
static struct flush_job *job;
static struct fold fold;
static struct mark mark;
static size_t records, handed_out, slices, gap;
static bool paced, thawed, done;

static void submit(struct flush *f, struct flush_job *j)
{
	(void)f;
	ck_assert_ptr_null(job);
	job = j;
}

static bool slice(void *source, enum table_id t, struct span *texts, size_t max, size_t bytes_max, size_t *count)
{
	static char text[FOLD_ROWS][32];
	size_t n = 0;
	(void)source, (void)t, (void)bytes_max;
	ck_assert(!thawed && !job); /* nobody writes what the last slice handed out */
	for (; n < max && handed_out < records && !gap; n++, handed_out++) {
		snprintf(text[n], sizeof text[n], "{\"id\":\"%zu\"}", handed_out);
		texts[n] = span_of(text[n]);
	}
	slices++;
	*count = n;
	bool more = n > 0 || gap;
	gap -= gap > 0;
	return more;
}

static void thaw(void *source, enum table_id t)
{
	(void)source, (void)t;
	ck_assert(!thawed);
	thawed = true;
}

static bool is_paced(struct fold *f)
{
	(void)f;
	return paced;
}

static void on_done(struct fold *f)
{
	ck_assert_ptr_eq(f, &fold);
	ck_assert(thawed && !done);
	done = true;
}

static void setup(void)
{
	ident_init();
	scratch_make(&scratch);
	faulty_disk_init(&faulty);
	flush.submit = submit;
	records = handed_out = slices = gap = 0;
	paced = thawed = done = false;
	job = NULL;
	ck_assert(disk_dir_open(&faulty.disk, &state, AT_FDCWD, scratch.path, "state", false, 0));
	mark = mark_of(&faulty.disk, &state, "runs.json");
	fold = (struct fold){.flush = &flush, .disk = &faulty.disk, .state = &state, .table = TABLE_RUNS, .mark = &mark,
	                     .slice = slice, .thaw = thaw, .paced = is_paced,
	                     .done = on_done, .head = {.store = "01234567-89ab-4cde-8f01-23456789abcd",
	                                               .revision = 7}};
}

static void teardown(void)
{
	disk_dir_close(&faulty.disk, &state);
	faulty_disk_done(&faulty);
	scratch_remove(&scratch);
}

static void step(void)
{
	struct flush_job *now = job;
	job = NULL;
	now->work(now);
	now->done(now);
}

static void run(size_t count)
{
	records = fold.head.count = count;
	fold_start(&fold);
	while (job)
		step();
	ck_assert(done && thawed);
}

START_TEST(a_fold_is_not_whole)
{
	static const size_t counts[] = {0, 1, FOLD_ROWS - 1, FOLD_ROWS, FOLD_ROWS + 1, 3 * FOLD_ROWS};
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		struct buf text = {0};
		handed_out = slices = 0;
		gap = i % 4; /* slices that find nothing but removed records */
		done = thawed = false;
		run(counts[i]);
		ck_assert_int_eq(fold.result, DISK_OK);
		ck_assert_uint_eq(handed_out, counts[i]);
		ck_assert(scratch_read(&scratch, "runs.json", &text));
		ck_assert_uint_eq(fold.bytes, text.len);
		size_t rows = 0;
		for (const char *at = text.at; (at = strstr(at, "{\"id\":")); at++)
			rows++;
		ck_assert_uint_eq(rows, counts[i]);
		buf_free(&text);
	}
}
END_TEST

static char *other_name(void)
{
	static char name[300];
	snprintf(name, sizeof name, "%s/%s", scratch.path, fold.kept);
	return name;
}

static void write_by_hand(const char *text)
{
	char path[300];
	snprintf(path, sizeof path, "%s/runs.json", scratch.path);
	FILE *file = fopen(path, "w");
	fputs(text, file);
	fclose(file);
}

START_TEST(what_somebody_wrote_into_a_snapshot_is_written_over)
{
	char text[32] = "";
	run(3);
	ck_assert_int_eq(fold.found, MARK_SAME);
	write_by_hand("edited");
	handed_out = 0;
	thawed = done = false;
	fold.head.updated_at = 1763878800000123;
	run(2);
	ck_assert_int_eq(fold.result, DISK_OK);
	ck_assert_int_eq(fold.found, MARK_CHANGED);
	ck_assert_str_eq(fold.kept, "runs.json.edited-20251123T062000.000123");
	FILE *kept = fopen(other_name(), "r");
	ck_assert_ptr_nonnull(kept);
	ck_assert_ptr_nonnull(fgets(text, sizeof text, kept));
	fclose(kept);
	ck_assert_str_eq(text, "edited");
	handed_out = 0;
	thawed = done = false;
	run(2);
	ck_assert_int_eq(fold.found, MARK_SAME);
}
END_TEST

START_TEST(what_cannot_be_kept_is_written_over_by_the_next_fold)
{
	char text[32] = "", path[300];
	run(3);
	write_by_hand("edited");
	/* no room for a second name: there is one of it already */
	snprintf(path, sizeof path, "%s/runs.json.edited-20251123T062000.000123", scratch.path);
	fclose(fopen(path, "w"));
	fold.head.updated_at = 1763878800000123;
	for (int i = 0; i < 2; i++) {
		handed_out = 0;
		thawed = done = false;
		run(2);
		ck_assert_int_eq(fold.result, DISK_FAILED);
		ck_assert_int_eq(fold.error.number, EEXIST);
		ck_assert_int_eq(fold.found, MARK_SAME);
	}
	snprintf(path, sizeof path, "%s/runs.json", scratch.path);
	FILE *file = fopen(path, "r");
	ck_assert_ptr_nonnull(fgets(text, sizeof text, file));
	fclose(file);
	ck_assert_str_eq(text, "edited");
}
END_TEST

START_TEST(a_snapshot_that_somebody_removed_is_not_noticed)
{
	char path[300];
	run(3);
	snprintf(path, sizeof path, "%s/runs.json", scratch.path);
	ck_assert_int_eq(unlink(path), 0);
	handed_out = 0;
	thawed = done = false;
	run(3);
	ck_assert_int_eq(fold.found, MARK_REMOVED);
	ck_assert_int_eq(fold.result, DISK_OK);
}
END_TEST

START_TEST(a_fold_that_fails_leaves_a_file_or_a_frozen_table_behind)
{
	/* the second file that is opened is the old one, to see whether somebody has changed it: not vital */
	static const struct { enum faulty_call call; unsigned nth; bool vital; } faults[] = {
		{FAULTY_OPENAT, 1, true}, {FAULTY_OPENAT, 2, false}, {FAULTY_OPENAT, 3, true}, {FAULTY_WRITEV, 1, true},
		{FAULTY_WRITEV, 2, true}, {FAULTY_FSYNC, 1, true}, {FAULTY_FSYNC, 2, true}, {FAULTY_RENAMEAT, 1, true},
	};
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		handed_out = 0;
		done = thawed = false;
		faulty_disk_fail(&faulty, (struct faulty_plan){.call = faults[i].call, .nth = faults[i].nth, .number = ENOSPC});
		run(2 * FOLD_ROWS);
		ck_assert(faulty_disk_fired(&faulty));
		ck_assert_int_eq(fold.found, MARK_SAME);
		ck_assert_int_eq(fold.result != DISK_OK, faults[i].vital);
		if (faults[i].vital)
			ck_assert_int_eq(fold.error.number, ENOSPC);
		ck_assert_uint_eq(scratch_count(&scratch, ".", disk_is_tmp), 0);
	}
}
END_TEST

static uint64_t milliseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static long open_takes; /* milliseconds */

static int slow_openat(void *context, int dir, const char *name, int flags, mode_t mode)
{
	nanosleep(&(struct timespec){.tv_nsec = open_takes * 1000000}, NULL);
	return disk_system.openat(context, dir, name, flags, mode);
}

START_TEST(a_fold_leaves_others_no_room_or_rests_for_ever)
{
	static const struct {
		long open_takes, least, most;
		bool paced;
	} cases[] = {{50, 49, 2000, false}, {5, 19, 1000, true}, {50, 69, 1000, true}};
	struct disk_ops slow = disk_system;
	struct disk disk = {.ops = &slow};
	slow.openat = slow_openat;
	fold.disk = &disk;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		open_takes = cases[i].open_takes;
		paced = cases[i].paced;
		handed_out = 0;
		records = fold.head.count = 10;
		done = thawed = false;
		uint64_t begun = milliseconds();
		fold_start(&fold);
		step();
		uint64_t took = milliseconds() - begun;
		ck_assert_uint_ge(took, cases[i].least);
		ck_assert_uint_le(took, cases[i].most);
		while (job)
			step();
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("fold");
	TCase *c = tcase_create("fold");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_fold_is_not_whole);
	tcase_add_test(c, what_somebody_wrote_into_a_snapshot_is_written_over);
	tcase_add_test(c, what_cannot_be_kept_is_written_over_by_the_next_fold);
	tcase_add_test(c, a_snapshot_that_somebody_removed_is_not_noticed);
	tcase_add_test(c, a_fold_that_fails_leaves_a_file_or_a_frozen_table_behind);
	tcase_add_test(c, a_fold_leaves_others_no_room_or_rests_for_ever);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return unit_run(suite());
}
