#include "daemon/spares.h"
#include "tests/unit/faulty_disk.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"
#include <errno.h>

static struct scratch scratch;
static struct faulty_disk faulty;
static struct disk_dir dir;
static struct spares *spares;

static void setup(void)
{
	scratch_make(&scratch);
	faulty_disk_init(&faulty);
	ck_assert(disk_dir_open(&faulty.disk, &dir, AT_FDCWD, scratch.path, "journal", false, 0));
	spares = malloc(sizeof *spares);
	spares_init(spares, &faulty.disk);
}

static void teardown(void)
{
	spares_done(spares);
	free(spares);
	disk_dir_close(&faulty.disk, &dir);
	faulty_disk_done(&faulty);
	scratch_remove(&scratch);
}

static void make(const char *name, size_t size)
{
	char path[384];
	scratch_path(&scratch, name, path, sizeof path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	close(fd);
}

static void give(const char *name, size_t size)
{
	struct disk_error e;
	make(name, size);
	ck_assert(spares_give(spares, &dir, name, size, &e));
}

static bool take(size_t size)
{
	char name[SPARE_NAME_LEN + 1], path[384];
	if (!spares_take(spares, size, name))
		return false;
	ck_assert(disk_is_tmp(name));
	scratch_path(&scratch, name, path, sizeof path);
	ck_assert_int_eq(access(path, F_OK), 0);
	return true;
}

static bool is_there(const char *name)
{
	char path[384];
	scratch_path(&scratch, name, path, sizeof path);
	return access(path, F_OK) == 0;
}

static uint64_t held(void)
{
	uint64_t count, bytes;
	spares_show(spares, &count, &bytes);
	ck_assert_uint_eq(scratch_count(&scratch, ".", disk_is_tmp), count);
	return count;
}

START_TEST(a_segment_is_padded_by_more_than_the_documents_say)
{
	for (uint64_t content = 1; content <= SPARES_FILE_MAX; content++) {
		uint64_t size = spares_size(content), padding = size - content;
		ck_assert_uint_le(content, size);
		ck_assert_uint_le(padding, content / 8 > 511 ? content / 8 : 511);
		ck_assert_uint_eq(size % 512, 0);
		ck_assert_uint_eq(spares_size(size), size);
	}
	ck_assert_uint_eq(spares_size(SPARES_FILE_MAX), SPARES_FILE_MAX);
	ck_assert_uint_eq(spares_size(SPARES_FILE_MAX + 1), SPARES_FILE_MAX + 1);
}
END_TEST

START_TEST(a_segment_is_written_over_before_its_new_name_is_durable)
{
	uint64_t before = spares_mark(spares);
	give("1.json", 1024);
	ck_assert(!is_there("1.json"));
	ck_assert(!take(1024));
	spares_settle(spares, before); /* of a fsync that began before the rename */
	ck_assert(!take(1024));
	uint64_t mark = spares_mark(spares);
	give("2.json", 1024);
	spares_settle(spares, mark);
	ck_assert(take(1024));
	ck_assert(!take(1024)); /* the second one is not durable yet */
	spares_settle(spares, spares_mark(spares));
	ck_assert(take(1024));
	ck_assert_uint_eq(spares->count, 0);
}
END_TEST

START_TEST(a_commit_gets_a_file_of_another_size)
{
	give("1.json", 1024);
	give("2.json", 2048);
	spares_settle(spares, spares_mark(spares));
	ck_assert(!take(512) && !take(1536));
	ck_assert(take(2048) && take(1024));
}
END_TEST

START_TEST(what_a_failed_fsync_may_have_lost_is_written_over)
{
	give("1.json", 1024);
	uint64_t mark = spares_mark(spares);
	give("2.json", 1024);
	spares_clear(spares, &dir);
	ck_assert_uint_eq(held(), 0);
	spares_settle(spares, mark);
	ck_assert(!take(1024));
	give("3.json", 1024);
	ck_assert(!take(1024));
	spares_settle(spares, spares_mark(spares));
	ck_assert(take(1024));
}
END_TEST

static int clear_on_rename(void *context, int from_dir, const char *from, const char *to)
{
	(void)context;
	int got = disk_system.renameat(NULL, from_dir, from, to);
	spares_clear(spares, &dir);
	return got;
}

/* The fsync that failed may have been after the rename, but before it was noted. */
START_TEST(what_is_renamed_while_an_fsync_fails_is_written_over)
{
	struct disk_ops ops = disk_system;
	struct disk disk = {.ops = &ops};
	ops.renameat = clear_on_rename;
	spares->disk = &disk;
	give("1.json", 1024);
	spares_settle(spares, spares_mark(spares));
	ck_assert(!take(1024));
	ck_assert_uint_eq(held(), 0);
	ck_assert(!is_there("1.json"));
}
END_TEST

START_TEST(spares_fill_the_disk)
{
	char name[32];
	for (unsigned i = 0; i < SPARES_MAX + 100; i++) {
		snprintf(name, sizeof name, "%u.json", i);
		give(name, i < 50 ? 512 : 1024);
	}
	ck_assert_uint_eq(held(), SPARES_MAX);
	spares_settle(spares, spares_mark(spares));
	ck_assert(!take(512)); /* the oldest went */
	spares_clear(spares, &dir);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "%u.json", i);
		give(name, SPARES_FILE_MAX);
	}
	ck_assert_uint_eq(held(), SPARES_BYTES_MAX / SPARES_FILE_MAX);
	spares_clear(spares, &dir);
	ck_assert_uint_eq(held(), 0);
	ck_assert_uint_eq(scratch_count(&scratch, ".", NULL), 0);
}
END_TEST

