#include "tests/unit/faulty_disk.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"
#include <errno.h>

static struct scratch scratch;
static struct faulty_disk faulty;
static struct disk_dir dir;

static void setup(void)
{
	scratch_make(&scratch);
	faulty_disk_init(&faulty);
	ck_assert(disk_dir_open(&faulty.disk, &dir, AT_FDCWD, scratch.path, "/somewhere/state", false, 0));
	faulty_disk_forget(&faulty);
}

static void teardown(void)
{
	faulty_disk_fail(&faulty, (struct faulty_plan){0});
	disk_dir_close(&faulty.disk, &dir);
	faulty_disk_done(&faulty);
	scratch_remove(&scratch);
}

static enum disk_result put(const char *name, const char *text, struct disk_error *e)
{
	struct disk_file f;
	struct iovec part = {.iov_base = (void *)text, .iov_len = strlen(text)};
	if (!disk_begin(&faulty.disk, &f, &dir, name, 0640, e) || !disk_write(&f, &part, 1, e))
		return DISK_FAILED;
	return disk_finish(&f, true, e);
}

static void holds(const char *name, const char *text)
{
	struct buf got = {0};
	ck_assert_msg(scratch_read(&scratch, name, &got), "%s is missing", name);
	ck_assert_str_eq(got.at, text);
	buf_free(&got);
}

START_TEST(a_file_is_synced_renamed_and_its_directory_synced_in_this_order)
{
	struct disk_error e;
	ck_assert_int_eq(put("jobs.json", "hello", &e), DISK_OK);
	const char *base = strrchr(scratch.path, '/') + 1;
	char want[512];
	snprintf(want, sizeof want,
	         "openat jobs.json.*.tmp\nfchmod jobs.json.*.tmp\nwritev jobs.json.*.tmp\nfsync jobs.json.*.tmp\n"
	         "close "
	         "jobs.json.*.tmp\n"
	         "renameat jobs.json.*.tmp jobs.json\nfsync %s\nopenat jobs.json\nclose jobs.json\n",
	         base);
	ck_assert_str_eq(faulty_disk_log(&faulty), want);
	holds("jobs.json", "hello");
	ck_assert_uint_eq(faulty.disk.bytes_written, 5);
	ck_assert_uint_eq(scratch_count(&scratch, ".", NULL), 1);
}
END_TEST

START_TEST(a_fault_at_any_call_leaves_the_old_file_or_says_unknown)
{
	struct disk_error e;
	for (int done = 0; done < 2; done++)
		for (unsigned nth = 1;; nth++) {
			faulty_disk_fail(&faulty, (struct faulty_plan){0});
			ck_assert_int_eq(put("a.json", "old", &e), DISK_OK);
			faulty_disk_forget(&faulty);
			faulty_disk_fail(&faulty, (struct faulty_plan){.nth = nth, .number = EIO, .done = done});
			e = (struct disk_error){0};
			enum disk_result got = put("a.json", "new", &e);
			if (!faulty_disk_fired(&faulty))
				break;
			bool tried = faulty.calls[FAULTY_RENAMEAT] > 0;
			bool last_close = tried && faulty.calls[FAULTY_CLOSE] == 2;
			ck_assert_int_eq(got, last_close ? DISK_OK : tried ? DISK_UNKNOWN : DISK_FAILED);
			if (!tried)
				holds("a.json", "old");
			if (got != DISK_OK) {
				ck_assert_int_eq(e.number, EIO);
				ck_assert_uint_gt(strlen(e.what), 5);
			}
			/* Only an open that "failed" after making the file leaves one behind;
			 * the next start removes it. */
			ck_assert_uint_eq(scratch_count(&scratch, ".", disk_is_tmp),
			                  done && faulty.calls[FAULTY_ANY] == 1);
			scratch_empty(scratch.path, 0);
		}
}
END_TEST

START_TEST(after_a_failed_fsync_the_descriptor_is_never_synced_again)
{
	struct disk_error e;
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_FSYNC, .nth = 1, .number = EIO});
	ck_assert_int_eq(put("a.json", "new", &e), DISK_FAILED);
	ck_assert_uint_eq(faulty.calls[FAULTY_FSYNC], 1);
	ck_assert_uint_eq(faulty.calls[FAULTY_RENAMEAT], 0);
	ck_assert_ptr_nonnull(strstr(e.what, "fsync state/a.json"));

	struct disk_file f;
	ck_assert(disk_begin(&faulty.disk, &f, &dir, "b.json", 0600, &e));
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_FDATASYNC, .nth = 1, .number = EIO});
	ck_assert(!disk_settle(&f, &e));
	ck_assert_int_eq(f.fd, -1);
	disk_abort(&f);
	ck_assert_uint_eq(scratch_count(&scratch, ".", NULL), 0);
}
END_TEST

