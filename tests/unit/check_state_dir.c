#include "daemon/state_dir.h"
#include "proto/ident.h"
#include "tests/unit/faulty_disk.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>

static struct scratch scratch;
static struct faulty_disk faulty;
static struct state_dir dirs;
static char why[PATH_MAX + 512];

static void setup(void)
{
	ident_init();
	scratch_make(&scratch);
	faulty_disk_init(&faulty);
	dirs = (struct state_dir){.state.fd = -1, .journal.fd = -1, .artifacts.fd = -1, .lock = -1};
}

static void teardown(void)
{
	faulty_disk_fail(&faulty, (struct faulty_plan){0});
	state_dir_close(&dirs, &faulty.disk);
	faulty_disk_done(&faulty);
	scratch_remove(&scratch);
}

static bool open_named(const char *name, bool make)
{
	char path[256];
	scratch_path(&scratch, name, path, sizeof path);
	state_dir_close(&dirs, &faulty.disk);
	*why = '\0';
	return state_dir_open(&dirs, &faulty.disk, path, make, why, sizeof why);
}

static void refuses(const char *name, bool make, const char *says)
{
	ck_assert(!open_named(name, make));
	ck_assert_msg(strstr(why, says), "%s", why);
	ck_assert_int_eq(dirs.state.fd, -1);
	ck_assert_int_eq(dirs.lock, -1);
}

static mode_t mode_of(const char *name)
{
	char path[256];
	struct stat st;
	scratch_path(&scratch, name, path, sizeof path);
	ck_assert_msg(stat(path, &st) == 0, "%s", name);
	return st.st_mode & 07777;
}

START_TEST(a_new_state_directory_is_private_and_whole)
{
	char want[256];
	mode_t before = umask(0);
	ck_assert_msg(open_named("a/b/state", true), "%s", why);
	umask(before);
	ck_assert_uint_eq(mode_of("a"), 0700);
	ck_assert_uint_eq(mode_of("a/b/state"), 0700);
	ck_assert_uint_eq(mode_of("a/b/state/journal"), 0700);
	ck_assert_uint_eq(mode_of("a/b/state/artifacts"), 0700);
	ck_assert_uint_eq(mode_of("a/b/state/persistd.lock"), 0600);
	scratch_path(&scratch, "a/b/state/artifacts", want, sizeof want);
	ck_assert_str_eq(dirs.artifacts_path, want);
	ck_assert_str_eq(dirs.artifacts.path, want);
	ck_assert_msg(open_named("a/b/state", true), "%s", why);
}
END_TEST

/* A file as the daemon makes it, in each of the directories. */
static void write_files(const char *journal, const char *artifact)
{
	const struct disk_dir *in[] = {&dirs.state, &dirs.journal, &dirs.artifacts};
	const char *names[] = {"jobs.json", journal, artifact};
	for (int i = 0; i < 3; i++) {
		struct disk_file f;
		ck_assert(disk_begin(&faulty.disk, &f, in[i], names[i], in[i]->files, NULL));
		ck_assert_int_eq(disk_finish(&f, true, NULL), DISK_OK);
	}
}