START_TEST(files_that_no_commit_would_take_are_kept)
{
	give("1.json", 1000);
	give("2.json", SPARES_FILE_MAX + 512);
	give("3.json", 0);
	ck_assert_uint_eq(scratch_count(&scratch, ".", NULL), 0);
	ck_assert_uint_eq(spares->count, 0);
}
END_TEST

/* As commits of this size do that find none. */
static void miss(uint64_t size, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		ck_assert(!take(size));
}

START_TEST(the_first_commits_after_a_start_wait_for_new_files)
{
	miss(1024, 1);
	ck_assert(!spares_are_wanted(spares)); /* it may have been the only one */
	miss(1024, 1);
	ck_assert(spares_are_wanted(spares));
	ck_assert_uint_eq(spares_lay(spares, &dir), 2 * 1024);
	ck_assert(!spares_are_wanted(spares));
	ck_assert_uint_eq(held(), 2);
	spares_settle(spares, spares_mark(spares));
	ck_assert(take(1024) && take(1024));
	for (unsigned i = 4; i <= SPARES_LAY_MAX; i *= 2) {
		miss(1024, 1);
		ck_assert_uint_eq(spares_lay(spares, &dir), i * 1024);
		spares_settle(spares, spares_mark(spares));
		for (unsigned k = 0; k < i; k++)
			ck_assert(take(1024));
	}
	miss(1024, 1);
	ck_assert_uint_eq(spares_lay(spares, &dir), SPARES_LAY_MAX * 1024);
}
END_TEST

START_TEST(a_file_made_in_advance_is_of_a_size_that_a_commit_refuses)
{
	uint64_t sizes = 0, last = 0;
	for (uint64_t content = 1; content <= SPARES_FILE_MAX; content += 300) {
		uint64_t size = spares_size(content);
		sizes += size != last;
		last = size;
		spares->laid = 0;
		miss(size, 2);
		uint64_t laid = spares_lay(spares, &dir);
		ck_assert_uint_ge(laid, size);
		spares_settle(spares, spares_mark(spares));
		for (; laid > 0; laid -= size) {
			struct disk_file f;
			char name[SPARE_NAME_LEN + 1];
			ck_assert(spares_take(spares, size, name));
			ck_assert(disk_reuse(&faulty.disk, &f, &dir, "1.json", name, size, dir.files, NULL));
			disk_abort(&f);
		}
	}
	ck_assert_uint_eq(sizes, SPARES_SIZES - 1);
	ck_assert_uint_eq(scratch_count(&scratch, ".", NULL), 0);
}
END_TEST

START_TEST(files_made_in_advance_fill_the_disk)
{
	uint64_t all = 0;
	for (unsigned i = 0; i < 1000; i++) {
		miss(65536, 2);
		uint64_t laid = spares_lay(spares, &dir);
		ck_assert_uint_le(laid, SPARES_LAY_BYTES);
		all += laid;
	}
	ck_assert_uint_eq(all, SPARES_BYTES_MAX);
	spares_clear(spares, &dir);
	spares->laid = 0;
	for (miss(512, 2); spares_are_wanted(spares); miss(512, 1))
		spares_lay(spares, &dir);
	ck_assert_uint_eq(held(), SPARES_LAID_MAX);
}
END_TEST

START_TEST(a_nearly_full_disk_is_filled_for_commits_to_come)
{
	faulty.room = SPARES_BYTES_MAX - 1;
	miss(1024, 2);
	ck_assert_uint_eq(spares_lay(spares, &dir), 0);
	faulty.room = 0;
	miss(1024, 2);
	ck_assert(!spares_are_wanted(spares));
	ck_assert_uint_eq(scratch_count(&scratch, ".", NULL), 0);
}
END_TEST