START_TEST(short_writes_and_signals_lose_no_byte)
{
	struct disk_file f;
	struct disk_error e;
	enum { PARTS = 1500 };
	static struct iovec parts[PARTS];
	static char want[PARTS * 3 + 1];
	size_t len = 0;
	for (int i = 0; i < PARTS; i++) {
		size_t n = (size_t)(i % 4);
		for (size_t k = 0; k < n; k++)
			want[len + k] = (char)('a' + (i + (int)k) % 26);
		parts[i] = (struct iovec){.iov_base = want + len, .iov_len = n};
		len += n;
	}
	faulty.short_write = 2;
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_ANY, .nth = 1, .times = 7,
	                                               .number = EINTR});
	ck_assert(disk_begin(&faulty.disk, &f, &dir, "big.json", 0600, &e));
	ck_assert(disk_write(&f, parts, PARTS, &e));
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_ANY, .nth = 1, .times = 3,
	                                               .number = EINTR});
	ck_assert(disk_settle(&f, &e));
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_WRITEV, .nth = 1, .times = 3,
	                                               .number = EINTR});
	ck_assert(disk_write(&f, parts, 3, &e));
	ck_assert_uint_eq(f.size, len + 3);
	ck_assert_int_eq(disk_finish(&f, true, &e), DISK_OK);
	memcpy(want + len, want, 3);
	want[len + 3] = '\0';
	holds("big.json", want);
}
END_TEST

START_TEST(a_full_disk_in_the_middle_of_a_file_removes_the_tmp)
{
	struct disk_error e;
	faulty.short_write = 2;
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_WRITEV, .nth = 3, .number = ENOSPC});
	ck_assert_int_eq(put("a.json", "0123456789", &e), DISK_FAILED);
	ck_assert_int_eq(e.number, ENOSPC);
	ck_assert_uint_eq(scratch_count(&scratch, ".", NULL), 0);
}
END_TEST

START_TEST(modes_are_as_asked_whatever_the_umask)
{
	struct disk_error e;
	struct stat st;
	char path[256];
	mode_t before = umask(0777);
	enum disk_result got = put("a.json", "x", &e);
	struct disk_dir sub;
	bool made = disk_dir_open(&faulty.disk, &sub, dir.fd, "journal", "journal", true, 0750);
	umask(before);
	ck_assert_int_eq(got, DISK_OK);
	ck_assert(made);
	disk_dir_close(&faulty.disk, &sub);
	scratch_path(&scratch, "a.json", path, sizeof path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	scratch_path(&scratch, "journal", path, sizeof path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0750);
}
END_TEST

START_TEST(a_new_directory_is_synced_into_the_one_above)
{
	struct disk_dir sub;
	ck_assert(disk_dir_open(&faulty.disk, &sub, dir.fd, "journal", "/somewhere/state/journal", true, 0700));
	ck_assert_ptr_nonnull(strstr(faulty_disk_log(&faulty), "openat .\nfsync .\n"));
	disk_dir_close(&faulty.disk, &sub);
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_FSYNC, .nth = 1, .number = EIO});
	ck_assert(!disk_dir_open(&faulty.disk, &sub, dir.fd, "other", "other", true, 0700));
	ck_assert_int_eq(errno, EIO);

	char path[256];
	faulty_disk_forget(&faulty);
	scratch_path(&scratch, "third", path, sizeof path);
	ck_assert(disk_dir_open(&faulty.disk, &sub, AT_FDCWD, path, path, true, 0700));
	ck_assert_uint_eq(faulty.calls[FAULTY_FSYNC], 1);
	disk_dir_close(&faulty.disk, &sub);
}
END_TEST