START_TEST(whoever_may_enter_the_directory_may_read_its_files)
{
	static const mode_t modes[] = {0700, 0750, 0755, 0700}, files[] = {0600, 0640, 0644, 0600};
	static const uint64_t changed[] = {0, 2, 5, 7}; /* payloads are 0640 from the start */
	ck_assert_msg(open_named("state", true), "%s", why);
	scratch_write(&scratch, "state/notes.txt", SPAN("mine"));
	mode_t mine = mode_of("state/notes.txt");
	for (int i = 0; i < 4; i++) {
		struct state_dir_change change;
		char journal[32], artifact[32], path[64];
		snprintf(journal, sizeof journal, "%020d.json", i + 1);
		snprintf(artifact, sizeof artifact, "a%d.json", i);
		ck_assert(state_dir_set_mode(&dirs, &faulty.disk, modes[i], &change));
		ck_assert_uint_eq(change.dirs, i ? 3 : 0);
		ck_assert_uint_eq(change.files, changed[i]);
		ck_assert_uint_eq(change.was, i ? modes[i - 1] : 0);
		write_files(journal, artifact);
		ck_assert_uint_eq(mode_of("state"), modes[i]);
		ck_assert_uint_eq(mode_of("state/journal"), modes[i]);
		ck_assert_uint_eq(mode_of("state/artifacts"), modes[i]);
		ck_assert_uint_eq(mode_of("state/jobs.json"), files[i]);
		for (int k = 0; k <= i; k++) { /* those from before as well */
			snprintf(path, sizeof path, "state/journal/%020d.json", k + 1);
			ck_assert_uint_eq(mode_of(path), files[i]);
			snprintf(path, sizeof path, "state/artifacts/a%d.json", k);
			ck_assert_uint_eq(mode_of(path), files[i] | 0640);
		}
		ck_assert_uint_eq(mode_of("state/persistd.lock"), 0600);
		ck_assert_uint_eq(mode_of("state/notes.txt"), mine);
		ck_assert(state_dir_set_mode(&dirs, &faulty.disk, modes[i], &change));
		ck_assert_uint_eq(change.dirs + change.files, 0);
	}
}
END_TEST

START_TEST(what_cannot_get_its_mode_is_said)
{
	struct state_dir_change change;
	ck_assert_msg(open_named("state", true), "%s", why);
	write_files("00000000000000000001.json", "a.json");
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_FCHMOD, .name = "a.json", .nth = 1, .number = EPERM});
	ck_assert(state_dir_set_mode(&dirs, &faulty.disk, 0755, &change)); /* somebody else's file, perhaps */
	ck_assert_uint_eq(change.left, 1);
	ck_assert_uint_eq(change.files, 2);
	ck_assert_uint_eq(mode_of("state/artifacts/a.json"), 0640);
	faulty_disk_fail(&faulty, (struct faulty_plan){.call = FAULTY_FCHMOD, .name = "journal", .nth = 1, .number = EPERM});
	ck_assert(!state_dir_set_mode(&dirs, &faulty.disk, 0750, &change));
	ck_assert_int_eq(errno, EPERM);
	faulty_disk_fail(&faulty, (struct faulty_plan){0});
	ck_assert(state_dir_set_mode(&dirs, &faulty.disk, 0750, &change)); /* the next start makes it whole */
	ck_assert_uint_eq(mode_of("state/journal"), 0750);
	ck_assert_uint_eq(mode_of("state/jobs.json"), 0640);
}
END_TEST

START_TEST(a_relative_path_becomes_absolute)
{
	char before[PATH_MAX], want[PATH_MAX];
	ck_assert_ptr_nonnull(getcwd(before, sizeof before));
	ck_assert_int_eq(chdir(scratch.path), 0);
	bool ok = state_dir_open(&dirs, &faulty.disk, "new/./deep//state/", true, why, sizeof why);
	ck_assert_int_eq(chdir(before), 0);
	ck_assert_msg(ok, "%s", why);
	ck_assert_ptr_nonnull(realpath(scratch.path, want));
	strcat(want, "/new/deep/state");
	ck_assert_str_eq(dirs.state.path, want);
	ck_assert(disk_exists(&faulty.disk, &dirs.state, "persistd.lock"));
}
END_TEST

START_TEST(a_second_daemon_is_told_who_holds_the_directory)
{
	char me[64];
	struct state_dir first = {0};
	char path[256];
	scratch_path(&scratch, "state", path, sizeof path);
	ck_assert(state_dir_open(&first, &faulty.disk, path, true, why, sizeof why));
	refuses("state", true, "in use by process");
	snprintf(me, sizeof me, "process %d (", (int)getpid());
	ck_assert_msg(strstr(why, me), "%s", why);
	refuses("state", false, me);
	state_dir_close(&first, &faulty.disk);
	ck_assert_msg(open_named("state", true), "%s", why);
}
END_TEST