START_TEST(a_file_that_could_not_be_made_is_left_half_done)
{
	static const enum faulty_call calls[] = {FAULTY_OPENAT, FAULTY_FCHMOD, FAULTY_WRITEV};
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		spares->laid = 0;
		miss(1024, 2);
		faulty_disk_fail(&faulty, (struct faulty_plan){.call = calls[i], .nth = 1, .number = ENOSPC});
		ck_assert_uint_eq(spares_lay(spares, &dir), 0);
		faulty_disk_forget(&faulty);
		ck_assert_uint_eq(held(), 0);
		miss(1024, 2);
		ck_assert(!spares_are_wanted(spares));
	}
}
END_TEST

static ssize_t clear_on_write(void *context, int fd, const struct iovec *parts, int count)
{
	(void)context;
	spares_clear(spares, &dir);
	return disk_system.writev(NULL, fd, parts, count);
}

START_TEST(what_is_made_while_an_fsync_fails_is_written_over)
{
	struct disk_ops ops = disk_system;
	struct disk disk = {.ops = &ops};
	ops.writev = clear_on_write;
	spares->disk = &disk;
	miss(1024, 2);
	spares_lay(spares, &dir);
	ck_assert_uint_eq(held(), 0);
}
END_TEST

/* Somebody removed the lock of the one, and started the other. */
START_TEST(a_daemon_takes_the_spare_files_of_another_one)
{
	struct spares *other = malloc(sizeof *other);
	char name[SPARE_NAME_LEN + 1], path[384];
	struct disk_error e;
	spares_init(other, &faulty.disk);
	make("2.json", 512);
	ck_assert(spares_give(other, &dir, "2.json", 512, &e));
	give("1.json", 512);
	ck_assert_uint_eq(scratch_count(&scratch, ".", disk_is_tmp), 2);
	spares_settle(spares, spares_mark(spares));
	ck_assert(take(512));
	spares_settle(other, spares_mark(other));
	ck_assert(spares_take(other, 512, name));
	scratch_path(&scratch, name, path, sizeof path);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_uint_eq(scratch_count(&scratch, ".", disk_is_tmp), 1);
	spares_done(other);
	free(other);
}
END_TEST

START_TEST(a_segment_stays_because_it_cannot_be_renamed)
{
	struct disk_error e;
	for (int done = 0; done < 2; done++) {
		make("1.json", 512);
		faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_RENAMEAT, .nth = 1, .number = EIO,
		                                               .done = done});
		ck_assert(spares_give(spares, &dir, "1.json", 512, &e));
		ck_assert_uint_eq(scratch_count(&scratch, ".", NULL), 0);
		ck_assert_uint_eq(spares->count, 0);
	}
	ck_assert(spares_give(spares, &dir, "gone.json", 512, &e));
	ck_assert_uint_eq(spares->count, 0);
	make("1.json", 512);
	faulty_disk_fail(&faulty, (struct faulty_plan){.nth = 1, .sticky = true, .number = EROFS});
	ck_assert(!spares_give(spares, &dir, "1.json", 512, &e));
	ck_assert_int_eq(e.number, EROFS);
	ck_assert(is_there("1.json"));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("spares");
	TCase *c = tcase_create("spares");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, a_segment_is_padded_by_more_than_the_documents_say);
	tcase_add_test(c, a_segment_is_written_over_before_its_new_name_is_durable);
	tcase_add_test(c, a_commit_gets_a_file_of_another_size);
	tcase_add_test(c, what_a_failed_fsync_may_have_lost_is_written_over);
	tcase_add_test(c, what_is_renamed_while_an_fsync_fails_is_written_over);
	tcase_add_test(c, spares_fill_the_disk);
	tcase_add_test(c, files_that_no_commit_would_take_are_kept);
	tcase_add_test(c, the_first_commits_after_a_start_wait_for_new_files);
	tcase_add_test(c, a_file_made_in_advance_is_of_a_size_that_a_commit_refuses);
	tcase_add_test(c, files_made_in_advance_fill_the_disk);
	tcase_add_test(c, a_nearly_full_disk_is_filled_for_commits_to_come);
	tcase_add_test(c, a_file_that_could_not_be_made_is_left_half_done);
	tcase_add_test(c, what_is_made_while_an_fsync_fails_is_written_over);
	tcase_add_test(c, a_daemon_takes_the_spare_files_of_another_one);
	tcase_add_test(c, a_segment_stays_because_it_cannot_be_renamed);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return unit_run(suite());
}