START_TEST(links_and_pipes_are_neither_read_nor_written_through)
{
	struct disk_error e;
	char link[256], target[256], pipe[256];
	scratch_path(&scratch, "link", link, sizeof link);
	scratch_path(&scratch, "target", target, sizeof target);
	scratch_path(&scratch, "pipe", pipe, sizeof pipe);
	scratch_write(&scratch, "target", SPAN("precious"));
	ck_assert_int_eq(symlink(target, link), 0);
	ck_assert_int_eq(mkfifo(pipe, 0600), 0);
	ck_assert_int_eq(disk_open(&faulty.disk, &dir, "link", NULL), -1);
	ck_assert_int_eq(errno, ELOOP);
	ck_assert_int_eq(disk_open(&faulty.disk, &dir, "pipe", NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert(!disk_exists(&faulty.disk, &dir, "link"));
	ck_assert_int_eq(put("link", "new", &e), DISK_OK);
	holds("target", "precious");
	holds("link", "new");
}
END_TEST

static const char spare[] = "spare.0000000000000001.tmp";
static struct disk_error error;

static bool reuse(struct disk_file *f, uint64_t size)
{
	return disk_reuse(&faulty.disk, f, &dir, "a.json", spare, size, 0640, &error);
}

START_TEST(what_a_file_held_shows_after_it_was_written_over)
{
	struct disk_file f;
	struct stat st;
	char path[256];
	struct iovec part = {.iov_base = "new ", .iov_len = 4};
	scratch_write(&scratch, spare, SPAN("old!"));
	ck_assert(reuse(&f, 4));
	f.content_only = true;
	ck_assert(disk_write(&f, &part, 1, &error));
	ck_assert_int_eq(disk_finish(&f, true, &error), DISK_OK);
	holds("a.json", "new ");
	ck_assert_uint_eq(scratch_count(&scratch, ".", NULL), 1);
	ck_assert_uint_eq(faulty.calls[FAULTY_FDATASYNC], 1);
	scratch_path(&scratch, "a.json", path, sizeof path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
}
END_TEST

START_TEST(a_file_that_has_another_name_is_written_over)
{
	struct disk_file f;
	char path[256], other[256];
	scratch_path(&scratch, spare, path, sizeof path);
	scratch_path(&scratch, "kept", other, sizeof other);
	scratch_write(&scratch, spare, SPAN("old!"));
	ck_assert_int_eq(link(path, other), 0);
	ck_assert(!reuse(&f, 4));
	ck_assert_int_eq(error.number, EINVAL);
	holds("kept", "old!");
	ck_assert_int_eq(symlink("kept", path), 0);
	ck_assert(!reuse(&f, 4));
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert(!reuse(&f, 0));
	scratch_write(&scratch, spare, SPAN("other size"));
	ck_assert(!reuse(&f, 4));
	ck_assert(!reuse(&f, 4)); /* gone */
	ck_assert_int_eq(error.number, ENOENT);
	ck_assert_uint_eq(scratch_count(&scratch, ".", NULL), 1);
}
END_TEST

START_TEST(a_file_that_failed_while_it_was_written_over_stays)
{
	struct disk_file f;
	struct iovec part = {.iov_base = "new ", .iov_len = 4};
	static const enum faulty_call calls[] = {FAULTY_OPENAT, FAULTY_FSTAT, FAULTY_FCHMOD, FAULTY_WRITEV,
	                                         FAULTY_FDATASYNC, FAULTY_CLOSE};
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		scratch_write(&scratch, spare, SPAN("old!"));
		faulty_disk_fail(&faulty, (struct faulty_plan){.call = calls[i], .nth = 1, .number = EIO});
		bool ok = reuse(&f, 4);
		f.content_only = true;
		ok = ok && disk_write(&f, &part, 1, &error);
		ck_assert(!ok || disk_finish(&f, true, &error) == DISK_FAILED);
		ck_assert(faulty_disk_fired(&faulty));
		ck_assert_uint_eq(scratch_count(&scratch, ".", NULL), 0);
	}
}
END_TEST

START_TEST(reading_goes_on_after_short_reads_to_the_end)
{
	char got[16];
	uint64_t size;
	scratch_write(&scratch, "a", SPAN("0123456789"));
	int fd = disk_open(&faulty.disk, &dir, "a", &size);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(size, 10);
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_PREAD, .nth = 1, .number = EINTR});
	ck_assert_int_eq(disk_read(&faulty.disk, fd, got, sizeof got, 3), 7);
	ck_assert_mem_eq(got, "3456789", 7);
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_PREAD, .nth = 1, .number = EIO});
	ck_assert_int_eq(disk_read(&faulty.disk, fd, got, sizeof got, 0), -1);
	ck_assert_int_eq(errno, EIO);
	disk_close(&faulty.disk, fd);
}
END_TEST