START_TEST(a_killed_daemon_leaves_no_lock_behind)
{
	char path[256];
	int ready[2];
	scratch_path(&scratch, "state", path, sizeof path);
	ck_assert_int_eq(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		struct state_dir theirs;
		char c = state_dir_open(&theirs, &faulty.disk, path, true, why, sizeof why);
		if (write(ready[1], &c, 1) == 1)
			pause();
		_exit(1);
	}
	char c = 0;
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	ck_assert_int_eq(c, 1);
	char who[64];
	snprintf(who, sizeof who, "in use by process %d (", (int)child);
	refuses("state", true, who);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ck_assert_msg(open_named("state", true), "%s", why);
	close(ready[0]);
	close(ready[1]);
}
END_TEST

START_TEST(leftover_tmp_files_go_and_nothing_else)
{
	ck_assert(open_named("state", true));
	scratch_write(&scratch, "state/jobs.json.0123456789abcdef.tmp", SPAN("x"));
	scratch_write(&scratch, "state/journal/00000000000000000007.json.0123456789abcdef.tmp", SPAN("x"));
	scratch_write(&scratch, "state/artifacts/a_b.json.0123456789abcdef.tmp", SPAN("x"));
	scratch_write(&scratch, "state/mine.tmp", SPAN("x"));
	scratch_write(&scratch, "state/jobs.json", SPAN("x"));
	ck_assert(open_named("state", false));
	ck_assert_uint_eq(scratch_count(&scratch, "state", disk_is_tmp), 1);
	ck_assert(open_named("state", true));
	ck_assert_uint_eq(scratch_count(&scratch, "state", NULL), 5);
	ck_assert_uint_eq(scratch_count(&scratch, "state/journal", NULL), 0);
	ck_assert_uint_eq(scratch_count(&scratch, "state/artifacts", NULL), 0);
}
END_TEST

START_TEST(a_check_makes_nothing)
{
	refuses("state", false, "does not exist");
	char path[256];
	scratch_path(&scratch, "state", path, sizeof path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_msg(open_named("state", false), "%s", why);
	ck_assert_int_eq(dirs.journal.fd, -1);
	ck_assert_int_eq(dirs.artifacts.fd, -1);
	ck_assert_uint_eq(scratch_count(&scratch, "state", NULL), 0);
}
END_TEST

START_TEST(a_path_that_is_no_directory_of_ours_is_refused)
{
	char path[256], deep[PATH_MAX + 100];
	scratch_write(&scratch, "file", SPAN("x"));
	refuses("file", true, "is no directory");
	refuses("file/below", true, "Not a directory");
	refuses("missing/../state", true, "does not exist");
	ck_assert(!state_dir_open(&dirs, &faulty.disk, "", true, why, sizeof why));
	memset(deep, 'x', sizeof deep - 1);
	deep[sizeof deep - 1] = '\0';
	ck_assert(!state_dir_open(&dirs, &faulty.disk, deep, true, why, sizeof why));
	ck_assert_ptr_nonnull(strstr(why, "too long"));
	scratch_path(&scratch, "open", path, sizeof path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(chmod(path, 0777), 0);
	refuses("open", true, "anybody may write to it");
	ck_assert_int_eq(chmod(path, 0770), 0);
	ck_assert_msg(open_named("open", true), "%s", why);
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(path, 12345, 12345), 0);
		refuses("open", true, "belongs to user 12345");
	} else {
		ck_assert_int_eq(chmod(path, 0500), 0);
		refuses("open", true, "may not write to it");
		ck_assert_int_eq(chmod(path, 0700), 0);
	}
}
END_TEST

START_TEST(directories_below_that_others_may_write_to_are_refused)
{
	char path[256];
	const char *below[] = {"open/journal", "open/artifacts"};
	ck_assert_msg(open_named("open", true), "%s", why);
	state_dir_close(&dirs, &faulty.disk);
	for (int i = 0; i < 2; i++) {
		scratch_path(&scratch, below[i], path, sizeof path);
		ck_assert_int_eq(chmod(path, 0777), 0);
		refuses("open", true, below[i] + 5);
		refuses("open", true, "anybody may write to it");
		ck_assert_int_eq(chmod(path, 0700), 0);
	}
}
END_TEST