START_TEST(only_our_own_tmp_files_count_as_such)
{
	ck_assert(disk_is_tmp("jobs.json.0123456789abcdef.tmp"));
	ck_assert(disk_is_tmp("a.0123456789abcdef.tmp"));
	ck_assert(!disk_is_tmp(".0123456789abcdef.tmp"));
	ck_assert(!disk_is_tmp("jobs.json.0123456789abcdeF.tmp"));
	ck_assert(!disk_is_tmp("jobs.json.0123456789abcde.tmp"));
	ck_assert(!disk_is_tmp("jobs.json.0123456789abcdef0.tmp"));
	ck_assert(!disk_is_tmp("jobs.json.0123456789abcdef.tmp.json"));
	ck_assert(!disk_is_tmp("jobs.json.tmp"));
	ck_assert(!disk_is_tmp("jobs.json"));
	ck_assert(!disk_is_tmp(".tmp"));
	ck_assert(!disk_is_tmp(""));
}
END_TEST

START_TEST(unlinking_what_is_gone_is_success)
{
	struct disk_error e;
	scratch_write(&scratch, "a", SPAN("x"));
	ck_assert(disk_unlink(&faulty.disk, &dir, "a", &e));
	ck_assert(disk_unlink(&faulty.disk, &dir, "a", &e));
	ck_assert(disk_sync_dir(&faulty.disk, &dir, &e));
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_UNLINKAT, .nth = 1, .number = EROFS});
	ck_assert(!disk_unlink(&faulty.disk, &dir, "a", &e));
	ck_assert_int_eq(e.number, EROFS);
	for (unsigned nth = 1; nth <= 2; nth++) {
		faulty_disk_fail(&faulty, (struct faulty_plan){.nth = nth, .number = EIO});
		ck_assert(!disk_sync_dir(&faulty.disk, &dir, &e));
	}
}
END_TEST

static void count_name(void *argument, const char *name)
{
	ck_assert_str_ne(name, ".");
	ck_assert_str_ne(name, "..");
	++*(unsigned *)argument;
}

START_TEST(a_directory_can_be_listed_twice)
{
	unsigned count = 0;
	scratch_write(&scratch, "a", SPAN("x"));
	scratch_write(&scratch, "b", SPAN("x"));
	ck_assert(disk_list(&faulty.disk, &dir, count_name, &count));
	ck_assert(disk_list(&faulty.disk, &dir, count_name, &count));
	ck_assert_uint_eq(count, 4);
}
END_TEST

START_TEST(a_disk_that_is_gone_fails_every_call_from_then_on)
{
	struct disk_error e;
	faulty_disk_fail(&faulty, (struct faulty_plan){.nth = 4, .sticky = true, .number = EIO});
	ck_assert_int_eq(put("a.json", "x", &e), DISK_FAILED);
	ck_assert_int_eq(put("a.json", "x", &e), DISK_FAILED);
	ck_assert(!disk_exists(&faulty.disk, &dir, "a.json"));
	/* as after a kill: the tmp is still there for the next start to remove */
	ck_assert_uint_eq(scratch_count(&scratch, ".", disk_is_tmp), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("disk");
	TCase *all = tcase_create("disk");
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, a_file_is_synced_renamed_and_its_directory_synced_in_this_order);
	tcase_add_test(all, a_fault_at_any_call_leaves_the_old_file_or_says_unknown);
	tcase_add_test(all, after_a_failed_fsync_the_descriptor_is_never_synced_again);
	tcase_add_test(all, short_writes_and_signals_lose_no_byte);
	tcase_add_test(all, a_full_disk_in_the_middle_of_a_file_removes_the_tmp);
	tcase_add_test(all, modes_are_as_asked_whatever_the_umask);
	tcase_add_test(all, a_new_directory_is_synced_into_the_one_above);
	tcase_add_test(all, links_and_pipes_are_neither_read_nor_written_through);
	tcase_add_test(all, what_a_file_held_shows_after_it_was_written_over);
	tcase_add_test(all, a_file_that_has_another_name_is_written_over);
	tcase_add_test(all, a_file_that_failed_while_it_was_written_over_stays);
	tcase_add_test(all, reading_goes_on_after_short_reads_to_the_end);
	tcase_add_test(all, only_our_own_tmp_files_count_as_such);
	tcase_add_test(all, unlinking_what_is_gone_is_success);
	tcase_add_test(all, a_directory_can_be_listed_twice);
	tcase_add_test(all, a_disk_that_is_gone_fails_every_call_from_then_on);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