START_TEST(a_file_with_a_second_name_keeps_its_mode)
{
	char path[256], other[256];
	struct state_dir_change change;
	ck_assert_msg(open_named("state", true), "%s", why);
	write_files("00000000000000000001.json", "a.json");
	scratch_path(&scratch, "state/artifacts/a.json", path, sizeof path);
	scratch_path(&scratch, "elsewhere", other, sizeof other);
	ck_assert_int_eq(link(path, other), 0);
	mode_t before = mode_of("elsewhere");
	ck_assert(state_dir_set_mode(&dirs, &faulty.disk, 0755, &change));
	ck_assert_uint_eq(change.left, 1);
	ck_assert_uint_eq(mode_of("elsewhere"), before);
}
END_TEST

START_TEST(links_inside_the_directory_are_refused)
{
	char path[256];
	scratch_path(&scratch, "state", path, sizeof path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	scratch_path(&scratch, "state/journal", path, sizeof path);
	ck_assert_int_eq(symlink("/tmp", path), 0);
	refuses("state", true, "follows no links");
	unlink(path);
	scratch_path(&scratch, "state/persistd.lock", path, sizeof path);
	unlink(path);
	ck_assert_int_eq(symlink("/tmp/elsewhere", path), 0);
	refuses("state", true, "symbolic link");
	unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	refuses("state", true, "no regular file");
}
END_TEST

START_TEST(the_directory_itself_may_be_reached_through_a_link)
{
	char path[256], link[256], want[PATH_MAX];
	scratch_path(&scratch, "real", path, sizeof path);
	scratch_path(&scratch, "link", link, sizeof link);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(symlink(path, link), 0);
	ck_assert_msg(open_named("link", true), "%s", why);
	ck_assert_ptr_nonnull(realpath(path, want));
	ck_assert_str_eq(dirs.state.path, want);
}
END_TEST

START_TEST(a_failing_disk_is_said_and_leaks_nothing)
{
	for (unsigned nth = 1;; nth++) {
		faulty_disk_fail(&faulty, (struct faulty_plan){.nth = nth, .number = EIO});
		bool ok = open_named("state", true);
		if (!faulty_disk_fired(&faulty))
			break;
		if (!ok)
			ck_assert_msg(strlen(why) > 10, "%u", nth);
	}
	faulty_disk_fail(&faulty, (struct faulty_plan){0});
	state_dir_close(&dirs, &faulty.disk);
	for (int fd = 0; fd < 1024; fd++)
		ck_assert_ptr_null(faulty.names[fd]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("state_dir");
	TCase *all = tcase_create("state_dir");
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, a_new_state_directory_is_private_and_whole);
	tcase_add_test(all, whoever_may_enter_the_directory_may_read_its_files);
	tcase_add_test(all, what_cannot_get_its_mode_is_said);
	tcase_add_test(all, a_relative_path_becomes_absolute);
	tcase_add_test(all, a_second_daemon_is_told_who_holds_the_directory);
	tcase_add_test(all, a_killed_daemon_leaves_no_lock_behind);
	tcase_add_test(all, leftover_tmp_files_go_and_nothing_else);
	tcase_add_test(all, a_check_makes_nothing);
	tcase_add_test(all, a_path_that_is_no_directory_of_ours_is_refused);
	tcase_add_test(all, directories_below_that_others_may_write_to_are_refused);
	tcase_add_test(all, a_file_with_a_second_name_keeps_its_mode);
	tcase_add_test(all, links_inside_the_directory_are_refused);
	tcase_add_test(all, the_directory_itself_may_be_reached_through_a_link);
	tcase_add_test(all, a_failing_disk_is_said_and_leaks_nothing);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
